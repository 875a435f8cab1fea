//! `guildhall user …`
use super::{
    open::{House, Missing},
    out::{Done, Failed, say},
};
use crate::{
    crypto::password,
    model::text::{Email, Name},
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
    /// Make a verified user; prints the id
    Create(Create),
    /// Remove somebody's authenticator app, recovery codes and passkeys and end their sessions, when they have lost them all
    ResetFactors(ResetFactors),
}

#[derive(Args)]
pub struct ResetFactors {
    /// The address
    #[arg(long)]
    email: String,
}

#[derive(Args)]
pub struct Create {
    /// The address
    #[arg(long)]
    email: String,
    /// The name
    #[arg(long)]
    name: String,
    /// Read the password from standard input. Without it, the user has none yet: "Forgot password" mails a link to set one
    #[arg(long)]
    password_stdin: bool,
    /// The user runs the installation
    #[arg(long)]
    operator: bool,
}

impl User {
    pub async fn run(self, settings: &Settings) -> Done {
        match self {
            User::Create(it) => it.run(settings).await,
            User::ResetFactors(it) => it.run(settings).await,
        }
    }
}

impl ResetFactors {
    async fn run(self, settings: &Settings) -> Done {
        let email = Email::parse(&self.email)?;
        let house = House::open(settings, Missing::Refuse, "guildhall user reset-factors").await?;
        let found = house.change(async |change| Ok(factors::reset(change, &email).await?)).await?;
        let person = found.ok_or_else(|| Failed::because(format!("{email} has no user.")))?;
        say(person.id)
    }
}

impl Create {
    async fn run(self, settings: &Settings) -> Done {
        let it = self;
        let (name, email) = (Name::parse(&it.name)?, Email::parse(&it.email)?);
        let password = if it.password_stdin { Some(read_password().await?) } else { None };
        let house = House::open(settings, Missing::Make, "guildhall user create").await?;
        let new =
            NewUser { name: &name, email: &email, password: password.as_deref(), operator: it.operator };
        let made = house.change(async |change| Ok(users::create(change, &new).await?)).await?;
        let (person, _) = made.ok_or_else(|| Failed::because(format!("{email} has a user already.")))?;
        say(person.id)
    }
}

/// The first line, hashed.
async fn read_password() -> Done<String> {
    let mut typed = String::new();
    // A password and its line's end are short: whatever is piped in by mistake is not read to its end.
    let read = std::io::stdin().lock().take(4096).read_to_string(&mut typed);
    read.map_err(|it| Failed::because(format!("The password cannot be read from standard input ({it}).")))?;
    let typed = typed.lines().next().unwrap_or_default();
    if typed.is_empty() {
        return Err(Failed::because("Standard input holds no password."));
    }
    if typed.chars().count() > password::LONGEST {
        return Err(Failed::because(format!("A password has at most {} characters.", password::LONGEST)));
    }
    Ok(password::hash_any(typed).await?)
}
