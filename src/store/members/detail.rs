//! What the page of a member shows besides their row in the list.
use super::{Member, MemberKey, TeamMembership};
use crate::{
    error::Result,
    model::{
        access::Access,
        id::{GrantId, RoleId},
        permission::Permissions,
        time::Time,
    },
    store::{
        Scope, json,
        roles::Role,
        scopable_resources::{self, OFFERED, ScopableResource, Terms},
    },
};
use const_format::concatcp;
use serde::Deserialize;
use uuid::Uuid;

/// What the page of a member shows besides their row in the list.
#[derive(Clone, Debug)]
pub struct MemberDetail {
    pub given: Vec<GrantOrigin>,
    /// Active keys in this account.
    pub key_count: i64,
    /// The newest of these keys.
    pub keys: Vec<MemberKey>,
    /// By name.
    pub teams: Vec<TeamMembership>,
    /// The custom roles that can be granted here, by name.
    pub roles: Vec<Role>,
    /// The resources that a role can list, those that the member's roles list first.
    pub sources: Vec<ScopableResource>,
}

/// How a grant came about.
#[derive(Clone, Debug)]
pub struct GrantOrigin {
    pub grant: GrantId,
    pub at: Time,
    /// Who granted it, if known.
    pub by: Option<String>,
    /// The names of the resources that it lists.
    pub resources: Vec<String>,
}

#[derive(Deserialize)]
struct GrantOriginRow {
    grant: GrantId,
    at: i64,
    by: Option<String>,
    resources: Option<String>,
}

#[derive(Deserialize)]
struct RoleRow {
    id: RoleId,
    name: String,
    description: String,
    permissions: String,
}

#[derive(sqlx::FromRow)]
struct DetailRow {
    given: Option<String>,
    key_count: i64,
    keys: Option<String>,
    teams: Option<String>,
    roles: Option<String>,
    sources: Option<String>,
}

const DETAIL: &str = concatcp!(
    "select
    (select cast(json_agg(json_build_object('grant', encode(uuid_send(g.id), 'hex'), 'at', g.created_at, 'by', u.name,
            'resources', '' || (select cast(json_agg(t.name) as text)
                from grant_resources x join resources t on t.id = x.resource_id where x.grant_id = g.id))) as text)
        from grants g left join users u on u.id = g.granted_by where g.account_id = $1 and g.membership_id = $6) as given,
    (select count(*) from api_keys k where k.account_id = $1 and k.membership_id = $6 and k.revoked_at is null
        and in_force(k, $8)) as key_count,
    (select cast(json_agg(json_build_object('name', k.name, 'last4', k.last4, 'account', '', 'used_at', k.used_at,
            'expires_at', k.expires_at)) as text)
        from (select name, last4, used_at, expires_at from api_keys
            where account_id = $1 and membership_id = $6 and revoked_at is null and in_force(api_keys, $8)
            order by id desc limit 5) k) as keys,
    (select cast(json_agg(json_build_object('slug', t.slug, 'name', t.name, 'member_count', t.member_count, 'owns', t.owns)) as text)
        from (select a.slug, a.name, a.member_count, case when x.is_owner then 1 else 0 end as owns
            from memberships x join accounts a on a.id = x.account_id
            where a.parent_id = $1 and x.user_id = $7 order by a.name, a.id limit 200) t) as teams,
    (select cast(json_agg(json_build_object('id', encode(uuid_send(r.id), 'hex'), 'name', r.name, 'description', r.description,
            'permissions', r.permissions)) as text)
        from (select id, name, description, permissions from roles where account_id = $9 order by name limit 200) r) as roles,
    ",
    OFFERED,
    " as sources"
);

/// How a member's grants came about, their keys and teams, and the roles that they can get, in one statement. `search` finds
/// resources by name, `chosen` are the ones that are ticked.
pub async fn detail(
    scope: &mut Scope<Access>,
    member: &Member,
    search: &str,
    chosen: &[Uuid],
) -> Result<MemberDetail> {
    let terms = Terms::new(scope, search, chosen).of_member(member.id);
    let (now, top) = (scope.now(), scope.access().account.top());
    let query = terms.bind(scope.query_in_account(DETAIL)).bind(member.person.id).bind(now).bind(top);
    let row: DetailRow = query.fetch_one().await?;
    let given = |row: GrantOriginRow| {
        let mut resources: Vec<String> = json::list(row.resources)?;
        resources.sort();
        Ok(GrantOrigin { grant: row.grant, at: Time(row.at), by: row.by, resources })
    };
    let role = |row: RoleRow| {
        let permissions = Permissions::from_json(&row.permissions);
        Role { id: row.id, name: row.name, description: row.description, permissions }
    };
    Ok(MemberDetail {
        given: json::list(row.given)?.into_iter().map(given).collect::<Result<_>>()?,
        key_count: row.key_count,
        keys: json::list(row.keys)?,
        teams: json::list(row.teams)?,
        roles: json::list(row.roles)?.into_iter().map(role).collect(),
        sources: scopable_resources::read(row.sources, scope.access())?,
    })
}
