//! What was used of one resource this month: a number for each meter, and a bar for each day.
use crate::{
    http::gate::Can,
    model::{calendar::Day, id::ResourceId, permission::Needs, quantity::Quantity, usage::Sight},
    store::usage::Sum,
    view::chart::{Bar, bars},
};

/// How many meters have a number.
const METERS: usize = 3;

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
    /// Of the sums of this month.
    pub(super) fn of<P: Needs>(can: &Can<P>, id: ResourceId, found: &[Sum]) -> Used {
        let (today, catalog) = (Day::of(can.kit().now()), &can.kit().catalog);
        let first = today.month().first();
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
        let is_own = Sight::of(can.me()).is_ok_and(|it| it.is_own());
        Used {
            title: format!("{} in {}", if is_own { "Your usage" } else { "Usage" }, today.month().in_words()),
            href: can.path(&format!("usage?by=key&resource={id}")),
            numbers,
            first: first.short(),
            summary: format!("{meter} per day, {} to {}", first.short(), today.short()),
            bars,
            width,
        }
    }
}
