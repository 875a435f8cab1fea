//! Letters about asking for access.

use super::{Action, Draft, Letter, Person, Site};

/// Somebody asks for something that they may not do.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// Who asks.
    pub asker: Person<'a>,
    /// The account's name.
    pub account: &'a str,
    /// What it would let them do, in words.
    pub may: &'a str,
    /// The permission's word.
    pub permission: &'a str,
    /// The name of the resource that it is about.
    pub resource: Option<&'a str>,
    /// Why, in their words.
    pub note: &'a str,
    /// Where to grant or decline.
    pub link: &'a str,
}

/// Tells `to`, who leads the account, that somebody asks for access.
pub fn access_requested(site: &Site<'_>, to: &str, it: &Access<'_>) -> Letter {
    let Access { asker, account, may, permission, resource, note, link } = it;
    let about = resource.map(|name| format!("It is about {name}."));
    let reason = (!note.trim().is_empty()).then(|| format!("Their reason: {note}"));
    Draft {
        subject: format!("{} asks for access in {account}", asker.name),
        title: format!("{} asks for access", asker.name),
        lead: format!("{asker} would like to be allowed in {account}: {may} ({permission})."),
        lines: about.into_iter().chain(reason).collect(),
        action: Some(Action::new("See the request", *link)),
        note: "You can grant only what you hold yourself, for good or until a day.".to_owned(),
        closing: "Nothing changes unless somebody grants it.".to_owned(),
        ..Draft::default()
    }
    .letter(site, to)
}

/// Somebody was given what they asked for.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// Who gave it.
    pub by: Person<'a>,
    /// The account's name.
    pub account: &'a str,
    /// What they asked to do, in words.
    pub may: &'a str,
    /// The role that they got.
    pub role: &'a str,
    /// The resource that it is over, if it is over one.
    pub resource: Option<&'a str>,
    /// Until when, in words; for good if none.
    pub until: Option<&'a str>,
    /// The account.
    pub link: &'a str,
}

/// Tells `to` that they got what they asked for.
pub fn access_granted(site: &Site<'_>, to: &str, it: &Given<'_>) -> Letter {
    let Given { by, account, may, role, resource, until, link } = it;
    let over = resource.map(|name| format!(" for {name}")).unwrap_or_default();
    let until = until.map(|it| format!("It ends on {it}."));
    Draft {
        subject: format!("You got access in {account}"),
        title: "You got the access that you asked for".to_owned(),
        lead: format!("{by} gave you the role {role}{over} in {account}."),
        lines: [format!("You asked to be allowed: {may}.")].into_iter().chain(until).collect(),
        action: Some(Action::new("Open the account", *link)),
        ..Draft::default()
    }
    .letter(site, to)
}

/// Tells `to` that they did not get what they asked for.
pub fn access_declined(site: &Site<'_>, to: &str, by: Person<'_>, account: &str, may: &str) -> Letter {
    Draft {
        subject: format!("Your request in {account} was declined"),
        title: "Your request was declined".to_owned(),
        lead: format!("{by} declined what you asked for in {account}: {may}."),
        lines: vec!["What you could do before, you can do still.".to_owned()],
        closing: format!("Is this a mistake? Write to {}.", by.email),
        ..Draft::default()
    }
    .letter(site, to)
}
