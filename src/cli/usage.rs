//! `guildhall usage …`
use super::{
    open::{House, Missing},
    out::{Done, Failed, say},
};
use crate::{model::calendar::Day, settings::Settings, store::usage};
use clap::Subcommand;

#[derive(Subcommand)]
pub enum Usage {
    /// Sum the events that are kept again, and mend what differs; exit status 1 if something did
    Rebuild,
}

impl Usage {
    pub async fn run(self, settings: &Settings) -> Done {
        let Usage::Rebuild = self;
        let house = House::open(settings, Missing::Refuse, "guildhall usage rebuild").await?;
        let days = house.change(async |change| Ok(usage::whole_days(change).await?)).await?;
        let Some((first, last)) = days else {
            return say("No usage events are kept: there is nothing to sum.");
        };
        let mut found = vec![];
        for day in first.0..=last.0 {
            found.extend(
                house.change(async |change| Ok(usage::rebuild(change, Day(day), true).await?)).await?,
            );
        }
        for it in &found {
            say(format!("{} {} {}: {} was {}", it.day, it.account, it.meter, it.had, it.is))?;
        }
        match found.len() {
            0 => say(format!("The sums of {first} to {last} are those of their events.")),
            many => Err(Failed::Because(format!("{many} sums differed from their events, and were mended."))),
        }
    }
}
