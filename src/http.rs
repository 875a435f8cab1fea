//! What every request shares. The fields are private: only this module's own gates can open them.
pub mod assets;
pub mod client;
pub mod error_response;
pub mod form;
pub mod gate;
pub mod idempotency;
pub mod leaked_keys;
pub mod metrics;
pub mod middleware;
pub mod openapi;
pub mod passkeys;
pub mod problems;
pub mod reauth;
mod return_to;
pub mod routes;
pub mod server;
pub mod sign_in;
pub mod throttle;
pub mod user_agent;

use crate::{
    clients::payments::{ByHand, Till},
    context::Kit,
    db::Db,
    model::id::{AccountId, KeyId, SessionId, TokenId},
    store::{keys, sessions, tokens},
};
use ipnet::IpNet;
use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};
use throttle::Throttle;

/// Uses of keys wait for each other so long before they are written down.
const TOGETHER: Duration = Duration::from_millis(200);

/// The running program, as requests see it.
#[derive(Clone)]
pub struct App(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) db: Db,
    pub(crate) kit: Kit,
    mailbox: bool,
    proxies: Vec<IpNet>,
    till: OnceLock<Arc<dyn Till>>,
    book: OnceLock<openapi::Book>,
    throttle: Throttle,
    touched: moka::sync::Cache<(SessionId, Option<AccountId>), ()>,
    used: moka::sync::Cache<KeyId, ()>,
    /// Keys whose use is about to be written down.
    waiting: Mutex<Vec<KeyId>>,
    pub(crate) memory: crate::gateway::key_cache::Memory,
    pub(crate) limits: crate::gateway::rate_limit::Limits,
    metrics: metrics::Metrics,
    metrics_token: Option<String>,
}

/// What the operator chose for serving.
#[derive(Clone, Debug, Default)]
pub struct Serving {
    /// Mails are kept in the database and readable at `/dev/mail`.
    pub mailbox: bool,
    /// Whose `X-Forwarded-For` is believed.
    pub proxies: Vec<IpNet>,
    /// Who presents it may read `/metrics`; without one, everybody may where the base URL is loopback.
    pub metrics_token: Option<String>,
}

impl App {
    /// On a database.
    pub fn new(db: Db, kit: Kit, serving: Serving) -> App {
        let touched =
            moka::sync::Cache::builder().max_capacity(100_000).time_to_live(sessions::TOUCH).build();
        let used = moka::sync::Cache::builder().max_capacity(100_000).time_to_live(keys::TOUCH).build();
        let Serving { mailbox, proxies, metrics_token } = serving;
        App(Arc::new(Inner {
            db,
            kit,
            mailbox,
            proxies,
            throttle: Throttle::default(),
            touched,
            used,
            waiting: Mutex::default(),
            memory: crate::gateway::key_cache::Memory::default(),
            limits: crate::gateway::rate_limit::Limits::default(),
            metrics: metrics::Metrics::default(),
            metrics_token,
            till: OnceLock::new(),
            book: OnceLock::new(),
        }))
    }
    /// The clock, the rules and the rest.
    pub fn kit(&self) -> &Kit {
        &self.0.kit
    }
    /// Takes payments by this till, and not by hand alone.
    #[must_use]
    pub fn paid_by(self, till: Arc<dyn Till>) -> App {
        // Set once, before anything is served.
        let _ = self.0.till.set(till);
        self
    }
    /// How invoices are paid.
    pub fn till(&self) -> &Arc<dyn Till> {
        self.0.till.get_or_init(|| Arc::new(ByHand))
    }
    /// Whether `/dev/mail` is there.
    pub fn has_mailbox(&self) -> bool {
        self.0.mailbox
    }
    /// Who tries too often.
    pub fn throttle(&self) -> &Throttle {
        &self.0.throttle
    }
    /// Puts the layers around the routes: the whole program as a service.
    pub fn front(self, routes: routes::Routes) -> server::Front {
        // Once for each program: tests put its door up more than once.
        self.0.book.get_or_init(|| openapi::Book::of(routes.table()));
        let table = routes.table().to_vec();
        let (router, quick) = routes.into_parts();
        let hall = middleware::Hall::new(router, &table, &self);
        server::Front::new(&self, quick, hall)
    }
    /// A session was used. Written down now and then, beside the request.
    fn touch(&self, session: SessionId, account: Option<AccountId>) {
        if self.0.touched.contains_key(&(session, account)) {
            return;
        }
        self.0.touched.insert((session, account), ());
        let app = self.clone();
        tokio::spawn(async move {
            if let Err(cause) = sessions::touch(&app.0.db, &app.0.kit, session, account).await {
                tracing::warn!(%cause, "a session's use was not written down");
            }
        });
    }
    /// A key was used. Written down now and then, beside the request.
    fn use_key(&self, key: KeyId) {
        if !self.0.used.contains_key(&key) {
            self.0.used.insert(key, ());
            self.write_use(key);
        }
    }
    /// Writes down a key's use soon, with those of others.
    pub(crate) fn write_use(&self, key: KeyId) {
        let is_first = {
            let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push(key);
            waiting.len() == 1
        };
        if !is_first {
            return;
        }
        let app = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(TOGETHER).await;
            let keys = std::mem::take(&mut *app.0.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            if let Err(cause) = keys::touch(&app.0.db, &app.0.kit, &keys).await {
                tracing::warn!(%cause, "the use of keys was not written down");
            }
        });
    }
    /// Writes down a service token's use, beside the request.
    pub(crate) fn write_token_use(&self, token: TokenId) {
        let app = self.clone();
        tokio::spawn(async move {
            if let Err(cause) = tokens::touch(&app.0.db, &app.0.kit, token).await {
                tracing::warn!(%cause, "a service token's use was not written down");
            }
        });
    }
}
