//! The command line, for the operator. One file per noun.
mod account;
mod audit;
mod check;
mod invoices;
mod key;
mod open;
mod openapi;
mod out;
mod serve;
mod token;
mod usage;
mod user;

use crate::settings::{Settings, SettingsArgs};
use clap::{Parser, Subcommand};
use std::{io::IsTerminal as _, process::ExitCode};

#[derive(Parser)]
#[command(name = "guildhall", version, about, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Migrate the database if needed, and serve. The default command
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
    /// Invoices
    #[command(subcommand)]
    Invoices(invoices::Invoices),
    /// Usage: daily totals, and the events they are made of
    #[command(subcommand)]
    Usage(usage::Usage),
    /// The audit log
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Print the OpenAPI document of the JSON API
    Openapi,
    /// Check settings, database, mail server and catalogue, and say how to fix what is wrong
    Check,
}

pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    let parsed = cli.settings.parse(|name| std::env::var(name).ok());
    let command = cli.command.unwrap_or_default();
    let settings = match (parsed, &command) {
        (Ok(settings), _) => settings,
        (Err(problems), command) => {
            for problem in &problems {
                out::print_error(problem);
            }
            return ExitCode::from(if matches!(command, Command::Check) { 1 } else { 2 });
        }
    };
    if let Err(cause) = init_log(&settings, &command, cli.settings.log.is_some()) {
        out::print_error(&cause);
    }
    let result = match command {
        Command::Serve(command) => command.run(&settings).await,
        Command::User(command) => command.run(&settings).await,
        Command::Account(command) => command.run(&settings).await,
        Command::Key(command) => command.run(&settings).await,
        Command::Token(command) => command.run(&settings).await,
        Command::Invoices(command) => command.run(&settings).await,
        Command::Usage(command) => command.run(&settings).await,
        Command::Audit(command) => command.run(&settings).await,
        Command::Openapi => openapi::run(),
        Command::Check => check::run(&settings).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(message) = error.message() {
                out::print_error(message);
            }
            ExitCode::from(error.exit_code())
        }
    }
}

impl Default for Command {
    fn default() -> Command {
        Command::Serve(serve::Serve::default())
    }
}

/// Logs to standard error, so that standard output holds results only. Commands other than `serve` log errors only, unless the
/// operator sets a filter.
fn init_log(settings: &Settings, command: &Command, is_filter_set: bool) -> Result<(), String> {
    let filter = match command {
        Command::Serve(_) => settings.log.clone(),
        _ if is_filter_set => settings.log.clone(),
        _ => "error".parse().map_err(|error| format!("{error}"))?,
    };
    let stderr = std::io::stderr;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let log = log.with_ansi(stderr().is_terminal());
    let result = if settings.log_json { log.json().try_init() } else { log.try_init() };
    result.map_err(|error| error.to_string())
}
