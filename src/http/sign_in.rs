//! Signing a browser in and out: with one factor or two, at once or in two steps.
use super::{
    App,
    gate::{Anyone, SignedIn},
    user_agent,
};
use crate::{
    crypto::secrets::hash,
    db::BoxFuture,
    error::{Error, Result},
    model::{
        account::LoginType,
        id::UserId,
        time::{MINUTE, Time},
    },
    store::{
        Change, factors,
        sessions::{self, secret_hash, session_data},
        sso::{
            self,
            session_proofs::{self, SessionProof},
        },
        users,
    },
    view::{cookie, page::Page},
};
use axum::{http::HeaderMap, response::Response};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::time::Duration;
use tower_sessions::{Session, session};

/// The name of the session's cookie. The prefix makes browsers refuse it from any other host.
pub fn session_cookie(app: &App) -> &'static str {
    if app.context().config.base_url.starts_with("https:") { "__Host-guildhall" } else { "guildhall" }
}

/// The cookie that lists which users signed in with this browser.
const KNOWN_BROWSER: &str = "known";
const MAX_KNOWN_USERS: usize = 4;
/// In seconds.
const YEAR: u32 = 365 * 86_400;

/// How long after the first factor the second may follow.
const SECOND_FACTOR_TIMEOUT: Duration = MINUTE.saturating_mul(10);

/// How long an identity provider may take to tell where one signs out there.
const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(2);

/// Encrypts the ID token that an identity provider gave.
pub const ID_TOKEN: &str = "sso token";

/// Sessions are in the database: if they cannot be read, the database does not answer.
pub(super) fn session_error(error: session::Error) -> Error {
    Error::Unavailable(error.to_string())
}

/// A user who has authenticated.
pub struct VerifiedUser<'a> {
    pub user: UserId,
    /// `password`, `passkey`, …
    pub method: &'a str,
    pub two_factors: bool,
    /// The page that they wanted; if empty, the account in which they were last.
    pub next: &'a str,
}

/// Signs in a user who has shown all factors that they have: begins a session, remembers the browser, and mails them if it is new.
pub fn sign_in<'a>(
    anyone: &'a Anyone,
    page: &'a Page,
    headers: &'a HeaderMap,
    verified: &'a VerifiedUser<'a>,
) -> BoxFuture<'a, Result<Response>> {
    Box::pin(async move {
        // What an organization's provider confirmed of the same user in this browser still holds.
        let proofs = proofs_of(anyone, verified.user).await?;
        let begin = NewSession {
            user: verified.user,
            method: verified.method,
            two_factors: verified.two_factors,
            authenticated_at: None,
        };
        begin_session(anyone, &begin, &proofs).await?;
        let is_known = is_known_browser(anyone, headers, verified.user);
        let browser = user_agent::device(&anyone.client().agent).name;
        record_sign_in(anyone, (!is_known).then_some(browser.as_str())).await?;
        let location = match safe_next(verified.next) {
            Some(next) => next.to_owned(),
            None => format!("/a/{}/overview", users::home(&mut anyone.read(), verified.user).await?),
        };
        let mut response = page.to(&location);
        remember_browser(anyone, page, headers, response.headers_mut(), verified.user);
        Ok(response)
    })
}

/// Signs in a user who has shown one factor, or asks for the second if they have one.
pub fn sign_in_first_factor<'a>(
    anyone: &'a Anyone,
    page: &'a Page,
    headers: &'a HeaderMap,
    verified: &'a VerifiedUser<'a>,
) -> BoxFuture<'a, Result<Response>> {
    Box::pin(async move {
        if !factors::available(&mut anyone.read(), verified.user).await?.has_second() {
            return sign_in(anyone, page, headers, verified).await;
        }
        let session = anyone.session();
        // A session of the same user through an organization's provider stays open meanwhile and afterwards.
        if anyone.signed_in_user().is_none_or(|signed_in| signed_in.user.id != verified.user) {
            session.clear().await;
            session.cycle_id().await.map_err(session_error)?;
        }
        let pending = PendingSecondFactor {
            user: verified.user,
            method: verified.method.to_owned(),
            next: safe_next(verified.next).unwrap_or_default().to_owned(),
            password_digest: password_digest(anyone, verified.user).await?,
            since: anyone.context().now(),
        };
        session.insert(session_data::PENDING_SECOND_FACTOR, pending).await.map_err(session_error)?;
        session.save().await.map_err(session_error)?;
        Ok(page.to("/sign-in/second"))
    })
}

/// Signs in a user whom an organization's provider vouches for. Whoever is signed in by themselves stays so.
pub fn sign_in_by_provider(anyone: &Anyone, user: UserId, proof: SessionProof) -> BoxFuture<'_, Result<()>> {
    Box::pin(async move {
        let mut proofs = proofs_of(anyone, user).await?;
        proofs.retain(|other| other.account_id != proof.account_id);
        proofs.push(proof);
        let own = anyone.signed_in_user().filter(|other| other.user.id == user && other.session.is_own());
        let method = own.map_or(LoginType::Sso.as_str().to_owned(), |own| own.session.method.clone());
        let begin = NewSession {
            user,
            method: &method,
            two_factors: own.is_some_and(|own| own.session.two_factors),
            authenticated_at: own.map(|own| own.session.proved_at),
        };
        begin_session(anyone, &begin, &proofs).await
    })
}

/// Ends the browser's session.
pub async fn sign_out(session: &Session) -> Result<()> {
    session.flush().await.map_err(session_error)
}

/// Where to sign out at the organization's provider too, if the session began there.
pub fn provider_logout_url(anyone: &Anyone) -> BoxFuture<'_, Result<Option<url::Url>>> {
    Box::pin(async move {
        let Some(user) = anyone.signed_in_user().filter(|user| !user.session.is_own()) else {
            return Ok(None);
        };
        let mut scope = anyone.read();
        let Some(proof) = session_proofs::of(&mut scope, user.session.id).await?.pop() else {
            return Ok(None);
        };
        let Some(client) = sso::client(&mut scope, proof.account_id).await? else { return Ok(None) };
        drop(scope);
        let context = anyone.context();
        // A provider that does not answer keeps nobody from signing out here.
        let discovery = tokio::time::timeout(DISCOVERY_TIMEOUT, context.oidc.discovery(&client.issuer)).await;
        let Ok(Ok(provider)) = discovery else { return Ok(None) };
        let token = proof.token.and_then(|encrypted| context.secrets.decrypt(ID_TOKEN, &encrypted));
        let token = token.and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(provider.logout_url(&client.id, token.as_deref(), &context.url("/sign-in")))
    })
}

/// Notes that the session's user has now shown two factors. The session gets a new secret.
pub fn upgrade_to_two_factors(signed: &SignedIn) -> BoxFuture<'_, Result<()>> {
    Box::pin(async move {
        let proofs = session_proofs::of(&mut signed.read(), signed.signed_in_user().session.id).await?;
        let session = signed.session();
        session.insert(session_data::TWO_FACTORS, true).await.map_err(session_error)?;
        for name in [session_data::PENDING_SECOND_FACTOR, session_data::PROVED_AT] {
            session.remove_value(name).await.map_err(session_error)?;
        }
        session.cycle_id().await.map_err(session_error)?;
        session.save().await.map_err(session_error)?;
        let Some(id) = session.id().filter(|_| !proofs.is_empty()) else { return Ok(()) };
        let (app, client) = (signed.app(), signed.client());
        let mut change = Change::begin_anonymous(&app.0.db, signed.context(), client).await?;
        session_proofs::store(&mut change, &secret_hash(id), &proofs).await?;
        change.commit().await
    })
}

struct NewSession<'a> {
    user: UserId,
    method: &'a str,
    two_factors: bool,
    /// `None` for now.
    authenticated_at: Option<Time>,
}

/// What organizations' providers confirmed of this user, if it is who is signed in.
async fn proofs_of(anyone: &Anyone, user: UserId) -> Result<Vec<SessionProof>> {
    match anyone.signed_in_user().filter(|signed_in| signed_in.user.id == user) {
        Some(signed_in) => session_proofs::of(&mut anyone.read(), signed_in.session.id).await,
        None => Ok(vec![]),
    }
}

/// Begins a session under a new secret, which nobody can have planted or seen.
async fn begin_session(anyone: &Anyone, new: &NewSession<'_>, proofs: &[SessionProof]) -> Result<()> {
    let session = anyone.session();
    session.clear().await;
    session.cycle_id().await.map_err(session_error)?;
    let client = anyone.client();
    let user = new.user.to_string();
    for (name, value) in [
        (session_data::USER, user.as_str()),
        (session_data::METHOD, new.method),
        (session_data::IP, &client.ip()),
        (session_data::AGENT, &client.agent),
    ] {
        session.insert(name, value).await.map_err(session_error)?;
    }
    if let Some(at) = new.authenticated_at {
        session.insert(session_data::PROVED_AT, at.0.to_string()).await.map_err(session_error)?;
    }
    session.insert(session_data::TWO_FACTORS, new.two_factors).await.map_err(session_error)?;
    // Saved now, not after the response: the next request may come at once, and to another replica.
    session.save().await.map_err(session_error)?;
    let Some(id) = session.id().filter(|_| !proofs.is_empty()) else { return Ok(()) };
    anyone.change(async |change| session_proofs::store(change, &secret_hash(id), proofs).await).await
}

/// In the name of the user, whom the new session identifies.
async fn record_sign_in(anyone: &Anyone, new_browser: Option<&str>) -> Result<()> {
    let (app, context, client) = (anyone.app(), anyone.context(), anyone.client());
    let id = anyone.session().id().ok_or(Error::Unauthenticated)?;
    let mut change = Change::begin_as_user(&app.0.db, &secret_hash(id), context, client).await?;
    sessions::record_sign_in(&mut change, new_browser).await?;
    change.commit().await
}

/// A user who has shown one factor. They are not signed in: this opens nothing but the page that asks for the second.
#[derive(Clone, Serialize, Deserialize)]
pub struct PendingSecondFactor {
    pub user: UserId,
    pub method: String,
    pub next: String,
    /// A new password ends this, as it ends sessions.
    password_digest: Vec<u8>,
    since: Time,
}

async fn password_digest(anyone: &Anyone, user: UserId) -> Result<Vec<u8>> {
    let password = users::get(&mut anyone.read(), user).await?.and_then(|user| user.password);
    Ok(hash(&password.unwrap_or_default()))
}

/// The user of this browser whose second factor is waited for.
pub fn pending_second_factor(anyone: &Anyone) -> BoxFuture<'_, Result<Option<PendingSecondFactor>>> {
    Box::pin(async move {
        let pending: Option<PendingSecondFactor> =
            get(anyone.session(), session_data::PENDING_SECOND_FACTOR).await?;
        let now = anyone.context().now();
        let Some(pending) = pending.filter(|pending| now.since(pending.since) < SECOND_FACTOR_TIMEOUT) else {
            return Ok(None);
        };
        let digest = password_digest(anyone, pending.user).await?;
        Ok((digest == pending.password_digest).then_some(pending))
    })
}

/// A value of the session. `None` also for one that an older version wrote in another form.
pub(super) async fn get<T: DeserializeOwned>(session: &Session, name: &str) -> Result<Option<T>> {
    let value = session.get_value(name).await.map_err(session_error)?;
    Ok(value.and_then(|value| serde_json::from_value(value).ok()))
}

/// Notes in the session which sign-up this browser began.
pub async fn remember_sign_up(anyone: &Anyone, id: uuid::Uuid) -> Result<()> {
    anyone.session().insert(session_data::SIGN_UP, id).await.map_err(session_error)
}

/// The sign-up that this browser began.
pub fn pending_sign_up(anyone: &Anyone) -> BoxFuture<'_, Result<Option<uuid::Uuid>>> {
    Box::pin(async move { anyone.session().get(session_data::SIGN_UP).await.map_err(session_error) })
}

/// Keeps the encrypted secret of an authenticator app while it is set up.
pub async fn store_authenticator_secret(session: &Session, encrypted: &[u8]) -> Result<()> {
    session.insert(session_data::AUTHENTICATOR_SECRET, encrypted).await.map_err(session_error)
}

pub fn authenticator_secret(session: &Session) -> BoxFuture<'_, Result<Option<Vec<u8>>>> {
    Box::pin(async move { get(session, session_data::AUTHENTICATOR_SECRET).await })
}

pub async fn remove_authenticator_secret(session: &Session) -> Result<()> {
    session.remove_value(session_data::AUTHENTICATOR_SECRET).await.map(drop).map_err(session_error)
}

/// Whether this user has signed in with this browser before.
pub fn is_known_browser(anyone: &Anyone, headers: &HeaderMap, user: UserId) -> bool {
    let token = anyone.context().secrets.browser_token(user.0.as_bytes());
    cookie::get(headers, KNOWN_BROWSER).is_some_and(|tokens| tokens.split('.').any(|known| known == token))
}

/// Adds the user to the known ones of this browser. The oldest are dropped.
pub fn remember_browser(
    anyone: &Anyone,
    page: &Page,
    request: &HeaderMap,
    response: &mut HeaderMap,
    user: UserId,
) {
    let token = anyone.context().secrets.browser_token(user.0.as_bytes());
    let known = cookie::get(request, KNOWN_BROWSER).unwrap_or_default();
    let others = known.split('.').filter(|other| !other.is_empty() && *other != token);
    let tokens: Vec<&str> = std::iter::once(token.as_str()).chain(others).take(MAX_KNOWN_USERS).collect();
    page.set_cookie(response, KNOWN_BROWSER, &tokens.join("."), YEAR);
}

/// A `next` that is a page of ours, and none that signs in again: it is followed after the sign-in.
pub fn safe_next(next: &str) -> Option<&str> {
    let is_ours =
        next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n', '\t']);
    (is_ours && !next.starts_with("/sign-")).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_ours_are_followed() {
        assert_eq!(safe_next("/a/acme/members?q=x"), Some("/a/acme/members?q=x"));
        for bad in ["", "//evil.test", "https://evil.test", "/\\evil.test", "/sign-in", "/\t/evil.test"] {
            assert_eq!(safe_next(bad), None, "{bad}");
        }
    }
}
