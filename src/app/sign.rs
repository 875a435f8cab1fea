//! Signing a browser in and out.
use super::{App, client::cookie, gate::Anyone, page::Page};
use crate::{
    error::{Error, Result},
    model::id::UserId,
    store::sessions::held,
};
use axum::http::HeaderMap;
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

/// Signs a user in: a new session, whose secret nobody has seen before.
pub async fn enter(anyone: &Anyone, user: UserId, method: &str) -> Result<()> {
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
    // Written now: a page that follows at once, perhaps from another replica, finds it.
    session.save().await.map_err(fault)
}

/// Signs the browser out: the session is gone.
pub async fn leave(session: &Session) -> Result<()> {
    session.flush().await.map_err(fault)
}

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
