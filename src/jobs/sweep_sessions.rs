//! Forgets sessions, sign-ups and mailed links that are over.
use super::{Job, Worker};
use crate::{db::BoxFuture, error::Result, store::sessions};

pub(super) struct SweepSessions;

impl Job for SweepSessions {
    fn name(&self) -> &'static str {
        "sweep_sessions"
    }
    fn run<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { worker.change(async |change| sessions::sweep(change).await).await })
    }
}
