//! What the operator configures, by flags and environment variables. Read once; each problem is one sentence.
mod key;
mod read;
mod social;

use crate::model::catalog::Catalog;
use clap::Args;
use ipnet::IpNet;
use std::{net::SocketAddr, path::PathBuf};
use tracing_subscriber::EnvFilter;

/// The settings as they were given, not parsed yet. A blank one counts as unset.
#[derive(Args, Clone, Debug, Default)]
#[expect(clippy::doc_markdown, reason = "these lines are read in a terminal, by --help")]
#[command(next_help_heading = "Settings")]
pub struct SettingsArgs {
    /// The database: sqlite://PATH (created if missing) or postgres://USER:PASSWORD@HOST/NAME [default: sqlite://guildhall.db]
    #[arg(long, global = true, value_name = "URL", env = "GUILDHALL_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// The address and port to listen on [default: 127.0.0.1:3000]
    #[arg(long, global = true, value_name = "IP:PORT", env = "GUILDHALL_LISTEN", hide_env_values = true)]
    pub listen: Option<String>,
    /// Where people reach the console: https://console.example.com [default: http:// and the listen address]
    #[arg(long, global = true, value_name = "URL", env = "GUILDHALL_BASE_URL", hide_env_values = true)]
    pub base_url: Option<String>,
    /// A file with the URL of the mail server, or set GUILDHALL_SMTP_URL itself: smtp://USER:PASSWORD@HOST:PORT (encrypted
    /// if the server offers it), smtp://…?tls=required (STARTTLS or nothing), smtps://… (encrypted from the start).
    /// Without one, mails stay in the database and can be read at /dev/mail, on loopback only
    #[arg(long, global = true, value_name = "PATH", env = "GUILDHALL_SMTP_URL_FILE", hide_env_values = true)]
    pub smtp_url_file: Option<String>,
    /// The sender of all mails [default: "Guildhall <no-reply@localhost>"]
    #[arg(long, global = true, value_name = "MAILBOX", env = "GUILDHALL_MAIL_FROM", hide_env_values = true)]
    pub mail_from: Option<String>,
    /// A file with the secret key, or set GUILDHALL_SECRET_KEY itself: base64 of at least 32 random bytes, as
    /// "openssl rand -base64 32" makes them. It encrypts stored secrets and signs the audit log: keep it as safe as the database.
    /// On SQLite, one is created beside the database file, with the suffix .key; on Postgres, it must be set
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "GUILDHALL_SECRET_KEY_FILE",
        hide_env_values = true
    )]
    pub secret_key_file: Option<String>,
    /// A file that describes what the platform sells: products, meters, plans [default: the built-in one]
    #[arg(long, global = true, value_name = "PATH", env = "GUILDHALL_CATALOG", hide_env_values = true)]
    pub catalog: Option<String>,
    /// A file with Stripe's secret key, or set GUILDHALL_STRIPE_SECRET_KEY itself. Without one, the operator records
    /// payments by hand
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "GUILDHALL_STRIPE_SECRET_KEY_FILE",
        hide_env_values = true
    )]
    pub stripe_secret_key_file: Option<String>,
    /// A file with the secret that signs Stripe's webhooks to /webhooks/stripe, or set GUILDHALL_STRIPE_WEBHOOK_SECRET itself
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "GUILDHALL_STRIPE_WEBHOOK_SECRET_FILE",
        hide_env_values = true
    )]
    pub stripe_webhook_secret_file: Option<String>,
    /// The address of Stripe's API [default: https://api.stripe.com]
    #[arg(long, global = true, value_name = "URL", env = "GUILDHALL_STRIPE_URL", hide_env_values = true)]
    pub stripe_url: Option<String>,
    /// A file with the bearer token with which Prometheus reads /metrics, or set GUILDHALL_METRICS_TOKEN itself. Without
    /// one, /metrics answers only if the base URL is loopback
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "GUILDHALL_METRICS_TOKEN_FILE",
        hide_env_values = true
    )]
    pub metrics_token_file: Option<String>,
    /// What is logged: error, warn, info, debug, or a list such as "warn,guildhall=debug" [default: info]
    #[arg(long, global = true, value_name = "FILTER", env = "GUILDHALL_LOG", hide_env_values = true)]
    pub log: Option<String>,
    /// The format of the log: text or json [default: text]
    #[arg(long, global = true, value_name = "FORMAT", env = "GUILDHALL_LOG_FORMAT", hide_env_values = true)]
    pub log_format: Option<String>,
    /// Who may sign up: open (anybody) or invited (invited people only) [default: open]
    #[arg(long, global = true, value_name = "WHO", env = "GUILDHALL_SIGN_UP", hide_env_values = true)]
    pub sign_up: Option<String>,
    /// How many organizations one user may own [default: 1]
    #[arg(
        long,
        global = true,
        value_name = "NUMBER",
        env = "GUILDHALL_MAX_ORGANIZATIONS_PER_USER",
        hide_env_values = true
    )]
    pub max_organizations_per_user: Option<String>,
    /// The proxies whose X-Forwarded-For is trusted: addresses or networks, separated by commas [default: none]
    #[arg(
        long,
        global = true,
        value_name = "NETWORKS",
        env = "GUILDHALL_TRUSTED_PROXIES",
        hide_env_values = true
    )]
    pub trusted_proxies: Option<String>,
    /// Whether identity providers may be on loopback or private networks: true or false [default: false]
    #[arg(
        long,
        global = true,
        value_name = "BOOLEAN",
        env = "GUILDHALL_ALLOW_PRIVATE_ADDRESSES",
        hide_env_values = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub allow_private_addresses: Option<String>,
    /// The name server for verifying domains and for resolving the addresses of identity providers [default: the system's]
    #[arg(
        long,
        global = true,
        value_name = "IP:PORT",
        env = "GUILDHALL_DNS_RESOLVER",
        hide_env_values = true
    )]
    pub dns_resolver: Option<String>,
    #[command(flatten)]
    pub social: social::SocialArgs,
}

/// The parsed settings.
#[derive(Clone)]
pub struct Settings {
    pub database: Database,
    pub listen: SocketAddr,
    /// The origin at which people reach us, if it is not `http://` and the listen address.
    base_url: Option<String>,
    /// The URL of the mail server. Without one, emails stay in the database.
    pub smtp_url: Option<String>,
    /// The sender of all emails.
    pub mail_from: String,
    /// The secret key, if one was given.
    secret_key: Option<Vec<u8>>,
    pub catalog: Catalog,
    /// `None` for the built-in catalogue.
    pub catalog_path: Option<PathBuf>,
    /// `None` if cards are not accepted.
    pub stripe: Option<StripeSettings>,
    pub log: EnvFilter,
    pub log_json: bool,
    /// Whether people may sign up without an invitation.
    pub open_sign_up: bool,
    pub max_organizations_per_user: u32,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// The bearer token of `/metrics`.
    pub metrics_token: Option<String>,
    /// Whether identity providers may be on private networks.
    pub allow_private_addresses: bool,
    /// The name server, if not the system's.
    pub dns_resolver: Option<SocketAddr>,
    pub social: crate::clients::social::Providers,
}

#[derive(Clone)]
pub struct StripeSettings {
    pub url: String,
    pub secret_key: String,
    /// Signs the webhooks.
    pub webhook_secret: String,
}

#[derive(Clone)]
pub enum Database {
    /// The URL, and the path of the file.
    Sqlite(String, PathBuf),
    /// The URL.
    Postgres(String),
}

impl Database {
    /// With the password.
    pub fn url(&self) -> &str {
        match self {
            Database::Sqlite(url, _) | Database::Postgres(url) => url,
        }
    }
    /// For people, without the password.
    pub fn describe(&self) -> String {
        match self {
            Database::Sqlite(_, path) => path.display().to_string(),
            Database::Postgres(url) => url::Url::parse(url).map_or_else(
                |_| "the Postgres database".to_owned(),
                |url| format!("{}{}", url.host_str().unwrap_or("localhost"), url.path()),
            ),
        }
    }
    /// Whether it is a file that does not exist yet.
    pub fn is_missing(&self) -> bool {
        matches!(self, Database::Sqlite(_, path) if !path.exists())
    }
}

impl Settings {
    /// The origin at which people reach us. `address` is the one that we listen on.
    pub fn base_url(&self, address: SocketAddr) -> String {
        self.base_url.clone().unwrap_or_else(|| format!("http://{address}"))
    }
    /// Whether both the listen address and the base URL are loopback.
    pub fn is_loopback(&self) -> bool {
        let is_local = |base: &String| match url::Url::parse(base).ok().as_ref().and_then(url::Url::host) {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        self.listen.ip().is_loopback() && self.base_url.as_ref().is_none_or(is_local)
    }
    /// The configured key, or on SQLite the one beside the database, which is created along with the database.
    pub fn secret_key(&self) -> Result<Vec<u8>, String> {
        match (&self.secret_key, &self.database) {
            (Some(key), _) => Ok(key.clone()),
            (None, Database::Sqlite(_, path)) => key::load_or_create(path),
            (None, Database::Postgres(_)) => Err(
                "GUILDHALL_SECRET_KEY is not set, and Postgres requires it. Make one with “openssl rand -base64 32”, and keep it \
                 as safe as the database."
                    .into(),
            ),
        }
    }
}
