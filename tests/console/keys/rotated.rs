//! Rotating: the new key and the old one, side by side for a while.
use super::{DAY, HOUR, key_id, made, secret};
use crate::harness::{House, PASSWORD, Person, Said, each};
use axum::http::Method;
use serde_json::json;

const KEYS: &str = "/api/v1/accounts/acme/keys";

async fn acme(house: &House) -> Person {
    let ada = house.user("Ada", "ada@acme.test").await;
    house.organization(&ada, "Acme").await;
    ada
}

fn problem(said: &Said, status: u16, code: &str) {
    assert_eq!((said.status, said.json()["code"].as_str()), (status, Some(code)), "{}", said.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_keys_work_until_the_grace_is_over() {
    each(async |house| {
        let ada = acme(house).await;
        let old = made(
            house,
            &ada,
            &[("name", "Nightly"), ("expires", "90d"), ("what", "some"), ("perm", "account.view")],
        )
        .await;
        house.later(10 * DAY);
        let at = format!("/a/acme/keys/{}/rotate", key_id(house, "Nightly").await);
        ada.get(&at).await.is(200).says("Both keys work for").says("24 hours");
        ada.post(&at, &[("grace", "a while")]).await.is(422).says("Choose how long both work");
        let said =
            ada.post(&at, &[("grace", "1h")]).await.is(200).says("“Nightly” is ready").says("Works until");
        assert!(said.field("cache-control").contains("no-store"));
        let new = house.program(&secret(&said.body));
        assert_ne!(new.secret, old.secret);
        for it in [&old, &new] {
            it.get("/api/v1/accounts/acme").await.is(200);
            it.get("/api/v1/accounts/acme/members").await.is(403);
        }
        let last4 = |it: &str| format!("••••{}", &it[it.len() - 4..]);
        let list = ada.get("/a/acme/keys").await.is(200).says("Rotated");
        list.says(&format!("Replaced by {}", last4(&new.secret)))
            .says(&format!("Replaces {}", last4(&old.secret)));
        house.later(HOUR);
        old.get("/api/v1/accounts/acme").await.is(401);
        new.get("/api/v1/accounts/acme").await.is(200);
        // The new one lasts as long as the old one was to.
        house.later(89 * DAY);
        new.get("/api/v1/accounts/acme").await.is(200);
        house.later(2 * DAY);
        new.get("/api/v1/accounts/acme").await.is(401);
        let rotated = "select count(*) from audit_events where action = 'key.rotated'";
        assert_eq!(house.count(rotated).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_over_or_rotated_is_not_rotated() {
    each(async |house| {
        let ada = acme(house).await;
        let old = made(house, &ada, &[("name", "Old"), ("expires", "30d")]).await;
        house.later(29 * DAY + 12 * HOUR);
        let ada = house.again(&ada).await;
        let id = key_id(house, "Old").await;
        let at = format!("/a/acme/keys/{id}/rotate");
        ada.post(&at, &[("grace", "7d")]).await.is(200);
        ada.post(&at, &[("grace", "7d")]).await.is(409).says("rotated already");
        // The grace gives the old one no longer life than it had.
        house.later(13 * HOUR);
        old.get("/api/v1/accounts/acme").await.is(401);
        made(house, &ada, &[("name", "Gone")]).await;
        let gone = key_id(house, "Gone").await;
        ada.post(&format!("/a/acme/keys/{gone}/revoke"), &[]).await.is(303);
        ada.post(&format!("/a/acme/keys/{gone}/rotate"), &[]).await.is(409).says("does not work any more");
        assert_eq!(house.count("select count(*) from api_keys").await, 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_rename_and_rotate_their_own() {
    each(async |house| {
        let ada = acme(house).await;
        let key = house.key("acme", &ada).await;
        let body = json!({ "name": "Build", "permissions": ["account.view", "keys.own"] });
        let narrow = key.call(Method::POST, KEYS, &body).await.is(201).json();
        let build = house.program(narrow["secret"].as_str().unwrap());
        let one = format!("{KEYS}/{}", narrow["id"].as_str().unwrap());
        let renamed = key.call(Method::PATCH, &one, &json!({ "name": "Builder" })).await.is(200).json();
        assert_eq!((&renamed["name"], &renamed["id"]), (&json!("Builder"), &narrow["id"]));
        problem(&key.call(Method::PATCH, &one, &json!({ "name": "" })).await, 422, "invalid");
        problem(&key.call(Method::PATCH, &one, &json!({ "nme": "B" })).await, 422, "invalid");

        // A key for less does not make, by rotating, one that is for more.
        let whole = key_id(house, "Test key").await;
        let wide = format!("{KEYS}/{whole}/rotate");
        problem(&build.call(Method::POST, &wide, &json!({})).await, 403, "permission_missing");
        let again = format!("{one}/rotate");
        problem(
            &build.call(Method::POST, &again, &json!({ "grace_seconds": 31 * 86_400 })).await,
            422,
            "invalid",
        );
        problem(&build.call(Method::POST, &again, &json!({ "grace_seconds": -1 })).await, 422, "invalid");
        let made = build.call(Method::POST, &again, &json!({ "grace_seconds": 60 })).await.is(201);
        assert_eq!(made.field("cache-control"), "no-store");
        let made = made.json();
        assert_eq!((&made["name"], &made["permissions"]), (&json!("Builder"), &narrow["permissions"]));
        let next = house.program(made["secret"].as_str().unwrap());
        next.get("/api/v1/accounts/acme").await.is(200);
        build.get("/api/v1/accounts/acme").await.is(200);
        problem(&next.call(Method::POST, &again, &json!({})).await, 409, "already_rotated");
        house.later(HOUR);
        build.get("/api/v1/accounts/acme").await.is(401);
        next.get("/api/v1/accounts/acme").await.is(200);
        let all = key.get(KEYS).await.is(200).json();
        let old = all["items"].as_array().unwrap().iter().find(|it| it["id"] == narrow["id"]).unwrap();
        assert_eq!((&old["replaced_by"], &old["status"]), (&made["id"], &json!("expired")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grave_key_is_rotated_with_proof() {
    each(async |house| {
        let ada = acme(house).await;
        let form = [("name", "Closer"), ("what", "some"), ("perm", "account.delete")];
        made(house, &ada, &form).await;
        house.later(HOUR);
        let at = format!("/a/acme/keys/{}/rotate", key_id(house, "Closer").await);
        ada.get(&at).await.is(200).says("Your password");
        ada.post(&at, &[("grace", "0")]).await.is(422).says("Enter your password");
        ada.post(&at, &[("grace", "0"), ("password", PASSWORD)]).await.is(200).says("is ready");
    })
    .await;
}
