//! Emails about requests for access.

use super::{Action, EmailDraft, EmailMessage, Sender, Site};

/// A request for a permission that somebody lacks.
#[derive(Clone, Copy, Debug)]
pub struct AccessRequest<'a> {
    pub asker: Sender<'a>,
    /// The account's name.
    pub account: &'a str,
    /// What the permission allows, in words.
    pub may: &'a str,
    /// `resources.delete`.
    pub permission: &'a str,
    /// The name of the resource that the request is for.
    pub resource: Option<&'a str>,
    /// The asker's reason; may be empty.
    pub note: &'a str,
    /// Where to grant or decline.
    pub link: &'a str,
}

/// To an owner or admin of the account.
pub fn access_requested(site: &Site<'_>, to: &str, request: &AccessRequest<'_>) -> EmailMessage {
    let AccessRequest { asker, account, may, permission, resource, note, link } = request;
    let about = resource.map(|name| format!("Resource: {name}"));
    let reason = (!note.trim().is_empty()).then(|| format!("Reason: {note}"));
    EmailDraft {
        subject: format!("{} asks for access in {account}", asker.name),
        title: format!("{} asks for access", asker.name),
        lead: format!("{asker} asks for a permission in {account}: {may} ({permission})."),
        lines: about.into_iter().chain(reason).collect(),
        action: Some(Action::new("See the request", *link)),
        note: "You can grant only permissions that you hold yourself, permanently or until a date."
            .to_owned(),
        closing: "Nothing changes unless somebody grants it.".to_owned(),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// A grant that answers a request.
#[derive(Clone, Copy, Debug)]
pub struct AccessGrant<'a> {
    pub by: Sender<'a>,
    /// The account's name.
    pub account: &'a str,
    /// What the requested permission allows, in words.
    pub may: &'a str,
    /// The role that was granted.
    pub role: &'a str,
    /// The resource that the role is limited to.
    pub resource: Option<&'a str>,
    /// The expiry, in words; `None` if it is permanent.
    pub until: Option<&'a str>,
    /// The account.
    pub link: &'a str,
}

/// To the person who asked.
pub fn access_granted(site: &Site<'_>, to: &str, grant: &AccessGrant<'_>) -> EmailMessage {
    let AccessGrant { by, account, may, role, resource, until, link } = grant;
    let on_resource = resource.map(|name| format!(" for {name}")).unwrap_or_default();
    let until = until.map(|time| format!("It expires on {time}."));
    EmailDraft {
        subject: format!("You now have access in {account}"),
        title: "Your request was approved".to_owned(),
        lead: format!("{by} gave you the role {role}{on_resource} in {account}."),
        lines: [format!("You asked for: {may}.")].into_iter().chain(until).collect(),
        action: Some(Action::new("Open the account", *link)),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// To the person who asked.
pub fn access_declined(site: &Site<'_>, to: &str, by: Sender<'_>, account: &str, may: &str) -> EmailMessage {
    let closing = match by.email {
        "" => format!("If this is a mistake, ask the administrators of {account}."),
        email => format!("If this is a mistake, write to {email}."),
    };
    EmailDraft {
        subject: format!("Your request in {account} was declined"),
        title: "Your request was declined".to_owned(),
        lead: format!("{by} declined your request in {account}: {may}."),
        lines: vec!["Your existing access has not changed.".to_owned()],
        closing,
        ..EmailDraft::default()
    }
    .render(site, to)
}
