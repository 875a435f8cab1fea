//! Joining an organization that is open to the domain of one's address.
use crate::{
    error::{Error, Result},
    http::{form::Form, gate::SignedIn, routes::Routes},
    model::id::AccountId,
    store::domains::joining::{self, JoinableOrganization},
    view::page::Page,
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub fn routes() -> Routes {
    Routes::default().get("/me/join", show).post("/me/join", join)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JoinForm {
    account: String,
}

#[derive(Template)]
#[template(path = "join/index.html")]
struct JoinPage {
    none: String,
    open: Vec<JoinableOrganization>,
}

async fn show(signed: SignedIn, page: Page) -> Result<Response> {
    let mut scope = signed.read();
    let open = joining::joinable(&mut scope).await?;
    let email = &signed.user().email;
    let none = format!(
        "No organization is open to people with an address like {email}. Ask for an invitation instead."
    );
    let join_page = JoinPage { none, open };
    page.show(&mut scope, "Join an organization", join_page).await
}

async fn join(signed: SignedIn, page: Page, Form(form): Form<JoinForm>) -> Result<Response> {
    let account: AccountId = form.account.parse().map_err(|_| Error::NotFound)?;
    match signed.change(async |change| joining::join(change, account).await).await? {
        Some(slug) => Ok(page.done(&format!("/a/{slug}/overview"), "You have joined.")),
        None => Ok(page.done("/me/join", "You asked to join. You get in once an administrator accepts.")),
    }
}
