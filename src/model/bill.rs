//! Computes the bill of a month: the plans of its days, usage beyond what they include, adjustments, tax. Pure functions. Each line
//! is rounded once.
use super::{
    calendar::{Day, Month},
    catalog::{Catalog, Plan},
    id::{AccountId, AdjustmentId},
    invoice::{Line, LineKind, Team},
    money::{self, Price},
    quantity::Quantity,
    time::Time,
};
use std::collections::BTreeMap;

mod month;
pub use month::{PlanHistory, PlanSpan};

/// Nanos in one unit.
const NANOS: u128 = 1_000_000_000;

/// The usage of one meter by one account in one month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterUsage {
    /// The paying account, or one of its teams.
    pub account: AccountId,
    pub meter: String,
    /// Before the month of the bill if the usage was reported late.
    pub month: Month,
    pub quantity: Quantity,
    /// Whether an earlier bill has it: then it only counts against the included quantity.
    pub is_billed: bool,
}

/// A charge or a credit that an operator added by hand.
#[derive(Clone, Debug)]
pub struct Adjustment {
    pub id: AdjustmentId,
    /// In minor units; negative for a credit.
    pub amount: i64,
    pub reason: String,
}

/// The input of a bill.
pub struct BillInput<'a> {
    pub month: Month,
    pub catalog: &'a Catalog,
    /// Plans that are no longer in the catalogue, as they were last.
    pub retired_plans: &'a BTreeMap<String, Plan>,
    pub plan_history: &'a PlanHistory,
    /// The paying account, then its teams by age.
    pub accounts: &'a [(AccountId, Option<Team>)],
    pub usage: &'a [MeterUsage],
    pub adjustments: &'a [Adjustment],
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// Tax last.
    pub lines: Vec<Line>,
    pub total: i64,
    /// Zero or negative: the rest of credits that exceeded the bill, for the next one.
    pub carried: i64,
}

impl Bill {
    /// Whether there is nothing to bill. Credits alone wait for a month with charges.
    pub fn is_empty(&self) -> bool {
        !self.lines.iter().any(|line| line.amount > 0 && line.kind != LineKind::Carried)
    }
    /// The total before tax.
    pub fn net(&self) -> i64 {
        money::total(self.lines.iter().filter(|line| line.kind != LineKind::Tax).map(|line| line.amount))
    }
}

/// Computes the bill of `input.month`.
pub fn bill(input: &BillInput<'_>) -> Bill {
    let mut lines = plan_lines(input);
    let late: Vec<Month> = {
        let mut months: Vec<Month> =
            input.usage.iter().map(|used| used.month).filter(|month| *month < input.month).collect();
        months.sort_unstable();
        months.dedup();
        months
    };
    lines.extend(usage_lines(input, input.month));
    lines.extend(late.into_iter().flat_map(|month| usage_lines(input, month)));
    lines.extend(input.adjustments.iter().map(adjustment_line));
    let mut bill = Bill { lines, ..Bill::default() };
    let net = bill.net();
    if net < 0 {
        bill.carried = net;
        bill.lines.push(Line {
            kind: LineKind::Carried,
            description: "Carried over to the next invoice".into(),
            unit_price: Price::minor(-net),
            amount: -net,
            ..Line::default()
        });
    }
    if let Some(tax) = input.catalog.tax.as_ref().filter(|_| net > 0) {
        let percent = tax.percent.0;
        let share = Quantity::from_nanos(percent.nanos() / 100);
        let unit_price = Price::minor(net);
        bill.lines.push(Line {
            kind: LineKind::Tax,
            description: format!("{} {percent} %", tax.name),
            quantity: share,
            unit_price,
            amount: unit_price.cost_of(share),
            ..Line::default()
        });
    }
    bill.total = money::total(bill.lines.iter().map(|line| line.amount));
    bill
}

fn adjustment_line(adjustment: &Adjustment) -> Line {
    Line {
        kind: if adjustment.amount < 0 { LineKind::Credit } else { LineKind::Adjustment },
        description: adjustment.reason.clone(),
        unit_price: Price::minor(adjustment.amount),
        amount: adjustment.amount,
        ..Line::default()
    }
}

impl BillInput<'_> {
    fn plan(&self, id: &str) -> Option<&Plan> {
        self.catalog.plan(id).or_else(|| self.retired_plans.get(id))
    }
    fn price(&self, id: &str) -> i64 {
        self.plan(id).map_or(0, |plan| plan.price)
    }
    fn spans(&self, month: Month) -> Vec<PlanSpan> {
        self.plan_history.spans(month, |plan| self.price(plan))
    }
}

/// A line for each run of days on one plan. Days before the account was opened cost nothing.
fn plan_lines(input: &BillInput<'_>) -> Vec<Line> {
    let days = input.month.days();
    let mut lines = vec![];
    for span in input.spans(input.month) {
        let from = span.from.max(input.plan_history.opened);
        let count = span.to.0 - from.0;
        let price = input.price(&span.plan);
        if count <= 0 || price == 0 {
            continue;
        }
        let name = input.plan(&span.plan).map_or(span.plan.as_str(), |plan| &plan.name);
        let unit_price = Price::minor(price);
        let quantity = fraction(count, days);
        let description = if count == days {
            format!("{name} plan, {}", input.month.in_words())
        } else {
            let last = span.to.plus(-1);
            format!("{name} plan, {} to {} ({count} of {days} days)", from.short(), last.short())
        };
        let amount = unit_price.cost_of(quantity);
        lines.push(Line {
            kind: LineKind::Plan,
            description,
            quantity,
            unit_price,
            amount,
            ..Line::default()
        });
    }
    lines
}

/// The part of a month that is `count` of its days, rounded to nine places.
fn fraction(count: i64, days: i64) -> Quantity {
    let (count, days) = (u128::try_from(count).unwrap_or(0), u128::try_from(days).unwrap_or(1).max(1));
    Quantity::from_nanos((count * NANOS * 2 + days) / (days * 2))
}

/// Lines for the usage of one month. The included quantity covers the paying account first, then its teams in order. The rest is
/// charged in a line for each of them.
fn usage_lines(input: &BillInput<'_>, month: Month) -> Vec<Line> {
    let spans = input.spans(month);
    let mut lines = vec![];
    for meter in &input.catalog.meters {
        let (included, price) = input.terms(&spans, &meter.id, month);
        if included.is_zero() && price.is_none() {
            continue;
        }
        let used = |is_billed: bool, account: AccountId| {
            let matching = input.usage.iter().filter(move |used| {
                used.month == month
                    && used.meter == meter.id
                    && used.account == account
                    && used.is_billed == is_billed
            });
            matching.map(|used| used.quantity).sum::<Quantity>()
        };
        let before: Quantity = input.accounts.iter().map(|account| used(true, account.0)).sum();
        let mut left = included.minus(before);
        let when =
            if month < input.month { format!(" — late, {}", month.in_words()) } else { String::new() };
        for (account, team) in input.accounts {
            let quantity = used(false, *account);
            let covered = quantity.min(left);
            let beyond = quantity.minus(covered);
            left = left.minus(covered);
            let line = |suffix: &str, quantity: Quantity, unit_price: Price| Line {
                kind: LineKind::Usage,
                description: format!("{}{suffix}{when}", meter.name),
                quantity,
                unit_price,
                amount: unit_price.cost_of(quantity),
                team: team.clone(),
                meter: Some(meter.id.clone()),
            };
            if !covered.is_zero() {
                lines.push(line(", included", covered, Price::ZERO));
            }
            match price {
                _ if beyond.is_zero() => {}
                Some(price) if included.is_zero() => lines.push(line("", beyond, price)),
                Some(price) => lines.push(line(", beyond what is included", beyond, price)),
                None => lines.push(line(", not charged", beyond, Price::ZERO)),
            }
        }
    }
    lines
}

impl BillInput<'_> {
    /// The quantity of a meter that the plans of a month include, weighted by days, and the price of more: that of the last plan that
    /// has one.
    fn terms(&self, spans: &[PlanSpan], meter: &str, month: Month) -> (Quantity, Option<Price>) {
        let plans: Vec<(&Plan, i64)> =
            spans.iter().filter_map(|span| Some((self.plan(&span.plan)?, span.to.0 - span.from.0))).collect();
        let price = plans.iter().rev().find_map(|(plan, _)| plan.overage(meter, self.catalog.currency));
        let included = match plans.as_slice() {
            [(only, count)] if *count == month.days() => only.included(meter),
            // Weighted by days, rounded up to a whole unit.
            _ => {
                let all: u128 = plans
                    .iter()
                    .map(|(plan, days)| plan.included(meter).nanos() * u128::try_from(*days).unwrap_or(0))
                    .sum();
                let days = u128::try_from(month.days()).unwrap_or(1);
                Quantity::from_nanos(all.div_ceil(days * NANOS) * NANOS)
            }
        };
        (included, price)
    }
}

/// When a plan change at the end of the period takes effect: at the first instant of the next month.
pub fn period_end(now: Time) -> Time {
    Day::of(now).month().next().first().start()
}

#[cfg(test)]
mod tests;
