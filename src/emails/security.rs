//! Emails about second factors, passkeys and browsers, so that a user learns of changes that somebody else made.

use super::{Action, EmailDraft, EmailMessage, Site};

/// A change to how a user signs in.
#[derive(Clone, Copy, Debug)]
pub enum FactorChange<'a> {
    AppAdded,
    AppRemoved,
    /// By the name of the passkey.
    PasskeyAdded(&'a str),
    /// By the name of the passkey.
    PasskeyRemoved(&'a str),
    NewCodes,
    /// With the number of codes left.
    CodeUsed(i64),
    PasswordRemoved,
    /// An operator removed all second factors and passkeys.
    Reset,
}

/// To the user. `at` is a time in words.
pub fn factor_changed(site: &Site<'_>, to: &str, change: FactorChange<'_>, at: &str) -> EmailMessage {
    let (title, event) = match change {
        FactorChange::AppAdded => {
            ("An authenticator app was set up", "an authenticator app was set up. Signing in now asks for its codes.".to_owned())
        }
        FactorChange::AppRemoved => {
            ("Your authenticator app was turned off", "the authenticator app was turned off.".to_owned())
        }
        FactorChange::PasskeyAdded(name) => {
            ("A passkey was added", format!("the passkey “{name}” was added. It can be used to sign in."))
        }
        FactorChange::PasskeyRemoved(name) => {
            ("A passkey was removed", format!("the passkey “{name}” was removed. It can no longer be used to sign in."))
        }
        FactorChange::NewCodes => {
            ("New recovery codes were made", "new recovery codes were made. The old ones no longer work.".to_owned())
        }
        FactorChange::CodeUsed(left) => {
            ("A recovery code was used", format!("a recovery code was used to sign in. Codes left: {left}."))
        }
        FactorChange::PasswordRemoved => {
            ("Your password was removed", "the password was removed. You now sign in without it.".to_owned())
        }
        FactorChange::Reset => (
            "Your second factors were reset",
            "the operator of this installation removed your authenticator app, recovery codes and passkeys, and ended \
             your sessions. Sign in with your password, or request a new one, and set them up again."
                .to_owned(),
        ),
    };
    EmailDraft {
        subject: format!("{title} at {}", site.host),
        title: title.to_owned(),
        lead: format!("For {to} at {}, on {at}: {event}", site.host),
        lines: vec![
            "If you did this, there is nothing to do. If you did not, choose a new password at once, end your other \
             sessions, and review the rest of your security page."
                .to_owned(),
        ],
        action: Some(Action::new("See your security page", format!("{}/me/security", site.base_url))),
        other: Some(Action::new("Forgot your password?", format!("{}/forgot-password", site.base_url))),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// A sign-in from a browser that is new to the user.
#[derive(Clone, Copy, Debug)]
pub struct SignIn<'a> {
    /// In words.
    pub at: &'a str,
    pub ip: &'a str,
    /// In words: `Firefox on Linux`.
    pub browser: &'a str,
}

/// To the user.
pub fn new_browser(site: &Site<'_>, to: &str, sign_in: &SignIn<'_>) -> EmailMessage {
    let SignIn { at, ip, browser } = sign_in;
    EmailDraft {
        subject: format!("New sign-in to {} with {browser}", site.host),
        title: "A new browser signed in".to_owned(),
        lead: format!(
            "On {at}, somebody signed in to {} as {to} with a browser that you have not used before: {browser}, from the \
             IP address {ip}.",
            site.host
        ),
        lines: vec![
            "If it was you, there is nothing to do. If it was not, end that session and choose a new password at once."
                .to_owned(),
        ],
        action: Some(Action::new("See your sessions", format!("{}/me/security", site.base_url))),
        other: Some(Action::new("Forgot your password?", format!("{}/forgot-password", site.base_url))),
        ..EmailDraft::default()
    }
    .render(site, to)
}
