//! Taking usage in: each event once, summed into its day in the same transaction.
use crate::{
    db::List,
    error::Result,
    model::{
        calendar::{Day, Month},
        id::{AccountId, KeyId, ResourceId, UserId},
        quantity::Quantity,
        text::{Refusal, refuse},
        usage::event::{Reported, UNKNOWN_ACCOUNT, Whose},
        verdict::Named,
    },
    store::{Change, Who, budgets},
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, btree_map::Entry};
use uuid::Uuid;

/// What became of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Counted now.
    pub accepted: usize,
    /// Counted before, or twice in the batch.
    pub duplicates: usize,
    /// Not counted: their places in the batch, and why.
    pub rejected: Vec<(usize, Refusal)>,
}

/// Takes a batch in. What could not be read keeps its place, with the reason.
pub async fn take<W: Who>(change: &mut Change<W>, batch: Vec<Result<Reported, Refusal>>) -> Result<Taken> {
    let mut taken = Taken::default();
    let known = Known::find(change, &batch).await?;
    // What is locked is locked in one order, so that batches at the same time wait for each other, and never in a circle.
    let sql = "select through from usage_closed where one = 1 for share";
    let (closed,): (Month,) = change.sql(sql).fetch_one().await?;
    let mut events: BTreeMap<Name, Event> = BTreeMap::new();
    for (index, reported) in batch.into_iter().enumerate() {
        match reported.and_then(|it| known.place(it, closed)) {
            Ok((key, event)) => match events.entry(key) {
                Entry::Occupied(_) => taken.duplicates += 1,
                Entry::Vacant(place) => drop(place.insert(event)),
            },
            Err(refusal) => taken.rejected.push((index, refusal)),
        }
    }
    if events.is_empty() {
        return Ok(taken);
    }
    let new = insert(change, &events).await?;
    let is_new = |name: &Name| new.as_ref().is_none_or(|it| it.contains(name));
    let mut sums: BTreeMap<Place, (Quantity, i64)> = BTreeMap::new();
    for (_, event) in events.iter().filter(|it| is_new(it.0)) {
        taken.accepted += 1;
        let sum = match sums.get_mut(&event.place) {
            Some(sum) => sum,
            None => sums.entry(event.place.clone()).or_default(),
        };
        sum.0 += event.quantity;
        sum.1 += 1;
    }
    taken.duplicates += events.len() - taken.accepted;
    add(change, &sums).await?;
    budgets::charge(change, &sums).await?;
    Ok(taken)
}

/// What an event is called: by whom, and how.
type Name = (String, String);

/// Where an event is summed, in the order of the key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub account_id: AccountId,
    pub day: i64,
    pub meter: String,
    pub user_id: UserId,
    pub key_id: KeyId,
    pub product: String,
    pub resource_id: ResourceId,
    pub model: String,
    pub period: i64,
    pub top_id: AccountId,
}

struct Event {
    place: Place,
    at: i64,
    quantity: Quantity,
}

#[derive(sqlx::FromRow)]
struct Holder {
    id: Uuid,
    slug: Option<String>,
    account_id: AccountId,
    top_id: AccountId,
    user_id: Option<UserId>,
}

#[derive(sqlx::FromRow)]
struct Found {
    id: ResourceId,
    account_id: AccountId,
    product: String,
    kind: String,
    external_id: String,
}

/// What a batch names, as far as it exists.
#[derive(Default)]
struct Known {
    keys: HashMap<KeyId, Holder>,
    accounts: HashMap<String, Holder>,
    resources: HashMap<(AccountId, ResourceId), Found>,
    external: HashMap<(AccountId, String, String, String), ResourceId>,
}

impl Known {
    async fn find<W: Who>(change: &mut Change<W>, batch: &[Result<Reported, Refusal>]) -> Result<Known> {
        let mut known = Known::default();
        let (mut keys, mut accounts) = (BTreeSet::new(), BTreeSet::new());
        let (mut ids, mut external) = (BTreeSet::new(), BTreeSet::new());
        for it in batch.iter().flatten() {
            match &it.whose {
                Whose::Key(id) => keys.insert(id.0),
                Whose::Account(word) => accounts.insert(word.clone()),
            };
            match &it.resource {
                Some(Named::Id(id)) => _ = ids.insert(id.0),
                Some(Named::External { external_id, .. }) => _ = external.insert(external_id.clone()),
                Some(Named::Nothing) | None => {}
            }
        }
        // A key that was revoked, or whose member is gone, has done the work all the same.
        let keys: Vec<Uuid> = keys.into_iter().collect();
        if !keys.is_empty() {
            let sql = "select k.id, cast(null as text) as slug, k.account_id, coalesce(a.parent_id, a.id) as top_id, k.user_id
                from api_keys k join accounts a on a.id = k.account_id where k.id = any($1::uuid[])";
            let found: Vec<Holder> = change.sql(sql).bind(List(&keys)).fetch_all().await?;
            known.keys = found.into_iter().map(|it| (KeyId(it.id), it)).collect();
        }
        let words: Vec<String> = accounts.into_iter().collect();
        if !words.is_empty() {
            let ids: Vec<Uuid> = words.iter().filter_map(|it| it.parse().ok()).collect();
            let sql = "select a.id, s.slug, a.id as account_id, coalesce(a.parent_id, a.id) as top_id, cast(null as uuid) as user_id
                from accounts a join slugs s on s.account_id = a.id where s.slug = any($1::text[])
                union all select a.id, cast(null as text), a.id, coalesce(a.parent_id, a.id), cast(null as uuid)
                from accounts a where a.id = any($2::uuid[])";
            let found: Vec<Holder> = change.sql(sql).bind(List(&words)).bind(List(&ids)).fetch_all().await?;
            let named = |it: Holder| (it.slug.clone().unwrap_or_else(|| it.id.to_string()), it);
            known.accounts = found.into_iter().map(named).collect();
        }
        if !ids.is_empty() || !external.is_empty() {
            let (ids, external): (Vec<Uuid>, Vec<String>) =
                (ids.into_iter().collect(), external.into_iter().collect());
            let holders = known.keys.values().chain(known.accounts.values());
            let within: BTreeSet<Uuid> = holders.map(|it| it.account_id.0).collect();
            let within: Vec<Uuid> = within.into_iter().collect();
            let sql =
                "select id, account_id, product, kind, external_id from resources where id = any($1::uuid[])
                union all select id, account_id, product, kind, external_id from resources
                where account_id = any($2::uuid[]) and external_id = any($3::text[])";
            let found: Vec<Found> =
                change.sql(sql).bind(List(&ids)).bind(List(&within)).bind(List(&external)).fetch_all().await?;
            for it in found {
                let name = (it.account_id, it.product.clone(), it.kind.clone(), it.external_id.clone());
                known.external.insert(name, it.id);
                known.resources.insert((it.account_id, it.id), it);
            }
        }
        Ok(known)
    }

    /// Where an event belongs.
    fn place(&self, it: Reported, closed: Month) -> Result<(Name, Event), Refusal> {
        let (holder, key) = match &it.whose {
            Whose::Key(id) => (self.keys.get(id), Some(*id)),
            Whose::Account(word) => (self.accounts.get(word), None),
        };
        let Some(holder) = holder else {
            return match key {
                Some(_) => refuse("unknown_key", "There is no API key with this id."),
                None => refuse("unknown_account", UNKNOWN_ACCOUNT),
            };
        };
        let resource = it.resource.as_ref().map(|it| self.resource(holder.account_id, it)).transpose()?;
        if let (Some(resource), Some(product)) = (resource, &it.product)
            && resource.product != *product
        {
            let detail = format!("The resource is of the product {}, not {product}.", resource.product);
            return refuse("product_mismatch", detail);
        }
        let day = Day::of(it.at);
        let place = Place {
            account_id: holder.account_id,
            day: day.0,
            meter: it.meter,
            user_id: holder.user_id.unwrap_or(UserId(Uuid::nil())),
            key_id: key.unwrap_or(KeyId(Uuid::nil())),
            product: it.product.or_else(|| resource.map(|it| it.product.clone())).unwrap_or_default(),
            resource_id: resource.map_or(ResourceId(Uuid::nil()), |it| it.id),
            model: it.model.unwrap_or_default(),
            period: day.month().max(closed.next()).0,
            top_id: holder.top_id,
        };
        Ok(((it.source, it.id), Event { place, at: it.at.0, quantity: it.quantity }))
    }

    fn resource(&self, account: AccountId, named: &Named) -> Result<&Found, Refusal> {
        let id = match named {
            Named::Nothing => None,
            Named::Id(id) => Some(*id),
            Named::External { product, kind, external_id } => {
                let name = (account, product.clone(), kind.clone(), external_id.clone());
                self.external.get(&name).copied()
            }
        };
        let found = id.and_then(|id| self.resources.get(&(account, id)));
        found.map_or_else(|| refuse("unknown_resource", "The account has no such resource."), Ok)
    }
}

/// Many rows as one value.
fn rows(all: impl Iterator<Item = impl Serialize>) -> String {
    let all: Vec<_> = all.collect();
    serde_json::to_string(&all).expect("rows are plain words and numbers")
}

#[derive(Serialize)]
struct PlaceRow<'a> {
    account_id: uuid::fmt::Simple,
    day: i64,
    meter: &'a str,
    user_id: uuid::fmt::Simple,
    key_id: uuid::fmt::Simple,
    product: &'a str,
    resource_id: uuid::fmt::Simple,
    model: &'a str,
    period: i64,
    top_id: uuid::fmt::Simple,
}

impl<'a> PlaceRow<'a> {
    fn of(it: &'a Place) -> PlaceRow<'a> {
        PlaceRow {
            account_id: it.account_id.0.simple(),
            day: it.day,
            meter: &it.meter,
            user_id: it.user_id.0.simple(),
            key_id: it.key_id.0.simple(),
            product: &it.product,
            resource_id: it.resource_id.0.simple(),
            model: &it.model,
            period: it.period,
            top_id: it.top_id.0.simple(),
        }
    }
}

// A batch has many events and few places: each place is spelled once, and the events say which by its number. The order is
// that of their names, in which batches at the same time wait for each other.
macro_rules! insert {
    ($end:literal) => {
        concat!(
            "with places as materialized (
                select cast(p.value ->> 0 as bigint) as n, cast(p.value ->> 1 as uuid) as top_id, cast(p.value ->> 2 as uuid) as account_id,
                    cast(p.value ->> 3 as uuid) as user_id, cast(p.value ->> 4 as uuid) as key_id, p.value ->> 5 as product,
                    cast(p.value ->> 6 as uuid) as resource_id, p.value ->> 7 as model, p.value ->> 8 as meter,
                    cast(p.value ->> 9 as bigint) as period
                from json_array_elements(cast($2 as json)) as p(value))
             insert into usage_events (source, id, at, received_at, top_id, account_id, user_id, key_id, product,
                resource_id, model, meter, period, whole, nanos)
             select e.value ->> 1, e.value ->> 2, cast(e.value ->> 3 as bigint), $3, p.top_id, p.account_id, p.user_id, p.key_id,
                p.product, p.resource_id, p.model, p.meter, p.period, cast(e.value ->> 4 as bigint), cast(e.value ->> 5 as bigint)
             from json_array_elements(cast($1 as json)) as e(value)
             left join places p on p.n = cast(e.value ->> 6 as bigint)
             where true order by cast(e.value ->> 0 as bigint) on conflict do nothing",
            $end
        )
    };
}

/// Writes the events down, in the order of their names; tells which are new, if not all are. Nearly always all are: that is
/// tried first, for to be told of each costs as much as to write it.
async fn insert<W: Who>(
    change: &mut Change<W>,
    events: &BTreeMap<Name, Event>,
) -> Result<Option<HashSet<Name>>> {
    let mut places: HashMap<&Place, usize> = HashMap::new();
    let spelled = events.iter().enumerate().map(|(n, ((source, id), it))| {
        let (next, (whole, nanos)) = (places.len(), it.quantity.columns());
        (n, source, id, it.at, whole, nanos, *places.entry(&it.place).or_insert(next))
    });
    let spelled = rows(spelled);
    let places = rows(places.iter().map(|(it, n)| {
        let id = |it: Uuid| it.simple();
        let (top, account, user, key) = (it.top_id.0, it.account_id.0, it.user_id.0, it.key_id.0);
        let what = (id(it.resource_id.0), &it.model, &it.meter, it.period);
        (n, id(top), id(account), id(user), id(key), &it.product, what.0, what.1, what.2, what.3)
    }));
    let now = change.now();
    change.sql("savepoint taken").execute().await?;
    let many = change.sql(insert!("")).bind(&spelled).bind(&places).bind(now).execute().await?;
    if usize::try_from(many).is_ok_and(|it| it == events.len()) {
        return Ok(None);
    }
    change.sql("rollback to savepoint taken").execute().await?;
    let again = change.sql(insert!(" returning source, id")).bind(&spelled).bind(&places).bind(now);
    let new: Vec<Name> = again.fetch_all().await?;
    Ok(Some(new.into_iter().collect()))
}

#[derive(Serialize)]
struct DayRow<'a> {
    whole: i64,
    nanos: i64,
    events: i64,
    #[serde(flatten)]
    place: PlaceRow<'a>,
}

impl<'a> DayRow<'a> {
    fn of((place, (quantity, events)): (&'a Place, &'a (Quantity, i64))) -> DayRow<'a> {
        let (whole, nanos) = quantity.columns();
        DayRow { whole, nanos, events: *events, place: PlaceRow::of(place) }
    }
}

/// Adds to the sums, in the order of their keys.
pub(super) async fn add<W: Who>(
    change: &mut Change<W>,
    sums: &BTreeMap<Place, (Quantity, i64)>,
) -> Result<()> {
    if sums.is_empty() {
        return Ok(());
    }
    let sql = "insert into usage_days (account_id, day, meter, user_id, key_id, product, resource_id, model, period, top_id,
            whole, nanos, events)
        select e.account_id, e.day, e.meter, e.user_id, e.key_id, e.product, e.resource_id, e.model, e.period, e.top_id,
            e.whole, e.nanos, e.events
        from json_to_recordset($1::json) as e(account_id uuid, day bigint, meter text, user_id uuid, key_id uuid, product text,
            resource_id uuid, model text, period bigint, top_id uuid, whole bigint, nanos bigint, events bigint)
        where true
        on conflict (account_id, day, meter, user_id, key_id, product, resource_id, model, period) do update set
            whole = usage_days.whole + excluded.whole, nanos = usage_days.nanos + excluded.nanos,
            events = usage_days.events + excluded.events";
    change.sql(sql).bind(rows(sums.iter().map(DayRow::of))).execute().await?;
    Ok(())
}
