//! Pages of members in three orders, searched and filtered, in one statement.
use super::Member;
use crate::{
    db::List,
    error::Result,
    model::{
        access::Access,
        grant::GrantLabel,
        id::MembershipId,
        text::{fold, search_term},
        time::Time,
    },
    store::{
        Scope,
        cursor::{LAST_CHARACTER, split_page},
        grants::GRANTS_OF_MEMBER,
        memberships,
    },
};
use const_format::concatcp;
use row::MemberRow;
use uuid::Uuid;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    Name,
    /// When they joined.
    #[default]
    Joined,
    /// When they were last active.
    Active,
}

/// Up to so many matching members are collected first and then sorted.
const FEW: i64 = 1000;

#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A prefix of the address or of a word of the name.
    pub search: String,
    /// A built-in role, a label such as `video-developer`, or a custom role's id.
    pub role: String,
    /// `active`, `inactive`, or anything.
    pub status: String,
    pub team: String,
    pub sort: Sort,
    pub order: Order,
    pub after: Option<Cursor>,
    pub before: Option<Cursor>,
    pub limit: i64,
    /// Whether at most `FEW` members match, if that is known.
    pub is_few: Option<bool>,
}

/// How the members that fit are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Along the order until the page is full: many fit.
    Walk,
    /// Few fit: by a word of the name or by the address first.
    ByWord,
    /// Few fit: by the grants first.
    ByRole,
}

impl Filter {
    pub fn is_narrow(&self) -> bool {
        [&self.search, &self.role, &self.status, &self.team].iter().any(|text| !text.is_empty())
    }
}

#[derive(Debug, Default)]
pub struct Page {
    pub members: Vec<Member>,
    pub next: Option<Cursor>,
    pub previous: Option<Cursor>,
}

impl Page {
    /// The users and teams that appear on the page, for cache tags.
    pub fn whom(&self, around: &MemberListSummary) -> Vec<Uuid> {
        let people = self.members.iter().map(|member| member.person.id.0);
        people.chain(around.teams.iter().map(|team| team.id)).collect()
    }
}

const COLUMNS: &str = concatcp!(
    "select ",
    memberships::COLUMNS,
    ", u.name, u.email, (active_member(m, $2) and active_member(q, $2)) as is_active, ",
    GRANTS_OF_MEMBER,
    " as grants,
                (select cast(json_agg(t.name) as text) from memberships x join accounts t on t.id = x.account_id
                    where x.user_id = m.user_id and t.parent_id = $1) as teams "
);

// Three ways to find the members that fit. SQLite keeps to the order of a cross join: what is found first is found by its own
// index.
const ALL: &str = "from memberships m ";
const BY_WORD: &str = "from (select distinct membership_id as id from member_search where account_id = $1
            and ((word >= $9 and word < $10) or (word >= $11 and word < $12))) f cross join memberships m ";
const BY_ROLE: &str = concatcp!("from (", HOLDERS, ") f cross join memberships m ");
const HOLDERS: &str = "select distinct x.id from (
            select membership_id as id from grants where account_id = $1 and role = $4 and ($6 = '' or product = $6)
            union all
            select membership_id as id from grants where account_id = $1 and role_id = $5
            union all
            select id from memberships where account_id = $1 and is_owner and $4 = 'owner'
        ) x where x.id is not null ";
const JOINS: &str = "join users u on u.id = m.user_id left join memberships q on q.account_id = $3 and q.user_id = m.user_id ";

const STATUS_AND_TEAM: &str = "where m.account_id = $1
            and ($7 = '' or ($7 = 'inactive') <> (active_member(m, $2) and active_member(q, $2)))
            and ($8 = '' or exists (select 1 from memberships x join accounts t on t.id = x.account_id
                where t.parent_id = $1 and t.slug = $8 and x.user_id = m.user_id)) ";
const ROLE: &str = "and ($4 = '' or (m.is_owner and $4 = 'owner') or exists (select 1 from grants g where g.membership_id = m.id
            and (g.role = $4 or g.role_id = $5) and ($6 = '' or g.product = $6))) ";
// Two prefixes: of a word of the name, and of the address.
const WORD: &str = "and ($9 = '' or exists (select 1 from member_search w where w.membership_id = m.id
                and ((w.word >= $9 and w.word < $10) or (w.word >= $11 and w.word < $12)))) ";
const ALL_FILTER: &str = concatcp!(STATUS_AND_TEAM, ROLE, WORD);
const BY_WORD_FILTER: &str = concatcp!(STATUS_AND_TEAM, ROLE, "and m.id = f.id ");
// There are no words in this case. They are bound all the same, so the statement mentions them.
const BY_ROLE_FILTER: &str = concatcp!(STATUS_AND_TEAM, "and m.id = f.id and $9 = $10 and $11 = $12 ");

const ALL_PAGE: &str = concatcp!(COLUMNS, ALL, JOINS, ALL_FILTER);
const BY_WORD_PAGE: &str = concatcp!(COLUMNS, BY_WORD, JOINS, BY_WORD_FILTER);
const BY_ROLE_PAGE: &str = concatcp!(COLUMNS, BY_ROLE, JOINS, BY_ROLE_FILTER);

const NAME_UP: &str = "and (m.name_key, m.id) > ($13, $14) order by m.name_key, m.id limit $15";
const NAME_DOWN: &str = "and (m.name_key, m.id) < ($13, $14) order by m.name_key desc, m.id desc limit $15";
const JOINED_UP: &str = "and (m.joined_at, m.id) > ($13, $14) order by m.joined_at, m.id limit $15";
const JOINED_DOWN: &str =
    "and (m.joined_at, m.id) < ($13, $14) order by m.joined_at desc, m.id desc limit $15";
const ACTIVE_UP: &str = "and (m.active_at, m.id) > ($13, $14) order by m.active_at, m.id limit $15";
const ACTIVE_DOWN: &str =
    "and (m.active_at, m.id) < ($13, $14) order by m.active_at desc, m.id desc limit $15";

fn page_sql(sort: Sort, up: bool, way: Way) -> &'static str {
    let [all, by_word, by_role] = match (sort, up) {
        (Sort::Name, true) => {
            [concatcp!(ALL_PAGE, NAME_UP), concatcp!(BY_WORD_PAGE, NAME_UP), concatcp!(BY_ROLE_PAGE, NAME_UP)]
        }
        (Sort::Name, false) => [
            concatcp!(ALL_PAGE, NAME_DOWN),
            concatcp!(BY_WORD_PAGE, NAME_DOWN),
            concatcp!(BY_ROLE_PAGE, NAME_DOWN),
        ],
        (Sort::Joined, true) => [
            concatcp!(ALL_PAGE, JOINED_UP),
            concatcp!(BY_WORD_PAGE, JOINED_UP),
            concatcp!(BY_ROLE_PAGE, JOINED_UP),
        ],
        (Sort::Joined, false) => [
            concatcp!(ALL_PAGE, JOINED_DOWN),
            concatcp!(BY_WORD_PAGE, JOINED_DOWN),
            concatcp!(BY_ROLE_PAGE, JOINED_DOWN),
        ],
        (Sort::Active, true) => [
            concatcp!(ALL_PAGE, ACTIVE_UP),
            concatcp!(BY_WORD_PAGE, ACTIVE_UP),
            concatcp!(BY_ROLE_PAGE, ACTIVE_UP),
        ],
        (Sort::Active, false) => [
            concatcp!(ALL_PAGE, ACTIVE_DOWN),
            concatcp!(BY_WORD_PAGE, ACTIVE_DOWN),
            concatcp!(BY_ROLE_PAGE, ACTIVE_DOWN),
        ],
    };
    match way {
        Way::Walk => all,
        Way::ByWord => by_word,
        Way::ByRole => by_role,
    }
}

mod around;
mod row;

pub use crate::store::cursor::{Cursor, Order};
pub use around::{MemberListSummary, RoleOption, UndoableRemoval};

/// A page of the account's members, and its summary.
pub async fn page(scope: &mut Scope<Access>, filter: &Filter) -> Result<(MemberListSummary, Page)> {
    let around = around::around(scope, filter).await?;
    let filter = Filter { is_few: Some(around.is_few()), ..filter.clone() };
    let page = list(scope, &filter).await?;
    Ok((around, page))
}

/// A page of the account's members.
pub async fn list(scope: &mut Scope<Access>, filter: &Filter) -> Result<Page> {
    let backwards = filter.before.is_some();
    let up = (filter.order == Order::Up) != backwards;
    let terms = Terms::of(scope, filter);
    let way = terms.way(scope, filter.is_few).await?;
    let from = filter.before.clone().or_else(|| filter.after.clone()).unwrap_or_else(|| Cursor::start(up));
    let query = terms.bind(scope.query_in_account(page_sql(filter.sort, up, way)));
    let query = if filter.sort == Sort::Name { query.bind(from.name) } else { query.bind(from.time) };
    let rows: Vec<MemberRow> = query.bind(from.id).bind(filter.limit + 1).fetch_all().await?;

    let page = split_page(rows, filter.limit, backwards, filter.after.is_some());
    let cursor = |row: &MemberRow| {
        let time =
            if filter.sort == Sort::Active { row.membership.active_at } else { row.membership.joined_at };
        Cursor { time: time.0, name: row.membership.name_key.clone(), id: row.membership.id.0 }
    };
    let (next, previous) = (page.next(cursor), page.previous(cursor));
    let admins_may_delete = scope.access().account.admins_may_delete;
    let members = page.rows.into_iter().map(|row| row.member(admins_may_delete)).collect::<Result<_>>()?;
    Ok(Page { members, next, previous })
}

/// The account's members with these ids, by name. Others are left out.
pub async fn find_all(scope: &mut Scope<Access>, ids: &[MembershipId]) -> Result<Vec<Member>> {
    let (now, parent) = (scope.now(), parent(scope));
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let sql = concatcp!(
        COLUMNS,
        ALL,
        JOINS,
        "where m.account_id = $1 and m.id = any($4::uuid[]) order by m.name_key, m.id"
    );
    let rows: Vec<MemberRow> =
        scope.query_in_account(sql).bind(now).bind(parent).bind(List(&ids)).fetch_all().await?;
    let admins_may_delete = scope.access().account.admins_may_delete;
    rows.into_iter().map(|row| row.member(admins_may_delete)).collect()
}

pub(super) async fn one(scope: &mut Scope<Access>, id: MembershipId) -> Result<Option<Member>> {
    let (now, parent) = (scope.now(), parent(scope));
    let sql = concatcp!(COLUMNS, ALL, JOINS, "where m.account_id = $1 and m.id = $4");
    let found: Option<MemberRow> =
        scope.query_in_account(sql).bind(now).bind(parent).bind(id).fetch_optional().await?;
    let admins_may_delete = scope.access().account.admins_may_delete;
    found.map(|row| row.member(admins_may_delete)).transpose()
}

/// The organization whose suspensions apply to the team.
fn parent(scope: &Scope<Access>) -> Uuid {
    let here = &scope.access().account;
    if here.is_under_organization() { here.top().0 } else { Uuid::nil() }
}

/// `$2` to `$12`.
struct Terms {
    now: Time,
    parent: Uuid,
    role: String,
    role_id: Uuid,
    product: String,
    status: String,
    team: String,
    words: [String; 4],
    searches: bool,
}

impl Terms {
    fn of(scope: &Scope<Access>, filter: &Filter) -> Terms {
        let catalog = scope.context().catalog.clone();
        let (role, product) = match GrantLabel::parse(&filter.role) {
            Some(GrantLabel { role, product: Some(product) }) if catalog.product(product).is_some() => {
                (role.as_str().to_owned(), product.to_owned())
            }
            _ => (filter.role.clone(), String::new()),
        };
        let status = if ["active", "inactive"].contains(&filter.status.as_str()) {
            filter.status.clone()
        } else {
            String::new()
        };
        let (word, mail) = (search_term(&filter.search), fold(filter.search.trim()));
        let searches = !mail.is_empty();
        // A search without letters matches addresses only.
        let word = if word.is_empty() { mail.clone() } else { word };
        let after = |prefix: &str| format!("{prefix}{LAST_CHARACTER}");
        let words = if searches {
            [word.clone(), after(&word), mail.clone(), after(&mail)]
        } else {
            Default::default()
        };
        let role_id = role.parse().unwrap_or(Uuid::nil());
        let (now, parent, team) = (scope.now(), parent(scope), filter.team.clone());
        Terms { now, parent, role, role_id, product, status, team, words, searches }
    }
    fn counted_by(&self) -> Way {
        match (self.searches, self.role.is_empty()) {
            (true, _) => Way::ByWord,
            (false, false) => Way::ByRole,
            (false, true) => Way::Walk,
        }
    }
    fn is_of_role_alone(&self) -> bool {
        self.counted_by() == Way::ByRole && self.status.is_empty() && self.team.is_empty()
    }
    /// How a page is found. Counts the matching members if that was not done before.
    async fn way(&self, scope: &mut Scope<Access>, is_few: Option<bool>) -> Result<Way> {
        let way = self.counted_by();
        if way == Way::Walk {
            return Ok(way);
        }
        let is_few = match is_few {
            Some(is_few) => is_few,
            None => around::count(scope, self).await? <= FEW,
        };
        Ok(if is_few { way } else { Way::Walk })
    }
    fn bind<'q>(&self, query: crate::db::Query<'q>) -> crate::db::Query<'q> {
        let [term, term_end, mail, mail_end] = self.words.clone();
        query
            .bind(self.now)
            .bind(self.parent)
            .bind(self.role.clone())
            .bind(self.role_id)
            .bind(self.product.clone())
            .bind(self.status.clone())
            .bind(self.team.clone())
            .bind(term)
            .bind(term_end)
            .bind(mail)
            .bind(mail_end)
    }
}
