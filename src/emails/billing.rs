//! Emails about invoices and payments.

use super::{Action, EmailDraft, EmailMessage, Site};

/// An invoice that was issued.
#[derive(Clone, Copy, Debug)]
pub struct Invoice<'a> {
    pub number: &'a str,
    /// The account's name.
    pub account: &'a str,
    /// The month, in words.
    pub what: &'a str,
    /// The total, in words.
    pub total: &'a str,
    /// The day by which to pay, in words.
    pub due: &'a str,
    /// Whether there is nothing to pay.
    pub is_settled: bool,
    /// Whether a card on file will be charged.
    pub is_charged: bool,
    /// How to pay by bank transfer, a line each.
    pub pay_to: &'a [String],
    /// The page of the invoice; empty if the account is deleted.
    pub link: &'a str,
    /// The items, a sentence each, if there is no page.
    pub lines: &'a [String],
}

/// To the address for invoices, or to the owner and the people who manage billing.
pub fn invoice_issued(site: &Site<'_>, to: &str, invoice: &Invoice<'_>) -> EmailMessage {
    let Invoice { number, account, what, total, due, is_settled, is_charged, pay_to, link, lines } = invoice;
    let pay = match (is_settled, is_charged) {
        (true, _) => vec!["There is nothing to pay.".to_owned()],
        (false, true) => vec!["The card on file will be charged. You do not need to do anything.".to_owned()],
        (false, false) => {
            let mut lines = vec![format!("Please pay by {due} and quote the invoice number, {number}.")];
            lines.extend(pay_to.iter().cloned());
            lines
        }
    };
    EmailDraft {
        subject: format!("Invoice {number} for {account}: {total}"),
        title: format!("Invoice {number}"),
        preview: format!("{total} for {what}"),
        lead: format!("The invoice of {account} for {what} is {total}."),
        lines: lines.iter().cloned().chain(pay).collect(),
        action: (!link.is_empty()).then(|| Action::new("See the invoice", *link)),
        note: if link.is_empty() { String::new() } else { "You can also download it there as PDF or CSV.".to_owned() },
        closing: "You receive this email because you own the account, manage its billing, or are its contact for invoices."
            .to_owned(),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// A payment by card that failed.
#[derive(Clone, Copy, Debug)]
pub struct PaymentFailure<'a> {
    /// The number of the invoice.
    pub number: &'a str,
    /// The account's name.
    pub account: &'a str,
    /// The total, in words.
    pub total: &'a str,
    /// The provider's reason, as a sentence.
    pub why: &'a str,
    /// The page on which to pay.
    pub link: &'a str,
}

/// To the people who receive the account's invoices.
pub fn payment_failed(site: &Site<'_>, to: &str, failure: &PaymentFailure<'_>) -> EmailMessage {
    let PaymentFailure { number, account, total, why, link } = failure;
    EmailDraft {
        subject: format!("The payment of {number} failed"),
        title: format!("The payment of {number} failed"),
        lead: format!("We could not charge {total} to the card of {account} for the invoice {number}."),
        lines: vec![format!("The bank said: {why}")],
        action: Some(Action::new("Pay it another way", *link)),
        note: "Nothing was charged.".to_owned(),
        ..EmailDraft::default()
    }
    .render(site, to)
}
