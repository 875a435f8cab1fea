//! The plan is changed here: what that changes is said first.
use super::terms;
use crate::{
    error::Result,
    http::{
        form::{Form, Query},
        gate::Can,
        routes::Routes,
    },
    model::{
        bill::{Used, period_end},
        catalog::{Catalog, Plan},
        permission::ChangePlan,
        quantity::Quantity,
        text::counted,
    },
    store::{
        billing::{self, Facts},
        plans::{self, Changed, When},
    },
    view::page::{Faults, Page},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    let path = "/a/{slug}/billing/plan";
    Routes::default().get(path, show).post(path, change).post("/a/{slug}/billing/plan/keep", keep)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    plan: String,
    when: String,
}

#[derive(Template)]
#[template(path = "billing/plan.html")]
struct Index {
    slug: String,
    now: String,
    offers: Vec<Offer>,
    faults: Faults,
}

/// A plan, as it is offered.
struct Offer {
    id: String,
    name: String,
    price: String,
    is_mine: bool,
    is_next: bool,
    /// The next dearer one.
    is_step_up: bool,
    points: Vec<String>,
}

#[derive(Template)]
#[template(path = "billing/confirm.html")]
struct Confirm {
    slug: String,
    account: String,
    from: String,
    to: String,
    id: String,
    rows: Vec<(&'static str, String, String)>,
    stops: Vec<String>,
    over: Vec<String>,
    is_down: bool,
    period_end: String,
    now_says: String,
    faults: Faults,
}

/// What a plan has, a line each.
fn points(plan: &Plan, catalog: &Catalog) -> Vec<String> {
    let mut all = vec![plan.limits_in_words()];
    for meter in &catalog.meters {
        let included = plan.included(&meter.id);
        if !included.is_zero() {
            all.push(format!("{} {} a month included", included.grouped(), meter.name.to_lowercase()));
        }
        if let Some(price) = plan.overage(&meter.id, catalog.currency) {
            all.push(format!("{} for each {} beyond", catalog.currency.says_price(price), unit(meter)));
        }
    }
    all.push(plan.seats_in_words());
    all.extend(plan.features.iter().cloned());
    all
}

fn unit(meter: &crate::model::catalog::Meter) -> &str {
    if meter.unit.is_empty() { "unit" } else { &meter.unit }
}

async fn show(can: Can<ChangePlan>, page: Page, Query(it): Query<Typed>) -> Result<Response> {
    ask(&can, &page, &it.plan, Faults::default()).await
}

/// The plans, or what the one that was chosen changes.
async fn ask(can: &Can<ChangePlan>, page: &Page, chosen: &str, faults: Faults) -> Result<Response> {
    let me = can.me();
    let catalog = can.kit().catalog.clone();
    let mut scope = can.read();
    let top = me.here.top();
    let facts = billing::facts(&mut scope, top, None, 0).await?;
    let to = catalog.plan(chosen).filter(|it| it.id != facts.past.now && me.here.parent.is_none());
    let Some(to) = to else {
        let next = facts.scheduled.as_ref().map(|it| it.plan.as_str());
        let mine = catalog.plans.iter().position(|it| it.id == facts.past.now);
        let offer = |(at, it): (usize, &Plan)| Offer {
            id: it.id.clone(),
            name: it.name.clone(),
            price: catalog.currency.says(it.price),
            is_mine: it.id == facts.past.now,
            is_next: next == Some(it.id.as_str()),
            is_step_up: mine.is_some_and(|mine| at == mine + 1),
            points: points(it, &catalog),
        };
        let index = Index {
            slug: me.here.slug.clone(),
            now: terms(&facts, &catalog, &facts.past.now).name,
            offers: catalog.plans.iter().enumerate().map(offer).collect(),
            faults,
        };
        return page.show(&mut scope, "Plans", index).await;
    };
    let used = billing::used(&mut scope, top, facts.period).await?;
    let confirm = confirm(can, &facts, &catalog, to, &used, faults);
    page.show(&mut scope, &format!("Change to {}", to.name), confirm).await
}

fn confirm(
    can: &Can<ChangePlan>,
    facts: &Facts,
    catalog: &Catalog,
    to: &Plan,
    used: &[Used],
    faults: Faults,
) -> Confirm {
    let (currency, now) = (catalog.currency, can.kit().now());
    let from = terms(facts, catalog, &facts.past.now);
    let mut rows = vec![
        ("Price a month", currency.says(from.price), currency.says(to.price)),
        ("Rate limits", from.limits_in_words(), to.limits_in_words()),
        ("Members", from.seats_in_words(), to.seats_in_words()),
    ];
    let (mut stops, mut over) = (vec![], vec![]);
    for meter in &catalog.meters {
        let (had, has) = (from.included(&meter.id), to.included(&meter.id));
        let (was, is) = (from.overage(&meter.id, currency), to.overage(&meter.id, currency));
        if had.is_zero() && has.is_zero() && was.is_none() && is.is_none() {
            continue;
        }
        let says = |included: Quantity, price: Option<crate::model::money::Price>| {
            let beyond = price.map_or_else(
                || "nothing is sold beyond that".to_owned(),
                |it| format!("then {} each", currency.says_price(it)),
            );
            format!("{} {} included, {beyond}", included.grouped(), meter.name.to_lowercase())
        };
        rows.push(("Included", says(had, was), says(has, is)));
        let mine = used.iter().filter(|it| it.meter == meter.id && it.month == facts.period && !it.is_billed);
        let sum: Quantity = mine.map(|it| it.quantity).sum();
        if sum > has && has < had {
            let name = meter.name.to_lowercase();
            over.push(format!(
                "{} {name} are used this month; {} includes {}.",
                sum.rounded(),
                to.name,
                has.grouped()
            ));
        }
        if was.is_some() && is.is_none() {
            stops.push(format!("{} beyond what is included are no longer sold", meter.name));
        }
    }
    stops.extend(from.features.iter().filter(|it| !to.features.contains(it)).cloned());
    if let Some(seats) = to.seats.filter(|it| i64::from(*it) < facts.member_count) {
        let have = counted(facts.member_count, "member");
        over.push(format!(
            "There are {have}; {} is for {seats}. Nobody is removed, and nobody can be invited.",
            to.name
        ));
    }
    let slower = |a: &Plan, b: &Plan| {
        let rate = |it: &Plan| {
            it.limits.iter().map(|it| f64::from(it.requests) / f64::from(it.seconds)).reduce(f64::min)
        };
        rate(b).is_some_and(|new| rate(a).is_none_or(|old| new < old))
    };
    if slower(&from, to) {
        stops.push("Requests beyond the lower rate limits are turned away".into());
    }
    let is_down = plans::is_downgrade(catalog, &facts.past.now, &to.id);
    let month = facts.period;
    let today = crate::model::calendar::Day::of(now);
    let left = month.next().first().0 - today.0;
    let now_says = format!(
        "At once. Both plans are billed by the day: {} of {} from today on ({} of {} days).",
        to.name,
        month.in_words(),
        left.max(0),
        month.days(),
    );
    Confirm {
        slug: can.slug().to_owned(),
        account: facts.name.clone(),
        from: from.name,
        to: to.name.clone(),
        id: to.id.clone(),
        rows,
        stops,
        over,
        is_down,
        period_end: period_end(now).day(&TimeZone::UTC),
        now_says,
        faults,
    }
}

async fn change(can: Can<ChangePlan>, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    let when = match it.when.as_str() {
        "now" => Some(When::Now),
        "period_end" => Some(When::PeriodEnd),
        _ => None,
    };
    match can.change(async |change| plans::change(change, &it.plan, when).await).await {
        Ok(changed) => {
            let name = can.kit().catalog.plan_name(&it.plan).to_owned();
            let said = match changed {
                Changed::Now => format!("The plan is {name} now."),
                Changed::At(at) => format!("From {} on the plan is {name}.", at.day(&TimeZone::UTC)),
                Changed::Withdrawn => format!("The plan stays {name}."),
                Changed::Not => format!("The plan is {name} already."),
            };
            Ok(page.done(&back(&can), said))
        }
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(&can, &page.with(status), &it.plan, faults).await
        }
    }
}

async fn keep(can: Can<ChangePlan>, page: Page) -> Result<Response> {
    let plan = can.me().here.plan.clone();
    can.change(async |change| plans::change(change, &plan, None).await).await?;
    Ok(page.done(&back(&can), format!("The plan stays {}.", can.kit().catalog.plan_name(&plan))))
}

/// Where the plan is seen: with the bills, for who sees them.
fn back(can: &Can<ChangePlan>) -> String {
    let sees = can.me().meets::<super::SeeBilling>().is_ok();
    can.path(if sees { "billing" } else { "billing/plan" })
}
