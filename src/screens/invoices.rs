//! One invoice: the page, PDF and CSV, payment by card.
use crate::{
    error::{Error, Result},
    http::{
        gate::{Can, PathInvoice},
        routes::Routes,
    },
    model::{
        access::Access,
        invoice::{Document, InvoiceStatus},
        permission::{PayInvoices, Permission, ViewInvoices},
    },
    store::{
        Scope, billing,
        invoices::{self, Invoice},
        payments,
    },
    view::{
        csv,
        form_errors::FormErrors,
        invoice::{self, InvoiceView, LineView, ZIP_LIMIT, file_name},
        page::{Page, attachment},
    },
};
use askama::Template;
use axum::response::Response;

pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/invoices/{number}", show)
        .post("/a/{slug}/invoices/{number}/pay", pay)
        .get("/a/{slug}/invoices.zip", download_all)
}

#[derive(Template)]
#[template(path = "invoices/show.html")]
struct InvoicePage {
    slug: String,
    title: String,
    number: String,
    state: &'static str,
    tone: &'static str,
    total: String,
    seller: Vec<String>,
    buyer: Vec<String>,
    facts: Vec<(&'static str, String)>,
    lines: Vec<LineView>,
    sums: Vec<(String, String)>,
    pay_to: Vec<String>,
    note: String,
    /// The state of a payment by card; empty if there is none.
    payment: String,
    may_pay: bool,
    credited_by: String,
    errors: FormErrors,
}

async fn show(can: Can<ViewInvoices>, page: Page, PathInvoice(file): PathInvoice) -> Result<Response> {
    let (number, extension) = match file.rsplit_once('.') {
        Some((number, extension @ ("pdf" | "csv"))) => (number.to_owned(), extension),
        _ => (file.clone(), ""),
    };
    let mut scope = can.read();
    if number == "upcoming" {
        let document = upcoming(&mut scope).await?;
        let now = scope.now();
        let view = InvoiceView {
            document: &document,
            number: None,
            status: None,
            issued_at: now,
            due_at: now,
            paid_at: None,
        };
        return match extension {
            "" => {
                page.show(&mut scope, &view.title(), invoice_page(&can, &view, None, FormErrors::default()))
                    .await
            }
            other => download(&view, other),
        };
    }
    let invoice = invoices::find(&mut scope, &number).await?;
    let view = InvoiceView::of(&invoice);
    match extension {
        "" => {
            page.show(
                &mut scope,
                &view.title(),
                invoice_page(&can, &view, Some(&invoice), FormErrors::default()),
            )
            .await
        }
        other => download(&view, other),
    }
}

fn download(view: &InvoiceView<'_>, extension: &str) -> Result<Response> {
    let name = file_name(view.number, extension);
    if extension == "csv" {
        return Ok(csv::attachment(&name, view.csv()));
    }
    Ok(attachment(&name, "application/pdf", invoice::pdf(view)?))
}

/// The newest invoices in one file, each as PDF and CSV.
async fn download_all(can: Can<ViewInvoices>) -> Result<Response> {
    if can.access().account.parent.is_some() {
        return Err(Error::NotFound);
    }
    let most = i64::try_from(ZIP_LIMIT).unwrap_or(i64::MAX);
    let invoices = invoices::list(&mut can.read(), None, most).await?;
    let name = format!("{}-invoices.zip", can.slug());
    Ok(attachment(&name, "application/zip", invoice::zip(invoices).await?))
}

/// What the invoice would be if the month ended now.
async fn upcoming(scope: &mut Scope<Access>) -> Result<Document> {
    let account = scope.access().account.clone();
    if account.parent.is_some() {
        return Err(Error::NotFound);
    }
    let facts = billing::facts(scope, account.id, None, 0).await?;
    let used = billing::used(scope, account.id, facts.period).await?;
    let catalog = scope.context().catalog.clone();
    let bill = billing::bill_of(&facts, &catalog, facts.period, &used);
    Ok(Document {
        seller: invoices::seller(scope.context()),
        account: facts.name,
        kind: account.kind,
        bill_to: facts.details,
        currency: catalog.currency,
        month: facts.period,
        lines: bill.lines,
        credits: None,
    })
}

fn invoice_page<P: crate::model::permission::Needs>(
    can: &Can<P>,
    view: &InvoiceView<'_>,
    invoice: Option<&Invoice>,
    errors: FormErrors,
) -> InvoicePage {
    let (state, tone) = match view.status {
        None => ("Estimate", ""),
        Some(_) if view.document.credits.is_some() => ("Credit note", ""),
        Some(InvoiceStatus::Open) if view.due_at < can.context().now() => ("Overdue", "danger"),
        Some(InvoiceStatus::Open) => ("Open", "warn"),
        Some(InvoiceStatus::Paid) => ("Paid", "ok"),
        Some(InvoiceStatus::Void) => ("Void", ""),
        Some(InvoiceStatus::Credited) => ("Credited", ""),
    };
    let charge = invoice.and_then(|invoice| invoice.charge.clone());
    let payment = match charge.as_ref().map(|charge| (charge.0.as_str(), charge.1.as_str())) {
        Some(("asked" | "processing", _)) => "The card is being charged. This takes a moment.".to_owned(),
        Some(("failed", detail)) if view.status == Some(InvoiceStatus::Open) => {
            format!("The card was not charged: {detail}")
        }
        _ => String::new(),
    };
    let is_being_charged = charge.is_some_and(|charge| charge.0 != "failed");
    let is_open = view.status == Some(InvoiceStatus::Open);
    InvoicePage {
        slug: can.slug().to_owned(),
        title: view.title(),
        number: view.number.unwrap_or("upcoming").to_owned(),
        state,
        tone,
        total: view.format(view.document.total()),
        seller: view.seller(),
        buyer: view.buyer(),
        facts: view.facts(),
        lines: view.lines(),
        sums: view.sums(),
        pay_to: view.pay_to().to_vec(),
        note: invoice.map(|invoice| invoice.note.clone()).unwrap_or_default(),
        payment,
        may_pay: is_open
            && !is_being_charged
            && can.app().payment_provider().takes_cards()
            && can.access().may(Permission::PayInvoices),
        credited_by: invoice.and_then(|invoice| invoice.credited_by.clone()).unwrap_or_default(),
        errors,
    }
}

async fn pay(can: Can<PayInvoices>, page: Page, PathInvoice(number): PathInvoice) -> Result<Response> {
    let path = can.path(&format!("invoices/{number}"));
    match can.change(async |change| payments::request(change, &number).await).await {
        Ok(()) => Ok(page.done(&path, "The card is being charged.")),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            if !can.access().may(Permission::ViewInvoices) {
                return Ok(page.failed(&can.path("overview"), errors.beside(&[])));
            }
            let mut scope = can.read();
            let invoice = invoices::find(&mut scope, &number).await?;
            let view = InvoiceView::of(&invoice);
            let invoice_page = invoice_page(&can, &view, Some(&invoice), errors);
            page.with(status).show(&mut scope, &view.title(), invoice_page).await
        }
    }
}
