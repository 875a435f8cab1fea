//! Rotating a key: the old and the new one both work during the grace period.
use super::{DAY, HOUR, create_key, key_id};
use crate::harness::{PASSWORD, TestApp, TestResponse, TestUser, on_each_db};
use axum::http::Method;
use serde_json::json;

const KEYS: &str = "/api/v1/accounts/acme/keys";

async fn acme(app: &TestApp) -> TestUser {
    let ada = app.user("Ada", "ada@acme.test").await;
    app.organization(&ada, "Acme").await;
    ada
}

fn assert_problem(response: &TestResponse, status: u16, code: &str) {
    assert_eq!(
        (response.status, response.json()["code"].as_str()),
        (status, Some(code)),
        "{}",
        response.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn both_keys_work_during_the_grace_period() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        let old = create_key(
            app,
            &ada,
            &[("name", "Nightly"), ("expires", "90d"), ("what", "some"), ("perm", "account.view")],
        )
        .await;
        app.advance(10 * DAY);
        let path = format!("/a/acme/keys/{}/rotate", key_id(app, "Nightly").await);
        ada.get(&path)
            .await
            .assert_status(200)
            .assert_contains("Both keys work for")
            .assert_contains("24 hours");
        ada.post(&path, &[("grace", "a while")])
            .await
            .assert_status(422)
            .assert_contains("Choose how long both keys work");
        let response = ada
            .post(&path, &[("grace", "1h")])
            .await
            .assert_status(200)
            .assert_contains("“Nightly” is ready")
            .assert_contains("Works until");
        assert!(response.header("cache-control").contains("no-store"));
        let new = app.api_client(&response.text_of("#secret"));
        assert_ne!(new.secret, old.secret);
        for key in [&old, &new] {
            key.get("/api/v1/accounts/acme").await.assert_status(200);
            key.get("/api/v1/accounts/acme/members").await.assert_status(403);
        }
        let last4 = |secret: &str| format!("••••{}", &secret[secret.len() - 4..]);
        let list = ada.get("/a/acme/keys").await.assert_status(200).assert_contains("Rotated");
        list.assert_contains(&format!("Replaced by {}", last4(&new.secret)))
            .assert_contains(&format!("Replaces {}", last4(&old.secret)));
        app.advance(HOUR);
        old.get("/api/v1/accounts/acme").await.assert_status(401);
        new.get("/api/v1/accounts/acme").await.assert_status(200);
        // The new key keeps the lifetime of the old one.
        app.advance(89 * DAY);
        new.get("/api/v1/accounts/acme").await.assert_status(200);
        app.advance(2 * DAY);
        new.get("/api/v1/accounts/acme").await.assert_status(401);
        let rotated = "select count(*) from audit_events where action = 'key.rotated'";
        assert_eq!(app.count(rotated).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_or_rotated_key_cannot_be_rotated() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        let old = create_key(app, &ada, &[("name", "Old"), ("expires", "30d")]).await;
        app.advance(29 * DAY + 12 * HOUR);
        let ada = app.second_browser(&ada).await;
        let id = key_id(app, "Old").await;
        let path = format!("/a/acme/keys/{id}/rotate");
        ada.post(&path, &[("grace", "7d")]).await.assert_status(200);
        ada.post(&path, &[("grace", "7d")]).await.assert_status(409).assert_contains("rotated already");
        // The grace period does not extend the life of the old key.
        app.advance(13 * HOUR);
        old.get("/api/v1/accounts/acme").await.assert_status(401);
        create_key(app, &ada, &[("name", "Gone")]).await;
        let revoked = key_id(app, "Gone").await;
        ada.post(&format!("/a/acme/keys/{revoked}/revoke"), &[]).await.assert_status(303);
        ada.post(&format!("/a/acme/keys/{revoked}/rotate"), &[])
            .await
            .assert_status(409)
            .assert_contains("does not work any more");
        assert_eq!(app.count("select count(*) from api_keys").await, 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_renames_and_rotates_keys() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        let key = app.api_key("acme", &ada).await;
        let body = json!({ "name": "Build", "permissions": ["account.view", "keys.own"] });
        let restricted = key.call(Method::POST, KEYS, &body).await.assert_status(201).json();
        let build = app.api_client(restricted["secret"].as_str().unwrap());
        let path = format!("{KEYS}/{}", restricted["id"].as_str().unwrap());
        let renamed =
            key.call(Method::PATCH, &path, &json!({ "name": "Builder" })).await.assert_status(200).json();
        assert_eq!((&renamed["name"], &renamed["id"]), (&json!("Builder"), &restricted["id"]));
        assert_problem(&key.call(Method::PATCH, &path, &json!({ "name": "" })).await, 422, "invalid");
        assert_problem(&key.call(Method::PATCH, &path, &json!({ "nme": "B" })).await, 422, "invalid");

        // A restricted key cannot gain permissions by rotating an unrestricted one.
        let id = key_id(app, "Test key").await;
        let unrestricted = format!("{KEYS}/{id}/rotate");
        assert_problem(&build.call(Method::POST, &unrestricted, &json!({})).await, 403, "permission_missing");
        let rotate = format!("{path}/rotate");
        assert_problem(
            &build.call(Method::POST, &rotate, &json!({ "grace_seconds": 31 * 86_400 })).await,
            422,
            "invalid",
        );
        assert_problem(
            &build.call(Method::POST, &rotate, &json!({ "grace_seconds": -1 })).await,
            422,
            "invalid",
        );
        let created =
            build.call(Method::POST, &rotate, &json!({ "grace_seconds": 60 })).await.assert_status(201);
        assert_eq!(created.header("cache-control"), "no-store");
        let created = created.json();
        assert_eq!(
            (&created["name"], &created["permissions"]),
            (&json!("Builder"), &restricted["permissions"])
        );
        let next = app.api_client(created["secret"].as_str().unwrap());
        next.get("/api/v1/accounts/acme").await.assert_status(200);
        build.get("/api/v1/accounts/acme").await.assert_status(200);
        assert_problem(&next.call(Method::POST, &rotate, &json!({})).await, 409, "already_rotated");
        app.advance(HOUR);
        build.get("/api/v1/accounts/acme").await.assert_status(401);
        next.get("/api/v1/accounts/acme").await.assert_status(200);
        let all = key.get(KEYS).await.assert_status(200).json();
        let old = all["items"].as_array().unwrap().iter().find(|key| key["id"] == restricted["id"]).unwrap();
        assert_eq!((&old["replaced_by"], &old["status"]), (&created["id"], &json!("expired")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotating_a_key_with_irreversible_permissions_needs_reauthentication() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        let form = [("name", "Closer"), ("what", "some"), ("perm", "account.delete")];
        create_key(app, &ada, &form).await;
        app.advance(HOUR);
        let path = format!("/a/acme/keys/{}/rotate", key_id(app, "Closer").await);
        ada.get(&path).await.assert_status(200).assert_contains("Your password");
        ada.post(&path, &[("grace", "0")]).await.assert_status(422).assert_contains("Enter your password");
        ada.post(&path, &[("grace", "0"), ("password", PASSWORD)])
            .await
            .assert_status(200)
            .assert_contains("is ready");
    })
    .await;
}
