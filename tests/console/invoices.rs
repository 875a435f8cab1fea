//! Invoices: a month is billed exactly and once, numbers have no gaps, and an issued invoice never changes.
mod settlement;

use crate::harness::{ApiClient, TestApp, TestUser, on_each_db};
use axum::http::Method;
use guildhall::{
    jobs::Worker,
    model::{
        calendar::{Day, Month},
        quantity::Quantity,
        time::{HOUR, MINUTE, Time},
        token,
    },
    store::{
        System,
        invoices::{self, ClosedMonths},
    },
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub async fn operator(app: &TestApp) -> TestUser {
    let user = app.user("Op", "op@acme.test").await;
    app.raw_sql("update users set operator = true where email = 'op@acme.test'").await;
    user
}

pub async fn account_id(app: &TestApp, slug: &str) -> String {
    let mut conn = app.db.read().await.unwrap();
    let sql = "select id from accounts where slug = $1";
    conn.query(sql).bind(slug.to_owned()).fetch_one::<(uuid::Uuid,)>().await.unwrap().0.to_string()
}

pub async fn close(app: &TestApp, month: Month) -> ClosedMonths {
    invoices::close(&app.db, &app.kit, &System("test"), month).await.unwrap()
}

/// Acme on the plan Developer, in the first hour of a month; the month before is closed.
pub async fn begin(app: &TestApp) -> (TestUser, Month) {
    let ada = app.user("Ada Byron", "ada@acme.test").await;
    app.organization(&ada, "Acme").await;
    ada.post("/a/acme/billing/plan", &[("plan", "developer")]).await.assert_status(303);
    ada.post("/new/team", &[("name", "Ingest"), ("parent", "acme"), ("slug", "ingest")])
        .await
        .assert_status(303);
    let month = Month::of(app.kit.now()).next();
    app.advance_to(month.first().start().plus(HOUR));
    close(app, month.previous()).await;
    (app.second_browser(&ada).await, month)
}

fn event(time: Time, n: usize, account: &str, meter: &str, quantity: &str) -> Value {
    json!({
        "specversion": "1.0", "type": "guildhall.usage", "source": "/t", "id": n.to_string(),
        "time": time.to_string(),
        "data": { "meter": meter, "quantity": quantity, "account": account },
    })
}

async fn send(gateway: &ApiClient, events: &[Value]) {
    let fields = [("content-type", "application/cloudevents-batch+json")];
    let body = Some(json!(events).to_string());
    let response =
        gateway.send(Method::POST, "/api/v1/usage/events", &fields, body).await.assert_status(200).json();
    assert_eq!(response["accepted"], events.len(), "{response}");
}

fn next_month(app: &TestApp) {
    app.advance_to(Month::of(app.kit.now()).next().first().start().plus(MINUTE));
}

/// The newest invoice, from the API.
async fn newest(key: &ApiClient) -> Value {
    key.get("/api/v1/accounts/acme/invoices?limit=1").await.assert_status(200).json()["items"][0].clone()
}

#[track_caller]
fn assert_adds_up(invoice: &Value) {
    let lines = invoice["lines"].as_array().unwrap();
    let sum: i64 = lines.iter().map(|line| line["amount"].as_i64().unwrap()).sum();
    assert_eq!(invoice["total"], sum, "{invoice}");
    for line in lines {
        use rust_decimal::{Decimal, RoundingStrategy};
        let decimal = |name: &str| line[name].as_str().unwrap().parse::<Decimal>().unwrap();
        let exact = decimal("quantity") * decimal("unit_price");
        let rounded = exact.round_dp_with_strategy(0, RoundingStrategy::MidpointNearestEven);
        assert_eq!(Decimal::from(line["amount"].as_i64().unwrap()), rounded, "{line}");
    }
}

/// Compares the page, the CSV, the PDF and the ZIP with the JSON of an invoice.
async fn assert_documents_agree(app: &TestApp, ada: &TestUser, key: &ApiClient, invoice: &Value) {
    let number = invoice["number"].as_str().unwrap();
    let page = ada.get(&format!("/a/acme/invoices/{number}")).await.assert_status(200);
    let currency = app.kit.catalog.currency;
    let page = invoice["lines"].as_array().unwrap().iter().fold(page, |page, line| {
        page.assert_contains(&currency.format(line["amount"].as_i64().unwrap()))
            .assert_contains(line["description"].as_str().unwrap())
    });
    page.assert_contains(&currency.format(invoice["total"].as_i64().unwrap()));
    let csv = ada.get(&format!("/a/acme/invoices/{number}.csv")).await.assert_status(200);
    assert_eq!(csv.body.lines().count(), 1 + invoice["lines"].as_array().unwrap().len());
    let cents =
        |amount: &str| amount.parse::<rust_decimal::Decimal>().unwrap() * rust_decimal::Decimal::from(100);
    let total: rust_decimal::Decimal =
        csv.body.lines().skip(1).map(|line| cents(line.rsplit(',').nth(1).unwrap())).sum();
    assert_eq!(total, rust_decimal::Decimal::from(invoice["total"].as_i64().unwrap()));
    let pdf = ada.get(&format!("/a/acme/invoices/{number}.pdf")).await.assert_status(200);
    assert_eq!(pdf.header("content-type"), "application/pdf");
    assert!(pdf.body.starts_with("%PDF-") && pdf.body.contains("/Lang") && pdf.body.contains("Inter"));
    let fields = [("accept", "text/csv")];
    let response =
        key.send(Method::GET, &format!("/api/v1/accounts/acme/invoices/{number}"), &fields, None).await;
    assert_eq!(response.assert_status(200).body, csv.body);
    // The ZIP holds every invoice as PDF and as CSV.
    let zip = ada.get("/a/acme/invoices.zip").await.assert_status(200);
    assert_eq!(zip.header("content-type"), "application/zip");
    assert!(zip.header("content-disposition").contains("acme-invoices.zip"));
    let files = key.get("/api/v1/accounts/acme/invoices").await.assert_status(200).json()["items"].clone();
    let files = files.as_array().unwrap().len();
    assert_eq!(
        (zip.body.matches("PK\x01\x02").count(), zip.body.matches("%PDF-").count()),
        (files * 2, files)
    );
    assert!(zip.body.contains(&format!("{number}.csv{}", csv.body)), "the CSV stands behind its name");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_random_month_is_billed_once_and_exactly() {
    on_each_db(async |app| {
        let (ada, month) = begin(app).await;
        let gateway = app.service_token(&[token::TokenScope::Usage]).await;
        let days = u64::try_from(month.days()).unwrap();
        app.advance_to(month.first().plus(month.days() - 1).start().plus(20 * HOUR));
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
            let time = month
                .first()
                .plus(i64::try_from(next(days)).unwrap())
                .start()
                .plus(MINUTE * u32::try_from(next(1190)).unwrap());
            if meter == "credits" {
                *sums.entry(account).or_default() += Quantity::parse(&quantity).unwrap();
            }
            events.push(event(time, n, account, meter, &quantity));
        }
        send(&gateway, &events).await;
        let ada = app.second_browser(&ada).await;
        let key = app.api_key("acme", &ada).await;
        let draft = key.get("/api/v1/accounts/acme/invoices/upcoming").await.assert_status(200).json();
        assert_eq!((&draft["status"], &draft["number"]), (&json!("draft"), &Value::Null));
        assert_adds_up(&draft);
        ada.get("/a/acme/invoices/upcoming")
            .await
            .assert_status(200)
            .assert_contains("What the bill would be");
        let refused = invoices::close(&app.db, &app.kit, &System("test"), month).await;
        assert_eq!(refused.unwrap_err().code(), "month_open");

        next_month(app);
        let closed = close(app, month).await;
        assert_eq!(closed.made.len(), 1, "one for Acme and its team, none for the empty accounts");
        assert_eq!(close(app, month).await, ClosedMonths::default(), "closed once");
        Worker::new(app.db.clone(), app.kit.clone(), None).run_once().await.unwrap();
        let invoice = newest(&key).await;
        assert_adds_up(&invoice);
        assert_eq!((&invoice["lines"], &invoice["total"]), (&draft["lines"], &draft["total"]));
        assert_eq!(
            (&invoice["month"], &invoice["status"], &invoice["currency"]),
            (&json!(month.to_string()), &json!("open"), &json!("EUR"))
        );
        assert_eq!(invoice["lines"][0]["description"], format!("Developer plan, {}", month.in_words()));
        assert_eq!(invoice["lines"][0]["amount"], 4900);
        for (account, used) in sums {
            let team = if account == "acme" { Value::Null } else { json!("ingest") };
            let lines = invoice["lines"].as_array().unwrap().iter().filter(|line| line["meter"] == "credits");
            let lines = lines.filter(|line| {
                if team.is_null() { line["team"].is_null() } else { line["team"]["slug"] == team }
            });
            let billed: Quantity =
                lines.map(|line| Quantity::parse(line["quantity"].as_str().unwrap()).unwrap()).sum();
            assert_eq!(billed, used, "{account}");
        }

        let ada = app.second_browser(&ada).await;
        let number = invoice["number"].as_str().unwrap();
        assert_documents_agree(app, &ada, &key, &invoice).await;
        ada.get("/a/acme/billing")
            .await
            .assert_contains(number)
            .assert_contains(&format!("Developer · {}", month.in_words()))
            .assert_contains("Due")
            .assert_contains("All as ZIP");

        let emails = app.emails("ada@acme.test").await;
        let email =
            emails.iter().find(|email| email.0.subject.contains(number)).expect("an email with the invoice");
        ada.get(&email.link("/a/acme/invoices/")).await.assert_status(200);
        // Not found in a team, in another account, or under an unknown number.
        ada.get("/a/ingest/invoices.zip").await.assert_status(404);
        ada.get("/a/acme/invoices/GH-1999-0001").await.assert_status(404);
        ada.get(&format!("/a/ingest/invoices/{number}")).await.assert_status(404);
        let bob = app.user("Bob", "bob@acme.test").await;
        app.organization(&bob, "Other").await;
        bob.get(&format!("/a/other/invoices/{number}")).await.assert_status(404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_usage_is_billed_on_the_next_invoice() {
    on_each_db(async |app| {
        let (ada, month) = begin(app).await;
        let gateway = app.service_token(&[token::TokenScope::Usage]).await;
        let key = app.api_key("acme", &ada).await;
        app.advance_to(month.first().plus(20).start());
        let day = month.first().plus(19).start();
        send(&gateway, &[event(day, 1, "acme", "credits", "9999")]).await;
        next_month(app);
        close(app, month).await;
        let first = newest(&key).await;
        assert_eq!(first["total"], 4900);
        send(&gateway, &[event(day, 2, "ingest", "credits", "11")]).await;
        assert_eq!(newest(&key).await, first, "what was billed stays");
        next_month(app);
        close(app, month.next()).await;
        let invoice = newest(&key).await;
        assert_adds_up(&invoice);
        let lines: Vec<(&str, &str, i64)> = invoice["lines"].as_array().unwrap()[1..]
            .iter()
            .map(|line| {
                (
                    line["description"].as_str().unwrap(),
                    line["quantity"].as_str().unwrap(),
                    line["amount"].as_i64().unwrap(),
                )
            })
            .collect();
        let late = format!("late, {}", month.in_words());
        assert_eq!(
            lines,
            [
                (format!("Credits, included — {late}").as_str(), "1", 0),
                (format!("Credits, beyond what is included — {late}").as_str(), "10", 5),
            ]
        );
        assert_eq!(invoice["lines"][1]["team"]["slug"], "ingest");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invoice_numbers_have_no_gaps_when_several_processes_close() {
    on_each_db(async |app| {
        let mut people = vec![];
        for n in 0..7 {
            let person = app.user("Somebody", &format!("p{n}@acme.test")).await;
            let slug = app.organization(&person, &format!("House {n}")).await;
            person
                .post(&format!("/a/{slug}/billing/plan"), &[("plan", "developer")])
                .await
                .assert_status(303);
            people.push(person);
        }
        let month = Month::of(app.kit.now());
        next_month(app);
        let close_month = || invoices::close(&app.db, &app.kit, &System("test"), month);
        let (a, b, c) = tokio::join!(close_month(), close_month(), close_month());
        let mut made: Vec<String> =
            [a, b, c].into_iter().flat_map(|closed| closed.unwrap().made).map(|made| made.0).collect();
        made.sort();
        let year = Day::of(app.kit.now()).to_string()[..4].to_owned();
        let expected: Vec<String> = (1..=7).map(|n| format!("GH-{year}-{n:04}")).collect();
        assert_eq!(made, expected);
        assert_eq!(app.count("select count(distinct account_id) from invoices").await, 7);
        // A rolled-back transaction uses up no number.
        let last = "select last from invoice_numbers";
        assert_eq!(app.count(last).await, 7);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_closes_every_finished_month_since_installation() {
    on_each_db(async |app| {
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        ada.post("/a/acme/billing/plan", &[("plan", "enterprise")]).await.assert_status(303);
        let worker = Worker::new(app.db.clone(), app.kit.clone(), None);
        worker.run_once().await.unwrap();
        assert_eq!(app.count("select count(*) from billing_periods where finished_at is not null").await, 0);
        next_month(app);
        worker.run_once().await.unwrap();
        worker.run_once().await.unwrap();
        assert_eq!(app.count("select count(*) from invoices").await, 1);
        // The worker was down for two months.
        next_month(app);
        next_month(app);
        worker.run_once().await.unwrap();
        assert_eq!(app.count("select count(*) from invoices").await, 3);
        assert_eq!(app.count("select count(distinct month) from invoices").await, 3);
    })
    .await;
}
