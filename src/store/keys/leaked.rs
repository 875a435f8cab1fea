//! A key that somebody found where it should not be.
use crate::{
    crypto::secrets::{KeyKind, hash, is_machine_key},
    emails,
    error::Result,
    model::{
        id::{AccountId, KeyId},
        time::Time,
    },
    store::{
        Change, Visitor,
        audit::{self, Chain, Did},
        members, site, why,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

/// How many administrators, or operators, are told.
const TOLD: i64 = 20;

/// What was revoked. Whoever found the key is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No key of ours, or none that works still.
    Nothing,
    /// A member's key.
    Key(KeyId),
    /// A service token.
    Service(Uuid),
}

/// Revokes a key of any kind, and tells those whom it concerns: its owner and the account's administrators, or the operators.
pub async fn revoke_leaked(change: &mut Change<Visitor>, secret: &str) -> Result<Found> {
    if is_machine_key(KeyKind::Key, secret) {
        return of_member(change, hash(secret)).await;
    }
    if is_machine_key(KeyKind::Service, secret) {
        return of_service(change, hash(secret)).await;
    }
    Ok(Found::Nothing)
}

#[derive(sqlx::FromRow)]
struct Row {
    id: KeyId,
    account_id: AccountId,
    name: String,
    last4: String,
    slug: String,
    account: String,
    owner_email: Option<String>,
}

async fn of_member(change: &mut Change<Visitor>, hash: Vec<u8>) -> Result<Found> {
    // The account first, like every other change in it.
    let take = "select 1 from accounts where id = (select account_id from api_keys where hash = $1) for no key update";
    change.sql(take).bind(hash.clone()).execute().await?;
    let now = change.now();
    let sql = "select id, revoked_at from api_keys where hash = $1";
    let found: Option<(KeyId, Option<Time>)> = change.sql(sql).bind(hash).fetch_optional().await?;
    let Some((id, revoked_at)) = found else { return Ok(Found::Nothing) };
    if revoked_at.is_none() {
        let sql = "update api_keys set revoked_at = $2, notice_at = null where id = $1";
        change.sql(sql).bind(id).bind(now).execute().await?;
    } else if !members::key_stays_revoked(change, id).await? {
        return Ok(Found::Nothing);
    }
    let key: Row = change
        .sql(
            "select k.id, k.account_id, k.name, k.last4, a.slug, a.name as account, u.email as owner_email
             from api_keys k join accounts a on a.id = k.account_id left join users u on u.id = k.user_id where k.id = $1",
        )
        .bind(id)
        .fetch_one()
        .await?;
    let after = json!({ "leaked": true, "found_from": change.client.ip() });
    let did = Did::to("key.leaked", "key", key.id, &key.name).changed(Value::Null, after);
    audit::write(change, Chain::Account(key.account_id), did).await?;

    let leaders = why::leaders_of(change, key.account_id, TOLD).await?;
    let owner = key.owner_email.as_deref();
    let others = leaders.iter().map(|it| it.email.as_str()).filter(|it| Some(*it) != owner);
    let kit = change.kit().clone();
    let leak = emails::Leak {
        key: emails::Key { name: &key.name, last4: &key.last4 },
        account: &key.account,
        owner,
        at: &now.in_words(),
        ip: &change.client.ip(),
        link: &kit.url(&format!("/a/{}/keys/{}", key.slug, key.id)),
    };
    for to in owner.into_iter().chain(others) {
        change.post(&emails::key_leaked(&site(&kit), to, &leak)).await?;
    }
    Ok(Found::Key(id))
}

async fn of_service(change: &mut Change<Visitor>, hash: Vec<u8>) -> Result<Found> {
    let now = change.now();
    let sql = "update service_tokens set revoked_at = $2 where hash = $1 and revoked_at is null returning id, name, last4";
    let revoked: Option<(Uuid, String, String)> = change.sql(sql).bind(hash).bind(now).fetch_optional().await?;
    let Some((id, name, last4)) = revoked else { return Ok(Found::Nothing) };
    let after = json!({ "leaked": true, "found_from": change.client.ip() });
    let did = Did::to("service_token.leaked", "service_token", id, &name).changed(Value::Null, after);
    audit::write(change, Chain::Installation, did).await?;
    let operators: Vec<(String,)> = change
        .sql("select email from users where operator order by created_at, id limit $1")
        .bind(TOLD)
        .fetch_all()
        .await?;
    let kit = change.kit().clone();
    let leak = emails::TokenLeak {
        name: &name,
        last4: &last4,
        at: &now.in_words(),
        ip: &change.client.ip(),
        link: &kit.url("/operator"),
    };
    for (to,) in operators {
        change.post(&emails::service_token_leaked(&site(&kit), &to, &leak)).await?;
    }
    Ok(Found::Service(id))
}
