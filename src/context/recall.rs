//! What was read, remembered for a moment: as long as nothing is told of whom it is about (`kit::stale`), and never for a whole
//! second, so that nothing which was told elsewhere, or which time alone does, is shown later than that.
use super::invalidation::{Since, Stale};
use crate::model::time::Time;
use moka::sync::Cache;
use std::{
    any::{Any, TypeId},
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use uuid::Uuid;

/// How long.
const MOMENT: Duration = Duration::from_millis(900);
/// How much, in bytes.
const MOST: u64 = 8 << 20;
/// From so many bytes on, something is worth it only where it is asked for again.
const LARGE: usize = 4 << 10;
/// So many names of large things are known to have been asked for.
const ASKED: usize = 1 << 12;

/// What was asked for: words that name it, each after its length.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name(Vec<u8>);

impl Name {
    /// Of all that the answer depends on.
    pub fn of(parts: &[&[u8]]) -> Name {
        let mut name = Vec::with_capacity(parts.iter().map(|it| it.len() + 4).sum());
        for it in parts {
            name.extend_from_slice(&u32::try_from(it.len()).unwrap_or(u32::MAX).to_be_bytes());
            name.extend_from_slice(it);
        }
        Name(name)
    }
}

/// About whom it is, and about how many bytes it takes.
pub struct About {
    /// Accounts, users, addresses.
    pub whom: Vec<Uuid>,
    /// About so many bytes.
    pub bytes: usize,
}

struct Kept {
    what: Arc<dyn Any + Send + Sync>,
    at: Time,
    since: Since,
    about: About,
}

/// What was read, for a moment.
pub struct Recall {
    kept: Cache<(TypeId, Name), Arc<Kept>>,
    /// Hashes of the names of large things that were read, each in its place: the last of those that share one.
    asked: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Default for Recall {
    fn default() -> Recall {
        let weigh = |name: &(TypeId, Name), it: &Arc<Kept>| {
            let all = name.1.0.len() + 16 * it.about.whom.len() + it.about.bytes + 200;
            u32::try_from(all).unwrap_or(u32::MAX)
        };
        Recall {
            kept: Cache::builder().max_capacity(MOST).weigher(weigh).time_to_live(MOMENT).build(),
            asked: std::iter::repeat_with(AtomicU64::default).take(ASKED).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Recall {
    /// What was read under this name, if that is still so.
    pub fn get<T: Any + Send + Sync>(&self, name: Name, now: Time, stale: &Stale) -> Result<Arc<T>, Name> {
        let name = (TypeId::of::<T>(), name);
        let found = self
            .kept
            .get(&name)
            .filter(|it| it.at <= now && now < it.at.plus(MOMENT) && stale.shows(it.since, &it.about.whom));
        found.and_then(|it| it.what.clone().downcast().ok()).ok_or(name.1)
    }
    /// Remembers what was read, as of when it began to be read.
    pub fn keep<T: Any + Send + Sync>(
        &self,
        name: Name,
        what: Arc<T>,
        about: About,
        (at, since): (Time, Since),
    ) {
        if about.bytes < LARGE || self.is_asked_again(&name) {
            self.kept.insert((TypeId::of::<T>(), name), Arc::new(Kept { what, at, since, about }));
        }
    }
    /// Whether something of that name was read before. Whoever looks through a long list reads each page of it once.
    fn is_asked_again(&self, name: &Name) -> bool {
        let hash = self.hasher.hash_one(name);
        let place = usize::try_from(hash % ASKED as u64).unwrap_or(0);
        self.asked[place].swap(hash, Relaxed) == hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_large_is_remembered_from_the_second_time_on() {
        let (recall, stale) = (Recall::default(), Stale::default());
        let read = |word: &[u8]| {
            let name = || Name::of(&[word]);
            let is_known = recall.get::<u8>(name(), Time(0), &stale).is_ok();
            let about = About { whom: vec![], bytes: LARGE };
            recall.keep(name(), Arc::new(7_u8), about, (Time(0), stale.since()));
            is_known
        };
        assert_eq!([b"a", b"a", b"b", b"a"].map(|it| read(it)), [false, false, false, true]);
    }

    #[test]
    fn it_is_remembered_until_it_changes_or_a_moment_is_over() {
        let (recall, stale) = (Recall::default(), Stale::default());
        let (name, one) = (|| Name::of(&[b"a", b"bc"]), Uuid::from_u128(1));
        let keep = |at| {
            let about = About { whom: vec![one], bytes: 10 };
            recall.keep(name(), Arc::new("said".to_owned()), about, (Time(at), stale.since()));
        };
        let said = |at| recall.get::<String>(name(), Time(at), &stale).ok().map(|it| it.as_str().to_owned());
        keep(1_000_000);
        assert_eq!(said(1_800_000).as_deref(), Some("said"));
        assert_eq!(said(1_900_000), None, "a moment is over");
        assert_eq!(said(999_999), None, "a clock that went back knows nothing");
        assert!(recall.get::<u64>(name(), Time(1_000_000), &stale).is_err(), "another kind of thing");
        assert!(recall.get::<String>(Name::of(&[b"ab", b"c"]), Time(1_000_000), &stale).is_err());
        stale.renew(&[Uuid::from_u128(2)]);
        assert!(said(1_000_001).is_some());
        stale.renew(&[one]);
        assert_eq!(said(1_000_001), None, "it changed");
        keep(1_000_000);
        stale.tell(&[super::super::stale::Mark::Changed(one)]);
        assert_eq!(said(1_000_001), None, "whatever changed looks another way too");
        keep(1_000_000);
        stale.tell_all();
        assert_eq!(said(1_000_001), None);
    }
}
