//! The use of this month, the last two weeks day by day, and a forecast for the month.
use crate::{
    model::{calendar::Day, quantity::Quantity},
    view::chart::{Bar, bars},
};

/// Days in the chart.
const DAYS: i64 = 14;

/// The first day whose use is needed.
pub fn since(today: Day) -> Day {
    today.month().first().min(today.plus(1 - DAYS))
}

pub struct Pace {
    pub meter: String,
    pub month: String,
    pub used: String,
    pub first_day: String,
    pub summary: String,
    pub bars: Vec<Bar>,
    pub width: String,
    /// The expected use of the whole month; `None` before three days are over.
    pub forecast: Option<String>,
}

impl Pace {
    pub fn of(meter: &str, days: &[(Day, Quantity)], today: Day) -> Pace {
        let month = today.month();
        let used_on =
            |day: Day| -> Quantity { days.iter().filter(|entry| entry.0 == day).map(|entry| entry.1).sum() };
        let used: Quantity = days.iter().filter(|entry| entry.0 >= month.first()).map(|entry| entry.1).sum();
        let shown: Vec<(Day, Quantity)> =
            (1 - DAYS..=0).map(|ago| (today.plus(ago), used_on(today.plus(ago)))).collect();
        let highest = shown.iter().max_by_key(|entry| entry.1).filter(|entry| !entry.1.is_zero());
        let values: Vec<f64> = shown.iter().map(|entry| entry.1.roughly()).collect();
        let (bars, width) = bars(&values);
        let highest = highest.map_or_else(
            || "Nothing was used.".to_owned(),
            |(day, quantity)| format!("Highest: {} with {}.", day.short(), quantity.rounded()),
        );
        Pace {
            meter: meter.to_owned(),
            month: month.in_words(),
            used: used.rounded(),
            first_day: shown[0].0.short(),
            summary: format!("{meter} per day, {} to {}. {highest}", shown[0].0.short(), today.short()),
            bars,
            width,
            forecast: forecast(used, used_on(today), today),
        }
    }
}

/// Extrapolates the days that are over to the whole month.
fn forecast(used: Quantity, today_so_far: Quantity, today: Day) -> Option<String> {
    let month = today.month();
    let days_over = u128::try_from(today.0 - month.first().0).ok().filter(|days| *days >= 3)?;
    let (days, used) = (u128::try_from(month.days()).ok()?, used.minus(today_so_far));
    (!used.is_zero()).then(|| Quantity::from_nanos(used.nanos() / days_over * days).rounded())
}
