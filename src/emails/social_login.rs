//! Emails about being linked with Google or GitHub.
use super::{Action, EmailDraft, EmailMessage, Site};

/// To the user. `label` says who they are at the provider, and is `None` when the link was removed; `at` is in words.
pub fn identity_changed(
    site: &Site<'_>,
    to: &str,
    provider: &str,
    label: Option<&str>,
    at: &str,
) -> EmailMessage {
    let (title, lead) = match label {
        Some(label) => (
            format!("You can now sign in with {provider}"),
            format!("On {at}, your user {to} at {} was linked with {label} at {provider}.", site.host),
        ),
        None => (
            format!("You can no longer sign in with {provider}"),
            format!("On {at}, your user {to} at {} was unlinked from {provider}.", site.host),
        ),
    };
    EmailDraft {
        subject: format!("{title}: {}", site.host),
        title,
        lead,
        lines: vec![
            "If you did this, there is nothing to do. If you did not, review how you sign in, and choose a new password at once.".to_owned(),
        ],
        action: Some(Action::new("Review how you sign in", format!("{}/me/security", site.base_url))),
        ..EmailDraft::default()
    }
    .render(site, to)
}
