//! Emails about single sign-on and domains.

use super::{Action, EmailDraft, EmailMessage, Sender, Site};

/// To a user who was linked with `identity` at the identity provider of an organization.
pub fn sso_linked(site: &Site<'_>, to: &str, account: &str, identity: &str) -> EmailMessage {
    EmailDraft {
        subject: format!("You can sign in to {account} with its single sign-on"),
        title: format!("Your user is linked to {account}’s single sign-on"),
        lead: format!(
            "From now on, {identity} at the identity provider of {account} can sign in to {account} as {to}."
        ),
        lines: vec![
            "This gives access to that organization and its teams, and to nothing else of yours.".to_owned(),
        ],
        closing:
            "If you did not do this, change your password and tell the administrators of the organization."
                .to_owned(),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// A reminder to sign in with single sign-on.
#[derive(Clone, Copy, Debug)]
pub struct SsoNeeded<'a> {
    /// The name of the organization.
    pub account: &'a str,
    /// Who sends the reminder.
    pub by: Sender<'a>,
    /// Whether it is required already, or will be.
    pub is_enforced: bool,
    /// The path of the page on which to sign in with it.
    pub path: &'a str,
}

/// To a member who has never used the single sign-on of their organization.
pub fn sso_needed(site: &Site<'_>, to: &str, reminder: &SsoNeeded<'_>) -> EmailMessage {
    let SsoNeeded { account, by, is_enforced, path } = reminder;
    let when = match is_enforced {
        true => format!("{account} now requires single sign-on, which you have never used."),
        false => format!("{account} will soon require single sign-on, which you have never used."),
    };
    EmailDraft {
        subject: format!("Sign in to {account} with single sign-on"),
        title: format!("Sign in to {account} with single sign-on"),
        lead: format!("{when} {by} asks you to sign in with it once."),
        action: Some(Action::new("Sign in with SSO", format!("{}{path}", site.base_url))),
        lines: vec![
            "You sign in with your company account, which is linked to your user the first time.".to_owned(),
            "Your personal account and your other organizations are not affected.".to_owned(),
        ],
        closing: "If it does not let you in, tell the administrators of the organization.".to_owned(),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// To an administrator. `why` ends the sentence.
pub fn sso_lifted(site: &Site<'_>, to: &str, account: &str, why: &str) -> EmailMessage {
    EmailDraft {
        subject: format!("Single sign-on is no longer enforced in {account}"),
        title: format!("Single sign-on is no longer enforced in {account}"),
        lead: format!("Members can use other ways to sign in to {account} again: {why}."),
        lines: vec!["Nobody was removed, and the connection stays as it is.".to_owned()],
        closing: "If you did not expect this, check the audit log of the organization.".to_owned(),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// To an administrator.
pub fn sso_code_used(site: &Site<'_>, to: &str, account: &str, owner: &str) -> EmailMessage {
    EmailDraft {
        subject: format!("{owner} used a break-glass code of {account}"),
        title: "A break-glass code was used".to_owned(),
        lead: format!("{owner} opened {account} with a break-glass code, which bypasses its single sign-on."),
        lines: vec!["The code cannot be used again. The access that it gave ends within an hour.".to_owned()],
        closing: "If the identity provider is working, ask the owner at once whether it was them.".to_owned(),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// To an administrator. `name` and `email` are those of the person who asks.
pub fn join_requested(
    site: &Site<'_>,
    to: &str,
    account: &str,
    name: &str,
    email: &str,
    path: &str,
) -> EmailMessage {
    EmailDraft {
        subject: format!("{name} asks to join {account}"),
        title: format!("{name} asks to join {account}"),
        lead: format!(
            "{name} ({email}), whose address is at a verified domain of {account}, asks to become a member."
        ),
        action: Some(Action::new("Answer", format!("{}{path}", site.base_url))),
        closing: "If you do not know them, decline the request.".to_owned(),
        ..EmailDraft::default()
    }
    .render(site, to)
}
