//! The error type of the whole crate: a stable code, an HTTP status and a sentence for people. `http::error_response` renders it.
use crate::model::{permission::Permission, text::ValidationError};
use std::time::Duration;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug)]
pub enum Error {
    /// No session, or an unknown key.
    Unauthenticated,
    /// The caller may know that the object exists, and lacks this permission.
    MissingPermission(Permission),
    /// The caller may know that the account exists, and may not enter it: suspended, wrong login type.
    AccessDenied {
        code: &'static str,
        detail: String,
    },
    /// The account exists, and needs a sign-in by another method. Boxed, to keep every `Result` small.
    SignInRequired(Box<SignInRequired>),
    /// It does not exist, or the caller may not know that it does.
    NotFound,
    /// The account was renamed: its slug is now this one.
    SlugChanged(String),
    Validation(Vec<FieldError>),
    /// The state of things forbids it. `detail` says what happened, why, and what to do.
    Conflict {
        code: &'static str,
        detail: String,
    },
    /// `If-Match` names another version than the current one.
    VersionMismatch,
    /// The `Idempotency-Key` was used before, with another request.
    IdempotencyKeyReused,
    /// A dangerous action needs a recent authentication.
    ReauthRequired,
    /// Rate limited; the caller may retry after this long.
    TooMany(Duration),
    BadRequest {
        /// 400, 405, 413, 415 or 422.
        status: u16,
        detail: String,
    },
    /// The database cannot be reached or written. Holds the cause, for the log.
    Unavailable(String),
    /// A bug. Holds the cause, which is logged and never shown.
    Internal(String),
}

/// Which sign-in is needed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInRequired {
    /// What the sign-in opens: the name of an account, or "This page".
    pub name: String,
    /// The slug of the organization whose identity provider is meant, or of the account.
    pub slug: String,
    pub way: SignInMethod,
    pub why: SignInReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInMethod {
    /// Any method but an organization's identity provider.
    Own,
    Password,
    Google,
    Github,
    Sso,
}

impl SignInMethod {
    pub const fn label(self) -> &'static str {
        match self {
            SignInMethod::Own => "your own sign-in",
            SignInMethod::Password => "Password",
            SignInMethod::Google => "Google",
            SignInMethod::Github => "GitHub",
            SignInMethod::Sso => "SSO",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInReason {
    /// The membership's login type requires it.
    LoginType,
    /// The session came through one organization's identity provider, which opens that organization only.
    Own,
    /// The organization enforces single sign-on for all addresses at its domains.
    Enforced,
    /// The last authentication is too old for a dangerous action.
    Stale,
}

impl std::fmt::Display for SignInRequired {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SignInRequired { name, way, .. } = self;
        match self.why {
            SignInReason::LoginType => {
                write!(f, "{name} opens for you only when you sign in with {}.", way.label())
            }
            SignInReason::Own => write!(
                f,
                "You signed in through an organization’s single sign-on, which opens that organization only. {name} needs your own sign-in."
            ),
            SignInReason::Enforced => {
                write!(
                    f,
                    "{name} requires single sign-on for everyone with an address at one of its domains."
                )
            }
            SignInReason::Stale => {
                write!(
                    f,
                    "For this you must have signed in during the last ten minutes. Sign in to {name} again."
                )
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Its name in the form and in the JSON body: `emails`, `grants/0/role`.
    pub field: String,
    pub code: &'static str,
    pub detail: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, code: &'static str, detail: impl Into<String>) -> FieldError {
        FieldError { field: field.into(), code, detail: detail.into() }
    }
}

impl Error {
    /// A validation error of one field.
    pub fn invalid(field: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Error {
        Error::Validation(vec![FieldError::new(field, code, detail)])
    }
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Error {
        Error::Conflict { code, detail: detail.into() }
    }
    /// Removes `prefix` from the names of fields, for a caller whose body does not nest them.
    #[must_use]
    pub fn without(self, prefix: &str) -> Error {
        let Error::Validation(mut faults) = self else { return self };
        for fault in &mut faults {
            fault.field = fault.field.strip_prefix(prefix).unwrap_or(&fault.field).to_owned();
        }
        Error::Validation(faults)
    }
    /// For `map_err`: names the field that a `ValidationError` is about.
    pub fn at(field: &'static str) -> impl FnOnce(ValidationError) -> Error {
        move |error| Error::invalid(field, error.code, error.detail)
    }
    /// The stable code that programs match on.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Unauthenticated => "unauthenticated",
            Error::MissingPermission(_) => "permission_missing",
            Error::AccessDenied { code, .. } | Error::Conflict { code, .. } => code,
            Error::SignInRequired(request) => match request.why {
                SignInReason::LoginType => "login_type",
                SignInReason::Own => "own_sign_in",
                SignInReason::Enforced => "sso_required",
                SignInReason::Stale => "proof_required",
            },
            Error::NotFound | Error::SlugChanged(_) => "not_found",
            Error::Validation(_) => "invalid",
            Error::VersionMismatch => "precondition_failed",
            Error::IdempotencyKeyReused => "idempotency_key_reused",
            Error::ReauthRequired => "proof_required",
            Error::TooMany(_) => "too_many_requests",
            Error::BadRequest { status: 405, .. } => "method_not_allowed",
            Error::BadRequest { status: 413, .. } => "too_large",
            Error::BadRequest { status: 415, .. } => "unsupported_media_type",
            Error::BadRequest { .. } => "malformed",
            Error::Unavailable(_) => "unavailable",
            Error::Internal(_) => "internal",
        }
    }
    /// The cause, for the log.
    pub fn cause(self) -> String {
        match self {
            Error::Unavailable(cause) | Error::Internal(cause) => cause,
            other => other.to_string(),
        }
    }
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Error::Unauthenticated => 401,
            Error::MissingPermission(_)
            | Error::AccessDenied { .. }
            | Error::SignInRequired(_)
            | Error::ReauthRequired => 403,
            Error::NotFound | Error::SlugChanged(_) => 404,
            Error::Validation(_) | Error::IdempotencyKeyReused => 422,
            Error::Conflict { .. } => 409,
            Error::VersionMismatch => 412,
            Error::TooMany(_) => 429,
            Error::BadRequest { status, .. } => *status,
            Error::Unavailable(_) => 503,
            Error::Internal(_) => 500,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Unauthenticated => f.write_str("Sign in first."),
            Error::MissingPermission(permission) => {
                write!(f, "You need the permission {} ({}).", permission.key(), permission.description())
            }
            Error::AccessDenied { detail, .. }
            | Error::Conflict { detail, .. }
            | Error::BadRequest { detail, .. } => f.write_str(detail),
            Error::SignInRequired(request) => request.fmt(f),
            Error::NotFound | Error::SlugChanged(_) => {
                f.write_str("There is nothing here, or it is not for this account to see.")
            }
            Error::Validation(faults) => {
                let all: Vec<&str> = faults.iter().map(|fault| fault.detail.as_str()).collect();
                f.write_str(&all.join(" "))
            }
            Error::VersionMismatch => {
                f.write_str("It has changed since you read it. Read it again, then repeat your change.")
            }
            Error::IdempotencyKeyReused => f.write_str(
                "This Idempotency-Key was used for another request. Use a new key for each request.",
            ),
            Error::ReauthRequired => f.write_str("Confirm who you are with your password, then try again."),
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

/// A database that is unreachable, full or read-only is `Unavailable` and not a bug: the same request can work later.
impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        use sqlx::Error as E;
        let is_transient = match &error {
            E::PoolTimedOut | E::PoolClosed | E::Io(_) | E::Tls(_) | E::WorkerCrashed | E::Protocol(_) => {
                true
            }
            E::Database(database) => database.code().is_some_and(|code| is_transient_code(&code)),
            _ => false,
        };
        if is_transient { Error::Unavailable(error.to_string()) } else { Error::Internal(error.to_string()) }
    }
}

/// Postgres: connection (08), insufficient resources (53), operator intervention (57), rollback (40), read-only (25006).
/// SQLite, by primary code: busy, locked, read-only, I/O, full, cannot open.
fn is_transient_code(code: &str) -> bool {
    if code.len() == 5 {
        return ["08", "53", "57", "40"].iter().any(|class| code.starts_with(class)) || code == "25006";
    }
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 10 | 13 | 14))
}
