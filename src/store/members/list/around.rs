//! What a page of members shows besides the members: counts, and what they can be filtered by.
use super::{
    ALL, ALL_FILTER, BY_ROLE, BY_ROLE_FILTER, BY_WORD, BY_WORD_FILTER, FEW, Filter, HOLDERS, Terms, Way,
};
use crate::{
    error::Result,
    model::{
        access::Access,
        id::{MembershipId, RoleId},
        time::Time,
    },
    store::{Scope, json},
};
use const_format::concatcp;
use serde::Deserialize;
use uuid::Uuid;

/// A team that members can be filtered by.
#[derive(Clone, Debug, Deserialize)]
pub struct TeamOption {
    pub id: Uuid,
    pub word: String,
    pub name: String,
}

/// A role that members can be filtered by.
#[derive(Clone, Debug, Deserialize)]
pub struct RoleOption {
    pub word: String,
    pub name: String,
}

/// What a page of members shows besides the members.
#[derive(Debug)]
pub struct MemberListSummary {
    /// Members that match the filter, counted up to 1,001.
    pub count: i64,
    pub total: i64,
    /// Pending invitations, counted up to 1,001.
    pub invitations: i64,
    /// Pending access requests, counted up to 1,001.
    pub requests: i64,
    /// The account's teams, by name.
    pub teams: Vec<TeamOption>,
    /// The custom roles that can be granted here, by name.
    pub roles: Vec<RoleOption>,
    /// Removals that can still be undone, newest first.
    pub removals: Vec<UndoableRemoval>,
}

impl MemberListSummary {
    /// Whether the matching members are few enough to be collected first and then sorted.
    pub fn is_few(&self) -> bool {
        self.count <= FEW
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct UndoableRemoval {
    /// The former membership, in hexadecimal digits.
    id: String,
    pub name: String,
    until: i64,
}

impl UndoableRemoval {
    /// The former membership.
    pub fn id(&self) -> MembershipId {
        MembershipId(self.id.parse().unwrap_or(Uuid::nil()))
    }
    pub fn until(&self) -> Time {
        Time(self.until)
    }
}

#[derive(sqlx::FromRow)]
struct SummaryRow {
    count: i64,
    total: i64,
    invitations: i64,
    requests: i64,
    teams: Option<String>,
    roles: Option<String>,
    removals: Option<String>,
}

const PARENT: &str = "left join memberships q on q.account_id = $3 and q.user_id = m.user_id ";
const COUNT_ALL: &str =
    concatcp!("(select count(*) from (select 1 as one ", ALL, PARENT, ALL_FILTER, "limit 1001) found)");
const COUNT_BY_WORD: &str = concatcp!(
    "(select count(*) from (select 1 as one ",
    BY_WORD,
    PARENT,
    BY_WORD_FILTER,
    "limit 1001) found)"
);
const COUNT_BY_ROLE: &str = concatcp!(
    "(select count(*) from (select 1 as one ",
    BY_ROLE,
    PARENT,
    BY_ROLE_FILTER,
    "limit 1001) found)"
);
// Only the role is filtered. The other parameters are bound, so the statement mentions them.
const COUNT_HOLDERS: &str = concatcp!(
    "(select count(*) from (",
    HOLDERS,
    "and $2 > 0 and $3 = $3 and $7 = '' and $8 = '' and $9 = $10 and $11 = $12 limit 1001) found)"
);

// Between these come the parameters of the account that owns the roles, and of the time.
const LISTS: &str = " as count, a.member_count as total,
                (select count(*) from (select 1 as one from invitations where account_id = $1 and status = 'pending' limit 1001) i)
                    as invitations,
                (select count(*) from (select 1 as one from access_requests where account_id = $1 and status = 'pending' limit 1001) w)
                    as requests,
                (select cast(json_agg(json_build_object('id', encode(uuid_send(t.id), 'hex'), 'word', t.slug, 'name', t.name)) as text)
                    from (select id, slug, name from accounts where parent_id = $1 order by name, id limit 200) t) as teams,
                (select cast(json_agg(json_build_object('word', encode(uuid_send(r.id), 'hex'), 'name', r.name)) as text)
                    from (select id, name from roles where account_id = ";
const REMOVALS: &str = " order by name limit 200) r) as roles,
                (select cast(json_agg(json_build_object('id', encode(uuid_send(x.membership_id), 'hex'), 'name', x.name, 'until', x.expires_at))
                        as text)
                    from (select r.membership_id, u.name, r.expires_at from removals r join users u on u.id = r.user_id
                        where r.account_id = $1 and r.expires_at > ";
const REST: &str = " and r.outcome is null and not exists (
                            select 1 from memberships m where m.account_id = $1 and m.user_id = r.user_id)
                        order by r.expires_at desc, r.id desc limit 25) x) as removals
             from accounts a where a.id = $1";

/// Counts the matching members, up to 1,001.
pub(super) async fn count(scope: &mut Scope<Access>, terms: &Terms) -> Result<i64> {
    let sql = match terms.counted_by() {
        Way::Walk => concatcp!("select ", COUNT_ALL),
        Way::ByWord => concatcp!("select ", COUNT_BY_WORD),
        Way::ByRole if terms.is_of_role_alone() => concatcp!("select ", COUNT_HOLDERS),
        Way::ByRole => concatcp!("select ", COUNT_BY_ROLE),
    };
    Ok(terms.bind(scope.query_in_account(sql)).fetch_one::<(i64,)>().await?.0)
}

/// Counts, and what members can be filtered by, in one statement.
pub async fn around(scope: &mut Scope<Access>, filter: &Filter) -> Result<MemberListSummary> {
    let top = scope.access().account.top();
    let row: SummaryRow = if filter.is_narrow() {
        let terms = Terms::of(scope, filter);
        let sql = match terms.counted_by() {
            Way::Walk => concatcp!("select ", COUNT_ALL, LISTS, "$13", REMOVALS, "$2", REST),
            Way::ByWord => concatcp!("select ", COUNT_BY_WORD, LISTS, "$13", REMOVALS, "$2", REST),
            Way::ByRole if terms.is_of_role_alone() => {
                concatcp!("select ", COUNT_HOLDERS, LISTS, "$13", REMOVALS, "$2", REST)
            }
            Way::ByRole => concatcp!("select ", COUNT_BY_ROLE, LISTS, "$13", REMOVALS, "$2", REST),
        };
        terms.bind(scope.query_in_account(sql)).bind(top).fetch_one().await?
    } else {
        let now = scope.now();
        let sql = concatcp!("select a.member_count", LISTS, "$2", REMOVALS, "$3", REST);
        scope.query_in_account(sql).bind(top).bind(now).fetch_one().await?
    };
    let mut roles: Vec<RoleOption> = json::list(row.roles)?;
    for role in &mut roles {
        role.word = role.word.parse::<RoleId>().map(|id| id.to_string()).unwrap_or_default();
    }
    let teams = json::list(row.teams)?;
    Ok(MemberListSummary {
        count: row.count,
        total: row.total,
        invitations: row.invitations,
        requests: row.requests,
        teams,
        roles,
        removals: json::list(row.removals)?,
    })
}
