//! Who reaches a resource, and through which grant: counted by grant, in one statement.
use super::Resource;
use crate::{
    db::List,
    error::Result,
    model::{
        grant::{Grant, Listed, Over, Role},
        id::{RoleId, UserId},
        permission::{Permission, Permissions},
        resource::Visibility,
        role::BuiltIn,
    },
    store::Scope,
};
use uuid::Uuid;

/// People who reach a resource by the same grant.
#[derive(Clone, Debug)]
pub struct Group {
    /// By what.
    pub by: Held,
    /// What it lets them do with the resource.
    pub allows: Permissions,
    /// How many.
    pub people: i64,
    /// The first and the last of them, by their ids.
    pub some: Vec<(UserId, String)>,
}

/// By what somebody reaches a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// As the owner, or as an administrator here.
    Administrators,
    /// As the owner or an administrator of the organization above.
    Leaders,
    /// By such a grant.
    Grant(Grant),
}

/// How many people reach a resource.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// By what, widest first.
    pub groups: Vec<Group>,
    /// Who see it, each counted once.
    pub view: i64,
    /// Who may change it.
    pub update: i64,
    /// Who may delete it.
    pub delete: i64,
    /// Who would see it if it were shared.
    pub if_shared: i64,
    /// Who would see it if it were private.
    pub if_private: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
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

// Active people alone, by grants in force that reach it. A leader of the organization above acts as an admin.
const REACH: &str = "with held as (
        select m.user_id, 'owner' as role, cast(null as uuid) as role_id, 'account' as scope, true as leads
        from memberships m where m.account_id = $1 and m.is_owner
        union all
        select m.user_id, g.role, g.role_id, g.scope, g.role = 'admin' and g.scope = 'account' as leads
        from grants g join memberships m on m.id = g.membership_id
        left join memberships q on q.account_id = $7 and q.user_id = m.user_id
        where g.account_id = $1 and not m.is_owner and coalesce(g.expires_at, $6) >= $6
            and m.suspended_at is null and coalesce(m.expires_at, $6 + 1) > $6
            and q.suspended_at is null and coalesce(q.expires_at, $6 + 1) > $6
            and (g.scope = 'account' or (g.scope = 'product' and g.product = $9) or (g.scope = 'resources' and exists
                (select 1 from grant_resources x where x.grant_id = g.id and x.resource_id = $8)))
        union all
        select q.user_id, 'leader', cast(null as uuid), 'account', true from memberships q where q.account_id = $7
            and q.suspended_at is null and coalesce(q.expires_at, $6 + 1) > $6
            and (q.is_owner or exists (select 1 from grants g where g.membership_id = q.id and g.role = 'admin'
                and coalesce(g.expires_at, $6) >= $6))
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

/// Who reaches a resource of the account.
pub async fn reach(scope: &mut Scope, it: &Resource) -> Result<Seen> {
    let here = scope.who().here.clone();
    let (now, creator) = (scope.now(), it.creator.map_or(Uuid::nil(), |it| it.0));
    let above = if here.is_under_organization() { here.top().0 } else { Uuid::nil() };
    let rows: Vec<Row> = scope
        .ask(REACH)
        .bind(List(&holders(Permission::ViewResources)))
        .bind(List(&holders(Permission::UpdateResources)))
        .bind(List(&holders(Permission::DeleteResources)))
        .bind(creator)
        .bind(now)
        .bind(above)
        .bind(it.id)
        .bind(it.product.clone())
        .bind(it.visibility == Visibility::Shared)
        .fetch_all()
        .await?;
    let mut seen = Seen::default();
    for row in rows {
        match row.what.as_str() {
            "view" => seen.view = row.people,
            "update" => seen.update = row.people,
            "delete" => seen.delete = row.people,
            "if_shared" => seen.if_shared = row.people,
            "if_private" => seen.if_private = row.people,
            _ => seen.groups.extend(row.group(it, here.admins_may_delete)),
        }
    }
    merge_administrators(&mut seen.groups);
    Ok(seen)
}

/// The words of the roles that hold it.
fn holders(it: Permission) -> Vec<String> {
    let all = std::iter::once(&BuiltIn::Owner).chain(BuiltIn::GRANTABLE);
    let words = all.filter(|role| role.permissions(false).has(it)).map(|it| it.word().to_owned());
    words.chain(["leader".to_owned()]).collect()
}

impl Row {
    fn group(self, it: &Resource, admins_may_delete: bool) -> Option<Group> {
        let over = match self.scope.as_deref()? {
            "account" => Over::Account,
            "product" => Over::Product(it.product.clone()),
            _ => Over::Resources(vec![Listed { id: it.id, product: it.product.clone() }]),
        };
        let (by, allows) = match (self.role.as_deref(), self.role_id) {
            (Some("leader"), _) => (Held::Leaders, Permissions::ALL),
            (Some("owner" | "admin"), _) => (Held::Administrators, Permissions::ALL),
            (Some(word), _) => {
                let role = BuiltIn::parse(word)?;
                let grant = Grant { over, ..Grant::whole(role, admins_may_delete) };
                (Held::Grant(grant), role.permissions(admins_may_delete))
            }
            (None, id) => {
                let allows = Permissions::from_json(&self.permissions.unwrap_or_default());
                let role = Role::Custom(id?, self.role_name.unwrap_or_default());
                (Held::Grant(Grant { id: None, role, over, allows, expires_at: None }), allows)
            }
        };
        let person = |it: Option<String>| {
            let (id, name) =
                it.as_deref()?.split_once(' ').map(|(id, name)| (id.parse(), name.to_owned()))?;
            Some((UserId(id.ok()?), name))
        };
        let (first, last) = (person(self.first), person(self.last));
        let last = if self.people > 1 { last } else { None };
        Some(Group { by, allows, people: self.people, some: first.into_iter().chain(last).collect() })
    }
}

/// The owner and the admins stand together, and first.
fn merge_administrators(groups: &mut Vec<Group>) {
    let rank = |it: &Group| match &it.by {
        Held::Administrators => 0,
        Held::Leaders => 1,
        Held::Grant(grant) => match grant.over {
            Over::Account => 2,
            Over::Product(_) => 3,
            Over::Resources(_) => 4,
        },
    };
    groups.sort_by_key(|it| (rank(it), std::cmp::Reverse(it.people)));
    groups.dedup_by(|it, first| {
        let same = it.by == Held::Administrators && first.by == Held::Administrators;
        if same {
            first.people += it.people;
            first.some.append(&mut it.some);
        }
        same
    });
}
