//! One account as its operator sees it: plan, invoices, what waits for the next one. No way in.
use super::invoice::{state, tone};
use crate::{
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::{At, Operator},
        routes::Routes,
    },
    model::{
        catalog::Catalog,
        id::{AccountId, InvoiceId},
    },
    store::{
        accounts::{self, Account},
        billing, invoices,
    },
    view::page::{Faults, Page, When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default()
        .get("/operator/accounts/{id}", show)
        .post("/operator/accounts/{id}/plan", set_plan)
        .post("/operator/accounts/{id}/adjustments", adjust)
}

/// How many invoices are listed at once.
const MOST: i64 = 24;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Paged {
    after: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    amount: String,
    reason: String,
    plan: String,
}

#[derive(Template)]
#[template(path = "operator/account.html")]
struct Index {
    id: String,
    name: String,
    slug: String,
    kind: &'static str,
    opened: When,
    plan: String,
    plans: Vec<(String, String)>,
    next: String,
    owner: (String, String),
    payer: Option<(String, String)>,
    currency: String,
    waiting: Vec<(String, String)>,
    rows: Vec<Row>,
    older: String,
    typed: Typed,
    faults: Faults,
}

struct Row {
    id: String,
    number: String,
    date: When,
    says: String,
    state: &'static str,
    tone: &'static str,
    amount: String,
}

async fn show(
    operator: Operator,
    page: Page,
    At(id): At<AccountId>,
    Query(it): Query<Paged>,
) -> Result<Response> {
    account(&operator, &page, id, it.after.parse().ok(), Typed::default(), Faults::default()).await
}

async fn account(
    operator: &Operator,
    page: &Page,
    id: AccountId,
    after: Option<InvoiceId>,
    typed: Typed,
    faults: Faults,
) -> Result<Response> {
    let mut scope = operator.read();
    let found: Account = accounts::by_id(&mut scope, id).await?.ok_or(Error::NotFound)?;
    let mut facts = billing::facts(&mut scope, id, after, MOST + 1).await?;
    let catalog = operator.kit().catalog.clone();
    let more = usize::try_from(MOST).is_ok_and(|most| facts.invoices.len() > most);
    facts.invoices.truncate(usize::try_from(MOST).unwrap_or(0));
    let row = |it: &invoices::Listed| Row {
        id: it.id.to_string(),
        number: it.number.clone(),
        date: When::day(it.issued_at, &TimeZone::UTC),
        says: it.says.clone(),
        state: state(it.status, it.is_note()),
        tone: tone(it.status, it.is_note()),
        amount: it.currency.says(it.total),
    };
    let index = Index {
        id: id.to_string(),
        payer: found.parent().map(|it| (it.id.to_string(), it.name)),
        name: found.name,
        slug: found.slug,
        kind: found.kind.noun(),
        opened: When::day(found.created_at, &page.zone(operator.me().time_zone.as_deref())),
        plans: plans(&catalog, &found.plan),
        plan: catalog.plan_name(&found.plan).to_owned(),
        next: facts.scheduled.as_ref().map_or_else(String::new, |it| {
            format!("{} from {} on", catalog.plan_name(&it.plan), it.at.day(&TimeZone::UTC))
        }),
        owner: (found.owner_name, found.owner_email),
        currency: catalog.currency.to_string(),
        waiting: facts
            .adjustments
            .iter()
            .map(|it| (it.reason.clone(), catalog.currency.says(it.amount)))
            .collect(),
        older: facts.invoices.last().filter(|_| more).map(|it| it.id.to_string()).unwrap_or_default(),
        rows: facts.invoices.iter().map(row).collect(),
        typed,
        faults,
    };
    let title = index.name.clone();
    page.show(&mut scope, &title, index).await
}

/// What can be chosen, the present one first if the catalogue no longer has it.
fn plans(catalog: &Catalog, plan: &str) -> Vec<(String, String)> {
    let kept = catalog.plan(plan).is_none().then(|| (plan.to_owned(), catalog.plan_name(plan).to_owned()));
    kept.into_iter().chain(catalog.plans.iter().map(|it| (it.id.clone(), it.name.clone()))).collect()
}

async fn set_plan(
    operator: Operator,
    page: Page,
    At(id): At<AccountId>,
    Form(it): Form<Typed>,
) -> Result<Response> {
    let set = async |change: &mut _| accounts::operator_sets_plan(change, id, &it.plan).await;
    match operator.change(set).await {
        Ok(account) => {
            let plan = operator.kit().catalog.plan_name(&it.plan);
            let said = format!("{} is on the plan {plan}.", account.name);
            Ok(page.done(&format!("/operator/accounts/{id}"), said))
        }
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            account(&operator, &page.with(status), id, None, it, faults).await
        }
    }
}

async fn adjust(
    operator: Operator,
    page: Page,
    At(id): At<AccountId>,
    Form(it): Form<Typed>,
) -> Result<Response> {
    match operator.change(async |change| invoices::adjust(change, id, &it.amount, &it.reason).await).await {
        Ok(amount) => {
            let says = operator.kit().catalog.currency.says(amount);
            Ok(page.done(&format!("/operator/accounts/{id}"), format!("{says} goes on the next invoice.")))
        }
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            account(&operator, &page.with(status), id, None, it, faults).await
        }
    }
}
