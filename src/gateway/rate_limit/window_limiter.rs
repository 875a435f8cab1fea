//! One dimension of one subject's limit: what this process admitted, what others did, and what it may still admit.
use super::{Dimension, Mode};
use crate::{
    model::{calendar::Day, catalog::RateLimit, time::Time, window::Window},
    store::rate_limits::{Peak, Slice, SliceDelta},
};
use std::{collections::BTreeMap, time::Duration};

/// In the database, a window is counted in this many slices of time.
const SLICES: u32 = 60;
/// Windows longer than this many seconds outlive a restart even if nobody shares them.
const LONG: u32 = 600;
/// For this long after a lease was denied, none is asked for.
const DENIED_FOR: Duration = Duration::from_millis(250);

/// What this process may admit on its own within one slice of time. The database counts it as admitted already.
#[derive(Default)]
struct Lease {
    /// The slice's number.
    slice: i64,
    left: u64,
    /// What is being asked for.
    requested: u64,
}

pub struct WindowLimiter {
    limit: RateLimit,
    /// What this process admitted.
    window: Window,
    /// By slice: the part of the database's count that is this process's own.
    written: BTreeMap<i64, i64>,
    /// By slice: what the database does not count yet; negative where a lease is given back.
    unwritten: BTreeMap<i64, i64>,
    /// By slice: what other processes admitted or lease.
    others: BTreeMap<i64, i64>,
    lease: Lease,
    denied_until: Option<Time>,
    /// Whether it admitted anything since the last flush.
    is_used: bool,
    /// Whether it is known to have something to flush.
    is_dirty: bool,
    /// The most that the window held on a day.
    peak: (Day, u64),
    is_peak_unwritten: bool,
}

impl WindowLimiter {
    pub fn new(limit: &RateLimit) -> WindowLimiter {
        WindowLimiter {
            limit: limit.clone(),
            window: Window::new(limit.seconds),
            written: BTreeMap::new(),
            unwritten: BTreeMap::new(),
            others: BTreeMap::new(),
            lease: Lease::default(),
            denied_until: None,
            is_used: false,
            is_dirty: false,
            peak: (Day(0), 0),
            is_peak_unwritten: false,
        }
    }
    /// The same counts under another limit over a window of the same length.
    pub fn with_limit(self, limit: &RateLimit) -> WindowLimiter {
        WindowLimiter { limit: limit.clone(), denied_until: None, ..self }
    }
    pub fn is_for(&self, limit: &RateLimit) -> bool {
        self.limit == *limit
    }
    pub fn seconds(&self) -> u32 {
        self.limit.seconds
    }
    /// Whether the cost fits. `None`: the database must be asked for a lease first.
    pub fn fits(&mut self, cost: u64, now: Time, mode: Mode) -> Option<bool> {
        self.advance(now);
        if mode == Mode::Alone || cost == 0 {
            return Some(self.admitted(now) + cost <= u64::from(self.limit.requests));
        }
        if self.lease.left >= cost {
            return Some(true);
        }
        (self.is_denied(now) || mode == Mode::LastLease).then_some(false)
    }
    /// Counts a cost that fits.
    pub fn take(&mut self, cost: u64, now: Time, mode: Mode) {
        self.window.add(now, cost);
        self.is_used = true;
        self.record_peak(now);
        // The database counts a lease already.
        let from_lease = if mode == Mode::Alone { 0 } else { self.lease.left.min(cost) };
        self.lease.left -= from_lease;
        let (slice, rest) = (self.slice(now), signed(cost - from_lease));
        if rest > 0 {
            *self.unwritten.entry(slice).or_default() += rest;
        }
    }
    /// How it stands, and whether `wanted` fits.
    pub fn dimension(&mut self, index: usize, wanted: u64, now: Time) -> (Dimension, bool) {
        let (own, others) = (self.window.sum(now), self.others(now));
        let remaining = u64::from(self.limit.requests).saturating_sub(own + others);
        let lacking = wanted.saturating_sub(remaining);
        let own_reset = (own > 0).then(|| self.window.time_until_free(lacking.max(1), now));
        let oldest = self.others.first_key_value().map(|(slice, _)| *slice);
        let others_reset = oldest.map(|slice| Time(self.end(slice)).since(now));
        let reset = own_reset.into_iter().chain(others_reset).min().unwrap_or_default();
        (Dimension { index, limit: self.limit.requests, remaining, reset }, lacking == 0)
    }

    fn span(&self) -> i64 {
        i64::from(self.limit.seconds)
    }
    /// The length of a slice, in microseconds.
    fn slice_length(&self) -> i64 {
        i64::from((self.limit.seconds / SLICES).max(1)) * 1_000_000
    }
    /// The number of the slice that is now.
    fn slice(&self, now: Time) -> i64 {
        now.0.div_euclid(self.slice_length())
    }
    /// When a slice no longer counts, in microseconds: when the last of it left the window.
    fn end(&self, slice: i64) -> i64 {
        (slice + 1) * self.slice_length() + self.span() * 1_000_000
    }
    /// What others admitted within the window.
    fn others(&mut self, now: Time) -> u64 {
        while let Some(oldest) = self.others.first_key_value().map(|(slice, _)| *slice) {
            if self.end(oldest) > now.0 {
                break;
            }
            self.others.pop_first();
        }
        u64::try_from(self.others.values().sum::<i64>()).unwrap_or(0)
    }
    fn admitted(&mut self, now: Time) -> u64 {
        self.window.sum(now) + self.others(now)
    }
    fn is_denied(&self, now: Time) -> bool {
        // A clock that went back does not deny for longer.
        self.denied_until.is_some_and(|until| now < until && until.since(now) <= DENIED_FOR)
    }
    /// Ends a lease whose slice is over, and forgets slices that left the window.
    fn advance(&mut self, now: Time) {
        let slice = self.slice(now);
        if self.lease.slice == slice {
            return;
        }
        self.give_back();
        self.lease.slice = slice;
        let start = now.0 - self.span() * 1_000_000 - self.slice_length();
        let first = start.div_euclid(self.slice_length());
        self.written = self.written.split_off(&first);
        self.unwritten = self.unwritten.split_off(&first);
    }
    fn give_back(&mut self) {
        let left = std::mem::take(&mut self.lease.left);
        if left > 0 {
            *self.unwritten.entry(self.lease.slice).or_default() -= signed(left);
        }
    }
    fn record_peak(&mut self, now: Time) {
        let current = (Day::of(now), self.admitted(now));
        if current > self.peak {
            self.peak = current;
            self.is_peak_unwritten = true;
        }
    }
}

/// What the database is told and asked.
impl WindowLimiter {
    /// Takes over what all processes wrote: what of it is not this process's own is others'.
    pub fn set_others(&mut self, slices: &[Slice]) {
        let span = self.span();
        self.others.clear();
        for slice in slices.iter().filter(|slice| slice.window_seconds == span) {
            let theirs = slice.admitted - self.written.get(&slice.slice).copied().unwrap_or(0);
            if theirs > 0 {
                self.others.insert(slice.slice, theirs);
            }
        }
    }
    /// What to add to the database for a lease that covers the cost, and some more, so that the next request need not ask. Called
    /// while no other process can lease; `settle` must follow.
    pub fn request_lease(&mut self, subject: &str, cost: u64, replicas: usize, now: Time) -> Vec<SliceDelta> {
        self.advance(now);
        let held = self.admitted(now) + self.lease.left;
        let room = u64::from(self.limit.requests).saturating_sub(held);
        let lacking = cost.saturating_sub(self.lease.left);
        let fair = room / (u64::try_from(replicas).unwrap_or(1) + 1);
        // A process that dies takes its lease with it: at most one slice's share of the limit.
        let share = u64::from(self.limit.requests / SLICES);
        let requested = if lacking <= room { lacking.max(fair.min(share)) } else { 0 };
        let mut deltas = self.drain_unwritten(subject);
        self.lease.requested = requested;
        if requested > 0 {
            let delta = self.delta(subject, self.lease.slice);
            deltas.push(SliceDelta { admitted: signed(requested), ..delta });
        }
        self.denied_until = (requested == 0).then(|| now.plus(DENIED_FOR));
        deltas
    }
    fn delta(&self, subject: &str, slice: i64) -> SliceDelta {
        SliceDelta {
            subject: subject.to_owned(),
            window_seconds: self.span(),
            slice,
            admitted: 0,
            expires_at: self.end(slice),
        }
    }
    fn drain_unwritten(&mut self, subject: &str) -> Vec<SliceDelta> {
        let unwritten = std::mem::take(&mut self.unwritten).into_iter();
        unwritten.map(|(slice, admitted)| SliceDelta { admitted, ..self.delta(subject, slice) }).collect()
    }
    /// Says what became of the deltas of `request_lease` or `take_unwritten`: if they were not written, all is as before.
    pub fn settle(&mut self, deltas: &[SliceDelta], is_written: bool, now: Time) {
        self.advance(now);
        let requested = std::mem::take(&mut self.lease.requested);
        let (span, mut last) = (self.span(), self.lease.slice);
        for delta in deltas.iter().filter(|delta| delta.window_seconds == span) {
            let counts = if is_written { &mut self.written } else { &mut self.unwritten };
            *counts.entry(delta.slice).or_default() += delta.admitted;
            last = delta.slice;
        }
        // The requested lease is the last of the deltas. If its slice is over meanwhile, it is given back.
        if is_written && last == self.lease.slice {
            self.lease.left += requested;
        } else if requested > 0 {
            *self.unwritten.entry(last).or_default() -= signed(requested);
        }
    }
    /// What to write down now. Without `all`, only windows that outlive a restart. Gives the lease back if nothing was admitted
    /// since the last flush, or if no other process serves any more.
    pub fn take_unwritten(&mut self, subject: &str, all: bool, shared: bool, now: Time) -> Vec<SliceDelta> {
        self.advance(now);
        if !std::mem::take(&mut self.is_used) || !shared {
            self.give_back();
        }
        self.is_dirty = false;
        if all || self.limit.seconds > LONG { self.drain_unwritten(subject) } else { vec![] }
    }
    /// The peak of the day, if it is not written yet.
    pub fn take_peak(&mut self, subject: &str) -> Option<Peak> {
        let (Day(day), peak) = self.peak;
        let is_unwritten = std::mem::take(&mut self.is_peak_unwritten);
        is_unwritten.then(|| Peak {
            subject: subject.to_owned(),
            day,
            window_seconds: self.span(),
            peak: signed(peak),
        })
    }
    /// It could not be written.
    pub fn restore_peak(&mut self) {
        self.is_peak_unwritten = true;
    }
    /// Marks it as having something to flush, if it has. Answers whether it was not marked before.
    pub fn becomes_dirty(&mut self, shared: bool) -> bool {
        let has_something = shared || self.limit.seconds > LONG || self.is_peak_unwritten;
        has_something && !std::mem::replace(&mut self.is_dirty, true)
    }
    pub fn has_lease(&self) -> bool {
        self.lease.left > 0
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::MINUTE;

    #[test]
    fn a_replica_that_dies_takes_little_with_it() {
        let limit = RateLimit { requests: 600, seconds: 60, name: None };
        let now = Time(1_800_000_000_000_000);
        let slice = WindowLimiter::new(&limit).slice(now);
        let mut written = Slice { window_seconds: 60, slice, admitted: 0 };
        for _ in 0..20 {
            let mut replica = WindowLimiter::new(&limit);
            replica.set_others(&[written]);
            let leased: i64 = replica.request_lease("s", 1, 1, now).iter().map(|delta| delta.admitted).sum();
            assert_eq!(leased, 10);
            written.admitted += leased;
        }
        // What died with them is free again when its window is over.
        let mut survivor = WindowLimiter::new(&limit);
        survivor.set_others(&[written]);
        assert_eq!(survivor.dimension(0, 0, now).0.remaining, 400);
        assert_eq!(survivor.dimension(0, 0, now.plus(2 * MINUTE)).0.remaining, 600);
    }
}
