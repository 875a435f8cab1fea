//! Invoices: as JSON, as CSV, as PDF. Amounts and prices are in minor units of the currency.
use super::list::{Ask, List};
use crate::{
    app::{
        bill::{Sheet, file},
        gate::{Key, Number},
        page::attachment,
        routes::Routes,
    },
    error::{Error, Result},
    model::{
        calendar::Month,
        id::InvoiceId,
        invoice::{self, LineKind},
        money::Price,
        permission::{PayInvoices, ViewInvoices},
        time::Time,
    },
    store::{
        billing,
        invoices::{self, Invoice as Stored},
        payments,
    },
};
use axum::{
    Json,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

/// The calls.
pub fn routes() -> Routes {
    let all = "/api/v1/accounts/{slug}/invoices";
    let one = "/api/v1/accounts/{slug}/invoices/{number}";
    Routes::default().get(all, list).get(one, show).post("/api/v1/accounts/{slug}/invoices/{number}/pay", pay)
}

#[derive(Serialize)]
struct Invoice {
    /// None for the upcoming one.
    number: Option<String>,
    month: Month,
    currency: String,
    total: i64,
    lines: Vec<Line>,
    status: &'static str,
    /// The invoice that this one takes back.
    credits: Option<String>,
    issued_at: Option<Time>,
    due_at: Option<Time>,
    paid_at: Option<Time>,
}

#[derive(Serialize)]
struct Line {
    description: String,
    quantity: String,
    unit_price: Price,
    amount: i64,
    team: Option<invoice::Team>,
    meter: Option<String>,
    kind: LineKind,
}

impl From<invoice::Line> for Line {
    fn from(it: invoice::Line) -> Line {
        let invoice::Line { kind, description, quantity, unit_price, amount, team, meter } = it;
        Line { description, quantity: quantity.to_string(), unit_price, amount, team, meter, kind }
    }
}

impl From<Stored> for Invoice {
    fn from(it: Stored) -> Invoice {
        Invoice {
            number: Some(it.number),
            month: it.document.month,
            currency: it.document.currency.to_string(),
            total: it.total,
            lines: it.document.lines.into_iter().map(Line::from).collect(),
            status: it.status.word(),
            credits: it.document.credits,
            issued_at: Some(it.issued_at),
            due_at: Some(it.due_at),
            paid_at: it.paid_at,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {}

async fn list(key: Key<ViewInvoices>, ask: Ask<Wish>) -> Result<List<Invoice>> {
    let Wish {} = ask.filter;
    let after = ask.after::<InvoiceId>()?;
    let rows = invoices::list(&mut key.read().await?, after, ask.one_more()).await?;
    Ok(ask.page(rows, |it| it.id.to_string(), Invoice::from))
}

async fn show(key: Key<ViewInvoices>, Number(number): Number, fields: HeaderMap) -> Result<Response> {
    let mut scope = key.read().await?;
    if number == "upcoming" {
        return Ok(Json(upcoming(&mut scope).await?).into_response());
    }
    let found = invoices::find(&mut scope, &number).await?;
    drop(scope);
    let wants = |kind: &str| {
        fields.get(header::ACCEPT).and_then(|it| it.to_str().ok()).is_some_and(|it| it.contains(kind))
    };
    if wants("application/pdf") {
        let bytes = crate::app::bill::pdf(&Sheet::of(&found))?;
        return Ok(attachment(&file(Some(&number), "pdf"), "application/pdf", bytes));
    }
    if wants("text/csv") {
        return Ok(crate::app::csv::attachment(&file(Some(&number), "csv"), Sheet::of(&found).csv()));
    }
    Ok(Json(Invoice::from(found)).into_response())
}

async fn upcoming(scope: &mut crate::store::Scope) -> Result<Invoice> {
    if scope.who().here.parent.is_some() {
        return Err(Error::NotFound);
    }
    let account = scope.who().here.id;
    let facts = billing::facts(scope, account, None, 0).await?;
    let used = billing::used(scope, account, facts.period).await?;
    let catalog = scope.kit().catalog.clone();
    let bill = billing::bill_of(&facts, &catalog, facts.period, &used);
    Ok(Invoice {
        number: None,
        month: facts.period,
        currency: catalog.currency.to_string(),
        total: bill.total,
        lines: bill.lines.into_iter().map(Line::from).collect(),
        status: "draft",
        credits: None,
        issued_at: None,
        due_at: None,
        paid_at: None,
    })
}

async fn pay(key: Key<PayInvoices>, Number(number): Number) -> Result<StatusCode> {
    key.change(async |change| payments::ask(change, &number).await).await?;
    Ok(StatusCode::ACCEPTED)
}
