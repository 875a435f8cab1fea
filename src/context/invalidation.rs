//! What this process may no longer believe of what it cached. A change says so here once it is committed; whatever is cached
//! asks here before it is used. `store/invalidations.rs` carries it to other processes, `gateway/replica_sync.rs` listens.
use super::bloom_filter::BloomFilter;
use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Accounts and users share this many slots: two that meet in one are read again together, and nothing grows.
const SLOTS: usize = 1 << 14;

/// Something that every process must hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// An account, a user, or by the nil id the installation: what is cached of it is no longer true.
    Changed(Uuid),
    /// A key or a service token was made whose hash begins like this.
    Created([u8; 16]),
}

impl Invalidation {
    /// For the way to other processes: 33 characters.
    pub fn encode(&self) -> String {
        match self {
            Invalidation::Changed(id) => format!("c{}", id.simple()),
            Invalidation::Created(hash) => format!("m{}", Uuid::from_bytes(*hash).simple()),
        }
    }
    pub fn parse(text: &str) -> Option<Invalidation> {
        let id: Uuid = text.get(1..)?.parse().ok()?;
        match text.as_bytes()[0] {
            b'c' => Some(Invalidation::Changed(id)),
            b'm' => Some(Invalidation::Created(id.into_bytes())),
            _ => None,
        }
    }
}

/// When something was read: what changed later is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(u64);

/// What is no longer true, and until when anything cached may be believed at all.
pub struct Invalidations {
    count: AtomicU64,
    all: AtomicU64,
    slots: Box<[AtomicU64]>,
    started: Instant,
    /// In microseconds after `started`.
    fresh_until: AtomicU64,
    known: RwLock<KnownKeys>,
}

#[derive(Clone, Default)]
struct KnownKeys {
    /// That is asked.
    complete: Option<Arc<BloomFilter>>,
    /// That is being filled.
    filling: Option<Arc<BloomFilter>>,
}

impl Default for Invalidations {
    fn default() -> Invalidations {
        Invalidations {
            count: AtomicU64::new(0),
            all: AtomicU64::new(0),
            slots: std::iter::repeat_with(AtomicU64::default).take(SLOTS).collect(),
            started: Instant::now(),
            fresh_until: AtomicU64::new(0),
            known: RwLock::default(),
        }
    }
}

impl Invalidations {
    /// To be asked before reading: what is published from now on makes what is read outdated.
    pub fn generation(&self) -> Generation {
        Generation(self.count.load(SeqCst))
    }
    /// Whether what was read in that generation, and is about these ids, is still true.
    pub fn is_current(&self, read: Generation, about: &[Uuid]) -> bool {
        self.all.load(SeqCst) <= read.0 && about.iter().all(|id| self.slot(*id).load(SeqCst) <= read.0)
    }
    /// Called after the commit: who reads from now on reads the new state.
    pub fn publish(&self, invalidations: &[Invalidation]) {
        if invalidations.is_empty() {
            return;
        }
        let count = self.count.fetch_add(1, SeqCst) + 1;
        for invalidation in invalidations {
            match invalidation {
                Invalidation::Changed(id) => drop(self.slot(*id).fetch_max(count, SeqCst)),
                Invalidation::Created(hash) => {
                    let KnownKeys { complete, filling } = self.known_keys();
                    complete.iter().chain(&filling).for_each(|filter| filter.add(hash));
                }
            }
        }
    }
    /// Something was missed: nothing that was read until now is believed.
    pub fn invalidate_all(&self) {
        let count = self.count.fetch_add(1, SeqCst) + 1;
        self.all.fetch_max(count, SeqCst);
    }
    /// All that was published elsewhere until `at` was heard: what is cached may be believed for so long after it.
    pub fn mark_fresh(&self, at: Instant, duration: Duration) {
        let until = at.saturating_duration_since(self.started) + duration;
        self.fresh_until.fetch_max(u64::try_from(until.as_micros()).unwrap_or(u64::MAX), SeqCst);
    }
    /// Whether what is cached may be believed now. If not, the database is asked each time.
    pub fn is_fresh(&self) -> bool {
        u128::from(self.fresh_until.load(SeqCst)) > self.started.elapsed().as_micros()
    }
    /// Whether a secret with this hash is certainly none of ours: no look-up is needed.
    pub fn is_unknown(&self, hash: &[u8]) -> bool {
        self.is_fresh() && self.known_keys().complete.is_some_and(|filter| !filter.may_contain(hash))
    }
    /// Whether the keys and tokens that exist should be counted, or counted again.
    pub fn needs_key_count(&self) -> bool {
        self.known_keys().complete.is_none_or(|filter| filter.is_saturated())
    }
    /// From now on, what is made is added to this filter too.
    pub fn begin_key_count(&self, filter: Arc<BloomFilter>) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).filling = Some(filter);
    }
    /// The filter holds all that exist: from now on it is the one that is asked.
    pub fn finish_key_count(&self) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.complete = known.filling.take().or_else(|| known.complete.take());
    }
    /// Something was missed: nobody is called unknown until all keys are counted again.
    pub fn forget_known_keys(&self) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = KnownKeys::default();
    }
    fn known_keys(&self) -> KnownKeys {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    fn slot(&self, id: Uuid) -> &AtomicU64 {
        // Counted from the end of the id: the first bytes are the time, the eighth from the end holds the variant.
        let number = u64::from_be_bytes(*id.as_bytes().last_chunk().expect("an id has sixteen bytes"));
        &self.slots[usize::try_from(number % SLOTS as u64).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_later_is_invalid_and_nothing_else() {
        let (invalidations, one, other) = (Invalidations::default(), Uuid::from_u128(1), Uuid::from_u128(2));
        let before = invalidations.generation();
        assert!(invalidations.is_current(before, &[one, other]));
        invalidations.publish(&[Invalidation::Changed(one)]);
        assert!(!invalidations.is_current(before, &[other, one]));
        assert!(invalidations.is_current(before, &[other]));
        assert!(invalidations.is_current(invalidations.generation(), &[one]));
        invalidations.invalidate_all();
        assert!(!invalidations.is_current(before, &[other]));
    }

    #[test]
    fn nothing_is_believed_before_it_is_heard() {
        let invalidations = Invalidations::default();
        assert!(!invalidations.is_fresh());
        invalidations.mark_fresh(Instant::now(), Duration::from_secs(60));
        assert!(invalidations.is_fresh());
        assert!(!invalidations.is_unknown(&[7; 32]), "nobody counted the keys yet");
        invalidations.begin_key_count(Arc::new(BloomFilter::with_capacity(10)));
        assert!(!invalidations.is_unknown(&[7; 32]), "they are being counted");
        invalidations.publish(&[Invalidation::Created([8; 16])]);
        invalidations.finish_key_count();
        assert!(invalidations.is_unknown(&[7; 32]) && !invalidations.is_unknown(&[8; 32]));
        invalidations.publish(&[Invalidation::Created([7; 16])]);
        assert!(!invalidations.is_unknown(&[7; 32]));
    }

    #[test]
    fn invalidations_travel_as_text() {
        for invalidation in [Invalidation::Changed(Uuid::from_u128(77)), Invalidation::Created([9; 16])] {
            assert_eq!(invalidation.encode().len(), 33);
            assert_eq!(Invalidation::parse(&invalidation.encode()), Some(invalidation));
        }
        assert_eq!(Invalidation::parse(""), None);
        assert_eq!(Invalidation::parse("é"), None);
    }
}
