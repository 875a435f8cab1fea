//! Instants, stored as microseconds since 1970 UTC on both engines.
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::time::Duration;
use utoipa::ToSchema;

/// An instant: RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, ToSchema)]
#[sqlx(transparent)]
#[schema(value_type = String, format = DateTime, example = "2026-10-01T09:30:00Z")]
pub struct Time(pub i64);

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3600);
pub const DAY: Duration = Duration::from_secs(86_400);

impl Time {
    /// Saturates instead of wrapping.
    #[must_use]
    pub fn plus(self, by: Duration) -> Time {
        Time(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }
    #[must_use]
    pub fn minus(self, by: Duration) -> Time {
        Time(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }
    /// Zero if `self` is before `earlier`.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
    /// Parses RFC 3339 with any offset.
    pub fn parse(text: &str) -> Option<Time> {
        text.parse::<Timestamp>().ok().map(|time| Time(time.as_microsecond()))
    }
    /// The last second of a day such as `2026-11-21` in a zone.
    pub fn end_of_day(date: &str, zone: &TimeZone) -> Option<Time> {
        let date: jiff::civil::Date = date.parse().ok()?;
        let end = date.at(23, 59, 59, 0).to_zoned(zone.clone()).ok()?;
        Some(Time(end.timestamp().as_microsecond()))
    }
    /// The first instants of a day and of the day after, in a zone.
    pub fn day_span(date: &str, zone: &TimeZone) -> Option<(Time, Time)> {
        let date: jiff::civil::Date = date.parse().ok()?;
        let start = |date: jiff::civil::Date| {
            let start = date.to_zoned(zone.clone()).ok()?;
            Some(Time(start.timestamp().as_microsecond()))
        };
        Some((start(date)?, start(date.tomorrow().ok()?)?))
    }
    /// The same day of a later month in UTC, or the last day of a month that is too short.
    #[must_use]
    pub fn plus_months(self, months: u8) -> Time {
        let now = self.stamp().to_zoned(TimeZone::UTC);
        let later = now.checked_add(jiff::Span::new().months(months));
        later.map_or(Time(i64::MAX), |time| Time(time.timestamp().as_microsecond()))
    }
    fn stamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).unwrap_or(Timestamp::MAX)
    }
    fn civil(self, zone: &TimeZone) -> DateTime {
        zone.to_datetime(self.stamp())
    }
    /// For `<time datetime>`, which takes at most milliseconds: whole seconds.
    pub fn iso(self) -> String {
        let at = self.civil(&TimeZone::UTC);
        let mut text = String::with_capacity(20);
        let parts = [
            (i32::from(at.year()), 4, '-'),
            (i32::from(at.month()), 2, '-'),
            (i32::from(at.day()), 2, 'T'),
            (i32::from(at.hour()), 2, ':'),
            (i32::from(at.minute()), 2, ':'),
            (i32::from(at.second()), 2, 'Z'),
        ];
        for (number, width, after) in parts {
            push(&mut text, number, width);
            text.push(after);
        }
        text
    }
    /// `2026-11-21` in a zone.
    pub fn date(self, zone: &TimeZone) -> String {
        date(self.civil(zone))
    }
    /// `Nov 21, 2026` in a zone.
    pub fn day(self, zone: &TimeZone) -> String {
        day(self.civil(zone))
    }
    /// Both `date` and `day`.
    pub fn date_and_day(self, zone: &TimeZone) -> [String; 2] {
        let at = self.civil(zone);
        [date(at), day(at)]
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
    /// `November 21, 2026, 14:32 (UTC)`: for mails, because the reader's zone is unknown.
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

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn date(at: DateTime) -> String {
    let mut text = String::with_capacity(10);
    push(&mut text, i32::from(at.year()), 4);
    text.push('-');
    push(&mut text, i32::from(at.month()), 2);
    text.push('-');
    push(&mut text, i32::from(at.day()), 2);
    text
}

fn day(at: DateTime) -> String {
    let mut text = String::with_capacity(12);
    text.push_str(MONTHS[usize::from(at.month().unsigned_abs()) - 1]);
    text.push(' ');
    push(&mut text, i32::from(at.day()), 1);
    text.push_str(", ");
    push(&mut text, i32::from(at.year()), 4);
    text
}

/// Appends a zero-padded number. By hand because pages show many dates, and `strftime` parses its pattern each time.
fn push(text: &mut String, number: i32, width: u32) {
    let mut unit = 10_i32.pow(width - 1);
    while number / unit >= 10 {
        unit *= 10;
    }
    while unit > 0 {
        text.push(char::from(b'0' + u8::try_from(number / unit % 10).unwrap_or(0)));
        unit /= 10;
    }
}

/// A zone by its IANA name, or UTC if the name is unknown.
pub fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handmade_dates_equal_strftime() {
        let zones = ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"].map(zone);
        for seconds in (-1_000_000_000..4_000_000_000_i64).step_by(9_999_991) {
            let at = Time(seconds * 1_000_000 + 123_456);
            assert_eq!(at.iso(), at.stamp().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
            for zone in &zones {
                let zoned = at.stamp().to_zoned(zone.clone());
                assert_eq!(at.day(zone), zoned.strftime("%b %-d, %Y").to_string());
                assert_eq!(at.date(zone), zoned.strftime("%Y-%m-%d").to_string());
            }
        }
    }
}
