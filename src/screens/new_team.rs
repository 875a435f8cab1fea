//! Opening a team. Where it belongs is the first question: that decides who pays.
use crate::{
    error::{Error, Fault, Result},
    http::{
        form::{Form, Query},
        gate::SignedIn,
        routes::Routes,
    },
    model::{
        account::Kind,
        permission::Permission,
        text::{Name, Refusal, Slug},
    },
    store::teams::{self, Parent},
    view::page::{Faults, Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default().get("/new/team", show).post("/new/team", open)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    parent: String,
    name: String,
    slug: String,
}

#[derive(Template)]
#[template(path = "new_team/index.html")]
struct Index {
    it: Typed,
    faults: Faults,
    parents: Vec<Choice>,
    base_url: String,
}

/// A parent, and who pays then.
struct Choice {
    slug: String,
    name: String,
    pays: &'static str,
}

impl From<Parent> for Choice {
    fn from(it: Parent) -> Choice {
        let (name, pays) = match it.kind {
            Kind::Organization => (it.name, "Its plan and its bill. Its admins are admins here."),
            _ => ("Your personal account".to_owned(), "You pay for it. Only you and those you invite."),
        };
        Choice { slug: it.slug, name, pays }
    }
}

async fn show(signed: SignedIn, page: Page, Query(it): Query<Typed>) -> Result<Response> {
    ask(&signed, &page, it, Faults::default()).await
}

async fn ask(signed: &SignedIn, page: &Page, mut it: Typed, faults: Faults) -> Result<Response> {
    let mut scope = signed.read();
    let parents = teams::parents(&mut scope).await?;
    if !parents.iter().any(|known| known.slug == it.parent) {
        it.parent = parents.first().map(|it| it.slug.clone()).unwrap_or_default();
    }
    let base_url = signed.kit().rules.base_url.clone();
    page.show(
        &mut scope,
        "New team",
        Index { it, faults, parents: parents.into_iter().map(Choice::from).collect(), base_url },
    )
    .await
}

async fn open(signed: SignedIn, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    match open_in(&signed, &it).await {
        Ok(slug) => Ok(page.to(&format!("/a/{slug}/overview"))),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(&signed, &page.with(status), it, faults).await
        }
    }
}

async fn open_in(signed: &SignedIn, it: &Typed) -> Result<String> {
    let mut faults = vec![];
    let mut fault = |field: &str, it: Refusal| faults.push(Fault::new(field, it.code, it.detail));
    let name = Name::parse(&it.name).map_err(|it| fault("name", it)).ok();
    let wished = it.slug.trim();
    let slug =
        if wished.is_empty() { None } else { Slug::parse(wished).map_err(|it| fault("slug", it)).ok() };
    let (Some(name), true) = (name, faults.is_empty()) else { return Err(Error::Invalid(faults)) };
    let story = async |change: &mut _| teams::open(change, &name, slug.as_ref()).await;
    match signed.change_in(&it.parent, Permission::CreateTeams, story).await {
        // Whether a foreign account is there is told to nobody.
        Err(Error::NotFound | Error::Moved(_)) => {
            Err(Error::invalid("parent", "unknown", "Choose where the team belongs."))
        }
        done => done,
    }
}
