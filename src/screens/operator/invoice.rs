//! One invoice as the operator sees it: marking it as paid, voiding it, crediting it.
use crate::{
    error::Result,
    http::{
        form::Form,
        gate::{Operator, PathId},
        routes::Routes,
    },
    model::{
        id::{AccountId, InvoiceId},
        invoice::{InvoiceStatus, Line},
    },
    store::{accounts, invoices},
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub fn routes() -> Routes {
    Routes::default()
        .get("/operator/invoices/{id}", settle)
        .post("/operator/invoices/{id}/paid", paid)
        .post("/operator/invoices/{id}/void", void)
        .post("/operator/invoices/{id}/credit", credit)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SettleForm {
    reason: String,
    reference: String,
}

#[derive(Template)]
#[template(path = "operator/invoice.html")]
struct SettlePage {
    id: String,
    account: String,
    account_name: String,
    number: String,
    amount: String,
    is_open: bool,
    may_credit: bool,
    state: &'static str,
    tone: &'static str,
    summary: String,
    note: String,
    lines: Vec<(String, String)>,
    form: SettleForm,
    errors: FormErrors,
}

pub(super) fn state(status: InvoiceStatus, is_note: bool) -> &'static str {
    match status {
        _ if is_note => "Credit note",
        InvoiceStatus::Open => "Open",
        InvoiceStatus::Paid => "Paid",
        InvoiceStatus::Void => "Void",
        InvoiceStatus::Credited => "Credited",
    }
}

/// A tone of `ui::badge`.
pub(super) fn tone(status: InvoiceStatus, is_note: bool) -> &'static str {
    match status {
        InvoiceStatus::Open => "warn",
        InvoiceStatus::Paid if !is_note => "ok",
        _ => "",
    }
}

async fn settle(operator: Operator, page: Page, PathId(id): PathId<InvoiceId>) -> Result<Response> {
    show_form(&operator, &page, id, SettleForm::default(), FormErrors::default()).await
}

async fn show_form(
    operator: &Operator,
    page: &Page,
    id: InvoiceId,
    form: SettleForm,
    errors: FormErrors,
) -> Result<Response> {
    let mut scope = operator.read();
    let invoice = invoices::by_id(&mut scope, id).await?;
    let is_note = invoice.document.credits.is_some();
    let line = |line: &Line| {
        let team = line.team.as_ref().map_or_else(String::new, |team| format!(" · {}", team.name));
        (format!("{}{team}", line.description), invoice.document.currency.format(line.amount))
    };
    let settle_page = SettlePage {
        id: id.to_string(),
        account: invoice.account.to_string(),
        account_name: invoice.document.account.clone(),
        amount: invoice.document.currency.format(invoice.total),
        is_open: invoice.status == InvoiceStatus::Open,
        may_credit: !is_note
            && invoice.total != 0
            && matches!(invoice.status, InvoiceStatus::Open | InvoiceStatus::Paid),
        state: state(invoice.status, is_note),
        tone: tone(invoice.status, is_note),
        summary: invoice.document.summary(),
        lines: invoice.document.lines.iter().map(line).collect(),
        number: invoice.number,
        note: invoice.note,
        form,
        errors,
    };
    let title = settle_page.number.clone();
    page.show(&mut scope, &title, settle_page).await
}

async fn paid(
    operator: Operator,
    page: Page,
    PathId(id): PathId<InvoiceId>,
    Form(form): Form<SettleForm>,
) -> Result<Response> {
    let result = operator.change(async |change| invoices::mark_paid(change, id, &form.reference).await).await;
    let result = result.map(|invoice| (invoice.account, format!("{} is paid.", invoice.number)));
    respond(&operator, page, id, form, result).await
}

async fn void(
    operator: Operator,
    page: Page,
    PathId(id): PathId<InvoiceId>,
    Form(form): Form<SettleForm>,
) -> Result<Response> {
    let result = operator.change(async |change| invoices::void(change, id, &form.reason).await).await;
    let result = result.map(|invoice| (invoice.account, format!("{} is void.", invoice.number)));
    respond(&operator, page, id, form, result).await
}

async fn credit(
    operator: Operator,
    page: Page,
    PathId(id): PathId<InvoiceId>,
    Form(form): Form<SettleForm>,
) -> Result<Response> {
    let result = operator
        .change(async |change| {
            let account = invoices::account_of(change, id).await?;
            Ok((account, invoices::credit(change, id, &form.reason).await?))
        })
        .await;
    let result =
        result.map(|(account, number)| (account, format!("The credit note {number} cancels the invoice.")));
    respond(&operator, page, id, form, result).await
}

async fn respond(
    operator: &Operator,
    page: Page,
    id: InvoiceId,
    form: SettleForm,
    result: Result<(AccountId, String)>,
) -> Result<Response> {
    match result {
        Ok((account, message)) => {
            // The account of an old invoice may be gone: then the invoice's own page is shown.
            let mut scope = operator.read();
            let exists = accounts::by_id(&mut scope, account).await?.is_some();
            let to = if exists {
                format!("/operator/accounts/{account}")
            } else {
                format!("/operator/invoices/{id}")
            };
            Ok(page.done(&to, message))
        }
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            show_form(operator, &page.with(status), id, form, errors).await
        }
    }
}
