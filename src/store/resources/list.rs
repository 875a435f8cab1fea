//! Pages of resources in three orders, searched and filtered, in one statement. The SQL says what `Rights::may_at` says in
//! Rust.
use super::{RESOURCES, Resource, ResourceRow};
use crate::{
    db::{List, Query},
    error::Result,
    model::{
        access::Access,
        id::UserId,
        permission::{Needs as _, ViewResources},
        resource::{Reach, Visibility},
        text::{fold, search_term},
    },
    store::{
        Scope,
        cursor::{LAST_CHARACTER, split_page},
    },
};
use const_format::concatcp;

pub use crate::store::cursor::{Cursor, Order};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    Name,
    /// When they were registered.
    #[default]
    Created,
    /// When they were last changed.
    Changed,
}

#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A prefix of the external id or of a word of the name.
    pub search: String,
    pub product: String,
    pub kind: String,
    /// Only shared or only private ones.
    pub visibility: Option<Visibility>,
    /// The slug of the team that owns them.
    pub team: String,
    pub sort: Sort,
    pub order: Order,
    pub after: Option<Cursor>,
    pub before: Option<Cursor>,
    pub limit: i64,
}

impl Filter {
    /// Whether anything is filtered. The product is a tab of its own and does not count.
    pub fn is_narrow(&self) -> bool {
        self.visibility.is_some()
            || [&self.search, &self.kind, &self.team].iter().any(|text| !text.is_empty())
    }
}

#[derive(Debug, Default)]
pub struct Page {
    pub resources: Vec<Resource>,
    pub next: Option<Cursor>,
    pub previous: Option<Cursor>,
}

const IN_ACCOUNT: &str = "where r.account_id = $1 ";
const IN_ORGANIZATION: &str = "where r.root_account_id = $1 ";
const VISIBLE: &str =
    "and ($2 or r.product = any($3::text[]) or r.id = any($4::uuid[])) and ($5 or r.id = any($6::uuid[]))
               and ($7 or r.visibility = 'shared' or r.created_by = $8) ";
const FILTER: &str =
    "and ($9 = '' or r.product = $9) and ($10 = '' or r.kind = $10) and ($11 = '' or r.visibility = $11)
               and ($12 = '' or r.account_id = (select id from accounts where slug = $12)) ";
// A search drives the statement. Without one its words are bound all the same, so the statement mentions them.
const NO_SEARCH: &str = "and $13 = $14 and $15 = $16 ";
const SEARCH: &str = "and r.id in (select resource_id from resource_search where account_id = $1 and word >= $13 and word < $14
                union select resource_id from resource_search where account_id = $1 and word >= $15 and word < $16) ";

const ACCOUNT_PAGE: &str = concatcp!(RESOURCES, IN_ACCOUNT, VISIBLE, FILTER, NO_SEARCH);
const ACCOUNT_SEARCH: &str = concatcp!(RESOURCES, IN_ACCOUNT, VISIBLE, FILTER, SEARCH);
const ORGANIZATION_PAGE: &str = concatcp!(RESOURCES, IN_ORGANIZATION, VISIBLE, FILTER, NO_SEARCH);
const ORGANIZATION_SEARCH: &str = concatcp!(RESOURCES, IN_ORGANIZATION, VISIBLE, FILTER, SEARCH);

const NAME_UP: &str = "and (r.name_key, r.id) > ($17, $18) order by r.name_key, r.id limit $19";
const NAME_DOWN: &str = "and (r.name_key, r.id) < ($17, $18) order by r.name_key desc, r.id desc limit $19";
const CREATED_UP: &str = "and (r.created_at, r.id) > ($17, $18) order by r.created_at, r.id limit $19";
const CREATED_DOWN: &str =
    "and (r.created_at, r.id) < ($17, $18) order by r.created_at desc, r.id desc limit $19";
const CHANGED_UP: &str = "and (r.updated_at, r.id) > ($17, $18) order by r.updated_at, r.id limit $19";
const CHANGED_DOWN: &str =
    "and (r.updated_at, r.id) < ($17, $18) order by r.updated_at desc, r.id desc limit $19";

/// The statements of an account and of an organization with its teams, each without and with a search.
type Pages = [[&'static str; 2]; 2];

fn page_sql(sort: Sort, up: bool) -> Pages {
    match (sort, up) {
        (Sort::Name, true) => [
            [concatcp!(ACCOUNT_PAGE, NAME_UP), concatcp!(ACCOUNT_SEARCH, NAME_UP)],
            [concatcp!(ORGANIZATION_PAGE, NAME_UP), concatcp!(ORGANIZATION_SEARCH, NAME_UP)],
        ],
        (Sort::Name, false) => [
            [concatcp!(ACCOUNT_PAGE, NAME_DOWN), concatcp!(ACCOUNT_SEARCH, NAME_DOWN)],
            [concatcp!(ORGANIZATION_PAGE, NAME_DOWN), concatcp!(ORGANIZATION_SEARCH, NAME_DOWN)],
        ],
        (Sort::Created, true) => [
            [concatcp!(ACCOUNT_PAGE, CREATED_UP), concatcp!(ACCOUNT_SEARCH, CREATED_UP)],
            [concatcp!(ORGANIZATION_PAGE, CREATED_UP), concatcp!(ORGANIZATION_SEARCH, CREATED_UP)],
        ],
        (Sort::Created, false) => [
            [concatcp!(ACCOUNT_PAGE, CREATED_DOWN), concatcp!(ACCOUNT_SEARCH, CREATED_DOWN)],
            [concatcp!(ORGANIZATION_PAGE, CREATED_DOWN), concatcp!(ORGANIZATION_SEARCH, CREATED_DOWN)],
        ],
        (Sort::Changed, true) => [
            [concatcp!(ACCOUNT_PAGE, CHANGED_UP), concatcp!(ACCOUNT_SEARCH, CHANGED_UP)],
            [concatcp!(ORGANIZATION_PAGE, CHANGED_UP), concatcp!(ORGANIZATION_SEARCH, CHANGED_UP)],
        ],
        (Sort::Changed, false) => [
            [concatcp!(ACCOUNT_PAGE, CHANGED_DOWN), concatcp!(ACCOUNT_SEARCH, CHANGED_DOWN)],
            [concatcp!(ORGANIZATION_PAGE, CHANGED_DOWN), concatcp!(ORGANIZATION_SEARCH, CHANGED_DOWN)],
        ],
    }
}

/// A page of the resources that the caller may see; for an organization's administrators, including those of its teams.
pub async fn list(scope: &mut Scope<Access>, filter: &Filter) -> Result<Page> {
    let backwards = filter.before.is_some();
    let up = (filter.order == Order::Up) != backwards;
    let terms = Terms::of(scope, filter);
    let sql = page_sql(filter.sort, up)[usize::from(terms.leads)][usize::from(terms.searches)];
    let from = filter.before.clone().or_else(|| filter.after.clone()).unwrap_or_else(|| Cursor::start(up));
    let query = terms.bind(scope.query_in_account(sql));
    let query = if filter.sort == Sort::Name { query.bind(from.name) } else { query.bind(from.time) };
    let rows: Vec<ResourceRow> = query.bind(from.id).bind(filter.limit + 1).fetch_all().await?;

    let page = split_page(rows, filter.limit, backwards, filter.after.is_some());
    let cursor = |row: &ResourceRow| {
        let time = if filter.sort == Sort::Changed { row.updated_at } else { row.created_at };
        Cursor { time: time.0, name: row.name_key.clone(), id: row.id.0 }
    };
    let (next, previous) = (page.next(cursor), page.previous(cursor));
    Ok(Page { resources: page.rows.into_iter().map(Resource::from).collect(), next, previous })
}

/// What a page of resources shows besides the resources.
#[derive(Clone, Debug, Default)]
pub struct ResourceListSummary {
    /// Visible resources of all products, counted up to 1,001.
    pub total: i64,
    /// Counts by product; empty if there are more than 1,000 in all.
    pub products: Vec<(String, i64)>,
    /// Resources that match the filter, counted up to 1,001.
    pub found: i64,
    /// The teams by which the list can be filtered, `(slug, name)`.
    pub teams: Vec<(String, String)>,
}

const COUNTS: &str = "select * from (select 'product' as what, product as word, '' as name, count(*) as n
                from (select r.product from resources r ";
const COUNT_FOUND: &str = " limit 1001) few group by product) products
             union all select 'found', '', '', count(*)
                from (select 1 as one from resources r ";
const TEAMS: &str = " limit 1001) few
             union all select * from (select 'team' as what, slug as word, name, 0 as n from accounts where parent_id = $1
                order by name limit 200) teams";

pub async fn summary(scope: &mut Scope<Access>, filter: &Filter) -> Result<ResourceListSummary> {
    let terms = Terms::of(scope, filter);
    let sql = match (terms.leads, terms.searches) {
        (false, false) => {
            concatcp!(COUNTS, IN_ACCOUNT, VISIBLE, COUNT_FOUND, IN_ACCOUNT, VISIBLE, FILTER, NO_SEARCH, TEAMS)
        }
        (false, true) => {
            concatcp!(COUNTS, IN_ACCOUNT, VISIBLE, COUNT_FOUND, IN_ACCOUNT, VISIBLE, FILTER, SEARCH, TEAMS)
        }
        (true, false) => concatcp!(
            COUNTS,
            IN_ORGANIZATION,
            VISIBLE,
            COUNT_FOUND,
            IN_ORGANIZATION,
            VISIBLE,
            FILTER,
            NO_SEARCH,
            TEAMS
        ),
        (true, true) => concatcp!(
            COUNTS,
            IN_ORGANIZATION,
            VISIBLE,
            COUNT_FOUND,
            IN_ORGANIZATION,
            VISIBLE,
            FILTER,
            SEARCH,
            TEAMS
        ),
    };
    let rows: Vec<(String, String, String, i64)> =
        terms.bind(scope.query_in_account(sql)).fetch_all().await?;
    let mut around = ResourceListSummary::default();
    for (what, word, name, n) in rows {
        match what.as_str() {
            "product" => around.products.push((word, n)),
            "found" => around.found = n,
            _ if terms.leads => around.teams.push((word, name)),
            _ => {}
        }
    }
    around.total = around.products.iter().map(|product| product.1).sum();
    if around.total > 1000 {
        around.products.clear();
    }
    Ok(around)
}

/// `$2` to `$16`.
struct Terms {
    leads: bool,
    reach: Reach,
    me: Option<UserId>,
    filters: [String; 4],
    words: [String; 4],
    searches: bool,
}

impl Terms {
    fn of(scope: &Scope<Access>, filter: &Filter) -> Terms {
        let access = scope.access();
        let reach =
            ViewResources::PERMISSION.map(|permission| access.rights.reach(permission)).unwrap_or_default();
        let visibility = filter.visibility.map_or("", Visibility::as_str).to_owned();
        let filters = [filter.product.clone(), filter.kind.clone(), visibility, filter.team.clone()];
        let (term, id) = (search_term(&filter.search), fold(filter.search.trim()));
        // A search without letters matches external ids only.
        let term = if term.is_empty() { id.clone() } else { term };
        let after = |prefix: &str| format!("{prefix}{LAST_CHARACTER}");
        let searches = !id.is_empty();
        let words =
            if searches { [term.clone(), after(&term), id.clone(), after(&id)] } else { Default::default() };
        Terms { leads: access.leads_teams(), reach, me: access.user_id(), filters, words, searches }
    }
    fn bind<'q>(&self, query: Query<'q>) -> Query<'q> {
        let Reach { all, products, ids, only, private } = &self.reach;
        let query = query.bind(*all).bind(List(products)).bind(List(ids));
        let query = query.bind(only.is_none()).bind(List(only.as_deref().unwrap_or_default()));
        let query = query.bind(*private).bind(self.me);
        self.filters.iter().chain(&self.words).fold(query, |query, text| query.bind(text.clone()))
    }
}
