//! Creating a team. The first question is where it belongs, because that decides who pays.
use crate::{
    error::{Error, FieldError, Result},
    http::{
        form::{Form, Query},
        gate::SignedIn,
        routes::Routes,
    },
    model::{
        account::Kind,
        permission::Permission,
        text::{Name, Slug, ValidationError},
    },
    store::teams::{self, ParentAccount},
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub fn routes() -> Routes {
    Routes::default().get("/new/team", show).post("/new/team", open)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NewTeamForm {
    parent: String,
    name: String,
    slug: String,
}

#[derive(Template)]
#[template(path = "new_team/index.html")]
struct NewTeamPage {
    form: NewTeamForm,
    errors: FormErrors,
    parents: Vec<ParentOption>,
    base_url: String,
}

/// An account that the team could belong to, and who pays then.
struct ParentOption {
    slug: String,
    name: String,
    pays: &'static str,
}

impl From<ParentAccount> for ParentOption {
    fn from(parent: ParentAccount) -> ParentOption {
        let (name, pays) = match parent.kind {
            Kind::Organization => (parent.name, "Its plan and its bill. Its admins are admins here."),
            _ => ("Your personal account".to_owned(), "You pay for it. Only you and those you invite."),
        };
        ParentOption { slug: parent.slug, name, pays }
    }
}

async fn show(signed: SignedIn, page: Page, Query(query): Query<NewTeamForm>) -> Result<Response> {
    show_form(&signed, &page, query, FormErrors::default()).await
}

async fn show_form(
    signed: &SignedIn,
    page: &Page,
    mut form: NewTeamForm,
    errors: FormErrors,
) -> Result<Response> {
    let mut scope = signed.read();
    let parents = teams::parents(&mut scope).await?;
    if !parents.iter().any(|known| known.slug == form.parent) {
        form.parent = parents.first().map(|parent| parent.slug.clone()).unwrap_or_default();
    }
    let base_url = signed.context().config.base_url.clone();
    page.show(
        &mut scope,
        "New team",
        NewTeamPage {
            form,
            errors,
            parents: parents.into_iter().map(ParentOption::from).collect(),
            base_url,
        },
    )
    .await
}

async fn open(signed: SignedIn, page: Page, Form(form): Form<NewTeamForm>) -> Result<Response> {
    match create_in(&signed, &form).await {
        Ok(slug) => Ok(page.to(&format!("/a/{slug}/overview"))),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            show_form(&signed, &page.with(status), form, errors).await
        }
    }
}

async fn create_in(signed: &SignedIn, form: &NewTeamForm) -> Result<String> {
    let mut errors = vec![];
    let mut add_error =
        |field: &str, error: ValidationError| errors.push(FieldError::new(field, error.code, error.detail));
    let name = Name::parse(&form.name).map_err(|error| add_error("name", error)).ok();
    let slug = form.slug.trim();
    let slug =
        if slug.is_empty() { None } else { Slug::parse(slug).map_err(|error| add_error("slug", error)).ok() };
    let (Some(name), true) = (name, errors.is_empty()) else { return Err(Error::Validation(errors)) };
    let create = async |change: &mut _| teams::open(change, &name, slug.as_ref()).await;
    match signed.change_in(&form.parent, Permission::CreateTeams, create).await {
        // The same error whether the account exists or not.
        Err(Error::NotFound | Error::SlugChanged(_)) => {
            Err(Error::invalid("parent", "unknown", "Choose where the team belongs."))
        }
        result => result,
    }
}
