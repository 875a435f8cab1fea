//! Gates: a handler's first argument, which shows that the caller may do what it does. Only gates hand out a `Scope`.
mod account;
mod anyone;
mod service;
mod signed_in;

pub use account::{AccountGate, Can, CredentialKind, Key};
pub use anyone::Anyone;
pub use service::Service;
pub use signed_in::{Operator, SignedIn};

use super::App;
use crate::{
    crypto::secrets::{KeyKind, digest, is_machine_key},
    error::{Error, Result},
    model::permission::Permission,
};
use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{HeaderMap, header, request::Parts},
};

mod sealed {
    pub trait Sealed {}
}

/// What a handler's first argument must be.
#[diagnostic::on_unimplemented(
    message = "the first argument of a handler must be a gate",
    note = "`Can<P>`, `Key<P>`, `Service<S>`, `SignedIn`, `Operator`, or `Anyone` for a public page"
)]
pub trait Gate: sealed::Sealed {
    /// The permission that the caller must hold.
    const NEEDS: Option<Permission>;
    /// Any of these is enough instead.
    const ALTERNATIVES: &'static [Permission] = &[];
    /// The prefix of every path with this gate.
    const ROOT: &str;
    /// For the route table.
    const NAME: &'static str;
}

/// The hash of the presented secret. `None` if the checksum is invalid, which saves a look-up.
pub(super) fn bearer(kind: KeyKind, headers: &HeaderMap) -> Option<[u8; 32]> {
    let field = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = field.split_once(' ')?;
    let secret = secret.trim();
    let is_one = scheme.eq_ignore_ascii_case("bearer") && is_machine_key(kind, secret);
    is_one.then(|| digest(secret))
}

async fn param(parts: &mut Parts, name: &str) -> Result<String> {
    let all = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Error::NotFound)?;
    all.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).ok_or(Error::NotFound)
}

/// `{id}` of the path. `NotFound` if it is not an id.
pub struct PathId<T>(pub T);
impl<T: std::str::FromStr> FromRequestParts<App> for PathId<T> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        param(parts, "id").await?.parse().map(PathId).map_err(|_| Error::NotFound)
    }
}

/// `{number}` of the path: that of an invoice.
pub struct PathInvoice(pub String);
impl FromRequestParts<App> for PathInvoice {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        param(parts, "number").await.map(PathInvoice)
    }
}

/// `{slug}` of the path, where the gate is not that account's.
pub struct PathSlug(pub String);
impl FromRequestParts<App> for PathSlug {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        param(parts, "slug").await.map(PathSlug)
    }
}

/// `{token}` of the path: a secret from a mail.
pub struct PathToken(pub String);
impl FromRequestParts<App> for PathToken {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        param(parts, "token").await.map(PathToken)
    }
}
