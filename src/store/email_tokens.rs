//! Links that are mailed to a user: to set a new password, to confirm a new address.
use super::{
    Anonymous, Change, Scope, SignedInUser,
    audit::{self, NewEvent},
    memberships, sessions, site,
    users::{self, UserRecord},
};
use crate::{
    crypto::secrets::{hash, token},
    emails,
    error::{Error, Result},
    model::{
        actor::{RecentAuth, UserSummary},
        id::UserId,
        text::EmailAddress,
        time::{DAY, HOUR, Time},
    },
};
use serde_json::{Value, json};

/// How many days a link that confirms an address is valid.
pub(super) const LINK_DAYS: u32 = 2;

/// Mails a link to choose a new password, if the address has a user. The answer is the same if it has none.
pub async fn forgot_password(change: &mut Change<Anonymous>, email: &EmailAddress) -> Result<()> {
    let Some(user) = users::find(change, email).await? else { return Ok(()) };
    let until = change.now().plus(HOUR);
    let secret = make(change, user.id, "password", None, until).await?;
    let context = change.context().clone();
    let url = context.url(&format!("/reset-password/{secret}"));
    let link = emails::Link { url: &url, until: &until.in_words() };
    change.send(&emails::reset_password(&site(&context), &user.email, &link)).await
}

async fn make<A>(
    change: &mut Change<A>,
    user: UserId,
    kind: &'static str,
    email: Option<&EmailAddress>,
    until: Time,
) -> Result<String> {
    let (secret, now) = (token(&change.context().random), change.now());
    // Only the newest link works.
    change
        .query_unscoped("delete from email_tokens where user_id = $1 and kind = $2")
        .bind(user)
        .bind(kind)
        .execute()
        .await?;
    change
        .query_unscoped(
            "insert into email_tokens (token_hash, kind, user_id, email, email_key, created_at, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(hash(&secret))
        .bind(kind)
        .bind(user)
        .bind(email.map(|email| email.as_str().to_owned()))
        .bind(email.map(|email| email.key().to_owned()))
        .bind(now)
        .bind(until)
        .execute()
        .await?;
    Ok(secret)
}

/// The user of a password link that is still valid.
pub async fn find_password<A>(scope: &mut Scope<A>, secret: &str) -> Result<Option<UserRecord>> {
    let now = scope.now();
    let sql = "select u.id, u.name, u.email, u.password, u.last_account from email_tokens l join users u on u.id = l.user_id
        where l.token_hash = $1 and l.kind = 'password' and l.expires_at > $2";
    Ok(scope.query_unscoped(sql).bind(hash(secret)).bind(now).fetch_optional().await?)
}

/// Sets the password with a mailed link, which works once, and ends all of the user's sessions.
pub async fn reset_password(
    change: &mut Change<Anonymous>,
    secret: &str,
    password: &str,
) -> Result<UserSummary> {
    let gone = || Error::conflict("link_used", "This link was used, or is too old. Ask for a new one.");
    let user = find_password(change, secret).await?.ok_or_else(gone)?;
    let used = change
        .query_unscoped("delete from email_tokens where token_hash = $1")
        .bind(hash(secret))
        .execute()
        .await?;
    if used == 0 {
        return Err(gone());
    }
    let person = UserSummary { id: user.id, name: user.name, email: user.email };
    set_password(change, &person, password).await?;
    sessions::end_all(change, person.id, None).await?;
    Ok(person)
}

/// Sets a user's password and notifies them by mail.
pub(super) async fn set_password<A>(
    change: &mut Change<A>,
    person: &UserSummary,
    password: &str,
) -> Result<()> {
    change
        .query_unscoped("update users set password = $2 where id = $1")
        .bind(person.id)
        .bind(password)
        .execute()
        .await?;
    let context = change.context().clone();
    change.send(&emails::password_changed(&site(&context), &person.email, &context.now().in_words())).await?;
    let chain = users::chain(change, person.id).await?;
    audit::record_in(change, chain, NewEvent::on("user.password_changed", "user", person.id, &person.email))
        .await
}

/// Mails a link to the new address and a notice to the old one. The address changes when the link is opened.
pub async fn ask_email_change(
    change: &mut Change<SignedInUser>,
    _: &RecentAuth,
    email: &EmailAddress,
) -> Result<()> {
    let person = change.user().clone();
    let (context, now) = (change.context().clone(), change.now());
    let change_of = emails::EmailChange { old: &person.email, new: email.as_str(), at: &now.in_words() };
    let chain = users::chain(change, person.id).await?;
    let event = NewEvent::on("user.email_change_asked", "user", person.id, &person.email);
    audit::record_in(change, chain, event.changed(Value::Null, json!({ "email": email }))).await?;
    change.send(&emails::email_change_notice(&site(&context), &person.email, &change_of)).await?;
    // Only the owner of the address learns whether it has a user.
    if users::find(change, email).await?.is_some() {
        return change.send(&emails::sign_up_known(&site(&context), email.as_str())).await;
    }
    let until = now.plus(LINK_DAYS * DAY);
    let secret = make(change, person.id, "email", Some(email), until).await?;
    let url = context.url(&format!("/verify-email/{secret}"));
    let link = emails::Link { url: &url, until: &until.in_words() };
    change.send(&emails::confirm_email_change(&site(&context), email.as_str(), &change_of, &link)).await
}

/// A change of address that is not confirmed yet.
#[derive(sqlx::FromRow)]
pub struct PendingEmailChange {
    pub user_id: UserId,
    pub name: String,
    /// The current address.
    pub old: String,
    /// The new address.
    pub email: String,
}

/// Finds it by the mailed token, while that is valid.
pub async fn find_email_change<A>(scope: &mut Scope<A>, secret: &str) -> Result<Option<PendingEmailChange>> {
    let now = scope.now();
    let sql = "select u.id as user_id, u.name, u.email as old, l.email from email_tokens l join users u on u.id = l.user_id
        where l.token_hash = $1 and l.kind = 'email' and l.expires_at > $2";
    Ok(scope.query_unscoped(sql).bind(hash(secret)).bind(now).fetch_optional().await?)
}

/// Makes the new address the user's.
pub async fn confirm_email_change(
    change: &mut Change<Anonymous>,
    secret: &str,
) -> Result<PendingEmailChange> {
    let gone = || {
        Error::conflict("link_used", "This link was used, or is too old. Ask for a new one in your profile.")
    };
    let pending = find_email_change(change, secret).await?.ok_or_else(gone)?;
    let email = EmailAddress::parse(&pending.email).map_err(Error::at("email"))?;
    change
        .query_unscoped("delete from email_tokens where token_hash = $1")
        .bind(hash(secret))
        .execute()
        .await?;
    // Checked in the statement: a constraint violation would abort the transaction in Postgres.
    let sql = "update users set email = $2, email_key = $3
        where id = $1 and not exists (select 1 from users where email_key = $3 and id <> $1)";
    let done = change
        .query_unscoped(sql)
        .bind(pending.user_id)
        .bind(email.as_str())
        .bind(email.key())
        .execute()
        .await?;
    if done == 0 {
        return Err(Error::conflict("email_taken", "This address has become another user's meanwhile."));
    }
    let person =
        UserSummary { id: pending.user_id, name: pending.name.clone(), email: email.as_str().to_owned() };
    memberships::rename(change, &person).await?;
    change.invalidate(person.id.0);
    change.query_unscoped("delete from sign_ups where email_key = $1").bind(email.key()).execute().await?;
    let (context, now) = (change.context().clone(), change.now());
    let told = emails::EmailChange { old: &pending.old, new: email.as_str(), at: &now.in_words() };
    change.send(&emails::email_changed(&site(&context), &pending.old, &told)).await?;
    let chain = users::chain(change, pending.user_id).await?;
    let event = NewEvent::on("user.email_changed", "user", pending.user_id, email.as_str());
    audit::record_in(
        change,
        chain,
        event.changed(json!({ "email": pending.old }), json!({ "email": email })),
    )
    .await?;
    Ok(pending)
}
