//! Joining an organization by an address at one of its verified domains.
use super::super::{
    Change, Scope, SignedInUser,
    audit::{self, Chain, NewEvent},
    grants::{self},
    members,
    memberships::{self, JoinedBy},
    site, sso, users,
};
use crate::{
    emails,
    error::{Error, Result},
    model::{
        access::Access,
        actor::UserSummary,
        domain::Domain,
        id::{AccountId, JoinId, UserId},
        time::Time,
    },
};
use serde_json::{Value, json};

/// How many of the account's leaders are mailed.
const MAX_NOTIFIED: i64 = 20;

/// The join policy for people at a verified domain: `invited`, `ask` or `join`.
pub async fn get(scope: &mut Scope<Access>) -> Result<String> {
    Ok(scope
        .query_in_account("select join_policy from accounts where id = $1")
        .fetch_one::<(String,)>()
        .await?
        .0)
}

pub async fn set(change: &mut Change<Access>, joining: &str) -> Result<()> {
    if !["invited", "ask", "join"].contains(&joining) {
        return Err(Error::invalid("joining", "invalid", "Choose one of the three."));
    }
    change
        .query_in_account("update accounts set join_policy = $2 where id = $1")
        .bind(joining.to_owned())
        .execute()
        .await?;
    let (account, name) = (change.access().account.id, change.access().account.name.clone());
    let event = NewEvent::on("domain.joining_changed", "account", account, name)
        .changed(Value::Null, json!({ "joining": joining }));
    audit::record(change, event).await
}

/// A user who asks to join.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct JoinRequest {
    pub id: JoinId,
    pub name: String,
    pub email: String,
    pub created_at: Time,
}

/// Oldest first.
pub async fn requests(
    scope: &mut Scope<Access>,
    after: Option<JoinId>,
    limit: i64,
) -> Result<Vec<JoinRequest>> {
    let sql =
        "select j.id, u.name, u.email, j.created_at from join_requests j join users u on u.id = j.user_id
        where j.account_id = $1 and j.id > $2 order by j.id limit $3";
    let after = after.unwrap_or(JoinId(uuid::Uuid::nil()));
    Ok(scope.query_in_account(sql).bind(after).bind(limit).fetch_all().await?)
}

/// An organization that the user may join, or ask to join, because of their address.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct JoinableOrganization {
    pub id: AccountId,
    pub slug: String,
    pub name: String,
    /// `ask` or `join`.
    pub join_policy: String,
    /// Whether the user asked already.
    pub asked: bool,
}

/// The organizations with a verified domain that the signed-in user's address is at.
pub async fn joinable(scope: &mut Scope<SignedInUser>) -> Result<Vec<JoinableOrganization>> {
    let Ok(domain) = Domain::parse(&scope.user().email.to_lowercase()) else { return Ok(vec![]) };
    let sql = "select a.id, a.slug, a.name, a.join_policy,
            exists (select 1 from join_requests j where j.account_id = a.id and j.user_id = $1) as asked
        from domains d join accounts a on a.id = d.account_id
        where d.domain = $2 and d.verified_at is not null and a.join_policy <> 'invited'
            and not exists (select 1 from memberships m where m.account_id = a.id and m.user_id = $1)";
    Ok(scope.query_of_user(sql).bind(domain.as_str().to_owned()).fetch_all().await?)
}

/// Joins, or asks to join. Returns the slug if joined.
pub async fn join(change: &mut Change<SignedInUser>, account: AccountId) -> Result<Option<String>> {
    change.lock_account(account).await?;
    let organization = joinable(change)
        .await?
        .into_iter()
        .find(|organization| organization.id == account)
        .ok_or(Error::NotFound)?;
    let user = change.user().clone();
    if organization.join_policy == "join" {
        let join = async |change: &mut Change<Access>| enter(change, &user).await;
        change.in_account_as_system(account, join).await?;
        return Ok(Some(organization.slug));
    }
    let (id, now) = (change.context().id(), change.now());
    let sql = "insert into join_requests (user_id, id, account_id, created_at) values ($1, $2, $3, $4)
        on conflict (account_id, user_id) do nothing";
    if change.query_of_user(sql).bind(id).bind(account).bind(now).execute().await? > 0 {
        let event = NewEvent::on("join.requested", "user", user.id, &user.email);
        audit::record_in(change, Chain::Account(account), event).await?;
        for leader in members::leaders(change, account, MAX_NOTIFIED).await? {
            let path = format!("/a/{}/sso/domains", organization.slug);
            let letter = emails::join_requested(
                &site(change.context()),
                &leader.email,
                &organization.name,
                &user.name,
                &user.email,
                &path,
            );
            change.send(&letter).await?;
        }
    }
    Ok(None)
}

/// Makes the user a member with the default grants of the organization.
async fn enter(change: &mut Change<Access>, user: &UserSummary) -> Result<()> {
    let account = change.access().account.id;
    let connection = sso::of(change, account).await?;
    let given = sso::sign_in::starting_grants(
        &connection.map(|connection| connection.default_grants).unwrap_or_default(),
    );
    memberships::join(change, user, JoinedBy::Domain, &given).await?;
    Ok(())
}

/// Accepts or declines a request to join. Returns the user's name.
pub async fn answer(change: &mut Change<Access>, id: JoinId, accept: bool) -> Result<String> {
    let sql = "delete from join_requests where account_id = $1 and id = $2 returning user_id";
    let request: Option<(UserId,)> = change.query_in_account(sql).bind(id).fetch_optional().await?;
    let (user,) = request.ok_or(Error::NotFound)?;
    let user = users::get(change, user).await?.ok_or(Error::NotFound)?;
    let user = UserSummary { id: user.id, name: user.name, email: user.email };
    if accept {
        let connection = sso::get(change).await?;
        let given = sso::sign_in::starting_grants(
            &connection.map(|connection| connection.default_grants).unwrap_or_default(),
        );
        grants::check(change.access(), &given)?;
        enter(change, &user).await?;
    } else {
        audit::record(change, NewEvent::on("join.declined", "user", user.id, &user.email)).await?;
    }
    Ok(user.name)
}
