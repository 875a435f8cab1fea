//! Ids: opaque, ordered by the time they were made (UUIDv7), and not to be mixed up.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type, Serialize, Deserialize, ToSchema)]
        #[sqlx(transparent)]
        #[serde(transparent)]
        #[schema(value_type = String, format = "uuid")]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map($name)
            }
        }
    )* };
}

ids! {
    /// A user.
    UserId
    /// An account of any kind.
    AccountId
    /// A user's membership in one account.
    MembershipId
    /// A custom role.
    RoleId
    /// A grant.
    GrantId
    /// A resource of the platform.
    ResourceId
    /// An invitation.
    InvitationId
    /// An API key.
    KeyId
    /// Somebody's wish for a permission.
    RequestId
    /// A service token.
    TokenId
    /// A passkey, as its owner sees it. Not what the authenticator calls it.
    PasskeyId
    /// A session, as its owner sees it. Not the secret in the cookie.
    SessionId
    /// A person as an identity provider knows them.
    IdentityId
    /// An organization's domain.
    DomainId
    /// Somebody's wish to join.
    JoinId
}
