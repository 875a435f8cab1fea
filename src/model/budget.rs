//! Budgets: how much may be used in a month of UTC.
use super::{
    calendar::{Day, Month},
    quantity::Quantity,
    text::{Refusal, refuse},
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
    /// The account's, with its teams'.
    Account,
    /// A team's.
    Team,
    /// A member's keys'.
    Member,
    /// A key's.
    Key,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Account, Kind::Team, Kind::Member, Kind::Key];

    /// `member`.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Account => "account",
            Kind::Team => "team",
            Kind::Member => "member",
            Kind::Key => "key",
        }
    }
    /// By its word.
    pub fn parse(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|it| it.word() == word)
    }
}

/// The levels that mails tell of, in percent.
pub const LEVELS: [u8; 3] = [50, 80, 100];

/// The highest of the levels that was reached; zero for none.
pub fn level(used: Quantity, limit: Quantity) -> u8 {
    let reached = |it: &u8| used.nanos() * 100 >= limit.nanos() * u128::from(*it);
    LEVELS.into_iter().rev().find(reached).unwrap_or(0)
}

/// A limit: more than nothing.
pub fn limit(text: &str) -> Result<Quantity, Refusal> {
    let limit = Quantity::parse(&text.replace(',', ""))?;
    if limit.is_zero() {
        return refuse("out_of_range", "A budget is more than nothing.");
    }
    Ok(limit)
}

/// The day on which it is used up, if the month goes on like this; none if it lasts, or if it is too early to say.
pub fn runs_out(used: Quantity, limit: Quantity, now: Time) -> Option<Day> {
    let month = Month::of(now);
    let gone = u128::from(now.since(month.first().start()).as_secs());
    if used.is_zero() || gone < 86_400 {
        return None;
    }
    if used >= limit {
        return Some(Day::of(now));
    }
    // A limit is at most 10²¹ nanos, a month 10⁷ seconds.
    let seconds = limit.nanos() * gone / used.nanos();
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
    fn levels_are_reached_to_the_last_decimal() {
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
        assert_eq!(limit("1,000").map(|it| it.to_string()).as_deref(), Ok("1000"));
        assert_eq!(limit("0").map_err(|it| it.code), Err("out_of_range"));
    }

    #[test]
    fn a_forecast_goes_on_as_the_month_did() {
        let now = Time::parse("2026-11-11T00:00:00Z").expect("a time");
        let day = |used: &str, limit: &str| runs_out(of(used), of(limit), now).map(|it| it.to_string());
        assert_eq!(day("10", "20").as_deref(), Some("2026-11-21"));
        assert_eq!(day("10", "30"), None, "it lasts the month");
        assert_eq!(day("30", "30").as_deref(), Some("2026-11-11"));
        assert_eq!(day("0", "30"), None);
        let early = Time::parse("2026-11-01T12:00:00Z").expect("a time");
        assert_eq!(runs_out(of("10"), of("20"), early), None, "a morning says nothing");
    }
}
