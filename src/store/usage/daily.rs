//! What the page of usage draws: sums by day and product, and how many requests the rate limits refused.
use super::read::{Filter, Sum, seen, sighted};
use crate::{
    error::{Error, Result},
    model::{
        calendar::Day,
        quantity::Quantity,
        time::{HOUR, Time},
        usage::Sight,
    },
    store::{Scope, rate_limits::Subject},
};

/// How many requests of a day the rate limits were asked about, and how many of them they refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// Which day.
    pub day: Day,
    /// So many were asked about.
    pub asked: i64,
    /// So many of them were refused.
    pub refused: i64,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Days {
    /// By day, product and meter.
    pub sums: Vec<Sum>,
    /// By day, where they were asked for: limits are counted for the account that pays.
    pub throttled: Vec<Throttled>,
    /// The hour in which most requests were refused, if any was.
    pub peak: Option<Time>,
}

#[derive(sqlx::FromRow)]
struct Row {
    kind: i32,
    meter: String,
    at: i64,
    product: String,
    first: i64,
    second: i64,
}

macro_rules! days {
    ($within:literal) => {
        concat!(
            "select 0 as kind, d.meter, d.day as at, d.product, d.whole as first, d.nanos as second from (",
            seen!($within, "meter, day, product,"),
            " group by meter, day, product) d
            union all
            select 1, '', hour / 24, '', cast(sum(asked) as bigint), cast(sum(refused) as bigint) from throttled
                where subject = $18 and hour >= $19 and hour < $20 group by hour / 24
            union all
            select 2, '', p.hour, '', p.refused, 0 from (select hour, refused from throttled
                where subject = $18 and hour >= $21 and hour < $20 and refused > 0 order by refused desc, hour desc limit 1) p
            order by 1, 3, 4, 2 limit $22"
        )
    };
}

/// What was used on these days. `peak_from` on, the hour is looked for in which most was refused.
pub async fn days(
    scope: &mut Scope,
    filter: &Filter,
    peak_from: Day,
    shows_throttled: bool,
    limit: i64,
) -> Result<Days> {
    let sight = Sight::of(scope.who()).map_err(Error::Forbidden)?;
    let payer = Subject::Plan(scope.who().here.id).to_string();
    let sql = if sight.teams { days!("top_id") } else { days!("account_id") };
    let rows: Vec<Row> = sighted(scope.ask(sql), &sight, filter)
        .bind(if shows_throttled { payer } else { String::new() })
        .bind(filter.from.0 * 24)
        .bind(filter.to.0 * 24)
        .bind(peak_from.0 * 24)
        .bind(limit)
        .fetch_all()
        .await?;
    let mut days = Days::default();
    for it in rows {
        match it.kind {
            0 => days.sums.push(Sum {
                day: Some(Day(it.at)),
                product: Some(it.product).filter(|it| !it.is_empty()),
                meter: it.meter,
                quantity: Quantity::of(it.first, it.second),
                ..Sum::default()
            }),
            1 => {
                days.throttled.push(Throttled { day: Day(it.at), asked: it.first, refused: it.second });
            }
            _ => days.peak = i64::try_from(HOUR.as_micros()).ok().map(|long| Time(it.at * long)),
        }
    }
    Ok(days)
}
