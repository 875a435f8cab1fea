//! What the page of one member adds to their row in the list.
use super::{HeldKey, Member, Seat};
use crate::{
    error::Result,
    model::{
        id::{GrantId, RoleId},
        permission::Permissions,
        time::Time,
    },
    store::{
        Scope, json,
        roles::Role,
        scopable_resources::{self, Source, Terms, offered},
    },
};
use serde::Deserialize;
use uuid::Uuid;

/// What the page of one member adds.
#[derive(Clone, Debug)]
pub struct Detail {
    /// How each grant came about.
    pub given: Vec<Given>,
    /// How many keys of theirs work here.
    pub key_count: i64,
    /// The first of those keys, newest first.
    pub keys: Vec<HeldKey>,
    /// Their teams, by name.
    pub teams: Vec<Seat>,
    /// The custom roles that can be held here, by name.
    pub roles: Vec<Role>,
    /// The resources that a role can list, those that their roles list first.
    pub sources: Vec<Source>,
}

/// How a grant came about.
#[derive(Clone, Debug)]
pub struct Given {
    /// Which grant.
    pub grant: GrantId,
    /// Since when.
    pub at: Time,
    /// Who gave it, if that is known.
    pub by: Option<String>,
    /// The resources that it lists, by name.
    pub resources: Vec<String>,
}

#[derive(Deserialize)]
struct GivenRow {
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
struct Row {
    given: Option<String>,
    key_count: i64,
    keys: Option<String>,
    teams: Option<String>,
    roles: Option<String>,
    sources: Option<String>,
}

const DETAIL: &str = concat!("select
    (select cast(json_agg(json_build_object('grant', encode(uuid_send(g.id), 'hex'), 'at', g.created_at, 'by', u.name,
            'resources', '' || (select cast(json_agg(t.name) as text)
                from grant_resources x join resources t on t.id = x.resource_id where x.grant_id = g.id))) as text)
        from grants g left join users u on u.id = g.granted_by where g.account_id = $1 and g.membership_id = $2) as given,
    (select count(*) from api_keys k where k.account_id = $1 and k.membership_id = $2 and k.revoked_at is null
        and coalesce(k.expires_at, $4 + 1) > $4) as key_count,
    (select cast(json_agg(json_build_object('name', k.name, 'last4', k.last4, 'account', '', 'used_at', k.used_at,
            'expires_at', k.expires_at)) as text)
        from (select name, last4, used_at, expires_at from api_keys
            where account_id = $1 and membership_id = $2 and revoked_at is null and coalesce(expires_at, $4 + 1) > $4
            order by id desc limit 5) k) as keys,
    (select cast(json_agg(json_build_object('slug', t.slug, 'name', t.name, 'member_count', t.member_count, 'owns', t.owns)) as text)
        from (select a.slug, a.name, a.member_count, case when x.is_owner then 1 else 0 end as owns
            from memberships x join accounts a on a.id = x.account_id
            where a.parent_id = $1 and x.user_id = $3 order by a.name, a.id limit 200) t) as teams,
    (select cast(json_agg(json_build_object('id', encode(uuid_send(r.id), 'hex'), 'name', r.name, 'description', r.description,
            'permissions', r.permissions)) as text)
        from (select id, name, description, permissions from roles where account_id = $5 order by name limit 200) r) as roles,
    ", offered!("$6", "$7", "$8", "$9", "t.id in (select x.resource_id from grant_resources x
        join grants g on g.id = x.grant_id where g.membership_id = $2)"), " as sources");

/// How a member's grants came about, their keys and teams, and the roles that they can be given: one statement.
/// `search` is for a source by name, `chosen` what is ticked.
pub async fn detail(scope: &mut Scope, member: &Member, search: &str, chosen: &[Uuid]) -> Result<Detail> {
    let terms = Terms::of(scope, search, chosen);
    let (now, top) = (scope.now(), scope.who().here.top());
    let query = scope.ask(DETAIL).bind(member.id).bind(member.person.id).bind(now).bind(top);
    let row: Row = terms.bind(query).fetch_one().await?;
    let given = |it: GivenRow| {
        let mut resources: Vec<String> = json::list(it.resources)?;
        resources.sort();
        Ok(Given { grant: it.grant, at: Time(it.at), by: it.by, resources })
    };
    let role = |it: RoleRow| {
        let permissions = Permissions::from_json(&it.permissions);
        Role { id: it.id, name: it.name, description: it.description, permissions }
    };
    Ok(Detail {
        given: json::list(row.given)?.into_iter().map(given).collect::<Result<_>>()?,
        key_count: row.key_count,
        keys: json::list(row.keys)?,
        teams: json::list(row.teams)?,
        roles: json::list(row.roles)?.into_iter().map(role).collect(),
        sources: scopable_resources::read(row.sources, scope.who())?,
    })
}
