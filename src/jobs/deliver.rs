//! Empties the outbox: leases what is due and delivers each by its kind, several at a time, so that a server that is slow with
//! one delays no other.
mod cards;
mod charges;
mod mails;

use super::{Job, Worker};
use crate::{
    db::BoxFuture,
    error::{Error, Result},
    store::outbox::{self, Delivery, DeliveryKind},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, task::JoinSet, time::sleep};

/// Deliveries under way at a time.
const CONCURRENT: usize = 8;
/// The most that one delivery takes: less than the lease of the outbox, so that nothing is taken twice.
const TIMEOUT: Duration = Duration::from_secs(100);

#[derive(Default)]
pub(super) struct Deliver {
    under_way: Arc<Mutex<JoinSet<()>>>,
}

impl Job for Deliver {
    fn name(&self) -> &'static str {
        "deliver"
    }
    fn every(&self) -> Duration {
        Duration::from_millis(500)
    }
    fn run<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let mut under_way = self.under_way.lock().await;
            loop {
                while under_way.try_join_next().is_some() {}
                let room = CONCURRENT.saturating_sub(under_way.len());
                let next = outbox::next_due(&mut worker.read()).await?;
                if room == 0 || next.is_none_or(|next| next > worker.context.now()) {
                    return Ok(());
                }
                let limit = i64::try_from(room).unwrap_or(1);
                let leased = worker.change(async |change| outbox::lease(change, limit).await).await?;
                if leased.is_empty() {
                    return Ok(());
                }
                for delivery in leased {
                    under_way.spawn(deliver(worker.clone(), delivery));
                }
                // Most are done in an instant: then there is room for more.
                while under_way.len() == CONCURRENT && under_way.join_next().await.is_some() {}
            }
        })
    }
    fn finish(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let mut under_way = self.under_way.lock().await;
            while under_way.join_next().await.is_some() {}
        })
    }
}

async fn deliver(worker: Worker, delivery: Delivery) {
    match delivery.kind {
        DeliveryKind::Mail => mails::deliver(&worker, &delivery).await,
        DeliveryKind::Charge => charges::deliver(&worker, &delivery).await,
        DeliveryKind::Card => cards::deliver(&worker, &delivery).await,
    }
}

/// The pauses between tries to write down what became of a delivery. Delivered and not noted is delivered twice: worth a few
/// tries, as long as nobody else takes it.
struct NoteRetries<'a> {
    delivery: &'a Delivery,
    pause: Duration,
}

impl NoteRetries<'_> {
    fn of(delivery: &Delivery) -> NoteRetries<'_> {
        NoteRetries { delivery, pause: Duration::from_millis(250) }
    }
    /// Waits for the next try; false if there is none any more.
    async fn wait(&mut self, cause: &Error) -> bool {
        if self.pause > Duration::from_secs(4) {
            let (kind, id) = (self.delivery.kind.as_str(), self.delivery.subject);
            tracing::error!(kind, %id, ?cause, "the outcome of a delivery was not noted: it is tried again");
            return false;
        }
        sleep(self.pause).await;
        self.pause *= 2;
        true
    }
}
