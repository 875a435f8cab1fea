//! Deletes raw usage events that can no longer be counted twice.
use super::{Job, Worker};
use crate::{db::BoxFuture, error::Result, store::usage};
use std::time::Duration;
use tokio::time::sleep;

/// Small steps with pauses between them: nobody waits long for SQLite's one writer.
const STEPS: usize = 50;
const PAUSE: Duration = Duration::from_millis(20);

pub(super) struct DeleteOldUsage;

impl Job for DeleteOldUsage {
    fn name(&self) -> &'static str {
        "delete_old_usage"
    }
    fn run<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            for _ in 0..STEPS {
                if worker.change(async |change| usage::sweep(change).await).await? == 0 {
                    break;
                }
                sleep(PAUSE).await;
            }
            Ok(())
        })
    }
}
