//! `OpenID` Connect, as its relying party: an identity provider's document and keys, the way there and back, and what it says
//! of a person. Knows nothing of accounts and sessions.
mod flow;
mod token;

pub use flow::{Answer, Came, Flow, Round, Start};
pub use token::{Claims, Logout, unproven_names};

use super::outgoing::Outgoing;
use moka::sync::Cache;
use oauth2::http::{self, header};
use openidconnect::core::CoreJsonWebKeySet;
use serde::Deserialize;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use url::Url;

/// Why somebody is not signed in: a stable code for programs and the log, a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Stable: `audience`, `expired`, …
    pub code: &'static str,
    /// What happened, and what to do.
    pub detail: String,
}

impl Refusal {
    /// From a code and a sentence.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Refusal {
        Refusal { code, detail: detail.into() }
    }
}

/// A provider, and who we are to it.
#[derive(Clone, Debug)]
pub struct Client {
    /// The provider's own name: an address, compared exactly.
    pub issuer: String,
    /// Our name there.
    pub id: String,
    /// What proves it.
    pub secret: String,
}

/// The part that is used of a provider's discovery document.
#[derive(Clone, Debug, Deserialize)]
pub struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    end_session_endpoint: Option<String>,
    #[serde(default)]
    scopes_supported: Vec<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// A provider as it was found.
#[derive(Debug)]
pub struct Found {
    /// Its document.
    pub metadata: Metadata,
    /// Its signing keys.
    pub keys: CoreJsonWebKeySet,
}

/// How long what was found is believed.
const LIFE: Duration = Duration::from_secs(600);
/// How often in a minute a token with an unknown key makes us look for new keys.
const LOOKS: u32 = 5;

/// Asks providers, and remembers for a while what they said.
#[derive(Clone)]
pub struct Oidc {
    outgoing: Outgoing,
    found: Cache<String, Arc<Found>>,
    looked: Cache<String, Arc<AtomicU32>>,
}

impl std::fmt::Debug for Oidc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Oidc")
    }
}

impl Oidc {
    /// By these requests.
    pub fn new(outgoing: Outgoing) -> Oidc {
        let found = Cache::builder().max_capacity(1000).time_to_live(LIFE).build();
        let looked = Cache::builder().max_capacity(1000).time_to_live(Duration::from_secs(60)).build();
        Oidc { outgoing, found, looked }
    }
    /// An issuer as it may be typed: https, or http where private addresses are allowed; no query, no fragment.
    pub fn issuer(&self, typed: &str) -> Result<String, Refusal> {
        let typed = typed.trim();
        let invalid = |detail: &str| Refusal::new("issuer_invalid", detail);
        let url = Url::parse(typed).map_err(|_| {
            invalid("Enter the whole address of the issuer, such as https://login.example.com.")
        })?;
        if !self.may_open(&url) {
            return Err(invalid("The issuer’s address must begin with https://."));
        }
        if url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || typed.len() > 500
        {
            return Err(invalid("An issuer’s address has no user, no “?” and no “#”."));
        }
        Ok(typed.to_owned())
    }
    fn may_open(&self, url: &Url) -> bool {
        url.has_host()
            && (url.scheme() == "https" || (url.scheme() == "http" && self.outgoing.allows_private()))
    }
    /// The provider's document and keys; asked for anew if nothing is remembered.
    pub async fn find(&self, issuer: &str) -> Result<Arc<Found>, Refusal> {
        match self.found.get(issuer) {
            Some(it) => Ok(it),
            None => self.look(issuer).await,
        }
    }
    /// The same, asked for anew.
    pub async fn look(&self, issuer: &str) -> Result<Arc<Found>, Refusal> {
        let metadata = self.document(issuer).await?;
        let keys = self.keys(&metadata).await?;
        let found = Arc::new(Found { metadata, keys });
        self.found.insert(issuer.to_owned(), found.clone());
        Ok(found)
    }
    /// New keys, because a token names one that is not known: a few times a minute.
    async fn look_again(&self, issuer: &str) -> Result<Option<Arc<Found>>, Refusal> {
        let count = self.looked.get_with_by_ref(issuer, Arc::default);
        if count.fetch_add(1, Ordering::Relaxed) >= LOOKS {
            return Ok(None);
        }
        self.look(issuer).await.map(Some)
    }
    async fn document(&self, issuer: &str) -> Result<Metadata, Refusal> {
        let at = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let body = self.get(&at, "discovery").await?;
        let metadata: Metadata = serde_json::from_slice(&body).map_err(|it| {
            Refusal::new(
                "discovery_invalid",
                format!("{at} is no discovery document ({it}). Check the issuer."),
            )
        })?;
        if metadata.issuer != issuer {
            let detail = format!(
                "The discovery document names another issuer, {}, than {issuer}. Enter the issuer exactly as it names itself.",
                crate::model::text::shorten(&metadata.issuer, 200)
            );
            return Err(Refusal::new("discovery_issuer", detail));
        }
        let opens = |it: &str| Url::parse(it).is_ok_and(|it| self.may_open(&it));
        if !opens(&metadata.authorization_endpoint) {
            let detail = format!("{at} names no address at which one signs in that begins with https://.");
            return Err(Refusal::new("discovery_invalid", detail));
        }
        Ok(metadata)
    }
    async fn keys(&self, metadata: &Metadata) -> Result<CoreJsonWebKeySet, Refusal> {
        let at = &metadata.jwks_uri;
        let body = self.get(at, "keys").await?;
        serde_json::from_slice(&body)
            .map_err(|it| Refusal::new("keys_invalid", format!("{at} is no list of keys ({it}).")))
    }
    async fn get(&self, at: &str, what: &str) -> Result<Vec<u8>, Refusal> {
        let (unreachable, invalid) = match what {
            "keys" => ("keys_unreachable", "keys_invalid"),
            _ => ("discovery_unreachable", "discovery_invalid"),
        };
        let request = http::Request::get(at).header(header::ACCEPT, "application/json").body(vec![]);
        let request = request.map_err(|_| Refusal::new(invalid, format!("{at} is no address.")))?;
        let answer = self.outgoing.call(request).await;
        let answer = answer.map_err(|it| {
            Refusal::new(unreachable, format!("The identity provider did not answer: {it} Try again later."))
        })?;
        if answer.status() != http::StatusCode::OK {
            let detail = format!(
                "{at} answered with status {}. Try again later, or check the issuer.",
                answer.status().as_u16()
            );
            return Err(Refusal::new(unreachable, detail));
        }
        Ok(answer.into_body())
    }
}

impl Found {
    /// How many keys it signs with.
    pub fn key_count(&self) -> usize {
        self.keys.keys().len()
    }
    /// Where one signs out there, if it says: with the token that it gave, back to `to`.
    pub fn sign_out(&self, client_id: &str, token: Option<&str>, to: &str) -> Option<Url> {
        let mut url = Url::parse(self.metadata.end_session_endpoint.as_deref()?).ok()?;
        if !matches!(url.scheme(), "https" | "http") {
            return None;
        }
        let mut query = url.query_pairs_mut();
        query.append_pair("client_id", client_id).append_pair("post_logout_redirect_uri", to);
        if let Some(token) = token {
            query.append_pair("id_token_hint", token);
        }
        drop(query);
        Some(url)
    }
}
