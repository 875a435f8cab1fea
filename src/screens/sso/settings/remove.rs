//! Removing the connection.
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::Can,
        reauth::{ReauthForm, ReauthInput},
        routes::Routes,
    },
    model::permission::ManageSso,
    store::sso,
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::default().get("/a/{slug}/sso/remove", show).post("/a/{slug}/sso/remove", remove)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RemoveConnectionForm {
    confirm: String,
    #[serde(flatten)]
    reauth: ReauthInput,
}

#[derive(Template)]
#[template(path = "sso/settings/remove.html")]
struct RemoveConnectionPage {
    slug: String,
    linked: i64,
    reauth: ReauthForm,
    errors: FormErrors,
}

async fn show(can: Can<ManageSso>, page: Page) -> Result<Response> {
    draw(&can, &page, FormErrors::default()).await
}

async fn draw(can: &Can<ManageSso>, page: &Page, errors: FormErrors) -> Result<Response> {
    let reauth = can.reauth_form().await?;
    let mut scope = can.read();
    let (connection, usage) = sso::overview(&mut scope, &[]).await?;
    connection.ok_or(Error::NotFound)?;
    let body = RemoveConnectionPage { slug: can.slug().to_owned(), linked: usage.linked, reauth, errors };
    page.show(&mut scope, "Remove single sign-on", body).await
}

async fn remove(can: Can<ManageSso>, page: Page, Form(form): Form<RemoveConnectionForm>) -> Result<Response> {
    let removed = async {
        let slug = &can.access().account.slug;
        if form.confirm.trim() != slug {
            return Err(Error::invalid("confirm", "mismatch", format!("Type {slug} to confirm.")));
        }
        let fresh = can.reauthenticate(&form.reauth).await?;
        can.change(async |change| sso::remove(change, &fresh).await).await
    };
    match removed.await {
        Ok(()) => {
            Ok(page
                .done(&can.path("sso"), "Single sign-on is removed. Everybody signs in as themselves again."))
        }
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            draw(&can, &page.with(status), errors).await
        }
    }
}
