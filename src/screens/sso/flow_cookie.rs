//! What this browser keeps of a sign-in under way: sealed, for ten minutes, one cookie a sign-in, so that two tabs do not
//! disturb each other.
use crate::{
    clients::oidc::Flow,
    context::Kit,
    crypto::secrets::hash,
    error::{Error, Result},
    http::client::cookie,
    model::{id::AccountId, time::Time},
};
use axum::http::HeaderMap;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::time::Duration;

/// How long it is kept.
pub const SECONDS: u32 = 600;
const PLACE: &str = "sso flow";

/// For what somebody went to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// To sign in.
    SignIn,
    /// To prove themselves again.
    Proof,
    /// To test the connection: nobody's session changes.
    Test,
}

/// A sign-in under way.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept {
    /// Whose provider.
    pub account: AccountId,
    /// Its slug.
    pub slug: String,
    /// For what.
    pub purpose: Purpose,
    /// Where to go then; empty for the organization's overview.
    pub next: String,
    /// What was asked.
    pub flow: Flow,
    until: Time,
}

impl Kept {
    /// From now on.
    pub fn new(
        kit: &Kit,
        account: AccountId,
        slug: String,
        purpose: Purpose,
        next: String,
        flow: Flow,
    ) -> Kept {
        // Browsers keep 4 KB.
        let next = if next.len() > 1500 { String::new() } else { next };
        Kept {
            account,
            slug,
            purpose,
            next,
            flow,
            until: kit.now().plus(Duration::from_secs(SECONDS.into())),
        }
    }
    /// As a cookie's value.
    pub fn seal(&self, kit: &Kit) -> Result<String> {
        seal(kit, PLACE, self)
    }
    /// Out of a cookie, if it is ours and not over.
    pub fn open(kit: &Kit, headers: &HeaderMap, name: &str) -> Option<Kept> {
        open(kit, PLACE, cookie(headers, name)?).filter(|it: &Kept| it.until > kit.now())
    }
    /// Where it leads.
    pub fn to(&self) -> String {
        if self.next.is_empty() { format!("/a/{}/overview", self.slug) } else { self.next.clone() }
    }
}

/// Seals anything for a cookie.
pub fn seal(kit: &Kit, place: &str, it: &impl Serialize) -> Result<String> {
    let json = serde_json::to_vec(it).map_err(|it| Error::Internal(it.to_string()))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(kit.seal.close(&kit.chance, place, &json)))
}

/// Opens it again.
pub fn open<T: DeserializeOwned>(kit: &Kit, place: &str, value: &str) -> Option<T> {
    let sealed = BASE64_URL_SAFE_NO_PAD.decode(value).ok()?;
    serde_json::from_slice(&kit.seal.open(place, &sealed)?).ok()
}

/// The cookie of the sign-in with that state.
pub fn cookie_name(state: &str) -> String {
    let digits: String = hash(state).iter().take(6).map(|it| format!("{it:02x}")).collect();
    format!("sso-{digits}")
}

/// The same sign-in, begun again.
pub fn again(slug: &str, purpose: Purpose, next: &str) -> String {
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
