//! What the store and the letters need from outside: the clock, random, the secret key, the catalogue, the installation's
//! own config. Tests bring their own.
pub mod bloom_filter;
pub mod invalidation;
pub mod job_stats;

use crate::clients::outgoing::Outgoing;
use crate::crypto::{random::Random, secrets::Secrets};
use crate::model::{catalog::Catalog, time::Time};
use invalidation::Invalidations;
use job_stats::JobStats;
use std::{
    net::SocketAddr,
    ops::Deref,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};
use uuid::Uuid;

/// What time it is.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Time + Send + Sync>);

impl Clock {
    /// The machine's.
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    pub fn real() -> Clock {
        Clock::from(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
        })
    }
    /// Another one.
    pub fn from(now: impl Fn() -> Time + Send + Sync + 'static) -> Clock {
        Clock(Arc::new(now))
    }
    /// Now.
    pub fn now(&self) -> Time {
        (self.0)()
    }
}

/// What an operator decides once for the installation.
#[derive(Clone, Debug, Default)]
pub struct InstallationConfig {
    /// Where people reach us: `https://console.example.com`, no slash at the end.
    pub base_url: String,
    /// How many organizations one user may own.
    pub max_organizations_per_user: u32,
    /// Whether anybody may sign up, or only who is invited.
    pub open_sign_up: bool,
    /// Whether listen and base URL are loopback: then the first to sign up becomes operator.
    pub loopback: bool,
    /// Whether issuers and webhooks may be on private networks.
    pub allow_private_addresses: bool,
    /// By which server names are looked up, if not by the system's.
    pub dns_resolver: Option<SocketAddr>,
    /// Who we are to Google and GitHub.
    pub social: crate::clients::social::Providers,
}

impl InstallationConfig {
    /// Whether people reach us by https.
    pub fn is_https(&self) -> bool {
        self.base_url.starts_with("https:")
    }
    /// Whether people reach us on this machine alone.
    pub fn is_local(&self) -> bool {
        match url::Url::parse(&self.base_url).ok().as_ref().and_then(url::Url::host) {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(it)) => it.is_loopback(),
            Some(url::Host::Ipv6(it)) => it.is_loopback(),
            None => false,
        }
    }
}

/// All of it, in one place that everybody holds on to.
#[derive(Clone)]
pub struct Context(Arc<ContextInner>);

impl Deref for Context {
    type Target = ContextInner;
    fn deref(&self) -> &ContextInner {
        &self.0
    }
}

/// What is in it.
#[derive(Clone)]
pub struct ContextInner {
    /// What time it is.
    pub clock: Clock,
    /// Where random bytes come from.
    pub random: Random,
    /// Encrypts and signs under the secret key.
    pub secrets: Arc<Secrets>,
    /// What the platform sells.
    pub catalog: Arc<Catalog>,
    /// What the operator decided.
    pub config: Arc<InstallationConfig>,
    /// Asks addresses that customers typed.
    pub outgoing: Outgoing,
    /// Asks identity providers.
    pub oidc: crate::clients::oidc::Oidc,
    /// Asks Google and GitHub.
    pub social: crate::clients::social::Social,
    /// What this process may not remember any longer.
    pub invalidations: Arc<Invalidations>,
    /// How the jobs went.
    pub job_stats: Arc<JobStats>,
    last: Arc<Mutex<u64>>,
}

impl Context {
    /// Puts it together.
    pub fn new(
        clock: Clock,
        random: Random,
        secrets: Secrets,
        catalog: Catalog,
        config: InstallationConfig,
    ) -> Context {
        let outgoing = Outgoing::new(config.allow_private_addresses, config.dns_resolver);
        let social = crate::clients::social::Social::new(config.social.clone(), config.dns_resolver);
        let (secrets, catalog, config) = (Arc::new(secrets), Arc::new(catalog), Arc::new(config));
        let oidc = crate::clients::oidc::Oidc::new(outgoing.clone());
        let (invalidations, job_stats, last) = (Arc::default(), Arc::default(), Arc::default());
        let tools = ContextInner {
            clock,
            random,
            secrets,
            catalog,
            config,
            outgoing,
            oidc,
            social,
            invalidations,
            job_stats,
            last,
        };
        Context(Arc::new(tools))
    }
    /// The same by another clock.
    #[must_use]
    pub fn by(&self, clock: Clock) -> Context {
        Context(Arc::new(ContextInner { clock, last: Arc::default(), ..ContextInner::clone(self) }))
    }
    /// The same with another catalogue.
    #[must_use]
    pub fn selling(&self, catalog: Catalog) -> Context {
        Context(Arc::new(ContextInner { catalog: Arc::new(catalog), ..ContextInner::clone(self) }))
    }
    /// Now.
    pub fn now(&self) -> Time {
        self.clock.now()
    }
    /// A new id (UUIDv7), later than all that this process made before: what is made first is listed first.
    pub fn id(&self) -> Uuid {
        let now = u64::try_from(self.now().0).unwrap_or(0);
        let micros = {
            let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *last = now.max(*last + 1);
            *last
        };
        let mut rest: [u8; 10] = self.random.bytes();
        // The microseconds go where the standard allows more precision (RFC 9562, 6.2, method 3).
        let fraction = u16::try_from((micros % 1000) * 4096 / 1000).unwrap_or(0);
        rest[..2].copy_from_slice(&fraction.to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(micros / 1000, &rest).into_uuid()
    }
    /// An address of ours: `url("/me")`.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.config.base_url)
    }
}
