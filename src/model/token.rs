//! Service tokens: what the platform's own back end may do here.
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenScope {
    Verify,
    Usage,
}

impl TokenScope {
    pub const ALL: [TokenScope; 2] = [TokenScope::Verify, TokenScope::Usage];

    pub const fn as_str(self) -> &'static str {
        match self {
            TokenScope::Verify => "verify",
            TokenScope::Usage => "usage",
        }
    }
    pub const fn description(self) -> &'static str {
        match self {
            TokenScope::Verify => "Verify API keys",
            TokenScope::Usage => "Report usage",
        }
    }
    pub fn parse(text: &str) -> Option<TokenScope> {
        TokenScope::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    verify: bool,
    usage: bool,
}

impl Scopes {
    pub const ALL: Scopes = Scopes { verify: true, usage: true };

    pub fn of(all: &[TokenScope]) -> Scopes {
        Scopes { verify: all.contains(&TokenScope::Verify), usage: all.contains(&TokenScope::Usage) }
    }
    pub const fn has(self, scope: TokenScope) -> bool {
        match scope {
            TokenScope::Verify => self.verify,
            TokenScope::Usage => self.usage,
        }
    }
    pub fn iter(self) -> impl Iterator<Item = TokenScope> {
        TokenScope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
    /// From a JSON array. Unknown scopes are ignored: they grant nothing.
    pub fn from_json(json: &str) -> Scopes {
        let words: Vec<String> = serde_json::from_str(json).unwrap_or_default();
        Scopes::of(&words.iter().filter_map(|word| TokenScope::parse(word)).collect::<Vec<_>>())
    }
    pub fn to_json(self) -> String {
        serde_json::json!(self.iter().map(TokenScope::as_str).collect::<Vec<_>>()).to_string()
    }
}

/// What a gate requires of a service token, as a type, so that a handler's signature says it.
pub trait NeedsScope: Send + Sync + 'static {
    const SCOPE: TokenScope;
}

pub struct VerifyKeys;
impl NeedsScope for VerifyKeys {
    const SCOPE: TokenScope = TokenScope::Verify;
}

pub struct ReportUsage;
impl NeedsScope for ReportUsage {
    const SCOPE: TokenScope = TokenScope::Usage;
}
