//! The audit log: written in the transaction of what it tells of, one HMAC chain for each account and one for the
//! installation.
use super::{Actor, Change, Host, Scope, Who};
use crate::{
    error::Result,
    model::{access::Entry, id::AccountId, time::Time},
};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// Which chain an event is written to.
#[derive(Clone, Copy)]
pub enum Chain {
    /// An account's.
    Account(AccountId),
    /// The installation's: operators, service tokens, accounts that are gone.
    Installation,
}

impl Chain {
    fn id(self) -> Uuid {
        match self {
            Chain::Account(it) => it.0,
            Chain::Installation => Uuid::nil(),
        }
    }
}

/// What was done, to what.
pub struct Did {
    /// `member.role_changed`.
    pub action: &'static str,
    /// `{type, id, name}`.
    pub target: Value,
    /// As it was; null for what is new.
    pub before: Value,
    /// As it is; null for what is gone.
    pub after: Value,
}

impl Did {
    /// An act on something that has a type, an id and a name.
    pub fn to(action: &'static str, kind: &str, id: impl ToString, name: impl ToString) -> Did {
        let target = json!({ "type": kind, "id": id.to_string(), "name": name.to_string() });
        Did { action, target, before: Value::Null, after: Value::Null }
    }
    /// What it was before and is after.
    #[must_use]
    pub fn changed(self, before: Value, after: Value) -> Did {
        Did { before, after, ..self }
    }
}

#[derive(sqlx::FromRow)]
struct Head {
    count: i64,
    hash: Vec<u8>,
    seal: Vec<u8>,
}

/// Appends an event.
pub async fn write<W: Who>(change: &mut Change<W>, chain: Chain, did: Did) -> Result<()> {
    let chain = chain.id();
    change.changed(chain);
    let find = "select count, hash, seal from audit_heads where chain = $1 for no key update";
    let mut head: Option<Head> = change.sql(find).bind(chain).fetch_optional().await?;
    if head.is_none() {
        let start = "insert into audit_heads (chain, count, hash, seal) values ($1, 0, $2, $2) on conflict do nothing";
        change.sql(start).bind(chain).bind(Vec::<u8>::new()).execute().await?;
        head = Some(change.sql(find).bind(chain).fetch_one().await?);
    }
    let head = head.unwrap_or(Head { count: 0, hash: vec![], seal: vec![] });

    let Actor { kind, id, name } = change.who().actor();
    let event = Event {
        id: change.kit().id(),
        seq: head.count + 1,
        at: change.now(),
        actor_type: kind.into(),
        actor_id: id,
        actor_name: name,
        action: did.action.into(),
        target: did.target.to_string(),
        ip: change.client.ip(),
        changes: json!({ "before": did.before, "after": did.after }).to_string(),
        hash: vec![],
    };
    let hash = change.kit().seal.link(&head.hash, &event.bytes(chain));
    let seal = change.kit().seal.link(&hash, &sealed(chain, event.seq));
    change
        .sql(
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
    let update = "update audit_heads set count = $2, hash = $3, seal = $4 where chain = $1";
    change.sql(update).bind(chain).bind(event.seq).bind(hash).bind(seal).execute().await?;
    Ok(())
}

/// Appends an event to the chain of the account one is in.
pub async fn here(change: &mut Change<Entry>, did: Did) -> Result<()> {
    let account = change.who().here.id;
    write(change, Chain::Account(account), did).await
}

/// One event as it is stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Event {
    /// Its id.
    pub id: Uuid,
    /// Its place in the chain, from 1.
    pub seq: i64,
    /// When.
    pub at: Time,
    /// `user`, `key`, `visitor`, `host`.
    pub actor_type: String,
    /// The user or key.
    pub actor_id: Option<Uuid>,
    /// Who, in words.
    pub actor_name: String,
    /// What.
    pub action: String,
    /// `{type, id, name}`, as JSON.
    pub target: String,
    /// From where.
    pub ip: String,
    /// `{before, after}`, as JSON.
    pub changes: String,
    /// The link to the event before.
    pub hash: Vec<u8>,
}

impl Event {
    /// What the chain's hash is over.
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
        let it =
            Canonical(chain, *id, *seq, at.0, actor_type, *actor_id, actor_name, action, target, ip, changes);
        serde_json::to_vec(&it).expect("words and numbers are JSON")
    }
    /// The target's name.
    pub fn target_name(&self) -> String {
        let target: Value = serde_json::from_str(&self.target).unwrap_or_default();
        target["name"].as_str().unwrap_or_default().to_owned()
    }
}

fn sealed(chain: Uuid, count: i64) -> Vec<u8> {
    [chain.as_bytes().as_slice(), &count.to_be_bytes()].concat()
}

/// What a page of the log is asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// An action, or the word before its dot: `member`.
    pub action: String,
    /// Part of the actor's name.
    pub actor: String,
    /// Only before this place in the chain; 0 for the newest.
    pub before: i64,
    /// Only from this instant on.
    pub from: Option<Time>,
    /// Only before this instant.
    pub to: Option<Time>,
    /// How many.
    pub limit: i64,
}

/// Events of the account, newest first.
pub async fn list(scope: &mut Scope, filter: &Filter) -> Result<Vec<Event>> {
    let before = if filter.before > 0 { filter.before } else { i64::MAX };
    let like = |it: &str| it.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
    let family = if filter.action.is_empty() { String::new() } else { format!("{}.%", like(&filter.action)) };
    let actor = format!("%{}%", like(&filter.actor.to_lowercase()));
    Ok(scope
        .ask(
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

/// One event of the account.
pub async fn find(scope: &mut Scope, id: Uuid) -> Result<Option<Event>> {
    let sql = "select id, seq, at, actor_type, actor_id, actor_name, action, target, ip, changes, hash from audit_events
         where chain = $1 and id = $2";
    Ok(scope.ask(sql).bind(id).fetch_optional().await?)
}

/// An event among its neighbours.
pub struct Neighbours {
    /// The one before it.
    pub before: Option<Event>,
    /// The one after it.
    pub after: Option<Event>,
    /// Whether it follows from the one before it.
    pub follows: bool,
}

/// What stands before and after an event of the account.
pub async fn neighbours(scope: &mut Scope, event: &Event) -> Result<Neighbours> {
    let near: Vec<Event> = scope
        .ask(
            "select id, seq, at, actor_type, actor_id, actor_name, action, target, ip, changes, hash from audit_events
             where chain = $1 and seq >= $2 and seq <= $3 order by seq",
        )
        .bind(event.seq - 1)
        .bind(event.seq + 1)
        .fetch_all()
        .await?;
    let (mut before, mut after) = (None, None);
    for it in near {
        match it.seq.cmp(&event.seq) {
            std::cmp::Ordering::Less => before = Some(it),
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => after = Some(it),
        }
    }
    let chain = scope.who().here.id.0;
    let link = |before: &[u8]| scope.kit().seal.link(before, &event.bytes(chain)) == event.hash;
    let follows = match &before {
        Some(it) => link(&it.hash),
        None => event.seq == 1 && link(&[]),
    };
    Ok(Neighbours { before, after, follows })
}

/// Where a chain does not hold.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken {
    /// The account's id, or the nil id for the installation.
    pub chain: Uuid,
    /// The first event that does not follow from the one before.
    pub seq: i64,
    /// How it shows.
    pub why: &'static str,
}

/// Follows every chain from its first event; the first break, or how many events were followed.
pub async fn verify(scope: &mut Scope<Host>) -> Result<Result<i64, Broken>> {
    let lost = "select a.id from accounts a where not exists (select 1 from audit_heads h where h.chain = a.id) limit 1";
    if let Some((chain,)) = scope.sql(lost).fetch_optional::<(Uuid,)>().await? {
        return Ok(Err(Broken { chain, seq: 1, why: "the account has no chain" }));
    }
    let chains: Vec<(Uuid,)> = scope
        .sql("select chain from audit_heads union select chain from audit_events order by 1")
        .fetch_all()
        .await?;
    let mut followed = 0;
    for (chain,) in chains {
        match follow(scope, chain, i64::MAX).await? {
            Ok(it) => followed += it.followed,
            Err(broken) => return Ok(Err(broken)),
        }
    }
    Ok(Ok(followed))
}

/// What a break is called: the account's slug, or none for the installation; and the event's id and action, if it is there.
pub async fn name(scope: &mut Scope<Host>, it: &Broken) -> Result<(Option<String>, Option<(Uuid, String)>)> {
    let slug: Option<(String,)> =
        scope.sql("select slug from accounts where id = $1").bind(it.chain).fetch_optional().await?;
    let sql = "select id, action from audit_events where chain = $1 and seq = $2";
    let event = scope.sql(sql).bind(it.chain).bind(it.seq).fetch_optional().await?;
    Ok((slug.map(|it| it.0), event))
}

/// Whether the log was written under our secret key: told by the heads of a few chains, of which one may be broken.
pub async fn is_ours(scope: &mut Scope<Host>) -> Result<bool> {
    let sql = "select chain, count, hash, seal from audit_heads order by chain limit 3";
    let heads: Vec<(Uuid, i64, Vec<u8>, Vec<u8>)> = scope.sql(sql).fetch_all().await?;
    let key = scope.kit().seal.clone();
    let holds = |(chain, count, hash, seal): &(Uuid, i64, Vec<u8>, Vec<u8>)| {
        *seal == key.link(hash, &sealed(*chain, *count))
    };
    Ok(heads.is_empty() || heads.iter().any(holds))
}

/// A chain, or its end, that holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Holds {
    /// How many events were followed.
    pub followed: i64,
    /// How many there are.
    pub all: i64,
}

/// Follows the newest events of the account one is in, at most so many.
pub async fn verify_here(scope: &mut Scope, most: i64) -> Result<Result<Holds, Broken>> {
    let chain = scope.who().here.id.0;
    follow(scope, chain, most).await
}

async fn follow<W: Who>(scope: &mut Scope<W>, chain: Uuid, most: i64) -> Result<Result<Holds, Broken>> {
    let seal = scope.kit().seal.clone();
    let head: Option<Head> =
        scope.sql("select count, hash, seal from audit_heads where chain = $1").bind(chain).fetch_optional().await?;
    let from = head.as_ref().map_or(0, |it| it.count.saturating_sub(most).max(0));
    let (mut hash, mut count) = (Vec::new(), from);
    if from > 0 {
        let sql = "select hash from audit_events where chain = $1 and seq = $2";
        let start: Option<(Vec<u8>,)> = scope.sql(sql).bind(chain).bind(from).fetch_optional().await?;
        let Some((start,)) = start else {
            return Ok(Err(Broken { chain, seq: from, why: "the event is missing" }));
        };
        hash = start;
    }
    loop {
        let page: Vec<Event> = scope
            .sql(
                "select id, seq, at, actor_type, actor_id, actor_name, action, target, ip, changes, hash from audit_events
                 where chain = $1 and seq > $2 order by seq limit 1000",
            )
            .bind(chain)
            .bind(count)
            .fetch_all()
            .await?;
        let Some(last) = page.last().map(|it| it.seq) else { break };
        for event in &page {
            let next = seal.link(&hash, &event.bytes(chain));
            if event.seq != count + 1 {
                return Ok(Err(Broken { chain, seq: count + 1, why: "the event is missing" }));
            }
            if event.hash != next {
                return Ok(Err(Broken { chain, seq: event.seq, why: "the event was changed" }));
            }
            (hash, count) = (next, event.seq);
        }
        debug_assert_eq!(last, count);
        // Events that were written while we read have moved the head; they are followed next time.
        if head.as_ref().is_some_and(|it| it.count <= count) {
            break;
        }
    }
    let Some(head) = head else {
        return Ok(Err(Broken { chain, seq: count + 1, why: "the head of the chain is missing" }));
    };
    if head.count > count {
        return Ok(Err(Broken { chain, seq: count + 1, why: "the newest events were cut off" }));
    }
    if head.seal != seal.link(&head.hash, &sealed(chain, head.count)) {
        return Ok(Err(Broken { chain, seq: head.count, why: "the head of the chain was changed" }));
    }
    Ok(Ok(Holds { followed: count - from, all: count }))
}
