//! Rate limits: sliding windows, several at once, shared by all who count as one. A process that serves alone counts for
//! itself, and writes down what must outlive it. Where several serve, each takes shares of the limit from the database before it
//! admits anything (`store::limits::share`): together they admit no more than one would.
mod limiters;
mod window_limiter;

use crate::http::App;
use crate::{
    context::Kit,
    db::Db,
    error::{Error, Result},
    model::{catalog::RateLimit, id::AccountId, time::DAY},
    store::rate_limits::{self, Delta, Subject, hour},
};
use limiters::{Meter, Meters};
use std::{
    collections::BTreeSet,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use window_limiter::{Rate, Try};

/// What a limit says after a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether it was admitted.
    pub admitted: bool,
    /// The dimension with the fewest remaining, the shortest on a tie.
    pub tightest: Dimension,
    /// When asking again makes sense, if it was not admitted.
    pub retry: Duration,
}

/// The dimensions of a limit: what each is called, how much it admits, within how many seconds.
pub type Policy = Vec<(String, u32, u32)>;

fn policy(it: &RateLimit) -> (String, u32, u32) {
    (it.name(), it.requests, it.seconds)
}

/// One dimension of a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dimension {
    /// Which one of the policy.
    pub place: usize,
    /// At most so many.
    pub limit: u32,
    /// So many are left.
    pub remaining: u64,
    /// Until more are.
    pub reset: Duration,
}

/// `RateLimit` and `RateLimit-Policy`, as the draft of the IETF's HTTPAPI working group spells them.
pub fn fields(report: &Report, policy: &Policy) -> [(&'static str, String); 2] {
    let Dimension { place, remaining, reset, .. } = &report.tightest;
    let name = policy.get(*place).map_or("", |it| &it.0);
    let all: Vec<String> =
        policy.iter().map(|(name, most, seconds)| format!("\"{name}\";q={most};w={seconds}")).collect();
    let now = format!("\"{name}\";r={remaining};t={}", whole(*reset));
    [("ratelimit", now), ("ratelimit-policy", all.join(", "))]
}

/// In whole seconds, never too early.
pub fn whole(it: Duration) -> u64 {
    it.as_secs() + u64::from(it.subsec_nanos() > 0)
}

/// All that is counted.
pub struct Limits {
    meters: Meters,
    /// Whose counts must be written down, or given back.
    due: Mutex<BTreeSet<Subject>>,
    /// How many processes serve this database.
    replicas: AtomicUsize,
    /// Counts how often that began or ceased to be more than one.
    epoch: AtomicU64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            meters: Meters::default(),
            due: Mutex::default(),
            replicas: AtomicUsize::new(1),
            epoch: AtomicU64::new(1),
        }
    }
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Limits {
    fn is_shared(&self) -> bool {
        self.replicas.load(SeqCst) > 1
    }
    /// How many processes serve this database now. True if counts must be written down at once, for others to see.
    pub fn attended_by(&self, replicas: usize) -> bool {
        let had = self.replicas.swap(replicas.max(1), SeqCst);
        if (had > 1) == (replicas > 1) {
            return false;
        }
        self.epoch.fetch_add(1, SeqCst);
        lock(&self.due).extend(self.meters.all());
        true
    }
    /// What the limits say, if that is known here. `learnt`: the database was asked just now, and whether for a share.
    fn attempt(&self, kit: &Kit, meter: &Meter, ask: &Ask<'_>, learnt: Option<bool>) -> Option<Report> {
        let epoch = self.epoch.load(SeqCst);
        let mut state = lock(&meter.state);
        state.fit(ask.limits);
        if state.epoch != epoch && learnt.is_none() {
            return None;
        }
        let now = kit.now();
        meter.is_used(now);
        let shared = self.is_shared();
        // A replica that joined since is too late for this one: it has no share to be admitted out of.
        let how = match learnt {
            Some(true) => Try::Last,
            Some(false) => Try::Alone,
            None if shared => Try::Shared,
            None => Try::Alone,
        };
        let Some(cost) = ask.cost else { return Some(state.report(true, 0, now)) };
        let report = state.admit(cost, now, how)?;
        let is_counted = matches!(ask.whom, Subject::Plan(_)) && state.count(hour(now), report.admitted);
        let takes = report.admitted && cost > 0;
        let is_due = is_counted | (takes && state.rates.iter_mut().any(|it| it.becomes_due(shared)));
        drop(state);
        if is_due {
            lock(&self.due).insert(ask.whom);
        }
        Some(report)
    }
    async fn ask(&self, db: &Db, kit: &Kit, ask: Ask<'_>) -> Result<Option<Report>> {
        if ask.limits.is_empty() {
            return Ok(None);
        }
        if let Some(told) = self.meters.with(ask.whom, |meter| self.attempt(kit, meter, &ask, None)).flatten()
        {
            return Ok(Some(told));
        }
        // In a box of its own: hardly anybody needs it, and all would carry it along.
        Box::pin(self.ask_anew(db, kit, ask)).await.map(Some)
    }
    async fn ask_anew(&self, db: &Db, kit: &Kit, ask: Ask<'_>) -> Result<Report> {
        let meter = self.meters.make(ask.whom, kit.now());
        let _turn = meter.turn.lock().await;
        if let Some(told) = self.attempt(kit, &meter, &ask, None) {
            return Ok(told);
        }
        // A share whose piece of time is over before it arrives is asked for again.
        for last in [false, false, true] {
            let shared = self.learn(db, kit, &meter, ask.whom, ask.cost.unwrap_or(0)).await?;
            if let Some(told) = self.attempt(kit, &meter, &ask, last.then_some(shared)) {
                return Ok(told);
            }
        }
        Err(Error::Internal("a limit was asked in vain".into()))
    }
    /// Asks the database what others admitted; where several serve, takes a share. True if it did.
    async fn learn(&self, db: &Db, kit: &Kit, meter: &Meter, whom: Subject, cost: u64) -> Result<bool> {
        let subject = &whom.to_string();
        let (epoch, replicas) = (self.epoch.load(SeqCst), self.replicas.load(SeqCst));
        let now = kit.now();
        if replicas <= 1 {
            let pieces = rate_limits::read(db, subject, now).await?;
            let mut state = lock(&meter.state);
            state.rates.iter_mut().for_each(|it| it.others(&pieces));
            state.epoch = epoch;
            return Ok(false);
        }
        let mut deltas: Vec<Delta> = vec![];
        let shared = rate_limits::share(db, subject, now, |pieces| {
            let mut state = lock(&meter.state);
            state.rates.iter_mut().for_each(|it| it.others(pieces));
            let share = |it: &mut Rate| it.share(subject, cost, replicas, now);
            deltas = state.rates.iter_mut().flat_map(share).collect();
            deltas.clone()
        })
        .await;
        let mut state = lock(&meter.state);
        state.rates.iter_mut().for_each(|it| it.settle(&deltas, shared.is_ok(), now));
        if shared.is_ok() {
            state.epoch = epoch;
        }
        drop(state);
        lock(&self.due).insert(whom);
        shared.map(|()| true)
    }
    /// Writes down what is to be known elsewhere or later, and gives back shares that nobody uses. `all`: even what would be
    /// over before it matters.
    pub async fn write(&self, db: &Db, kit: &Kit, all: bool) -> Result<()> {
        let due: Vec<Subject> = std::mem::take(&mut *lock(&self.due)).into_iter().collect();
        let shared = self.is_shared();
        let mut done = Ok(());
        for some in due.chunks(500) {
            let meter = |it: &Subject| self.meters.get(*it).map(|meter| (*it, it.to_string(), meter));
            let meters: Vec<_> = some.iter().filter_map(meter).collect();
            let mut turns = vec![];
            let (mut deltas, mut busiest, mut tallies) = (vec![], vec![], vec![]);
            for (whom, subject, meter) in &meters {
                // Who is talking about it just now writes it down too.
                let Ok(turn) = meter.turn.try_lock() else {
                    lock(&self.due).insert(*whom);
                    continue;
                };
                turns.push(turn);
                let mut state = lock(&meter.state);
                let now = kit.now();
                let of = |it: &mut Rate| it.due(subject, all || shared, shared, now);
                deltas.extend(state.rates.iter_mut().flat_map(of));
                busiest.extend(state.rates.iter_mut().filter_map(|it| it.risen(subject)));
                tallies.extend(state.counted(subject));
                if state.rates.iter().any(Rate::has_share) {
                    lock(&self.due).insert(*whom);
                }
            }
            let written = rate_limits::add(db, &deltas, &busiest, &tallies).await;
            for (whom, subject, meter) in &meters {
                if written.is_err() {
                    let mut state = lock(&meter.state);
                    if busiest.iter().any(|it| it.subject == *subject) {
                        state.rates.iter_mut().for_each(Rate::rises_again);
                    }
                    state.count_again(tallies.iter().filter(|it| it.subject == *subject));
                    lock(&self.due).insert(*whom);
                }
                let mine: Vec<Delta> = deltas.iter().filter(|it| it.subject == *subject).cloned().collect();
                if mine.is_empty() {
                    continue;
                }
                let now = kit.now();
                lock(&meter.state).rates.iter_mut().for_each(|it| it.settle(&mine, written.is_ok(), now));
            }
            done = done.and(written);
        }
        done
    }
    /// Forgets whom nobody asked about for long: what matters still is written down, and read again.
    pub fn sweep(&self, kit: &Kit) {
        self.meters.sweep(kit.now().minus(LONGEST));
    }
}

/// Longer than any window that is not written down.
const LONGEST: Duration = DAY.saturating_mul(2);

/// What is asked of a limit.
struct Ask<'a> {
    whom: Subject,
    limits: &'a [RateLimit],
    /// What is taken, if it is admitted; none: nothing, whatever stands.
    cost: Option<u64>,
}

impl App {
    /// Takes from the rate limits of a plan, for the account that pays. None where it has no limit.
    pub async fn take(&self, payer: AccountId, plan: &str, cost: u64) -> Result<Option<Report>> {
        self.ask_plan(payer, plan, Some(cost)).await
    }
    /// How the rate limits stand, without taking from them.
    pub async fn peek(&self, payer: AccountId, plan: &str) -> Result<Option<Report>> {
        self.ask_plan(payer, plan, None).await
    }
    async fn ask_plan(&self, payer: AccountId, plan: &str, cost: Option<u64>) -> Result<Option<Report>> {
        let limits = self.kit().catalog.plan(plan).map(|it| &it.limits[..]).unwrap_or_default();
        self.0.limits.ask(&self.0.db, self.kit(), Ask { whom: Subject::Plan(payer), limits, cost }).await
    }
    /// A call of our own API, made for an account: what its limit says, and how that is told.
    pub(crate) async fn call(&self, account: AccountId) -> Result<Option<(Report, Policy)>> {
        let limits = &self.kit().catalog.api[..];
        let ask = Ask { whom: Subject::Api(account), limits, cost: Some(1) };
        let report = self.0.limits.ask(&self.0.db, self.kit(), ask).await?;
        Ok(report.map(|it| (it, limits.iter().map(policy).collect())))
    }
    /// The rate limits, for who keeps them in step with other processes.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }
}
