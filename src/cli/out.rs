//! What a command says: answers on standard output, one sentence on standard error.
use crate::{error::Error, gateway::replica_sync::HEARD};
use std::io::{self, Write as _};

/// A command that did not do what it was asked.
#[derive(Debug)]
pub enum Failed {
    /// In a sentence.
    Because(String),
    /// It cannot do so with these settings.
    Settings(String),
    /// All was said already.
    Told,
    /// Nobody listens any more: not a failure of ours.
    Hushed,
}

/// What a command answers.
pub type Done<T = ()> = Result<T, Failed>;

impl Failed {
    /// What to say.
    pub fn sentence(&self) -> Option<&str> {
        match self {
            Failed::Because(it) | Failed::Settings(it) => Some(it),
            Failed::Told | Failed::Hushed => None,
        }
    }
    /// The exit status.
    pub fn code(&self) -> u8 {
        match self {
            Failed::Because(_) | Failed::Told => 1,
            Failed::Settings(_) => 2,
            Failed::Hushed => 0,
        }
    }
    /// In a sentence.
    pub fn because(sentence: impl Into<String>) -> Failed {
        Failed::Because(sentence.into())
    }
}

impl From<Error> for Failed {
    fn from(it: Error) -> Failed {
        Failed::Because(match &it {
            // On the machine itself, the cause is no secret.
            Error::Internal(cause) | Error::Unavailable(cause) => format!("{it} ({cause})"),
            _ => it.to_string(),
        })
    }
}
impl From<crate::model::text::Refusal> for Failed {
    fn from(it: crate::model::text::Refusal) -> Failed {
        Failed::Because(it.detail)
    }
}
impl From<io::Error> for Failed {
    fn from(it: io::Error) -> Failed {
        match it.kind() {
            io::ErrorKind::BrokenPipe => Failed::Hushed,
            _ => Failed::Because(format!("Standard output cannot be written ({it}).")),
        }
    }
}

/// One line on standard output.
pub fn say(line: impl std::fmt::Display) -> Done {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// A secret, alone on its line. The command ends when running servers have heard of it: the next line of a script uses it.
pub async fn say_secret(secret: String) -> Done {
    say(secret)?;
    tokio::time::sleep(HEARD).await;
    Ok(())
}

/// One sentence on standard error. There is nobody to tell if that fails.
pub fn fault(sentence: &str) {
    let _ = writeln!(io::stderr().lock(), "guildhall: {sentence}");
}
