//! `Idempotency-Key`: what is sent again is done once.
use super::{ACME, acme, problem};
use crate::harness::{House, Program, Said, each};
use axum::http::Method;
use guildhall::{
    kit::secret::hash,
    model::id::KeyId,
    store::answers::{self, Found},
    worker::Worker,
};
use serde_json::{Value, json};
use std::time::Duration;

const KEYS: &str = "/api/v1/accounts/acme/keys";

async fn send(key: &Program, method: Method, path: &str, word: &str, body: &Value) -> Said {
    let fields = [("content-type", "application/json"), ("idempotency-key", word)];
    key.send(method, path, &fields, Some(body.to_string())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_is_done_once_and_answered_alike() {
    each(async |house| {
        let (_, key) = acme(house).await;
        let new = json!({ "name": "Nightly import" });
        let first = send(&key, Method::POST, KEYS, "a-1", &new).await.is(201);
        assert_eq!(first.field("idempotency-replayed"), "");
        for word in ["a-1", "\"a-1\""] {
            let again = send(&key, Method::POST, KEYS, word, &new).await.is(201);
            assert_eq!(again.body, first.body, "the secret is told again");
            assert_eq!(again.field("idempotency-replayed"), "true");
            assert_eq!(again.field("content-type"), first.field("content-type"));
        }
        assert_eq!(house.count("select count(*) from api_keys where name = 'Nightly import'").await, 1);
        let changed = send(&key, Method::PATCH, ACME, "b", &json!({ "name": "Apex" })).await.is(200);
        let again = send(&key, Method::PATCH, ACME, "b", &json!({ "name": "Apex" })).await.is(200);
        assert_eq!((again.field("etag"), &again.body), (changed.field("etag"), &changed.body));
        let sql = "select count(*) from audit_events where action = 'account.updated'";
        assert_eq!(house.count(sql).await, 1);
        // The stored answer holds a secret: nobody who reads the database does.
        let secret = first.json()["secret"].as_str().unwrap().to_owned();
        let mut conn = house.db.read().await.unwrap();
        let all: Vec<(Vec<u8>,)> = conn.query("select answer from answers").all().await.unwrap();
        assert_eq!(all.len(), 2);
        assert!(all.iter().all(|it| !String::from_utf8_lossy(&it.0).contains(&secret)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_word_for_another_request_is_refused() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        let new = json!({ "name": "One" });
        let id =
            send(&key, Method::POST, KEYS, "w", &new).await.is(201).json()["id"].as_str().unwrap().to_owned();
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
            house.count("select count(*) from api_keys where name = 'Two' or revoked_at is not null").await,
            0
        );
        // Another key of the same member has words of its own.
        let other = house.key("acme", &ada).await;
        send(&other, Method::POST, KEYS, "w", &two).await.is(201);
        for bad in ["", " ", "a b", &"x".repeat(256)] {
            problem(send(&key, Method::POST, KEYS, bad, &two).await, 400, "malformed");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_kept_and_an_answer_is_not_given_to_who_may_no_more() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        let bad = json!({ "name": "" });
        let first = send(&key, Method::POST, KEYS, "bad", &bad).await.is(422);
        let again = send(&key, Method::POST, KEYS, "bad", &bad).await.is(422);
        assert_eq!((&again.body, again.field("idempotency-replayed").as_str()), (&first.body, "true"));
        let bob = house.user("Bob Hale", "bob@acme.test").await;
        let seat = house.join(&ada, "acme", &bob, &["member"]).await;
        let bobs = house.key("acme", &bob).await;
        let new = json!({ "name": "Bob's" });
        send(&bobs, Method::POST, KEYS, "w", &new).await.is(201);
        house.hold_only(seat, guildhall::model::permission::Permission::ViewAccount).await;
        problem(send(&bobs, Method::POST, KEYS, "w", &new).await, 403, "permission_missing");
        ada.post(&format!("/a/acme/members/{seat}/suspend"), &[]).await.is(303);
        problem(send(&bobs, Method::POST, KEYS, "w", &new).await, 403, "member_inactive");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_at_once_are_one() {
    each(async |house| {
        let (_, key) = acme(house).await;
        let all = (0..16).map(|_| {
            let key = key.clone();
            tokio::spawn(async move {
                send(&key, Method::POST, KEYS, "at-once", &json!({ "name": "Once" })).await
            })
        });
        let mut made = 0;
        for it in all.collect::<Vec<_>>() {
            let said = it.await.unwrap();
            match said.status {
                201 => made += i32::from(said.field("idempotency-replayed").is_empty()),
                _ => {
                    assert!(!said.field("retry-after").is_empty());
                    problem(said, 409, "in_flight");
                }
            }
        }
        assert_eq!(made, 1);
        assert_eq!(house.count("select count(*) from api_keys where name = 'Once'").await, 1);
        send(&key, Method::POST, KEYS, "at-once", &json!({ "name": "Once" })).await.is(201);
    })
    .await;
}

/// As if a process had claimed a request, and died.
async fn died(house: &House, key: &Program, word: &str) {
    let mut conn = house.db.read().await.unwrap();
    let sql = "select id from api_keys where hash = $1";
    let (id,): (KeyId,) = conn.query(sql).bind(hash(&key.secret)).one().await.unwrap();
    drop(conn);
    let request: Vec<(Vec<u8>,)> =
        house.db.read().await.unwrap().query("select request from answers").all().await.unwrap();
    house.tamper("delete from answers").await;
    let found = answers::claim(&house.db, &house.kit, id, word, &request[0].0).await.unwrap();
    assert!(matches!(found, Found::Mine(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_a_process_that_died_does_not_block_for_ever() {
    each(async |house| {
        let (_, key) = acme(house).await;
        let new = json!({ "name": "Third time lucky" });
        send(&key, Method::POST, KEYS, "w", &new).await.is(201);
        // It died before it did anything.
        died(house, &key, "w").await;
        let said = problem(send(&key, Method::POST, KEYS, "w", &new).await, 409, "in_flight");
        assert!(said["detail"].as_str().unwrap().contains("now"));
        house.later(answers::LEASE);
        send(&key, Method::POST, KEYS, "w", &new).await.is(201);
        send(&key, Method::POST, KEYS, "w", &new).await.is(201);
        assert_eq!(house.count("select count(*) from api_keys where name = 'Third time lucky'").await, 2);
        // It died after it was done, before the answer was kept.
        died(house, &key, "w").await;
        house.tamper("update answers set done = true").await;
        problem(send(&key, Method::POST, KEYS, "w", &new).await, 409, "in_flight");
        house.later(answers::LEASE);
        problem(send(&key, Method::POST, KEYS, "w", &new).await, 409, "answer_lost");
        assert_eq!(house.count("select count(*) from api_keys where name = 'Third time lucky'").await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_forgotten_after_a_day() {
    each(async |house| {
        let (_, key) = acme(house).await;
        let new = json!({ "name": "Daily" });
        send(&key, Method::POST, KEYS, "w", &new).await.is(201);
        let worker = Worker::new(house.db.clone(), house.kit.clone(), None);
        house.later(answers::TERM - Duration::from_secs(60));
        worker.tick().await.unwrap();
        assert_eq!(
            send(&key, Method::POST, KEYS, "w", &new).await.is(201).field("idempotency-replayed"),
            "true"
        );
        house.later(Duration::from_secs(61));
        worker.tick().await.unwrap();
        assert_eq!(house.count("select count(*) from answers").await, 0);
        send(&key, Method::POST, KEYS, "w", &new).await.is(201);
        assert_eq!(house.count("select count(*) from api_keys where name = 'Daily'").await, 2);
    })
    .await;
}

/// What deletes the account or the key is done once, too, and leaves no answer for whom there is no account any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_can_revoke_itself_once() {
    each(async |house| {
        let (_, key) = acme(house).await;
        let made = key
            .call(Method::POST, KEYS, &json!({ "name": "Short", "permissions": ["keys.own"] }))
            .await
            .is(201)
            .json();
        let short = house.program(made["secret"].as_str().unwrap());
        let path = format!("{KEYS}/{}", made["id"].as_str().unwrap());
        short.send(Method::DELETE, &path, &[("idempotency-key", "w")], None).await.is(204);
        problem(
            short.send(Method::DELETE, &path, &[("idempotency-key", "w")], None).await,
            401,
            "unauthenticated",
        );
    })
    .await;
}
