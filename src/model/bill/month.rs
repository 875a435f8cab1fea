//! Which plan was in force on which day.
use crate::model::{
    calendar::{Day, Month},
    time::Time,
};

/// A plan that took the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Time,
    /// Which was in force until then.
    pub before: String,
    /// Which is in force from then on.
    pub after: String,
}

/// The plans of an account.
#[derive(Clone, Debug)]
pub struct Past {
    /// The day on which the account was opened.
    pub opened: Day,
    /// The plan that is in force now.
    pub now: String,
    changes: Vec<Change>,
}

/// A run of days on one plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first day.
    pub from: Day,
    /// The day after its last.
    pub to: Day,
    /// Which plan.
    pub plan: String,
}

impl Past {
    /// Of an account: when it was opened, its plan now, and its changes in any order.
    pub fn new(opened: Time, now: String, changes: impl IntoIterator<Item = (Time, String, String)>) -> Past {
        let mut changes: Vec<Change> =
            changes.into_iter().map(|(at, before, after)| Change { at, before, after }).collect();
        changes.sort_by_key(|it| it.at);
        Past { opened: Day::of(opened), now, changes }
    }
    /// What a plan change at some instant ahead would make of it.
    #[must_use]
    pub fn with(&self, at: Time, after: &str) -> Past {
        let mut past = self.clone();
        past.changes.push(Change { at, before: past.now.clone(), after: after.to_owned() });
        past.now = after.to_owned();
        past
    }
    /// The days of a month, by the plan that counts on each: the dearest that was in force at any time of it. A day before the
    /// account was opened is as its first one.
    pub fn spans(&self, month: Month, price: impl Fn(&str) -> i64) -> Vec<Span> {
        let mut spans: Vec<Span> = vec![];
        for day in month.first().0..month.next().first().0 {
            let day = Day(day);
            let plan = self.on(day.max(self.opened), &price);
            match spans.last_mut() {
                Some(last) if last.plan == plan && (day != self.opened) => last.to = day.plus(1),
                _ => spans.push(Span { from: day, to: day.plus(1), plan: plan.to_owned() }),
            }
        }
        spans
    }
    fn on(&self, day: Day, price: &impl Fn(&str) -> i64) -> &str {
        let (start, end) = (day.start(), day.plus(1).start());
        let at_start =
            self.changes.iter().find(|it| it.at > start).map_or(self.now.as_str(), |it| &it.before);
        let during =
            self.changes.iter().filter(|it| it.at > start && it.at < end).map(|it| it.after.as_str());
        during.fold(at_start, |dearest, it| if price(it) >= price(dearest) { it } else { dearest })
    }
}
