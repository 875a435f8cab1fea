//! Asks the DNS again for domains that were proven a day ago. Where it does not answer, nothing is known and nothing changes.
use super::{Job, Worker};
use crate::{
    db::BoxFuture,
    error::Result,
    store::domains::recheck::{self, take_due},
};
use tokio::task::JoinSet;

pub(super) struct CheckDomains;

impl Job for CheckDomains {
    fn name(&self) -> &'static str {
        "check_domains"
    }
    fn run<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let due = worker.change(async |change| take_due(change).await).await?;
            let mut lookups = JoinSet::new();
            for domain in due {
                let outgoing = worker.context.outgoing.clone();
                lookups.spawn(async move { (outgoing.lookup_txt(&domain.record()).await, domain) });
            }
            let mut outcome = Ok(());
            while let Some(lookup) = lookups.join_next().await {
                let Ok((Ok(records), domain)) = lookup else { continue };
                let is_there = records.contains(&domain.value());
                let noted =
                    worker.change(async |change| recheck::record_check(change, &domain, is_there).await);
                outcome = outcome.and(noted.await);
            }
            outcome
        })
    }
}
