//! A sign-in under way, kept in an encrypted cookie for ten minutes: one cookie for each sign-in, so that two tabs do not disturb
//! each other.
use crate::{
    clients::oidc::Flow,
    context::Context,
    crypto::secrets::hash,
    error::{Error, Result},
    model::{id::AccountId, time::Time},
    view::cookie,
};
use axum::http::HeaderMap;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::time::Duration;

pub const SECONDS: u32 = 600;
const SECRET_PURPOSE: &str = "sso flow";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    SignIn,
    /// A fresh proof of identity of somebody who is signed in.
    Proof,
    /// A test of the connection, which changes nobody's session.
    Test,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct PendingLogin {
    pub account: AccountId,
    pub slug: String,
    pub purpose: Purpose,
    /// Where to go afterwards; empty for the organization's overview.
    pub next: String,
    pub flow: Flow,
    until: Time,
}

impl PendingLogin {
    pub fn new(
        context: &Context,
        account: AccountId,
        slug: String,
        purpose: Purpose,
        next: String,
        flow: Flow,
    ) -> PendingLogin {
        // Browsers keep cookies of at most 4 KB.
        let next = if next.len() > 1500 { String::new() } else { next };
        PendingLogin {
            account,
            slug,
            purpose,
            next,
            flow,
            until: context.now().plus(Duration::from_secs(SECONDS.into())),
        }
    }
    pub fn encrypt(&self, context: &Context) -> Result<String> {
        encrypt(context, SECRET_PURPOSE, self)
    }
    /// `None` for a cookie that is missing, forged or expired.
    pub fn from_cookie(context: &Context, headers: &HeaderMap, name: &str) -> Option<PendingLogin> {
        decrypt(context, SECRET_PURPOSE, &cookie::get(headers, name)?)
            .filter(|flow: &PendingLogin| flow.until > context.now())
    }
    /// Where the browser goes after the sign-in.
    pub fn target(&self) -> String {
        if self.next.is_empty() { format!("/a/{}/overview", self.slug) } else { self.next.clone() }
    }
}

pub fn encrypt(context: &Context, purpose_of_secret: &str, value: &impl Serialize) -> Result<String> {
    let json = serde_json::to_vec(value).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(context.secrets.encrypt(&context.random, purpose_of_secret, &json)))
}

/// `None` if the value was not encrypted by this installation for that purpose.
pub fn decrypt<T: DeserializeOwned>(context: &Context, purpose_of_secret: &str, value: &str) -> Option<T> {
    let encrypted = BASE64_URL_SAFE_NO_PAD.decode(value).ok()?;
    serde_json::from_slice(&context.secrets.decrypt(purpose_of_secret, &encrypted)?).ok()
}

/// Derived from the `state` of the sign-in.
pub fn cookie_name(state: &str) -> String {
    let digits: String = hash(state).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("sso-{digits}")
}

/// The path that starts the same sign-in again.
pub fn retry_path(slug: &str, purpose: Purpose, next: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if purpose == Purpose::Proof {
        query.append_pair("fresh", "1");
    }
    if !next.is_empty() {
        query.append_pair("next", next);
    }
    let query = query.finish();
    if query.is_empty() { format!("/sso/{slug}") } else { format!("/sso/{slug}?{query}") }
}
