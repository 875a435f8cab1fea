//! Tells owners of API keys that a key is about to end, or has ended.
use super::{Job, Worker};
use crate::{db::BoxFuture, error::Result, store::keys};

pub(super) struct MailKeyExpiry;

impl Job for MailKeyExpiry {
    fn name(&self) -> &'static str {
        "mail_key_expiry"
    }
    fn run<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let batch = async || worker.change(async |change| keys::notify(change).await).await;
            while batch().await? == keys::NOTICES_AT_ONCE {}
            Ok(())
        })
    }
}
