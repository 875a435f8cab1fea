//! Handing an account over, by key.
use super::{ACME, acme, fault, has_fields, join, lacks, problem};
use crate::harness::each;
use axum::http::Method;
use serde_json::{Value, json};

const TRANSFER: &str = "/api/v1/accounts/acme/transfer";

#[tokio::test(flavor = "multi_thread")]
async fn an_account_changes_hands() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let to = join(house, &key, "acme", &bob, &["member"]).await;
        let cy = house.user("Cy", "cy@acme.test").await;
        join(house, &key, "acme", &cy, &["admin"]).await;
        let (bobs, cys) = (house.key("acme", &bob).await, house.key("acme", &cy).await);
        problem(key.get(TRANSFER).await, 404, "not_found");
        let offer = async |to: Value| key.call(Method::POST, TRANSFER, &json!({ "to": to })).await;
        let said = offer(json!(to)).await.is(201).json();
        has_fields(&said, &["to", "offered_at", "expires_at"]);
        assert_eq!(said["to"], json!({ "id": to, "name": "Bob", "email": "bob@acme.test" }));
        assert_eq!(key.get(TRANSFER).await.is(200).json(), said);
        assert_eq!(bobs.get(TRANSFER).await.is(200).json(), said);
        problem(cys.get(TRANSFER).await, 404, "not_found");
        problem(offer(json!(to)).await, 409, "offer_pending");

        let answer = async |program: &crate::harness::Program, word: &str| {
            program.send(Method::POST, &format!("{TRANSFER}/{word}"), &[], None).await
        };
        problem(answer(&cys, "accept").await, 409, "not_offered_to_you");
        problem(answer(&key, "decline").await, 409, "not_offered_to_you");
        answer(&bobs, "decline").await.is(204);
        problem(answer(&bobs, "accept").await, 409, "no_offer");

        offer(json!(to)).await.is(201);
        key.send(Method::DELETE, TRANSFER, &[], None).await.is(204);
        problem(key.send(Method::DELETE, TRANSFER, &[], None).await, 409, "no_offer");

        offer(json!(to)).await.is(201);
        lacks(bobs.send(Method::DELETE, TRANSFER, &[], None).await, "account.transfer");
        let few = json!({ "name": "Few", "permissions": ["resources.run"] });
        let few = bobs.call(Method::POST, &format!("{ACME}/keys"), &few).await.is(201).json();
        let few = house.program(few["secret"].as_str().unwrap());
        problem(answer(&few, "accept").await, 403, "key_limited");
        answer(&bobs, "accept").await.is(204);
        let member = bobs.get(&format!("{ACME}/members/{to}")).await.is(200).json();
        assert_eq!(member["grants"][0]["role"], "owner");
        let old = house.membership("acme", &ada).await;
        let member = bobs.get(&format!("{ACME}/members/{old}")).await.is(200).json();
        assert_eq!(member["grants"][0]["role"], "admin");
        lacks(offer(json!(to)).await, "account.transfer");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_needs_a_member_and_a_ticked_permission() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        let offer = async |body: Value| key.call(Method::POST, TRANSFER, &body).await;
        fault(offer(json!({})).await, "/to", "required");
        fault(offer(json!({ "to": "bob" })).await, "/to", "invalid");
        fault(offer(json!({ "to": uuid::Uuid::nil() })).await, "/to", "unknown_member");
        fault(offer(json!({ "to": house.membership("acme", &ada).await })).await, "/to", "owner");
        let eve = house.user("Eve", "eve@evil.test").await;
        house.organization(&eve, "Evil").await;
        fault(offer(json!({ "to": house.membership("evil", &eve).await })).await, "/to", "unknown_member");

        let everyday = key.call(Method::POST, &format!("{ACME}/keys"), &json!({ "name": "Everyday" })).await;
        let ticked = json!({ "name": "Ticked", "permissions": ["account.transfer"] });
        let ticked = key.call(Method::POST, &format!("{ACME}/keys"), &ticked).await;
        // The first key holds all; what it makes by default holds no transfer.
        assert!(!everyday.json()["permissions"].to_string().contains("account.transfer"));
        let everyday = house.program(everyday.is(201).json()["secret"].as_str().unwrap());
        let ticked = house.program(ticked.is(201).json()["secret"].as_str().unwrap());
        let bob = house.user("Bob", "bob@acme.test").await;
        let to = json!({ "to": join(house, &key, "acme", &bob, &["member"]).await });
        lacks(everyday.call(Method::POST, TRANSFER, &to).await, "account.transfer");
        ticked.call(Method::POST, TRANSFER, &to).await.is(201);
    })
    .await;
}
