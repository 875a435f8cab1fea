//! Charges, to the payment provider: it is asked outside of any transaction, and its answer is written down in one.
use super::{NoteRetries, TIMEOUT, Worker};
use crate::{
    clients::payments::{Charge, Payment, PaymentStatus},
    model::id::ChargeId,
    store::{
        outbox::Delivery,
        payments::{self, Answer, PendingCharge},
    },
};
use tokio::time::timeout;

pub(super) async fn deliver(worker: &Worker, delivery: &Delivery) {
    let due = match payments::charge(&mut worker.read(), ChargeId(delivery.subject)).await {
        Ok(Some(due)) => due,
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
            tracing::warn!(charge = %delivery.subject, ?cause, "a charge could not be read: it is tried again");
            return;
        }
    };
    let (reference, answer) = ask(worker, &due).await;
    tracing::info!(charge = %due.id, invoice = due.number, ?answer, "the payment provider was asked");
    let mut retries = NoteRetries::of(delivery);
    while let Err(cause) = worker
        .change(async |change| {
            payments::record_answer(change, delivery, &due, reference.as_deref(), &answer).await
        })
        .await
    {
        if !retries.wait(&cause).await {
            return;
        }
    }
}

async fn ask(worker: &Worker, due: &PendingCharge) -> (Option<String>, Answer) {
    let asked = async {
        match &due.reference {
            Some(reference) => worker.payments.fetch_payment(reference).await,
            None => worker.payments.charge(&charge(due)).await,
        }
    };
    match timeout(TIMEOUT, asked).await {
        Ok(Ok(Payment { reference, status })) => {
            let answer = match status {
                PaymentStatus::Processing => Answer::Processing,
                PaymentStatus::Succeeded => Answer::Succeeded,
                PaymentStatus::Failed(why) => Answer::Failed(why),
            };
            (reference, answer)
        }
        // A question that is refused says nothing of the payment.
        Ok(Err(error)) => (None, Answer::None(error.to_string())),
        Err(_) => (None, Answer::None("The payment provider took too long.".into())),
    }
}

fn charge(due: &PendingCharge) -> Charge {
    Charge {
        id: due.id,
        customer: due.customer.clone(),
        method: due.method.clone(),
        amount: due.amount,
        currency: due.currency.clone(),
        invoice: due.number.clone(),
    }
}
