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
fn past(opened: &str, now: &str, changes: &[(&str, &str, &str)]) -> Past {
    let changes = changes.iter().map(|it| (at(it.0), it.1.to_owned(), it.2.to_owned()));
    Past::new(at(opened), now.to_owned(), changes)
}
fn used(account: u128, when: &str, many: &str, is_billed: bool) -> Used {
    Used {
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
fn of(catalog: &Catalog, past: &Past, used: &[Used], adjustments: &[Adjustment]) -> Bill {
    let (kept, accounts) = (BTreeMap::new(), teams());
    let month = month("2026-10");
    bill(&Basis { month, catalog, kept: &kept, past, accounts: &accounts, used, adjustments })
}
fn says(bill: &Bill) -> Vec<(String, String, i64)> {
    bill.lines.iter().map(|it| (it.description.clone(), it.quantity.to_string(), it.amount)).collect()
}
fn adjustment(amount: i64) -> Adjustment {
    Adjustment { id: AdjustmentId(Uuid::nil()), amount, reason: "Sorry".into() }
}

#[test]
fn a_month_on_one_plan_costs_its_price() {
    let it = of(&catalog(), &past("2026-01-01T00:00:00Z", "developer", &[]), &[], &[]);
    assert_eq!(says(&it), [("Developer plan, October 2026".into(), "1".into(), 4900)]);
    let free =
        of(&catalog(), &past("2026-01-01T00:00:00Z", "free", &[]), &[used(1, "2026-10", "5000", false)], &[]);
    assert!(free.is_empty() && free.total == 0);
}

#[test]
fn a_change_counts_by_its_day_and_the_dearer_plan_has_it() {
    let up = past("2026-01-01T00:00:00Z", "developer", &[("2026-10-11T09:00:00Z", "free", "developer")]);
    let it = of(&catalog(), &up, &[], &[]);
    assert_eq!(
        says(&it),
        [("Developer plan, Oct 11 to Oct 31 (21 of 31 days)".into(), "0.677419355".into(), 3319)]
    );
    // Down again on the same day: the day is paid for, and no other.
    let both = [("2026-10-11T09:00:00Z", "free", "developer"), ("2026-10-11T23:00:00Z", "developer", "free")];
    let it = of(&catalog(), &past("2026-01-01T00:00:00Z", "free", &both), &[], &[]);
    assert_eq!(
        says(&it),
        [("Developer plan, Oct 11 to Oct 11 (1 of 31 days)".into(), "0.032258065".into(), 158)]
    );
    // At the first instant of a day, the day is the new plan's.
    let end = past("2026-01-01T00:00:00Z", "free", &[("2026-10-01T00:00:00Z", "developer", "free")]);
    assert!(of(&catalog(), &end, &[], &[]).is_empty());
    // After the month: it was the one before.
    let later = past("2026-01-01T00:00:00Z", "free", &[("2026-11-02T00:00:00Z", "developer", "free")]);
    assert_eq!(of(&catalog(), &later, &[], &[]).total, 4900);
}

#[test]
fn nobody_pays_for_days_before_the_account_was_there() {
    let it = of(&catalog(), &past("2026-10-22T12:00:00Z", "developer", &[]), &[], &[]);
    assert_eq!(
        says(&it),
        [("Developer plan, Oct 22 to Oct 31 (10 of 31 days)".into(), "0.322580645".into(), 1581)]
    );
    let never = past("2026-11-02T12:00:00Z", "developer", &[]);
    assert!(of(&catalog(), &never, &[], &[]).is_empty());
    // What its gateway reports of the time before is billed all the same.
    let it = of(&catalog(), &never, &[used(1, "2026-10", "10002", false)], &[]);
    assert_eq!(it.total, 1);
}

#[test]
fn what_is_included_covers_the_account_first_and_every_unit_has_its_line() {
    let on = past("2026-01-01T00:00:00Z", "developer", &[]);
    let all = [
        used(1, "2026-10", "4000.5", false),
        used(2, "2026-10", "7000", false),
        used(3, "2026-10", "123.25", false),
    ];
    let it = of(&catalog(), &on, &all, &[]);
    assert_eq!(
        says(&it)[1..],
        [
            ("Credits, included".into(), "4000.5".into(), 0),
            ("Credits, included".into(), "5999.5".into(), 0),
            ("Credits, beyond what is included".into(), "1000.5".into(), 500),
            ("Credits, beyond what is included".into(), "123.25".into(), 62),
        ]
    );
    assert_eq!(it.total, 4900 + 500 + 62);
    assert_eq!(it.lines[3].team.as_ref().map(|it| it.slug.as_str()), Some("ingest"));
}

#[test]
fn what_comes_late_is_billed_as_if_it_had_come_in_time() {
    let on = past("2026-01-01T00:00:00Z", "developer", &[]);
    // 9,900 of 10,000 were used in September; 300 more came late.
    let all = [used(1, "2026-09", "9900", true), used(2, "2026-09", "300", false)];
    let it = of(&catalog(), &on, &all, &[]);
    assert_eq!(
        says(&it)[1..],
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
    let it = of(&catalog(), &up, &[used(1, "2026-10", "7100", false)], &[]);
    assert_eq!(says(&it)[1], ("Credits, included".into(), "7097".into(), 0));
    assert_eq!(says(&it)[2], ("Credits, beyond what is included".into(), "3".into(), 2));
}

#[test]
fn credits_are_taken_off_before_tax_and_never_below_nothing() {
    let mut catalog = catalog();
    catalog.tax = Some(Tax { name: "VAT".into(), percent: Amount(quantity("19")) });
    let on = past("2026-01-01T00:00:00Z", "developer", &[]);
    let it = of(&catalog, &on, &[], &[adjustment(-950)]);
    assert_eq!((it.net(), it.total), (3950, 4700));
    assert_eq!(says(&it)[2], ("VAT 19 %".into(), "0.19".into(), 750));
    let it = of(&catalog, &on, &[], &[adjustment(-6000)]);
    assert_eq!((it.total, it.carried), (0, -1100));
    assert!(!it.is_empty());
    let free = past("2026-01-01T00:00:00Z", "free", &[]);
    assert!(
        of(&catalog, &free, &[], &[adjustment(-6000)]).is_empty(),
        "a credit waits for something to be taken off"
    );
}

#[test]
fn a_plan_that_is_gone_is_billed_as_it_was_kept() {
    let mut catalog = catalog();
    let kept: BTreeMap<String, Plan> = catalog.plans.drain(1..2).map(|it| (it.id.clone(), it)).collect();
    let (past, accounts) = (past("2026-01-01T00:00:00Z", "developer", &[]), teams());
    let basis = Basis {
        month: month("2026-10"),
        catalog: &catalog,
        kept: &kept,
        past: &past,
        accounts: &accounts,
        used: &[],
        adjustments: &[],
    };
    assert_eq!(bill(&basis).total, 4900);
    assert!(bill(&Basis { kept: &BTreeMap::new(), ..basis }).is_empty());
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
        let past = Past::new(opened, plan.to_owned(), changes);
        let many: Vec<Used> = (0..next(12))
            .map(|_| {
                let when = ["2026-10", "2026-10", "2026-09"][usize::try_from(next(3)).unwrap_or(0)];
                let many = format!("{}.{:09}", next(200_000), next(1_000_000_000));
                used(u128::from(1 + next(3)), when, &many, when == "2026-09" && next(2) == 0)
            })
            .collect();
        let it = of(&catalog, &past, &many, &[]);
        // Every line is quantity × price, and the total their sum.
        assert!(it.lines.iter().all(|it| it.unit_price.of(it.quantity) == it.amount));
        assert_eq!(it.total, it.lines.iter().map(|it| it.amount).sum::<i64>());
        // Whatever was used stands on the bill once, to the last decimal, where it was used.
        for (account, team) in teams() {
            let mine = many.iter().filter(|it| it.account == account && !it.is_billed);
            let lines = it.lines.iter().filter(|it| it.team == team && it.meter.is_some());
            assert_eq!(
                lines.map(|it| it.quantity).sum::<Quantity>(),
                mine.map(|it| it.quantity).sum::<Quantity>()
            );
        }
        // The days of the month are there once.
        let spans = past.spans(month("2026-10"), |it| catalog.plan(it).map_or(0, |it| it.price));
        assert_eq!(spans.iter().map(|it| it.to.0 - it.from.0).sum::<i64>(), 31);
        assert!(spans.windows(2).all(|it| it[0].to == it[1].from));
    }
}

/// However much is used, and however dear it is: an amount is an amount.
#[test]
fn what_nobody_could_pay_is_the_most_there_is() {
    let text = Catalog::BUILT_IN.replace("credits = \"0.005\"", "credits = \"1000000\"");
    let tax = Some(Tax { name: "VAT".into(), percent: Amount(quantity("21")) });
    let catalog = Catalog { tax, ..Catalog::parse(&text).expect("a catalogue") };
    let past = past("2026-01-01T00:00:00Z", "developer", &[]);
    let all = [1, 2, 3].map(|it| used(it, "2026-10", "1000000000000", false));
    let it = of(&catalog, &past, &all, &[adjustment(i64::MAX), adjustment(-i64::MAX)]);
    assert_eq!((it.net(), it.total, it.carried), (i64::MAX, i64::MAX, 0));
    assert!(it.lines.iter().all(|it| it.amount.checked_neg().is_some()), "each can be taken back");
    let back = of(&catalog, &past, &[], &[adjustment(-i64::MAX), adjustment(-i64::MAX)]);
    assert_eq!(back.carried, -i64::MAX);
}
