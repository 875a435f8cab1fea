//! Letters about being linked with Google or GitHub.
use super::{Action, Draft, Letter, Site};

/// Tells a user that they can sign in by `provider` now, as `label`, or that they cannot any more. `at` is in words.
pub fn identity_changed(site: &Site<'_>, to: &str, provider: &str, label: Option<&str>, at: &str) -> Letter {
    let (title, lead) = match label {
        Some(label) => (
            format!("You can sign in with {provider} now"),
            format!("On {at}, your user {to} at {} was linked with {label} at {provider}.", site.host),
        ),
        None => (
            format!("You cannot sign in with {provider} any more"),
            format!("On {at}, your user {to} at {} was unlinked from {provider}.", site.host),
        ),
    };
    Draft {
        subject: format!("{title}: {}", site.host),
        title,
        lead,
        lines: vec![
            "If you did this, there is nothing to do. If you did not, look at how you sign in, and choose a new password at once.".to_owned(),
        ],
        action: Some(Action::new("Look at how you sign in", format!("{}/me/security", site.base_url))),
        ..Draft::default()
    }
    .letter(site, to)
}
