//! Reporting a leaked key: it is revoked for good, and the report reveals nothing about it.
use super::{create_key, key_id};
use crate::{
    harness::{ApiClient, TestApp, TestResponse, on_each_db},
    verify::Gateway,
};
use axum::http::Method;
use guildhall::model::token::TokenScope;
use serde_json::json;

const CALL: &str = "/api/v1/keys/leaked";

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_key_is_revoked_and_its_owner_is_notified() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let cyd = app.user("Cyd", "cyd@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        app.add_member(&ada, &acme, &bob, &["member"]).await;
        app.add_member(&ada, &acme, &cyd, &["member"]).await;
        let key = create_key(app, &bob, &[("name", "Bot")]).await;
        let finder = app.visitor();
        finder
            .get("/sign-in")
            .await
            .assert_status(200)
            .assert_contains("Found a key that should not be public?");
        finder.get("/leaked-key").await.assert_status(200).assert_contains("Report a leaked key");
        finder
            .post("/leaked-key", &[("key", "  ")])
            .await
            .assert_status(422)
            .assert_contains("Paste the whole key");
        let unknown = finder.post("/leaked-key", &[("key", "gh_key_nothing")]).await.assert_status(200);
        let known =
            finder.post("/leaked-key", &[("key", &format!(" {}\n", key.secret))]).await.assert_status(200);
        let again = finder.post("/leaked-key", &[("key", &key.secret)]).await.assert_status(200);
        assert_eq!(unknown.body, known.body);
        assert_eq!(unknown.body, again.body);
        known.assert_contains("Thank you");
        key.get("/api/v1/accounts/acme").await.assert_status(401);
        for (to, prefix) in [("bob@acme.test", "Your API key"), ("ada@acme.test", "An API key")] {
            let email = app.email(to).await;
            assert_eq!(email.0.subject, format!("{prefix} “Bot” was found in public and revoked"));
            assert!(email.0.text.contains("127.0.0.1"), "{}", email.0.text);
            assert!(email.link("/a/acme/keys/").ends_with(&key_id(app, "Bot").await));
        }
        let notices = "select count(*) from mails where subject like '%found in public%'";
        assert_eq!(app.count(notices).await, 2, "nobody else, and nobody twice");
        ada.get("/a/acme/audit")
            .await
            .assert_status(200)
            .assert_contains("reported the API key “Bot” as leaked");
        ada.get("/a/acme/keys?status=revoked").await.assert_status(200).assert_contains("Bot");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_accepts_leak_reports_for_every_kind_of_key() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        let key = create_key(app, &ada, &[("name", "Bot")]).await;
        app.raw_sql("update users set operator = true").await;
        let token = app.service_token(&[TokenScope::Verify]).await.secret;
        let anonymous = app.api_client("");
        let report = async |key: &str| {
            anonymous.call(Method::POST, CALL, &json!({ "key": key })).await.assert_status(200)
        };
        let responses: Vec<TestResponse> =
            vec![report(&token).await, report(&key.secret).await, report("tea").await];
        assert!(
            responses.iter().all(|response| response.body == responses[0].body),
            "the response reveals nothing"
        );
        key.get("/api/v1/accounts/acme").await.assert_status(401);
        let revoked = "select count(*) from service_tokens where revoked_at is not null";
        assert_eq!(app.count(revoked).await, 1);
        let subjects: Vec<String> =
            app.emails("ada@acme.test").await.into_iter().map(|email| email.0.subject).collect();
        assert!(subjects.contains(&"The service token “Gateway” was found in public and revoked".to_owned()));
        let audited =
            "select count(*) from audit_events where action = 'service_token.leaked' and ip = '127.0.0.1'";
        assert_eq!(app.count(audited).await, 1);

        for body in [json!({}), json!({ "key": 1 }), json!({ "key": "" }), json!({ "key": "x", "more": 1 })] {
            anonymous.call(Method::POST, CALL, &body).await.assert_status(422);
        }
        anonymous.get(&format!("{CALL}?key={}", key.secret)).await.assert_status(405);
    })
    .await;
}

async fn report(app: &TestApp, key: &ApiClient) {
    app.api_client("").call(Method::POST, CALL, &json!({ "key": key.secret })).await.assert_status(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn restoring_a_member_does_not_restore_a_leaked_key() {
    on_each_db(async |app| {
        let _watch = app.start_replica_sync();
        let ada = app.user("Ada", "ada@acme.test").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        let membership = app.add_member(&ada, &acme, &bob, &["member"]).await;
        bob.post("/new/team", &[("parent", "acme"), ("name", "Labs")]).await.assert_status(303);
        let (untouched, leaked, revoked) = (
            create_key(app, &bob, &[("name", "Kept")]).await,
            create_key(app, &bob, &[("name", "Found")]).await,
            create_key(app, &bob, &[("name", "By hand")]).await,
        );
        let (in_team, leaked_in_team) = (app.api_key("labs", &bob).await, app.api_key("labs", &bob).await);
        let revoke = format!("/a/acme/keys/{}/revoke", key_id(app, "By hand").await);
        let gateway = Gateway::of(app).await;
        let verdict = async |key: &ApiClient| gateway.code(key, json!({})).await;
        for key in [&untouched, &leaked, &revoked, &in_team, &leaked_in_team] {
            assert_eq!(verdict(key).await, "VALID");
        }
        let path = |action: &str| format!("/a/acme/members/{membership}/{action}");
        ada.post(&path("remove"), &[]).await.assert_status(303);
        for key in [&untouched, &leaked, &revoked, &in_team, &leaked_in_team] {
            assert_eq!(verdict(key).await, "REVOKED");
        }
        // While the removal can be undone, keys are reported (one of them twice), and another is revoked
        // twice.
        for key in [&leaked, &leaked_in_team, &leaked] {
            report(app, key).await;
        }
        ada.post(&revoke, &[]).await.assert_status(303);
        ada.post(&revoke, &[]).await.assert_status(303);
        let notices = "select count(*) from mails \
             where recipient = 'ada@acme.test' and subject like '%found in public%'";
        assert_eq!(app.count(notices).await, 2, "one notice for each, although it was revoked before");
        for (sql, count) in [
            ("select count(*) from audit_events where action = 'key.leaked'", 2),
            ("select count(*) from audit_events where action = 'key.revoked'", 1),
        ] {
            assert_eq!(app.count(sql).await, count, "{sql}");
        }
        ada.post(&path("restore"), &[]).await.assert_status(303);
        // Effective at once, although the key cache held the verdicts from before.
        for key in [&untouched, &in_team] {
            assert_eq!(verdict(key).await, "VALID");
        }
        for key in [&leaked, &leaked_in_team, &revoked] {
            assert_eq!(verdict(key).await, "REVOKED");
            key.get("/api/v1/accounts/acme").await.assert_status(401);
        }
        ada.get(&path("restored"))
            .await
            .assert_status(200)
            .assert_contains("revoked by hand or found in public meanwhile");

        // Reported while the member is suspended, and before they are removed.
        ada.post(&path("suspend"), &[]).await.assert_status(303);
        assert_eq!(verdict(&untouched).await, "SUSPENDED");
        report(app, &untouched).await;
        ada.post(&path("reactivate"), &[]).await.assert_status(303);
        assert_eq!(verdict(&untouched).await, "REVOKED");
        report(app, &in_team).await;
        ada.post(&path("remove"), &[]).await.assert_status(303);
        ada.post(&path("restore"), &[]).await.assert_status(303);
        for key in [&untouched, &in_team] {
            assert_eq!(verdict(key).await, "REVOKED");
        }
        assert_eq!(app.count(notices).await, 4);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leak_reports_are_rate_limited() {
    on_each_db(async |app| {
        let anonymous = app.api_client("");
        for _ in 0..30 {
            anonymous.call(Method::POST, CALL, &json!({ "key": "gh_key_x" })).await.assert_status(200);
        }
        let response =
            anonymous.call(Method::POST, CALL, &json!({ "key": "gh_key_x" })).await.assert_status(429);
        assert!(!response.header("retry-after").is_empty());
        app.visitor().post("/leaked-key", &[("key", "gh_key_x")]).await.assert_status(429);
    })
    .await;
}
