//! Usage ingestion: each event once, and summed by day in the same transaction.
use crate::{
    db::List,
    error::Result,
    model::{
        calendar::{Day, Month},
        id::{AccountId, KeyId, ResourceId, UserId},
        quantity::Quantity,
        text::{ValidationError, refuse},
        usage::event::{UNKNOWN_ACCOUNT, UsageEvent, UsageOwner},
        verdict::ResourceRef,
    },
    store::{Change, budgets},
};
use const_format::concatcp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, btree_map::Entry};
use uuid::Uuid;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct IngestResult {
    pub accepted: usize,
    /// Reported before, or twice in the batch.
    pub duplicates: usize,
    /// The index in the batch, and why.
    pub rejected: Vec<(usize, ValidationError)>,
}

/// Ingests a batch. An event that could not be parsed comes as an error, which keeps its index.
pub async fn take<A>(
    change: &mut Change<A>,
    batch: Vec<Result<UsageEvent, ValidationError>>,
) -> Result<IngestResult> {
    let mut result = IngestResult::default();
    let references = BatchReferences::find(change, &batch).await?;
    // Everything is locked in one order, so that concurrent batches do not deadlock.
    let sql = "select through from usage_closed where singleton = 1 for share";
    let (closed,): (Month,) = change.query_unscoped(sql).fetch_one().await?;
    let mut events: BTreeMap<EventName, KeyedEvent> = BTreeMap::new();
    for (index, reported) in batch.into_iter().enumerate() {
        match reported.and_then(|event| references.key_of(event, closed)) {
            Ok((key, event)) => match events.entry(key) {
                Entry::Occupied(_) => result.duplicates += 1,
                Entry::Vacant(place) => drop(place.insert(event)),
            },
            Err(refusal) => result.rejected.push((index, refusal)),
        }
    }
    if events.is_empty() {
        return Ok(result);
    }
    let new = insert(change, &events).await?;
    let is_new = |name: &EventName| new.as_ref().is_none_or(|names| names.contains(name));
    let mut sums: BTreeMap<UsageKey, (Quantity, i64)> = BTreeMap::new();
    for (_, event) in events.iter().filter(|entry| is_new(entry.0)) {
        result.accepted += 1;
        let sum = match sums.get_mut(&event.key) {
            Some(sum) => sum,
            None => sums.entry(event.key.clone()).or_default(),
        };
        sum.0 += event.quantity;
        sum.1 += 1;
    }
    result.duplicates += events.len() - result.accepted;
    add(change, &sums).await?;
    budgets::charge(change, &sums).await?;
    Ok(result)
}

/// Identifies an event: its source and id.
type EventName = (String, String);

/// What events are summed by, in the order of the table's key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsageKey {
    pub account_id: AccountId,
    pub day: i64,
    pub meter: String,
    pub user_id: UserId,
    pub key_id: KeyId,
    pub product: String,
    pub resource_id: ResourceId,
    pub model: String,
    pub period: i64,
    pub billing_account_id: AccountId,
}

struct KeyedEvent {
    key: UsageKey,
    at: i64,
    quantity: Quantity,
}

#[derive(sqlx::FromRow)]
struct UsageHolder {
    id: Uuid,
    slug: Option<String>,
    account_id: AccountId,
    billing_account_id: AccountId,
    user_id: Option<UserId>,
}

#[derive(sqlx::FromRow)]
struct ResourceRow {
    id: ResourceId,
    account_id: AccountId,
    product: String,
    kind: String,
    external_id: String,
}

/// What the events of a batch refer to, if it exists.
#[derive(Default)]
struct BatchReferences {
    keys: HashMap<KeyId, UsageHolder>,
    accounts: HashMap<String, UsageHolder>,
    resources: HashMap<(AccountId, ResourceId), ResourceRow>,
    external: HashMap<(AccountId, String, String, String), ResourceId>,
}

impl BatchReferences {
    async fn find<A>(
        change: &mut Change<A>,
        batch: &[Result<UsageEvent, ValidationError>],
    ) -> Result<BatchReferences> {
        let mut references = BatchReferences::default();
        let (mut keys, mut accounts) = (BTreeSet::new(), BTreeSet::new());
        let (mut ids, mut external) = (BTreeSet::new(), BTreeSet::new());
        for event in batch.iter().flatten() {
            match &event.owner {
                UsageOwner::Key(id) => keys.insert(id.0),
                UsageOwner::Account(word) => accounts.insert(word.clone()),
            };
            match &event.resource {
                Some(ResourceRef::Id(id)) => _ = ids.insert(id.0),
                Some(ResourceRef::External { external_id, .. }) => _ = external.insert(external_id.clone()),
                Some(ResourceRef::Nothing) | None => {}
            }
        }
        // Usage of a key that was revoked meanwhile still counts.
        let keys: Vec<Uuid> = keys.into_iter().collect();
        if !keys.is_empty() {
            let sql = "select k.id, cast(null as text) as slug, k.account_id, coalesce(a.parent_id, a.id) as billing_account_id, k.user_id
                from api_keys k join accounts a on a.id = k.account_id where k.id = any($1::uuid[])";
            let found: Vec<UsageHolder> = change.query_unscoped(sql).bind(List(&keys)).fetch_all().await?;
            references.keys = found.into_iter().map(|key| (KeyId(key.id), key)).collect();
        }
        let words: Vec<String> = accounts.into_iter().collect();
        if !words.is_empty() {
            let ids: Vec<Uuid> = words.iter().filter_map(|word| word.parse().ok()).collect();
            let sql = "select a.id, s.slug, a.id as account_id, coalesce(a.parent_id, a.id) as billing_account_id, cast(null as uuid) as user_id
                from accounts a join slugs s on s.account_id = a.id where s.slug = any($1::text[])
                union all select a.id, cast(null as text), a.id, coalesce(a.parent_id, a.id), cast(null as uuid)
                from accounts a where a.id = any($2::uuid[])";
            let found: Vec<UsageHolder> =
                change.query_unscoped(sql).bind(List(&words)).bind(List(&ids)).fetch_all().await?;
            let named =
                |holder: UsageHolder| (holder.slug.clone().unwrap_or_else(|| holder.id.to_string()), holder);
            references.accounts = found.into_iter().map(named).collect();
        }
        if !ids.is_empty() || !external.is_empty() {
            let (ids, external): (Vec<Uuid>, Vec<String>) =
                (ids.into_iter().collect(), external.into_iter().collect());
            let holders = references.keys.values().chain(references.accounts.values());
            let within: BTreeSet<Uuid> = holders.map(|holder| holder.account_id.0).collect();
            let within: Vec<Uuid> = within.into_iter().collect();
            let sql =
                "select id, account_id, product, kind, external_id from resources where id = any($1::uuid[])
                union all select id, account_id, product, kind, external_id from resources
                where account_id = any($2::uuid[]) and external_id = any($3::text[])";
            let found: Vec<ResourceRow> = change
                .query_unscoped(sql)
                .bind(List(&ids))
                .bind(List(&within))
                .bind(List(&external))
                .fetch_all()
                .await?;
            for resource in found {
                let name = (
                    resource.account_id,
                    resource.product.clone(),
                    resource.kind.clone(),
                    resource.external_id.clone(),
                );
                references.external.insert(name, resource.id);
                references.resources.insert((resource.account_id, resource.id), resource);
            }
        }
        Ok(references)
    }

    /// The key that an event is summed under.
    fn key_of(&self, event: UsageEvent, closed: Month) -> Result<(EventName, KeyedEvent), ValidationError> {
        let (holder, key) = match &event.owner {
            UsageOwner::Key(id) => (self.keys.get(id), Some(*id)),
            UsageOwner::Account(word) => (self.accounts.get(word), None),
        };
        let Some(holder) = holder else {
            return match key {
                Some(_) => refuse("unknown_key", "There is no API key with this id."),
                None => refuse("unknown_account", UNKNOWN_ACCOUNT),
            };
        };
        let resource =
            event.resource.as_ref().map(|named| self.resource(holder.account_id, named)).transpose()?;
        if let (Some(resource), Some(product)) = (resource, &event.product)
            && resource.product != *product
        {
            let detail = format!("The resource is of the product {}, not {product}.", resource.product);
            return refuse("product_mismatch", detail);
        }
        let day = Day::of(event.at);
        let place = UsageKey {
            account_id: holder.account_id,
            day: day.0,
            meter: event.meter,
            user_id: holder.user_id.unwrap_or(UserId(Uuid::nil())),
            key_id: key.unwrap_or(KeyId(Uuid::nil())),
            product: event
                .product
                .or_else(|| resource.map(|resource| resource.product.clone()))
                .unwrap_or_default(),
            resource_id: resource.map_or(ResourceId(Uuid::nil()), |resource| resource.id),
            model: event.model.unwrap_or_default(),
            period: day.month().max(closed.next()).0,
            billing_account_id: holder.billing_account_id,
        };
        Ok(((event.source, event.id), KeyedEvent { key: place, at: event.at.0, quantity: event.quantity }))
    }

    fn resource(&self, account: AccountId, named: &ResourceRef) -> Result<&ResourceRow, ValidationError> {
        let id = match named {
            ResourceRef::Nothing => None,
            ResourceRef::Id(id) => Some(*id),
            ResourceRef::External { product, kind, external_id } => {
                let name = (account, product.clone(), kind.clone(), external_id.clone());
                self.external.get(&name).copied()
            }
        };
        let found = id.and_then(|id| self.resources.get(&(account, id)));
        found.map_or_else(|| refuse("unknown_resource", "The account has no such resource."), Ok)
    }
}

/// Many rows as one JSON value.
fn rows(all: impl Iterator<Item = impl Serialize>) -> String {
    let all: Vec<_> = all.collect();
    serde_json::to_string(&all).expect("rows are plain words and numbers")
}

#[derive(Serialize)]
struct UsageKeyRow<'a> {
    account_id: uuid::fmt::Simple,
    day: i64,
    meter: &'a str,
    user_id: uuid::fmt::Simple,
    key_id: uuid::fmt::Simple,
    product: &'a str,
    resource_id: uuid::fmt::Simple,
    model: &'a str,
    period: i64,
    billing_account_id: uuid::fmt::Simple,
}

impl<'a> UsageKeyRow<'a> {
    fn of(key: &'a UsageKey) -> UsageKeyRow<'a> {
        UsageKeyRow {
            account_id: key.account_id.0.simple(),
            day: key.day,
            meter: &key.meter,
            user_id: key.user_id.0.simple(),
            key_id: key.key_id.0.simple(),
            product: &key.product,
            resource_id: key.resource_id.0.simple(),
            model: &key.model,
            period: key.period,
            billing_account_id: key.billing_account_id.0.simple(),
        }
    }
}

// A batch has many events and few keys, so each key is sent once and the events refer to it by number. Events are inserted
// in the order of their names, so that concurrent batches do not deadlock.
const INSERT: &str = "with places as materialized (
                select cast(p.value ->> 0 as bigint) as n, cast(p.value ->> 1 as uuid) as billing_account_id, cast(p.value ->> 2 as uuid) as account_id,
                    cast(p.value ->> 3 as uuid) as user_id, cast(p.value ->> 4 as uuid) as key_id, p.value ->> 5 as product,
                    cast(p.value ->> 6 as uuid) as resource_id, p.value ->> 7 as model, p.value ->> 8 as meter,
                    cast(p.value ->> 9 as bigint) as period
                from json_array_elements(cast($2 as json)) as p(value))
             insert into usage_events (source, id, at, received_at, billing_account_id, account_id, user_id, key_id, product,
                resource_id, model, meter, period, whole, nanos)
             select e.value ->> 1, e.value ->> 2, cast(e.value ->> 3 as bigint), $3, p.billing_account_id, p.account_id, p.user_id, p.key_id,
                p.product, p.resource_id, p.model, p.meter, p.period, cast(e.value ->> 4 as bigint), cast(e.value ->> 5 as bigint)
             from json_array_elements(cast($1 as json)) as e(value)
             left join places p on p.n = cast(e.value ->> 6 as bigint)
             where true order by cast(e.value ->> 0 as bigint) on conflict do nothing";

/// Inserts the events in the order of their names. Returns which ones are new, or `None` if all are. That is nearly always so
/// and is tried first, because `returning` costs as much as the insert.
async fn insert<A>(
    change: &mut Change<A>,
    events: &BTreeMap<EventName, KeyedEvent>,
) -> Result<Option<HashSet<EventName>>> {
    let mut places: HashMap<&UsageKey, usize> = HashMap::new();
    let event_rows = events.iter().enumerate().map(|(n, ((source, id), event))| {
        let (next, (whole, nanos)) = (places.len(), event.quantity.columns());
        (n, source, id, event.at, whole, nanos, *places.entry(&event.key).or_insert(next))
    });
    let event_rows = rows(event_rows);
    let places = rows(places.iter().map(|(place, n)| {
        let id = |id: Uuid| id.simple();
        let (top, account, user, key) =
            (place.billing_account_id.0, place.account_id.0, place.user_id.0, place.key_id.0);
        let what = (id(place.resource_id.0), &place.model, &place.meter, place.period);
        (n, id(top), id(account), id(user), id(key), &place.product, what.0, what.1, what.2, what.3)
    }));
    let now = change.now();
    change.query_unscoped("savepoint taken").execute().await?;
    let many = change.query_unscoped(INSERT).bind(&event_rows).bind(&places).bind(now).execute().await?;
    if usize::try_from(many).is_ok_and(|count| count == events.len()) {
        return Ok(None);
    }
    change.query_unscoped("rollback to savepoint taken").execute().await?;
    let again = change
        .query_unscoped(concatcp!(INSERT, " returning source, id"))
        .bind(&event_rows)
        .bind(&places)
        .bind(now);
    let new: Vec<EventName> = again.fetch_all().await?;
    Ok(Some(new.into_iter().collect()))
}

#[derive(Serialize)]
struct DayRow<'a> {
    whole: i64,
    nanos: i64,
    events: i64,
    #[serde(flatten)]
    place: UsageKeyRow<'a>,
}

impl<'a> DayRow<'a> {
    fn of((place, (quantity, events)): (&'a UsageKey, &'a (Quantity, i64))) -> DayRow<'a> {
        let (whole, nanos) = quantity.columns();
        DayRow { whole, nanos, events: *events, place: UsageKeyRow::of(place) }
    }
}

/// Adds to the sums in the order of their keys, to avoid deadlocks.
pub(super) async fn add<A>(change: &mut Change<A>, sums: &BTreeMap<UsageKey, (Quantity, i64)>) -> Result<()> {
    if sums.is_empty() {
        return Ok(());
    }
    let sql = "insert into usage_days (account_id, day, meter, user_id, key_id, product, resource_id, model, period, billing_account_id,
            whole, nanos, events)
        select e.account_id, e.day, e.meter, e.user_id, e.key_id, e.product, e.resource_id, e.model, e.period, e.billing_account_id,
            e.whole, e.nanos, e.events
        from json_to_recordset($1::json) as e(account_id uuid, day bigint, meter text, user_id uuid, key_id uuid, product text,
            resource_id uuid, model text, period bigint, billing_account_id uuid, whole bigint, nanos bigint, events bigint)
        where true
        on conflict (account_id, day, meter, user_id, key_id, product, resource_id, model, period) do update set
            whole = usage_days.whole + excluded.whole, nanos = usage_days.nanos + excluded.nanos,
            events = usage_days.events + excluded.events";
    change.query_unscoped(sql).bind(rows(sums.iter().map(DayRow::of))).execute().await?;
    Ok(())
}
