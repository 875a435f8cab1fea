//! What a service token is for.
use serde::{Deserialize, Serialize};

/// One thing that the platform's back end does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Verifies keys.
    Verify,
    /// Reports usage.
    Usage,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 2] = [Scope::Verify, Scope::Usage];

    /// Its word: `verify`.
    pub const fn word(self) -> &'static str {
        match self {
            Scope::Verify => "verify",
            Scope::Usage => "usage",
        }
    }
    /// What it lets a program do, in words.
    pub const fn says(self) -> &'static str {
        match self {
            Scope::Verify => "Verify API keys",
            Scope::Usage => "Report usage",
        }
    }
    /// By its word.
    pub fn parse(word: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|it| it.word() == word)
    }
}

/// What a token is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    verify: bool,
    usage: bool,
}

impl Scopes {
    /// Everything.
    pub const ALL: Scopes = Scopes { verify: true, usage: true };

    /// These.
    pub fn of(all: &[Scope]) -> Scopes {
        Scopes { verify: all.contains(&Scope::Verify), usage: all.contains(&Scope::Usage) }
    }
    /// Whether this one is among them.
    pub const fn has(self, it: Scope) -> bool {
        match it {
            Scope::Verify => self.verify,
            Scope::Usage => self.usage,
        }
    }
    /// One by one.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |it| self.has(*it))
    }
    /// From a JSON array of words. What is not known is not granted.
    pub fn from_json(json: &str) -> Scopes {
        let words: Vec<String> = serde_json::from_str(json).unwrap_or_default();
        Scopes::of(&words.iter().filter_map(|it| Scope::parse(it)).collect::<Vec<_>>())
    }
    /// A JSON array of words.
    pub fn to_json(self) -> String {
        serde_json::json!(self.iter().map(Scope::word).collect::<Vec<_>>()).to_string()
    }
}

/// A scope as a type, so that a handler's signature can ask for it.
pub trait Serves: Send + Sync + 'static {
    /// Which.
    const SCOPE: Scope;
}

/// The gate for verifying keys.
pub struct VerifyKeys;
impl Serves for VerifyKeys {
    const SCOPE: Scope = Scope::Verify;
}

/// The gate for reporting usage.
pub struct ReportUsage;
impl Serves for ReportUsage {
    const SCOPE: Scope = Scope::Usage;
}
