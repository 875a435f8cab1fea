//! The resources that a resource-specific role can list.
use super::{
    Scope, json, like,
    roles::{self, Role},
};
use crate::{
    db::{List, Query},
    error::Result,
    model::{
        access::Access,
        id::{MembershipId, ResourceId, UserId},
        permission::{Permission, Permissions},
    },
};
use const_format::concatcp;
use serde::Deserialize;
use uuid::Uuid;

/// A resource that a role can list.
#[derive(Clone, Debug, Deserialize, sqlx::FromRow)]
pub struct ScopableResource {
    pub id: ResourceId,
    pub product: String,
    pub kind: String,
    pub name: String,
}

/// The most resources that are offered at once.
pub const MOST: usize = 100;

/// The resources that a role can list, as JSON: what is chosen, or listed by a grant of the member `$6`, comes first, whatever kind it is of.
pub(super) const OFFERED: &str = "(select cast(json_agg(json_build_object('id', encode(uuid_send(s.id), 'hex'), 'product', s.product, 'kind', s.kind,
                    'name', s.name)) as text)
                from (select t.id, t.product, t.kind, t.name,
                        case when t.id = any($5::uuid[]) or t.id in (select x.resource_id from grant_resources x join grants g on g.id = x.grant_id
                                where g.membership_id = $6) then 0 else 1 end as rank
                    from resources t
                    where t.account_id = $1 and (t.visibility = 'shared' or t.created_by = $3)
                        and ((t.kind = any($2::text[]) and lower(t.name) like $4 escape '\\')
                            or t.id = any($5::uuid[]) or t.id in (select x.resource_id from grant_resources x join grants g on g.id = x.grant_id
                                where g.membership_id = $6))
                    order by rank, t.name, t.id limit 101) s)";

/// `$2` to `$6` of `OFFERED`.
pub(super) struct Terms<'a> {
    kinds: Vec<String>,
    me: Option<UserId>,
    like: String,
    chosen: &'a [Uuid],
    member: MembershipId,
}

impl<'a> Terms<'a> {
    pub(super) fn new(scope: &Scope<Access>, search: &str, chosen: &'a [Uuid]) -> Terms<'a> {
        let kinds = scope.context().catalog.kinds.iter().filter(|kind| kind.is_source);
        let kinds = kinds.map(|kind| kind.id.clone()).collect();
        let like = format!("%{}%", like::escape(&search.trim().to_lowercase()));
        Terms { kinds, me: scope.access().user_id(), like, chosen, member: MembershipId(Uuid::nil()) }
    }
    /// With what this member's grants list.
    pub(super) fn of_member(self, member: MembershipId) -> Terms<'a> {
        Terms { member, ..self }
    }
    pub(super) fn bind<'q>(&self, query: Query<'q>) -> Query<'q> {
        query
            .bind(List(&self.kinds))
            .bind(self.me)
            .bind(self.like.clone())
            .bind(List(self.chosen))
            .bind(self.member)
    }
}

/// Reads the answer of `OFFERED`, without what the reader may not see. One more than `MOST` means that there are more.
pub(super) fn read(told: Option<String>, access: &Access) -> Result<Vec<ScopableResource>> {
    let all: Vec<ScopableResource> = json::list(told)?;
    let sees = |resource: &ScopableResource| {
        access.rights.may_on(Permission::ViewResources, &resource.product, resource.id)
    };
    Ok(all.into_iter().filter(sees).collect())
}

/// The account's resources that a role can list, by name, chosen ones first. `search` filters the others by name. One more than
/// `MOST` means that there are more. Private ones are offered only to their creator.
pub async fn list(scope: &mut Scope<Access>, search: &str, chosen: &[Uuid]) -> Result<Vec<ScopableResource>> {
    let terms = Terms::new(scope, search, chosen);
    let sql = concatcp!("select ", OFFERED);
    let (json,): (Option<String>,) = terms.bind(scope.query_in_account(sql)).fetch_one().await?;
    read(json, scope.access())
}

#[derive(Deserialize)]
struct RoleRow {
    id: crate::model::id::RoleId,
    name: String,
    description: String,
    permissions: String,
}

/// The custom roles that can be granted, and the resources that they can list, in one statement.
pub async fn with_roles(
    scope: &mut Scope<Access>,
    search: &str,
    chosen: &[Uuid],
) -> Result<(Vec<Role>, Vec<ScopableResource>)> {
    let (terms, top) = (Terms::new(scope, search, chosen), scope.access().account.top());
    let sql = concatcp!("select ", OFFERED, ", (select cast(json_agg(json_build_object(
            'id', encode(uuid_send(r.id), 'hex'), 'name', r.name, 'description', r.description, 'permissions', r.permissions)) as text)
        from (select id, name, description, permissions from roles where account_id = $7 order by name limit 200) r)");
    let (sources, found): (Option<String>, Option<String>) =
        terms.bind(scope.query_in_account(sql)).bind(top).fetch_one().await?;
    let rows: Vec<RoleRow> = json::list(found)?;
    let role = |row: RoleRow| roles::Role {
        permissions: Permissions::from_json(&row.permissions),
        id: row.id,
        name: row.name,
        description: row.description,
    };
    Ok((rows.into_iter().map(role).collect(), read(sources, scope.access())?))
}

/// The same for all kinds of resources, for API keys. Private ones are also offered to administrators.
pub async fn any(scope: &mut Scope<Access>, search: &str, chosen: &[Uuid]) -> Result<Vec<ScopableResource>> {
    let Terms { me, like, .. } = Terms::new(scope, search, chosen);
    let private = scope.access().is_administrator();
    let sql = "select id, product, kind, name from resources
        where account_id = $1 and ($2 or visibility = 'shared' or created_by = $3)
            and (lower(name) like $4 escape '\\' or id = any($5::uuid[]))
        order by case when id = any($5::uuid[]) then 0 else 1 end, name, id limit $6";
    let most = i64::try_from(MOST).unwrap_or(0) + 1;
    let found: Vec<ScopableResource> = scope
        .query_in_account(sql)
        .bind(private)
        .bind(me)
        .bind(like)
        .bind(List(chosen))
        .bind(most)
        .fetch_all()
        .await?;
    let rights = &scope.access().rights;
    let mine = |resource: &ScopableResource| {
        rights.may_on(Permission::ViewResources, &resource.product, resource.id)
    };
    Ok(found.into_iter().filter(mine).collect())
}
