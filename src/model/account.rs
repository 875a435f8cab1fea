//! What owns things.
use super::id::AccountId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The three kinds of account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, Serialize, Deserialize, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[schema(as = AccountKind, example = "organization")]
pub enum Kind {
    /// One user's own.
    Personal,
    /// Many members, one bill.
    Organization,
    /// Members and resources under a parent that pays.
    Team,
}

impl Kind {
    /// `organization`.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Personal => "personal",
            Kind::Organization => "organization",
            Kind::Team => "team",
        }
    }
    /// As people say it: `personal account`, `organization`, `team`.
    pub const fn noun(self) -> &'static str {
        match self {
            Kind::Personal => "personal account",
            Kind::Organization => "organization",
            Kind::Team => "team",
        }
    }
}

/// An account by the names that people and programs use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccountRef {
    /// Its id.
    pub id: AccountId,
    /// Its word in addresses.
    #[schema(example = "acme")]
    pub slug: String,
    /// Its name.
    #[serde(skip)]
    pub name: String,
}

/// How a member must have signed in to enter an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, Serialize, Deserialize, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum LoginType {
    /// Any way.
    Any,
    /// With their password.
    Password,
    /// With Google.
    Google,
    /// With GitHub.
    Github,
    /// With the organization's identity provider.
    Sso,
}

impl LoginType {
    /// All, in the order in which they are offered.
    pub const ALL: &[LoginType] =
        &[LoginType::Any, LoginType::Password, LoginType::Google, LoginType::Github, LoginType::Sso];

    /// Its word in the API.
    pub const fn word(self) -> &'static str {
        match self {
            LoginType::Any => "any",
            LoginType::Password => "password",
            LoginType::Google => "google",
            LoginType::Github => "github",
            LoginType::Sso => "sso",
        }
    }
    /// As people say it.
    pub const fn title(self) -> &'static str {
        match self {
            LoginType::Any => "Any",
            LoginType::Password => "Password",
            LoginType::Google => "Google",
            LoginType::Github => "GitHub",
            LoginType::Sso => "SSO",
        }
    }
    /// By its word in the API.
    pub fn parse(word: &str) -> Option<LoginType> {
        LoginType::ALL.iter().copied().find(|it| it.word() == word)
    }
    /// Whether a session that began this way may enter. A passkey is the user's own, as a password is.
    pub fn admits(self, method: &str) -> bool {
        self == LoginType::Any
            || self.word() == method
            || (self == LoginType::Password && method == "passkey")
    }
}
