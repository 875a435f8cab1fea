//! What the store and the letters need from outside: the clock, chance, the secret key, the catalogue, the installation's
//! own rules. Tests bring their own.
pub mod bloom_filter;
pub mod invalidation;
pub mod recall;

use crate::clients::outgoing::Outgoing;
use crate::crypto::secrets::Seal;
use crate::model::{catalog::Catalog, time::Time};
use invalidation::Stale;
use recall::Recall;
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

/// Where random bytes come from.
#[derive(Clone)]
pub struct Chance(Arc<Fill>);

type Fill = dyn Fn(&mut [u8]) + Send + Sync;

impl Chance {
    /// The operating system's, by a generator that it seeds.
    pub fn real() -> Chance {
        Chance::from(|bytes| rand::fill(bytes))
    }
    /// Another one.
    pub fn from(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Chance {
        Chance(Arc::new(fill))
    }
    /// So many random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }
}

/// What an operator decides once for the installation.
#[derive(Clone, Debug, Default)]
pub struct Rules {
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

impl Rules {
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
pub struct Kit(Arc<Tools>);

impl Deref for Kit {
    type Target = Tools;
    fn deref(&self) -> &Tools {
        &self.0
    }
}

/// What is in it.
#[derive(Clone)]
pub struct Tools {
    /// What time it is.
    pub clock: Clock,
    /// Where random bytes come from.
    pub chance: Chance,
    /// Encrypts and signs under the secret key.
    pub seal: Arc<Seal>,
    /// What the platform sells.
    pub catalog: Arc<Catalog>,
    /// What the operator decided.
    pub rules: Arc<Rules>,
    /// Asks addresses that customers typed.
    pub outgoing: Outgoing,
    /// Asks identity providers.
    pub oidc: crate::clients::oidc::Oidc,
    /// Asks Google and GitHub.
    pub social: crate::clients::social::Social,
    /// What this process may not remember any longer.
    pub stale: Arc<Stale>,
    /// What was read just now.
    pub recall: Arc<Recall>,
    last: Arc<Mutex<u64>>,
}

impl Kit {
    /// Puts it together.
    pub fn new(clock: Clock, chance: Chance, seal: Seal, catalog: Catalog, rules: Rules) -> Kit {
        let outgoing = Outgoing::new(rules.allow_private_addresses, rules.dns_resolver);
        let social = crate::clients::social::Social::new(rules.social.clone(), rules.dns_resolver);
        let (seal, catalog, rules) = (Arc::new(seal), Arc::new(catalog), Arc::new(rules));
        let oidc = crate::clients::oidc::Oidc::new(outgoing.clone());
        let (stale, recall, last) = (Arc::default(), Arc::default(), Arc::default());
        let tools =
            Tools { clock, chance, seal, catalog, rules, outgoing, oidc, social, stale, recall, last };
        Kit(Arc::new(tools))
    }
    /// The same by another clock.
    #[must_use]
    pub fn by(&self, clock: Clock) -> Kit {
        Kit(Arc::new(Tools { clock, last: Arc::default(), ..Tools::clone(self) }))
    }
    /// The same with another catalogue.
    #[must_use]
    pub fn selling(&self, catalog: Catalog) -> Kit {
        Kit(Arc::new(Tools { catalog: Arc::new(catalog), ..Tools::clone(self) }))
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
        let mut rest: [u8; 10] = self.chance.bytes();
        // The microseconds go where the standard allows more precision (RFC 9562, 6.2, method 3).
        let fraction = u16::try_from((micros % 1000) * 4096 / 1000).unwrap_or(0);
        rest[..2].copy_from_slice(&fraction.to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(micros / 1000, &rest).into_uuid()
    }
    /// An address of ours: `url("/me")`.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.rules.base_url)
    }
}
