//! What a page of usage was asked for: days, an axis, a meter, and what was clicked to look closer.
use super::table::Table;
use crate::{
    model::{
        calendar::{Day, Month},
        catalog::Catalog,
        id::{AccountId, KeyId, ResourceId, UserId},
        usage::Axis,
    },
    store::usage::Filter,
};
use serde::{Deserialize, Serialize};

/// Stands in an address for what names no product, or no model: a field that is empty is as if it were not there.
pub const NONE: &str = "(none)";
/// The longest range of a page.
const LONGEST: i64 = 366;

#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Asked {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub range: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub from: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub to: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub by: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub meter: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
}

/// A filter that is on, and the page without it.
pub struct Chip {
    pub label: String,
    pub href: String,
}

impl Asked {
    /// The same, but for one thing.
    pub fn with(&self, name: &str, value: &str) -> Asked {
        let mut other = self.clone();
        match name {
            "by" => value.clone_into(&mut other.by),
            "meter" => value.clone_into(&mut other.meter),
            other_name => {
                if let Some(axis) = Axis::parse(other_name) {
                    other.set(axis, Some(value.to_owned()));
                }
            }
        }
        other
    }
    fn set(&mut self, axis: Axis, value: Option<String>) {
        match axis {
            Axis::Day => {}
            Axis::Product => self.product = value,
            Axis::Member => self.member = value,
            Axis::Key => self.key = value,
            Axis::Team => self.team = value,
            Axis::Model => self.model = value,
            Axis::Resource => self.resource = value,
        }
    }
    pub fn of(&self, axis: Axis) -> Option<&str> {
        match axis {
            Axis::Day => None,
            Axis::Product => self.product.as_deref(),
            Axis::Member => self.member.as_deref(),
            Axis::Key => self.key.as_deref(),
            Axis::Team => self.team.as_deref(),
            Axis::Model => self.model.as_deref(),
            Axis::Resource => self.resource.as_deref(),
        }
    }
    /// All filters that are on, as a form keeps them.
    pub fn kept(&self) -> Vec<(&'static str, &str)> {
        let by = [("by", self.by.as_str()), ("meter", self.meter.as_str())];
        let by = by.into_iter().filter(|it| !it.1.is_empty());
        by.chain(Axis::ALL.into_iter().filter_map(|it| Some((it.word(), self.of(it)?)))).collect()
    }
    pub fn is_filtered(&self) -> bool {
        Axis::ALL.into_iter().any(|it| self.of(it).is_some())
    }
    pub fn unfiltered(&self) -> Asked {
        let mut other = self.clone();
        for axis in Axis::ALL {
            other.set(axis, None);
        }
        other
    }
    pub fn address(&self, path: &str) -> String {
        let query = serde_html_form::to_string(self).unwrap_or_default();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
    /// What the store is asked for. Along an axis that is not theirs, nobody filters either.
    pub fn filter(&self, range: &Range, axes: &[Axis]) -> Filter {
        let of = |axis: Axis| self.of(axis).filter(|_| axes.contains(&axis));
        let word = |it: &str| if it == NONE { String::new() } else { it.to_owned() };
        // What is no id is nobody's.
        let id = |axis: Axis| of(axis).map(|it| it.parse().unwrap_or(uuid::Uuid::max()));
        Filter {
            product: of(Axis::Product).map(word),
            model: of(Axis::Model).map(word),
            member: id(Axis::Member).map(UserId),
            key: id(Axis::Key).map(KeyId),
            team: id(Axis::Team).map(AccountId),
            resource: id(Axis::Resource).map(ResourceId),
            ..Filter::days(range.from, range.to)
        }
    }
    pub fn chips(&self, path: &str, table: &Table, axes: &[Axis], catalog: &Catalog) -> Vec<Chip> {
        let chip = |axis: &Axis| {
            let value = self.of(*axis)?;
            let mut without = self.clone();
            without.set(*axis, None);
            let name = match axis {
                Axis::Product if value == NONE => "without a product".to_owned(),
                Axis::Model if value == NONE => "without a model".to_owned(),
                Axis::Product => catalog.product_name(value).to_owned(),
                Axis::Model => value.to_owned(),
                _ => table.named(*axis, value),
            };
            Some(Chip { label: name, href: without.address(path) })
        };
        axes.iter().filter_map(chip).collect()
    }
}

/// Some days, and those before that they are compared with.
pub struct Range {
    /// The first.
    pub from: Day,
    /// The one after the last.
    pub to: Day,
    /// The same of those before.
    pub before: (Day, Day),
    /// As the picker has it.
    pub kind: String,
    is_month: bool,
}

impl Range {
    /// What was asked for; what is wrong with it, and then the last 30 days.
    pub fn of(asked: &Asked, today: Day) -> (Range, String) {
        let last = |days: i64| Range::ending(today.plus(1), days, "");
        let month = |month: Month, kind: &str| {
            let (from, to) = (month.first(), month.next().first().min(today.plus(1)));
            let first = month.previous().first();
            let before = (first, first.plus(to.0 - from.0).min(from));
            let is_whole = to == month.next().first();
            let before = if is_whole { (first, from) } else { before };
            Range { from, to, before, kind: kind.to_owned(), is_month: true }
        };
        match asked.range.as_str() {
            "" | "30" => (last(30), String::new()),
            "month" => (month(today.month(), "month"), String::new()),
            // The days are asked for first.
            "custom" if asked.from.is_empty() && asked.to.is_empty() => (last(30), String::new()),
            "custom" => match Day::parse(&asked.from).zip(Day::parse(&asked.to)) {
                Some((from, to)) if from > to => {
                    (last(30), "The first day lies after the last. Here are the last 30 days.".into())
                }
                Some((from, to)) if to.0 - from.0 >= LONGEST => {
                    (last(30), "A page shows at most a year. Here are the last 30 days.".into())
                }
                Some((from, to)) => (Range::ending(to.plus(1), to.0 - from.0 + 1, "custom"), String::new()),
                None => (last(30), "Choose a first and a last day. Here are the last 30 days.".into()),
            },
            other => match Month::parse(other).filter(|it| *it <= today.month()) {
                Some(it) => (month(it, other), String::new()),
                None => (last(30), "There is no such range. Here are the last 30 days.".into()),
            },
        }
    }
    fn ending(to: Day, days: i64, kind: &str) -> Range {
        let from = to.plus(-days);
        Range { from, to, before: (from.plus(-days), from), kind: kind.to_owned(), is_month: false }
    }
    /// Whether it is a month, or as much of it as is over.
    pub fn is_month(&self) -> bool {
        self.is_month
    }
    pub fn days(&self) -> i64 {
        self.to.0 - self.from.0
    }
    /// The last day, as a form has it.
    pub fn last(&self) -> Day {
        self.to.plus(-1)
    }
    pub fn in_words(&self) -> String {
        format!("{} – {}", self.from.short(), self.last().long())
    }
    /// `in the 30 days before`.
    pub fn before_in_words(&self) -> String {
        match (self.is_month, self.days()) {
            (true, _) => format!("{} – {}", self.before.0.short(), self.before.1.plus(-1).short()),
            (false, 1) => "the day before".to_owned(),
            (false, days) => format!("the {days} days before"),
        }
    }
    /// The months of the picker.
    pub fn months(today: Day) -> Vec<(String, String)> {
        let of = |ago: i64| Month(today.month().0 - ago);
        (1..=12).map(of).map(|it| (it.to_string(), it.in_words())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_compared_with_what_came_before() {
        let today = Day::parse("2026-03-30").expect("a day");
        let of = |range: &str, from: &str, to: &str| {
            let asked = Asked { range: range.into(), from: from.into(), to: to.into(), ..Asked::default() };
            let (it, problem) = Range::of(&asked, today);
            let days = [it.from, it.last(), it.before.0, it.before.1.plus(-1)].map(|it| it.to_string());
            (days.join(" "), problem.is_empty())
        };
        assert_eq!(of("", "", ""), ("2026-03-01 2026-03-30 2026-01-30 2026-02-28".into(), true));
        assert_eq!(of("month", "", ""), ("2026-03-01 2026-03-30 2026-02-01 2026-02-28".into(), true));
        assert_eq!(of("2026-02", "", ""), ("2026-02-01 2026-02-28 2026-01-01 2026-01-31".into(), true));
        assert_eq!(
            of("custom", "2026-03-05", "2026-03-06"),
            ("2026-03-05 2026-03-06 2026-03-03 2026-03-04".into(), true)
        );
        for (range, from, to) in [
            ("custom", "2026-03-06", "2026-03-05"),
            ("custom", "x", ""),
            ("2026-04", "", ""),
            ("custom", "2020-01-01", "2026-01-01"),
        ] {
            assert!(!of(range, from, to).1, "{range} {from} {to}");
        }
    }
}
