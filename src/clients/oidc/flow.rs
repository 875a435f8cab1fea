//! The authorization code flow, with PKCE, state and nonce.
use super::{Claims, Client, Discovery, Oidc, OidcError};
use crate::{
    crypto::random::Random,
    model::{text::shorten, time::Time},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    ExtraTokenFields, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
    StandardRevocableToken, StandardTokenResponse, TokenUrl,
    basic::{
        BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
    },
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use url::Url;

/// The part of a token response that OpenID Connect adds to OAuth 2.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct IdTokenField {
    #[serde(default)]
    id_token: Option<String>,
}
impl ExtraTokenFields for IdTokenField {}

type OAuth = oauth2::Client<
    BasicErrorResponse,
    StandardTokenResponse<IdTokenField, BasicTokenType>,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Options of an authorization request.
#[derive(Clone, Copy, Debug)]
pub struct StartOptions<'a> {
    /// Our redirect URI.
    pub redirect: &'a str,
    /// Whether people must authenticate again even if the provider has a session of theirs.
    pub force_login: bool,
    /// The address of the person, if it is known.
    pub login_hint: Option<&'a str>,
}

/// The state of a sign-in under way, which the browser keeps. The names of the fields are its serialized format.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flow {
    /// Returned by the provider: it finds this flow again.
    pub state: String,
    nonce: String,
    verifier: String,
    #[serde(rename = "fresh")]
    force_login: bool,
}

/// The query of the callback.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CallbackQuery {
    pub state: String,
    pub(in crate::clients) code: String,
    iss: Option<String>,
    pub(in crate::clients) error: Option<String>,
    pub(in crate::clients) error_description: Option<String>,
}

/// A successful sign-in.
#[derive(Clone, Debug)]
pub struct CompletedSignIn {
    pub claims: Claims,
    /// The ID token, which is needed to sign out at the provider.
    pub token: String,
}

/// A provider with its discovery document, and our registration there.
#[derive(Debug)]
pub struct DiscoveredProvider {
    client: Client,
    discovery: Arc<Discovery>,
}

impl DiscoveredProvider {
    fn oauth(&self, redirect: &str) -> Result<OAuth, OidcError> {
        let invalid = |error: oauth2::url::ParseError| {
            OidcError::new(
                "discovery_invalid",
                format!("The discovery document has an invalid address ({error})."),
            )
        };
        let Discovery { metadata, .. } = &*self.discovery;
        let methods = metadata.token_endpoint_auth_methods_supported.as_ref();
        let basic =
            methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"));
        let client = oauth2::Client::new(ClientId::new(self.client.id.clone()))
            .set_client_secret(ClientSecret::new(self.client.secret.clone()))
            .set_auth_type(if basic { AuthType::BasicAuth } else { AuthType::RequestBody })
            .set_auth_uri(AuthUrl::new(metadata.authorization_endpoint.clone()).map_err(invalid)?)
            .set_token_uri(TokenUrl::new(metadata.token_endpoint.clone()).map_err(invalid)?)
            .set_redirect_uri(RedirectUrl::new(redirect.to_owned()).map_err(invalid)?);
        Ok(client)
    }
    /// The address to redirect to, and the state to keep until the callback.
    pub fn start(&self, random: &Random, options: StartOptions<'_>) -> Result<(Url, Flow), OidcError> {
        let token = || BASE64_URL_SAFE_NO_PAD.encode(random.bytes::<32>());
        let (state, nonce, verifier) = (token(), token(), PkceCodeVerifier::new(token()));
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let client = self.oauth(options.redirect)?;
        let mut request = client
            .authorize_url(|| CsrfToken::new(state.clone()))
            .add_extra_param("nonce", nonce.clone())
            .set_pkce_challenge(challenge)
            .add_scopes(["openid", "email", "profile"].map(|scope| Scope::new(scope.to_owned())));
        // Some providers include groups only with a scope of their own.
        if self.discovery.metadata.scopes_supported.iter().any(|scope| scope == "groups") {
            request = request.add_scope(Scope::new("groups".to_owned()));
        }
        if options.force_login {
            request = request.add_extra_param("prompt", "login").add_extra_param("max_age", "0");
        }
        if let Some(hint) = options.login_hint {
            request = request.add_extra_param("login_hint", hint.to_owned());
        }
        let (url, _) = request.url();
        let verifier = verifier.into_secret();
        Ok((url, Flow { state, nonce, verifier, force_login: options.force_login }))
    }
}

impl Oidc {
    pub async fn provider(&self, client: Client) -> Result<DiscoveredProvider, OidcError> {
        let discovery = self.discovery(&client.issuer).await?;
        Ok(DiscoveredProvider { client, discovery })
    }
    /// Checks the callback, exchanges the code for an ID token, and checks that.
    pub async fn finish(
        &self,
        provider: &DiscoveredProvider,
        flow: Flow,
        query: CallbackQuery,
        redirect: &str,
        now: Time,
    ) -> Result<CompletedSignIn, OidcError> {
        let DiscoveredProvider { client, discovery } = provider;
        if query.state != flow.state {
            return Err(OidcError::new(
                "state",
                "This response does not belong to a sign-in that this browser started. Sign in again.",
            ));
        }
        // RFC 9207: the issuer identification protects against mix-up attacks.
        let issuer = query.iss.as_ref();
        if issuer.is_some_and(|issuer| *issuer != client.issuer)
            || (issuer.is_none() && discovery.metadata.authorization_response_iss_parameter_supported)
        {
            let detail = "The response comes from another issuer than the one that was asked.";
            return Err(OidcError::new("response_issuer", detail));
        }
        if let Some(error) = query.error {
            let description = query.error_description.unwrap_or(error);
            let detail = format!("The provider did not sign you in: {}", shorten(&description, 300));
            return Err(OidcError::new("denied", detail));
        }
        let token = self.exchange(provider, query.code, flow.verifier, redirect).await?;
        let claims = self.id_token(client, discovery, &token, &flow.nonce, now).await?;
        let is_old = |seconds: i64| now.0 / 1_000_000 - seconds > 600;
        if flow.force_login && claims.auth_time.is_some_and(is_old) {
            let detail = "The provider did not ask you to sign in again.";
            return Err(OidcError::new("not_fresh", detail));
        }
        Ok(CompletedSignIn { claims, token })
    }
    async fn exchange(
        &self,
        provider: &DiscoveredProvider,
        code: String,
        verifier: String,
        redirect: &str,
    ) -> Result<String, OidcError> {
        let (client, http) = (provider.oauth(redirect)?, self.outgoing.oauth2_client());
        let result = client
            .exchange_code(AuthorizationCode::new(code))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier))
            .request_async(&http)
            .await;
        let response = result.map_err(|error| match error {
            RequestTokenError::ServerResponse(response) => {
                let description =
                    response.error_description().cloned().unwrap_or_else(|| response.error().to_string());
                let description = shorten(&description, 300);
                let detail = format!(
                    "The provider did not accept our code or our client secret: {description}. Sign in again."
                );
                OidcError::new("code_refused", detail)
            }
            RequestTokenError::Request(error) => {
                let detail = format!("The identity provider did not answer: {error} Try again later.");
                OidcError::new("token_unreachable", detail)
            }
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                let detail = "The provider answered without a readable token. Try again later.";
                OidcError::new("token_invalid", detail)
            }
        })?;
        let token = response.extra_fields().id_token.clone();
        token.ok_or_else(|| {
            OidcError::new(
                "no_id_token",
                "The provider gave no ID token. Register us there as an OpenID Connect application.",
            )
        })
    }
}
