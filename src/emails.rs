//! The mails that Guildhall writes: one function a letter, and one layout for all of them.
//!
//! A letter is a [`Draft`]: the same sentences are laid out as HTML and as plain text, so the two cannot drift apart.
//! Every sentence is put on one line before it is laid out, so a name cannot break out of it; the HTML layout escapes.

use std::fmt;

use askama::Template;
use serde::{Deserialize, Serialize};

mod access;
mod account;
mod factors;
mod identity;
mod invoice;
mod key;
mod sso;
#[cfg(test)]
mod tests;
mod transfer;
pub mod usage;
mod user;

pub use access::{Access, Given, access_declined, access_granted, access_requested};
pub use account::{
    Deletion, Invitation, Removal, Return, account_deleted, invitation, membership_removed,
    membership_restored,
};
pub use factors::{FactorChange, SignIn, factor_changed, new_browser};
pub use identity::identity_changed;
pub use invoice::{Failure, Invoice, invoice_issued, payment_failed};
pub use key::{Key, KeyEnd, Leak, TokenLeak, key_ends, key_leaked, service_token_leaked};
pub use sso::{SsoNeeded, join_requested, sso_code_used, sso_lifted, sso_linked, sso_needed};
pub use transfer::{
    Transfer, transfer_accepted, transfer_declined, transfer_expired, transfer_offered,
    transfer_offered_owner, transfer_withdrawn,
};
pub use user::{
    EmailChange, Link, confirm_email_change, confirm_sign_up, email_change_notice, email_changed,
    password_changed, reset_password, sign_up_known,
};

/// A mail ready to be queued.
#[derive(Clone, Serialize, Deserialize)]
pub struct Letter {
    /// The address that it goes to.
    pub to: String,
    /// One line of at most 200 characters.
    pub subject: String,
    /// The letter as plain text.
    pub text: String,
    /// The letter as an HTML document.
    pub html: String,
}

/// Says nothing of the body, which may hold a link that lets its bearer in.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter").field("to", &self.to).field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// The installation that writes.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// What the foot of each letter calls it: `console.example.com`.
    pub host: &'a str,
    /// Where it is: `https://console.example.com`, without a slash at the end.
    pub base_url: &'a str,
}

/// Somebody whom a letter names.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// As they wrote it.
    pub name: &'a str,
    /// Their address.
    pub email: &'a str,
}

impl fmt::Display for Person<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.email)
    }
}

/// What a letter says, before it is laid out.
#[derive(Default)]
struct Draft<'a> {
    subject: String,
    title: String,
    /// Shown by a list of mails after the subject; the lead when empty.
    preview: String,
    lead: String,
    /// They end the lead: "… invited you as" Admin, Analyst.
    badges: &'a [String],
    lines: Vec<String>,
    action: Option<Action>,
    /// What to know about the action: how long its link works.
    note: String,
    other: Option<Action>,
    /// What to do if the letter is unexpected.
    closing: String,
}

/// Something to press.
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
#[template(path = "emails/letter.html")]
struct Html<'a> {
    site: &'a Site<'a>,
    to: &'a str,
    it: &'a Draft<'a>,
}

#[derive(Template)]
#[template(path = "emails/letter.txt")]
struct Text<'a> {
    site: &'a Site<'a>,
    to: &'a str,
    it: &'a Draft<'a>,
}

impl Draft<'_> {
    fn letter(mut self, site: &Site<'_>, to: &str) -> Letter {
        let badges: Vec<String> = self.badges.iter().map(|badge| one_line(badge, SENTENCE)).collect();
        let sentences =
            [&mut self.title, &mut self.preview, &mut self.lead, &mut self.note, &mut self.closing];
        for sentence in sentences.into_iter().chain(&mut self.lines) {
            *sentence = one_line(sentence, SENTENCE);
        }
        let it = &Draft { badges: &badges, subject: one_line(&self.subject, SUBJECT), ..self };
        Letter {
            to: to.to_owned(),
            subject: it.subject.clone(),
            text: Text { site, to, it }.render().expect("a letter's template renders"),
            html: Html { site, to, it }.render().expect("a letter's template renders"),
        }
    }

    /// The lead of the plain text, where the badges are words of the sentence.
    fn lead_in_words(&self) -> String {
        if self.badges.is_empty() {
            self.lead.clone()
        } else {
            format!("{} {}.", self.lead, self.badges.join(", "))
        }
    }
}

const SUBJECT: usize = 200;
const SENTENCE: usize = 1000;
/// Columns of the plain text.
const WIDTH: usize = 72;

/// `text` on one line of at most `max` characters. Line breaks and control characters become spaces; marks that turn the
/// order of the letters after them are left out.
pub fn one_line(text: &str, max: usize) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let text = text.replace(turns, "").replace(char::is_control, " ");
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(max) {
        None => line,
        Some(_) => line.chars().take(max - 1).chain(['…']).collect(),
    }
}

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
