//! Passkeys between the browser and the session: a challenge goes out and is kept, its answer comes back and is checked once.
use super::sign_in::{fault, read};
use crate::{
    context::Kit,
    crypto::passkey::{Credential, Making, Party, Signed, Signing},
    error::{Error, Result},
    model::{
        access::Person,
        id::UserId,
        time::{MINUTE, Time},
    },
    store::{Change, Who, passkeys, sessions::held},
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
const PATIENCE: Duration = MINUTE.saturating_mul(5);

fn party(kit: &Kit) -> Result<Party> {
    let detail = "Passkeys are bound to a name, and this installation is reached by an IP address.";
    Party::of(&kit.rules).ok_or_else(|| Error::conflict("no_name", detail))
}

#[derive(Serialize, Deserialize)]
struct Kept<T> {
    it: T,
    since: Time,
}

async fn keep<T: Serialize>(session: &Session, it: T, asked: &Value, since: Time) -> Result<Response> {
    session.insert(held::CHALLENGE, Kept { it, since }).await.map_err(fault)?;
    let fields = [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "application/json")];
    Ok((fields, asked.to_string()).into_response())
}

/// Each challenge is answered once.
async fn take<T: DeserializeOwned>(session: &Session, now: Time) -> Result<T> {
    let kept: Option<Kept<T>> = read(session, held::CHALLENGE).await?;
    session.remove_value(held::CHALLENGE).await.map_err(fault)?;
    let kept = kept.filter(|it| now.since(it.since) < PATIENCE);
    kept.map(|it| it.it).ok_or_else(|| {
        let detail = "This took too long, or was begun in another window. Try again.";
        Error::invalid("credential", "too_late", detail)
    })
}

/// Asks the browser for a signature by one of these passkeys, or by whichever it finds.
pub async fn challenge(kit: &Kit, session: &Session, known: &[Vec<u8>]) -> Result<Response> {
    let (asked, signing) = party(kit)?.ask(known)?;
    keep(session, signing, &asked, kit.now()).await
}

/// Asks the browser for a new passkey of somebody who has these.
pub async fn creation(
    kit: &Kit,
    session: &Session,
    person: &Person,
    known: Vec<Vec<u8>>,
) -> Result<Response> {
    let (asked, making) = party(kit)?.make(person, known)?;
    keep(session, making, &asked, kit.now()).await
}

/// The passkey that was asked for.
pub async fn made(kit: &Kit, session: &Session, answer: &str) -> Result<Credential> {
    let making: Making = take(session, kit.now()).await?;
    party(kit)?.made(&making, answer)
}

/// What a passkey was to sign. Taken before a change begins: the session is written by itself.
pub async fn signing(session: &Session, now: Time) -> Result<Signing> {
    take(session, now).await
}

/// Whose passkey signed; only that of `user`, if one is named.
pub async fn check<W: Who>(
    change: &mut Change<W>,
    signing: Signing,
    answer: &str,
    user: Option<UserId>,
) -> Result<UserId> {
    let unknown = || {
        let detail = "This passkey is not known here. It may have been removed; use another way.";
        Error::invalid("credential", "unknown", detail)
    };
    let party = party(change.kit())?;
    let signed = Signed::read(answer)?;
    let claimed = passkeys::claim(change, signed.id()).await?.ok_or_else(unknown)?;
    let is_theirs = signed.user().is_none_or(|it| it == claimed.user.0.as_bytes());
    if !is_theirs || user.is_some_and(|it| it != claimed.user) {
        return Err(unknown());
    }
    let after = party.signed(signing, &signed, &claimed.credential)?;
    passkeys::used(change, claimed.id, &after).await?;
    Ok(claimed.user)
}
