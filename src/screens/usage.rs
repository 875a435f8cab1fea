//! Usage of an account: how much, compared with before; by day; by whom and what.
mod ask;
mod budgets;
mod chart;
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
        usage::{Axis, Sight},
    },
    store::usage::{Days, Filter, Sum, Throttled, days, slices, sums},
    view::{chart::spark, csv, page::Page},
};
use ask::{Asked, Chip, Range};
use askama::Template;
use axum::response::Response;
use chart::Chart;
use jiff::tz::TimeZone;
use table::Table;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default().get("/a/{slug}/usage", show).get("/a/{slug}/usage.csv", export).merge(budgets::routes())
}

/// How many lines a breakdown shows; the file has all.
const MOST: i64 = 50;
/// The most rows of a file.
const MOST_IN_FILE: usize = 10_000;
/// The most sums of a page's days: a year of them, twice, by a few products and meters.
const MOST_SUMS: i64 = 50_000;

#[derive(Template)]
#[template(path = "usage/index.html")]
struct Index {
    lede: String,
    asked: Asked,
    range: Range,
    months: Vec<(String, String)>,
    problem: String,
    stats: Vec<Stat>,
    chart: Chart,
    tabs: Vec<(&'static str, String, bool)>,
    chips: Vec<Chip>,
    table: Table,
    file: String,
    clear: String,
    budgets: String,
    /// Nothing of anything, and no filter that hides it.
    is_unused: bool,
    /// Where an API key is made; empty for who may not.
    new_key: String,
}

/// What was used of a meter, and how that compares.
struct Stat {
    label: String,
    value: String,
    /// `of 10,000`: what the plan includes of it in the month that is shown.
    of: String,
    href: String,
    is_chosen: bool,
    /// `+12.4%`, and whether that is more; none if there is nothing to compare with.
    change: Option<(String, &'static str)>,
    than: String,
    spark: Option<String>,
}

/// Along which axes somebody may look: who sees but a part of the account is told no names.
fn axes(sight: &Sight) -> &'static [Axis] {
    match sight {
        it if it.teams => &[Axis::Member, Axis::Key, Axis::Team, Axis::Product, Axis::Model, Axis::Resource],
        it if it.all => &[Axis::Member, Axis::Key, Axis::Product, Axis::Model, Axis::Resource],
        it if it.is_own() => &[Axis::Key, Axis::Product, Axis::Model, Axis::Resource],
        _ => &[Axis::Product, Axis::Model, Axis::Resource],
    }
}

async fn show(can: Can<SeeUsage>, page: Page, Query(asked): Query<Asked>) -> Result<Response> {
    let me = can.me();
    let sight = Sight::of(me).map_err(Error::Forbidden)?;
    let (today, catalog) = (Day::of(can.kit().now()), can.kit().catalog.clone());
    let axes = axes(&sight);
    let by = Axis::parse(&asked.by).filter(|it| axes.contains(it)).unwrap_or(axes[0]);
    let meter = meter(&catalog, &asked.meter);
    let (range, problem) = Range::of(&asked, today);
    let filter = asked.filter(&range, axes);
    let path = can.path("usage");
    let shown = shown_meters(&catalog, &meter);

    let mut scope = can.read();
    let before = Filter { from: range.before.0.min(filter.from), ..filter.clone() };
    let is_payer = me.here.parent.is_none() && sight.all && me.may(Permission::ViewUsage);
    let shows_throttled = is_payer && !asked.is_filtered();
    let Days { sums: days, throttled, peak } =
        days(&mut scope, &before, range.from, shows_throttled, MOST_SUMS).await?;
    let mut slices = slices(&mut scope, &filter, by, shown.each_ref().map(String::as_str), MOST + 1).await?;
    if by == Axis::Product {
        for it in &mut slices.lines {
            it.name = it.name.take().map(|id| catalog.product_name(&id).to_owned());
        }
    }

    let chosen: Vec<&Sum> = days.iter().filter(|it| it.meter == meter && in_range(it, &range)).collect();
    let total: Quantity = chosen.iter().map(|it| it.quantity).sum();
    let is_whole = sight.all && me.here.parent.is_none() && (sight.teams || me.here.kind == Kind::Personal);
    let plan = catalog.plan(&me.here.plan).filter(|_| is_whole && range.is_month() && !asked.is_filtered());
    let names = shown.clone().map(|it| meter_name(&catalog, &it).to_owned());
    let table = Table::of(slices, by, names, total, &asked, &path, me);
    let room = if shows_throttled { 3 } else { 4 };
    let meters = catalog.meters.iter().take(room);
    let mut stats: Vec<Stat> =
        meters.map(|it| stat(it, &meter, &days, &range, &asked, &path, plan)).collect();
    if shows_throttled {
        stats.push(refusals(&throttled, peak, &range));
    }
    let index = Index {
        lede: lede(&sight, me.here.kind).to_owned(),
        stats,
        chart: Chart::of(&chosen, meter_name(&catalog, &meter), &range, today, &catalog),
        tabs: axes
            .iter()
            .map(|it| (it.plural(), asked.with("by", it.word()).address(&path), *it == by))
            .collect(),
        chips: asked.chips(&path, &table, axes, &catalog),
        table,
        file: asked.address(&format!("{path}.csv")),
        clear: asked.unfiltered().address(&path),
        months: Range::months(today),
        is_unused: days.iter().all(|it| !in_range(it, &range)) && !asked.is_filtered(),
        new_key: if me.may(Permission::OwnKeys) { can.path("keys/new") } else { String::new() },
        budgets: if me.may(Permission::ChangePlan) { can.path("usage/budgets") } else { String::new() },
        problem,
        range,
        asked,
    };
    let page = if index.problem.is_empty() { page } else { page.with(422) };
    page.show(&mut scope, "Usage", index).await
}

fn lede(sight: &Sight, kind: Kind) -> &'static str {
    match (sight, kind) {
        (it, _) if it.teams => "What all keys of the organization and its teams used. Days are UTC.",
        (it, Kind::Personal) if it.all => "What your personal account used. Days are UTC.",
        (it, Kind::Team) if it.all => "What the team’s keys used. Days are UTC.",
        (it, _) if it.all => "What the account’s keys used, without its teams’. Days are UTC.",
        (it, _) if it.is_own() => "What your own API keys used. Days are UTC.",
        _ => "What the products and resources that you look after used. Days are UTC.",
    }
}

/// The meter that was asked for; the first, if there is no such.
fn meter(catalog: &Catalog, asked: &str) -> String {
    let found = catalog.meters.iter().find(|it| it.id == asked).or(catalog.meters.first());
    found.map(|it| it.id.clone()).unwrap_or_default()
}

fn meter_name<'a>(catalog: &'a Catalog, id: &'a str) -> &'a str {
    catalog.meters.iter().find(|it| it.id == id).map_or(id, |it| &it.name)
}

/// The meter that was asked for, and others beside it.
fn shown_meters(catalog: &Catalog, first: &str) -> [String; 3] {
    let mut rest = catalog.meters.iter().map(|it| it.id.clone()).filter(|it| it != first);
    [first.to_owned(), rest.next().unwrap_or_default(), rest.next().unwrap_or_default()]
}

fn in_range(it: &Sum, range: &Range) -> bool {
    it.day.is_some_and(|day| range.from <= day && day < range.to)
}

fn stat(
    it: &crate::model::catalog::Meter,
    chosen: &str,
    days: &[Sum],
    range: &Range,
    asked: &Asked,
    path: &str,
    plan: Option<&Plan>,
) -> Stat {
    let of = |from: Day, to: Day| -> Quantity {
        let of_these = |sum: &&Sum| sum.meter == it.id && sum.day.is_some_and(|day| from <= day && day < to);
        days.iter().filter(of_these).map(|it| it.quantity).sum()
    };
    let (now, before) = (of(range.from, range.to), of(range.before.0, range.before.1));
    let change = (!before.is_zero()).then(|| {
        let percent = (now.roughly() / before.roughly() - 1.0) * 100.0;
        let class = if percent < 0.0 { "down" } else { "up" };
        (if percent > 999.0 { "> +999%".to_owned() } else { format!("{percent:+.1}%") }, class)
    });
    let line: Vec<f64> = (range.from.0..range.to.0).map(|day| of(Day(day), Day(day + 1)).roughly()).collect();
    Stat {
        label: it.name.clone(),
        value: now.rounded(),
        of: plan
            .map(|plan| plan.included(&it.id))
            .filter(|it| !it.is_zero())
            .map_or_else(String::new, |it| format!("of {}", it.grouped())),
        href: asked.with("meter", &it.id).address(path),
        is_chosen: it.id == chosen,
        than: match change {
            Some(_) => format!("vs {}", range.before_in_words()),
            None if now.is_zero() => "nothing in these days".to_owned(),
            None => "nothing before to compare with".to_owned(),
        },
        change,
        spark: spark(&line),
    }
}

/// How many of a hundred requests the rate limits refused.
fn refusals(days: &[Throttled], peak: Option<Time>, range: &Range) -> Stat {
    let of = |from: Day, to: Day| {
        let these = days.iter().filter(|it| from <= it.day && it.day < to);
        let (asked, refused) = these.fold((0, 0), |sum, it| (sum.0 + it.asked, sum.1 + it.refused));
        share(refused, asked)
    };
    let (now, before) = (of(range.from, range.to), of(range.before.0, range.before.1));
    // More of them is worse: as red as less of anything else.
    let change = now.zip(before).filter(|_| peak.is_some()).map(|(now, before)| {
        let class = if now > before { "down" } else { "up" };
        (format!("{:+.2} pt", now - before), class)
    });
    let than = match (now, peak) {
        (None, _) => "no key was verified in these days".to_owned(),
        (_, Some(at)) => format!("peak {} UTC", at.minute(&TimeZone::UTC)),
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
        than,
        spark: spark(&line.collect::<Vec<_>>()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share is read to two digits")]
fn share(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| 100.0 * part as f64 / whole as f64)
}

fn percent(it: f64) -> String {
    match it {
        it if it <= 0.0 => "0%".to_owned(),
        it if it < 0.01 => "< 0.01%".to_owned(),
        it => format!("{it:.2}%"),
    }
}

async fn export(can: Can<SeeUsage>, Query(asked): Query<Asked>) -> Result<Response> {
    let sight = Sight::of(can.me()).map_err(Error::Forbidden)?;
    let axes = axes(&sight);
    let by = Axis::parse(&asked.by).filter(|it| axes.contains(it)).unwrap_or(axes[0]);
    let (range, problem) = Range::of(&asked, Day::of(can.kit().now()));
    if !problem.is_empty() {
        return Err(Error::invalid("range", "invalid_range", problem));
    }
    let filter = asked.filter(&range, axes);
    let limit = i64::try_from(MOST_IN_FILE + 1).unwrap_or(i64::MAX);
    let found = sums(&mut can.read(), &filter, &[Axis::Day, by], limit).await?;
    if found.len() > MOST_IN_FILE {
        let detail = "This file would have more than 10,000 lines. Choose fewer days, or a filter.";
        return Err(Error::invalid("range", "too_many_rows", detail));
    }
    let name = format!("{}_name", by.word());
    let mut text = csv::line(["day", by.word(), &name, "meter", "quantity"]);
    for it in &found {
        let day = it.day.map(|it| it.to_string()).unwrap_or_default();
        let (id, name) = it.labelled(by);
        text += &csv::line([day.as_str(), &id, &name, &it.meter, &it.quantity.to_string()]);
    }
    let (from, to) = (range.from, range.to.plus(-1));
    Ok(csv::attachment(&format!("{}-usage-{from}-{to}.csv", can.slug()), text))
}
