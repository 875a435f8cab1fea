//! The command line: what the operator does on the machine itself. One file a noun.
mod account;
mod audit;
mod check;
mod key;
mod open;
mod openapi;
mod out;
mod serve;
mod token;
mod user;

use crate::settings::{Given, Settings};
use clap::{Parser, Subcommand};
use std::{io::IsTerminal as _, process::ExitCode};

#[derive(Parser)]
#[command(name = "guildhall", version, about, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    given: Given,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Migrate the database if needed, and serve: what happens when no command is given
    Serve(serve::Serve),
    /// Users
    #[command(subcommand)]
    User(user::User),
    /// Accounts: organizations, teams, personal accounts
    #[command(subcommand)]
    Account(account::Account),
    /// Members' API keys
    #[command(subcommand)]
    Key(key::Key),
    /// Service tokens, for the platform's own back end
    #[command(subcommand)]
    Token(token::Token),
    /// The audit log
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Print the OpenAPI document of the JSON API
    Openapi,
    /// Check settings, database, mail server and catalogue, and say how to mend what is wrong
    Check,
}

/// Does what the command line says.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    let read = cli.given.read(|name| std::env::var(name).ok());
    let command = cli.command.unwrap_or_default();
    let settings = match (read, &command) {
        (Ok(settings), _) => settings,
        (Err(faults), command) => {
            for it in &faults {
                out::fault(it);
            }
            return ExitCode::from(if matches!(command, Command::Check) { 1 } else { 2 });
        }
    };
    if let Err(cause) = log(&settings, &command, cli.given.log.is_some()) {
        out::fault(&cause);
    }
    let done = match command {
        Command::Serve(it) => it.run(&settings).await,
        Command::User(it) => it.run(&settings).await,
        Command::Account(it) => it.run(&settings).await,
        Command::Key(it) => it.run(&settings).await,
        Command::Token(it) => it.run(&settings).await,
        Command::Audit(it) => it.run(&settings).await,
        Command::Openapi => openapi::run(),
        Command::Check => check::run(&settings).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            if let Some(sentence) = failed.sentence() {
                out::fault(sentence);
            }
            ExitCode::from(failed.code())
        }
    }
}

impl Default for Command {
    fn default() -> Command {
        Command::Serve(serve::Serve::default())
    }
}

/// The log goes to standard error: what a command answers stands alone on standard output. A command logs only what the
/// operator asks for.
fn log(settings: &Settings, command: &Command, asked: bool) -> Result<(), String> {
    let filter = match command {
        Command::Serve(_) => settings.log.clone(),
        _ if asked => settings.log.clone(),
        _ => "error".parse().map_err(|it| format!("{it}"))?,
    };
    let stderr = std::io::stderr;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let log = log.with_ansi(stderr().is_terminal());
    let set = if settings.log_json { log.json().try_init() } else { log.try_init() };
    set.map_err(|it| it.to_string())
}
