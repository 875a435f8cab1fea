//! Which keys and service tokens exist, in two bytes each (a Bloom filter): a flood of secrets that nobody ever created is refused
//! without asking the database. A cache of unknown secrets would not help: each of them comes once.
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// For each hash. With four probes, one unknown hash in 500 is taken for a known one in a filter that is saturated.
const BITS_PER_HASH: usize = 16;
/// 64 KiB.
const MIN_BITS: usize = 1 << 19;

/// Answers whether a hash may have been added. "No" is certain, "yes" is not. Nothing is ever removed.
pub struct BloomFilter {
    words: Box<[AtomicU64]>,
    added: AtomicUsize,
}

impl BloomFilter {
    /// For that many hashes, with room for as many again.
    pub fn with_capacity(count: usize) -> BloomFilter {
        let bits = count.saturating_mul(2 * BITS_PER_HASH).clamp(MIN_BITS, 1 << 31).next_power_of_two();
        let words = std::iter::repeat_with(AtomicU64::default).take(bits / 64).collect();
        BloomFilter { words, added: AtomicUsize::new(0) }
    }
    fn bits(&self) -> usize {
        self.words.len() * 64
    }
    /// Adds a hash by its first sixteen bytes.
    pub fn add(&self, hash: &[u8]) {
        self.added.fetch_add(1, Relaxed);
        for (word, bit) in self.probes(hash) {
            self.words[word].fetch_or(bit, Relaxed);
        }
    }
    pub fn may_contain(&self, hash: &[u8]) -> bool {
        self.probes(hash).all(|(word, bit)| self.words[word].load(Relaxed) & bit != 0)
    }
    /// Whether so many were added that a larger filter is due.
    pub fn is_saturated(&self) -> bool {
        self.added.load(Relaxed) * BITS_PER_HASH > self.bits()
    }
    /// The four bits of a hash: each a word and a mask. The hash is random already, so its own bytes say where they are.
    fn probes<'a>(&'a self, hash: &'a [u8]) -> impl Iterator<Item = (usize, u64)> + 'a {
        hash.chunks_exact(4).take(4).map(|chunk| {
            let number = chunk.iter().fold(0_usize, |number, byte| (number << 8) | usize::from(*byte));
            let bit = number & (self.bits() - 1);
            (bit / 64, 1 << (bit % 64))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{random::Random, secrets::hash};

    #[test]
    fn it_contains_what_was_added_and_little_else() {
        let (filter, random) = (BloomFilter::with_capacity(10_000), Random::real());
        let known: Vec<_> = (0..20_000).map(|number| hash(&number.to_string())).collect();
        for hash in &known {
            filter.add(hash);
        }
        assert!(known.iter().all(|hash| filter.may_contain(hash)));
        let strangers = (0..20_000).filter(|_| filter.may_contain(&random.bytes::<32>())).count();
        assert!(strangers < 200, "{strangers} of 20,000 unknown hashes pass");
        assert!(!filter.is_saturated());
        for _ in 0..40_000 {
            filter.add(&random.bytes::<32>());
        }
        assert!(filter.is_saturated());
    }
}
