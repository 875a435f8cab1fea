//! What changed, told to the other processes on the same database: notified by Postgres, written into a table on SQLite. Both
//! come with the change or not at all.
use crate::{
    context::{
        Kit,
        bloom_filter::Sieve,
        invalidation::{Mark, Stale},
    },
    db::{Conn, Db, Dialect, Listener},
    error::Result,
    model::time::{HOUR, Time},
};
use std::sync::Arc;
use uuid::Uuid;

/// On which Postgres notifies.
const CHANNEL: &str = "guildhall_stale";
/// A notification has less than 8,000 bytes.
const AT_ONCE: usize = 200;
/// What changes more than this changes everything.
const MOST: usize = 2000;
/// For everything, on the way.
const ALL: &str = "all";
/// How many are read at a time: a row takes far more memory than its hash.
const PAGE: i64 = 500;

/// Tells of the marks, in the transaction of what they are about.
pub(super) async fn tell(conn: &mut Conn, marks: &[Mark], now: Time) -> Result<()> {
    let spell = |it: &[Mark]| it.iter().map(Mark::spell).collect::<Vec<_>>().join(" ");
    let parts: Vec<String> =
        if marks.len() > MOST { vec![ALL.into()] } else { marks.chunks(AT_ONCE).map(spell).collect() };
    for part in parts {
        match conn.dialect() {
            Dialect::Postgres => {
                let sql = "select 1 from (select pg_notify('guildhall_stale', $1)) it";
                conn.query(sql).bind(part).execute().await?;
            }
            Dialect::Sqlite => {
                let sql = "insert into stale (marks, at) values ($1, $2)";
                conn.query(sql).bind(part).bind(now).execute().await?;
            }
        }
    }
    Ok(())
}

/// Hears what other processes told.
pub enum Hearing {
    /// Postgres notifies.
    Listener(Listener),
    /// The last that was read of the table.
    Read(i64),
}

impl Hearing {
    /// From now on. What was told before is missed: all that is remembered is forgotten.
    pub async fn begin(db: &Db, stale: &Stale) -> Result<Hearing> {
        let hearing = match Listener::open(db, CHANNEL).await? {
            Some(ear) => Hearing::Listener(ear),
            None => {
                let (last,): (i64,) =
                    db.read().await?.query("select coalesce(max(id), 0) from stale").fetch_one().await?;
                Hearing::Read(last)
            }
        };
        stale.tell_all();
        stale.forget_known();
        Ok(hearing)
    }
    /// Passes on what was told since the last time.
    pub async fn hear(&mut self, db: &Db, stale: &Stale) -> Result<()> {
        let heard = match self {
            Hearing::Listener(ear) => ear.hear().await?,
            Hearing::Read(last) => {
                let sql = "select id, marks from stale where id > $1 order by id limit 1000";
                let rows: Vec<(i64, String)> = db.read().await?.query(sql).bind(*last).fetch_all().await?;
                if rows.first().is_some_and(|it| it.0 != *last + 1) {
                    stale.tell_all();
                    stale.forget_known();
                }
                *last = rows.last().map_or(*last, |it| it.0);
                rows.into_iter().map(|it| it.1).collect()
            }
        };
        for text in heard {
            let marks: Option<Vec<Mark>> = text.split(' ').map(Mark::parse).collect();
            match marks {
                Some(marks) => stale.tell(&marks),
                None => {
                    stale.tell_all();
                    stale.forget_known();
                }
            }
        }
        Ok(())
    }
}

/// Counts the keys and tokens that there are, so that others are turned away without being looked up. Those that are made
/// meanwhile are added by who tells of them.
pub async fn count(db: &Db, stale: &Stale) -> Result<()> {
    let sql = "select (select count(*) from api_keys) + (select count(*) from service_tokens)";
    let (many,): (i64,) = db.read().await?.query(sql).fetch_one().await?;
    let sieve = Arc::new(Sieve::of(usize::try_from(many).unwrap_or(0)));
    stale.begin_counting(sieve.clone());
    for sql in [
        "select id, hash from api_keys where id > $1 order by id limit $2",
        "select id, hash from service_tokens where id > $1 order by id limit $2",
    ] {
        let mut after = Uuid::nil();
        loop {
            let mut conn = db.read().await?;
            let rows: Vec<(Uuid, Vec<u8>)> = conn.query(sql).bind(after).bind(PAGE).fetch_all().await?;
            drop(conn);
            for (_, hash) in &rows {
                sieve.add(hash);
            }
            match rows.last().filter(|_| i64::try_from(rows.len()).unwrap_or(0) == PAGE) {
                Some(last) => after = last.0,
                None => break,
            }
        }
    }
    stale.end_counting();
    Ok(())
}

/// Forgets what everybody has heard, but for the last: from it the next is counted.
pub async fn sweep(db: &Db, kit: &Kit) -> Result<()> {
    if db.dialect() == Dialect::Postgres {
        return Ok(());
    }
    let mut conn = db.begin().await?;
    let sql = "delete from stale where at < $1 and id < (select max(id) from stale)";
    conn.query(sql).bind(kit.now().minus(HOUR)).execute().await?;
    Ok(conn.commit().await?)
}
