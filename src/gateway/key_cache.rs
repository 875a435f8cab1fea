//! Caches API keys, resources and service tokens between requests. An entry is used only while this process hears of changes
//! (`Invalidations::is_fresh`) and nothing that the entry is about changed since it was read (`is_current`); otherwise it is read
//! again. Nothing has to be removed when something changes.
use crate::{
    context::{
        Context,
        invalidation::{Generation, Invalidations},
    },
    db::Db,
    error::{Error, Result},
    model::{
        grant::Rights,
        id::AccountId,
        time::Time,
        verdict::{CachedKey, KeyAccount, KeyMember, ResourceFacts, ResourceRef},
    },
    store::{ServiceToken, keys::TOUCH, tokens, verify},
};
use moka::sync::Cache;
use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
};
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

const MAX_KEYS: u64 = 131_072;
const MAX_TOKENS: u64 = 100;
/// Of resources; of accounts and of rights that keys share.
const MAX_OTHERS: u64 = 20_000;
/// How many lookups run at once. Those that wait often find what another one read meanwhile.
const MAX_LOOKUPS: usize = 6;

/// Half of a SHA-256: enough to tell all secrets apart.
type HashPrefix = [u8; 16];

fn prefix(hash: &[u8; 32]) -> HashPrefix {
    *hash.first_chunk().expect("a hash has 32 bytes")
}

/// A value from the database.
struct Versioned<T> {
    value: T,
    /// Taken before reading: what changed while it was read is not in it.
    generation: Generation,
}

impl<T> Versioned<T> {
    fn is_current(&self, invalidations: &Invalidations, about: &[Uuid]) -> bool {
        invalidations.is_fresh() && invalidations.is_current(self.generation, about)
    }
}

/// What a secret stands for.
pub struct CacheEntry<T> {
    cached: Versioned<T>,
    /// When a use was last written to the database, in microseconds.
    use_written_at: AtomicI64,
}

pub type KeyEntry = CacheEntry<CachedKey>;
type TokenEntry = CacheEntry<Arc<ServiceToken>>;

impl<T> Deref for CacheEntry<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.cached.value
    }
}

impl<T> CacheEntry<T> {
    /// Replaces an older entry for the same secret: that it is read again does not mean that it was used again.
    fn new(value: T, generation: Generation, old: Option<Arc<CacheEntry<T>>>) -> Arc<CacheEntry<T>> {
        let used = old.map_or(i64::MIN, |old| old.use_written_at.load(Relaxed));
        Arc::new(CacheEntry { cached: Versioned { value, generation }, use_written_at: AtomicI64::new(used) })
    }
    /// Whether the caller should write down a use that happens now: the last one was written `TOUCH` ago or earlier.
    pub fn claim_use(&self, now: Time) -> bool {
        let is_due = self.use_written_at.load(Relaxed) <= now.minus(TOUCH).0;
        if is_due {
            self.use_written_at.store(now.0, Relaxed);
        }
        is_due
    }
}

pub struct KeyCache {
    db: Db,
    context: Context,
    keys: Cache<HashPrefix, Arc<KeyEntry>>,
    tokens: Cache<HashPrefix, Arc<TokenEntry>>,
    /// Those that do not exist too: they are asked for again.
    resources: Cache<(AccountId, ResourceRef), Arc<Versioned<Option<ResourceFacts>>>>,
    accounts: Cache<AccountId, Arc<KeyAccount>>,
    rights: Cache<Rights, Arc<Rights>>,
    permits: Semaphore,
    lookups: AtomicU64,
}

impl KeyCache {
    pub fn new(db: Db, context: Context) -> KeyCache {
        KeyCache {
            db,
            context,
            keys: Cache::new(MAX_KEYS),
            tokens: Cache::new(MAX_TOKENS),
            resources: Cache::new(MAX_OTHERS),
            accounts: Cache::new(MAX_OTHERS),
            rights: Cache::new(MAX_OTHERS),
            permits: Semaphore::new(MAX_LOOKUPS),
            lookups: AtomicU64::new(0),
        }
    }
    pub fn lookups(&self) -> u64 {
        self.lookups.load(Relaxed)
    }

    /// The key with this hash, even if it is revoked or expired.
    pub async fn key(&self, hash: &[u8; 32]) -> Result<Option<Arc<KeyEntry>>> {
        if let Some(entry) = self.current_key(hash) {
            return Ok(Some(entry));
        }
        if self.context.invalidations.is_unknown(hash) {
            return Ok(None);
        }
        // Boxed, here and below: the cold path would otherwise enlarge every caller's future.
        Box::pin(self.look_up_key(hash)).await
    }
    fn current_key(&self, hash: &[u8; 32]) -> Option<Arc<KeyEntry>> {
        let entry = self.keys.get(&prefix(hash))?;
        let about = entry.member.depends_on();
        entry.cached.is_current(&self.context.invalidations, &about).then_some(entry)
    }
    async fn look_up_key(&self, hash: &[u8; 32]) -> Result<Option<Arc<KeyEntry>>> {
        let _permit = self.permit().await?;
        if let Some(entry) = self.current_key(hash) {
            return Ok(Some(entry));
        }
        let generation = self.context.invalidations.generation();
        let found = verify::key(&mut self.db.read().await?, hash).await?;
        let Some(mut key) = found else { return Ok(None) };
        self.deduplicate(&mut key.member);
        let entry = CacheEntry::new(key, generation, self.keys.get(&prefix(hash)));
        self.keys.insert(prefix(hash), entry.clone());
        Ok(Some(entry))
    }
    /// Lets keys of the same account, and keys with the same rights, share one copy.
    fn deduplicate(&self, member: &mut KeyMember) {
        let account = &mut member.account;
        match self.accounts.get(&account.id).filter(|cached| cached == account) {
            Some(cached) => *account = cached,
            None => self.accounts.insert(account.id, account.clone()),
        }
        match self.rights.get(&*member.rights) {
            Some(cached) => member.rights = cached,
            None => self.rights.insert(Rights::clone(&member.rights), member.rights.clone()),
        }
    }

    /// A resource of the account.
    pub async fn resource(&self, account: AccountId, named: ResourceRef) -> Result<Option<ResourceFacts>> {
        if !can_exist(&named) {
            return Ok(None);
        }
        let key = (account, named);
        if let Some(facts) = self.resources.get(&key)
            && facts.is_current(&self.context.invalidations, &[account.0])
        {
            return Ok(facts.value.clone());
        }
        Box::pin(self.look_up_resource(key)).await
    }
    async fn look_up_resource(&self, key: (AccountId, ResourceRef)) -> Result<Option<ResourceFacts>> {
        let _permit = self.permit().await?;
        let generation = self.context.invalidations.generation();
        let found = verify::resource(&mut self.db.read().await?, key.0, &key.1).await?;
        self.resources.insert(key, Arc::new(Versioned { value: found.clone(), generation }));
        Ok(found)
    }

    /// The service token with this hash. `Unauthenticated` if there is none in force.
    pub async fn service_token(&self, hash: &[u8; 32]) -> Result<Arc<TokenEntry>> {
        if let Some(entry) = self.current_token(hash) {
            return Ok(entry);
        }
        if self.context.invalidations.is_unknown(hash) {
            return Err(Error::Unauthenticated);
        }
        Box::pin(self.look_up_token(hash)).await
    }
    fn current_token(&self, hash: &[u8; 32]) -> Option<Arc<TokenEntry>> {
        // Tokens belong to the installation, which the nil id stands for.
        let is_current =
            |entry: &Arc<TokenEntry>| entry.cached.is_current(&self.context.invalidations, &[Uuid::nil()]);
        self.tokens.get(&prefix(hash)).filter(is_current)
    }
    async fn look_up_token(&self, hash: &[u8; 32]) -> Result<Arc<TokenEntry>> {
        let _permit = self.permit().await?;
        if let Some(entry) = self.current_token(hash) {
            return Ok(entry);
        }
        let generation = self.context.invalidations.generation();
        let found = tokens::find(&mut self.db.read().await?, hash).await?;
        let token = Arc::new(found.ok_or(Error::Unauthenticated)?);
        let entry = CacheEntry::new(token, generation, self.tokens.get(&prefix(hash)));
        self.tokens.insert(prefix(hash), entry.clone());
        Ok(entry)
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>> {
        self.lookups.fetch_add(1, Relaxed);
        self.permits.acquire().await.map_err(|closed| Error::Internal(closed.to_string()))
    }
}

/// Whether a resource may have this name: what cannot exist is neither looked up nor cached.
fn can_exist(named: &ResourceRef) -> bool {
    let is_name = |name: &String| !name.is_empty() && name.len() <= 1000;
    match named {
        ResourceRef::Nothing => false,
        ResourceRef::Id(_) => true,
        ResourceRef::External { product, kind, external_id } => {
            [product, kind, external_id].into_iter().all(is_name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cached_key_is_small() {
        assert!(size_of::<KeyEntry>() <= 176, "{}", size_of::<KeyEntry>());
    }
    #[test]
    fn a_use_is_written_once_and_again_only_after_a_while() {
        let generation = Invalidations::default().generation();
        let (entry, now) = (CacheEntry::new((), generation, None), Time(1_800_000_000_000_000));
        assert!(entry.claim_use(now));
        assert!(!entry.claim_use(now.plus(TOUCH / 2)));
        let reread = CacheEntry::new((), generation, Some(entry));
        assert!(!reread.claim_use(now.plus(TOUCH / 2)));
        assert!(reread.claim_use(now.plus(TOUCH)));
    }
}
