//! Instants: microseconds since 1970 UTC, the same on both engines.
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::time::Duration;
use utoipa::ToSchema;

/// An instant. Written as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, ToSchema)]
#[sqlx(transparent)]
#[schema(value_type = String, format = DateTime, example = "2026-10-01T09:30:00Z")]
pub struct Time(pub i64);

/// One minute.
pub const MINUTE: Duration = Duration::from_secs(60);
/// One hour.
pub const HOUR: Duration = Duration::from_secs(3600);
/// 24 hours.
pub const DAY: Duration = Duration::from_secs(86_400);

impl Time {
    /// This much later; stays at the end of time rather than wrap.
    #[must_use]
    pub fn plus(self, by: Duration) -> Time {
        Time(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }
    /// This much earlier.
    #[must_use]
    pub fn minus(self, by: Duration) -> Time {
        Time(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }
    /// How long after `earlier`; nothing if before it.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
    /// Reads RFC 3339 with any offset.
    pub fn parse(text: &str) -> Option<Time> {
        text.parse::<Timestamp>().ok().map(|it| Time(it.as_microsecond()))
    }
    /// The end of a day (its last second) in a zone, from `2026-11-21`.
    pub fn end_of_day(date: &str, zone: &TimeZone) -> Option<Time> {
        let date: jiff::civil::Date = date.parse().ok()?;
        let end = date.at(23, 59, 59, 0).to_zoned(zone.clone()).ok()?;
        Some(Time(end.timestamp().as_microsecond()))
    }
    /// The first instant of a day in a zone, and that of the next one.
    pub fn day_span(date: &str, zone: &TimeZone) -> Option<(Time, Time)> {
        let date: jiff::civil::Date = date.parse().ok()?;
        let start = |it: jiff::civil::Date| {
            let start = it.to_zoned(zone.clone()).ok()?;
            Some(Time(start.timestamp().as_microsecond()))
        };
        Some((start(date)?, start(date.tomorrow().ok()?)?))
    }
    /// The same time of day, so many months later in UTC; the last day of a month that is too short.
    #[must_use]
    pub fn plus_months(self, months: u8) -> Time {
        let now = self.stamp().to_zoned(TimeZone::UTC);
        let later = now.checked_add(jiff::Span::new().months(months));
        later.map_or(Time(i64::MAX), |it| Time(it.timestamp().as_microsecond()))
    }
    fn stamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).unwrap_or(Timestamp::MAX)
    }
    /// For `<time datetime>`, which takes no more than milliseconds.
    pub fn iso(self) -> String {
        self.stamp().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
    /// `2026-11-21` in a zone.
    pub fn date(self, zone: &TimeZone) -> String {
        self.stamp().to_zoned(zone.clone()).strftime("%Y-%m-%d").to_string()
    }
    /// `Nov 21, 2026` in a zone.
    pub fn day(self, zone: &TimeZone) -> String {
        self.stamp().to_zoned(zone.clone()).strftime("%b %-d, %Y").to_string()
    }
    /// `Nov 21, 2026, 14:32` in a zone.
    pub fn minute(self, zone: &TimeZone) -> String {
        self.stamp().to_zoned(zone.clone()).strftime("%b %-d, %Y, %H:%M").to_string()
    }
    /// `14:32` in a zone.
    pub fn clock(self, zone: &TimeZone) -> String {
        self.stamp().to_zoned(zone.clone()).strftime("%H:%M").to_string()
    }
    /// `Nov 21, 2026, 14:32:08` in a zone.
    pub fn second(self, zone: &TimeZone) -> String {
        self.stamp().to_zoned(zone.clone()).strftime("%b %-d, %Y, %H:%M:%S").to_string()
    }
    /// `November 21, 2026, 14:32 (UTC)`: for mails, whose reader's zone is not known.
    pub fn in_words(self) -> String {
        self.stamp().strftime("%B %-d, %Y, %H:%M (UTC)").to_string()
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.stamp().fmt(f)
    }
}
impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
        let text = String::deserialize(from)?;
        Time::parse(&text).ok_or_else(|| D::Error::custom("not an RFC 3339 time"))
    }
}

/// A zone by its IANA name; UTC where it is not known.
pub fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}
