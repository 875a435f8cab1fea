//! What was read, remembered for a moment: as long as nothing is told of whom it is about (`kit::stale`), and never for a whole
//! second, so that nothing which was told elsewhere, or which time alone does, is shown later than that.
use super::stale::{Since, Stale};
use crate::model::time::Time;
use moka::sync::Cache;
use std::{
    any::{Any, TypeId},
    sync::Arc,
    time::Duration,
};
use uuid::Uuid;

/// How long.
const MOMENT: Duration = Duration::from_millis(900);
/// How much, in bytes.
const MOST: u64 = 8 << 20;

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
pub struct Recall(Cache<(TypeId, Name), Arc<Kept>>);

impl Default for Recall {
    fn default() -> Recall {
        let weigh = |name: &(TypeId, Name), it: &Arc<Kept>| {
            let all = name.1.0.len() + 16 * it.about.whom.len() + it.about.bytes + 200;
            u32::try_from(all).unwrap_or(u32::MAX)
        };
        Recall(Cache::builder().max_capacity(MOST).weigher(weigh).time_to_live(MOMENT).build())
    }
}

impl Recall {
    /// What was read under this name, if that is still so.
    pub fn get<T: Any + Send + Sync>(&self, name: Name, now: Time, stale: &Stale) -> Result<Arc<T>, Name> {
        let name = (TypeId::of::<T>(), name);
        let found = self
            .0
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
        self.0.insert((TypeId::of::<T>(), name), Arc::new(Kept { what, at, since, about }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
