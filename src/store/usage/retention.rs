//! Deletes old events, and checks the sums against the events.
use super::ingest::{UsageKey, add};
use crate::{
    error::Result,
    model::{
        calendar::Day,
        id::{AccountId, KeyId, ResourceId, UserId},
        quantity::Quantity,
        time::{DAY, Time},
    },
    store::{Change, System},
};
use std::{collections::BTreeMap, time::Duration};

/// How long events are kept. Older ones are rejected as too late, so that a deleted event cannot be counted again.
pub const KEPT: Duration = DAY.saturating_mul(45);
const STEP: i64 = 2_000;

/// Deletes some expired events and returns how many.
pub async fn sweep(change: &mut Change<System>) -> Result<u64> {
    let before = change.now().minus(KEPT);
    let sql = "delete from usage_events where (source, id) in
        (select source, id from usage_events where at < $1 order by at limit $2)";
    Ok(change.query_unscoped(sql).bind(before).bind(STEP).execute().await?)
}

/// A sum that differed from its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumDifference {
    pub day: Day,
    pub account: AccountId,
    pub meter: String,
    /// The stored sum.
    pub had: Quantity,
    /// The sum of the events.
    pub is: Quantity,
}

#[derive(sqlx::FromRow)]
struct DayRow {
    account_id: AccountId,
    day: i64,
    meter: String,
    user_id: UserId,
    key_id: KeyId,
    product: String,
    resource_id: ResourceId,
    model: String,
    period: i64,
    billing_account_id: AccountId,
    whole: i64,
    nanos: i64,
    events: i64,
}

type Sums = BTreeMap<UsageKey, (Quantity, i64)>;

fn by_key(rows: Vec<DayRow>) -> Sums {
    let entry = |row: DayRow| {
        let sum = (Quantity::of(row.whole, row.nanos), row.events);
        let key = UsageKey {
            account_id: row.account_id,
            day: row.day,
            meter: row.meter,
            user_id: row.user_id,
            key_id: row.key_id,
            product: row.product,
            resource_id: row.resource_id,
            model: row.model,
            period: row.period,
            billing_account_id: row.billing_account_id,
        };
        (key, sum)
    };
    rows.into_iter().map(entry).collect()
}

/// The first and last day whose events are all still stored.
pub async fn whole_days(change: &mut Change<System>) -> Result<Option<(Day, Day)>> {
    let sql =
        "select (select min(at) from usage_events) as first, (select max(at) from usage_events) as last";
    let (first, last): (Option<Time>, Option<Time>) = change.query_unscoped(sql).fetch_one().await?;
    // Some events of the oldest day may be deleted already.
    let oldest = Day::of(change.now().minus(KEPT)).plus(1);
    Ok(first.zip(last).map(|(first, last)| (Day::of(first).max(oldest), Day::of(last))))
}

/// Recounts a day's events and returns the differences. With `mend`, the sums are corrected.
pub async fn rebuild(change: &mut Change<System>, day: Day, mend: bool) -> Result<Vec<SumDifference>> {
    // Blocks ingestion.
    change
        .query_unscoped("select through from usage_closed where singleton = 1 for update")
        .execute()
        .await?;
    let sql = "select account_id, cast($1 as bigint) as day, meter, user_id, key_id, product, resource_id, model, period, billing_account_id,
            cast(sum(whole) as bigint) as whole, cast(sum(nanos) as bigint) as nanos, count(*) as events
        from usage_events where at >= $2 and at < $3
        group by account_id, meter, user_id, key_id, product, resource_id, model, period, billing_account_id";
    let rows =
        change.query_unscoped(sql).bind(day).bind(day.start()).bind(day.plus(1).start()).fetch_all().await?;
    let is = by_key(rows);
    let sql = "select account_id, day, meter, user_id, key_id, product, resource_id, model, period, billing_account_id, whole, nanos, events
        from usage_days where day = $1";
    let had = by_key(change.query_unscoped(sql).bind(day).fetch_all().await?);
    let none = (Quantity::ZERO, 0);
    let mut differences = vec![];
    for key in had.keys().chain(is.keys().filter(|key| !had.contains_key(key))) {
        let (had, is) = (had.get(key).unwrap_or(&none), is.get(key).unwrap_or(&none));
        if had != is {
            let (account, meter) = (key.account_id, key.meter.clone());
            differences.push(SumDifference { day, account, meter, had: had.0, is: is.0 });
        }
    }
    if mend && !differences.is_empty() {
        change.query_unscoped("delete from usage_days where day = $1").bind(day).execute().await?;
        add(change, &is).await?;
    }
    Ok(differences)
}
