//! GitHub by OAuth 2: authorization code with PKCE and state, then its API for who that is.
use super::{
    oidc::{Answer, Refusal},
    outgoing::Outgoing,
    social::{Profile, Provider},
};
use crate::context::Chance;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, TokenResponse as _, TokenUrl,
    basic::{BasicClient, BasicErrorResponse},
    http::{Request, StatusCode, header},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use url::Url;

/// GitHub's own address.
pub const GITHUB: &str = "https://github.com";

/// A GitHub, and who we are to it.
#[derive(Clone)]
pub struct Client {
    /// Where it is, without a slash at the end: github.com, or an Enterprise server.
    pub url: String,
    /// Our name there.
    pub id: String,
    /// What proves it.
    pub secret: String,
}

type OAuth = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// What is kept of a sign-in under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flow {
    pub(super) state: String,
    verifier: String,
}

impl Client {
    fn api(&self, path: &str) -> String {
        if self.url == GITHUB {
            format!("https://api.github.com{path}")
        } else {
            format!("{}/api/v3{path}", self.url)
        }
    }
    fn oauth(&self, redirect: &str) -> Result<OAuth, Refusal> {
        let invalid = |it: oauth2::url::ParseError| {
            Refusal::new("url_invalid", format!("GitHub’s address is set wrong here ({it})."))
        };
        let at = |path: &str| format!("{}/login/oauth/{path}", self.url);
        Ok(BasicClient::new(ClientId::new(self.id.clone()))
            .set_client_secret(ClientSecret::new(self.secret.clone()))
            .set_auth_type(AuthType::RequestBody)
            .set_auth_uri(AuthUrl::new(at("authorize")).map_err(invalid)?)
            .set_token_uri(TokenUrl::new(at("access_token")).map_err(invalid)?)
            .set_redirect_uri(RedirectUrl::new(redirect.to_owned()).map_err(invalid)?))
    }
    /// Where the person goes, and what is kept until they are back.
    pub(super) fn start(&self, chance: &Chance, redirect: &str, fresh: bool) -> Result<(Url, Flow), Refusal> {
        let word = || BASE64_URL_SAFE_NO_PAD.encode(chance.bytes::<32>());
        let (state, verifier) = (word(), PkceCodeVerifier::new(word()));
        let client = self.oauth(redirect)?;
        let mut request = client
            .authorize_url(|| CsrfToken::new(state.clone()))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_scopes(["read:user", "user:email"].map(|it| Scope::new(it.to_owned())));
        // It would let a browser through unasked.
        if fresh {
            request = request.add_extra_param("prompt", "select_account");
        }
        let (url, _) = request.url();
        Ok((url, Flow { state, verifier: verifier.into_secret() }))
    }
}

/// The part that is used of what its API says of a person.
#[derive(Deserialize)]
struct User {
    id: u64,
    login: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Address {
    email: String,
    primary: bool,
    verified: bool,
}

/// Asks GitHub.
#[derive(Debug)]
pub(super) struct GitHub(Outgoing);

impl GitHub {
    pub(super) fn new(outgoing: Outgoing) -> GitHub {
        GitHub(outgoing)
    }
    /// Changes the code for a token, and asks with it who that is.
    pub(super) async fn finish(
        &self,
        client: &Client,
        flow: Flow,
        answer: Answer,
        redirect: &str,
    ) -> Result<Profile, Refusal> {
        if answer.state != flow.state {
            let detail = "This answer belongs to no sign-in of this browser. Sign in again.";
            return Err(Refusal::new("state", detail));
        }
        if let Some(error) = answer.error {
            let said = crate::model::text::shorten(&answer.error_description.unwrap_or(error), 300);
            return Err(Refusal::new("denied", format!("GitHub did not sign you in: {said}")));
        }
        let token = self.exchange(client, answer.code, flow.verifier, redirect).await?;
        let user: User = self.ask(&client.api("/user"), &token).await?;
        let all: Vec<Address> = self.ask(&client.api("/user/emails"), &token).await?;
        let email = all.into_iter().find(|it| it.primary && it.verified).map(|it| it.email);
        Ok(Profile {
            provider: Provider::GitHub,
            issuer: client.url.clone(),
            subject: user.id.to_string(),
            email,
            name: user.name.filter(|it| !it.trim().is_empty()).or(Some(user.login.clone())),
            label: user.login,
        })
    }
    async fn exchange(
        &self,
        client: &Client,
        code: String,
        verifier: String,
        redirect: &str,
    ) -> Result<String, Refusal> {
        let refused = |it: &BasicErrorResponse| {
            let said = it.error_description().cloned().unwrap_or_else(|| it.error().to_string());
            let said = crate::model::text::shorten(&said, 300);
            let detail = format!("GitHub did not take our code or our client secret: {said} Sign in again.");
            Refusal::new("code_refused", detail)
        };
        let (oauth, http) = (client.oauth(redirect)?, self.0.client());
        let asked = oauth
            .exchange_code(AuthorizationCode::new(code))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier))
            .request_async(&http)
            .await;
        let token = asked.map_err(|it| match it {
            RequestTokenError::ServerResponse(it) => refused(&it),
            RequestTokenError::Request(it) => unreachable(&it.to_string()),
            // It says no with the status of a yes.
            RequestTokenError::Parse(_, body) => match serde_json::from_slice::<BasicErrorResponse>(&body) {
                Ok(it) => refused(&it),
                Err(_) => unreadable(),
            },
            RequestTokenError::Other(_) => unreadable(),
        })?;
        Ok(token.access_token().secret().clone())
    }
    async fn ask<T: DeserializeOwned>(&self, at: &str, token: &str) -> Result<T, Refusal> {
        let request = Request::get(at)
            .header(header::ACCEPT, "application/vnd.github+json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(vec![])
            .map_err(|_| unreadable())?;
        let answer = self.0.call(request).await.map_err(|it| unreachable(&it.to_string()))?;
        if answer.status() != StatusCode::OK {
            return Err(unreachable(&format!("its API said {}.", answer.status().as_u16())));
        }
        serde_json::from_slice(answer.body()).map_err(|_| unreadable())
    }
}

fn unreachable(said: &str) -> Refusal {
    Refusal::new("unreachable", format!("GitHub did not answer: {said} Try again later."))
}

fn unreadable() -> Refusal {
    Refusal::new("unreadable", "GitHub answered with something that could not be read. Try again later.")
}
