//! Rate limits: sliding windows, several at once, shared by all keys of an account. A process that serves alone counts in memory
//! and writes down what must outlive it. Where several serve, each leases parts of the limit from the database before it admits
//! anything (`store::rate_limits::lease`): together they admit no more than one process would. See `docs/design/rate-limiter.md`.
mod flush;
mod limiters;
mod report;
mod window_limiter;

pub use report::{Dimension, Policy, Report, rate_limit_headers, whole_seconds};

use crate::{
    context::Context,
    db::Db,
    error::{Error, Result},
    model::{
        catalog::RateLimit,
        id::AccountId,
        time::{DAY, Time},
    },
    store::rate_limits::{self, SliceDelta, Subject},
};
use limiters::{AccountLimiter, LimiterState, Limiters};
use std::{
    collections::BTreeSet,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

/// After this long without a request, a counter is dropped. Windows that are longer are written down, and read again.
const MAX_IDLE: Duration = DAY.saturating_mul(2);

pub struct RateLimiter {
    db: Db,
    context: Context,
    limiters: Limiters,
    /// Subjects with counts to write or leases to give back.
    dirty: Mutex<BTreeSet<Subject>>,
    /// How many processes serve this database.
    replicas: AtomicUsize,
    /// Rises when `replicas` changes between one and several. Until it asked the database again, a limiter does not know what
    /// others admitted.
    epoch: AtomicU64,
}

/// Out of what a request is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Out of the limit: no other process serves.
    Alone,
    /// Out of what this process leased. If that is not enough, a lease is asked for first.
    Leased,
    /// Out of what this process leased, and a lease was just asked for: what does not fit is refused.
    LastLease,
}

struct Request<'a> {
    subject: Subject,
    limits: &'a [RateLimit],
    /// `None` only asks how the limits stand.
    cost: Option<u64>,
}

impl RateLimiter {
    pub fn new(db: Db, context: Context) -> RateLimiter {
        RateLimiter {
            db,
            context,
            limiters: Limiters::default(),
            dirty: Mutex::default(),
            replicas: AtomicUsize::new(1),
            epoch: AtomicU64::new(1),
        }
    }
    /// Takes `cost` from the limits of a plan, for the account that pays, or only asks how they stand. `None` if it has no limits.
    pub async fn plan(&self, payer: AccountId, plan: &str, cost: Option<u64>) -> Result<Option<Report>> {
        let limits = self.context.catalog.plan(plan).map(|plan| &plan.limits[..]).unwrap_or_default();
        self.request(Request { subject: Subject::Plan(payer), limits, cost }).await
    }
    /// Counts a call of our own API.
    pub async fn api_call(&self, account: AccountId) -> Result<Option<(Report, Policy)>> {
        let limits = &self.context.catalog.api[..];
        let report = self.request(Request { subject: Subject::Api(account), limits, cost: Some(1) }).await?;
        Ok(report.map(|report| (report, limits.to_vec())))
    }
    /// Takes note of how many processes serve this database. Answers whether all counts must be written at once, for others to see.
    pub fn set_replicas(&self, replicas: usize) -> bool {
        let before = self.replicas.swap(replicas.max(1), SeqCst);
        if (before > 1) == (replicas > 1) {
            return false;
        }
        self.epoch.fetch_add(1, SeqCst);
        self.dirty().extend(self.limiters.subjects());
        true
    }
    /// Drops counters that were not used for long.
    pub fn sweep(&self) {
        self.limiters.sweep(self.context.now().minus(MAX_IDLE));
    }

    fn dirty(&self) -> MutexGuard<'_, BTreeSet<Subject>> {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn is_shared(&self) -> bool {
        self.replicas.load(SeqCst) > 1
    }
    async fn request(&self, request: Request<'_>) -> Result<Option<Report>> {
        if request.limits.is_empty() {
            return Ok(None);
        }
        let answer = self.limiters.with(request.subject, |limiter| self.attempt(limiter, &request, None));
        if let Some(report) = answer.flatten() {
            return Ok(Some(report));
        }
        // Boxed: the cold path would otherwise enlarge every caller's future.
        Box::pin(self.request_with_db(request)).await.map(Some)
    }
    async fn request_with_db(&self, request: Request<'_>) -> Result<Report> {
        let limiter = self.limiters.get_or_create(request.subject, self.context.now());
        let _guard = limiter.db_lock.lock().await;
        if let Some(report) = self.attempt(&limiter, &request, None) {
            return Ok(report);
        }
        // A lease may be over before it arrives: then it is asked for again.
        for is_last in [false, false, true] {
            let mode = self.ask_db(&limiter, request.subject, request.cost.unwrap_or(0)).await?;
            if let Some(report) = self.attempt(&limiter, &request, is_last.then_some(mode)) {
                return Ok(report);
            }
        }
        Err(Error::Internal("a rate limit could not be decided".into()))
    }
    /// Answers from memory; `None` if the database must be asked first. With `mode` it always answers: the database was just asked.
    fn attempt(&self, limiter: &AccountLimiter, request: &Request<'_>, mode: Option<Mode>) -> Option<Report> {
        let epoch = self.epoch.load(SeqCst);
        let mut state = limiter.state();
        state.set_limits(request.limits);
        if state.epoch != epoch && mode.is_none() {
            return None;
        }
        let now = self.context.now();
        limiter.touch(now);
        let Some(cost) = request.cost else { return Some(state.report(true, 0, now)) };
        let shared = self.is_shared();
        // If the first other replica joined after the database was asked, this request holds no lease: it still counts as alone.
        let mode = mode.unwrap_or(if shared { Mode::Leased } else { Mode::Alone });
        let report = state.admit(cost, now, mode)?;
        if note(&mut state, request, &report, shared, now) {
            drop(state);
            self.dirty().insert(request.subject);
        }
        Some(report)
    }
    /// Asks the database what others admitted. If others serve, leases a part of the limit that covers the cost, if it can.
    async fn ask_db(&self, limiter: &AccountLimiter, subject: Subject, cost: u64) -> Result<Mode> {
        let (epoch, replicas) = (self.epoch.load(SeqCst), self.replicas.load(SeqCst));
        let (key, now) = (&subject.to_string(), self.context.now());
        if replicas <= 1 {
            let slices = rate_limits::read(&self.db, key, now).await?;
            let mut state = limiter.state();
            state.windows.iter_mut().for_each(|window| window.set_others(&slices));
            state.epoch = epoch;
            return Ok(Mode::Alone);
        }
        let mut deltas: Vec<SliceDelta> = vec![];
        let leased = rate_limits::lease(&self.db, key, now, |slices| {
            for window in &mut limiter.state().windows {
                window.set_others(slices);
                deltas.extend(window.request_lease(key, cost, replicas, now));
            }
            deltas.clone()
        })
        .await;
        let mut state = limiter.state();
        state.windows.iter_mut().for_each(|window| window.settle(&deltas, leased.is_ok(), now));
        if leased.is_ok() {
            state.epoch = epoch;
        }
        drop(state);
        self.dirty().insert(subject);
        leased.map(|()| Mode::LastLease)
    }
}

/// Counts a decided request for the statistics. Answers whether there is something to write that was not there before.
fn note(state: &mut LimiterState, request: &Request<'_>, report: &Report, shared: bool, now: Time) -> bool {
    let is_counted = matches!(request.subject, Subject::Plan(_)) && state.count(now, report.admitted);
    let takes = report.admitted && request.cost.is_some_and(|cost| cost > 0);
    is_counted | (takes && state.windows.iter_mut().any(|window| window.becomes_dirty(shared)))
}
