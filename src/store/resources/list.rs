//! Pages of resources: by keyset, in three orders, searched and filtered, in one statement. What a list shows is what
//! `Rights::may_at` allows, said in SQL.
use super::{Resource, Row, select};
use crate::{
    db::{List, Query},
    error::Result,
    model::{
        permission::{Needs as _, ViewResources},
        resource::{Reach, Visibility},
        text::{fold, search_term},
    },
    store::{
        Scope,
        members::{LAST, end},
    },
};
use uuid::Uuid;

pub use crate::store::members::{Cursor, Order};

/// By what resources are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// The name.
    Name,
    /// When they were registered.
    #[default]
    Created,
    /// When they were last changed.
    Changed,
}

/// What a page of resources is asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A prefix of the external id or of a word of the name.
    pub search: String,
    /// A product's word.
    pub product: String,
    /// A kind's word.
    pub kind: String,
    /// Shared or private ones alone.
    pub visibility: Option<Visibility>,
    /// The slug of the team that owns them.
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
}

impl Filter {
    /// Whether it leaves something out, the product aside: that is a tab.
    pub fn is_narrow(&self) -> bool {
        self.visibility.is_some() || [&self.search, &self.kind, &self.team].iter().any(|it| !it.is_empty())
    }
}

/// A page of resources.
#[derive(Debug, Default)]
pub struct Page {
    /// In the order asked for.
    pub resources: Vec<Resource>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
    /// Where the page before ends, if there is one.
    pub previous: Option<Cursor>,
}

macro_rules! filtered {
    ($scope:literal) => {
        concat!(
            "where ",
            $scope,
            " = $1 and ($2 or r.product = any($3::text[]) or r.id = any($4::uuid[])) and ($5 or r.id = any($6::uuid[]))
               and ($7 or r.visibility = 'shared' or r.created_by = $8) "
        )
    };
    ($scope:literal, all) => {
        concat!(
            filtered!($scope),
            "and ($9 = '' or r.product = $9) and ($10 = '' or r.kind = $10) and ($11 = '' or r.visibility = $11)
               and ($12 = '' or r.account_id = (select id from accounts where slug = $12)) "
        )
    };
    // A search drives the statement; without one, it is not in it.
    ($scope:literal, found) => {
        concat!(
            filtered!($scope, all),
            "and r.id in (select resource_id from resource_words where within = $1 and word >= $13 and word < $14
                union select resource_id from resource_words where within = $1 and word >= $15 and word < $16) "
        )
    };
}

macro_rules! page {
    ($scope:literal, $by:literal, up) => {
        [
            concat!(
                select!(),
                filtered!($scope, all),
                "and (",
                $by,
                ", r.id) > ($13, $14) order by ",
                $by,
                ", r.id limit $15"
            ),
            concat!(
                select!(),
                filtered!($scope, found),
                "and (",
                $by,
                ", r.id) > ($17, $18) order by ",
                $by,
                ", r.id limit $19"
            ),
        ]
    };
    ($scope:literal, $by:literal, down) => {
        [
            concat!(
                select!(),
                filtered!($scope, all),
                "and (",
                $by,
                ", r.id) < ($13, $14) order by ",
                $by,
                " desc, r.id desc limit $15"
            ),
            concat!(
                select!(),
                filtered!($scope, found),
                "and (",
                $by,
                ", r.id) < ($17, $18) order by ",
                $by,
                " desc, r.id desc limit $19"
            ),
        ]
    };
    ($scope:literal, $sort:expr, $up:expr) => {
        match ($sort, $up) {
            (Sort::Name, true) => page!($scope, "r.name_key", up),
            (Sort::Name, false) => page!($scope, "r.name_key", down),
            (Sort::Created, true) => page!($scope, "r.created_at", up),
            (Sort::Created, false) => page!($scope, "r.created_at", down),
            (Sort::Changed, true) => page!($scope, "r.updated_at", up),
            (Sort::Changed, false) => page!($scope, "r.updated_at", down),
        }
    };
}

/// A page of the resources that the visitor sees; for an organization's administrators, with those of its teams.
pub async fn list(scope: &mut Scope, filter: &Filter) -> Result<Page> {
    let backwards = filter.before.is_some();
    let up = (filter.order == Order::Up) != backwards;
    let terms = Terms::of(scope, filter);
    let sql =
        if terms.leads { page!("r.top_id", filter.sort, up) } else { page!("r.account_id", filter.sort, up) };
    let from = filter.before.clone().or_else(|| filter.after.clone()).unwrap_or_else(|| end(up));
    let query = terms.bind(scope.ask(sql[usize::from(terms.words.is_some())]));
    let query = if filter.sort == Sort::Name { query.bind(from.name) } else { query.bind(from.time) };
    let mut rows: Vec<Row> = query.bind(from.id).bind(filter.limit + 1).fetch_all().await?;

    let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > filter.limit;
    rows.truncate(usize::try_from(filter.limit).unwrap_or(0));
    if backwards {
        rows.reverse();
    }
    let cursor = |it: Option<&Row>| {
        it.map(|it| {
            let time = if filter.sort == Sort::Changed { it.updated_at } else { it.created_at };
            Cursor { time: time.0, name: it.name_key.clone(), id: it.id.0 }
        })
    };
    let (ahead, behind) = if backwards { (true, more) } else { (more, filter.after.is_some()) };
    let next = ahead.then(|| cursor(rows.last())).flatten();
    let previous = behind.then(|| cursor(rows.first())).flatten();
    Ok(Page { resources: rows.into_iter().map(Resource::from).collect(), next, previous })
}

/// What stands around a page of resources.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// How many the visitor sees, of all products; no more than 1,001.
    pub total: i64,
    /// How many of each product, by its word; none if there are more than 1,000 in all.
    pub products: Vec<(String, i64)>,
    /// How many fit the filter; no more than 1,001.
    pub found: i64,
    /// The teams by which the list can be filtered, `(slug, name)`.
    pub teams: Vec<(String, String)>,
}

macro_rules! around {
    ($scope:literal, $which:ident) => {
        concat!(
            "select * from (select 'product' as what, product as word, '' as name, count(*) as n
                from (select r.product from resources r ", filtered!($scope), " limit 1001) few group by product) products
             union all select 'found', '', '', count(*)
                from (select 1 as one from resources r ", filtered!($scope, $which), " limit 1001) few
             union all select * from (select 'team' as what, slug as word, name, 0 as n from accounts where parent_id = $1
                order by name limit 200) teams"
        )
    };
}

/// Says it, in one statement.
pub async fn around(scope: &mut Scope, filter: &Filter) -> Result<Around> {
    let terms = Terms::of(scope, filter);
    let sql = match (terms.leads, terms.words.is_some()) {
        (true, false) => around!("r.top_id", all),
        (true, true) => around!("r.top_id", found),
        (false, false) => around!("r.account_id", all),
        (false, true) => around!("r.account_id", found),
    };
    let rows: Vec<(String, String, String, i64)> = terms.bind(scope.ask(sql)).fetch_all().await?;
    let mut around = Around::default();
    for (what, word, name, n) in rows {
        match what.as_str() {
            "product" => around.products.push((word, n)),
            "found" => around.found = n,
            _ if terms.leads => around.teams.push((word, name)),
            _ => {}
        }
    }
    around.total = around.products.iter().map(|it| it.1).sum();
    if around.total > 1000 {
        around.products.clear();
    }
    Ok(around)
}

/// `$2` to `$12`, and to `$16` for a search.
struct Terms {
    leads: bool,
    reach: Reach,
    me: Uuid,
    filters: [String; 4],
    words: Option<[String; 4]>,
}

impl Terms {
    fn of(scope: &Scope, filter: &Filter) -> Terms {
        let who = scope.who();
        let reach = ViewResources::PERMISSION.map(|it| who.rights.reach(it)).unwrap_or_default();
        let visibility = filter.visibility.map_or("", Visibility::word).to_owned();
        let filters = [filter.product.clone(), filter.kind.clone(), visibility, filter.team.clone()];
        let (term, id) = (search_term(&filter.search), fold(filter.search.trim()));
        // A search for signs alone finds external ids alone.
        let term = if term.is_empty() { id.clone() } else { term };
        let after = |it: &str| format!("{it}{LAST}");
        let words = (!id.is_empty()).then(|| [term.clone(), after(&term), id.clone(), after(&id)]);
        Terms { leads: who.leads_teams(), reach, me: who.person.id.0, filters, words }
    }
    fn bind<'q>(&self, query: Query<'q>) -> Query<'q> {
        let Reach { all, products, ids, only, private } = &self.reach;
        let query = query.bind(*all).bind(List(products)).bind(List(ids));
        let query = query.bind(only.is_none()).bind(List(only.as_deref().unwrap_or_default()));
        let query = query.bind(*private).bind(self.me);
        let words = self.words.iter().flatten();
        self.filters.iter().chain(words).fold(query, |query, it| query.bind(it.clone()))
    }
}
