//! Emails about a user's own sign-in. None of them repeats the name from the sign-up form, which a stranger may have typed.

use super::{Action, EmailDraft, EmailMessage, Site};

/// A link that works once.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    pub url: &'a str,
    /// When it stops working, in words.
    pub until: &'a str,
}

impl Link<'_> {
    pub(super) fn note(&self) -> String {
        format!("The link works once, until {}.", self.until)
    }
}

/// A change of the address that a user signs in with.
#[derive(Clone, Copy, Debug)]
pub struct EmailChange<'a> {
    pub old: &'a str,
    pub new: &'a str,
    /// When it was requested or made, in words.
    pub at: &'a str,
}

/// To the address of a new user, which the link proves.
pub fn confirm_sign_up(site: &Site<'_>, to: &str, link: &Link<'_>) -> EmailMessage {
    EmailDraft {
        subject: format!("Confirm your address for {}", site.host),
        title: "Confirm your address".to_owned(),
        lead: format!("Somebody, hopefully you, signed up at {} with {to}.", site.host),
        lines: vec!["To finish, confirm that the address is yours.".to_owned()],
        action: Some(Action::new("Confirm address", link.url)),
        note: link.note(),
        closing:
            "If you did not sign up, ignore this email. Unless the address is confirmed, nothing is kept."
                .to_owned(),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// Sent in place of [`confirm_sign_up`] if the address has a user, so that the form answers alike for any address.
pub fn sign_up_known(site: &Site<'_>, to: &str) -> EmailMessage {
    EmailDraft {
        subject: format!("You can already sign in to {}", site.host),
        title: "You can already sign in".to_owned(),
        lead: format!("Somebody, perhaps you, tried to sign up at {} with {to}.", site.host),
        lines: vec!["This address already has a user, so nothing was changed.".to_owned()],
        action: Some(Action::new("Sign in", format!("{}/sign-in", site.base_url))),
        other: Some(Action::new("Forgot your password?", format!("{}/forgot-password", site.base_url))),
        closing:
            "If it was not you, ignore this email. Whoever tried was not told that the address has a user."
                .to_owned(),
        ..EmailDraft::default()
    }
    .render(site, to)
}

pub fn reset_password(site: &Site<'_>, to: &str, link: &Link<'_>) -> EmailMessage {
    EmailDraft {
        subject: format!("Reset your password for {}", site.host),
        title: "Reset your password".to_owned(),
        lead: format!("Somebody, hopefully you, asked for a new password at {} for {to}.", site.host),
        action: Some(Action::new("Choose a new password", link.url)),
        note: link.note(),
        closing: "If you did not ask for it, ignore this email. Your password stays the same.".to_owned(),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// `at` is in words.
pub fn password_changed(site: &Site<'_>, to: &str, at: &str) -> EmailMessage {
    EmailDraft {
        subject: format!("Your password for {} was changed", site.host),
        title: "Your password was changed".to_owned(),
        lead: format!("The password of {to} at {} was changed on {at}.", site.host),
        lines: vec![
            "If you did this, there is nothing to do. If you did not, choose a new password at once."
                .to_owned(),
        ],
        action: Some(Action::new("Reset password", format!("{}/forgot-password", site.base_url))),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// To the new address, which the link proves.
pub fn confirm_email_change(
    site: &Site<'_>,
    to: &str,
    change: &EmailChange<'_>,
    link: &Link<'_>,
) -> EmailMessage {
    EmailDraft {
        subject: format!("Confirm your new address for {}", site.host),
        title: "Confirm your new address".to_owned(),
        lead: format!(
            "On {}, the user {} at {} asked to sign in with {} from now on.",
            change.at, change.old, site.host, change.new
        ),
        action: Some(Action::new("Confirm new address", link.url)),
        note: link.note(),
        closing: "If this is not your user, ignore this email. Unless you confirm, nothing changes."
            .to_owned(),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// To the old address, when the change is requested.
pub fn email_change_notice(site: &Site<'_>, to: &str, change: &EmailChange<'_>) -> EmailMessage {
    EmailDraft {
        subject: format!("Your address for {} is about to change", site.host),
        title: "Your address is about to change".to_owned(),
        lead: format!(
            "On {}, your user at {} asked to sign in with {} in place of {}.",
            change.at, site.host, change.new, change.old
        ),
        lines: vec![
            "It changes once the new address is confirmed. Until then you sign in as before.".to_owned(),
            "If you did this, there is nothing to do. If you did not, choose a new password at once."
                .to_owned(),
        ],
        action: Some(Action::new("Reset password", format!("{}/forgot-password", site.base_url))),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// To the old address, when the change is made. It cannot be undone from there.
pub fn email_changed(site: &Site<'_>, to: &str, change: &EmailChange<'_>) -> EmailMessage {
    EmailDraft {
        subject: format!("Your address for {} was changed", site.host),
        title: "Your address was changed".to_owned(),
        lead: format!(
            "On {}, the address of your user at {} was changed from {} to {}.",
            change.at, site.host, change.old, change.new
        ),
        lines: vec![
            "If you did this, there is nothing to do. If you did not, contact the operator of this installation.".to_owned(),
        ],
        ..EmailDraft::default()
    }
    .render(site, to)
}
