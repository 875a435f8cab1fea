//! Who fails too often waits. Only failures count, so that nobody is stopped by doing things right; and the failures of a
//! browser that a user signed in with before are counted apart, so that nobody else can lock that user out.
use crate::error::{Error, Result};
use moka::sync::Cache;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// How long failures are remembered, from the first one on.
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Counts failures by key, in this process.
pub struct Throttle(Cache<String, Arc<AtomicU32>>);

impl Default for Throttle {
    fn default() -> Self {
        // The bound keeps a flood of addresses from growing the memory.
        Throttle(Cache::builder().max_capacity(100_000).time_to_live(WINDOW).build())
    }
}

/// A try that counts as a failure until it is told to have gone well.
#[must_use]
pub struct Attempt(Vec<Arc<AtomicU32>>);

impl Attempt {
    /// It went well: it is not counted.
    pub fn forgive(self) {
        for it in self.0 {
            it.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Throttle {
    /// A try under these keys, each with the most failures that it may have. `TooMany` if one has had them.
    pub fn attempt(&self, keys: &[(String, u32)]) -> Result<Attempt> {
        let mut counted = vec![];
        for (key, most) in keys {
            let count = self.0.get_with_by_ref(key, Arc::default);
            // Counted before it is known, so that a hundred at once are a hundred.
            let had = count.fetch_add(1, Ordering::Relaxed);
            counted.push(count);
            if had >= *most {
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
