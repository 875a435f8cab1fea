//! The way to a provider and back: authorization code with PKCE, state and nonce.
use super::{Claims, Client, Found, Oidc, Refusal};
use crate::{context::Chance, model::time::Time};
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

/// The token's answer, with the ID token as it came.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct WithIdToken {
    #[serde(default)]
    id_token: Option<String>,
}
impl ExtraTokenFields for WithIdToken {}

type OAuth = oauth2::Client<
    BasicErrorResponse,
    StandardTokenResponse<WithIdToken, BasicTokenType>,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// What is asked of the provider.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// Where it sends people back to.
    pub redirect: &'a str,
    /// Whether the person is to show anew who they are.
    pub fresh: bool,
    /// Who it probably is.
    pub hint: Option<&'a str>,
}

/// What is kept of a sign-in under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flow {
    /// Comes back.
    pub state: String,
    nonce: String,
    verifier: String,
    fresh: bool,
}

/// What came back.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// Ours, if it is an answer to us.
    pub state: String,
    pub(in crate::clients) code: String,
    iss: Option<String>,
    pub(in crate::clients) error: Option<String>,
    pub(in crate::clients) error_description: Option<String>,
}

/// A sign-in that came to its end.
#[derive(Clone, Debug)]
pub struct Came {
    /// Who came.
    pub claims: Claims,
    /// The token, to sign out with.
    pub token: String,
}

/// A provider, found, and who we are to it.
#[derive(Debug)]
pub struct Round {
    client: Client,
    found: Arc<Found>,
}

impl Round {
    fn oauth(&self, redirect: &str) -> Result<OAuth, Refusal> {
        let invalid = |it: oauth2::url::ParseError| {
            Refusal::new("discovery_invalid", format!("The discovery document names no address ({it})."))
        };
        let Found { metadata, .. } = &*self.found;
        let methods = metadata.token_endpoint_auth_methods_supported.as_ref();
        let basic = methods.is_none_or(|it| it.iter().any(|it| it == "client_secret_basic"));
        let client = oauth2::Client::new(ClientId::new(self.client.id.clone()))
            .set_client_secret(ClientSecret::new(self.client.secret.clone()))
            .set_auth_type(if basic { AuthType::BasicAuth } else { AuthType::RequestBody })
            .set_auth_uri(AuthUrl::new(metadata.authorization_endpoint.clone()).map_err(invalid)?)
            .set_token_uri(TokenUrl::new(metadata.token_endpoint.clone()).map_err(invalid)?)
            .set_redirect_uri(RedirectUrl::new(redirect.to_owned()).map_err(invalid)?);
        Ok(client)
    }
    /// Where the person goes, and what is kept until they are back.
    pub fn start(&self, chance: &Chance, start: Start<'_>) -> Result<(Url, Flow), Refusal> {
        let word = || BASE64_URL_SAFE_NO_PAD.encode(chance.bytes::<32>());
        let (state, nonce, verifier) = (word(), word(), PkceCodeVerifier::new(word()));
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let client = self.oauth(start.redirect)?;
        let mut request = client
            .authorize_url(|| CsrfToken::new(state.clone()))
            .add_extra_param("nonce", nonce.clone())
            .set_pkce_challenge(challenge)
            .add_scopes(["openid", "email", "profile"].map(|it| Scope::new(it.to_owned())));
        // Where groups are a scope of their own, they are not told without it.
        if self.found.metadata.scopes_supported.iter().any(|it| it == "groups") {
            request = request.add_scope(Scope::new("groups".to_owned()));
        }
        if start.fresh {
            request = request.add_extra_param("prompt", "login").add_extra_param("max_age", "0");
        }
        if let Some(hint) = start.hint {
            request = request.add_extra_param("login_hint", hint.to_owned());
        }
        let (url, _) = request.url();
        let verifier = verifier.into_secret();
        Ok((url, Flow { state, nonce, verifier, fresh: start.fresh }))
    }
}

impl Oidc {
    /// A provider that can be asked.
    pub async fn round(&self, client: Client) -> Result<Round, Refusal> {
        let found = self.find(&client.issuer).await?;
        Ok(Round { client, found })
    }
    /// Ends a sign-in: changes the code for a token, and checks it.
    pub async fn finish(
        &self,
        round: &Round,
        flow: Flow,
        answer: Answer,
        redirect: &str,
        now: Time,
    ) -> Result<Came, Refusal> {
        let Round { client, found } = round;
        if answer.state != flow.state {
            return Err(Refusal::new(
                "state",
                "This answer belongs to no sign-in of this browser. Sign in again.",
            ));
        }
        let told = answer.iss.as_ref();
        if told.is_some_and(|it| *it != client.issuer)
            || (told.is_none() && found.metadata.authorization_response_iss_parameter_supported)
        {
            let detail = "The answer comes from another issuer than the one that was asked.";
            return Err(Refusal::new("response_issuer", detail));
        }
        if let Some(error) = answer.error {
            let said = answer.error_description.unwrap_or(error);
            let detail =
                format!("The provider did not sign you in: {}", crate::model::text::shorten(&said, 300));
            return Err(Refusal::new("denied", detail));
        }
        let token = self.exchange(round, answer.code, flow.verifier, redirect).await?;
        let claims = self.id_token(client, found, &token, &flow.nonce, now).await?;
        let stale = |at: i64| now.0 / 1_000_000 - at > 600;
        if flow.fresh && claims.auth_time.is_some_and(stale) {
            let detail = "The provider did not ask you again who you are.";
            return Err(Refusal::new("not_fresh", detail));
        }
        Ok(Came { claims, token })
    }
    async fn exchange(
        &self,
        round: &Round,
        code: String,
        verifier: String,
        redirect: &str,
    ) -> Result<String, Refusal> {
        let (client, http) = (round.oauth(redirect)?, self.outgoing.client());
        let asked = client
            .exchange_code(AuthorizationCode::new(code))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier))
            .request_async(&http)
            .await;
        let answer = asked.map_err(|it| match it {
            RequestTokenError::ServerResponse(it) => {
                let said = it.error_description().cloned().unwrap_or_else(|| it.error().to_string());
                let said = crate::model::text::shorten(&said, 300);
                let detail = format!(
                    "The provider did not take our code or our client secret: {said}. Sign in again."
                );
                Refusal::new("code_refused", detail)
            }
            RequestTokenError::Request(it) => {
                let detail = format!("The identity provider did not answer: {it} Try again later.");
                Refusal::new("token_unreachable", detail)
            }
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                let detail = "The provider answered with no token that could be read. Try again later.";
                Refusal::new("token_invalid", detail)
            }
        })?;
        let token = answer.extra_fields().id_token.clone();
        token.ok_or_else(|| {
            Refusal::new(
                "no_id_token",
                "The provider gave no ID token. Register us as an OpenID Connect application.",
            )
        })
    }
}
