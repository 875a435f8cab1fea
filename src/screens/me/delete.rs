//! Deleting one's own user.
use super::owned;
use crate::{
    error::Result,
    http::{
        form::Form,
        gate::SignedIn,
        reauth::{ReauthForm, ReauthInput},
        routes::Routes,
        sign_in,
    },
    store::{me, shell::switcher},
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::default().get("/me/delete", show).post("/me/delete", delete)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DeleteUserForm {
    confirm: String,
    #[serde(flatten)]
    reauth: ReauthInput,
}

#[derive(Template)]
#[template(path = "me/delete.html")]
struct DeleteUserPage {
    email: String,
    /// The pattern of the confirmation field: the address, taken literally.
    pattern: String,
    reauth: ReauthForm,
    /// The accounts to hand over or delete first: name and address of the settings.
    owned: Vec<(String, String)>,
    errors: FormErrors,
}

async fn show(signed: SignedIn, page: Page) -> Result<Response> {
    show_form(&signed, &page, FormErrors::default()).await
}

async fn show_form(signed: &SignedIn, page: &Page, errors: FormErrors) -> Result<Response> {
    let reauth = signed.reauth_form().await?;
    let mut scope = signed.read();
    let user = signed.user().clone();
    let accounts = switcher(&mut scope, user.id).await?;
    let owned = owned(&accounts)
        .into_iter()
        .map(|account| (account.name.clone(), format!("/a/{}/settings", account.slug)));
    let delete_page = DeleteUserPage {
        pattern: escape_pattern(&user.email),
        email: user.email,
        reauth,
        owned: owned.collect(),
        errors,
    };
    page.show_with_accounts(&scope, &accounts, "Delete your user", delete_page)
}

/// A regular expression that matches this text alone.
fn escape_pattern(text: &str) -> String {
    let mut pattern = String::new();
    for char in text.chars() {
        if r"^$\.*+?()[]{}|/".contains(char) {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    pattern
}

async fn delete(signed: SignedIn, page: Page, Form(form): Form<DeleteUserForm>) -> Result<Response> {
    let result = match signed.reauthenticate(&form.reauth).await {
        Ok(recent_auth) => {
            signed.change(async |change| me::delete(change, &recent_auth, &form.confirm).await).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = result {
        let (status, errors) = FormErrors::catch(error)?;
        return show_form(&signed, &page.with(status), errors).await;
    }
    sign_in::sign_out(signed.session()).await?;
    Ok(page.done("/sign-in", "Your user and your personal account are deleted."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_address_alone() {
        assert_eq!(escape_pattern("a.b+c@x-y.test"), r"a\.b\+c@x-y\.test");
    }
}
