//! Invoices: a month is billed once, without gaps, to the last decimal, and what was billed never changes.
mod settled;

use crate::harness::{House, Person, Program, each};
use axum::http::Method;
use guildhall::{
    model::{
        calendar::{Day, Month},
        quantity::Quantity,
        time::{HOUR, MINUTE, Time},
        token,
    },
    store::{
        Host,
        invoices::{self, Closed},
    },
    worker::Worker,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub async fn operator(house: &House) -> Person {
    let op = house.user("Op", "op@acme.test").await;
    house.tamper("update users set operator = true where email = 'op@acme.test'").await;
    op
}

pub async fn account_id(house: &House, slug: &str) -> String {
    let mut conn = house.db.read().await.unwrap();
    let sql = "select id from accounts where slug = $1";
    conn.query(sql).bind(slug.to_owned()).one::<(uuid::Uuid,)>().await.unwrap().0.to_string()
}

pub async fn close(house: &House, month: Month) -> Closed {
    invoices::close(&house.db, &house.kit, &Host("test"), month).await.unwrap()
}

/// Acme on Developer, at the first hour of a month that it begins as a customer; the month before is closed.
pub async fn begin(house: &House) -> (Person, Month) {
    let ada = house.user("Ada Byron", "ada@acme.test").await;
    house.organization(&ada, "Acme").await;
    ada.post("/a/acme/billing/plan", &[("plan", "developer")]).await.is(303);
    ada.post("/new/team", &[("name", "Ingest"), ("parent", "acme"), ("slug", "ingest")]).await.is(303);
    let month = Month::of(house.kit.now()).next();
    house.until(month.first().start().plus(HOUR));
    close(house, month.previous()).await;
    (house.again(&ada).await, month)
}

fn event(at: Time, n: usize, account: &str, meter: &str, quantity: &str) -> Value {
    json!({
        "specversion": "1.0", "type": "guildhall.usage", "source": "/t", "id": n.to_string(), "time": at.to_string(),
        "data": { "meter": meter, "quantity": quantity, "account": account },
    })
}

async fn send(gateway: &Program, events: &[Value]) {
    let fields = [("content-type", "application/cloudevents-batch+json")];
    let body = Some(json!(events).to_string());
    let said = gateway.send(Method::POST, "/api/v1/usage/events", &fields, body).await.is(200).json();
    assert_eq!(said["accepted"], events.len(), "{said}");
}

fn next_month(house: &House) {
    house.until(Month::of(house.kit.now()).next().first().start().plus(MINUTE));
}

/// The newest invoice, as programs see it.
async fn newest(key: &Program) -> Value {
    key.get("/api/v1/accounts/acme/invoices?limit=1").await.is(200).json()["items"][0].clone()
}

#[track_caller]
fn adds_up(it: &Value) {
    let lines = it["lines"].as_array().unwrap();
    let sum: i64 = lines.iter().map(|it| it["amount"].as_i64().unwrap()).sum();
    assert_eq!(it["total"], sum, "{it}");
    for line in lines {
        use rust_decimal::{Decimal, RoundingStrategy};
        let decimal = |name: &str| line[name].as_str().unwrap().parse::<Decimal>().unwrap();
        let exact = decimal("quantity") * decimal("unit_price");
        let rounded = exact.round_dp_with_strategy(0, RoundingStrategy::MidpointNearestEven);
        assert_eq!(Decimal::from(line["amount"].as_i64().unwrap()), rounded, "{line}");
    }
}

/// The page of an invoice, its CSV and its PDF, the API, and the file of all of them.
async fn all_say_the_same(house: &House, ada: &Person, key: &Program, it: &Value) {
    let number = it["number"].as_str().unwrap();
    let page = ada.get(&format!("/a/acme/invoices/{number}")).await.is(200);
    let euro = house.kit.catalog.currency;
    let page = it["lines"].as_array().unwrap().iter().fold(page, |page, line| {
        page.says(&euro.says(line["amount"].as_i64().unwrap())).says(line["description"].as_str().unwrap())
    });
    page.says(&euro.says(it["total"].as_i64().unwrap()));
    let csv = ada.get(&format!("/a/acme/invoices/{number}.csv")).await.is(200);
    assert_eq!(csv.body.lines().count(), 1 + it["lines"].as_array().unwrap().len());
    let cents = |it: &str| it.parse::<rust_decimal::Decimal>().unwrap() * rust_decimal::Decimal::from(100);
    let total: rust_decimal::Decimal =
        csv.body.lines().skip(1).map(|it| cents(it.rsplit(',').nth(1).unwrap())).sum();
    assert_eq!(total, rust_decimal::Decimal::from(it["total"].as_i64().unwrap()));
    let pdf = ada.get(&format!("/a/acme/invoices/{number}.pdf")).await.is(200);
    assert_eq!(pdf.field("content-type"), "application/pdf");
    assert!(pdf.body.starts_with("%PDF-") && pdf.body.contains("/Lang") && pdf.body.contains("Inter"));
    let fields = [("accept", "text/csv")];
    let by_key =
        key.send(Method::GET, &format!("/api/v1/accounts/acme/invoices/{number}"), &fields, None).await;
    assert_eq!(by_key.is(200).body, csv.body);
    // All of them in one file: each as PDF and as CSV, byte by byte.
    let zip = ada.get("/a/acme/invoices.zip").await.is(200);
    assert_eq!(zip.field("content-type"), "application/zip");
    assert!(zip.field("content-disposition").contains("acme-invoices.zip"));
    let files = key.get("/api/v1/accounts/acme/invoices").await.is(200).json()["items"].clone();
    let files = files.as_array().unwrap().len();
    assert_eq!(
        (zip.body.matches("PK\x01\x02").count(), zip.body.matches("%PDF-").count()),
        (files * 2, files)
    );
    assert!(zip.body.contains(&format!("{number}.csv{}", csv.body)), "the CSV stands behind its name");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_random_month_is_billed_once_and_to_the_last_decimal() {
    each(async |house| {
        let (ada, month) = begin(house).await;
        let gateway = house.service(&[token::Scope::Usage]).await;
        let days = u64::try_from(month.days()).unwrap();
        house.until(month.first().plus(month.days() - 1).start().plus(20 * HOUR));
        let mut seed = 42_u64;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let mut sums: BTreeMap<&str, Quantity> = BTreeMap::new();
        let mut events = vec![];
        for n in 0..600 {
            let account = ["acme", "ingest"][usize::try_from(next(2)).unwrap()];
            let meter = ["credits", "credits", "requests"][usize::try_from(next(3)).unwrap()];
            let quantity = format!("{}.{:09}", next(60), next(1_000_000_000));
            let at = month
                .first()
                .plus(i64::try_from(next(days)).unwrap())
                .start()
                .plus(MINUTE * u32::try_from(next(1190)).unwrap());
            if meter == "credits" {
                *sums.entry(account).or_default() += Quantity::parse(&quantity).unwrap();
            }
            events.push(event(at, n, account, meter, &quantity));
        }
        send(&gateway, &events).await;
        let ada = house.again(&ada).await;
        let key = house.key("acme", &ada).await;
        let draft = key.get("/api/v1/accounts/acme/invoices/upcoming").await.is(200).json();
        assert_eq!((&draft["status"], &draft["number"]), (&json!("draft"), &Value::Null));
        adds_up(&draft);
        ada.get("/a/acme/invoices/upcoming").await.is(200).says("What the bill would be");
        let refused = invoices::close(&house.db, &house.kit, &Host("test"), month).await;
        assert_eq!(refused.unwrap_err().code(), "month_open");

        next_month(house);
        let closed = close(house, month).await;
        assert_eq!(closed.made.len(), 1, "one for Acme and its team, none for the empty accounts");
        assert_eq!(close(house, month).await, Closed::default(), "closed once");
        Worker::new(house.db.clone(), house.kit.clone(), None).tick().await.unwrap();
        let it = newest(&key).await;
        adds_up(&it);
        assert_eq!((&it["lines"], &it["total"]), (&draft["lines"], &draft["total"]));
        assert_eq!(
            (&it["month"], &it["status"], &it["currency"]),
            (&json!(month.to_string()), &json!("open"), &json!("EUR"))
        );
        assert_eq!(it["lines"][0]["description"], format!("Developer plan, {}", month.in_words()));
        assert_eq!(it["lines"][0]["amount"], 4900);
        for (account, sum) in sums {
            let team = if account == "acme" { Value::Null } else { json!("ingest") };
            let mine = it["lines"].as_array().unwrap().iter().filter(|it| it["meter"] == "credits");
            let mine = mine
                .filter(|it| if team.is_null() { it["team"].is_null() } else { it["team"]["slug"] == team });
            let billed: Quantity =
                mine.map(|it| Quantity::parse(it["quantity"].as_str().unwrap()).unwrap()).sum();
            assert_eq!(billed, sum, "{account}");
        }

        let ada = house.again(&ada).await;
        let number = it["number"].as_str().unwrap();
        all_say_the_same(house, &ada, &key, &it).await;
        ada.get("/a/acme/billing")
            .await
            .says(number)
            .says(&format!("Developer · {}", month.in_words()))
            .says("Due")
            .says("All as ZIP");

        let letters = house.letters("ada@acme.test").await;
        let letter =
            letters.iter().find(|it| it.0.subject.contains(number)).expect("a letter with the invoice");
        ada.get(&letter.link("/a/acme/invoices/")).await.is(200);
        // A stranger, a team, another account: nothing.
        ada.get("/a/ingest/invoices.zip").await.is(404);
        ada.get("/a/acme/invoices/GH-1999-0001").await.is(404);
        ada.get(&format!("/a/ingest/invoices/{number}")).await.is(404);
        let bob = house.user("Bob", "bob@acme.test").await;
        house.organization(&bob, "Other").await;
        bob.get(&format!("/a/other/invoices/{number}")).await.is(404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_late_stands_on_the_next_invoice() {
    each(async |house| {
        let (ada, month) = begin(house).await;
        let gateway = house.service(&[token::Scope::Usage]).await;
        let key = house.key("acme", &ada).await;
        house.until(month.first().plus(20).start());
        let day = month.first().plus(19).start();
        send(&gateway, &[event(day, 1, "acme", "credits", "9999")]).await;
        next_month(house);
        close(house, month).await;
        let first = newest(&key).await;
        assert_eq!(first["total"], 4900);
        send(&gateway, &[event(day, 2, "ingest", "credits", "11")]).await;
        assert_eq!(newest(&key).await, first, "what was billed stays");
        next_month(house);
        close(house, month.next()).await;
        let it = newest(&key).await;
        adds_up(&it);
        let says: Vec<(&str, &str, i64)> = it["lines"].as_array().unwrap()[1..]
            .iter()
            .map(|it| {
                (
                    it["description"].as_str().unwrap(),
                    it["quantity"].as_str().unwrap(),
                    it["amount"].as_i64().unwrap(),
                )
            })
            .collect();
        let late = format!("late, {}", month.in_words());
        assert_eq!(
            says,
            [
                (format!("Credits, included — {late}").as_str(), "1", 0),
                (format!("Credits, beyond what is included — {late}").as_str(), "10", 5),
            ]
        );
        assert_eq!(it["lines"][1]["team"]["slug"], "ingest");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_have_no_gaps_whoever_closes() {
    each(async |house| {
        let mut people = vec![];
        for n in 0..7 {
            let who = house.user("Somebody", &format!("p{n}@acme.test")).await;
            let slug = house.organization(&who, &format!("House {n}")).await;
            who.post(&format!("/a/{slug}/billing/plan"), &[("plan", "developer")]).await.is(303);
            people.push(who);
        }
        let month = Month::of(house.kit.now());
        next_month(house);
        let two = || invoices::close(&house.db, &house.kit, &Host("test"), month);
        let (a, b, c) = tokio::join!(two(), two(), two());
        let mut made: Vec<String> =
            [a, b, c].into_iter().flat_map(|it| it.unwrap().made).map(|it| it.0).collect();
        made.sort();
        let year = Day::of(house.kit.now()).to_string()[..4].to_owned();
        let wanted: Vec<String> = (1..=7).map(|n| format!("GH-{year}-{n:04}")).collect();
        assert_eq!(made, wanted);
        assert_eq!(house.count("select count(distinct account_id) from invoices").await, 7);
        // A step that is undone gives no number away.
        let last = "select last from invoice_numbers";
        assert_eq!(house.count(last).await, 7);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_closes_what_is_over_and_nothing_before_it_was_there() {
    each(async |house| {
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        ada.post("/a/acme/billing/plan", &[("plan", "enterprise")]).await.is(303);
        let worker = Worker::new(house.db.clone(), house.kit.clone(), None);
        worker.tick().await.unwrap();
        assert_eq!(house.count("select count(*) from closings where finished_at is not null").await, 0);
        next_month(house);
        worker.tick().await.unwrap();
        worker.tick().await.unwrap();
        assert_eq!(house.count("select count(*) from invoices").await, 1);
        // It was away for two months.
        next_month(house);
        next_month(house);
        worker.tick().await.unwrap();
        assert_eq!(house.count("select count(*) from invoices").await, 3);
        assert_eq!(house.count("select count(distinct month) from invoices").await, 3);
    })
    .await;
}
