//! Budgets: how much may be used in a calendar month (UTC).
use super::{
    calendar::{Day, Month},
    quantity::Quantity,
    text::{ValidationError, refuse},
    time::Time,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whose usage a budget is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, Serialize, Deserialize, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[schema(as = BudgetKind)]
pub enum Kind {
    /// The account and its teams.
    Account,
    Team,
    /// The keys of a member.
    Member,
    Key,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Account, Kind::Team, Kind::Member, Kind::Key];

    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Account => "account",
            Kind::Team => "team",
            Kind::Member => "member",
            Kind::Key => "key",
        }
    }
    pub fn parse(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The percentages at which mails are sent.
pub const LEVELS: [u8; 3] = [50, 80, 100];

/// The highest of `LEVELS` that is reached, or zero.
pub fn level(used: Quantity, limit: Quantity) -> u8 {
    let reached = |level: &u8| used.nanos() * 100 >= limit.nanos() * u128::from(*level);
    LEVELS.into_iter().rev().find(reached).unwrap_or(0)
}

/// Parses the limit of a budget, with or without grouping commas.
pub fn parse_limit(text: &str) -> Result<Quantity, ValidationError> {
    let limit = Quantity::parse(&text.replace(',', ""))?;
    if limit.is_zero() {
        return refuse("out_of_range", "A budget must be more than zero.");
    }
    Ok(limit)
}

/// Forecasts the day on which the budget is used up, from the average of the month so far. `None` if it lasts the month, and on
/// the first day, which says too little.
pub fn runs_out(used: Quantity, limit: Quantity, now: Time) -> Option<Day> {
    let month = Month::of(now);
    let elapsed = u128::from(now.since(month.first().start()).as_secs());
    if used.is_zero() || elapsed < 86_400 {
        return None;
    }
    if used >= limit {
        return Some(Day::of(now));
    }
    // Does not overflow: a limit is at most 10²¹ nanos, a month 10⁷ seconds.
    let seconds = limit.nanos() * elapsed / used.nanos();
    let day = month.first().plus(i64::try_from(seconds / 86_400).ok()?);
    (day.month() == month).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Quantity {
        Quantity::parse(text).expect("a quantity")
    }

    #[test]
    fn levels_are_exact() {
        let cases = [
            ("0", 0),
            ("49.999999999", 0),
            ("50", 50),
            ("79.999999999", 50),
            ("80", 80),
            ("100", 100),
            ("250", 100),
        ];
        for (used, reached) in cases {
            assert_eq!(level(of(used), of("100")), reached, "{used}");
        }
        assert_eq!(parse_limit("1,000").map(|limit| limit.to_string()).as_deref(), Ok("1000"));
        assert_eq!(parse_limit("0").map_err(|error| error.code), Err("out_of_range"));
    }

    #[test]
    fn a_forecast_extrapolates_the_month() {
        let now = Time::parse("2026-11-11T00:00:00Z").expect("a time");
        let day = |used: &str, limit: &str| runs_out(of(used), of(limit), now).map(|day| day.to_string());
        assert_eq!(day("10", "20").as_deref(), Some("2026-11-21"));
        assert_eq!(day("10", "30"), None, "it lasts the month");
        assert_eq!(day("30", "30").as_deref(), Some("2026-11-11"));
        assert_eq!(day("0", "30"), None);
        let early = Time::parse("2026-11-01T12:00:00Z").expect("a time");
        assert_eq!(runs_out(of("10"), of("20"), early), None, "too early to say");
    }
}
