//! Links mailed to a user: to set a new password, to prove a new address.
use super::{
    Change, Me, Scope, Visitor, Who,
    audit::{self, Did},
    memberships, sessions, site,
    users::{self, Known},
};
use crate::{
    crypto::secrets::{hash, token},
    emails,
    error::{Error, Result},
    model::{
        access::{Fresh, Person},
        id::UserId,
        text::Email,
        time::{DAY, HOUR, Time},
    },
};
use serde_json::{Value, json};

/// How many days a link that proves an address holds.
pub(super) const LINK_DAYS: u32 = 2;

/// Mails a link to choose a new password, if the address has a user. The caller is told the same either way.
pub async fn forgot_password(change: &mut Change<Visitor>, email: &Email) -> Result<()> {
    let Some(user) = users::find(change, email).await? else { return Ok(()) };
    let until = change.now().plus(HOUR);
    let secret = make(change, user.id, "password", None, until).await?;
    let kit = change.kit().clone();
    let url = kit.url(&format!("/reset-password/{secret}"));
    let link = emails::Link { url: &url, until: &until.in_words() };
    change.post(&emails::reset_password(&site(&kit), &user.email, &link)).await
}

async fn make<W: Who>(
    change: &mut Change<W>,
    user: UserId,
    kind: &'static str,
    email: Option<&Email>,
    until: Time,
) -> Result<String> {
    let (secret, now) = (token(&change.kit().chance), change.now());
    // The newest link is the one that works.
    change.sql("delete from links where user_id = $1 and kind = $2").bind(user).bind(kind).execute().await?;
    change
        .sql(
            "insert into links (token_hash, kind, user_id, email, email_key, created_at, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(hash(&secret))
        .bind(kind)
        .bind(user)
        .bind(email.map(|it| it.as_str().to_owned()))
        .bind(email.map(|it| it.key().to_owned()))
        .bind(now)
        .bind(until)
        .execute()
        .await?;
    Ok(secret)
}

/// The user of a password link, while it holds.
pub async fn find_password<W: Who>(scope: &mut Scope<W>, secret: &str) -> Result<Option<Known>> {
    let now = scope.now();
    let sql = "select u.id, u.name, u.email, u.password, u.last_account from links l join users u on u.id = l.user_id
        where l.token_hash = $1 and l.kind = 'password' and l.expires_at > $2";
    Ok(scope.sql(sql).bind(hash(secret)).bind(now).fetch_optional().await?)
}

/// Sets the password by a mailed link: uses the link up, and ends all sessions of the user.
pub async fn reset_password(change: &mut Change<Visitor>, secret: &str, password: &str) -> Result<Person> {
    let gone = || Error::conflict("link_used", "This link was used, or is too old. Ask for a new one.");
    let user = find_password(change, secret).await?.ok_or_else(gone)?;
    let used = change.sql("delete from links where token_hash = $1").bind(hash(secret)).execute().await?;
    if used == 0 {
        return Err(gone());
    }
    let person = Person { id: user.id, name: user.name, email: user.email };
    set_password(change, &person, password).await?;
    sessions::end_all(change, person.id, None).await?;
    Ok(person)
}

/// Sets a user's password and tells them by mail.
pub(super) async fn set_password<W: Who>(
    change: &mut Change<W>,
    person: &Person,
    password: &str,
) -> Result<()> {
    change.sql("update users set password = $2 where id = $1").bind(person.id).bind(password).execute().await?;
    let kit = change.kit().clone();
    change.post(&emails::password_changed(&site(&kit), &person.email, &kit.now().in_words())).await?;
    let chain = users::chain(change, person.id).await?;
    audit::write(change, chain, Did::to("user.password_changed", "user", person.id, &person.email)).await
}

/// Mails a link to the new address, and a notice to the old one. Nothing changes before the link is followed.
pub async fn ask_email_change(change: &mut Change<Me>, _: &Fresh, email: &Email) -> Result<()> {
    let person = change.who().person.clone();
    let (kit, now) = (change.kit().clone(), change.now());
    let change_of = emails::EmailChange { old: &person.email, new: email.as_str(), at: &now.in_words() };
    let chain = users::chain(change, person.id).await?;
    let did = Did::to("user.email_change_asked", "user", person.id, &person.email);
    audit::write(change, chain, did.changed(Value::Null, json!({ "email": email }))).await?;
    change.post(&emails::email_change_notice(&site(&kit), &person.email, &change_of)).await?;
    // Whether the address has a user is told to nobody but who reads its mail.
    if users::find(change, email).await?.is_some() {
        return change.post(&emails::sign_up_known(&site(&kit), email.as_str())).await;
    }
    let until = now.plus(LINK_DAYS * DAY);
    let secret = make(change, person.id, "email", Some(email), until).await?;
    let url = kit.url(&format!("/verify-email/{secret}"));
    let link = emails::Link { url: &url, until: &until.in_words() };
    change.post(&emails::confirm_email_change(&site(&kit), email.as_str(), &change_of, &link)).await
}

/// A change of address that waits to be confirmed.
#[derive(sqlx::FromRow)]
pub struct EmailChange {
    /// Whose.
    pub user_id: UserId,
    /// Their name.
    pub name: String,
    /// Their address until now.
    pub old: String,
    /// The address that was mailed.
    pub email: String,
}

/// By the mailed token, while it holds.
pub async fn find_email_change<W: Who>(scope: &mut Scope<W>, secret: &str) -> Result<Option<EmailChange>> {
    let now = scope.now();
    let sql = "select u.id as user_id, u.name, u.email as old, l.email from links l join users u on u.id = l.user_id
        where l.token_hash = $1 and l.kind = 'email' and l.expires_at > $2";
    Ok(scope.sql(sql).bind(hash(secret)).bind(now).fetch_optional().await?)
}

/// The new address is proven: it is the user's from now on.
pub async fn confirm_email_change(change: &mut Change<Visitor>, secret: &str) -> Result<EmailChange> {
    let gone = || {
        Error::conflict("link_used", "This link was used, or is too old. Ask for a new one in your profile.")
    };
    let it = find_email_change(change, secret).await?.ok_or_else(gone)?;
    let email = Email::parse(&it.email).map_err(Error::at("email"))?;
    change.sql("delete from links where token_hash = $1").bind(hash(secret)).execute().await?;
    // Not caught as an error: Postgres would give up the transaction.
    let sql = "update users set email = $2, email_key = $3
        where id = $1 and not exists (select 1 from users where email_key = $3 and id <> $1)";
    let done = change.sql(sql).bind(it.user_id).bind(email.as_str()).bind(email.key()).execute().await?;
    if done == 0 {
        return Err(Error::conflict("email_taken", "This address has become another user's meanwhile."));
    }
    let person = Person { id: it.user_id, name: it.name.clone(), email: email.as_str().to_owned() };
    memberships::rename(change, &person).await?;
    change.changed(person.id.0);
    change.sql("delete from sign_ups where email_key = $1").bind(email.key()).execute().await?;
    let (kit, now) = (change.kit().clone(), change.now());
    let told = emails::EmailChange { old: &it.old, new: email.as_str(), at: &now.in_words() };
    change.post(&emails::email_changed(&site(&kit), &it.old, &told)).await?;
    let chain = users::chain(change, it.user_id).await?;
    let did = Did::to("user.email_changed", "user", it.user_id, email.as_str());
    audit::write(change, chain, did.changed(json!({ "email": it.old }), json!({ "email": email }))).await?;
    Ok(it)
}
