//! Rate limits: sliding windows, several at once, shared by all who count as one. A process that serves alone counts for
//! itself, and writes down what must outlive it. Where several serve, each takes shares of the limit from the database before it
//! admits anything (`store::limits::share`): together they admit no more than one would.
mod rate;

use super::App;
use crate::{
    db::Db,
    error::{Error, Result},
    kit::Kit,
    model::{catalog::RateLimit, id::AccountId, time::Time},
    store::limits::{self, Delta, Subject},
};
use moka::sync::Cache;
use rate::{Rate, Try};
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

/// So many accounts are counted in memory: those that were asked for longest ago are read again.
const MOST: u64 = 100_000;

/// What a limit says after a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether it was admitted.
    pub admitted: bool,
    /// The dimension with the fewest remaining, the shortest on a tie.
    pub tightest: Dimension,
    /// All of them.
    pub policy: Policy,
    /// When asking again makes sense, if it was not admitted.
    pub retry: Duration,
}

/// The dimensions of a limit: what each is called, how much it admits, within how many seconds.
pub type Policy = Arc<[(Arc<str>, u32, u32)]>;

/// One dimension of a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dimension {
    /// What it is called.
    pub name: Arc<str>,
    /// At most so many.
    pub limit: u32,
    /// So many are left.
    pub remaining: u64,
    /// Until more are.
    pub reset: Duration,
}

impl Report {
    /// `RateLimit` and `RateLimit-Policy`, as the draft of the IETF's HTTPAPI working group spells them.
    pub fn fields(&self) -> [(&'static str, String); 2] {
        let Dimension { name, remaining, reset, .. } = &self.tightest;
        let policy: Vec<String> = self
            .policy
            .iter()
            .map(|(name, most, seconds)| format!("\"{name}\";q={most};w={seconds}"))
            .collect();
        let now = format!("\"{name}\";r={remaining};t={}", whole(*reset));
        [("ratelimit", now), ("ratelimit-policy", policy.join(", "))]
    }
}

/// In whole seconds, never too early.
pub fn whole(it: Duration) -> u64 {
    it.as_secs() + u64::from(it.subsec_nanos() > 0)
}

/// All that is counted.
pub struct Limits {
    meters: Cache<Subject, Arc<Meter>>,
    /// Whose counts must be written down, or given back.
    due: Mutex<BTreeSet<Subject>>,
    /// How many processes serve this database.
    replicas: AtomicUsize,
    /// Counts how often that began or ceased to be more than one.
    epoch: AtomicU64,
}

impl Default for Limits {
    fn default() -> Limits {
        let longest = Duration::from_secs(2 * 86_400);
        Limits {
            meters: Cache::builder().max_capacity(MOST).time_to_idle(longest).build(),
            due: Mutex::default(),
            replicas: AtomicUsize::new(1),
            epoch: AtomicU64::new(1),
        }
    }
}

#[derive(Default)]
struct Meter {
    state: Mutex<State>,
    /// Who talks to the database about it.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    rates: Vec<Rate>,
    policy: Policy,
    /// As of which epoch it knows what others admitted.
    epoch: u64,
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// The plan may be another than last time: what was admitted still counts.
    fn fit(&mut self, limits: &[RateLimit]) {
        let is_same =
            self.rates.len() == limits.len() && self.rates.iter().zip(limits).all(|(had, it)| had.is_of(it));
        if is_same {
            return;
        }
        let mut had = std::mem::take(&mut self.rates);
        for it in limits {
            let at = had.iter().position(|rate| rate.seconds() == it.seconds);
            // A window that is new here may have been counted before, or elsewhere.
            self.epoch = if at.is_none() { 0 } else { self.epoch };
            let rate = at.map(|at| had.swap_remove(at));
            self.rates.push(rate.map_or_else(|| Rate::new(it), |rate| rate.named(it)));
        }
        self.policy = self.rates.iter().map(Rate::policy).collect();
    }
    /// Admits all or nothing; none: the database must be asked first.
    fn admit(&mut self, cost: u64, now: Time, how: Try) -> Option<Report> {
        let mut admitted = true;
        for it in &mut self.rates {
            admitted &= it.fits(cost, now, how)?;
        }
        if admitted {
            self.rates.iter_mut().for_each(|it| it.take(cost, now, how));
        }
        Some(self.report(admitted, cost, now))
    }
    fn report(&mut self, admitted: bool, cost: u64, now: Time) -> Report {
        let wanted = if admitted { 0 } else { cost };
        let (mut retry, mut tightest) = (Duration::ZERO, None);
        for rate in &mut self.rates {
            let (seconds, it, lacks) = rate.dimension(wanted, now);
            if lacks {
                retry = retry.max(it.reset);
            }
            let place = (it.remaining, seconds);
            if tightest.as_ref().is_none_or(|(had, _)| place < *had) {
                tightest = Some((place, it));
            }
        }
        let tightest = tightest.expect("a limit has a dimension").1;
        Report { admitted, tightest, policy: self.policy.clone(), retry }
    }
}

impl Limits {
    fn is_shared(&self) -> bool {
        self.replicas.load(SeqCst) > 1
    }
    fn meter(&self, subject: Subject) -> Arc<Meter> {
        self.meters.get(&subject).unwrap_or_else(|| self.meters.get_with(subject, Arc::default))
    }
    /// How many processes serve this database now. True if counts must be written down at once, for others to see.
    pub fn attended_by(&self, replicas: usize) -> bool {
        let had = self.replicas.swap(replicas.max(1), SeqCst);
        if (had > 1) == (replicas > 1) {
            return false;
        }
        self.epoch.fetch_add(1, SeqCst);
        lock(&self.due).extend(self.meters.iter().map(|it| *it.0));
        true
    }
    async fn ask(
        &self,
        db: &Db,
        kit: &Kit,
        subject: Subject,
        limits: &[RateLimit],
        cost: Option<u64>,
    ) -> Result<Option<Report>> {
        if limits.is_empty() {
            return Ok(None);
        }
        let meter = self.meter(subject);
        // `learnt`: the database was asked just now, and whether for a share.
        let attempt = |learnt: Option<bool>| {
            let epoch = self.epoch.load(SeqCst);
            let mut state = lock(&meter.state);
            state.fit(limits);
            if state.epoch != epoch && learnt.is_none() {
                return None;
            }
            let now = kit.now();
            // A replica that joined since is too late for this one: it has no share to be admitted out of.
            let how = match learnt {
                Some(true) => Try::Last,
                Some(false) => Try::Alone,
                None if self.is_shared() => Try::Shared,
                None => Try::Alone,
            };
            match cost {
                Some(cost) => state.admit(cost, now, how),
                None => Some(state.report(true, 0, now)),
            }
        };
        let told = match attempt(None) {
            Some(told) => told,
            None => {
                let _turn = meter.turn.lock().await;
                match attempt(None) {
                    Some(told) => told,
                    None => {
                        // A share whose piece of time is over before it arrives is asked for again.
                        let mut told = None;
                        for last in [false, false, true] {
                            let shared = self.learn(db, kit, &meter, subject, cost.unwrap_or(0)).await?;
                            told = attempt(last.then_some(shared));
                            if told.is_some() {
                                break;
                            }
                        }
                        told.ok_or_else(|| Error::Internal("a limit was asked in vain".into()))?
                    }
                }
            }
        };
        if cost.is_some_and(|it| it > 0) && told.admitted {
            self.is_due(&meter, subject);
        }
        Ok(Some(told))
    }
    fn is_due(&self, meter: &Meter, subject: Subject) {
        let shared = self.is_shared();
        if lock(&meter.state).rates.iter_mut().any(|it| it.becomes_due(shared)) {
            lock(&self.due).insert(subject);
        }
    }
    /// Asks the database what others admitted; where several serve, takes a share. True if it did.
    async fn learn(&self, db: &Db, kit: &Kit, meter: &Meter, whom: Subject, cost: u64) -> Result<bool> {
        let subject = &whom.to_string();
        let (epoch, replicas) = (self.epoch.load(SeqCst), self.replicas.load(SeqCst));
        let now = kit.now();
        if replicas <= 1 {
            let pieces = limits::read(db, subject, now).await?;
            let mut state = lock(&meter.state);
            state.rates.iter_mut().for_each(|it| it.others(&pieces));
            state.epoch = epoch;
            return Ok(false);
        }
        let mut deltas: Vec<Delta> = vec![];
        let shared = limits::share(db, subject, now, |pieces| {
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
            let meter = |it: &Subject| self.meters.get(it).map(|meter| (*it, it.to_string(), meter));
            let meters: Vec<_> = some.iter().filter_map(meter).collect();
            let mut turns = vec![];
            let (mut deltas, mut busiest) = (vec![], vec![]);
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
                if state.rates.iter().any(Rate::has_share) {
                    lock(&self.due).insert(*whom);
                }
            }
            let written = limits::add(db, &deltas, &busiest).await;
            for (whom, subject, meter) in &meters {
                if written.is_err() && busiest.iter().any(|it| it.subject == *subject) {
                    lock(&meter.state).rates.iter_mut().for_each(Rate::rises_again);
                    lock(&self.due).insert(*whom);
                }
                let mine: Vec<Delta> = deltas.iter().filter(|it| it.subject == *subject).cloned().collect();
                if mine.is_empty() {
                    continue;
                }
                let now = kit.now();
                lock(&meter.state).rates.iter_mut().for_each(|it| it.settle(&mine, written.is_ok(), now));
                if written.is_err() {
                    lock(&self.due).insert(*whom);
                }
            }
            done = done.and(written);
        }
        done
    }
}

impl App {
    /// Takes from the rate limits of a plan, for the account that pays. None where it has no limit.
    pub async fn take(&self, payer: AccountId, plan: &str, cost: u64) -> Result<Option<Report>> {
        let limits = self.kit().catalog.plan(plan).map(|it| &it.limits[..]).unwrap_or_default();
        self.0.limits.ask(&self.0.db, self.kit(), Subject::Plan(payer), limits, Some(cost)).await
    }
    /// How the rate limits stand, without taking from them.
    pub async fn peek(&self, payer: AccountId, plan: &str) -> Result<Option<Report>> {
        let limits = self.kit().catalog.plan(plan).map(|it| &it.limits[..]).unwrap_or_default();
        self.0.limits.ask(&self.0.db, self.kit(), Subject::Plan(payer), limits, None).await
    }
    /// A call of our own API, made for an account.
    pub(super) async fn call(&self, account: AccountId) -> Result<Option<Report>> {
        let limits = &self.kit().catalog.api;
        self.0.limits.ask(&self.0.db, self.kit(), Subject::Api(account), limits, Some(1)).await
    }
    /// The rate limits, for who keeps them in step with other processes.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }
}
