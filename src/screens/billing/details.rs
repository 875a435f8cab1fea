//! Who is billed.
use crate::{
    error::Result,
    http::{form::Form, gate::Can, routes::Routes},
    model::{invoice::Details, permission::ManageBilling},
    store::billing,
    view::page::{Faults, Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    let path = "/a/{slug}/billing/details";
    Routes::default().get(path, show).post(path, save)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    company: String,
    address: String,
    tax_id: String,
    email: String,
    po_number: String,
}

#[derive(Template)]
#[template(path = "billing/details.html")]
struct Index {
    slug: String,
    account: String,
    typed: Details,
    faults: Faults,
}

async fn show(can: Can<ManageBilling>, page: Page) -> Result<Response> {
    let mut scope = can.read();
    let typed = billing::details(&mut scope).await?;
    drop(scope);
    ask(&can, &page, typed, Faults::default()).await
}

async fn ask(can: &Can<ManageBilling>, page: &Page, typed: Details, faults: Faults) -> Result<Response> {
    let here = &can.me().here;
    let index = Index { slug: here.slug.clone(), account: here.name.clone(), typed, faults };
    page.show(&mut can.read(), "Billing details", index).await
}

async fn save(can: Can<ManageBilling>, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    let Typed { company, address, tax_id, email, po_number } = it;
    let typed = Details { company, address, tax_id, email, po_number };
    let saved = can.change(async |change| billing::set_details(change, typed.clone()).await).await;
    match saved {
        Ok(_) => {
            Ok(page.done(&can.path("billing"), "The billing details are saved. The next invoice has them."))
        }
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(&can, &page.with(status), typed, faults).await
        }
    }
}
