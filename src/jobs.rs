//! What the program does of its own accord. Each job stands in a file of its own and runs by itself: one that fails stops no
//! other, is tried again, measured and logged. On several replicas each does a part: what one has leased, no other takes.
mod check_domains;
mod close_months;
mod delete_old_usage;
mod deliver;
mod end_memberships;
mod expire_transfers;
mod lift_enforcement;
mod mail_key_expiry;
mod sweep_idempotency_keys;
mod sweep_mails;
mod sweep_sessions;

use crate::{
    clients::{
        payments::{Manual, PaymentProvider},
        smtp::SmtpMailer,
    },
    context::Context,
    db::{BoxFuture, Db},
    error::{Error, Result},
    model::time::MINUTE,
    store::{Change, Scope, System},
};
use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinSet, time::sleep};

/// What the audit log calls the program itself.
const SYSTEM: System = System("guildhall");
/// How often most jobs run.
const EVERY_MINUTE: Duration = MINUTE;
/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause after failures, for jobs that run more often than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Something that is done again and again.
pub trait Job: Send + Sync {
    /// In the log, in the metrics and on the operator's page.
    fn name(&self) -> &'static str;
    /// The pause between the end of one run and the beginning of the next.
    fn every(&self) -> Duration {
        EVERY_MINUTE
    }
    fn run<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<()>>;
    /// Waits for what a run left under way, when the program stops.
    fn finish(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// Every job. A new one needs its file and its line here.
fn all() -> Vec<Arc<dyn Job>> {
    vec![
        Arc::new(deliver::Deliver::default()),
        Arc::new(sweep_idempotency_keys::SweepIdempotencyKeys),
        Arc::new(sweep_mails::SweepMails),
        Arc::new(sweep_sessions::SweepSessions),
        Arc::new(expire_transfers::ExpireTransfers),
        Arc::new(lift_enforcement::LiftEnforcement),
        Arc::new(check_domains::CheckDomains),
        Arc::new(mail_key_expiry::MailKeyExpiry),
        Arc::new(end_memberships::EndMemberships),
        Arc::new(close_months::CloseMonths),
        Arc::new(delete_old_usage::DeleteOldUsage),
    ]
}

/// What jobs work with.
#[derive(Clone)]
pub struct Worker {
    db: Db,
    context: Context,
    mailer: Option<Arc<SmtpMailer>>,
    payments: Arc<dyn PaymentProvider>,
}

impl Worker {
    /// On a database. Without a mail server, mails stay in the database, where the mailbox shows them.
    pub fn new(db: Db, context: Context, mailer: Option<SmtpMailer>) -> Worker {
        Worker { db, context, mailer: mailer.map(Arc::new), payments: Arc::new(Manual) }
    }
    /// Takes payments by this provider, and not by hand alone.
    #[must_use]
    pub fn paid_by(self, payments: Arc<dyn PaymentProvider>) -> Worker {
        Worker { payments, ..self }
    }

    /// Runs all jobs, each on its own, until `stop`; then finishes what is under way.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = watch::channel(());
        let mut running = JoinSet::new();
        for job in all() {
            running.spawn(self.clone().repeat(job, stopped.clone()));
        }
        stop.await;
        drop((stopping, stopped));
        while running.join_next().await.is_some() {}
    }

    /// Runs each job once, and deliveries until none is due. The first error is returned when all have run.
    pub async fn run_once(&self) -> Result<()> {
        let mut outcome = Ok(());
        for job in all() {
            let ran = self.attempt(&job).await;
            job.finish().await;
            outcome = outcome.and(ran);
        }
        outcome
    }

    async fn repeat(self, job: Arc<dyn Job>, mut stopped: watch::Receiver<()>) {
        let mut failures = 0;
        loop {
            failures = if self.attempt(&job).await.is_ok() { 0 } else { failures + 1 };
            let pause = pause_after(failures, job.every());
            tokio::select! { _ = stopped.changed() => break, () = sleep(pause) => {} }
        }
        job.finish().await;
    }

    /// One run, in a task of its own: one that panics has failed like any other.
    async fn attempt(&self, job: &Arc<dyn Job>) -> Result<()> {
        let began = Instant::now();
        let (worker, task) = (self.clone(), job.clone());
        let ran = tokio::spawn(async move { task.run(&worker).await }).await;
        let ran = ran.unwrap_or_else(|panic| Err(Error::Internal(panic.to_string())));
        let outcome = match &ran {
            Ok(()) => Ok(self.context.now()),
            Err(error) => Err(format!("{error:?}")),
        };
        let changed = self.context.job_stats.record(job.name(), began.elapsed(), outcome);
        match &ran {
            Ok(()) if changed => tracing::info!(job = job.name(), "the job runs again"),
            Err(cause) if changed => tracing::error!(job = job.name(), ?cause, "a job failed"),
            _ => {}
        }
        ran
    }

    /// For reading.
    fn read(&self) -> Scope<System> {
        Scope::system(&self.db, SYSTEM, &self.context)
    }
    /// In a transaction of its own.
    async fn change<T>(&self, work: impl AsyncFnOnce(&mut Change<System>) -> Result<T>) -> Result<T> {
        let mut change = Change::begin_as_system(&self.db, SYSTEM, &self.context).await?;
        let done = work(&mut change).await?;
        change.commit().await?;
        Ok(done)
    }
}

/// A job that fails is tried again after a second, then two, four and so on, at most as long as it pauses anyway.
fn pause_after(failures: u32, every: Duration) -> Duration {
    match failures {
        0 => every,
        _ => (FIRST_PAUSE * 2_u32.saturating_pow(failures - 1)).min(every.max(LONGEST_PAUSE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique() {
        let jobs = all();
        let names: BTreeSet<&str> = jobs.iter().map(|job| job.name()).collect();
        assert_eq!(names.len(), jobs.len());
    }

    #[test]
    fn failures_are_tried_again_after_longer_and_longer_pauses() {
        let seconds = |failures, every| pause_after(failures, Duration::from_millis(every)).as_millis();
        assert_eq!(
            [0, 1, 2, 3, 4, 40].map(|failures| seconds(failures, 500)),
            [500, 1000, 2000, 4000, 5000, 5000]
        );
        assert_eq!(
            [0, 1, 6, 7, 40].map(|failures| seconds(failures, 60_000)),
            [60_000, 1000, 32_000, 60_000, 60_000]
        );
    }
}
