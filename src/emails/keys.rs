//! Emails about API keys that expire and secrets that leaked.
use super::{Action, EmailDraft, EmailMessage, Site};
use std::{fmt, time::Duration};

/// A key, as the list of keys shows it.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    pub name: &'a str,
    /// The last four characters of the secret.
    pub last4: &'a str,
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "“{}” (gh_key_••••{})", self.name, self.last4)
    }
}

/// A key that expires, or has expired.
#[derive(Clone, Copy, Debug)]
pub struct KeyExpiry<'a> {
    pub key: Key<'a>,
    /// The account's name.
    pub account: &'a str,
    /// When, in words.
    pub at: &'a str,
    /// The time left; `None` if it has expired.
    pub left: Option<Duration>,
    /// The key's page.
    pub link: &'a str,
}

/// To the owner of the key.
pub fn key_expires(site: &Site<'_>, to: &str, expiry: &KeyExpiry<'_>) -> EmailMessage {
    let KeyExpiry { key, account, at, left, link } = expiry;
    let Some(left) = left else {
        return EmailDraft {
            subject: format!("Your API key “{}” has expired", key.name),
            title: "Your API key has expired".to_owned(),
            lead: format!("The key {key} in {account} expired on {at}."),
            lines: vec![
                "Requests that use it are refused. Create a new key for programs that still need one."
                    .to_owned(),
            ],
            action: Some(Action::new("Open the key", *link)),
            ..EmailDraft::default()
        }
        .render(site, to);
    };
    let when = match left.as_secs().div_ceil(86_400) {
        0 | 1 => "within a day".to_owned(),
        days => format!("in {days} days"),
    };
    EmailDraft {
        subject: format!("Your API key “{}” expires {when}", key.name),
        title: format!("Your API key expires {when}"),
        lead: format!("The key {key} in {account} expires on {at}."),
        lines: vec![
            "Rotate it to get a new secret with the same access: the old one keeps working while you switch over."
                .to_owned(),
        ],
        action: Some(Action::new("Rotate the key", *link)),
        closing: "If you no longer need this key, do nothing. It will expire.".to_owned(),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// A member's API key that was reported as leaked.
#[derive(Clone, Copy, Debug)]
pub struct KeyLeak<'a> {
    pub key: Key<'a>,
    /// The account's name.
    pub account: &'a str,
    /// The address of its owner, if it still has one.
    pub owner: Option<&'a str>,
    /// When it was reported, in words.
    pub at: &'a str,
    /// Who reported it, by IP address.
    pub ip: &'a str,
    /// The key's page.
    pub link: &'a str,
}

/// To the owner of the key and the administrators.
pub fn key_leaked(site: &Site<'_>, to: &str, leak: &KeyLeak<'_>) -> EmailMessage {
    let KeyLeak { key, account, owner, at, ip, link } = leak;
    let whose = if *owner == Some(to) { "Your API key" } else { "An API key" };
    let owner_line = owner.filter(|owner| *owner != to).map(|owner| format!("It belonged to {owner}."));
    EmailDraft {
        subject: format!("{whose} “{}” was found in public and revoked", key.name),
        title: format!("{whose} was found and revoked"),
        lead: format!("On {at}, somebody at {ip} reported the key {key} of {account} as leaked. They had the whole key."),
        lines: owner_line
            .into_iter()
            .chain(["It was revoked at once: requests that use it are refused. Check what it was used for, and create a new key for programs that still need one.".to_owned()])
            .collect(),
        action: Some(Action::new("Open the key", *link)),
        closing: "A revoked key never works again, whoever has it.".to_owned(),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// A service token that was reported as leaked.
#[derive(Clone, Copy, Debug)]
pub struct TokenLeak<'a> {
    pub name: &'a str,
    /// The last four characters of the secret.
    pub last4: &'a str,
    /// When it was reported, in words.
    pub at: &'a str,
    /// Who reported it, by IP address.
    pub ip: &'a str,
    /// The operator's page of tokens.
    pub link: &'a str,
}

/// To the operators.
pub fn service_token_leaked(site: &Site<'_>, to: &str, leak: &TokenLeak<'_>) -> EmailMessage {
    let TokenLeak { name, last4, at, ip, link } = leak;
    EmailDraft {
        subject: format!("The service token “{name}” was found in public and revoked"),
        title: "A service token was found and revoked".to_owned(),
        lead: format!("On {at}, somebody at {ip} reported the service token “{name}” (gh_svc_••••{last4}) as leaked. They had the whole token."),
        lines: vec![
            "It was revoked at once: a gateway that uses it cannot verify keys or report usage until it has a new one.".to_owned(),
        ],
        action: Some(Action::new("Open the operator’s page", *link)),
        closing: "A revoked token never works again, whoever has it.".to_owned(),
        ..EmailDraft::default()
    }
    .render(site, to)
}
