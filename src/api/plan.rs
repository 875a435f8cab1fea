//! The plan, and who is billed.
use super::{
    etag::{IfMatch, Tagged, Versioned},
    given,
};
use crate::{
    error::Result,
    http::{form, gate::Key, routes::Routes},
    model::{
        account::AccountRef,
        catalog::RateLimit,
        invoice::Details,
        money::Price,
        permission::{ChangePlan, ManageBilling, Permission, ViewAccount, ViewBilling},
        quantity::Quantity,
        time::Time,
    },
    store::{
        Change, Scope, accounts, billing,
        plans::{self, When},
    },
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The calls.
pub fn routes() -> Routes {
    let (plan, details) = ("/api/v1/accounts/{slug}/plan", "/api/v1/accounts/{slug}/billing");
    Routes::default()
        .get(plan, show)
        .told(|it| {
            it.says("Read the plan", "That of who pays. What it costs is told to who sees bills or changes the plan.")
                .gives::<Plan>(200)
                .tagged()
        })
        .put(plan, change)
        .told(|it| {
            it.says(
                "Change the plan",
                "A step up holds at once, a step down from the period's end, unless `when` says otherwise. The plan of today takes \
                 back what was scheduled.",
            )
            .takes::<Wish>()
            .gives::<Plan>(200)
            .tagged()
            .fails(&["parent_pays"])
        })
        .get(details, show_details)
        .told(|it| {
            it.says("Read the billing details", "Who is billed, and where invoices go.").gives::<Details>(200).tagged()
        })
        .put(details, set_details)
        .told(|it| {
            it.says(
                "Change the billing details",
                "All of them: what is absent is empty from now on. An invoice that is issued stays as it is.",
            )
            .takes::<Typed>()
            .gives::<Details>(200)
            .tagged()
            .fails(&["parent_pays"])
        })
        .about("Plan and billing", "What an account may use and what that costs, and who is billed for it.")
}

/// The plan of who pays. What it costs is told to who sees bills or changes the plan.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the account shows its plan under this name too")]
struct Plan {
    /// Its word.
    #[schema(example = "developer")]
    plan: String,
    /// As people say it.
    #[schema(example = "Developer")]
    name: String,
    /// Who pays for a team; `null` where the account itself does.
    paid_by: Option<AccountRef>,
    /// Rate limits, shared by all keys of the account and its teams.
    limits: Vec<RateLimit>,
    /// How many members it is for; `null`: any number.
    #[schema(example = 25)]
    seats: Option<u32>,
    /// What else it has, in words.
    #[schema(example = json!(["Support by mail"]))]
    features: Vec<String>,
    /// How much its price includes a month, by meter.
    #[schema(value_type = BTreeMap<String, Quantity>, example = json!({ "credits": "10000" }))]
    included: BTreeMap<String, String>,
    /// What a month costs, in minor units of the currency; `null` for who does not see it.
    #[schema(example = 4900)]
    price: Option<i64>,
    /// Its code in ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
    /// What one unit beyond what is included costs, in minor units, by meter; `null` for who does not see it.
    #[schema(value_type = Option<BTreeMap<String, Price>>, example = json!({ "credits": "0.5" }))]
    overage: Option<BTreeMap<String, String>>,
    /// The plan that takes its place; `null`: none.
    scheduled: Option<Scheduled>,
}

impl Versioned for Plan {}

/// A plan that is to come.
#[derive(Serialize, ToSchema)]
#[schema(as = PlanScheduled)]
struct Scheduled {
    /// Its word.
    #[schema(example = "free")]
    plan: String,
    /// From when it holds.
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

async fn show(key: Key<ViewAccount>) -> Result<Tagged<Plan>> {
    Ok(Tagged(plan_of(&mut key.read()).await?))
}

/// The plan that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PlanChange)]
struct Wish {
    /// Its word: one of the catalogue's plans.
    #[schema(example = "developer")]
    plan: String,
    /// From when. Absent: a step up now, a step down at the period's end.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    when: Option<Moment>,
}

/// From when a plan holds.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PlanMoment)]
enum Moment {
    /// At once.
    Now,
    /// When the month is over.
    PeriodEnd,
}

async fn change(
    key: Key<ChangePlan>,
    version: IfMatch,
    form::Json(wish): form::Json<Wish>,
) -> Result<Tagged<Plan>> {
    let when = wish.when.map(|it| match it {
        Moment::Now => When::Now,
        Moment::PeriodEnd => When::PeriodEnd,
    });
    key.change(async |change: &mut Change| {
        if version.is_given() {
            version.holds(&plan_of(change).await?)?;
        }
        plans::change(change, &wish.plan, when).await?;
        plan_of(change).await
    })
    .await
    .map(Tagged)
}

impl Versioned for Details {}

async fn show_details(key: Key<ViewBilling>) -> Result<Tagged<Details>> {
    Ok(Tagged(billing::details(&mut key.read()).await?))
}

/// Who is to be billed, and how.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = NewBillingDetails)]
struct Typed {
    /// The company; empty: the account's name.
    #[schema(max_length = 200, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$", example = "Acme Limited")]
    company: String,
    /// The address: at most six lines.
    #[schema(
        max_length = 120,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$",
        example = "1 High Street, London"
    )]
    address: String,
    /// The tax id.
    #[schema(max_length = 40, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$", example = "GB123456789")]
    tax_id: String,
    /// Where invoices go; empty: to who may see them.
    #[schema(format = "email", example = "bills@acme.test")]
    email: String,
    /// What the buyer wants to read on the invoice.
    #[schema(max_length = 60, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$", example = "PO-7741")]
    po_number: String,
}

async fn set_details(
    key: Key<ManageBilling>,
    version: IfMatch,
    form::Json(it): form::Json<Typed>,
) -> Result<Tagged<Details>> {
    let Typed { company, address, tax_id, email, po_number } = it;
    let typed = Details { company, address, tax_id, email, po_number };
    key.change(async |change: &mut Change| {
        if version.is_given() {
            version.holds(&billing::details(change).await?)?;
        }
        billing::set_details(change, typed).await
    })
    .await
    .map(Tagged)
}
