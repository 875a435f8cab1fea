//! Reporting a leaked key: without signing in, and with the same response for any key.
use crate::{
    error::Result,
    http::{form::Form, gate::Anyone, leaked_keys, routes::Routes},
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub fn routes() -> Routes {
    Routes::default().get("/leaked-key", show).post("/leaked-key", report)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LeakedKeyForm {
    key: String,
}

#[derive(Template)]
#[template(path = "leaked_key/index.html")]
struct LeakedKeyPage {
    errors: FormErrors,
    call: String,
}

#[derive(Template)]
#[template(path = "leaked_key/thanks.html")]
struct ThanksPage {}

async fn show(anyone: Anyone, page: Page) -> Result<Response> {
    show_form(&anyone, &page, FormErrors::default())
}

fn show_form(anyone: &Anyone, page: &Page, errors: FormErrors) -> Result<Response> {
    page.plain(
        "Report a leaked key",
        LeakedKeyPage { errors, call: anyone.context().url("/api/v1/keys/leaked") },
    )
}

async fn report(anyone: Anyone, page: Page, Form(form): Form<LeakedKeyForm>) -> Result<Response> {
    match leaked_keys::report(&anyone, &form.key).await {
        Ok(()) => page.plain("Thank you", ThanksPage {}),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            show_form(&anyone, &page.with(status), errors)
        }
    }
}
