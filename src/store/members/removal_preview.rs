//! What ends when members go: told before it is done.
use super::Member;
use crate::{
    db::List,
    error::Result,
    model::{id::MembershipId, time::Time},
    store::{Scope, json},
};
use serde::Deserialize;
use uuid::Uuid;

/// What ends when a member is removed.
#[derive(Clone, Debug, Default)]
pub struct Departure {
    /// How many keys of theirs work here and in the account's teams.
    pub key_count: i64,
    /// The first of those keys, last used first.
    pub keys: Vec<HeldKey>,
    /// How many browsers they are signed in with.
    pub sessions: i64,
    /// The account's teams that they leave, their own first.
    pub teams: Vec<Seat>,
    /// How many private resources of theirs there are here, and in the account's teams.
    pub made_here: i64,
    /// See `made_here`.
    pub made_in_teams: i64,
    /// The first of those resources, by name.
    pub made: Vec<Made>,
    /// Who owns the account, by name.
    pub owner: String,
    /// Who can take over: the owner first, then admins and members of the teams that they own.
    pub heirs: Vec<Heir>,
}

/// A private resource that needs somebody.
#[derive(Clone, Debug, Deserialize)]
pub struct Made {
    /// Its name.
    pub name: String,
    /// Its product's word.
    pub product: String,
    /// Its kind's word.
    pub kind: String,
    /// The name of the team that has it; none if the account itself has.
    pub team: Option<String>,
    /// The name of that team's owner to be; none if that is who takes over.
    pub owner: Option<String>,
}

/// An API key that stops.
#[derive(Clone, Debug, Deserialize)]
pub struct HeldKey {
    /// What its maker called it.
    pub name: String,
    /// Its last four characters.
    pub last4: String,
    /// The name of the account that it opens.
    pub account: String,
    used_at: Option<i64>,
    expires_at: Option<i64>,
}

impl HeldKey {
    /// When it was last used.
    pub fn used_at(&self) -> Option<Time> {
        self.used_at.map(Time)
    }
    /// When it ends.
    pub fn expires_at(&self) -> Option<Time> {
        self.expires_at.map(Time)
    }
}

/// A place in a team.
#[derive(Clone, Debug, Deserialize)]
pub struct Seat {
    /// The team's slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// How many members it has.
    pub member_count: i64,
    /// 1 for its owner; the engines write a boolean differently.
    owns: i64,
}

impl Seat {
    /// Whether the member owns the team.
    pub fn is_owner(&self) -> bool {
        self.owns == 1
    }
}

/// A member who can take over teams.
#[derive(Clone, Debug, Deserialize)]
pub struct Heir {
    /// Their membership, in hexadecimal digits.
    id: String,
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
}

impl Heir {
    /// Their membership.
    pub fn id(&self) -> MembershipId {
        MembershipId(self.id.parse().unwrap_or(Uuid::nil()))
    }
}

// A team that the member owns has no owner yet who could be named: it is who takes over.
const DEPARTURE: &str = "select
    (select count(*) from api_keys k join accounts a on a.id = k.account_id
        where (a.id = $1 or a.parent_id = $1) and k.user_id = $2 and k.membership_id is not null and k.revoked_at is null
            and coalesce(k.expires_at, $3 + 1) > $3) as key_count,
    (select cast(json_agg(json_build_object('name', k.name, 'last4', k.last4, 'account', k.account, 'used_at', k.used_at,
            'expires_at', k.expires_at)) as text)
        from (select k.name, k.last4, a.name as account, k.used_at, k.expires_at
            from api_keys k join accounts a on a.id = k.account_id
            where (a.id = $1 or a.parent_id = $1) and k.user_id = $2 and k.membership_id is not null and k.revoked_at is null
                and coalesce(k.expires_at, $3 + 1) > $3
            order by coalesce(k.used_at, 0) desc, k.id limit 10) k) as keys,
    (select cast(json_agg(json_build_object('slug', t.slug, 'name', t.name, 'member_count', t.member_count, 'owns', t.owns)) as text)
        from (select a.slug, a.name, a.member_count, case when x.is_owner then 1 else 0 end as owns
            from memberships x join accounts a on a.id = x.account_id
            where a.parent_id = $1 and x.user_id = $2 order by x.is_owner desc, a.name, a.id limit 200) t) as teams,
    (select cast(json_agg(json_build_object('id', encode(uuid_send(h.id), 'hex'), 'name', h.name, 'email', h.email)) as text)
        from (select m.id, u.name, u.email from memberships m join users u on u.id = m.user_id
            where m.account_id = $1 and m.user_id <> $2 and m.suspended_at is null and coalesce(m.expires_at, $3 + 1) > $3
                and m.id in (
                    select id from memberships where account_id = $1 and is_owner
                    union select membership_id from grants where account_id = $1 and role = 'admin' and membership_id is not null
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
struct Row {
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

/// Says what ends when a member is removed, now.
pub async fn departure(scope: &mut Scope, member: &Member) -> Result<Departure> {
    let now = scope.now();
    let row: Row = scope.ask(DEPARTURE).bind(member.person.id).bind(now).fetch_one().await?;
    Ok(Departure {
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

/// What ends when several members are removed, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Keys that stop.
    pub keys: i64,
    /// Places in teams that they give up.
    pub seats: i64,
    /// Teams that pass to the account's owner.
    pub owned_teams: i64,
    /// Private resources that pass on.
    pub resources: i64,
}

/// Says what ends when all of these are removed, now.
pub async fn losses(scope: &mut Scope, members: &[&Member]) -> Result<Losses> {
    let now = scope.now();
    let users: Vec<Uuid> = members.iter().map(|it| it.person.id.0).collect();
    let (keys, seats, owned_teams, resources) = scope
        .ask(
            "select (select count(*) from api_keys k join accounts a on a.id = k.account_id
                    where (a.id = $1 or a.parent_id = $1) and k.user_id = any($2::uuid[]) and k.membership_id is not null
                        and k.revoked_at is null and coalesce(k.expires_at, $3 + 1) > $3),
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
    Ok(Losses { keys, seats, owned_teams, resources })
}
