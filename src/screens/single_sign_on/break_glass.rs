//! The owner's way past an enforced provider: a code that counts once, beside their own sign-in.
use crate::{
    app::{
        form::Form,
        gate::{Anyone, Named, SignedIn},
        page::{Faults, Page},
        routes::Routes,
        sign,
    },
    error::{Error, Result},
    kit::password,
    store::{
        me,
        sso::{break_glass, proofs::Proof},
    },
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::default().get("/sso/{slug}/break-glass", show).post("/sso/{slug}/break-glass", enter)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    code: String,
    password: String,
}

#[derive(Template)]
#[template(path = "single_sign_on/break_glass.html")]
struct Index {
    slug: String,
    organization: String,
    faults: Faults,
}

async fn show(signed: SignedIn, page: Page, Named(slug): Named) -> Result<Response> {
    ask(&signed, &page, &slug, Faults::default()).await
}

async fn ask(signed: &SignedIn, page: &Page, slug: &str, faults: Faults) -> Result<Response> {
    let (_, organization) = break_glass::owned(&mut signed.read().await?, slug).await?;
    let index = Index { slug: slug.to_owned(), organization, faults };
    page.solo("Break glass", Some(&signed.me().person), index)
}

/// Tries in a quarter of an hour.
const TRIES: u32 = 10;

async fn enter(anyone: Anyone, page: Page, Named(slug): Named, Form(it): Form<Typed>) -> Result<Response> {
    let signed = anyone.signed_in().ok_or(Error::SignedOut)?;
    let (account, _) = break_glass::owned(&mut signed.read().await?, &slug).await?;
    let attempt = anyone.app().throttle().attempt(&[(format!("break-glass {account}"), TRIES)])?;
    let spent = async {
        // However fresh the sign-in: a code counts beside the password alone.
        let stored = me::password(&mut signed.read().await?).await?;
        if !password::matches(&it.password, stored.as_deref()).await? {
            return Err(Error::invalid("password", "wrong", "That is not your password."));
        }
        let fresh = signed.prove(&it.password).await?;
        signed.change(async |change| break_glass::spend(change, &fresh, account, &it.code).await).await
    };
    if let Err(error) = spent.await {
        let (status, faults) = Faults::catch(error)?;
        return ask(&signed, &page.with(status), &slug, faults).await;
    }
    attempt.forgive();
    let now = anyone.kit().now();
    let expires_at = Some(now.plus(break_glass::OPENS));
    let proof =
        Proof { account_id: account, identity_id: None, sid: None, token: None, proved_at: now, expires_at };
    sign::enter_by_provider(&anyone, signed.me().person.id, proof).await?;
    let said = "You are in for an hour. The administrators are told.";
    Ok(page.done(&format!("/a/{slug}/overview"), said))
}
