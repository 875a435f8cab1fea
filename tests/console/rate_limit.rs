//! Rate limits: exact under concurrency, shared within an account and its teams, and reported in headers.
use crate::{
    harness::{on_each_db, on_each_db_as_shipped},
    verify::{DAY, Gateway, acme},
};
use guildhall::model::time::{HOUR, Time};
use jiff::tz::TimeZone;
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_concurrent_clients_share_the_exact_limit() {
    on_each_db(async |app| {
        let _sync = app.start_replica_sync();
        let acme = acme(app).await;
        app.raw_sql("update accounts set plan = 'free'").await;
        let mut clients = tokio::task::JoinSet::new();
        for client in 0..64 {
            let key = if client % 2 == 0 { acme.key.clone() } else { acme.bob_key.clone() };
            let gateway = Gateway(acme.gateway.0.clone());
            clients.spawn(async move {
                let mut valid = 0;
                for _ in 0..4 {
                    let response = gateway.verify(&key, json!({})).await;
                    valid += i32::from(response["code"] == "VALID");
                    assert!(
                        ["VALID", "RATE_LIMITED"].contains(&response["code"].as_str().unwrap()),
                        "{response}"
                    );
                }
                valid
            });
        }
        assert_eq!(clients.join_all().await.into_iter().sum::<i32>(), 60);
        let response = acme.gateway.verify(&acme.key, json!({})).await;
        assert_eq!(
            (&response["code"], &response["ratelimit"]["limit"]),
            (&json!("RATE_LIMITED"), &json!(60))
        );
        assert_eq!(response["ratelimit"]["remaining"], 0);
        // `reset` tells when requests are admitted again.
        app.advance(Duration::from_secs(response["ratelimit"]["reset"].as_u64().unwrap()));
        assert_eq!(acme.gateway.code(&acme.key, json!({})).await, "VALID");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_billing_page_shows_the_busiest_minute_of_the_day() {
    on_each_db(async |app| {
        let acme = acme(app).await;
        app.raw_sql("update accounts set plan = 'developer'").await;
        let today = "Rate limit, busiest minute today ";
        acme.ada
            .get("/a/acme/billing")
            .await
            .assert_status(200)
            .assert_contains(&format!("{today}0 of 600 requests"));
        // The keys of all members count together; a quieter minute changes nothing.
        for (cost, minutes) in [(20, 0), (300, 0), (7, 2)] {
            app.advance(Duration::from_secs(60 * minutes));
            let key = if cost == 20 { &acme.bob_key } else { &acme.key };
            assert_eq!(acme.gateway.code(key, json!({ "cost": cost })).await, "VALID");
            app.state.gateway().rate_limiter().flush(false).await.unwrap();
            acme.ada.get("/a/acme/billing").await.assert_status(200).assert_contains(today);
        }
        acme.ada.get("/a/acme/billing").await.assert_contains(&format!("{today}320 of 600 requests"));
        // A new day starts from zero.
        app.advance(DAY);
        app.second_browser(&acme.ada)
            .await
            .get("/a/acme/billing")
            .await
            .assert_contains(&format!("{today}0 of 600 requests"));
        guildhall::store::rate_limits::sweep(&app.db, &app.kit).await.unwrap();
        assert_eq!(app.count("select count(*) from rate_limit_peaks").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usage_page_shows_the_share_of_throttled_requests() {
    on_each_db(async |app| {
        let acme = acme(app).await;
        app.raw_sql("update accounts set plan = 'free'").await;
        acme.ada
            .post("/new/team", &[("name", "Ingest"), ("parent", "acme"), ("slug", "ingest")])
            .await
            .assert_status(303);
        let analyst = app.user("Ann", "ann@acme.test").await;
        app.add_member(&acme.ada, "acme", &analyst, &["analyst"]).await;
        let card = "Throttled (429) ";
        acme.ada
            .get("/a/acme/usage")
            .await
            .assert_status(200)
            .assert_contains(&format!("{card}— no key was verified in these days"));

        let verify = async |key, more| {
            let code = acme.gateway.code(key, more).await;
            app.state.gateway().rate_limiter().flush(false).await.unwrap();
            code
        };
        // A request counts once, whatever its cost; a forbidden one does not count.
        assert_eq!(verify(&acme.key, json!({ "cost": 60 })).await, "VALID");
        acme.ada
            .get("/a/acme/usage")
            .await
            .assert_status(200)
            .assert_contains(&format!("{card}0% no request was refused"));
        assert_eq!(verify(&acme.bob_key, json!({ "permission": "members.view" })).await, "FORBIDDEN");
        assert_eq!(verify(&acme.bob_key, json!({})).await, "RATE_LIMITED");
        let hour = app.kit.now();
        for _ in 0..2 {
            assert_eq!(verify(&acme.key, json!({})).await, "RATE_LIMITED");
        }
        // The page names the hour with the largest share.
        let full_hour = |time: Time| Time(time.0 - time.0 % 3_600_000_000).minute(&TimeZone::UTC);
        let peak = format!("peak {} UTC", full_hour(hour));
        acme.ada
            .get("/a/acme/usage")
            .await
            .assert_status(200)
            .assert_contains(&format!("{card}75.00% {peak}"));
        app.advance(2 * HOUR);
        assert_eq!(verify(&acme.key, json!({ "cost": 60 })).await, "VALID");
        assert_eq!(verify(&acme.key, json!({})).await, "RATE_LIMITED");
        acme.ada
            .get("/a/acme/usage")
            .await
            .assert_status(200)
            .assert_contains(&format!("{card}66.67% {peak}"));

        // Shown only for the account that pays, and only without filters.
        for path in ["/a/acme/usage?by=product&product=video", "/a/ingest/usage"] {
            acme.ada.get(path).await.assert_status(200).assert_not_contains("Throttled");
        }
        analyst.get("/a/acme/usage").await.assert_status(200).assert_not_contains("Throttled");
        // Only the range of the page counts, and old hours are deleted.
        app.advance(31 * DAY);
        let ada = app.second_browser(&acme.ada).await;
        assert_eq!(verify(&acme.key, json!({})).await, "VALID");
        ada.get("/a/acme/usage")
            .await
            .assert_status(200)
            .assert_contains(&format!("{card}0% no request was refused"));
        app.advance(800 * DAY);
        guildhall::store::rate_limits::sweep(&app.db, &app.kit).await.unwrap();
        assert_eq!(app.count("select count(*) from rate_limit_hourly").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_requests_cost_nothing_and_the_tightest_limit_is_reported() {
    on_each_db(async |app| {
        let _sync = app.start_replica_sync();
        let acme = acme(app).await;
        app.raw_sql("update accounts set plan = 'free'").await;
        assert_eq!(acme.gateway.verify(&acme.key, json!({ "cost": 50 })).await["ratelimit"]["remaining"], 10);
        assert_eq!(acme.gateway.code(&acme.key, json!({ "cost": 11 })).await, "RATE_LIMITED");
        assert_eq!(
            acme.gateway.code(&acme.bob_key, json!({ "permission": "members.view" })).await,
            "FORBIDDEN"
        );
        assert_eq!(acme.gateway.verify(&acme.key, json!({ "cost": 10 })).await["ratelimit"]["remaining"], 0);
        // The daily limit fills up minute by minute until it is the tightest.
        let mut admitted = 60;
        for _ in 0..200 {
            app.advance(Duration::from_secs(61));
            if acme.gateway.code(&acme.key, json!({ "cost": 60 })).await != "VALID" {
                break;
            }
            admitted += 60;
        }
        assert_eq!(admitted, 9960);
        let response = acme.gateway.verify(&acme.key, json!({ "cost": 40 })).await;
        assert_eq!(response["code"], "VALID", "{response}");
        assert_eq!(
            (&response["ratelimit"]["limit"], &response["ratelimit"]["remaining"]),
            (&json!(10_000), &json!(0))
        );
        assert_eq!(acme.gateway.code(&acme.key, json!({})).await, "RATE_LIMITED");
        app.advance(DAY);
        assert_eq!(acme.gateway.code(&acme.key, json!({})).await, "VALID");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_api_has_a_separate_limit() {
    on_each_db_as_shipped(async |app| {
        let _sync = app.start_replica_sync();
        let acme = acme(app).await;
        let first = acme.key.get("/api/v1/accounts/acme").await.assert_status(200);
        assert_eq!(first.header("ratelimit-policy"), "\"minute\";q=1200;w=60");
        assert!(
            first.header("ratelimit").starts_with("\"minute\";r=1199;t="),
            "{}",
            first.header("ratelimit")
        );
        // Refused requests count too, for the account as a whole.
        let refused = acme.bob_key.get("/api/v1/accounts/acme/members").await.assert_status(403);
        assert!(refused.header("ratelimit").starts_with("\"minute\";r=1198;"));
        for _ in 0..1198 {
            acme.bob_key.get("/api/v1/accounts/acme/members").await.assert_status(403);
        }
        let limited = acme.key.get("/api/v1/accounts/acme").await.assert_status(429);
        assert_eq!(limited.json()["code"], "too_many_requests");
        assert!(limited.header("ratelimit").starts_with("\"minute\";r=0;t="));
        let retry_after: u64 = limited.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&retry_after));
        // It is separate from the limit of the plan.
        assert_eq!(acme.gateway.code(&acme.key, json!({})).await, "VALID");
        app.advance(Duration::from_secs(retry_after));
        acme.key.get("/api/v1/accounts/acme").await.assert_status(200);
    })
    .await;
}
