//! Signing in with Google and with GitHub, behind one interface. Knows nothing of users and sessions.
use super::{
    github::{self, GitHub},
    oidc::{self, CallbackQuery, Oidc, OidcError, StartOptions},
    outgoing::Outgoing,
};
use crate::{crypto::random::Random, model::time::Time};
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, sync::Arc};
use url::Url;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Or another OpenID Connect provider that is configured in its place.
    Google,
    /// Or a GitHub Enterprise server.
    GitHub,
}

impl Provider {
    /// In the order in which they are offered.
    pub const ALL: [Provider; 2] = [Provider::Google, Provider::GitHub];

    /// In addresses and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Provider::Google => "google",
            Provider::GitHub => "github",
        }
    }
    pub const fn label(self) -> &'static str {
        match self {
            Provider::Google => "Google",
            Provider::GitHub => "GitHub",
        }
    }
    pub fn parse(name: &str) -> Option<Provider> {
        Provider::ALL.into_iter().find(|provider| provider.as_str() == name)
    }
    /// The path of our redirect URI.
    pub const fn callback(self) -> &'static str {
        match self {
            Provider::Google => "/auth/google/callback",
            Provider::GitHub => "/auth/github/callback",
        }
    }
}

/// The issuer.
pub const GOOGLE: &str = "https://accounts.google.com";

/// Our registrations; a provider without one is not offered.
#[derive(Clone, Default)]
pub struct Providers {
    pub google: Option<oidc::Client>,
    pub github: Option<github::Client>,
}

/// Without the secrets.
impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = [self.google.as_ref().map(|_| "google"), self.github.as_ref().map(|_| "github")];
        f.debug_list().entries(names.iter().flatten()).finish()
    }
}

/// A person, as the provider describes them.
#[derive(Clone, Debug)]
pub struct Profile {
    pub provider: Provider,
    /// The issuer or the address of the provider.
    pub issuer: String,
    /// The provider's permanent id of the person.
    pub subject: String,
    /// Only if the provider has verified it.
    pub email: Option<String>,
    pub name: Option<String>,
    /// By which people recognise the account: an address or a handle.
    pub label: String,
}

/// The state of a sign-in under way, which the session keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flow {
    Google(oidc::Flow),
    GitHub(github::Flow),
}

impl Flow {
    /// The `state` that the callback repeats.
    pub fn state(&self) -> &str {
        match self {
            Flow::Google(flow) => &flow.state,
            Flow::GitHub(flow) => &flow.state,
        }
    }
}

/// A client of both providers.
#[derive(Clone, Debug)]
pub struct Social(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    providers: Providers,
    oidc: Oidc,
    github: GitHub,
}

impl Social {
    /// The operator chose the addresses, so private ones are allowed.
    pub fn new(providers: Providers, name_server: Option<SocketAddr>) -> Social {
        let outgoing = Outgoing::new(true, name_server);
        Social(Arc::new(Inner {
            providers,
            oidc: Oidc::new(outgoing.clone()),
            github: GitHub::new(outgoing),
        }))
    }
    pub fn is_configured(&self, provider: Provider) -> bool {
        match provider {
            Provider::Google => self.0.providers.google.is_some(),
            Provider::GitHub => self.0.providers.github.is_some(),
        }
    }
    pub fn configured(&self) -> Vec<Provider> {
        Provider::ALL.into_iter().filter(|provider| self.is_configured(*provider)).collect()
    }
    fn google(&self) -> Result<&oidc::Client, OidcError> {
        self.0.providers.google.as_ref().ok_or_else(|| not_configured(Provider::Google))
    }
    fn github(&self) -> Result<&github::Client, OidcError> {
        self.0.providers.github.as_ref().ok_or_else(|| not_configured(Provider::GitHub))
    }
    /// The address to redirect to, and the state to keep until the callback. `force_prompt` makes GitHub ask the person even if
    /// the browser has a session there; it has no effect at Google.
    pub async fn start(
        &self,
        provider: Provider,
        random: &Random,
        redirect: &str,
        force_prompt: bool,
    ) -> Result<(Url, Flow), OidcError> {
        match provider {
            Provider::Google => {
                let google = self.0.oidc.provider(self.google()?.clone()).await?;
                let options = StartOptions { redirect, force_login: false, login_hint: None };
                let (url, flow) = google.start(random, options)?;
                Ok((url, Flow::Google(flow)))
            }
            Provider::GitHub => {
                let (url, flow) = self.github()?.start(random, redirect, force_prompt)?;
                Ok((url, Flow::GitHub(flow)))
            }
        }
    }
    /// The profile of the person who came back.
    pub async fn finish(
        &self,
        flow: Flow,
        query: CallbackQuery,
        redirect: &str,
        now: Time,
    ) -> Result<Profile, OidcError> {
        match flow {
            Flow::Google(flow) => {
                let client = self.google()?;
                let google = self.0.oidc.provider(client.clone()).await?;
                let claims = self.0.oidc.finish(&google, flow, query, redirect, now).await?.claims;
                let label = claims.email.clone().or(claims.name.clone()).unwrap_or_default();
                Ok(Profile {
                    provider: Provider::Google,
                    issuer: client.issuer.clone(),
                    subject: claims.subject,
                    email: claims.email.filter(|_| claims.email_verified == Some(true)),
                    name: claims.name,
                    label,
                })
            }
            Flow::GitHub(flow) => {
                let client = self.github()?;
                self.0.github.finish(client, flow, query, redirect).await
            }
        }
    }
    /// Checks that Google answers, for `guildhall check`.
    pub async fn check_google(&self) -> Result<(), OidcError> {
        self.0.oidc.discover(&self.google()?.issuer).await.map(drop)
    }
}

fn not_configured(provider: Provider) -> OidcError {
    OidcError::new("off", format!("Signing in with {} is not set up here.", provider.label()))
}
