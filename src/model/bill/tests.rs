use super::*;
use crate::model::catalog::{Amount, Tax};
use uuid::Uuid;

fn catalog() -> Catalog {
    Catalog::parse(Catalog::BUILT_IN).expect("the built-in catalogue")
}
fn at(text: &str) -> Time {
    Time::parse(text).expect("a time")
}
fn month(text: &str) -> Month {
    Month::parse(text).expect("a month")
}
fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).expect("a quantity")
}
fn id(n: u128) -> AccountId {
    AccountId(Uuid::from_u128(n))
}
fn past(opened: &str, now: &str, changes: &[(&str, &str, &str)]) -> PlanHistory {
    let changes = changes.iter().map(|change| (at(change.0), change.1.to_owned(), change.2.to_owned()));
    PlanHistory::new(at(opened), now.to_owned(), changes)
}
fn used(account: u128, when: &str, many: &str, is_billed: bool) -> MeterUsage {
    MeterUsage {
        account: id(account),
        meter: "credits".into(),
        month: month(when),
        quantity: quantity(many),
        is_billed,
    }
}
fn teams() -> Vec<(AccountId, Option<Team>)> {
    let team = |n, name: &str| (id(n), Some(Team { slug: name.to_lowercase(), name: name.into() }));
    vec![(id(1), None), team(2, "Ingest"), team(3, "Trailers")]
}
fn of(catalog: &Catalog, past: &PlanHistory, used: &[MeterUsage], adjustments: &[Adjustment]) -> Bill {
    let (retired_plans, accounts) = (BTreeMap::new(), teams());
    let month = month("2026-10");
    bill(&BillInput {
        month,
        catalog,
        retired_plans: &retired_plans,
        plan_history: past,
        accounts: &accounts,
        usage: used,
        adjustments,
    })
}
fn summary(bill: &Bill) -> Vec<(String, String, i64)> {
    bill.lines.iter().map(|line| (line.description.clone(), line.quantity.to_string(), line.amount)).collect()
}
fn adjustment(amount: i64) -> Adjustment {
    Adjustment { id: AdjustmentId(Uuid::nil()), amount, reason: "Sorry".into() }
}

#[test]
fn a_month_on_one_plan_costs_its_price() {
    let bill = of(&catalog(), &past("2026-01-01T00:00:00Z", "developer", &[]), &[], &[]);
    assert_eq!(summary(&bill), [("Developer plan, October 2026".into(), "1".into(), 4900)]);
    let free =
        of(&catalog(), &past("2026-01-01T00:00:00Z", "free", &[]), &[used(1, "2026-10", "5000", false)], &[]);
    assert!(free.is_empty() && free.total == 0);
}

#[test]
fn the_more_expensive_plan_of_a_day_counts() {
    let up = past("2026-01-01T00:00:00Z", "developer", &[("2026-10-11T09:00:00Z", "free", "developer")]);
    let bill = of(&catalog(), &up, &[], &[]);
    assert_eq!(
        summary(&bill),
        [("Developer plan, Oct 11 to Oct 31 (21 of 31 days)".into(), "0.677419355".into(), 3319)]
    );
    // Down again on the same day: that day only is charged.
    let both = [("2026-10-11T09:00:00Z", "free", "developer"), ("2026-10-11T23:00:00Z", "developer", "free")];
    let bill = of(&catalog(), &past("2026-01-01T00:00:00Z", "free", &both), &[], &[]);
    assert_eq!(
        summary(&bill),
        [("Developer plan, Oct 11 to Oct 11 (1 of 31 days)".into(), "0.032258065".into(), 158)]
    );
    // A change at the first instant of a day holds for all of it.
    let end = past("2026-01-01T00:00:00Z", "free", &[("2026-10-01T00:00:00Z", "developer", "free")]);
    assert!(of(&catalog(), &end, &[], &[]).is_empty());
    // A change after the month does not count.
    let later = past("2026-01-01T00:00:00Z", "free", &[("2026-11-02T00:00:00Z", "developer", "free")]);
    assert_eq!(of(&catalog(), &later, &[], &[]).total, 4900);
}

#[test]
fn days_before_the_account_was_opened_are_free() {
    let bill = of(&catalog(), &past("2026-10-22T12:00:00Z", "developer", &[]), &[], &[]);
    assert_eq!(
        summary(&bill),
        [("Developer plan, Oct 22 to Oct 31 (10 of 31 days)".into(), "0.322580645".into(), 1581)]
    );
    let never = past("2026-11-02T12:00:00Z", "developer", &[]);
    assert!(of(&catalog(), &never, &[], &[]).is_empty());
    // Usage that its gateway reports for the time before is charged nevertheless.
    let bill = of(&catalog(), &never, &[used(1, "2026-10", "10002", false)], &[]);
    assert_eq!(bill.total, 1);
}

#[test]
fn included_usage_covers_the_account_first() {
    let on = past("2026-01-01T00:00:00Z", "developer", &[]);
    let all = [
        used(1, "2026-10", "4000.5", false),
        used(2, "2026-10", "7000", false),
        used(3, "2026-10", "123.25", false),
    ];
    let bill = of(&catalog(), &on, &all, &[]);
    assert_eq!(
        summary(&bill)[1..],
        [
            ("Credits, included".into(), "4000.5".into(), 0),
            ("Credits, included".into(), "5999.5".into(), 0),
            ("Credits, beyond what is included".into(), "1000.5".into(), 500),
            ("Credits, beyond what is included".into(), "123.25".into(), 62),
        ]
    );
    assert_eq!(bill.total, 4900 + 500 + 62);
    assert_eq!(bill.lines[3].team.as_ref().map(|team| team.slug.as_str()), Some("ingest"));
}

#[test]
fn late_usage_is_billed_as_if_it_were_on_time() {
    let on = past("2026-01-01T00:00:00Z", "developer", &[]);
    // 9,900 of 10,000 were used in September; 300 more came late.
    let all = [used(1, "2026-09", "9900", true), used(2, "2026-09", "300", false)];
    let bill = of(&catalog(), &on, &all, &[]);
    assert_eq!(
        summary(&bill)[1..],
        [
            ("Credits, included — late, September 2026".into(), "100".into(), 0),
            ("Credits, beyond what is included — late, September 2026".into(), "200".into(), 100),
        ]
    );
}

#[test]
fn part_of_a_month_includes_its_part() {
    let up = past("2026-01-01T00:00:00Z", "developer", &[("2026-10-11T09:00:00Z", "free", "developer")]);
    // (1,000 × 10 + 10,000 × 21) / 31 = 7096.77…
    let bill = of(&catalog(), &up, &[used(1, "2026-10", "7100", false)], &[]);
    assert_eq!(summary(&bill)[1], ("Credits, included".into(), "7097".into(), 0));
    assert_eq!(summary(&bill)[2], ("Credits, beyond what is included".into(), "3".into(), 2));
}

#[test]
fn credits_apply_before_tax_and_down_to_zero() {
    let mut catalog = catalog();
    catalog.tax = Some(Tax { name: "VAT".into(), percent: Amount(quantity("19")) });
    let on = past("2026-01-01T00:00:00Z", "developer", &[]);
    let bill = of(&catalog, &on, &[], &[adjustment(-950)]);
    assert_eq!((bill.net(), bill.total), (3950, 4700));
    assert_eq!(summary(&bill)[2], ("VAT 19 %".into(), "0.19".into(), 750));
    let bill = of(&catalog, &on, &[], &[adjustment(-6000)]);
    assert_eq!((bill.total, bill.carried), (0, -1100));
    assert!(!bill.is_empty());
    let free = past("2026-01-01T00:00:00Z", "free", &[]);
    assert!(of(&catalog, &free, &[], &[adjustment(-6000)]).is_empty(), "credits wait for charges");
}

#[test]
fn a_retired_plan_is_billed_as_it_was_last() {
    let mut catalog = catalog();
    let retired_plans: BTreeMap<String, Plan> =
        catalog.plans.drain(1..2).map(|plan| (plan.id.clone(), plan)).collect();
    let (past, accounts) = (past("2026-01-01T00:00:00Z", "developer", &[]), teams());
    let input = BillInput {
        month: month("2026-10"),
        catalog: &catalog,
        retired_plans: &retired_plans,
        plan_history: &past,
        accounts: &accounts,
        usage: &[],
        adjustments: &[],
    };
    assert_eq!(bill(&input).total, 4900);
    assert!(bill(&BillInput { retired_plans: &BTreeMap::new(), ..input }).is_empty());
}

#[test]
fn a_random_month_adds_up() {
    let catalog = catalog();
    let mut seed = 11_u64;
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let plans = ["free", "developer", "enterprise"];
    for _ in 0..2_000 {
        let mut plan = plans[usize::try_from(next(3)).unwrap_or(0)];
        let mut changes = vec![];
        for day in 1..=31 {
            if next(9) == 0 {
                let to = plans[usize::try_from(next(3)).unwrap_or(0)];
                let when = at(&format!("2026-10-{day:02}T{:02}:30:00Z", next(24)));
                changes.push((when, plan.to_owned(), to.to_owned()));
                plan = to;
            }
        }
        let opened = at(&format!("2026-{:02}-05T00:00:00Z", 8 + next(4)));
        let past = PlanHistory::new(opened, plan.to_owned(), changes);
        let many: Vec<MeterUsage> = (0..next(12))
            .map(|_| {
                let when = ["2026-10", "2026-10", "2026-09"][usize::try_from(next(3)).unwrap_or(0)];
                let many = format!("{}.{:09}", next(200_000), next(1_000_000_000));
                used(u128::from(1 + next(3)), when, &many, when == "2026-09" && next(2) == 0)
            })
            .collect();
        let bill = of(&catalog, &past, &many, &[]);
        // Each line is quantity × price, and the total is their sum.
        assert!(bill.lines.iter().all(|line| line.unit_price.cost_of(line.quantity) == line.amount));
        assert_eq!(bill.total, bill.lines.iter().map(|line| line.amount).sum::<i64>());
        // All usage is on the bill once and exactly, in lines of who used it.
        for (account, team) in teams() {
            let own = many.iter().filter(|used| used.account == account && !used.is_billed);
            let lines = bill.lines.iter().filter(|line| line.team == team && line.meter.is_some());
            assert_eq!(
                lines.map(|line| line.quantity).sum::<Quantity>(),
                own.map(|used| used.quantity).sum::<Quantity>()
            );
        }
        // Each day of the month is in one span.
        let spans = past.spans(month("2026-10"), |id| catalog.plan(id).map_or(0, |plan| plan.price));
        assert_eq!(spans.iter().map(|span| span.to.0 - span.from.0).sum::<i64>(), 31);
        assert!(spans.windows(2).all(|pair| pair[0].to == pair[1].from));
    }
}

#[test]
fn amounts_saturate() {
    let text = Catalog::BUILT_IN.replace("credits = \"0.005\"", "credits = \"1000000\"");
    let tax = Some(Tax { name: "VAT".into(), percent: Amount(quantity("21")) });
    let catalog = Catalog { tax, ..Catalog::parse(&text).expect("a catalogue") };
    let past = past("2026-01-01T00:00:00Z", "developer", &[]);
    let all = [1, 2, 3].map(|account| used(account, "2026-10", "1000000000000", false));
    let bill = of(&catalog, &past, &all, &[adjustment(i64::MAX), adjustment(-i64::MAX)]);
    assert_eq!((bill.net(), bill.total, bill.carried), (i64::MAX, i64::MAX, 0));
    assert!(
        bill.lines.iter().all(|line| line.amount.checked_neg().is_some()),
        "a credit note can negate each line"
    );
    let back = of(&catalog, &past, &[], &[adjustment(-i64::MAX), adjustment(-i64::MAX)]);
    assert_eq!(back.carried, -i64::MAX);
}
