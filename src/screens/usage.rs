//! Usage of an account: totals compared with before, by day, and broken down by a dimension.
mod budgets;
mod chart;
mod query;
mod table;

use crate::{
    error::{Error, Result},
    http::{form::Query, gate::Can, routes::Routes},
    model::{
        account::Kind,
        calendar::Day,
        catalog::{Catalog, Plan},
        permission::{Permission, SeeUsage},
        quantity::Quantity,
        time::Time,
        usage::{Dimension, VisibleUsage},
    },
    store::usage::{DailyUsage, Filter, ThrottledDay, UsageSum, days, slices, sums},
    view::{chart::sparkline, csv, page::Page},
};
use askama::Template;
use axum::response::Response;
use chart::Chart;
use jiff::tz::TimeZone;
use query::{Chip, Range, UsageQuery};
use table::{TableLinks, UsageTable};

pub fn routes() -> Routes {
    Routes::default().get("/a/{slug}/usage", show).get("/a/{slug}/usage.csv", export).merge(budgets::routes())
}

/// Rows of the breakdown; the file has all.
const MAX_ROWS: i64 = 50;
const MAX_FILE_ROWS: usize = 10_000;
/// Enough for the days of a year, twice, by a few products and meters.
const MAX_SUMS: i64 = 50_000;

#[derive(Template)]
#[template(path = "usage/index.html")]
struct UsagePage {
    lead: String,
    query: UsageQuery,
    range: Range,
    months: Vec<(String, String)>,
    problem: String,
    stats: Vec<Stat>,
    chart: Chart,
    tabs: Vec<(&'static str, String, bool)>,
    chips: Vec<Chip>,
    table: UsageTable,
    file: String,
    clear: String,
    budgets: String,
    /// Nothing was used, and no filter hides anything.
    is_unused: bool,
    /// The page that creates an API key; empty if that is not permitted.
    new_key: String,
}

struct Stat {
    label: String,
    value: String,
    /// `of 10,000`: what the plan includes in the shown month.
    of: String,
    href: String,
    is_chosen: bool,
    /// `+12.4%`, and the class `up` or `down`; `None` if there is nothing to compare with.
    change: Option<(String, &'static str)>,
    comparison: String,
    spark: Option<String>,
}

/// The dimensions by which the viewer may break usage down. Who sees only a part of the account gets no names of people and keys.
fn dimensions(visible: &VisibleUsage) -> &'static [Dimension] {
    match visible {
        visible if visible.teams => &[
            Dimension::Member,
            Dimension::Key,
            Dimension::Team,
            Dimension::Product,
            Dimension::Model,
            Dimension::Resource,
        ],
        visible if visible.all => {
            &[Dimension::Member, Dimension::Key, Dimension::Product, Dimension::Model, Dimension::Resource]
        }
        visible if visible.is_own() => {
            &[Dimension::Key, Dimension::Product, Dimension::Model, Dimension::Resource]
        }
        _ => &[Dimension::Product, Dimension::Model, Dimension::Resource],
    }
}

async fn show(can: Can<SeeUsage>, page: Page, Query(query): Query<UsageQuery>) -> Result<Response> {
    let access = can.access();
    let visible = VisibleUsage::of(access).map_err(Error::MissingPermission)?;
    let (today, catalog) = (Day::of(can.context().now()), can.context().catalog.clone());
    let dimensions = dimensions(&visible);
    let dimension = Dimension::parse(&query.by)
        .filter(|dimension| dimensions.contains(dimension))
        .unwrap_or(dimensions[0]);
    let meter_id = meter_id(&catalog, &query.meter);
    let (range, problem) = Range::of(&query, today);
    let filter = query.filter(&range, dimensions);
    let path = can.path("usage");
    let columns = shown_meters(&catalog, &meter_id);

    let mut scope = can.read();
    let before = Filter { from: range.before.0.min(filter.from), ..filter.clone() };
    let is_payer = access.account.parent.is_none() && visible.all && access.may(Permission::ViewUsage);
    let shows_throttled = is_payer && !query.is_filtered();
    let DailyUsage { sums: days, throttled, peak } =
        days(&mut scope, &before, range.from, shows_throttled, MAX_SUMS).await?;
    let mut slices =
        slices(&mut scope, &filter, dimension, columns.each_ref().map(String::as_str), MAX_ROWS + 1).await?;
    if dimension == Dimension::Product {
        for line in &mut slices.lines {
            line.name = line.name.take().map(|id| catalog.product_name(&id).to_owned());
        }
    }

    let chosen: Vec<&UsageSum> =
        days.iter().filter(|sum| sum.meter == meter_id && in_range(sum, &range)).collect();
    let total: Quantity = chosen.iter().map(|sum| sum.quantity).sum();
    let is_whole = visible.all
        && access.account.parent.is_none()
        && (visible.teams || access.account.kind == Kind::Personal);
    let plan =
        catalog.plan(&access.account.plan).filter(|_| is_whole && range.is_month() && !query.is_filtered());
    let names = columns.map(|id| meter_name(&catalog, &id).to_owned());
    let table = {
        let links = TableLinks { query: &query, path: &path };
        UsageTable::of(slices, dimension, names, total, links, access, &catalog)
    };
    let stat_count = if shows_throttled { 3 } else { 4 };
    let meters = catalog.meters.iter().take(stat_count);
    let mut stats: Vec<Stat> =
        meters.map(|meter| stat(meter, &meter_id, &days, &range, &query, &path, plan)).collect();
    if shows_throttled {
        stats.push(throttled_stat(&throttled, peak, &range));
    }
    let body = UsagePage {
        lead: lead(&visible, access.account.kind).to_owned(),
        stats,
        chart: Chart::of(&chosen, meter_name(&catalog, &meter_id), &range, today, &catalog),
        tabs: dimensions
            .iter()
            .map(|tab| (tab.plural(), query.with("by", tab.as_str()).href(&path), *tab == dimension))
            .collect(),
        chips: query.chips(&path, &table, dimensions, &catalog),
        table,
        file: query.href(&format!("{path}.csv")),
        clear: query.unfiltered().href(&path),
        months: Range::months(today),
        is_unused: days.iter().all(|sum| !in_range(sum, &range)) && !query.is_filtered(),
        new_key: if access.may(Permission::OwnKeys) { can.path("keys/new") } else { String::new() },
        budgets: if access.may(Permission::ChangePlan) { can.path("usage/budgets") } else { String::new() },
        problem,
        range,
        query,
    };
    let page = if body.problem.is_empty() { page } else { page.with(422) };
    page.show(&mut scope, "Usage", body).await
}

fn lead(visible: &VisibleUsage, kind: Kind) -> &'static str {
    match (visible, kind) {
        (visible, _) if visible.teams => {
            "What all keys of the organization and its teams used. Days are UTC."
        }
        (visible, Kind::Personal) if visible.all => "What your personal account used. Days are UTC.",
        (visible, Kind::Team) if visible.all => "What the team’s keys used. Days are UTC.",
        (visible, _) if visible.all => "What the account’s keys used, without its teams’. Days are UTC.",
        (visible, _) if visible.is_own() => "What your own API keys used. Days are UTC.",
        _ => "What the products and resources that you look after used. Days are UTC.",
    }
}

/// Falls back to the first meter of the catalogue.
fn meter_id(catalog: &Catalog, query: &str) -> String {
    let sums = catalog.meters.iter().find(|meter_id| meter_id.id == query).or(catalog.meters.first());
    sums.map(|meter_id| meter_id.id.clone()).unwrap_or_default()
}

fn meter_name<'a>(catalog: &'a Catalog, id: &'a str) -> &'a str {
    catalog.meters.iter().find(|meter_id| meter_id.id == id).map_or(id, |meter_id| &meter_id.name)
}

/// The chosen meter and two others beside it.
fn shown_meters(catalog: &Catalog, first: &str) -> [String; 3] {
    let mut rest = catalog.meters.iter().map(|meter_id| meter_id.id.clone()).filter(|id| id != first);
    [first.to_owned(), rest.next().unwrap_or_default(), rest.next().unwrap_or_default()]
}

fn in_range(sum: &UsageSum, range: &Range) -> bool {
    sum.day.is_some_and(|day| range.from <= day && day < range.to)
}

fn stat(
    meter_id: &crate::model::catalog::Meter,
    chosen: &str,
    days: &[UsageSum],
    range: &Range,
    query: &UsageQuery,
    path: &str,
    plan: Option<&Plan>,
) -> Stat {
    let of = |from: Day, to: Day| -> Quantity {
        let of_these =
            |sum: &&UsageSum| sum.meter == meter_id.id && sum.day.is_some_and(|day| from <= day && day < to);
        days.iter().filter(of_these).map(|sum| sum.quantity).sum()
    };
    let (now, before) = (of(range.from, range.to), of(range.before.0, range.before.1));
    let change = (!before.is_zero()).then(|| {
        let percent = (now.roughly() / before.roughly() - 1.0) * 100.0;
        let class = if percent < 0.0 { "down" } else { "up" };
        (if percent > 999.0 { "> +999%".to_owned() } else { format!("{percent:+.1}%") }, class)
    });
    let line: Vec<f64> = (range.from.0..range.to.0).map(|day| of(Day(day), Day(day + 1)).roughly()).collect();
    Stat {
        label: meter_id.name.clone(),
        value: now.rounded(),
        of: plan
            .map(|plan| plan.included(&meter_id.id))
            .filter(|quantity| !quantity.is_zero())
            .map_or_else(String::new, |quantity| format!("of {}", quantity.grouped())),
        href: query.with("meter", &meter_id.id).href(path),
        is_chosen: meter_id.id == chosen,
        comparison: match change {
            Some(_) => format!("vs {}", range.before_in_words()),
            None if now.is_zero() => "nothing in these days".to_owned(),
            None => "nothing before to compare with".to_owned(),
        },
        change,
        spark: sparkline(&line),
    }
}

/// The share of requests that the rate limits refused.
fn throttled_stat(days: &[ThrottledDay], peak: Option<Time>, range: &Range) -> Stat {
    let of = |from: Day, to: Day| {
        let these = days.iter().filter(|day| from <= day.day && day.day < to);
        let (requests, refused) = these.fold((0, 0), |sum, day| (sum.0 + day.asked, sum.1 + day.refused));
        share(refused, requests)
    };
    let (now, before) = (of(range.from, range.to), of(range.before.0, range.before.1));
    // More refusals are worse, so the classes are swapped.
    let change = now.zip(before).filter(|_| peak.is_some()).map(|(now, before)| {
        let class = if now > before { "down" } else { "up" };
        (format!("{:+.2} pt", now - before), class)
    });
    let comparison = match (now, peak) {
        (None, _) => "no key was verified in these days".to_owned(),
        (_, Some(time)) => format!("peak {} UTC", time.minute(&TimeZone::UTC)),
        (_, None) => "no request was refused".to_owned(),
    };
    let line = (range.from.0..range.to.0).map(|day| of(Day(day), Day(day + 1)).unwrap_or(0.0));
    Stat {
        label: "Throttled (429)".into(),
        value: now.map_or_else(|| "—".to_owned(), percent),
        of: String::new(),
        href: String::new(),
        is_chosen: false,
        change,
        comparison,
        spark: sparkline(&line.collect::<Vec<_>>()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share is read to two digits")]
fn share(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| 100.0 * part as f64 / whole as f64)
}

fn percent(share: f64) -> String {
    match share {
        share if share <= 0.0 => "0%".to_owned(),
        share if share < 0.01 => "< 0.01%".to_owned(),
        share => format!("{share:.2}%"),
    }
}

async fn export(can: Can<SeeUsage>, Query(query): Query<UsageQuery>) -> Result<Response> {
    let visible = VisibleUsage::of(can.access()).map_err(Error::MissingPermission)?;
    let dimensions = dimensions(&visible);
    let dimension = Dimension::parse(&query.by)
        .filter(|dimension| dimensions.contains(dimension))
        .unwrap_or(dimensions[0]);
    let (range, problem) = Range::of(&query, Day::of(can.context().now()));
    if !problem.is_empty() {
        return Err(Error::invalid("range", "invalid_range", problem));
    }
    let filter = query.filter(&range, dimensions);
    let limit = i64::try_from(MAX_FILE_ROWS + 1).unwrap_or(i64::MAX);
    let sums = sums(&mut can.read(), &filter, &[Dimension::Day, dimension], limit).await?;
    if sums.len() > MAX_FILE_ROWS {
        let detail = "This file would have more than 10,000 lines. Choose fewer days, or a filter.";
        return Err(Error::invalid("range", "too_many_rows", detail));
    }
    let name = format!("{}_name", dimension.as_str());
    let mut text = csv::line(["day", dimension.as_str(), &name, "meter", "quantity"]);
    for sum in &sums {
        let day = sum.day.map(|day| day.to_string()).unwrap_or_default();
        let (id, name) = sum.labelled(dimension);
        text += &csv::line([day.as_str(), &id, &name, &sum.meter, &sum.quantity.to_string()]);
    }
    let (from, to) = (range.from, range.to.plus(-1));
    Ok(csv::attachment(&format!("{}-usage-{from}-{to}.csv", can.slug()), text))
}
