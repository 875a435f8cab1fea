//! Rate limits: exact with many at once, shared by all who count as one, told to programs.
use super::{DAY, Gateway, acme};
use crate::harness::{each, each_as_shipped};
use guildhall::model::time::{HOUR, Time};
use jiff::tz::TimeZone;
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_at_once_are_admitted_exactly() {
    each(async |house| {
        let _watch = house.watch();
        let it = acme(house).await;
        house.tamper("update accounts set plan = 'free'").await;
        let mut clients = tokio::task::JoinSet::new();
        for at in 0..64 {
            let key = if at % 2 == 0 { it.key.clone() } else { it.bobs.clone() };
            let gateway = Gateway(it.gateway.0.clone());
            clients.spawn(async move {
                let mut valid = 0;
                for _ in 0..4 {
                    let said = gateway.asks(&key, json!({})).await;
                    valid += i32::from(said["code"] == "VALID");
                    assert!(["VALID", "RATE_LIMITED"].contains(&said["code"].as_str().unwrap()), "{said}");
                }
                valid
            });
        }
        assert_eq!(clients.join_all().await.into_iter().sum::<i32>(), 60);
        let said = it.gateway.asks(&it.key, json!({})).await;
        assert_eq!((&said["code"], &said["ratelimit"]["limit"]), (&json!("RATE_LIMITED"), &json!(60)));
        assert_eq!(said["ratelimit"]["remaining"], 0);
        // What it says is when it opens again.
        house.later(Duration::from_secs(said["ratelimit"]["reset"].as_u64().unwrap()));
        assert_eq!(it.gateway.code(&it.key, json!({})).await, "VALID");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_busiest_minute_of_the_day_stands_beside_the_plan() {
    each(async |house| {
        let it = acme(house).await;
        house.tamper("update accounts set plan = 'developer'").await;
        let today = "Rate limit, busiest minute today ";
        it.ada.get("/a/acme/billing").await.is(200).says(&format!("{today}0 of 600 requests"));
        // A team's keys count with it; a quieter minute changes nothing.
        for (cost, minutes) in [(20, 0), (300, 0), (7, 2)] {
            house.later(Duration::from_secs(60 * minutes));
            let key = if cost == 20 { &it.bobs } else { &it.key };
            assert_eq!(it.gateway.code(key, json!({ "cost": cost })).await, "VALID");
            house.app.limits().write(&house.db, &house.kit, false).await.unwrap();
            it.ada.get("/a/acme/billing").await.is(200).says(today);
        }
        it.ada.get("/a/acme/billing").await.says(&format!("{today}320 of 600 requests"));
        // A new day begins anew.
        house.later(DAY);
        house.again(&it.ada).await.get("/a/acme/billing").await.says(&format!("{today}0 of 600 requests"));
        guildhall::store::limits::sweep(&house.db, &house.kit).await.unwrap();
        assert_eq!(house.count("select count(*) from busiest").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_stands_beside_the_usage() {
    each(async |house| {
        let it = acme(house).await;
        house.tamper("update accounts set plan = 'free'").await;
        it.ada.post("/new/team", &[("name", "Ingest"), ("parent", "acme"), ("slug", "ingest")]).await.is(303);
        let analyst = house.user("Ann", "ann@acme.test").await;
        house.join(&it.ada, "acme", &analyst, &["analyst"]).await;
        let card = "Throttled (429) ";
        it.ada.get("/a/acme/usage").await.is(200).says(&format!("{card}— no key was verified in these days"));

        let asks = async |key, more| {
            let code = it.gateway.code(key, more).await;
            house.app.limits().write(&house.db, &house.kit, false).await.unwrap();
            code
        };
        // One request is one, whatever it costs; one that may not be made at all is none.
        assert_eq!(asks(&it.key, json!({ "cost": 60 })).await, "VALID");
        it.ada.get("/a/acme/usage").await.is(200).says(&format!("{card}0% no request was refused"));
        assert_eq!(asks(&it.bobs, json!({ "permission": "members.view" })).await, "FORBIDDEN");
        assert_eq!(asks(&it.bobs, json!({})).await, "RATE_LIMITED");
        let hour = house.kit.now();
        for _ in 0..2 {
            assert_eq!(asks(&it.key, json!({})).await, "RATE_LIMITED");
        }
        // The hour is told in which it was worst.
        let at = |time: Time| Time(time.0 - time.0 % 3_600_000_000).minute(&TimeZone::UTC);
        let worst = format!("peak {} UTC", at(hour));
        it.ada.get("/a/acme/usage").await.is(200).says(&format!("{card}75.00% {worst}"));
        house.later(2 * HOUR);
        assert_eq!(asks(&it.key, json!({ "cost": 60 })).await, "VALID");
        assert_eq!(asks(&it.key, json!({})).await, "RATE_LIMITED");
        it.ada.get("/a/acme/usage").await.is(200).says(&format!("{card}66.67% {worst}"));

        // It is about the account that pays, and all that is used there.
        for part in ["/a/acme/usage?by=product&product=video", "/a/ingest/usage"] {
            it.ada.get(part).await.is(200).hides("Throttled");
        }
        analyst.get("/a/acme/usage").await.is(200).hides("Throttled");
        // Against the days before; and not for ever.
        house.later(31 * DAY);
        let ada = house.again(&it.ada).await;
        assert_eq!(asks(&it.key, json!({})).await, "VALID");
        ada.get("/a/acme/usage").await.is(200).says(&format!("{card}0% no request was refused"));
        house.later(800 * DAY);
        guildhall::store::limits::sweep(&house.db, &house.kit).await.unwrap();
        assert_eq!(house.count("select count(*) from throttled").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_costs_nothing_and_the_tightest_is_told() {
    each(async |house| {
        let _watch = house.watch();
        let it = acme(house).await;
        house.tamper("update accounts set plan = 'free'").await;
        assert_eq!(it.gateway.asks(&it.key, json!({ "cost": 50 })).await["ratelimit"]["remaining"], 10);
        assert_eq!(it.gateway.code(&it.key, json!({ "cost": 11 })).await, "RATE_LIMITED");
        assert_eq!(it.gateway.code(&it.bobs, json!({ "permission": "members.view" })).await, "FORBIDDEN");
        assert_eq!(it.gateway.asks(&it.key, json!({ "cost": 10 })).await["ratelimit"]["remaining"], 0);
        // The day fills up, a minute's worth at a time: in the end it is the tighter one.
        let mut admitted = 60;
        for _ in 0..200 {
            house.later(Duration::from_secs(61));
            if it.gateway.code(&it.key, json!({ "cost": 60 })).await != "VALID" {
                break;
            }
            admitted += 60;
        }
        assert_eq!(admitted, 9960);
        let said = it.gateway.asks(&it.key, json!({ "cost": 40 })).await;
        assert_eq!(said["code"], "VALID", "{said}");
        assert_eq!(
            (&said["ratelimit"]["limit"], &said["ratelimit"]["remaining"]),
            (&json!(10_000), &json!(0))
        );
        assert_eq!(it.gateway.code(&it.key, json!({})).await, "RATE_LIMITED");
        house.later(DAY);
        assert_eq!(it.gateway.code(&it.key, json!({})).await, "VALID");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_api_has_its_own_limit() {
    each_as_shipped(async |house| {
        let _watch = house.watch();
        let it = acme(house).await;
        let first = it.key.get("/api/v1/accounts/acme").await.is(200);
        assert_eq!(first.field("ratelimit-policy"), "\"minute\";q=1200;w=60");
        assert!(first.field("ratelimit").starts_with("\"minute\";r=1199;t="), "{}", first.field("ratelimit"));
        // Refused or not found, it counts and is told: for the account, whoever asks.
        let refused = it.bobs.get("/api/v1/accounts/acme/members").await.is(403);
        assert!(refused.field("ratelimit").starts_with("\"minute\";r=1198;"));
        for _ in 0..1198 {
            it.bobs.get("/api/v1/accounts/acme/members").await.is(403);
        }
        let over = it.key.get("/api/v1/accounts/acme").await.is(429);
        assert_eq!(over.json()["code"], "too_many_requests");
        assert!(over.field("ratelimit").starts_with("\"minute\";r=0;t="));
        let after: u64 = over.field("retry-after").parse().unwrap();
        assert!((1..=60).contains(&after));
        // It is not the plan's, and not another account's.
        assert_eq!(it.gateway.code(&it.key, json!({})).await, "VALID");
        house.later(Duration::from_secs(after));
        it.key.get("/api/v1/accounts/acme").await.is(200);
    })
    .await;
}
