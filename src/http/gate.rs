//! The doors between a request and the data. Nothing else hands out a `Scope`.
mod account;
mod anyone;
mod service;
mod signed_in;

pub use account::{Can, Door, Key, Via};
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
    /// What must be held.
    const NEEDS: Option<Permission>;
    /// What may be held instead: any of these.
    const OR: &'static [Permission] = &[];
    /// Under which every path of such a gate lies.
    const ROOT: &str;
    /// For the route table.
    const NAME: &'static str;
}

/// The hash of the secret that a program presents. What is none by its checksum is not looked up.
pub(super) fn bearer(kind: KeyKind, headers: &HeaderMap) -> Option<[u8; 32]> {
    let field = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = field.split_once(' ')?;
    let secret = secret.trim();
    let is_one = scheme.eq_ignore_ascii_case("bearer") && is_machine_key(kind, secret);
    is_one.then(|| digest(secret))
}

async fn param(parts: &mut Parts, name: &str) -> Result<String> {
    let all = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Error::NotFound)?;
    all.iter().find(|it| it.0 == name).map(|it| it.1.to_owned()).ok_or(Error::NotFound)
}

/// `{id}` of the path. What is no id is not found.
pub struct At<T>(pub T);
impl<T: std::str::FromStr> FromRequestParts<App> for At<T> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        param(parts, "id").await?.parse().map(At).map_err(|_| Error::NotFound)
    }
}

/// `{number}` of the path: an invoice's.
pub struct Number(pub String);
impl FromRequestParts<App> for Number {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        param(parts, "number").await.map(Number)
    }
}

/// `{slug}` of the path, where no account is entered by it.
pub struct Named(pub String);
impl FromRequestParts<App> for Named {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        param(parts, "slug").await.map(Named)
    }
}

/// `{token}` of the path: a secret out of a mail.
pub struct Token(pub String);
impl FromRequestParts<App> for Token {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        param(parts, "token").await.map(Token)
    }
}
