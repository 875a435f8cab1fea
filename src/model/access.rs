//! In which account somebody acts, and with which rights. Who acts is `Actor`.
use super::{
    account::{AccountRef, Kind, LoginType},
    actor::UserSummary,
    grant::{Grant, Rights},
    id::{AccountId, MembershipId, UserId},
    permission::{Needs, Permission},
    role::BuiltIn,
};

/// The account in which something is done.
#[derive(Clone, Debug)]
pub struct CurrentAccount {
    pub id: AccountId,
    pub kind: Kind,
    /// Its part of addresses.
    pub slug: String,
    pub name: String,
    /// Its own plan, or that of the parent which pays for it.
    pub plan: String,
    /// The parent of a team.
    pub parent: Option<(AccountRef, Kind)>,
    pub admins_may_delete: bool,
}

impl CurrentAccount {
    /// The organization or personal account at the top: a team's parent, or the account itself.
    pub fn top(&self) -> AccountId {
        self.parent.as_ref().map_or(self.id, |(parent, _)| parent.id)
    }
    pub fn is_under_organization(&self) -> bool {
        self.parent.as_ref().is_some_and(|(_, kind)| *kind == Kind::Organization)
    }
}

/// An account, and what may be done in it: what a gate found out about a member or a key, or what the program itself holds.
#[derive(Clone, Debug)]
pub struct Access {
    pub account: CurrentAccount,
    /// The user whose rights these are; none for the program itself and for the platform.
    pub user: Option<UserSummary>,
    /// Their membership; none for an organization's administrator who is not a member of the team.
    pub membership: Option<MembershipId>,
    pub is_owner: bool,
    pub rights: Rights,
    /// How the membership demands that its user signs in.
    pub login_type: LoginType,
}

impl Access {
    /// The access of the program itself (jobs, commands, a sign-in through the organization's provider), which acts on what
    /// somebody with the right to it decided before: all rights, and no membership.
    pub fn of_system(account: CurrentAccount) -> Access {
        let rights = Rights::of(vec![Grant::whole(BuiltIn::Owner, true)]);
        Access { account, user: None, membership: None, is_owner: false, rights, login_type: LoginType::Any }
    }
    pub fn user_id(&self) -> Option<UserId> {
        self.user.as_ref().map(|user| user.id)
    }
    /// Whether these are the rights of that user.
    pub fn is_user(&self, user: UserId) -> bool {
        self.user_id() == Some(user)
    }
    /// Whether the permission is held over something at least: enough to open a page.
    pub fn may(&self, permission: Permission) -> bool {
        self.rights.may(permission)
    }
    /// What a gate asks: the permission of `P`, or one of those that may stand in for it.
    pub fn meets<P: Needs>(&self) -> Result<(), Permission> {
        match P::PERMISSION {
            Some(needed) if !self.may(needed) && !P::ALTERNATIVES.iter().any(|other| self.may(*other)) => {
                Err(needed)
            }
            _ => Ok(()),
        }
    }
    /// Whether these are the rights of that member.
    pub fn is(&self, membership: MembershipId) -> bool {
        self.membership == Some(membership)
    }
}
