//! The counters of all accounts, in shards, so that concurrent requests seldom wait for each other. This is not a cache: to drop a
//! counter is to forget what it counted and did not write yet, so the longest unused one goes first.
use super::{Mode, Report, window_limiter::WindowLimiter};
use crate::{
    model::{catalog::RateLimit, time::Time},
    store::rate_limits::{HourlyCount, Peak, SliceDelta, Subject, hour},
};
use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

const SHARDS: usize = 64;
/// 100,000 in all.
const MAX_PER_SHARD: usize = 1_563;

/// Counts what is admitted for one subject.
#[derive(Default)]
pub struct AccountLimiter {
    /// Held for the arithmetic only, never while waiting for the database.
    state: Mutex<LimiterState>,
    /// Held by whoever reads or writes its rows in the database.
    pub db_lock: tokio::sync::Mutex<()>,
    used_at: AtomicI64,
}

impl AccountLimiter {
    pub fn state(&self) -> MutexGuard<'_, LimiterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn touch(&self, now: Time) {
        self.used_at.store(now.0, Relaxed);
    }
}

#[derive(Default)]
pub struct LimiterState {
    /// One for each dimension of the limit.
    pub windows: Vec<WindowLimiter>,
    /// The epoch of the `RateLimiter` in which it read what others admitted; 0 if it did not.
    pub epoch: u64,
    /// Requests that are not written yet, oldest hour first.
    hours: Vec<Hour>,
}

#[derive(Clone, Copy)]
struct Hour {
    /// Since 1970.
    number: i64,
    requests: i64,
    refused: i64,
}

/// What was taken out of a limiter to be written to the database.
#[derive(Default)]
pub struct Unwritten {
    pub slices: Vec<SliceDelta>,
    pub peaks: Vec<Peak>,
    pub hours: Vec<HourlyCount>,
}

type Shard = HashMap<Subject, Arc<AccountLimiter>>;

pub struct Limiters {
    shards: Box<[RwLock<Shard>]>,
    hasher: RandomState,
}

impl Default for Limiters {
    fn default() -> Limiters {
        let shards = std::iter::repeat_with(RwLock::default).take(SHARDS).collect();
        Limiters { shards, hasher: RandomState::new() }
    }
}

fn read(shard: &RwLock<Shard>) -> RwLockReadGuard<'_, Shard> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

impl Limiters {
    fn shard(&self, subject: Subject) -> &RwLock<Shard> {
        let index = usize::try_from(self.hasher.hash_one(subject) % SHARDS as u64).unwrap_or(0);
        &self.shards[index]
    }
    /// Calls `ask` with the limiter of the subject, if there is one.
    pub fn with<T>(&self, subject: Subject, ask: impl FnOnce(&Arc<AccountLimiter>) -> T) -> Option<T> {
        read(self.shard(subject)).get(&subject).map(ask)
    }
    pub fn get(&self, subject: Subject) -> Option<Arc<AccountLimiter>> {
        self.with(subject, Arc::clone)
    }
    pub fn get_or_create(&self, subject: Subject, now: Time) -> Arc<AccountLimiter> {
        let mut shard = write(self.shard(subject));
        if shard.len() >= MAX_PER_SHARD && !shard.contains_key(&subject) {
            let oldest = shard.iter().min_by_key(|entry| entry.1.used_at.load(Relaxed)).map(|entry| *entry.0);
            oldest.and_then(|oldest| shard.remove(&oldest));
        }
        let limiter = shard.entry(subject).or_default().clone();
        limiter.touch(now);
        limiter
    }
    pub fn subjects(&self) -> Vec<Subject> {
        self.shards.iter().flat_map(|shard| read(shard).keys().copied().collect::<Vec<_>>()).collect()
    }
    /// Drops those that were not used since.
    pub fn sweep(&self, since: Time) {
        for shard in &self.shards {
            write(shard).retain(|_, limiter| limiter.used_at.load(Relaxed) >= since.0);
        }
    }
}

impl LimiterState {
    /// Adopts the limits of a plan, which may have changed: windows of the same length keep what they counted.
    pub fn set_limits(&mut self, limits: &[RateLimit]) {
        let is_same = self.windows.len() == limits.len()
            && self.windows.iter().zip(limits).all(|(window, limit)| window.is_for(limit));
        if is_same {
            return;
        }
        let mut old = std::mem::take(&mut self.windows);
        for limit in limits {
            let index = old.iter().position(|window| window.seconds() == limit.seconds);
            let window = index.map(|index| old.swap_remove(index));
            if window.is_none() {
                // A window that is new here may have been counted before a restart, or by another replica.
                self.epoch = 0;
            }
            self.windows
                .push(window.map_or_else(|| WindowLimiter::new(limit), |window| window.with_limit(limit)));
        }
    }
    /// Admits the cost in all dimensions or in none. `None`: the database must be asked first.
    pub fn admit(&mut self, cost: u64, now: Time, mode: Mode) -> Option<Report> {
        let mut admitted = true;
        for window in &mut self.windows {
            admitted &= window.fits(cost, now, mode)?;
        }
        if admitted {
            self.windows.iter_mut().for_each(|window| window.take(cost, now, mode));
        }
        Some(self.report(admitted, cost, now))
    }
    pub fn report(&mut self, admitted: bool, cost: u64, now: Time) -> Report {
        let wanted = if admitted { 0 } else { cost };
        let (mut retry_after, mut tightest) = (Duration::ZERO, None);
        for (index, window) in self.windows.iter_mut().enumerate() {
            let (dimension, fits) = window.dimension(index, wanted, now);
            if !fits {
                retry_after = retry_after.max(dimension.reset);
            }
            let order = (dimension.remaining, window.seconds());
            if tightest.as_ref().is_none_or(|(lowest, _)| order < *lowest) {
                tightest = Some((order, dimension));
            }
        }
        let (_, tightest) = tightest.expect("a limit has a dimension");
        Report { admitted, tightest, retry_after }
    }
    /// Counts a request. Answers whether it is the first since the counts were written.
    pub fn count(&mut self, now: Time, admitted: bool) -> bool {
        let (number, is_first) = (hour(now), self.hours.is_empty());
        let refused = i64::from(!admitted);
        match self.hours.last_mut().filter(|last| last.number == number) {
            Some(last) => {
                last.requests += 1;
                last.refused += refused;
            }
            None => self.hours.push(Hour { number, requests: 1, refused }),
        }
        is_first
    }
    /// Takes out what is to be written now; see `WindowLimiter::take_unwritten` for `all` and `shared`.
    pub fn take_unwritten(&mut self, subject: &str, all: bool, shared: bool, now: Time) -> Unwritten {
        let windows = self.windows.iter_mut();
        let slices = windows.flat_map(|window| window.take_unwritten(subject, all, shared, now)).collect();
        let peaks = self.windows.iter_mut().filter_map(|window| window.take_peak(subject)).collect();
        let hours = std::mem::take(&mut self.hours).into_iter();
        let hours = hours.map(|Hour { number, requests, refused }| HourlyCount {
            subject: subject.to_owned(),
            hour: number,
            requests,
            refused,
        });
        Unwritten { slices, peaks, hours: hours.collect() }
    }
    /// Notes that all of it was written, or puts it back if it was not.
    pub fn settle(&mut self, taken: &Unwritten, is_written: bool, now: Time) {
        if !taken.slices.is_empty() {
            self.windows.iter_mut().for_each(|window| window.settle(&taken.slices, is_written, now));
        }
        if is_written {
            return;
        }
        if !taken.peaks.is_empty() {
            self.windows.iter_mut().for_each(WindowLimiter::restore_peak);
        }
        let hours = taken.hours.iter();
        let hours =
            hours.map(|count| Hour { number: count.hour, requests: count.requests, refused: count.refused });
        self.hours.splice(0..0, hours);
    }
}
