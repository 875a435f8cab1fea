//! What becomes of an invoice: paid by hand, taken back, void; credits that wait; the last bill of who leaves.
use super::{account_id, adds_up, begin, close, newest, next_month, operator};
use crate::harness::{House, each};
use guildhall::model::{quantity::Quantity, time::HOUR};
use serde_json::json;

/// The id of the newest invoice.
async fn invoice_id(house: &House) -> String {
    let mut conn = house.db.read().await.unwrap();
    let sql = "select id from invoices order by id desc limit 1";
    conn.query(sql).one::<(uuid::Uuid,)>().await.unwrap().0.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_settles_what_is_paid_by_hand() {
    each(async |house| {
        let (ada, month) = begin(house).await;
        let op = operator(house).await;
        let key = house.key("acme", &ada).await;
        let account = format!("/operator/accounts/{}", account_id(house, "acme").await);
        op.get(&account).await.is(200).says("Developer").says("ada@acme.test");
        ada.get(&account).await.is(404);
        let add = format!("{account}/adjustments");
        for bad in [
            [("amount", "1.005"), ("reason", "x")],
            [("amount", "0"), ("reason", "x")],
            [("amount", "-5"), ("reason", " ")],
        ] {
            op.post(&add, &bad).await.is(422);
        }
        op.post(&add, &[("amount", "-60"), ("reason", "For the outage")]).await.is(303);
        op.post(&add, &[("amount", "12.50"), ("reason", "Onboarding")]).await.is(303);
        op.get(&account).await.says("For the outage").says("−€60.00");
        next_month(house);
        close(house, month).await;
        let it = newest(&key).await;
        adds_up(&it);
        assert_eq!(it["total"], 150, "49 + 12.50 − 60");
        let at = format!("/operator/invoices/{}", invoice_id(house).await);
        let op = house.again(&op).await;
        op.get(&at).await.is(200).says("Open").says("Total €1.50");
        op.post(&format!("{at}/paid"), &[("reference", "")]).await.is(422).says("reference");
        op.post(&format!("{at}/paid"), &[("reference", "Wire 77")]).await.is(303);
        op.post(&format!("{at}/paid"), &[("reference", "Wire 78")]).await.is(409).says("paid already");
        op.post(&format!("{at}/void"), &[("reason", "x")]).await.is(409);
        assert_eq!(newest(&key).await["status"], "paid");
        let ada = house.again(&ada).await;
        ada.get("/a/acme/audit").await.says("Wire 77");

        // Taken back: the money is taken off the next one.
        op.post(&format!("{at}/credit"), &[("reason", "Billed in error")]).await.is(303);
        let note = newest(&key).await;
        adds_up(&note);
        assert_eq!((&note["total"], &note["credits"]), (&json!(-150), &it["number"]));
        let old =
            key.get(&format!("/api/v1/accounts/acme/invoices/{}", it["number"].as_str().unwrap())).await;
        assert_eq!(old.json()["status"], "credited");
        op.post(&format!("{at}/credit"), &[("reason", "Again")]).await.is(409);
        ada.get(&format!("/a/acme/invoices/{}", note["number"].as_str().unwrap()))
            .await
            .is(200)
            .says("Credit note");
        next_month(house);
        close(house, month.next()).await;
        let it = newest(&key).await;
        assert_eq!(it["total"], 4900 - 150);

        // A mistake is void, and its credit waits again.
        let at = format!("/operator/invoices/{}", invoice_id(house).await);
        let op = house.again(&op).await;
        op.post(&format!("{at}/void"), &[("reason", "Not theirs")]).await.is(303);
        op.post(&format!("{at}/paid"), &[("reference", "x")]).await.is(409).says("void");
        assert_eq!(newest(&key).await["status"], "void");
        op.get(&account).await.says("−€1.50");

        // Nobody changes what was billed, whoever they are.
        for sql in
            ["update invoices set total = 1", "update invoices set document = '{}'", "delete from invoices"]
        {
            let mut conn = house.db.begin().await.unwrap();
            assert!(conn.query(sql).run().await.is_err(), "{sql}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credit_that_is_more_than_the_bill_waits_for_the_next() {
    each(async |house| {
        let (ada, month) = begin(house).await;
        let op = operator(house).await;
        let key = house.key("acme", &ada).await;
        let add = format!("/operator/accounts/{}/adjustments", account_id(house, "acme").await);
        op.post(&add, &[("amount", "-60"), ("reason", "Sorry")]).await.is(303);
        next_month(house);
        close(house, month).await;
        let it = newest(&key).await;
        adds_up(&it);
        assert_eq!((&it["total"], &it["status"]), (&json!(0), &json!("paid")));
        next_month(house);
        close(house, month.next()).await;
        assert_eq!(newest(&key).await["total"], 4900 - 1100);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_billed_up_to_that_day() {
    each(async |house| {
        let (ada, month) = begin(house).await;
        house.until(month.first().plus(9).start().plus(HOUR));
        let ada = house.again(&ada).await;
        ada.post("/a/acme/settings/delete", &[("confirm", "acme"), ("password", crate::harness::PASSWORD)])
            .await
            .is(303);
        let mut conn = house.db.read().await.unwrap();
        let sql = "select total from invoices where month = $1";
        let (total,): (i64,) = conn.query(sql).bind(month).one().await.unwrap();
        let share = guildhall::model::money::Price::minor(4900);
        let tenth =
            Quantity::parse(&format!("{:.9}", 10.0 / f64::from(i32::try_from(month.days()).unwrap())))
                .unwrap();
        assert_eq!(total, share.of(tenth));
        let letters = house.letters("ada@acme.test").await;
        let bill = letters.iter().find(|it| it.0.subject.contains("Invoice")).expect("a last bill");
        assert!(bill.0.text.contains("Developer plan"), "{}", bill.0.text);
    })
    .await;
}
