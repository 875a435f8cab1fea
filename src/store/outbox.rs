//! The outbox: a letter is a row of the change that causes it, and is delivered after it, at least once.
use super::{Change, Host, Scope, Who};
use crate::{
    emails::Letter,
    error::{Error, Result},
    model::{
        id::InvitationId,
        time::{DAY, HOUR, MINUTE, Time},
    },
};
use std::time::Duration;
use uuid::Uuid;

/// Queues a letter in the change's own transaction. An invitation's delivery is told on the invitation.
pub(super) async fn queue<W: Who>(
    change: &mut Change<W>,
    letter: &Letter,
    invitation: Option<InvitationId>,
) -> Result<()> {
    let (id, now) = (change.kit().id(), change.now());
    let body = serde_json::to_vec(letter).map_err(|it| Error::Internal(it.to_string()))?;
    let kit = change.kit().clone();
    let body = kit.seal.close(&kit.chance, &place(id), &body);
    change
        .sql(
            "insert into mails (id, recipient, subject, body, invitation_id, created_at, next_at)
             values ($1, $2, $3, $4, $5, $6, $6)",
        )
        .bind(id)
        .bind(letter.to.clone())
        .bind(letter.subject.clone())
        .bind(body)
        .bind(invitation)
        .bind(now)
        .execute()
        .await?;
    Ok(())
}

/// How many wait to be sent.
pub async fn waiting<W: Who>(scope: &mut Scope<W>) -> Result<i64> {
    let sql = "select count(*) from mails where sent_at is null and failed_at is null";
    let (many,): (i64,) = scope.sql(sql).fetch_one().await?;
    Ok(many)
}

fn place(id: Uuid) -> String {
    format!("mail {id}")
}

/// A letter that is due.
pub struct Due {
    /// Its id: also the Message-ID, so that a letter sent twice is known as one.
    pub id: Uuid,
    /// How often it was tried before.
    pub attempts: i64,
    /// The letter; none if its body cannot be read any more.
    pub letter: Option<Letter>,
}

/// How long a worker keeps a letter that it took, before another may take it.
const LEASE: Duration = Duration::from_secs(120);

/// Takes up to `most` letters that are due, so that no other replica takes them meanwhile.
pub async fn take(change: &mut Change<Host>, most: i64) -> Result<Vec<Due>> {
    let now = change.now();
    let rows: Vec<(Uuid, i64, Option<Vec<u8>>)> = change
        .sql(
            "select id, attempts, body from mails
             where sent_at is null and failed_at is null and next_at <= $1 order by next_at limit $2 for update skip locked",
        )
        .bind(now)
        .bind(most)
        .fetch_all()
        .await?;
    let mut due = vec![];
    for (id, attempts, body) in rows {
        change
            .sql("update mails set next_at = $2 where id = $1")
            .bind(id)
            .bind(now.plus(LEASE))
            .execute()
            .await?;
        let opened = body.and_then(|it| change.kit().seal.open(&place(id), &it));
        let letter = opened.and_then(|it| serde_json::from_slice(&it).ok());
        due.push(Due { id, attempts, letter });
    }
    Ok(due)
}

/// When the earliest letter is due.
pub async fn next(scope: &mut Scope<Host>) -> Result<Option<Time>> {
    let sql = "select min(next_at) from mails where sent_at is null and failed_at is null";
    Ok(scope.sql(sql).fetch_one::<(Option<Time>,)>().await?.0)
}

/// It was delivered: its body, which may hold a live token, is erased. A mailbox in the database keeps it for a day.
pub async fn sent(change: &mut Change<Host>, id: Uuid, keep: bool) -> Result<()> {
    let now = change.now();
    let sql = "update mails set sent_at = $2, error = null, attempts = attempts + 1,
        body = case when $3 then body end where id = $1";
    change.sql(sql).bind(id).bind(now).bind(keep).execute().await?;
    let sql = "update invitations set delivery = 'sent', delivery_detail = null
        where id = (select invitation_id from mails where id = $1)";
    change.sql(sql).bind(id).execute().await?;
    Ok(())
}

/// The server was not there, or asked to come later.
pub async fn retry(change: &mut Change<Host>, due: &Due, words: &str) -> Result<()> {
    let next = change.now().plus(backoff(due.attempts));
    change
        .sql("update mails set attempts = attempts + 1, error = $2, next_at = $3 where id = $1")
        .bind(due.id)
        .bind(words)
        .bind(next)
        .execute()
        .await?;
    let sql = "update invitations set delivery_detail = $2
        where delivery = 'queued' and id = (select invitation_id from mails where id = $1)";
    change.sql(sql).bind(due.id).bind(words).execute().await?;
    Ok(())
}

/// It will never be delivered.
pub async fn refused(change: &mut Change<Host>, id: Uuid, words: &str) -> Result<()> {
    let now = change.now();
    let sql =
        "update mails set failed_at = $2, error = $3, attempts = attempts + 1, body = null where id = $1";
    change.sql(sql).bind(id).bind(now).bind(words).execute().await?;
    let sql = "update invitations set delivery = 'failed', delivery_detail = $2
        where id = (select invitation_id from mails where id = $1)";
    change.sql(sql).bind(id).bind(words).execute().await?;
    Ok(())
}

/// 1 minute, 5, 15, 1 hour, 3, 6, 12, 24.
fn backoff(attempts: i64) -> Duration {
    match attempts {
        0 => MINUTE,
        1 => 5 * MINUTE,
        2 => 15 * MINUTE,
        3 => HOUR,
        4 => 3 * HOUR,
        5 => 6 * HOUR,
        6 => 12 * HOUR,
        _ => DAY,
    }
}

/// Gives up letters that are a day old, and erases what may hold a live token; forgets delivered ones after 30 days.
pub async fn sweep(change: &mut Change<Host>) -> Result<()> {
    let now = change.now();
    let words = "It could not be delivered within 24 hours.";
    let sql = "update invitations set delivery = 'failed', delivery_detail = coalesce(delivery_detail, $2)
        where delivery = 'queued' and id in (select invitation_id from mails
            where sent_at is null and failed_at is null and created_at < $1)";
    change.sql(sql).bind(now.minus(DAY)).bind(words).execute().await?;
    let sql = "update mails set failed_at = $2, body = null where sent_at is null and failed_at is null and created_at < $1";
    change.sql(sql).bind(now.minus(DAY)).bind(now).execute().await?;
    let sql = "update mails set body = null where body is not null and created_at < $1";
    change.sql(sql).bind(now.minus(DAY)).execute().await?;
    change.sql("delete from mails where created_at < $1").bind(now.minus(30 * DAY)).execute().await?;
    Ok(())
}

/// A letter in the mailbox of the database.
pub struct Kept {
    /// Its id.
    pub id: Uuid,
    /// When it was written.
    pub at: Time,
    /// The letter.
    pub letter: Letter,
}

/// The newest letters of the mailbox, bodies included.
pub async fn mailbox<W: Who>(scope: &mut Scope<W>, most: i64) -> Result<Vec<Kept>> {
    let rows: Vec<(Uuid, Time, Vec<u8>)> = scope
        .sql("select id, created_at, body from mails where body is not null order by created_at desc, id desc limit $1")
        .bind(most)
        .fetch_all()
        .await?;
    Ok(open(scope, rows))
}

/// The newest letters of the mailbox to one address, bodies included.
pub async fn mailbox_of<W: Who>(scope: &mut Scope<W>, to: &str, most: i64) -> Result<Vec<Kept>> {
    let rows: Vec<(Uuid, Time, Vec<u8>)> = scope
        .sql(
            "select id, created_at, body from mails where body is not null and lower(recipient) = $1
             order by created_at desc, id desc limit $2",
        )
        .bind(to.to_lowercase())
        .bind(most)
        .fetch_all()
        .await?;
    Ok(open(scope, rows))
}

/// One letter of the mailbox.
pub async fn kept<W: Who>(scope: &mut Scope<W>, id: Uuid) -> Result<Option<Kept>> {
    let sql = "select id, created_at, body from mails where body is not null and id = $1";
    let row: Option<(Uuid, Time, Vec<u8>)> = scope.sql(sql).bind(id).fetch_optional().await?;
    Ok(open(scope, row).pop())
}

fn open<W: Who>(scope: &Scope<W>, rows: impl IntoIterator<Item = (Uuid, Time, Vec<u8>)>) -> Vec<Kept> {
    let seal = scope.kit().seal.clone();
    let open = |(id, at, body): (Uuid, Time, Vec<u8>)| {
        let letter = serde_json::from_slice(&seal.open(&place(id), &body)?).ok()?;
        Some(Kept { id, at, letter })
    };
    rows.into_iter().filter_map(open).collect()
}
