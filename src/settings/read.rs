//! From what was given to what is meant.
use super::{Database, Given, Settings, key};
use crate::{db::Db, model::catalog::Catalog};
use ipnet::IpNet;
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};
use url::Url;

impl Given {
    /// Understands the settings, or says what is wrong with each. `env` tells an environment variable.
    pub fn read(&self, env: impl Fn(&str) -> Option<String>) -> Result<Settings, Vec<String>> {
        let mut faults = vec![];
        let env = &|name: &str| env(name).filter(|it| !it.trim().is_empty());
        let smtp_url = secret(env, "GUILDHALL_SMTP_URL", self.smtp_url_file.as_ref());
        let smtp_url = keep(&mut faults, smtp_url).flatten();
        let secret_key = secret(env, "GUILDHALL_SECRET_KEY", self.secret_key_file.as_ref());
        let secret_key = secret_key.and_then(|it| {
            it.map(|it| key::decode(&it).map_err(|it| at("GUILDHALL_SECRET_KEY", it))).transpose()
        });
        let secret_key = keep(&mut faults, secret_key).flatten();
        let metrics_token = secret(env, "GUILDHALL_METRICS_TOKEN", self.metrics_token_file.as_ref());
        let metrics_token = keep(&mut faults, metrics_token).flatten();
        let mail_from = given(self.mail_from.as_ref()).unwrap_or("Guildhall <no-reply@localhost>").to_owned();
        if mail_from.parse::<lettre::message::Mailbox>().is_err() {
            faults.push(at(
                "GUILDHALL_MAIL_FROM",
                "it is no sender, such as “Guildhall <no-reply@example.com>”",
            ));
        }
        let catalog_path = given(self.catalog.as_ref()).map(PathBuf::from);

        let database = keep(&mut faults, database(given(self.database_url.as_ref())));
        let listen = keep(&mut faults, listen(given(self.listen.as_ref())));
        let base_url = keep(&mut faults, given(self.base_url.as_ref()).map(origin).transpose());
        let catalog = keep(&mut faults, catalog(catalog_path.as_ref()));
        let log = keep(&mut faults, log(given(self.log.as_ref()).unwrap_or("info")));
        let log_json = one_of("GUILDHALL_LOG_FORMAT", self.log_format.as_ref(), &["text", "json"]);
        let log_json = keep(&mut faults, log_json).is_some_and(|it| it == 1);
        let sign_up = one_of("GUILDHALL_SIGN_UP", self.sign_up.as_ref(), &["open", "invited"]);
        let open_sign_up = keep(&mut faults, sign_up).is_some_and(|it| it == 0);
        let name = "GUILDHALL_ALLOW_PRIVATE_ADDRESSES";
        let private = one_of(name, self.allow_private_addresses.as_ref(), &["false", "true"]);
        let allow_private_addresses = keep(&mut faults, private).is_some_and(|it| it == 1);
        let dns_resolver = keep(&mut faults, given(self.dns_resolver.as_ref()).map(resolver).transpose());
        let social = self.social.read(env, &mut faults);
        let most = given(self.max_organizations_per_user.as_ref()).unwrap_or("1").parse::<u32>();
        let most = most.map_err(|_| at("GUILDHALL_MAX_ORGANIZATIONS_PER_USER", "it is no number from 0 on"));
        let max_organizations_per_user = keep(&mut faults, most);
        let trusted_proxies = keep(&mut faults, networks(given(self.trusted_proxies.as_ref())));

        let all = (|| {
            Some(Settings {
                database: database?,
                listen: listen?,
                base_url: base_url?,
                smtp_url,
                mail_from,
                secret_key,
                catalog: catalog?,
                catalog_path,
                log: log?,
                log_json,
                open_sign_up,
                max_organizations_per_user: max_organizations_per_user?,
                trusted_proxies: trusted_proxies?,
                metrics_token,
                allow_private_addresses,
                dns_resolver: dns_resolver?,
                social,
            })
        })();
        all.filter(|_| faults.is_empty()).ok_or(faults)
    }
}

pub(super) fn given(value: Option<&String>) -> Option<&str> {
    value.map(|it| it.trim()).filter(|it| !it.is_empty())
}

pub(super) fn keep<T>(faults: &mut Vec<String>, read: Result<T, String>) -> Option<T> {
    read.map_err(|it| faults.push(it)).ok()
}

/// `GUILDHALL_LISTEN: it is no address and port, such as 127.0.0.1:3000.`
pub(super) fn at(name: &str, what: impl std::fmt::Display) -> String {
    format!("{name}: {what}.")
}

/// From the variable itself, or from the file that is named. The value is never repeated.
pub(super) fn secret(
    env: impl Fn(&str) -> Option<String>,
    name: &str,
    file: Option<&String>,
) -> Result<Option<String>, String> {
    match (env(name), given(file)) {
        (Some(_), Some(_)) => Err(at(name, format!("{name}_FILE is set as well; leave one of them out"))),
        (Some(it), None) => Ok(Some(it.trim().to_owned())),
        (None, None) => Ok(None),
        (None, Some(path)) => match std::fs::read_to_string(path) {
            Ok(it) if it.trim().is_empty() => Err(at(&format!("{name}_FILE"), format!("{path} is empty"))),
            Ok(it) => Ok(Some(it.trim().to_owned())),
            Err(cause) => Err(at(&format!("{name}_FILE"), format!("{path} cannot be read ({cause})"))),
        },
    }
}

fn database(url: Option<&str>) -> Result<Database, String> {
    const NAME: &str = "GUILDHALL_DATABASE_URL";
    let url = url.unwrap_or("sqlite://guildhall.db");
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return match Url::parse(url) {
            Ok(it) if it.has_host() && it.path().len() > 1 => Ok(Database::Postgres(url.to_owned())),
            Ok(_) => Err(at(NAME, "it names no host or no database: postgres://USER:PASSWORD@HOST/NAME")),
            Err(cause) => {
                Err(at(NAME, format!("it cannot be read ({cause}); is its password percent-encoded?")))
            }
        };
    }
    if !url.starts_with("sqlite:") {
        return Err(at(NAME, "it starts with neither sqlite:// nor postgres://"));
    }
    match Db::file(url) {
        Some(path) => Ok(Database::Sqlite(url.to_owned(), path)),
        None => Err(at(NAME, "it names no file, such as sqlite://guildhall.db")),
    }
}

fn listen(text: Option<&str>) -> Result<SocketAddr, String> {
    let text = text.unwrap_or("127.0.0.1:3000");
    let text = text.strip_prefix("localhost:").map_or(text.to_owned(), |it| format!("127.0.0.1:{it}"));
    text.parse().map_err(|_| at("GUILDHALL_LISTEN", "it is no address and port, such as 127.0.0.1:3000"))
}

/// An address, and a port where it is not 53.
fn resolver(text: &str) -> Result<SocketAddr, String> {
    let bare = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let whole = text.parse().or_else(|_| bare.map(|it| SocketAddr::new(it, 53)));
    whole.map_err(|_| at("GUILDHALL_DNS_RESOLVER", "it is no address and port, such as 10.0.0.2:53"))
}

/// As a browser spells it: what it sends in its Origin field is compared with this.
fn origin(text: &str) -> Result<String, String> {
    const NAME: &str = "GUILDHALL_BASE_URL";
    let url = Url::parse(text).ok().filter(|it| matches!(it.scheme(), "http" | "https") && it.has_host());
    let url = url.ok_or_else(|| at(NAME, "it is no web address, such as https://console.example.com"))?;
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if !is_bare || !url.username().is_empty() || url.password().is_some() {
        return Err(at(NAME, "it has more than scheme, host and port; the console needs a host of its own"));
    }
    Ok(url.origin().ascii_serialization())
}

fn catalog(path: Option<&PathBuf>) -> Result<Catalog, String> {
    const NAME: &str = "GUILDHALL_CATALOG";
    let Some(path) = path else { return Catalog::parse(Catalog::BUILT_IN).map_err(|it| at(NAME, it)) };
    let shown = path.display();
    let text =
        std::fs::read_to_string(path).map_err(|it| at(NAME, format!("{shown} cannot be read ({it})")))?;
    Catalog::parse(&text).map_err(|it| at(NAME, format!("{shown}: {}", it.trim())))
}

fn log(filter: &str) -> Result<tracing_subscriber::EnvFilter, String> {
    // Postgres tells of every table that is there already.
    let filter = if filter == "info" { "info,sqlx=warn" } else { filter };
    filter.parse().map_err(|_| at("GUILDHALL_LOG", "it is no filter, such as info or warn,guildhall=debug"))
}

fn one_of(name: &str, value: Option<&String>, words: &[&str]) -> Result<usize, String> {
    let value = given(value).unwrap_or(words[0]);
    let found = words.iter().position(|it| *it == value);
    found.ok_or_else(|| at(name, format!("it is neither {}", words.join(" nor "))))
}

fn networks(list: Option<&str>) -> Result<Vec<IpNet>, String> {
    let parse = |it: &str| it.parse().ok().or_else(|| Some(IpNet::from(it.parse::<IpAddr>().ok()?)));
    let all = list.unwrap_or_default().split([',', ' ']).map(str::trim).filter(|it| !it.is_empty());
    all.map(|it| {
        parse(it).ok_or_else(|| at("GUILDHALL_TRUSTED_PROXIES", format!("“{it}” is no address or network")))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(change: impl FnOnce(&mut Given)) -> Result<Settings, Vec<String>> {
        let mut given = Given::default();
        change(&mut given);
        given.read(|_| None)
    }
    fn base(url: &str) -> Result<Settings, Vec<String>> {
        read(|it| it.base_url = Some(url.into()))
    }

    #[test]
    fn nothing_given_serves_this_machine_alone() {
        let it = read(|_| {}).unwrap_or_else(|_| panic!("the defaults hold"));
        assert_eq!(it.listen.to_string(), "127.0.0.1:3000");
        assert_eq!(it.base_url(it.listen), "http://127.0.0.1:3000");
        assert!(it.is_loopback() && it.open_sign_up && it.max_organizations_per_user == 1);
        assert!(matches!(it.database, Database::Sqlite(_, path) if path.as_os_str() == "guildhall.db"));
    }

    #[test]
    fn a_base_url_is_an_origin() {
        for (typed, meant) in [
            ("https://Console.Example.com/", "https://console.example.com"),
            ("https://example.com:443", "https://example.com"),
            ("http://localhost:8080", "http://localhost:8080"),
        ] {
            let it = base(typed).unwrap_or_else(|it| panic!("{it:?}"));
            assert_eq!(it.base_url(it.listen), meant);
        }
        for bad in
            ["example.com", "ftp://example.com", "https://example.com/console", "https://a@b.test", "//"]
        {
            assert!(base(bad).is_err(), "{bad}");
        }
        assert!(base("http://[::1]:3000").is_ok_and(|it| it.is_loopback()));
        assert!(base("https://example.com").is_ok_and(|it| !it.is_loopback()));
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let faults = read(|it| {
            it.listen = Some("here".into());
            it.database_url = Some("mysql://x".into());
            it.sign_up = Some("maybe".into());
            it.trusted_proxies = Some("10.0.0.0/8, nobody".into());
            it.mail_from = Some("nobody".into());
        })
        .err()
        .unwrap_or_default();
        assert_eq!(faults.len(), 5, "{faults:?}");
        assert!(faults.iter().all(|it| it.starts_with("GUILDHALL_") && it.ends_with('.')), "{faults:?}");
    }

    #[test]
    fn a_secret_comes_from_one_place_and_is_never_repeated() {
        let of = |value: &'static str| {
            Given::default().read(move |it| (it == "GUILDHALL_SECRET_KEY").then(|| value.to_owned()))
        };
        let long = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        assert!(of(long).is_ok_and(|it| it.secret_key() == Ok((0..32).collect())));
        let said = of("c2hvcnQ=").err().unwrap_or_default().join(" ");
        assert!(said.contains("32") && !said.contains("c2hvcnQ"), "{said}");
    }
}
