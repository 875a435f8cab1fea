//! Decides whether a gateway lets a request pass: cached keys, rate limits, and what keeps both in step with other replicas.
mod key_cache;
mod last_uses;
pub mod rate_limit;
pub mod replica_sync;
mod verify;

pub use key_cache::KeyEntry;
pub use verify::{Question, Verification};

use crate::{
    context::Context,
    db::Db,
    error::Result,
    model::id::{AccountId, KeyId},
    store::ServiceToken,
};
use key_cache::KeyCache;
use last_uses::LastUses;
use rate_limit::{Policy, RateLimiter, Report};
use std::sync::Arc;

/// One for each process: it holds the key cache and the counters of the rate limits.
pub struct Gateway {
    context: Context,
    cache: KeyCache,
    rate_limiter: RateLimiter,
    last_uses: LastUses,
}

impl Gateway {
    pub fn new(db: Db, context: Context) -> Gateway {
        Gateway {
            cache: KeyCache::new(db.clone(), context.clone()),
            rate_limiter: RateLimiter::new(db.clone(), context.clone()),
            last_uses: LastUses::new(db, context.clone()),
            context,
        }
    }
    /// The service token with this hash, marked as used. `Unauthenticated` if there is none in force.
    pub async fn service_token(&self, hash: &[u8; 32]) -> Result<Arc<ServiceToken>> {
        let token = self.cache.service_token(hash).await?;
        if token.claim_use(self.context.now()) {
            self.last_uses.write_token(token.id);
        }
        Ok(Arc::clone(&**token))
    }
    /// Counts a call of our own API under the limits of the catalogue, which apply to each account.
    pub async fn count_api_call(&self, account: AccountId) -> Result<Option<(Report, Policy)>> {
        self.rate_limiter.api_call(account).await
    }
    /// A key was used to call our own API.
    pub fn touch_key(&self, key: KeyId) {
        self.last_uses.touch_key(key);
    }
    pub fn rate_limiter(&self) -> &RateLimiter {
        &self.rate_limiter
    }
    /// How often the cache could not answer and the database was asked, since the process started.
    pub fn lookups(&self) -> u64 {
        self.cache.lookups()
    }
}
