//! Whether an organization asks its members for a second factor: who would stand outside is said first.
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::Can,
        reauth::{Given, Proof},
        routes::Routes,
    },
    model::{
        account::Kind,
        permission::UpdateAccount,
        text::{counted, grouped},
    },
    store::accounts::{self, MOST_COUNTED},
    view::page::{Faults, Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/settings/second-factor", show)
        .post("/a/{slug}/settings/second-factor", switch)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    on: String,
    #[serde(flatten)]
    proof: Given,
}

#[derive(Template)]
#[template(path = "settings/second_factor.html")]
struct Index {
    slug: String,
    name: String,
    is_on: bool,
    /// `12 members`; empty for nobody.
    without: String,
    proof: Proof,
    faults: Faults,
}

async fn show(can: Can<UpdateAccount>, page: Page) -> Result<Response> {
    ask(&can, &page, Faults::default()).await
}

async fn ask(can: &Can<UpdateAccount>, page: &Page, faults: Faults) -> Result<Response> {
    let here = &can.me().here;
    if here.kind != Kind::Organization {
        return Err(Error::NotFound);
    }
    let proof = can.proof().await?;
    let mut scope = can.read();
    let account = accounts::here(&mut scope).await?;
    let without = match accounts::without_second_factor(&mut scope).await? {
        0 => String::new(),
        MOST_COUNTED.. => format!("More than {} members", grouped(MOST_COUNTED - 1)),
        few => counted(few, "member"),
    };
    let (slug, name) = (here.slug.clone(), here.name.clone());
    let index = Index { slug, name, is_on: account.requires_second_factor, without, proof, faults };
    page.show(&mut scope, "Second factor", index).await
}

async fn switch(can: Can<UpdateAccount>, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    let on = !it.on.is_empty();
    let done = match can.prove(&it.proof).await {
        Ok(fresh) => {
            can.change(async |change| accounts::require_second_factor(change, &fresh, on).await).await
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(()) if on => Ok(page.done(&can.path("settings"), "Members need a second factor from now on.")),
        Ok(()) => Ok(page.done(&can.path("settings"), "A second factor is no longer asked for.")),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(&can, &page.with(status), faults).await
        }
    }
}
