//! Carries invalidations (`context::invalidation`) to the other processes on the same database: by `notify` on Postgres, by rows of
//! a table on SQLite. Both are part of the change's transaction: they arrive if and when it commits.
use crate::{
    context::{
        Context,
        bloom_filter::BloomFilter,
        invalidation::{Invalidation, Invalidations},
    },
    db::{Conn, Db, Dialect, Listener},
    error::Result,
    model::time::{HOUR, Time},
};
use std::sync::Arc;
use uuid::Uuid;

/// The channel on Postgres. Processes of several versions may listen to it: it keeps its name.
const CHANNEL: &str = "guildhall_stale";
/// Invalidations of 34 bytes each: Postgres takes less than 8,000 bytes.
const PER_MESSAGE: usize = 200;
/// A change of more things than this invalidates everything.
const MAX_INVALIDATIONS: usize = 2000;
/// The message that invalidates everything: `Invalidation::parse` does not know it.
const ALL: &str = "all";
/// How many hashes are read at a time: a row takes far more memory than its hash.
const PAGE: i64 = 500;

pub(super) async fn publish(conn: &mut Conn, invalidations: &[Invalidation], now: Time) -> Result<()> {
    let encode =
        |chunk: &[Invalidation]| chunk.iter().map(Invalidation::encode).collect::<Vec<_>>().join(" ");
    let messages: Vec<String> = if invalidations.len() > MAX_INVALIDATIONS {
        vec![ALL.into()]
    } else {
        invalidations.chunks(PER_MESSAGE).map(encode).collect()
    };
    for message in messages {
        match conn.dialect() {
            Dialect::Postgres => {
                let sql = "select 1 from (select pg_notify('guildhall_stale', $1)) it";
                conn.query(sql).bind(message).execute().await?;
            }
            Dialect::Sqlite => {
                let sql = "insert into invalidations (items, at) values ($1, $2)";
                conn.query(sql).bind(message).bind(now).execute().await?;
            }
        }
    }
    Ok(())
}

/// Receives what other processes published.
pub enum InvalidationFeed {
    /// On Postgres.
    Listener(Listener),
    /// On SQLite: the id of the last row that was read.
    Read(i64),
}

impl InvalidationFeed {
    /// Starts now. What was published before was missed, so everything that is cached is invalidated.
    pub async fn start(db: &Db, local: &Invalidations) -> Result<InvalidationFeed> {
        let feed = match Listener::open(db, CHANNEL).await? {
            Some(listener) => InvalidationFeed::Listener(listener),
            None => {
                let (last,): (i64,) = db
                    .read()
                    .await?
                    .query("select coalesce(max(id), 0) from invalidations")
                    .fetch_one()
                    .await?;
                InvalidationFeed::Read(last)
            }
        };
        miss(local);
        Ok(feed)
    }
    /// Applies what was published since the last poll.
    pub async fn poll(&mut self, db: &Db, local: &Invalidations) -> Result<()> {
        let messages = match self {
            InvalidationFeed::Listener(listener) => listener.poll().await?,
            InvalidationFeed::Read(last) => {
                let sql = "select id, items from invalidations where id > $1 order by id limit 1000";
                let rows: Vec<(i64, String)> = db.read().await?.query(sql).bind(*last).fetch_all().await?;
                // A gap: rows were swept before they were read here.
                if rows.first().is_some_and(|(id, _)| *id != *last + 1) {
                    miss(local);
                }
                *last = rows.last().map_or(*last, |(id, _)| *id);
                rows.into_iter().map(|(_, message)| message).collect()
            }
        };
        for message in messages {
            let invalidations: Option<Vec<Invalidation>> =
                message.split(' ').map(Invalidation::parse).collect();
            match invalidations {
                Some(invalidations) => local.publish(&invalidations),
                // `ALL`, or a message of a newer version.
                None => miss(local),
            }
        }
        Ok(())
    }
}

/// Something was missed: nothing that is cached is believed, and the keys are counted again.
fn miss(local: &Invalidations) {
    local.invalidate_all();
    local.forget_known_keys();
}

/// Adds all keys and tokens that exist to a new filter, so that others are refused without a lookup. Those that are created
/// meanwhile are added by `Invalidations::publish`.
pub async fn count_keys(db: &Db, local: &Invalidations) -> Result<()> {
    let sql = "select (select count(*) from api_keys) + (select count(*) from service_tokens)";
    let (count,): (i64,) = db.read().await?.query(sql).fetch_one().await?;
    let filter = Arc::new(BloomFilter::with_capacity(usize::try_from(count).unwrap_or(0)));
    local.begin_key_count(filter.clone());
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
                filter.add(hash);
            }
            let is_full = i64::try_from(rows.len()).unwrap_or(0) == PAGE;
            match rows.last().filter(|_| is_full) {
                Some(last) => after = last.0,
                None => break,
            }
        }
    }
    local.finish_key_count();
    Ok(())
}

/// Deletes rows that every process has read by now, but never the last one: the id of the next row counts on from it.
pub async fn sweep(db: &Db, context: &Context) -> Result<()> {
    if db.dialect() == Dialect::Postgres {
        return Ok(());
    }
    let mut conn = db.begin().await?;
    let sql = "delete from invalidations where at < $1 and id < (select max(id) from invalidations)";
    conn.query(sql).bind(context.now().minus(HOUR)).execute().await?;
    Ok(conn.commit().await?)
}
