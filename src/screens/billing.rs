//! Plan and bills of who pays: what it costs, what is used of it, who is billed, what was billed.
mod card;
mod details;
mod plan;

use crate::{
    error::Result,
    http::{form::Query, gate::Can, routes::Routes},
    model::{
        access::Entry,
        account::Kind,
        bill::{Bill, Used},
        calendar::Month,
        catalog::Plan,
        id::InvoiceId,
        invoice::Status,
        permission::{Needs, Permission, SeeUsage},
        quantity::Quantity,
        text::{counted, grouped},
        time::Time,
    },
    store::{
        billing::{self, Card, Facts},
        invoices::Listed,
    },
    view::{
        invoice::MOST_IN_ZIP,
        page::{Page, When},
        shell::tint,
    },
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    let own = Routes::default().get("/a/{slug}/billing", show);
    [plan::routes(), details::routes(), card::routes()].into_iter().fold(own, Routes::merge)
}

/// The gate for the page: bills, or billing details. Each part of it asks again.
pub struct SeeBilling;
impl Needs for SeeBilling {
    const PERMISSION: Option<Permission> = Some(Permission::ViewInvoices);
    const OR: &'static [Permission] = &[Permission::ViewBilling];
}

/// How many invoices a page lists.
const MOST: i64 = 24;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Paged {
    after: String,
}

#[derive(Template)]
#[template(path = "billing/index.html")]
struct Index {
    slug: String,
    says: &'static str,
    plan: String,
    price: String,
    /// Its rate limits, where one of them alone does not say it.
    limits: String,
    seats: String,
    meters: Vec<Meter>,
    scheduled: Option<Scheduled>,
    may_change: bool,
    may_upgrade: bool,
    may_manage: bool,
    /// The end of the period, and what its bill comes to; none for who does not see invoices.
    estimate: Option<(String, String)>,
    /// Whether that is more than the plan's price.
    is_over: bool,
    payment: Option<Payment>,
    takes_cards: bool,
    sees_invoices: bool,
    invoices: Vec<Row>,
    newest: String,
    older: String,
    /// Which of them one file holds.
    zip: String,
}

struct Meter {
    name: String,
    text: String,
    percent: u64,
    is_high: bool,
}

struct Scheduled {
    plan: String,
    at: When,
    by: String,
}

struct Payment {
    card: Option<Card>,
    buyer: String,
    tax_id: String,
    email: String,
    po_number: String,
    viewers: Vec<(String, u8)>,
}

struct Row {
    number: String,
    date: When,
    says: String,
    state: String,
    tone: &'static str,
    amount: String,
}

impl Row {
    fn of(it: &Listed, now: Time) -> Row {
        let due = it.due_at.day(&TimeZone::UTC);
        let due = due.split(',').next().unwrap_or(&due);
        let (state, tone) = match it.status {
            _ if it.is_note() => ("Credit note".to_owned(), ""),
            Status::Open if it.is_overdue(now) => (format!("Overdue since {due}"), "danger"),
            Status::Open => (format!("Due {due}"), "warn"),
            Status::Paid => ("Paid".to_owned(), "ok"),
            Status::Void => ("Void".to_owned(), ""),
            Status::Credited => ("Credited".to_owned(), ""),
        };
        Row {
            number: it.number.clone(),
            date: When::day(it.issued_at, &TimeZone::UTC),
            says: it.says.clone(),
            state,
            tone,
            amount: it.currency.says(it.total),
        }
    }
}

/// A team has no bills: who pays for it has them.
#[derive(Template)]
#[template(path = "billing/team.html")]
struct Team {
    payer: String,
    plan: String,
    limits: String,
    /// Where its usage is shown; empty for who may not see it.
    usage: String,
}

/// The terms of the plan that an account is on: the catalogue's, or as it last had them.
fn terms(facts: &Facts, catalog: &crate::model::catalog::Catalog, id: &str) -> Plan {
    let found = catalog.plan(id).or_else(|| facts.kept.get(id)).cloned();
    found.unwrap_or_else(|| Plan { id: id.to_owned(), name: id.to_owned(), ..Plan::default() })
}

async fn show(can: Can<SeeBilling>, page: Page, Query(it): Query<Paged>) -> Result<Response> {
    let me = can.me();
    let (kit, now) = (can.kit().clone(), can.kit().now());
    let mut scope = can.read();
    if let Some((payer, _)) = &me.here.parent {
        let plan = kit.catalog.plan(&me.here.plan);
        let team = Team {
            payer: payer.name.clone(),
            plan: kit.catalog.plan_name(&me.here.plan).to_owned(),
            limits: plan.map_or_else(String::new, Plan::limits_in_words),
            usage: match me.meets::<SeeUsage>() {
                Ok(()) => can.path("usage?range=month"),
                Err(_) => String::new(),
            },
        };
        return page.show(&mut scope, "Plan & billing", team).await;
    }
    let after: Option<InvoiceId> = it.after.parse().ok();
    let sees_invoices = me.may(Permission::ViewInvoices);
    let facts =
        billing::facts(&mut scope, me.here.id, after, if sees_invoices { MOST + 1 } else { 0 }).await?;
    let used = billing::used(&mut scope, me.here.id, facts.period).await?;
    let bill = billing::bill_of(&facts, &kit.catalog, facts.period, &used);
    let index = index(me, &kit.catalog, facts, &used, &bill, now);
    let index = Index {
        takes_cards: can.app().till().takes_cards(),
        newest: after.map_or_else(String::new, |_| can.path("billing")),
        zip: match after {
            None if index.older.is_empty() => "All as ZIP".to_owned(),
            _ => format!("The newest {MOST_IN_ZIP} as ZIP"),
        },
        ..index
    };
    page.show(&mut scope, "Plan & billing", index).await
}

fn index(
    me: &Entry,
    catalog: &crate::model::catalog::Catalog,
    mut facts: Facts,
    used: &[Used],
    bill: &Bill,
    now: Time,
) -> Index {
    let terms = terms(&facts, catalog, &facts.past.now);
    let older = usize::try_from(MOST).ok().filter(|most| facts.invoices.len() > *most).map(|most| {
        facts.invoices.truncate(most);
        facts
            .invoices
            .last()
            .map(|it| format!("/a/{}/billing?after={}", me.here.slug, it.id))
            .unwrap_or_default()
    });
    let place = catalog.plans.iter().position(|it| it.id == terms.id);
    let (sees_invoices, sees_details) = (me.may(Permission::ViewInvoices), me.may(Permission::ViewBilling));
    let (buyer, viewers) = (facts.details.company.clone(), std::mem::take(&mut facts.viewers));
    let email = Some(facts.details.email.clone()).filter(|it| !it.is_empty());
    Index {
        slug: me.here.slug.clone(),
        says: match me.here.kind {
            Kind::Personal => "One bill for you and the teams that you pay for.",
            _ => "One consolidated bill for every member and team.",
        },
        is_over: bill.net() > terms.price,
        plan: terms.name.clone(),
        price: catalog.currency.says(terms.price),
        limits: if terms.limits.len() == 1 { String::new() } else { terms.limits_in_words() },
        seats: terms.seats.map(|it| format!("{} of {it} members", facts.member_count)).unwrap_or_default(),
        meters: busiest(&terms, &facts.busiest)
            .into_iter()
            .chain(meters(catalog, &terms, used, facts.period))
            .collect(),
        scheduled: facts.scheduled.as_ref().map(|it| Scheduled {
            plan: catalog.plan_name(&it.plan).to_owned(),
            at: When::day(it.at, &TimeZone::UTC),
            by: it.by.clone(),
        }),
        may_change: me.may(Permission::ChangePlan),
        may_upgrade: place.is_none_or(|at| at + 1 < catalog.plans.len()),
        may_manage: me.may(Permission::ManageBilling),
        estimate: sees_invoices.then(|| {
            let renews = facts.period.next().first();
            (renews.short(), catalog.currency.says(if bill.is_empty() { 0 } else { bill.total }))
        }),
        payment: sees_details.then(|| Payment {
            card: facts.card.clone(),
            buyer: if buyer.is_empty() { facts.name.clone() } else { buyer },
            tax_id: facts.details.tax_id.clone(),
            email: email.unwrap_or_else(|| facts.owner_email.clone()),
            po_number: facts.details.po_number.clone(),
            viewers: viewers.into_iter().map(|(name, id)| (name, tint(&id))).collect(),
        }),
        takes_cards: false,
        sees_invoices,
        invoices: facts.invoices.iter().map(|it| Row::of(it, now)).collect(),
        newest: String::new(),
        older: older.unwrap_or_default(),
        zip: String::new(),
    }
}

/// How full the shortest of the rate limits was today, at its fullest.
fn busiest(plan: &Plan, today: &[(u32, u32)]) -> Option<Meter> {
    let limit = plan.limits.iter().min_by_key(|it| it.seconds)?;
    let most = today.iter().find(|it| it.0 == limit.seconds).map_or(0, |it| it.1);
    let percent = (u64::from(most) * 100 / u64::from(limit.requests.max(1))).min(100);
    Some(Meter {
        name: match limit.seconds {
            1 => "Rate limit, busiest second today".to_owned(),
            60 => "Rate limit, busiest minute today".to_owned(),
            3600 => "Rate limit, busiest hour today".to_owned(),
            86_400 => "Rate limit, today".to_owned(),
            other => format!("Rate limit, busiest {other} seconds today"),
        },
        text: format!("{} of {}", grouped(most.into()), counted(limit.requests.into(), "request")),
        percent,
        is_high: percent >= 90,
    })
}

/// What is used of what is included, for each meter of which the plan includes something.
fn meters(catalog: &crate::model::catalog::Catalog, plan: &Plan, used: &[Used], month: Month) -> Vec<Meter> {
    let meter = |it: &crate::model::catalog::Meter| {
        let included = plan.included(&it.id);
        if included.is_zero() {
            return None;
        }
        let mine = used.iter().filter(|one| one.meter == it.id && one.month == month && !one.is_billed);
        let sum: Quantity = mine.map(|it| it.quantity).sum();
        let percent = (sum.nanos() * 100 / included.nanos().max(1)).min(100);
        Some(Meter {
            name: format!("{} this month", it.name),
            text: format!("{} of {}", sum.rounded(), included.grouped()),
            percent: u64::try_from(percent).unwrap_or(100),
            is_high: percent >= 90,
        })
    };
    catalog.meters.iter().filter_map(meter).collect()
}
