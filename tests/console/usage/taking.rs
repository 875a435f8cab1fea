//! Events come in: in three modes, each once, the bad ones told apart.
use super::{EVENTS, acme, ago, event, event_at, instant, rows, send, told};
use crate::harness::each;
use axum::http::Method;
use guildhall::model::{
    calendar::Month,
    time::{DAY, HOUR},
    token,
};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn events_come_in_three_modes() {
    each(async |house| {
        let (ada, gateway) = acme(house).await;
        let key = house.key("acme", &ada).await;
        let data = json!({ "meter": "credits", "quantity": "0.1", "account": "acme" });
        let one = event(house, 1, data.clone()).to_string();
        let structured = [("content-type", "application/cloudevents+json; charset=utf-8")];
        let said = gateway.send(Method::POST, EVENTS, &structured, Some(one.clone())).await;
        assert_eq!(told(said), (1, 0, vec![]));
        let said =
            gateway.send(Method::POST, EVENTS, &[("content-type", "application/json")], Some(one)).await;
        assert_eq!(told(said), (0, 1, vec![]), "the same event");
        let binary = [
            ("content-type", "application/json"),
            ("ce-specversion", "1.0"),
            ("ce-type", "guildhall.usage"),
            ("ce-source", "/gateway"),
            ("ce-id", "caf%C3%A9"),
        ];
        let said = gateway.send(Method::POST, EVENTS, &binary, Some(data.to_string())).await;
        assert_eq!(told(said), (1, 0, vec![]));
        let named = json!([event(house, "café", data.clone()), event(house, 3, data.clone())]);
        assert_eq!(told(send(&gateway, named.as_array().unwrap()).await), (1, 1, vec![]));
        assert_eq!(told(send(&gateway, &[]).await), (0, 0, vec![]));
        assert_eq!(rows(&key, "acme", "").await, [json!({ "meter": "credits", "quantity": "0.3" })]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_events_are_told_and_good_ones_kept() {
    each(async |house| {
        let (ada, gateway) = acme(house).await;
        let key = house.key("acme", &ada).await;
        let eve = house.user("Eve", "eve@other.test").await;
        house.organization(&eve, "Other").await;
        let new = json!({ "product": "video", "kind": "index", "name": "Films", "external_id": "idx_1" });
        let film = key.call(Method::POST, "/api/v1/accounts/acme/resources", &new).await.is(201).json()["id"]
            .clone();
        let data = |change: fn(&mut Value)| {
            let mut data = json!({ "meter": "credits", "quantity": 1, "account": "acme" });
            change(&mut data);
            data
        };
        let mut foreign = data(|it| it["account"] = json!("other"));
        foreign["resource"] = film.clone();
        let mut mismatch = data(|it| it["product"] = json!("image"));
        mismatch["resource"] = film.clone();
        let mut good = data(|it| it["product"] = json!("video"));
        good["resource"] = film.clone();
        let external = json!({ "product": "video", "kind": "index", "external_id": "idx_1" });
        let mut other_name = data(|_| ());
        other_name["resource"] = external;
        let batch = [
            event(house, 0, good),
            event(house, 1, data(|it| it["quantity"] = json!(-1))),
            event(house, 2, data(|it| it["quantity"] = json!("1e13"))),
            event(house, 3, data(|it| it["quantity"] = json!("a dozen"))),
            event(house, 4, data(|it| it["quantity"] = json!("0.0000000001"))),
            event(house, 5, data(|it| it["meter"] = json!("miles"))),
            event(house, 6, data(|it| it["account"] = json!("nobody"))),
            event(house, 7, json!({ "meter": "credits", "quantity": 1, "key_id": house.kit.id() })),
            event(house, 8, data(|it| it["product"] = json!("audio"))),
            event(house, 9, foreign),
            event(house, 10, mismatch),
            event(house, 11, other_name),
            json!("not an event"),
            event(house, "0", data(|_| ())),
            json!(null),
        ];
        let (accepted, duplicates, rejected) = told(send(&gateway, &batch).await);
        assert_eq!((accepted, duplicates), (2, 1));
        let codes: Vec<(u64, &str)> = rejected.iter().map(|(at, code)| (*at, code.as_str())).collect();
        let wanted = [
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
        assert_eq!(codes, wanted);
        let row = json!({ "product": "video", "meter": "credits", "resource": film, "quantity": "2" });
        assert_eq!(rows(&key, "acme", "group_by=resource,product").await, [row]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_cannot_be_read_is_refused_whole() {
    each(async |house| {
        let (ada, gateway) = acme(house).await;
        let one = || event(house, 1, json!({ "meter": "credits", "quantity": 1, "account": "acme" }));
        let batch = [("content-type", "application/cloudevents-batch+json")];
        let whole = json!([one()]).to_string();
        let cut = whole[..whole.len() - 20].to_owned();
        let said = gateway.send(Method::POST, EVENTS, &batch, Some(cut)).await.is(400);
        assert_eq!(said.json()["code"], "malformed");
        gateway.send(Method::POST, EVENTS, &batch, Some("{}".into())).await.is(400);
        gateway.send(Method::POST, EVENTS, &batch, None).await.is(400);
        gateway.send(Method::POST, EVENTS, &[("content-type", "text/plain")], Some(whole)).await.is(415);
        let many: Vec<Value> = (0..10_001).map(|_| json!(0)).collect();
        let said = send(&gateway, &many).await.is(413);
        assert_eq!(said.json()["code"], "too_large");
        let huge = json!(["x".repeat(17 << 20)]).to_string();
        gateway.send(Method::POST, EVENTS, &batch, Some(huge)).await.is(413);
        // Who may not report.
        house
            .service(&[token::Scope::Verify])
            .await
            .send(Method::POST, EVENTS, &batch, Some("[]".into()))
            .await
            .is(403);
        house.key("acme", &ada).await.send(Method::POST, EVENTS, &batch, Some("[]".into())).await.is(401);
        assert_eq!(house.count("select count(*) from usage_events").await, 0);
        assert_eq!(house.count("select count(*) from usage_days").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_begin_at_midnight_utc_and_events_come_in_time() {
    each(async |house| {
        let (ada, gateway) = acme(house).await;
        let key = house.key("acme", &ada).await;
        let data = || json!({ "meter": "credits", "quantity": 1, "account": "acme" });
        let day = ago(house, 3);
        let zoned = format!("{day}T00:30:00+02:00");
        let batch = [
            event_at(&instant(day, Duration::ZERO), "first", data()),
            event_at(&instant(day, DAY.saturating_sub(Duration::from_micros(1))), "last", data()),
            event_at(&instant(day, DAY), "next", data()),
            event_at(&zoned, "the evening before, in UTC", data()),
        ];
        assert_eq!(told(send(&gateway, &batch).await).0, 4);
        let row = |day: i64, quantity: &str| {
            json!({ "day": ago(house, day).to_string(), "meter": "credits", "quantity": quantity })
        };
        assert_eq!(
            rows(&key, "acme", &format!("from={}&group_by=day", ago(house, 9))).await,
            [row(4, "1"), row(3, "2"), row(2, "1")]
        );
        let (from, to) = (day, day.plus(1));
        assert_eq!(rows(&key, "acme", &format!("from={from}&to={to}&group_by=day,meter")).await, [row(3, "2")]);
        let now = house.kit.now();
        let edges = [
            event_at(&now.minus(DAY * 35).plus(Duration::from_secs(30)).to_string(), "late", data()),
            event_at(&now.minus(DAY * 35 + HOUR).to_string(), "too late", data()),
            event_at(&now.plus(Duration::from_secs(270)).to_string(), "early", data()),
            event_at(&now.plus(Duration::from_secs(330)).to_string(), "too early", data()),
        ];
        let (accepted, _, rejected) = told(send(&gateway, &edges).await);
        assert_eq!((accepted, rejected), (2, vec![(1, "too_old".into()), (3, "in_the_future".into())]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_work_of_a_revoked_key_and_of_somebody_gone_counts() {
    each(async |house| {
        let (ada, gateway) = acme(house).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let seat = house.join(&ada, "acme", &bob, &["member"]).await;
        let (key, bobs) = (house.key("acme", &ada).await, house.key("acme", &bob).await);
        let listed = bobs.get("/api/v1/accounts/acme/keys").await.is(200).json();
        let id = listed["items"][0]["id"].clone();
        let data = json!({ "meter": "requests", "quantity": 3, "key_id": id });
        assert_eq!(told(send(&gateway, &[event(house, 1, data.clone())]).await).0, 1);
        let by = "group_by=member,key";
        let row = |member: Value, quantity| json!({ "meter": "requests", "member": member, "key": id, "quantity": quantity });
        assert_eq!(rows(&key, "acme", by).await, [row(json!(seat), "3")]);
        ada.post(&format!("/a/acme/members/{seat}/remove"), &[("confirm", "on")]).await.is(303);
        assert_eq!(told(send(&gateway, &[event(house, 2, data)]).await).0, 1);
        assert_eq!(rows(&key, "acme", by).await, [row(json!(bob.id), "6")]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_overlap_at_the_same_time_count_once() {
    each(async |house| {
        let (ada, gateway) = acme(house).await;
        let key = house.key("acme", &ada).await;
        let data = |n: usize| {
            let meter = if n.is_multiple_of(2) { "credits" } else { "requests" };
            json!({ "meter": meter, "quantity": "0.5", "account": "acme", "model": format!("m{}", n % 7) })
        };
        let all: Vec<Value> = (0..300).map(|n| event(house, n, data(n))).collect();
        let mut sent = vec![];
        for n in 0..8 {
            let mut batch = all.clone();
            batch.rotate_left(n * 31);
            if n.is_multiple_of(2) {
                batch.reverse();
            }
            let gateway = gateway.clone();
            sent.push(tokio::spawn(async move { told(send(&gateway, &batch).await) }));
        }
        let mut accepted = 0;
        for it in sent {
            let (new, duplicates, rejected) = it.await.unwrap();
            assert_eq!((new + duplicates, rejected), (300, vec![]));
            accepted += new;
        }
        assert_eq!(accepted, 300);
        let row = |meter| json!({ "meter": meter, "quantity": "75" });
        assert_eq!(rows(&key, "acme", "").await, [row("credits"), row("requests")]);
        assert_eq!(house.count("select cast(sum(events) as bigint) from usage_days").await, 300);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_a_month_was_closed_is_billed_with_the_next() {
    use guildhall::store::usage;
    each(async |house| {
        let (_, gateway) = acme(house).await;
        // The fifth of a month: the one before can be closed.
        let today = ago(house, 0);
        let fifth = today.month().next().first().plus(4);
        house.later(Duration::from_secs(86_400 * u64::try_from(fifth.0 - today.0).unwrap()));
        let (this, last) = (fifth.month(), fifth.month().previous());
        let data = || json!({ "meter": "credits", "quantity": "1.5", "account": "acme" });
        let late = |id: &'static str| event_at(&instant(last.first().plus(20), HOUR), id, data());
        assert_eq!(told(send(&gateway, &[late("in time"), event(house, "now", data())]).await).0, 2);
        house.host(async |change| usage::close(change, last).await.unwrap()).await;
        assert_eq!(told(send(&gateway, &[late("late"), late("later")]).await).0, 2);
        house
            .host(async |change| {
                let payers = usage::payers(change, last, None, 10).await.unwrap();
                assert_eq!(payers.len(), 1);
                assert!(usage::payers(change, last, payers.first().copied(), 10).await.unwrap().is_empty());
                let mut billed = async |period: Month| -> Vec<(Month, String)> {
                    let all = usage::billable(change, payers[0], period).await.unwrap();
                    all.into_iter().map(|it| (it.month, it.quantity.to_string())).collect()
                };
                assert_eq!(billed(last).await, [(last, "1.5".to_owned())]);
                assert_eq!(billed(this).await, [(last, "3".to_owned()), (this, "1.5".to_owned())]);
                // An earlier month does not open it again.
                usage::close(change, last.previous()).await.unwrap();
                assert_eq!(usage::closed_through(change).await.unwrap(), last);
            })
            .await;
    })
    .await;
}
