//! What was admitted under rate limits, by slices of time: shared by the processes on one database, and kept over a restart. Also
//! the statistics that the pages of the plan and of usage show.
use crate::{
    context::Context,
    db::{Db, Dialect},
    error::Result,
    model::{
        calendar::Day,
        id::AccountId,
        time::{DAY, Time},
    },
};
use serde::Serialize;
use std::{fmt, time::Duration};
use uuid::Uuid;

/// How long hourly counts are kept: long enough to compare two years.
const HOURS_KEPT: Duration = DAY.saturating_mul(2 * 366);
/// A process that was not heard of for this long is gone.
const REPLICA_TIMEOUT: Duration = Duration::from_secs(5);

/// The number of an hour of UTC since 1970.
pub fn hour(at: Time) -> i64 {
    at.0.div_euclid(3_600_000_000)
}

/// How much all processes admitted, or leased, in one slice of time.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Slice {
    /// The length of the limit's window.
    pub window_seconds: i64,
    /// Its number since 1970.
    pub slice: i64,
    pub admitted: i64,
}

/// What to add to a slice.
#[derive(Clone, Debug, Serialize)]
pub struct SliceDelta {
    #[serde(rename = "s")]
    pub subject: String,
    #[serde(rename = "w")]
    pub window_seconds: i64,
    #[serde(rename = "p")]
    pub slice: i64,
    /// Negative for a lease that is given back.
    #[serde(rename = "t")]
    pub admitted: i64,
    /// When the slice no longer counts, in microseconds.
    #[serde(rename = "u")]
    pub expires_at: i64,
}

/// The most that a window held on a day.
#[derive(Clone, Debug, Serialize)]
pub struct Peak {
    #[serde(rename = "s")]
    pub subject: String,
    /// Since 1970.
    #[serde(rename = "d")]
    pub day: i64,
    #[serde(rename = "w")]
    pub window_seconds: i64,
    #[serde(rename = "m")]
    pub peak: i64,
}

/// The requests of an hour, each counted once, whatever its cost.
#[derive(Clone, Debug, Serialize)]
pub struct HourlyCount {
    #[serde(rename = "s")]
    pub subject: String,
    /// Since 1970.
    #[serde(rename = "h")]
    pub hour: i64,
    /// Includes the refused ones.
    #[serde(rename = "a")]
    pub requests: i64,
    #[serde(rename = "r")]
    pub refused: i64,
}

/// A row that several processes may write at once.
trait Row: Serialize {
    /// The primary key.
    fn key(&self) -> (&str, i64, i64);
}
impl Row for SliceDelta {
    fn key(&self) -> (&str, i64, i64) {
        (&self.subject, self.window_seconds, self.slice)
    }
}
impl Row for Peak {
    fn key(&self) -> (&str, i64, i64) {
        (&self.subject, self.day, self.window_seconds)
    }
}
impl Row for HourlyCount {
    fn key(&self) -> (&str, i64, i64) {
        (&self.subject, self.hour, 0)
    }
}

/// A JSON array in the order of the keys, so that processes which write the same rows cannot deadlock.
fn to_json<T: Row>(rows: &[T]) -> String {
    let mut sorted: Vec<&T> = rows.iter().collect();
    sorted.sort_by(|a, b| a.key().cmp(&b.key()));
    serde_json::to_string(&sorted).expect("texts and numbers are JSON")
}

/// Whose requests a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The limits of a plan: an account that pays, with its teams.
    Plan(AccountId),
    /// The limits of our own API.
    Api(AccountId),
}

/// As the column `subject` has it.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Plan(payer) => write!(f, "plan:{payer}"),
            Subject::Api(account) => write!(f, "api:{account}"),
        }
    }
}

const READ: &str =
    "select window_seconds, slice, admitted from rate_limit_slices where subject = $1 and expires_at > $2";
const ADD_SLICES: &str = "insert into rate_limit_slices (subject, window_seconds, slice, admitted, expires_at)
    select it.value->>'s', cast(it.value->>'w' as bigint), cast(it.value->>'p' as bigint), cast(it.value->>'t' as bigint),
        cast(it.value->>'u' as bigint)
    from json_array_elements(cast($1 as json)) as it(value) where true
    on conflict (subject, window_seconds, slice) do update set admitted = rate_limit_slices.admitted + excluded.admitted";
const RAISE_PEAKS: &str = "insert into rate_limit_peaks (subject, day, window_seconds, peak)
    select it.value->>'s', cast(it.value->>'d' as bigint), cast(it.value->>'w' as bigint), cast(it.value->>'m' as bigint)
    from json_array_elements(cast($1 as json)) as it(value) where true
    on conflict (subject, day, window_seconds) do update set peak = excluded.peak where excluded.peak > rate_limit_peaks.peak";
const ADD_HOURS: &str = "insert into rate_limit_hourly (subject, hour, requests, refused)
    select it.value->>'s', cast(it.value->>'h' as bigint), cast(it.value->>'a' as bigint), cast(it.value->>'r' as bigint)
    from json_array_elements(cast($1 as json)) as it(value) where true
    on conflict (subject, hour) do update
        set requests = rate_limit_hourly.requests + excluded.requests, refused = rate_limit_hourly.refused + excluded.refused";

/// The slices that still count, as all processes wrote them.
pub async fn read(db: &Db, subject: &str, now: Time) -> Result<Vec<Slice>> {
    Ok(db.read().await?.query(READ).bind(subject).bind(now).fetch_all().await?)
}

/// Adds to slices and hours, and raises peaks, in one transaction.
pub async fn record(db: &Db, slices: &[SliceDelta], peaks: &[Peak], hours: &[HourlyCount]) -> Result<()> {
    if slices.is_empty() && peaks.is_empty() && hours.is_empty() {
        return Ok(());
    }
    let mut conn = db.begin().await?;
    if !slices.is_empty() {
        conn.query(ADD_SLICES).bind(to_json(slices)).execute().await?;
    }
    if !peaks.is_empty() {
        conn.query(RAISE_PEAKS).bind(to_json(peaks)).execute().await?;
    }
    if !hours.is_empty() {
        conn.query(ADD_HOURS).bind(to_json(hours)).execute().await?;
    }
    Ok(conn.commit().await?)
}

/// Leases a part of a limit: under a lock for the subject, `decide` sees what all processes took and answers what to add.
pub async fn lease(
    db: &Db,
    subject: &str,
    now: Time,
    decide: impl FnOnce(&[Slice]) -> Vec<SliceDelta>,
) -> Result<()> {
    let mut conn = db.begin().await?;
    // SQLite has one writer at a time anyway.
    if conn.dialect() == Dialect::Postgres {
        let lock = "select 1 from (select pg_advisory_xact_lock(723648, hashtext($1))) locked";
        conn.query(lock).bind(subject).execute().await?;
        // A crash of Postgres forgets the leases of the last half second at most: not worth a wait for the disk.
        conn.query("set local synchronous_commit = off").execute().await?;
    }
    let slices: Vec<Slice> = conn.query(READ).bind(subject).bind(now).fetch_all().await?;
    let deltas = decide(&slices);
    if !deltas.is_empty() {
        conn.query(ADD_SLICES).bind(to_json(&deltas)).execute().await?;
    }
    Ok(conn.commit().await?)
}

/// Notes that this process serves, and answers how many do.
pub async fn heartbeat(db: &Db, replica: Uuid, now: Time) -> Result<usize> {
    let mut conn = db.begin().await?;
    let sql = "insert into replicas (id, seen_at) values ($1, $2) on conflict (id) do update set seen_at = excluded.seen_at";
    conn.query(sql).bind(replica).bind(now).execute().await?;
    conn.query("delete from replicas where seen_at < $1").bind(now.minus(REPLICA_TIMEOUT)).execute().await?;
    let (count,): (i64,) = conn.query("select count(*) from replicas").fetch_one().await?;
    conn.commit().await?;
    Ok(usize::try_from(count).unwrap_or(1))
}

/// This process no longer serves.
pub async fn leave(db: &Db, replica: Uuid) -> Result<()> {
    let mut conn = db.begin().await?;
    conn.query("delete from replicas where id = $1").bind(replica).execute().await?;
    Ok(conn.commit().await?)
}

/// Deletes slices that left their window, the peaks of past days and old hours.
pub async fn sweep(db: &Db, context: &Context) -> Result<()> {
    let now = context.now();
    let mut conn = db.begin().await?;
    conn.query("delete from rate_limit_slices where expires_at <= $1").bind(now).execute().await?;
    conn.query("delete from rate_limit_peaks where day < $1").bind(Day::of(now)).execute().await?;
    conn.query("delete from rate_limit_hourly where hour < $1")
        .bind(hour(now.minus(HOURS_KEPT)))
        .execute()
        .await?;
    Ok(conn.commit().await?)
}
