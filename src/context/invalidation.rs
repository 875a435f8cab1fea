//! What this process may not remember any longer. Whoever changes an account tells so here once the change is kept; whatever is
//! kept in memory asks here before it is believed.
use super::bloom_filter::Sieve;
use crate::crypto::secrets::hash;
use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Accounts and users share these many places: two that meet in one are read again together, and nothing grows.
const PLACES: usize = 1 << 14;

/// Something that other processes must hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// An account, a user, or by the nil id the installation: what is remembered of it is no longer so.
    Changed(Uuid),
    /// A key or a token was made whose hash begins like this.
    Made([u8; 16]),
}

impl Mark {
    /// For the way to other processes: 33 characters.
    pub fn spell(&self) -> String {
        match self {
            Mark::Changed(it) => format!("c{}", it.simple()),
            Mark::Made(it) => format!("m{}", Uuid::from_bytes(*it).simple()),
        }
    }
    /// From there.
    pub fn parse(text: &str) -> Option<Mark> {
        let id: Uuid = text.get(1..)?.parse().ok()?;
        match text.as_bytes()[0] {
            b'c' => Some(Mark::Changed(id)),
            b'm' => Some(Mark::Made(id.into_bytes())),
            _ => None,
        }
    }
}

/// When something was read: what changed later is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Since(u64);

/// What is no longer so, and for how long memory may be believed at all.
pub struct Stale {
    count: AtomicU64,
    all: AtomicU64,
    places: Box<[AtomicU64]>,
    begun: Instant,
    /// In microseconds after `begun`.
    trusted: AtomicU64,
    known: RwLock<Sieves>,
}

#[derive(Clone, Default)]
struct Sieves {
    /// That is asked.
    whole: Option<Arc<Sieve>>,
    /// That is being filled.
    coming: Option<Arc<Sieve>>,
}

impl Default for Stale {
    fn default() -> Stale {
        Stale {
            count: AtomicU64::new(0),
            all: AtomicU64::new(0),
            places: std::iter::repeat_with(AtomicU64::default).take(PLACES).collect(),
            begun: Instant::now(),
            trusted: AtomicU64::new(0),
            known: RwLock::default(),
        }
    }
}

impl Stale {
    /// To be asked before reading: what is told from now on makes what is read stale.
    pub fn since(&self) -> Since {
        Since(self.count.load(SeqCst))
    }
    /// Whether what was read since then, and is about these, still holds.
    pub fn holds(&self, since: Since, about: &[Uuid]) -> bool {
        self.all.load(SeqCst) <= since.0 && about.iter().all(|it| self.place(*it).load(SeqCst) <= since.0)
    }
    /// Whether what was shown of these, or to these, is shown so still.
    pub fn shows(&self, since: Since, whom: &[Uuid]) -> bool {
        self.holds(since, whom) && whom.iter().all(|it| self.place(view(*it)).load(SeqCst) <= since.0)
    }
    /// What is shown of these, or to these, is read anew. Told after it is kept.
    pub fn renew(&self, whom: &[Uuid]) {
        if whom.is_empty() {
            return;
        }
        let count = self.count.fetch_add(1, SeqCst) + 1;
        for it in whom {
            self.place(view(*it)).fetch_max(count, SeqCst);
        }
    }
    /// These changed. Told after they are kept: who reads from now on reads them as they are.
    pub fn tell(&self, marks: &[Mark]) {
        if marks.is_empty() {
            return;
        }
        let count = self.count.fetch_add(1, SeqCst) + 1;
        for mark in marks {
            match mark {
                Mark::Changed(it) => drop(self.place(*it).fetch_max(count, SeqCst)),
                Mark::Made(it) => {
                    let Sieves { whole, coming } = self.sieves();
                    whole.iter().chain(&coming).for_each(|sieve| sieve.add(it));
                }
            }
        }
    }
    /// Something was missed: nothing that was read until now is believed.
    pub fn tell_all(&self) {
        let count = self.count.fetch_add(1, SeqCst) + 1;
        self.all.fetch_max(count, SeqCst);
    }
    /// All that was told elsewhere until `at` was heard: memory is believed for so long after it.
    pub fn trust(&self, at: Instant, long: Duration) {
        let until = at.saturating_duration_since(self.begun) + long;
        self.trusted.fetch_max(u64::try_from(until.as_micros()).unwrap_or(u64::MAX), SeqCst);
    }
    /// Whether memory is believed now. If not, the database is asked each time.
    pub fn is_trusted(&self) -> bool {
        u128::from(self.trusted.load(SeqCst)) > self.begun.elapsed().as_micros()
    }
    /// Whether a secret with this hash is surely none of ours, without looking it up.
    pub fn is_unknown(&self, hash: &[u8]) -> bool {
        self.is_trusted() && self.sieves().whole.is_some_and(|it| !it.may_hold(hash))
    }
    /// Whether the keys and tokens that there are should be counted, or counted again.
    pub fn wants_counting(&self) -> bool {
        self.sieves().whole.is_none_or(|it| it.is_crowded())
    }
    /// From now on, what is made is added to this one too.
    pub fn begin_counting(&self, sieve: Arc<Sieve>) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).coming = Some(sieve);
    }
    /// It holds all there are: it is the one that is asked.
    pub fn end_counting(&self) {
        let mut it = self.known.write().unwrap_or_else(PoisonError::into_inner);
        it.whole = it.coming.take().or_else(|| it.whole.take());
    }
    /// Something was missed: nobody is called unknown until all are counted again.
    pub fn forget_known(&self) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Sieves::default();
    }
    fn sieves(&self) -> Sieves {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    fn place(&self, id: Uuid) -> &AtomicU64 {
        // The last bytes of our ids are random: counted from the end, for the first of these eight holds the variant.
        let number = u64::from_be_bytes(*id.as_bytes().last_chunk().expect("an id has sixteen bytes"));
        &self.places[usize::try_from(number % PLACES as u64).unwrap_or(0)]
    }
}

/// What is shown of an account or to a user has a place of its own: keys need not be read again for it.
fn view(id: Uuid) -> Uuid {
    Uuid::from_u128(!id.as_u128())
}

/// Somebody who is known by an address alone, in the place of an id.
pub fn by_address(key: &str) -> Uuid {
    let hash = hash(key);
    Uuid::from_bytes(*hash.first_chunk().expect("a hash has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_later_is_stale_and_nothing_else() {
        let (stale, one, other) = (Stale::default(), Uuid::from_u128(1), Uuid::from_u128(2));
        let before = stale.since();
        assert!(stale.holds(before, &[one, other]));
        stale.tell(&[Mark::Changed(one)]);
        assert!(!stale.holds(before, &[other, one]));
        assert!(stale.holds(before, &[other]));
        assert!(stale.holds(stale.since(), &[one]));
        stale.tell_all();
        assert!(!stale.holds(before, &[other]));
    }

    #[test]
    fn nothing_is_believed_before_it_is_heard() {
        let stale = Stale::default();
        assert!(!stale.is_trusted());
        stale.trust(Instant::now(), Duration::from_secs(60));
        assert!(stale.is_trusted());
        assert!(!stale.is_unknown(&[7; 32]), "nobody counted the keys yet");
        stale.begin_counting(Arc::new(Sieve::of(10)));
        assert!(!stale.is_unknown(&[7; 32]), "they are being counted");
        stale.tell(&[Mark::Made([8; 16])]);
        stale.end_counting();
        assert!(stale.is_unknown(&[7; 32]) && !stale.is_unknown(&[8; 32]));
        stale.tell(&[Mark::Made([7; 16])]);
        assert!(!stale.is_unknown(&[7; 32]));
    }

    #[test]
    fn marks_travel_as_text() {
        for it in [Mark::Changed(Uuid::from_u128(77)), Mark::Made([9; 16])] {
            assert_eq!(it.spell().len(), 33);
            assert_eq!(Mark::parse(&it.spell()), Some(it));
        }
        assert_eq!(Mark::parse(""), None);
        assert_eq!(Mark::parse("é"), None);
    }
}
