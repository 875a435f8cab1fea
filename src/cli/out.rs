//! What commands print: results on standard output, one sentence about a failure on standard error.
use crate::{error::Error, gateway::replica_sync::USUAL_DELAY, model::text::ValidationError};
use std::io::{self, Write as _};

#[derive(Debug)]
pub enum CliError {
    /// A sentence.
    Message(String),
    /// A sentence about a setting.
    Config(String),
    /// The command has printed what is wrong.
    AlreadyReported,
    /// The reader of standard output is gone: not an error.
    BrokenPipe,
}

pub type CliResult<T = ()> = Result<T, CliError>;

impl CliError {
    pub fn message(&self) -> Option<&str> {
        match self {
            CliError::Message(text) | CliError::Config(text) => Some(text),
            CliError::AlreadyReported | CliError::BrokenPipe => None,
        }
    }
    pub fn exit_code(&self) -> u8 {
        match self {
            CliError::Message(_) | CliError::AlreadyReported => 1,
            CliError::Config(_) => 2,
            CliError::BrokenPipe => 0,
        }
    }
    pub fn new(message: impl Into<String>) -> CliError {
        CliError::Message(message.into())
    }
}

impl From<Error> for CliError {
    fn from(error: Error) -> CliError {
        CliError::Message(match &error {
            // The operator may see the cause, unlike the users of the console.
            Error::Internal(cause) | Error::Unavailable(cause) => format!("{error} ({cause})"),
            _ => error.to_string(),
        })
    }
}
impl From<ValidationError> for CliError {
    fn from(error: ValidationError) -> CliError {
        CliError::Message(error.detail)
    }
}
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> CliError {
        match error.kind() {
            io::ErrorKind::BrokenPipe => CliError::BrokenPipe,
            _ => CliError::Message(format!("Standard output cannot be written ({error}).")),
        }
    }
}

/// Prints a line on standard output.
pub fn print(line: impl std::fmt::Display) -> CliResult {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Prints a secret alone on its line, and returns when running servers accept it: the next line of a script may use it.
pub async fn print_secret(secret: String) -> CliResult {
    print(secret)?;
    tokio::time::sleep(USUAL_DELAY).await;
    Ok(())
}

/// Prints a sentence on standard error. A failure to do so is ignored.
pub fn print_error(sentence: &str) {
    let _ = writeln!(io::stderr().lock(), "guildhall: {sentence}");
}
