//! The emails that Guildhall sends: one function per email, one layout for all of them.
//!
//! Each email is an [`EmailDraft`]: the same sentences are laid out as HTML and as plain text, so the two cannot drift apart.
//! Every sentence is reduced to one line first, so that a name cannot break out of it; the HTML layout escapes.

use crate::clients::one_line;
pub use crate::clients::smtp::EmailMessage;
use askama::Template;
use std::fmt;

mod access_requests;
mod account;
mod billing;
mod budgets;
mod keys;
mod security;
mod social_login;
mod sso;
#[cfg(test)]
mod tests;
mod transfer;
mod user;

pub use access_requests::{AccessGrant, AccessRequest, access_declined, access_granted, access_requested};
pub use account::{
    Deletion, Invitation, Removal, Restoration, account_deleted, invitation, membership_removed,
    membership_restored,
};
pub use billing::{Invoice, PaymentFailure, invoice_issued, payment_failed};
pub use budgets::{BudgetUsage, budget_reached};
pub use keys::{Key, KeyExpiry, KeyLeak, TokenLeak, key_expires, key_leaked, service_token_leaked};
pub use security::{FactorChange, SignIn, factor_changed, new_browser};
pub use social_login::identity_changed;
pub use sso::{SsoNeeded, join_requested, sso_code_used, sso_lifted, sso_linked, sso_needed};
pub use transfer::{
    Transfer, transfer_accepted, transfer_declined, transfer_expired, transfer_offered,
    transfer_offered_owner, transfer_withdrawn,
};
pub use user::{
    EmailChange, Link, confirm_email_change, confirm_sign_up, email_change_notice, email_changed,
    password_changed, reset_password, sign_up_known,
};

/// The installation that sends.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// Named at the foot of each email: `console.example.com`.
    pub host: &'a str,
    /// `https://console.example.com`, without a slash at the end.
    pub base_url: &'a str,
}

/// Whoever an email names: a person, or a service token or a job, which has no address.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    pub name: &'a str,
    /// Empty if there is none.
    pub email: &'a str,
}

/// `Name (address)`, or the name alone.
impl fmt::Display for Sender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.email {
            "" => f.write_str(self.name),
            email => write!(f, "{} ({email})", self.name),
        }
    }
}

/// The content of an email, before it is laid out. Empty parts are left out.
#[derive(Default)]
struct EmailDraft<'a> {
    subject: String,
    title: String,
    /// Shown after the subject in a list of emails; the lead when empty.
    preview: String,
    lead: String,
    /// They end the lead: "… invited you as" Admin, Analyst.
    badges: &'a [String],
    lines: Vec<String>,
    action: Option<Action>,
    /// What to know about the action: how long its link works.
    note: String,
    other: Option<Action>,
    /// What to do if the email is unexpected.
    closing: String,
}

/// A button.
struct Action {
    label: &'static str,
    link: String,
}

impl Action {
    fn new(label: &'static str, link: impl Into<String>) -> Self {
        Self { label, link: link.into() }
    }
}

#[derive(Template)]
#[template(path = "emails/email.html")]
struct Html<'a> {
    site: &'a Site<'a>,
    to: &'a str,
    draft: &'a EmailDraft<'a>,
}

#[derive(Template)]
#[template(path = "emails/email.txt")]
struct Text<'a> {
    site: &'a Site<'a>,
    to: &'a str,
    draft: &'a EmailDraft<'a>,
}

impl EmailDraft<'_> {
    fn render(mut self, site: &Site<'_>, to: &str) -> EmailMessage {
        let badges: Vec<String> = self.badges.iter().map(|badge| one_line(badge, MAX_SENTENCE)).collect();
        let sentences =
            [&mut self.title, &mut self.preview, &mut self.lead, &mut self.note, &mut self.closing];
        for sentence in sentences.into_iter().chain(&mut self.lines) {
            *sentence = one_line(sentence, MAX_SENTENCE);
        }
        let subject = one_line(&self.subject, EmailMessage::MAX_SUBJECT);
        let draft = &EmailDraft { badges: &badges, subject, ..self };
        EmailMessage {
            to: to.to_owned(),
            subject: draft.subject.clone(),
            text: Text { site, to, draft }.render().expect("the layout renders any draft"),
            html: Html { site, to, draft }.render().expect("the layout renders any draft"),
        }
    }

    /// The lead of the plain text, where the badges are words of the sentence.
    fn lead_with_badges(&self) -> String {
        if self.badges.is_empty() {
            self.lead.clone()
        } else {
            format!("{} {}.", self.lead, self.badges.join(", "))
        }
    }
}

/// In characters.
const MAX_SENTENCE: usize = 1000;
/// Columns of the plain text.
const WIDTH: usize = 72;

/// A paragraph broken between words; a word longer than a line, such as a link, stays whole.
fn wrapped(paragraph: &str) -> String {
    let mut out = String::with_capacity(paragraph.len());
    let mut column = 0;
    for word in paragraph.split_whitespace() {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > WIDTH {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    out
}
