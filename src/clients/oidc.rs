//! `OpenID` Connect as a relying party: discovery, the authorization code flow, and the claims of ID tokens. Knows nothing of
//! accounts and sessions.
mod flow;
mod token;

pub use flow::{CallbackQuery, CompletedSignIn, DiscoveredProvider, Flow, StartOptions};
pub use token::{Claims, LogoutToken, unverified_issuer_and_audiences};

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

/// Why a sign-in failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcError {
    /// Stable, for programs and the log: `audience`, `expired`, …
    pub code: &'static str,
    /// What happened and what to do, for people.
    pub detail: String,
}

impl OidcError {
    pub fn new(code: &'static str, detail: impl Into<String>) -> OidcError {
        OidcError { code, detail: detail.into() }
    }
}

/// Our registration at a provider.
#[derive(Clone, Debug)]
pub struct Client {
    /// A URL, compared exactly.
    pub issuer: String,
    pub id: String,
    pub secret: String,
}

/// The fields that we use of a provider's discovery document.
#[derive(Clone, Debug, Deserialize)]
pub struct ProviderMetadata {
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

/// A provider's discovery document and signing keys.
#[derive(Debug)]
pub struct Discovery {
    pub metadata: ProviderMetadata,
    pub keys: CoreJsonWebKeySet,
}

/// How long a discovery is cached.
const CACHE_TTL: Duration = Duration::from_secs(600);
/// How often a minute a token with an unknown key makes us fetch the keys of its issuer again.
const REFRESHES_PER_MINUTE: u32 = 5;

/// A client of identity providers, with a cache of their documents and keys.
#[derive(Clone)]
pub struct Oidc {
    outgoing: Outgoing,
    discoveries: Cache<String, Arc<Discovery>>,
    refreshes: Cache<String, Arc<AtomicU32>>,
}

impl std::fmt::Debug for Oidc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Oidc")
    }
}

impl Oidc {
    pub fn new(outgoing: Outgoing) -> Oidc {
        let discoveries = Cache::builder().max_capacity(1000).time_to_live(CACHE_TTL).build();
        let refreshes = Cache::builder().max_capacity(1000).time_to_live(Duration::from_secs(60)).build();
        Oidc { outgoing, discoveries, refreshes }
    }
    /// Validates an issuer that somebody typed: https, or http if private addresses are allowed; no query, no fragment.
    pub fn parse_issuer(&self, typed: &str) -> Result<String, OidcError> {
        let typed = typed.trim();
        let invalid = |detail: &str| OidcError::new("issuer_invalid", detail);
        let url = Url::parse(typed).map_err(|_| {
            invalid("Enter the whole address of the issuer, such as https://login.example.com.")
        })?;
        if !self.is_allowed(&url) {
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
    fn is_allowed(&self, url: &Url) -> bool {
        url.has_host()
            && (url.scheme() == "https" || (url.scheme() == "http" && self.outgoing.allows_private()))
    }
    /// The provider's document and keys, from the cache if they are there.
    pub async fn discovery(&self, issuer: &str) -> Result<Arc<Discovery>, OidcError> {
        match self.discoveries.get(issuer) {
            Some(discovery) => Ok(discovery),
            None => self.discover(issuer).await,
        }
    }
    /// The same, always fetched from the provider.
    pub async fn discover(&self, issuer: &str) -> Result<Arc<Discovery>, OidcError> {
        let metadata = self.document(issuer).await?;
        let keys = self.keys(&metadata).await?;
        let discovery = Arc::new(Discovery { metadata, keys });
        self.discoveries.insert(issuer.to_owned(), discovery.clone());
        Ok(discovery)
    }
    /// Fetches the keys again because a token names an unknown one; `None` if that happened too often.
    async fn refresh(&self, issuer: &str) -> Result<Option<Arc<Discovery>>, OidcError> {
        let count = self.refreshes.get_with_by_ref(issuer, Arc::default);
        if count.fetch_add(1, Ordering::Relaxed) >= REFRESHES_PER_MINUTE {
            return Ok(None);
        }
        self.discover(issuer).await.map(Some)
    }
    async fn document(&self, issuer: &str) -> Result<ProviderMetadata, OidcError> {
        let at = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let body = self.get(&at, "discovery").await?;
        let metadata: ProviderMetadata = serde_json::from_slice(&body).map_err(|error| {
            OidcError::new(
                "discovery_invalid",
                format!("{at} is not a discovery document ({error}). Check the issuer."),
            )
        })?;
        if metadata.issuer != issuer {
            let detail = format!(
                "The discovery document names another issuer, {}, than {issuer}. Enter the issuer exactly as it names itself.",
                crate::model::text::shorten(&metadata.issuer, 200)
            );
            return Err(OidcError::new("discovery_issuer", detail));
        }
        let endpoint = Url::parse(&metadata.authorization_endpoint);
        if !endpoint.is_ok_and(|url| self.is_allowed(&url)) {
            let detail = format!("{at} names no authorization endpoint that begins with https://.");
            return Err(OidcError::new("discovery_invalid", detail));
        }
        Ok(metadata)
    }
    async fn keys(&self, metadata: &ProviderMetadata) -> Result<CoreJsonWebKeySet, OidcError> {
        let at = &metadata.jwks_uri;
        let body = self.get(at, "keys").await?;
        serde_json::from_slice(&body)
            .map_err(|error| OidcError::new("keys_invalid", format!("{at} is not a list of keys ({error}).")))
    }
    async fn get(&self, at: &str, what: &str) -> Result<Vec<u8>, OidcError> {
        let (unreachable, invalid) = match what {
            "keys" => ("keys_unreachable", "keys_invalid"),
            _ => ("discovery_unreachable", "discovery_invalid"),
        };
        let request = http::Request::get(at).header(header::ACCEPT, "application/json").body(vec![]);
        let request =
            request.map_err(|_| OidcError::new(invalid, format!("{at} is not a valid address.")))?;
        let response = self.outgoing.send(request).await;
        let response = response.map_err(|error| {
            OidcError::new(
                unreachable,
                format!("The identity provider did not answer: {error} Try again later."),
            )
        })?;
        if response.status() != http::StatusCode::OK {
            let detail = format!(
                "{at} answered with status {}. Try again later, or check the issuer.",
                response.status().as_u16()
            );
            return Err(OidcError::new(unreachable, detail));
        }
        Ok(response.into_body())
    }
}

impl Discovery {
    pub fn key_count(&self) -> usize {
        self.keys.keys().len()
    }
    /// The address that signs a person out at the provider and leads back to `return_url` (RP-Initiated Logout 1.0), if the
    /// provider has one. `id_token` is the one from the sign-in.
    pub fn logout_url(&self, client_id: &str, id_token: Option<&str>, return_url: &str) -> Option<Url> {
        let mut url = Url::parse(self.metadata.end_session_endpoint.as_deref()?).ok()?;
        if !matches!(url.scheme(), "https" | "http") {
            return None;
        }
        let mut query = url.query_pairs_mut();
        query.append_pair("client_id", client_id).append_pair("post_logout_redirect_uri", return_url);
        if let Some(id_token) = id_token {
            query.append_pair("id_token_hint", id_token);
        }
        drop(query);
        Some(url)
    }
}
