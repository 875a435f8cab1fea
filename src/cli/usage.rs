//! `guildhall usage …`
use super::{
    open::{IfMissing, Installation},
    out::{CliError, CliResult, print},
};
use crate::{model::calendar::Day, settings::Settings, store::usage};
use clap::Subcommand;

#[derive(Subcommand)]
pub enum Usage {
    /// Recompute the daily totals from the stored events, and correct those that differ; exits with status 1 if any did
    Rebuild,
}

impl Usage {
    pub async fn run(self, settings: &Settings) -> CliResult {
        let Usage::Rebuild = self;
        let installation = Installation::open(settings, IfMissing::Fail, "guildhall usage rebuild").await?;
        let days = installation.change(async |change| Ok(usage::whole_days(change).await?)).await?;
        let Some((first, last)) = days else {
            return print("There are no stored usage events to recompute totals from.");
        };
        let mut found = vec![];
        for day in first.0..=last.0 {
            found.extend(
                installation.change(async |change| Ok(usage::rebuild(change, Day(day), true).await?)).await?,
            );
        }
        for total in &found {
            print(format!(
                "{} {} {}: {} was {}",
                total.day, total.account, total.meter, total.had, total.is
            ))?;
        }
        match found.len() {
            0 => print(format!("The totals of {first} to {last} match their events.")),
            count => Err(CliError::Message(format!(
                "{count} totals differed from their events, and were corrected."
            ))),
        }
    }
}
