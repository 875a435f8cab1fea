//! Money: integer minor units of a currency. A price may be finer than a minor unit; what is owed is not.
use super::{
    quantity::Quantity,
    text::{Refusal, grouped, refuse},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use utoipa::ToSchema;

/// How many billionths a minor unit has.
const WHOLE: i128 = 1_000_000_000;
/// The dearest that a unit may be: a million of the currency, or ten thousand where it has more places than two.
const DEAREST: i128 = 100_000_000 * WHOLE;
/// The largest amount there is: what would be more is this. Its negative is one, too.
const MOST: i128 = i64::MAX as i128;
/// The longest amount that is read, in characters.
const LONGEST: usize = 24;

/// A currency by its code in ISO 4217.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Three capital letters.
    pub fn parse(text: &str) -> Result<Currency, Refusal> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Currency(code)),
            _ => refuse("invalid", "A currency is its three letters in ISO 4217, such as EUR."),
        }
    }
    /// `EUR`.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
    /// How many places its minor unit stands behind the point.
    pub fn places(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF"
            | b"UGX" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            _ => 2,
        }
    }
    /// What stands before an amount: `€`, or the code and a space.
    fn sign(self) -> String {
        match &self.0 {
            b"EUR" => "€".into(),
            b"USD" => "$".into(),
            b"GBP" => "£".into(),
            b"JPY" => "¥".into(),
            _ => format!("{}\u{a0}", self.code()),
        }
    }
    /// An amount for people: `€1,284.00`, `−€12.50`.
    pub fn says(self, minor: i64) -> String {
        let minus = if minor < 0 { "−" } else { "" };
        let one = 10_u64.pow(self.places());
        let (whole, rest) = (minor.unsigned_abs() / one, minor.unsigned_abs() % one);
        let whole = grouped(i64::try_from(whole).unwrap_or(i64::MAX));
        let rest = match self.places() {
            0 => String::new(),
            places => format!(".{rest:0width$}", width = places as usize),
        };
        format!("{minus}{}{whole}{rest}", self.sign())
    }
    /// A price of one unit for people: `€0.005`, with at least the currency's own places.
    pub fn says_price(self, price: Price) -> String {
        let text = price.in_currency(self);
        let (whole, places) = text.split_once('.').unwrap_or((&text, ""));
        let (minus, whole) = whole.strip_prefix('-').map_or(("", whole), |it| ("−", it));
        let whole = whole.parse().map_or_else(|_| whole.to_owned(), grouped);
        let places = format!("{places:0<width$}", width = self.places() as usize);
        let point = if places.is_empty() { "" } else { "." };
        format!("{minus}{}{whole}{point}{places}", self.sign())
    }
    /// An amount as people type it: `12.50`, `-3`; at most the currency's own places.
    pub fn read(self, text: &str) -> Result<i64, Refusal> {
        let invalid = || Refusal {
            code: "invalid",
            detail: format!(
                "Enter an amount in {}, such as {}.",
                self.code(),
                if self.places() == 0 { "12" } else { "12.50" }
            ),
        };
        let text = text.trim().replace('−', "-");
        let nanos = nanos(&text, self.places()).ok_or_else(invalid)?;
        if nanos % WHOLE != 0 {
            return Err(invalid());
        }
        i64::try_from(nanos / WHOLE).map_err(|_| invalid())
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
        Currency::parse(&String::deserialize(from)?).map_err(|it| D::Error::custom(it.detail))
    }
}

/// What one unit costs, in billionths of a minor unit. Written as a decimal of minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, pattern = r"^-?[0-9]+(\.[0-9]{1,9})?$", example = "0.5")]
pub struct Price(i128);

impl Price {
    /// Nothing.
    pub const ZERO: Price = Price(0);

    /// So many minor units.
    pub fn minor(minor: i64) -> Price {
        Price(i128::from(minor) * WHOLE)
    }
    /// A decimal of the currency, as a catalogue writes it: `0.005`.
    pub fn parse(text: &str, currency: Currency) -> Result<Price, Refusal> {
        let Some(nanos) = nanos(text, currency.places()) else {
            return refuse(
                "invalid",
                format!("“{text}” is no price: write a decimal of {currency}, such as “0.005”."),
            );
        };
        if !(0..=DEAREST).contains(&nanos) {
            return refuse(
                "out_of_range",
                format!("“{text}” is no price: it is less than nothing, or too dear."),
            );
        }
        Ok(Price(nanos))
    }
    /// The other way round.
    #[must_use]
    pub fn turned(self) -> Price {
        Price(-self.0)
    }
    /// Nothing at all?
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
    /// What so many cost: rounded once, to the nearest minor unit, and half to the even one.
    pub fn of(self, quantity: Quantity) -> i64 {
        let nanos = i128::try_from(quantity.nanos()).unwrap_or(i128::MAX);
        // Wholes and the rest apart: the product of two large ones stays within 127 bits.
        let (whole, rest) = (nanos / WHOLE, nanos % WHOLE);
        let exact = whole.saturating_mul(self.0);
        let (minor, below) = (exact.div_euclid(WHOLE), exact.rem_euclid(WHOLE));
        let below = below * WHOLE + rest * self.0;
        let (one, more) = (WHOLE * WHOLE, below.div_euclid(WHOLE * WHOLE));
        let (minor, below) = (minor + more, below.rem_euclid(WHOLE * WHOLE));
        let up = below * 2 > one || (below * 2 == one && minor.rem_euclid(2) == 1);
        bounded(minor + i128::from(up))
    }
    /// A decimal of the currency: `0.005`.
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

/// The sum of amounts, in whatever order: never more than an amount may be.
pub fn total(amounts: impl Iterator<Item = i64>) -> i64 {
    bounded(amounts.map(i128::from).sum())
}

fn bounded(minor: i128) -> i64 {
    i64::try_from(minor.clamp(-MOST, MOST)).unwrap_or(i64::MAX)
}

/// A decimal times ten to the power of `places`, in billionths; none if it is none, or finer.
fn nanos(text: &str, places: u32) -> Option<i128> {
    let (sign, number) = text.strip_prefix('-').map_or((1, text), |it| (-1, it));
    let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
    let room = 9 + places as usize;
    let all_digits = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    if text.len() > LONGEST || !all_digits(whole) || !all_digits(rest) || rest.len() > room {
        return None;
    }
    let digits = format!("{whole}{rest:0<room$}");
    digits.parse::<i128>().ok().map(|it| it * sign)
}

/// A number with so many of its digits behind the point, of which those that say nothing are left out.
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
    fn half_a_minor_unit_goes_to_the_even_one() {
        let half = Price::parse("0.005", euro()).expect("a price");
        for (many, minor) in
            [("1", 0), ("2", 1), ("3", 2), ("5", 2), ("7", 4), ("1.000000001", 1), ("0.999999999", 0)]
        {
            assert_eq!(half.of(quantity(many)), minor, "{many}");
        }
        assert_eq!(Price::minor(-3).of(quantity("0.5")), -2);
        assert_eq!(Price::minor(-5).of(quantity("0.5")), -2);
        assert_eq!(Price::minor(4900).of(quantity("1")), 4900);
        let most = Price::parse("0.01", euro()).expect("a price").of(quantity("1000000000000"));
        assert_eq!(most, 1_000_000_000_000);
    }

    #[test]
    fn a_product_is_that_of_exact_decimals() {
        let mut seed = 7_u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed >> 33
        };
        for _ in 0..20_000 {
            // Few places, so that ties come often.
            let many = format!("{}.{}", next() % 10_000, next() % 100);
            let price = format!("{}.{:04}", next() % 20, next() % 10_000);
            let exact: Decimal = many.parse::<Decimal>().expect("a decimal")
                * price.parse::<Decimal>().expect("a decimal")
                * Decimal::from(100);
            let rounded = exact.round_dp_with_strategy(0, RoundingStrategy::MidpointNearestEven);
            let ours = Price::parse(&price, euro()).expect("a price").of(quantity(&many));
            assert_eq!(Decimal::from(ours), rounded, "{many} × {price}");
        }
    }

    #[test]
    fn amounts_are_said_and_read() {
        let yen = Currency::parse("JPY").expect("a currency");
        assert_eq!(euro().says(128_400), "€1,284.00");
        assert_eq!(euro().says(-5), "−€0.05");
        assert_eq!(yen.says(1200), "¥1,200");
        assert_eq!(Currency::parse("CHF").map(|it| it.says(100)).as_deref(), Ok("CHF\u{a0}1.00"));
        assert_eq!(Currency::parse("KWD").map(|it| it.says(1)).as_deref(), Ok("KWD\u{a0}0.001"));
        let price = |it| Price::parse(it, euro()).expect("a price");
        assert_eq!(euro().says_price(price("0.005")), "€0.005");
        assert_eq!(euro().says_price(price("1190")), "€1,190.00");
        assert_eq!(yen.says_price(Price::minor(12)), "¥12");
        assert_eq!(price("0.005").to_string(), "0.5");
        assert_eq!(euro().read(" 12.50"), Ok(1250));
        assert_eq!(euro().read("-3"), Ok(-300));
        assert_eq!(yen.read("3"), Ok(3));
        for bad in ["", "1.005", "1,50", "x", "--1", "1e3", "99999999999999999999999999"] {
            assert!(euro().read(bad).is_err(), "{bad}");
        }
        assert!(Price::parse("-1", euro()).is_err() && Price::parse("0.000000000001", euro()).is_err());
        for bad in ["eur", "EURO", "€", ""] {
            assert!(Currency::parse(bad).is_err(), "{bad}");
        }
    }
}
