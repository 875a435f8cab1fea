//! One account as the operator sees it: plan, invoices, adjustments to the next invoice. It does not lead into the account.
use super::invoice::{state, tone};
use crate::{
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::{Operator, PathId},
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
    view::{form_errors::FormErrors, page::Page, when::When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

pub fn routes() -> Routes {
    Routes::default()
        .get("/operator/accounts/{id}", show)
        .post("/operator/accounts/{id}/plan", set_plan)
        .post("/operator/accounts/{id}/adjustments", adjust)
}

/// Invoices on a page.
const PAGE_SIZE: i64 = 24;

#[derive(Default, Deserialize)]
#[serde(default)]
struct InvoicesQuery {
    after: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OperatorAccountForm {
    amount: String,
    reason: String,
    plan: String,
}

#[derive(Template)]
#[template(path = "operator/account.html")]
struct OperatorAccountPage {
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
    adjustments: Vec<(String, String)>,
    rows: Vec<AccountInvoiceRow>,
    older: String,
    form: OperatorAccountForm,
    errors: FormErrors,
}

struct AccountInvoiceRow {
    id: String,
    number: String,
    date: When,
    title: String,
    state: &'static str,
    tone: &'static str,
    amount: String,
}

async fn show(
    operator: Operator,
    page: Page,
    PathId(id): PathId<AccountId>,
    Query(query): Query<InvoicesQuery>,
) -> Result<Response> {
    show_account(
        &operator,
        &page,
        id,
        query.after.parse().ok(),
        OperatorAccountForm::default(),
        FormErrors::default(),
    )
    .await
}

async fn show_account(
    operator: &Operator,
    page: &Page,
    id: AccountId,
    after: Option<InvoiceId>,
    form: OperatorAccountForm,
    errors: FormErrors,
) -> Result<Response> {
    let mut scope = operator.read();
    let account: Account = accounts::by_id(&mut scope, id).await?.ok_or(Error::NotFound)?;
    let mut facts = billing::facts(&mut scope, id, after, PAGE_SIZE + 1).await?;
    let catalog = operator.context().catalog.clone();
    let has_older = usize::try_from(PAGE_SIZE).is_ok_and(|size| facts.invoices.len() > size);
    facts.invoices.truncate(usize::try_from(PAGE_SIZE).unwrap_or(0));
    let row = |invoice: &invoices::InvoiceListItem| AccountInvoiceRow {
        id: invoice.id.to_string(),
        number: invoice.number.clone(),
        date: When::day(invoice.issued_at, &TimeZone::UTC),
        title: invoice.title.clone(),
        state: state(invoice.status, invoice.is_note()),
        tone: tone(invoice.status, invoice.is_note()),
        amount: invoice.currency.format(invoice.total),
    };
    let account_page = OperatorAccountPage {
        id: id.to_string(),
        payer: account.parent().map(|parent| (parent.id.to_string(), parent.name)),
        name: account.name,
        slug: account.slug,
        kind: account.kind.noun(),
        opened: When::day(account.created_at, &page.zone(operator.signed_in_user().time_zone.as_deref())),
        plans: plans(&catalog, &account.plan),
        plan: catalog.plan_name(&account.plan).to_owned(),
        next: facts.scheduled.as_ref().map_or_else(String::new, |change| {
            format!("{} from {} on", catalog.plan_name(&change.plan), change.at.day(&TimeZone::UTC))
        }),
        owner: (account.owner_name, account.owner_email),
        currency: catalog.currency.to_string(),
        adjustments: facts
            .adjustments
            .iter()
            .map(|adjustment| (adjustment.reason.clone(), catalog.currency.format(adjustment.amount)))
            .collect(),
        older: facts
            .invoices
            .last()
            .filter(|_| has_older)
            .map(|invoice| invoice.id.to_string())
            .unwrap_or_default(),
        rows: facts.invoices.iter().map(row).collect(),
        form,
        errors,
    };
    let title = account_page.name.clone();
    page.show(&mut scope, &title, account_page).await
}

/// The plans to choose from: the account's own first if the catalogue no longer has it.
fn plans(catalog: &Catalog, plan: &str) -> Vec<(String, String)> {
    let removed = catalog.plan(plan).is_none().then(|| (plan.to_owned(), catalog.plan_name(plan).to_owned()));
    removed.into_iter().chain(catalog.plans.iter().map(|plan| (plan.id.clone(), plan.name.clone()))).collect()
}

async fn set_plan(
    operator: Operator,
    page: Page,
    PathId(id): PathId<AccountId>,
    Form(form): Form<OperatorAccountForm>,
) -> Result<Response> {
    let set = async |change: &mut _| accounts::operator_sets_plan(change, id, &form.plan).await;
    match operator.change(set).await {
        Ok(account) => {
            let plan = operator.context().catalog.plan_name(&form.plan);
            let message = format!("{} is on the plan {plan}.", account.name);
            Ok(page.done(&format!("/operator/accounts/{id}"), message))
        }
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            show_account(&operator, &page.with(status), id, None, form, errors).await
        }
    }
}

async fn adjust(
    operator: Operator,
    page: Page,
    PathId(id): PathId<AccountId>,
    Form(form): Form<OperatorAccountForm>,
) -> Result<Response> {
    match operator.change(async |change| invoices::adjust(change, id, &form.amount, &form.reason).await).await
    {
        Ok(amount) => {
            let amount = operator.context().catalog.currency.format(amount);
            Ok(page.done(&format!("/operator/accounts/{id}"), format!("{amount} goes on the next invoice.")))
        }
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            show_account(&operator, &page.with(status), id, None, form, errors).await
        }
    }
}
