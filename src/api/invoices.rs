//! Invoices as JSON, CSV and PDF. Amounts and prices are in minor units of the currency.
use super::pagination::{List, ListQuery, NoFilters};
use crate::{
    error::{Error, Result},
    http::{
        gate::{Key, PathInvoice},
        openapi::call::{Csv, Pdf},
        routes::Routes,
    },
    model::{
        access::Access,
        calendar::Month,
        id::InvoiceId,
        invoice::{self, LineKind},
        money::Price,
        permission::{PayInvoices, ViewInvoices},
        quantity::Quantity,
        time::Time,
    },
    store::{
        billing,
        invoices::{self, Invoice as Stored},
        payments,
    },
    view::{
        invoice::{InvoiceView, file_name},
        page::attachment,
    },
};
use axum::{
    Json,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

pub fn routes() -> Routes {
    let all = "/api/v1/accounts/{slug}/invoices";
    let one = "/api/v1/accounts/{slug}/invoices/{number}";
    Routes::default()
        .get(all, list)
        .doc(|call| call.summary("List invoices", "With credit notes; newest first.").returns_list::<Invoice>())
        .get(one, show)
        .doc(|call| {
            call.summary(
                "Get an invoice",
                "By its number, as JSON, PDF or CSV according to `Accept`. The number `upcoming` is what would be billed if the month \
                 ended now, as JSON only.",
            )
            .returns::<Invoice>(200)
            .returns_as::<Pdf>(200, "application/pdf")
            .returns_as::<Csv>(200, "text/csv")
            .id_pattern(NUMBER)
        })
        .post("/api/v1/accounts/{slug}/invoices/{number}/pay", pay)
        .doc(|call| {
            call.summary("Pay an invoice", "Charges the card on file, soon and once. The invoice becomes `paid` when that succeeds.")
                .accepted()
                .id_pattern(NUMBER)
                .errors(&["already_paid", "credited", "no_card", "payment_under_way", "void"])
        })
        .about("Invoices", "What was billed, month by month. An invoice never changes once it has its number.")
}

const NUMBER: &str = "^[A-Za-z0-9-]+$";

/// An invoice for a month, or a credit note.
#[derive(Serialize, ToSchema)]
struct Invoice {
    /// Its number; `null` for the upcoming one.
    #[schema(example = "GH-2026-0001")]
    number: Option<String>,
    /// The month that it is for (UTC).
    month: Month,
    /// The currency's code in ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
    /// The amount due, in minor units; negative for a credit note.
    #[schema(example = 4900)]
    total: i64,
    /// Its lines.
    lines: Vec<InvoiceLine>,
    /// Its status.
    #[schema(value_type = InvoiceStatus)]
    status: &'static str,
    /// For a credit note: the number of the invoice that it reverses.
    #[schema(example = json!(null))]
    credits: Option<String>,
    /// When it was issued.
    issued_at: Option<Time>,
    /// When payment is due.
    due_at: Option<Time>,
    /// When it was paid.
    paid_at: Option<Time>,
}

/// The status of an invoice.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the document: the store has it as text")]
enum InvoiceStatus {
    /// The upcoming one.
    Draft,
    Open,
    Paid,
    Void,
    Credited,
}

/// A quantity at a price, rounded once.
#[derive(Serialize, ToSchema)]
struct InvoiceLine {
    /// What it is for, in words.
    #[schema(example = "Developer, November 2026")]
    description: String,
    /// The quantity.
    #[schema(value_type = Quantity)]
    quantity: String,
    /// The price of one, in minor units.
    unit_price: Price,
    /// The amount, in minor units.
    #[schema(example = 4900)]
    amount: i64,
    /// The team that used it, if not the account itself.
    team: Option<invoice::Team>,
    /// The meter, for usage.
    #[schema(example = json!(null))]
    meter: Option<String>,
    /// Its kind.
    kind: LineKind,
}

impl From<invoice::Line> for InvoiceLine {
    fn from(line: invoice::Line) -> InvoiceLine {
        let invoice::Line { kind, description, quantity, unit_price, amount, team, meter } = line;
        InvoiceLine { description, quantity: quantity.to_string(), unit_price, amount, team, meter, kind }
    }
}

impl From<Stored> for Invoice {
    fn from(invoice: Stored) -> Invoice {
        Invoice {
            number: Some(invoice.number),
            month: invoice.document.month,
            currency: invoice.document.currency.to_string(),
            total: invoice.total,
            lines: invoice.document.lines.into_iter().map(InvoiceLine::from).collect(),
            status: invoice.status.as_str(),
            credits: invoice.document.credits,
            issued_at: Some(invoice.issued_at),
            due_at: Some(invoice.due_at),
            paid_at: invoice.paid_at,
        }
    }
}

async fn list(key: Key<ViewInvoices>, query: ListQuery<NoFilters>) -> Result<List<Invoice>> {
    let after = query.after::<InvoiceId>()?;
    let rows = invoices::list(&mut key.read(), after, query.limit_plus_one()).await?;
    Ok(query.page(rows, |row| row.id.to_string(), Invoice::from))
}

async fn show(
    key: Key<ViewInvoices>,
    PathInvoice(number): PathInvoice,
    headers: HeaderMap,
) -> Result<Response> {
    let mut scope = key.read();
    if number == "upcoming" {
        return Ok(Json(upcoming(&mut scope).await?).into_response());
    }
    let invoice = invoices::find(&mut scope, &number).await?;
    drop(scope);
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("application/pdf") {
        let bytes = crate::view::invoice::pdf(&InvoiceView::of(&invoice))?;
        return Ok(attachment(&file_name(Some(&number), "pdf"), "application/pdf", bytes));
    }
    if accept.contains("text/csv") {
        return Ok(crate::view::csv::attachment(
            &file_name(Some(&number), "csv"),
            InvoiceView::of(&invoice).csv(),
        ));
    }
    Ok(Json(Invoice::from(invoice)).into_response())
}

async fn upcoming(scope: &mut crate::store::Scope<Access>) -> Result<Invoice> {
    if scope.access().account.parent.is_some() {
        return Err(Error::NotFound);
    }
    let account = scope.access().account.id;
    let facts = billing::facts(scope, account, None, 0).await?;
    let used = billing::used(scope, account, facts.period).await?;
    let catalog = scope.context().catalog.clone();
    let bill = billing::bill_of(&facts, &catalog, facts.period, &used);
    Ok(Invoice {
        number: None,
        month: facts.period,
        currency: catalog.currency.to_string(),
        total: bill.total,
        lines: bill.lines.into_iter().map(InvoiceLine::from).collect(),
        status: "draft",
        credits: None,
        issued_at: None,
        due_at: None,
        paid_at: None,
    })
}

async fn pay(key: Key<PayInvoices>, PathInvoice(number): PathInvoice) -> Result<StatusCode> {
    key.change(async |change| payments::request(change, &number).await).await?;
    Ok(StatusCode::ACCEPTED)
}
