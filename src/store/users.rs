//! Users, each with a personal account.
use super::{
    Change, Scope,
    accounts::{self, NewAccount},
    audit::{self, Chain, NewEvent},
};
use crate::{
    error::{Error, Result},
    model::{
        account::Kind,
        actor::UserSummary,
        id::{AccountId, UserId},
        text::{EmailAddress, Name},
    },
};
use serde_json::{Value, json};

pub struct NewUser<'a> {
    pub name: &'a Name,
    /// Confirmed.
    pub email: &'a EmailAddress,
    pub password: Option<&'a str>,
    pub operator: bool,
}

/// Creates a user with a confirmed address, and their personal account. `None` if the address has a user.
pub async fn create<A>(
    change: &mut Change<A>,
    new: &NewUser<'_>,
) -> Result<Option<(UserSummary, AccountId)>> {
    let (id, now) = (UserId(change.context().id()), change.now());
    let made: Option<(UserId,)> = change
        .query_unscoped(
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
    let person = UserSummary { id, name: new.name.as_str().to_owned(), email: new.email.as_str().to_owned() };
    let plan = change.context().catalog.first_plan().id.clone();
    let account = accounts::open(
        change,
        &person,
        &NewAccount { kind: Kind::Personal, name: new.name.as_str(), slug: None, parent: None, plan: &plan },
    )
    .await?;
    let event = NewEvent::on("user.created", "user", id, &person.email)
        .changed(Value::Null, json!({ "operator": new.operator }));
    audit::record_in(change, Chain::Account(account), event).await?;
    if new.operator {
        let event = NewEvent::on("operator.added", "user", id, &person.email);
        audit::record_in(change, Chain::Installation, event).await?;
        let sql = "update installation set first_operator = $1, setup_hash = null where id = 1 and first_operator is null";
        change.query_unscoped(sql).bind(id).execute().await?;
    }
    // Other sign-ups for the address can no longer be confirmed.
    change
        .query_unscoped("delete from sign_ups where email_key = $1")
        .bind(new.email.key())
        .execute()
        .await?;
    Ok(Some((person, account)))
}

/// What signing in needs.
#[derive(sqlx::FromRow)]
pub struct UserRecord {
    pub id: UserId,
    pub name: String,
    pub email: String,
    pub password: Option<String>,
    /// The account that they opened last.
    pub last_account: Option<AccountId>,
}

pub async fn find<A>(scope: &mut Scope<A>, email: &EmailAddress) -> Result<Option<UserRecord>> {
    let sql = "select id, name, email, password, last_account from users where email_key = $1";
    Ok(scope.query_unscoped(sql).bind(email.key()).fetch_optional().await?)
}

pub async fn get<A>(scope: &mut Scope<A>, id: UserId) -> Result<Option<UserRecord>> {
    let sql = "select id, name, email, password, last_account from users where id = $1";
    Ok(scope.query_unscoped(sql).bind(id).fetch_optional().await?)
}

/// The audit chain of a user's own changes: that of their personal account.
pub async fn chain<A>(scope: &mut Scope<A>, id: UserId) -> Result<Chain> {
    let sql = "select a.id from accounts a join memberships m on m.account_id = a.id
        where a.kind = 'personal' and m.user_id = $1 and m.is_owner";
    let (account,): (AccountId,) = scope.query_unscoped(sql).bind(id).fetch_one().await?;
    Ok(Chain::Account(account))
}

pub async fn is_empty<A>(scope: &mut Scope<A>) -> Result<bool> {
    let found: Option<(UserId,)> =
        scope.query_unscoped("select id from users limit 1").fetch_optional().await?;
    Ok(found.is_none())
}

/// Whether there is an operator already.
pub async fn has_operator<A>(scope: &mut Scope<A>) -> Result<bool> {
    let (first,): (Option<UserId>,) =
        scope.query_unscoped("select first_operator from installation where id = 1").fetch_one().await?;
    Ok(first.is_some())
}

/// Stores the hash of the one-time link for the first operator.
pub async fn set_setup(change: &mut Change<super::System>, hash: &[u8]) -> Result<()> {
    change
        .query_unscoped("update installation set setup_hash = $1 where id = 1")
        .bind(hash.to_vec())
        .execute()
        .await?;
    Ok(())
}

pub async fn is_demo<A>(scope: &mut Scope<A>) -> Result<bool> {
    let (demo,): (bool,) =
        scope.query_unscoped("select demo from installation where id = 1").fetch_one().await?;
    Ok(demo)
}

/// Marks the installation as a demonstration.
pub async fn set_demo(change: &mut Change<super::System>) -> Result<()> {
    change.query_unscoped("update installation set demo = true where id = 1").execute().await?;
    Ok(())
}

/// The slug of the account to open at sign-in: the last one if they can still enter it, otherwise their personal one.
pub async fn home<A>(scope: &mut Scope<A>, id: UserId) -> Result<String> {
    let sql = "select a.slug from users u
        join memberships m on m.user_id = u.id join accounts a on a.id = m.account_id
        where u.id = $1 and (a.id = u.last_account or a.kind = 'personal')
            and active_member(m, $2)
        order by case when a.id = u.last_account then 0 else 1 end limit 1";
    let now = scope.now();
    let (slug,): (String,) = scope.query_unscoped(sql).bind(id).bind(now).fetch_one().await?;
    Ok(slug)
}

/// A user as others see them.
pub(super) async fn summary<A>(scope: &mut Scope<A>, id: UserId) -> Result<UserSummary> {
    let sql = "select id, name, email from users where id = $1";
    let row: Option<(UserId, String, String)> = scope.query_unscoped(sql).bind(id).fetch_optional().await?;
    let (id, name, email) = row.ok_or(Error::NotFound)?;
    Ok(UserSummary { id, name, email })
}
