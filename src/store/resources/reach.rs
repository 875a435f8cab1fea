//! Who has access to a resource, counted by grant, in one statement.
use super::Resource;
use crate::{
    db::List,
    error::Result,
    model::{
        access::Access,
        grant::{Grant, GrantScope, Role, ScopedResource},
        id::{RoleId, UserId},
        permission::{Permission, Permissions},
        resource::Visibility,
        role::BuiltIn,
    },
    store::Scope,
};
use uuid::Uuid;

/// People who have access to a resource through the same grant.
#[derive(Clone, Debug)]
pub struct ReachGroup {
    /// Through what.
    pub by: ReachedBy,
    pub allows: Permissions,
    pub people: i64,
    /// The first and the last of them by id.
    pub some: Vec<(UserId, String)>,
}

/// What somebody has access to a resource through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReachedBy {
    /// Owner or administrator of the account.
    Administrators,
    /// Owner or administrator of the organization above.
    Leaders,
    /// A grant like this one.
    Grant(Grant),
}

/// Who has access to a resource.
#[derive(Clone, Debug, Default)]
pub struct ResourceReach {
    /// Widest first.
    pub groups: Vec<ReachGroup>,
    /// People who may see it.
    pub view: i64,
    pub update: i64,
    pub delete: i64,
    /// People who could see it if it were shared.
    pub if_shared: i64,
    /// People who could see it if it were private.
    pub if_private: i64,
}

#[derive(sqlx::FromRow)]
struct ReachRow {
    what: String,
    role: Option<String>,
    role_id: Option<RoleId>,
    role_name: Option<String>,
    permissions: Option<String>,
    scope: Option<String>,
    people: i64,
    first: Option<String>,
    last: Option<String>,
}

// Active members only, by grants in force. A leader of the organization above acts as an admin.
const REACH: &str = "with held as (
        select m.user_id, 'owner' as role, cast(null as uuid) as role_id, 'account' as scope, true as leads
        from memberships m where m.account_id = $1 and m.is_owner
        union all
        select m.user_id, g.role, g.role_id, g.scope, g.role = 'admin' and g.scope = 'account' as leads
        from grants g join memberships m on m.id = g.membership_id
        left join memberships q on q.account_id = $7 and q.user_id = m.user_id
        where g.account_id = $1 and not m.is_owner and in_force(g, $6)
            and active_member(m, $6)
            and active_member(q, $6)
            and (g.scope = 'account' or (g.scope = 'product' and g.product = $9) or (g.scope = 'resources' and exists
                (select 1 from grant_resources x where x.grant_id = g.id and x.resource_id = $8)))
        union all
        select q.user_id, 'leader', cast(null as uuid), 'account', true from memberships q where q.account_id = $7
            and leads_account(q, $6)
    ), able as (
        select h.user_id, h.role, h.role_id, h.scope, coalesce(h.leads, false) as leads, r.name as role_name, r.permissions,
            coalesce(h.role, '') = any($2::text[]) or coalesce(r.permissions, '') like '%\"resources.view\"%' as views,
            coalesce(h.role, '') = any($3::text[]) or coalesce(r.permissions, '') like '%\"resources.update\"%' as updates,
            coalesce(h.role, '') = any($4::text[]) or coalesce(r.permissions, '') like '%\"resources.delete\"%' as deletes,
            coalesce(h.leads, false) or h.user_id = $5 as stays
        from held h left join roles r on r.id = h.role_id
    ), seeing as (
        select a.* from able a where a.user_id in (select user_id from able where views)
            and ($10 or a.user_id in (select user_id from able where stays))
    )
    select 'group' as what, role, role_id, role_name, permissions, scope, count(distinct user_id) as people,
        min(encode(uuid_send(u.id), 'hex') || ' ' || u.name) as first, max(encode(uuid_send(u.id), 'hex') || ' ' || u.name) as last
    from seeing join users u on u.id = user_id where views or updates or deletes
    group by role, role_id, role_name, permissions, scope
    union all select 'view', null, null, null, null, null, count(distinct user_id), null, null from seeing where views
    union all select 'update', null, null, null, null, null, count(distinct user_id), null, null from seeing where updates
    union all select 'delete', null, null, null, null, null, count(distinct user_id), null, null from seeing where deletes
    union all select 'if_shared', null, null, null, null, null, count(distinct user_id), null, null from able where views
    union all select 'if_private', null, null, null, null, null, count(distinct user_id), null, null from able a
        where views and a.user_id in (select user_id from able where stays)";

pub async fn reach(scope: &mut Scope<Access>, resource: &Resource) -> Result<ResourceReach> {
    let here = scope.access().account.clone();
    let (now, creator) = (scope.now(), resource.creator.map_or(Uuid::nil(), |id| id.0));
    let above = if here.is_under_organization() { here.top().0 } else { Uuid::nil() };
    let rows: Vec<ReachRow> = scope
        .query_in_account(REACH)
        .bind(List(&holders(Permission::ViewResources)))
        .bind(List(&holders(Permission::UpdateResources)))
        .bind(List(&holders(Permission::DeleteResources)))
        .bind(creator)
        .bind(now)
        .bind(above)
        .bind(resource.id)
        .bind(resource.product.clone())
        .bind(resource.visibility == Visibility::Shared)
        .fetch_all()
        .await?;
    let mut seen = ResourceReach::default();
    for row in rows {
        match row.what.as_str() {
            "view" => seen.view = row.people,
            "update" => seen.update = row.people,
            "delete" => seen.delete = row.people,
            "if_shared" => seen.if_shared = row.people,
            "if_private" => seen.if_private = row.people,
            _ => seen.groups.extend(row.group(resource, here.admins_may_delete)),
        }
    }
    merge_administrators(&mut seen.groups);
    Ok(seen)
}

/// The built-in roles that have a permission.
fn holders(permission: Permission) -> Vec<String> {
    let all = std::iter::once(&BuiltIn::Owner).chain(BuiltIn::GRANTABLE);
    let words =
        all.filter(|role| role.permissions(false).has(permission)).map(|role| role.as_str().to_owned());
    words.chain(["leader".to_owned()]).collect()
}

impl ReachRow {
    fn group(self, resource: &Resource, admins_may_delete: bool) -> Option<ReachGroup> {
        let over = match self.scope.as_deref()? {
            "account" => GrantScope::Account,
            "product" => GrantScope::Product(resource.product.clone()),
            _ => GrantScope::Resources(vec![ScopedResource {
                id: resource.id,
                product: resource.product.clone(),
            }]),
        };
        let (by, allows) = match (self.role.as_deref(), self.role_id) {
            (Some("leader"), _) => (ReachedBy::Leaders, Permissions::ALL),
            (Some("owner" | "admin"), _) => (ReachedBy::Administrators, Permissions::ALL),
            (Some(word), _) => {
                let role = BuiltIn::parse(word)?;
                let grant = Grant { over, ..Grant::whole(role, admins_may_delete) };
                (ReachedBy::Grant(grant), role.permissions(admins_may_delete))
            }
            (None, id) => {
                let allows = Permissions::from_json(&self.permissions.unwrap_or_default());
                let role = Role::Custom(id?, self.role_name.unwrap_or_default());
                (ReachedBy::Grant(Grant { id: None, role, over, allows, expires_at: None }), allows)
            }
        };
        let person = |text: Option<String>| {
            let (id, name) =
                text.as_deref()?.split_once(' ').map(|(id, name)| (id.parse(), name.to_owned()))?;
            Some((UserId(id.ok()?), name))
        };
        let (first, last) = (person(self.first), person(self.last));
        let last = if self.people > 1 { last } else { None };
        Some(ReachGroup { by, allows, people: self.people, some: first.into_iter().chain(last).collect() })
    }
}

/// Merges the groups of the owner and the admins, and puts them first.
fn merge_administrators(groups: &mut Vec<ReachGroup>) {
    let rank = |group: &ReachGroup| match &group.by {
        ReachedBy::Administrators => 0,
        ReachedBy::Leaders => 1,
        ReachedBy::Grant(grant) => match grant.over {
            GrantScope::Account => 2,
            GrantScope::Product(_) => 3,
            GrantScope::Resources(_) => 4,
        },
    };
    groups.sort_by_key(|group| (rank(group), std::cmp::Reverse(group.people)));
    groups.dedup_by(|group, first| {
        let same = group.by == ReachedBy::Administrators && first.by == ReachedBy::Administrators;
        if same {
            first.people += group.people;
            first.some.append(&mut group.some);
        }
        same
    });
}
