//! How a month's bill comes about: the plans of its days, what was used beyond what they include, what was added by hand, tax.
//! Everything here is a pure function of what was read; amounts are rounded once, line by line.
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
pub use month::{Past, Span};

/// One billionth.
const WHOLE: u128 = 1_000_000_000;

/// What an account used of a meter in a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// The account itself, or a team of it.
    pub account: AccountId,
    /// What was metered.
    pub meter: String,
    /// When: before the bill's month, if it came late.
    pub month: Month,
    /// How much.
    pub quantity: Quantity,
    /// Whether it stood on an earlier bill already: then it only says how much of what is included is gone.
    pub is_billed: bool,
}

/// Something added to the next bill, or taken off it.
#[derive(Clone, Debug)]
pub struct Adjustment {
    /// Its id.
    pub id: AdjustmentId,
    /// In minor units; below zero: a credit.
    pub amount: i64,
    /// Why.
    pub reason: String,
}

/// All that a bill is made of.
pub struct Basis<'a> {
    /// The month.
    pub month: Month,
    /// What is sold now.
    pub catalog: &'a Catalog,
    /// Plans that the catalogue no longer has, as it last had them.
    pub kept: &'a BTreeMap<String, Plan>,
    /// Which plan was in force when.
    pub past: &'a Past,
    /// Who pays, and its teams in the order in which they were opened.
    pub accounts: &'a [(AccountId, Option<Team>)],
    /// What was used.
    pub used: &'a [Used],
    /// What was added by hand.
    pub adjustments: &'a [Adjustment],
}

/// A bill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// Its lines, tax the last of them.
    pub lines: Vec<Line>,
    /// Their sum.
    pub total: i64,
    /// A credit that was more than there was to pay: it waits for the next bill.
    pub carried: i64,
}

impl Bill {
    /// Whether there is anything to bill: a credit alone waits for something to be taken off.
    pub fn is_empty(&self) -> bool {
        !self.lines.iter().any(|it| it.amount > 0 && it.kind != LineKind::Carried)
    }
    /// What is there before tax.
    pub fn net(&self) -> i64 {
        money::total(self.lines.iter().filter(|it| it.kind != LineKind::Tax).map(|it| it.amount))
    }
}

/// Makes the bill of a month.
pub fn bill(basis: &Basis<'_>) -> Bill {
    let mut lines = plan_lines(basis);
    let late: Vec<Month> = {
        let mut months: Vec<Month> =
            basis.used.iter().map(|it| it.month).filter(|it| *it < basis.month).collect();
        months.sort_unstable();
        months.dedup();
        months
    };
    lines.extend(usage_lines(basis, basis.month));
    lines.extend(late.into_iter().flat_map(|it| usage_lines(basis, it)));
    lines.extend(basis.adjustments.iter().map(adjustment_line));
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
    if let Some(tax) = basis.catalog.tax.as_ref().filter(|_| net > 0) {
        let percent = tax.percent.0;
        let share = Quantity::from_nanos(percent.nanos() / 100);
        let unit_price = Price::minor(net);
        bill.lines.push(Line {
            kind: LineKind::Tax,
            description: format!("{} {percent} %", tax.name),
            quantity: share,
            unit_price,
            amount: unit_price.of(share),
            ..Line::default()
        });
    }
    bill.total = money::total(bill.lines.iter().map(|it| it.amount));
    bill
}

fn adjustment_line(it: &Adjustment) -> Line {
    Line {
        kind: if it.amount < 0 { LineKind::Credit } else { LineKind::Adjustment },
        description: it.reason.clone(),
        unit_price: Price::minor(it.amount),
        amount: it.amount,
        ..Line::default()
    }
}

impl Basis<'_> {
    /// A plan's terms: the catalogue's, or as it last had them.
    fn plan(&self, id: &str) -> Option<&Plan> {
        self.catalog.plan(id).or_else(|| self.kept.get(id))
    }
    fn price(&self, id: &str) -> i64 {
        self.plan(id).map_or(0, |it| it.price)
    }
    fn spans(&self, month: Month) -> Vec<Span> {
        self.past.spans(month, |it| self.price(it))
    }
}

/// A line for each run of days on one plan; the days before the account was opened cost nothing.
fn plan_lines(basis: &Basis<'_>) -> Vec<Line> {
    let days = basis.month.days();
    let mut lines = vec![];
    for span in basis.spans(basis.month) {
        let from = span.from.max(basis.past.opened);
        let count = span.to.0 - from.0;
        let price = basis.price(&span.plan);
        if count <= 0 || price == 0 {
            continue;
        }
        let name = basis.plan(&span.plan).map_or(span.plan.as_str(), |it| &it.name);
        let unit_price = Price::minor(price);
        let quantity = share(count, days);
        let description = if count == days {
            format!("{name} plan, {}", basis.month.in_words())
        } else {
            let last = span.to.plus(-1);
            format!("{name} plan, {} to {} ({count} of {days} days)", from.short(), last.short())
        };
        let amount = unit_price.of(quantity);
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

/// So many days of a month, to nine places.
fn share(count: i64, days: i64) -> Quantity {
    let (count, days) = (u128::try_from(count).unwrap_or(0), u128::try_from(days).unwrap_or(1).max(1));
    Quantity::from_nanos((count * WHOLE * 2 + days) / (days * 2))
}

/// What was used in a month: what is included covers the account itself first, then its teams in their order; what is beyond it
/// is billed to where it was used.
fn usage_lines(basis: &Basis<'_>, month: Month) -> Vec<Line> {
    let spans = basis.spans(month);
    let mut lines = vec![];
    for meter in &basis.catalog.meters {
        let (included, price) = basis.terms(&spans, &meter.id, month);
        if included.is_zero() && price.is_none() {
            continue;
        }
        let used = |is_billed: bool, account: AccountId| {
            let mine = basis.used.iter().filter(move |it| {
                it.month == month
                    && it.meter == meter.id
                    && it.account == account
                    && it.is_billed == is_billed
            });
            mine.map(|it| it.quantity).sum::<Quantity>()
        };
        let before: Quantity = basis.accounts.iter().map(|it| used(true, it.0)).sum();
        let mut left = included.minus(before);
        let when =
            if month < basis.month { format!(" — late, {}", month.in_words()) } else { String::new() };
        for (account, team) in basis.accounts {
            let quantity = used(false, *account);
            let covered = quantity.min(left);
            let beyond = quantity.minus(covered);
            left = left.minus(covered);
            let line = |says: &str, quantity: Quantity, unit_price: Price| Line {
                kind: LineKind::Usage,
                description: format!("{}{says}{when}", meter.name),
                quantity,
                unit_price,
                amount: unit_price.of(quantity),
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

impl Basis<'_> {
    /// What the plans of a month include of a meter, by their days, and the price beyond that: the last one's that has one.
    fn terms(&self, spans: &[Span], meter: &str, month: Month) -> (Quantity, Option<Price>) {
        let plans: Vec<(&Plan, i64)> =
            spans.iter().filter_map(|it| Some((self.plan(&it.plan)?, it.to.0 - it.from.0))).collect();
        let price = plans.iter().rev().find_map(|(it, _)| it.overage(meter, self.catalog.currency));
        let included = match plans.as_slice() {
            [(only, count)] if *count == month.days() => only.included(meter),
            // A part of a month has its part, rounded up to a whole.
            _ => {
                let all: u128 = plans
                    .iter()
                    .map(|(it, days)| it.included(meter).nanos() * u128::try_from(*days).unwrap_or(0))
                    .sum();
                let days = u128::try_from(month.days()).unwrap_or(1);
                Quantity::from_nanos(all.div_ceil(days * WHOLE) * WHOLE)
            }
        };
        (included, price)
    }
}

/// When a plan that is chosen now for the end of the period takes effect: the first instant of the next month.
pub fn period_end(now: Time) -> Time {
    Day::of(now).month().next().first().start()
}

#[cfg(test)]
mod tests;
