//! One invoice as its operator sees it: paid by hand, void, or taken back.
use crate::{
    error::Result,
    http::{
        form::Form,
        gate::{At, Operator},
        routes::Routes,
    },
    model::{
        id::{AccountId, InvoiceId},
        invoice::{Line, Status},
    },
    store::{accounts, invoices},
    view::page::{Faults, Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default()
        .get("/operator/invoices/{id}", settle)
        .post("/operator/invoices/{id}/paid", paid)
        .post("/operator/invoices/{id}/void", void)
        .post("/operator/invoices/{id}/credit", credit)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    reason: String,
    reference: String,
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

/// How an invoice stands, in a word.
pub(super) fn state(it: Status, is_note: bool) -> &'static str {
    match it {
        _ if is_note => "Credit note",
        Status::Open => "Open",
        Status::Paid => "Paid",
        Status::Void => "Void",
        Status::Credited => "Credited",
    }
}

/// In which colour.
pub(super) fn tone(it: Status, is_note: bool) -> &'static str {
    match it {
        Status::Open => "warn",
        Status::Paid if !is_note => "ok",
        _ => "",
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
    let mut scope = operator.read();
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
        state: state(it.status, is_note),
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
            let mut scope = operator.read();
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
