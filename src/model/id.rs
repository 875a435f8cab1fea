//! One id type for each kind of thing, so that they cannot be mixed up. All are UUIDv7, which sort by the time of creation.
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
    /// The id of a user.
    UserId
    /// The id of an account.
    AccountId
    /// The id of a user's membership in one account.
    MembershipId
    /// The id of a custom role.
    RoleId
    /// The id of a grant.
    GrantId
    /// The id of a resource.
    ResourceId
    /// The id of an invitation.
    InvitationId
    /// The id of an API key.
    KeyId
    /// The id of a member's request for a permission.
    RequestId
    /// The id of a budget.
    BudgetId
    /// The id of a service token.
    TokenId
    /// The id of an invoice or a credit note.
    InvoiceId
    /// The id of a charge or a credit that an operator added by hand.
    AdjustmentId
    /// The id of one attempt to charge an invoice to a card.
    ChargeId
    /// The id of a passkey's row, not the credential id of the authenticator.
    PasskeyId
    /// The id of a session's row, not the secret in the cookie.
    SessionId
    /// The id of a user's identity at an external provider.
    IdentityId
    /// The id of an organization's domain.
    DomainId
    /// The id of a request to join an organization.
    JoinId
}
