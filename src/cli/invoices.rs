//! `guildhall invoices …`
use super::{
    open::{House, Missing},
    out::{Done, Failed, say},
};
use crate::{
    model::calendar::Month,
    settings::Settings,
    store::{Host, invoices},
};
use clap::Subcommand;

#[derive(Subcommand)]
pub enum Invoices {
    /// Close a month that is over, and those before it that are open: makes the invoices and prints a line for each. Safe to run
    /// again
    Close {
        /// The month: 2026-10
        #[arg(long)]
        month: String,
    },
}

impl Invoices {
    pub async fn run(self, settings: &Settings) -> Done {
        let Invoices::Close { month } = self;
        let name = "guildhall invoices close";
        let parsed = Month::parse(&month);
        let month =
            parsed.ok_or_else(|| Failed::because(format!("“{month}” is no month, such as 2026-10.")))?;
        let house = House::open(settings, Missing::Refuse, name).await?;
        let closed = invoices::close(&house.db, &house.kit, &Host(name), month).await?;
        let currency = settings.catalog.currency;
        for (number, total) in &closed.made {
            say(format!("{number}  {}", currency.says(*total)))?;
        }
        Ok(())
    }
}
