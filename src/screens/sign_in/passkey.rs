//! Signing in with a passkey alone: it identifies the user, and it verifies them, so it counts as two factors.
use super::{SignInForm, ask};
use crate::{
    error::Result,
    http::{
        form::Form,
        gate::Anyone,
        passkeys,
        routes::Routes,
        sign_in::{self, VerifiedUser},
    },
    model::id::UserId,
    view::{form_errors::FormErrors, page::Page},
};
use axum::{http::HeaderMap, response::Response};
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::default().post("/sign-in/passkey", sign_in).post("/sign-in/passkey/challenge", challenge)
}

/// Limits for 15 minutes.
const CHALLENGES_PER_ADDRESS: u32 = 1000;
const FAILURES_PER_ADDRESS: u32 = 300;

#[derive(Default, Deserialize)]
#[serde(default)]
struct PasskeyForm {
    credential: String,
    next: String,
}

async fn challenge(anyone: Anyone) -> Result<Response> {
    let key = format!("passkey challenge from {}", anyone.client().ip());
    let _ = anyone.app().throttle().attempt(&[(key, CHALLENGES_PER_ADDRESS)])?;
    passkeys::start_authentication(anyone.context(), anyone.session(), &[]).await
}

async fn sign_in(
    anyone: Anyone,
    page: Page,
    headers: HeaderMap,
    Form(form): Form<PasskeyForm>,
) -> Result<Response> {
    match check(&anyone, &form.credential).await {
        Ok(user) => {
            let arrival = VerifiedUser { user, method: "passkey", two_factors: true, next: &form.next };
            sign_in::sign_in(&anyone, &page, &headers, &arrival).await
        }
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            ask(&anyone, &page.with(status), SignInForm { next: form.next, ..SignInForm::default() }, errors)
        }
    }
}

async fn check(anyone: &Anyone, answer: &str) -> Result<UserId> {
    let key = format!("passkey from {}", anyone.client().ip());
    let attempt = anyone.app().throttle().attempt(&[(key, FAILURES_PER_ADDRESS)])?;
    let signing = passkeys::take_authentication(anyone.session(), anyone.context().now()).await?;
    let user = anyone
        .change(async |change| passkeys::finish_authentication(change, signing, answer, None).await)
        .await?;
    attempt.forgive();
    Ok(user)
}
