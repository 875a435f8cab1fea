//! Quantities of usage: exact decimals, never floats.
use super::text::{ValidationError, refuse};
use serde::{Serialize, Serializer};
use std::{iter::Sum, ops::AddAssign};
use utoipa::ToSchema;

/// Nanos in one unit.
const UNIT: u128 = 1_000_000_000;
/// The most that one event may report: 10¹² units.
const MAX: u128 = 1_000_000_000_000 * UNIT;
/// The longest text that is parsed.
const MAX_LENGTH: usize = 64;

/// A non-negative decimal with at most nine places.
// In nanos. A sum may exceed what `parse` accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, pattern = r"^[0-9]+(\.[0-9]{1,9})?$", example = "12.5")]
pub struct Quantity(u128);

impl Quantity {
    pub const ZERO: Quantity = Quantity(0);

    /// Parses `12.5` or `1e3`: at most nine places, 0 to 10¹².
    pub fn parse(text: &str) -> Result<Quantity, ValidationError> {
        let text = text.trim();
        let (sign, number) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
        let Some((digits, shift)) = decimal(number) else {
            return refuse("not_a_decimal", "A quantity is a decimal, such as 12.5.");
        };
        let significant = digits.trim_start_matches('0').trim_end_matches('0');
        if significant.is_empty() {
            return Ok(Quantity::ZERO);
        }
        if sign == "-" {
            return refuse("negative", "A quantity is not negative.");
        }
        // In nanos, this is significant × 10^places.
        let trailing = digits.len() - digits.trim_end_matches('0').len();
        let places = shift + i64::try_from(trailing).unwrap_or(0) + 9;
        if places < 0 {
            return refuse("too_precise", "A quantity has at most nine decimal places.");
        }
        let nanos = u32::try_from(places)
            .ok()
            .and_then(|power| 10_u128.checked_pow(power))
            .and_then(|by| significant.parse::<u128>().ok()?.checked_mul(by))
            .filter(|nanos| *nanos <= MAX);
        nanos.map_or_else(
            || refuse("too_large", "A quantity is at most 1,000,000,000,000."),
            |nanos| Ok(Quantity(nanos)),
        )
    }
    /// From the two columns of the database, or their sums: the nanos may exceed one unit.
    pub fn of(whole: i64, nanos: i64) -> Quantity {
        let (whole, nanos) = (u128::try_from(whole).unwrap_or(0), u128::try_from(nanos).unwrap_or(0));
        Quantity(whole * UNIT + nanos)
    }
    pub fn from_whole(whole: u32) -> Quantity {
        Quantity(u128::from(whole) * UNIT)
    }
    pub const fn from_nanos(nanos: u128) -> Quantity {
        Quantity(nanos)
    }
    pub const fn nanos(self) -> u128 {
        self.0
    }
    /// Units and nanos, the two columns of the database.
    pub fn columns(self) -> (i64, i64) {
        let column = |part: u128| i64::try_from(part).unwrap_or(i64::MAX);
        (column(self.0 / UNIT), column(self.0 % UNIT))
    }
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
    /// Zero if `other` is more.
    #[must_use]
    pub const fn minus(self, other: Quantity) -> Quantity {
        Quantity(self.0.saturating_sub(other.0))
    }
    /// With grouped digits: `1,284,300.5`.
    pub fn grouped(self) -> String {
        let text = self.to_string();
        let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
        whole.parse().map_or_else(|_| whole.to_owned(), super::text::grouped) + rest
    }
    /// Grouped, with at most two places, and none from a thousand on.
    pub fn rounded(self) -> String {
        self.rounded_beside(self)
    }
    /// Like `rounded`, with the places that suit the largest number of a column.
    pub fn rounded_beside(self, largest: Quantity) -> String {
        let unit = if largest.0 >= 1_000 * UNIT { UNIT } else { UNIT / 100 };
        let half_up = (self.0 + unit / 2) / unit * unit;
        if half_up == 0 && self.0 > 0 {
            return format!("< {}", Quantity(unit));
        }
        Quantity(half_up).grouped()
    }
    /// For charts.
    #[expect(clippy::cast_precision_loss, reason = "a bar is drawn to the pixel")]
    pub fn roughly(self) -> f64 {
        self.0 as f64 / UNIT as f64
    }
}

/// Splits a decimal into its digits and the power of ten of the last one.
fn decimal(text: &str) -> Option<(String, i64)> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, places) = match mantissa.split_once('.') {
        Some((_, "")) => return None,
        Some(split) => split,
        None => (mantissa, ""),
    };
    let digits = format!("{whole}{places}");
    let is_number = !whole.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| (digits, i64::from(exponent) - i64::try_from(places.len()).unwrap_or(0)))
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, nanos) = (self.0 / UNIT, self.0 % UNIT);
        if nanos == 0 {
            return write!(f, "{whole}");
        }
        write!(f, "{whole}.{}", format!("{nanos:09}").trim_end_matches('0'))
    }
}
impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}
impl AddAssign for Quantity {
    fn add_assign(&mut self, other: Quantity) {
        self.0 += other.0;
    }
}
impl Sum for Quantity {
    fn sum<I: Iterator<Item = Quantity>>(all: I) -> Quantity {
        Quantity(all.map(|quantity| quantity.0).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_parsed_and_written_exactly() {
        let cases = [
            ("0", "0"),
            ("-0", "0"),
            ("0.000", "0"),
            ("12.50", "12.5"),
            ("007", "7"),
            ("0.1", "0.1"),
            ("0.000000001", "0.000000001"),
            ("1.0000000000000", "1"),
            ("1e3", "1000"),
            ("2.5E-8", "0.000000025"),
            ("120e-1", "12"),
            ("0e999999999", "0"),
            ("999999999999.999999999", "999999999999.999999999"),
            ("1000000000000", "1000000000000"),
        ];
        for (text, written) in cases {
            assert_eq!(
                Quantity::parse(text).map(|quantity| quantity.to_string()).as_deref(),
                Ok(written),
                "{text}"
            );
        }
    }

    #[test]
    fn each_invalid_text_has_its_code() {
        let cases = [
            ("", "not_a_decimal"),
            ("-", "not_a_decimal"),
            ("+1", "not_a_decimal"),
            ("1.", "not_a_decimal"),
            (".5", "not_a_decimal"),
            ("1,5", "not_a_decimal"),
            ("NaN", "not_a_decimal"),
            ("1e", "not_a_decimal"),
            ("٣", "not_a_decimal"),
            ("-0.1", "negative"),
            ("0.0000000001", "too_precise"),
            ("1e-10", "too_precise"),
            ("1000000000000.000000001", "too_large"),
            ("1e13", "too_large"),
            ("1e999999999", "too_large"),
        ];
        for (text, code) in cases {
            assert_eq!(Quantity::parse(text).map_err(|error| error.code), Err(code), "{text}");
        }
    }

    #[test]
    fn sums_are_exact_and_carry() {
        let parts = ["0.1", "0.2", "999999999999.999999999", "0.000000001"];
        let all = parts.map(|text| Quantity::parse(text).expect("a quantity"));
        let (whole, nanos) = all
            .iter()
            .map(|quantity| quantity.columns())
            .fold((0, 0), |sum, column| (sum.0 + column.0, sum.1 + column.1));
        assert_eq!(Quantity::of(whole, nanos), all.into_iter().sum());
        assert_eq!(Quantity::of(whole, nanos).to_string(), "1000000000000.3");
        assert_eq!(Quantity::of(1_284_300, 500_000_000).grouped(), "1,284,300.5");
        assert_eq!(Quantity::of(1_284_300, 500_000_000).rounded(), "1,284,301");
        assert_eq!(Quantity::of(12, 345_678_901).rounded(), "12.35");
        assert_eq!(Quantity::of(0, 1).rounded(), "< 0.01");
        let thousand = Quantity::from_whole(1000);
        assert_eq!(Quantity::of(467, 980_000_000).rounded_beside(thousand), "468");
        assert_eq!(Quantity::of(0, 1).rounded_beside(thousand), "< 1");
    }
}
