//! Signing a browser in and out.
use super::{App, client::cookie, gate::Anyone, page::Page};
use crate::{
    error::{Error, Result},
    model::{account::LoginType, id::UserId, time::Time},
    store::{
        sessions::{held, secret_hash},
        sso::{
            self,
            proofs::{self, Proof},
        },
    },
};
use axum::http::HeaderMap;
use std::time::Duration;
use tower_sessions::{Session, session};

/// What the session's cookie is called. The prefix makes browsers refuse it from anywhere but this very host.
pub fn session_cookie(app: &App) -> &'static str {
    if app.kit().rules.base_url.starts_with("https:") { "__Host-guildhall" } else { "guildhall" }
}

/// A browser that a user signed in with is known for a year.
const KNOWN: &str = "known";
const YEAR: u32 = 365 * 86_400;

fn fault(it: session::Error) -> Error {
    // A session store that does not answer is a database that does not.
    Error::Unavailable(it.to_string())
}

/// Signs a user in who showed on their own who they are: a new session, whose secret nobody has seen before. What an
/// organization's provider said of the same user in this browser still holds.
pub async fn enter(anyone: &Anyone, user: UserId, method: &str) -> Result<()> {
    let proofs = shown(anyone, user).await?;
    renew(anyone, user, method, None, &proofs).await
}

/// Lets a user in whom an organization's provider vouches for. Who is signed in on their own stays so.
pub async fn enter_by_provider(anyone: &Anyone, user: UserId, proof: Proof) -> Result<()> {
    let mut proofs = shown(anyone, user).await?;
    proofs.retain(|it| it.account_id != proof.account_id);
    proofs.push(proof);
    let mine = anyone.me().filter(|it| it.person.id == user && it.session.is_own());
    let method = mine.map_or(LoginType::Sso.word().to_owned(), |it| it.session.method.clone());
    let proved = mine.map(|it| it.session.proved_at);
    renew(anyone, user, &method, proved, &proofs).await
}

async fn shown(anyone: &Anyone, user: UserId) -> Result<Vec<Proof>> {
    match anyone.me().filter(|it| it.person.id == user) {
        Some(me) => proofs::of(&mut anyone.read().await?, me.session.id).await,
        None => Ok(vec![]),
    }
}

async fn renew(
    anyone: &Anyone,
    user: UserId,
    method: &str,
    proved: Option<Time>,
    proofs: &[Proof],
) -> Result<()> {
    let session = anyone.session();
    session.clear().await;
    session.cycle_id().await.map_err(fault)?;
    let client = anyone.client();
    let user = user.to_string();
    for (name, value) in [
        (held::USER, user.as_str()),
        (held::METHOD, method),
        (held::IP, &client.ip),
        (held::AGENT, &client.agent),
    ] {
        session.insert(name, value).await.map_err(fault)?;
    }
    if let Some(at) = proved {
        session.insert(held::PROVED, at.0.to_string()).await.map_err(fault)?;
    }
    // Written now: a page that follows at once, perhaps from another replica, finds it.
    session.save().await.map_err(fault)?;
    let Some(id) = session.id().filter(|_| !proofs.is_empty()) else { return Ok(()) };
    anyone.change(async |change| proofs::note(change, &secret_hash(id), proofs).await).await
}

/// Signs the browser out: the session is gone.
pub async fn leave(session: &Session) -> Result<()> {
    session.flush().await.map_err(fault)
}

/// Where one signs out at the organization's provider too, if that is how this session began.
pub async fn farewell(anyone: &Anyone) -> Result<Option<url::Url>> {
    let Some(me) = anyone.me().filter(|it| !it.session.is_own()) else { return Ok(None) };
    let mut scope = anyone.read().await?;
    let Some(proof) = proofs::of(&mut scope, me.session.id).await?.pop() else { return Ok(None) };
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

/// Notes in this browser which sign-up it began.
pub async fn remember_sign_up(anyone: &Anyone, id: uuid::Uuid) -> Result<()> {
    anyone.session().insert(held::SIGN_UP, id).await.map_err(fault)
}

/// The sign-up that this browser began.
pub async fn sign_up(anyone: &Anyone) -> Result<Option<uuid::Uuid>> {
    anyone.session().get(held::SIGN_UP).await.map_err(fault)
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
