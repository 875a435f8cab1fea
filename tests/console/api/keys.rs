//! API keys by the API.
use super::{ACME, acme, all, field_error, has_fields, join, missing_permission, problem};
use crate::harness::{ApiClient, TestResponse, on_each_db, scaled};
use axum::http::Method;
use guildhall::model::time::MINUTE;
use serde_json::{Value, json};
use std::time::Duration;

const KEYS: &str = "/api/v1/accounts/acme/keys";

async fn create(client: &ApiClient, body: Value) -> TestResponse {
    client.call(Method::POST, KEYS, &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_created_used_and_revoked() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        let response = create(&key, json!({ "name": "Build" })).await.assert_status(201);
        assert_eq!(response.header("cache-control"), "no-store");
        let made = response.json();
        let names = [
            "id",
            "name",
            "last4",
            "member",
            "permissions",
            "resources",
            "created_at",
            "expires_at",
            "last_used_at",
            "status",
            "replaced_by",
        ];
        has_fields(&made, &[&names[..], &["secret"]].concat());
        let secret = made["secret"].as_str().unwrap();
        assert!(secret.starts_with("gh_key_") && secret.ends_with(made["last4"].as_str().unwrap()));
        let member = app.membership("acme", &ada).await;
        assert_eq!(made["member"], json!({ "id": member, "email": "ada@acme.test" }));
        assert_eq!(made["name"], "Build");
        assert_eq!(made["permissions"], Value::Null);
        assert_eq!(made["resources"], Value::Null);
        assert_eq!(made["last_used_at"], Value::Null);
        assert_eq!(made["status"], "active");
        let year = guildhall::model::time::Time::parse(made["expires_at"].as_str().unwrap()).unwrap();
        let days = year.since(app.kit.now()).as_secs() / 86_400;
        assert!((364..=366).contains(&days), "{days}");
        let eternal =
            create(&key, json!({ "name": "Eternal", "expires_at": null })).await.assert_status(201).json();
        assert_eq!(eternal["expires_at"], Value::Null);

        let client = app.api_client(secret);
        client.get(ACME).await.assert_status(200);
        let mut used = Value::Null;
        for _ in 0..100 {
            let keys = all(&key, KEYS, 2).await;
            assert_eq!(keys.len(), 3);
            let listed = keys.into_iter().find(|key| key["id"] == made["id"]).unwrap();
            has_fields(&listed, &names);
            used = listed["last_used_at"].clone();
            if !used.is_null() {
                break;
            }
            tokio::time::sleep(scaled(Duration::from_millis(20))).await;
        }
        assert!(used.as_str().is_some_and(|time| time.ends_with('Z')), "its use was not recorded");

        let one = format!("{KEYS}/{}", made["id"].as_str().unwrap());
        key.send(Method::DELETE, &one, &[], None).await.assert_status(204);
        key.send(Method::DELETE, &one, &[], None).await.assert_status(204);
        problem(client.get(ACME).await, 401, "unauthenticated");
        let listed = all(&key, KEYS, 2).await.into_iter().find(|key| key["id"] == made["id"]).unwrap();
        assert_eq!(listed["status"], "revoked");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_expires() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let soon = app.kit.now().plus(MINUTE);
        let made =
            create(&key, json!({ "name": "Short", "expires_at": soon })).await.assert_status(201).json();
        let client = app.api_client(made["secret"].as_str().unwrap());
        client.get(ACME).await.assert_status(200);
        app.advance(2 * MINUTE);
        problem(client.get(ACME).await, 401, "unauthenticated");
        let listed = all(&key, KEYS, 50).await.into_iter().find(|key| key["id"] == made["id"]).unwrap();
        assert_eq!(listed["status"], "expired");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_cannot_have_more_permissions_than_its_creator() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        field_error(create(&key, json!({})).await, "/name", "required");
        field_error(create(&key, json!({ "name": " " })).await, "/name", "required");
        field_error(
            create(&key, json!({ "name": "K", "expires_at": "2001-01-01T00:00:00Z" })).await,
            "/expires_at",
            "in_the_past",
        );
        field_error(
            create(&key, json!({ "name": "K", "permissions": [] })).await,
            "/permissions",
            "required",
        );
        field_error(
            create(&key, json!({ "name": "K", "permissions": ["tea.make"] })).await,
            "/permissions/0",
            "invalid",
        );
        field_error(create(&key, json!({ "name": "K", "resources": [] })).await, "/resources", "required");
        let unknown = json!({ "name": "K", "resources": [uuid::Uuid::nil()] });
        field_error(create(&key, unknown).await, "/resources", "unknown_resource");
        field_error(create(&key, json!({ "name": "K", "scopes": [] })).await, "/scopes", "unknown_field");

        let some = ["account.view", "keys.own", "members.view"];
        let made =
            create(&key, json!({ "name": "Some", "permissions": some })).await.assert_status(201).json();
        assert_eq!(made["permissions"], json!(["account.view", "members.view", "keys.own"]));
        let few = app.api_client(made["secret"].as_str().unwrap());
        few.get(&format!("{ACME}/members")).await.assert_status(200);
        missing_permission(few.get(&format!("{ACME}/audit")).await, "audit.view");
        missing_permission(
            create(&few, json!({ "name": "More", "permissions": ["audit.view"] })).await,
            "audit.view",
        );
        // A key that such a key creates has the same permissions by default.
        let child = create(&few, json!({ "name": "Child" })).await.assert_status(201).json();
        assert_eq!(child["permissions"], made["permissions"]);

        let bob = app.user("Bob", "bob@acme.test").await;
        let id = join(app, &key, "acme", &bob, &["member"]).await;
        let bobs = app.api_key("acme", &bob).await;
        missing_permission(
            create(&bobs, json!({ "name": "K", "permissions": ["members.view"] })).await,
            "members.view",
        );
        create(&bobs, json!({ "name": "K", "permissions": ["resources.run"] })).await.assert_status(201);
        let grants = json!({ "grants": [{ "role": "analyst" }] });
        key.call(Method::PATCH, &format!("{ACME}/members/{id}"), &grants).await.assert_status(200);
        missing_permission(create(&bobs, json!({ "name": "K" })).await, "keys.own");
        missing_permission(bobs.get(KEYS).await, "keys.own");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_can_be_limited_to_resources() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        app.raw_sql(
            "insert into resources (id, account_id, product, kind, name, external_id, created_at, updated_at)
                 select id, id, 'video', 'index', 'Clips', 'x1', 0, 0 from accounts where slug = 'acme'",
        )
        .await;
        let id = key.get(ACME).await.json()["id"].clone();
        let one = json!({ "name": "One", "resources": [id], "permissions": ["keys.own", "resources.view"] });
        let made = create(&key, one).await.assert_status(201).json();
        assert_eq!(made["resources"], json!([id]));
        let child =
            create(&app.api_client(made["secret"].as_str().unwrap()), json!({ "name": "Child" })).await;
        assert_eq!(child.assert_status(201).json()["resources"], json!([id]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_see_their_own_keys_and_managers_see_all() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        join(app, &key, "acme", &bob, &["member"]).await;
        let bobs = app.api_key("acme", &bob).await;
        assert_eq!(all(&key, KEYS, 1).await.len(), 2);
        let own = all(&bobs, KEYS, 1).await;
        assert_eq!(own.len(), 1);
        let everyones = all(&key, KEYS, 50).await;
        let adas = everyones.iter().find(|key| key["member"]["email"] == "ada@acme.test").unwrap();
        let path = |key: &Value| format!("{KEYS}/{}", key["id"].as_str().unwrap());
        problem(bobs.send(Method::DELETE, &path(adas), &[], None).await, 404, "not_found");
        key.get(ACME).await.assert_status(200);
        let eve = app.user("Eve", "eve@evil.test").await;
        app.organization(&eve, "Evil").await;
        let eves = app.api_key("evil", &eve).await;
        let foreign = format!("/api/v1/accounts/evil/keys/{}", adas["id"].as_str().unwrap());
        problem(eves.send(Method::DELETE, &foreign, &[], None).await, 404, "not_found");
        // A key can revoke itself.
        bobs.send(Method::DELETE, &path(&own[0]), &[], None).await.assert_status(204);
        problem(bobs.get(ACME).await, 401, "unauthenticated");
    })
    .await;
}
