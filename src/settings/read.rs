//! Parses the settings.
use super::{Database, Settings, SettingsArgs, StripeSettings, key};
use crate::{db::Db, model::catalog::Catalog};
use ipnet::IpNet;
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};
use url::Url;

impl SettingsArgs {
    /// Parses all settings, or reports every problem at once. `env` looks up an environment variable.
    pub fn parse(&self, env: impl Fn(&str) -> Option<String>) -> Result<Settings, Vec<String>> {
        let mut problems = vec![];
        let env = &|name: &str| env(name).filter(|value| !value.trim().is_empty());
        let smtp_url = secret(env, "GUILDHALL_SMTP_URL", self.smtp_url_file.as_ref());
        let smtp_url = collect(&mut problems, smtp_url).flatten();
        let secret_key = secret(env, "GUILDHALL_SECRET_KEY", self.secret_key_file.as_ref());
        let secret_key = secret_key.and_then(|text| {
            let decoded = text.map(|text| key::decode(&text));
            decoded.transpose().map_err(|detail| problem("GUILDHALL_SECRET_KEY", detail))
        });
        let secret_key = collect(&mut problems, secret_key).flatten();
        let metrics_token = secret(env, "GUILDHALL_METRICS_TOKEN", self.metrics_token_file.as_ref());
        let metrics_token = collect(&mut problems, metrics_token).flatten();
        let mail_from =
            non_blank(self.mail_from.as_ref()).unwrap_or("Guildhall <no-reply@localhost>").to_owned();
        if mail_from.parse::<lettre::message::Mailbox>().is_err() {
            problems.push(problem(
                "GUILDHALL_MAIL_FROM",
                "it is not a sender, such as “Guildhall <no-reply@example.com>”",
            ));
        }
        let catalog_path = non_blank(self.catalog.as_ref()).map(PathBuf::from);

        let database = collect(&mut problems, database(non_blank(self.database_url.as_ref())));
        let listen = collect(&mut problems, listen(non_blank(self.listen.as_ref())));
        let base_url = collect(&mut problems, non_blank(self.base_url.as_ref()).map(origin).transpose());
        let catalog = collect(&mut problems, catalog(catalog_path.as_ref()));
        let stripe = collect(&mut problems, self.stripe(env)).flatten();
        let log = collect(&mut problems, log(non_blank(self.log.as_ref()).unwrap_or("info")));
        let log_json = one_of("GUILDHALL_LOG_FORMAT", self.log_format.as_ref(), &["text", "json"]);
        let log_json = collect(&mut problems, log_json).is_some_and(|index| index == 1);
        let sign_up = one_of("GUILDHALL_SIGN_UP", self.sign_up.as_ref(), &["open", "invited"]);
        let open_sign_up = collect(&mut problems, sign_up).is_some_and(|index| index == 0);
        let name = "GUILDHALL_ALLOW_PRIVATE_ADDRESSES";
        let private = one_of(name, self.allow_private_addresses.as_ref(), &["false", "true"]);
        let allow_private_addresses = collect(&mut problems, private).is_some_and(|index| index == 1);
        let dns_resolver =
            collect(&mut problems, non_blank(self.dns_resolver.as_ref()).map(resolver).transpose());
        let social = self.social.read(env, &mut problems);
        let limit = non_blank(self.max_organizations_per_user.as_ref()).unwrap_or("1").parse::<u32>();
        let limit = limit.map_err(|_| {
            problem("GUILDHALL_MAX_ORGANIZATIONS_PER_USER", "it is not a whole number of at least 0")
        });
        let max_organizations_per_user = collect(&mut problems, limit);
        let trusted_proxies = collect(&mut problems, networks(non_blank(self.trusted_proxies.as_ref())));

        let settings = (|| {
            Some(Settings {
                database: database?,
                listen: listen?,
                base_url: base_url?,
                smtp_url,
                mail_from,
                secret_key,
                catalog: catalog?,
                catalog_path,
                stripe,
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
        settings.filter(|_| problems.is_empty()).ok_or(problems)
    }
}

impl SettingsArgs {
    fn stripe(&self, env: impl Fn(&str) -> Option<String> + Copy) -> Result<Option<StripeSettings>, String> {
        let (key, webhook) = ("GUILDHALL_STRIPE_SECRET_KEY", "GUILDHALL_STRIPE_WEBHOOK_SECRET");
        let secret_key = secret(env, key, self.stripe_secret_key_file.as_ref())?;
        let webhook_secret = secret(env, webhook, self.stripe_webhook_secret_file.as_ref())?;
        let url = non_blank(self.stripe_url.as_ref()).unwrap_or("https://api.stripe.com");
        match (secret_key, webhook_secret) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(problem(key, format!("it is not set, but {webhook} is"))),
            (Some(_), None) => Err(problem(
                webhook,
                format!("it is not set, but {key} is; Stripe shows it beside the webhook"),
            )),
            (Some(secret_key), Some(webhook_secret)) => {
                let is_url = Url::parse(url)
                    .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
                if !is_url {
                    return Err(problem("GUILDHALL_STRIPE_URL", "it is not a web address"));
                }
                Ok(Some(StripeSettings { url: url.to_owned(), secret_key, webhook_secret }))
            }
        }
    }
}

pub(super) fn non_blank(value: Option<&String>) -> Option<&str> {
    value.map(|text| text.trim()).filter(|text| !text.is_empty())
}

pub(super) fn collect<T>(problems: &mut Vec<String>, parsed: Result<T, String>) -> Option<T> {
    parsed.map_err(|detail| problems.push(detail)).ok()
}

/// `GUILDHALL_LISTEN: it is not an address with a port, such as 127.0.0.1:3000.`
pub(super) fn problem(name: &str, detail: impl std::fmt::Display) -> String {
    format!("{name}: {detail}.")
}

/// From the variable itself, or from the file that the setting names. The value never appears in the error.
pub(super) fn secret(
    env: impl Fn(&str) -> Option<String>,
    name: &str,
    file: Option<&String>,
) -> Result<Option<String>, String> {
    match (env(name), non_blank(file)) {
        (Some(_), Some(_)) => Err(problem(name, format!("{name}_FILE is set as well; remove one of them"))),
        (Some(value), None) => Ok(Some(value.trim().to_owned())),
        (None, None) => Ok(None),
        (None, Some(path)) => match std::fs::read_to_string(path) {
            Ok(text) if text.trim().is_empty() => {
                Err(problem(&format!("{name}_FILE"), format!("{path} is empty")))
            }
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(cause) => Err(problem(&format!("{name}_FILE"), format!("{path} cannot be read ({cause})"))),
        },
    }
}

fn database(url: Option<&str>) -> Result<Database, String> {
    const NAME: &str = "GUILDHALL_DATABASE_URL";
    let url = url.unwrap_or("sqlite://guildhall.db");
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return match Url::parse(url) {
            Ok(parsed) if parsed.has_host() && parsed.path().len() > 1 => {
                Ok(Database::Postgres(url.to_owned()))
            }
            Ok(_) => Err(problem(NAME, "it lacks a host or a database: postgres://USER:PASSWORD@HOST/NAME")),
            Err(cause) => {
                Err(problem(NAME, format!("it cannot be read ({cause}); is its password percent-encoded?")))
            }
        };
    }
    if !url.starts_with("sqlite:") {
        return Err(problem(NAME, "it starts with neither sqlite:// nor postgres://"));
    }
    match Db::file(url) {
        Some(path) => Ok(Database::Sqlite(url.to_owned(), path)),
        None => Err(problem(NAME, "it names no file, such as sqlite://guildhall.db")),
    }
}

fn listen(text: Option<&str>) -> Result<SocketAddr, String> {
    let text = text.unwrap_or("127.0.0.1:3000");
    let text = text.strip_prefix("localhost:").map_or(text.to_owned(), |port| format!("127.0.0.1:{port}"));
    text.parse()
        .map_err(|_| problem("GUILDHALL_LISTEN", "it is not an address with a port, such as 127.0.0.1:3000"))
}

/// An address with an optional port, 53 by default.
fn resolver(text: &str) -> Result<SocketAddr, String> {
    let bare = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let whole = text.parse().or_else(|_| bare.map(|ip| SocketAddr::new(ip, 53)));
    whole.map_err(|_| {
        problem("GUILDHALL_DNS_RESOLVER", "it is not an address with a port, such as 10.0.0.2:53")
    })
}

/// In the spelling of browsers, since their Origin header is compared with it.
fn origin(text: &str) -> Result<String, String> {
    const NAME: &str = "GUILDHALL_BASE_URL";
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url =
        url.ok_or_else(|| problem(NAME, "it is not a web address, such as https://console.example.com"))?;
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if !is_bare || !url.username().is_empty() || url.password().is_some() {
        return Err(problem(
            NAME,
            "it has more than a scheme, a host and a port; the console needs a host of its own",
        ));
    }
    Ok(url.origin().ascii_serialization())
}

fn catalog(path: Option<&PathBuf>) -> Result<Catalog, String> {
    const NAME: &str = "GUILDHALL_CATALOG";
    let Some(path) = path else {
        return Catalog::parse(Catalog::BUILT_IN).map_err(|detail| problem(NAME, detail));
    };
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| problem(NAME, format!("{shown} cannot be read ({error})")))?;
    Catalog::parse(&text).map_err(|detail| problem(NAME, format!("{shown}: {}", detail.trim())))
}

fn log(filter: &str) -> Result<tracing_subscriber::EnvFilter, String> {
    // With Postgres, sqlx logs a notice for every table that exists already.
    let filter = if filter == "info" { "info,sqlx=warn" } else { filter };
    filter
        .parse()
        .map_err(|_| problem("GUILDHALL_LOG", "it is not a filter, such as info or warn,guildhall=debug"))
}

fn one_of(name: &str, value: Option<&String>, words: &[&str]) -> Result<usize, String> {
    let value = non_blank(value).unwrap_or(words[0]);
    let found = words.iter().position(|word| *word == value);
    found.ok_or_else(|| problem(name, format!("it is neither {}", words.join(" nor "))))
}

fn networks(list: Option<&str>) -> Result<Vec<IpNet>, String> {
    let parse = |text: &str| text.parse().ok().or_else(|| Some(IpNet::from(text.parse::<IpAddr>().ok()?)));
    let all = list.unwrap_or_default().split([',', ' ']).map(str::trim).filter(|text| !text.is_empty());
    all.map(|text| {
        parse(text).ok_or_else(|| {
            problem("GUILDHALL_TRUSTED_PROXIES", format!("“{text}” is not an address or a network"))
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(change: impl FnOnce(&mut SettingsArgs)) -> Result<Settings, Vec<String>> {
        let mut args = SettingsArgs::default();
        change(&mut args);
        args.parse(|_| None)
    }
    fn base(url: &str) -> Result<Settings, Vec<String>> {
        read(|args| args.base_url = Some(url.into()))
    }

    #[test]
    fn the_defaults_serve_this_machine_only() {
        let settings = read(|_| {}).unwrap_or_else(|_| panic!("the defaults are valid"));
        assert_eq!(settings.listen.to_string(), "127.0.0.1:3000");
        assert_eq!(settings.base_url(settings.listen), "http://127.0.0.1:3000");
        assert!(settings.is_loopback() && settings.open_sign_up && settings.max_organizations_per_user == 1);
        assert!(matches!(settings.database, Database::Sqlite(_, path) if path.as_os_str() == "guildhall.db"));
    }

    #[test]
    fn a_base_url_is_an_origin() {
        for (typed, expected) in [
            ("https://Console.Example.com/", "https://console.example.com"),
            ("https://example.com:443", "https://example.com"),
            ("http://localhost:8080", "http://localhost:8080"),
        ] {
            let settings = base(typed).unwrap_or_else(|problems| panic!("{problems:?}"));
            assert_eq!(settings.base_url(settings.listen), expected);
        }
        for bad in
            ["example.com", "ftp://example.com", "https://example.com/console", "https://a@b.test", "//"]
        {
            assert!(base(bad).is_err(), "{bad}");
        }
        assert!(base("http://[::1]:3000").is_ok_and(|settings| settings.is_loopback()));
        assert!(base("https://example.com").is_ok_and(|settings| !settings.is_loopback()));
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let problems = read(|args| {
            args.listen = Some("here".into());
            args.database_url = Some("mysql://x".into());
            args.sign_up = Some("maybe".into());
            args.trusted_proxies = Some("10.0.0.0/8, nobody".into());
            args.mail_from = Some("nobody".into());
        })
        .err()
        .unwrap_or_default();
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert!(
            problems.iter().all(|problem| problem.starts_with("GUILDHALL_") && problem.ends_with('.')),
            "{problems:?}"
        );
    }

    #[test]
    fn a_secret_comes_from_one_place_and_is_never_repeated() {
        let with_key = |value: &'static str| {
            SettingsArgs::default()
                .parse(move |name| (name == "GUILDHALL_SECRET_KEY").then(|| value.to_owned()))
        };
        let long = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        assert!(with_key(long).is_ok_and(|settings| settings.secret_key() == Ok((0..32).collect())));
        let message = with_key("c2hvcnQ=").err().unwrap_or_default().join(" ");
        assert!(message.contains("32") && !message.contains("c2hvcnQ"), "{message}");
    }
}
