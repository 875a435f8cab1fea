//! What was admitted under rate limits, by pieces of time: shared by replicas, and kept over a restart.
use crate::{
    context::Kit,
    db::{Db, Dialect},
    error::Result,
    model::{
        calendar::Day,
        id::AccountId,
        time::{DAY, Time},
    },
};
use serde::Serialize;
use std::fmt;

/// So long hours are kept: two years can be compared.
const YEARS: std::time::Duration = DAY.saturating_mul(2 * 366);

/// The hour of UTC that an instant is in.
pub fn hour(at: Time) -> i64 {
    at.0.div_euclid(3_600_000_000)
}

/// A replica that was not heard of for so long is gone.
const GONE: std::time::Duration = std::time::Duration::from_secs(5);

/// How much was admitted under a limit in one piece of time, by all replicas.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Piece {
    /// The limit's window, in seconds.
    pub span: i64,
    /// Which piece.
    pub piece: i64,
    /// So much.
    pub taken: i64,
}

/// More, or less if negative, in one piece.
#[derive(Clone, Debug, Serialize)]
pub struct Delta {
    /// A limit, and whom it counts.
    #[serde(rename = "s")]
    pub subject: String,
    /// The limit's window, in seconds.
    #[serde(rename = "w")]
    pub span: i64,
    /// Which piece.
    #[serde(rename = "p")]
    pub piece: i64,
    /// So much.
    #[serde(rename = "t")]
    pub taken: i64,
    /// When it counts no more.
    #[serde(rename = "u")]
    pub until: i64,
}
impl Delta {
    fn place(&self) -> (&str, i64, i64) {
        (&self.subject, self.span, self.piece)
    }
}

/// The most that one window of a limit held on a day.
#[derive(Clone, Debug, Serialize)]
pub struct Busiest {
    /// A limit, and whom it counts.
    #[serde(rename = "s")]
    pub subject: String,
    /// The day.
    #[serde(rename = "d")]
    pub day: i64,
    /// The limit's window, in seconds.
    #[serde(rename = "w")]
    pub span: i64,
    /// So much.
    #[serde(rename = "m")]
    pub most: i64,
}
impl Busiest {
    fn place(&self) -> (&str, i64, i64) {
        (&self.subject, self.day, self.span)
    }
}

/// How many requests were asked about in an hour, and how many of them were refused.
#[derive(Clone, Debug, Serialize)]
pub struct Tally {
    /// A limit, and whom it counts.
    #[serde(rename = "s")]
    pub subject: String,
    /// Hours since 1970.
    #[serde(rename = "h")]
    pub hour: i64,
    /// So many were asked about.
    #[serde(rename = "a")]
    pub asked: i64,
    /// So many of them were refused.
    #[serde(rename = "r")]
    pub refused: i64,
}
impl Tally {
    fn place(&self) -> (&str, i64, i64) {
        (&self.subject, self.hour, 0)
    }
}

/// A limit, and whom it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The limits of the plan of an account that pays.
    Plan(AccountId),
    /// Those of our own API, for an account.
    Api(AccountId),
}

/// As it is written down.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Plan(payer) => write!(f, "plan:{payer}"),
            Subject::Api(account) => write!(f, "api:{account}"),
        }
    }
}

const READ: &str = "select span, piece, taken from admissions where subject = $1 and until > $2";
const ADD: &str = "insert into admissions (subject, span, piece, taken, until)
    select it.value->>'s', cast(it.value->>'w' as bigint), cast(it.value->>'p' as bigint), cast(it.value->>'t' as bigint),
        cast(it.value->>'u' as bigint)
    from json_array_elements(cast($1 as json)) as it(value) where true
    on conflict (subject, span, piece) do update set taken = admissions.taken + excluded.taken";
const RISE: &str = "insert into busiest (subject, day, span, most)
    select it.value->>'s', cast(it.value->>'d' as bigint), cast(it.value->>'w' as bigint), cast(it.value->>'m' as bigint)
    from json_array_elements(cast($1 as json)) as it(value) where true
    on conflict (subject, day, span) do update set most = excluded.most where excluded.most > busiest.most";

const COUNT: &str = "insert into throttled (subject, hour, asked, refused)
    select it.value->>'s', cast(it.value->>'h' as bigint), cast(it.value->>'a' as bigint), cast(it.value->>'r' as bigint)
    from json_array_elements(cast($1 as json)) as it(value) where true
    on conflict (subject, hour) do update set asked = throttled.asked + excluded.asked, refused = throttled.refused + excluded.refused";

/// What was admitted, by everybody who wrote it down.
pub async fn read(db: &Db, subject: &str, now: Time) -> Result<Vec<Piece>> {
    Ok(db.read().await?.query(READ).bind(subject).bind(now).fetch_all().await?)
}

/// Writes down what was admitted, what was the most of a day, and how many were refused.
pub async fn add(db: &Db, deltas: &[Delta], busiest: &[Busiest], tallies: &[Tally]) -> Result<()> {
    if deltas.is_empty() && busiest.is_empty() && tallies.is_empty() {
        return Ok(());
    }
    let mut conn = db.begin().await?;
    if !deltas.is_empty() {
        conn.query(ADD).bind(spell(deltas, Delta::place)).execute().await?;
    }
    if !busiest.is_empty() {
        conn.query(RISE).bind(spell(busiest, Busiest::place)).execute().await?;
    }
    if !tallies.is_empty() {
        conn.query(COUNT).bind(spell(tallies, Tally::place)).execute().await?;
    }
    Ok(conn.commit().await?)
}

/// Takes a share: `decide` is shown what all replicas took, alone with it, and says what more is taken.
pub async fn share(
    db: &Db,
    subject: &str,
    now: Time,
    decide: impl FnOnce(&[Piece]) -> Vec<Delta>,
) -> Result<()> {
    let mut conn = db.begin().await?;
    if conn.dialect() == Dialect::Postgres {
        let lock = "select 1 from (select pg_advisory_xact_lock(723648, hashtext($1))) it";
        conn.query(lock).bind(subject).execute().await?;
        // A share that a crash of the server forgets is at most the last half second's.
        conn.query("set local synchronous_commit = off").execute().await?;
    }
    let pieces: Vec<Piece> = conn.query(READ).bind(subject).bind(now).fetch_all().await?;
    let deltas = decide(&pieces);
    if !deltas.is_empty() {
        conn.query(ADD).bind(spell(&deltas, Delta::place)).execute().await?;
    }
    Ok(conn.commit().await?)
}

/// In one order, so that two who write do not wait for each other.
fn spell<T: Serialize>(rows: &[T], place: impl Fn(&T) -> (&str, i64, i64)) -> String {
    let mut sorted: Vec<&T> = rows.iter().collect();
    sorted.sort_by(|a, b| place(a).cmp(&place(b)));
    serde_json::to_string(&sorted).expect("words and numbers are JSON")
}

/// Says that this replica serves, and answers how many do.
pub async fn attend(db: &Db, replica: uuid::Uuid, now: Time) -> Result<usize> {
    let mut conn = db.begin().await?;
    let sql = "insert into replicas (id, seen_at) values ($1, $2) on conflict (id) do update set seen_at = excluded.seen_at";
    conn.query(sql).bind(replica).bind(now).execute().await?;
    conn.query("delete from replicas where seen_at < $1").bind(now.minus(GONE)).execute().await?;
    let (many,): (i64,) = conn.query("select count(*) from replicas").fetch_one().await?;
    conn.commit().await?;
    Ok(usize::try_from(many).unwrap_or(1))
}

/// This replica serves no more.
pub async fn leave(db: &Db, replica: uuid::Uuid) -> Result<()> {
    let mut conn = db.begin().await?;
    conn.query("delete from replicas where id = $1").bind(replica).execute().await?;
    Ok(conn.commit().await?)
}

/// Forgets what counts no more.
pub async fn sweep(db: &Db, kit: &Kit) -> Result<()> {
    let mut conn = db.begin().await?;
    conn.query("delete from admissions where until <= $1").bind(kit.now()).execute().await?;
    conn.query("delete from busiest where day < $1").bind(Day::of(kit.now())).execute().await?;
    conn.query("delete from throttled where hour < $1").bind(hour(kit.now().minus(YEARS))).execute().await?;
    Ok(conn.commit().await?)
}
