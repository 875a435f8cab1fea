//! `guildhall audit …`
use super::{
    open::{House, Missing},
    out::{Done, Failed, say},
};
use crate::{settings::Settings, store::audit};
use clap::Subcommand;

#[derive(Subcommand)]
pub enum Audit {
    /// Follow the log's hash chains; the first broken event is named, with exit status 1
    Verify,
}

impl Audit {
    pub async fn run(self, settings: &Settings) -> Done {
        let Audit::Verify = self;
        let house = House::look(settings, Missing::Refuse, "guildhall audit verify").await?;
        let mut scope = house.read();
        let broken = match audit::verify(&mut scope).await? {
            Ok(followed) => {
                return say(format!("The audit log holds: {followed} events follow one another."));
            }
            Err(broken) => broken,
        };
        let (slug, event) = audit::name(&mut scope, &broken).await?;
        let whose = match (slug, broken.chain.is_nil()) {
            (Some(slug), _) => format!("of {slug}"),
            (None, true) => "of the installation".to_owned(),
            (None, false) => format!("of the account {}, which is gone", broken.chain),
        };
        let which = event.map_or(String::new(), |(id, action)| format!(" ({action}, {id})"));
        let sentence =
            format!("The audit log {whose} is broken at event {}{which}: {}.", broken.seq, broken.why);
        Err(Failed::Because(sentence))
    }
}
