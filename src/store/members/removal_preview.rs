//! What ends when members are removed, shown before it is done.
use super::Member;
use crate::{
    db::List,
    error::Result,
    model::{access::Access, id::MembershipId, time::Time},
    store::{Scope, json},
};
use serde::Deserialize;
use uuid::Uuid;

#[derive(Clone, Debug, Default)]
pub struct RemovalPreview {
    /// Active keys in the account and its teams.
    pub key_count: i64,
    /// The ten most recently used of these keys.
    pub keys: Vec<MemberKey>,
    /// Browsers that they are signed in with.
    pub sessions: i64,
    /// The teams that they leave, those that they own first.
    pub teams: Vec<TeamMembership>,
    /// Their private resources in the account.
    pub made_here: i64,
    /// Their private resources in its teams.
    pub made_in_teams: i64,
    pub made: Vec<PrivateResource>,
    /// The owner's name.
    pub owner: String,
    /// Who can take over: the owner first, then admins and members of the teams that the member owns.
    pub heirs: Vec<Successor>,
}

/// A private resource that passes to somebody else.
#[derive(Clone, Debug, Deserialize)]
pub struct PrivateResource {
    pub name: String,
    pub product: String,
    pub kind: String,
    /// The team's name; `None` if it belongs to the account itself.
    pub team: Option<String>,
    /// The name of the team's owner, who gets it; `None` if the successor does.
    pub owner: Option<String>,
}

/// An API key that stops working.
#[derive(Clone, Debug, Deserialize)]
pub struct MemberKey {
    pub name: String,
    pub last4: String,
    /// The account's name.
    pub account: String,
    used_at: Option<i64>,
    expires_at: Option<i64>,
}

impl MemberKey {
    pub fn used_at(&self) -> Option<Time> {
        self.used_at.map(Time)
    }
    pub fn expires_at(&self) -> Option<Time> {
        self.expires_at.map(Time)
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct TeamMembership {
    pub slug: String,
    pub name: String,
    pub member_count: i64,
    /// 1 for the owner. The engines write booleans differently in JSON.
    owns: i64,
}

impl TeamMembership {
    /// Whether the member owns the team.
    pub fn is_owner(&self) -> bool {
        self.owns == 1
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct Successor {
    /// The membership, in hexadecimal digits.
    id: String,
    pub name: String,
    pub email: String,
}

impl Successor {
    /// Their membership.
    pub fn id(&self) -> MembershipId {
        MembershipId(self.id.parse().unwrap_or(Uuid::nil()))
    }
}

// For a team that the member owns, the new owner is the successor, who is not known yet.
const DEPARTURE: &str = "select
    (select count(*) from api_keys k join accounts a on a.id = k.account_id
        where (a.id = $1 or a.parent_id = $1) and k.user_id = $2 and k.membership_id is not null and k.revoked_at is null
            and in_force(k, $3)) as key_count,
    (select cast(json_agg(json_build_object('name', k.name, 'last4', k.last4, 'account', k.account, 'used_at', k.used_at,
            'expires_at', k.expires_at)) as text)
        from (select k.name, k.last4, a.name as account, k.used_at, k.expires_at
            from api_keys k join accounts a on a.id = k.account_id
            where (a.id = $1 or a.parent_id = $1) and k.user_id = $2 and k.membership_id is not null and k.revoked_at is null
                and in_force(k, $3)
            order by coalesce(k.used_at, 0) desc, k.id limit 10) k) as keys,
    (select cast(json_agg(json_build_object('slug', t.slug, 'name', t.name, 'member_count', t.member_count, 'owns', t.owns)) as text)
        from (select a.slug, a.name, a.member_count, case when x.is_owner then 1 else 0 end as owns
            from memberships x join accounts a on a.id = x.account_id
            where a.parent_id = $1 and x.user_id = $2 order by x.is_owner desc, a.name, a.id limit 200) t) as teams,
    (select cast(json_agg(json_build_object('id', encode(uuid_send(h.id), 'hex'), 'name', h.name, 'email', h.email)) as text)
        from (select m.id, u.name, u.email from memberships m join users u on u.id = m.user_id
            where m.account_id = $1 and m.user_id <> $2 and active_member(m, $3)
                and m.id in (
                    select id from memberships where account_id = $1 and is_owner
                    union select g.membership_id from grants g where g.account_id = $1 and g.role = 'admin' and g.scope = 'account'
                        and g.membership_id is not null and in_force(g, $3)
                    union select y.id from accounts t join memberships x on x.account_id = t.id
                        join memberships y on y.account_id = $1 and y.user_id = x.user_id
                        where t.parent_id = $1 and t.owner_id = $2)
            order by m.is_owner desc, m.name_key, m.id limit 100) h) as heirs,
    (select count(*) from sessions where user_id = $2 and expires_at > $3) as sessions,
    (select count(*) from resources where account_id = $1 and created_by = $2 and visibility = 'private') as made_here,
    (select count(*) from resources r join memberships x on x.account_id = r.account_id and x.user_id = $2
        join accounts a on a.id = r.account_id where a.parent_id = $1 and r.created_by = $2 and r.visibility = 'private') as made_in_teams,
    (select cast(json_agg(json_build_object('name', r.name, 'product', r.product, 'kind', r.kind, 'team', r.team, 'owner', r.owner)) as text)
        from (select r.name, r.product, r.kind, case when a.id = $1 then null else a.name end as team,
                case when a.id = $1 or a.owner_id = $2 then null else o.name end as owner
            from resources r join accounts a on a.id = r.account_id join users o on o.id = a.owner_id
            join memberships x on x.account_id = a.id and x.user_id = $2
            where (a.id = $1 or a.parent_id = $1) and r.created_by = $2 and r.visibility = 'private'
            order by case when a.id = $1 then 0 else 1 end, r.name_key, r.id limit 10) r) as made,
    (select o.name from accounts a join users o on o.id = a.owner_id where a.id = $1) as owner";

#[derive(sqlx::FromRow)]
struct PreviewRow {
    key_count: i64,
    keys: Option<String>,
    teams: Option<String>,
    heirs: Option<String>,
    sessions: i64,
    made_here: i64,
    made_in_teams: i64,
    made: Option<String>,
    owner: String,
}

/// What ends if a member is removed now.
pub async fn preview_removal(scope: &mut Scope<Access>, member: &Member) -> Result<RemovalPreview> {
    let now = scope.now();
    let row: PreviewRow =
        scope.query_in_account(DEPARTURE).bind(member.person.id).bind(now).fetch_one().await?;
    Ok(RemovalPreview {
        key_count: row.key_count,
        keys: json::list(row.keys)?,
        sessions: row.sessions,
        teams: json::list(row.teams)?,
        made_here: row.made_here,
        made_in_teams: row.made_in_teams,
        made: json::list(row.made)?,
        owner: row.owner,
        heirs: json::list(row.heirs)?,
    })
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemovalImpact {
    pub keys: i64,
    /// Memberships in teams.
    pub seats: i64,
    pub owned_teams: i64,
    pub resources: i64,
}

/// What ends if these members are removed now.
pub async fn removal_impact(scope: &mut Scope<Access>, members: &[&Member]) -> Result<RemovalImpact> {
    let now = scope.now();
    let users: Vec<Uuid> = members.iter().map(|member| member.person.id.0).collect();
    let (keys, seats, owned_teams, resources) = scope
        .query_in_account(
            "select (select count(*) from api_keys k join accounts a on a.id = k.account_id
                    where (a.id = $1 or a.parent_id = $1) and k.user_id = any($2::uuid[]) and k.membership_id is not null
                        and k.revoked_at is null and in_force(k, $3)),
                (select count(*) from memberships x join accounts a on a.id = x.account_id
                    where a.parent_id = $1 and x.user_id = any($2::uuid[])),
                (select count(*) from accounts where parent_id = $1 and owner_id = any($2::uuid[])),
                (select count(*) from resources r join memberships x on x.account_id = r.account_id and x.user_id = r.created_by
                    join accounts a on a.id = r.account_id
                    where (a.id = $1 or a.parent_id = $1) and r.created_by = any($2::uuid[]) and r.visibility = 'private')",
        )
        .bind(List(&users))
        .bind(now)
        .fetch_one()
        .await?;
    Ok(RemovalImpact { keys, seats, owned_teams, resources })
}
