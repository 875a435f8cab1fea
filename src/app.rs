//! What every request shares. The fields are private: only this module's own gates can open them.
pub mod answer;
pub mod assets;
pub mod call;
pub mod client;
pub mod csv;
pub mod error_pages;
pub mod form;
pub mod gate;
pub mod layers;
pub mod limits;
pub mod memory;
pub mod nav;
pub mod openapi;
pub mod page;
pub mod problems;
pub mod routes;
pub mod shell;
pub mod sign;
pub mod throttle;
pub mod words;

use crate::{
    db::Db,
    kit::Kit,
    model::id::{AccountId, KeyId, SessionId, TokenId},
    store::{keys, sessions, tokens},
};
use ipnet::IpNet;
use std::sync::Arc;
use throttle::Throttle;

/// The running program, as requests see it.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    db: Db,
    kit: Kit,
    mailbox: bool,
    proxies: Vec<IpNet>,
    throttle: Throttle,
    touched: moka::sync::Cache<(SessionId, Option<AccountId>), ()>,
    used: moka::sync::Cache<KeyId, ()>,
    served: moka::sync::Cache<TokenId, ()>,
    memory: memory::Memory,
    limits: limits::Limits,
}

/// What the operator chose for serving.
#[derive(Clone, Debug, Default)]
pub struct Serving {
    /// Mails are kept in the database and readable at `/dev/mail`.
    pub mailbox: bool,
    /// Whose `X-Forwarded-For` is believed.
    pub proxies: Vec<IpNet>,
}

impl App {
    /// On a database.
    pub fn new(db: Db, kit: Kit, serving: Serving) -> App {
        let touched =
            moka::sync::Cache::builder().max_capacity(100_000).time_to_live(sessions::TOUCH).build();
        let used = moka::sync::Cache::builder().max_capacity(100_000).time_to_live(keys::TOUCH).build();
        let served = moka::sync::Cache::builder().max_capacity(1000).time_to_live(keys::TOUCH).build();
        let Serving { mailbox, proxies } = serving;
        App(Arc::new(Inner {
            db,
            kit,
            mailbox,
            proxies,
            throttle: Throttle::default(),
            touched,
            used,
            served,
            memory: memory::Memory::default(),
            limits: limits::Limits::default(),
        }))
    }
    /// The clock, the rules and the rest.
    pub fn kit(&self) -> &Kit {
        &self.0.kit
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
    pub fn router(self, routes: routes::Routes) -> axum::Router {
        let book = openapi::Book::of(routes.table());
        let router = routes.into_router().layer(axum::Extension(book));
        layers::around(router, &self).with_state(self)
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
    pub fn use_key(&self, key: KeyId) {
        if self.0.used.contains_key(&key) {
            return;
        }
        self.0.used.insert(key, ());
        let app = self.clone();
        tokio::spawn(async move {
            if let Err(cause) = keys::touch(&app.0.db, &app.0.kit, key).await {
                tracing::warn!(%cause, "a key's use was not written down");
            }
        });
    }
    /// A service token was used. Written down now and then, beside the request.
    fn use_token(&self, token: TokenId) {
        if self.0.served.contains_key(&token) {
            return;
        }
        self.0.served.insert(token, ());
        let app = self.clone();
        tokio::spawn(async move {
            if let Err(cause) = tokens::touch(&app.0.db, &app.0.kit, token).await {
                tracing::warn!(%cause, "a service token's use was not written down");
            }
        });
    }
}
