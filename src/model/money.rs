//! Money: amounts are integers in minor units of a currency. Only the price of a unit may be finer than a minor unit.
use super::{
    quantity::Quantity,
    text::{ValidationError, grouped, refuse},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use utoipa::ToSchema;

/// Nanos in one minor unit.
const NANOS: i128 = 1_000_000_000;
/// The highest price of a unit: a million of a currency with two places.
const MAX_PRICE: i128 = 100_000_000 * NANOS;
/// Amounts saturate here, and at its negative, so that every amount can be negated.
const MAX_AMOUNT: i128 = i64::MAX as i128;
/// The longest text that is parsed.
const MAX_LENGTH: usize = 24;

/// An ISO 4217 code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency([u8; 3]);

impl Currency {
    pub fn parse(text: &str) -> Result<Currency, ValidationError> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Currency(code)),
            _ => refuse("invalid", "A currency is its three letters in ISO 4217, such as EUR."),
        }
    }
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
    /// Decimal places of the minor unit.
    pub fn places(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF"
            | b"UGX" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            _ => 2,
        }
    }
    /// What an amount begins with: `€`, or the code and a space.
    fn symbol(self) -> String {
        match &self.0 {
            b"EUR" => "€".into(),
            b"USD" => "$".into(),
            b"GBP" => "£".into(),
            b"JPY" => "¥".into(),
            _ => format!("{}\u{a0}", self.code()),
        }
    }
    /// Formats an amount: `€1,284.00`, `−€12.50`.
    pub fn format(self, minor: i64) -> String {
        let minus = if minor < 0 { "−" } else { "" };
        let one = 10_u64.pow(self.places());
        let (whole, rest) = (minor.unsigned_abs() / one, minor.unsigned_abs() % one);
        let whole = grouped(i64::try_from(whole).unwrap_or(i64::MAX));
        let rest = match self.places() {
            0 => String::new(),
            places => format!(".{rest:0width$}", width = places as usize),
        };
        format!("{minus}{}{whole}{rest}", self.symbol())
    }
    /// Formats the price of a unit, with at least the currency's own places: `€0.005`.
    pub fn format_price(self, price: Price) -> String {
        let text = price.in_currency(self);
        let (whole, places) = text.split_once('.').unwrap_or((&text, ""));
        let (minus, whole) = whole.strip_prefix('-').map_or(("", whole), |rest| ("−", rest));
        let whole = whole.parse().map_or_else(|_| whole.to_owned(), grouped);
        let places = format!("{places:0<width$}", width = self.places() as usize);
        let point = if places.is_empty() { "" } else { "." };
        format!("{minus}{}{whole}{point}{places}", self.symbol())
    }
    /// Parses an amount as people type it, with at most the currency's own places: `12.50`, `-3`.
    pub fn parse_amount(self, text: &str) -> Result<i64, ValidationError> {
        let invalid = || ValidationError {
            code: "invalid",
            detail: format!(
                "Enter an amount in {}, such as {}.",
                self.code(),
                if self.places() == 0 { "12" } else { "12.50" }
            ),
        };
        let text = text.trim().replace('−', "-");
        let nanos = nanos(&text, self.places()).ok_or_else(invalid)?;
        if nanos % NANOS != 0 {
            return Err(invalid());
        }
        i64::try_from(nanos / NANOS).map_err(|_| invalid())
    }
}
impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}
impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.code())
    }
}
impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Currency, D::Error> {
        Currency::parse(&String::deserialize(from)?).map_err(|error| D::Error::custom(error.detail))
    }
}

/// The price of one unit: a decimal of minor units.
// In nanos of a minor unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, pattern = r"^-?[0-9]+(\.[0-9]{1,9})?$", example = "0.5")]
pub struct Price(i128);

impl Price {
    pub const ZERO: Price = Price(0);

    pub fn minor(minor: i64) -> Price {
        Price(i128::from(minor) * NANOS)
    }
    /// Parses a decimal of the currency, as the catalogue writes it: `0.005`.
    pub fn parse(text: &str, currency: Currency) -> Result<Price, ValidationError> {
        let Some(nanos) = nanos(text, currency.places()) else {
            return refuse(
                "invalid",
                format!("“{text}” is not a price: write a decimal of {currency}, such as “0.005”."),
            );
        };
        if !(0..=MAX_PRICE).contains(&nanos) {
            return refuse("out_of_range", format!("“{text}” is not a price: it is negative or too high."));
        }
        Ok(Price(nanos))
    }
    #[must_use]
    pub fn negated(self) -> Price {
        Price(-self.0)
    }
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
    /// The cost of a quantity, rounded once to the nearest minor unit, and half to even.
    pub fn cost_of(self, quantity: Quantity) -> i64 {
        let nanos = i128::try_from(quantity.nanos()).unwrap_or(i128::MAX);
        // Multiplies units and the rest apart, so that no product exceeds 127 bits.
        let (whole, rest) = (nanos / NANOS, nanos % NANOS);
        let exact = whole.saturating_mul(self.0);
        let (minor, below) = (exact.div_euclid(NANOS), exact.rem_euclid(NANOS));
        let below = below * NANOS + rest * self.0;
        let (one, more) = (NANOS * NANOS, below.div_euclid(NANOS * NANOS));
        let (minor, below) = (minor + more, below.rem_euclid(NANOS * NANOS));
        let up = below * 2 > one || (below * 2 == one && minor.rem_euclid(2) == 1);
        saturate(minor + i128::from(up))
    }
    /// As a decimal of the currency: `0.005`.
    pub fn in_currency(self, currency: Currency) -> String {
        decimal(self.0, 9 + currency.places())
    }
}
impl std::fmt::Display for Price {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&decimal(self.0, 9))
    }
}
impl Serialize for Price {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Price, D::Error> {
        let text = String::deserialize(from)?;
        nanos(&text, 0).map(Price).ok_or_else(|| D::Error::custom("not a price"))
    }
}

/// The sum of amounts, which saturates at `MAX_AMOUNT` only at the end.
pub fn total(amounts: impl Iterator<Item = i64>) -> i64 {
    saturate(amounts.map(i128::from).sum())
}

fn saturate(minor: i128) -> i64 {
    i64::try_from(minor.clamp(-MAX_AMOUNT, MAX_AMOUNT)).unwrap_or(i64::MAX)
}

/// Parses a decimal into nanos, times 10^`places`. `None` if it is not a decimal, or has digits beyond a nano.
fn nanos(text: &str, places: u32) -> Option<i128> {
    let (sign, number) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
    let room = 9 + places as usize;
    let all_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if text.len() > MAX_LENGTH || !all_digits(whole) || !all_digits(rest) || rest.len() > room {
        return None;
    }
    let digits = format!("{whole}{rest:0<room$}");
    digits.parse::<i128>().ok().map(|number| number * sign)
}

/// Formats `number` × 10^-`places`, without trailing zeros.
fn decimal(number: i128, places: u32) -> String {
    let one = 10_u128.pow(places);
    let (whole, rest) = (number.unsigned_abs() / one, number.unsigned_abs() % one);
    let minus = if number < 0 { "-" } else { "" };
    if rest == 0 {
        return format!("{minus}{whole}");
    }
    let rest = format!("{rest:0width$}", width = places as usize);
    format!("{minus}{whole}.{}", rest.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::{Decimal, RoundingStrategy};

    fn euro() -> Currency {
        Currency::parse("EUR").expect("a currency")
    }
    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).expect("a quantity")
    }

    #[test]
    fn half_a_minor_unit_rounds_to_even() {
        let half = Price::parse("0.005", euro()).expect("a price");
        for (many, minor) in
            [("1", 0), ("2", 1), ("3", 2), ("5", 2), ("7", 4), ("1.000000001", 1), ("0.999999999", 0)]
        {
            assert_eq!(half.cost_of(quantity(many)), minor, "{many}");
        }
        assert_eq!(Price::minor(-3).cost_of(quantity("0.5")), -2);
        assert_eq!(Price::minor(-5).cost_of(quantity("0.5")), -2);
        assert_eq!(Price::minor(4900).cost_of(quantity("1")), 4900);
        let most = Price::parse("0.01", euro()).expect("a price").cost_of(quantity("1000000000000"));
        assert_eq!(most, 1_000_000_000_000);
    }

    #[test]
    fn costs_equal_exact_decimal_arithmetic() {
        let mut seed = 7_u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed >> 33
        };
        for _ in 0..20_000 {
            // Few decimal places, so that ties are frequent.
            let many = format!("{}.{}", next() % 10_000, next() % 100);
            let price = format!("{}.{:04}", next() % 20, next() % 10_000);
            let exact: Decimal = many.parse::<Decimal>().expect("a decimal")
                * price.parse::<Decimal>().expect("a decimal")
                * Decimal::from(100);
            let rounded = exact.round_dp_with_strategy(0, RoundingStrategy::MidpointNearestEven);
            let ours = Price::parse(&price, euro()).expect("a price").cost_of(quantity(&many));
            assert_eq!(Decimal::from(ours), rounded, "{many} × {price}");
        }
    }

    #[test]
    fn amounts_are_formatted_and_parsed() {
        let yen = Currency::parse("JPY").expect("a currency");
        assert_eq!(euro().format(128_400), "€1,284.00");
        assert_eq!(euro().format(-5), "−€0.05");
        assert_eq!(yen.format(1200), "¥1,200");
        assert_eq!(
            Currency::parse("CHF").map(|currency| currency.format(100)).as_deref(),
            Ok("CHF\u{a0}1.00")
        );
        assert_eq!(
            Currency::parse("KWD").map(|currency| currency.format(1)).as_deref(),
            Ok("KWD\u{a0}0.001")
        );
        let price = |text| Price::parse(text, euro()).expect("a price");
        assert_eq!(euro().format_price(price("0.005")), "€0.005");
        assert_eq!(euro().format_price(price("1190")), "€1,190.00");
        assert_eq!(yen.format_price(Price::minor(12)), "¥12");
        assert_eq!(price("0.005").to_string(), "0.5");
        assert_eq!(euro().parse_amount(" 12.50"), Ok(1250));
        assert_eq!(euro().parse_amount("-3"), Ok(-300));
        assert_eq!(yen.parse_amount("3"), Ok(3));
        for bad in ["", "1.005", "1,50", "x", "--1", "1e3", "99999999999999999999999999"] {
            assert!(euro().parse_amount(bad).is_err(), "{bad}");
        }
        assert!(Price::parse("-1", euro()).is_err() && Price::parse("0.000000000001", euro()).is_err());
        for bad in ["eur", "EURO", "€", ""] {
            assert!(Currency::parse(bad).is_err(), "{bad}");
        }
    }
}
