//! What was asked for with an `Idempotency-Key`, and what was answered: so that it is done once, however often it is sent.
//!
//! The claim stands before the act, and the act marks it as done in its own transaction: whatever dies when, nothing is done
//! twice. What is lost at worst is the answer.
use super::{Change, Host, Who};
use crate::{
    context::Kit,
    crypto::secrets::hash,
    db::Db,
    error::{Error, Result},
    model::{
        id::KeyId,
        time::{DAY, MINUTE, Time},
    },
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// How long an answer is given again.
pub const TERM: Duration = DAY;

/// How long a claim stands that is neither done nor answered: longer than any request may take. Who made it is dead by then.
pub const LEASE: Duration = MINUTE;

/// The right to do what was asked for.
#[derive(Clone, Debug)]
pub struct Claim {
    key: KeyId,
    word: Vec<u8>,
    mark: Uuid,
}

/// An answer to be given again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// HTTP's number.
    pub status: u16,
    /// Fields that belong to it.
    pub fields: Vec<(String, String)>,
    /// As text.
    pub body: String,
}

/// What a request with an `Idempotency-Key` finds.
#[derive(Clone, Debug)]
pub enum Found {
    /// It is the first, or the first died before it did anything.
    Mine(Claim),
    /// It was done, and this was answered.
    Answered(Answer),
    /// Another does it now; it is over after so long at most.
    InFlight(Duration),
    /// It was done, and the answer died with who did it.
    Lost,
    /// The word was used for another request.
    Other,
}

#[derive(sqlx::FromRow)]
struct Row {
    request: Vec<u8>,
    claim: Uuid,
    claimed_at: Time,
    done: bool,
    answer: Option<Vec<u8>>,
    ends_at: Time,
}

fn place(key: KeyId, word: &[u8]) -> String {
    let word: String = word.iter().map(|it| format!("{it:02x}")).collect();
    format!("answer {key} {word}")
}

/// Claims what is asked for: `word` is the `Idempotency-Key`, `request` all that makes it another request.
pub async fn claim(db: &Db, kit: &Kit, key: KeyId, word: &str, request: &[u8]) -> Result<Found> {
    let (word, now) = (hash(word), kit.now());
    let mine = Claim { key, word: word.clone(), mark: kit.id() };
    let mut conn = db.begin().await?;
    let made = conn
        .query(
            "insert into answers (key_id, word, request, claim, claimed_at, done, ends_at) values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (key_id, word) do nothing",
        )
        .bind(key)
        .bind(word.clone())
        .bind(request)
        .bind(mine.mark)
        .bind(now)
        .bind(false)
        .bind(now.plus(TERM))
        .execute()
        .await?;
    if made == 1 {
        conn.commit().await?;
        return Ok(Found::Mine(mine));
    }
    let sql = "select request, claim, claimed_at, done, answer, ends_at from answers where key_id = $1 and word = $2 for update";
    let Some(had) = conn.query(sql).bind(key).bind(word.clone()).fetch_optional::<Row>().await? else {
        // Swept or given back between the two statements: who asks again claims it.
        return Ok(Found::InFlight(Duration::from_secs(1)));
    };
    let is_over = had.ends_at <= now;
    if !is_over && had.request != request {
        return Ok(Found::Other);
    }
    let left = LEASE.saturating_sub(now.since(had.claimed_at));
    if !is_over {
        let answer = had.answer.and_then(|it| kit.seal.open(&place(key, &word), &it));
        match answer.and_then(|it| serde_json::from_slice(&it).ok()) {
            Some(it) => return Ok(Found::Answered(it)),
            None if !left.is_zero() => return Ok(Found::InFlight(left)),
            None if had.done => return Ok(Found::Lost),
            None => {}
        }
    }
    conn.query(
        "update answers set request = $3, claim = $4, claimed_at = $5, done = $6, answer = null, ends_at = $7
         where key_id = $1 and word = $2 and claim = $8",
    )
    .bind(key)
    .bind(word)
    .bind(request)
    .bind(mine.mark)
    .bind(now)
    .bind(false)
    .bind(now.plus(TERM))
    .bind(had.claim)
    .execute()
    .await?;
    conn.commit().await?;
    Ok(Found::Mine(mine))
}

/// Marks it as done, in the transaction that does it. A claim that passed to another undoes the transaction.
pub async fn done<W: Who>(change: &mut Change<W>, it: &Claim) -> Result<()> {
    let sql = "update answers set done = $4 where key_id = $1 and word = $2 and claim = $3";
    let marked = change.sql(sql).bind(it.key).bind(it.word.clone()).bind(it.mark).bind(true).execute().await?;
    if marked == 1 {
        return Ok(());
    }
    Err(Error::conflict("in_flight", "This took too long, and the same request is being done again now."))
}

/// Keeps the answer, sealed.
pub async fn keep(db: &Db, kit: &Kit, it: &Claim, answer: &Answer) -> Result<()> {
    let plain = serde_json::to_vec(answer).map_err(|it| Error::Internal(it.to_string()))?;
    let sealed = kit.seal.close(&kit.chance, &place(it.key, &it.word), &plain);
    let mut conn = db.begin().await?;
    conn.query("update answers set answer = $4 where key_id = $1 and word = $2 and claim = $3")
        .bind(it.key)
        .bind(it.word.clone())
        .bind(it.mark)
        .bind(sealed)
        .execute()
        .await?;
    Ok(conn.commit().await?)
}

/// Gives the claim back: nothing was done, and the same request may be tried again at once.
pub async fn release(db: &Db, it: &Claim) -> Result<()> {
    let mut conn = db.begin().await?;
    conn.query("delete from answers where key_id = $1 and word = $2 and claim = $3 and not done")
        .bind(it.key)
        .bind(it.word.clone())
        .bind(it.mark)
        .execute()
        .await?;
    Ok(conn.commit().await?)
}

/// Forgets what is over, and the secrets in it.
pub async fn sweep(change: &mut Change<Host>) -> Result<()> {
    let now = change.now();
    change.sql("delete from answers where ends_at <= $1").bind(now).execute().await?;
    Ok(())
}
