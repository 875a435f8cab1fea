//! Forgets idempotency keys and the answers kept for them, a day after they were used.
use super::{Job, Worker};
use crate::{db::BoxFuture, error::Result, store::idempotency};

pub(super) struct SweepIdempotencyKeys;

impl Job for SweepIdempotencyKeys {
    fn name(&self) -> &'static str {
        "sweep_idempotency_keys"
    }
    fn run<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { worker.change(async |change| idempotency::sweep(change).await).await })
    }
}
