//! The invoices of the months that are over: the older ones paid, the last one open.
use super::seed::{ACME, Acme, DAYS};
use crate::{
    context::Context,
    error::Result,
    model::{
        calendar::Month,
        catalog::{Catalog, Seller},
        invoice::BillingDetails,
    },
    store::{System, billing, invoices},
};

/// Adds a made-up seller if the catalogue names none: without one the invoices would have no issuer.
pub fn with_seller(context: Context) -> Context {
    if !context.catalog.seller.name.is_empty() {
        return context;
    }
    let seller = Seller {
        name: "Lantern Video Cloud Ltd".into(),
        address: vec!["4 Harbour Row".into(), "Dublin D02 X285".into(), "Ireland".into()],
        tax_id: "IE 6388047V".into(),
        email: "billing@lantern.test".into(),
        pay_to: vec!["IBAN IE29 AIBK 9311 5212 3456 78, BIC AIBKIE2D".into()],
    };
    context.selling(Catalog { seller, ..Catalog::clone(&context.catalog) })
}

impl Acme {
    /// Closes the month before: pays the invoices that are open, and bills its usage.
    pub async fn close_month(&mut self, day: u32) -> Result<()> {
        self.runner.advance_to(day, 0, 4);
        let now = self.runner.context.now();
        if self.usage_until == DAYS {
            let details = BillingDetails {
                company: "Acme Moving Pictures Ltd".into(),
                address: "12 Merchant’s Quay\nDublin D08 KF2P".into(),
                tax_id: "IE 3312445L".into(),
                email: "bills@acme.test".into(),
                po_number: "PO-20418".into(),
            };
            self.runner
                .as_member("ada", ACME, async |change| billing::set_details(change, details).await)
                .await?;
        }
        self.add_usage(now).await?;
        let open = self.runner.as_user("ada", async |change| invoices::open(change).await).await?;
        for id in open {
            self.runner
                .as_user("ada", async |change| invoices::mark_paid(change, id, "Bank transfer").await)
                .await?;
        }
        if (30..60).contains(&day) {
            let (id, reason) = (self.account().await?, "Goodwill for the slow morning of the 9th");
            self.runner
                .as_user("ada", async |change| invoices::adjust(change, id, "-12.50", reason).await)
                .await?;
        }
        let month = Month::of(now).previous();
        let operator = System("guildhall serve --demo");
        invoices::close(&self.runner.db, &self.runner.context, &operator, month).await?;
        Ok(())
    }
}
