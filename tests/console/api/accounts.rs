//! The account, and what applies to every call: authentication, versions and problem documents.
use super::{ACME, acme, field_error, has_fields, join, missing_permission, problem};
use crate::harness::{TestResponse, on_each_db};
use axum::{body::Body, http::Method};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_read_and_changed() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let response = key.get(ACME).await.assert_status(200);
        assert_eq!(response.header("content-type"), "application/json");
        assert_eq!(response.header("cache-control"), "no-store");
        let account = response.json();
        has_fields(&account, &["id", "slug", "name", "kind", "parent", "plan", "created_at", "member_count"]);
        assert!(account["id"].as_str().is_some_and(|id| id.len() == 36));
        assert_eq!(account["slug"], "acme");
        assert_eq!(account["name"], "Acme");
        assert_eq!(account["kind"], "organization");
        assert_eq!(account["parent"], Value::Null);
        assert_eq!(account["plan"], "free");
        assert_eq!(account["member_count"], 1);
        assert!(
            account["created_at"].as_str().is_some_and(|time| time.starts_with("20") && time.ends_with('Z'))
        );

        let changed =
            key.call(Method::PATCH, ACME, &json!({ "name": " Acme  Corp " })).await.assert_status(200);
        assert_eq!(changed.json()["name"], "Acme Corp");
        assert_ne!(changed.header("etag"), response.header("etag"));
        assert_eq!(changed.header("etag"), key.get(ACME).await.header("etag"));
        key.call(Method::PATCH, ACME, &json!({})).await.assert_status(200);
        key.call(Method::PATCH, ACME, &json!({ "admins_may_delete": false })).await.assert_status(200);

        let moved = key.call(Method::PATCH, ACME, &json!({ "slug": "acme-corp" })).await.assert_status(200);
        assert_eq!(moved.json()["slug"], "acme-corp");
        key.get("/api/v1/accounts/acme/members?q=a")
            .await
            .assert_status(307)
            .assert_redirect("/api/v1/accounts/acme-corp/members?q=a");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn if_match_refuses_a_change_to_another_version() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let tag = key.get(ACME).await.header("etag");
        let patch = async |tag: &str, name: &str| {
            let headers = [("content-type", "application/json"), ("if-match", tag)];
            key.send(Method::PATCH, ACME, &headers, Some(json!({ "name": name }).to_string())).await
        };
        let next = patch(&tag, "One").await.assert_status(200).header("etag");
        problem(patch(&tag, "Two").await, 412, "precondition_failed");
        problem(patch("\"\"", "Two").await, 412, "precondition_failed");
        assert_eq!(key.get(ACME).await.json()["name"], "One");
        patch(&format!("\"other\", {next}"), "Three").await.assert_status(200);
        patch("*", "Four").await.assert_status(200);
        let weak = format!("W/{}", key.get(ACME).await.header("etag"));
        patch(&weak, "Five").await.assert_status(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_change_is_reported_with_pointers() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let patch = async |body: &str| {
            let headers = [("content-type", "application/json")];
            key.send(Method::PATCH, ACME, &headers, Some(body.to_owned())).await
        };
        field_error(patch(r#"{"name":""}"#).await, "/name", "required");
        field_error(patch(r#"{"name":null}"#).await, "/name", "invalid");
        field_error(patch(r#"{"name":7}"#).await, "/name", "invalid");
        field_error(patch(r#"{"slug":"No Slug"}"#).await, "/slug", "invalid");
        field_error(patch(r#"{"slug":"ada-byron"}"#).await, "/slug", "taken");
        field_error(patch(r#"{"plan":"enterprise"}"#).await, "/plan", "unknown_field");
        field_error(patch(r#"{"a/b":1}"#).await, "/a~1b", "unknown_field");
        field_error(patch(" []").await, "", "invalid");
        field_error(patch("7").await, "", "invalid");
        field_error(patch("null").await, "", "invalid");
        problem(patch("").await, 400, "malformed");
        problem(patch("{").await, 400, "malformed");
        problem(patch("{} {}").await, 400, "malformed");
        problem(patch(r#"{"name":"a\u0000"}"#).await, 422, "malformed");
        let long = format!("{{\"name\":\"{}\"}}", "a".repeat(1 << 20));
        problem(patch(&long).await, 413, "too_large");
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let response = key.send(Method::PATCH, ACME, &form, Some("name=x".into())).await;
        problem(response, 415, "unsupported_media_type");

        let bob = app.user("Bob", "bob@acme.test").await;
        join(app, &key, "acme", &bob, &["admin"]).await;
        let bobs = app.api_key("acme", &bob).await;
        let policy = json!({ "admins_may_delete": false });
        field_error(bobs.call(Method::PATCH, ACME, &policy).await, "/admins_may_delete", "owner_only");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_key_of_the_account_gives_access() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        let unauthenticated = |response: TestResponse| {
            assert!(response.header("www-authenticate").starts_with("Bearer"), "{}", response.body);
            problem(response, 401, "unauthenticated");
        };
        unauthenticated(app.api_client("").get(ACME).await);
        unauthenticated(app.api_client("nonsense").get(ACME).await);
        unauthenticated(app.api_client(&format!("{}x", key.secret)).get(ACME).await);
        let unknown = guildhall::crypto::secrets::machine_key(
            guildhall::crypto::secrets::KeyKind::Key,
            &guildhall::crypto::random::Random::real(),
        );
        unauthenticated(app.api_client(&unknown).get(ACME).await);
        for authorization in ["Basic YTpi", "Bearer", "Bearer ", &format!("Basic {}", key.secret)] {
            let response =
                app.api_client("").send(Method::GET, ACME, &[("authorization", authorization)], None).await;
            unauthenticated(response);
        }
        // A session cookie does not authenticate a call, and a key does not open a page.
        unauthenticated(ada.get(ACME).await);
        let bearer = format!("Bearer {}", key.secret);
        let (page, visitor) = ("/a/acme/overview", app.visitor());
        let by_key = visitor.send(Method::GET, page, &[("authorization", &bearer)], Body::empty()).await;
        let by_nobody = visitor.get(page).await;
        assert_eq!(by_key.status, by_nobody.status);
        let lower = format!("bearer {}", key.secret);
        app.api_client("")
            .send(Method::GET, ACME, &[("authorization", &lower)], None)
            .await
            .assert_status(200);

        // Other accounts are not found: her personal account, accounts of others, and one that does not exist.
        let eve = app.user("Eve", "eve@evil.test").await;
        app.organization(&eve, "Evil").await;
        for slug in ["ada-byron", "evil", "eve", "nowhere"] {
            problem(key.get(&format!("/api/v1/accounts/{slug}")).await, 404, "not_found");
            problem(key.get(&format!("/api/v1/accounts/{slug}/members")).await, 404, "not_found");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_answer_problem_documents() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        for path in ["/api/v1/nothing", "/api/v1/", "/api/v1/accounts", "/api/v1/accounts/acme/nothing"] {
            problem(key.get(path).await, 404, "not_found");
        }
        problem(app.api_client("").get("/api/v1/nothing").await, 404, "not_found");
        problem(key.get(&format!("{ACME}/members/not-an-id")).await, 404, "not_found");
        let response = key.send(Method::PUT, ACME, &[], None).await;
        let allow = response.header("allow");
        assert!(allow.contains("GET") && allow.contains("PATCH"), "{allow}");
        problem(response, 405, "method_not_allowed");
        let response = key.send(Method::PUT, &format!("{ACME}/members"), &[], None).await;
        assert!(response.header("allow").contains("GET"));
        problem(response, 405, "method_not_allowed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_names_the_missing_permission() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        join(app, &key, "acme", &bob, &["member"]).await;
        let bobs = app.api_key("acme", &bob).await;
        bobs.get(ACME).await.assert_status(200);
        missing_permission(
            bobs.call(Method::PATCH, ACME, &json!({ "name": "Bob's" })).await,
            "account.update",
        );
        missing_permission(bobs.get(&format!("{ACME}/members")).await, "members.view");
        missing_permission(bobs.get(&format!("{ACME}/roles")).await, "members.view");
        missing_permission(bobs.get(&format!("{ACME}/invitations")).await, "members.invite");
        missing_permission(bobs.get(&format!("{ACME}/audit")).await, "audit.view");
        let to = json!({ "to": app.membership("acme", &bob).await });
        missing_permission(
            bobs.call(Method::POST, &format!("{ACME}/transfer"), &to).await,
            "account.transfer",
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_names_its_parent() {
    on_each_db(async |app| {
        let (ada, _) = acme(app).await;
        let session = guildhall::crypto::secrets::hash(&ada.cookie("guildhall").unwrap());
        let by = guildhall::store::access::Credential::Session(session);
        let client = guildhall::store::Client::default();
        let begun = guildhall::store::Change::begin_in_account(&app.db, &by, "acme", &app.kit, &client);
        let mut change = begun.await.unwrap();
        let name = guildhall::model::text::Name::parse("Search").unwrap();
        guildhall::store::teams::open(&mut change, &name, None).await.unwrap();
        change.commit().await.unwrap();
        let team =
            app.api_key("search", &ada).await.get("/api/v1/accounts/search").await.assert_status(200).json();
        assert_eq!(team["kind"], "team");
        has_fields(&team["parent"], &["id", "slug"]);
        assert_eq!(team["parent"]["slug"], "acme");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_list_their_permissions_and_count_their_holders() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        join(app, &key, "acme", &bob, &["video-developer", "image-developer"]).await;
        let roles = super::all(&key, &format!("{ACME}/roles"), 4).await;
        assert_eq!(roles.len(), 9);
        for role in &roles {
            has_fields(role, &["id", "name", "description", "built_in", "permissions", "holders"]);
            assert_eq!(role["built_in"], true);
        }
        let by_id = |id: &str| roles.iter().find(|role| role["id"] == id).unwrap();
        assert_eq!(by_id("owner")["holders"], 1);
        assert_eq!(by_id("developer")["holders"], 1, "a member with two grants is one holder");
        assert_eq!(by_id("admin")["holders"], 0);
        let analyst = json!(["account.view", "resources.view", "analytics.view"]);
        assert_eq!(by_id("analyst")["permissions"], analyst);
        field_error(key.get(&format!("{ACME}/roles?after=nobody")).await, "/after", "invalid_cursor");
    })
    .await;
}
