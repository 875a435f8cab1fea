//! Writes what the limiters counted to the database, once a second.
use super::{
    RateLimiter,
    limiters::{AccountLimiter, Unwritten},
    window_limiter::WindowLimiter,
};
use crate::{
    error::Result,
    store::rate_limits::{self, Subject},
};
use std::sync::Arc;

/// How many subjects one transaction writes.
const BATCH: usize = 500;

/// What one limiter has to write.
struct Part {
    subject: Subject,
    limiter: Arc<AccountLimiter>,
    taken: Unwritten,
}

impl RateLimiter {
    /// Writes down what must be known elsewhere or later, and gives back leases that were not used. `all` writes also what is over
    /// before a restart could read it. The first error is returned after everything was tried; what failed stays to be written.
    pub async fn flush(&self, all: bool) -> Result<()> {
        let subjects: Vec<Subject> = std::mem::take(&mut *self.dirty()).into_iter().collect();
        let mut result = Ok(());
        for batch in subjects.chunks(BATCH) {
            result = result.and(self.flush_batch(batch, all).await);
        }
        result
    }
    async fn flush_batch(&self, subjects: &[Subject], all: bool) -> Result<()> {
        let limiters: Vec<_> = subjects
            .iter()
            .filter_map(|subject| self.limiters.get(*subject).map(|limiter| (*subject, limiter)))
            .collect();
        let (mut parts, mut guards) = (vec![], vec![]);
        for (subject, limiter) in &limiters {
            // Whoever talks to the database about it now may be changing what would be written: later.
            let Ok(guard) = limiter.db_lock.try_lock() else {
                self.dirty().insert(*subject);
                continue;
            };
            guards.push(guard);
            parts.push(self.take_part(*subject, limiter, all));
        }
        let written = self.write(&parts).await;
        for Part { subject, limiter, taken } in &parts {
            limiter.state().settle(taken, written.is_ok(), self.context.now());
            if written.is_err() {
                self.dirty().insert(*subject);
            }
        }
        written
    }
    fn take_part(&self, subject: Subject, limiter: &Arc<AccountLimiter>, all: bool) -> Part {
        let (shared, now) = (self.is_shared(), self.context.now());
        let mut state = limiter.state();
        let taken = state.take_unwritten(&subject.to_string(), all || shared, shared, now);
        let holds_lease = state.windows.iter().any(WindowLimiter::has_lease);
        drop(state);
        if holds_lease {
            // To be given back by a later flush, unless it is used.
            self.dirty().insert(subject);
        }
        Part { subject, limiter: limiter.clone(), taken }
    }
    async fn write(&self, parts: &[Part]) -> Result<()> {
        let slices: Vec<_> = parts.iter().flat_map(|part| part.taken.slices.iter().cloned()).collect();
        let peaks: Vec<_> = parts.iter().flat_map(|part| part.taken.peaks.iter().cloned()).collect();
        let hours: Vec<_> = parts.iter().flat_map(|part| part.taken.hours.iter().cloned()).collect();
        rate_limits::record(&self.db, &slices, &peaks, &hours).await
    }
}
