//! Emails about transfers of ownership. Those about the outcome go to both sides, and are written in the third person.

use super::{Action, EmailDraft, EmailMessage, Sender, Site};

/// An offer of the ownership of an account.
#[derive(Clone, Copy, Debug)]
pub struct Transfer<'a> {
    /// The owner at the time of the offer.
    pub owner: Sender<'a>,
    pub recipient: Sender<'a>,
    /// The account's name.
    pub account: &'a str,
    /// "organization" or "team".
    pub kind: &'a str,
    /// When the offer expires, in words.
    pub until: &'a str,
    /// The settings of the account, where the offer is answered or withdrawn.
    pub link: &'a str,
}

impl Transfer<'_> {
    fn still_owner(&self) -> String {
        format!(
            "{} is still the owner of the {} {}. Nothing has changed.",
            self.owner, self.kind, self.account
        )
    }
}

/// To the recipient.
pub fn transfer_offered(site: &Site<'_>, to: &str, transfer: &Transfer<'_>) -> EmailMessage {
    let Transfer { owner, account, kind, until, link, .. } = transfer;
    EmailDraft {
        subject: format!("{} offers you the ownership of {account}", owner.name),
        title: format!("Become the owner of {account}"),
        lead: format!("{owner} offers you, {to}, the ownership of the {kind} {account}."),
        lines: vec![
            format!(
                "If you accept, you become its owner, responsible for its plan and its invoices, and {} becomes an admin.",
                owner.name
            ),
            "Until you accept, nothing changes.".to_owned(),
        ],
        action: Some(Action::new("See the offer", *link)),
        note: format!("You can accept or decline until {until}."),
        closing: "If you did not expect this, decline it or let it expire. The owner is notified of your answer.".to_owned(),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// To the owner.
pub fn transfer_offered_owner(site: &Site<'_>, to: &str, transfer: &Transfer<'_>) -> EmailMessage {
    let Transfer { recipient, account, kind, until, link, .. } = transfer;
    EmailDraft {
        subject: format!("You offered the ownership of {account} to {}", recipient.name),
        title: "Your offer is waiting for an answer".to_owned(),
        lead: format!("You offered the ownership of the {kind} {account} to {recipient}."),
        lines: vec![
            "Until they accept, you are the owner and nothing changes. Then you become an admin.".to_owned(),
        ],
        action: Some(Action::new("See the offer", *link)),
        note: format!("You can withdraw it until it is accepted. It expires on {until}."),
        closing: "If you did not do this, withdraw the offer, then change your password.".to_owned(),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// To both sides.
pub fn transfer_accepted(site: &Site<'_>, to: &str, transfer: &Transfer<'_>) -> EmailMessage {
    let Transfer { owner, recipient, account, kind, link, .. } = transfer;
    EmailDraft {
        subject: format!("{} is now the owner of {account}", recipient.name),
        title: format!("{account} has a new owner"),
        lead: format!("{recipient} accepted the ownership of the {kind} {account}."),
        lines: vec![format!("{owner} is now an admin.")],
        action: Some(Action::new("Open settings", *link)),
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// To both sides.
pub fn transfer_declined(site: &Site<'_>, to: &str, transfer: &Transfer<'_>) -> EmailMessage {
    let Transfer { recipient, account, .. } = transfer;
    EmailDraft {
        subject: format!("{} declined the ownership of {account}", recipient.name),
        title: "The offer was declined".to_owned(),
        lead: format!("{recipient} declined the ownership of {account}."),
        lines: vec![transfer.still_owner()],
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// To both sides.
pub fn transfer_withdrawn(site: &Site<'_>, to: &str, transfer: &Transfer<'_>) -> EmailMessage {
    let Transfer { owner, recipient, account, .. } = transfer;
    EmailDraft {
        subject: format!("The offer of {account} was withdrawn"),
        title: "The offer was withdrawn".to_owned(),
        lead: format!("{} withdrew the offer of the ownership of {account} to {recipient}.", owner.name),
        lines: vec![transfer.still_owner()],
        ..EmailDraft::default()
    }
    .render(site, to)
}

/// To both sides.
pub fn transfer_expired(site: &Site<'_>, to: &str, transfer: &Transfer<'_>) -> EmailMessage {
    let Transfer { recipient, account, until, .. } = transfer;
    EmailDraft {
        subject: format!("The offer of {account} has expired"),
        title: "The offer has expired".to_owned(),
        lead: format!(
            "The offer of the ownership of {account} to {recipient} expired without an answer on {until}."
        ),
        lines: vec![transfer.still_owner()],
        ..EmailDraft::default()
    }
    .render(site, to)
}
