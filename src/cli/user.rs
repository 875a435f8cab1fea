//! `guildhall user …`
use super::{
    open::{IfMissing, Installation},
    out::{CliError, CliResult, print},
};
use crate::{
    crypto::password,
    model::text::{EmailAddress, Name},
    settings::Settings,
    store::{
        factors,
        users::{self, NewUser},
    },
};
use clap::{Args, Subcommand};
use std::io::Read as _;

#[derive(Subcommand)]
pub enum User {
    /// Create a user with a verified email address; prints the ID
    Create(Create),
    /// Remove the authenticator app, recovery codes and passkeys of a user who has lost them, and end their sessions
    ResetFactors(ResetFactors),
}

#[derive(Args)]
pub struct ResetFactors {
    /// The email address
    #[arg(long)]
    email: String,
}

#[derive(Args)]
pub struct Create {
    /// The email address
    #[arg(long)]
    email: String,
    /// The name
    #[arg(long)]
    name: String,
    /// Read the password from standard input. Without a password, the user can set one with "Forgot password"
    #[arg(long)]
    password_stdin: bool,
    /// Make the user an operator of the installation
    #[arg(long)]
    operator: bool,
}

impl User {
    pub async fn run(self, settings: &Settings) -> CliResult {
        match self {
            User::Create(args) => args.run(settings).await,
            User::ResetFactors(args) => args.run(settings).await,
        }
    }
}

impl ResetFactors {
    async fn run(self, settings: &Settings) -> CliResult {
        let email = EmailAddress::parse(&self.email)?;
        let installation =
            Installation::open(settings, IfMissing::Fail, "guildhall user reset-factors").await?;
        let user = installation.change(async |change| Ok(factors::reset(change, &email).await?)).await?;
        let user = user.ok_or_else(|| CliError::new(format!("No user has the address {email}.")))?;
        print(user.id)
    }
}

impl Create {
    async fn run(self, settings: &Settings) -> CliResult {
        let (name, email) = (Name::parse(&self.name)?, EmailAddress::parse(&self.email)?);
        let password = if self.password_stdin { Some(hash_password_from_stdin().await?) } else { None };
        let installation = Installation::open(settings, IfMissing::Create, "guildhall user create").await?;
        let new =
            NewUser { name: &name, email: &email, password: password.as_deref(), operator: self.operator };
        let created = installation.change(async |change| Ok(users::create(change, &new).await?)).await?;
        let (user, _) = created.ok_or_else(|| CliError::new(format!("{email} already has a user.")))?;
        print(user.id)
    }
}

/// Hashes the first line of standard input.
async fn hash_password_from_stdin() -> CliResult<String> {
    let mut typed = String::new();
    // A limit, in case a large file is piped in by mistake.
    let read = std::io::stdin().lock().take(4096).read_to_string(&mut typed);
    read.map_err(|error| {
        CliError::new(format!("The password cannot be read from standard input ({error})."))
    })?;
    let typed = typed.lines().next().unwrap_or_default();
    if typed.is_empty() {
        return Err(CliError::new("Standard input holds no password."));
    }
    if typed.chars().count() > password::MAX_LENGTH {
        return Err(CliError::new(format!("A password has at most {} characters.", password::MAX_LENGTH)));
    }
    Ok(password::hash_unchecked(typed).await?)
}
