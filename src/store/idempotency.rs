//! Requests with an `Idempotency-Key` and their responses, so that a repeated request is executed once.
//!
//! The claim is committed before the request is executed, and the request marks it as done in its own transaction: whichever
//! process dies when, nothing is executed twice. At worst the response is lost.
use super::{Change, System};
use crate::{
    context::Context,
    crypto::secrets::hash,
    db::{Conn, Db},
    error::{Error, Result},
    model::{
        id::KeyId,
        time::{DAY, MINUTE, Time},
    },
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// How long a response is replayed.
pub const TERM: Duration = DAY;

/// How long a claim blocks others that is neither done nor answered. Longer than any request may take: its process has died.
pub const LEASE: Duration = MINUTE;

/// The right to execute a request.
#[derive(Clone, Debug)]
pub struct Claim {
    api_key: KeyId,
    key_hash: Vec<u8>,
    id: Uuid,
}

/// A response to be replayed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredResponse {
    pub status: u16,
    #[serde(rename = "fields")]
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// What a request with an `Idempotency-Key` finds.
#[derive(Clone, Debug)]
pub enum ClaimOutcome {
    /// It is the first, or the first died before it changed anything.
    Claimed(Claim),
    /// It was executed, with this response.
    Replay(StoredResponse),
    /// Another request executes it, for at most this long.
    InFlight(Duration),
    /// It was executed, and the process died before it stored the response.
    ResponseLost,
    /// The key was used for another request.
    KeyReused,
}

#[derive(sqlx::FromRow)]
struct Row {
    request_hash: Vec<u8>,
    claim_id: Uuid,
    claimed_at: Time,
    done: bool,
    response: Option<Vec<u8>>,
    expires_at: Time,
}

/// Authenticated with the encrypted response, which thereby belongs to one row.
fn row_name(api_key: KeyId, key_hash: &[u8]) -> String {
    format!("answer {api_key} {}", hex::encode(key_hash))
}

/// Claims a request of an API key: `idempotency_key` is the header's value, `request_hash` covers all that makes it another request.
pub async fn claim(
    db: &Db,
    context: &Context,
    api_key: KeyId,
    idempotency_key: &str,
    request_hash: &[u8],
) -> Result<ClaimOutcome> {
    let claim = Claim { api_key, key_hash: hash(idempotency_key), id: context.id() };
    let now = context.now();
    let mut conn = db.begin().await?;
    if insert(&mut conn, &claim, request_hash, now).await? {
        conn.commit().await?;
        return Ok(ClaimOutcome::Claimed(claim));
    }
    let sql = "select request_hash, claim_id, claimed_at, done, response, expires_at from idempotency_keys
        where api_key_id = $1 and key_hash = $2 for update";
    let row = conn.query(sql).bind(api_key).bind(claim.key_hash.clone()).fetch_optional::<Row>().await?;
    let Some(row) = row else {
        // Swept or released between the two statements: the next attempt inserts it.
        return Ok(ClaimOutcome::InFlight(Duration::from_secs(1)));
    };
    let previous = row.claim_id;
    if let Some(outcome) = existing(context, &claim, row, request_hash, now) {
        return Ok(outcome);
    }
    take_over(&mut conn, &claim, request_hash, now, previous).await?;
    conn.commit().await?;
    Ok(ClaimOutcome::Claimed(claim))
}

async fn insert(conn: &mut Conn, claim: &Claim, request_hash: &[u8], now: Time) -> Result<bool> {
    let sql = "insert into idempotency_keys (api_key_id, key_hash, request_hash, claim_id, claimed_at, done, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7) on conflict (api_key_id, key_hash) do nothing";
    let inserted = conn
        .query(sql)
        .bind(claim.api_key)
        .bind(claim.key_hash.clone())
        .bind(request_hash)
        .bind(claim.id)
        .bind(now)
        .bind(false)
        .bind(now.plus(TERM))
        .execute()
        .await?;
    Ok(inserted == 1)
}

/// What an earlier request left. `None` if it is over, or died before it changed anything.
fn existing(
    context: &Context,
    claim: &Claim,
    row: Row,
    request_hash: &[u8],
    now: Time,
) -> Option<ClaimOutcome> {
    if row.expires_at <= now {
        return None;
    }
    if row.request_hash != request_hash {
        return Some(ClaimOutcome::KeyReused);
    }
    let name = row_name(claim.api_key, &claim.key_hash);
    let response = row.response.and_then(|encrypted| context.secrets.decrypt(&name, &encrypted));
    if let Some(stored) = response.and_then(|json| serde_json::from_slice(&json).ok()) {
        return Some(ClaimOutcome::Replay(stored));
    }
    let left = LEASE.saturating_sub(now.since(row.claimed_at));
    if !left.is_zero() {
        return Some(ClaimOutcome::InFlight(left));
    }
    row.done.then_some(ClaimOutcome::ResponseLost)
}

async fn take_over(
    conn: &mut Conn,
    claim: &Claim,
    request_hash: &[u8],
    now: Time,
    previous: Uuid,
) -> Result<()> {
    let sql = "update idempotency_keys
        set request_hash = $3, claim_id = $4, claimed_at = $5, done = $6, response = null, expires_at = $7
        where api_key_id = $1 and key_hash = $2 and claim_id = $8";
    conn.query(sql)
        .bind(claim.api_key)
        .bind(claim.key_hash.clone())
        .bind(request_hash)
        .bind(claim.id)
        .bind(now)
        .bind(false)
        .bind(now.plus(TERM))
        .bind(previous)
        .execute()
        .await?;
    Ok(())
}

/// Marks the request as done, in the transaction that executes it. If another request has taken the claim over, the transaction
/// fails.
pub async fn mark_done<A>(change: &mut Change<A>, claim: &Claim) -> Result<()> {
    let sql =
        "update idempotency_keys set done = $4 where api_key_id = $1 and key_hash = $2 and claim_id = $3";
    let marked = change
        .query_unscoped(sql)
        .bind(claim.api_key)
        .bind(claim.key_hash.clone())
        .bind(claim.id)
        .bind(true)
        .execute()
        .await?;
    if marked == 1 {
        return Ok(());
    }
    Err(Error::conflict("in_flight", "This took too long, and the same request is being done again now."))
}

/// Stores the response, encrypted.
pub async fn store_response(
    db: &Db,
    context: &Context,
    claim: &Claim,
    response: &StoredResponse,
) -> Result<()> {
    let json = serde_json::to_vec(response).map_err(|error| Error::Internal(error.to_string()))?;
    let name = row_name(claim.api_key, &claim.key_hash);
    let encrypted = context.secrets.encrypt(&context.random, &name, &json);
    let sql =
        "update idempotency_keys set response = $4 where api_key_id = $1 and key_hash = $2 and claim_id = $3";
    let mut conn = db.begin().await?;
    conn.query(sql)
        .bind(claim.api_key)
        .bind(claim.key_hash.clone())
        .bind(claim.id)
        .bind(encrypted)
        .execute()
        .await?;
    Ok(conn.commit().await?)
}

/// Gives up a claim of which nothing was done: the same request may be tried again at once.
pub async fn release(db: &Db, claim: &Claim) -> Result<()> {
    let sql =
        "delete from idempotency_keys where api_key_id = $1 and key_hash = $2 and claim_id = $3 and not done";
    let mut conn = db.begin().await?;
    conn.query(sql).bind(claim.api_key).bind(claim.key_hash.clone()).bind(claim.id).execute().await?;
    Ok(conn.commit().await?)
}

/// Deletes what has expired, and the secrets in it.
pub async fn sweep(change: &mut Change<System>) -> Result<()> {
    let now = change.now();
    change.query_unscoped("delete from idempotency_keys where expires_at <= $1").bind(now).execute().await?;
    Ok(())
}
