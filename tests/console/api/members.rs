//! Members, by key.
use super::{ACME, acme, all, fault, has_fields, join, lacks, problem};
use crate::harness::each;
use axum::http::Method;
use guildhall::model::time::MINUTE;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn path(id: impl std::fmt::Display) -> String {
    format!("{ACME}/members/{id}")
}

#[tokio::test(flavor = "multi_thread")]
async fn members_have_their_shape() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        let bob = house.user("Bob Ross", "bob@acme.test").await;
        let id = join(house, &key, "acme", &bob, &["video-developer"]).await;
        let it = key.get(&path(id)).await.is(200).json();
        let names =
            ["id", "user", "status", "login_type", "grants", "joined_at", "last_active_at", "expires_at"];
        has_fields(&it, &names);
        assert_eq!(it["id"], id.to_string());
        assert_eq!(it["user"], json!({ "id": bob.id, "name": "Bob Ross", "email": "bob@acme.test" }));
        assert_eq!(it["status"], "active");
        assert_eq!(it["login_type"], "any");
        assert_eq!(it["expires_at"], Value::Null);
        assert!(it["joined_at"].as_str().unwrap().ends_with('Z'));
        assert!(it["last_active_at"].as_str().unwrap().ends_with('Z'));
        let grant = json!({ "role": "developer", "expires_at": null, "label": "video-developer",
            "scope": { "type": "product", "product": "video" } });
        assert_eq!(it["grants"], json!([grant]));

        let owner = key.get(&path(house.membership("acme", &ada).await)).await.is(200).json();
        let grant =
            json!({ "role": "owner", "expires_at": null, "label": "owner", "scope": { "type": "account" } });
        assert_eq!(owner["grants"], json!([grant]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_members_are_found_page_by_page() {
    each(async |house| {
        let (_, key) = acme(house).await;
        let mut ids = vec![];
        for at in 0..7 {
            let it = house.user(&format!("Member {at}"), &format!("m{at}@acme.test")).await;
            let roles = if at % 2 == 0 { ["member"] } else { ["video-analyst"] };
            ids.push(join(house, &key, "acme", &it, &roles).await);
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
                let unique: BTreeSet<&str> = found.iter().map(|it| it["id"].as_str().unwrap()).collect();
                assert_eq!((found.len(), unique.len()), (8, 8), "{sort} {limit}");
            }
        }
        let names = |found: Vec<Value>| -> Vec<String> {
            found.iter().map(|it| it["user"]["name"].as_str().unwrap().to_owned()).collect()
        };
        let down = names(all(&key, &format!("{ACME}/members?sort=-name"), 5).await);
        assert_eq!(down.first().map(String::as_str), Some("Member 6"));
        assert_eq!(names(all(&key, &format!("{ACME}/members?q=member+3"), 5).await), ["Member 3"]);
        assert_eq!(names(all(&key, &format!("{ACME}/members?role=video-analyst"), 2).await).len(), 3);
        assert_eq!(names(all(&key, &format!("{ACME}/members?role=member&q=m4"), 2).await), ["Member 4"]);
        let off = json!({ "status": "inactive" });
        key.call(Method::PATCH, &path(ids[2]), &off).await.is(200);
        assert_eq!(names(all(&key, &format!("{ACME}/members?status=inactive"), 2).await), ["Member 2"]);
        assert_eq!(all(&key, &format!("{ACME}/members?status=active"), 2).await.len(), 7);
        assert_eq!(all(&key, &format!("{ACME}/members?team=none"), 2).await.len(), 0);
        assert_eq!(key.get(&format!("{ACME}/members")).await.json()["items"].as_array().unwrap().len(), 8);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_query_is_refused() {
    each(async |house| {
        let (_, key) = acme(house).await;
        let ask = async |query: &str| key.get(&format!("{ACME}/members?{query}")).await;
        for limit in ["0", "201", "-1", "x", "", "99999999999999999999999"] {
            fault(ask(&format!("limit={limit}")).await, "/limit", "out_of_range");
        }
        ask("limit=200").await.is(200);
        // The last holds a NUL, which a cursor could smuggle past the door.
        let nul = "eyJ0IjowLCJuIjoiXHUwMDAwIiwiaSI6IjAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMCJ9";
        for cursor in ["x", "", "%F0", nul] {
            fault(ask(&format!("sort=name&after={cursor}")).await, "/after", "invalid_cursor");
        }
        fault(ask("status=asleep").await, "/status", "invalid");
        fault(ask("sort=age").await, "/sort", "invalid");
        fault(ask("staus=active").await, "/staus", "unknown_field");
        problem(ask("q=%00").await, 400, "malformed");
        ask("q=%25_%5C'&role='&team=%27").await.is(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_made_whole_or_not_at_all() {
    each(async |house| {
        let (_, key) = acme(house).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let id = join(house, &key, "acme", &bob, &["member"]).await;
        let patch = async |body: Value| key.call(Method::PATCH, &path(id), &body).await;
        let all = json!({ "status": "inactive", "expires_at": "2099-01-02T03:04:05+01:00", "login_type": "google",
            "grants": [{ "role": "accountant", "scope": { "type": "account" }, "expires_at": "2098-01-01T00:00:00Z" },
                { "role": "developer", "scope": { "type": "product", "product": "image" } }] });
        let it = patch(all).await.is(200).json();
        assert_eq!(it["status"], "inactive");
        assert_eq!(it["expires_at"], "2099-01-02T02:04:05Z");
        assert_eq!(it["login_type"], "google");
        assert_eq!(it["grants"][0]["label"], "accountant");
        assert_eq!(it["grants"][0]["expires_at"], "2098-01-01T00:00:00Z");
        assert_eq!(it["grants"][1]["label"], "image-developer");

        // Absent stays; null is a value.
        let it = patch(json!({ "status": "active" })).await.is(200).json();
        assert_eq!((&it["status"], &it["expires_at"]), (&json!("active"), &json!("2099-01-02T02:04:05Z")));
        assert_eq!(patch(json!({ "expires_at": null })).await.is(200).json()["expires_at"], Value::Null);
        let before = patch(json!({})).await.is(200).json();

        fault(patch(json!({ "status": null })).await, "/status", "invalid");
        fault(patch(json!({ "status": "gone" })).await, "/status", "invalid");
        fault(patch(json!({ "expires_at": "tomorrow" })).await, "/expires_at", "invalid");
        fault(patch(json!({ "login_type": "fax" })).await, "/login_type", "invalid");
        fault(patch(json!({ "role": "admin" })).await, "/role", "unknown_field");
        fault(patch(json!({ "grants": [] })).await, "/grants", "required");
        fault(patch(json!({ "grants": [{}] })).await, "/grants/0/role", "required");
        let two = json!({ "grants": [{ "role": "admin" }, { "role": "owner" }, { "role": "king" }] });
        let said = patch(two).await;
        fault(said.clone(), "/grants/1/role", "owner_is_not_granted");
        fault(said, "/grants/2/role", "unknown_role");
        let product = json!({ "role": "developer", "scope": { "type": "product", "product": "tea" } });
        fault(patch(json!({ "grants": [product] })).await, "/grants/0/scope/product", "unknown_product");
        let foreign = json!({ "type": "resources", "resources": [uuid::Uuid::nil()] });
        let listed = json!({ "role": "source-specific", "scope": foreign });
        fault(patch(json!({ "grants": [listed] })).await, "/grants/0/scope/resources", "unknown_resource");
        // The last part fails, so the first is undone.
        let past = json!({ "grants": [{ "role": "admin" }], "status": "inactive", "expires_at": "2001-01-01T00:00:00Z" });
        fault(patch(past).await, "/expires_at", "in_the_past");
        assert_eq!(key.get(&path(id)).await.json(), before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reaches_above_themselves() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        let owner = house.membership("acme", &ada).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let bobs_id = join(house, &key, "acme", &bob, &["admin"]).await;
        let bobs = house.key("acme", &bob).await;
        let off = json!({ "status": "inactive" });
        problem(bobs.call(Method::PATCH, &path(owner), &off).await, 409, "owner");
        problem(bobs.send(Method::DELETE, &path(owner), &[], None).await, 409, "owner");
        problem(key.call(Method::PATCH, &path(owner), &off).await, 409, "owner");
        problem(bobs.call(Method::PATCH, &path(bobs_id), &off).await, 409, "self");
        problem(bobs.send(Method::DELETE, &path(bobs_id), &[], None).await, 409, "self");

        // A key that was made for less cannot touch who holds more, nor give what it lacks.
        let few =
            json!({ "name": "Few", "permissions": ["members.view", "members.update", "members.remove"] });
        let few = key.call(Method::POST, &format!("{ACME}/keys"), &few).await.is(201).json();
        let few = house.program(few["secret"].as_str().unwrap());
        lacks(few.call(Method::PATCH, &path(bobs_id), &off).await, "account.view");
        lacks(few.send(Method::DELETE, &path(bobs_id), &[], None).await, "account.view");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_is_gone() {
    each(async |house| {
        let (_, key) = acme(house).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let id = join(house, &key, "acme", &bob, &["member"]).await;
        let bobs = house.key("acme", &bob).await;
        bobs.get(ACME).await.is(200);
        fault(key.send(Method::DELETE, &format!("{}?heir=x", path(id)), &[], None).await, "/heir", "invalid");
        let said = key.send(Method::DELETE, &path(id), &[], None).await.is(204);
        assert!(said.body.is_empty());
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
    each(async |house| {
        let (_, key) = acme(house).await;
        let eve = house.user("Eve", "eve@evil.test").await;
        house.organization(&eve, "Evil").await;
        let foreign = house.membership("evil", &eve).await;
        problem(key.get(&path(foreign)).await, 404, "not_found");
        let off = json!({ "status": "inactive" });
        problem(key.call(Method::PATCH, &path(foreign), &off).await, 404, "not_found");
        problem(key.send(Method::DELETE, &path(foreign), &[], None).await, 404, "not_found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_never_exceeds_its_member() {
    each(async |house| {
        let (_, key) = acme(house).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let id = join(house, &key, "acme", &bob, &["admin"]).await;
        let bobs = house.key("acme", &bob).await;
        let members = format!("{ACME}/members");
        let patch = async |body: Value| key.call(Method::PATCH, &path(id), &body).await.is(200);
        bobs.get(&members).await.is(200);
        patch(json!({ "grants": [{ "role": "accountant" }] })).await;
        lacks(bobs.get(&members).await, "members.view");
        patch(json!({ "grants": [{ "role": "admin", "expires_at": house.kit.now().plus(MINUTE) }] })).await;
        bobs.get(&members).await.is(200);
        house.later(2 * MINUTE);
        lacks(bobs.get(&members).await, "members.view");

        patch(json!({ "grants": [{ "role": "member" }], "status": "inactive" })).await;
        problem(bobs.get(ACME).await, 403, "member_inactive");
        patch(json!({ "status": "active" })).await;
        bobs.get(ACME).await.is(200);
        patch(json!({ "expires_at": house.kit.now().plus(MINUTE) })).await;
        bobs.get(ACME).await.is(200);
        house.later(2 * MINUTE);
        problem(bobs.get(ACME).await, 403, "member_inactive");
    })
    .await;
}
