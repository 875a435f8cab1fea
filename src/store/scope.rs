//! A connection for reading, its actor, and what they have access to: an account (`Access`), their own data (`SignedInUser`), or
//! data of no account (`Anonymous`, `System`, `ServiceToken`).
use crate::{
    context::Context,
    db::{Conn, Db, Query},
    error::{Error, Result},
    model::{
        access::Access,
        actor::{Actor, Session, UserSummary},
        id::{TokenId, UserId},
        time::Time,
        token::Scopes,
    },
};
use std::{net::IpAddr, sync::Arc};

#[derive(Clone, Debug, Default)]
pub struct Client {
    /// The address, after the proxies that are trusted.
    pub address: Option<IpAddr>,
    /// The `User-Agent` of a browser, cut short; empty for a program.
    pub agent: Arc<str>,
}

impl Client {
    /// The address as text; empty where there is none.
    pub fn ip(&self) -> String {
        self.address.map(|address| address.to_string()).unwrap_or_default()
    }
}

/// A signed-in user, outside of any account.
#[derive(Clone, Debug)]
pub struct SignedInUser {
    pub user: UserSummary,
    pub session: Session,
    /// Whether they run the installation.
    pub operator: bool,
    /// The time zone that they chose, by its IANA name.
    pub time_zone: Option<String>,
}

impl SignedInUser {
    pub fn actor(&self) -> Actor {
        let (user, session) = (self.user.clone(), self.session.clone());
        Actor::User { user, session, time_zone: self.time_zone.clone() }
    }
}

/// Somebody who is not signed in: at sign-in, at sign-up, or after a mailed link.
#[derive(Clone, Debug)]
pub struct Anonymous;

/// A job or a command, by its name.
#[derive(Clone, Copy, Debug)]
pub struct System(pub &'static str);

/// The platform's own back end, by a service token.
#[derive(Clone, Debug)]
pub struct ServiceToken {
    pub id: TokenId,
    pub name: String,
    pub scopes: Scopes,
}

impl ServiceToken {
    pub fn actor(&self) -> Actor {
        Actor::ServiceToken { id: self.id, name: self.name.clone() }
    }
}

/// Reads outside of a transaction: a connection is taken from the pool for each statement.
pub struct Scope<A> {
    pub(super) conn: Conn,
    pub(super) actor: Arc<Actor>,
    pub(super) access: Arc<A>,
    pub(super) context: Context,
    pub(super) client: Client,
}

impl<A> Scope<A> {
    pub fn read(
        db: &Db,
        actor: impl Into<Arc<Actor>>,
        access: impl Into<Arc<A>>,
        context: &Context,
        client: &Client,
    ) -> Scope<A> {
        Scope {
            conn: db.read_lazily(),
            actor: actor.into(),
            access: access.into(),
            context: context.clone(),
            client: client.clone(),
        }
    }
    pub fn actor(&self) -> &Actor {
        &self.actor
    }
    pub fn access(&self) -> &A {
        &self.access
    }
    /// The clock, randomness, the secret key, the catalogue, the configuration.
    pub fn context(&self) -> &Context {
        &self.context
    }
    pub fn now(&self) -> Time {
        self.context.now()
    }
    /// The acting user, for what only a person can do: own a team, make a key, accept something.
    pub(super) fn acting_user(&self) -> Result<UserSummary> {
        self.actor.user().cloned().ok_or_else(|| {
            let detail = "Only a person can do this: sign in, or use a member's API key.";
            Error::AccessDenied { code: "user_required", detail: detail.into() }
        })
    }
    /// For what is not of one account: tokens, slugs, users, data of jobs.
    pub(super) fn query_unscoped(&mut self, sql: &'static str) -> Query<'_> {
        self.conn.query(sql)
    }
}

impl Scope<Access> {
    /// `$1` is the account: every statement that can name it goes through here.
    pub(super) fn query_in_account(&mut self, sql: &'static str) -> Query<'_> {
        debug_assert!(sql.contains("$1"), "no account in: {sql}");
        let account = self.access.account.id;
        self.conn.query(sql).bind(account)
    }
}

impl Scope<SignedInUser> {
    /// `$1` is the signed-in user.
    pub(super) fn query_of_user(&mut self, sql: &'static str) -> Query<'_> {
        debug_assert!(sql.contains("$1"), "no user in: {sql}");
        let user = self.access.user.id;
        self.conn.query(sql).bind(user)
    }
    pub fn user(&self) -> &UserSummary {
        &self.access.user
    }
    pub fn user_id(&self) -> UserId {
        self.access.user.id
    }
}

impl Scope<Anonymous> {
    /// For somebody who is not signed in.
    pub fn anonymous(db: &Db, context: &Context, client: &Client) -> Scope<Anonymous> {
        Scope::read(db, Actor::Anonymous, Anonymous, context, client)
    }
}

impl Scope<System> {
    /// For a job or a command.
    pub fn system(db: &Db, system: System, context: &Context) -> Scope<System> {
        Scope::read(db, Actor::System(system.0), system, context, &Client::default())
    }
}
