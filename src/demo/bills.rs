//! The bills of the months that are over: the older ones paid, the last one open.
use super::story::{ACME, Acme};
use crate::{
    context::Kit,
    error::{Error, Result},
    model::{
        calendar::Month,
        catalog::{Catalog, Seller},
        invoice::Details,
    },
    store::{Host, accounts, billing, invoices},
};

/// The same kit, but that somebody sells: whom no catalogue names, their invoices do not name either.
pub fn sold(kit: Kit) -> Kit {
    if !kit.catalog.seller.name.is_empty() {
        return kit;
    }
    let seller = Seller {
        name: "Lantern Video Cloud Ltd".into(),
        address: vec!["4 Harbour Row".into(), "Dublin D02 X285".into(), "Ireland".into()],
        tax_id: "IE 6388047V".into(),
        email: "billing@lantern.test".into(),
        pay_to: vec!["IBAN IE29 AIBK 9311 5212 3456 78, BIC AIBKIE2D".into()],
    };
    kit.selling(Catalog { seller, ..Catalog::clone(&kit.catalog) })
}

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
                po_number: "PO-20418".into(),
            };
            self.stage.act("ada", ACME, async |it| billing::set_details(it, details).await).await?;
        }
        self.work(now).await?;
        let open = self.stage.alone("ada", async |it| invoices::open(it).await).await?;
        for id in open {
            self.stage.alone("ada", async |it| invoices::mark_paid(it, id, "Bank transfer").await).await?;
        }
        if (30..60).contains(&day) {
            let acme = self.stage.host(async |it| accounts::by_slug(it, ACME).await).await?;
            let (id, why) = (acme.ok_or(Error::NotFound)?.id, "Goodwill for the slow morning of the 9th");
            self.stage.alone("ada", async |it| invoices::adjust(it, id, "-12.50", why).await).await?;
        }
        let month = Month::of(now).previous();
        let host = Host("guildhall serve --demo");
        invoices::close(&self.stage.db, &self.stage.kit, &host, month).await?;
        Ok(())
    }
}
