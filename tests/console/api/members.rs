//! Members by the API.
use super::{ACME, acme, all, field_error, has_fields, join, missing_permission, problem};
use crate::harness::on_each_db;
use axum::http::Method;
use guildhall::model::time::MINUTE;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn path(id: impl std::fmt::Display) -> String {
    format!("{ACME}/members/{id}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_has_all_described_fields() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        let bob = app.user("Bob Ross", "bob@acme.test").await;
        let id = join(app, &key, "acme", &bob, &["video-developer"]).await;
        let member = key.get(&path(id)).await.assert_status(200).json();
        let names =
            ["id", "user", "status", "login_type", "grants", "joined_at", "last_active_at", "expires_at"];
        has_fields(&member, &names);
        assert_eq!(member["id"], id.to_string());
        assert_eq!(member["user"], json!({ "id": bob.id, "name": "Bob Ross", "email": "bob@acme.test" }));
        assert_eq!(member["status"], "active");
        assert_eq!(member["login_type"], "any");
        assert_eq!(member["expires_at"], Value::Null);
        assert!(member["joined_at"].as_str().unwrap().ends_with('Z'));
        assert!(member["last_active_at"].as_str().unwrap().ends_with('Z'));
        let grant = json!({ "role": "developer", "expires_at": null, "label": "video-developer",
            "scope": { "type": "product", "product": "video" } });
        assert_eq!(member["grants"], json!([grant]));

        let owner = key.get(&path(app.membership("acme", &ada).await)).await.assert_status(200).json();
        let grant =
            json!({ "role": "owner", "expires_at": null, "label": "owner", "scope": { "type": "account" } });
        assert_eq!(owner["grants"], json!([grant]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sort_and_page_size_lists_all_members() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let mut ids = vec![];
        for at in 0..7 {
            let user = app.user(&format!("Member {at}"), &format!("m{at}@acme.test")).await;
            let roles = if at % 2 == 0 { ["member"] } else { ["video-analyst"] };
            ids.push(join(app, &key, "acme", &user, &roles).await);
        }
        for sort in [
            "",
            "&sort=name",
            "&sort=-name",
            "&sort=joined",
            "&sort=-joined",
            "&sort=active",
            "&sort=-active",
        ] {
            for limit in [1, 3, 8] {
                let found = all(&key, &format!("{ACME}/members?q={sort}"), limit).await;
                let unique: BTreeSet<&str> =
                    found.iter().map(|member| member["id"].as_str().unwrap()).collect();
                assert_eq!((found.len(), unique.len()), (8, 8), "{sort} {limit}");
            }
        }
        let names = |found: Vec<Value>| -> Vec<String> {
            found.iter().map(|member| member["user"]["name"].as_str().unwrap().to_owned()).collect()
        };
        let descending = names(all(&key, &format!("{ACME}/members?sort=-name"), 5).await);
        assert_eq!(descending.first().map(String::as_str), Some("Member 6"));
        assert_eq!(names(all(&key, &format!("{ACME}/members?q=member+3"), 5).await), ["Member 3"]);
        assert_eq!(names(all(&key, &format!("{ACME}/members?role=video-analyst"), 2).await).len(), 3);
        assert_eq!(names(all(&key, &format!("{ACME}/members?role=member&q=m4"), 2).await), ["Member 4"]);
        let off = json!({ "status": "inactive" });
        key.call(Method::PATCH, &path(ids[2]), &off).await.assert_status(200);
        assert_eq!(names(all(&key, &format!("{ACME}/members?status=inactive"), 2).await), ["Member 2"]);
        assert_eq!(all(&key, &format!("{ACME}/members?status=active"), 2).await.len(), 7);
        assert_eq!(all(&key, &format!("{ACME}/members?team=none"), 2).await.len(), 0);
        assert_eq!(key.get(&format!("{ACME}/members")).await.json()["items"].as_array().unwrap().len(), 8);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_query_is_refused() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let list = async |query: &str| key.get(&format!("{ACME}/members?{query}")).await;
        for limit in ["0", "201", "-1", "x", "", "99999999999999999999999"] {
            field_error(list(&format!("limit={limit}")).await, "/limit", "out_of_range");
        }
        list("limit=200").await.assert_status(200);
        // The last cursor contains a NUL, which must not reach the database.
        let nul = "eyJ0IjowLCJuIjoiXHUwMDAwIiwiaSI6IjAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMCJ9";
        for cursor in ["x", "", "%F0", nul] {
            field_error(list(&format!("sort=name&after={cursor}")).await, "/after", "invalid_cursor");
        }
        field_error(list("status=asleep").await, "/status", "invalid");
        field_error(list("sort=age").await, "/sort", "invalid");
        field_error(list("staus=active").await, "/staus", "unknown_field");
        problem(list("q=%00").await, 400, "malformed");
        list("q=%25_%5C'&role='&team=%27").await.assert_status(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_applied_completely_or_not_at_all() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let id = join(app, &key, "acme", &bob, &["member"]).await;
        let patch = async |body: Value| key.call(Method::PATCH, &path(id), &body).await;
        let all = json!({ "status": "inactive", "expires_at": "2099-01-02T03:04:05+01:00", "login_type": "google",
            "grants": [{ "role": "accountant", "scope": { "type": "account" }, "expires_at": "2098-01-01T00:00:00Z" },
                { "role": "developer", "scope": { "type": "product", "product": "image" } }] });
        let member = patch(all).await.assert_status(200).json();
        assert_eq!(member["status"], "inactive");
        assert_eq!(member["expires_at"], "2099-01-02T02:04:05Z");
        assert_eq!(member["login_type"], "google");
        assert_eq!(member["grants"][0]["label"], "accountant");
        assert_eq!(member["grants"][0]["expires_at"], "2098-01-01T00:00:00Z");
        assert_eq!(member["grants"][1]["label"], "image-developer");

        // An absent field is left as it is; null is a value.
        let member = patch(json!({ "status": "active" })).await.assert_status(200).json();
        assert_eq!((&member["status"], &member["expires_at"]), (&json!("active"), &json!("2099-01-02T02:04:05Z")));
        assert_eq!(patch(json!({ "expires_at": null })).await.assert_status(200).json()["expires_at"], Value::Null);
        let before = patch(json!({})).await.assert_status(200).json();

        field_error(patch(json!({ "status": null })).await, "/status", "invalid");
        field_error(patch(json!({ "status": "gone" })).await, "/status", "invalid");
        field_error(patch(json!({ "expires_at": "tomorrow" })).await, "/expires_at", "invalid");
        field_error(patch(json!({ "login_type": "fax" })).await, "/login_type", "invalid");
        field_error(patch(json!({ "role": "admin" })).await, "/role", "unknown_field");
        field_error(patch(json!({ "grants": [] })).await, "/grants", "required");
        field_error(patch(json!({ "grants": [{}] })).await, "/grants/0/role", "required");
        let two = json!({ "grants": [{ "role": "admin" }, { "role": "owner" }, { "role": "king" }] });
        let response = patch(two).await;
        field_error(response.clone(), "/grants/1/role", "owner_is_not_granted");
        field_error(response, "/grants/2/role", "unknown_role");
        let product = json!({ "role": "developer", "scope": { "type": "product", "product": "tea" } });
        field_error(patch(json!({ "grants": [product] })).await, "/grants/0/scope/product", "unknown_product");
        let foreign = json!({ "type": "resources", "resources": [uuid::Uuid::nil()] });
        let listed = json!({ "role": "source-specific", "scope": foreign });
        field_error(patch(json!({ "grants": [listed] })).await, "/grants/0/scope/resources", "unknown_resource");
        // The last field is invalid, so nothing is changed.
        let past = json!({ "grants": [{ "role": "admin" }], "status": "inactive", "expires_at": "2001-01-01T00:00:00Z" });
        field_error(patch(past).await, "/expires_at", "in_the_past");
        assert_eq!(key.get(&path(id)).await.json(), before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_members_with_more_rights() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        let owner = app.membership("acme", &ada).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let bobs_id = join(app, &key, "acme", &bob, &["admin"]).await;
        let bobs = app.api_key("acme", &bob).await;
        let off = json!({ "status": "inactive" });
        problem(bobs.call(Method::PATCH, &path(owner), &off).await, 409, "owner");
        problem(bobs.send(Method::DELETE, &path(owner), &[], None).await, 409, "owner");
        problem(key.call(Method::PATCH, &path(owner), &off).await, 409, "owner");
        problem(bobs.call(Method::PATCH, &path(bobs_id), &off).await, 409, "self");
        problem(bobs.send(Method::DELETE, &path(bobs_id), &[], None).await, 409, "self");

        // A key with fewer permissions can neither change a member with more, nor grant what it lacks.
        let few =
            json!({ "name": "Few", "permissions": ["members.view", "members.update", "members.remove"] });
        let few = key.call(Method::POST, &format!("{ACME}/keys"), &few).await.assert_status(201).json();
        let few = app.api_client(few["secret"].as_str().unwrap());
        missing_permission(few.call(Method::PATCH, &path(bobs_id), &off).await, "account.view");
        missing_permission(few.send(Method::DELETE, &path(bobs_id), &[], None).await, "account.view");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_and_their_keys_are_gone() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let id = join(app, &key, "acme", &bob, &["member"]).await;
        let bobs = app.api_key("acme", &bob).await;
        bobs.get(ACME).await.assert_status(200);
        field_error(
            key.send(Method::DELETE, &format!("{}?heir=x", path(id)), &[], None).await,
            "/heir",
            "invalid",
        );
        let response = key.send(Method::DELETE, &path(id), &[], None).await.assert_status(204);
        assert!(response.body.is_empty());
        problem(bobs.get(ACME).await, 401, "unauthenticated");
        problem(key.get(&path(id)).await, 404, "not_found");
        problem(key.send(Method::DELETE, &path(id), &[], None).await, 404, "not_found");
        problem(key.call(Method::PATCH, &path(id), &json!({ "status": "active" })).await, 404, "not_found");
        assert_eq!(key.get(ACME).await.json()["member_count"], 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_another_account_is_not_found() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let eve = app.user("Eve", "eve@evil.test").await;
        app.organization(&eve, "Evil").await;
        let foreign = app.membership("evil", &eve).await;
        problem(key.get(&path(foreign)).await, 404, "not_found");
        let off = json!({ "status": "inactive" });
        problem(key.call(Method::PATCH, &path(foreign), &off).await, 404, "not_found");
        problem(key.send(Method::DELETE, &path(foreign), &[], None).await, 404, "not_found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_never_exceeds_its_member() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let id = join(app, &key, "acme", &bob, &["admin"]).await;
        let bobs = app.api_key("acme", &bob).await;
        let members = format!("{ACME}/members");
        let patch = async |body: Value| key.call(Method::PATCH, &path(id), &body).await.assert_status(200);
        bobs.get(&members).await.assert_status(200);
        patch(json!({ "grants": [{ "role": "accountant" }] })).await;
        missing_permission(bobs.get(&members).await, "members.view");
        patch(json!({ "grants": [{ "role": "admin", "expires_at": app.kit.now().plus(MINUTE) }] })).await;
        bobs.get(&members).await.assert_status(200);
        app.advance(2 * MINUTE);
        missing_permission(bobs.get(&members).await, "members.view");

        patch(json!({ "grants": [{ "role": "member" }], "status": "inactive" })).await;
        problem(bobs.get(ACME).await, 403, "member_inactive");
        patch(json!({ "status": "active" })).await;
        bobs.get(ACME).await.assert_status(200);
        patch(json!({ "expires_at": app.kit.now().plus(MINUTE) })).await;
        bobs.get(ACME).await.assert_status(200);
        app.advance(2 * MINUTE);
        problem(bobs.get(ACME).await, 403, "member_inactive");
    })
    .await;
}
