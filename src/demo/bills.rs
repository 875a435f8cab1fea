//! The bills of the months that are over: the older ones paid, the last one open.
use super::story::{ACME, Acme};
use crate::{
    error::Result,
    model::{calendar::Month, invoice::Details},
    store::{Host, billing, invoices},
};

impl Acme {
    /// The month before is over: what was used in it is told, and billed; what was billed before is paid.
    pub async fn bill(&mut self, day: u32) -> Result<()> {
        self.stage.at(day, 0, 4);
        let now = self.stage.kit.now();
        if self.told == 90 {
            let details = Details {
                company: "Acme Moving Pictures Ltd".into(),
                address: "12 Merchant’s Quay\nDublin D08 KF2P".into(),
                tax_id: "IE 3312445L".into(),
                email: "bills@acme.test".into(),
                po_number: String::new(),
            };
            self.stage.act("ada", ACME, async |it| billing::set_details(it, details).await).await?;
        }
        self.work(now).await?;
        let open = self.stage.alone("ada", async |it| invoices::open(it).await).await?;
        for id in open {
            self.stage.alone("ada", async |it| invoices::mark_paid(it, id, "Bank transfer").await).await?;
        }
        let month = Month::of(now).previous();
        let host = Host("guildhall serve --demo");
        invoices::close(&self.stage.db, &self.stage.kit, &host, month).await?;
        Ok(())
    }
}
