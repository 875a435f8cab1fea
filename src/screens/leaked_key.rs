//! For whoever finds a key where it should not be: no sign-in, and always the same answer.
use crate::{
    error::Result,
    http::{form::Form, gate::Anyone, leaked_keys, routes::Routes},
    view::page::{Faults, Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default().get("/leaked-key", show).post("/leaked-key", report)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    key: String,
}

#[derive(Template)]
#[template(path = "leaked_key/index.html")]
struct Index {
    faults: Faults,
    call: String,
}

#[derive(Template)]
#[template(path = "leaked_key/thanks.html")]
struct Thanks {}

async fn show(anyone: Anyone, page: Page) -> Result<Response> {
    ask(&anyone, &page, Faults::default())
}

fn ask(anyone: &Anyone, page: &Page, faults: Faults) -> Result<Response> {
    page.plain("Report a leaked key", Index { faults, call: anyone.kit().url("/api/v1/keys/leaked") })
}

async fn report(anyone: Anyone, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    match leaked_keys::report(&anyone, &it.key).await {
        Ok(()) => page.plain("Thank you", Thanks {}),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(&anyone, &page.with(status), faults)
        }
    }
}
