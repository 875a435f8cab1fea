//! Who is counted: a meter for each, on shelves, so that those who ask at the same time seldom wait for each other.
use super::{
    Report,
    window_limiter::{Rate, Try},
};
use crate::{
    model::{catalog::RateLimit, time::Time},
    store::rate_limits::{Subject, Tally},
};
use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

const SHELVES: usize = 64;
/// So many are counted in memory on each shelf, 100,000 in all: those that were asked for longest ago are read again.
const MOST: usize = 1_563;

/// What counts for one subject.
#[derive(Default)]
pub struct Meter {
    pub state: Mutex<State>,
    /// Who talks to the database about it.
    pub turn: tokio::sync::Mutex<()>,
    /// When it was asked for last.
    used: AtomicI64,
}

impl Meter {
    /// It is asked for now.
    pub fn is_used(&self, now: Time) {
        self.used.store(now.0, Relaxed);
    }
}

/// What a meter knows.
#[derive(Default)]
pub struct State {
    pub rates: Vec<Rate>,
    /// As of which epoch it knows what others admitted.
    pub epoch: u64,
    /// By hour, how many were asked about and refused that are not written down yet.
    tallies: Vec<(i64, i64, i64)>,
}

type Shelf = HashMap<Subject, Arc<Meter>>;

/// All meters.
pub struct Meters {
    shelves: Box<[RwLock<Shelf>]>,
    hasher: RandomState,
}

impl Default for Meters {
    fn default() -> Meters {
        let shelves = std::iter::repeat_with(RwLock::default).take(SHELVES).collect();
        Meters { shelves, hasher: RandomState::new() }
    }
}

impl Meters {
    fn shelf(&self, whom: Subject) -> &RwLock<Shelf> {
        let hash = usize::try_from(self.hasher.hash_one(whom) % SHELVES as u64).unwrap_or(0);
        &self.shelves[hash]
    }
    /// What is asked of a meter, if there is one.
    pub fn with<T>(&self, whom: Subject, ask: impl FnOnce(&Arc<Meter>) -> T) -> Option<T> {
        let shelf = self.shelf(whom).read().unwrap_or_else(PoisonError::into_inner);
        shelf.get(&whom).map(ask)
    }
    /// A meter, if there is one.
    pub fn get(&self, whom: Subject) -> Option<Arc<Meter>> {
        self.with(whom, Arc::clone)
    }
    /// A meter, made if there is none.
    pub fn make(&self, whom: Subject, now: Time) -> Arc<Meter> {
        let mut shelf = self.shelf(whom).write().unwrap_or_else(PoisonError::into_inner);
        if shelf.len() >= MOST && !shelf.contains_key(&whom) {
            let oldest = shelf.iter().min_by_key(|it| it.1.used.load(Relaxed)).map(|it| *it.0);
            oldest.and_then(|it| shelf.remove(&it));
        }
        let meter = shelf.entry(whom).or_default().clone();
        meter.is_used(now);
        meter
    }
    /// Who is counted.
    pub fn all(&self) -> Vec<Subject> {
        let of = |it: &RwLock<Shelf>| {
            it.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect::<Vec<_>>()
        };
        self.shelves.iter().flat_map(of).collect()
    }
    /// Forgets those that nobody asked for since.
    pub fn sweep(&self, since: Time) {
        for it in &self.shelves {
            it.write()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|_, meter| meter.used.load(Relaxed) >= since.0);
        }
    }
}

impl State {
    /// The plan may be another than last time: what was admitted still counts.
    pub fn fit(&mut self, limits: &[RateLimit]) {
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
    }
    /// Admits all or nothing; none: the database must be asked first.
    pub fn admit(&mut self, cost: u64, now: Time, how: Try) -> Option<Report> {
        let mut admitted = true;
        for it in &mut self.rates {
            admitted &= it.fits(cost, now, how)?;
        }
        if admitted {
            self.rates.iter_mut().for_each(|it| it.take(cost, now, how));
        }
        Some(self.report(admitted, cost, now))
    }
    pub fn report(&mut self, admitted: bool, cost: u64, now: Time) -> Report {
        let wanted = if admitted { 0 } else { cost };
        let (mut retry, mut tightest) = (Duration::ZERO, None);
        for (place, rate) in self.rates.iter_mut().enumerate() {
            let (seconds, it, lacks) = rate.dimension(place, wanted, now);
            if lacks {
                retry = retry.max(it.reset);
            }
            let order = (it.remaining, seconds);
            if tightest.as_ref().is_none_or(|(had, _)| order < *had) {
                tightest = Some((order, it));
            }
        }
        let tightest = tightest.expect("a limit has a dimension").1;
        Report { admitted, tightest, retry }
    }
    /// One more was asked about in an hour. True if it is the first since they were written down.
    pub fn count(&mut self, hour: i64, admitted: bool) -> bool {
        let is_first = self.tallies.is_empty();
        let tally = match self.tallies.last_mut() {
            Some(last) if last.0 == hour => last,
            _ => {
                self.tallies.push((hour, 0, 0));
                self.tallies.last_mut().expect("it was just put there")
            }
        };
        tally.1 += 1;
        tally.2 += i64::from(!admitted);
        is_first
    }
    /// What was counted, to be written down.
    pub fn counted(&mut self, subject: &str) -> Vec<Tally> {
        let all = std::mem::take(&mut self.tallies).into_iter();
        all.map(|(hour, asked, refused)| Tally { subject: subject.to_owned(), hour, asked, refused })
            .collect()
    }
    /// It could not be written down.
    pub fn count_again<'a>(&mut self, tallies: impl Iterator<Item = &'a Tally>) {
        self.tallies.splice(0..0, tallies.map(|it| (it.hour, it.asked, it.refused)));
    }
}
