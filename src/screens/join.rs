//! Organizations that one may join because of one's address.
use crate::{
    error::{Error, Result},
    http::{form::Form, gate::SignedIn, routes::Routes},
    model::id::AccountId,
    store::domains::joining::{self, Open},
    view::page::Page,
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default().get("/me/join", show).post("/me/join", join)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Chosen {
    account: String,
}

#[derive(Template)]
#[template(path = "join/index.html")]
struct Index {
    none: String,
    open: Vec<Open>,
}

async fn show(signed: SignedIn, page: Page) -> Result<Response> {
    let mut scope = signed.read();
    let open = joining::open(&mut scope).await?;
    let email = &signed.me().person.email;
    let none =
        format!("No organization lets people in by the domain of {email}. Ask for an invitation instead.");
    let index = Index { none, open };
    page.show(&mut scope, "Join an organization", index).await
}

async fn join(signed: SignedIn, page: Page, Form(it): Form<Chosen>) -> Result<Response> {
    let account: AccountId = it.account.parse().map_err(|_| Error::NotFound)?;
    match signed.change(async |change| joining::join(change, account).await).await? {
        Some(slug) => Ok(page.done(&format!("/a/{slug}/overview"), "You have joined.")),
        None => Ok(page.done("/me/join", "You asked to join. You get in once an administrator accepts.")),
    }
}
