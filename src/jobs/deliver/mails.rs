//! Mails, to the mail server.
use super::{NoteRetries, TIMEOUT, Worker};
use crate::{
    clients::smtp::{SendError, SmtpMailer},
    emails::EmailMessage,
    store::{mails, outbox::Delivery},
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::timeout;

pub(super) async fn deliver(worker: &Worker, delivery: &Delivery) {
    let Some(mailer) = &worker.mailer else {
        let mut retries = NoteRetries::of(delivery);
        while let Err(cause) =
            worker.change(async |change| mails::delivered(change, delivery, true).await).await
        {
            if !retries.wait(&cause).await {
                return;
            }
        }
        return;
    };
    let email = match mails::load(&mut worker.read(), delivery.subject).await {
        Ok(email) => email,
        Err(cause) => {
            tracing::warn!(mail = %delivery.subject, ?cause, "a mail could not be read: it is tried again");
            return;
        }
    };
    let outcome = match email {
        Some(email) => send(worker, mailer, delivery, &email).await,
        None => {
            Err(SendError::Refused("It was written under another secret key, and cannot be read.".into()))
        }
    };
    let (mail, attempt) = (delivery.subject, delivery.attempts);
    match &outcome {
        Ok(()) => tracing::debug!(%mail, "delivered"),
        Err(why) => tracing::warn!(%mail, attempt, %why, "not delivered"),
    }
    let mut retries = NoteRetries::of(delivery);
    while let Err(cause) = worker
        .change(async |change| match &outcome {
            Ok(()) => mails::delivered(change, delivery, false).await,
            Err(SendError::Retry(why)) => mails::retry(change, delivery, why).await,
            Err(SendError::Refused(why)) => mails::refused(change, delivery, why).await,
        })
        .await
    {
        if !retries.wait(&cause).await {
            return;
        }
    }
}

async fn send(
    worker: &Worker,
    mailer: &SmtpMailer,
    delivery: &Delivery,
    email: &EmailMessage,
) -> Result<(), SendError> {
    let micros = u64::try_from(worker.context.now().0).unwrap_or(0);
    let at: SystemTime = UNIX_EPOCH + Duration::from_micros(micros);
    // The row's id is the Message-ID, so that a mail delivered twice is known as one.
    let sent = timeout(TIMEOUT, mailer.send(&delivery.subject.to_string(), at, email)).await;
    sent.unwrap_or_else(|_| Err(SendError::Retry("The mail server took too long.".into())))
}
