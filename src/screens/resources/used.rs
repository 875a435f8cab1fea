//! What was used of one resource this month: a number for each meter, and a bar for each day.
use crate::{
    app::chart::{Bar, bars},
    error::Result,
    model::{
        calendar::Day,
        id::ResourceId,
        quantity::Quantity,
        usage::{Axis, Sight},
    },
    store::{
        Scope,
        usage::{Filter, Sum, sums},
    },
};

/// How many meters have a number.
const METERS: usize = 3;
/// More sums than a month has days and a catalogue meters.
const MOST: i64 = 10_000;

pub(super) struct Used {
    pub title: String,
    pub href: String,
    /// What each meter came to.
    pub numbers: Vec<(String, String)>,
    pub first: String,
    /// Said to who does not see the bars.
    pub summary: String,
    /// None if nothing was used.
    pub bars: Vec<Bar>,
    pub width: String,
}

impl Used {
    /// None for who sees no usage here.
    pub(super) async fn of(scope: &mut Scope, id: ResourceId, usage: &str) -> Result<Option<Used>> {
        let Ok(sight) = Sight::of(scope.who()) else { return Ok(None) };
        let today = Day::of(scope.now());
        let first = today.month().first();
        let filter = Filter { resource: Some(id), ..Filter::days(first, today.plus(1)) };
        let catalog = scope.kit().catalog.clone();
        let found = sums(scope, &filter, &[Axis::Day], MOST).await?;
        let of = |meter: &str, day: Option<Day>| -> Quantity {
            let fits = |it: &&Sum| it.meter == meter && day.is_none_or(|day| it.day == Some(day));
            found.iter().filter(fits).map(|it| it.quantity).sum()
        };
        let meters = catalog.meters.iter().take(METERS);
        let numbers = meters.map(|it| (it.name.clone(), of(&it.id, None).rounded())).collect();
        let main = catalog.meters.first();
        let days: Vec<Quantity> = (first.0..=today.0)
            .map(|day| main.map_or(Quantity::ZERO, |it| of(&it.id, Some(Day(day)))))
            .collect();
        let values: Vec<f64> = days.iter().map(|it| it.roughly()).collect();
        let (bars, width) =
            if days.iter().all(|it| it.is_zero()) { (vec![], String::new()) } else { bars(&values) };
        let meter = main.map_or("", |it| it.name.as_str());
        Ok(Some(Used {
            title: format!(
                "{} in {}",
                if sight.is_own() { "Your usage" } else { "Usage" },
                today.month().in_words()
            ),
            href: format!("{usage}?by=key&resource={id}"),
            numbers,
            first: first.short(),
            summary: format!("{meter} per day, {} to {}", first.short(), today.short()),
            bars,
            width,
        }))
    }
}
