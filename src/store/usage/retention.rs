//! How long events are kept, and whether the sums are theirs.
use super::ingest::{Place, add};
use crate::{
    error::Result,
    model::{
        calendar::Day,
        id::{AccountId, KeyId, ResourceId, UserId},
        quantity::Quantity,
        time::{DAY, Time},
    },
    store::{Change, Host},
};
use std::{collections::BTreeMap, time::Duration};

/// How long events are kept. What is older is refused as too late, so that nothing deleted can be counted again.
pub const KEPT: Duration = DAY.saturating_mul(45);
/// How many are deleted at a time.
const STEP: i64 = 2_000;

/// Deletes some of the events that are over; says how many.
pub async fn sweep(change: &mut Change<Host>) -> Result<u64> {
    let before = change.now().minus(KEPT);
    let sql = "delete from usage_events where (source, id) in
        (select source, id from usage_events where at < $1 order by at limit $2)";
    Ok(change.sql(sql).bind(before).bind(STEP).execute().await?)
}

/// A sum that was not that of its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The day.
    pub day: Day,
    /// Whose.
    pub account: AccountId,
    /// Of what.
    pub meter: String,
    /// As it was summed.
    pub had: Quantity,
    /// As the events sum up.
    pub is: Quantity,
}

#[derive(sqlx::FromRow)]
struct Row {
    account_id: AccountId,
    day: i64,
    meter: String,
    user_id: UserId,
    key_id: KeyId,
    product: String,
    resource_id: ResourceId,
    model: String,
    period: i64,
    top_id: AccountId,
    whole: i64,
    nanos: i64,
    events: i64,
}

type Sums = BTreeMap<Place, (Quantity, i64)>;

fn by_place(rows: Vec<Row>) -> Sums {
    let entry = |it: Row| {
        let sum = (Quantity::of(it.whole, it.nanos), it.events);
        let place = Place {
            account_id: it.account_id,
            day: it.day,
            meter: it.meter,
            user_id: it.user_id,
            key_id: it.key_id,
            product: it.product,
            resource_id: it.resource_id,
            model: it.model,
            period: it.period,
            top_id: it.top_id,
        };
        (place, sum)
    };
    rows.into_iter().map(entry).collect()
}

/// The days whose events are all there still: from the first to the last of them.
pub async fn whole_days(change: &mut Change<Host>) -> Result<Option<(Day, Day)>> {
    let sql =
        "select (select min(at) from usage_events) as first, (select max(at) from usage_events) as last";
    let (first, last): (Option<Time>, Option<Time>) = change.sql(sql).fetch_one().await?;
    // Of the day on which the oldest are deleted, some may be gone.
    let oldest = Day::of(change.now().minus(KEPT)).plus(1);
    Ok(first.zip(last).map(|(first, last)| (Day::of(first).max(oldest), Day::of(last))))
}

/// Sums a day's events again, and says what was not as they say. With `mend`, it is then.
pub async fn rebuild(change: &mut Change<Host>, day: Day, mend: bool) -> Result<Vec<Difference>> {
    // Nothing is taken in meanwhile.
    change.sql("select through from usage_closed where one = 1 for update").execute().await?;
    let sql = "select account_id, cast($1 as bigint) as day, meter, user_id, key_id, product, resource_id, model, period, top_id,
            cast(sum(whole) as bigint) as whole, cast(sum(nanos) as bigint) as nanos, count(*) as events
        from usage_events where at >= $2 and at < $3
        group by account_id, meter, user_id, key_id, product, resource_id, model, period, top_id";
    let rows = change.sql(sql).bind(day).bind(day.start()).bind(day.plus(1).start()).fetch_all().await?;
    let is = by_place(rows);
    let sql = "select account_id, day, meter, user_id, key_id, product, resource_id, model, period, top_id, whole, nanos, events
        from usage_days where day = $1";
    let had = by_place(change.sql(sql).bind(day).fetch_all().await?);
    let none = (Quantity::ZERO, 0);
    let mut differences = vec![];
    for place in had.keys().chain(is.keys().filter(|it| !had.contains_key(it))) {
        let (had, is) = (had.get(place).unwrap_or(&none), is.get(place).unwrap_or(&none));
        if had != is {
            let (account, meter) = (place.account_id, place.meter.clone());
            differences.push(Difference { day, account, meter, had: had.0, is: is.0 });
        }
    }
    if mend && !differences.is_empty() {
        change.sql("delete from usage_days where day = $1").bind(day).execute().await?;
        add(change, &is).await?;
    }
    Ok(differences)
}
