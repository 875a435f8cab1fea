//! Letters about second factors, passkeys and browsers: whoever is not their cause learns of them.

use super::{Action, Draft, Letter, Site};

/// What changed about the ways in which a user signs in.
#[derive(Clone, Copy, Debug)]
pub enum FactorChange<'a> {
    /// An authenticator app was set up.
    AppAdded,
    /// The authenticator app was turned off.
    AppRemoved,
    /// A passkey of that name was added.
    PasskeyAdded(&'a str),
    /// The passkey of that name was removed.
    PasskeyRemoved(&'a str),
    /// New recovery codes replace the old ones.
    NewCodes,
    /// A recovery code was used; so many are left.
    CodeUsed(i64),
    /// The password was removed.
    PasswordRemoved,
    /// Whoever runs the installation took all second factors and passkeys away.
    Reset,
}

/// Tells a user what changed, and what to do if somebody else did it. `at` is in words.
pub fn factor_changed(site: &Site<'_>, to: &str, change: FactorChange<'_>, at: &str) -> Letter {
    let (title, said) = match change {
        FactorChange::AppAdded => {
            ("An authenticator app was set up", "an authenticator app was set up. Signing in asks for its codes.".to_owned())
        }
        FactorChange::AppRemoved => {
            ("Your authenticator app was turned off", "the authenticator app was turned off.".to_owned())
        }
        FactorChange::PasskeyAdded(name) => {
            ("A passkey was added", format!("the passkey “{name}” was added. Its holder can sign in."))
        }
        FactorChange::PasskeyRemoved(name) => {
            ("A passkey was removed", format!("the passkey “{name}” was removed. It signs nobody in any more."))
        }
        FactorChange::NewCodes => {
            ("New recovery codes were made", "new recovery codes were made. The old ones no longer work.".to_owned())
        }
        FactorChange::CodeUsed(left) => {
            ("A recovery code was used", format!("a recovery code was used to sign in. Codes that are left: {left}."))
        }
        FactorChange::PasswordRemoved => {
            ("Your password was removed", "the password was removed. Passkeys sign in without it.".to_owned())
        }
        FactorChange::Reset => (
            "Your second factors were reset",
            "whoever runs this installation removed your authenticator app, recovery codes and passkeys, and ended \
             your sessions. Sign in with your password, or ask for a new one, and set them up again."
                .to_owned(),
        ),
    };
    Draft {
        subject: format!("{title} at {}", site.host),
        title: title.to_owned(),
        lead: format!("For {to} at {}, on {at}: {said}", site.host),
        lines: vec![
            "If you did this, there is nothing to do. If you did not, choose a new password at once, end your other \
             sessions, and look through the rest of the page."
                .to_owned(),
        ],
        action: Some(Action::new("See your security page", format!("{}/me/security", site.base_url))),
        other: Some(Action::new("Forgot your password?", format!("{}/forgot-password", site.base_url))),
        ..Draft::default()
    }
    .letter(site, to)
}

/// A sign-in.
#[derive(Clone, Copy, Debug)]
pub struct SignIn<'a> {
    /// When, in words.
    pub at: &'a str,
    /// From which address.
    pub ip: &'a str,
    /// With which browser, in words.
    pub browser: &'a str,
}

/// Tells a user of a sign-in with a browser that they never used before.
pub fn new_browser(site: &Site<'_>, to: &str, it: &SignIn<'_>) -> Letter {
    Draft {
        subject: format!("New sign-in to {} with {}", site.host, it.browser),
        title: "A new browser signed in".to_owned(),
        lead: format!(
            "On {}, somebody signed in to {} as {to} with a browser that was not used before: {}, from the address {}.",
            it.at, site.host, it.browser, it.ip
        ),
        lines: vec![
            "If it was you, there is nothing to do. If it was not, end that session and choose a new password at once."
                .to_owned(),
        ],
        action: Some(Action::new("See your sessions", format!("{}/me/security", site.base_url))),
        other: Some(Action::new("Forgot your password?", format!("{}/forgot-password", site.base_url))),
        ..Draft::default()
    }
    .letter(site, to)
}
