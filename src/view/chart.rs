//! The geometry of charts: coordinates for SVG. Colours come from classes of the style sheet.
use std::fmt::Write as _;

/// The top of a scale: a round number that no value exceeds, and whose quarters are round too.
pub fn ceiling(highest: f64) -> f64 {
    if highest <= 0.0 {
        return 4.0;
    }
    let step = 10_f64.powf((highest / 4.0).log10().floor());
    let tops = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|factor| factor * step * 4.0);
    tops.into_iter().find(|top| *top >= highest).unwrap_or(step * 40.0)
}

/// A label of the scale: `1,200`, `0.25`, `1.2M`.
pub fn label(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 1e9 => (value / 1e9, "B"),
        value if value >= 1e6 => (value / 1e6, "M"),
        value if value >= 1e4 => (value / 1e3, "k"),
        value => (value, ""),
    };
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let grouped = text.parse::<i64>().map_or_else(|_| text.to_owned(), crate::model::text::grouped);
    format!("{grouped}{unit}")
}

/// A coordinate, to the tenth.
pub fn coordinate(value: f64) -> String {
    format!("{value:.1}")
}

/// The path of a small line in a box of 76 × 30. `None` for fewer than two values, and if all are zero.
pub fn sparkline(values: &[f64]) -> Option<String> {
    let last = values.len().checked_sub(1).filter(|last| *last > 0)?;
    let highest = values.iter().copied().fold(0.0, f64::max);
    if highest <= 0.0 {
        return None;
    }
    let mut path = String::new();
    for (position, value) in values.iter().enumerate() {
        let (x, y) = (76.0 * as_float(position) / as_float(last), 28.0 - 25.0 * value / highest);
        // Writing to a `String` cannot fail.
        let _ = write!(path, "{}{x:.1} {y:.1}", if position == 0 { 'M' } else { 'L' });
    }
    Some(path)
}

/// A bar in a box of 100 × 64.
pub struct Bar {
    pub x: String,
    /// Of its top, from above.
    pub y: String,
    pub height: String,
    /// The last day, which is not over.
    pub is_today: bool,
}

/// A bar for each day up to today, and the width of all.
pub fn bars(values: &[f64]) -> (Vec<Bar>, String) {
    let highest = values.iter().copied().fold(0.0, f64::max);
    let step = 100.0 / as_float(values.len().max(1));
    let bar = |(position, value): (usize, &f64)| {
        let height = if highest > 0.0 { 60.0 * value / highest } else { 0.0 };
        Bar {
            x: format!("{:.2}", step * (as_float(position) + 0.14)),
            y: coordinate(64.0 - height),
            height: coordinate(height),
            is_today: position + 1 == values.len(),
        }
    };
    (values.iter().enumerate().map(bar).collect(), format!("{:.2}", step * 0.72))
}

pub fn as_float(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round() {
        let cases =
            [(0.0, 4.0), (3.0, 4.0), (4.1, 8.0), (1181.0, 2000.0), (0.03, 0.04), (79.0, 80.0), (81.0, 100.0)];
        for (highest, top) in cases {
            assert!((ceiling(highest) - top).abs() < 1e-9, "{highest}: {}", ceiling(highest));
        }
        assert_eq!((label(1200.0), label(0.25), label(0.0)), ("1,200".into(), "0.25".into(), "0".into()));
        assert_eq!((label(2_500_000.0), label(20_000.0)), ("2.5M".into(), "20k".into()));
        assert_eq!(sparkline(&[0.0, 2.0, 1.0]).as_deref(), Some("M0.0 28.0L38.0 3.0L76.0 15.5"));
        assert_eq!((sparkline(&[1.0]), sparkline(&[0.0, 0.0])), (None, None));
    }
}
