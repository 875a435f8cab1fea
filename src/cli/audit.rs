//! `guildhall audit …`
use super::{
    open::{IfMissing, Installation},
    out::{CliError, CliResult, print},
};
use crate::{settings::Settings, store::audit};
use clap::Subcommand;

#[derive(Subcommand)]
pub enum Audit {
    /// Verify the hash chains of the audit log. If one is broken, names the first broken event and exits with status 1
    Verify,
}

impl Audit {
    pub async fn run(self, settings: &Settings) -> CliResult {
        let Audit::Verify = self;
        let installation =
            Installation::open_unchecked(settings, IfMissing::Fail, "guildhall audit verify").await?;
        let mut scope = installation.read();
        let broken = match audit::verify(&mut scope).await? {
            Ok(count) => {
                return print(format!("The audit log holds: all {count} events are intact."));
            }
            Err(broken) => broken,
        };
        let (slug, event) = audit::name(&mut scope, &broken).await?;
        let whose = match (slug, broken.chain.is_nil()) {
            (Some(slug), _) => format!("of {slug}"),
            (None, true) => "of the installation".to_owned(),
            (None, false) => format!("of the deleted account {}", broken.chain),
        };
        let which = event.map_or(String::new(), |(id, action)| format!(" ({action}, {id})"));
        let sentence =
            format!("The audit log {whose} is broken at event {}{which}: {}.", broken.seq, broken.why);
        Err(CliError::Message(sentence))
    }
}
