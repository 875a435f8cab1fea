//! Pages of members: by keyset, in three orders, searched and filtered, in one statement.
use super::Member;
use crate::{
    db::List,
    error::Result,
    model::{
        id::MembershipId,
        role::BuiltIn,
        text::{fold, search_term},
        time::Time,
    },
    store::{Scope, grants::grants_of},
};
use row::Row;
use uuid::Uuid;

/// By what members are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// The name.
    Name,
    /// When they joined.
    #[default]
    Joined,
    /// When they were last active.
    Active,
}

/// Which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// A to Z, oldest first.
    #[default]
    Up,
    /// Z to A, newest first.
    Down,
}

/// So many are found first and put in order.
const FEW: i64 = 1000;

/// What a page of members is asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A prefix of the address or of a word of the name.
    pub search: String,
    /// A built-in role's word, a label such as `video-developer`, or a custom role's id.
    pub role: String,
    /// `active`, `inactive`, or anything.
    pub status: String,
    /// A team's slug.
    pub team: String,
    /// In what order.
    pub sort: Sort,
    /// Which way.
    pub order: Order,
    /// Only what comes after this.
    pub after: Option<Cursor>,
    /// Only what comes before this.
    pub before: Option<Cursor>,
    /// How many.
    pub limit: i64,
    /// Whether no more than a thousand fit, if that is known: then they are found first, and put in order.
    pub is_few: Option<bool>,
}

/// How those who fit are come by, or counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The order is walked until enough fit: they are many.
    Walked,
    /// They are few, and found by a word.
    Worded,
    /// They are few, and found by what they hold.
    Holding,
}

impl Filter {
    /// Whether it leaves anybody out.
    pub fn is_narrow(&self) -> bool {
        [&self.search, &self.role, &self.status, &self.team].iter().any(|it| !it.is_empty())
    }
}

/// A page of members.
#[derive(Debug, Default)]
pub struct Page {
    /// In the order asked for.
    pub members: Vec<Member>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
    /// Where the page before ends, if there is one.
    pub previous: Option<Cursor>,
}

impl Page {
    /// Of whom it tells, besides the account itself: people, and teams that they are in.
    pub fn whom(&self, around: &Around) -> Vec<Uuid> {
        let people = self.members.iter().map(|it| it.person.id.0);
        people.chain(around.teams.iter().map(|it| it.id)).collect()
    }
}

macro_rules! columns {
    () => {
        concat!(
            "select m.id, m.user_id, u.name, u.email, m.name_key, m.is_owner, m.suspended_at, m.expires_at, m.login_type,
                m.joined_at, m.active_at, not (m.suspended_at is not null or coalesce(m.expires_at, $2 + 1) <= $2
                    or q.suspended_at is not null or coalesce(q.expires_at, $2 + 1) <= $2) as is_active, ",
            grants_of!("m.id"),
            " as grants,
                (select cast(json_agg(t.name) as text) from memberships x join accounts t on t.id = x.account_id
                    where x.user_id = m.user_id and t.parent_id = $1) as teams "
        )
    };
}

// SQLite keeps to the order of a cross join: what is found first is found by its own index.
macro_rules! from {
    (all) => {
        "from memberships m "
    };
    (worded) => {
        "from (select distinct membership_id as id from member_words where account_id = $1
            and ((word >= $9 and word < $10) or (word >= $11 and word < $12))) f cross join memberships m "
    };
    (holding) => {
        concat!("from (", holders!(), ") f cross join memberships m ")
    };
}
macro_rules! holders {
    () => {
        "select distinct x.id from (
            select membership_id as id from grants where account_id = $1 and role = $4 and ($6 = '' or product = $6)
            union all
            select membership_id as id from grants where account_id = $1 and role_id = $5
            union all
            select id from memberships where account_id = $1 and is_owner and $4 = 'owner'
        ) x where x.id is not null "
    };
}
macro_rules! people {
    () => {
        "join users u on u.id = m.user_id left join memberships q on q.account_id = $3 and q.user_id = m.user_id "
    };
}

macro_rules! filtered {
    () => {
        "where m.account_id = $1
            and ($7 = '' or ($7 = 'inactive') = (m.suspended_at is not null or coalesce(m.expires_at, $2 + 1) <= $2
                or q.suspended_at is not null or coalesce(q.expires_at, $2 + 1) <= $2))
            and ($8 = '' or exists (select 1 from memberships x join accounts t on t.id = x.account_id
                where t.parent_id = $1 and t.slug = $8 and x.user_id = m.user_id)) "
    };
    (role) => {
        "and ($4 = '' or (m.is_owner and $4 = 'owner') or exists (select 1 from grants g where g.membership_id = m.id
            and (g.role = $4 or g.role_id = $5) and ($6 = '' or g.product = $6))) "
    };
    // Two prefixes: the words of a name, and what may be an address.
    (all) => {
        concat!(
            filtered!(),
            filtered!(role),
            "and ($9 = '' or exists (select 1 from member_words w where w.membership_id = m.id
                and ((w.word >= $9 and w.word < $10) or (w.word >= $11 and w.word < $12)))) "
        )
    };
    (worded) => {
        concat!(filtered!(), filtered!(role), "and m.id = f.id ")
    };
    // Nobody asked for words then, which are bound all the same.
    (holding) => {
        concat!(filtered!(), "and m.id = f.id and $9 = $10 and $11 = $12 ")
    };
}

macro_rules! page {
    ($by:literal, up) => {
        [
            page!($by, all, ") > ", "", ""),
            page!($by, worded, ") > ", "", ""),
            page!($by, holding, ") > ", "", ""),
        ]
    };
    ($by:literal, down) => {
        [
            page!($by, all, ") < ", " desc", " desc"),
            page!($by, worded, ") < ", " desc", " desc"),
            page!($by, holding, ") < ", " desc", " desc"),
        ]
    };
    ($by:literal, $found:ident, $beyond:literal, $way:literal, $same:literal) => {
        concat!(
            columns!(),
            from!($found),
            people!(),
            filtered!($found),
            "and (",
            $by,
            ", m.id",
            $beyond,
            "($13, $14) order by ",
            $by,
            $way,
            ", m.id",
            $same,
            " limit $15"
        )
    };
}

mod around;
mod cursor;
mod row;

pub use around::{Around, Named, Removed};
pub use cursor::Cursor;
pub(in crate::store) use cursor::{LAST, end};

/// A page of the account's members, and what stands around it.
pub async fn page(scope: &mut Scope, filter: &Filter) -> Result<(Around, Page)> {
    let around = around::around(scope, filter).await?;
    let filter = Filter { is_few: Some(around.is_few()), ..filter.clone() };
    let page = list(scope, &filter).await?;
    Ok((around, page))
}

/// A page of the account's members.
pub async fn list(scope: &mut Scope, filter: &Filter) -> Result<Page> {
    let backwards = filter.before.is_some();
    let up = (filter.order == Order::Up) != backwards;
    let sql = match (filter.sort, up) {
        (Sort::Name, true) => page!("m.name_key", up),
        (Sort::Name, false) => page!("m.name_key", down),
        (Sort::Joined, true) => page!("m.joined_at", up),
        (Sort::Joined, false) => page!("m.joined_at", down),
        (Sort::Active, true) => page!("m.active_at", up),
        (Sort::Active, false) => page!("m.active_at", down),
    };
    let terms = Terms::of(scope, filter);
    let way = terms.way(scope, filter.is_few).await?;
    let from = filter.before.clone().or_else(|| filter.after.clone()).unwrap_or_else(|| end(up));
    let mut query = scope.ask(sql[way as usize]);
    query = terms.bind(query);
    query = if filter.sort == Sort::Name { query.bind(from.name) } else { query.bind(from.time) };
    let mut rows: Vec<Row> = query.bind(from.id).bind(filter.limit + 1).fetch_all().await?;

    let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > filter.limit;
    rows.truncate(usize::try_from(filter.limit).unwrap_or(0));
    if backwards {
        rows.reverse();
    }
    let cursor = |it: Option<&Row>| {
        it.map(|it| {
            let time = if filter.sort == Sort::Active { it.active_at } else { it.joined_at };
            Cursor { time: time.0, name: it.name_key.clone(), id: it.id.0 }
        })
    };
    let (ahead, behind) = if backwards { (true, more) } else { (more, filter.after.is_some()) };
    let next = ahead.then(|| cursor(rows.last())).flatten();
    let previous = behind.then(|| cursor(rows.first())).flatten();
    let admins_may_delete = scope.who().here.admins_may_delete;
    let members = rows.into_iter().map(|it| it.member(admins_may_delete)).collect::<Result<_>>()?;

    Ok(Page { members, next, previous })
}

/// Those of the account's members that are named, by name. Who is not of the account is left out.
pub async fn some(scope: &mut Scope, ids: &[MembershipId]) -> Result<Vec<Member>> {
    let (now, parent) = (scope.now(), parent(scope));
    let ids: Vec<Uuid> = ids.iter().map(|it| it.0).collect();
    let sql = concat!(
        columns!(),
        from!(all),
        people!(),
        "where m.account_id = $1 and m.id = any($4::uuid[]) order by m.name_key, m.id"
    );
    let rows: Vec<Row> = scope.ask(sql).bind(now).bind(parent).bind(List(&ids)).fetch_all().await?;
    let admins_may_delete = scope.who().here.admins_may_delete;
    rows.into_iter().map(|it| it.member(admins_may_delete)).collect()
}

/// One member.
pub(super) async fn one(scope: &mut Scope, id: MembershipId) -> Result<Option<Member>> {
    let (now, parent) = (scope.now(), parent(scope));
    let sql = concat!(columns!(), from!(all), people!(), "where m.account_id = $1 and m.id = $4");
    let found: Option<Row> = scope.ask(sql).bind(now).bind(parent).bind(id).fetch_optional().await?;
    let admins_may_delete = scope.who().here.admins_may_delete;
    found.map(|it| it.member(admins_may_delete)).transpose()
}

/// The organization whose suspension holds in the team.
fn parent(scope: &Scope) -> Uuid {
    let here = &scope.who().here;
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
    fn of(scope: &Scope, filter: &Filter) -> Terms {
        let catalog = scope.kit().catalog.clone();
        let label = catalog.products.iter().find_map(|it| {
            let word = filter.role.strip_prefix(it.id.as_str())?.strip_prefix('-')?;
            let word = if word == "admin" { BuiltIn::ProductAdmin.word() } else { word };
            Some((word.to_owned(), it.id.clone()))
        });
        let (role, product) = label.unwrap_or_else(|| (filter.role.clone(), String::new()));
        let status = if ["active", "inactive"].contains(&filter.status.as_str()) {
            filter.status.clone()
        } else {
            String::new()
        };
        let (word, mail) = (search_term(&filter.search), fold(filter.search.trim()));
        let searches = !mail.is_empty();
        // A search for signs alone finds addresses alone.
        let word = if word.is_empty() { mail.clone() } else { word };
        let after = |it: &str| format!("{it}{LAST}");
        let words = if searches {
            [word.clone(), after(&word), mail.clone(), after(&mail)]
        } else {
            Default::default()
        };
        let role_id = role.parse().unwrap_or(Uuid::nil());
        let (now, parent, team) = (scope.now(), parent(scope), filter.team.clone());
        Terms { now, parent, role, role_id, product, status, team, words, searches }
    }
    /// How those who fit are counted: by what is asked for.
    fn counted_by(&self) -> Way {
        match (self.searches, self.role.is_empty()) {
            (true, _) => Way::Worded,
            (false, false) => Way::Holding,
            (false, true) => Way::Walked,
        }
    }
    fn is_of_role_alone(&self) -> bool {
        self.counted_by() == Way::Holding && self.status.is_empty() && self.team.is_empty()
    }
    /// How a page of them is come by. Whether they are few is counted, if nobody knows.
    async fn way(&self, scope: &mut Scope, is_few: Option<bool>) -> Result<Way> {
        let way = self.counted_by();
        if way == Way::Walked {
            return Ok(way);
        }
        let is_few = match is_few {
            Some(it) => it,
            None => around::count(scope, self).await? <= FEW,
        };
        Ok(if is_few { way } else { Way::Walked })
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
