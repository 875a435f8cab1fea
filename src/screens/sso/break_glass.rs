//! Break-glass: the owner enters past an enforced provider with a one-time code, beside their own sign-in.
use crate::{
    crypto::{passkey::RelyingParty, password},
    error::{Error, Result},
    http::{
        form::Form,
        gate::{Anyone, PathSlug, SignedIn},
        reauth::{ReauthForm, ReauthInput},
        routes::Routes,
        sign_in,
    },
    model::actor::RecentAuth,
    store::{
        factors::{self, AvailableFactors},
        me,
        sso::{break_glass, session_proofs},
    },
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::default().get("/sso/{slug}/break-glass", show).post("/sso/{slug}/break-glass", enter)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BreakGlassForm {
    code: String,
    #[serde(flatten)]
    reauth: ReauthInput,
}

#[derive(Template)]
#[template(path = "sso/login/break_glass.html")]
struct BreakGlassPage {
    slug: String,
    organization: String,
    asks_password: bool,
    asks_code: bool,
    asks_passkey: bool,
    /// Shown if the owner has none of these.
    reauth: ReauthForm,
    errors: FormErrors,
}

async fn show(signed_in: SignedIn, page: Page, PathSlug(slug): PathSlug) -> Result<Response> {
    ask(&signed_in, &page, &slug, FormErrors::default()).await
}

async fn ask(signed_in: &SignedIn, page: &Page, slug: &str, errors: FormErrors) -> Result<Response> {
    let mut scope = signed_in.read();
    let (_, organization) = break_glass::owned(&mut scope, slug).await?;
    let factors = factors::available(&mut scope, signed_in.user().id).await?;
    drop(scope);
    let body = BreakGlassPage {
        slug: slug.to_owned(),
        organization,
        asks_password: factors.password,
        asks_code: factors.has_app(),
        asks_passkey: has_passkey(signed_in, factors),
        reauth: if has_provider_only(signed_in, factors) {
            signed_in.reauth_form().await?
        } else {
            ReauthForm::default()
        },
        errors,
    };
    page.solo("Break glass", Some(signed_in.user()), body)
}

fn has_passkey(signed_in: &SignedIn, factors: AvailableFactors) -> bool {
    factors.passkeys > 0 && RelyingParty::new(&signed_in.context().config.base_url).is_some()
}

/// Whether the owner signs in with Google or GitHub only: then a fresh sign-in there replaces the password.
fn has_provider_only(signed_in: &SignedIn, factors: AvailableFactors) -> bool {
    !factors.password && !factors.has_app() && !has_passkey(signed_in, factors)
}

/// A code counts only beside the password and, if the owner has one, the second factor, however recent the sign-in is.
async fn verify_owner(signed_in: &SignedIn, given: &ReauthInput) -> Result<RecentAuth> {
    let mut scope = signed_in.read();
    let factors = factors::available(&mut scope, signed_in.user().id).await?;
    let stored_password = me::password(&mut scope).await?;
    drop(scope);
    if has_provider_only(signed_in, factors) {
        return signed_in.reauthenticate(ReauthInput::default()).await;
    }
    if factors.password && !password::verify(&given.password, stored_password.as_deref()).await? {
        return Err(Error::invalid("password", "wrong", "That is not your password."));
    }
    let asks_second = factors.has_app() || has_passkey(signed_in, factors);
    if asks_second && given.code.is_empty() && given.credential.is_empty() {
        let field = if factors.has_app() { "proof_code" } else { "proof_credential" };
        return Err(Error::invalid(field, "proof_required", "Show your second factor too."));
    }
    // Without a second factor the other fields are ignored.
    let second = if asks_second { given.clone() } else { ReauthInput::from(&given.password) };
    signed_in.reauthenticate_now(second).await
}

/// In 15 minutes.
const ATTEMPTS: u32 = 10;

async fn enter(
    anyone: Anyone,
    page: Page,
    PathSlug(slug): PathSlug,
    Form(form): Form<BreakGlassForm>,
) -> Result<Response> {
    let signed_in = anyone.signed_in().ok_or(Error::Unauthenticated)?;
    let (account, _) = break_glass::owned(&mut signed_in.read(), &slug).await?;
    let attempt = anyone.app().throttle().attempt(&[(format!("break-glass {account}"), ATTEMPTS)])?;
    let opened = async {
        let fresh = verify_owner(&signed_in, &form.reauth).await?;
        signed_in
            .change(async |change| break_glass::use_code(change, &fresh, account, &form.code).await)
            .await
    };
    if let Err(error) = opened.await {
        let (status, errors) = FormErrors::catch(error)?;
        return ask(&signed_in, &page.with(status), &slug, errors).await;
    }
    attempt.forgive();
    let now = anyone.context().now();
    let expires_at = Some(now.plus(break_glass::OPENS));
    let reauth = session_proofs::SessionProof {
        account_id: account,
        identity_id: None,
        sid: None,
        token: None,
        proved_at: now,
        expires_at,
    };
    sign_in::sign_in_by_provider(&anyone, signed_in.user().id, reauth).await?;
    let message = "You are in for an hour. The administrators are told.";
    Ok(page.done(&format!("/a/{slug}/overview"), message))
}
