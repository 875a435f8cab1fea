//! What the usage page draws: sums by day and product, and requests that the rate limits denied.
use super::read::{Filter, OF_ACCOUNT, OF_ORGANIZATION, UsageSum, sighted};
use crate::{
    error::{Error, Result},
    model::{
        access::Access,
        calendar::Day,
        quantity::Quantity,
        time::{HOUR, Time},
        usage::VisibleUsage,
    },
    store::{Scope, rate_limits::Subject},
};
use const_format::concatcp;

/// The requests of a day that rate limits were checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottledDay {
    pub day: Day,
    pub asked: i64,
    /// How many were denied.
    pub refused: i64,
}

#[derive(Debug, Default)]
pub struct DailyUsage {
    pub sums: Vec<UsageSum>,
    /// By day, if asked for. Limits are counted for the account that pays.
    pub throttled: Vec<ThrottledDay>,
    /// The hour with the most denied requests.
    pub peak: Option<Time>,
}

#[derive(sqlx::FromRow)]
struct DailyRow {
    kind: i32,
    meter: String,
    at: i64,
    product: String,
    first: i64,
    second: i64,
}

const DAYS: &str = "select 0 as kind, d.meter, d.day as at, d.product, d.whole as first, d.nanos as second from (select meter, day, product, ";
const DAYS_TAIL: &str = " group by meter, day, product) d
            union all
            select 1, '', hour / 24, '', cast(sum(requests) as bigint), cast(sum(refused) as bigint) from rate_limit_hourly
                where subject = $18 and hour >= $19 and hour < $20 group by hour / 24
            union all
            select 2, '', p.hour, '', p.refused, 0 from (select hour, refused from rate_limit_hourly
                where subject = $18 and hour >= $21 and hour < $20 and refused > 0 order by refused desc, hour desc limit 1) p
            order by 1, 3, 4, 2 limit $22";

/// The usage of a period, and from `peak_from` on the hour with the most denied requests.
pub async fn days(
    scope: &mut Scope<Access>,
    filter: &Filter,
    peak_from: Day,
    shows_throttled: bool,
    limit: i64,
) -> Result<DailyUsage> {
    let sight = VisibleUsage::of(scope.access()).map_err(Error::MissingPermission)?;
    let payer = Subject::Plan(scope.access().account.id).to_string();
    let sql = if sight.teams {
        concatcp!(DAYS, OF_ORGANIZATION, DAYS_TAIL)
    } else {
        concatcp!(DAYS, OF_ACCOUNT, DAYS_TAIL)
    };
    let rows: Vec<DailyRow> = sighted(scope.query_in_account(sql), &sight, filter)
        .bind(if shows_throttled { payer } else { String::new() })
        .bind(filter.from.0 * 24)
        .bind(filter.to.0 * 24)
        .bind(peak_from.0 * 24)
        .bind(limit)
        .fetch_all()
        .await?;
    let mut days = DailyUsage::default();
    for row in rows {
        match row.kind {
            0 => days.sums.push(UsageSum {
                day: Some(Day(row.at)),
                product: Some(row.product).filter(|product| !product.is_empty()),
                meter: row.meter,
                quantity: Quantity::of(row.first, row.second),
                ..UsageSum::default()
            }),
            1 => {
                days.throttled.push(ThrottledDay { day: Day(row.at), asked: row.first, refused: row.second });
            }
            _ => days.peak = i64::try_from(HOUR.as_micros()).ok().map(|long| Time(row.at * long)),
        }
    }
    Ok(days)
}
