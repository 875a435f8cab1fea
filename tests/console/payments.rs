//! Card payments against a server that speaks the Stripe API: an invoice is charged once, whatever is
//! repeated, late or out of order.
mod stripe_server;

use crate::{
    harness::{TestApp, on_each_db, on_each_db_with_payments, process::Machine, scaled},
    invoices::{begin, close},
};
use axum::{body::Body, http::Method};
use guildhall::{
    jobs::Worker,
    model::{id::ChargeId, time::MINUTE},
    store::{
        Change, System,
        outbox::{self, DeliveryKind},
        payments,
    },
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use std::time::Duration;
use stripe_server::Server;

const WEBHOOK_SECRET: &str = "whsec_test";

fn worker(app: &TestApp) -> Worker {
    Worker::new(app.db.clone(), app.kit.clone(), None).paid_by(app.state.payment_provider().clone())
}

/// Runs the worker until the condition holds.
async fn work_until(app: &TestApp, what: &str, is_done: impl AsyncFn() -> bool) {
    for _ in 0..100 {
        worker(app).run_once().await.unwrap();
        if is_done().await {
            return;
        }
        tokio::time::sleep(scaled(Duration::from_millis(100))).await;
    }
    panic!("timed out waiting until {what}");
}

fn signed(time: i64, body: &str) -> String {
    let mut key = Hmac::<sha2::Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).unwrap();
    key.update(format!("{time}.{body}").as_bytes());
    let hex: String = key.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={time},v1={hex}")
}

async fn card(app: &TestApp, server: &Server, ada: &crate::harness::TestUser, number: &str) {
    let page =
        ada.post("/a/acme/billing/card", &[]).await.assert_status(200).assert_contains("Enter the card");
    let url = page.attr_of(&format!("a[href^='{}/checkout/']", server.url), "href");
    server.post(&url, &[("card", number)]).await;
    app.advance(6 * MINUTE);
    let digits = number[12..].to_owned();
    work_until(app, "the card is known", async || {
        ada.get("/a/acme/billing").await.assert_status(200).text().contains(&format!("•••• {digits}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_is_charged_once() {
    let server = Server::start();
    on_each_db_with_payments(
        || server.till(),
        async |app| {
            let webhook = app.url("/webhooks/stripe");
            server
                .post(
                    &format!("{}/_config/webhooks/us", server.url),
                    &[("url", &webhook), ("secret", WEBHOOK_SECRET)],
                )
                .await;
            let (ada, month) = begin(app).await;
            // Webhooks carry the time of the machine, but the test moves the clock: the payment is found by
            // polling.
            let key = app.api_key("acme", &ada).await;
            let first =
                key.get("/api/v1/accounts/acme/invoices").await.assert_status(200).json()["items"][0].clone();
            let number = first["number"].as_str().unwrap().to_owned();
            let pay = format!("/a/acme/invoices/{number}/pay");
            ada.post(&pay, &[]).await.assert_status(409).assert_contains("There is no card yet");
            ada.post("/a/acme/billing/card", &[]).await.assert_status(200);
            card(app, &server, &ada, "4242424242424242").await;

            // Two concurrent requests charge once.
            let before = server.seen().await.len();
            let (a, b) = tokio::join!(ada.post(&pay, &[]), ada.post(&pay, &[]));
            let mut statuses = [a.status, b.status];
            statuses.sort_unstable();
            assert_eq!(statuses, [303, 409]);
            work_until(app, "the invoice is paid", async || {
                app.count("select count(*) from invoices where status = 'paid'").await == 1
            })
            .await;
            ada.post(&pay, &[]).await.assert_status(409).assert_contains("paid already");
            worker(app).run_once().await.unwrap();
            assert_eq!(server.seen().await.len() - before, 1);
            let invoice =
                key.get(&format!("/api/v1/accounts/acme/invoices/{number}")).await.assert_status(200).json();
            assert_eq!(invoice["status"], "paid");
            key.call(Method::POST, &format!("/api/v1/accounts/acme/invoices/{number}/pay"), &json!({}))
                .await
                .assert_status(409);

            // The next invoice is charged when it is issued; a declined card sends an email.
            app.advance_to(month.next().first().start().plus(MINUTE));
            close(app, month).await;
            work_until(app, "both are paid", async || {
                app.count("select count(*) from invoices where status = 'paid'").await == 2
            })
            .await;
            let ada = app.second_browser(&ada).await;
            ada.post("/a/acme/billing/card", &[]).await.assert_status(200);
            card(app, &server, &ada, "4000000000000341").await;
            app.advance_to(month.next().next().first().start().plus(MINUTE));
            close(app, month.next()).await;
            let failed = "select count(*) from charges where state = 'failed'";
            work_until(app, "the charge failed", async || app.count(failed).await == 1).await;
            let ada = app.second_browser(&ada).await;
            let email = app
                .emails("ada@acme.test")
                .await
                .into_iter()
                .find(|email| email.0.subject.contains("failed"));
            let path = email.expect("an email").link("/a/acme/invoices/");
            ada.get(&path)
                .await
                .assert_status(200)
                .assert_contains("The card was not charged")
                .assert_contains("Open");
            // The charge can be retried.
            ada.post(&format!("{path}/pay"), &[]).await.assert_status(303);
            work_until(app, "the charge failed again", async || app.count(failed).await == 2).await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_must_be_signed_and_are_only_hints() {
    let server = Server::start();
    on_each_db_with_payments(
        || server.till(),
        async |app| {
            let stripe = app.visitor();
            let now = app.kit.now().0 / 1_000_000;
            let body = json!({
                "type": "payment_intent.succeeded",
                "data": { "object": { "id": "pi_forged", "status": "succeeded" } },
            });
            let body = body.to_string();
            let send = async |signature: String, body: String| {
                let fields = [("stripe-signature", signature.as_str()), ("content-type", "application/json")];
                stripe.send(Method::POST, "/webhooks/stripe", &fields, Body::from(body)).await
            };
            send(signed(now, &body), body.clone()).await.assert_status(204);
            send(signed(now, &body), body.clone()).await.assert_status(204);
            for signature in
                [String::new(), "t=1,v1=00".into(), signed(now - 1000, &body), signed(now, "other")]
            {
                let response = send(signature, body.clone()).await.assert_status(400);
                assert_eq!(response.header("content-type"), "application/problem+json");
            }
            // The webhook claims “paid” for a payment that is not: the provider is asked.
            let (ada, _) = begin(app).await;
            ada.post("/a/acme/billing/card", &[]).await.assert_status(200);
            app.raw_sql("update cards set method = 'pm_card_visa'").await;
            let open_invoices = "select count(*) from invoices where status = 'open'";
            assert_eq!(app.count(open_invoices).await, 1);
            let open: (String,) =
                app.db.read().await.unwrap().query("select number from invoices").fetch_one().await.unwrap();
            ada.post(&format!("/a/acme/invoices/{}/pay", open.0), &[]).await.assert_status(303);
            app.raw_sql("update charges set state = 'processing', reference = 'pi_forged'").await;
            app.raw_sql("update outbox set next_at = null where kind = 'charge'").await;
            let now = app.kit.now().0 / 1_000_000;
            send(signed(now, &body), body.clone()).await.assert_status(204);
            worker(app).run_once().await.unwrap();
            assert_eq!(app.count(open_invoices).await, 1, "the invoice is still unpaid");
            let scheduled = "select count(*) from outbox o join charges c on c.id = o.subject_id \
                where c.state = 'processing' and o.next_at is not null";
            assert_eq!(app.count(scheduled).await, 1);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_and_repeated_payment_reports_change_nothing() {
    on_each_db(async |app| {
        let (ada, month) = begin(app).await;
        app.advance_to(month.next().first().start().plus(MINUTE));
        close(app, month).await;
        let ada = app.second_browser(&ada).await;
        let account = crate::invoices::account_id(app, "acme").await;
        ada.get("/a/acme/billing").await.assert_status(200);
        let mut conn = app.db.begin().await.unwrap();
        let sql = "insert into cards (account_id, customer, method) values ($1, 'cus_1', 'pm_1')";
        conn.query(sql).bind(account.parse::<uuid::Uuid>().unwrap()).execute().await.unwrap();
        conn.commit().await.unwrap();
        let number: (String,) = app
            .db
            .read()
            .await
            .unwrap()
            .query("select number from invoices order by id desc limit 1")
            .fetch_one()
            .await
            .unwrap();
        ada.post(&format!("/a/acme/invoices/{}/pay", number.0), &[]).await.assert_status(303);
        let lease = async || {
            let leased = app
                .as_system(async |change: &mut Change<System>| outbox::lease(change, 8).await.unwrap())
                .await;
            leased.into_iter().find(|delivery| delivery.kind == DeliveryKind::Charge)
        };
        let delivery = lease().await.unwrap();
        assert!(lease().await.is_none(), "leased once");
        let due = app
            .as_system(async |change| {
                payments::charge(change, ChargeId(delivery.subject)).await.unwrap().unwrap()
            })
            .await;
        let report = async |reference: &str, outcome: payments::Answer| {
            app.as_system(async |change| {
                payments::record_answer(change, &delivery, &due, Some(reference), &outcome).await.unwrap();
            })
            .await;
        };
        report("pi_1", payments::Answer::Processing).await;
        report("pi_1", payments::Answer::Succeeded).await;
        report("pi_1", payments::Answer::Succeeded).await;
        report("pi_1", payments::Answer::Failed("late".into())).await;
        report("pi_1", payments::Answer::Processing).await;
        let state: (String,) =
            app.db.read().await.unwrap().query("select state from charges").fetch_one().await.unwrap();
        assert_eq!(state.0, "succeeded");
        let paid = "select count(*) from audit_events where action = 'invoice.paid'";
        assert_eq!(app.count(paid).await, 1);
        ada.post(&format!("/a/acme/invoices/{}/pay", number.0), &[]).await.assert_status(409);
    })
    .await;
}

#[test]
fn the_check_command_reports_whether_stripe_accepts_our_key() {
    let (server, machine) = (Server::start(), Machine::sqlite());
    let key = ("GUILDHALL_STRIPE_SECRET_KEY", "sk_test_1");
    let webhook_secret = ("GUILDHALL_STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET);
    assert!(machine.run(&["check"]).out.contains("ok     payments: by hand"));
    let complete =
        machine.run_with(&[key, webhook_secret, ("GUILDHALL_STRIPE_URL", &server.url)], &["check"], "");
    assert_eq!(complete.code, 0, "{}{}", complete.out, complete.err);
    assert!(
        complete.out.contains(&format!("ok     payments: {} accepts our key", server.url)),
        "{}",
        complete.out
    );
    assert!(complete.out.contains("/webhooks/stripe"), "{}", complete.out);
    let unreachable = machine.run_with(
        &[key, webhook_secret, ("GUILDHALL_STRIPE_URL", "http://127.0.0.1:1")],
        &["check"],
        "",
    );
    assert_eq!(unreachable.code, 1);
    assert!(
        unreachable.out.contains("WRONG  payments: http://127.0.0.1:1: Stripe cannot be reached"),
        "{}",
        unreachable.out
    );
    let incomplete = machine.run_with(&[key], &["check"], "");
    assert!(
        incomplete.code != 0 && incomplete.err.contains("GUILDHALL_STRIPE_WEBHOOK_SECRET"),
        "{}",
        incomplete.err
    );
    let incomplete = machine.run_with(&[webhook_secret], &["check"], "");
    assert!(
        incomplete.code != 0 && incomplete.err.contains("GUILDHALL_STRIPE_SECRET_KEY"),
        "{}",
        incomplete.err
    );
}
