//! What of a removed member's snapshot still exists.
use super::super::removal_snapshot::{GrantSnapshot, Missing, RemovalSnapshot};
use crate::{
    db::List,
    error::Result,
    model::{
        access::Access,
        grant::{Grant, GrantScope, Role, ScopedResource},
        id::{AccountId, MembershipId, ResourceId, RoleId, UserId},
        permission::Permissions,
        role::BuiltIn,
        time::Time,
    },
    store::Change,
};
use std::collections::HashMap;
use uuid::Uuid;

/// The roles, resources and teams that still exist.
pub(super) struct Existing {
    pub roles: HashMap<RoleId, (String, Permissions)>,
    pub resources: HashMap<ResourceId, (AccountId, String)>,
    pub teams: HashMap<AccountId, TeamRow>,
}

#[derive(sqlx::FromRow)]
pub(super) struct TeamRow {
    pub id: AccountId,
    pub owner_id: UserId,
    pub admins_may_delete: bool,
    pub is_offered: bool,
    /// The caller's own membership, if it is active.
    pub mine: Option<MembershipId>,
    pub mine_is_owner: Option<bool>,
}

impl Existing {
    pub async fn find(change: &mut Change<Access>, removed: &RemovalSnapshot) -> Result<Existing> {
        let handed = removed.teams.iter().filter_map(|team| team.handed.as_ref()?.previous_grants.as_ref());
        let held = removed.teams.iter().map(|team| &team.grants).chain([&removed.here.grants]).chain(handed);
        let held: Vec<&GrantSnapshot> = held.flatten().collect();
        let roles: Vec<Uuid> = held.iter().filter_map(|grant| grant.role_id.map(|id| id.0)).collect();
        let listed: Vec<Uuid> =
            held.iter().flat_map(|grant| grant.resources.iter().map(|resource| resource.id.0)).collect();
        let teams: Vec<Uuid> = removed.teams.iter().map(|team| team.row.account_id.0).collect();
        let (top, me, now) = (change.access().account.top(), change.access().user_id(), change.now());

        let sql = "select id, name, permissions from roles where account_id = $1 and id = any($2::uuid[])";
        let roles: Vec<(RoleId, String, String)> =
            change.query_unscoped(sql).bind(top).bind(List(&roles)).fetch_all().await?;
        let sql = "select id, account_id, product from resources where id = any($1::uuid[])";
        let resources: Vec<(ResourceId, AccountId, String)> =
            change.query_unscoped(sql).bind(List(&listed)).fetch_all().await?;
        let sql = "select 1 from accounts where parent_id = $1 and id = any($2::uuid[]) order by id for no key update";
        change.query_in_account(sql).bind(List(&teams)).execute().await?;
        let sql = "select a.id, a.owner_id, a.admins_may_delete,
                exists (select 1 from transfers t where t.account_id = a.id) as is_offered,
                m.id as mine, m.is_owner as mine_is_owner
            from accounts a left join memberships m on m.account_id = a.id and m.user_id = $3 and active_member(m, $4)
            where a.parent_id = $1 and a.id = any($2::uuid[])";
        let teams: Vec<TeamRow> =
            change.query_in_account(sql).bind(List(&teams)).bind(me).bind(now).fetch_all().await?;
        let role =
            |(id, name, allows): (RoleId, String, String)| (id, (name, Permissions::from_json(&allows)));
        Ok(Existing {
            roles: roles.into_iter().map(role).collect(),
            resources: resources.into_iter().map(|resource| (resource.0, (resource.1, resource.2))).collect(),
            teams: teams.into_iter().map(|team| (team.id, team)).collect(),
        })
    }
    /// The grant as it can be restored in `account`, and the names of resources that it no longer lists; or why it cannot.
    pub fn grant(
        &self,
        snapshot: &GrantSnapshot,
        account: AccountId,
        admins_may_delete: bool,
        now: Time,
    ) -> Result<(Grant, Vec<String>), Missing> {
        let named = |name: &str, code: &str, detail: String| Missing::new("grant", name, code, detail);
        let (role, allows) = match (snapshot.role.as_deref().and_then(BuiltIn::parse), snapshot.role_id) {
            (Some(role), _) => (Role::BuiltIn(role), role.permissions(admins_may_delete)),
            (None, id) => {
                let name = snapshot.role_name.clone().unwrap_or_default();
                let Some((id, (name, allows))) = id.and_then(|id| Some((id, self.roles.get(&id)?))) else {
                    let detail = format!("The role “{name}” was deleted.");
                    return Err(named(&name, "role_deleted", detail));
                };
                (Role::Custom(id, name.clone()), *allows)
            }
        };
        let there = |id: ResourceId| self.resources.get(&id).filter(|found| found.0 == account);
        let over = match snapshot.scope.as_str() {
            "account" => GrantScope::Account,
            "product" => GrantScope::Product(snapshot.product.clone().unwrap_or_default()),
            _ => {
                let listed = snapshot.resources.iter().filter_map(|resource| {
                    there(resource.id)
                        .map(|found| ScopedResource { id: resource.id, product: found.1.clone() })
                });
                GrantScope::Resources(listed.collect())
            }
        };
        let grant = Grant { id: Some(snapshot.id), role, over, allows, expires_at: snapshot.expires_at };
        if grant.over == GrantScope::Resources(vec![]) {
            let detail = "The resources that it listed are gone.".to_owned();
            return Err(named(&grant.title(), "resource_deleted", detail));
        }
        if snapshot.expires_at.is_some_and(|end| end <= now) {
            return Err(named(&grant.title(), "grant_ended", "It has ended meanwhile.".to_owned()));
        }
        let gone = snapshot
            .resources
            .iter()
            .filter(|resource| there(resource.id).is_none())
            .map(|resource| resource.name.clone());
        Ok((grant, gone.collect()))
    }
}
