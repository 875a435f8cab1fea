//! The outbox: what is to be delivered to others (mails, charges, looks at cards) is a row of the change that causes it, and is
//! delivered after the commit, at least once. A worker leases a row, so that no other replica takes it meanwhile; what fails
//! is tried again after a longer and longer pause. What a delivery is about stands in `mails` and `charges`.
use super::{Change, Scope, System};
use crate::{
    error::Result,
    model::time::{DAY, HOUR, MINUTE, Time},
};
use std::time::Duration;
use uuid::Uuid;

/// What is delivered, and so by whom (`jobs/deliver`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryKind {
    /// A mail, to the mail server.
    Mail,
    /// A charge, to the payment provider.
    Charge,
    /// The question to the payment provider which card an account has.
    Card,
}

impl DeliveryKind {
    pub const ALL: [DeliveryKind; 3] = [DeliveryKind::Mail, DeliveryKind::Charge, DeliveryKind::Card];
    pub const fn as_str(self) -> &'static str {
        match self {
            DeliveryKind::Mail => "mail",
            DeliveryKind::Charge => "charge",
            DeliveryKind::Card => "card",
        }
    }
    fn parse(text: &str) -> Option<DeliveryKind> {
        DeliveryKind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Something that a worker has leased.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    pub kind: DeliveryKind,
    /// The mail, the charge, or the account whose card it is.
    pub subject: Uuid,
    /// How often it was taken, this time included.
    pub attempts: i64,
}

/// How long a worker has for one delivery, before another may take it.
const LEASE: Duration = Duration::from_secs(120);

/// Puts something into the outbox, or moves forward what is there.
pub(super) async fn enqueue<A>(
    change: &mut Change<A>,
    kind: DeliveryKind,
    subject: Uuid,
    at: Time,
) -> Result<()> {
    let now = change.now();
    let sql = "insert into outbox (kind, subject_id, created_at, next_at) values ($1, $2, $3, $4)
        on conflict (kind, subject_id) do update set next_at = excluded.next_at, delivered_at = null, failed_at = null";
    change.query_unscoped(sql).bind(kind.as_str()).bind(subject).bind(now).bind(at).execute().await?;
    Ok(())
}

/// How many of a kind wait.
pub async fn waiting<A>(scope: &mut Scope<A>, kind: DeliveryKind) -> Result<i64> {
    let sql = "select count(*) from outbox where kind = $1 and next_at is not null";
    let (count,): (i64,) = scope.query_unscoped(sql).bind(kind.as_str()).fetch_one().await?;
    Ok(count)
}

/// When the earliest delivery is due. Looking needs no transaction, and mostly nothing waits.
pub async fn next_due(scope: &mut Scope<System>) -> Result<Option<Time>> {
    let sql = "select min(next_at) from outbox where next_at is not null";
    Ok(scope.query_unscoped(sql).fetch_one::<(Option<Time>,)>().await?.0)
}

/// Leases up to `limit` deliveries that are due.
pub async fn lease(change: &mut Change<System>, limit: i64) -> Result<Vec<Delivery>> {
    let now = change.now();
    let sql = "select kind, subject_id, attempts from outbox where next_at <= $1 order by next_at limit $2
        for update skip locked";
    let rows: Vec<(String, Uuid, i64)> = change.query_unscoped(sql).bind(now).bind(limit).fetch_all().await?;
    let mut leased = vec![];
    for (kind, subject, attempts) in rows {
        let sql =
            "update outbox set next_at = $3, attempts = attempts + 1 where kind = $1 and subject_id = $2";
        let query = change.query_unscoped(sql).bind(kind.clone()).bind(subject);
        query.bind(now.plus(LEASE)).execute().await?;
        leased.extend(DeliveryKind::parse(&kind).map(|kind| Delivery {
            kind,
            subject,
            attempts: attempts + 1,
        }));
    }
    Ok(leased)
}

/// It arrived.
pub(super) async fn delivered(change: &mut Change<System>, delivery: &Delivery) -> Result<()> {
    let now = change.now();
    let sql = "update outbox set delivered_at = $3, next_at = null, error = null where kind = $1 and subject_id = $2";
    let query = change.query_unscoped(sql).bind(delivery.kind.as_str()).bind(delivery.subject);
    query.bind(now).execute().await?;
    Ok(())
}

/// It did not arrive, and may later.
pub(super) async fn retry(change: &mut Change<System>, delivery: &Delivery, why: &str) -> Result<()> {
    let next = change.now().plus(backoff(delivery.attempts));
    let sql = "update outbox set next_at = $3, error = $4 where kind = $1 and subject_id = $2";
    let query = change.query_unscoped(sql).bind(delivery.kind.as_str()).bind(delivery.subject);
    query.bind(next).bind(why).execute().await?;
    Ok(())
}

/// Nothing failed, and there is more to ask after so long.
pub(super) async fn again_after(
    change: &mut Change<System>,
    delivery: &Delivery,
    pause: Duration,
) -> Result<()> {
    let next = change.now().plus(pause);
    enqueue(change, delivery.kind, delivery.subject, next).await
}

/// It will never arrive.
pub(super) async fn give_up(change: &mut Change<System>, delivery: &Delivery, why: &str) -> Result<()> {
    let now = change.now();
    let sql =
        "update outbox set failed_at = $3, next_at = null, error = $4 where kind = $1 and subject_id = $2";
    let query = change.query_unscoped(sql).bind(delivery.kind.as_str()).bind(delivery.subject);
    query.bind(now).bind(why).execute().await?;
    Ok(())
}

/// The pause after so many attempts: 1 minute, 5, 15, 1 hour, 3, 6, 12, 24.
fn backoff(attempts: i64) -> Duration {
    match attempts {
        ..=1 => MINUTE,
        2 => 5 * MINUTE,
        3 => 15 * MINUTE,
        4 => HOUR,
        5 => 3 * HOUR,
        6 => 6 * HOUR,
        7 => 12 * HOUR,
        _ => DAY,
    }
}
