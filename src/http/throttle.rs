//! Limits how often somebody may fail, such as at a password. Successful attempts are not counted; and those of a browser with which
//! a user has signed in before have a count of their own, so that nobody else can lock that user out.
use crate::error::{Error, Result};
use moka::sync::Cache;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// How long failures are counted, from the first one on.
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Counts failures by key, in this process.
pub struct Throttle(Cache<String, Arc<AtomicU32>>);

impl Default for Throttle {
    fn default() -> Self {
        // Bounded, so that a flood of addresses does not fill the memory.
        Throttle(Cache::builder().max_capacity(100_000).time_to_live(WINDOW).build())
    }
}

/// An attempt that counts as a failure until it is forgiven.
#[must_use]
pub struct Attempt(Vec<Arc<AtomicU32>>);

impl Attempt {
    /// It succeeded: it is not counted.
    pub fn forgive(self) {
        for count in self.0 {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Throttle {
    /// Begins an attempt that counts under each of these keys. `TooMany` if one has had as many failures as its maximum.
    pub fn attempt(&self, keys: &[(String, u32)]) -> Result<Attempt> {
        let mut counted = vec![];
        for (key, maximum) in keys {
            let count = self.0.get_with_by_ref(key, Arc::default);
            // Counted before the outcome is known, so that concurrent attempts count too.
            let failures = count.fetch_add(1, Ordering::Relaxed);
            counted.push(count);
            if failures >= *maximum {
                Attempt(counted).forgive();
                return Err(Error::TooMany(WINDOW));
            }
        }
        Ok(Attempt(counted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_count() {
        let throttle = Throttle::default();
        let keys = [("user ada".to_owned(), 3), ("ip 1".to_owned(), 5)];
        for _ in 0..10 {
            throttle.attempt(&keys).unwrap().forgive();
        }
        for _ in 0..3 {
            let _ = throttle.attempt(&keys).unwrap();
        }
        assert!(throttle.attempt(&keys).is_err());
        assert!(throttle.attempt(&[("user bob".to_owned(), 3), ("ip 1".to_owned(), 5)]).is_ok());
    }
}
