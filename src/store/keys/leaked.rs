//! Keys that were leaked.
use crate::{
    crypto::secrets::{KeyKind, hash, is_machine_key},
    emails,
    error::Result,
    model::{
        id::{AccountId, KeyId},
        time::Time,
    },
    store::{
        Anonymous, Change,
        audit::{self, Chain, NewEvent},
        members, site,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

/// How many administrators or operators are mailed.
const MAILED: i64 = 20;

/// What was revoked. The reporter is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokedSecret {
    /// Unknown, or revoked already.
    Nothing,
    /// A member's key.
    Key(KeyId),
    /// A service token.
    Service(Uuid),
}

/// Revokes a key of any kind and notifies its owner and the account's administrators, or the operators for a service token.
pub async fn revoke_leaked(change: &mut Change<Anonymous>, secret: &str) -> Result<RevokedSecret> {
    if is_machine_key(KeyKind::Key, secret) {
        return of_member(change, hash(secret)).await;
    }
    if is_machine_key(KeyKind::Service, secret) {
        return of_service(change, hash(secret)).await;
    }
    Ok(RevokedSecret::Nothing)
}

#[derive(sqlx::FromRow)]
struct LeakedKeyRow {
    id: KeyId,
    account_id: AccountId,
    name: String,
    last4: String,
    slug: String,
    account: String,
    owner_email: Option<String>,
}

async fn of_member(change: &mut Change<Anonymous>, hash: Vec<u8>) -> Result<RevokedSecret> {
    // Locks the account first, like every other change.
    let take = "select 1 from accounts where id = (select account_id from api_keys where hash = $1) for no key update";
    change.query_unscoped(take).bind(hash.clone()).execute().await?;
    let now = change.now();
    let sql = "select id, revoked_at from api_keys where hash = $1";
    let found: Option<(KeyId, Option<Time>)> = change.query_unscoped(sql).bind(hash).fetch_optional().await?;
    let Some((id, revoked_at)) = found else { return Ok(RevokedSecret::Nothing) };
    if revoked_at.is_none() {
        let sql = "update api_keys set revoked_at = $2, notice_at = null where id = $1";
        change.query_unscoped(sql).bind(id).bind(now).execute().await?;
    } else if !members::key_stays_revoked(change, id).await? {
        return Ok(RevokedSecret::Nothing);
    }
    let key: LeakedKeyRow = change
        .query_unscoped(
            "select k.id, k.account_id, k.name, k.last4, a.slug, a.name as account, u.email as owner_email
             from api_keys k join accounts a on a.id = k.account_id left join users u on u.id = k.user_id where k.id = $1",
        )
        .bind(id)
        .fetch_one()
        .await?;
    let after = json!({ "leaked": true, "found_from": change.client.ip() });
    let event = NewEvent::on("key.leaked", "key", key.id, &key.name).changed(Value::Null, after);
    audit::record_in(change, Chain::Account(key.account_id), event).await?;

    let leaders = members::leaders(change, key.account_id, MAILED).await?;
    let owner = key.owner_email.as_deref();
    let others = leaders.iter().map(|leader| leader.email.as_str()).filter(|email| Some(*email) != owner);
    let context = change.context().clone();
    let leak = emails::KeyLeak {
        key: emails::Key { name: &key.name, last4: &key.last4 },
        account: &key.account,
        owner,
        at: &now.in_words(),
        ip: &change.client.ip(),
        link: &context.url(&format!("/a/{}/keys/{}", key.slug, key.id)),
    };
    for to in owner.into_iter().chain(others) {
        change.send(&emails::key_leaked(&site(&context), to, &leak)).await?;
    }
    Ok(RevokedSecret::Key(id))
}

async fn of_service(change: &mut Change<Anonymous>, hash: Vec<u8>) -> Result<RevokedSecret> {
    let now = change.now();
    let sql = "update service_tokens set revoked_at = $2 where hash = $1 and revoked_at is null returning id, name, last4";
    let revoked: Option<(Uuid, String, String)> =
        change.query_unscoped(sql).bind(hash).bind(now).fetch_optional().await?;
    let Some((id, name, last4)) = revoked else { return Ok(RevokedSecret::Nothing) };
    let after = json!({ "leaked": true, "found_from": change.client.ip() });
    let event = NewEvent::on("service_token.leaked", "service_token", id, &name).changed(Value::Null, after);
    audit::record_in(change, Chain::Installation, event).await?;
    let operators: Vec<(String,)> = change
        .query_unscoped("select email from users where operator order by created_at, id limit $1")
        .bind(MAILED)
        .fetch_all()
        .await?;
    let context = change.context().clone();
    let leak = emails::TokenLeak {
        name: &name,
        last4: &last4,
        at: &now.in_words(),
        ip: &change.client.ip(),
        link: &context.url("/operator"),
    };
    for (to,) in operators {
        change.send(&emails::service_token_leaked(&site(&context), &to, &leak)).await?;
    }
    Ok(RevokedSecret::Service(id))
}
