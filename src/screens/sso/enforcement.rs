//! Enforcement of single sign-on: announcing it, switching it on and off, and the owner's break-glass codes.
use super::domains::{DomainsFeedback, DomainsForm, ask, respond};
use crate::{
    error::Result,
    http::{form::Form, gate::Can, routes::Routes},
    model::{permission::ManageSso, text::counted},
    store::sso::{announce, break_glass, enforce},
    view::page::Page,
};
use axum::response::Response;

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/a/{slug}/sso/tell", tell_them)
        .post("/a/{slug}/sso/enforce", begin)
        .post("/a/{slug}/sso/relax", relax)
        .post("/a/{slug}/sso/codes", codes)
}

async fn tell_them(can: Can<ManageSso>, page: Page) -> Result<Response> {
    let count = can.change(async |change| announce::announce(change).await).await;
    let message =
        |count: usize| format!("{} told by mail.", counted(i64::try_from(count).unwrap_or(0), "member"));
    respond(&can, page, DomainsForm::default(), count.map(message)).await
}

async fn begin(can: Can<ManageSso>, page: Page, Form(form): Form<DomainsForm>) -> Result<Response> {
    let done = async {
        let fresh = can.reauthenticate(&form.reauth).await?;
        can.change(async |change| enforce::begin(change, &fresh).await).await
    };
    match done.await {
        // Enforcement may close this page to the administrator who began it: the redirect leads them through the provider and back.
        Ok(()) => {
            let message = "Enforced. Sign in with SSO within 15 minutes, or it is undone by itself.";
            Ok(page.done(&can.path("sso/domains"), message))
        }
        Err(error) => respond(&can, page, form, Err(error)).await,
    }
}

async fn relax(can: Can<ManageSso>, page: Page, Form(form): Form<DomainsForm>) -> Result<Response> {
    let done = async {
        let fresh = can.reauthenticate(&form.reauth).await?;
        can.change(async |change| enforce::end(change, &fresh).await).await?;
        Ok("SSO is not enforced any more.".to_owned())
    };
    let done = done.await;
    respond(&can, page, form, done).await
}

async fn codes(can: Can<ManageSso>, page: Page, Form(form): Form<DomainsForm>) -> Result<Response> {
    let made = async {
        let fresh = can.reauthenticate(&form.reauth).await?;
        can.change(async |change| break_glass::make(change, &fresh).await).await
    };
    match made.await {
        Ok(codes) => ask(&can, &page, DomainsFeedback { codes, ..DomainsFeedback::default() }).await,
        Err(error) => respond(&can, page, form, Err(error)).await,
    }
}
