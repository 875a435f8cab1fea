//! What saving a role does: what it gives and takes, and from whom.
use super::{Holder, Which, holders_of};
use crate::{
    error::Result,
    model::{
        grant::{Grant, Rights, Role},
        id::{InvitationId, MembershipId, RoleId},
        permission::{Permission, Permissions},
    },
    store::{
        Scope,
        grants::{self, Of},
    },
};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// A permission that some get or lose.
#[derive(Clone, Debug)]
pub struct Changed {
    /// Which.
    pub permission: Permission,
    /// How many.
    pub count: usize,
    /// The first of them, by name.
    pub names: Vec<String>,
}

/// What saving does.
#[derive(Clone, Debug, Default)]
pub struct Effect {
    /// Who gets what they did not have.
    pub gives: Vec<Changed>,
    /// Who loses what no other role of theirs gives.
    pub takes: Vec<Changed>,
    /// Whether there are more holders than were looked at.
    pub more: bool,
}

/// How many holders are looked at one by one.
const MOST: usize = 500;
const NAMED: usize = 10;

/// What the change from one set of permissions to another gives and takes.
pub async fn effect(
    scope: &mut Scope,
    id: RoleId,
    before: Permissions,
    after: Permissions,
) -> Result<Effect> {
    if before == after {
        return Ok(Effect::default());
    }
    let limit = i64::try_from(MOST + 1).unwrap_or(i64::MAX);
    let mut holders = holders_of(scope, Which::Custom(id), limit).await?;
    let more = holders.len() > MOST;
    holders.truncate(MOST);
    let held = held(scope, &holders).await?;
    let changed = |permission: Permission| {
        let is_touched = |it: &&Holder| {
            let grants = seat(it).and_then(|seat| held.get(&seat));
            grants.is_some_and(|all| only_by(id, all, permission))
        };
        let mut seen = HashSet::new();
        let names: Vec<&Holder> =
            holders.iter().filter(is_touched).filter(|it| seen.insert(it.key())).collect();
        let first = names.iter().take(NAMED).map(|it| it.name.clone()).collect();
        Changed { permission, count: names.len(), names: first }
    };
    let all = |it: Permissions| it.iter().map(changed).collect();
    Ok(Effect { gives: all(after.without(before)), takes: all(before.without(after)), more })
}

fn seat(it: &Holder) -> Option<Uuid> {
    it.membership.map(|it| it.0).or(it.invitation.map(|it| it.0))
}

/// Whether a permission of this role reaches something for them that no other grant of theirs reaches.
fn only_by(id: RoleId, held: &[Grant], permission: Permission) -> bool {
    let is_of_role = |it: &&Grant| matches!(&it.role, Role::Custom(of, _) if *of == id);
    let (mine, others): (Vec<&Grant>, Vec<&Grant>) = held.iter().partition(is_of_role);
    let others = Rights::of(others.into_iter().cloned().collect());
    let alone = |it: &Grant| Grant { allows: Permissions::of(&[permission]), ..it.clone() };
    mine.into_iter().any(|it| others.cover(&alone(it)).is_err())
}

/// All that they hold now.
async fn held(scope: &mut Scope, holders: &[Holder]) -> Result<HashMap<Uuid, Vec<Grant>>> {
    let (now, admins_may_delete) = (scope.now(), scope.who().here.admins_may_delete);
    let members: Vec<Uuid> = holders.iter().filter_map(|it| it.membership).map(|it| it.0).collect();
    let invited: Vec<Uuid> = holders.iter().filter_map(|it| it.invitation).map(|it| it.0).collect();
    let mut all = vec![];
    if !members.is_empty() {
        let kind = Of::Membership(MembershipId(Uuid::nil()));
        all.extend(grants::of(scope, kind, &members, admins_may_delete).await?);
    }
    if !invited.is_empty() {
        let kind = Of::Invitation(InvitationId(Uuid::nil()));
        all.extend(grants::of(scope, kind, &invited, admins_may_delete).await?);
    }
    let mut held: HashMap<Uuid, Vec<Grant>> = HashMap::new();
    for (of, grant) in all.into_iter().filter(|(_, it)| it.expires_at.is_none_or(|end| end >= now)) {
        held.entry(of).or_default().push(grant);
    }
    Ok(held)
}
