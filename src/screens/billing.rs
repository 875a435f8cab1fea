//! Plan and billing of an account that pays: price, use, billing details, invoices.
mod card;
mod details;
mod plan;

use crate::{
    error::Result,
    http::{form::Query, gate::Can, routes::Routes},
    model::{
        access::Access,
        account::Kind,
        bill::{Bill, MeterUsage},
        calendar::Month,
        catalog::Plan,
        id::InvoiceId,
        invoice::InvoiceStatus,
        permission::{Needs, Permission, SeeUsage},
        quantity::Quantity,
        text::{counted, grouped},
        time::Time,
    },
    store::{
        billing::{self, BillingFacts, Card},
        invoices::InvoiceListItem,
    },
    view::{invoice::ZIP_LIMIT, page::Page, shell::tint, when::When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

pub fn routes() -> Routes {
    let own = Routes::default().get("/a/{slug}/billing", show);
    [plan::routes(), details::routes(), card::routes()].into_iter().fold(own, Routes::merge)
}

/// Opens the page to people who may see invoices or billing details. Each part of the page checks its own permission.
pub struct SeeBilling;
impl Needs for SeeBilling {
    const PERMISSION: Option<Permission> = Some(Permission::ViewInvoices);
    const ALTERNATIVES: &'static [Permission] = &[Permission::ViewBilling];
}

/// Invoices on a page.
const PAGE_SIZE: i64 = 24;

#[derive(Default, Deserialize)]
#[serde(default)]
struct InvoicesQuery {
    after: String,
}

#[derive(Template)]
#[template(path = "billing/index.html")]
struct BillingPage {
    slug: String,
    summary: &'static str,
    plan: String,
    price: String,
    /// Empty where there is one rate limit only: its meter says it.
    limits: String,
    seats: String,
    meters: Vec<Meter>,
    scheduled: Option<ScheduledPlan>,
    may_change: bool,
    may_upgrade: bool,
    may_manage: bool,
    /// The next invoice's day and expected total, for people who may see invoices.
    estimate: Option<(String, String)>,
    /// Whether the estimate is more than the plan's price.
    is_over: bool,
    payment: Option<PaymentDetails>,
    takes_cards: bool,
    sees_invoices: bool,
    invoices: Vec<InvoiceRow>,
    newest: String,
    older: String,
    /// The label of the link to the ZIP file.
    zip: String,
}

struct Meter {
    name: String,
    text: String,
    percent: u64,
    is_high: bool,
}

struct ScheduledPlan {
    plan: String,
    at: When,
    by: String,
}

struct PaymentDetails {
    card: Option<Card>,
    buyer: String,
    tax_id: String,
    email: String,
    po_number: String,
    viewers: Vec<(String, u8)>,
}

struct InvoiceRow {
    number: String,
    date: When,
    title: String,
    state: String,
    tone: &'static str,
    amount: String,
}

impl InvoiceRow {
    fn of(invoice: &InvoiceListItem, now: Time) -> InvoiceRow {
        let due = invoice.due_at.day(&TimeZone::UTC);
        let due = due.split(',').next().unwrap_or(&due);
        let (state, tone) = match invoice.status {
            _ if invoice.is_note() => ("Credit note".to_owned(), ""),
            InvoiceStatus::Open if invoice.is_overdue(now) => (format!("Overdue since {due}"), "danger"),
            InvoiceStatus::Open => (format!("Due {due}"), "warn"),
            InvoiceStatus::Paid => ("Paid".to_owned(), "ok"),
            InvoiceStatus::Void => ("Void".to_owned(), ""),
            InvoiceStatus::Credited => ("Credited".to_owned(), ""),
        };
        InvoiceRow {
            number: invoice.number.clone(),
            date: When::day(invoice.issued_at, &TimeZone::UTC),
            title: invoice.title.clone(),
            state,
            tone,
            amount: invoice.currency.format(invoice.total),
        }
    }
}

/// A team has no invoices of its own: the account that pays for it has them.
#[derive(Template)]
#[template(path = "billing/team.html")]
struct TeamBillingPage {
    payer: String,
    plan: String,
    limits: String,
    /// The address of its usage; empty for people who may not see it.
    usage: String,
}

/// The terms of an account's plan: from the catalogue, or as they last were if the catalogue no longer has it.
fn terms(facts: &BillingFacts, catalog: &crate::model::catalog::Catalog, id: &str) -> Plan {
    let plan = catalog.plan(id).or_else(|| facts.kept.get(id)).cloned();
    plan.unwrap_or_else(|| Plan { id: id.to_owned(), name: id.to_owned(), ..Plan::default() })
}

async fn show(can: Can<SeeBilling>, page: Page, Query(query): Query<InvoicesQuery>) -> Result<Response> {
    let access = can.access();
    let (context, now) = (can.context().clone(), can.context().now());
    let mut scope = can.read();
    if let Some((payer, _)) = &access.account.parent {
        let plan = context.catalog.plan(&access.account.plan);
        let team = TeamBillingPage {
            payer: payer.name.clone(),
            plan: context.catalog.plan_name(&access.account.plan).to_owned(),
            limits: plan.map_or_else(String::new, Plan::limits_in_words),
            usage: match access.meets::<SeeUsage>() {
                Ok(()) => can.path("usage?range=month"),
                Err(_) => String::new(),
            },
        };
        return page.show(&mut scope, "Plan & billing", team).await;
    }
    let after: Option<InvoiceId> = query.after.parse().ok();
    let sees_invoices = access.may(Permission::ViewInvoices);
    let facts =
        billing::facts(&mut scope, access.account.id, after, if sees_invoices { PAGE_SIZE + 1 } else { 0 })
            .await?;
    let used = billing::used(&mut scope, access.account.id, facts.period).await?;
    let bill = billing::bill_of(&facts, &context.catalog, facts.period, &used);
    let billing_page = billing_page(access, &context.catalog, facts, &used, &bill, now);
    let billing_page = BillingPage {
        takes_cards: can.app().payment_provider().takes_cards(),
        newest: after.map_or_else(String::new, |_| can.path("billing")),
        zip: match after {
            None if billing_page.older.is_empty() => "All as ZIP".to_owned(),
            _ => format!("The newest {ZIP_LIMIT} as ZIP"),
        },
        ..billing_page
    };
    page.show(&mut scope, "Plan & billing", billing_page).await
}

fn billing_page(
    access: &Access,
    catalog: &crate::model::catalog::Catalog,
    mut facts: BillingFacts,
    used: &[MeterUsage],
    bill: &Bill,
    now: Time,
) -> BillingPage {
    let terms = terms(&facts, catalog, &facts.past.current);
    let older = usize::try_from(PAGE_SIZE).ok().filter(|size| facts.invoices.len() > *size).map(|size| {
        facts.invoices.truncate(size);
        facts
            .invoices
            .last()
            .map(|invoice| format!("/a/{}/billing?after={}", access.account.slug, invoice.id))
            .unwrap_or_default()
    });
    let position = catalog.plans.iter().position(|plan| plan.id == terms.id);
    let (sees_invoices, sees_details) =
        (access.may(Permission::ViewInvoices), access.may(Permission::ViewBilling));
    let (buyer, viewers) = (facts.details.company.clone(), std::mem::take(&mut facts.viewers));
    let email = Some(facts.details.email.clone()).filter(|email| !email.is_empty());
    BillingPage {
        slug: access.account.slug.clone(),
        summary: match access.account.kind {
            Kind::Personal => "One bill for you and the teams that you pay for.",
            _ => "One consolidated bill for every member and team.",
        },
        is_over: bill.net() > terms.price,
        plan: terms.name.clone(),
        price: catalog.currency.format(terms.price),
        limits: if terms.limits.len() == 1 { String::new() } else { terms.limits_in_words() },
        seats: terms
            .seats
            .map(|seats| format!("{} of {seats} members", facts.member_count))
            .unwrap_or_default(),
        meters: rate_limit_meter(&terms, &facts.busiest)
            .into_iter()
            .chain(meters(catalog, &terms, used, facts.period))
            .collect(),
        scheduled: facts.scheduled.as_ref().map(|scheduled| ScheduledPlan {
            plan: catalog.plan_name(&scheduled.plan).to_owned(),
            at: When::day(scheduled.at, &TimeZone::UTC),
            by: scheduled.by.clone(),
        }),
        may_change: access.may(Permission::ChangePlan),
        may_upgrade: position.is_none_or(|position| position + 1 < catalog.plans.len()),
        may_manage: access.may(Permission::ManageBilling),
        estimate: sees_invoices.then(|| {
            let renews = facts.period.next().first();
            (renews.short(), catalog.currency.format(if bill.is_empty() { 0 } else { bill.total }))
        }),
        payment: sees_details.then(|| PaymentDetails {
            card: facts.card.clone(),
            buyer: if buyer.is_empty() { facts.name.clone() } else { buyer },
            tax_id: facts.details.tax_id.clone(),
            email: email.unwrap_or_else(|| facts.owner_email.clone()),
            po_number: facts.details.po_number.clone(),
            viewers: viewers.into_iter().map(|(name, id)| (name, tint(&id))).collect(),
        }),
        takes_cards: false,
        sees_invoices,
        invoices: facts.invoices.iter().map(|invoice| InvoiceRow::of(invoice, now)).collect(),
        newest: String::new(),
        older: older.unwrap_or_default(),
        zip: String::new(),
    }
}

/// The busiest window today of the shortest rate limit.
fn rate_limit_meter(plan: &Plan, today: &[(u32, u32)]) -> Option<Meter> {
    let limit = plan.limits.iter().min_by_key(|limit| limit.seconds)?;
    let peak = today.iter().find(|peak| peak.0 == limit.seconds).map_or(0, |peak| peak.1);
    let percent = (u64::from(peak) * 100 / u64::from(limit.requests.max(1))).min(100);
    Some(Meter {
        name: match limit.seconds {
            1 => "Rate limit, busiest second today".to_owned(),
            60 => "Rate limit, busiest minute today".to_owned(),
            3600 => "Rate limit, busiest hour today".to_owned(),
            86_400 => "Rate limit, today".to_owned(),
            other => format!("Rate limit, busiest {other} seconds today"),
        },
        text: format!("{} of {}", grouped(peak.into()), counted(limit.requests.into(), "request")),
        percent,
        is_high: percent >= 90,
    })
}

/// The use of each meter of which the plan includes something.
fn meters(
    catalog: &crate::model::catalog::Catalog,
    plan: &Plan,
    used: &[MeterUsage],
    month: Month,
) -> Vec<Meter> {
    let meter = |meter: &crate::model::catalog::Meter| {
        let included = plan.included(&meter.id);
        if included.is_zero() {
            return None;
        }
        let entries =
            used.iter().filter(|entry| entry.meter == meter.id && entry.month == month && !entry.is_billed);
        let sum: Quantity = entries.map(|entry| entry.quantity).sum();
        let percent = (sum.nanos() * 100 / included.nanos().max(1)).min(100);
        Some(Meter {
            name: format!("{} this month", meter.name),
            text: format!("{} of {}", sum.rounded(), included.grouped()),
            percent: u64::try_from(percent).unwrap_or(100),
            is_high: percent >= 90,
        })
    };
    catalog.meters.iter().filter_map(meter).collect()
}
