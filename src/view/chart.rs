//! What is drawn: bars and lines of SVG, whose classes give them their colours.
use std::fmt::Write as _;

/// A round number that no value exceeds, of which a quarter is round too.
pub fn ceiling(most: f64) -> f64 {
    if most <= 0.0 {
        return 4.0;
    }
    let step = 10_f64.powf((most / 4.0).log10().floor());
    let round = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|it| it * step * 4.0);
    round.into_iter().find(|it| *it >= most).unwrap_or(step * 40.0)
}

/// A label of the scale: `1,200`, `0.25`, `1.2M`.
pub fn label(value: f64) -> String {
    let (value, unit) = match value {
        it if it >= 1e9 => (it / 1e9, "B"),
        it if it >= 1e6 => (it / 1e6, "M"),
        it if it >= 1e4 => (it / 1e3, "k"),
        it => (it, ""),
    };
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let grouped = text.parse::<i64>().map_or_else(|_| text.to_owned(), crate::model::text::grouped);
    format!("{grouped}{unit}")
}

/// A coordinate, to the tenth.
pub fn at(value: f64) -> String {
    format!("{value:.1}")
}

/// The small line of a stat card, in a box of 76 × 30; none of fewer than two values, nor where all are nothing.
pub fn spark(values: &[f64]) -> Option<String> {
    let last = values.len().checked_sub(1).filter(|it| *it > 0)?;
    let most = values.iter().copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let mut path = String::new();
    for (n, value) in values.iter().enumerate() {
        let (x, y) = (76.0 * count(n) / count(last), 28.0 - 25.0 * value / most);
        // Writing to a text cannot fail.
        let _ = write!(path, "{}{x:.1} {y:.1}", if n == 0 { 'M' } else { 'L' });
    }
    Some(path)
}

/// A bar in a box of 100 × 64.
pub struct Bar {
    /// From the left.
    pub x: String,
    /// From above.
    pub y: String,
    /// How high it is.
    pub height: String,
    /// The last day: it is not over.
    pub is_today: bool,
}

/// A bar for each day up to today, and how wide each is.
pub fn bars(values: &[f64]) -> (Vec<Bar>, String) {
    let most = values.iter().copied().fold(0.0, f64::max);
    let step = 100.0 / count(values.len().max(1));
    let bar = |(n, value): (usize, &f64)| {
        let height = if most > 0.0 { 60.0 * value / most } else { 0.0 };
        Bar {
            x: format!("{:.2}", step * (count(n) + 0.14)),
            y: at(64.0 - height),
            height: at(height),
            is_today: n + 1 == values.len(),
        }
    };
    (values.iter().enumerate().map(bar).collect(), format!("{:.2}", step * 0.72))
}

/// A number of things, for drawing.
pub fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round() {
        let cases =
            [(0.0, 4.0), (3.0, 4.0), (4.1, 8.0), (1181.0, 2000.0), (0.03, 0.04), (79.0, 80.0), (81.0, 100.0)];
        for (most, top) in cases {
            assert!((ceiling(most) - top).abs() < 1e-9, "{most}: {}", ceiling(most));
        }
        assert_eq!((label(1200.0), label(0.25), label(0.0)), ("1,200".into(), "0.25".into(), "0".into()));
        assert_eq!((label(2_500_000.0), label(20_000.0)), ("2.5M".into(), "20k".into()));
        assert_eq!(spark(&[0.0, 2.0, 1.0]).as_deref(), Some("M0.0 28.0L38.0 3.0L76.0 15.5"));
        assert_eq!((spark(&[1.0]), spark(&[0.0, 0.0])), (None, None));
    }
}
