//! An instant as pages show it: `{{ ui::time(joined.iso, joined.text) }}`.
use crate::model::time::Time;
use jiff::tz::TimeZone;

#[derive(Clone, Debug, Default)]
pub struct When {
    /// RFC 3339, for the `datetime` attribute.
    pub iso: String,
    /// In the viewer's time zone.
    pub text: String,
}

impl When {
    /// `Nov 21, 2026`.
    pub fn day(time: Time, zone: &TimeZone) -> When {
        let [iso, text] = time.date_and_day(zone);
        When { iso, text }
    }
    /// `Nov 21, 2026, 14:32`.
    pub fn minute(time: Time, zone: &TimeZone) -> When {
        When { iso: time.iso(), text: time.minute(zone) }
    }
    /// `Nov 21, 2026, 14:32:08`.
    pub fn second(time: Time, zone: &TimeZone) -> When {
        When { iso: time.iso(), text: time.second(zone) }
    }
}
