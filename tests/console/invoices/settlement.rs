//! Settling an invoice: paid by hand, credited or voided; credits that carry over; the last invoice of a
//! deleted account.
use super::{account_id, assert_adds_up, begin, close, newest, next_month, operator};
use crate::harness::{TestApp, on_each_db};
use guildhall::model::{quantity::Quantity, time::HOUR};
use serde_json::json;

/// The id of the newest invoice.
async fn invoice_id(app: &TestApp) -> String {
    let mut conn = app.db.read().await.unwrap();
    let sql = "select id from invoices order by id desc limit 1";
    conn.query(sql).fetch_one::<(uuid::Uuid,)>().await.unwrap().0.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_settles_invoices_by_hand() {
    on_each_db(async |app| {
        let (ada, month) = begin(app).await;
        let operator_user = operator(app).await;
        let key = app.api_key("acme", &ada).await;
        let account = format!("/operator/accounts/{}", account_id(app, "acme").await);
        operator_user
            .get(&account)
            .await
            .assert_status(200)
            .assert_contains("Developer")
            .assert_contains("ada@acme.test");
        ada.get(&account).await.assert_status(404);
        let adjustments = format!("{account}/adjustments");
        for form in [
            [("amount", "1.005"), ("reason", "x")],
            [("amount", "0"), ("reason", "x")],
            [("amount", "-5"), ("reason", " ")],
        ] {
            operator_user.post(&adjustments, &form).await.assert_status(422);
        }
        operator_user
            .post(&adjustments, &[("amount", "-60"), ("reason", "For the outage")])
            .await
            .assert_status(303);
        operator_user
            .post(&adjustments, &[("amount", "12.50"), ("reason", "Onboarding")])
            .await
            .assert_status(303);
        operator_user.get(&account).await.assert_contains("For the outage").assert_contains("−€60.00");
        next_month(app);
        close(app, month).await;
        let invoice = newest(&key).await;
        assert_adds_up(&invoice);
        assert_eq!(invoice["total"], 150, "49 + 12.50 − 60");
        let path = format!("/operator/invoices/{}", invoice_id(app).await);
        let operator_user = app.second_browser(&operator_user).await;
        operator_user
            .get(&path)
            .await
            .assert_status(200)
            .assert_contains("Open")
            .assert_contains("Total €1.50");
        operator_user
            .post(&format!("{path}/paid"), &[("reference", "")])
            .await
            .assert_status(422)
            .assert_contains("reference");
        operator_user.post(&format!("{path}/paid"), &[("reference", "Wire 77")]).await.assert_status(303);
        operator_user
            .post(&format!("{path}/paid"), &[("reference", "Wire 78")])
            .await
            .assert_status(409)
            .assert_contains("paid already");
        operator_user.post(&format!("{path}/void"), &[("reason", "x")]).await.assert_status(409);
        assert_eq!(newest(&key).await["status"], "paid");
        let ada = app.second_browser(&ada).await;
        ada.get("/a/acme/audit").await.assert_contains("Wire 77");

        // Credited: the amount is deducted from the next invoice.
        operator_user
            .post(&format!("{path}/credit"), &[("reason", "Billed in error")])
            .await
            .assert_status(303);
        let note = newest(&key).await;
        assert_adds_up(&note);
        assert_eq!((&note["total"], &note["credits"]), (&json!(-150), &invoice["number"]));
        let credited =
            key.get(&format!("/api/v1/accounts/acme/invoices/{}", invoice["number"].as_str().unwrap())).await;
        assert_eq!(credited.json()["status"], "credited");
        operator_user.post(&format!("{path}/credit"), &[("reason", "Again")]).await.assert_status(409);
        ada.get(&format!("/a/acme/invoices/{}", note["number"].as_str().unwrap()))
            .await
            .assert_status(200)
            .assert_contains("Credit note");
        next_month(app);
        close(app, month.next()).await;
        let invoice = newest(&key).await;
        assert_eq!(invoice["total"], 4900 - 150);

        // Voided: its credit carries over again.
        let path = format!("/operator/invoices/{}", invoice_id(app).await);
        let operator_user = app.second_browser(&operator_user).await;
        operator_user.post(&format!("{path}/void"), &[("reason", "Not theirs")]).await.assert_status(303);
        operator_user
            .post(&format!("{path}/paid"), &[("reference", "x")])
            .await
            .assert_status(409)
            .assert_contains("void");
        assert_eq!(newest(&key).await["status"], "void");
        operator_user.get(&account).await.assert_contains("−€1.50");

        // Triggers refuse every change to an issued invoice.
        for sql in
            ["update invoices set total = 1", "update invoices set document = '{}'", "delete from invoices"]
        {
            let mut conn = app.db.begin().await.unwrap();
            assert!(conn.query(sql).execute().await.is_err(), "{sql}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credit_above_the_total_carries_over() {
    on_each_db(async |app| {
        let (ada, month) = begin(app).await;
        let operator_user = operator(app).await;
        let key = app.api_key("acme", &ada).await;
        let path = format!("/operator/accounts/{}/adjustments", account_id(app, "acme").await);
        operator_user.post(&path, &[("amount", "-60"), ("reason", "Sorry")]).await.assert_status(303);
        next_month(app);
        close(app, month).await;
        let invoice = newest(&key).await;
        assert_adds_up(&invoice);
        assert_eq!((&invoice["total"], &invoice["status"]), (&json!(0), &json!("paid")));
        next_month(app);
        close(app, month.next()).await;
        assert_eq!(newest(&key).await["total"], 4900 - 1100);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_is_billed_up_to_that_day() {
    on_each_db(async |app| {
        let (ada, month) = begin(app).await;
        app.advance_to(month.first().plus(9).start().plus(HOUR));
        let ada = app.second_browser(&ada).await;
        ada.post("/a/acme/settings/delete", &[("confirm", "acme"), ("password", crate::harness::PASSWORD)])
            .await
            .assert_status(303);
        let mut conn = app.db.read().await.unwrap();
        let sql = "select total from invoices where month = $1";
        let (total,): (i64,) = conn.query(sql).bind(month).fetch_one().await.unwrap();
        let price = guildhall::model::money::Price::minor(4900);
        let fraction =
            Quantity::parse(&format!("{:.9}", 10.0 / f64::from(i32::try_from(month.days()).unwrap())))
                .unwrap();
        assert_eq!(total, price.cost_of(fraction));
        let emails = app.emails("ada@acme.test").await;
        let email = emails
            .iter()
            .find(|email| email.0.subject.contains("Invoice"))
            .expect("an email with the last invoice");
        assert!(email.0.text.contains("Developer plan"), "{}", email.0.text);
    })
    .await;
}
