//! A resource with what was used of it, as its page shows both: one statement.
use super::{Resource, Row, select};
use crate::{
    error::{Error, Result},
    model::{calendar::Day, id::ResourceId, quantity::Quantity, usage::Sight},
    store::{
        Guarded, Scope, json,
        usage::{Filter, Sum, seen, sighted},
    },
};
use serde::Deserialize;

#[derive(sqlx::FromRow)]
struct Found {
    #[sqlx(flatten)]
    row: Row,
    used: Option<String>,
}

#[derive(Deserialize)]
struct Told {
    day: i64,
    meter: String,
    whole: i64,
    nanos: i64,
}

macro_rules! found {
    ($within:literal) => {
        concat!(
            select!(concat!(
                ", (select cast(json_agg(json_build_object('day', s.day, 'meter', s.meter, 'whole', s.whole, 'nanos', s.nanos)) as text)
                    from (",
                seen!($within, "day, meter,"),
                " group by day, meter limit 10000) s) as used"
            )),
            "where r.id = $17 and (r.account_id = $1 or (r.top_id = $1 and $18))"
        )
    };
}

/// One resource, as `find` finds it, and its usage from a day on, by day and meter: none for who sees no usage here.
pub async fn find_with_usage(
    scope: &mut Scope,
    id: ResourceId,
    from: Day,
    to: Day,
) -> Result<(Guarded<Resource>, Option<Vec<Sum>>)> {
    let Ok(sight) = Sight::of(scope.who()) else { return Ok((super::find(scope, id).await?, None)) };
    let leads = scope.who().leads_teams();
    let filter = Filter { resource: Some(id), ..Filter::days(from, to) };
    let sql = if sight.teams { found!("top_id") } else { found!("account_id") };
    let found: Option<Found> = sighted(scope.ask(sql), &sight, &filter).bind(leads).fetch_optional().await?;
    let Found { row, used } = found.ok_or(Error::NotFound)?;
    let sum = |it: Told| Sum {
        day: Some(Day(it.day)),
        meter: it.meter,
        quantity: Quantity::of(it.whole, it.nanos),
        ..Sum::default()
    };
    Ok((Guarded(row.into()), Some(json::list(used)?.into_iter().map(sum).collect())))
}
