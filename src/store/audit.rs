//! The audit log, written in the transaction of the change that it records: an HMAC chain for each account, and one for the
//! installation.
use super::{Change, Scope, System, like};
use crate::{
    error::Result,
    model::{access::Access, id::AccountId, time::Time},
};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// Which chain an event is written to.
#[derive(Clone, Copy)]
pub enum Chain {
    Account(AccountId),
    /// The installation's own: operators, service tokens, deleted accounts.
    Installation,
}

impl Chain {
    fn id(self) -> Uuid {
        match self {
            Chain::Account(id) => id.0,
            Chain::Installation => Uuid::nil(),
        }
    }
}

/// An event to be appended.
pub struct NewEvent {
    /// `member.role_changed`.
    pub action: &'static str,
    /// `{type, id, name}`.
    pub target: Value,
    /// The old values; null for something new.
    pub before: Value,
    /// The new values; null for something deleted.
    pub after: Value,
}

impl NewEvent {
    /// An event whose target has a type, an id and a name.
    pub fn on(action: &'static str, kind: &str, id: impl ToString, name: impl ToString) -> NewEvent {
        let target = json!({ "type": kind, "id": id.to_string(), "name": name.to_string() });
        NewEvent { action, target, before: Value::Null, after: Value::Null }
    }
    /// Adds the old and the new values.
    #[must_use]
    pub fn changed(self, before: Value, after: Value) -> NewEvent {
        NewEvent { before, after, ..self }
    }
}

#[derive(sqlx::FromRow)]
struct ChainHead {
    count: i64,
    hash: Vec<u8>,
    mac: Vec<u8>,
}

/// Appends an event to a chain.
pub async fn record_in<A>(change: &mut Change<A>, chain: Chain, event: NewEvent) -> Result<()> {
    let chain = chain.id();
    change.invalidate(chain);
    let find = "select count, hash, mac from audit_heads where chain = $1 for no key update";
    let mut head: Option<ChainHead> = change.query_unscoped(find).bind(chain).fetch_optional().await?;
    if head.is_none() {
        let start =
            "insert into audit_heads (chain, count, hash, mac) values ($1, 0, $2, $2) on conflict do nothing";
        change.query_unscoped(start).bind(chain).bind(Vec::<u8>::new()).execute().await?;
        head = Some(change.query_unscoped(find).bind(chain).fetch_one().await?);
    }
    let head = head.unwrap_or(ChainHead { count: 0, hash: vec![], mac: vec![] });

    let actor = change.actor();
    let (kind, id, name) = (actor.kind(), actor.id(), actor.name());
    let event = Event {
        id: change.context().id(),
        seq: head.count + 1,
        at: change.now(),
        actor_type: kind.into(),
        actor_id: id,
        actor_name: name,
        action: event.action.into(),
        target: event.target.to_string(),
        ip: change.client.ip(),
        changes: json!({ "before": event.before, "after": event.after }).to_string(),
        hash: vec![],
    };
    let hash = change.context().secrets.chain_mac(&head.hash, &event.bytes(chain));
    let mac = change.context().secrets.chain_mac(&hash, &sealed(chain, event.seq));
    change
        .query_unscoped(
            "insert into audit_events (id, chain, seq, at, actor_type, actor_id, actor_name, action, target, ip, changes, hash)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(event.id)
        .bind(chain)
        .bind(event.seq)
        .bind(event.at)
        .bind(event.actor_type)
        .bind(event.actor_id)
        .bind(event.actor_name)
        .bind(event.action)
        .bind(event.target)
        .bind(event.ip)
        .bind(event.changes)
        .bind(hash.clone())
        .execute()
        .await?;
    let update = "update audit_heads set count = $2, hash = $3, mac = $4 where chain = $1";
    change.query_unscoped(update).bind(chain).bind(event.seq).bind(hash).bind(mac).execute().await?;
    Ok(())
}

/// Appends an event to the chain of the current account.
pub async fn record(change: &mut Change<Access>, event: NewEvent) -> Result<()> {
    let account = change.access().account.id;
    record_in(change, Chain::Account(account), event).await
}

/// A stored event.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Event {
    pub id: Uuid,
    /// The position in the chain, from 1.
    pub seq: i64,
    pub at: Time,
    /// `user`, `key`, `visitor`, `host`.
    pub actor_type: String,
    pub actor_id: Option<Uuid>,
    pub actor_name: String,
    pub action: String,
    /// `{type, id, name}`, as JSON.
    pub target: String,
    /// From where.
    pub ip: String,
    /// `{before, after}`, as JSON.
    pub changes: String,
    /// The MAC over this event and the hash of the previous one.
    pub hash: Vec<u8>,
}

impl Event {
    /// The bytes that the chain's MAC covers.
    fn bytes(&self, chain: Uuid) -> Vec<u8> {
        #[derive(Serialize)]
        struct Canonical<'a>(
            Uuid,
            Uuid,
            i64,
            i64,
            &'a str,
            Option<Uuid>,
            &'a str,
            &'a str,
            &'a str,
            &'a str,
            &'a str,
        );
        let Event { id, seq, at, actor_type, actor_id, actor_name, action, target, ip, changes, hash: _ } =
            self;
        let canonical =
            Canonical(chain, *id, *seq, at.0, actor_type, *actor_id, actor_name, action, target, ip, changes);
        serde_json::to_vec(&canonical).expect("words and numbers are JSON")
    }
    pub fn target_name(&self) -> String {
        let target: Value = serde_json::from_str(&self.target).unwrap_or_default();
        target["name"].as_str().unwrap_or_default().to_owned()
    }
}

fn sealed(chain: Uuid, count: i64) -> Vec<u8> {
    [chain.as_bytes().as_slice(), &count.to_be_bytes()].concat()
}

#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// An action (`member.removed`), or the part before its dot (`member`).
    pub action: String,
    /// Part of the actor's name.
    pub actor: String,
    /// Only events before this position; 0 starts with the newest.
    pub before: i64,
    /// Inclusive.
    pub from: Option<Time>,
    /// Exclusive.
    pub to: Option<Time>,
    pub limit: i64,
}

/// The account's events, newest first.
pub async fn list(scope: &mut Scope<Access>, filter: &Filter) -> Result<Vec<Event>> {
    let before = if filter.before > 0 { filter.before } else { i64::MAX };
    let family =
        if filter.action.is_empty() { String::new() } else { format!("{}.%", like::escape(&filter.action)) };
    let actor = format!("%{}%", like::escape(&filter.actor.to_lowercase()));
    Ok(scope
        .query_in_account(
            r"select id, seq, at, actor_type, actor_id, actor_name, action, target, ip, changes, hash from audit_events
             where chain = $1 and seq < $2 and ($3 = '' or action = $3 or action like $4 escape '\')
                and ($5 = '%%' or lower(actor_name) like $5 escape '\') and at >= $6 and at < $7
             order by seq desc limit $8",
        )
        .bind(before)
        .bind(filter.action.clone())
        .bind(family)
        .bind(actor)
        .bind(filter.from.unwrap_or(Time(i64::MIN)))
        .bind(filter.to.unwrap_or(Time(i64::MAX)))
        .bind(filter.limit)
        .fetch_all()
        .await?)
}

pub async fn find(scope: &mut Scope<Access>, id: Uuid) -> Result<Option<Event>> {
    let sql = "select id, seq, at, actor_type, actor_id, actor_name, action, target, ip, changes, hash from audit_events
         where chain = $1 and id = $2";
    Ok(scope.query_in_account(sql).bind(id).fetch_optional().await?)
}

/// The events next to an event.
pub struct Neighbours {
    pub before: Option<Event>,
    pub after: Option<Event>,
    /// Whether the event's hash follows from the previous one.
    pub follows: bool,
}

pub async fn neighbours(scope: &mut Scope<Access>, event: &Event) -> Result<Neighbours> {
    let near: Vec<Event> = scope
        .query_in_account(
            "select id, seq, at, actor_type, actor_id, actor_name, action, target, ip, changes, hash from audit_events
             where chain = $1 and seq >= $2 and seq <= $3 order by seq",
        )
        .bind(event.seq - 1)
        .bind(event.seq + 1)
        .fetch_all()
        .await?;
    let (mut before, mut after) = (None, None);
    for other in near {
        match other.seq.cmp(&event.seq) {
            std::cmp::Ordering::Less => before = Some(other),
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => after = Some(other),
        }
    }
    let chain = scope.access().account.id.0;
    let link = |before: &[u8]| scope.context().secrets.chain_mac(before, &event.bytes(chain)) == event.hash;
    let follows = match &before {
        Some(before) => link(&before.hash),
        None => event.seq == 1 && link(&[]),
    };
    Ok(Neighbours { before, after, follows })
}

/// Where a chain fails verification.
#[derive(Debug, PartialEq, Eq)]
pub struct ChainBreak {
    /// The account's id, or the nil id for the installation.
    pub chain: Uuid,
    /// The position of the first event that does not follow from the previous one.
    pub seq: i64,
    pub why: &'static str,
}

/// Verifies every chain from its first event. Returns the first break, or the number of events.
pub async fn verify(scope: &mut Scope<System>) -> Result<Result<i64, ChainBreak>> {
    let lost = "select a.id from accounts a where not exists (select 1 from audit_heads h where h.chain = a.id) limit 1";
    if let Some((chain,)) = scope.query_unscoped(lost).fetch_optional::<(Uuid,)>().await? {
        return Ok(Err(ChainBreak { chain, seq: 1, why: "the account has no chain" }));
    }
    let chains: Vec<(Uuid,)> = scope
        .query_unscoped("select chain from audit_heads union select chain from audit_events order by 1")
        .fetch_all()
        .await?;
    let mut followed = 0;
    for (chain,) in chains {
        match follow(scope, chain, i64::MAX).await? {
            Ok(verified) => followed += verified.followed,
            Err(broken) => return Ok(Err(broken)),
        }
    }
    Ok(Ok(followed))
}

/// What a break is called: the account's slug, or none for the installation; and the event's id and action, if it is there.
pub async fn name(
    scope: &mut Scope<System>,
    at: &ChainBreak,
) -> Result<(Option<String>, Option<(Uuid, String)>)> {
    let slug: Option<(String,)> = scope
        .query_unscoped("select slug from accounts where id = $1")
        .bind(at.chain)
        .fetch_optional()
        .await?;
    let sql = "select id, action from audit_events where chain = $1 and seq = $2";
    let event = scope.query_unscoped(sql).bind(at.chain).bind(at.seq).fetch_optional().await?;
    Ok((slug.map(|row| row.0), event))
}

/// Whether the log was written with this secret key. Looks at the heads of three chains, since one of them may be broken.
pub async fn is_ours(scope: &mut Scope<System>) -> Result<bool> {
    let sql = "select chain, count, hash, mac from audit_heads order by chain limit 3";
    let heads: Vec<(Uuid, i64, Vec<u8>, Vec<u8>)> = scope.query_unscoped(sql).fetch_all().await?;
    let secrets = scope.context().secrets.clone();
    let holds = |(chain, count, hash, mac): &(Uuid, i64, Vec<u8>, Vec<u8>)| {
        *mac == secrets.chain_mac(hash, &sealed(*chain, *count))
    };
    Ok(heads.is_empty() || heads.iter().any(holds))
}

/// A chain whose newest events were verified.
#[derive(Debug, PartialEq, Eq)]
pub struct VerifiedChain {
    /// How many events were verified.
    pub followed: i64,
    /// How many events the chain has.
    pub all: i64,
}

/// Verifies the newest events of the current account.
pub async fn verify_here(scope: &mut Scope<Access>, most: i64) -> Result<Result<VerifiedChain, ChainBreak>> {
    let chain = scope.access().account.id.0;
    follow(scope, chain, most).await
}

async fn follow<A>(
    scope: &mut Scope<A>,
    chain: Uuid,
    most: i64,
) -> Result<Result<VerifiedChain, ChainBreak>> {
    let secrets = scope.context().secrets.clone();
    let head: Option<ChainHead> = scope
        .query_unscoped("select count, hash, mac from audit_heads where chain = $1")
        .bind(chain)
        .fetch_optional()
        .await?;
    let from = head.as_ref().map_or(0, |head| head.count.saturating_sub(most).max(0));
    let (mut hash, mut count) = (Vec::new(), from);
    if from > 0 {
        let sql = "select hash from audit_events where chain = $1 and seq = $2";
        let start: Option<(Vec<u8>,)> =
            scope.query_unscoped(sql).bind(chain).bind(from).fetch_optional().await?;
        let Some((start,)) = start else {
            return Ok(Err(ChainBreak { chain, seq: from, why: "the event is missing" }));
        };
        hash = start;
    }
    loop {
        let page: Vec<Event> = scope
            .query_unscoped(
                "select id, seq, at, actor_type, actor_id, actor_name, action, target, ip, changes, hash from audit_events
                 where chain = $1 and seq > $2 order by seq limit 1000",
            )
            .bind(chain)
            .bind(count)
            .fetch_all()
            .await?;
        let Some(last) = page.last().map(|event| event.seq) else { break };
        for event in &page {
            let next = secrets.chain_mac(&hash, &event.bytes(chain));
            if event.seq != count + 1 {
                return Ok(Err(ChainBreak { chain, seq: count + 1, why: "the event is missing" }));
            }
            if event.hash != next {
                return Ok(Err(ChainBreak { chain, seq: event.seq, why: "the event was changed" }));
            }
            (hash, count) = (next, event.seq);
        }
        debug_assert_eq!(last, count);
        // Events that were written meanwhile moved the head. They are verified next time.
        if head.as_ref().is_some_and(|head| head.count <= count) {
            break;
        }
    }
    let Some(head) = head else {
        return Ok(Err(ChainBreak { chain, seq: count + 1, why: "the head of the chain is missing" }));
    };
    if head.count > count {
        return Ok(Err(ChainBreak { chain, seq: count + 1, why: "the newest events were cut off" }));
    }
    if head.mac != secrets.chain_mac(&head.hash, &sealed(chain, head.count)) {
        return Ok(Err(ChainBreak { chain, seq: head.count, why: "the head of the chain was changed" }));
    }
    Ok(Ok(VerifiedChain { followed: count - from, all: count }))
}
