//! Changing the plan, after a page that says what the change means.
use super::terms;
use crate::{
    error::Result,
    http::{
        form::{Form, Query},
        gate::Can,
        routes::Routes,
    },
    model::{
        bill::{MeterUsage, period_end},
        catalog::{Catalog, Plan},
        permission::ChangePlan,
        quantity::Quantity,
        text::counted,
    },
    store::{
        billing::{self, BillingFacts},
        plans::{self, PlanChangeResult, PlanChangeTime},
    },
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

pub fn routes() -> Routes {
    let path = "/a/{slug}/billing/plan";
    Routes::default().get(path, show).post(path, change).post("/a/{slug}/billing/plan/keep", keep)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PlanForm {
    plan: String,
    when: String,
}

#[derive(Template)]
#[template(path = "billing/plan.html")]
struct PlansPage {
    slug: String,
    now: String,
    offers: Vec<PlanOffer>,
    errors: FormErrors,
}

struct PlanOffer {
    id: String,
    name: String,
    price: String,
    is_current: bool,
    is_next: bool,
    /// The next more expensive one.
    is_step_up: bool,
    points: Vec<String>,
}

#[derive(Template)]
#[template(path = "billing/confirm.html")]
struct ConfirmPlanPage {
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
    now_description: String,
    errors: FormErrors,
}

/// What a plan includes, a line each.
fn points(plan: &Plan, catalog: &Catalog) -> Vec<String> {
    let mut points = vec![plan.limits_in_words()];
    for meter in &catalog.meters {
        let included = plan.included(&meter.id);
        if !included.is_zero() {
            points.push(format!("{} {} a month included", included.grouped(), meter.name.to_lowercase()));
        }
        if let Some(price) = plan.overage(&meter.id, catalog.currency) {
            points.push(format!("{} for each {} beyond", catalog.currency.format_price(price), unit(meter)));
        }
    }
    points.push(plan.seats_in_words());
    points.extend(plan.features.iter().cloned());
    points
}

fn unit(meter: &crate::model::catalog::Meter) -> &str {
    if meter.unit.is_empty() { "unit" } else { &meter.unit }
}

async fn show(can: Can<ChangePlan>, page: Page, Query(query): Query<PlanForm>) -> Result<Response> {
    show_choice(&can, &page, &query.plan, FormErrors::default()).await
}

/// All plans, or what changes with the chosen one.
async fn show_choice(
    can: &Can<ChangePlan>,
    page: &Page,
    chosen: &str,
    errors: FormErrors,
) -> Result<Response> {
    let access = can.access();
    let catalog = can.context().catalog.clone();
    let mut scope = can.read();
    let top = access.account.top();
    let facts = billing::facts(&mut scope, top, None, 0).await?;
    let to =
        catalog.plan(chosen).filter(|plan| plan.id != facts.past.current && access.account.parent.is_none());
    let Some(to) = to else {
        let next = facts.scheduled.as_ref().map(|change| change.plan.as_str());
        let current = catalog.plans.iter().position(|plan| plan.id == facts.past.current);
        let offer = |(position, plan): (usize, &Plan)| PlanOffer {
            id: plan.id.clone(),
            name: plan.name.clone(),
            price: catalog.currency.format(plan.price),
            is_current: plan.id == facts.past.current,
            is_next: next == Some(plan.id.as_str()),
            is_step_up: current.is_some_and(|current| position == current + 1),
            points: points(plan, &catalog),
        };
        let plans_page = PlansPage {
            slug: access.account.slug.clone(),
            now: terms(&facts, &catalog, &facts.past.current).name,
            offers: catalog.plans.iter().enumerate().map(offer).collect(),
            errors,
        };
        return page.show(&mut scope, "Plans", plans_page).await;
    };
    let used = billing::used(&mut scope, top, facts.period).await?;
    let confirm = confirm(can, &facts, &catalog, to, &used, errors);
    page.show(&mut scope, &format!("Change to {}", to.name), confirm).await
}

fn confirm(
    can: &Can<ChangePlan>,
    facts: &BillingFacts,
    catalog: &Catalog,
    to: &Plan,
    used: &[MeterUsage],
    errors: FormErrors,
) -> ConfirmPlanPage {
    let (currency, now) = (catalog.currency, can.context().now());
    let from = terms(facts, catalog, &facts.past.current);
    let mut rows = vec![
        ("Price a month", currency.format(from.price), currency.format(to.price)),
        ("Rate limits", from.limits_in_words(), to.limits_in_words()),
        ("Members", from.seats_in_words(), to.seats_in_words()),
    ];
    let (mut stops, mut over) = (vec![], vec![]);
    for meter in &catalog.meters {
        let (included_before, included) = (from.included(&meter.id), to.included(&meter.id));
        let (price_before, price) = (from.overage(&meter.id, currency), to.overage(&meter.id, currency));
        if included_before.is_zero() && included.is_zero() && price_before.is_none() && price.is_none() {
            continue;
        }
        let in_words = |included: Quantity, price: Option<crate::model::money::Price>| {
            let beyond = price.map_or_else(
                || "nothing is sold beyond that".to_owned(),
                |price| format!("then {} each", currency.format_price(price)),
            );
            format!("{} {} included, {beyond}", included.grouped(), meter.name.to_lowercase())
        };
        rows.push(("Included", in_words(included_before, price_before), in_words(included, price)));
        let entries = used
            .iter()
            .filter(|entry| entry.meter == meter.id && entry.month == facts.period && !entry.is_billed);
        let sum: Quantity = entries.map(|entry| entry.quantity).sum();
        if sum > included && included < included_before {
            let name = meter.name.to_lowercase();
            over.push(format!(
                "{} {name} are used this month; {} includes {}.",
                sum.rounded(),
                to.name,
                included.grouped()
            ));
        }
        if price_before.is_some() && price.is_none() {
            stops.push(format!("{} beyond what is included are no longer sold", meter.name));
        }
    }
    stops.extend(from.features.iter().filter(|feature| !to.features.contains(feature)).cloned());
    if let Some(seats) = to.seats.filter(|seats| i64::from(*seats) < facts.member_count) {
        let members = counted(facts.member_count, "member");
        over.push(format!(
            "There are {members}; {} is for {seats}. Nobody is removed, and nobody can be invited.",
            to.name
        ));
    }
    let is_slower = |old: &Plan, new: &Plan| {
        let rate = |plan: &Plan| {
            plan.limits
                .iter()
                .map(|limit| f64::from(limit.requests) / f64::from(limit.seconds))
                .reduce(f64::min)
        };
        rate(new).is_some_and(|new| rate(old).is_none_or(|old| new < old))
    };
    if is_slower(&from, to) {
        stops.push("Requests beyond the lower rate limits are turned away".into());
    }
    let is_down = plans::is_downgrade(catalog, &facts.past.current, &to.id);
    let month = facts.period;
    let today = crate::model::calendar::Day::of(now);
    let days_left = month.next().first().0 - today.0;
    let now_description = format!(
        "At once. Both plans are billed by the day: {} of {} from today on ({} of {} days).",
        to.name,
        month.in_words(),
        days_left.max(0),
        month.days(),
    );
    ConfirmPlanPage {
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
        now_description,
        errors,
    }
}

async fn change(can: Can<ChangePlan>, page: Page, Form(form): Form<PlanForm>) -> Result<Response> {
    let when = match form.when.as_str() {
        "now" => Some(PlanChangeTime::Now),
        "period_end" => Some(PlanChangeTime::PeriodEnd),
        _ => None,
    };
    match can.change(async |change| plans::change(change, &form.plan, when).await).await {
        Ok(changed) => {
            let name = can.context().catalog.plan_name(&form.plan).to_owned();
            let message = match changed {
                PlanChangeResult::Now => format!("The plan is {name} now."),
                PlanChangeResult::At(at) => format!("From {} on the plan is {name}.", at.day(&TimeZone::UTC)),
                PlanChangeResult::Withdrawn => format!("The plan stays {name}."),
                PlanChangeResult::Not => format!("The plan is {name} already."),
            };
            Ok(page.done(&back(&can), message))
        }
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            show_choice(&can, &page.with(status), &form.plan, errors).await
        }
    }
}

async fn keep(can: Can<ChangePlan>, page: Page) -> Result<Response> {
    let plan = can.access().account.plan.clone();
    can.change(async |change| plans::change(change, &plan, None).await).await?;
    Ok(page.done(&back(&can), format!("The plan stays {}.", can.context().catalog.plan_name(&plan))))
}

/// The page that shows the plan: billing, for people who may see it.
fn back(can: &Can<ChangePlan>) -> String {
    let sees_billing = can.access().meets::<super::SeeBilling>().is_ok();
    can.path(if sees_billing { "billing" } else { "billing/plan" })
}
