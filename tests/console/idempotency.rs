//! `Idempotency-Key`: a request that is sent again is executed once.
use crate::{
    api::{ACME, acme, problem},
    harness::{ApiClient, TestApp, TestResponse, on_each_db},
};
use axum::http::Method;
use guildhall::{
    crypto::secrets::hash,
    jobs::Worker,
    model::id::KeyId,
    store::idempotency::{self, ClaimOutcome},
};
use serde_json::{Value, json};
use std::time::Duration;

const KEYS: &str = "/api/v1/accounts/acme/keys";

async fn send(
    key: &ApiClient,
    method: Method,
    path: &str,
    idempotency_key: &str,
    body: &Value,
) -> TestResponse {
    let headers = [("content-type", "application/json"), ("idempotency-key", idempotency_key)];
    key.send(method, path, &headers, Some(body.to_string())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_executed_once_and_gets_the_same_response() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let new = json!({ "name": "Nightly import" });
        let first = send(&key, Method::POST, KEYS, "a-1", &new).await.assert_status(201);
        assert_eq!(first.header("idempotency-replayed"), "");
        for quoted_or_not in ["a-1", "\"a-1\""] {
            let again = send(&key, Method::POST, KEYS, quoted_or_not, &new).await.assert_status(201);
            assert_eq!(again.body, first.body, "the secret is in the response again");
            assert_eq!(again.header("idempotency-replayed"), "true");
            assert_eq!(again.header("content-type"), first.header("content-type"));
        }
        assert_eq!(app.count("select count(*) from api_keys where name = 'Nightly import'").await, 1);
        let changed =
            send(&key, Method::PATCH, ACME, "b", &json!({ "name": "Apex" })).await.assert_status(200);
        let again = send(&key, Method::PATCH, ACME, "b", &json!({ "name": "Apex" })).await.assert_status(200);
        assert_eq!((again.header("etag"), &again.body), (changed.header("etag"), &changed.body));
        let sql = "select count(*) from audit_events where action = 'account.updated'";
        assert_eq!(app.count(sql).await, 1);
        // The stored response contains a secret, so it is encrypted.
        let secret = first.json()["secret"].as_str().unwrap().to_owned();
        let mut conn = app.db.read().await.unwrap();
        let all: Vec<(Vec<u8>,)> =
            conn.query("select response from idempotency_keys").fetch_all().await.unwrap();
        assert_eq!(all.len(), 2);
        assert!(all.iter().all(|(stored,)| !String::from_utf8_lossy(stored).contains(&secret)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_for_another_request_is_refused() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        let new = json!({ "name": "One" });
        let id = send(&key, Method::POST, KEYS, "w", &new).await.assert_status(201).json()["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let two = json!({ "name": "Two" });
        problem(send(&key, Method::POST, KEYS, "w", &two).await, 422, "idempotency_key_reused");
        problem(send(&key, Method::PATCH, ACME, "w", &new).await, 422, "idempotency_key_reused");
        let one = format!("{KEYS}/{id}");
        problem(
            key.send(Method::DELETE, &one, &[("idempotency-key", "w")], None).await,
            422,
            "idempotency_key_reused",
        );
        assert_eq!(
            app.count("select count(*) from api_keys where name = 'Two' or revoked_at is not null").await,
            0
        );
        // Idempotency keys belong to one API key: another one of the same member may use the same.
        let other = app.api_key("acme", &ada).await;
        send(&other, Method::POST, KEYS, "w", &two).await.assert_status(201);
        for bad in ["", " ", "a b", &"x".repeat(256)] {
            problem(send(&key, Method::POST, KEYS, bad, &two).await, 400, "malformed");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_replayed_and_nothing_is_replayed_to_who_lost_the_permission() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        let bad = json!({ "name": "" });
        let first = send(&key, Method::POST, KEYS, "bad", &bad).await.assert_status(422);
        let again = send(&key, Method::POST, KEYS, "bad", &bad).await.assert_status(422);
        assert_eq!((&again.body, again.header("idempotency-replayed").as_str()), (&first.body, "true"));
        let bob = app.user("Bob Hale", "bob@acme.test").await;
        let membership = app.add_member(&ada, "acme", &bob, &["member"]).await;
        let bobs = app.api_key("acme", &bob).await;
        let new = json!({ "name": "Bob's" });
        send(&bobs, Method::POST, KEYS, "w", &new).await.assert_status(201);
        app.grant_only(membership, guildhall::model::permission::Permission::ViewAccount).await;
        problem(send(&bobs, Method::POST, KEYS, "w", &new).await, 403, "permission_missing");
        ada.post(&format!("/a/acme/members/{membership}/suspend"), &[]).await.assert_status(303);
        problem(send(&bobs, Method::POST, KEYS, "w", &new).await, 403, "member_inactive");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_concurrent_requests_are_executed_once() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let requests = (0..16).map(|_| {
            let key = key.clone();
            tokio::spawn(async move {
                send(&key, Method::POST, KEYS, "at-once", &json!({ "name": "Once" })).await
            })
        });
        let mut executed = 0;
        for request in requests.collect::<Vec<_>>() {
            let response = request.await.unwrap();
            match response.status {
                201 => executed += i32::from(response.header("idempotency-replayed").is_empty()),
                _ => {
                    assert!(!response.header("retry-after").is_empty());
                    problem(response, 409, "in_flight");
                }
            }
        }
        assert_eq!(executed, 1);
        assert_eq!(app.count("select count(*) from api_keys where name = 'Once'").await, 1);
        send(&key, Method::POST, KEYS, "at-once", &json!({ "name": "Once" })).await.assert_status(201);
    })
    .await;
}

/// Replaces the stored response by a claim, as if the process had died while it executed the request.
async fn claim_and_die(app: &TestApp, key: &ApiClient, idempotency_key: &str) {
    let mut conn = app.db.read().await.unwrap();
    let sql = "select id from api_keys where hash = $1";
    let (id,): (KeyId,) = conn.query(sql).bind(hash(&key.secret)).fetch_one().await.unwrap();
    drop(conn);
    let request: Vec<(Vec<u8>,)> = app
        .db
        .read()
        .await
        .unwrap()
        .query("select request_hash from idempotency_keys")
        .fetch_all()
        .await
        .unwrap();
    app.raw_sql("delete from idempotency_keys").await;
    let claim = idempotency::claim(&app.db, &app.kit, id, idempotency_key, &request[0].0).await.unwrap();
    assert!(matches!(claim, ClaimOutcome::Claimed(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_of_a_dead_process_expires() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let new = json!({ "name": "Third time lucky" });
        send(&key, Method::POST, KEYS, "w", &new).await.assert_status(201);
        // The process died before it executed the request.
        claim_and_die(app, &key, "w").await;
        let response = problem(send(&key, Method::POST, KEYS, "w", &new).await, 409, "in_flight");
        assert!(response["detail"].as_str().unwrap().contains("now"));
        app.advance(idempotency::LEASE);
        send(&key, Method::POST, KEYS, "w", &new).await.assert_status(201);
        send(&key, Method::POST, KEYS, "w", &new).await.assert_status(201);
        assert_eq!(app.count("select count(*) from api_keys where name = 'Third time lucky'").await, 2);
        // The process died after the request was executed and before the response was stored.
        claim_and_die(app, &key, "w").await;
        app.raw_sql("update idempotency_keys set done = true").await;
        problem(send(&key, Method::POST, KEYS, "w", &new).await, 409, "in_flight");
        app.advance(idempotency::LEASE);
        problem(send(&key, Method::POST, KEYS, "w", &new).await, 409, "answer_lost");
        assert_eq!(app.count("select count(*) from api_keys where name = 'Third time lucky'").await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_are_kept_for_a_day() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let new = json!({ "name": "Daily" });
        send(&key, Method::POST, KEYS, "w", &new).await.assert_status(201);
        let worker = Worker::new(app.db.clone(), app.kit.clone(), None);
        app.advance(Duration::from_secs(86_340));
        worker.run_once().await.unwrap();
        assert_eq!(
            send(&key, Method::POST, KEYS, "w", &new).await.assert_status(201).header("idempotency-replayed"),
            "true"
        );
        app.advance(Duration::from_secs(61));
        worker.run_once().await.unwrap();
        assert_eq!(app.count("select count(*) from idempotency_keys").await, 0);
        send(&key, Method::POST, KEYS, "w", &new).await.assert_status(201);
        assert_eq!(app.count("select count(*) from api_keys where name = 'Daily'").await, 2);
    })
    .await;
}

/// Deleting the own key or account works with an idempotency key, and leaves nothing to replay.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_can_revoke_itself_once() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let made = key
            .call(Method::POST, KEYS, &json!({ "name": "Short", "permissions": ["keys.own"] }))
            .await
            .assert_status(201)
            .json();
        let short = app.api_client(made["secret"].as_str().unwrap());
        let path = format!("{KEYS}/{}", made["id"].as_str().unwrap());
        short.send(Method::DELETE, &path, &[("idempotency-key", "w")], None).await.assert_status(204);
        problem(
            short.send(Method::DELETE, &path, &[("idempotency-key", "w")], None).await,
            401,
            "unauthenticated",
        );
    })
    .await;
}
