//! Letters about being in an account.

use super::{Action, Draft, Letter, Link, Person, Site};

/// What an invitation says.
#[derive(Clone, Copy, Debug)]
pub struct Invitation<'a> {
    /// Who invites.
    pub inviter: Person<'a>,
    /// The account's name.
    pub account: &'a str,
    /// "organization" or "team".
    pub kind: &'a str,
    /// The labels of the roles.
    pub roles: &'a [String],
    /// What they let one do, a sentence each.
    pub may: &'a [String],
    /// The organization that one joins as well, if the account is its team.
    pub organization: Option<&'a str>,
    /// Where to accept or decline.
    pub link: Link<'a>,
}

/// Invites `to` into an account.
pub fn invitation(site: &Site<'_>, to: &str, it: &Invitation<'_>) -> Letter {
    let Invitation { inviter, account, kind, roles, may, organization, link } = it;
    let role = if roles.is_empty() { String::new() } else { format!("{} in ", roles.join(", ")) };
    let end = if roles.is_empty() { "." } else { " as" };
    let also = organization.map(|organization| format!("You also join the organization {organization}."));
    Draft {
        subject: format!("{} invited you to {account}", inviter.name),
        title: format!("Join {account}"),
        preview: format!("{role}{account}. {}", link.note()),
        lead: format!("{inviter} invited {to} to the {kind} {account}{end}"),
        badges: roles,
        lines: may.iter().cloned().chain(also).collect(),
        action: Some(Action::new("Accept invitation", link.url)),
        note: link.note(),
        closing: format!(
            "Do you not know {}, or not expect this? Ignore this letter. \
             Nothing happens unless you accept, and nobody is told.",
            inviter.name
        ),
        ..Draft::default()
    }
    .letter(site, to)
}

/// The end of a membership.
#[derive(Clone, Copy, Debug)]
pub struct Removal<'a> {
    /// The account's name.
    pub account: &'a str,
    /// "organization" or "team".
    pub kind: &'a str,
}

/// Tells `to` that they are no longer a member.
pub fn membership_removed(site: &Site<'_>, to: &str, it: &Removal<'_>) -> Letter {
    let Removal { account, kind } = it;
    Draft {
        subject: format!("You are no longer a member of {account}"),
        title: format!("You are no longer a member of {account}"),
        lead: format!("You, {to}, were removed from the {kind} {account}."),
        lines: vec![
            "Your API keys for it have stopped working. Your user and your other accounts stay as they are."
                .to_owned(),
        ],
        closing: format!("Is this a mistake? Ask the administrators of {account} to invite you again."),
        ..Draft::default()
    }
    .letter(site, to)
}

/// A membership that is there again.
#[derive(Clone, Copy, Debug)]
pub struct Return<'a> {
    /// The account's name.
    pub account: &'a str,
    /// "organization" or "team".
    pub kind: &'a str,
    /// The account.
    pub link: &'a str,
}

/// Tells `to` that their removal was taken back.
pub fn membership_restored(site: &Site<'_>, to: &str, it: &Return<'_>) -> Letter {
    let Return { account, kind, link } = it;
    Draft {
        subject: format!("You are a member of {account} again"),
        title: format!("You are a member of {account} again"),
        lead: format!("The removal of {to} from the {kind} {account} was taken back."),
        lines: vec!["Your roles are there again, and the API keys that still can work again.".to_owned()],
        action: Some(Action::new("Open it", *link)),
        closing: format!("Is something missing? Ask the administrators of {account}."),
        ..Draft::default()
    }
    .letter(site, to)
}

/// The end of an account.
#[derive(Clone, Copy, Debug)]
pub struct Deletion<'a> {
    /// The account's name.
    pub account: &'a str,
    /// "organization" or "team".
    pub kind: &'a str,
    /// Who deleted it.
    pub by: Person<'a>,
    /// When, in words.
    pub at: &'a str,
}

/// Tells `to`, the owner or a member, that the account is gone.
pub fn account_deleted(site: &Site<'_>, to: &str, it: &Deletion<'_>) -> Letter {
    let Deletion { account, kind, by, at } = it;
    Draft {
        subject: format!("{account} was deleted"),
        title: format!("{account} was deleted"),
        lead: format!("{by} deleted the {kind} {account} on {at}."),
        lines: vec![
            "Nobody can open it any more, and its API keys have stopped working.".to_owned(),
            "Your user and your other accounts stay as they are.".to_owned(),
        ],
        ..Draft::default()
    }
    .letter(site, to)
}
