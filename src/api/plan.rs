//! The plan, and who is billed.
use super::given;
use crate::{
    app::{form, gate::Key, routes::Routes},
    error::{Error, Result},
    model::{
        account::AccountRef,
        catalog::RateLimit,
        invoice::Details,
        permission::{ChangePlan, ManageBilling, Permission, ViewAccount, ViewBilling},
        time::Time,
    },
    store::{
        Change, Scope, accounts, billing,
        plans::{self, When},
    },
};
use axum::Json;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The calls.
pub fn routes() -> Routes {
    let (plan, details) = ("/api/v1/accounts/{slug}/plan", "/api/v1/accounts/{slug}/billing");
    Routes::default().get(plan, show).put(plan, change).get(details, show_details).put(details, set_details)
}

/// The plan of who pays. What it costs is told to who sees bills or changes the plan.
#[derive(Serialize)]
struct Plan {
    plan: String,
    name: String,
    paid_by: Option<AccountRef>,
    limits: Vec<RateLimit>,
    seats: Option<u32>,
    features: Vec<String>,
    included: BTreeMap<String, String>,
    /// In minor units of the currency.
    price: Option<i64>,
    currency: String,
    /// What one unit beyond what is included costs, in minor units, by meter.
    overage: Option<BTreeMap<String, String>>,
    scheduled: Option<Scheduled>,
}

#[derive(Serialize)]
struct Scheduled {
    plan: String,
    at: Time,
}

async fn plan_of(scope: &mut Scope) -> Result<Plan> {
    let account = accounts::here(scope).await?;
    let payer = account.parent();
    let top = scope.who().here.top();
    let sees_amounts = [Permission::ViewBilling, Permission::ViewInvoices, Permission::ChangePlan]
        .iter()
        .any(|it| payer.is_none() && scope.who().may(*it));
    let facts = billing::facts(scope, top, None, 0).await?;
    let catalog = scope.kit().catalog.clone();
    let terms =
        catalog.plan(&account.plan).or_else(|| facts.kept.get(&account.plan)).cloned().unwrap_or_default();
    let overage = terms
        .overage
        .keys()
        .filter_map(|id| Some((id.clone(), terms.overage(id, catalog.currency)?.to_string())));
    Ok(Plan {
        name: if terms.name.is_empty() { account.plan.clone() } else { terms.name.clone() },
        plan: account.plan,
        paid_by: payer,
        seats: terms.seats,
        included: terms.included.iter().map(|(id, it)| (id.clone(), it.0.to_string())).collect(),
        price: sees_amounts.then_some(terms.price),
        currency: catalog.currency.to_string(),
        overage: sees_amounts.then(|| overage.collect()),
        limits: terms.limits,
        features: terms.features,
        scheduled: facts.scheduled.map(|it| Scheduled { plan: it.plan, at: it.at }),
    })
}

async fn show(key: Key<ViewAccount>) -> Result<Json<Plan>> {
    Ok(Json(plan_of(&mut key.read().await?).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    plan: String,
    /// `now` or `period_end`; absent: a step up now, a step down at the period's end.
    #[serde(default, deserialize_with = "given")]
    when: Option<String>,
}

async fn change(key: Key<ChangePlan>, form::Json(wish): form::Json<Wish>) -> Result<Json<Plan>> {
    let when = match wish.when.as_deref() {
        None => None,
        Some("now") => Some(When::Now),
        Some("period_end") => Some(When::PeriodEnd),
        Some(_) => return Err(Error::invalid("when", "invalid", "Say “now” or “period_end”.")),
    };
    key.change(async |change: &mut Change| {
        plans::change(change, &wish.plan, when).await?;
        plan_of(change).await
    })
    .await
    .map(Json)
}

async fn show_details(key: Key<ViewBilling>) -> Result<Json<Details>> {
    Ok(Json(billing::details(&mut key.read().await?).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Typed {
    company: String,
    address: String,
    tax_id: String,
    email: String,
    po_number: String,
}

async fn set_details(key: Key<ManageBilling>, form::Json(it): form::Json<Typed>) -> Result<Json<Details>> {
    let Typed { company, address, tax_id, email, po_number } = it;
    let typed = Details { company, address, tax_id, email, po_number };
    key.change(async |change| billing::set_details(change, typed).await).await.map(Json)
}
