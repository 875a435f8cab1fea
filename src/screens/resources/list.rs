//! The list of resources. Its whole state is in the address, so a reload or a link shows the same.
use super::ResourceLooks;
use crate::{
    error::Result,
    http::{form::Query, gate::Can},
    model::{
        access::Access,
        account::Kind,
        catalog::Catalog,
        permission::{Permission, ViewResources},
        resource::Visibility,
        text::{counted_up_to, grouped, grouped_up_to},
    },
    store::resources::{self, Cursor, Filter, Order, Resource, ResourceListSummary, Sort},
    view::{page::Page, select::SelectOption, when::When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

const PAGE_SIZE: i64 = 25;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ResourcesQuery {
    q: String,
    product: String,
    kind: String,
    visibility: String,
    team: String,
    sort: String,
    after: String,
    before: String,
}

impl ResourcesQuery {
    fn filter(&self) -> Filter {
        let (order, key) = match self.sort.strip_prefix('-') {
            Some(key) => (Order::Down, key),
            None => (Order::Up, self.sort.as_str()),
        };
        let (sort, order) = match key {
            "name" => (Sort::Name, order),
            "created" => (Sort::Created, order),
            "changed" => (Sort::Changed, order),
            _ => (Sort::Changed, Order::Down),
        };
        Filter {
            search: self.q.trim().to_owned(),
            product: self.product.clone(),
            kind: self.kind.clone(),
            visibility: Visibility::parse(&self.visibility),
            team: self.team.clone(),
            sort,
            order,
            after: Cursor::parse(&self.after),
            before: Cursor::parse(&self.before),
            limit: PAGE_SIZE,
        }
    }
    /// The query of the same list, with these fields set.
    fn query(&self, set: &[(&str, &str)]) -> String {
        let fields = [
            ("q", &self.q),
            ("product", &self.product),
            ("kind", &self.kind),
            ("visibility", &self.visibility),
            ("team", &self.team),
            ("sort", &self.sort),
        ];
        let fields = fields.iter().map(|(name, value)| (*name, value.as_str()));
        let others = fields.filter(|(name, _)| set.iter().all(|field| field.0 != *name));
        let all = others.chain(set.iter().copied()).filter(|field| !field.1.is_empty());
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish();
        if text.is_empty() { text } else { format!("?{text}") }
    }
}

struct ProductTab {
    label: String,
    href: String,
    is_current: bool,
    count: String,
}

struct SortHead {
    href: String,
    order: &'static str,
}

struct ResourceRow {
    id: String,
    href: String,
    looks: ResourceLooks,
    name: String,
    external_id: String,
    is_private: bool,
    team: String,
    creator: String,
    changed: When,
    may_update: bool,
    may_delete: bool,
}

#[derive(Template)]
#[template(path = "resources/index.html")]
struct ResourcesPage {
    base: String,
    account: String,
    /// The page that registers a resource; empty if that is not permitted.
    new: String,
    /// The page that creates an API key; empty if that is not permitted.
    new_key: String,
    /// The list without filters; empty if there are none.
    clear: String,
    query: ResourcesQuery,
    tabs: Vec<ProductTab>,
    kinds: Vec<SelectOption>,
    visibilities: Vec<SelectOption>,
    teams: Vec<SelectOption>,
    by_name: SortHead,
    by_changed: SortHead,
    total: i64,
    rows: Vec<ResourceRow>,
    summary: String,
    newer: String,
    older: String,
}

pub(super) async fn show(
    can: Can<ViewResources>,
    page: Page,
    Query(query): Query<ResourcesQuery>,
) -> Result<Response> {
    let filter = query.filter();
    let mut scope = can.read();
    let found = resources::list(&mut scope, &filter).await?;
    let around = resources::summary(&mut scope, &filter).await?;
    let (access, base) = (can.access(), can.path("resources"));
    let catalog = &can.context().catalog;
    let zone = page.zone(can.actor().time_zone());
    let rows: Vec<ResourceRow> =
        found.resources.into_iter().map(|resource| row(resource, access, catalog, &zone)).collect();
    let page_href = |name: &str, at: Option<Cursor>| {
        at.map(|cursor| format!("{base}{}", query.query(&[(name, &cursor.to_string())]))).unwrap_or_default()
    };
    let (newer, older) = (page_href("before", found.previous), page_href("after", found.next));
    let clear = [("q", ""), ("kind", ""), ("visibility", ""), ("team", "")];
    let may_create = catalog.products.iter().any(|product| access.may_create_in(&product.id));
    let may_make_keys = access.may(Permission::OwnKeys) && access.membership.is_some();
    let index = ResourcesPage {
        account: access.account.name.clone(),
        new: if may_create { format!("{base}/new") } else { String::new() },
        new_key: if may_make_keys { can.path("keys/new") } else { String::new() },
        clear: if filter.is_narrow() { format!("{base}{}", query.query(&clear)) } else { String::new() },
        tabs: tabs(&query, &base, &around, catalog),
        kinds: kinds(&query, catalog),
        visibilities: SelectOption::list(&[("shared", "Shared"), ("private", "Private")], &query.visibility),
        teams: around
            .teams
            .iter()
            .map(|(slug, name)| SelectOption::new(slug.as_str(), name.as_str(), &query.team))
            .collect(),
        by_name: sort_head(&query, &base, &filter, Sort::Name, "name"),
        by_changed: sort_head(&query, &base, &filter, Sort::Changed, "changed"),
        total: around.total,
        summary: summary(rows.len(), around.found),
        rows,
        newer,
        older,
        base,
        query,
    };
    page.show(&mut scope, "Resources", index).await
}

fn summary(shown: usize, found: i64) -> String {
    let shown = i64::try_from(shown).unwrap_or(i64::MAX);
    let all = counted_up_to(1000, found, "resource");
    if shown == found { all } else { format!("{} of {all}", grouped(shown)) }
}

fn row(resource: Resource, access: &Access, catalog: &Catalog, zone: &TimeZone) -> ResourceRow {
    let owner = resource.team.as_ref().map_or(&access.account.slug, |team| &team.slug);
    ResourceRow {
        id: resource.id.to_string(),
        href: format!("/a/{owner}/resources/{}", resource.id),
        looks: ResourceLooks::of(&resource, catalog),
        is_private: resource.visibility == Visibility::Private,
        team: resource
            .team
            .as_ref()
            .filter(|_| access.account.kind != Kind::Team)
            .map(|team| team.name.clone())
            .unwrap_or_default(),
        creator: resource.creator_name.clone().unwrap_or_default(),
        changed: When::day(resource.updated_at, zone),
        may_update: access.may_on(Permission::UpdateResources, &resource),
        may_delete: access.may_on(Permission::DeleteResources, &resource),
        name: resource.name,
        external_id: resource.external_id,
    }
}

/// All, and each product. The numbers of products are left out where the store stopped counting.
fn tabs(
    query: &ResourcesQuery,
    base: &str,
    around: &ResourceListSummary,
    catalog: &Catalog,
) -> Vec<ProductTab> {
    let href = |product: &str| format!("{base}{}", query.query(&[("product", product), ("kind", "")]));
    let all = ProductTab {
        label: "All".into(),
        href: href(""),
        is_current: query.product.is_empty(),
        count: grouped_up_to(1000, around.total),
    };
    let of = |id: &str| around.products.iter().find(|product| product.0 == id).map_or(0, |product| product.1);
    let tab = |product: &crate::model::catalog::Product| ProductTab {
        label: product.name.clone(),
        href: href(&product.id),
        is_current: query.product == product.id,
        count: if around.total > 1000 { String::new() } else { grouped(of(&product.id)) },
    };
    std::iter::once(all).chain(catalog.products.iter().map(tab)).collect()
}

fn kinds(query: &ResourcesQuery, catalog: &Catalog) -> Vec<SelectOption> {
    let fits = |kind: &&crate::model::catalog::ResourceKind| {
        query.product.is_empty() || kind.products.contains(&query.product)
    };
    catalog
        .kinds
        .iter()
        .filter(fits)
        .map(|kind| SelectOption::new(&kind.id, &kind.name, &query.kind))
        .collect()
}

/// A second click on the same head reverses the order.
fn sort_head(query: &ResourcesQuery, base: &str, filter: &Filter, by: Sort, key: &str) -> SortHead {
    let (order, next) = match (filter.sort == by, filter.order) {
        (false, _) if by == Sort::Changed => ("", format!("-{key}")),
        (false, _) => ("", key.to_owned()),
        (true, Order::Up) => ("ascending", format!("-{key}")),
        (true, Order::Down) => ("descending", key.to_owned()),
    };
    let next = if next == "-changed" { String::new() } else { next };
    SortHead { href: format!("{base}{}", query.query(&[("sort", &next)])), order }
}
