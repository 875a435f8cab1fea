//! Keeps this process in step with the others on its database: hears several times a second what they changed, fills the filter of
//! known keys, and writes and shares the counts of the rate limits.
use super::Gateway;
use crate::{
    context::Context,
    db::{Db, Dialect},
    error::{Error, Result},
    store::{
        invalidations::{self, InvalidationFeed},
        rate_limits,
    },
};
use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// How long between two polls.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// After this long, a running server has usually heard of a change made elsewhere.
pub const USUAL_DELAY: Duration = POLL_INTERVAL.saturating_mul(2);
/// How long the cache is trusted after a poll. With `POLL_TIMEOUT` it stays well below the second that is promised.
const TRUST: Duration = Duration::from_millis(700);
/// A poll that takes longer fails; the cache is not trusted then.
const POLL_TIMEOUT: Duration = Duration::from_millis(600);
/// How often counts are written, and that this process serves.
const TICK: Duration = Duration::from_secs(1);
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

pub struct ReplicaSync {
    db: Db,
    context: Context,
    gateway: Arc<Gateway>,
    /// Names this process in the table of replicas.
    replica: Uuid,
    /// `None` after a failure: what was published meanwhile was missed.
    feed: Option<InvalidationFeed>,
    ticked: Option<Instant>,
    swept: Instant,
}

impl ReplicaSync {
    pub fn new(db: Db, context: Context, gateway: Arc<Gateway>) -> ReplicaSync {
        let replica = context.id();
        ReplicaSync { db, context, gateway, replica, feed: None, ticked: None, swept: Instant::now() }
    }

    /// Polls until `stop`, then writes the last counts.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut is_well = true;
        loop {
            let outcome = self.poll().await;
            match &outcome {
                Ok(()) if !is_well => tracing::info!("changes made elsewhere are heard again"),
                Err(cause) if is_well => {
                    tracing::error!(
                        ?cause,
                        "changes made elsewhere are not heard: keys are looked up one by one"
                    );
                }
                _ => {}
            }
            is_well = outcome.is_ok();
            tokio::select! { () = &mut stop => break, () = sleep(POLL_INTERVAL) => {} }
        }
        if let Err(cause) = self.leave().await {
            tracing::warn!(?cause, "the last counts of the rate limits were not written");
        }
    }

    /// Hears what changed, and once a second does the rest.
    pub async fn poll(&mut self) -> Result<()> {
        let started = Instant::now();
        let heard = timeout(POLL_TIMEOUT, self.poll_feed()).await;
        let heard = heard.unwrap_or_else(|_| Err(Error::Unavailable("the database is slow".into())));
        if heard.is_err() {
            // Whatever was on its way is lost with the connection.
            self.feed = None;
            return heard;
        }
        self.context.invalidations.mark_fresh(started, TRUST);
        if self.ticked.is_none_or(|ticked| ticked.elapsed() >= TICK) {
            self.ticked = Some(started);
            self.tick().await?;
        }
        Ok(())
    }

    async fn poll_feed(&mut self) -> Result<()> {
        let (db, invalidations) = (&self.db, &self.context.invalidations);
        match &mut self.feed {
            Some(feed) => feed.poll(db, invalidations).await,
            feed => {
                *feed = Some(InvalidationFeed::start(db, invalidations).await?);
                Ok(())
            }
        }
    }

    async fn tick(&mut self) -> Result<()> {
        let limiter = self.gateway.rate_limiter();
        // A SQLite file has one server.
        let replicas = match self.db.dialect() {
            Dialect::Postgres => rate_limits::heartbeat(&self.db, self.replica, self.context.now()).await?,
            Dialect::Sqlite => 1,
        };
        let write_all = limiter.set_replicas(replicas);
        limiter.flush(write_all).await?;
        self.count_keys();
        if self.swept.elapsed() >= SWEEP_INTERVAL {
            self.swept = Instant::now();
            invalidations::sweep(&self.db, &self.context).await?;
            rate_limits::sweep(&self.db, &self.context).await?;
            limiter.sweep();
        }
        Ok(())
    }

    /// In a task of its own: polls must not wait for it.
    fn count_keys(&self) {
        if !self.context.invalidations.needs_key_count() {
            return;
        }
        let (db, context) = (self.db.clone(), self.context.clone());
        tokio::spawn(async move {
            if let Err(cause) = invalidations::count_keys(&db, &context.invalidations).await {
                tracing::warn!(?cause, "the keys were not counted: unknown ones are looked up");
            }
        });
    }

    async fn leave(&self) -> Result<()> {
        self.gateway.rate_limiter().flush(true).await?;
        rate_limits::leave(&self.db, self.replica).await
    }
}
