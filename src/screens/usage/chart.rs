//! Bars of days, stacked by product, and the same numbers as a table.
use super::Range;
use crate::{
    model::{calendar::Day, catalog::Catalog, quantity::Quantity},
    store::usage::Sum,
    view::chart::{at, ceiling, count, label},
};

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 240.0;
/// The fourth holds the rest.
const SERIES: usize = 4;

pub struct Chart {
    pub title: String,
    pub summary: String,
    /// What is stacked, from the ground up.
    pub series: Vec<String>,
    /// From the top down.
    pub scale: Vec<String>,
    pub lines: Vec<String>,
    pub bars: Vec<Bar>,
    /// A few days, evenly spaced.
    pub ticks: Vec<String>,
    pub width: String,
    pub is_empty: bool,
    /// Whether there is a bar of the day that is not over.
    pub has_today: bool,
}

pub struct Bar {
    pub day: String,
    pub x: String,
    pub inner: String,
    pub thin: String,
    pub total: String,
    /// One for each of the series; none that is nothing.
    pub parts: Vec<Option<Part>>,
    pub quantities: Vec<String>,
    pub is_today: bool,
}

pub struct Part {
    pub y: String,
    pub height: String,
}

impl Chart {
    pub fn of(sums: &[&Sum], meter: &str, range: &Range, today: Day, catalog: &Catalog) -> Chart {
        let products = products(sums, catalog);
        let place = |it: &Sum| {
            let id = it.product.as_deref().unwrap_or_default();
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
                let mut parts = vec![Quantity::ZERO; series.len()];
                for it in sums.iter().filter(|it| it.day == Some(Day(day))) {
                    parts[place(it)] += it.quantity;
                }
                (Day(day), parts)
            })
            .collect();
        let total = |parts: &[Quantity]| -> Quantity { parts.iter().copied().sum() };
        let highest = days.iter().max_by_key(|it| total(&it.1)).filter(|it| !total(&it.1).is_zero());
        let top = ceiling(highest.map_or(0.0, |it| total(&it.1).roughly()));
        let most = highest.map_or(Quantity::ZERO, |it| total(&it.1));
        let width = WIDTH / count(days.len().max(1));
        let bar = |(n, (day, parts)): (usize, &(Day, Vec<Quantity>))| {
            let mut ground = HEIGHT;
            let part = |it: &Quantity| {
                let height = it.roughly() / top * HEIGHT;
                ground -= height;
                // A hair's breadth between what is stacked.
                (height > 0.0).then(|| Part { y: at(ground), height: at((height - 1.0).max(0.4)) })
            };
            Bar {
                day: day.short(),
                x: at(width * count(n)),
                inner: at(width * (count(n) + 0.2)),
                thin: at(width * 0.6),
                total: total(parts).rounded_beside(most),
                parts: parts.iter().map(part).collect(),
                quantities: parts.iter().map(|it| it.rounded_beside(most)).collect(),
                is_today: *day == today,
            }
        };
        let steps = 0..5_u8;
        Chart {
            title: format!("{meter} per day"),
            summary: summary(meter, range, highest.map(|it| (it.0, total(&it.1)))),
            scale: steps.clone().rev().map(|it| label(top * f64::from(it) / 4.0)).collect(),
            lines: steps.map(|it| at(HEIGHT * f64::from(it) / 4.0)).collect(),
            bars: days.iter().enumerate().map(bar).collect(),
            ticks: ticks(range),
            width: at(width),
            is_empty: highest.is_none(),
            has_today: days.iter().any(|it| it.0 == today && !total(&it.1).is_zero()),
            series,
        }
    }
}

/// Those of the catalogue in its order, then others that are there still, then what names none.
fn products(sums: &[&Sum], catalog: &Catalog) -> Vec<String> {
    let mut there: Vec<&str> = sums.iter().map(|it| it.product.as_deref().unwrap_or_default()).collect();
    let rank = |id: &str| match catalog.products.iter().position(|it| it.id == id) {
        Some(at) => (0, at),
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
