//! Who acts. The audit log and every letter that names somebody say this; what they may do is `Access`.
use super::{
    account::LoginType,
    id::{AccountId, KeyId, SessionId, TokenId, UserId},
    time::Time,
};
use std::time::Duration;
use uuid::Uuid;

/// A user as other people see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSummary {
    pub id: UserId,
    pub name: String,
    /// Their verified address, as they typed it.
    pub email: String,
}

/// The session of a signed-in browser.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: SessionId,
    /// How it began: `password`, `passkey`, `google`, `github`, `sso`.
    pub method: String,
    /// When the user last proved who they are.
    pub proved_at: Time,
    /// Whether two factors were used.
    pub two_factors: bool,
}

impl Session {
    /// Whether it counts as made with two factors. What an organization's identity provider asks for is left to the provider.
    pub fn is_strong(&self) -> bool {
        self.two_factors || !self.is_own()
    }
    /// Whether the user proved who they are by means of their own, and not only through an organization's provider.
    pub fn is_own(&self) -> bool {
        self.method != LoginType::Sso.as_str()
    }
    /// The proof that dangerous acts ask for, if the last one is recent enough.
    pub fn recent_auth(&self, now: Time) -> Option<RecentAuth> {
        (now.since(self.proved_at) < RECENT).then_some(RecentAuth(()))
    }
}

/// How old a proof may be for a dangerous act.
pub const RECENT: Duration = Duration::from_secs(600);

/// Shows that the user proved who they are within the last ten minutes, or that an API key's permission stands in for it.
/// Store functions of dangerous acts take it as an argument.
#[derive(Debug)]
pub struct RecentAuth(());

/// Who acts.
#[derive(Clone, Debug)]
pub enum Actor {
    /// A signed-in user.
    User {
        user: UserSummary,
        session: Session,
        /// The time zone that they chose, by its IANA name.
        time_zone: Option<String>,
    },
    /// An API key, for the user whose key it is.
    ApiKey { id: KeyId, name: String, user: UserSummary },
    /// The platform's own back end, by a service token.
    ServiceToken { id: TokenId, name: String },
    /// An organization's identity provider, which signs somebody in.
    IdentityProvider { account: AccountId, issuer: String },
    /// The program itself in a job, or a command at the machine: its name.
    System(&'static str),
    /// Somebody who is not signed in: who signs up, or follows a mailed link.
    Anonymous,
}

impl Actor {
    /// The kind, as the audit log and the API name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Actor::User { .. } => "user",
            Actor::ApiKey { .. } => "key",
            Actor::ServiceToken { .. } => "service",
            Actor::IdentityProvider { .. } => "sso",
            Actor::System(_) => "host",
            Actor::Anonymous => "visitor",
        }
    }
    /// The id of the user, key, token or connection; none for the program and for strangers.
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Actor::User { user, .. } => Some(user.id.0),
            Actor::ApiKey { id, .. } => Some(id.0),
            Actor::ServiceToken { id, .. } => Some(id.0),
            Actor::IdentityProvider { account, .. } => Some(account.0),
            Actor::System(_) | Actor::Anonymous => None,
        }
    }
    /// A name that still says something when the user, key or token is gone.
    pub fn name(&self) -> String {
        match self {
            Actor::User { user, .. } => user.email.clone(),
            Actor::ApiKey { name, user, .. } => format!("{name} ({})", user.email),
            Actor::ServiceToken { name, .. } => name.clone(),
            Actor::IdentityProvider { issuer, .. } => issuer.clone(),
            Actor::System(name) => (*name).into(),
            Actor::Anonymous => "Somebody not signed in".into(),
        }
    }
    /// The user who acts, by themselves or through a key.
    pub fn user(&self) -> Option<&UserSummary> {
        match self {
            Actor::User { user, .. } | Actor::ApiKey { user, .. } => Some(user),
            _ => None,
        }
    }
    pub fn user_id(&self) -> Option<UserId> {
        self.user().map(|user| user.id)
    }
    /// Name and address, as a letter names who caused it; the address is empty for what is no user.
    pub fn sender(&self) -> (String, String) {
        match self.user() {
            Some(user) => (user.name.clone(), user.email.clone()),
            None => (self.name(), String::new()),
        }
    }
    /// The session, if a browser asks.
    pub fn session(&self) -> Option<&Session> {
        match self {
            Actor::User { session, .. } => Some(session),
            _ => None,
        }
    }
    /// The time zone that the user chose, by its IANA name.
    pub fn time_zone(&self) -> Option<&str> {
        match self {
            Actor::User { time_zone, .. } => time_zone.as_deref(),
            _ => None,
        }
    }
    /// The proof that dangerous acts ask for. A key's permission, and the machine's own command line, stand in for it.
    pub fn recent_auth(&self, now: Time) -> Option<RecentAuth> {
        match self {
            Actor::User { session, .. } => session.recent_auth(now),
            Actor::ApiKey { .. } | Actor::ServiceToken { .. } | Actor::System(_) => Some(RecentAuth(())),
            Actor::IdentityProvider { .. } | Actor::Anonymous => None,
        }
    }
    /// Whether an organization's identity provider is all that is known of who this is.
    pub fn is_by_provider(&self) -> bool {
        self.session().is_some_and(|session| !session.is_own())
    }
}
