//! Letters about keys that end, and keys that were found.
use super::{Action, Draft, Letter, Site};
use std::{fmt, time::Duration};

/// A key, as its list shows it.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// What its maker called it.
    pub name: &'a str,
    /// Its last four characters.
    pub last4: &'a str,
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "“{}” (gh_key_••••{})", self.name, self.last4)
    }
}

/// A key that ends.
#[derive(Clone, Copy, Debug)]
pub struct KeyEnd<'a> {
    /// Which.
    pub key: Key<'a>,
    /// The account's name.
    pub account: &'a str,
    /// When, in words.
    pub at: &'a str,
    /// How long it still works; none when it is over.
    pub left: Option<Duration>,
    /// The key's page.
    pub link: &'a str,
}

/// Tells the owner, `to`, that a key of theirs ends soon, or did.
pub fn key_ends(site: &Site<'_>, to: &str, it: &KeyEnd<'_>) -> Letter {
    let KeyEnd { key, account, at, left, link } = it;
    let Some(left) = left else {
        return Draft {
            subject: format!("Your API key “{}” has expired", key.name),
            title: "Your API key has expired".to_owned(),
            lead: format!("The key {key} in {account} ended on {at}."),
            lines: vec![
                "Programs that use it are refused. Create another key for those that still need one."
                    .to_owned(),
            ],
            action: Some(Action::new("Open the key", *link)),
            ..Draft::default()
        }
        .letter(site, to);
    };
    let when = match left.as_secs().div_ceil(86_400) {
        0 | 1 => "within a day".to_owned(),
        days => format!("in {days} days"),
    };
    Draft {
        subject: format!("Your API key “{}” expires {when}", key.name),
        title: format!("Your API key expires {when}"),
        lead: format!("The key {key} in {account} ends on {at}."),
        lines: vec![
            "Rotate it to get a new secret for the same: both work for as long as you need to change over."
                .to_owned(),
        ],
        action: Some(Action::new("Rotate the key", *link)),
        closing: "Is it not needed any more? Then there is nothing to do: it ends by itself.".to_owned(),
        ..Draft::default()
    }
    .letter(site, to)
}

/// A member's key that somebody found.
#[derive(Clone, Copy, Debug)]
pub struct Leak<'a> {
    /// Which.
    pub key: Key<'a>,
    /// The account's name.
    pub account: &'a str,
    /// Whose it was.
    pub owner: Option<&'a str>,
    /// When it was reported, in words.
    pub at: &'a str,
    /// From which address.
    pub ip: &'a str,
    /// The key's page.
    pub link: &'a str,
}

/// Tells the owner or an administrator that a key was found, and revoked.
pub fn key_leaked(site: &Site<'_>, to: &str, it: &Leak<'_>) -> Letter {
    let Leak { key, account, owner, at, ip, link } = it;
    let whose = if *owner == Some(to) { "Your API key" } else { "An API key" };
    let of = owner.filter(|it| *it != to).map(|it| format!("It belonged to {it}."));
    Draft {
        subject: format!("{whose} “{}” was found in public and revoked", key.name),
        title: format!("{whose} was found, and revoked"),
        lead: format!("On {at}, somebody at {ip} reported the key {key} of {account} as leaked. They had the whole key."),
        lines: of
            .into_iter()
            .chain(["It was revoked at once: programs that use it are refused. Look at what it did, and create another key for those that still need one.".to_owned()])
            .collect(),
        action: Some(Action::new("Open the key", *link)),
        closing: "A revoked key never works again, whoever has it.".to_owned(),
        ..Draft::default()
    }
    .letter(site, to)
}

/// A service token that somebody found.
#[derive(Clone, Copy, Debug)]
pub struct TokenLeak<'a> {
    /// What its maker called it.
    pub name: &'a str,
    /// Its last four characters.
    pub last4: &'a str,
    /// When it was reported, in words.
    pub at: &'a str,
    /// From which address.
    pub ip: &'a str,
    /// The operator's page.
    pub link: &'a str,
}

/// Tells an operator that a service token was found, and revoked.
pub fn service_token_leaked(site: &Site<'_>, to: &str, it: &TokenLeak<'_>) -> Letter {
    let TokenLeak { name, last4, at, ip, link } = it;
    Draft {
        subject: format!("The service token “{name}” was found in public and revoked"),
        title: "A service token was found, and revoked".to_owned(),
        lead: format!("On {at}, somebody at {ip} reported the service token “{name}” (gh_svc_••••{last4}) as leaked. They had the whole token."),
        lines: vec![
            "It was revoked at once: a gateway that uses it can verify no keys and report no usage until it has another.".to_owned(),
        ],
        action: Some(Action::new("Open the operator’s page", *link)),
        closing: "A revoked token never works again, whoever has it.".to_owned(),
        ..Draft::default()
    }
    .letter(site, to)
}
