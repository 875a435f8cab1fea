//! What the console does, a program does too: teams, links of invitations, single events and keys, leaving, deleting; and versions.
use super::{ACME, acme, fault, has_fields, problem};
use crate::harness::each;
use axum::http::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn teams_are_opened_and_listed() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        let path = format!("{ACME}/teams");
        let made = key
            .call(Method::POST, &path, &json!({ "name": "Research", "slug": "labs" }))
            .await
            .is(201)
            .json();
        has_fields(&made, &["id", "slug", "name", "owner", "member_count", "created_at"]);
        assert_eq!((&made["slug"], &made["owner"]["email"]), (&json!("labs"), &json!("ada@acme.test")));
        key.call(Method::POST, &path, &json!({ "name": "Archive" })).await.is(201);
        let all = super::all(&key, &path, 1).await;
        assert_eq!(
            all.iter().map(|it| it["name"].as_str().unwrap()).collect::<Vec<_>>(),
            ["Archive", "Research"]
        );
        fault(
            key.call(Method::POST, &path, &json!({ "name": "", "slug": "labs" })).await,
            "/name",
            "required",
        );
        fault(
            key.call(Method::POST, &path, &json!({ "name": "X", "slug": "No!" })).await,
            "/slug",
            "invalid",
        );
        let taken = key.call(Method::POST, &path, &json!({ "name": "X", "slug": "labs" })).await;
        assert!([409, 422].contains(&taken.status), "{}", taken.body);
        // In the team there are none.
        let inside = house.key("labs", &ada).await;
        problem(inside.get("/api/v1/accounts/labs/teams").await, 404, "not_found");
        let said =
            inside.call(Method::POST, "/api/v1/accounts/labs/teams", &json!({ "name": "Deeper" })).await;
        problem(said, 409, "team_in_team");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_an_invitation_opens_it() {
    each(async |house| {
        let (_, key) = acme(house).await;
        let body = json!({ "emails": ["bob@acme.test"], "grants": [{ "role": "member" }] });
        let made = key.call(Method::POST, &format!("{ACME}/invitations"), &body).await.is(200).json();
        let id = made["created"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("{ACME}/invitations/{id}/link");
        let link = key.send(Method::POST, &path, &[], None).await.is(200).json();
        has_fields(&link, &["url", "expires_at"]);
        let url = link["url"].as_str().unwrap().strip_prefix("http://127.0.0.1:3000").unwrap().to_owned();
        house.visitor().get(&url).await.is(200);
        key.send(Method::DELETE, &format!("{ACME}/invitations/{id}"), &[], None).await.is(204);
        problem(key.send(Method::POST, &path, &[], None).await, 409, "invitation_over");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_and_one_key_are_read() {
    each(async |house| {
        let (_, key) = acme(house).await;
        let made =
            key.call(Method::POST, &format!("{ACME}/keys"), &json!({ "name": "One" })).await.is(201).json();
        let path = format!("{ACME}/keys/{}", made["id"].as_str().unwrap());
        let one = key.get(&path).await.is(200);
        assert_eq!((&one.json()["name"], one.json().get("secret")), (&json!("One"), None));
        let events = key.get(&format!("{ACME}/audit?action=key.created")).await.is(200).json();
        let event = &events["items"][0];
        let path = format!("{ACME}/audit/{}", event["id"].as_str().unwrap());
        assert_eq!(key.get(&path).await.is(200).json(), *event);
        let nil = uuid::Uuid::nil();
        for path in [format!("{ACME}/audit/{nil}"), format!("{ACME}/keys/{nil}"), format!("{ACME}/audit/x")] {
            problem(key.get(&path).await, 404, "not_found");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_meant_for_another_version_is_refused() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        let bob = house.user("Bob Hale", "bob@acme.test").await;
        let seat = house.join(&ada, "acme", &bob, &["member"]).await;
        let path = format!("{ACME}/members/{seat}");
        let tag = key.get(&path).await.is(200).field("etag");
        // That somebody was here makes no other version.
        bob.get("/a/acme/overview").await.is(200);
        assert_eq!(key.get(&path).await.field("etag"), tag);
        let send = async |tag: &str, role: &str| {
            let fields = [("content-type", "application/json"), ("if-match", tag)];
            let body = json!({ "grants": [{ "role": role }] }).to_string();
            key.send(Method::PATCH, &path, &fields, Some(body)).await
        };
        let next = send(&tag, "admin").await.is(200).field("etag");
        problem(send(&tag, "developer").await, 412, "precondition_failed");
        send(&format!("\"x\", W/{next}"), "developer").await.is(200);
        problem(
            key.send(Method::DELETE, &path, &[("if-match", &next)], None).await,
            412,
            "precondition_failed",
        );
        key.send(Method::DELETE, &path, &[("if-match", "*")], None).await.is(204);
        let made =
            key.call(Method::POST, &format!("{ACME}/keys"), &json!({ "name": "One" })).await.is(201).json();
        let path = format!("{ACME}/keys/{}", made["id"].as_str().unwrap());
        problem(
            key.send(Method::DELETE, &path, &[("if-match", "\"x\"")], None).await,
            412,
            "precondition_failed",
        );
        let tag = key.get(&path).await.field("etag");
        key.send(Method::DELETE, &path, &[("if-match", &tag)], None).await.is(204);
        let role = json!({ "name": "Auditor", "permissions": ["audit.view"] });
        let made = key.call(Method::POST, &format!("{ACME}/roles"), &role).await.is(201);
        let path = format!("{ACME}/roles/{}", made.json()["id"].as_str().unwrap());
        problem(
            key.send(Method::DELETE, &path, &[("if-match", "\"x\"")], None).await,
            412,
            "precondition_failed",
        );
        key.send(Method::DELETE, &path, &[("if-match", &made.field("etag"))], None).await.is(204);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_leaves_or_deletes_by_a_slip() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        let bob = house.user("Bob Hale", "bob@acme.test").await;
        house.join(&ada, "acme", &bob, &["member"]).await;
        let bobs = house.key("acme", &bob).await;
        let leave = format!("{ACME}/leave");
        fault(bobs.call(Method::POST, &leave, &json!({ "confirm": "apex" })).await, "/confirm", "mismatch");
        problem(key.call(Method::POST, &leave, &json!({ "confirm": "acme" })).await, 409, "owner");
        bobs.call(Method::POST, &leave, &json!({ "confirm": "acme" })).await.is(204);
        problem(bobs.get(ACME).await, 401, "unauthenticated");
        fault(key.send(Method::DELETE, ACME, &[], None).await, "/confirm", "required");
        fault(
            key.send(Method::DELETE, &format!("{ACME}?confirm=apex"), &[], None).await,
            "/confirm",
            "mismatch",
        );
        key.send(Method::DELETE, &format!("{ACME}?confirm=acme"), &[("idempotency-key", "end")], None)
            .await
            .is(204);
        problem(key.get(ACME).await, 401, "unauthenticated");
        assert_eq!(house.count("select count(*) from accounts where kind = 'organization'").await, 0);
        // A personal account goes with its user.
        let (slug,): (String,) = house
            .db
            .read()
            .await
            .unwrap()
            .query("select slug from accounts where kind = 'personal' and owner_id = $1")
            .bind(ada.id)
            .one()
            .await
            .unwrap();
        let own = house.key(&slug, &ada).await;
        let path = format!("/api/v1/accounts/{slug}?confirm={slug}");
        problem(own.send(Method::DELETE, &path, &[], None).await, 409, "personal");
    })
    .await;
}
