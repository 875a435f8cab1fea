//! What ends when members go: told before it is done.
use super::{Member, list::read};
use crate::{
    db::List,
    error::Result,
    model::{id::MembershipId, time::Time},
    store::Scope,
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
    /// The account's teams that they leave, their own first.
    pub teams: Vec<Seat>,
    /// Who can take over the teams that they own: the owner first, then admins and members of those teams.
    pub heirs: Vec<Heir>,
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

const DEPARTURE: &str = "select
    (select count(*) from api_keys k join accounts a on a.id = k.account_id
        where (a.id = $1 or a.parent_id = $1) and k.user_id = $2 and k.membership_id is not null and k.revoked_at is null
            and coalesce(k.expires_at, $3 + 1) > $3),
    (select cast(json_agg(json_build_object('name', k.name, 'last4', k.last4, 'account', k.account, 'used_at', k.used_at,
            'expires_at', k.expires_at)) as text)
        from (select k.name, k.last4, a.name as account, k.used_at, k.expires_at
            from api_keys k join accounts a on a.id = k.account_id
            where (a.id = $1 or a.parent_id = $1) and k.user_id = $2 and k.membership_id is not null and k.revoked_at is null
                and coalesce(k.expires_at, $3 + 1) > $3
            order by coalesce(k.used_at, 0) desc, k.id limit 10) k),
    (select cast(json_agg(json_build_object('slug', t.slug, 'name', t.name, 'member_count', t.member_count, 'owns', t.owns)) as text)
        from (select a.slug, a.name, a.member_count, case when x.is_owner then 1 else 0 end as owns
            from memberships x join accounts a on a.id = x.account_id
            where a.parent_id = $1 and x.user_id = $2 order by x.is_owner desc, a.name, a.id limit 200) t),
    (select cast(json_agg(json_build_object('id', encode(uuid_send(h.id), 'hex'), 'name', h.name, 'email', h.email)) as text)
        from (select m.id, u.name, u.email from memberships m join users u on u.id = m.user_id
            where m.account_id = $1 and m.user_id <> $2 and m.suspended_at is null and coalesce(m.expires_at, $3 + 1) > $3
                and m.id in (
                    select id from memberships where account_id = $1 and is_owner
                    union select membership_id from grants where account_id = $1 and role = 'admin' and membership_id is not null
                    union select y.id from accounts t join memberships x on x.account_id = t.id
                        join memberships y on y.account_id = $1 and y.user_id = x.user_id
                        where t.parent_id = $1 and t.owner_id = $2)
            order by m.is_owner desc, m.name_key, m.id limit 100) h)";

/// Says what ends when a member is removed, now.
pub async fn departure(scope: &mut Scope, member: &Member) -> Result<Departure> {
    let now = scope.now();
    let row: (i64, Option<String>, Option<String>, Option<String>) =
        scope.ask(DEPARTURE).bind(member.person.id).bind(now).one().await?;
    let (key_count, keys, teams, heirs) = row;
    Ok(Departure { key_count, keys: read(keys)?, teams: read(teams)?, heirs: read(heirs)? })
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
}

/// Says what ends when all of these are removed, now.
pub async fn losses(scope: &mut Scope, members: &[&Member]) -> Result<Losses> {
    let now = scope.now();
    let users: Vec<Uuid> = members.iter().map(|it| it.person.id.0).collect();
    let (keys, seats, owned_teams) = scope
        .ask(
            "select (select count(*) from api_keys k join accounts a on a.id = k.account_id
                    where (a.id = $1 or a.parent_id = $1) and k.user_id = any($2::uuid[]) and k.membership_id is not null
                        and k.revoked_at is null and coalesce(k.expires_at, $3 + 1) > $3),
                (select count(*) from memberships x join accounts a on a.id = x.account_id
                    where a.parent_id = $1 and x.user_id = any($2::uuid[])),
                (select count(*) from accounts where parent_id = $1 and owner_id = any($2::uuid[]))",
        )
        .bind(List(&users))
        .bind(now)
        .one()
        .await?;
    Ok(Losses { keys, seats, owned_teams })
}
