//! Enforcement: who is told of it, on and off, and the owner's codes.
use super::domains::{Shown, Typed, ask, told};
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
    let many = can.change(async |change| announce::tell(change).await).await;
    let said = |it: usize| format!("{} told by mail.", counted(i64::try_from(it).unwrap_or(0), "member"));
    told(&can, page, Typed::default(), many.map(said)).await
}

async fn begin(can: Can<ManageSso>, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    let done = async {
        let fresh = can.prove(&it.proof).await?;
        can.change(async |change| enforce::begin(change, &fresh).await).await
    };
    match done.await {
        // The page itself may be closed to who has just enforced: this leads them through the provider, and back.
        Ok(()) => {
            let said = "Enforced. Sign in with SSO within 15 minutes, or it is undone by itself.";
            Ok(page.done(&can.path("sso/domains"), said))
        }
        Err(error) => told(&can, page, it, Err(error)).await,
    }
}

async fn relax(can: Can<ManageSso>, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    let done = async {
        let fresh = can.prove(&it.proof).await?;
        can.change(async |change| enforce::end(change, &fresh).await).await?;
        Ok("SSO is not enforced any more.".to_owned())
    };
    let done = done.await;
    told(&can, page, it, done).await
}

async fn codes(can: Can<ManageSso>, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    let made = async {
        let fresh = can.prove(&it.proof).await?;
        can.change(async |change| break_glass::make(change, &fresh).await).await
    };
    match made.await {
        Ok(codes) => ask(&can, &page, Shown { codes, ..Shown::default() }).await,
        Err(error) => told(&can, page, it, Err(error)).await,
    }
}
