//! The one error: what went wrong, in the words in which it is told. How it looks is decided in `app::answer`.
use crate::model::{permission::Permission, text::Refusal};
use std::time::Duration;

/// What most functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done.
#[derive(Debug)]
pub enum Error {
    /// Nobody is signed in, or the key is not known.
    SignedOut,
    /// It is there, and this permission is missing.
    Forbidden(Permission),
    /// It is there, and the visitor may not go in for the reason said: suspended, another login type.
    Barred {
        /// Stable.
        code: &'static str,
        /// A sentence.
        detail: String,
    },
    /// It is there, and opens only for who signs in another way.
    Detour(Box<Detour>),
    /// It is not there, or the visitor may not know that it is.
    NotFound,
    /// The account's address is now this slug.
    Moved(String),
    /// Fields that need another look.
    Invalid(Vec<Fault>),
    /// It cannot be done as things stand.
    Conflict {
        /// Stable.
        code: &'static str,
        /// A sentence: what happened, why, what to do.
        detail: String,
    },
    /// It is no longer what it was when the caller read it.
    Changed,
    /// The `Idempotency-Key` was used for another request.
    Reused,
    /// A dangerous act needs a fresh proof of who one is.
    Stale,
    /// Too often; again after so long.
    TooMany(Duration),
    /// The request could not be read.
    Malformed {
        /// 400, 405, 413, 415 or 422.
        status: u16,
        /// A sentence.
        detail: String,
    },
    /// The database cannot be reached or written now.
    Unavailable(String),
    /// Our own mistake. The cause is logged, and not shown.
    Internal(String),
}

/// A sign-in that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detour {
    /// What it opens: the account's name, or "This page".
    pub name: String,
    /// The slug of the organization whose provider it is, or whose account.
    pub slug: String,
    /// How to sign in.
    pub way: Way,
    /// Why it is asked for.
    pub why: Asked,
}

/// A way to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Any that is the person's own.
    Own,
    /// With their password.
    Password,
    /// With Google.
    Google,
    /// With GitHub.
    Github,
    /// With the organization's identity provider.
    Sso,
}

impl Way {
    /// As people say it.
    pub const fn title(self) -> &'static str {
        match self {
            Way::Own => "your own sign-in",
            Way::Password => "Password",
            Way::Google => "Google",
            Way::Github => "GitHub",
            Way::Sso => "SSO",
        }
    }
}

/// Why a sign-in is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The membership's login type demands it.
    LoginType,
    /// What an organization's provider says opens that organization alone.
    Own,
    /// The organization demands it of everybody at its domains.
    Enforced,
    /// The last proof is too old for what is to be done.
    Stale,
}

impl std::fmt::Display for Detour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Detour { name, way, .. } = self;
        match self.why {
            Asked::LoginType => {
                write!(f, "{name} opens for you only when you sign in with {}.", way.title())
            }
            Asked::Own => write!(
                f,
                "You came through an organization’s single sign-on, which opens that organization alone. {name} needs your own sign-in."
            ),
            Asked::Enforced => {
                write!(
                    f,
                    "{name} demands its single sign-on of everybody whose address is at one of its domains."
                )
            }
            Asked::Stale => {
                write!(
                    f,
                    "This needs a proof of who you are that is less than ten minutes old. Sign in to {name} again."
                )
            }
        }
    }
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field's name in the form and in the JSON body: `emails`, `grants/0/role`.
    pub field: String,
    /// Stable.
    pub code: &'static str,
    /// A sentence.
    pub detail: String,
}

impl Fault {
    /// One field's fault.
    pub fn new(field: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Fault {
        Fault { field: field.into(), code, detail: detail.into() }
    }
}

impl Error {
    /// One field needs another look.
    pub fn invalid(field: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Error {
        Error::Invalid(vec![Fault::new(field, code, detail)])
    }
    /// It cannot be done as things stand.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Error {
        Error::Conflict { code, detail: detail.into() }
    }
    /// The same, of fields that stand in no such part of what was sent.
    #[must_use]
    pub fn without(self, prefix: &str) -> Error {
        let Error::Invalid(mut faults) = self else { return self };
        for it in &mut faults {
            it.field = it.field.strip_prefix(prefix).unwrap_or(&it.field).to_owned();
        }
        Error::Invalid(faults)
    }
    /// Says which field a refusal is about.
    pub fn at(field: &'static str) -> impl FnOnce(Refusal) -> Error {
        move |it| Error::invalid(field, it.code, it.detail)
    }
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Error::SignedOut => "unauthenticated",
            Error::Forbidden(_) => "permission_missing",
            Error::Barred { code, .. } | Error::Conflict { code, .. } => code,
            Error::Detour(it) => match it.why {
                Asked::LoginType => "login_type",
                Asked::Own => "own_sign_in",
                Asked::Enforced => "sso_required",
                Asked::Stale => "proof_required",
            },
            Error::NotFound | Error::Moved(_) => "not_found",
            Error::Invalid(_) => "invalid",
            Error::Changed => "precondition_failed",
            Error::Reused => "idempotency_key_reused",
            Error::Stale => "proof_required",
            Error::TooMany(_) => "too_many_requests",
            Error::Malformed { status: 405, .. } => "method_not_allowed",
            Error::Malformed { status: 413, .. } => "too_large",
            Error::Malformed { status: 415, .. } => "unsupported_media_type",
            Error::Malformed { .. } => "malformed",
            Error::Unavailable(_) => "unavailable",
            Error::Internal(_) => "internal",
        }
    }
    /// What went wrong below, for the log.
    pub fn cause(self) -> String {
        match self {
            Error::Unavailable(cause) | Error::Internal(cause) => cause,
            other => other.to_string(),
        }
    }
    /// HTTP's word for it.
    pub fn status(&self) -> u16 {
        match self {
            Error::SignedOut => 401,
            Error::Forbidden(_) | Error::Barred { .. } | Error::Detour(_) | Error::Stale => 403,
            Error::NotFound | Error::Moved(_) => 404,
            Error::Invalid(_) | Error::Reused => 422,
            Error::Conflict { .. } => 409,
            Error::Changed => 412,
            Error::TooMany(_) => 429,
            Error::Malformed { status, .. } => *status,
            Error::Unavailable(_) => 503,
            Error::Internal(_) => 500,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::SignedOut => f.write_str("Sign in first."),
            Error::Forbidden(it) => write!(f, "You need the permission {} ({}).", it.key(), it.says()),
            Error::Barred { detail, .. }
            | Error::Conflict { detail, .. }
            | Error::Malformed { detail, .. } => f.write_str(detail),
            Error::Detour(it) => it.fmt(f),
            Error::NotFound | Error::Moved(_) => {
                f.write_str("There is nothing here, or it is not for this account to see.")
            }
            Error::Invalid(faults) => {
                let all: Vec<&str> = faults.iter().map(|it| it.detail.as_str()).collect();
                f.write_str(&all.join(" "))
            }
            Error::Changed => {
                f.write_str("It has changed since you read it. Read it again, then repeat your change.")
            }
            Error::Reused => {
                f.write_str("This Idempotency-Key was used for another request. Use a new one for each act.")
            }
            Error::Stale => f.write_str("Confirm who you are with your password, then try again."),
            Error::TooMany(after) => {
                let seconds = after.as_secs().max(1);
                let s = if seconds == 1 { "" } else { "s" };
                write!(f, "Too many tries. Wait {seconds} second{s}, then try again.")
            }
            Error::Unavailable(_) => f.write_str(
                "The database cannot be reached or written right now. Nothing was changed. Try again soon.",
            ),
            Error::Internal(_) => f.write_str("Something went wrong on our side. Nothing was changed."),
        }
    }
}
impl std::error::Error for Error {}

/// A database that is away, full or read-only is not a mistake of ours: the same request can work later.
impl From<sqlx::Error> for Error {
    fn from(it: sqlx::Error) -> Error {
        use sqlx::Error as E;
        let away = match &it {
            E::PoolTimedOut | E::PoolClosed | E::Io(_) | E::Tls(_) | E::WorkerCrashed | E::Protocol(_) => {
                true
            }
            E::Database(said) => said.code().is_some_and(|code| is_passing(&code)),
            _ => false,
        };
        if away { Error::Unavailable(it.to_string()) } else { Error::Internal(it.to_string()) }
    }
}

/// Postgres: connection (08), resources (53), operator (57), rolled back (40), read-only (25006). SQLite: busy, locked,
/// read-only, I/O, full, cannot open, by their primary codes.
fn is_passing(code: &str) -> bool {
    if code.len() == 5 {
        return ["08", "53", "57", "40"].iter().any(|it| code.starts_with(it)) || code == "25006";
    }
    code.parse::<u32>().is_ok_and(|it| matches!(it & 0xff, 5 | 6 | 8 | 10 | 13 | 14))
}
