//! The list of resources: all of its state stands in the address.
use super::Looks;
use crate::{
    error::Result,
    http::{form::Query, gate::Can},
    model::{
        access::Entry,
        account::Kind,
        catalog::Catalog,
        permission::{Permission, ViewResources},
        resource::Visibility,
        text::{counted, grouped},
    },
    store::resources::{self, Around, Cursor, Filter, Order, Resource, Sort},
    view::page::{Page, When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

const PAGE: i64 = 25;

/// What the address asks for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    q: String,
    product: String,
    kind: String,
    visibility: String,
    team: String,
    sort: String,
    after: String,
    before: String,
}

impl Asked {
    fn filter(&self) -> Filter {
        let (order, word) = match self.sort.strip_prefix('-') {
            Some(word) => (Order::Down, word),
            None => (Order::Up, self.sort.as_str()),
        };
        let (sort, order) = match word {
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
            limit: PAGE,
        }
    }
    /// The query of the same list, with these fields set.
    fn query(&self, set: &[(&str, &str)]) -> String {
        let kept = [
            ("q", &self.q),
            ("product", &self.product),
            ("kind", &self.kind),
            ("visibility", &self.visibility),
            ("team", &self.team),
            ("sort", &self.sort),
        ];
        let kept = kept.iter().map(|(name, value)| (*name, value.as_str()));
        let kept = kept.filter(|(name, _)| set.iter().all(|it| it.0 != *name));
        let all = kept.chain(set.iter().copied()).filter(|it| !it.1.is_empty());
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish();
        if text.is_empty() { text } else { format!("?{text}") }
    }
}

/// A product's tab.
struct Tab {
    label: String,
    href: String,
    is_here: bool,
    count: String,
}

/// A head cell by which the list can be sorted.
struct Head {
    href: String,
    order: &'static str,
}

/// An option of a filter.
struct Pick {
    value: String,
    label: String,
    chosen: bool,
}

struct Row {
    id: String,
    href: String,
    looks: Looks,
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
struct Index {
    base: String,
    account: String,
    /// Where one is registered, for who may.
    new: String,
    /// Where a key is made, for who may.
    new_key: String,
    /// The list without filters; empty if there are none.
    clear: String,
    asked: Asked,
    tabs: Vec<Tab>,
    kinds: Vec<Pick>,
    visibilities: Vec<Pick>,
    teams: Vec<Pick>,
    by_name: Head,
    by_changed: Head,
    total: i64,
    rows: Vec<Row>,
    said: String,
    newer: String,
    older: String,
}

pub(super) async fn show(
    can: Can<ViewResources>,
    page: Page,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let filter = asked.filter();
    let mut scope = can.read();
    let found = resources::list(&mut scope, &filter).await?;
    let around = resources::around(&mut scope, &filter).await?;
    let (me, base) = (can.me(), can.path("resources"));
    let catalog = &can.kit().catalog;
    let zone = page.zone(me.time_zone.as_deref());
    let rows: Vec<Row> = found.resources.into_iter().map(|it| row(it, me, catalog, &zone)).collect();
    let turn = |name: &str, at: Option<Cursor>| {
        at.map(|it| format!("{base}{}", asked.query(&[(name, &it.to_string())]))).unwrap_or_default()
    };
    let (newer, older) = (turn("before", found.previous), turn("after", found.next));
    let clear = [("q", ""), ("kind", ""), ("visibility", ""), ("team", "")];
    let may_create = catalog.products.iter().any(|it| me.may_create_in(&it.id));
    let may_make_keys = me.may(Permission::OwnKeys) && me.membership.is_some();
    let index = Index {
        account: me.here.name.clone(),
        new: if may_create { format!("{base}/new") } else { String::new() },
        new_key: if may_make_keys { can.path("keys/new") } else { String::new() },
        clear: if filter.is_narrow() { format!("{base}{}", asked.query(&clear)) } else { String::new() },
        tabs: tabs(&asked, &base, &around, catalog),
        kinds: kinds(&asked, catalog),
        visibilities: vec![
            pick("shared", "Shared", &asked.visibility),
            pick("private", "Private", &asked.visibility),
        ],
        teams: around.teams.iter().map(|(slug, name)| pick(slug, name, &asked.team)).collect(),
        by_name: head(&asked, &base, &filter, Sort::Name, "name"),
        by_changed: head(&asked, &base, &filter, Sort::Changed, "changed"),
        total: around.total,
        said: said(rows.len(), around.found),
        rows,
        newer,
        older,
        base,
        asked,
    };
    page.show(&mut scope, "Resources", index).await
}

fn said(shown: usize, found: i64) -> String {
    let shown = i64::try_from(shown).unwrap_or(i64::MAX);
    let all = if found > 1000 { "1,000+ resources".to_owned() } else { counted(found, "resource") };
    if shown == found { all } else { format!("{} of {all}", grouped(shown)) }
}

fn row(it: Resource, me: &Entry, catalog: &Catalog, zone: &TimeZone) -> Row {
    let owner = it.team.as_ref().map_or(&me.here.slug, |team| &team.slug);
    Row {
        id: it.id.to_string(),
        href: format!("/a/{owner}/resources/{}", it.id),
        looks: Looks::of(&it, catalog),
        is_private: it.visibility == Visibility::Private,
        team: it
            .team
            .as_ref()
            .filter(|_| me.here.kind != Kind::Team)
            .map(|it| it.name.clone())
            .unwrap_or_default(),
        creator: it.creator_name.clone().unwrap_or_default(),
        changed: When::day(it.updated_at, zone),
        may_update: me.may_on(Permission::UpdateResources, &it),
        may_delete: me.may_on(Permission::DeleteResources, &it),
        name: it.name,
        external_id: it.external_id,
    }
}

/// All, and each product; how many, as far as that was counted.
fn tabs(asked: &Asked, base: &str, around: &Around, catalog: &Catalog) -> Vec<Tab> {
    let href = |product: &str| format!("{base}{}", asked.query(&[("product", product), ("kind", "")]));
    let all = Tab {
        label: "All".into(),
        href: href(""),
        is_here: asked.product.is_empty(),
        count: if around.total > 1000 { "1,000+".into() } else { grouped(around.total) },
    };
    let of = |id: &str| around.products.iter().find(|it| it.0 == id).map_or(0, |it| it.1);
    let tab = |it: &crate::model::catalog::Product| Tab {
        label: it.name.clone(),
        href: href(&it.id),
        is_here: asked.product == it.id,
        count: if around.total > 1000 { String::new() } else { grouped(of(&it.id)) },
    };
    std::iter::once(all).chain(catalog.products.iter().map(tab)).collect()
}

fn kinds(asked: &Asked, catalog: &Catalog) -> Vec<Pick> {
    let fits = |it: &&crate::model::catalog::ResourceKind| {
        asked.product.is_empty() || it.products.contains(&asked.product)
    };
    catalog.kinds.iter().filter(fits).map(|it| pick(&it.id, &it.name, &asked.kind)).collect()
}

fn pick(value: &str, label: &str, chosen: &str) -> Pick {
    Pick { value: value.to_owned(), label: label.to_owned(), chosen: value == chosen }
}

/// Sorts the other way, if the list is sorted by it.
fn head(asked: &Asked, base: &str, filter: &Filter, by: Sort, word: &str) -> Head {
    let (order, next) = match (filter.sort == by, filter.order) {
        (false, _) if by == Sort::Changed => ("", format!("-{word}")),
        (false, _) => ("", word.to_owned()),
        (true, Order::Up) => ("ascending", format!("-{word}")),
        (true, Order::Down) => ("descending", word.to_owned()),
    };
    let next = if next == "-changed" { String::new() } else { next };
    Head { href: format!("{base}{}", asked.query(&[("sort", &next)])), order }
}
