//! Signing a browser in and out: with one factor or two, at once or in two steps.
use super::{
    App,
    client::cookie,
    gate::{Anyone, SignedIn},
    user_agent,
};
use crate::view::page::Page;
use crate::{
    crypto::secrets::hash,
    error::{Error, Result},
    model::{
        account::LoginType,
        id::UserId,
        time::{MINUTE, Time},
    },
    store::{
        Change, Me, Visitor, factors,
        sessions::{self, held, secret_hash},
        sso::{
            self,
            session_proofs::{self, Proof},
        },
        users,
    },
};
use axum::{http::HeaderMap, response::Response};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::time::Duration;
use tower_sessions::{Session, session};

/// What the session's cookie is called. The prefix makes browsers refuse it from anywhere but this very host.
pub fn session_cookie(app: &App) -> &'static str {
    if app.kit().rules.base_url.starts_with("https:") { "__Host-guildhall" } else { "guildhall" }
}

/// A browser that a user signed in with is known for a year.
const KNOWN: &str = "known";
const YEAR: u32 = 365 * 86_400;

/// How long the second factor is waited for behind the first.
const PATIENCE: Duration = MINUTE.saturating_mul(10);

pub(super) fn fault(it: session::Error) -> Error {
    // A session store that does not answer is a database that does not.
    Error::Unavailable(it.to_string())
}

/// A new session, of who showed on their own who they are. What an organization's provider said of the same user in this
/// browser still holds.
async fn begin(anyone: &Anyone, user: UserId, method: &str, two_factors: bool) -> Result<()> {
    let proofs = shown(anyone, user).await?;
    renew(anyone, user, &Shown { method, two_factors, at: None }, &proofs).await
}

/// Lets a user in whom an organization's provider vouches for. Who is signed in on their own stays so.
pub async fn enter_by_provider(anyone: &Anyone, user: UserId, proof: Proof) -> Result<()> {
    let mut proofs = shown(anyone, user).await?;
    proofs.retain(|it| it.account_id != proof.account_id);
    proofs.push(proof);
    let mine = anyone.me().filter(|it| it.person.id == user && it.session.is_own());
    let method = mine.map_or(LoginType::Sso.word().to_owned(), |it| it.session.method.clone());
    let two_factors = mine.is_some_and(|it| it.session.two_factors);
    let at = mine.map(|it| it.session.proved_at);
    renew(anyone, user, &Shown { method: &method, two_factors, at }, &proofs).await
}

async fn shown(anyone: &Anyone, user: UserId) -> Result<Vec<Proof>> {
    match anyone.me().filter(|it| it.person.id == user) {
        Some(me) => session_proofs::of(&mut anyone.read(), me.session.id).await,
        None => Ok(vec![]),
    }
}

/// How somebody showed who they are.
struct Shown<'a> {
    method: &'a str,
    two_factors: bool,
    /// When, if not just now.
    at: Option<Time>,
}

/// A session whose secret nobody has seen before.
async fn renew(anyone: &Anyone, user: UserId, by: &Shown<'_>, proofs: &[Proof]) -> Result<()> {
    let session = anyone.session();
    session.clear().await;
    session.cycle_id().await.map_err(fault)?;
    let client = anyone.client();
    let user = user.to_string();
    for (name, value) in [
        (held::USER, user.as_str()),
        (held::METHOD, by.method),
        (held::IP, &client.ip()),
        (held::AGENT, &client.agent),
    ] {
        session.insert(name, value).await.map_err(fault)?;
    }
    if let Some(at) = by.at {
        session.insert(held::PROVED, at.0.to_string()).await.map_err(fault)?;
    }
    session.insert(held::TWO_FACTORS, by.two_factors).await.map_err(fault)?;
    // Written now: a page that follows at once, perhaps from another replica, finds it.
    session.save().await.map_err(fault)?;
    let Some(id) = session.id().filter(|_| !proofs.is_empty()) else { return Ok(()) };
    anyone.change(async |change| session_proofs::note(change, &secret_hash(id), proofs).await).await
}

/// Signs the browser out: the session is gone.
pub async fn leave(session: &Session) -> Result<()> {
    session.flush().await.map_err(fault)
}

/// Where one signs out at the organization's provider too, if that is how this session began.
pub async fn farewell(anyone: &Anyone) -> Result<Option<url::Url>> {
    let Some(me) = anyone.me().filter(|it| !it.session.is_own()) else { return Ok(None) };
    let mut scope = anyone.read();
    let Some(proof) = session_proofs::of(&mut scope, me.session.id).await?.pop() else { return Ok(None) };
    let Some(client) = sso::client(&mut scope, proof.account_id).await? else { return Ok(None) };
    drop(scope);
    // A provider that is away keeps nobody from signing out here.
    let asked = tokio::time::timeout(Duration::from_secs(2), anyone.kit().oidc.find(&client.issuer)).await;
    let Ok(Ok(found)) = asked else { return Ok(None) };
    let token = proof.token.and_then(|it| anyone.kit().seal.open(TOKEN, &it));
    let token = token.and_then(|it| String::from_utf8(it).ok());
    Ok(found.sign_out(&client.id, token.as_deref(), &anyone.kit().url("/sign-in")))
}

/// Where a provider's token is sealed.
pub const TOKEN: &str = "sso token";

/// The session was made with two factors from now on: the same one under a new secret.
pub async fn raise(signed: &SignedIn) -> Result<()> {
    let proofs = session_proofs::of(&mut signed.read(), signed.me().session.id).await?;
    let session = signed.session();
    session.insert(held::TWO_FACTORS, true).await.map_err(fault)?;
    for gone in [held::HALF, held::PROVED] {
        session.remove_value(gone).await.map_err(fault)?;
    }
    session.cycle_id().await.map_err(fault)?;
    session.save().await.map_err(fault)?;
    let Some(id) = session.id().filter(|_| !proofs.is_empty()) else { return Ok(()) };
    let (app, client) = (signed.app(), signed.client());
    let mut change = Change::<Visitor>::begin(&app.0.db, signed.kit(), client).await?;
    session_proofs::note(&mut change, &secret_hash(id), &proofs).await?;
    change.commit().await
}

/// Somebody who has proven who they are.
pub struct Arrival<'a> {
    /// Who.
    pub user: UserId,
    /// How: `password`, `passkey`, …
    pub method: &'a str,
    /// Whether by two factors.
    pub two_factors: bool,
    /// Where they wanted to go; to the account where they were last, if empty.
    pub next: &'a str,
}

/// Lets somebody in who has proven enough: signs them in, remembers the browser, mails them if it is a new one.
pub async fn arrive(anyone: &Anyone, page: &Page, headers: &HeaderMap, it: &Arrival<'_>) -> Result<Response> {
    begin(anyone, it.user, it.method, it.two_factors).await?;
    let is_known = is_known(anyone, headers, it.user);
    let browser = user_agent::device(&anyone.client().agent).name;
    let told = (!is_known).then_some(browser.as_str());
    arrived(anyone, told).await?;
    let to = match safe_next(it.next) {
        Some(next) => next.to_owned(),
        None => format!("/a/{}/overview", users::home(&mut anyone.read(), it.user).await?),
    };
    let mut response = page.to(&to);
    make_known(anyone, page, headers, response.headers_mut(), it.user);
    Ok(response)
}

/// Written as theirs: the new session says who they are.
async fn arrived(anyone: &Anyone, new_browser: Option<&str>) -> Result<()> {
    let (app, kit, client) = (anyone.app(), anyone.kit(), anyone.client());
    let id = anyone.session().id().ok_or(Error::SignedOut)?;
    let mut change = Change::<Me>::begin(&app.0.db, &secret_hash(id), kit, client).await?;
    sessions::arrived(&mut change, new_browser).await?;
    change.commit().await
}

/// Lets somebody in who has proven one factor, or asks them for the second if they have one.
pub async fn arrive_by_one(
    anyone: &Anyone,
    page: &Page,
    headers: &HeaderMap,
    it: &Arrival<'_>,
) -> Result<Response> {
    if !factors::ways(&mut anyone.read(), it.user).await?.has_second() {
        return arrive(anyone, page, headers, it).await;
    }
    let session = anyone.session();
    // What an organization's provider opened for the same user stays open meanwhile, and after.
    if anyone.me().is_none_or(|me| me.person.id != it.user) {
        session.clear().await;
        session.cycle_id().await.map_err(fault)?;
    }
    let next = safe_next(it.next).unwrap_or_default().to_owned();
    let password = password_of(anyone, it.user).await?;
    let half =
        Half { user: it.user, method: it.method.to_owned(), next, password, since: anyone.kit().now() };
    session.insert(held::HALF, half).await.map_err(fault)?;
    session.save().await.map_err(fault)?;
    Ok(page.to("/sign-in/second"))
}

/// Somebody who has proven one factor. They are not signed in: this opens nothing but the page that asks for the second.
#[derive(Clone, Serialize, Deserialize)]
pub struct Half {
    /// Who.
    pub user: UserId,
    /// By what.
    pub method: String,
    /// Where they wanted to go.
    pub next: String,
    /// As it was: a new one ends this as it ends sessions.
    password: Vec<u8>,
    since: Time,
}

async fn password_of(anyone: &Anyone, user: UserId) -> Result<Vec<u8>> {
    let found = users::get(&mut anyone.read(), user).await?.and_then(|it| it.password);
    Ok(hash(&found.unwrap_or_default()))
}

/// Who has proven one factor in this browser, and is waited for.
pub async fn half(anyone: &Anyone) -> Result<Option<Half>> {
    let half: Option<Half> = read(anyone.session(), held::HALF).await?;
    let Some(half) = half.filter(|it| anyone.kit().now().since(it.since) < PATIENCE) else { return Ok(None) };
    Ok((password_of(anyone, half.user).await? == half.password).then_some(half))
}

pub(super) async fn read<T: DeserializeOwned>(session: &Session, name: &str) -> Result<Option<T>> {
    // What an older version wrote is as if it were not there.
    let found = session.get_value(name).await.map_err(fault)?;
    Ok(found.and_then(|it| serde_json::from_value(it).ok()))
}

/// Notes in this browser which sign-up it began.
pub async fn remember_sign_up(anyone: &Anyone, id: uuid::Uuid) -> Result<()> {
    anyone.session().insert(held::SIGN_UP, id).await.map_err(fault)
}

/// The sign-up that this browser began.
pub async fn sign_up(anyone: &Anyone) -> Result<Option<uuid::Uuid>> {
    anyone.session().get(held::SIGN_UP).await.map_err(fault)
}

/// Remembers the secret of an authenticator app that is being set up, sealed.
pub async fn keep_secret(session: &Session, sealed: &[u8]) -> Result<()> {
    session.insert(held::AUTHENTICATOR, sealed).await.map_err(fault)
}

/// The secret of an authenticator app that is being set up, sealed.
pub async fn kept_secret(session: &Session) -> Result<Option<Vec<u8>>> {
    read(session, held::AUTHENTICATOR).await
}

/// The authenticator app is set up, or another one is to be.
pub async fn forget_secret(session: &Session) -> Result<()> {
    session.remove_value(held::AUTHENTICATOR).await.map(drop).map_err(fault)
}

/// Whether this user signed in with this browser before.
pub fn is_known(anyone: &Anyone, headers: &HeaderMap, user: UserId) -> bool {
    let mark = anyone.kit().seal.device(user.0.as_bytes());
    cookie(headers, KNOWN).is_some_and(|it| it.split('.').any(|it| it == mark))
}

/// From now on this browser is known to be the user's.
pub fn make_known(anyone: &Anyone, page: &Page, asked: &HeaderMap, answer: &mut HeaderMap, user: UserId) {
    let mark = anyone.kit().seal.device(user.0.as_bytes());
    let others =
        cookie(asked, KNOWN).unwrap_or_default().split('.').filter(|it| !it.is_empty() && *it != mark);
    let marks: Vec<&str> = std::iter::once(mark.as_str()).chain(others).take(4).collect();
    page.set_cookie(answer, KNOWN, &marks.join("."), YEAR);
}

/// Where to go after signing in: only to a page of ours.
pub fn safe_next(next: &str) -> Option<&str> {
    let is_ours =
        next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n', '\t']);
    (is_ours && !next.starts_with("/sign-")).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        assert_eq!(safe_next("/a/acme/members?q=x"), Some("/a/acme/members?q=x"));
        for bad in ["", "//evil.test", "https://evil.test", "/\\evil.test", "/sign-in", "/\t/evil.test"] {
            assert_eq!(safe_next(bad), None, "{bad}");
        }
    }
}
