//! Signing in with GitHub: the OAuth 2 authorization code flow with PKCE and state, then its API for the profile.
use super::{
    oidc::{CallbackQuery, OidcError},
    outgoing::Outgoing,
    social::{Profile, Provider},
};
use crate::{crypto::random::Random, model::text::shorten};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, TokenResponse as _, TokenUrl,
    basic::{BasicClient, BasicErrorResponse},
    http::{Request, StatusCode, header},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use url::Url;

pub const GITHUB: &str = "https://github.com";

/// Our registration at github.com or at an Enterprise server.
#[derive(Clone)]
pub struct Client {
    /// Without a slash at the end.
    pub url: String,
    pub id: String,
    pub secret: String,
}

type OAuth = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// The state of a sign-in under way, which the session keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flow {
    pub(super) state: String,
    verifier: String,
}

impl Client {
    fn api_url(&self, path: &str) -> String {
        if self.url == GITHUB {
            format!("https://api.github.com{path}")
        } else {
            format!("{}/api/v3{path}", self.url)
        }
    }
    fn oauth(&self, redirect: &str) -> Result<OAuth, OidcError> {
        let invalid = |error: oauth2::url::ParseError| {
            OidcError::new("url_invalid", format!("The address of GitHub is set wrong here ({error})."))
        };
        let at = |path: &str| format!("{}/login/oauth/{path}", self.url);
        Ok(BasicClient::new(ClientId::new(self.id.clone()))
            .set_client_secret(ClientSecret::new(self.secret.clone()))
            .set_auth_type(AuthType::RequestBody)
            .set_auth_uri(AuthUrl::new(at("authorize")).map_err(invalid)?)
            .set_token_uri(TokenUrl::new(at("access_token")).map_err(invalid)?)
            .set_redirect_uri(RedirectUrl::new(redirect.to_owned()).map_err(invalid)?))
    }
    /// The address to redirect to, and the state to keep until the callback.
    pub(super) fn start(
        &self,
        random: &Random,
        redirect: &str,
        force_prompt: bool,
    ) -> Result<(Url, Flow), OidcError> {
        let token = || BASE64_URL_SAFE_NO_PAD.encode(random.bytes::<32>());
        let (state, verifier) = (token(), PkceCodeVerifier::new(token()));
        let client = self.oauth(redirect)?;
        let mut request = client
            .authorize_url(|| CsrfToken::new(state.clone()))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_scopes(["read:user", "user:email"].map(|scope| Scope::new(scope.to_owned())));
        // Without it, GitHub redirects straight back if the browser has a session there.
        if force_prompt {
            request = request.add_extra_param("prompt", "select_account");
        }
        let (url, _) = request.url();
        Ok((url, Flow { state, verifier: verifier.into_secret() }))
    }
}

/// The fields that we use of `GET /user`.
#[derive(Deserialize)]
struct User {
    id: u64,
    login: String,
    name: Option<String>,
}

/// An item of `GET /user/emails`.
#[derive(Deserialize)]
struct Address {
    email: String,
    primary: bool,
    verified: bool,
}

#[derive(Debug)]
pub(super) struct GitHub(Outgoing);

impl GitHub {
    pub(super) fn new(outgoing: Outgoing) -> GitHub {
        GitHub(outgoing)
    }
    /// Checks the callback, exchanges the code for a token, and fetches the profile with it.
    pub(super) async fn finish(
        &self,
        client: &Client,
        flow: Flow,
        query: CallbackQuery,
        redirect: &str,
    ) -> Result<Profile, OidcError> {
        if query.state != flow.state {
            let detail =
                "This response does not belong to a sign-in that this browser started. Sign in again.";
            return Err(OidcError::new("state", detail));
        }
        if let Some(error) = query.error {
            let description = shorten(&query.error_description.unwrap_or(error), 300);
            return Err(OidcError::new("denied", format!("GitHub did not sign you in: {description}")));
        }
        let token = self.exchange(client, query.code, flow.verifier, redirect).await?;
        let user: User = self.get(&client.api_url("/user"), &token).await?;
        let addresses: Vec<Address> = self.get(&client.api_url("/user/emails"), &token).await?;
        let email = addresses.into_iter().find(|address| address.primary && address.verified);
        let email = email.map(|address| address.email);
        Ok(Profile {
            provider: Provider::GitHub,
            issuer: client.url.clone(),
            subject: user.id.to_string(),
            email,
            name: user.name.filter(|name| !name.trim().is_empty()).or(Some(user.login.clone())),
            label: user.login,
        })
    }
    async fn exchange(
        &self,
        client: &Client,
        code: String,
        verifier: String,
        redirect: &str,
    ) -> Result<String, OidcError> {
        let refused = |response: &BasicErrorResponse| {
            let description =
                response.error_description().cloned().unwrap_or_else(|| response.error().to_string());
            let description = shorten(&description, 300);
            let detail =
                format!("GitHub did not accept our code or our client secret: {description} Sign in again.");
            OidcError::new("code_refused", detail)
        };
        let (oauth, http) = (client.oauth(redirect)?, self.0.oauth2_client());
        let result = oauth
            .exchange_code(AuthorizationCode::new(code))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier))
            .request_async(&http)
            .await;
        let token = result.map_err(|error| match error {
            RequestTokenError::ServerResponse(response) => refused(&response),
            RequestTokenError::Request(error) => unreachable(&error.to_string()),
            // GitHub sends errors with status 200.
            RequestTokenError::Parse(_, body) => match serde_json::from_slice::<BasicErrorResponse>(&body) {
                Ok(response) => refused(&response),
                Err(_) => unreadable(),
            },
            RequestTokenError::Other(_) => unreadable(),
        })?;
        Ok(token.access_token().secret().clone())
    }
    async fn get<T: DeserializeOwned>(&self, url: &str, token: &str) -> Result<T, OidcError> {
        let request = Request::get(url)
            .header(header::ACCEPT, "application/vnd.github+json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(vec![])
            .map_err(|_| unreadable())?;
        let response = self.0.send(request).await.map_err(|error| unreachable(&error.to_string()))?;
        if response.status() != StatusCode::OK {
            return Err(unreachable(&format!(
                "its API answered with status {}.",
                response.status().as_u16()
            )));
        }
        serde_json::from_slice(response.body()).map_err(|_| unreadable())
    }
}

fn unreachable(cause: &str) -> OidcError {
    OidcError::new("unreachable", format!("GitHub did not answer: {cause} Try again later."))
}

fn unreadable() -> OidcError {
    OidcError::new("unreadable", "GitHub answered with something that could not be read. Try again later.")
}
