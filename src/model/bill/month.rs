//! The plans of an account by day.
use crate::model::{
    calendar::{Day, Month},
    time::Time,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanChange {
    pub at: Time,
    pub before: String,
    pub after: String,
}

/// The plans that an account has had.
#[derive(Clone, Debug)]
pub struct PlanHistory {
    /// The day on which the account was opened.
    pub opened: Day,
    pub current: String,
    changes: Vec<PlanChange>,
}

/// A run of days on one plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanSpan {
    pub from: Day,
    /// Exclusive.
    pub to: Day,
    pub plan: String,
}

impl PlanHistory {
    /// Takes changes in any order, each as its time and the plans before and after.
    pub fn new(
        opened: Time,
        current: String,
        changes: impl IntoIterator<Item = (Time, String, String)>,
    ) -> PlanHistory {
        let mut changes: Vec<PlanChange> =
            changes.into_iter().map(|(at, before, after)| PlanChange { at, before, after }).collect();
        changes.sort_by_key(|change| change.at);
        PlanHistory { opened: Day::of(opened), current, changes }
    }
    /// What it would be after a plan change in the future.
    #[must_use]
    pub fn with(&self, at: Time, after: &str) -> PlanHistory {
        let mut history = self.clone();
        history.changes.push(PlanChange { at, before: history.current.clone(), after: after.to_owned() });
        history.current = after.to_owned();
        history
    }
    /// The days of a month by plan. Of several plans on one day, the most expensive counts. Days before the account was opened have the
    /// plan of its first day.
    pub fn spans(&self, month: Month, price: impl Fn(&str) -> i64) -> Vec<PlanSpan> {
        let mut spans: Vec<PlanSpan> = vec![];
        for day in month.first().0..month.next().first().0 {
            let day = Day(day);
            let plan = self.plan_on(day.max(self.opened), &price);
            match spans.last_mut() {
                Some(last) if last.plan == plan && (day != self.opened) => last.to = day.plus(1),
                _ => spans.push(PlanSpan { from: day, to: day.plus(1), plan: plan.to_owned() }),
            }
        }
        spans
    }
    fn plan_on(&self, day: Day, price: &impl Fn(&str) -> i64) -> &str {
        let (start, end) = (day.start(), day.plus(1).start());
        let at_start = self
            .changes
            .iter()
            .find(|change| change.at > start)
            .map_or(self.current.as_str(), |change| &change.before);
        let during = self
            .changes
            .iter()
            .filter(|change| change.at > start && change.at < end)
            .map(|change| change.after.as_str());
        during.fold(at_start, |highest, plan| if price(plan) >= price(highest) { plan } else { highest })
    }
}
