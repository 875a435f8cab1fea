//! A person inside an account: what the gate found out.
use super::{
    account::{AccountRef, Kind, LoginType},
    grant::Rights,
    id::{AccountId, KeyId, MembershipId, SessionId, UserId},
    permission::{Needs, Permission},
    time::Time,
};
use std::time::Duration;

/// A user as others see them.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who.
    pub id: UserId,
    /// Their name.
    pub name: String,
    /// Their verified address, as typed.
    pub email: String,
}

/// How somebody got in.
#[derive(Clone, Debug)]
pub enum By {
    /// A signed-in browser.
    Session(Session),
    /// An API key.
    Key {
        /// Which.
        id: KeyId,
        /// What its maker called it.
        name: String,
    },
}

/// A signed-in browser.
#[derive(Clone, Debug)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// How it began: `password`, …
    pub method: String,
    /// When the person last proved who they are.
    pub proved_at: Time,
    /// Whether two factors were used.
    pub two_factors: bool,
}

impl Session {
    /// Whether it counts as made with two factors: what an identity provider asked for is the provider's matter.
    pub fn is_strong(&self) -> bool {
        self.two_factors || !self.is_own()
    }
    /// Whether the person showed on their own who they are, not only an organization's provider for them.
    pub fn is_own(&self) -> bool {
        self.method != LoginType::Sso.word()
    }
}

/// How old a proof may be for a dangerous act.
pub const FRESH: Duration = Duration::from_secs(600);

/// Proof that the person proved who they are in the last ten minutes, or that an API key's permission stands in for it.
#[derive(Debug)]
pub struct Fresh(());

impl By {
    /// A session that nobody has: of who is asked about, and is not here. It proves nothing.
    pub fn nothing() -> By {
        By::Session(Session {
            id: SessionId(uuid::Uuid::nil()),
            method: String::new(),
            proved_at: Time(0),
            two_factors: false,
        })
    }
    /// Fresh enough for a dangerous act?
    pub fn fresh(&self, now: Time) -> Option<Fresh> {
        match self {
            By::Key { .. } => Some(Fresh(())),
            By::Session(it) => (now.since(it.proved_at) < FRESH).then_some(Fresh(())),
        }
    }
}

/// The account that was entered.
#[derive(Clone, Debug)]
pub struct Here {
    /// Its id.
    pub id: AccountId,
    /// What kind.
    pub kind: Kind,
    /// Its word in addresses.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Its own plan, or that of the parent which pays for it.
    pub plan: String,
    /// The parent of a team.
    pub parent: Option<(AccountRef, Kind)>,
    /// Whether admins may delete it.
    pub admins_may_delete: bool,
}

impl Here {
    /// The organization or personal account at the top: the team's parent, or the account itself.
    pub fn top(&self) -> AccountId {
        self.parent.as_ref().map_or(self.id, |(it, _)| it.id)
    }
    /// A team of an organization?
    pub fn is_under_organization(&self) -> bool {
        self.parent.as_ref().is_some_and(|(_, kind)| *kind == Kind::Organization)
    }
}

/// A person inside an account.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Who.
    pub person: Person,
    /// Where.
    pub here: Here,
    /// Their membership; none for an organization's administrator who is not in the team.
    pub membership: Option<MembershipId>,
    /// Whether they own it.
    pub is_owner: bool,
    /// What they may do.
    pub rights: Rights,
    /// How they got in.
    pub by: By,
    /// How the membership demands that one signs in.
    pub login_type: LoginType,
    /// The zone that they chose, by its IANA name.
    pub time_zone: Option<String>,
}

impl Entry {
    /// The organization at the top, if an organization's provider is all that is known of who this is: there is nothing else
    /// to be seen.
    pub fn only_within(&self) -> Option<AccountId> {
        matches!(&self.by, By::Session(it) if !it.is_own()).then(|| self.here.top())
    }
    /// Over something at least: enough to open a page.
    pub fn may(&self, it: Permission) -> bool {
        self.rights.may(it)
    }
    /// What a gate asks.
    pub fn meets<P: Needs>(&self) -> Result<(), Permission> {
        match P::PERMISSION {
            Some(it) if !self.may(it) && !P::OR.iter().any(|or| self.may(*or)) => Err(it),
            _ => Ok(()),
        }
    }
    /// Whether this is the member with that id.
    pub fn is(&self, it: MembershipId) -> bool {
        self.membership == Some(it)
    }
}
