//! Keys, by key.
use super::{ACME, acme, all, fault, has_fields, join, lacks, problem};
use crate::harness::{Program, Said, each};
use axum::http::Method;
use guildhall::model::time::MINUTE;
use serde_json::{Value, json};
use std::time::Duration;

const KEYS: &str = "/api/v1/accounts/acme/keys";

async fn make(by: &Program, body: Value) -> Said {
    by.call(Method::POST, KEYS, &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_used_and_revoked() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        let said = make(&key, json!({ "name": "Build" })).await.is(201);
        assert_eq!(said.field("cache-control"), "no-store");
        let made = said.json();
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
        let member = house.membership("acme", &ada).await;
        assert_eq!(made["member"], json!({ "id": member, "email": "ada@acme.test" }));
        assert_eq!(made["name"], "Build");
        assert_eq!(made["permissions"], Value::Null);
        assert_eq!(made["resources"], Value::Null);
        assert_eq!(made["last_used_at"], Value::Null);
        assert_eq!(made["status"], "active");
        let year = guildhall::model::time::Time::parse(made["expires_at"].as_str().unwrap()).unwrap();
        let days = year.since(house.kit.now()).as_secs() / 86_400;
        assert!((364..=366).contains(&days), "{days}");
        let eternal = make(&key, json!({ "name": "Eternal", "expires_at": null })).await.is(201).json();
        assert_eq!(eternal["expires_at"], Value::Null);

        let program = house.program(secret);
        program.get(ACME).await.is(200);
        let mut used = Value::Null;
        for _ in 0..100 {
            let listed = all(&key, KEYS, 2).await;
            assert_eq!(listed.len(), 3);
            let it = listed.into_iter().find(|it| it["id"] == made["id"]).unwrap();
            has_fields(&it, &names);
            used = it["last_used_at"].clone();
            if !used.is_null() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(used.as_str().is_some_and(|it| it.ends_with('Z')), "its use was not written down");

        let one = format!("{KEYS}/{}", made["id"].as_str().unwrap());
        key.send(Method::DELETE, &one, &[], None).await.is(204);
        key.send(Method::DELETE, &one, &[], None).await.is(204);
        problem(program.get(ACME).await, 401, "unauthenticated");
        let it = all(&key, KEYS, 2).await.into_iter().find(|it| it["id"] == made["id"]).unwrap();
        assert_eq!(it["status"], "revoked");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_ends_on_its_day() {
    each(async |house| {
        let (_, key) = acme(house).await;
        let soon = house.kit.now().plus(MINUTE);
        let made = make(&key, json!({ "name": "Short", "expires_at": soon })).await.is(201).json();
        let program = house.program(made["secret"].as_str().unwrap());
        program.get(ACME).await.is(200);
        house.later(2 * MINUTE);
        problem(program.get(ACME).await, 401, "unauthenticated");
        let it = all(&key, KEYS, 50).await.into_iter().find(|it| it["id"] == made["id"]).unwrap();
        assert_eq!(it["status"], "expired");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_for_no_more_than_its_maker_may() {
    each(async |house| {
        let (_, key) = acme(house).await;
        fault(make(&key, json!({})).await, "/name", "required");
        fault(make(&key, json!({ "name": " " })).await, "/name", "required");
        fault(
            make(&key, json!({ "name": "K", "expires_at": "2001-01-01T00:00:00Z" })).await,
            "/expires_at",
            "in_the_past",
        );
        fault(make(&key, json!({ "name": "K", "permissions": [] })).await, "/permissions", "required");
        fault(
            make(&key, json!({ "name": "K", "permissions": ["tea.make"] })).await,
            "/permissions/0",
            "invalid",
        );
        fault(make(&key, json!({ "name": "K", "resources": [] })).await, "/resources", "required");
        let nobodys = json!({ "name": "K", "resources": [uuid::Uuid::nil()] });
        fault(make(&key, nobodys).await, "/resources", "unknown_resource");
        fault(make(&key, json!({ "name": "K", "scopes": [] })).await, "/scopes", "unknown_field");

        let some = ["account.view", "keys.own", "members.view"];
        let made = make(&key, json!({ "name": "Some", "permissions": some })).await.is(201).json();
        assert_eq!(made["permissions"], json!(["account.view", "members.view", "keys.own"]));
        let few = house.program(made["secret"].as_str().unwrap());
        few.get(&format!("{ACME}/members")).await.is(200);
        lacks(few.get(&format!("{ACME}/audit")).await, "audit.view");
        lacks(make(&few, json!({ "name": "More", "permissions": ["audit.view"] })).await, "audit.view");
        // What such a key makes by default is for no more than itself.
        let child = make(&few, json!({ "name": "Child" })).await.is(201).json();
        assert_eq!(child["permissions"], made["permissions"]);

        let bob = house.user("Bob", "bob@acme.test").await;
        let id = join(house, &key, "acme", &bob, &["member"]).await;
        let bobs = house.key("acme", &bob).await;
        lacks(make(&bobs, json!({ "name": "K", "permissions": ["members.view"] })).await, "members.view");
        make(&bobs, json!({ "name": "K", "permissions": ["resources.run"] })).await.is(201);
        let grants = json!({ "grants": [{ "role": "analyst" }] });
        key.call(Method::PATCH, &format!("{ACME}/members/{id}"), &grants).await.is(200);
        lacks(make(&bobs, json!({ "name": "K" })).await, "keys.own");
        lacks(bobs.get(KEYS).await, "keys.own");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_can_be_for_some_resources() {
    each(async |house| {
        let (_, key) = acme(house).await;
        house
            .tamper(
                "insert into resources (id, account_id, product, kind, name, external_id, created_at, updated_at)
                 select id, id, 'video', 'index', 'Clips', 'x1', 0, 0 from accounts where slug = 'acme'",
            )
            .await;
        let id = key.get(ACME).await.json()["id"].clone();
        let one = json!({ "name": "One", "resources": [id], "permissions": ["keys.own", "resources.view"] });
        let made = make(&key, one).await.is(201).json();
        assert_eq!(made["resources"], json!([id]));
        let child = make(&house.program(made["secret"].as_str().unwrap()), json!({ "name": "Child" })).await;
        assert_eq!(child.is(201).json()["resources"], json!([id]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_their_own_keys_and_managers_all() {
    each(async |house| {
        let (_, key) = acme(house).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        join(house, &key, "acme", &bob, &["member"]).await;
        let bobs = house.key("acme", &bob).await;
        assert_eq!(all(&key, KEYS, 1).await.len(), 2);
        let own = all(&bobs, KEYS, 1).await;
        assert_eq!(own.len(), 1);
        let everyones = all(&key, KEYS, 50).await;
        let adas = everyones.iter().find(|it| it["member"]["email"] == "ada@acme.test").unwrap();
        let path = |it: &Value| format!("{KEYS}/{}", it["id"].as_str().unwrap());
        problem(bobs.send(Method::DELETE, &path(adas), &[], None).await, 404, "not_found");
        key.get(ACME).await.is(200);
        let eve = house.user("Eve", "eve@evil.test").await;
        house.organization(&eve, "Evil").await;
        let eves = house.key("evil", &eve).await;
        let foreign = format!("/api/v1/accounts/evil/keys/{}", adas["id"].as_str().unwrap());
        problem(eves.send(Method::DELETE, &foreign, &[], None).await, 404, "not_found");
        // A key ends itself.
        bobs.send(Method::DELETE, &path(&own[0]), &[], None).await.is(204);
        problem(bobs.get(ACME).await, 401, "unauthenticated");
    })
    .await;
}
