//! The query of the usage page: the days, the dimension of the breakdown, the meter, and filters.
use super::table::UsageTable;
use crate::{
    model::{
        calendar::{Day, Month},
        catalog::Catalog,
        id::{AccountId, KeyId, ResourceId, UserId},
        usage::Dimension,
    },
    store::usage::Filter,
};
use serde::{Deserialize, Serialize};

/// The value of a filter for usage without a product or a model. An empty value would mean no filter.
pub const NONE: &str = "(none)";
/// The longest range of a page.
const MAX_DAYS: i64 = 366;

#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct UsageQuery {
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

/// An active filter, and the page without it.
pub struct Chip {
    pub label: String,
    pub href: String,
}

impl UsageQuery {
    /// A copy with one field set.
    pub fn with(&self, name: &str, value: &str) -> UsageQuery {
        let mut other = self.clone();
        match name {
            "by" => value.clone_into(&mut other.by),
            "meter" => value.clone_into(&mut other.meter),
            other_name => {
                if let Some(dimension) = Dimension::parse(other_name) {
                    other.set(dimension, Some(value.to_owned()));
                }
            }
        }
        other
    }
    fn set(&mut self, dimension: Dimension, value: Option<String>) {
        match dimension {
            Dimension::Day => {}
            Dimension::Product => self.product = value,
            Dimension::Member => self.member = value,
            Dimension::Key => self.key = value,
            Dimension::Team => self.team = value,
            Dimension::Model => self.model = value,
            Dimension::Resource => self.resource = value,
        }
    }
    pub fn of(&self, dimension: Dimension) -> Option<&str> {
        match dimension {
            Dimension::Day => None,
            Dimension::Product => self.product.as_deref(),
            Dimension::Member => self.member.as_deref(),
            Dimension::Key => self.key.as_deref(),
            Dimension::Team => self.team.as_deref(),
            Dimension::Model => self.model.as_deref(),
            Dimension::Resource => self.resource.as_deref(),
        }
    }
    /// The active filters as hidden fields of the range form.
    pub fn filters(&self) -> Vec<(&'static str, &str)> {
        let fields = [("by", self.by.as_str()), ("meter", self.meter.as_str())];
        let fields = fields.into_iter().filter(|field| !field.1.is_empty());
        fields
            .chain(
                Dimension::ALL
                    .into_iter()
                    .filter_map(|dimension| Some((dimension.as_str(), self.of(dimension)?))),
            )
            .collect()
    }
    pub fn is_filtered(&self) -> bool {
        Dimension::ALL.into_iter().any(|dimension| self.of(dimension).is_some())
    }
    pub fn unfiltered(&self) -> UsageQuery {
        let mut other = self.clone();
        for dimension in Dimension::ALL {
            other.set(dimension, None);
        }
        other
    }
    pub fn href(&self, path: &str) -> String {
        let query = serde_html_form::to_string(self).unwrap_or_default();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
    /// Filters of dimensions that the viewer may not see are ignored.
    pub fn filter(&self, range: &Range, dimensions: &[Dimension]) -> Filter {
        let of = |dimension: Dimension| self.of(dimension).filter(|_| dimensions.contains(&dimension));
        let name_or_none = |text: &str| if text == NONE { String::new() } else { text.to_owned() };
        // An id that cannot be parsed matches nothing.
        let id = |dimension: Dimension| of(dimension).map(|id| id.parse().unwrap_or(uuid::Uuid::max()));
        Filter {
            product: of(Dimension::Product).map(name_or_none),
            model: of(Dimension::Model).map(name_or_none),
            member: id(Dimension::Member).map(UserId),
            key: id(Dimension::Key).map(KeyId),
            team: id(Dimension::Team).map(AccountId),
            resource: id(Dimension::Resource).map(ResourceId),
            ..Filter::days(range.from, range.to)
        }
    }
    pub fn chips(
        &self,
        path: &str,
        table: &UsageTable,
        dimensions: &[Dimension],
        catalog: &Catalog,
    ) -> Vec<Chip> {
        let chip = |dimension: &Dimension| {
            let value = self.of(*dimension)?;
            let mut without = self.clone();
            without.set(*dimension, None);
            let name = match dimension {
                Dimension::Product if value == NONE => "without a product".to_owned(),
                Dimension::Model if value == NONE => "without a model".to_owned(),
                Dimension::Product => catalog.product_name(value).to_owned(),
                Dimension::Model => value.to_owned(),
                _ => table.named(*dimension, value),
            };
            Some(Chip { label: name, href: without.href(path) })
        };
        dimensions.iter().filter_map(chip).collect()
    }
}

/// Days, and the days before with which they are compared.
pub struct Range {
    /// The first.
    pub from: Day,
    /// The one after the last.
    pub to: Day,
    /// The same of those before.
    pub before: (Day, Day),
    /// The value of the range field.
    pub kind: String,
    is_month: bool,
}

impl Range {
    /// An invalid range becomes the last 30 days, with a sentence that says why; otherwise the sentence is empty.
    pub fn of(query: &UsageQuery, today: Day) -> (Range, String) {
        let last = |days: i64| Range::ending(today.plus(1), days, "");
        let month = |month: Month, kind: &str| {
            let (from, to) = (month.first(), month.next().first().min(today.plus(1)));
            let first = month.previous().first();
            let before = (first, first.plus(to.0 - from.0).min(from));
            let is_whole = to == month.next().first();
            let before = if is_whole { (first, from) } else { before };
            Range { from, to, before, kind: kind.to_owned(), is_month: true }
        };
        match query.range.as_str() {
            "" | "30" => (last(30), String::new()),
            "month" => (month(today.month(), "month"), String::new()),
            // The form then asks for the days.
            "custom" if query.from.is_empty() && query.to.is_empty() => (last(30), String::new()),
            "custom" => match Day::parse(&query.from).zip(Day::parse(&query.to)) {
                Some((from, to)) if from > to => {
                    (last(30), "The first day lies after the last. Here are the last 30 days.".into())
                }
                Some((from, to)) if to.0 - from.0 >= MAX_DAYS => {
                    (last(30), "A page shows at most a year. Here are the last 30 days.".into())
                }
                Some((from, to)) => (Range::ending(to.plus(1), to.0 - from.0 + 1, "custom"), String::new()),
                None => (last(30), "Choose a first and a last day. Here are the last 30 days.".into()),
            },
            other => match Month::parse(other).filter(|month| *month <= today.month()) {
                Some(found) => (month(found, other), String::new()),
                None => (last(30), "There is no such range. Here are the last 30 days.".into()),
            },
        }
    }
    fn ending(to: Day, days: i64, kind: &str) -> Range {
        let from = to.plus(-days);
        Range { from, to, before: (from.plus(-days), from), kind: kind.to_owned(), is_month: false }
    }
    /// A whole month, or the current one so far.
    pub fn is_month(&self) -> bool {
        self.is_month
    }
    pub fn days(&self) -> i64 {
        self.to.0 - self.from.0
    }
    /// The last day, inclusive.
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
    /// The last twelve months for the range field.
    pub fn months(today: Day) -> Vec<(String, String)> {
        let of = |ago: i64| Month(today.month().0 - ago);
        (1..=12).map(of).map(|month| (month.to_string(), month.in_words())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_compared_with_what_came_before() {
        let today = Day::parse("2026-03-30").expect("a day");
        let of = |range: &str, from: &str, to: &str| {
            let query =
                UsageQuery { range: range.into(), from: from.into(), to: to.into(), ..UsageQuery::default() };
            let (range, problem) = Range::of(&query, today);
            let days = [range.from, range.last(), range.before.0, range.before.1.plus(-1)]
                .map(|day| day.to_string());
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
