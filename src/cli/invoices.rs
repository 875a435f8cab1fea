//! `guildhall invoices …`
use super::{
    open::{IfMissing, Installation},
    out::{CliError, CliResult, print},
};
use crate::{
    model::calendar::Month,
    settings::Settings,
    store::{System, invoices},
};
use clap::Subcommand;

#[derive(Subcommand)]
pub enum Invoices {
    /// Close a past month and all open months before it: issues the invoices and prints a line for each. Can be repeated safely
    Close {
        /// The month, such as 2026-10
        #[arg(long)]
        month: String,
    },
}

impl Invoices {
    pub async fn run(self, settings: &Settings) -> CliResult {
        let Invoices::Close { month } = self;
        let name = "guildhall invoices close";
        let parsed = Month::parse(&month);
        let month =
            parsed.ok_or_else(|| CliError::new(format!("“{month}” is not a month, such as 2026-10.")))?;
        let installation = Installation::open(settings, IfMissing::Fail, name).await?;
        let closed = invoices::close(&installation.db, &installation.context, &System(name), month).await?;
        let currency = settings.catalog.currency;
        for (number, total) in &closed.made {
            print(format!("{number}  {}", currency.format(*total)))?;
        }
        Ok(())
    }
}
