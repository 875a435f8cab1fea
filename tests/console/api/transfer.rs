//! Transfer of ownership by the API.
use super::{ACME, acme, field_error, has_fields, join, missing_permission, problem};
use crate::harness::on_each_db;
use axum::http::Method;
use serde_json::{Value, json};

const TRANSFER: &str = "/api/v1/accounts/acme/transfer";

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_declined_withdrawn_and_accepted() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let to = join(app, &key, "acme", &bob, &["member"]).await;
        let cy = app.user("Cy", "cy@acme.test").await;
        join(app, &key, "acme", &cy, &["admin"]).await;
        let (bobs, cys) = (app.api_key("acme", &bob).await, app.api_key("acme", &cy).await);
        problem(key.get(TRANSFER).await, 404, "not_found");
        let offer = async |to: Value| key.call(Method::POST, TRANSFER, &json!({ "to": to })).await;
        let response = offer(json!(to)).await.assert_status(201).json();
        has_fields(&response, &["to", "offered_at", "expires_at"]);
        assert_eq!(response["to"], json!({ "id": to, "name": "Bob", "email": "bob@acme.test" }));
        assert_eq!(key.get(TRANSFER).await.assert_status(200).json(), response);
        assert_eq!(bobs.get(TRANSFER).await.assert_status(200).json(), response);
        problem(cys.get(TRANSFER).await, 404, "not_found");
        problem(offer(json!(to)).await, 409, "offer_pending");

        let answer = async |client: &crate::harness::ApiClient, action: &str| {
            client.send(Method::POST, &format!("{TRANSFER}/{action}"), &[], None).await
        };
        problem(answer(&cys, "accept").await, 409, "not_offered_to_you");
        problem(answer(&key, "decline").await, 409, "not_offered_to_you");
        answer(&bobs, "decline").await.assert_status(204);
        problem(answer(&bobs, "accept").await, 409, "no_offer");

        offer(json!(to)).await.assert_status(201);
        key.send(Method::DELETE, TRANSFER, &[], None).await.assert_status(204);
        problem(key.send(Method::DELETE, TRANSFER, &[], None).await, 409, "no_offer");

        offer(json!(to)).await.assert_status(201);
        missing_permission(bobs.send(Method::DELETE, TRANSFER, &[], None).await, "account.transfer");
        let few = json!({ "name": "Few", "permissions": ["resources.run"] });
        let few = bobs.call(Method::POST, &format!("{ACME}/keys"), &few).await.assert_status(201).json();
        let few = app.api_client(few["secret"].as_str().unwrap());
        problem(answer(&few, "accept").await, 403, "key_limited");
        answer(&bobs, "accept").await.assert_status(204);
        let member = bobs.get(&format!("{ACME}/members/{to}")).await.assert_status(200).json();
        assert_eq!(member["grants"][0]["role"], "owner");
        let old = app.membership("acme", &ada).await;
        let member = bobs.get(&format!("{ACME}/members/{old}")).await.assert_status(200).json();
        assert_eq!(member["grants"][0]["role"], "admin");
        missing_permission(offer(json!(to)).await, "account.transfer");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_needs_a_member_and_an_explicit_permission() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        let offer = async |body: Value| key.call(Method::POST, TRANSFER, &body).await;
        field_error(offer(json!({})).await, "/to", "required");
        field_error(offer(json!({ "to": "bob" })).await, "/to", "invalid");
        field_error(offer(json!({ "to": uuid::Uuid::nil() })).await, "/to", "unknown_member");
        field_error(offer(json!({ "to": app.membership("acme", &ada).await })).await, "/to", "owner");
        let eve = app.user("Eve", "eve@evil.test").await;
        app.organization(&eve, "Evil").await;
        field_error(
            offer(json!({ "to": app.membership("evil", &eve).await })).await,
            "/to",
            "unknown_member",
        );

        let everyday = key.call(Method::POST, &format!("{ACME}/keys"), &json!({ "name": "Everyday" })).await;
        let explicit = json!({ "name": "Explicit", "permissions": ["account.transfer"] });
        let explicit = key.call(Method::POST, &format!("{ACME}/keys"), &explicit).await;
        // A new key may not transfer the account unless it says so.
        assert!(!everyday.json()["permissions"].to_string().contains("account.transfer"));
        let everyday = app.api_client(everyday.assert_status(201).json()["secret"].as_str().unwrap());
        let explicit = app.api_client(explicit.assert_status(201).json()["secret"].as_str().unwrap());
        let bob = app.user("Bob", "bob@acme.test").await;
        let to = json!({ "to": join(app, &key, "acme", &bob, &["member"]).await });
        missing_permission(everyday.call(Method::POST, TRANSFER, &to).await, "account.transfer");
        explicit.call(Method::POST, TRANSFER, &to).await.assert_status(201);
    })
    .await;
}
