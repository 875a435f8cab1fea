//! Ingesting events: three content modes, deduplication, and an error for each invalid event.
use super::{EVENTS, acme, days_ago, event, event_at, ingest_result, instant, rows, send};
use crate::harness::on_each_db;
use axum::http::Method;
use guildhall::model::{
    calendar::Month,
    time::{DAY, HOUR},
    token,
};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn events_are_accepted_in_three_content_modes() {
    on_each_db(async |app| {
        let (ada, gateway) = acme(app).await;
        let key = app.api_key("acme", &ada).await;
        let data = json!({ "meter": "credits", "quantity": "0.1", "account": "acme" });
        let one = event(app, 1, data.clone()).to_string();
        let structured = [("content-type", "application/cloudevents+json; charset=utf-8")];
        let response = gateway.send(Method::POST, EVENTS, &structured, Some(one.clone())).await;
        assert_eq!(ingest_result(response), (1, 0, vec![]));
        let response =
            gateway.send(Method::POST, EVENTS, &[("content-type", "application/json")], Some(one)).await;
        assert_eq!(ingest_result(response), (0, 1, vec![]), "the same event");
        let binary = [
            ("content-type", "application/json"),
            ("ce-specversion", "1.0"),
            ("ce-type", "guildhall.usage"),
            ("ce-source", "/gateway"),
            ("ce-id", "caf%C3%A9"),
        ];
        let response = gateway.send(Method::POST, EVENTS, &binary, Some(data.to_string())).await;
        assert_eq!(ingest_result(response), (1, 0, vec![]));
        let named = json!([event(app, "café", data.clone()), event(app, 3, data.clone())]);
        assert_eq!(ingest_result(send(&gateway, named.as_array().unwrap()).await), (1, 1, vec![]));
        assert_eq!(ingest_result(send(&gateway, &[]).await), (0, 0, vec![]));
        assert_eq!(rows(&key, "acme", "").await, [json!({ "meter": "credits", "quantity": "0.3" })]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_events_are_reported_and_valid_ones_kept() {
    on_each_db(async |app| {
        let (ada, gateway) = acme(app).await;
        let key = app.api_key("acme", &ada).await;
        let eve = app.user("Eve", "eve@other.test").await;
        app.organization(&eve, "Other").await;
        let new = json!({ "product": "video", "kind": "index", "name": "Films", "external_id": "idx_1" });
        let film = key
            .call(Method::POST, "/api/v1/accounts/acme/resources", &new)
            .await
            .assert_status(201)
            .json()["id"]
            .clone();
        let data = |change: fn(&mut Value)| {
            let mut data = json!({ "meter": "credits", "quantity": 1, "account": "acme" });
            change(&mut data);
            data
        };
        let mut foreign = data(|data| data["account"] = json!("other"));
        foreign["resource"] = film.clone();
        let mut mismatch = data(|data| data["product"] = json!("image"));
        mismatch["resource"] = film.clone();
        let mut good = data(|data| data["product"] = json!("video"));
        good["resource"] = film.clone();
        let external = json!({ "product": "video", "kind": "index", "external_id": "idx_1" });
        let mut other_name = data(|_| ());
        other_name["resource"] = external;
        let batch = [
            event(app, 0, good),
            event(app, 1, data(|data| data["quantity"] = json!(-1))),
            event(app, 2, data(|data| data["quantity"] = json!("1e13"))),
            event(app, 3, data(|data| data["quantity"] = json!("a dozen"))),
            event(app, 4, data(|data| data["quantity"] = json!("0.0000000001"))),
            event(app, 5, data(|data| data["meter"] = json!("miles"))),
            event(app, 6, data(|data| data["account"] = json!("nobody"))),
            event(app, 7, json!({ "meter": "credits", "quantity": 1, "key_id": app.kit.id() })),
            event(app, 8, data(|data| data["product"] = json!("audio"))),
            event(app, 9, foreign),
            event(app, 10, mismatch),
            event(app, 11, other_name),
            json!("not an event"),
            event(app, "0", data(|_| ())),
            json!(null),
        ];
        let (accepted, duplicates, rejected) = ingest_result(send(&gateway, &batch).await);
        assert_eq!((accepted, duplicates), (2, 1));
        let rejected_codes: Vec<(u64, &str)> =
            rejected.iter().map(|(index, code)| (*index, code.as_str())).collect();
        let expected = [
            (1, "negative"),
            (2, "too_large"),
            (3, "not_a_decimal"),
            (4, "too_precise"),
            (5, "unknown_meter"),
            (6, "unknown_account"),
            (7, "unknown_key"),
            (8, "unknown_product"),
            (9, "unknown_resource"),
            (10, "product_mismatch"),
            (12, "malformed"),
            (14, "malformed"),
        ];
        assert_eq!(rejected_codes, expected);
        let row = json!({ "product": "video", "meter": "credits", "resource": film, "quantity": "2" });
        assert_eq!(rows(&key, "acme", "group_by=resource,product").await, [row]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_batch_is_refused_as_a_whole() {
    on_each_db(async |app| {
        let (ada, gateway) = acme(app).await;
        let one = || event(app, 1, json!({ "meter": "credits", "quantity": 1, "account": "acme" }));
        let batch = [("content-type", "application/cloudevents-batch+json")];
        let whole = json!([one()]).to_string();
        let cut = whole[..whole.len() - 20].to_owned();
        let response = gateway.send(Method::POST, EVENTS, &batch, Some(cut)).await.assert_status(400);
        assert_eq!(response.json()["code"], "malformed");
        gateway.send(Method::POST, EVENTS, &batch, Some("{}".into())).await.assert_status(400);
        gateway.send(Method::POST, EVENTS, &batch, None).await.assert_status(400);
        gateway
            .send(Method::POST, EVENTS, &[("content-type", "text/plain")], Some(whole))
            .await
            .assert_status(415);
        let many: Vec<Value> = (0..10_001).map(|_| json!(0)).collect();
        let response = send(&gateway, &many).await.assert_status(413);
        assert_eq!(response.json()["code"], "too_large");
        let huge = json!(["x".repeat(17 << 20)]).to_string();
        gateway.send(Method::POST, EVENTS, &batch, Some(huge)).await.assert_status(413);
        // Other tokens may not report usage.
        app.service_token(&[token::TokenScope::Verify])
            .await
            .send(Method::POST, EVENTS, &batch, Some("[]".into()))
            .await
            .assert_status(403);
        app.api_key("acme", &ada)
            .await
            .send(Method::POST, EVENTS, &batch, Some("[]".into()))
            .await
            .assert_status(401);
        assert_eq!(app.count("select count(*) from usage_events").await, 0);
        assert_eq!(app.count("select count(*) from usage_days").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_start_at_midnight_utc_and_old_events_are_refused() {
    on_each_db(async |app| {
        let (ada, gateway) = acme(app).await;
        let key = app.api_key("acme", &ada).await;
        let data = || json!({ "meter": "credits", "quantity": 1, "account": "acme" });
        let day = days_ago(app, 3);
        let zoned = format!("{day}T00:30:00+02:00");
        let batch = [
            event_at(&instant(day, Duration::ZERO), "first", data()),
            event_at(&instant(day, DAY.saturating_sub(Duration::from_micros(1))), "last", data()),
            event_at(&instant(day, DAY), "next", data()),
            event_at(&zoned, "the evening before, in UTC", data()),
        ];
        assert_eq!(ingest_result(send(&gateway, &batch).await).0, 4);
        let row = |day: i64, quantity: &str| {
            json!({ "day": days_ago(app, day).to_string(), "meter": "credits", "quantity": quantity })
        };
        assert_eq!(
            rows(&key, "acme", &format!("from={}&group_by=day", days_ago(app, 9))).await,
            [row(4, "1"), row(3, "2"), row(2, "1")]
        );
        let (from, to) = (day, day.plus(1));
        assert_eq!(rows(&key, "acme", &format!("from={from}&to={to}&group_by=day,meter")).await, [row(3, "2")]);
        let now = app.kit.now();
        let edges = [
            event_at(&now.minus(DAY * 35).plus(Duration::from_secs(30)).to_string(), "late", data()),
            event_at(&now.minus(DAY * 35 + HOUR).to_string(), "too late", data()),
            event_at(&now.plus(Duration::from_secs(270)).to_string(), "early", data()),
            event_at(&now.plus(Duration::from_secs(330)).to_string(), "too early", data()),
        ];
        let (accepted, _, rejected) = ingest_result(send(&gateway, &edges).await);
        assert_eq!((accepted, rejected), (2, vec![(1, "too_old".into()), (3, "in_the_future".into())]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_of_a_revoked_key_and_a_removed_member_counts() {
    on_each_db(async |app| {
        let (ada, gateway) = acme(app).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let membership = app.add_member(&ada, "acme", &bob, &["member"]).await;
        let (key, bob_key) = (app.api_key("acme", &ada).await, app.api_key("acme", &bob).await);
        let listed = bob_key.get("/api/v1/accounts/acme/keys").await.assert_status(200).json();
        let id = listed["items"][0]["id"].clone();
        let data = json!({ "meter": "requests", "quantity": 3, "key_id": id });
        assert_eq!(ingest_result(send(&gateway, &[event(app, 1, data.clone())]).await).0, 1);
        let query = "group_by=member,key";
        let row = |member: Value, quantity| {
            json!({
                "meter": "requests", "member": member, "key": id, "quantity": quantity,
            })
        };
        assert_eq!(rows(&key, "acme", query).await, [row(json!(membership), "3")]);
        ada.post(&format!("/a/acme/members/{membership}/remove"), &[("confirm", "on")])
            .await
            .assert_status(303);
        assert_eq!(ingest_result(send(&gateway, &[event(app, 2, data)]).await).0, 1);
        assert_eq!(rows(&key, "acme", query).await, [row(json!(bob.id), "6")]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_overlapping_batches_count_once() {
    on_each_db(async |app| {
        let (ada, gateway) = acme(app).await;
        let key = app.api_key("acme", &ada).await;
        let data = |n: usize| {
            let meter = if n.is_multiple_of(2) { "credits" } else { "requests" };
            json!({ "meter": meter, "quantity": "0.5", "account": "acme", "model": format!("m{}", n % 7) })
        };
        let events: Vec<Value> = (0..300).map(|n| event(app, n, data(n))).collect();
        let mut tasks = vec![];
        for n in 0..8 {
            let mut batch = events.clone();
            batch.rotate_left(n * 31);
            if n.is_multiple_of(2) {
                batch.reverse();
            }
            let gateway = gateway.clone();
            tasks.push(tokio::spawn(async move { ingest_result(send(&gateway, &batch).await) }));
        }
        let mut accepted = 0;
        for task in tasks {
            let (new, duplicates, rejected) = task.await.unwrap();
            assert_eq!((new + duplicates, rejected), (300, vec![]));
            accepted += new;
        }
        assert_eq!(accepted, 300);
        let row = |meter| json!({ "meter": meter, "quantity": "75" });
        assert_eq!(rows(&key, "acme", "").await, [row("credits"), row("requests")]);
        assert_eq!(app.count("select cast(sum(events) as bigint) from usage_days").await, 300);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_after_a_month_closed_is_billed_with_the_next() {
    use guildhall::store::usage;
    on_each_db(async |app| {
        let (_, gateway) = acme(app).await;
        // On the fifth of a month, the one before can be closed.
        let today = days_ago(app, 0);
        let fifth = today.month().next().first().plus(4);
        app.advance(Duration::from_secs(86_400 * u64::try_from(fifth.0 - today.0).unwrap()));
        let (current, last) = (fifth.month(), fifth.month().previous());
        let data = || json!({ "meter": "credits", "quantity": "1.5", "account": "acme" });
        let late = |id: &'static str| event_at(&instant(last.first().plus(20), HOUR), id, data());
        assert_eq!(ingest_result(send(&gateway, &[late("in time"), event(app, "now", data())]).await).0, 2);
        app.as_system(async |change| usage::close(change, last).await.unwrap()).await;
        assert_eq!(ingest_result(send(&gateway, &[late("late"), late("later")]).await).0, 2);
        app.as_system(async |change| {
            let payers = usage::payers(change, last, None, 10).await.unwrap();
            assert_eq!(payers.len(), 1);
            assert!(usage::payers(change, last, payers.first().copied(), 10).await.unwrap().is_empty());
            let mut billed = async |period: Month| -> Vec<(Month, String)> {
                let lines = usage::billable(change, payers[0], period).await.unwrap();
                lines.into_iter().map(|line| (line.month, line.quantity.to_string())).collect()
            };
            assert_eq!(billed(last).await, [(last, "1.5".to_owned())]);
            assert_eq!(billed(current).await, [(last, "3".to_owned()), (current, "1.5".to_owned())]);
            // Closing an earlier month does not reopen it.
            usage::close(change, last.previous()).await.unwrap();
            assert_eq!(usage::closed_through(change).await.unwrap(), last);
        })
        .await;
    })
    .await;
}
