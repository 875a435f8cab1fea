//! Who we are to Google and GitHub.
use super::read::{at, given, keep, secret};
use crate::clients::{
    github::{self, GITHUB},
    oidc,
    social::{GOOGLE, Providers},
};
use clap::Args;
use url::Url;

/// As given by flags and variables.
#[derive(Args, Clone, Debug, Default)]
#[expect(clippy::doc_markdown, reason = "these lines are read in a terminal, by --help")]
pub struct Social {
    /// Our client id at Google: with it and GUILDHALL_GOOGLE_CLIENT_SECRET, people sign in by Google
    #[arg(
        long,
        global = true,
        value_name = "ID",
        env = "GUILDHALL_GOOGLE_CLIENT_ID",
        hide_env_values = true
    )]
    pub google_client_id: Option<String>,
    /// A file that holds our client secret at Google
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "GUILDHALL_GOOGLE_CLIENT_SECRET_FILE",
        hide_env_values = true
    )]
    pub google_client_secret_file: Option<String>,
    /// Another OpenID Connect provider in Google's place [default: that of Google]
    #[arg(long, global = true, value_name = "URL", env = "GUILDHALL_GOOGLE_ISSUER", hide_env_values = true)]
    pub google_issuer: Option<String>,
    /// Our client id at GitHub: with it and GUILDHALL_GITHUB_CLIENT_SECRET, people sign in by GitHub
    #[arg(
        long,
        global = true,
        value_name = "ID",
        env = "GUILDHALL_GITHUB_CLIENT_ID",
        hide_env_values = true
    )]
    pub github_client_id: Option<String>,
    /// A file that holds our client secret at GitHub
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "GUILDHALL_GITHUB_CLIENT_SECRET_FILE",
        hide_env_values = true
    )]
    pub github_client_secret_file: Option<String>,
    /// A GitHub Enterprise server [default: that of GitHub]
    #[arg(long, global = true, value_name = "URL", env = "GUILDHALL_GITHUB_URL", hide_env_values = true)]
    pub github_url: Option<String>,
}

impl Social {
    pub(super) fn read(&self, env: &impl Fn(&str) -> Option<String>, faults: &mut Vec<String>) -> Providers {
        let google = pair(
            env,
            ["GUILDHALL_GOOGLE_CLIENT_ID", "GUILDHALL_GOOGLE_CLIENT_SECRET"],
            self.google_client_id.as_ref(),
            self.google_client_secret_file.as_ref(),
        );
        let github = pair(
            env,
            ["GUILDHALL_GITHUB_CLIENT_ID", "GUILDHALL_GITHUB_CLIENT_SECRET"],
            self.github_client_id.as_ref(),
            self.github_client_secret_file.as_ref(),
        );
        let issuer = keep(faults, address("GUILDHALL_GOOGLE_ISSUER", self.google_issuer.as_ref(), GOOGLE));
        let url = keep(faults, address("GUILDHALL_GITHUB_URL", self.github_url.as_ref(), GITHUB));
        let google = keep(faults, google).flatten().zip(issuer);
        let github = keep(faults, github).flatten().zip(url);
        Providers {
            google: google.map(|((id, secret), issuer)| oidc::Client { issuer, id, secret }),
            github: github.map(|((id, secret), url)| github::Client {
                url: url.trim_end_matches('/').to_owned(),
                id,
                secret,
            }),
        }
    }
}

/// Both, or neither.
fn pair(
    env: &impl Fn(&str) -> Option<String>,
    [id_name, secret_name]: [&str; 2],
    id: Option<&String>,
    file: Option<&String>,
) -> Result<Option<(String, String)>, String> {
    match (given(id), secret(env, secret_name, file)?) {
        (Some(id), Some(secret)) => Ok(Some((id.to_owned(), secret))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(at(id_name, format!("{secret_name} is missing"))),
        (None, Some(_)) => Err(at(secret_name, format!("{id_name} is missing"))),
    }
}

/// An issuer is compared exactly: it stays as it was given.
fn address(name: &str, value: Option<&String>, default: &str) -> Result<String, String> {
    let Some(value) = given(value) else { return Ok(default.to_owned()) };
    let known = Url::parse(value).is_ok_and(|it| {
        ["http", "https"].contains(&it.scheme())
            && it.has_host()
            && it.query().is_none()
            && it.fragment().is_none()
    });
    if known {
        Ok(value.to_owned())
    } else {
        Err(at(name, "it is no web address, such as https://github.example.com"))
    }
}
