//! The question to the payment provider which card an account has.
use super::{NoteRetries, TIMEOUT, Worker};
use crate::{
    model::id::AccountId,
    store::{outbox::Delivery, payments},
};
use tokio::time::timeout;

pub(super) async fn deliver(worker: &Worker, delivery: &Delivery) {
    let customer = match payments::customer_of(&mut worker.read(), AccountId(delivery.subject)).await {
        Ok(Some(customer)) => customer,
        Ok(None) => {
            let mut retries = NoteRetries::of(delivery);
            while let Err(cause) =
                worker.change(async |change| payments::check_failed(change, delivery, None).await).await
            {
                if !retries.wait(&cause).await {
                    return;
                }
            }
            return;
        }
        Err(cause) => {
            tracing::warn!(?cause, "a customer could not be read: it is tried again");
            return;
        }
    };
    let why = match timeout(TIMEOUT, worker.payments.fetch_card(&customer)).await {
        Ok(Ok(card)) => {
            let card = card.map(|card| [card.method, card.brand, card.last4, card.expires]);
            let mut retries = NoteRetries::of(delivery);
            while let Err(cause) =
                worker.change(async |change| payments::set_card(change, delivery, card.clone()).await).await
            {
                if !retries.wait(&cause).await {
                    return;
                }
            }
            return;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "The payment provider took too long.".to_owned(),
    };
    tracing::warn!(%why, "the payment provider did not tell a card");
    let mut retries = NoteRetries::of(delivery);
    while let Err(cause) =
        worker.change(async |change| payments::check_failed(change, delivery, Some(&why)).await).await
    {
        if !retries.wait(&cause).await {
            return;
        }
    }
}
