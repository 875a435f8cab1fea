//! Sign-ups: no user until the address is proven.
use super::{Change, Scope, Visitor, Who, email_tokens::LINK_DAYS, site, users};
use crate::{
    crypto::secrets::{hash, token},
    emails,
    error::{Error, Result},
    model::{
        access::Person,
        text::{Email, Name},
        time::{DAY, Time},
    },
};
use uuid::Uuid;

/// A sign-up as the form tells it.
pub struct SignUp<'a> {
    /// The name.
    pub name: &'a Name,
    /// The address, unproven.
    pub email: &'a Email,
    /// The password, hashed.
    pub password: &'a str,
    /// The one-time token that makes the first operator.
    pub setup: &'a str,
    /// Where to go when signed in.
    pub next: &'a str,
}

/// Notes a sign-up and mails the link; to an address that has a user, mails that instead. Answers an id by which the browser
/// that began it is known, alike in both cases.
pub async fn begin(change: &mut Change<Visitor>, it: &SignUp<'_>) -> Result<Uuid> {
    let kit = change.kit().clone();
    let id = kit.id();
    let (first, setup_hash): (Option<Uuid>, Option<Vec<u8>>) =
        change.sql("select first_operator, setup_hash from installation where id = 1").fetch_one().await?;
    let is_setup =
        first.is_none() && !it.setup.is_empty() && setup_hash.is_some_and(|known| known == hash(it.setup));
    if users::find(change, it.email).await?.is_some() {
        let letter = emails::sign_up_known(&site(&kit), it.email.as_str());
        change.post(&letter).await?;
        return Ok(id);
    }
    if !kit.rules.open_sign_up && first.is_some() {
        return Ok(id);
    }
    let (secret, now) = (token(&kit.chance), kit.now());
    let expires_at = now.plus(LINK_DAYS * DAY);
    change
        .sql(
            "insert into sign_ups (id, name, email, email_key, password, token_hash, setup, next, created_at, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(id)
        .bind(it.name.as_str())
        .bind(it.email.as_str())
        .bind(it.email.key())
        .bind(it.password)
        .bind(hash(&secret))
        .bind(is_setup)
        .bind(it.next)
        .bind(now)
        .bind(expires_at)
        .execute()
        .await?;
    let url = kit.url(&format!("/verify-email/{secret}"));
    let link = emails::Link { url: &url, until: &expires_at.in_words() };
    change.post(&emails::confirm_sign_up(&site(&kit), it.email.as_str(), &link)).await?;
    Ok(id)
}

/// A sign-up that waits for its address to be proven.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Pending {
    /// By which the browser that began it is known.
    pub id: Uuid,
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
    /// The password, hashed.
    pub password: String,
    /// Where to go when signed in.
    pub next: Option<String>,
    setup: bool,
    expires_at: Time,
}

/// By the mailed token, while it holds.
pub async fn find<W: Who>(scope: &mut Scope<W>, secret: &str) -> Result<Option<Pending>> {
    let now = scope.now();
    let sql = "select id, name, email, password, next, setup, expires_at from sign_ups where token_hash = $1";
    let found: Option<Pending> = scope.sql(sql).bind(hash(secret)).fetch_optional().await?;
    Ok(found.filter(|it| it.expires_at > now))
}

/// The address is proven: makes the user, discards the other sign-ups for it. `password` is a new one, hashed, where the
/// link was opened in another browser than the one that signed up.
pub async fn confirm(
    change: &mut Change<Visitor>,
    secret: &str,
    password: Option<&str>,
) -> Result<(Person, Option<String>)> {
    // Held until the end: two first sign-ups are confirmed one after the other.
    change.sql("select 1 from installation where id = 1 for no key update").execute().await?;
    let it = find(change, secret).await?.ok_or_else(used)?;
    let email = Email::parse(&it.email).map_err(Error::at("email"))?;
    let name = Name::parse(&it.name).map_err(Error::at("name"))?;
    let operator = !users::has_operator(change).await? && (it.setup || change.kit().rules.loopback);
    let new = users::NewUser {
        name: &name,
        email: &email,
        password: Some(password.unwrap_or(&it.password)),
        operator,
    };
    let (person, _) = users::create(change, &new).await?.ok_or_else(used)?;
    Ok((person, it.next))
}

fn used() -> Error {
    Error::conflict("link_used", "This link was used, or is too old. Sign in, or sign up again.")
}
