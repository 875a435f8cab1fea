//! Letters about single sign-on and domains.

use super::{Action, Draft, Letter, Person, Site};

/// Tells `to` that an identity at an organization's provider opens it for them from now on.
pub fn sso_linked(site: &Site<'_>, to: &str, account: &str, identity: &str) -> Letter {
    Draft {
        subject: format!("You can sign in to {account} with its single sign-on"),
        title: format!("Your user is linked to {account}’s single sign-on"),
        lead: format!(
            "From now on, {identity} at the identity provider of {account} opens {account} as you, {to}."
        ),
        lines: vec!["It opens that organization and its teams, and nothing else of yours.".to_owned()],
        closing:
            "Did you not do this? Change your password, and tell the administrators of the organization."
                .to_owned(),
        ..Draft::default()
    }
    .letter(site, to)
}

/// Who is to sign in with single sign-on, and where.
#[derive(Clone, Copy, Debug)]
pub struct SsoNeeded<'a> {
    /// The organization.
    pub account: &'a str,
    /// Who tells them.
    pub by: Person<'a>,
    /// Whether nothing else opens it already.
    pub is_enforced: bool,
    /// Where one signs in with it.
    pub path: &'a str,
}

/// Tells a member, `to`, who never used it, to sign in with the organization's single sign-on.
pub fn sso_needed(site: &Site<'_>, to: &str, it: &SsoNeeded<'_>) -> Letter {
    let SsoNeeded { account, by, is_enforced, path } = it;
    let when = match is_enforced {
        true => {
            format!("{account} opens for you only with its single sign-on now, which you have never used.")
        }
        false => format!(
            "{account} will soon open for you only with its single sign-on, which you have never used."
        ),
    };
    Draft {
        subject: format!("Sign in to {account} with single sign-on"),
        title: format!("Sign in to {account} with single sign-on"),
        lead: format!("{when} {} ({}) asks you to sign in with it once.", by.name, by.email),
        action: Some(Action::new("Sign in with SSO", format!("{}{path}", site.base_url))),
        lines: vec![
            "You sign in with the account of your company, and are linked to it once.".to_owned(),
            "Your own account here, and other organizations, stay as they are.".to_owned(),
        ],
        closing: "Does it not let you in? Tell the administrators of the organization.".to_owned(),
        ..Draft::default()
    }
    .letter(site, to)
}

/// Tells an administrator, `to`, that nobody need use single sign-on any more.
pub fn sso_lifted(site: &Site<'_>, to: &str, account: &str, why: &str) -> Letter {
    Draft {
        subject: format!("Single sign-on is no longer enforced in {account}"),
        title: format!("Single sign-on is no longer enforced in {account}"),
        lead: format!("People of {account} can sign in in other ways again: {why}."),
        lines: vec!["Nobody was removed, and the connection stays as it is.".to_owned()],
        closing: "Did you not expect this? Look at the audit log of the organization.".to_owned(),
        ..Draft::default()
    }
    .letter(site, to)
}

/// Tells an administrator, `to`, that the owner went in without the provider.
pub fn sso_code_used(site: &Site<'_>, to: &str, account: &str, owner: &str) -> Letter {
    Draft {
        subject: format!("{owner} used a break-glass code of {account}"),
        title: "A break-glass code was used".to_owned(),
        lead: format!("{owner} entered {account} with a break-glass code, past its single sign-on."),
        lines: vec!["The code cannot be used again. What it opened closes within the hour.".to_owned()],
        closing: "Is the identity provider working? Then ask the owner at once whether it was them."
            .to_owned(),
        ..Draft::default()
    }
    .letter(site, to)
}

/// Tells an administrator, `to`, that somebody at a verified domain asks to join.
pub fn join_requested(
    site: &Site<'_>,
    to: &str,
    account: &str,
    name: &str,
    email: &str,
    path: &str,
) -> Letter {
    Draft {
        subject: format!("{name} asks to join {account}"),
        title: format!("{name} asks to join {account}"),
        lead: format!(
            "{name} ({email}), whose address is at a verified domain of {account}, asks to become a member."
        ),
        action: Some(Action::new("Answer", format!("{}{path}", site.base_url))),
        closing: "Do you not know them? Decline: nothing else happens.".to_owned(),
        ..Draft::default()
    }
    .letter(site, to)
}
