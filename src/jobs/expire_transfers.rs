//! Ends offers of ownership that nobody accepted in time.
use super::{Job, Worker};
use crate::{db::BoxFuture, error::Result, store::transfers};

pub(super) struct ExpireTransfers;

impl Job for ExpireTransfers {
    fn name(&self) -> &'static str {
        "expire_transfers"
    }
    fn run<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { worker.change(async |change| transfers::sweep(change).await).await })
    }
}
