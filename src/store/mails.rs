//! Mails: written in the transaction of what they tell, encrypted, delivered by way of the outbox.
use super::{
    Change, Scope, System,
    outbox::{self, Delivery, DeliveryKind},
};
use crate::{
    emails::EmailMessage,
    error::{Error, Result},
    model::{
        id::InvitationId,
        time::{DAY, Time},
    },
};
use uuid::Uuid;

/// Queues a mail in the change's own transaction. How an invitation's mail fares is noted on the invitation.
pub(super) async fn queue<A>(
    change: &mut Change<A>,
    email: &EmailMessage,
    invitation: Option<InvitationId>,
) -> Result<()> {
    let (id, now) = (change.context().id(), change.now());
    let body = serde_json::to_vec(email).map_err(|error| Error::Internal(error.to_string()))?;
    let context = change.context().clone();
    let body = context.secrets.encrypt(&context.random, &aad(id), &body);
    change
        .query_unscoped(
            "insert into mails (id, recipient, subject, body, invitation_id, created_at)
             values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id)
        .bind(email.to.clone())
        .bind(email.subject.clone())
        .bind(body)
        .bind(invitation)
        .bind(now)
        .execute()
        .await?;
    outbox::enqueue(change, DeliveryKind::Mail, id, now).await
}

fn aad(id: Uuid) -> String {
    format!("mail {id}")
}

/// A mail that is to be delivered; none if its body cannot be read any more. Its id is the Message-ID as well, so that a mail
/// delivered twice is known as one.
pub async fn load(scope: &mut Scope<System>, id: Uuid) -> Result<Option<EmailMessage>> {
    let sql = "select body from mails where id = $1 and body is not null";
    let row: Option<(Vec<u8>,)> = scope.query_unscoped(sql).bind(id).fetch_optional().await?;
    let body = row.and_then(|(body,)| scope.context().secrets.decrypt(&aad(id), &body));
    Ok(body.and_then(|body| serde_json::from_slice(&body).ok()))
}

/// It was delivered: its body, which may hold a live token, is erased. A mailbox in the database keeps it for a day.
pub async fn delivered(change: &mut Change<System>, delivery: &Delivery, keep_body: bool) -> Result<()> {
    outbox::delivered(change, delivery).await?;
    let id = delivery.subject;
    if !keep_body {
        change.query_unscoped("update mails set body = null where id = $1").bind(id).execute().await?;
    }
    let sql = "update invitations set delivery = 'sent', delivery_detail = null
        where id = (select invitation_id from mails where id = $1)";
    change.query_unscoped(sql).bind(id).execute().await?;
    Ok(())
}

/// The mail server was not there, or asked to come later.
pub async fn retry(change: &mut Change<System>, delivery: &Delivery, why: &str) -> Result<()> {
    outbox::retry(change, delivery, why).await?;
    let sql = "update invitations set delivery_detail = $2
        where delivery = 'queued' and id = (select invitation_id from mails where id = $1)";
    change.query_unscoped(sql).bind(delivery.subject).bind(why).execute().await?;
    Ok(())
}

/// The mail server refused it for good.
pub async fn refused(change: &mut Change<System>, delivery: &Delivery, why: &str) -> Result<()> {
    outbox::give_up(change, delivery, why).await?;
    let id = delivery.subject;
    change.query_unscoped("update mails set body = null where id = $1").bind(id).execute().await?;
    let sql = "update invitations set delivery = 'failed', delivery_detail = $2
        where id = (select invitation_id from mails where id = $1)";
    change.query_unscoped(sql).bind(id).bind(why).execute().await?;
    Ok(())
}

/// Gives up mails that are a day old, and erases what may hold a live token; forgets delivered ones after 30 days.
pub async fn sweep(change: &mut Change<System>) -> Result<()> {
    let now = change.now();
    let why = "It could not be delivered within 24 hours.";
    let sql = "update invitations set delivery = 'failed', delivery_detail = coalesce(delivery_detail, $2)
        where delivery = 'queued' and id in (select m.invitation_id from mails m join outbox o on o.subject_id = m.id
            where o.kind = 'mail' and o.next_at is not null and m.created_at < $1)";
    change.query_unscoped(sql).bind(now.minus(DAY)).bind(why).execute().await?;
    let sql = "update outbox set failed_at = $2, next_at = null
        where kind = 'mail' and next_at is not null and created_at < $1";
    change.query_unscoped(sql).bind(now.minus(DAY)).bind(now).execute().await?;
    let sql = "update mails set body = null where body is not null and created_at < $1";
    change.query_unscoped(sql).bind(now.minus(DAY)).execute().await?;
    let month_ago = now.minus(30 * DAY);
    let sql = "delete from outbox where kind = 'mail' and subject_id in (select id from mails where created_at < $1)";
    change.query_unscoped(sql).bind(month_ago).execute().await?;
    change.query_unscoped("delete from mails where created_at < $1").bind(month_ago).execute().await?;
    Ok(())
}

/// A mail in the mailbox of the database.
pub struct MailboxEntry {
    pub id: Uuid,
    /// When it was written.
    pub at: Time,
    pub email: EmailMessage,
}

/// The newest mails of the mailbox, bodies included.
pub async fn mailbox<A>(scope: &mut Scope<A>, limit: i64) -> Result<Vec<MailboxEntry>> {
    let rows: Vec<(Uuid, Time, Vec<u8>)> = scope
        .query_unscoped("select id, created_at, body from mails where body is not null order by created_at desc, id desc limit $1")
        .bind(limit)
        .fetch_all()
        .await?;
    Ok(decrypt(scope, rows))
}

/// The newest mails of the mailbox to one address, bodies included.
pub async fn mailbox_of<A>(scope: &mut Scope<A>, to: &str, limit: i64) -> Result<Vec<MailboxEntry>> {
    let rows: Vec<(Uuid, Time, Vec<u8>)> = scope
        .query_unscoped(
            "select id, created_at, body from mails where body is not null and lower(recipient) = $1
             order by created_at desc, id desc limit $2",
        )
        .bind(to.to_lowercase())
        .bind(limit)
        .fetch_all()
        .await?;
    Ok(decrypt(scope, rows))
}

/// One mail of the mailbox.
pub async fn mailbox_entry<A>(scope: &mut Scope<A>, id: Uuid) -> Result<Option<MailboxEntry>> {
    let sql = "select id, created_at, body from mails where body is not null and id = $1";
    let row: Option<(Uuid, Time, Vec<u8>)> = scope.query_unscoped(sql).bind(id).fetch_optional().await?;
    Ok(decrypt(scope, row).pop())
}

fn decrypt<A>(scope: &Scope<A>, rows: impl IntoIterator<Item = (Uuid, Time, Vec<u8>)>) -> Vec<MailboxEntry> {
    let secrets = scope.context().secrets.clone();
    let entry = |(id, at, body): (Uuid, Time, Vec<u8>)| {
        let email = serde_json::from_slice(&secrets.decrypt(&aad(id), &body)?).ok()?;
        Some(MailboxEntry { id, at, email })
    };
    rows.into_iter().filter_map(entry).collect()
}
