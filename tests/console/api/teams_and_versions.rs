//! Teams, invitation links, single events and keys, leaving, deleting, and versions of things by the API.
use super::{ACME, acme, field_error, has_fields, problem};
use crate::harness::on_each_db;
use axum::http::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn teams_are_created_and_listed() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        let path = format!("{ACME}/teams");
        let made = key
            .call(Method::POST, &path, &json!({ "name": "Research", "slug": "labs" }))
            .await
            .assert_status(201)
            .json();
        has_fields(&made, &["id", "slug", "name", "owner", "member_count", "created_at"]);
        assert_eq!((&made["slug"], &made["owner"]["email"]), (&json!("labs"), &json!("ada@acme.test")));
        key.call(Method::POST, &path, &json!({ "name": "Archive" })).await.assert_status(201);
        let all = super::all(&key, &path, 1).await;
        assert_eq!(
            all.iter().map(|team| team["name"].as_str().unwrap()).collect::<Vec<_>>(),
            ["Archive", "Research"]
        );
        field_error(
            key.call(Method::POST, &path, &json!({ "name": "", "slug": "labs" })).await,
            "/name",
            "required",
        );
        field_error(
            key.call(Method::POST, &path, &json!({ "name": "X", "slug": "No!" })).await,
            "/slug",
            "invalid",
        );
        let taken = key.call(Method::POST, &path, &json!({ "name": "X", "slug": "labs" })).await;
        assert!([409, 422].contains(&taken.status), "{}", taken.body);
        // A team has no teams.
        let inside = app.api_key("labs", &ada).await;
        problem(inside.get("/api/v1/accounts/labs/teams").await, 404, "not_found");
        let response =
            inside.call(Method::POST, "/api/v1/accounts/labs/teams", &json!({ "name": "Deeper" })).await;
        problem(response, 409, "team_in_team");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_link_is_created_and_revoked() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let body = json!({ "emails": ["bob@acme.test"], "grants": [{ "role": "member" }] });
        let made =
            key.call(Method::POST, &format!("{ACME}/invitations"), &body).await.assert_status(200).json();
        let id = made["created"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("{ACME}/invitations/{id}/link");
        let link = key.send(Method::POST, &path, &[], None).await.assert_status(200).json();
        has_fields(&link, &["url", "expires_at"]);
        let url = link["url"].as_str().unwrap().strip_prefix("http://127.0.0.1:3000").unwrap().to_owned();
        app.visitor().get(&url).await.assert_status(200);
        key.send(Method::DELETE, &format!("{ACME}/invitations/{id}"), &[], None).await.assert_status(204);
        problem(key.send(Method::POST, &path, &[], None).await, 409, "invitation_over");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_event_and_a_single_key_are_read() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let made = key
            .call(Method::POST, &format!("{ACME}/keys"), &json!({ "name": "One" }))
            .await
            .assert_status(201)
            .json();
        let path = format!("{ACME}/keys/{}", made["id"].as_str().unwrap());
        let one = key.get(&path).await.assert_status(200);
        assert_eq!((&one.json()["name"], one.json().get("secret")), (&json!("One"), None));
        let events = key.get(&format!("{ACME}/audit?action=key.created")).await.assert_status(200).json();
        let event = &events["items"][0];
        let path = format!("{ACME}/audit/{}", event["id"].as_str().unwrap());
        assert_eq!(key.get(&path).await.assert_status(200).json(), *event);
        let nil = uuid::Uuid::nil();
        for path in [format!("{ACME}/audit/{nil}"), format!("{ACME}/keys/{nil}"), format!("{ACME}/audit/x")] {
            problem(key.get(&path).await, 404, "not_found");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_meant_for_another_version_is_refused() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        let bob = app.user("Bob Hale", "bob@acme.test").await;
        let membership = app.add_member(&ada, "acme", &bob, &["member"]).await;
        let path = format!("{ACME}/members/{membership}");
        let tag = key.get(&path).await.assert_status(200).header("etag");
        // Activity of a member does not change the version.
        bob.get("/a/acme/overview").await.assert_status(200);
        assert_eq!(key.get(&path).await.header("etag"), tag);
        let send = async |tag: &str, role: &str| {
            let headers = [("content-type", "application/json"), ("if-match", tag)];
            let body = json!({ "grants": [{ "role": role }] }).to_string();
            key.send(Method::PATCH, &path, &headers, Some(body)).await
        };
        let next = send(&tag, "admin").await.assert_status(200).header("etag");
        problem(send(&tag, "developer").await, 412, "precondition_failed");
        send(&format!("\"x\", W/{next}"), "developer").await.assert_status(200);
        problem(
            key.send(Method::DELETE, &path, &[("if-match", &next)], None).await,
            412,
            "precondition_failed",
        );
        key.send(Method::DELETE, &path, &[("if-match", "*")], None).await.assert_status(204);
        let made = key
            .call(Method::POST, &format!("{ACME}/keys"), &json!({ "name": "One" }))
            .await
            .assert_status(201)
            .json();
        let path = format!("{ACME}/keys/{}", made["id"].as_str().unwrap());
        problem(
            key.send(Method::DELETE, &path, &[("if-match", "\"x\"")], None).await,
            412,
            "precondition_failed",
        );
        let tag = key.get(&path).await.header("etag");
        key.send(Method::DELETE, &path, &[("if-match", &tag)], None).await.assert_status(204);
        let role = json!({ "name": "Auditor", "permissions": ["audit.view"] });
        let made = key.call(Method::POST, &format!("{ACME}/roles"), &role).await.assert_status(201);
        let path = format!("{ACME}/roles/{}", made.json()["id"].as_str().unwrap());
        problem(
            key.send(Method::DELETE, &path, &[("if-match", "\"x\"")], None).await,
            412,
            "precondition_failed",
        );
        key.send(Method::DELETE, &path, &[("if-match", &made.header("etag"))], None).await.assert_status(204);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_and_deleting_need_a_confirmation() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        let bob = app.user("Bob Hale", "bob@acme.test").await;
        app.add_member(&ada, "acme", &bob, &["member"]).await;
        let bobs = app.api_key("acme", &bob).await;
        let leave = format!("{ACME}/leave");
        field_error(
            bobs.call(Method::POST, &leave, &json!({ "confirm": "apex" })).await,
            "/confirm",
            "mismatch",
        );
        problem(key.call(Method::POST, &leave, &json!({ "confirm": "acme" })).await, 409, "owner");
        bobs.call(Method::POST, &leave, &json!({ "confirm": "acme" })).await.assert_status(204);
        problem(bobs.get(ACME).await, 401, "unauthenticated");
        field_error(key.send(Method::DELETE, ACME, &[], None).await, "/confirm", "required");
        field_error(
            key.send(Method::DELETE, &format!("{ACME}?confirm=apex"), &[], None).await,
            "/confirm",
            "mismatch",
        );
        key.send(Method::DELETE, &format!("{ACME}?confirm=acme"), &[("idempotency-key", "end")], None)
            .await
            .assert_status(204);
        problem(key.get(ACME).await, 401, "unauthenticated");
        assert_eq!(app.count("select count(*) from accounts where kind = 'organization'").await, 0);
        // A personal account is deleted with its user only.
        let (slug,): (String,) = app
            .db
            .read()
            .await
            .unwrap()
            .query("select slug from accounts where kind = 'personal' and owner_id = $1")
            .bind(ada.id)
            .fetch_one()
            .await
            .unwrap();
        let own = app.api_key(&slug, &ada).await;
        let path = format!("/api/v1/accounts/{slug}?confirm={slug}");
        problem(own.send(Method::DELETE, &path, &[], None).await, 403, "permission_missing");
    })
    .await;
}
