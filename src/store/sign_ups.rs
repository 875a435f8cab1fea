//! Sign-ups: there is no user until the address is confirmed.
use super::{Anonymous, Change, Scope, email_tokens::LINK_DAYS, site, users};
use crate::{
    crypto::secrets::{hash, token},
    emails,
    error::{Error, Result},
    model::{
        actor::UserSummary,
        text::{EmailAddress, Name},
        time::{DAY, Time},
    },
};
use uuid::Uuid;

pub struct SignUp<'a> {
    pub name: &'a Name,
    /// Not confirmed yet.
    pub email: &'a EmailAddress,
    pub password: &'a str,
    /// The one-time token of the first operator.
    pub setup: &'a str,
    /// Where to go after signing in.
    pub next: &'a str,
}

/// Stores a sign-up and mails the link. If the address has a user, they get a different mail. Returns an id that identifies the
/// browser, the same way in both cases.
pub async fn begin(change: &mut Change<Anonymous>, sign_up: &SignUp<'_>) -> Result<Uuid> {
    let context = change.context().clone();
    let id = context.id();
    let (first, setup_hash): (Option<Uuid>, Option<Vec<u8>>) = change
        .query_unscoped("select first_operator, setup_hash from installation where id = 1")
        .fetch_one()
        .await?;
    let is_setup = first.is_none()
        && !sign_up.setup.is_empty()
        && setup_hash.is_some_and(|known| known == hash(sign_up.setup));
    if users::find(change, sign_up.email).await?.is_some() {
        let letter = emails::sign_up_known(&site(&context), sign_up.email.as_str());
        change.send(&letter).await?;
        return Ok(id);
    }
    if !context.config.open_sign_up && first.is_some() {
        return Ok(id);
    }
    let (secret, now) = (token(&context.random), context.now());
    let expires_at = now.plus(LINK_DAYS * DAY);
    change
        .query_unscoped(
            "insert into sign_ups (id, name, email, email_key, password, token_hash, setup, next, created_at, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(id)
        .bind(sign_up.name.as_str())
        .bind(sign_up.email.as_str())
        .bind(sign_up.email.key())
        .bind(sign_up.password)
        .bind(hash(&secret))
        .bind(is_setup)
        .bind(sign_up.next)
        .bind(now)
        .bind(expires_at)
        .execute()
        .await?;
    let url = context.url(&format!("/verify-email/{secret}"));
    let link = emails::Link { url: &url, until: &expires_at.in_words() };
    change.send(&emails::confirm_sign_up(&site(&context), sign_up.email.as_str(), &link)).await?;
    Ok(id)
}

/// A sign-up whose address is not confirmed yet.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct PendingSignUp {
    /// Identifies the browser that started it.
    pub id: Uuid,
    pub name: String,
    pub email: String,
    pub password: String,
    /// Where to go after signing in.
    pub next: Option<String>,
    setup: bool,
    expires_at: Time,
}

/// Finds it by the mailed token, while that is valid.
pub async fn find<A>(scope: &mut Scope<A>, secret: &str) -> Result<Option<PendingSignUp>> {
    let now = scope.now();
    let sql = "select id, name, email, password, next, setup, expires_at from sign_ups where token_hash = $1";
    let found: Option<PendingSignUp> = scope.query_unscoped(sql).bind(hash(secret)).fetch_optional().await?;
    Ok(found.filter(|pending| pending.expires_at > now))
}

/// Creates the user and deletes other sign-ups for the address. `password` is a new hashed one if the link was opened in
/// another browser than the one that signed up.
pub async fn confirm(
    change: &mut Change<Anonymous>,
    secret: &str,
    password: Option<&str>,
) -> Result<(UserSummary, Option<String>)> {
    // Locked until the end, so that two first sign-ups are confirmed one after the other.
    change.query_unscoped("select 1 from installation where id = 1 for no key update").execute().await?;
    let pending = find(change, secret).await?.ok_or_else(used)?;
    let email = EmailAddress::parse(&pending.email).map_err(Error::at("email"))?;
    let name = Name::parse(&pending.name).map_err(Error::at("name"))?;
    let operator = !users::has_operator(change).await? && (pending.setup || change.context().config.loopback);
    let new = users::NewUser {
        name: &name,
        email: &email,
        password: Some(password.unwrap_or(&pending.password)),
        operator,
    };
    let (person, _) = users::create(change, &new).await?.ok_or_else(used)?;
    Ok((person, pending.next))
}

fn used() -> Error {
    Error::conflict("link_used", "This link was used, or is too old. Sign in, or sign up again.")
}
