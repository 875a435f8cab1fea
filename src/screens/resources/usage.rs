//! The usage of one resource this month: a number for each meter, and a bar for each day.
use crate::{
    http::gate::Can,
    model::{calendar::Day, id::ResourceId, permission::Needs, quantity::Quantity, usage::VisibleUsage},
    store::usage::UsageSum,
    view::chart::{Bar, bars},
};

const METERS: usize = 3;

pub(super) struct ResourceUsage {
    pub title: String,
    pub href: String,
    /// `(meter, quantity)`.
    pub numbers: Vec<(String, String)>,
    pub first: String,
    /// For screen readers.
    pub summary: String,
    /// Empty if nothing was used.
    pub bars: Vec<Bar>,
    pub width: String,
}

impl ResourceUsage {
    /// `sums` are those of this month.
    pub(super) fn of<P: Needs>(can: &Can<P>, id: ResourceId, sums: &[UsageSum]) -> ResourceUsage {
        let (today, catalog) = (Day::of(can.context().now()), &can.context().catalog);
        let first = today.month().first();
        let total = |meter: &str, day: Option<Day>| -> Quantity {
            let matches = |sum: &&UsageSum| sum.meter == meter && day.is_none_or(|day| sum.day == Some(day));
            sums.iter().filter(matches).map(|sum| sum.quantity).sum()
        };
        let meters = catalog.meters.iter().take(METERS);
        let numbers = meters.map(|meter| (meter.name.clone(), total(&meter.id, None).rounded())).collect();
        let main = catalog.meters.first();
        let days: Vec<Quantity> = (first.0..=today.0)
            .map(|day| main.map_or(Quantity::ZERO, |meter| total(&meter.id, Some(Day(day)))))
            .collect();
        let values: Vec<f64> = days.iter().map(|quantity| quantity.roughly()).collect();
        let (bars, width) = if days.iter().all(|quantity| quantity.is_zero()) {
            (vec![], String::new())
        } else {
            bars(&values)
        };
        let meter = main.map_or("", |meter| meter.name.as_str());
        let is_own = VisibleUsage::of(can.access()).is_ok_and(|sight| sight.is_own());
        ResourceUsage {
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
