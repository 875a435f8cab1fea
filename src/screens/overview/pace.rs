//! What was used this month, how the last two weeks went, and where the month ends at this pace.
use crate::{
    model::{calendar::Day, quantity::Quantity},
    view::chart::{Bar, bars},
};

/// How many days are drawn.
const DAYS: i64 = 14;

/// The first day that this needs to know of.
pub fn since(today: Day) -> Day {
    today.month().first().min(today.plus(1 - DAYS))
}

pub struct Pace {
    pub meter: String,
    pub month: String,
    pub used: String,
    pub first: String,
    pub summary: String,
    pub bars: Vec<Bar>,
    pub width: String,
    /// What the month comes to, once there are days enough to say.
    pub forecast: Option<String>,
}

impl Pace {
    pub fn of(meter: &str, days: &[(Day, Quantity)], today: Day) -> Pace {
        let month = today.month();
        let of = |day: Day| -> Quantity { days.iter().filter(|it| it.0 == day).map(|it| it.1).sum() };
        let used: Quantity = days.iter().filter(|it| it.0 >= month.first()).map(|it| it.1).sum();
        let drawn: Vec<(Day, Quantity)> =
            (1 - DAYS..=0).map(|ago| (today.plus(ago), of(today.plus(ago)))).collect();
        let highest = drawn.iter().max_by_key(|it| it.1).filter(|it| !it.1.is_zero());
        let values: Vec<f64> = drawn.iter().map(|it| it.1.roughly()).collect();
        let (bars, width) = bars(&values);
        let highest = highest.map_or_else(
            || "Nothing was used.".to_owned(),
            |(day, quantity)| format!("Highest: {} with {}.", day.short(), quantity.rounded()),
        );
        Pace {
            meter: meter.to_owned(),
            month: month.in_words(),
            used: used.rounded(),
            first: drawn[0].0.short(),
            summary: format!("{meter} per day, {} to {}. {highest}", drawn[0].0.short(), today.short()),
            bars,
            width,
            forecast: forecast(used, of(today), today),
        }
    }
}

/// The days that are over, carried on to the month's end.
fn forecast(used: Quantity, today_so_far: Quantity, today: Day) -> Option<String> {
    let month = today.month();
    let over = u128::try_from(today.0 - month.first().0).ok().filter(|it| *it >= 3)?;
    let (days, done) = (u128::try_from(month.days()).ok()?, used.minus(today_so_far));
    (!done.is_zero()).then(|| Quantity::from_nanos(done.nanos() / over * days).rounded())
}
