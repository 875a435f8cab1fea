//! What stands around a page of members: counts, and by what they can be filtered.
use super::{FEW, Filter, Terms, Way};
use crate::{
    error::Result,
    model::{
        id::{MembershipId, RoleId},
        time::Time,
    },
    store::{Scope, json},
};
use serde::Deserialize;
use uuid::Uuid;

/// A team that members can be filtered by.
#[derive(Clone, Debug, Deserialize)]
pub struct Team {
    /// Which.
    pub id: Uuid,
    /// Its slug.
    pub word: String,
    /// As people call it.
    pub name: String,
}

/// A role that members can be filtered by.
#[derive(Clone, Debug, Deserialize)]
pub struct Named {
    /// Its id.
    pub word: String,
    /// As people call it.
    pub name: String,
}

/// What stands around a page of members.
#[derive(Debug)]
pub struct Around {
    /// How many fit the filter; no more than 1,001 if there is one.
    pub count: i64,
    /// How many members there are.
    pub total: i64,
    /// How many invitations wait for an answer; no more than 1,001.
    pub invitations: i64,
    /// How many requests for access wait; no more than 1,001.
    pub requests: i64,
    /// The account's teams, by name.
    pub teams: Vec<Team>,
    /// The custom roles that can be held here, by name.
    pub roles: Vec<Named>,
    /// Removals that can still be taken back, newest first.
    pub removals: Vec<Removed>,
}

impl Around {
    /// Whether those who fit are few enough to be found first and put in order.
    pub fn is_few(&self) -> bool {
        self.count <= FEW
    }
}

/// A removal that can still be taken back.
#[derive(Clone, Debug, Deserialize)]
pub struct Removed {
    /// The membership that was, in hexadecimal digits.
    id: String,
    /// Who.
    pub name: String,
    until: i64,
}

impl Removed {
    /// The membership that was.
    pub fn id(&self) -> MembershipId {
        MembershipId(self.id.parse().unwrap_or(Uuid::nil()))
    }
    /// Until when.
    pub fn until(&self) -> Time {
        Time(self.until)
    }
}

#[derive(sqlx::FromRow)]
struct AroundRow {
    count: i64,
    total: i64,
    invitations: i64,
    requests: i64,
    teams: Option<String>,
    roles: Option<String>,
    removals: Option<String>,
}

macro_rules! counted {
    // Nothing else is asked for, and all that is bound is named.
    (role) => {
        concat!(
            "(select count(*) from (",
            holders!(),
            "and $2 > 0 and $3 = $3 and $7 = '' and $8 = '' and $9 = $10 and $11 = $12 limit 1001) found)"
        )
    };
    ($found:ident) => {
        concat!(
            "(select count(*) from (select 1 as one ",
            from!($found),
            "left join memberships q on q.account_id = $3 and q.user_id = m.user_id ",
            filtered!($found),
            "limit 1001) found)"
        )
    };
}

macro_rules! around {
    ($count:expr, $top:literal, $now:literal) => {
        concat!(
            "select ", $count, " as count, a.member_count as total,
                (select count(*) from (select 1 as one from invitations where account_id = $1 and status = 'pending' limit 1001) i)
                    as invitations,
                (select count(*) from (select 1 as one from access_requests where account_id = $1 and status = 'pending' limit 1001) w)
                    as requests,
                (select cast(json_agg(json_build_object('id', encode(uuid_send(t.id), 'hex'), 'word', t.slug, 'name', t.name)) as text)
                    from (select id, slug, name from accounts where parent_id = $1 order by name, id limit 200) t) as teams,
                (select cast(json_agg(json_build_object('word', encode(uuid_send(r.id), 'hex'), 'name', r.name)) as text)
                    from (select id, name from roles where account_id = ", $top, " order by name limit 200) r) as roles,
                (select cast(json_agg(json_build_object('id', encode(uuid_send(x.membership_id), 'hex'), 'name', x.name, 'until', x.expires_at))
                        as text)
                    from (select r.membership_id, u.name, r.expires_at from removals r join users u on u.id = r.user_id
                        where r.account_id = $1 and r.expires_at > ", $now, " and r.outcome is null and not exists (
                            select 1 from memberships m where m.account_id = $1 and m.user_id = r.user_id)
                        order by r.expires_at desc, r.id desc limit 25) x) as removals
             from accounts a where a.id = $1"
        )
    };
}

/// How many fit, up to 1,001.
pub(super) async fn count(scope: &mut Scope, terms: &Terms) -> Result<i64> {
    let sql = match terms.counted_by() {
        Way::Walked => concat!("select ", counted!(all)),
        Way::Worded => concat!("select ", counted!(worded)),
        Way::Holding if terms.is_of_role_alone() => concat!("select ", counted!(role)),
        Way::Holding => concat!("select ", counted!(holding)),
    };
    Ok(terms.bind(scope.ask(sql)).fetch_one::<(i64,)>().await?.0)
}

/// How many members there are, and by what they can be filtered: one statement.
pub async fn around(scope: &mut Scope, filter: &Filter) -> Result<Around> {
    let top = scope.who().here.top();
    let row: AroundRow = if filter.is_narrow() {
        let terms = Terms::of(scope, filter);
        let sql = match terms.counted_by() {
            Way::Walked => around!(counted!(all), "$13", "$2"),
            Way::Worded => around!(counted!(worded), "$13", "$2"),
            Way::Holding if terms.is_of_role_alone() => around!(counted!(role), "$13", "$2"),
            Way::Holding => around!(counted!(holding), "$13", "$2"),
        };
        terms.bind(scope.ask(sql)).bind(top).fetch_one().await?
    } else {
        let now = scope.now();
        scope.ask(around!("a.member_count", "$2", "$3")).bind(top).bind(now).fetch_one().await?
    };
    let mut roles: Vec<Named> = json::list(row.roles)?;
    for it in &mut roles {
        it.word = it.word.parse::<RoleId>().map(|id| id.to_string()).unwrap_or_default();
    }
    let teams = json::list(row.teams)?;
    Ok(Around {
        count: row.count,
        total: row.total,
        invitations: row.invitations,
        requests: row.requests,
        teams,
        roles,
        removals: json::list(row.removals)?,
    })
}
