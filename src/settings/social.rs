//! Our registrations at Google and GitHub.
use super::read::{collect, non_blank, problem, secret};
use crate::clients::{
    github::{self, GITHUB},
    oidc,
    social::{GOOGLE, Providers},
};
use clap::Args;
use url::Url;

#[derive(Args, Clone, Debug, Default)]
#[expect(clippy::doc_markdown, reason = "these lines are read in a terminal, by --help")]
pub struct SocialArgs {
    /// The client ID at Google. With it and GUILDHALL_GOOGLE_CLIENT_SECRET, people can sign in with Google
    #[arg(
        long,
        global = true,
        value_name = "ID",
        env = "GUILDHALL_GOOGLE_CLIENT_ID",
        hide_env_values = true
    )]
    pub google_client_id: Option<String>,
    /// A file with the client secret at Google
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "GUILDHALL_GOOGLE_CLIENT_SECRET_FILE",
        hide_env_values = true
    )]
    pub google_client_secret_file: Option<String>,
    /// The issuer of another OpenID Connect provider to use in place of Google [default: Google's]
    #[arg(long, global = true, value_name = "URL", env = "GUILDHALL_GOOGLE_ISSUER", hide_env_values = true)]
    pub google_issuer: Option<String>,
    /// The client ID at GitHub. With it and GUILDHALL_GITHUB_CLIENT_SECRET, people can sign in with GitHub
    #[arg(
        long,
        global = true,
        value_name = "ID",
        env = "GUILDHALL_GITHUB_CLIENT_ID",
        hide_env_values = true
    )]
    pub github_client_id: Option<String>,
    /// A file with the client secret at GitHub
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "GUILDHALL_GITHUB_CLIENT_SECRET_FILE",
        hide_env_values = true
    )]
    pub github_client_secret_file: Option<String>,
    /// The address of a GitHub Enterprise server [default: https://github.com]
    #[arg(long, global = true, value_name = "URL", env = "GUILDHALL_GITHUB_URL", hide_env_values = true)]
    pub github_url: Option<String>,
}

impl SocialArgs {
    pub(super) fn read(
        &self,
        env: &impl Fn(&str) -> Option<String>,
        problems: &mut Vec<String>,
    ) -> Providers {
        let google = id_and_secret(
            env,
            ["GUILDHALL_GOOGLE_CLIENT_ID", "GUILDHALL_GOOGLE_CLIENT_SECRET"],
            self.google_client_id.as_ref(),
            self.google_client_secret_file.as_ref(),
        );
        let github = id_and_secret(
            env,
            ["GUILDHALL_GITHUB_CLIENT_ID", "GUILDHALL_GITHUB_CLIENT_SECRET"],
            self.github_client_id.as_ref(),
            self.github_client_secret_file.as_ref(),
        );
        let issuer =
            collect(problems, address("GUILDHALL_GOOGLE_ISSUER", self.google_issuer.as_ref(), GOOGLE));
        let url = collect(problems, address("GUILDHALL_GITHUB_URL", self.github_url.as_ref(), GITHUB));
        let google = collect(problems, google).flatten().zip(issuer);
        let github = collect(problems, github).flatten().zip(url);
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
fn id_and_secret(
    env: &impl Fn(&str) -> Option<String>,
    [id_name, secret_name]: [&str; 2],
    id: Option<&String>,
    file: Option<&String>,
) -> Result<Option<(String, String)>, String> {
    match (non_blank(id), secret(env, secret_name, file)?) {
        (Some(id), Some(secret)) => Ok(Some((id.to_owned(), secret))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(problem(id_name, format!("{secret_name} is missing"))),
        (None, Some(_)) => Err(problem(secret_name, format!("{id_name} is missing"))),
    }
}

/// Stays exactly as it was given: issuers are compared byte by byte.
fn address(name: &str, value: Option<&String>, default: &str) -> Result<String, String> {
    let Some(value) = non_blank(value) else { return Ok(default.to_owned()) };
    let is_valid = Url::parse(value).is_ok_and(|url| {
        ["http", "https"].contains(&url.scheme())
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if is_valid {
        Ok(value.to_owned())
    } else {
        Err(problem(name, "it is not a web address, such as https://github.example.com"))
    }
}
