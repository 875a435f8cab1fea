//! Accounts: what members, keys, resources and bills belong to.
use super::id::AccountId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether it is a user's own account, an organization, or a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, Serialize, Deserialize, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[schema(as = AccountKind, example = "organization")]
pub enum Kind {
    /// Belongs to one user.
    Personal,
    /// Has members, teams and a bill.
    Organization,
    /// Has members and resources; its parent, an organization or a personal account, pays.
    Team,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Personal => "personal",
            Kind::Organization => "organization",
            Kind::Team => "team",
        }
    }
    /// In the middle of a sentence: `personal account`, `organization`, `team`.
    pub const fn noun(self) -> &'static str {
        match self {
            Kind::Personal => "personal account",
            Kind::Organization => "organization",
            Kind::Team => "team",
        }
    }
}

/// An account by its id and its slug.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccountRef {
    /// Its id.
    pub id: AccountId,
    /// Its name in URLs.
    #[schema(example = "acme")]
    pub slug: String,
    #[serde(skip)]
    pub name: String,
}

/// How a member must have signed in to enter the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, Serialize, Deserialize, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum LoginType {
    Any,
    Password,
    Google,
    Github,
    Sso,
}

impl LoginType {
    /// In the order of menus.
    pub const ALL: &[LoginType] =
        &[LoginType::Any, LoginType::Password, LoginType::Google, LoginType::Github, LoginType::Sso];

    pub const fn as_str(self) -> &'static str {
        match self {
            LoginType::Any => "any",
            LoginType::Password => "password",
            LoginType::Google => "google",
            LoginType::Github => "github",
            LoginType::Sso => "sso",
        }
    }
    pub const fn label(self) -> &'static str {
        match self {
            LoginType::Any => "Any",
            LoginType::Password => "Password",
            LoginType::Google => "Google",
            LoginType::Github => "GitHub",
            LoginType::Sso => "SSO",
        }
    }
    pub fn parse(text: &str) -> Option<LoginType> {
        LoginType::ALL.iter().copied().find(|login_type| login_type.as_str() == text)
    }
    /// Whether a session of this method may enter. A passkey passes where a password is required: both belong to the user.
    pub fn admits(self, method: &str) -> bool {
        self == LoginType::Any
            || self.as_str() == method
            || (self == LoginType::Password && method == "passkey")
    }
}
