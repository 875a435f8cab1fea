//! Payments by card, against a real server that speaks Stripe: once, whatever is sent again, late, or in another order.
mod server;

use crate::{
    harness::{House, each, each_paid_by, machine::Machine},
    invoices::{begin, close},
};
use axum::{body::Body, http::Method};
use guildhall::{
    model::time::MINUTE,
    store::{Change, Host, payments},
    worker::Worker,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use server::Server;
use std::time::Duration;

const SIGNS: &str = "whsec_test";

fn worker(house: &House) -> Worker {
    Worker::new(house.db.clone(), house.kit.clone(), None).paid_by(house.app.till().clone())
}

/// Works until something is so.
async fn work_until(house: &House, what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..100 {
        worker(house).tick().await.unwrap();
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not in time: {what}");
}

fn signed(at: i64, body: &str) -> String {
    let mut key = Hmac::<sha2::Sha256>::new_from_slice(SIGNS.as_bytes()).unwrap();
    key.update(format!("{at}.{body}").as_bytes());
    let hex: String = key.finalize().into_bytes().iter().map(|it| format!("{it:02x}")).collect();
    format!("t={at},v1={hex}")
}

async fn card(house: &House, server: &Server, ada: &crate::harness::Person, number: &str) {
    let page = ada.post("/a/acme/billing/card", &[]).await.is(200).says("Enter the card");
    let at = page.body.find(&format!("{}/checkout/", server.url)).unwrap();
    let url: String = page.body[at..].chars().take_while(|it| *it != '"').collect();
    server.post(&url, &[("card", number)]).await;
    house.later(6 * MINUTE);
    let digits = number[12..].to_owned();
    work_until(house, "the card is known", async || {
        ada.get("/a/acme/billing").await.is(200).text().contains(&format!("•••• {digits}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_is_paid_by_card_once() {
    let server = Server::start();
    each_paid_by(
        || server.till(),
        async |house| {
            let hook = house.url("/webhooks/stripe");
            server
                .post(&format!("{}/_config/webhooks/us", server.url), &[("url", &hook), ("secret", SIGNS)])
                .await;
            let (ada, month) = begin(house).await;
            // What Stripe sends bears the time of the machine: ours is that of the story, so it is told by a poll.
            let key = house.key("acme", &ada).await;
            let first = key.get("/api/v1/accounts/acme/invoices").await.is(200).json()["items"][0].clone();
            let number = first["number"].as_str().unwrap().to_owned();
            let pay = format!("/a/acme/invoices/{number}/pay");
            ada.post(&pay, &[]).await.is(409).says("There is no card yet");
            ada.post("/a/acme/billing/card", &[]).await.is(200);
            card(house, &server, &ada, "4242424242424242").await;

            // Asked twice at once, charged once.
            let before = server.seen().await.len();
            let (a, b) = tokio::join!(ada.post(&pay, &[]), ada.post(&pay, &[]));
            let mut statuses = [a.status, b.status];
            statuses.sort_unstable();
            assert_eq!(statuses, [303, 409]);
            work_until(house, "it is paid", async || {
                house.count("select count(*) from invoices where status = 'paid'").await == 1
            })
            .await;
            ada.post(&pay, &[]).await.is(409).says("paid already");
            worker(house).tick().await.unwrap();
            assert_eq!(server.seen().await.len() - before, 1);
            let it = key.get(&format!("/api/v1/accounts/acme/invoices/{number}")).await.is(200).json();
            assert_eq!(it["status"], "paid");
            key.call(Method::POST, &format!("/api/v1/accounts/acme/invoices/{number}/pay"), &json!({}))
                .await
                .is(409);

            // The next one is charged on the day it is made; a card that is declined is told.
            house.until(month.next().first().start().plus(MINUTE));
            close(house, month).await;
            work_until(house, "both are paid", async || {
                house.count("select count(*) from invoices where status = 'paid'").await == 2
            })
            .await;
            let ada = house.again(&ada).await;
            ada.post("/a/acme/billing/card", &[]).await.is(200);
            card(house, &server, &ada, "4000000000000341").await;
            house.until(month.next().next().first().start().plus(MINUTE));
            close(house, month.next()).await;
            let failed = "select count(*) from charges where state = 'failed'";
            work_until(house, "it failed", async || house.count(failed).await == 1).await;
            let ada = house.again(&ada).await;
            let letter =
                house.letters("ada@acme.test").await.into_iter().find(|it| it.0.subject.contains("failed"));
            let at = letter.expect("a letter").link("/a/acme/invoices/");
            ada.get(&at).await.is(200).says("The card was not charged").says("Open");
            // And can be tried again.
            ada.post(&format!("{at}/pay"), &[]).await.is(303);
            work_until(house, "it failed again", async || house.count(failed).await == 2).await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_signed_is_heard_and_it_is_only_a_hint() {
    let server = Server::start();
    each_paid_by(|| server.till(), async |house| {
        let stripe = house.visitor();
        let now = house.kit.now().0 / 1_000_000;
        let body = json!({ "type": "payment_intent.succeeded", "data": { "object": { "id": "pi_forged", "status": "succeeded" } } });
        let body = body.to_string();
        let send = async |signature: String, body: String| {
            let fields = [("stripe-signature", signature.as_str()), ("content-type", "application/json")];
            stripe.send(Method::POST, "/webhooks/stripe", &fields, Body::from(body)).await
        };
        send(signed(now, &body), body.clone()).await.is(204);
        send(signed(now, &body), body.clone()).await.is(204);
        for bad in [String::new(), "t=1,v1=00".into(), signed(now - 1000, &body), signed(now, "other")] {
            let said = send(bad, body.clone()).await.is(400);
            assert_eq!(said.field("content-type"), "application/problem+json");
        }
        // It said “paid” of a payment that is not: the provider itself is asked.
        let (ada, _) = begin(house).await;
        ada.post("/a/acme/billing/card", &[]).await.is(200);
        house.tamper("update cards set method = 'pm_card_visa', look_at = null").await;
        let number = "select count(*) from invoices where status = 'open'";
        assert_eq!(house.count(number).await, 1);
        let open: (String,) = house.db.read().await.unwrap().query("select number from invoices").one().await.unwrap();
        ada.post(&format!("/a/acme/invoices/{}/pay", open.0), &[]).await.is(303);
        house.tamper("update charges set state = 'processing', reference = 'pi_forged', next_at = null").await;
        let now = house.kit.now().0 / 1_000_000;
        send(signed(now, &body), body.clone()).await.is(204);
        worker(house).tick().await.unwrap();
        assert_eq!(house.count(number).await, 1, "nobody paid");
        let waits = "select count(*) from charges where state = 'processing' and next_at is not null";
        assert_eq!(house.count(waits).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_late_or_again_changes_nothing() {
    each(async |house| {
        let (ada, month) = begin(house).await;
        house.until(month.next().first().start().plus(MINUTE));
        close(house, month).await;
        let ada = house.again(&ada).await;
        let account = crate::invoices::account_id(house, "acme").await;
        ada.get("/a/acme/billing").await.is(200);
        let mut conn = house.db.begin().await.unwrap();
        let sql = "insert into cards (account_id, customer, method) values ($1, 'cus_1', 'pm_1')";
        conn.query(sql).bind(account.parse::<uuid::Uuid>().unwrap()).run().await.unwrap();
        conn.commit().await.unwrap();
        let number: (String,) = house
            .db
            .read()
            .await
            .unwrap()
            .query("select number from invoices order by id desc limit 1")
            .one()
            .await
            .unwrap();
        ada.post(&format!("/a/acme/invoices/{}/pay", number.0), &[]).await.is(303);
        let due = house
            .host(async |change: &mut Change<Host>| payments::take(change, 8).await.unwrap())
            .await
            .remove(0);
        assert!(
            house.host(async |change| payments::take(change, 8).await.unwrap()).await.is_empty(),
            "taken once"
        );
        let note = async |reference: &str, said: payments::Said| {
            house
                .host(async |change| payments::note(change, &due, Some(reference), &said).await.unwrap())
                .await;
        };
        note("pi_1", payments::Said::Processing).await;
        note("pi_1", payments::Said::Succeeded).await;
        note("pi_1", payments::Said::Succeeded).await;
        note("pi_1", payments::Said::Failed("late".into())).await;
        note("pi_1", payments::Said::Processing).await;
        let state: (String,) =
            house.db.read().await.unwrap().query("select state from charges").one().await.unwrap();
        assert_eq!(state.0, "succeeded");
        let paid = "select count(*) from audit_events where action = 'invoice.paid'";
        assert_eq!(house.count(paid).await, 1);
        ada.post(&format!("/a/acme/invoices/{}/pay", number.0), &[]).await.is(409);
    })
    .await;
}

#[test]
fn check_says_whether_stripe_takes_our_key() {
    let (server, it) = (Server::start(), Machine::lite());
    let key = ("GUILDHALL_STRIPE_SECRET_KEY", "sk_test_1");
    let hook = ("GUILDHALL_STRIPE_WEBHOOK_SECRET", SIGNS);
    assert!(it.run(&["check"]).out.contains("ok     payments: by hand"));
    let whole = it.run_with(&[key, hook, ("GUILDHALL_STRIPE_URL", &server.url)], &["check"], "");
    assert_eq!(whole.code, 0, "{}{}", whole.out, whole.err);
    assert!(whole.out.contains(&format!("ok     payments: {} takes our key", server.url)), "{}", whole.out);
    assert!(whole.out.contains("/webhooks/stripe"), "{}", whole.out);
    let away = it.run_with(&[key, hook, ("GUILDHALL_STRIPE_URL", "http://127.0.0.1:1")], &["check"], "");
    assert_eq!(away.code, 1);
    assert!(
        away.out.contains("WRONG  payments: http://127.0.0.1:1: Stripe cannot be reached"),
        "{}",
        away.out
    );
    let half = it.run_with(&[key], &["check"], "");
    assert!(half.code != 0 && half.err.contains("GUILDHALL_STRIPE_WEBHOOK_SECRET"), "{}", half.err);
    let half = it.run_with(&[hook], &["check"], "");
    assert!(half.code != 0 && half.err.contains("GUILDHALL_STRIPE_SECRET_KEY"), "{}", half.err);
}
