//! Letters about bills.

use super::{Action, Draft, Letter, Site};

/// An invoice that was made.
#[derive(Clone, Copy, Debug)]
pub struct Invoice<'a> {
    /// Its number.
    pub number: &'a str,
    /// The account's name.
    pub account: &'a str,
    /// The month, in words.
    pub what: &'a str,
    /// The total, in words.
    pub total: &'a str,
    /// Until when it is to be paid.
    pub due: &'a str,
    /// Whether there is nothing to pay.
    pub is_settled: bool,
    /// Whether a card on file is charged.
    pub is_charged: bool,
    /// How to pay by hand.
    pub pay_to: &'a [String],
    /// Where it is; empty if there is no page of it any more.
    pub link: &'a str,
    /// What is billed, a sentence each, where there is no page.
    pub lines: &'a [String],
}

/// Sends an invoice to `to`: the address for invoices, the owner, or an accountant.
pub fn invoice_issued(site: &Site<'_>, to: &str, it: &Invoice<'_>) -> Letter {
    let Invoice { number, account, what, total, due, is_settled, is_charged, pay_to, link, lines } = it;
    let pay = match (is_settled, is_charged) {
        (true, _) => vec!["There is nothing to pay.".to_owned()],
        (false, true) => vec!["The card on file is charged. You need not do anything.".to_owned()],
        (false, false) => {
            let mut lines = vec![format!("Please pay it until {due}, and name {number}.")];
            lines.extend(pay_to.iter().cloned());
            lines
        }
    };
    Draft {
        subject: format!("Invoice {number} for {account}: {total}"),
        title: format!("Invoice {number}"),
        preview: format!("{total} for {what}"),
        lead: format!("The bill of {account} for {what} is {total}."),
        lines: lines.iter().cloned().chain(pay).collect(),
        action: (!link.is_empty()).then(|| Action::new("See the invoice", *link)),
        note: if link.is_empty() { String::new() } else { "There you also find it as PDF and as CSV.".to_owned() },
        closing: "You get this letter because you own the account, look after its bills, or are named as who gets them."
            .to_owned(),
        ..Draft::default()
    }
    .letter(site, to)
}

/// A payment by card that failed.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// The invoice's number.
    pub number: &'a str,
    /// The account's name.
    pub account: &'a str,
    /// The total, in words.
    pub total: &'a str,
    /// What the provider said.
    pub why: &'a str,
    /// Where to pay it.
    pub link: &'a str,
}

/// Tells `to` that a card could not be charged.
pub fn payment_failed(site: &Site<'_>, to: &str, it: &Failure<'_>) -> Letter {
    let Failure { number, account, total, why, link } = it;
    Draft {
        subject: format!("The payment of {number} failed"),
        title: format!("The payment of {number} failed"),
        lead: format!("The card of {account} could not be charged with {total} for the invoice {number}."),
        lines: vec![format!("The bank said: {why}")],
        action: Some(Action::new("Pay it another way", *link)),
        note: "Nothing was charged.".to_owned(),
        ..Draft::default()
    }
    .letter(site, to)
}
