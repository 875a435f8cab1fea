//! Users, each with a personal account.
use super::{
    Change, Scope, Who,
    accounts::{self, New},
    audit::{self, Chain, Did},
};
use crate::{
    error::Result,
    model::{
        access::Person,
        account::Kind,
        id::{AccountId, UserId},
        text::{Email, Name},
    },
};
use serde_json::{Value, json};

/// A user who is to be.
pub struct NewUser<'a> {
    /// Their name.
    pub name: &'a Name,
    /// Their address, proven.
    pub email: &'a Email,
    /// Their password, hashed.
    pub password: Option<&'a str>,
    /// Whether they run the installation.
    pub operator: bool,
}

/// Makes a verified user and their personal account; none if the address has a user.
pub async fn create<W: Who>(
    change: &mut Change<W>,
    new: &NewUser<'_>,
) -> Result<Option<(Person, AccountId)>> {
    let (id, now) = (UserId(change.kit().id()), change.now());
    let made: Option<(UserId,)> = change
        .sql(
            "insert into users (id, name, email, email_key, password, operator, created_at)
             values ($1, $2, $3, $4, $5, $6, $7) on conflict (email_key) do nothing returning id",
        )
        .bind(id)
        .bind(new.name.as_str())
        .bind(new.email.as_str())
        .bind(new.email.key())
        .bind(new.password)
        .bind(new.operator)
        .bind(now)
        .fetch_optional()
        .await?;
    if made.is_none() {
        return Ok(None);
    }
    let person = Person { id, name: new.name.as_str().to_owned(), email: new.email.as_str().to_owned() };
    let plan = change.kit().catalog.first_plan().id.clone();
    let account = accounts::open(
        change,
        &person,
        &New { kind: Kind::Personal, name: new.name.as_str(), slug: None, parent: None, plan: &plan },
    )
    .await?;
    let did = Did::to("user.created", "user", id, &person.email)
        .changed(Value::Null, json!({ "operator": new.operator }));
    audit::write(change, Chain::Account(account), did).await?;
    if new.operator {
        let did = Did::to("operator.added", "user", id, &person.email);
        audit::write(change, Chain::Installation, did).await?;
        let sql = "update installation set first_operator = $1, setup_hash = null where id = 1 and first_operator is null";
        change.sql(sql).bind(id).execute().await?;
    }
    // The other sign-ups for this address cannot be confirmed any more: it has a user.
    change.sql("delete from sign_ups where email_key = $1").bind(new.email.key()).execute().await?;
    Ok(Some((person, account)))
}

/// What signing in needs to know of a user.
#[derive(sqlx::FromRow)]
pub struct Known {
    /// Who.
    pub id: UserId,
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
    /// Their password, hashed.
    pub password: Option<String>,
    /// Where they were last.
    pub last_account: Option<AccountId>,
}

/// By address.
pub async fn find<W: Who>(scope: &mut Scope<W>, email: &Email) -> Result<Option<Known>> {
    let sql = "select id, name, email, password, last_account from users where email_key = $1";
    Ok(scope.sql(sql).bind(email.key()).fetch_optional().await?)
}

/// By id.
pub async fn get<W: Who>(scope: &mut Scope<W>, id: UserId) -> Result<Option<Known>> {
    let sql = "select id, name, email, password, last_account from users where id = $1";
    Ok(scope.sql(sql).bind(id).fetch_optional().await?)
}

/// The chain in which what a user does to themselves is written: their personal account's.
pub async fn chain<W: Who>(scope: &mut Scope<W>, id: UserId) -> Result<Chain> {
    let sql = "select a.id from accounts a join memberships m on m.account_id = a.id
        where a.kind = 'personal' and m.user_id = $1 and m.is_owner";
    let (account,): (AccountId,) = scope.sql(sql).bind(id).fetch_one().await?;
    Ok(Chain::Account(account))
}

/// Whether nobody has signed up yet.
pub async fn is_empty<W: Who>(scope: &mut Scope<W>) -> Result<bool> {
    let found: Option<(UserId,)> = scope.sql("select id from users limit 1").fetch_optional().await?;
    Ok(found.is_none())
}

/// Whether somebody runs the installation already.
pub async fn has_operator<W: Who>(scope: &mut Scope<W>) -> Result<bool> {
    let (first,): (Option<UserId>,) =
        scope.sql("select first_operator from installation where id = 1").fetch_one().await?;
    Ok(first.is_some())
}

/// Remembers the hash of the one-time link that makes the first operator.
pub async fn set_setup(change: &mut Change<super::Host>, hash: &[u8]) -> Result<()> {
    change.sql("update installation set setup_hash = $1 where id = 1").bind(hash.to_vec()).execute().await?;
    Ok(())
}

/// Whether the installation is a demonstration.
pub async fn is_demo<W: Who>(scope: &mut Scope<W>) -> Result<bool> {
    let (demo,): (bool,) = scope.sql("select demo from installation where id = 1").fetch_one().await?;
    Ok(demo)
}

/// The installation is a demonstration from now on.
pub async fn set_demo(change: &mut Change<super::Host>) -> Result<()> {
    change.sql("update installation set demo = true where id = 1").execute().await?;
    Ok(())
}

/// The slug of the account to open at sign-in: the last one, if it is still theirs, else their personal one.
pub async fn home<W: Who>(scope: &mut Scope<W>, id: UserId) -> Result<String> {
    let sql = "select a.slug from users u
        join memberships m on m.user_id = u.id join accounts a on a.id = m.account_id
        where u.id = $1 and (a.id = u.last_account or a.kind = 'personal')
            and m.suspended_at is null and coalesce(m.expires_at, $2) >= $2
        order by case when a.id = u.last_account then 0 else 1 end limit 1";
    let now = scope.now();
    let (slug,): (String,) = scope.sql(sql).bind(id).bind(now).fetch_one().await?;
    Ok(slug)
}
