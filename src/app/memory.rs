//! What is remembered of keys, members, resources and service tokens between two requests: bounded, and believed only as long as
//! nothing was told that makes it stale (`kit::stale`).
use super::App;
use crate::{
    error::{Error, Result},
    kit::stale::{Since, Stale},
    model::{
        id::{AccountId, MembershipId},
        verdict::{Known, Named, Seat, Spot},
    },
    store::{Service, keys::TOUCH, tokens, verify},
};
use moka::sync::Cache;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// So many keys are remembered: about 20 MB.
const KEYS: usize = 1 << 17;
/// Of members and what their keys were made for, of resources.
const OTHERS: u64 = 20_000;
/// So many look-ups at a time: those that wait find what others read.
const AT_ONCE: usize = 6;
const SHELVES: usize = 64;

/// The first half of a secret's hash: enough to tell all secrets apart.
type Mark = [u8; 16];
/// A member, and what their keys were made for.
type Alike = (AccountId, Option<MembershipId>, Option<String>, Option<String>);
type Shelf = HashMap<Mark, Arc<Kept>>;

/// Something, and when it was read.
struct Dated<T>(T, Since);

/// All of it.
pub struct Memory {
    keys: Box<[Mutex<Shelf>]>,
    seats: Cache<Alike, Arc<Dated<Arc<Seat>>>>,
    spots: Cache<(AccountId, Named), Arc<Dated<Option<Spot>>>>,
    tokens: Cache<Mark, Arc<Dated<Service>>>,
    lookups: Semaphore,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory {
            keys: std::iter::repeat_with(Mutex::default).take(SHELVES).collect(),
            seats: Cache::new(OTHERS),
            spots: Cache::new(OTHERS),
            tokens: Cache::new(100),
            lookups: Semaphore::new(AT_ONCE),
        }
    }
}

fn mark(hash: &[u8]) -> Mark {
    *hash.first_chunk().expect("a hash has 32 bytes")
}

impl Memory {
    fn shelf(&self, mark: Mark) -> MutexGuard<'_, Shelf> {
        let at = usize::from(mark[0]) % SHELVES;
        self.keys[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn key(&self, mark: Mark, stale: &Stale) -> Option<Arc<Kept>> {
        let found = self.shelf(mark).get(&mark).cloned()?;
        let Dated(known, since) = &found.key;
        let holds = stale.is_trusted() && stale.holds(*since, &known.seat.about());
        holds.then_some(found)
    }
    fn keep(&self, mark: Mark, it: Arc<Kept>) {
        let mut shelf = self.shelf(mark);
        // A full shelf loses any one: the order of a hash map is chance.
        if shelf.len() >= KEYS / SHELVES && !shelf.contains_key(&mark) {
            let any = shelf.keys().next().copied();
            any.and_then(|it| shelf.remove(&it));
        }
        shelf.insert(mark, it);
    }
    /// One seat for all keys that sit in it.
    fn seat(&self, alike: Alike, read: Seat, since: Since, stale: &Stale) -> (Arc<Seat>, Since) {
        if let Some(had) = self.seats.get(&alike).filter(|it| stale.holds(it.1, &it.0.about())) {
            return (had.0.clone(), had.1);
        }
        let seat = Arc::new(read);
        self.seats.insert(alike, Arc::new(Dated(seat.clone(), since)));
        (seat, since)
    }
}

/// A key that is kept, and when its use was written down last.
struct Kept {
    key: Dated<Known>,
    used: AtomicI64,
}

/// A key that is remembered, or was read just now.
#[derive(Clone)]
pub struct Found(Arc<Kept>);
impl std::ops::Deref for Found {
    type Target = Known;
    fn deref(&self) -> &Known {
        &self.0.key.0
    }
}

impl App {
    /// The key whose secret has this hash. What nobody made is turned away without the database.
    pub async fn known(&self, hash: &[u8]) -> Result<Option<Found>> {
        let (memory, stale, mark) = (&self.0.memory, &self.kit().stale, mark(hash));
        if stale.is_unknown(hash) {
            return Ok(None);
        }
        if let Some(it) = memory.key(mark, stale) {
            return Ok(Some(Found(it)));
        }
        let _turn = self.turn().await?;
        if let Some(it) = memory.key(mark, stale) {
            return Ok(Some(Found(it)));
        }
        let since = stale.since();
        let Some(read) = verify::key(&mut self.0.db.read().await?, hash).await? else { return Ok(None) };
        let (seat, sat) = memory.seat(read.alike, read.seat, since, stale);
        let known = Known { id: read.id, is_revoked: read.is_revoked, expires_at: read.expires_at, seat };
        let kept = Arc::new(Kept { key: Dated(known, since.min(sat)), used: AtomicI64::new(i64::MIN) });
        memory.keep(mark, kept.clone());
        Ok(Some(Found(kept)))
    }
    /// A gateway let a key pass. Written down now and then, beside the request.
    pub fn used(&self, key: &Found) {
        let (now, last) = (self.kit().now(), &key.0.used);
        if last.load(Relaxed) <= now.minus(TOUCH).0 {
            last.store(now.0, Relaxed);
            self.write_use(key.id);
        }
    }
    /// Where a resource of the account is.
    pub async fn spot(&self, account: AccountId, named: Named) -> Result<Option<Spot>> {
        let (memory, stale) = (&self.0.memory, &self.kit().stale);
        let names = |it: &String| !it.is_empty() && it.len() <= 1000;
        match &named {
            Named::Nothing => return Ok(None),
            Named::External { product, kind, external_id: id }
                if ![product, kind, id].into_iter().all(names) =>
            {
                return Ok(None);
            }
            _ => {}
        }
        let at = (account, named);
        let holds = |it: &Arc<Dated<_>>| stale.is_trusted() && stale.holds(it.1, &[account.0]);
        if let Some(had) = memory.spots.get(&at).filter(holds) {
            return Ok(had.0.clone());
        }
        let _turn = self.turn().await?;
        let since = stale.since();
        let found = verify::spot(&mut self.0.db.read().await?, account, &at.1).await?;
        memory.spots.insert(at, Arc::new(Dated(found.clone(), since)));
        Ok(found)
    }
    /// The service token whose secret has this hash, if it is in force.
    pub(super) async fn token(&self, hash: &[u8]) -> Result<Service> {
        let (memory, stale, mark) = (&self.0.memory, &self.kit().stale, mark(hash));
        // Tokens belong to the installation, which the nil id stands for.
        let holds = |it: &Arc<Dated<Service>>| stale.is_trusted() && stale.holds(it.1, &[Uuid::nil()]);
        if let Some(had) = memory.tokens.get(&mark).filter(holds) {
            return Ok(had.0.clone());
        }
        if stale.is_unknown(hash) {
            return Err(Error::SignedOut);
        }
        let _turn = self.turn().await?;
        let since = stale.since();
        let found = tokens::find(&mut self.0.db.read().await?, hash).await?.ok_or(Error::SignedOut)?;
        memory.tokens.insert(mark, Arc::new(Dated(found.clone(), since)));
        Ok(found)
    }
    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>> {
        self.metrics().lookup();
        self.0.memory.lookups.acquire().await.map_err(|it| Error::Internal(it.to_string()))
    }
}
