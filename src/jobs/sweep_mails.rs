//! Gives up mails that could not be delivered within a day, and erases what may hold a live token.
use super::{Job, Worker};
use crate::{db::BoxFuture, error::Result, store::mails};

pub(super) struct SweepMails;

impl Job for SweepMails {
    fn name(&self) -> &'static str {
        "sweep_mails"
    }
    fn run<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { worker.change(async |change| mails::sweep(change).await).await })
    }
}
