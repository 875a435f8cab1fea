//! An invoice for people: on a page, as CSV, as PDF, all made from the same lines; and many invoices as one ZIP file.
mod pdf;

pub use pdf::pdf;

use super::csv;
use crate::{
    error::{Error, Result},
    model::{
        invoice::{Document, InvoiceStatus, Line},
        time::Time,
    },
    store::invoices::Invoice,
    view::zip::Zip,
};
use jiff::tz::TimeZone;
use tokio::{sync::Semaphore, task::spawn_blocking};

/// An invoice, or what would be one if the month ended now.
pub struct InvoiceView<'a> {
    pub document: &'a Document,
    /// `None` for the estimate, like `status`.
    pub number: Option<&'a str>,
    pub status: Option<InvoiceStatus>,
    pub issued_at: Time,
    pub due_at: Time,
    pub paid_at: Option<Time>,
}

/// One line as text.
pub struct LineView {
    pub description: String,
    /// Empty for the account itself.
    pub team: String,
    pub quantity: String,
    pub unit_price: String,
    pub amount: String,
}

impl<'a> InvoiceView<'a> {
    pub fn of(invoice: &'a Invoice) -> InvoiceView<'a> {
        let Invoice { document, number, status, issued_at, due_at, paid_at, .. } = invoice;
        let (issued_at, due_at, paid_at) = (*issued_at, *due_at, *paid_at);
        InvoiceView { document, number: Some(number), status: Some(*status), issued_at, due_at, paid_at }
    }
    /// `Invoice GH-2026-0011`, `Credit note GH-2026-0012`, `Upcoming invoice`.
    pub fn title(&self) -> String {
        match (self.number, &self.document.credits) {
            (None, _) => "Upcoming invoice".to_owned(),
            (Some(number), None) => format!("Invoice {number}"),
            (Some(number), Some(_)) => format!("Credit note {number}"),
        }
    }
    /// In the currency of the invoice.
    pub fn format(&self, minor: i64) -> String {
        self.document.currency.format(minor)
    }
    /// The lines, without tax.
    pub fn lines(&self) -> Vec<LineView> {
        self.document.charges().map(|line| self.line(line)).collect()
    }
    fn line(&self, line: &Line) -> LineView {
        LineView {
            description: line.description.clone(),
            team: line.team.as_ref().map(|team| team.name.clone()).unwrap_or_default(),
            quantity: line.quantity.grouped(),
            unit_price: self.document.currency.format_price(line.unit_price),
            amount: self.format(line.amount),
        }
    }
    /// Labels and amounts: net, tax and total, or the total alone if there is no tax.
    pub fn sums(&self) -> Vec<(String, String)> {
        let total = ("Total".to_owned(), self.format(self.document.total()));
        match self.document.tax() {
            None => vec![total],
            Some(tax) => vec![
                ("Net".to_owned(), self.format(self.document.net())),
                (tax.description.clone(), self.format(tax.amount)),
                total,
            ],
        }
    }
    /// Labels and values beside the addresses. Days are in UTC.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let day = |at: Time| at.day(&TimeZone::UTC);
        let mut facts = vec![("Month", self.document.month.in_words())];
        if self.number.is_some() {
            facts.push(("Date", day(self.issued_at)));
        }
        match (self.status, self.paid_at, &self.document.credits) {
            (_, _, Some(number)) => facts.push(("Takes back", number.clone())),
            (Some(InvoiceStatus::Open), ..) => facts.push(("Due", day(self.due_at))),
            (Some(InvoiceStatus::Paid), Some(at), _) => facts.push(("Paid", day(at))),
            (Some(InvoiceStatus::Void), ..) => facts.push(("Status", "Void".to_owned())),
            (Some(InvoiceStatus::Credited), ..) => facts.push(("Status", "Credited".to_owned())),
            _ => {}
        }
        let to = &self.document.bill_to;
        if !to.po_number.is_empty() {
            facts.push(("Purchase order", to.po_number.clone()));
        }
        facts
    }
    /// The seller, one element a line.
    pub fn seller(&self) -> Vec<String> {
        let seller = &self.document.seller;
        let tax = Some(format!("Tax ID {}", seller.tax_id)).filter(|_| !seller.tax_id.is_empty());
        let email = Some(seller.email.clone()).filter(|email| !email.is_empty());
        [seller.name.clone()]
            .into_iter()
            .chain(seller.address.iter().cloned())
            .chain(tax)
            .chain(email)
            .collect()
    }
    /// The buyer, one element a line.
    pub fn buyer(&self) -> Vec<String> {
        let buyer = &self.document.bill_to;
        let tax = Some(format!("Tax ID {}", buyer.tax_id)).filter(|_| !buyer.tax_id.is_empty());
        let address = buyer.address.lines().map(str::to_owned);
        [self.document.buyer().to_owned()].into_iter().chain(address).chain(tax).collect()
    }
    /// How to pay it by bank transfer; empty unless it is open.
    pub fn pay_to(&self) -> &[String] {
        match (self.status, self.number) {
            (Some(InvoiceStatus::Open), Some(_)) => &self.document.seller.pay_to,
            _ => &[],
        }
    }
    /// A row for each line, tax among them, with exact decimals in the currency.
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
        for line in &self.document.lines {
            let team = line.team.as_ref().map(|team| team.name.as_str()).unwrap_or_default();
            let (quantity, price, amount) =
                (line.quantity.to_string(), line.unit_price.in_currency(currency), exact(line.amount));
            let meter = line.meter.as_deref().unwrap_or_default();
            let numbers = [quantity.as_str(), &price, &amount, &currency.to_string()];
            text += &csv::line_with_numbers([number, &month, &line.description, team, meter], numbers);
        }
        text
    }
}

/// The most invoices in one file: ten years of them, and some credit notes.
pub const ZIP_LIMIT: usize = 150;
/// How many ZIP files are made at a time: each takes a lot of CPU.
static ZIPS: Semaphore = Semaphore::const_new(2);

/// A ZIP file with each invoice as PDF and as CSV. Made off the async threads.
pub async fn zip(invoices: Vec<Invoice>) -> Result<Vec<u8>> {
    let _permit = ZIPS.acquire().await.map_err(|error| Error::Internal(error.to_string()))?;
    let task = spawn_blocking(move || {
        let mut zip = Zip::default();
        for invoice in &invoices {
            let view = InvoiceView::of(invoice);
            zip.add(&file_name(view.number, "pdf"), invoice.issued_at, &pdf(&view)?)?;
            zip.add(&file_name(view.number, "csv"), invoice.issued_at, view.csv().as_bytes())?;
        }
        zip.finish()
    });
    task.await.map_err(|error| Error::Internal(error.to_string()))?
}

/// `GH-2026-0011.pdf`, or `upcoming-invoice.pdf` for the estimate.
pub fn file_name(number: Option<&str>, extension: &str) -> String {
    format!("{}.{extension}", number.unwrap_or("upcoming-invoice"))
}
