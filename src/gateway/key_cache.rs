//! What is remembered of keys, members, resources and service tokens between two requests: bounded, and believed only as long as
//! nothing was told that makes it stale (`kit::stale`).
use crate::http::App;
use crate::{
    context::invalidation::{Since, Stale},
    error::{Error, Result},
    model::{
        grant::Rights,
        id::AccountId,
        time::Time,
        verdict::{Home, Known, Named, Seat, Spot},
    },
    store::{Service, keys::TOUCH, tokens, verify},
};
use moka::sync::Cache;
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// So many keys are remembered: about 40 MB.
const KEYS: usize = 1 << 17;
/// Of accounts, of what keys may do, of resources.
const OTHERS: u64 = 20_000;
/// Of service tokens.
const TOKENS: usize = 100;
/// So many look-ups at a time: those that wait find what others read.
const AT_ONCE: usize = 6;
const SHELVES: usize = 64;

/// The first half of a secret's hash: enough to tell all secrets apart.
type Mark = [u8; 16];
type Shelf = HashMap<Mark, Arc<Kept>, BuildHasherDefault<Itself>>;

/// A hash needs no hashing.
#[derive(Default)]
struct Itself(u64);
impl Hasher for Itself {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk() {
            self.0 = u64::from_ne_bytes(*last);
        }
    }
    fn write_usize(&mut self, _: usize) {}
    fn finish(&self) -> u64 {
        self.0
    }
}

/// Something, and when it was read.
struct Dated<T>(T, Since);

/// All of it.
pub struct Memory {
    keys: Box<[Mutex<Shelf>]>,
    homes: Cache<AccountId, Arc<Home>>,
    rights: Cache<Rights, Arc<Rights>>,
    spots: Cache<(AccountId, Named), Arc<Dated<Option<Spot>>>>,
    tokens: RwLock<HashMap<Mark, Arc<Dated<Token>>, BuildHasherDefault<Itself>>>,
    lookups: Semaphore,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory {
            keys: std::iter::repeat_with(Mutex::default).take(SHELVES).collect(),
            homes: Cache::new(OTHERS),
            rights: Cache::new(OTHERS),
            spots: Cache::new(OTHERS),
            tokens: RwLock::default(),
            lookups: Semaphore::new(AT_ONCE),
        }
    }
}

fn mark(hash: &[u8; 32]) -> Mark {
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
    fn token(&self, mark: Mark) -> Option<Arc<Dated<Token>>> {
        self.tokens.read().unwrap_or_else(PoisonError::into_inner).get(&mark).cloned()
    }
    fn keep_token(&self, mark: Mark, it: Arc<Dated<Token>>) {
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        // No more than that are in force at a time.
        if tokens.len() >= TOKENS && !tokens.contains_key(&mark) {
            tokens.clear();
        }
        tokens.insert(mark, it);
    }
    /// Keys that say the same say it in one place.
    fn share(&self, seat: &mut Seat) {
        match self.homes.get(&seat.home.id).filter(|it| *it == seat.home) {
            Some(had) => seat.home = had,
            None => self.homes.insert(seat.home.id, seat.home.clone()),
        }
        match self.rights.get(&*seat.rights) {
            Some(had) => seat.rights = had,
            None => self.rights.insert(Rights::clone(&seat.rights), seat.rights.clone()),
        }
    }
}

/// A service token that is kept, and when its use was written down last.
struct Token {
    it: Arc<Service>,
    used: AtomicI64,
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
    pub async fn known(&self, hash: &[u8; 32]) -> Result<Option<Found>> {
        if let Some(it) = self.0.memory.key(mark(hash), &self.kit().stale) {
            return Ok(Some(Found(it)));
        }
        if self.kit().stale.is_unknown(hash) {
            return Ok(None);
        }
        // In a box of its own, here and below: hardly anybody needs it, and all would carry it along.
        Box::pin(self.read_key(hash)).await
    }
    async fn read_key(&self, hash: &[u8; 32]) -> Result<Option<Found>> {
        let (memory, stale, mark) = (&self.0.memory, &self.kit().stale, mark(hash));
        let _turn = self.turn().await?;
        if let Some(it) = memory.key(mark, stale) {
            return Ok(Some(Found(it)));
        }
        let since = stale.since();
        let read = verify::key(&mut self.0.db.read().await?, hash).await?;
        let Some(mut known) = read else { return Ok(None) };
        memory.share(&mut known.seat);
        let kept = Arc::new(Kept { key: Dated(known, since), used: AtomicI64::new(i64::MIN) });
        memory.keep(mark, kept.clone());
        Ok(Some(Found(kept)))
    }
    /// A gateway let a key pass. Written down now and then, beside the request.
    pub fn used(&self, key: &Found, now: Time) {
        if is_due(&key.0.used, now) {
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
        Box::pin(self.read_spot(at)).await
    }
    async fn read_spot(&self, at: (AccountId, Named)) -> Result<Option<Spot>> {
        let (memory, stale) = (&self.0.memory, &self.kit().stale);
        let _turn = self.turn().await?;
        let since = stale.since();
        let found = verify::spot(&mut self.0.db.read().await?, at.0, &at.1).await?;
        memory.spots.insert(at, Arc::new(Dated(found.clone(), since)));
        Ok(found)
    }
    /// The service token whose secret has this hash, if it is in force. Its use is written down now and then.
    pub(crate) async fn token(&self, hash: &[u8; 32]) -> Result<Arc<Service>> {
        let (memory, stale, mark) = (&self.0.memory, &self.kit().stale, mark(hash));
        // Tokens belong to the installation, which the nil id stands for.
        let holds = |it: &Arc<Dated<Token>>| stale.is_trusted() && stale.holds(it.1, &[Uuid::nil()]);
        if let Some(had) = memory.token(mark).filter(holds) {
            if is_due(&had.0.used, self.kit().now()) {
                self.write_token_use(had.0.it.id);
            }
            return Ok(had.0.it.clone());
        }
        if stale.is_unknown(hash) {
            return Err(Error::SignedOut);
        }
        Box::pin(self.read_token(hash)).await
    }
    async fn read_token(&self, hash: &[u8; 32]) -> Result<Arc<Service>> {
        let (memory, stale, mark) = (&self.0.memory, &self.kit().stale, mark(hash));
        let _turn = self.turn().await?;
        let since = stale.since();
        let found = tokens::find(&mut self.0.db.read().await?, hash).await?.ok_or(Error::SignedOut)?;
        let (it, now) = (Arc::new(found), self.kit().now());
        // Read again, it was not necessarily used again.
        let used = memory.token(mark).map_or(i64::MIN, |had| had.0.used.load(Relaxed));
        let token = Token { it: it.clone(), used: AtomicI64::new(used) };
        if is_due(&token.used, now) {
            self.write_token_use(it.id);
        }
        memory.keep_token(mark, Arc::new(Dated(token, since)));
        Ok(it)
    }
    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>> {
        self.metrics().lookup();
        self.0.memory.lookups.acquire().await.map_err(|it| Error::Internal(it.to_string()))
    }
}

/// Whether a use is to be written down, as it was not for a while.
fn is_due(last: &AtomicI64, now: Time) -> bool {
    let is_due = last.load(Relaxed) <= now.minus(TOUCH).0;
    if is_due {
        last.store(now.0, Relaxed);
    }
    is_due
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_takes_three_lines_of_memory() {
        assert!(size_of::<Kept>() <= 176, "{}", size_of::<Kept>());
    }
}
