//! Which secrets there are, in a few bits each (a Bloom filter): a flood of keys that nobody made is turned away without the
//! database, and without a byte for each.
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Bits for each secret: with four marks each, one unknown secret in five hundred is looked up all the same.
const BITS: usize = 16;
/// The smallest: 64 KiB.
const LEAST: usize = 1 << 19;

/// Says of a hash whether it may be one of those that were added; that it is not, it says for certain.
pub struct Sieve {
    words: Box<[AtomicU64]>,
    held: AtomicUsize,
}

impl Sieve {
    /// For about so many, and as many again.
    pub fn of(about: usize) -> Sieve {
        let bits = about.saturating_mul(2 * BITS).clamp(LEAST, 1 << 31).next_power_of_two();
        let words = std::iter::repeat_with(AtomicU64::default).take(bits / 64).collect();
        Sieve { words, held: AtomicUsize::new(0) }
    }
    /// Adds a hash, of which the first sixteen bytes count.
    pub fn add(&self, hash: &[u8]) {
        self.held.fetch_add(1, Relaxed);
        for (word, bit) in self.marks(hash) {
            self.words[word].fetch_or(bit, Relaxed);
        }
    }
    /// Whether it may have been added.
    pub fn may_hold(&self, hash: &[u8]) -> bool {
        self.marks(hash).all(|(word, bit)| self.words[word].load(Relaxed) & bit != 0)
    }
    /// Whether so many were added that a larger one is due.
    pub fn is_crowded(&self) -> bool {
        self.held.load(Relaxed) * BITS > self.words.len() * 64
    }
    /// A hash is random: its own bits say where.
    fn marks<'a>(&'a self, hash: &'a [u8]) -> impl Iterator<Item = (usize, u64)> + 'a {
        let quarters = hash.chunks_exact(4).take(4);
        quarters.map(|it| {
            let at = it.iter().fold(0_usize, |at, byte| (at << 8) | usize::from(*byte));
            let at = at & (self.words.len() * 64 - 1);
            (at / 64, 1 << (at % 64))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{context::Chance, crypto::secrets::hash};

    #[test]
    fn it_knows_what_was_added_and_little_else() {
        let (sieve, chance) = (Sieve::of(10_000), Chance::real());
        let all: Vec<_> = (0..20_000).map(|it| hash(&it.to_string())).collect();
        for it in &all {
            sieve.add(it);
        }
        assert!(all.iter().all(|it| sieve.may_hold(it)));
        let strangers = (0..20_000).filter(|_| sieve.may_hold(&chance.bytes::<32>())).count();
        assert!(strangers < 200, "{strangers} of 20,000 strangers pass");
        assert!(!sieve.is_crowded());
        for _ in 0..40_000 {
            sieve.add(&chance.bytes::<32>());
        }
        assert!(sieve.is_crowded());
    }
}
