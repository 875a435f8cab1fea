//! A resource with its usage, in one statement.
use super::{COLUMNS, Resource, ResourceRow, TABLES};
use crate::{
    error::{Error, Result},
    model::{access::Access, calendar::Day, id::ResourceId, quantity::Quantity, usage::VisibleUsage},
    store::{
        Guarded, Scope, json,
        usage::{Filter, OF_ACCOUNT, OF_ORGANIZATION, UsageSum, sighted},
    },
};
use const_format::concatcp;
use serde::Deserialize;

#[derive(sqlx::FromRow)]
struct ResourceUsageRow {
    #[sqlx(flatten)]
    row: ResourceRow,
    used: Option<String>,
}

#[derive(Deserialize)]
struct UsageSumRow {
    day: i64,
    meter: String,
    whole: i64,
    nanos: i64,
}

const FOUND: &str = concatcp!(COLUMNS, ", (select cast(json_agg(json_build_object('day', s.day, 'meter', s.meter, 'whole', s.whole, 'nanos', s.nanos)) as text)
                    from (select day, meter, ");
const FOUND_TAIL: &str = concatcp!(
    " group by day, meter limit 10000) s) as used",
    TABLES,
    "where r.id = $17 and (r.account_id = $1 or (r.root_account_id = $1 and $18))"
);

/// A resource and its usage in a period, by day and meter; `None` for callers who may not see usage.
pub async fn find_with_usage(
    scope: &mut Scope<Access>,
    id: ResourceId,
    from: Day,
    to: Day,
) -> Result<(Guarded<Resource>, Option<Vec<UsageSum>>)> {
    let Ok(sight) = VisibleUsage::of(scope.access()) else {
        return Ok((super::find(scope, id).await?, None));
    };
    let leads = scope.access().leads_teams();
    let filter = Filter { resource: Some(id), ..Filter::days(from, to) };
    let sql = if sight.teams {
        concatcp!(FOUND, OF_ORGANIZATION, FOUND_TAIL)
    } else {
        concatcp!(FOUND, OF_ACCOUNT, FOUND_TAIL)
    };
    let found: Option<ResourceUsageRow> =
        sighted(scope.query_in_account(sql), &sight, &filter).bind(leads).fetch_optional().await?;
    let ResourceUsageRow { row, used } = found.ok_or(Error::NotFound)?;
    let sum = |row: UsageSumRow| UsageSum {
        day: Some(Day(row.day)),
        meter: row.meter,
        quantity: Quantity::of(row.whole, row.nanos),
        ..UsageSum::default()
    };
    Ok((Guarded(row.into()), Some(json::list(used)?.into_iter().map(sum).collect())))
}
