//! What the operator decides: flags and environment variables, read once, each fault in one sentence.
mod key;
mod read;
mod social;

use crate::model::catalog::Catalog;
use clap::Args;
use ipnet::IpNet;
use std::{net::SocketAddr, path::PathBuf};
use tracing_subscriber::EnvFilter;

/// The settings as they were given. A blank one is as if it were not there.
#[derive(Args, Clone, Debug, Default)]
#[expect(clippy::doc_markdown, reason = "these lines are read in a terminal, by --help")]
#[command(next_help_heading = "Settings")]
pub struct Given {
    /// The database: sqlite://PATH (made if missing) or postgres://USER:PASSWORD@HOST/NAME [default: sqlite://guildhall.db]
    #[arg(long, global = true, value_name = "URL", env = "GUILDHALL_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// The address and port to serve at [default: 127.0.0.1:3000]
    #[arg(long, global = true, value_name = "IP:PORT", env = "GUILDHALL_LISTEN", hide_env_values = true)]
    pub listen: Option<String>,
    /// Where people reach the console: https://console.example.com [default: http:// and the listen address]
    #[arg(long, global = true, value_name = "URL", env = "GUILDHALL_BASE_URL", hide_env_values = true)]
    pub base_url: Option<String>,
    /// A file that holds the mail server's URL, or set GUILDHALL_SMTP_URL itself: smtp://USER:PASSWORD@HOST:PORT (encrypted
    /// if the server offers it), smtp://…?tls=required (STARTTLS or nothing), smtps://… (encrypted from the start).
    /// Without one, mails are kept in the database and readable at /dev/mail, on loopback only
    #[arg(long, global = true, value_name = "PATH", env = "GUILDHALL_SMTP_URL_FILE", hide_env_values = true)]
    pub smtp_url_file: Option<String>,
    /// The sender of all mails [default: "Guildhall <no-reply@localhost>"]
    #[arg(long, global = true, value_name = "MAILBOX", env = "GUILDHALL_MAIL_FROM", hide_env_values = true)]
    pub mail_from: Option<String>,
    /// A file that holds the secret key, or set GUILDHALL_SECRET_KEY itself: base64 of at least 32 random bytes, made by
    /// "openssl rand -base64 32". It encrypts stored secrets and signs the audit log: keep it as you keep the database.
    /// On SQLite, one is made and kept beside the database file, with .key at its end; on Postgres, it must be set
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "GUILDHALL_SECRET_KEY_FILE",
        hide_env_values = true
    )]
    pub secret_key_file: Option<String>,
    /// A file that says what the platform sells: products, meters, plans [default: the built-in one]
    #[arg(long, global = true, value_name = "PATH", env = "GUILDHALL_CATALOG", hide_env_values = true)]
    pub catalog: Option<String>,
    /// A file that holds Stripe's secret key, or set GUILDHALL_STRIPE_SECRET_KEY itself. Without one, invoices are paid by
    /// hand: the operator marks them
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "GUILDHALL_STRIPE_SECRET_KEY_FILE",
        hide_env_values = true
    )]
    pub stripe_secret_key_file: Option<String>,
    /// A file that holds the secret that signs what Stripe sends to /webhooks/stripe, or set GUILDHALL_STRIPE_WEBHOOK_SECRET
    /// itself
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "GUILDHALL_STRIPE_WEBHOOK_SECRET_FILE",
        hide_env_values = true
    )]
    pub stripe_webhook_secret_file: Option<String>,
    /// Where Stripe's API is [default: https://api.stripe.com]
    #[arg(long, global = true, value_name = "URL", env = "GUILDHALL_STRIPE_URL", hide_env_values = true)]
    pub stripe_url: Option<String>,
    /// A file that holds the token with which Prometheus reads /metrics, or set GUILDHALL_METRICS_TOKEN itself. Without one,
    /// /metrics answers only where the base URL is loopback
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
    /// How it is logged: text or json [default: text]
    #[arg(long, global = true, value_name = "FORMAT", env = "GUILDHALL_LOG_FORMAT", hide_env_values = true)]
    pub log_format: Option<String>,
    /// Who may sign up: open (anybody) or invited [default: open]
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
    /// The proxies whose X-Forwarded-For is believed: addresses or networks, with commas between [default: none]
    #[arg(
        long,
        global = true,
        value_name = "NETWORKS",
        env = "GUILDHALL_TRUSTED_PROXIES",
        hide_env_values = true
    )]
    pub trusted_proxies: Option<String>,
    /// Whether identity providers and webhooks may be on loopback or private networks: true or false [default: false]
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
    /// The name server that is asked for the domains of organizations and for the addresses of their identity providers
    /// [default: the system's]
    #[arg(
        long,
        global = true,
        value_name = "IP:PORT",
        env = "GUILDHALL_DNS_RESOLVER",
        hide_env_values = true
    )]
    pub dns_resolver: Option<String>,
    /// Who we are to Google and GitHub
    #[command(flatten)]
    pub social: social::Social,
}

/// The settings, understood.
#[derive(Clone)]
pub struct Settings {
    /// Where the data is.
    pub database: Database,
    /// Where to serve.
    pub listen: SocketAddr,
    /// The origin under which people reach us; none: `http://` and where we serve.
    base_url: Option<String>,
    /// The mail server's URL; none: mails stay in the database.
    pub smtp_url: Option<String>,
    /// The sender of all mails.
    pub mail_from: String,
    /// The secret key, if one was given.
    secret_key: Option<Vec<u8>>,
    /// What the platform sells.
    pub catalog: Catalog,
    /// Whose catalogue it is: a path, or none for the built-in one.
    pub catalog_path: Option<PathBuf>,
    /// Stripe's account, if cards are taken.
    pub stripe: Option<Stripe>,
    /// What is logged.
    pub log: EnvFilter,
    /// Whether the log is JSON.
    pub log_json: bool,
    /// Whether anybody may sign up.
    pub open_sign_up: bool,
    /// How many organizations one user may own.
    pub max_organizations_per_user: u32,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The token with which `/metrics` is read.
    pub metrics_token: Option<String>,
    /// Whether issuers and webhooks may be on private networks.
    pub allow_private_addresses: bool,
    /// By which server names are looked up, if not by the system's.
    pub dns_resolver: Option<SocketAddr>,
    /// Who we are to Google and GitHub.
    pub social: crate::clients::social::Providers,
}

/// An account at Stripe.
#[derive(Clone)]
pub struct Stripe {
    /// Where its API is.
    pub url: String,
    /// Its secret key.
    pub secret_key: String,
    /// What signs what it sends.
    pub webhook_secret: String,
}

/// Where the data is.
#[derive(Clone)]
pub enum Database {
    /// A file, and its URL.
    Sqlite(String, PathBuf),
    /// A server's URL.
    Postgres(String),
}

impl Database {
    /// As it was given, password included.
    pub fn url(&self) -> &str {
        match self {
            Database::Sqlite(url, _) | Database::Postgres(url) => url,
        }
    }
    /// For people: no password.
    pub fn describe(&self) -> String {
        match self {
            Database::Sqlite(_, path) => path.display().to_string(),
            Database::Postgres(url) => url::Url::parse(url).map_or_else(
                |_| "the Postgres database".to_owned(),
                |it| format!("{}{}", it.host_str().unwrap_or("localhost"), it.path()),
            ),
        }
    }
    /// Whether it is a file that is not there yet.
    pub fn is_missing(&self) -> bool {
        matches!(self, Database::Sqlite(_, path) if !path.exists())
    }
}

impl Settings {
    /// Where people reach us, when we serve at `address`.
    pub fn base_url(&self, address: SocketAddr) -> String {
        self.base_url.clone().unwrap_or_else(|| format!("http://{address}"))
    }
    /// Whether both where we serve and where people reach us are this machine alone.
    pub fn is_loopback(&self) -> bool {
        let local = |base: &String| match url::Url::parse(base).ok().as_ref().and_then(url::Url::host) {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(it)) => it.is_loopback(),
            Some(url::Host::Ipv6(it)) => it.is_loopback(),
            None => false,
        };
        self.listen.ip().is_loopback() && self.base_url.as_ref().is_none_or(local)
    }
    /// The secret key: the given one, or on SQLite the one beside the database, made where there is no database yet.
    pub fn secret_key(&self) -> Result<Vec<u8>, String> {
        match (&self.secret_key, &self.database) {
            (Some(key), _) => Ok(key.clone()),
            (None, Database::Sqlite(_, path)) => key::beside(path),
            (None, Database::Postgres(_)) => Err(
                "GUILDHALL_SECRET_KEY is not set. On Postgres it must be: make one with “openssl rand -base64 32”, \
                 and keep it as you keep the database."
                    .into(),
            ),
        }
    }
}
