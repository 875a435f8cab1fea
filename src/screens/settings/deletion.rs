//! Deleting an account for good: what goes and what stays is said first.
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::Can,
        reauth::{Given, Proof},
        routes::Routes,
    },
    model::permission::DeleteAccount,
    store::accounts::{self, Goes},
    view::page::{Faults, Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default().get("/a/{slug}/settings/delete", show).post("/a/{slug}/settings/delete", delete)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    confirm: String,
    #[serde(flatten)]
    proof: Given,
}

#[derive(Template)]
#[template(path = "settings/delete.html")]
struct Index {
    slug: String,
    name: String,
    noun: &'static str,
    goes: Goes,
    faults: Faults,
    proof: Proof,
}

async fn show(can: Can<DeleteAccount>, page: Page) -> Result<Response> {
    ask(&can, &page, Faults::default()).await
}

async fn ask(can: &Can<DeleteAccount>, page: &Page, faults: Faults) -> Result<Response> {
    let here = &can.me().here;
    let proof = can.proof().await?;
    let mut scope = can.read();
    let goes = accounts::goes(&mut scope).await?;
    let (slug, name, noun) = (here.slug.clone(), here.name.clone(), here.kind.noun());
    let index = Index { slug, name, noun, goes, faults, proof };
    page.show(&mut scope, &format!("Delete {}", here.name), index).await
}

async fn delete(can: Can<DeleteAccount>, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    match end(&can, &it).await {
        Ok(()) => Ok(page.done("/", format!("{} is deleted.", can.me().here.name))),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(&can, &page.with(status), faults).await
        }
    }
}

async fn end(can: &Can<DeleteAccount>, it: &Typed) -> Result<()> {
    let slug = &can.me().here.slug;
    if it.confirm.trim() != slug {
        return Err(Error::invalid("confirm", "mismatch", format!("Type {slug} to delete it.")));
    }
    let fresh = can.prove(&it.proof).await?;
    can.change(async |change| accounts::delete(change, &fresh, &it.confirm).await).await
}
