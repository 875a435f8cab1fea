//! One invoice: to read, to print, as PDF and CSV, to pay.
use crate::{
    error::{Error, Result},
    http::{
        gate::{Can, Number},
        routes::Routes,
    },
    model::{
        invoice::{Document, Status},
        permission::{PayInvoices, Permission, ViewInvoices},
    },
    store::{
        Scope, billing,
        invoices::{self, Invoice},
        payments,
    },
    view::{
        csv,
        invoice::{self, Cells, MOST_IN_ZIP, Sheet, file},
        page::{Faults, Page, attachment},
    },
};
use askama::Template;
use axum::response::Response;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/invoices/{number}", show)
        .post("/a/{slug}/invoices/{number}/pay", pay)
        .get("/a/{slug}/invoices.zip", all)
}

#[derive(Template)]
#[template(path = "invoices/show.html")]
struct Index {
    slug: String,
    title: String,
    number: String,
    state: &'static str,
    tone: &'static str,
    total: String,
    seller: Vec<String>,
    buyer: Vec<String>,
    facts: Vec<(&'static str, String)>,
    lines: Vec<Cells>,
    sums: Vec<(String, String)>,
    pay_to: Vec<String>,
    note: String,
    /// What became of a payment by card.
    payment: String,
    may_pay: bool,
    credited_by: String,
    faults: Faults,
}

async fn show(can: Can<ViewInvoices>, page: Page, Number(it): Number) -> Result<Response> {
    let (number, ending) = match it.rsplit_once('.') {
        Some((number, ending @ ("pdf" | "csv"))) => (number.to_owned(), ending),
        _ => (it.clone(), ""),
    };
    let mut scope = can.read();
    if number == "upcoming" {
        let document = upcoming(&mut scope).await?;
        let now = scope.now();
        let sheet = Sheet {
            document: &document,
            number: None,
            status: None,
            issued_at: now,
            due_at: now,
            paid_at: None,
        };
        return match ending {
            "" => page.show(&mut scope, &sheet.title(), index(&can, &sheet, None, Faults::default())).await,
            other => download(&sheet, other),
        };
    }
    let found = invoices::find(&mut scope, &number).await?;
    let sheet = Sheet::of(&found);
    match ending {
        "" => {
            page.show(&mut scope, &sheet.title(), index(&can, &sheet, Some(&found), Faults::default())).await
        }
        other => download(&sheet, other),
    }
}

fn download(sheet: &Sheet<'_>, ending: &str) -> Result<Response> {
    let name = file(sheet.number, ending);
    if ending == "csv" {
        return Ok(csv::attachment(&name, sheet.csv()));
    }
    Ok(attachment(&name, "application/pdf", invoice::pdf(sheet)?))
}

/// The newest of them in one file, as PDF and CSV.
async fn all(can: Can<ViewInvoices>) -> Result<Response> {
    if can.me().here.parent.is_some() {
        return Err(Error::NotFound);
    }
    let most = i64::try_from(MOST_IN_ZIP).unwrap_or(i64::MAX);
    let found = invoices::list(&mut can.read(), None, most).await?;
    let name = format!("{}-invoices.zip", can.slug());
    Ok(attachment(&name, "application/zip", invoice::zip(found).await?))
}

/// What the invoice would be if the month ended now.
async fn upcoming(scope: &mut Scope) -> Result<Document> {
    let here = scope.who().here.clone();
    if here.parent.is_some() {
        return Err(Error::NotFound);
    }
    let facts = billing::facts(scope, here.id, None, 0).await?;
    let used = billing::used(scope, here.id, facts.period).await?;
    let catalog = scope.kit().catalog.clone();
    let bill = billing::bill_of(&facts, &catalog, facts.period, &used);
    Ok(Document {
        seller: invoices::seller(scope.kit()),
        account: facts.name,
        kind: here.kind,
        bill_to: facts.details,
        currency: catalog.currency,
        month: facts.period,
        lines: bill.lines,
        credits: None,
    })
}

fn index<P: crate::model::permission::Needs>(
    can: &Can<P>,
    sheet: &Sheet<'_>,
    found: Option<&Invoice>,
    faults: Faults,
) -> Index {
    let (state, tone) = match sheet.status {
        None => ("Estimate", ""),
        Some(_) if sheet.document.credits.is_some() => ("Credit note", ""),
        Some(Status::Open) if sheet.due_at < can.kit().now() => ("Overdue", "danger"),
        Some(Status::Open) => ("Open", "warn"),
        Some(Status::Paid) => ("Paid", "ok"),
        Some(Status::Void) => ("Void", ""),
        Some(Status::Credited) => ("Credited", ""),
    };
    let charge = found.and_then(|it| it.charge.clone());
    let payment = match charge.as_ref().map(|it| (it.0.as_str(), it.1.as_str())) {
        Some(("asked" | "processing", _)) => "The card is being charged. This takes a moment.".to_owned(),
        Some(("failed", why)) if sheet.status == Some(Status::Open) => {
            format!("The card was not charged: {why}")
        }
        _ => String::new(),
    };
    let under_way = charge.is_some_and(|it| it.0 != "failed");
    let is_open = sheet.status == Some(Status::Open);
    Index {
        slug: can.slug().to_owned(),
        title: sheet.title(),
        number: sheet.number.unwrap_or("upcoming").to_owned(),
        state,
        tone,
        total: sheet.says(sheet.document.total()),
        seller: sheet.seller(),
        buyer: sheet.buyer(),
        facts: sheet.facts(),
        lines: sheet.lines(),
        sums: sheet.sums(),
        pay_to: sheet.pay_to().to_vec(),
        note: found.map(|it| it.note.clone()).unwrap_or_default(),
        payment,
        may_pay: is_open
            && !under_way
            && can.app().till().takes_cards()
            && can.me().may(Permission::PayInvoices),
        credited_by: found.and_then(|it| it.credited_by.clone()).unwrap_or_default(),
        faults,
    }
}

async fn pay(can: Can<PayInvoices>, page: Page, Number(number): Number) -> Result<Response> {
    let here = can.path(&format!("invoices/{number}"));
    match can.change(async |change| payments::ask(change, &number).await).await {
        Ok(()) => Ok(page.done(&here, "The card is being charged.")),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            if !can.me().may(Permission::ViewInvoices) {
                return Ok(page.failed(&can.path("overview"), faults.beside(&[])));
            }
            let mut scope = can.read();
            let found = invoices::find(&mut scope, &number).await?;
            let sheet = Sheet::of(&found);
            let index = index(&can, &sheet, Some(&found), faults);
            page.with(status).show(&mut scope, &sheet.title(), index).await
        }
    }
}
