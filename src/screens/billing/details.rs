//! Billing details: who is billed.
use crate::{
    error::Result,
    http::{form::Form, gate::Can, routes::Routes},
    model::{invoice::BillingDetails, permission::ManageBilling},
    store::billing,
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub fn routes() -> Routes {
    let path = "/a/{slug}/billing/details";
    Routes::default().get(path, show).post(path, save)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DetailsForm {
    company: String,
    address: String,
    tax_id: String,
    email: String,
    po_number: String,
}

#[derive(Template)]
#[template(path = "billing/details.html")]
struct DetailsPage {
    slug: String,
    account: String,
    form: BillingDetails,
    errors: FormErrors,
}

async fn show(can: Can<ManageBilling>, page: Page) -> Result<Response> {
    let mut scope = can.read();
    let details = billing::details(&mut scope).await?;
    drop(scope);
    show_form(&can, &page, details, FormErrors::default()).await
}

async fn show_form(
    can: &Can<ManageBilling>,
    page: &Page,
    form: BillingDetails,
    errors: FormErrors,
) -> Result<Response> {
    let account = &can.access().account;
    let details_page =
        DetailsPage { slug: account.slug.clone(), account: account.name.clone(), form, errors };
    page.show(&mut can.read(), "Billing details", details_page).await
}

async fn save(can: Can<ManageBilling>, page: Page, Form(form): Form<DetailsForm>) -> Result<Response> {
    let DetailsForm { company, address, tax_id, email, po_number } = form;
    let details = BillingDetails { company, address, tax_id, email, po_number };
    let saved = can.change(async |change| billing::set_details(change, details.clone()).await).await;
    match saved {
        Ok(_) => {
            Ok(page.done(&can.path("billing"), "The billing details are saved. The next invoice has them."))
        }
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            show_form(&can, &page.with(status), details, errors).await
        }
    }
}
