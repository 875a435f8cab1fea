//! What keeps memory true: hears several times a second what other processes changed, counts the keys that there are, and keeps
//! rate limits in step with the other replicas.
use crate::{
    context::Kit,
    db::{Db, Dialect},
    error::Result,
    http::App,
    store::{
        invalidations::{self, Hearing},
        rate_limits,
    },
};
use std::{
    future::Future,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// How often.
const GLANCE: Duration = Duration::from_millis(100);
/// After so long, a running server has heard of a change elsewhere, as a rule.
pub const HEARD: Duration = GLANCE.saturating_mul(2);
/// For so long after something was heard, memory is believed: well under the second that is promised.
const TRUST: Duration = Duration::from_millis(700);
/// A database that takes longer is not waited for: memory is not believed meanwhile.
const PATIENCE: Duration = Duration::from_millis(600);
/// How often counts are written down, and that this replica serves.
const TICK: Duration = Duration::from_secs(1);
/// How often what is over is forgotten.
const SWEEP: Duration = Duration::from_secs(60);

/// Keeps memory true.
pub struct Watch {
    db: Db,
    kit: Kit,
    app: App,
    replica: Uuid,
    hearing: Option<Hearing>,
    ticked: Option<Instant>,
    swept: Instant,
}

impl Watch {
    /// For a program on a database.
    pub fn new(db: Db, kit: Kit, app: App) -> Watch {
        let replica = kit.id();
        Watch { db, kit, app, replica, hearing: None, ticked: None, swept: Instant::now() }
    }

    /// Watches until `stop`, and writes down then what was counted.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut is_well = true;
        loop {
            let went = self.glance().await;
            match &went {
                Ok(()) if !is_well => tracing::info!("changes made elsewhere are heard again"),
                Err(cause) if is_well => {
                    tracing::error!(
                        ?cause,
                        "changes made elsewhere are not heard: keys are looked up one by one"
                    );
                }
                _ => {}
            }
            is_well = went.is_ok();
            tokio::select! { () = &mut stop => break, () = sleep(GLANCE) => {} }
        }
        let left = async {
            self.app.limits().write(&self.db, &self.kit, true).await?;
            rate_limits::leave(&self.db, self.replica).await
        };
        if let Err(cause) = left.await {
            tracing::warn!(?cause, "what rate limits counted last was not written down");
        }
    }

    /// Once.
    pub async fn glance(&mut self) -> Result<()> {
        let at = Instant::now();
        let heard = timeout(PATIENCE, self.hear()).await;
        let heard =
            heard.unwrap_or_else(|_| Err(crate::error::Error::Unavailable("the database is slow".into())));
        if heard.is_err() {
            // Whatever was on its way is lost with the connection.
            self.hearing = None;
            return heard;
        }
        self.kit.stale.trust(at, TRUST);
        if self.ticked.is_none_or(|it| it.elapsed() >= TICK) {
            self.ticked = Some(at);
            self.tick().await?;
        }
        Ok(())
    }

    async fn hear(&mut self) -> Result<()> {
        let (db, stale) = (&self.db, &self.kit.stale);
        match &mut self.hearing {
            Some(hearing) => hearing.hear(db, stale).await,
            none => {
                *none = Some(Hearing::begin(db, stale).await?);
                Ok(())
            }
        }
    }

    async fn tick(&mut self) -> Result<()> {
        let limits = self.app.limits();
        // Nobody shares a file.
        let replicas = match self.db.dialect() {
            Dialect::Postgres => rate_limits::attend(&self.db, self.replica, self.kit.now()).await?,
            Dialect::Sqlite => 1,
        };
        let all = limits.attended_by(replicas);
        limits.write(&self.db, &self.kit, all).await?;
        if self.kit.stale.wants_counting() {
            // Beside: hearing must not wait for it.
            let (db, kit) = (self.db.clone(), self.kit.clone());
            tokio::spawn(async move {
                if let Err(cause) = invalidations::count(&db, &kit.stale).await {
                    tracing::warn!(?cause, "the keys were not counted: unknown ones are looked up");
                }
            });
        }
        if self.swept.elapsed() >= SWEEP {
            self.swept = Instant::now();
            invalidations::sweep(&self.db, &self.kit).await?;
            rate_limits::sweep(&self.db, &self.kit).await?;
            self.app.limits().sweep(&self.kit);
        }
        Ok(())
    }
}
