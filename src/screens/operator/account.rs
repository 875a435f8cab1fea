//! One account as its operator sees it: plan, invoices, what waits for the next one. No way in.
use crate::{
    app::{
        form::{Form, Query},
        gate::{At, Operator},
        page::{Faults, Page, When},
        routes::Routes,
    },
    error::{Error, Result},
    model::{
        catalog::Catalog,
        id::{AccountId, InvoiceId},
        invoice::{Line, Status},
    },
    store::{
        accounts::{self, Account},
        billing, invoices,
    },
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
        .get("/operator/invoices/{id}", settle)
        .post("/operator/invoices/{id}/paid", paid)
        .post("/operator/invoices/{id}/void", void)
        .post("/operator/invoices/{id}/credit", credit)
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
    reference: String,
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

#[derive(Template)]
#[template(path = "operator/invoice.html")]
struct Settle {
    id: String,
    account: String,
    account_name: String,
    number: String,
    amount: String,
    is_open: bool,
    may_credit: bool,
    state: &'static str,
    tone: &'static str,
    what: String,
    note: String,
    lines: Vec<(String, String)>,
    typed: Typed,
    faults: Faults,
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
    let mut scope = operator.read().await?;
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
        state: if it.is_note() { "Credit note" } else { state(it.status) },
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

fn state(it: Status) -> &'static str {
    match it {
        Status::Open => "Open",
        Status::Paid => "Paid",
        Status::Void => "Void",
        Status::Credited => "Credited",
    }
}

fn tone(it: Status, is_note: bool) -> &'static str {
    match it {
        Status::Open => "warn",
        Status::Paid if !is_note => "ok",
        _ => "",
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

async fn settle(operator: Operator, page: Page, At(id): At<InvoiceId>) -> Result<Response> {
    ask(&operator, &page, id, Typed::default(), Faults::default()).await
}

async fn ask(
    operator: &Operator,
    page: &Page,
    id: InvoiceId,
    typed: Typed,
    faults: Faults,
) -> Result<Response> {
    let mut scope = operator.read().await?;
    let it = invoices::by_id(&mut scope, id).await?;
    let is_note = it.document.credits.is_some();
    let line = |line: &Line| {
        let team = line.team.as_ref().map_or_else(String::new, |it| format!(" · {}", it.name));
        (format!("{}{team}", line.description), it.document.currency.says(line.amount))
    };
    let settle = Settle {
        id: id.to_string(),
        account: it.account.to_string(),
        account_name: it.document.account.clone(),
        amount: it.document.currency.says(it.total),
        is_open: it.status == Status::Open,
        may_credit: !is_note && it.total != 0 && matches!(it.status, Status::Open | Status::Paid),
        state: if is_note { "Credit note" } else { state(it.status) },
        tone: tone(it.status, is_note),
        what: it.document.what(),
        lines: it.document.lines.iter().map(line).collect(),
        number: it.number,
        note: it.note,
        typed,
        faults,
    };
    let title = settle.number.clone();
    page.show(&mut scope, &title, settle).await
}

async fn paid(
    operator: Operator,
    page: Page,
    At(id): At<InvoiceId>,
    Form(it): Form<Typed>,
) -> Result<Response> {
    let done = operator.change(async |change| invoices::mark_paid(change, id, &it.reference).await).await;
    let done = done.map(|it| (it.account, format!("{} is paid.", it.number)));
    after(&operator, page, id, it, done).await
}

async fn void(
    operator: Operator,
    page: Page,
    At(id): At<InvoiceId>,
    Form(it): Form<Typed>,
) -> Result<Response> {
    let done = operator.change(async |change| invoices::void(change, id, &it.reason).await).await;
    let done = done.map(|it| (it.account, format!("{} is void.", it.number)));
    after(&operator, page, id, it, done).await
}

async fn credit(
    operator: Operator,
    page: Page,
    At(id): At<InvoiceId>,
    Form(it): Form<Typed>,
) -> Result<Response> {
    let done = operator
        .change(async |change| {
            let account = invoices::account_of(change, id).await?;
            Ok((account, invoices::credit(change, id, &it.reason).await?))
        })
        .await;
    let done = done.map(|(account, number)| (account, format!("The credit note {number} takes it back.")));
    after(&operator, page, id, it, done).await
}

async fn after(
    operator: &Operator,
    page: Page,
    id: InvoiceId,
    typed: Typed,
    done: Result<(AccountId, String)>,
) -> Result<Response> {
    match done {
        Ok((account, said)) => {
            // The account of an old invoice may be gone: then its invoice is the place to be.
            let mut scope = operator.read().await?;
            let is_there = accounts::by_id(&mut scope, account).await?.is_some();
            let to = if is_there {
                format!("/operator/accounts/{account}")
            } else {
                format!("/operator/invoices/{id}")
            };
            Ok(page.done(&to, said))
        }
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(operator, &page.with(status), id, typed, faults).await
        }
    }
}
