//! Deleting one's own user.
use super::owned;
use crate::{
    error::Result,
    http::{
        form::Form,
        gate::SignedIn,
        reauth::{Given, Proof},
        routes::Routes,
        sign_in,
    },
    store::{me, shell::seats},
    view::page::{Faults, Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::default().get("/me/delete", show).post("/me/delete", delete)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    confirm: String,
    #[serde(flatten)]
    proof: Given,
}

#[derive(Template)]
#[template(path = "me/delete.html")]
struct Delete {
    email: String,
    /// What the browser lets through before the server looks at it.
    pattern: String,
    proof: Proof,
    /// Name and settings of what must be handed over or deleted first.
    owned: Vec<(String, String)>,
    faults: Faults,
}

async fn show(signed: SignedIn, page: Page) -> Result<Response> {
    ask(&signed, &page, Faults::default()).await
}

async fn ask(signed: &SignedIn, page: &Page, faults: Faults) -> Result<Response> {
    let proof = signed.proof().await?;
    let mut scope = signed.read();
    let person = signed.me().person.clone();
    let seats = seats(&mut scope, person.id).await?;
    let first = owned(&seats).into_iter().map(|it| (it.name.clone(), format!("/a/{}/settings", it.slug)));
    let delete = Delete {
        pattern: literally(&person.email),
        email: person.email,
        proof,
        owned: first.collect(),
        faults,
    };
    page.show_among(&scope, &seats, "Delete your user", delete)
}

/// A pattern that is matched by this text alone.
fn literally(text: &str) -> String {
    let mut pattern = String::new();
    for it in text.chars() {
        if r"^$\.*+?()[]{}|/".contains(it) {
            pattern.push('\\');
        }
        pattern.push(it);
    }
    pattern
}

async fn delete(signed: SignedIn, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    let done = match signed.prove(&it.proof).await {
        Ok(fresh) => signed.change(async |change| me::delete(change, &fresh, &it.confirm).await).await,
        Err(error) => Err(error),
    };
    if let Err(error) = done {
        let (status, faults) = Faults::catch(error)?;
        return ask(&signed, &page.with(status), faults).await;
    }
    sign_in::leave(signed.session()).await?;
    Ok(page.done("/sign-in", "Your user and your personal account are deleted."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_matched_to_the_letter() {
        assert_eq!(literally("a.b+c@x-y.test"), r"a\.b\+c@x-y\.test");
    }
}
