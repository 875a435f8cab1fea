//! Signing in by Google and by GitHub: what each says of a person, alike. Knows nothing of users and sessions.
use super::{
    github::{self, GitHub},
    oidc::{self, Answer, Oidc, Refusal, Start},
    outgoing::Outgoing,
};
use crate::context::Chance;
use crate::model::time::Time;
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, sync::Arc};
use url::Url;

/// Who knows people besides us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Google, or whoever speaks OpenID Connect in its place.
    Google,
    /// GitHub, or a GitHub Enterprise server.
    GitHub,
}

impl Provider {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Provider; 2] = [Provider::Google, Provider::GitHub];

    /// Its word in addresses, and as a way to sign in.
    pub const fn word(self) -> &'static str {
        match self {
            Provider::Google => "google",
            Provider::GitHub => "github",
        }
    }
    /// As people say it.
    pub const fn title(self) -> &'static str {
        match self {
            Provider::Google => "Google",
            Provider::GitHub => "GitHub",
        }
    }
    /// By its word.
    pub fn parse(word: &str) -> Option<Provider> {
        Provider::ALL.into_iter().find(|it| it.word() == word)
    }
    /// Where it sends people back to: a path of ours.
    pub const fn callback(self) -> &'static str {
        match self {
            Provider::Google => "/auth/google/callback",
            Provider::GitHub => "/auth/github/callback",
        }
    }
}

/// Google's own name.
pub const GOOGLE: &str = "https://accounts.google.com";

/// Who we are to each; none: its button is not shown.
#[derive(Clone, Default)]
pub struct Providers {
    /// To Google.
    pub google: Option<oidc::Client>,
    /// To GitHub.
    pub github: Option<github::Client>,
}

/// Says nothing of the secrets.
impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let there = [self.google.as_ref().map(|_| "google"), self.github.as_ref().map(|_| "github")];
        f.debug_list().entries(there.iter().flatten()).finish()
    }
}

/// A person, as the provider knows them.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Which provider.
    pub provider: Provider,
    /// Its own name.
    pub issuer: String,
    /// Who, for ever, there.
    pub subject: String,
    /// Their address, if the provider knows that it is theirs.
    pub email: Option<String>,
    /// Their name, if it says.
    pub name: Option<String>,
    /// By what people recognise it: an address, a handle.
    pub label: String,
}

/// What is kept of a sign-in under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flow {
    /// At Google.
    Google(oidc::Flow),
    /// At GitHub.
    GitHub(github::Flow),
}

impl Flow {
    /// What comes back with the answer.
    pub fn state(&self) -> &str {
        match self {
            Flow::Google(it) => &it.state,
            Flow::GitHub(it) => &it.state,
        }
    }
}

/// Asks both.
#[derive(Clone, Debug)]
pub struct Social(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    providers: Providers,
    oidc: Oidc,
    github: GitHub,
}

impl Social {
    /// The addresses are the operator's own, and may be anywhere.
    pub fn new(providers: Providers, resolver: Option<SocketAddr>) -> Social {
        let outgoing = Outgoing::new(true, resolver);
        Social(Arc::new(Inner {
            providers,
            oidc: Oidc::new(outgoing.clone()),
            github: GitHub::new(outgoing),
        }))
    }
    /// Whether we are known to it.
    pub fn has(&self, it: Provider) -> bool {
        match it {
            Provider::Google => self.0.providers.google.is_some(),
            Provider::GitHub => self.0.providers.github.is_some(),
        }
    }
    /// Those that we are known to.
    pub fn all(&self) -> Vec<Provider> {
        Provider::ALL.into_iter().filter(|it| self.has(*it)).collect()
    }
    fn google(&self) -> Result<&oidc::Client, Refusal> {
        self.0.providers.google.as_ref().ok_or_else(|| off(Provider::Google))
    }
    fn github(&self) -> Result<&github::Client, Refusal> {
        self.0.providers.github.as_ref().ok_or_else(|| off(Provider::GitHub))
    }
    /// Where the person goes, and what is kept until they are back. `asks` lets nobody through unasked at GitHub; Google takes
    /// no such wish.
    pub async fn start(
        &self,
        provider: Provider,
        chance: &Chance,
        redirect: &str,
        asks: bool,
    ) -> Result<(Url, Flow), Refusal> {
        match provider {
            Provider::Google => {
                let round = self.0.oidc.round(self.google()?.clone()).await?;
                let (url, flow) = round.start(chance, Start { redirect, fresh: false, hint: None })?;
                Ok((url, Flow::Google(flow)))
            }
            Provider::GitHub => {
                let (url, flow) = self.github()?.start(chance, redirect, asks)?;
                Ok((url, Flow::GitHub(flow)))
            }
        }
    }
    /// Who came back.
    pub async fn finish(
        &self,
        flow: Flow,
        answer: Answer,
        redirect: &str,
        now: Time,
    ) -> Result<Profile, Refusal> {
        match flow {
            Flow::Google(flow) => {
                let client = self.google()?;
                let round = self.0.oidc.round(client.clone()).await?;
                let claims = self.0.oidc.finish(&round, flow, answer, redirect, now).await?.claims;
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
                self.0.github.finish(client, flow, answer, redirect).await
            }
        }
    }
    /// Whether Google answers, for who looks after the installation.
    pub async fn check_google(&self) -> Result<(), Refusal> {
        self.0.oidc.look(&self.google()?.issuer).await.map(drop)
    }
}

fn off(it: Provider) -> Refusal {
    Refusal::new("off", format!("Signing in by {} is not set up here.", it.title()))
}
