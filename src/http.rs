//! The HTTP server: gates, routes, middleware, errors, forms, sign-in. `App` is what all requests share.
mod assets;
pub mod client;
mod csrf;
pub mod error_response;
pub mod form;
pub mod gate;
pub mod idempotency;
pub mod leaked_keys;
pub mod metrics;
pub mod middleware;
pub mod openapi;
mod page;
pub mod passkeys;
pub mod problems;
pub mod reauth;
mod return_to;
pub mod routes;
pub mod server;
pub mod sign_in;
pub mod throttle;
mod timeout;
pub mod user_agent;

use crate::{
    clients::payments::{Manual, PaymentProvider},
    context::Context,
    db::Db,
    gateway::Gateway,
    model::id::{AccountId, SessionId},
    store::sessions,
    view::page::PageConfig,
};
use ipnet::IpNet;
use std::sync::{Arc, OnceLock};
use throttle::Throttle;

/// The running program, as requests see it.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    db: Db,
    context: Context,
    gateway: Arc<Gateway>,
    page: Arc<PageConfig>,
    trusted_proxies: Vec<IpNet>,
    payment_provider: OnceLock<Arc<dyn PaymentProvider>>,
    api_document: OnceLock<openapi::ApiDocument>,
    throttle: Throttle,
    /// Sessions whose use was written within the last [`sessions::TOUCH`].
    touched: moka::sync::Cache<(SessionId, Option<AccountId>), ()>,
    metrics: metrics::Metrics,
    metrics_token: Option<String>,
}

/// What the operator sets for the server.
#[derive(Clone, Debug, Default)]
pub struct ServerConfig {
    /// Whether mails stay in the database, to be read at `/dev/mail`.
    pub has_mailbox: bool,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// Opens `/metrics`. Without one, the page is there only if the base URL is loopback, for everybody.
    pub metrics_token: Option<String>,
}

impl App {
    pub fn new(db: Db, context: Context, config: ServerConfig) -> App {
        let touched =
            moka::sync::Cache::builder().max_capacity(100_000).time_to_live(sessions::TOUCH).build();
        let ServerConfig { has_mailbox, trusted_proxies, metrics_token } = config;
        let page = Arc::new(PageConfig {
            has_mailbox,
            is_https: context.config.is_https(),
            max_organizations_per_user: context.config.max_organizations_per_user,
            catalog: context.catalog.clone(),
        });
        App(Arc::new(Inner {
            gateway: Arc::new(Gateway::new(db.clone(), context.clone())),
            db,
            context,
            page,
            trusted_proxies,
            throttle: Throttle::default(),
            touched,
            metrics: metrics::Metrics::default(),
            metrics_token,
            payment_provider: OnceLock::new(),
            api_document: OnceLock::new(),
        }))
    }
    pub fn context(&self) -> &Context {
        &self.0.context
    }
    /// What verifies keys and counts rate limits.
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.0.gateway
    }
    /// Takes payments through this provider. Without one, invoices are paid by hand.
    #[must_use]
    pub fn with_payment_provider(self, provider: Arc<dyn PaymentProvider>) -> App {
        // Set once, before anything is served.
        let _ = self.0.payment_provider.set(provider);
        self
    }
    pub fn payment_provider(&self) -> &Arc<dyn PaymentProvider> {
        self.0.payment_provider.get_or_init(|| Arc::new(Manual))
    }
    /// Whether mails are shown at `/dev/mail`.
    pub fn has_mailbox(&self) -> bool {
        self.0.page.has_mailbox
    }
    pub(crate) fn page_config(&self) -> &Arc<PageConfig> {
        &self.0.page
    }
    pub fn throttle(&self) -> &Throttle {
        &self.0.throttle
    }
    /// The whole program as a service: the routes behind the middleware.
    pub fn into_service(self, routes: routes::Routes) -> server::Server {
        let (router, table) = routes.into_parts();
        // Tests make several services of one app: the document is made once.
        self.0.api_document.get_or_init(|| openapi::ApiDocument::of(&table));
        server::Server::new(middleware::Middleware::new(router, &table, &self))
    }
    /// Notes that a session is in use, in the background and at most every [`sessions::TOUCH`].
    fn touch_session(&self, session: SessionId, account: Option<AccountId>) {
        if self.0.touched.contains_key(&(session, account)) {
            return;
        }
        self.0.touched.insert((session, account), ());
        let app = self.clone();
        tokio::spawn(async move {
            if let Err(cause) = sessions::touch(&app.0.db, &app.0.context, session, account).await {
                tracing::warn!(%cause, "the last use of a session was not written");
            }
        });
    }
}
