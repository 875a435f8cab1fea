//! Whether an organization requires a second factor. The page tells how many members it would lock out.
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::Can,
        reauth::{ReauthForm, ReauthInput},
        routes::Routes,
    },
    model::{
        account::Kind,
        permission::UpdateAccount,
        text::{counted, grouped},
    },
    store::accounts::{self, MOST_COUNTED},
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/settings/second-factor", show)
        .post("/a/{slug}/settings/second-factor", switch)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SecondFactorForm {
    on: String,
    #[serde(flatten)]
    reauth: ReauthInput,
}

#[derive(Template)]
#[template(path = "settings/second_factor.html")]
struct SecondFactorPage {
    slug: String,
    name: String,
    is_on: bool,
    /// `12 members`; empty for nobody.
    without: String,
    reauth: ReauthForm,
    errors: FormErrors,
}

async fn show(can: Can<UpdateAccount>, page: Page) -> Result<Response> {
    ask(&can, &page, FormErrors::default()).await
}

async fn ask(can: &Can<UpdateAccount>, page: &Page, errors: FormErrors) -> Result<Response> {
    let account = &can.access().account;
    if account.kind != Kind::Organization {
        return Err(Error::NotFound);
    }
    let reauth = can.reauth_form().await?;
    let mut scope = can.read();
    let settings = accounts::get(&mut scope).await?;
    let without = match accounts::without_second_factor(&mut scope).await? {
        0 => String::new(),
        MOST_COUNTED.. => format!("More than {} members", grouped(MOST_COUNTED - 1)),
        few => counted(few, "member"),
    };
    let (slug, name) = (account.slug.clone(), account.name.clone());
    let body =
        SecondFactorPage { slug, name, is_on: settings.requires_second_factor, without, reauth, errors };
    page.show(&mut scope, "Second factor", body).await
}

async fn switch(can: Can<UpdateAccount>, page: Page, Form(form): Form<SecondFactorForm>) -> Result<Response> {
    let on = !form.on.is_empty();
    let done = match can.reauthenticate(&form.reauth).await {
        Ok(fresh) => {
            can.change(async |change| accounts::require_second_factor(change, &fresh, on).await).await
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(()) if on => Ok(page.done(&can.path("settings"), "Members need a second factor from now on.")),
        Ok(()) => Ok(page.done(&can.path("settings"), "A second factor is no longer asked for.")),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            ask(&can, &page.with(status), errors).await
        }
    }
}
