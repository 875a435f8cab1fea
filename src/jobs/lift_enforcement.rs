//! Lifts an enforcement of single sign-on that nobody confirmed by signing in through it.
use super::{Job, Worker};
use crate::{db::BoxFuture, error::Result, store::sso::enforce};

pub(super) struct LiftEnforcement;

impl Job for LiftEnforcement {
    fn name(&self) -> &'static str {
        "lift_enforcement"
    }
    fn run<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { worker.change(async |change| enforce::sweep(change).await).await })
    }
}
