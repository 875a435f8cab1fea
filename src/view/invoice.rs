//! An invoice as a document: as people read it on a page, as CSV, as PDF. All three are made of the same cells. Many of them as
//! one ZIP file.
mod pdf;

pub use pdf::pdf;

use super::csv;
use crate::{
    error::{Error, Result},
    model::{
        invoice::{Document, Line, Status},
        time::Time,
    },
    store::invoices::Invoice,
    view::zip::Zip,
};
use jiff::tz::TimeZone;
use tokio::{sync::Semaphore, task::spawn_blocking};

/// An invoice, or what would be one if the month ended now.
pub struct Sheet<'a> {
    /// What stands on it.
    pub document: &'a Document,
    /// Its number; none for what is not one yet.
    pub number: Option<&'a str>,
    /// Where it stands; none for what is not one yet.
    pub status: Option<Status>,
    /// When it was made.
    pub issued_at: Time,
    /// Until when it is to be paid.
    pub due_at: Time,
    /// When it was paid.
    pub paid_at: Option<Time>,
}

/// One line, in words.
pub struct Cells {
    /// What for.
    pub description: String,
    /// The team; empty for the account itself.
    pub team: String,
    /// How much.
    pub quantity: String,
    /// What one costs.
    pub unit_price: String,
    /// What it costs.
    pub amount: String,
}

impl<'a> Sheet<'a> {
    /// Of an invoice.
    pub fn of(it: &'a Invoice) -> Sheet<'a> {
        let Invoice { document, number, status, issued_at, due_at, paid_at, .. } = it;
        let (issued_at, due_at, paid_at) = (*issued_at, *due_at, *paid_at);
        Sheet { document, number: Some(number), status: Some(*status), issued_at, due_at, paid_at }
    }
    /// `Invoice GH-2026-0011`, `Credit note GH-2026-0012`, `Upcoming invoice`.
    pub fn title(&self) -> String {
        match (self.number, &self.document.credits) {
            (None, _) => "Upcoming invoice".to_owned(),
            (Some(number), None) => format!("Invoice {number}"),
            (Some(number), Some(_)) => format!("Credit note {number}"),
        }
    }
    /// An amount in words.
    pub fn says(&self, minor: i64) -> String {
        self.document.currency.says(minor)
    }
    /// The lines, without tax.
    pub fn lines(&self) -> Vec<Cells> {
        self.document.charges().map(|it| self.cells(it)).collect()
    }
    fn cells(&self, it: &Line) -> Cells {
        Cells {
            description: it.description.clone(),
            team: it.team.as_ref().map(|it| it.name.clone()).unwrap_or_default(),
            quantity: it.quantity.grouped(),
            unit_price: self.document.currency.says_price(it.unit_price),
            amount: self.says(it.amount),
        }
    }
    /// Net, tax and total: a label and an amount each; the total alone where there is no tax.
    pub fn sums(&self) -> Vec<(String, String)> {
        let total = ("Total".to_owned(), self.says(self.document.total()));
        match self.document.tax() {
            None => vec![total],
            Some(tax) => vec![
                ("Net".to_owned(), self.says(self.document.net())),
                (tax.description.clone(), self.says(tax.amount)),
                total,
            ],
        }
    }
    /// What stands beside the addresses: a label and a value each. Days are those of UTC.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let day = |at: Time| at.day(&TimeZone::UTC);
        let mut facts = vec![("Month", self.document.month.in_words())];
        if self.number.is_some() {
            facts.push(("Date", day(self.issued_at)));
        }
        match (self.status, self.paid_at, &self.document.credits) {
            (_, _, Some(number)) => facts.push(("Takes back", number.clone())),
            (Some(Status::Open), ..) => facts.push(("Due", day(self.due_at))),
            (Some(Status::Paid), Some(at), _) => facts.push(("Paid", day(at))),
            (Some(Status::Void), ..) => facts.push(("Status", "Void".to_owned())),
            (Some(Status::Credited), ..) => facts.push(("Status", "Credited".to_owned())),
            _ => {}
        }
        let to = &self.document.bill_to;
        if !to.po_number.is_empty() {
            facts.push(("Purchase order", to.po_number.clone()));
        }
        facts
    }
    /// Who sells, a line each.
    pub fn seller(&self) -> Vec<String> {
        let it = &self.document.seller;
        let tax = Some(format!("Tax ID {}", it.tax_id)).filter(|_| !it.tax_id.is_empty());
        let email = Some(it.email.clone()).filter(|it| !it.is_empty());
        [it.name.clone()].into_iter().chain(it.address.iter().cloned()).chain(tax).chain(email).collect()
    }
    /// Who is billed, a line each.
    pub fn buyer(&self) -> Vec<String> {
        let it = &self.document.bill_to;
        let tax = Some(format!("Tax ID {}", it.tax_id)).filter(|_| !it.tax_id.is_empty());
        let address = it.address.lines().map(str::to_owned);
        [self.document.buyer().to_owned()].into_iter().chain(address).chain(tax).collect()
    }
    /// How to pay it, if it is to be paid by hand.
    pub fn pay_to(&self) -> &[String] {
        match (self.status, self.number) {
            (Some(Status::Open), Some(_)) => &self.document.seller.pay_to,
            _ => &[],
        }
    }
    /// As CSV: exact decimals in the currency, a row for each line, tax among them.
    pub fn csv(&self) -> String {
        let currency = self.document.currency;
        let exact = |minor: i64| crate::model::money::Price::minor(minor).in_currency(currency);
        let number = self.number.unwrap_or_default();
        let month = self.document.month.to_string();
        let mut text = csv::line([
            "Invoice",
            "Month",
            "Description",
            "Team",
            "Meter",
            "Quantity",
            "Unit price",
            "Amount",
            "Currency",
        ]);
        for it in &self.document.lines {
            let team = it.team.as_ref().map(|it| it.name.as_str()).unwrap_or_default();
            let (quantity, price, amount) =
                (it.quantity.to_string(), it.unit_price.in_currency(currency), exact(it.amount));
            // Numbers are written as such: a credit begins with a minus, and is no formula.
            let words =
                csv::line([number, &month, &it.description, team, it.meter.as_deref().unwrap_or_default()]);
            let words = words.trim_end();
            let line = format!("{words},{quantity},{price},{amount},{currency}\r\n");
            text.push_str(&line);
        }
        text
    }
}

/// The most invoices of one file: ten years of them, with some taken back.
pub const MOST_IN_ZIP: usize = 150;
/// How many such files are made at a time: each is a good deal of work.
static ZIPS: Semaphore = Semaphore::const_new(2);

/// Invoices as one ZIP file: each as PDF and as CSV. Made off the async threads.
pub async fn zip(invoices: Vec<Invoice>) -> Result<Vec<u8>> {
    let _turn = ZIPS.acquire().await.map_err(|it| Error::Internal(it.to_string()))?;
    let made = spawn_blocking(move || {
        let mut zip = Zip::default();
        for it in &invoices {
            let sheet = Sheet::of(it);
            zip.add(&file(sheet.number, "pdf"), it.issued_at, &pdf(&sheet)?)?;
            zip.add(&file(sheet.number, "csv"), it.issued_at, sheet.csv().as_bytes())?;
        }
        zip.finish()
    });
    made.await.map_err(|it| Error::Internal(it.to_string()))?
}

/// What a file of it is called: `GH-2026-0011.pdf`.
pub fn file(number: Option<&str>, ending: &str) -> String {
    format!("{}.{ending}", number.unwrap_or("upcoming-invoice"))
}
