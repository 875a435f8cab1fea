//! Passkey ceremonies between the browser and the session: a challenge is sent and kept in the session, and its response is checked
//! once.
use super::sign_in::{get, session_error};
use crate::{
    context::Context,
    crypto::passkey::{Assertion, Authentication, Credential, Registration, RelyingParty},
    error::{Error, Result},
    model::{
        actor::UserSummary,
        id::UserId,
        time::{MINUTE, Time},
    },
    store::{Change, passkeys, sessions::session_data},
};
use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::time::Duration;
use tower_sessions::Session;

/// How long an authenticator may take.
const CHALLENGE_TIMEOUT: Duration = MINUTE.saturating_mul(5);

fn relying_party(context: &Context) -> Result<RelyingParty> {
    let detail = "Passkeys are bound to a name, and this installation is reached by an IP address.";
    RelyingParty::new(&context.config.base_url).ok_or_else(|| Error::conflict("no_name", detail))
}

#[derive(Serialize, Deserialize)]
struct Challenge<T> {
    state: T,
    since: Time,
}

async fn send_challenge<T: Serialize>(
    session: &Session,
    state: T,
    options: &Value,
    now: Time,
) -> Result<Response> {
    let challenge = Challenge { state, since: now };
    session.insert(session_data::CHALLENGE, challenge).await.map_err(session_error)?;
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "application/json")];
    Ok((headers, options.to_string()).into_response())
}

/// Removes the challenge from the session: it can be answered once.
async fn take_challenge<T: DeserializeOwned>(session: &Session, now: Time) -> Result<T> {
    let challenge: Option<Challenge<T>> = get(session, session_data::CHALLENGE).await?;
    session.remove_value(session_data::CHALLENGE).await.map_err(session_error)?;
    let current = challenge.filter(|challenge| now.since(challenge.since) < CHALLENGE_TIMEOUT);
    current.map(|challenge| challenge.state).ok_or_else(|| {
        let detail = "This took too long, or was begun in another window. Try again.";
        Error::invalid("credential", "too_late", detail)
    })
}

/// Asks for a signature by one of these passkeys; by any if there are none.
pub async fn start_authentication(
    context: &Context,
    session: &Session,
    allowed: &[Vec<u8>],
) -> Result<Response> {
    let (options, state) = relying_party(context)?.start_authentication(allowed)?;
    send_challenge(session, state, &options, context.now()).await
}

/// Asks for a new passkey of a user who has these.
pub async fn start_registration(
    context: &Context,
    session: &Session,
    user: &UserSummary,
    existing: Vec<Vec<u8>>,
) -> Result<Response> {
    let (options, state) = relying_party(context)?.start_registration(user, existing)?;
    send_challenge(session, state, &options, context.now()).await
}

pub async fn finish_registration(context: &Context, session: &Session, response: &str) -> Result<Credential> {
    let state: Registration = take_challenge(session, context.now()).await?;
    relying_party(context)?.finish_registration(&state, response)
}

/// The challenge for [`finish_authentication`]. Taken before the change begins, since the session is written by itself.
pub async fn take_authentication(session: &Session, now: Time) -> Result<Authentication> {
    take_challenge(session, now).await
}

/// The user whose passkey signed the challenge; only `expected`, if one is named.
pub async fn finish_authentication<A>(
    change: &mut Change<A>,
    state: Authentication,
    response: &str,
    expected: Option<UserId>,
) -> Result<UserId> {
    let unknown = || {
        let detail = "This passkey is not known here. It may have been removed; use another way.";
        Error::invalid("credential", "unknown", detail)
    };
    let relying_party = relying_party(change.context())?;
    let assertion = Assertion::parse(response)?;
    let passkey = passkeys::claim(change, assertion.credential_id()).await?.ok_or_else(unknown)?;
    let is_theirs = assertion.user_handle().is_none_or(|handle| handle == passkey.user.0.as_bytes());
    if !is_theirs || expected.is_some_and(|user| user != passkey.user) {
        return Err(unknown());
    }
    let after = relying_party.finish_authentication(state, &assertion, &passkey.credential)?;
    passkeys::used(change, passkey.id, &after).await?;
    Ok(passkey.user)
}
