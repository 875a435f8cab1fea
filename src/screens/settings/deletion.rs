//! Deleting an account for good. The page lists what is deleted and what stays.
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::Can,
        reauth::{ReauthForm, ReauthInput},
        routes::Routes,
    },
    model::permission::DeleteAccount,
    store::accounts::{self, AccountDeletionImpact},
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub fn routes() -> Routes {
    Routes::default().get("/a/{slug}/settings/delete", show).post("/a/{slug}/settings/delete", delete)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DeleteAccountForm {
    confirm: String,
    #[serde(flatten)]
    reauth: ReauthInput,
}

#[derive(Template)]
#[template(path = "settings/delete.html")]
struct DeleteAccountPage {
    slug: String,
    name: String,
    noun: &'static str,
    impact: AccountDeletionImpact,
    errors: FormErrors,
    reauth: ReauthForm,
}

async fn show(can: Can<DeleteAccount>, page: Page) -> Result<Response> {
    ask(&can, &page, FormErrors::default()).await
}

async fn ask(can: &Can<DeleteAccount>, page: &Page, errors: FormErrors) -> Result<Response> {
    let account = &can.access().account;
    let reauth = can.reauth_form().await?;
    let mut scope = can.read();
    let impact = accounts::deletion_impact(&mut scope).await?;
    let (slug, name, noun) = (account.slug.clone(), account.name.clone(), account.kind.noun());
    let body = DeleteAccountPage { slug, name, noun, impact, errors, reauth };
    page.show(&mut scope, &format!("Delete {}", account.name), body).await
}

async fn delete(
    can: Can<DeleteAccount>,
    page: Page,
    Form(form): Form<DeleteAccountForm>,
) -> Result<Response> {
    match end(&can, &form).await {
        Ok(()) => Ok(page.done("/", format!("{} is deleted.", can.access().account.name))),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            ask(&can, &page.with(status), errors).await
        }
    }
}

async fn end(can: &Can<DeleteAccount>, form: &DeleteAccountForm) -> Result<()> {
    let slug = &can.access().account.slug;
    if form.confirm.trim() != slug {
        return Err(Error::invalid("confirm", "mismatch", format!("Type {slug} to delete it.")));
    }
    let fresh = can.reauthenticate(&form.reauth).await?;
    can.change(async |change| accounts::delete(change, &fresh, &form.confirm).await).await
}
