//! Taking the connection away.
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::Can,
        reauth::{Given, Proof},
        routes::Routes,
    },
    model::permission::ManageSso,
    store::sso,
    view::page::{Faults, Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::default().get("/a/{slug}/sso/remove", ask_remove).post("/a/{slug}/sso/remove", remove)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Confirm {
    confirm: String,
    #[serde(flatten)]
    proof: Given,
}

#[derive(Template)]
#[template(path = "sso/settings/remove.html")]
struct Remove {
    slug: String,
    linked: i64,
    proof: Proof,
    faults: Faults,
}

async fn ask_remove(can: Can<ManageSso>, page: Page) -> Result<Response> {
    ask_again(&can, &page, Faults::default()).await
}

async fn ask_again(can: &Can<ManageSso>, page: &Page, faults: Faults) -> Result<Response> {
    let proof = can.proof().await?;
    let mut scope = can.read();
    let (connection, usage) = sso::overview(&mut scope, &[]).await?;
    connection.ok_or(Error::NotFound)?;
    let it = Remove { slug: can.slug().to_owned(), linked: usage.linked, proof, faults };
    page.show(&mut scope, "Remove single sign-on", it).await
}

async fn remove(can: Can<ManageSso>, page: Page, Form(it): Form<Confirm>) -> Result<Response> {
    let removed = async {
        let slug = &can.me().here.slug;
        if it.confirm.trim() != slug {
            return Err(Error::invalid("confirm", "mismatch", format!("Type {slug} to confirm.")));
        }
        let fresh = can.prove(&it.proof).await?;
        can.change(async |change| sso::remove(change, &fresh).await).await
    };
    match removed.await {
        Ok(()) => {
            Ok(page
                .done(&can.path("sso"), "Single sign-on is removed. Everybody signs in as themselves again."))
        }
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask_again(&can, &page.with(status), faults).await
        }
    }
}
