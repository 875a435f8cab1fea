//! The account; and what holds for every call: keys, problems, limits.
use super::{ACME, acme, fault, has_fields, join, lacks, problem};
use crate::harness::each;
use axum::{body::Body, http::Method};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_read_and_changed() {
    each(async |house| {
        let (_, key) = acme(house).await;
        let said = key.get(ACME).await.is(200);
        assert_eq!(said.field("content-type"), "application/json");
        assert_eq!(said.field("cache-control"), "no-store");
        let it = said.json();
        has_fields(&it, &["id", "slug", "name", "kind", "parent", "plan", "created_at", "member_count"]);
        assert!(it["id"].as_str().is_some_and(|it| it.len() == 36));
        assert_eq!(it["slug"], "acme");
        assert_eq!(it["name"], "Acme");
        assert_eq!(it["kind"], "organization");
        assert_eq!(it["parent"], Value::Null);
        assert_eq!(it["plan"], "free");
        assert_eq!(it["member_count"], 1);
        assert!(it["created_at"].as_str().is_some_and(|it| it.starts_with("20") && it.ends_with('Z')));

        let changed = key.call(Method::PATCH, ACME, &json!({ "name": " Acme  Corp " })).await.is(200);
        assert_eq!(changed.json()["name"], "Acme Corp");
        assert_ne!(changed.field("etag"), said.field("etag"));
        assert_eq!(changed.field("etag"), key.get(ACME).await.field("etag"));
        key.call(Method::PATCH, ACME, &json!({})).await.is(200);
        key.call(Method::PATCH, ACME, &json!({ "admins_may_delete": false })).await.is(200);

        let moved = key.call(Method::PATCH, ACME, &json!({ "slug": "acme-corp" })).await.is(200);
        assert_eq!(moved.json()["slug"], "acme-corp");
        key.get("/api/v1/accounts/acme/members?q=a")
            .await
            .is(307)
            .to("/api/v1/accounts/acme-corp/members?q=a");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_can_ask_that_nobody_was_quicker() {
    each(async |house| {
        let (_, key) = acme(house).await;
        let tag = key.get(ACME).await.field("etag");
        let patch = async |tag: &str, name: &str| {
            let fields = [("content-type", "application/json"), ("if-match", tag)];
            key.send(Method::PATCH, ACME, &fields, Some(json!({ "name": name }).to_string())).await
        };
        let next = patch(&tag, "One").await.is(200).field("etag");
        problem(patch(&tag, "Two").await, 412, "precondition_failed");
        problem(patch("\"\"", "Two").await, 412, "precondition_failed");
        assert_eq!(key.get(ACME).await.json()["name"], "One");
        patch(&format!("\"other\", {next}"), "Three").await.is(200);
        patch("*", "Four").await.is(200);
        let weak = format!("W/{}", key.get(ACME).await.field("etag"));
        patch(&weak, "Five").await.is(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_change_is_told_by_its_place() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        let patch = async |body: &str| {
            let fields = [("content-type", "application/json")];
            key.send(Method::PATCH, ACME, &fields, Some(body.to_owned())).await
        };
        fault(patch(r#"{"name":""}"#).await, "/name", "required");
        fault(patch(r#"{"name":null}"#).await, "/name", "invalid");
        fault(patch(r#"{"name":7}"#).await, "/name", "invalid");
        fault(patch(r#"{"slug":"No Slug"}"#).await, "/slug", "invalid");
        fault(patch(r#"{"slug":"ada-byron"}"#).await, "/slug", "taken");
        fault(patch(r#"{"plan":"enterprise"}"#).await, "/plan", "unknown_field");
        fault(patch(r#"{"a/b":1}"#).await, "/a~1b", "unknown_field");
        fault(patch(" []").await, "", "invalid");
        fault(patch("7").await, "", "invalid");
        fault(patch("null").await, "", "invalid");
        problem(patch("").await, 400, "malformed");
        problem(patch("{").await, 400, "malformed");
        problem(patch("{} {}").await, 400, "malformed");
        problem(patch(r#"{"name":"a\u0000"}"#).await, 422, "malformed");
        let long = format!("{{\"name\":\"{}\"}}", "a".repeat(1 << 20));
        problem(patch(&long).await, 413, "too_large");
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let said = key.send(Method::PATCH, ACME, &form, Some("name=x".into())).await;
        problem(said, 415, "unsupported_media_type");

        let bob = house.user("Bob", "bob@acme.test").await;
        join(house, &key, "acme", &bob, &["admin"]).await;
        let bobs = house.key("acme", &bob).await;
        let policy = json!({ "admins_may_delete": false });
        fault(bobs.call(Method::PATCH, ACME, &policy).await, "/admins_may_delete", "owner_only");
        drop(ada);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_key_of_the_account_opens_it() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        let unsigned = |said| {
            let said: crate::harness::Said = said;
            assert!(said.field("www-authenticate").starts_with("Bearer"), "{}", said.body);
            problem(said, 401, "unauthenticated");
        };
        unsigned(house.program("").get(ACME).await);
        unsigned(house.program("nonsense").get(ACME).await);
        unsigned(house.program(&format!("{}x", key.secret)).get(ACME).await);
        let unknown = guildhall::kit::secret::machine_key(
            guildhall::kit::secret::KeyKind::Key,
            &guildhall::kit::Chance::real(),
        );
        unsigned(house.program(&unknown).get(ACME).await);
        for field in ["Basic YTpi", "Bearer", "Bearer ", &format!("Basic {}", key.secret)] {
            let said = house.program("").send(Method::GET, ACME, &[("authorization", field)], None).await;
            unsigned(said);
        }
        // A browser's cookie opens no call, and a key no page.
        unsigned(ada.get(ACME).await);
        let bearer = format!("Bearer {}", key.secret);
        let (page, visitor) = ("/a/acme/overview", house.visitor());
        let by_key = visitor.send(Method::GET, page, &[("authorization", &bearer)], Body::empty()).await;
        let by_nobody = visitor.get(page).await;
        assert_eq!(by_key.status, by_nobody.status);
        let lower = format!("bearer {}", key.secret);
        house.program("").send(Method::GET, ACME, &[("authorization", &lower)], None).await.is(200);

        // Another account does not exist, whoever asks: her own, a stranger's, one that never was.
        let eve = house.user("Eve", "eve@evil.test").await;
        house.organization(&eve, "Evil").await;
        for slug in ["ada-byron", "evil", "eve", "nowhere"] {
            problem(key.get(&format!("/api/v1/accounts/{slug}")).await, 404, "not_found");
            problem(key.get(&format!("/api/v1/accounts/{slug}/members")).await, 404, "not_found");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_methods_that_are_none_are_problems() {
    each(async |house| {
        let (_, key) = acme(house).await;
        for path in ["/api/v1/nothing", "/api/v1/", "/api/v1/accounts", "/api/v1/accounts/acme/nothing"] {
            problem(key.get(path).await, 404, "not_found");
        }
        problem(house.program("").get("/api/v1/nothing").await, 404, "not_found");
        problem(key.get(&format!("{ACME}/members/not-an-id")).await, 404, "not_found");
        let said = key.send(Method::PUT, ACME, &[], None).await;
        let allow = said.field("allow");
        assert!(allow.contains("GET") && allow.contains("PATCH"), "{allow}");
        problem(said, 405, "method_not_allowed");
        let said = key.send(Method::PUT, &format!("{ACME}/members"), &[], None).await;
        assert!(said.field("allow").contains("GET"));
        problem(said, 405, "method_not_allowed");
        let foreign = [("origin", "https://evil.test"), ("access-control-request-method", "GET")];
        let said = key.send(Method::OPTIONS, ACME, &foreign, None).await;
        assert!(said.field("access-control-allow-origin").is_empty());
        problem(said, 405, "method_not_allowed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_named() {
    each(async |house| {
        let (_, key) = acme(house).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        join(house, &key, "acme", &bob, &["member"]).await;
        let bobs = house.key("acme", &bob).await;
        bobs.get(ACME).await.is(200);
        lacks(bobs.call(Method::PATCH, ACME, &json!({ "name": "Bob's" })).await, "account.update");
        lacks(bobs.get(&format!("{ACME}/members")).await, "members.view");
        lacks(bobs.get(&format!("{ACME}/roles")).await, "members.view");
        lacks(bobs.get(&format!("{ACME}/invitations")).await, "members.invite");
        lacks(bobs.get(&format!("{ACME}/audit")).await, "audit.view");
        let to = json!({ "to": house.membership("acme", &bob).await });
        lacks(bobs.call(Method::POST, &format!("{ACME}/transfer"), &to).await, "account.transfer");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_names_its_parent() {
    each(async |house| {
        let (ada, _) = acme(house).await;
        let session = guildhall::kit::secret::hash(&ada.cookie("guildhall").unwrap());
        let by = guildhall::store::entry::Credential::Session(session);
        let client = guildhall::store::Client::default();
        let begun = guildhall::store::Change::<guildhall::model::entry::Entry>::begin(
            &house.db, &by, "acme", &house.kit, &client,
        );
        let mut change = begun.await.unwrap();
        let name = guildhall::model::text::Name::parse("Search").unwrap();
        guildhall::store::teams::open(&mut change, &name, None).await.unwrap();
        change.commit().await.unwrap();
        let it = house.key("search", &ada).await.get("/api/v1/accounts/search").await.is(200).json();
        assert_eq!(it["kind"], "team");
        has_fields(&it["parent"], &["id", "slug"]);
        assert_eq!(it["parent"]["slug"], "acme");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_say_what_they_allow_and_who_holds_them() {
    each(async |house| {
        let (_, key) = acme(house).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        join(house, &key, "acme", &bob, &["video-developer", "image-developer"]).await;
        let roles = super::all(&key, &format!("{ACME}/roles"), 4).await;
        assert_eq!(roles.len(), 9);
        for it in &roles {
            has_fields(it, &["id", "name", "description", "built_in", "permissions", "holders"]);
            assert_eq!(it["built_in"], true);
        }
        let by_id = |id: &str| roles.iter().find(|it| it["id"] == id).unwrap();
        assert_eq!(by_id("owner")["holders"], 1);
        assert_eq!(by_id("developer")["holders"], 1, "somebody with two grants is one holder");
        assert_eq!(by_id("admin")["holders"], 0);
        let analyst = json!(["account.view", "resources.view", "analytics.view"]);
        assert_eq!(by_id("analyst")["permissions"], analyst);
        fault(key.get(&format!("{ACME}/roles?after=nobody")).await, "/after", "invalid_cursor");
    })
    .await;
}
