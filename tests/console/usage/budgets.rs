//! Budgets notify at 50, 80 and 100%; hard ones block keys.
use super::{acme, event, event_at, ingest_result, send};
use crate::harness::{ApiClient, TestApp, on_each_db};
use axum::http::Method;
use guildhall::model::{calendar::Day, token::TokenScope};
use serde_json::{Value, json};
use std::time::Duration;

const BUDGETS: &str = "/api/v1/accounts/acme/budgets";

async fn report_usage(app: &TestApp, gateway: &ApiClient, id: &str, mut data: Value, quantity: &str) {
    data["meter"] = json!("credits");
    data["quantity"] = json!(quantity);
    let time = app.kit.now().to_string();
    assert_eq!(ingest_result(send(gateway, &[event_at(&time, id, data)]).await).0, 1);
}

async fn verify_code(gateway: &ApiClient, key: &ApiClient) -> String {
    let response = gateway
        .call(Method::POST, "/api/v1/keys/verify", &json!({ "key": key.secret }))
        .await
        .assert_status(200);
    response.json()["code"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_notifies_each_threshold_once_a_month() {
    on_each_db(async |app| {
        let (ada, gateway) = acme(app).await;
        let key = app.api_key("acme", &ada).await;
        let new = json!({ "kind": "account", "meter": "credits", "limit": "100" });
        let created = key.call(Method::POST, BUDGETS, &new).await.assert_status(201).json();
        assert_eq!(
            (&created["used"], &created["hard"], &created["subject"]),
            (&json!("0"), &json!(false), &Value::Null)
        );
        let email_count = async || {
            app.emails("ada@acme.test")
                .await
                .iter()
                .filter(|email| email.0.subject.contains("budget"))
                .count()
        };
        let account = || json!({ "account": "acme" });
        for (id, quantity, expected) in
            [("a", "49.9", 0), ("b", "0.1", 1), ("c", "1", 1), ("d", "30", 2), ("e", "40", 3), ("f", "5", 3)]
        {
            report_usage(app, &gateway, id, account(), quantity).await;
            assert_eq!(email_count().await, expected, "after {id}");
        }
        assert_eq!(app.email("ada@acme.test").await.0.subject, "A budget of Acme is used up");
        let path = format!("{BUDGETS}/{}", created["id"].as_str().unwrap());
        assert_eq!(key.get(&path).await.assert_status(200).json()["used"], "126");
        assert_eq!(
            verify_code(&app.service_token(&TokenScope::ALL).await, &key).await,
            "VALID",
            "a soft budget only notifies"
        );
        // A new month starts from zero.
        let today = Day::of(app.kit.now());
        let days = today.month().next().first().0 - today.0;
        app.advance(Duration::from_secs(86_400 * u64::try_from(days).unwrap()));
        report_usage(app, &gateway, "g", account(), "50").await;
        assert_eq!(email_count().await, 4);
        assert_eq!(key.get(&path).await.assert_status(200).json()["used"], "50");
        key.send(Method::DELETE, &path, &[], None).await.assert_status(204);
        key.get(&path).await.assert_status(404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hard_budget_blocks_its_subject_at_once() {
    on_each_db(async |app| {
        let (ada, _) = acme(app).await;
        let gateway = app.service_token(&TokenScope::ALL).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let membership = app.add_member(&ada, "acme", &bob, &["member"]).await;
        let (ada_key, bob_key) = (app.api_key("acme", &ada).await, app.api_key("acme", &bob).await);
        let listed = bob_key.get("/api/v1/accounts/acme/keys").await.assert_status(200).json();
        let bob_key_id = listed["items"][0]["id"].clone();
        assert_eq!(verify_code(&gateway, &bob_key).await, "VALID");
        let new = json!({
            "kind": "member", "subject": membership, "meter": "credits", "limit": "10", "hard": true,
        });
        let created = ada_key.call(Method::POST, BUDGETS, &new).await.assert_status(201).json();
        assert_eq!(created["subject"], json!(membership));
        assert_eq!(
            ada_key.call(Method::POST, BUDGETS, &new).await.assert_status(409).json()["code"],
            "budget_exists"
        );
        report_usage(app, &gateway, "1", json!({ "key_id": bob_key_id }), "9.999999999").await;
        assert_eq!(verify_code(&gateway, &bob_key).await, "VALID");
        report_usage(app, &gateway, "2", json!({ "key_id": bob_key_id }), "0.000000001").await;
        assert_eq!(verify_code(&gateway, &bob_key).await, "QUOTA_EXCEEDED");
        assert_eq!(verify_code(&gateway, &ada_key).await, "VALID", "only Bob's usage is limited");
        bob.get("/a/acme/keys").await.assert_status(200).assert_contains("Budget used up");
        ada.get("/a/acme/keys?owner=me").await.assert_status(200).assert_not_contains("Budget used up");
        assert_eq!(app.email("bob@acme.test").await.0.subject, "A budget of Acme is used up");
        let path = format!("{BUDGETS}/{}", created["id"].as_str().unwrap());
        ada_key.call(Method::PATCH, &path, &json!({ "limit": "20" })).await.assert_status(200);
        assert_eq!(verify_code(&gateway, &bob_key).await, "VALID", "the budget was raised");
        bob.get("/a/acme/keys").await.assert_status(200).assert_not_contains("Budget used up");
        // A budget of the account applies to everybody.
        let new = json!({ "kind": "account", "meter": "credits", "limit": "10", "hard": true });
        ada_key.call(Method::POST, BUDGETS, &new).await.assert_status(201);
        assert_eq!(verify_code(&gateway, &ada_key).await, "QUOTA_EXCEEDED", "what was used before counts");
        let today = Day::of(app.kit.now());
        let days = today.month().next().first().0 - today.0;
        app.advance(Duration::from_secs(86_400 * u64::try_from(days).unwrap()));
        assert_eq!(verify_code(&gateway, &ada_key).await, "VALID", "a new month");
        assert_eq!(
            ingest_result(
                send(
                    &gateway,
                    &[event(app, 9, json!({ "meter": "credits", "quantity": 1, "account": "acme" }))]
                )
                .await
            )
            .0,
            1
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_are_managed_in_the_console() {
    on_each_db(async |app| {
        let (ada, gateway) = acme(app).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        app.add_member(&ada, "acme", &bob, &["member"]).await;
        bob.get("/a/acme/usage/budgets").await.assert_status(403).assert_contains("plan.change");
        ada.get("/a/acme/usage/budgets").await.assert_status(200).assert_contains("No budgets");
        ada.get("/a/acme/usage/budgets/new")
            .await
            .assert_status(200)
            .assert_contains("The whole organization, with its teams");
        let form = |limit| [("of", "account"), ("meter", "credits"), ("limit", limit), ("hard", "on")];
        for bad in ["", "-5", "0", "a lot", "1e13"] {
            ada.post("/a/acme/usage/budgets", &form(bad))
                .await
                .assert_status(422)
                .assert_contains("A month’s limit");
        }
        ada.post("/a/acme/usage/budgets", &[("of", "team nonsense"), ("meter", "credits"), ("limit", "1")])
            .await
            .assert_status(422);
        ada.post("/a/acme/usage/budgets", &[("of", "account"), ("meter", "miles"), ("limit", "1")])
            .await
            .assert_status(422);
        ada.post("/a/acme/usage/budgets", &form("1,000"))
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/usage/budgets");
        ada.post("/a/acme/usage/budgets", &form("1,000"))
            .await
            .assert_status(409)
            .assert_contains("There is a budget for this");
        report_usage(app, &gateway, "1", json!({ "account": "acme" }), "850").await;
        let page = ada.get("/a/acme/usage/budgets").await.assert_status(200);
        let path = page.attr_of("a[href^='/a/acme/usage/budgets/0']", "href");
        page.assert_contains("850 of 1,000")
            .assert_contains("Nearly used up")
            .assert_contains("Hard: refuses keys");
        ada.get(&path).await.assert_status(200).assert_contains("850 used this month.");
        ada.post(&path, &[("limit", "nothing")]).await.assert_status(422);
        ada.post(&path, &[("limit", "2000.5")]).await.assert_status(303);
        ada.get("/a/acme/usage/budgets")
            .await
            .assert_contains("850 of 2,001")
            .assert_contains("Soft: only tells");
        ada.get("/a/acme/audit").await.assert_contains("changed the budget for Acme");
        ada.post(&format!("{path}/delete"), &[]).await.assert_status(303);
        ada.get("/a/acme/usage/budgets").await.assert_contains("No budgets");
        ada.get(&path).await.assert_status(404);
    })
    .await;
}
