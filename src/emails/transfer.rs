//! Letters about handing an account over. What became of the offer is told in the third person, for either side.

use super::{Action, Draft, Letter, Person, Site};

/// An offer to hand an account over.
#[derive(Clone, Copy, Debug)]
pub struct Transfer<'a> {
    /// Who owned the account when the offer was made.
    pub owner: Person<'a>,
    /// Who is to own it.
    pub recipient: Person<'a>,
    /// The account's name.
    pub account: &'a str,
    /// "organization" or "team".
    pub kind: &'a str,
    /// When the offer ends, in words.
    pub until: &'a str,
    /// The address of the account's settings, where the offer is answered or withdrawn.
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

/// Tells the recipient, `to`, about the offer.
pub fn transfer_offered(site: &Site<'_>, to: &str, it: &Transfer<'_>) -> Letter {
    let Transfer { owner, account, kind, until, link, .. } = it;
    Draft {
        subject: format!("{} offers you the ownership of {account}", owner.name),
        title: format!("Become the owner of {account}"),
        lead: format!("{owner} offers you, {to}, the ownership of the {kind} {account}."),
        lines: vec![
            format!(
                "If you accept, you own it and answer for its plan and its invoices, and {} becomes an admin.",
                owner.name
            ),
            "Until you accept, nothing changes.".to_owned(),
        ],
        action: Some(Action::new("See the offer", *link)),
        note: format!("You can accept or decline until {until}."),
        closing: "Do you not expect this? Decline it, or let it pass. The owner is told of your answer.".to_owned(),
        ..Draft::default()
    }
    .letter(site, to)
}

/// Tells the owner, `to`, that an offer of theirs waits for an answer.
pub fn transfer_offered_owner(site: &Site<'_>, to: &str, it: &Transfer<'_>) -> Letter {
    let Transfer { recipient, account, kind, until, link, .. } = it;
    Draft {
        subject: format!("You offered the ownership of {account} to {}", recipient.name),
        title: "Your offer waits for an answer".to_owned(),
        lead: format!("You offered the ownership of the {kind} {account} to {recipient}."),
        lines: vec![
            "Until they accept, you are the owner and nothing changes. Then you become an admin.".to_owned(),
        ],
        action: Some(Action::new("See the offer", *link)),
        note: format!("You can withdraw it until it is accepted. It ends by itself on {until}."),
        closing: "Did you not do this? Withdraw the offer, then change your password.".to_owned(),
        ..Draft::default()
    }
    .letter(site, to)
}

/// Tells either side that the account has a new owner.
pub fn transfer_accepted(site: &Site<'_>, to: &str, it: &Transfer<'_>) -> Letter {
    let Transfer { owner, recipient, account, kind, link, .. } = it;
    Draft {
        subject: format!("{} is now the owner of {account}", recipient.name),
        title: format!("{account} has a new owner"),
        lead: format!("{recipient} accepted the ownership of the {kind} {account}."),
        lines: vec![format!("{owner} is now an admin.")],
        action: Some(Action::new("Open settings", *link)),
        ..Draft::default()
    }
    .letter(site, to)
}

/// Tells either side that the recipient declined.
pub fn transfer_declined(site: &Site<'_>, to: &str, it: &Transfer<'_>) -> Letter {
    let Transfer { recipient, account, .. } = it;
    Draft {
        subject: format!("{} declined the ownership of {account}", recipient.name),
        title: "The offer was declined".to_owned(),
        lead: format!("{recipient} declined the ownership of {account}."),
        lines: vec![it.still_owner()],
        ..Draft::default()
    }
    .letter(site, to)
}

/// Tells either side that the owner took the offer back.
pub fn transfer_withdrawn(site: &Site<'_>, to: &str, it: &Transfer<'_>) -> Letter {
    let Transfer { owner, recipient, account, .. } = it;
    Draft {
        subject: format!("The offer of {account} was withdrawn"),
        title: "The offer was withdrawn".to_owned(),
        lead: format!("{} withdrew the offer of the ownership of {account} to {recipient}.", owner.name),
        lines: vec![it.still_owner()],
        ..Draft::default()
    }
    .letter(site, to)
}

/// Tells either side that nobody answered in time.
pub fn transfer_expired(site: &Site<'_>, to: &str, it: &Transfer<'_>) -> Letter {
    let Transfer { recipient, account, until, .. } = it;
    Draft {
        subject: format!("The offer of {account} has expired"),
        title: "The offer has expired".to_owned(),
        lead: format!(
            "The offer of the ownership of {account} to {recipient} ended without an answer on {until}."
        ),
        lines: vec![it.still_owner()],
        ..Draft::default()
    }
    .letter(site, to)
}
