//! Invoices: as JSON, as CSV, as PDF. Amounts and prices are in minor units of the currency.
use super::pagination::{Ask, List};
use crate::{
    error::{Error, Result},
    http::{
        gate::{Key, Number},
        openapi::call::{Csv, Pdf},
        routes::Routes,
    },
    model::{
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
        invoice::{Sheet, file},
        page::attachment,
    },
};
use axum::{
    Json,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The calls.
pub fn routes() -> Routes {
    let all = "/api/v1/accounts/{slug}/invoices";
    let one = "/api/v1/accounts/{slug}/invoices/{number}";
    Routes::default()
        .get(all, list)
        .told(|it| it.says("List invoices", "And credit notes; newest first.").asks::<Wish>().lists::<Invoice>())
        .get(one, show)
        .told(|it| {
            it.says(
                "Read an invoice",
                "By its number, as JSON, PDF or CSV, as `Accept` says. `upcoming` is what would be billed if the month ended now, as \
                 JSON.",
            )
            .gives::<Invoice>(200)
            .gives_as::<Pdf>(200, "application/pdf")
            .gives_as::<Csv>(200, "text/csv")
            .named(NUMBER)
        })
        .post("/api/v1/accounts/{slug}/invoices/{number}/pay", pay)
        .told(|it| {
            it.says("Pay an invoice", "With the card on file, soon, and once. The invoice is `paid` when it went well.")
                .gives_later()
                .named(NUMBER)
                .fails(&["already_paid", "credited", "no_card", "payment_under_way", "void"])
        })
        .about("Invoices", "What was billed, month by month. An invoice never changes once it has its number.")
}

/// What the number of an invoice looks like.
const NUMBER: &str = "^[A-Za-z0-9-]+$";

/// What is owed for a month, or what is given back.
#[derive(Serialize, ToSchema)]
struct Invoice {
    /// Its number; `null` for the upcoming one.
    #[schema(example = "GH-2026-0001")]
    number: Option<String>,
    /// The month of UTC that it is about.
    month: Month,
    /// The currency's code in ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
    /// What is owed, in minor units; less than nothing for a credit note.
    #[schema(example = 4900)]
    total: i64,
    /// What it is made of.
    lines: Vec<Line>,
    /// Where it stands.
    #[schema(value_type = Status)]
    status: &'static str,
    /// The number of the invoice that this one takes back.
    #[schema(example = json!(null))]
    credits: Option<String>,
    /// When it got its number.
    issued_at: Option<Time>,
    /// By when it is to be paid.
    due_at: Option<Time>,
    /// When it was paid.
    paid_at: Option<Time>,
}

/// Where an invoice stands.
#[derive(ToSchema)]
#[schema(as = InvoiceStatus, rename_all = "lowercase")]
#[expect(dead_code, reason = "it describes the words in which it is told")]
enum Status {
    /// The upcoming one.
    Draft,
    Open,
    Paid,
    Void,
    Credited,
}

/// A quantity at a price, rounded once.
#[derive(Serialize, ToSchema)]
#[schema(as = InvoiceLine)]
struct Line {
    /// In words.
    #[schema(example = "Developer, November 2026")]
    description: String,
    /// How much.
    #[schema(value_type = Quantity)]
    quantity: String,
    /// What one costs, in minor units.
    unit_price: Price,
    /// What all of it costs, in minor units.
    #[schema(example = 4900)]
    amount: i64,
    /// Where it was used, if not by the account itself.
    team: Option<invoice::Team>,
    /// Which meter, if it is about one.
    #[schema(example = json!(null))]
    meter: Option<String>,
    /// What it is about.
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

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wish {}

async fn list(key: Key<ViewInvoices>, ask: Ask<Wish>) -> Result<List<Invoice>> {
    let Wish {} = ask.filter;
    let after = ask.after::<InvoiceId>()?;
    let rows = invoices::list(&mut key.read(), after, ask.one_more()).await?;
    Ok(ask.page(rows, |it| it.id.to_string(), Invoice::from))
}

async fn show(key: Key<ViewInvoices>, Number(number): Number, fields: HeaderMap) -> Result<Response> {
    let mut scope = key.read();
    if number == "upcoming" {
        return Ok(Json(upcoming(&mut scope).await?).into_response());
    }
    let found = invoices::find(&mut scope, &number).await?;
    drop(scope);
    let wants = |kind: &str| {
        fields.get(header::ACCEPT).and_then(|it| it.to_str().ok()).is_some_and(|it| it.contains(kind))
    };
    if wants("application/pdf") {
        let bytes = crate::view::invoice::pdf(&Sheet::of(&found))?;
        return Ok(attachment(&file(Some(&number), "pdf"), "application/pdf", bytes));
    }
    if wants("text/csv") {
        return Ok(crate::view::csv::attachment(&file(Some(&number), "csv"), Sheet::of(&found).csv()));
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
