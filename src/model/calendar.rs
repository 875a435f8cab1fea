//! Calendar days and months of usage, budgets and bills, all in UTC.
use super::time::Time;
use jiff::civil::{self, date};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A calendar day in UTC.
// Days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, ToSchema)]
#[sqlx(transparent)]
#[schema(value_type = String, format = "date", example = "2026-11-21")]
pub struct Day(pub i64);

/// A calendar month in UTC.
// Months since the year 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, ToSchema)]
#[sqlx(transparent)]
#[schema(value_type = String, pattern = r"^[0-9]{4}-[0-9]{2}$", example = "2026-11")]
pub struct Month(pub i64);

impl Day {
    pub fn of(at: Time) -> Day {
        Day(at.0.div_euclid(MICROS_PER_DAY))
    }
    /// Parses `2026-11-21`.
    pub fn parse(text: &str) -> Option<Day> {
        let parsed: civil::Date = text.trim().parse().ok().filter(|_| text.trim().len() == 10)?;
        Some(Day(i64::from((parsed - date(1970, 1, 1)).get_days())))
    }
    pub fn start(self) -> Time {
        Time(self.0.saturating_mul(MICROS_PER_DAY))
    }
    #[must_use]
    pub fn plus(self, days: i64) -> Day {
        Day(self.0.saturating_add(days))
    }
    pub fn month(self) -> Month {
        let date = self.civil();
        Month(i64::from(date.year()) * 12 + i64::from(date.month()) - 1)
    }
    /// `Nov 21`.
    pub fn short(self) -> String {
        self.civil().strftime("%b %-d").to_string()
    }
    /// `Nov 21, 2026`.
    pub fn long(self) -> String {
        self.civil().strftime("%b %-d, %Y").to_string()
    }
    fn civil(self) -> civil::Date {
        let days = jiff::Span::new().try_days(self.0).unwrap_or_default();
        date(1970, 1, 1).saturating_add(days)
    }
}
impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.civil().fmt(f)
    }
}
impl Serialize for Day {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Month {
    pub fn of(at: Time) -> Month {
        Day::of(at).month()
    }
    /// Parses `2026-11`.
    pub fn parse(text: &str) -> Option<Month> {
        Day::parse(&format!("{}-01", text.trim())).map(Day::month)
    }
    pub fn first(self) -> Day {
        let (year, month) = (self.0.div_euclid(12), self.0.rem_euclid(12) + 1);
        let year = i16::try_from(year).unwrap_or(9999).clamp(1, 9999);
        let first = date(year, i8::try_from(month).unwrap_or(1), 1);
        Day(i64::from((first - date(1970, 1, 1)).get_days()))
    }
    #[must_use]
    pub fn next(self) -> Month {
        Month(self.0 + 1)
    }
    #[must_use]
    pub fn previous(self) -> Month {
        Month(self.0 - 1)
    }
    pub fn days(self) -> i64 {
        self.next().first().0 - self.first().0
    }
    /// `November 2026`.
    pub fn in_words(self) -> String {
        self.first().civil().strftime("%B %Y").to_string()
    }
}
impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.first().civil().strftime("%Y-%m").fmt(f)
    }
}
impl Serialize for Month {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_months_are_in_utc() {
        let at = |text| Time::parse(text).expect("a time");
        assert_eq!(Day::of(at("2026-11-21T23:59:59.999999Z")).to_string(), "2026-11-21");
        assert_eq!(Day::of(at("2026-11-22T00:00:00Z")).to_string(), "2026-11-22");
        assert_eq!(Day::of(at("2026-11-22T00:30:00+02:00")).to_string(), "2026-11-21");
        assert_eq!(Day::parse("2026-11-21").map(Day::start), Some(at("2026-11-21T00:00:00Z")));
        let november = Month::parse("2026-11").expect("a month");
        assert_eq!((november.days(), november.in_words().as_str()), (30, "November 2026"));
        assert_eq!(november.next().next().to_string(), "2027-01");
        assert_eq!(november.previous().first().to_string(), "2026-10-01");
        assert_eq!(Month::of(at("2026-12-31T23:59:59Z")).to_string(), "2026-12");
        for bad in ["", "2026-13", "2026-11-31", "26-11", "2026-1"] {
            assert_eq!(Month::parse(bad), None, "{bad}");
        }
        assert_eq!(Day::parse("2026-02-30"), None);
    }
}
