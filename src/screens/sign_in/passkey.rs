//! Signing in with a passkey alone: it says who one is, and verifies its user.
use super::{SignIn, ask};
use crate::{
    error::Result,
    http::{
        form::Form,
        gate::Anyone,
        passkeys,
        routes::Routes,
        sign_in::{self, Arrival},
    },
    model::id::UserId,
    view::page::{Faults, Page},
};
use axum::{http::HeaderMap, response::Response};
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::default().post("/sign-in/passkey", sign_in).post("/sign-in/passkey/challenge", challenge)
}

/// From one address in a quarter of an hour: challenges, and answers that were refused.
const CHALLENGES: u32 = 1000;
const OF_ADDRESS: u32 = 300;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    credential: String,
    next: String,
}

async fn challenge(anyone: Anyone) -> Result<Response> {
    let key = format!("passkey challenge from {}", anyone.client().ip());
    let _ = anyone.app().throttle().attempt(&[(key, CHALLENGES)])?;
    passkeys::challenge(anyone.kit(), anyone.session(), &[]).await
}

async fn sign_in(anyone: Anyone, page: Page, headers: HeaderMap, Form(it): Form<Answer>) -> Result<Response> {
    match check(&anyone, &it.credential).await {
        Ok(user) => {
            let arrival = Arrival { user, method: "passkey", two_factors: true, next: &it.next };
            sign_in::arrive(&anyone, &page, &headers, &arrival).await
        }
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(&anyone, &page.with(status), SignIn { next: it.next, ..SignIn::default() }, faults)
        }
    }
}

async fn check(anyone: &Anyone, answer: &str) -> Result<UserId> {
    let key = format!("passkey from {}", anyone.client().ip());
    let attempt = anyone.app().throttle().attempt(&[(key, OF_ADDRESS)])?;
    let signing = passkeys::signing(anyone.session(), anyone.kit().now()).await?;
    let user = anyone.change(async |change| passkeys::check(change, signing, answer, None).await).await?;
    attempt.forgive();
    Ok(user)
}
