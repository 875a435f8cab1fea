//! Bars of days, stacked by product, and the same numbers as a table.
use super::Range;
use crate::{
    model::{calendar::Day, catalog::Catalog, quantity::Quantity},
    store::usage::UsageSum,
    view::chart::{as_float, ceiling, coordinate, label},
};

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 240.0;
/// The last one holds all other products.
const SERIES: usize = 4;

pub struct Chart {
    pub title: String,
    pub summary: String,
    /// From the bottom up.
    pub series: Vec<String>,
    /// Labels of the scale, from the top down.
    pub scale: Vec<String>,
    pub lines: Vec<String>,
    pub bars: Vec<DayBar>,
    /// A few days, evenly spaced.
    pub ticks: Vec<String>,
    pub width: String,
    pub is_empty: bool,
    /// Whether today, which is not over, has a bar.
    pub has_today: bool,
}

pub struct DayBar {
    pub day: String,
    pub x: String,
    pub inner: String,
    pub thin: String,
    pub total: String,
    /// One for each series; `None` for zero.
    pub segments: Vec<Option<Segment>>,
    pub quantities: Vec<String>,
    pub is_today: bool,
}

pub struct Segment {
    pub y: String,
    pub height: String,
}

impl Chart {
    pub fn of(sums: &[&UsageSum], meter: &str, range: &Range, today: Day, catalog: &Catalog) -> Chart {
        let products = products(sums, catalog);
        let series_index = |sum: &UsageSum| {
            let id = sum.product.as_deref().unwrap_or_default();
            products.iter().position(|product| product == id).unwrap_or_default().min(SERIES - 1)
        };
        let series: Vec<String> = products
            .iter()
            .take(SERIES)
            .enumerate()
            .map(|(n, id)| match id.as_str() {
                _ if n == SERIES - 1 && products.len() > SERIES => "Other".to_owned(),
                "" => "No product".to_owned(),
                id => catalog.product_name(id).to_owned(),
            })
            .collect();
        let days: Vec<(Day, Vec<Quantity>)> = (range.from.0..range.to.0)
            .map(|day| {
                let mut segments = vec![Quantity::ZERO; series.len()];
                for sum in sums.iter().filter(|sum| sum.day == Some(Day(day))) {
                    segments[series_index(sum)] += sum.quantity;
                }
                (Day(day), segments)
            })
            .collect();
        let total = |segments: &[Quantity]| -> Quantity { segments.iter().copied().sum() };
        let highest = days.iter().max_by_key(|day| total(&day.1)).filter(|day| !total(&day.1).is_zero());
        let top = ceiling(highest.map_or(0.0, |day| total(&day.1).roughly()));
        let highest_total = highest.map_or(Quantity::ZERO, |day| total(&day.1));
        let width = WIDTH / as_float(days.len().max(1));
        let bar = |(n, (day, segments)): (usize, &(Day, Vec<Quantity>))| {
            let mut baseline = HEIGHT;
            let segment = |quantity: &Quantity| {
                let height = quantity.roughly() / top * HEIGHT;
                baseline -= height;
                // A gap of one unit between the segments.
                (height > 0.0)
                    .then(|| Segment { y: coordinate(baseline), height: coordinate((height - 1.0).max(0.4)) })
            };
            DayBar {
                day: day.short(),
                x: coordinate(width * as_float(n)),
                inner: coordinate(width * (as_float(n) + 0.2)),
                thin: coordinate(width * 0.6),
                total: total(segments).rounded_beside(highest_total),
                segments: segments.iter().map(segment).collect(),
                quantities: segments.iter().map(|quantity| quantity.rounded_beside(highest_total)).collect(),
                is_today: *day == today,
            }
        };
        let steps = 0..5_u8;
        Chart {
            title: format!("{meter} per day"),
            summary: summary(meter, range, highest.map(|day| (day.0, total(&day.1)))),
            scale: steps.clone().rev().map(|step| label(top * f64::from(step) / 4.0)).collect(),
            lines: steps.map(|step| coordinate(HEIGHT * f64::from(step) / 4.0)).collect(),
            bars: days.iter().enumerate().map(bar).collect(),
            ticks: ticks(range),
            width: coordinate(width),
            is_empty: highest.is_none(),
            has_today: days.iter().any(|day| day.0 == today && !total(&day.1).is_zero()),
            series,
        }
    }
}

/// The products of the catalogue in its order, then former products, then usage without a product (empty).
fn products(sums: &[&UsageSum], catalog: &Catalog) -> Vec<String> {
    let mut there: Vec<&str> = sums.iter().map(|sum| sum.product.as_deref().unwrap_or_default()).collect();
    let rank = |id: &str| match catalog.products.iter().position(|product| product.id == id) {
        Some(position) => (0, position),
        None if id.is_empty() => (2, 0),
        None => (1, 0),
    };
    there.sort_by_key(|id| (rank(id), *id));
    there.dedup();
    there.into_iter().map(str::to_owned).collect()
}

fn summary(meter: &str, range: &Range, highest: Option<(Day, Quantity)>) -> String {
    let highest = match highest {
        Some((day, quantity)) => format!("Highest: {} with {}.", day.short(), quantity.rounded()),
        None => "Nothing was used.".to_owned(),
    };
    format!("{meter} per day by product, {}. {highest}", range.in_words())
}

fn ticks(range: &Range) -> Vec<String> {
    let last = range.days() - 1;
    let many = last.clamp(0, 4);
    (0..=many).map(|n| range.from.plus(if many == 0 { 0 } else { last * n / many }).short()).collect()
}
