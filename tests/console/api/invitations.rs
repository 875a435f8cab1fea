//! Invitations by the API.
use super::{ACME, acme, all, field_error, has_fields, join, problem};
use crate::harness::on_each_db;
use axum::http::Method;
use guildhall::model::time::DAY;
use serde_json::{Value, json};

const ALL: &str = "/api/v1/accounts/acme/invitations";

#[tokio::test(flavor = "multi_thread")]
async fn valid_addresses_are_invited_and_invalid_ones_rejected() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        let body = json!({
            "emails": ["bob@x.test", "nonsense", "ada@acme.test", "BOB@x.test", "cy@x.test", ""],
            "grants": [{ "role": "analyst", "scope": { "type": "product", "product": "video" } }],
            "login_type": "google",
        });
        let response = key.call(Method::POST, ALL, &body).await.assert_status(200).json();
        has_fields(&response, &["created", "rejected"]);
        assert_eq!(response["created"].as_array().unwrap().len(), 2);
        let bob = &response["created"][0];
        let names = [
            "id",
            "email",
            "grants",
            "login_type",
            "status",
            "delivery",
            "delivery_detail",
            "invited_by",
            "created_at",
            "expires_at",
        ];
        has_fields(bob, &names);
        assert_eq!(bob["email"], "bob@x.test");
        assert_eq!(response["created"][1]["email"], "cy@x.test");
        assert_eq!(bob["grants"][0]["label"], "video-analyst");
        assert_eq!(bob["login_type"], "google");
        assert_eq!(bob["status"], "pending");
        assert_eq!(bob["delivery"], "queued");
        assert_eq!(bob["delivery_detail"], Value::Null);
        assert_eq!(bob["invited_by"], json!({ "id": ada.id, "name": "Ada Byron" }));
        let rejected: Vec<(&str, &str)> = response["rejected"]
            .as_array()
            .unwrap()
            .iter()
            .map(|address| (address["email"].as_str().unwrap(), address["code"].as_str().unwrap()))
            .collect();
        assert_eq!(
            rejected,
            [("nonsense", "invalid"), ("ada@acme.test", "already_member"), ("", "required")]
        );
        has_fields(&response["rejected"][0], &["email", "code", "detail"]);
        app.email("bob@x.test").await.link("/invitations/");

        let id = bob["id"].as_str().unwrap();
        assert_eq!(&key.get(&format!("{ALL}/{id}")).await.assert_status(200).json(), bob);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_invites_nobody_is_refused() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let post = async |body: Value| key.call(Method::POST, ALL, &body).await;
        let role = json!([{ "role": "member" }]);
        field_error(post(json!({ "grants": role })).await, "/emails", "required");
        field_error(post(json!({ "emails": ["a@x.test"] })).await, "/grants", "required");
        field_error(post(json!({ "emails": [], "grants": role })).await, "/emails", "required");
        field_error(post(json!({ "emails": "a@x.test", "grants": role })).await, "/emails", "invalid");
        field_error(post(json!({ "emails": [7], "grants": role })).await, "/emails/0", "invalid");
        field_error(
            post(json!({ "emails": ["a@x.test"], "grants": [{ "role": "owner" }] })).await,
            "/grants/0/role",
            "owner_is_not_granted",
        );
        field_error(
            post(json!({ "emails": ["a@x.test"], "grants": role, "note": "Hi" })).await,
            "/note",
            "unknown_field",
        );
        let many: Vec<String> = (0..201).map(|n| format!("m{n}@x.test")).collect();
        field_error(post(json!({ "emails": many, "grants": role })).await, "/emails", "too_many");
        assert_eq!(app.count("select count(*) from invitations").await, 0);
        let response = post(json!({ "emails": many[..200], "grants": role })).await.assert_status(200).json();
        assert_eq!(response["created"].as_array().unwrap().len(), 200);

        let eve = app.user("Eve", "eve@evil.test").await;
        let own = app.api_key("eve", &eve).await;
        let body = json!({ "emails": ["a@x.test"], "grants": role });
        let response = own.call(Method::POST, "/api/v1/accounts/eve/invitations", &body).await;
        super::missing_permission(response, "members.invite");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations_are_filtered_by_status() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let invite = async |email: &str| {
            let body = json!({ "emails": [email], "grants": [{ "role": "member" }] });
            let response = key.call(Method::POST, ALL, &body).await.assert_status(200).json();
            response["created"][0]["id"].as_str().unwrap().to_owned()
        };
        let old = invite("old@x.test").await;
        app.advance(8 * DAY);
        let bob = app.user("Bob", "bob@x.test").await;
        join(app, &key, "acme", &bob, &["member"]).await;
        let gone = invite("gone@x.test").await;
        key.send(Method::DELETE, &format!("{ALL}/{gone}"), &[], None).await.assert_status(204);
        key.send(Method::DELETE, &format!("{ALL}/{gone}"), &[], None).await.assert_status(204);
        for at in 0..3 {
            invite(&format!("m{at}@x.test")).await;
        }
        let emails = async |query: &str| -> Vec<String> {
            let found = all(&key, &format!("{ALL}{query}"), 2).await;
            found.iter().map(|invitation| invitation["email"].as_str().unwrap().to_owned()).collect()
        };
        let newest = ["m2@x.test", "m1@x.test", "m0@x.test", "gone@x.test", "bob@x.test", "old@x.test"];
        assert_eq!(emails("").await, newest);
        assert_eq!(emails("?status=pending").await, newest[..3]);
        assert_eq!(emails("?status=revoked").await, ["gone@x.test"]);
        assert_eq!(emails("?status=accepted").await, ["bob@x.test"]);
        assert_eq!(emails("?status=expired").await, ["old@x.test"]);
        assert!(emails("?status=declined").await.is_empty());
        field_error(key.get(&format!("{ALL}?status=open")).await, "/status", "invalid");
        field_error(key.get(&format!("{ALL}?after=x")).await, "/after", "invalid_cursor");

        let before = key.get(&format!("{ALL}/{old}")).await.json();
        assert_eq!(before["status"], "expired");
        let again =
            key.send(Method::POST, &format!("{ALL}/{old}/resend"), &[], None).await.assert_status(200).json();
        assert_eq!(again["status"], "pending");
        assert_eq!(again["id"], before["id"]);
        assert!(again["expires_at"].as_str() > before["expires_at"].as_str());
        assert_eq!(app.emails("old@x.test").await.len(), 2);
        let response = key.send(Method::POST, &format!("{ALL}/{gone}/resend"), &[], None).await;
        problem(response, 409, "invitation_over");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_of_another_account_is_not_found() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let eve = app.user("Eve", "eve@evil.test").await;
        app.organization(&eve, "Evil").await;
        let eves = app.api_key("evil", &eve).await;
        let body = json!({ "emails": ["bob@x.test"], "grants": [{ "role": "member" }] });
        let response = eves
            .call(Method::POST, "/api/v1/accounts/evil/invitations", &body)
            .await
            .assert_status(200)
            .json();
        let id = response["created"][0]["id"].as_str().unwrap();
        problem(key.get(&format!("{ALL}/{id}")).await, 404, "not_found");
        problem(key.send(Method::DELETE, &format!("{ALL}/{id}"), &[], None).await, 404, "not_found");
        problem(key.send(Method::POST, &format!("{ALL}/{id}/resend"), &[], None).await, 404, "not_found");
        problem(eves.get(ACME).await, 404, "not_found");
    })
    .await;
}
