//! Creating an organization.
use crate::{
    error::{Error, FieldError, Result},
    http::{form::Form, gate::SignedIn, routes::Routes},
    model::{
        account::Kind,
        text::{Name, Slug},
    },
    store::{
        accounts,
        shell::{SwitcherRow, switcher},
    },
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub fn routes() -> Routes {
    Routes::default().get("/new/organization", show).post("/new/organization", open)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NewOrganizationForm {
    name: String,
    slug: String,
}

#[derive(Template)]
#[template(path = "new_organization/index.html")]
struct NewOrganizationPage {
    form: NewOrganizationForm,
    errors: FormErrors,
    base_url: String,
    plan: String,
    limits: String,
}

#[derive(Template)]
#[template(path = "new_organization/full.html")]
struct OrganizationLimitPage {
    limit: u32,
    /// The organizations that the user owns: name and address of the settings.
    owned: Vec<(String, String)>,
}

async fn show(signed: SignedIn, page: Page) -> Result<Response> {
    show_form(&signed, &page, NewOrganizationForm::default(), FormErrors::default(), false).await
}

/// The form, or a page that says that the limit is reached.
async fn show_form(
    signed: &SignedIn,
    page: &Page,
    form: NewOrganizationForm,
    errors: FormErrors,
    is_full: bool,
) -> Result<Response> {
    let mut scope = signed.read();
    let limit = signed.context().config.max_organizations_per_user;
    let accounts = switcher(&mut scope, signed.user().id).await?;
    let is_owned = |account: &&SwitcherRow| account.is_owner && account.kind == Kind::Organization;
    let owned: Vec<(String, String)> = accounts
        .iter()
        .filter(is_owned)
        .map(|account| (account.name.clone(), format!("/a/{}/settings", account.slug)))
        .collect();
    if is_full || owned.len() >= limit as usize {
        return page.show(&mut scope, "New organization", OrganizationLimitPage { limit, owned }).await;
    }
    let plan = signed.context().catalog.first_plan();
    let new_organization_page = NewOrganizationPage {
        form,
        errors,
        base_url: signed.context().config.base_url.clone(),
        plan: plan.name.clone(),
        limits: plan.limits_in_words(),
    };
    page.show(&mut scope, "New organization", new_organization_page).await
}

async fn open(signed: SignedIn, page: Page, Form(form): Form<NewOrganizationForm>) -> Result<Response> {
    let result = match parse(&form) {
        Ok((name, slug)) => {
            signed
                .change(async |change| accounts::open_organization(change, &name, slug.as_ref()).await)
                .await
        }
        Err(error) => Err(error),
    };
    match result {
        Ok(slug) => Ok(page.to(&format!("/a/{slug}/overview"))),
        Err(error) => {
            let is_full = error.code() == "organization_limit";
            let (status, errors) = FormErrors::catch(error)?;
            show_form(&signed, &page.with(status), form, errors, is_full).await
        }
    }
}

fn parse(form: &NewOrganizationForm) -> Result<(Name, Option<Slug>)> {
    let name = Name::parse(&form.name).map_err(|error| FieldError::new("name", error.code, error.detail));
    let slug = match form.slug.trim() {
        "" => Ok(None),
        slug => {
            Slug::parse(slug).map(Some).map_err(|error| FieldError::new("slug", error.code, error.detail))
        }
    };
    match (name, slug) {
        (Ok(name), Ok(slug)) => Ok((name, slug)),
        (name, slug) => Err(Error::Validation(name.err().into_iter().chain(slug.err()).collect())),
    }
}
