//! Emails about memberships, and about the end of an account.

use super::{Action, EmailDraft, EmailMessage, Link, Sender, Site};

/// An invitation to an account.
#[derive(Clone, Copy, Debug)]
pub struct Invitation<'a> {
    pub inviter: Sender<'a>,
    /// The account's name.
    pub account: &'a str,
    /// "organization" or "team".
    pub kind: &'a str,
    /// The labels of the roles.
    pub roles: &'a [String],
    /// What the roles allow, a sentence each.
    pub may: &'a [String],
    /// The organization that one joins too, if the account is one of its teams.
    pub organization: Option<&'a str>,
    /// Where to accept or decline.
    pub link: Link<'a>,
}

/// To the person invited.
pub fn invitation(site: &Site<'_>, to: &str, invitation: &Invitation<'_>) -> EmailMessage {
    let Invitation { inviter, account, kind, roles, may, organization, link } = invitation;
    let role = if roles.is_empty() { String::new() } else { format!("{} in ", roles.join(", ")) };
    let ending = if roles.is_empty() { "." } else { " as" };
    let organization_line =
        organization.map(|organization| format!("You also join the organization {organization}."));
    EmailDraft {
        subject: format!("{} invited you to {account}", inviter.name),
        title: format!("Join {account}"),
        preview: format!("{role}{account}. {}", link.note()),
        lead: format!("{inviter} invited {to} to the {kind} {account}{ending}"),
        badges: roles,
        lines: may.iter().cloned().chain(organization_line).collect(),
        action: Some(Action::new("Accept invitation", link.url)),
        note: link.note(),
        closing: format!(
            "If you do not know {}, or did not expect this, ignore this email. \
             Nothing happens unless you accept, and nobody is notified.",
            inviter.name
        ),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// A membership that an administrator ended.
#[derive(Clone, Copy, Debug)]
pub struct Removal<'a> {
    /// The account's name.
    pub account: &'a str,
    /// "organization" or "team".
    pub kind: &'a str,
}

/// To the person removed.
pub fn membership_removed(site: &Site<'_>, to: &str, removal: &Removal<'_>) -> EmailMessage {
    let Removal { account, kind } = removal;
    EmailDraft {
        subject: format!("You are no longer a member of {account}"),
        title: format!("You are no longer a member of {account}"),
        lead: format!("{to} was removed from the {kind} {account}."),
        lines: vec![
            "Your API keys for it no longer work. Your user and your other accounts are not affected."
                .to_owned(),
        ],
        closing: format!("If this is a mistake, ask the administrators of {account} to invite you again."),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// A removal that was undone.
#[derive(Clone, Copy, Debug)]
pub struct Restoration<'a> {
    /// The account's name.
    pub account: &'a str,
    /// "organization" or "team".
    pub kind: &'a str,
    /// The address of the account.
    pub link: &'a str,
}

/// To the person who is a member again.
pub fn membership_restored(site: &Site<'_>, to: &str, restoration: &Restoration<'_>) -> EmailMessage {
    let Restoration { account, kind, link } = restoration;
    EmailDraft {
        subject: format!("You are a member of {account} again"),
        title: format!("You are a member of {account} again"),
        lead: format!("The removal of {to} from the {kind} {account} was undone."),
        lines: vec!["You have your roles again, and your API keys work again unless they have expired or were revoked.".to_owned()],
        action: Some(Action::new("Open the account", *link)),
        closing: format!("If something is missing, ask the administrators of {account}."),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// An account that was deleted.
#[derive(Clone, Copy, Debug)]
pub struct Deletion<'a> {
    /// The account's name.
    pub account: &'a str,
    /// "organization" or "team".
    pub kind: &'a str,
    pub by: Sender<'a>,
    /// When, in words.
    pub at: &'a str,
}

/// To the owner and the members.
pub fn account_deleted(site: &Site<'_>, to: &str, deletion: &Deletion<'_>) -> EmailMessage {
    let Deletion { account, kind, by, at } = deletion;
    EmailDraft {
        subject: format!("{account} was deleted"),
        title: format!("{account} was deleted"),
        lead: format!("{by} deleted the {kind} {account} on {at}."),
        lines: vec![
            "It can no longer be opened, and its API keys no longer work.".to_owned(),
            "Your user and your other accounts are not affected.".to_owned(),
        ],
        ..EmailDraft::default()
    }
    .render(site, to)
}
