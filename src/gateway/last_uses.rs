//! Writes down when keys and service tokens were last used: beside the request, and only now and then.
use crate::{
    context::Context,
    db::Db,
    model::id::{KeyId, TokenId},
    store::{keys, tokens},
};
use moka::sync::Cache;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long uses of keys are gathered before one statement writes all of them.
const BATCH_DELAY: Duration = Duration::from_millis(200);

pub struct LastUses {
    db: Db,
    context: Context,
    /// Keys whose use was written within the last `keys::TOUCH`.
    recent: Cache<KeyId, ()>,
    waiting: Waiting,
}

/// Keys whose use is about to be written. While it is not empty, a task is on its way to write them.
#[derive(Clone, Default)]
struct Waiting(Arc<Mutex<Vec<KeyId>>>);

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Vec<KeyId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Whether it was empty before.
    fn push(&self, key: KeyId) -> bool {
        let mut keys = self.lock();
        keys.push(key);
        keys.len() == 1
    }
    fn drain(&self) -> Vec<KeyId> {
        std::mem::take(&mut *self.lock())
    }
}

impl LastUses {
    pub fn new(db: Db, context: Context) -> LastUses {
        let recent = Cache::builder().max_capacity(100_000).time_to_live(keys::TOUCH).build();
        LastUses { db, context, recent, waiting: Waiting::default() }
    }
    /// Writes a use of a key, unless one was written recently.
    pub fn touch_key(&self, key: KeyId) {
        if !self.recent.contains_key(&key) {
            self.recent.insert(key, ());
            self.write_key(key);
        }
    }
    /// Writes a use of a key soon, together with those of other keys.
    pub fn write_key(&self, key: KeyId) {
        if !self.waiting.push(key) {
            return;
        }
        let (db, context, waiting) = (self.db.clone(), self.context.clone(), self.waiting.clone());
        tokio::spawn(async move {
            tokio::time::sleep(BATCH_DELAY).await;
            if let Err(cause) = keys::touch(&db, &context, &waiting.drain()).await {
                tracing::warn!(%cause, "the last use of keys was not written");
            }
        });
    }
    pub fn write_token(&self, token: TokenId) {
        let (db, context) = (self.db.clone(), self.context.clone());
        tokio::spawn(async move {
            if let Err(cause) = tokens::touch(&db, &context, token).await {
                tracing::warn!(%cause, "the last use of a service token was not written");
            }
        });
    }
}
