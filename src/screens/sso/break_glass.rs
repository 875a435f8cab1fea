//! The owner's way past an enforced provider: a code that counts once, beside their own sign-in.
use crate::{
    crypto::{passkey::Party, password},
    error::{Error, Result},
    http::{
        form::Form,
        gate::{Anyone, Named, SignedIn},
        reauth::{Given, Proof},
        routes::Routes,
        sign_in,
    },
    model::access::Fresh,
    store::{
        factors::{self, Ways},
        me,
        sso::{break_glass, session_proofs},
    },
    view::page::{Faults, Page},
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
    #[serde(flatten)]
    proof: Given,
}

#[derive(Template)]
#[template(path = "sso/login/break_glass.html")]
struct Index {
    slug: String,
    organization: String,
    asks_password: bool,
    asks_code: bool,
    asks_passkey: bool,
    /// What is asked for where there is none of these.
    proof: Proof,
    faults: Faults,
}

async fn show(signed: SignedIn, page: Page, Named(slug): Named) -> Result<Response> {
    ask(&signed, &page, &slug, Faults::default()).await
}

async fn ask(signed: &SignedIn, page: &Page, slug: &str, faults: Faults) -> Result<Response> {
    let mut scope = signed.read();
    let (_, organization) = break_glass::owned(&mut scope, slug).await?;
    let ways = factors::ways(&mut scope, signed.me().person.id).await?;
    drop(scope);
    let index = Index {
        slug: slug.to_owned(),
        organization,
        asks_password: ways.password,
        asks_code: ways.has_app(),
        asks_passkey: has_passkey(signed, ways),
        proof: if is_bare(signed, ways) { signed.proof().await? } else { Proof::default() },
        faults,
    };
    page.solo("Break glass", Some(&signed.me().person), index)
}

fn has_passkey(signed: &SignedIn, ways: Ways) -> bool {
    ways.passkeys > 0 && Party::of(&signed.kit().rules).is_some()
}

/// Whether the owner has nothing but Google or GitHub: then a fresh sign-in there stands for the password.
fn is_bare(signed: &SignedIn, ways: Ways) -> bool {
    !ways.password && !ways.has_app() && !has_passkey(signed, ways)
}

/// However fresh the sign-in: a code counts only beside the password and, where the owner has one, the second factor.
async fn prove(signed: &SignedIn, given: &Given) -> Result<Fresh> {
    let mut scope = signed.read();
    let ways = factors::ways(&mut scope, signed.me().person.id).await?;
    let stored = me::password(&mut scope).await?;
    drop(scope);
    if is_bare(signed, ways) {
        return signed.prove(Given::default()).await;
    }
    if ways.password && !password::matches(&given.password, stored.as_deref()).await? {
        return Err(Error::invalid("password", "wrong", "That is not your password."));
    }
    let asks_second = ways.has_app() || has_passkey(signed, ways);
    if asks_second && given.code.is_empty() && given.credential.is_empty() {
        let field = if ways.has_app() { "proof_code" } else { "proof_credential" };
        return Err(Error::invalid(field, "proof_required", "Show your second factor too."));
    }
    // Of who has none, nothing else counts: what an app of others might say is not looked at.
    let second = if asks_second { given.clone() } else { Given::from(&given.password) };
    signed.prove_anew(second).await
}

/// Tries in a quarter of an hour.
const TRIES: u32 = 10;

async fn enter(anyone: Anyone, page: Page, Named(slug): Named, Form(it): Form<Typed>) -> Result<Response> {
    let signed = anyone.signed_in().ok_or(Error::SignedOut)?;
    let (account, _) = break_glass::owned(&mut signed.read(), &slug).await?;
    let attempt = anyone.app().throttle().attempt(&[(format!("break-glass {account}"), TRIES)])?;
    let spent = async {
        let fresh = prove(&signed, &it.proof).await?;
        signed.change(async |change| break_glass::spend(change, &fresh, account, &it.code).await).await
    };
    if let Err(error) = spent.await {
        let (status, faults) = Faults::catch(error)?;
        return ask(&signed, &page.with(status), &slug, faults).await;
    }
    attempt.forgive();
    let now = anyone.kit().now();
    let expires_at = Some(now.plus(break_glass::OPENS));
    let proof = session_proofs::Proof {
        account_id: account,
        identity_id: None,
        sid: None,
        token: None,
        proved_at: now,
        expires_at,
    };
    sign_in::enter_by_provider(&anyone, signed.me().person.id, proof).await?;
    let said = "You are in for an hour. The administrators are told.";
    Ok(page.done(&format!("/a/{slug}/overview"), said))
}
