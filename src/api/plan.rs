//! The plan and the billing details.
use super::{
    etag::{IfMatch, Versioned, WithEtag},
    present,
};
use crate::{
    error::Result,
    http::{form, gate::Key, routes::Routes},
    model::{
        access::Access,
        account::AccountRef,
        catalog::RateLimit,
        invoice::BillingDetails,
        money::Price,
        permission::{ChangePlan, ManageBilling, Permission, ViewAccount, ViewBilling},
        quantity::Quantity,
        time::Time,
    },
    store::{
        Change, Scope, accounts, billing,
        plans::{self, PlanChangeTime},
    },
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

pub fn routes() -> Routes {
    let (plan, details) = ("/api/v1/accounts/{slug}/plan", "/api/v1/accounts/{slug}/billing");
    Routes::default()
        .get(plan, show)
        .doc(|call| {
            call.summary("Get the plan", "A team has the plan of its parent. Only those who may see bills or change the plan see prices.")
                .returns::<Plan>(200)
                .with_etag()
        })
        .put(plan, change)
        .doc(|call| {
            call.summary(
                "Change the plan",
                "Upgrades apply at once and downgrades at the end of the period, unless `when` says otherwise. Choosing the current \
                 plan cancels a scheduled change.",
            )
            .body::<PlanChange>()
            .returns::<Plan>(200)
            .with_etag()
            .errors(&["parent_pays"])
        })
        .get(details, get_details)
        .doc(|call| {
            call.summary("Get the billing details", "Who is billed, and where invoices go.").returns::<BillingDetails>(200).with_etag()
        })
        .put(details, update_details)
        .doc(|call| {
            call.summary(
                "Update the billing details",
                "Replaces all of them: absent fields become empty. Issued invoices do not change.",
            )
            .body::<NewBillingDetails>()
            .returns::<BillingDetails>(200)
            .with_etag()
            .errors(&["parent_pays"])
        })
        .about("Plan and billing", "What an account may use, what it costs, and who is billed.")
}

/// The plan of the account that pays. Only those who may see bills or change the plan see prices.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the account shows its plan under this name too")]
struct Plan {
    /// Its id in the catalogue.
    #[schema(example = "developer")]
    plan: String,
    /// Its name.
    #[schema(example = "Developer")]
    name: String,
    /// For a team: the account that pays; `null` if the account pays itself.
    paid_by: Option<AccountRef>,
    /// Rate limits, shared by all keys of the account and its teams.
    limits: Vec<RateLimit>,
    /// The highest number of members; `null`: no limit.
    #[schema(example = 25)]
    seats: Option<u32>,
    /// Further features, in words.
    #[schema(example = json!(["Support by mail"]))]
    features: Vec<String>,
    /// What the price includes each month, by meter.
    #[schema(value_type = BTreeMap<String, Quantity>, example = json!({ "credits": "10000" }))]
    included: BTreeMap<String, String>,
    /// The price of a month, in minor units of the currency; `null` if hidden.
    #[schema(example = 4900)]
    price: Option<i64>,
    /// The currency's code in ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
    /// The price of a unit beyond what is included, in minor units, by meter; `null` if hidden.
    #[schema(value_type = Option<BTreeMap<String, Price>>, example = json!({ "credits": "0.5" }))]
    overage: Option<BTreeMap<String, String>>,
    /// The plan that will replace it, if any.
    scheduled: Option<ScheduledPlan>,
}

impl Versioned for Plan {}

/// A plan that will apply later.
#[derive(Serialize, ToSchema)]
#[schema(as = PlanScheduled)]
struct ScheduledPlan {
    /// Its id in the catalogue.
    #[schema(example = "free")]
    plan: String,
    /// When it will apply.
    at: Time,
}

async fn plan_of(scope: &mut Scope<Access>) -> Result<Plan> {
    let account = accounts::get(scope).await?;
    let payer = account.parent();
    let top = scope.access().account.top();
    let sees_amounts = [Permission::ViewBilling, Permission::ViewInvoices, Permission::ChangePlan]
        .iter()
        .any(|permission| payer.is_none() && scope.access().may(*permission));
    let facts = billing::facts(scope, top, None, 0).await?;
    let catalog = scope.context().catalog.clone();
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
        included: terms.included.iter().map(|(id, quantity)| (id.clone(), quantity.0.to_string())).collect(),
        price: sees_amounts.then_some(terms.price),
        currency: catalog.currency.to_string(),
        overage: sees_amounts.then(|| overage.collect()),
        limits: terms.limits,
        features: terms.features,
        scheduled: facts.scheduled.map(|next| ScheduledPlan { plan: next.plan, at: next.at }),
    })
}

async fn show(key: Key<ViewAccount>) -> Result<WithEtag<Plan>> {
    Ok(WithEtag(plan_of(&mut key.read()).await?))
}

/// A change of the plan.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PlanChange {
    /// Its id: one of the catalogue's plans.
    #[schema(example = "developer")]
    plan: String,
    /// When it applies. Absent: upgrades now, downgrades at the end of the period.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    when: Option<PlanMoment>,
}

/// When a plan applies.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PlanMoment {
    /// At once.
    Now,
    /// At the end of the month.
    PeriodEnd,
}

async fn change(
    key: Key<ChangePlan>,
    if_match: IfMatch,
    form::Json(body): form::Json<PlanChange>,
) -> Result<WithEtag<Plan>> {
    let when = body.when.map(|when| match when {
        PlanMoment::Now => PlanChangeTime::Now,
        PlanMoment::PeriodEnd => PlanChangeTime::PeriodEnd,
    });
    key.change(async |change: &mut Change<Access>| {
        if if_match.is_present() {
            if_match.check(&plan_of(change).await?)?;
        }
        plans::change(change, &body.plan, when).await?;
        plan_of(change).await
    })
    .await
    .map(WithEtag)
}

impl Versioned for BillingDetails {}

async fn get_details(key: Key<ViewBilling>) -> Result<WithEtag<BillingDetails>> {
    Ok(WithEtag(billing::details(&mut key.read()).await?))
}

/// The billing details to save.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct NewBillingDetails {
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
    /// Where invoices are sent; empty: to those who may see them.
    #[schema(format = "email", example = "bills@acme.test")]
    email: String,
    /// The buyer's order number, printed on invoices.
    #[schema(max_length = 60, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$", example = "PO-7741")]
    po_number: String,
}

async fn update_details(
    key: Key<ManageBilling>,
    if_match: IfMatch,
    form::Json(body): form::Json<NewBillingDetails>,
) -> Result<WithEtag<BillingDetails>> {
    let NewBillingDetails { company, address, tax_id, email, po_number } = body;
    let details = BillingDetails { company, address, tax_id, email, po_number };
    key.change(async |change: &mut Change<Access>| {
        if if_match.is_present() {
            if_match.check(&billing::details(change).await?)?;
        }
        billing::set_details(change, details).await
    })
    .await
    .map(WithEtag)
}
