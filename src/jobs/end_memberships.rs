//! Passes on the teams of members whose time in the organization is over, and forgets removals that can no longer be undone.
use super::{Job, Worker};
use crate::{db::BoxFuture, error::Result, store::members};

pub(super) struct EndMemberships;

impl Job for EndMemberships {
    fn name(&self) -> &'static str {
        "end_memberships"
    }
    fn run<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let mut outcome = Ok(());
            for (organization, user) in members::expired_team_owners(&mut worker.read()).await? {
                // One that fails keeps no other waiting.
                let passed = worker.change(async |change| {
                    let pass = async |change: &mut _| members::pass_teams(change, user, None).await;
                    change.in_account_as_system(organization, pass).await
                });
                outcome = outcome.and(passed.await);
            }
            worker.change(async |change| members::forget_removals(change).await).await?;
            outcome
        })
    }
}
