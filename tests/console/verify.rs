//! Verifying keys: every verdict and its precedence, from a cache that is never stale.
mod replicas;

use crate::harness::{ApiClient, TestApp, TestResponse, TestUser, on_each_db, scaled};
use axum::http::Method;
use guildhall::model::token::TokenScope;
use serde_json::{Value, json};
use std::time::Duration;

pub const DAY: Duration = Duration::from_secs(86_400);

/// A gateway of the platform, which verifies keys.
pub struct Gateway(pub ApiClient);

impl Gateway {
    pub async fn of(app: &TestApp) -> Gateway {
        Gateway(app.service_token(&[TokenScope::Verify]).await)
    }
    pub async fn send(&self, body: &Value) -> TestResponse {
        self.0.call(Method::POST, "/api/v1/keys/verify", body).await
    }
    /// Verifies a key; `more` is merged into the request.
    pub async fn verify(&self, key: &ApiClient, more: Value) -> Value {
        let mut body = json!({ "key": key.secret });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.send(&body).await.assert_status(200).json()
    }
    pub async fn code(&self, key: &ApiClient, more: Value) -> String {
        let response = self.verify(key, more).await;
        assert_eq!(response["valid"], response["code"] == "VALID", "{response}");
        response["code"].as_str().unwrap().to_owned()
    }
}

async fn resource(key: &ApiClient, product: &str, external_id: &str, visibility: &str) -> String {
    let kind = if product == "video" { "index" } else { "image_source" };
    let body = json!({ "product": product, "kind": kind, "name": external_id, "external_id": external_id,
        "visibility": visibility });
    let created =
        key.call(Method::POST, "/api/v1/accounts/acme/resources", &body).await.assert_status(201).json();
    created["id"].as_str().unwrap().to_owned()
}

pub struct Acme {
    pub ada: TestUser,
    pub bob: TestUser,
    pub key: ApiClient,
    pub bob_key: ApiClient,
    pub gateway: Gateway,
}

pub async fn acme(app: &TestApp) -> Acme {
    let ada = app.user("Ada Byron", "ada@acme.test").await;
    app.organization(&ada, "Acme").await;
    app.raw_sql("update accounts set plan = 'enterprise'").await;
    let bob = app.user("Bob", "bob@acme.test").await;
    app.add_member(&ada, "acme", &bob, &["member"]).await;
    let (key, bob_key) = (app.api_key("acme", &ada).await, app.api_key("acme", &bob).await);
    Acme { ada, bob, key, bob_key, gateway: Gateway::of(app).await }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valid_key_returns_its_account_and_user() {
    on_each_db(async |app| {
        let _watch = app.start_replica_sync();
        let Acme { ada, bob, key, bob_key, gateway } = acme(app).await;
        let response = gateway.verify(&key, json!({})).await;
        assert_eq!((&response["valid"], &response["code"]), (&json!(true), &json!("VALID")));
        assert_eq!(response["account"]["slug"], "acme");
        assert_eq!(
            (&response["account"]["kind"], &response["account"]["plan"]),
            (&json!("organization"), &json!("enterprise"))
        );
        assert_eq!(response["user"], json!({ "id": ada.id, "email": "ada@acme.test" }));
        assert_eq!(response["roles"], json!(["owner"]));
        let limit = &response["ratelimit"];
        assert_eq!((&limit["limit"], &limit["remaining"]), (&json!(6000), &json!(5999)));
        assert!(limit["reset"].as_u64().unwrap() <= 60);
        assert!(response["key_id"].is_string());
        assert_eq!(gateway.verify(&bob_key, json!({})).await["roles"], json!(["member"]));
        // The use of a key is recorded asynchronously.
        for _ in 0..100 {
            if app.count("select count(*) from api_keys where used_at is not null").await == 2 {
                break;
            }
            tokio::time::sleep(scaled(Duration::from_millis(20))).await;
        }
        assert_eq!(app.count("select count(*) from api_keys where used_at is not null").await, 2);
        assert_eq!(gateway.verify(&bob_key, json!({})).await["user"]["email"], bob.email);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_follow_their_precedence() {
    on_each_db(async |app| {
        let _watch = app.start_replica_sync();
        let Acme { ada, bob, key, bob_key, gateway } = acme(app).await;
        let none = json!({});
        // The same answer for malformed keys, unknown keys and tokens of another kind.
        let chance = &app.kit.random;
        for secret in [
            "",
            "gh_key_x",
            "nonsense",
            &key.secret[..20],
            &gateway.0.secret,
            &guildhall::crypto::secrets::machine_key(guildhall::crypto::secrets::KeyKind::Key, chance),
        ] {
            let response = gateway.verify(&app.api_client(secret), none.clone()).await;
            let not_found = json!({
                "valid": false, "code": "NOT_FOUND", "key_id": null, "account": null, "user": null,
                "roles": [], "ratelimit": null,
            });
            assert_eq!(response, not_found, "{secret}");
        }
        // The permissions of the member, and their scopes.
        let shared = resource(&key, "video", "vid_1", "shared").await;
        resource(&key, "video", "vid_2", "private").await;
        resource(&key, "image", "img_1", "shared").await;
        let by_external_id = |product: &str, external: &str| {
            let kind = if product == "video" { "index" } else { "image_source" };
            json!({ "product": product, "kind": kind, "external_id": external })
        };
        for (more, code, bob_code) in [
            (json!({ "permission": "members.view" }), "VALID", "FORBIDDEN"),
            (json!({ "permission": "resources.run" }), "VALID", "VALID"),
            (json!({ "permission": "resources.run", "resource": shared }), "VALID", "VALID"),
            (
                json!({
                    "permission": "resources.run", "resource": by_external_id("video", "vid_2"),
                }),
                "VALID",
                "FORBIDDEN",
            ),
            (json!({ "resource": by_external_id("video", "vid_2") }), "VALID", "FORBIDDEN"),
            (json!({ "resource": by_external_id("video", "vid_3") }), "FORBIDDEN", "FORBIDDEN"),
            (json!({ "resource": "no-such-id" }), "FORBIDDEN", "FORBIDDEN"),
            (json!({ "resource": shared, "product": "image" }), "FORBIDDEN", "FORBIDDEN"),
            (json!({ "permission": "resources.create", "product": "image" }), "VALID", "VALID"),
            (json!({ "permission": null, "resource": null, "product": null }), "VALID", "VALID"),
            (json!({ "cost": 6001 }), "RATE_LIMITED", "RATE_LIMITED"),
            (json!({ "cost": 6001, "permission": "members.view" }), "RATE_LIMITED", "FORBIDDEN"),
            (json!({ "cost": 0 }), "VALID", "VALID"),
        ] {
            assert_eq!(gateway.code(&key, more.clone()).await, code, "{more}");
            assert_eq!(gateway.code(&bob_key, more.clone()).await, bob_code, "{more}");
        }
        // A role scoped to a product takes effect at once.
        let membership = app.membership("acme", &bob).await;
        let path = format!("/a/acme/members/{membership}/roles");
        ada.post(&path, &[("role", "developer"), ("product", "video")]).await.assert_status(303);
        let response =
            gateway.verify(&bob_key, json!({ "permission": "resources.run", "product": "video" })).await;
        assert_eq!((&response["code"], &response["roles"]), (&json!("VALID"), &json!(["video-developer"])));
        assert_eq!(
            gateway.code(&bob_key, json!({ "permission": "resources.run", "product": "image" })).await,
            "FORBIDDEN"
        );
        let image = json!({ "permission": "resources.run", "resource": by_external_id("image", "img_1") });
        assert_eq!(gateway.code(&bob_key, image).await, "FORBIDDEN");

        // `SUSPENDED` comes before `FORBIDDEN`, until the member is reactivated.
        ada.post(&format!("/a/acme/members/{membership}/suspend"), &[]).await.assert_status(303);
        assert_eq!(gateway.code(&bob_key, json!({ "permission": "members.view" })).await, "SUSPENDED");
        ada.post(&format!("/a/acme/members/{membership}/reactivate"), &[]).await.assert_status(303);
        assert_eq!(gateway.code(&bob_key, none.clone()).await, "VALID");
        ada.post(&format!("/a/acme/members/{membership}/suspend"), &[]).await.assert_status(303);

        // `EXPIRED` comes before `SUSPENDED`; nothing but time has passed, so no invalidation helps.
        let name = guildhall::model::text::Name::parse("Short").unwrap();
        let short_lived = app
            .as_system(async |change| {
                let account = guildhall::store::accounts::by_slug(change, "acme").await.unwrap().unwrap().id;
                let expires_at = Some(app.kit.now().plus(DAY));
                guildhall::store::keys::create_for(change, account, membership, bob.id, &name, expires_at)
                    .await
                    .unwrap()
                    .1
            })
            .await;
        let short_lived = app.api_client(&short_lived);
        assert_eq!(gateway.code(&short_lived, none.clone()).await, "SUSPENDED");
        app.advance(DAY);
        assert_eq!(gateway.code(&short_lived, none.clone()).await, "EXPIRED");
        // Removed: `REVOKED` comes before `EXPIRED`. The account is still returned, and other keys are
        // unaffected.
        ada.post(&format!("/a/acme/members/{membership}/remove"), &[("confirm", "on")])
            .await
            .assert_status(303);
        for revoked in [&short_lived, &bob_key] {
            let response = gateway.verify(revoked, json!({ "permission": "members.view" })).await;
            assert_eq!(
                (&response["code"], &response["account"]["slug"]),
                (&json!("REVOKED"), &json!("acme")),
                "{response}"
            );
        }
        assert_eq!(gateway.code(&key, none.clone()).await, "VALID");
        // When the account is deleted, its keys are unknown.
        let form = [("confirm", "acme"), ("password", crate::harness::PASSWORD)];
        ada.post("/a/acme/settings/delete", &form).await.assert_status(303);
        assert_eq!(gateway.code(&key, none).await, "NOT_FOUND");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_and_address_changes_show_at_once() {
    on_each_db(async |app| {
        let _watch = app.start_replica_sync();
        let Acme { ada, key, gateway, .. } = acme(app).await;
        assert_eq!(gateway.verify(&key, json!({})).await["account"]["plan"], "enterprise");
        app.as_system(async |change| {
            let acme = guildhall::store::accounts::by_slug(change, "acme").await.unwrap().unwrap();
            guildhall::store::accounts::set_plan(change, &acme, "free").await.unwrap();
        })
        .await;
        let response = gateway.verify(&key, json!({})).await;
        assert_eq!(
            (&response["account"]["plan"], &response["ratelimit"]["limit"]),
            (&json!("free"), &json!(60))
        );
        // Requests from before the change still count.
        assert_eq!(response["ratelimit"]["remaining"], 58);
        ada.post("/me/email", &[("email", "countess@acme.test")]).await.assert_status(303);
        let link = app.email("countess@acme.test").await.link("/verify-email/");
        ada.post(&link, &[]).await.assert_status(303);
        assert_eq!(gateway.verify(&key, json!({})).await["user"]["email"], "countess@acme.test");
        ada.post("/a/acme/settings", &[("name", "Acme"), ("slug", "zenith")]).await.assert_status(303);
        assert_eq!(gateway.verify(&key, json!({})).await["account"]["slug"], "zenith");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_key_depends_on_the_organization_above() {
    on_each_db(async |app| {
        let _watch = app.start_replica_sync();
        let Acme { ada, bob, gateway, .. } = acme(app).await;
        bob.post("/new/team", &[("name", "Labs"), ("parent", "acme")]).await.assert_status(303);
        let key = app.api_key("labs", &bob).await;
        let response = gateway.verify(&key, json!({})).await;
        assert_eq!(
            (&response["code"], &response["account"]["kind"]),
            (&json!("VALID"), &json!("team")),
            "{response}"
        );
        // Plan and limits are those of the account that pays, and shared with it.
        assert_eq!(response["account"]["plan"], "enterprise");
        assert_eq!(response["ratelimit"]["remaining"], 5999);
        let ada_key = app.api_key("acme", &ada).await;
        assert_eq!(gateway.verify(&ada_key, json!({})).await["ratelimit"]["remaining"], 5998);
        let membership = app.membership("acme", &bob).await;
        ada.post(&format!("/a/acme/members/{membership}/suspend"), &[]).await.assert_status(303);
        assert_eq!(gateway.code(&key, json!({})).await, "SUSPENDED");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_key_is_limited_to_its_permissions_and_resources() {
    on_each_db(async |app| {
        let _watch = app.start_replica_sync();
        let Acme { key, gateway, .. } = acme(app).await;
        let one = resource(&key, "video", "vid_1", "shared").await;
        let other = resource(&key, "video", "vid_2", "shared").await;
        let body = json!({
            "name": "Narrow", "permissions": ["resources.view", "resources.run"], "resources": [one],
        });
        let created =
            key.call(Method::POST, "/api/v1/accounts/acme/keys", &body).await.assert_status(201).json();
        let restricted = app.api_client(created["secret"].as_str().unwrap());
        let run = |id: &str| json!({ "permission": "resources.run", "resource": id });
        assert_eq!(gateway.code(&restricted, run(&one)).await, "VALID");
        assert_eq!(gateway.code(&restricted, run(&other)).await, "FORBIDDEN");
        assert_eq!(gateway.code(&restricted, json!({ "permission": "members.view" })).await, "FORBIDDEN");
        assert_eq!(gateway.code(&key, run(&other)).await, "VALID");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_requests_are_refused_with_an_error_code() {
    on_each_db(async |app| {
        let Acme { key, gateway, .. } = acme(app).await;
        let path = "/api/v1/keys/verify";
        let json = [("content-type", "application/json")];
        for (body, status, code) in [
            ("", 400, "malformed"),
            ("{", 400, "malformed"),
            ("[]", 422, "invalid"),
            ("{}", 422, "invalid"),
            (r#"{"key": 7}"#, 422, "invalid"),
            (r#"{"key": null}"#, 422, "invalid"),
            (r#"{"key": "x", "permission": "fly"}"#, 422, "invalid"),
            (r#"{"key": "x", "cost": -1}"#, 422, "invalid"),
            (r#"{"key": "x", "cost": 1.5}"#, 422, "invalid"),
            (r#"{"key": "x", "cost": "1"}"#, 422, "invalid"),
            (r#"{"key": "x", "cost": 99999999999}"#, 422, "invalid"),
            (r#"{"key": "x", "resource": 7}"#, 422, "invalid"),
            (r#"{"key": "x", "resource": {"product": "video"}}"#, 422, "invalid"),
            (r#"{"key": "x", "product": []}"#, 422, "invalid"),
            (r#"{"key": "x", "surprise": 1}"#, 422, "invalid"),
            ("{\"key\": \"a\\u0000\"}", 422, "malformed"),
        ] {
            let response =
                gateway.0.send(Method::POST, path, &json, Some(body.into())).await.assert_status(status);
            let error = response.json();
            assert_eq!(error["code"], code, "{body}: {error}");
        }
        let response = gateway.0.send(
            Method::POST,
            path,
            &json,
            Some(format!("{{\"key\":\"{}\"}}", "x".repeat(2 << 20))),
        );
        assert_eq!(response.await.assert_status(413).json()["code"], "too_large");
        gateway
            .0
            .send(Method::POST, path, &[("content-type", "text/plain")], Some("{}".into()))
            .await
            .assert_status(415);
        gateway.0.get(path).await.assert_status(405);
        // Only service tokens may verify keys, not the key of a member.
        key.call(Method::POST, path, &json!({ "key": key.secret })).await.assert_status(401);
        let other = app.service_token(&[TokenScope::Usage]).await;
        let response =
            other.call(Method::POST, path, &json!({ "key": key.secret })).await.assert_status(403).json();
        assert_eq!(response["code"], "scope_missing");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_keys_are_rejected_without_the_database() {
    on_each_db(async |app| {
        use guildhall::crypto::secrets::{KeyKind, hash, machine_key};
        let Acme { key, gateway, .. } = acme(app).await;
        let _watch = app.start_replica_sync();
        for _ in 0..200 {
            if app.kit.invalidations.is_unknown(&hash("nobody's")) {
                break;
            }
            tokio::time::sleep(scaled(Duration::from_millis(20))).await;
        }
        let keys: Vec<String> = (0..20_000).map(|_| machine_key(KeyKind::Key, &app.kit.random)).collect();
        let rejected = keys.iter().filter(|key| app.kit.invalidations.is_unknown(&hash(key))).count();
        assert!(rejected > 19_800, "only {rejected} of 20,000 are rejected by the filter");
        let before = app.state.gateway().lookups();
        for unknown in &keys[..1000] {
            assert_eq!(gateway.code(&app.api_client(unknown), json!({})).await, "NOT_FOUND");
        }
        let looked_up = app.state.gateway().lookups() - before;
        assert!(looked_up < 20, "{looked_up} of 1,000 were looked up");
        // The filter serves the API as well.
        app.api_client(&keys[0]).get("/api/v1/accounts/acme").await.assert_status(401);
        // A key created in the meantime passes the filter.
        let body = json!({ "name": "Fresh" });
        let created =
            key.call(Method::POST, "/api/v1/accounts/acme/keys", &body).await.assert_status(201).json();
        assert_eq!(
            gateway.code(&app.api_client(created["secret"].as_str().unwrap()), json!({})).await,
            "VALID"
        );
        assert_eq!(gateway.code(&key, json!({})).await, "VALID");
    })
    .await;
}
