//! What saving a role changes: which permissions its holders gain and lose.
use super::{RoleHolder, RoleRef, holders_of};
use crate::{
    error::Result,
    model::{
        access::Access,
        grant::{Grant, Rights, Role},
        id::{InvitationId, MembershipId, RoleId},
        permission::{Permission, Permissions},
    },
    store::{
        Scope,
        grants::{self, GrantHolder},
    },
};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

#[derive(Clone, Debug)]
pub struct PermissionChange {
    pub permission: Permission,
    pub count: usize,
    pub names: Vec<String>,
}

/// What saving a role changes.
#[derive(Clone, Debug, Default)]
pub struct RoleChangeImpact {
    /// Permissions that holders gain.
    pub gives: Vec<PermissionChange>,
    /// Permissions that holders lose, because no other role gives them.
    pub takes: Vec<PermissionChange>,
    /// Whether there are more holders than were checked.
    pub more: bool,
}

/// How many holders are checked.
const MOST: usize = 500;
const NAMED: usize = 10;

pub async fn effect(
    scope: &mut Scope<Access>,
    id: RoleId,
    before: Permissions,
    after: Permissions,
) -> Result<RoleChangeImpact> {
    if before == after {
        return Ok(RoleChangeImpact::default());
    }
    let limit = i64::try_from(MOST + 1).unwrap_or(i64::MAX);
    let mut holders = holders_of(scope, RoleRef::Custom(id), limit).await?;
    let more = holders.len() > MOST;
    holders.truncate(MOST);
    let held = held(scope, &holders).await?;
    let changed = |permission: Permission| {
        let is_touched = |holder: &&RoleHolder| {
            let grants = seat(holder).and_then(|seat| held.get(&seat));
            grants.is_some_and(|all| only_by(id, all, permission))
        };
        let mut seen = HashSet::new();
        let names: Vec<&RoleHolder> =
            holders.iter().filter(is_touched).filter(|holder| seen.insert(holder.key())).collect();
        let first = names.iter().take(NAMED).map(|holder| holder.name.clone()).collect();
        PermissionChange { permission, count: names.len(), names: first }
    };
    let all = |permissions: Permissions| permissions.iter().map(changed).collect();
    Ok(RoleChangeImpact { gives: all(after.without(before)), takes: all(before.without(after)), more })
}

fn seat(holder: &RoleHolder) -> Option<Uuid> {
    holder.membership.map(|id| id.0).or(holder.invitation.map(|id| id.0))
}

/// Whether this role gives them the permission somewhere that no other grant of theirs does.
fn only_by(id: RoleId, held: &[Grant], permission: Permission) -> bool {
    let is_of_role = |grant: &&Grant| matches!(&grant.role, Role::Custom(of, _) if *of == id);
    let (mine, others): (Vec<&Grant>, Vec<&Grant>) = held.iter().partition(is_of_role);
    let others = Rights::of(others.into_iter().cloned().collect());
    let alone = |grant: &Grant| Grant { allows: Permissions::of(&[permission]), ..grant.clone() };
    mine.into_iter().any(|grant| others.cover(&alone(grant)).is_err())
}

/// Their current grants.
async fn held(scope: &mut Scope<Access>, holders: &[RoleHolder]) -> Result<HashMap<Uuid, Vec<Grant>>> {
    let (now, admins_may_delete) = (scope.now(), scope.access().account.admins_may_delete);
    let members: Vec<Uuid> = holders.iter().filter_map(|holder| holder.membership).map(|id| id.0).collect();
    let invited: Vec<Uuid> = holders.iter().filter_map(|holder| holder.invitation).map(|id| id.0).collect();
    let mut all = vec![];
    if !members.is_empty() {
        let kind = GrantHolder::Membership(MembershipId(Uuid::nil()));
        all.extend(grants::of(scope, kind, &members, admins_may_delete).await?);
    }
    if !invited.is_empty() {
        let kind = GrantHolder::Invitation(InvitationId(Uuid::nil()));
        all.extend(grants::of(scope, kind, &invited, admins_may_delete).await?);
    }
    let mut held: HashMap<Uuid, Vec<Grant>> = HashMap::new();
    for (of, grant) in all.into_iter().filter(|(_, grant)| grant.expires_at.is_none_or(|end| end > now)) {
        held.entry(of).or_default().push(grant);
    }
    Ok(held)
}
