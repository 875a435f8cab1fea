//! Letters about the user's own sign-in. None repeats the name that a stranger may have typed into the sign-up form.

use super::{Action, Draft, Letter, Site};

/// A link that lets its bearer do one thing, once.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// The whole address.
    pub url: &'a str,
    /// When it stops working, in words.
    pub until: &'a str,
}

impl Link<'_> {
    pub(super) fn note(&self) -> String {
        format!("The link works once and until {}.", self.until)
    }
}

/// A change of the address that a user signs in with.
#[derive(Clone, Copy, Debug)]
pub struct EmailChange<'a> {
    /// The address until now.
    pub old: &'a str,
    /// The address that is to replace it.
    pub new: &'a str,
    /// When it was asked for, or made, in words.
    pub at: &'a str,
}

/// Asks whoever signed up to prove the address.
pub fn confirm_sign_up(site: &Site<'_>, to: &str, link: &Link<'_>) -> Letter {
    Draft {
        subject: format!("Confirm your address for {}", site.host),
        title: "Confirm your address".to_owned(),
        lead: format!("Somebody, we hope you, signed up at {} with {to}.", site.host),
        lines: vec!["To finish, confirm that the address is yours.".to_owned()],
        action: Some(Action::new("Confirm address", link.url)),
        note: link.note(),
        closing: "Did you not sign up? Ignore this letter. Unless the address is confirmed, nothing is kept."
            .to_owned(),
        ..Draft::default()
    }
    .letter(site, to)
}

/// Goes out in place of [`confirm_sign_up`] when the address has a user, so that the form answers alike for any address.
pub fn sign_up_known(site: &Site<'_>, to: &str) -> Letter {
    Draft {
        subject: format!("You can already sign in to {}", site.host),
        title: "You can already sign in".to_owned(),
        lead: format!("Somebody, perhaps you, tried to sign up at {} with {to}.", site.host),
        lines: vec!["This address already has a user, so nothing was changed.".to_owned()],
        action: Some(Action::new("Sign in", format!("{}/sign-in", site.base_url))),
        other: Some(Action::new("Forgot your password?", format!("{}/forgot-password", site.base_url))),
        closing:
            "Was it not you? Ignore this letter. Whoever tried was not told that the address has a user."
                .to_owned(),
        ..Draft::default()
    }
    .letter(site, to)
}

/// Lets its reader choose a new password.
pub fn reset_password(site: &Site<'_>, to: &str, link: &Link<'_>) -> Letter {
    Draft {
        subject: format!("Reset your password for {}", site.host),
        title: "Reset your password".to_owned(),
        lead: format!("Somebody, we hope you, asked for a new password at {} for {to}.", site.host),
        action: Some(Action::new("Choose a new password", link.url)),
        note: link.note(),
        closing: "Did you not ask? Ignore this letter. Your password stays as it is.".to_owned(),
        ..Draft::default()
    }
    .letter(site, to)
}

/// Tells a user that the password was changed, and what to do if somebody else did it. `at` is in words.
pub fn password_changed(site: &Site<'_>, to: &str, at: &str) -> Letter {
    Draft {
        subject: format!("Your password for {} was changed", site.host),
        title: "Your password was changed".to_owned(),
        lead: format!("The password of {to} at {} was changed on {at}.", site.host),
        lines: vec![
            "If you did this, there is nothing to do. If you did not, choose a new password at once."
                .to_owned(),
        ],
        action: Some(Action::new("Reset password", format!("{}/forgot-password", site.base_url))),
        ..Draft::default()
    }
    .letter(site, to)
}

/// Asks the new address, `to`, for the proof that it is its user's.
pub fn confirm_email_change(site: &Site<'_>, to: &str, change: &EmailChange<'_>, link: &Link<'_>) -> Letter {
    Draft {
        subject: format!("Confirm your new address for {}", site.host),
        title: "Confirm your new address".to_owned(),
        lead: format!(
            "On {}, the user {} at {} asked to sign in with {} from now on.",
            change.at, change.old, site.host, change.new
        ),
        action: Some(Action::new("Confirm new address", link.url)),
        note: link.note(),
        closing: "Is this not your user? Ignore this letter. Unless you confirm, nothing changes.".to_owned(),
        ..Draft::default()
    }
    .letter(site, to)
}

/// Tells the old address, `to`, that a change was asked for.
pub fn email_change_notice(site: &Site<'_>, to: &str, change: &EmailChange<'_>) -> Letter {
    Draft {
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
        ..Draft::default()
    }
    .letter(site, to)
}

/// Tells the old address, `to`, that the change was made: it cannot be undone from there.
pub fn email_changed(site: &Site<'_>, to: &str, change: &EmailChange<'_>) -> Letter {
    Draft {
        subject: format!("Your address for {} was changed", site.host),
        title: "Your address was changed".to_owned(),
        lead: format!(
            "On {}, the address of your user at {} was changed from {} to {}.",
            change.at, site.host, change.old, change.new
        ),
        lines: vec![
            "If you did this, there is nothing to do. If you did not, write to whoever runs this installation.".to_owned(),
        ],
        ..Draft::default()
    }
    .letter(site, to)
}
