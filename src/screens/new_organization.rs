//! Opening an organization.
use crate::{
    error::{Error, Fault, Result},
    http::{form::Form, gate::SignedIn, routes::Routes},
    model::{
        account::Kind,
        text::{Name, Slug},
    },
    store::{
        accounts,
        shell::{Seat, seats},
    },
    view::page::{Faults, Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default().get("/new/organization", show).post("/new/organization", open)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    name: String,
    slug: String,
}

#[derive(Template)]
#[template(path = "new_organization/index.html")]
struct Index {
    it: Typed,
    faults: Faults,
    base_url: String,
    plan: String,
    limits: String,
}

#[derive(Template)]
#[template(path = "new_organization/full.html")]
struct Full {
    most: u32,
    /// Name and settings of the organizations that the user owns.
    owned: Vec<(String, String)>,
}

async fn show(signed: SignedIn, page: Page) -> Result<Response> {
    ask(&signed, &page, Typed::default(), Faults::default(), false).await
}

/// The form, or why there is none: the limit is reached.
async fn ask(signed: &SignedIn, page: &Page, it: Typed, faults: Faults, is_full: bool) -> Result<Response> {
    let mut scope = signed.read();
    let most = signed.kit().rules.max_organizations_per_user;
    let seats = seats(&mut scope, signed.me().person.id).await?;
    let is_owned = |it: &&Seat| it.is_owner && it.kind == Kind::Organization;
    let owned: Vec<(String, String)> = seats
        .iter()
        .filter(is_owned)
        .map(|it| (it.name.clone(), format!("/a/{}/settings", it.slug)))
        .collect();
    if is_full || owned.len() >= most as usize {
        return page.show(&mut scope, "New organization", Full { most, owned }).await;
    }
    let plan = signed.kit().catalog.first_plan();
    let index = Index {
        it,
        faults,
        base_url: signed.kit().rules.base_url.clone(),
        plan: plan.name.clone(),
        limits: plan.limits_in_words(),
    };
    page.show(&mut scope, "New organization", index).await
}

async fn open(signed: SignedIn, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    let done = match parse(&it) {
        Ok((name, slug)) => {
            signed
                .change(async |change| accounts::open_organization(change, &name, slug.as_ref()).await)
                .await
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(slug) => Ok(page.to(&format!("/a/{slug}/overview"))),
        Err(error) => {
            let is_full = error.code() == "organization_limit";
            let (status, faults) = Faults::catch(error)?;
            ask(&signed, &page.with(status), it, faults, is_full).await
        }
    }
}

fn parse(it: &Typed) -> Result<(Name, Option<Slug>)> {
    let name = Name::parse(&it.name).map_err(|it| Fault::new("name", it.code, it.detail));
    let slug = match it.slug.trim() {
        "" => Ok(None),
        slug => Slug::parse(slug).map(Some).map_err(|it| Fault::new("slug", it.code, it.detail)),
    };
    match (name, slug) {
        (Ok(name), Ok(slug)) => Ok((name, slug)),
        (name, slug) => Err(Error::Invalid(name.err().into_iter().chain(slug.err()).collect())),
    }
}
