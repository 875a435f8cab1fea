//! Budgets tell at 50, 80 and 100%, and the hard ones stop keys.
use super::{acme, event, event_at, send, told};
use crate::harness::{House, Program, each};
use axum::http::Method;
use guildhall::model::{calendar::Day, token::Scope};
use serde_json::{Value, json};
use std::time::Duration;

const BUDGETS: &str = "/api/v1/accounts/acme/budgets";

async fn uses(house: &House, gateway: &Program, id: &str, mut data: Value, quantity: &str) {
    data["meter"] = json!("credits");
    data["quantity"] = json!(quantity);
    let time = house.kit.now().to_string();
    assert_eq!(told(send(gateway, &[event_at(&time, id, data)]).await).0, 1);
}

async fn code(gateway: &Program, key: &Program) -> String {
    let said = gateway.call(Method::POST, "/api/v1/keys/verify", &json!({ "key": key.secret })).await.is(200);
    said.json()["code"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_tells_each_level_once_a_month() {
    each(async |house| {
        let (ada, gateway) = acme(house).await;
        let key = house.key("acme", &ada).await;
        let new = json!({ "kind": "account", "meter": "credits", "limit": "100" });
        let made = key.call(Method::POST, BUDGETS, &new).await.is(201).json();
        assert_eq!(
            (&made["used"], &made["hard"], &made["subject"]),
            (&json!("0"), &json!(false), &Value::Null)
        );
        let count = async || {
            house.letters("ada@acme.test").await.iter().filter(|it| it.0.subject.contains("budget")).count()
        };
        let account = || json!({ "account": "acme" });
        for (id, quantity, letters) in
            [("a", "49.9", 0), ("b", "0.1", 1), ("c", "1", 1), ("d", "30", 2), ("e", "40", 3), ("f", "5", 3)]
        {
            uses(house, &gateway, id, account(), quantity).await;
            assert_eq!(count().await, letters, "after {id}");
        }
        assert_eq!(house.letter("ada@acme.test").await.0.subject, "A budget of Acme is used up");
        let path = format!("{BUDGETS}/{}", made["id"].as_str().unwrap());
        assert_eq!(key.get(&path).await.is(200).json()["used"], "126");
        assert_eq!(code(&house.service(&Scope::ALL).await, &key).await, "VALID", "a soft budget only tells");
        // A new month begins anew.
        let today = Day::of(house.kit.now());
        let days = today.month().next().first().0 - today.0;
        house.later(Duration::from_secs(86_400 * u64::try_from(days).unwrap()));
        uses(house, &gateway, "g", account(), "50").await;
        assert_eq!(count().await, 4);
        assert_eq!(key.get(&path).await.is(200).json()["used"], "50");
        key.send(Method::DELETE, &path, &[], None).await.is(204);
        key.get(&path).await.is(404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hard_budget_stops_whom_it_is_about_at_once() {
    each(async |house| {
        let (ada, _) = acme(house).await;
        let gateway = house.service(&Scope::ALL).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let seat = house.join(&ada, "acme", &bob, &["member"]).await;
        let (adas, bobs) = (house.key("acme", &ada).await, house.key("acme", &bob).await);
        let listed = bobs.get("/api/v1/accounts/acme/keys").await.is(200).json();
        let bobs_id = listed["items"][0]["id"].clone();
        assert_eq!(code(&gateway, &bobs).await, "VALID");
        let new =
            json!({ "kind": "member", "subject": seat, "meter": "credits", "limit": "10", "hard": true });
        let made = adas.call(Method::POST, BUDGETS, &new).await.is(201).json();
        assert_eq!(made["subject"], json!(seat));
        assert_eq!(adas.call(Method::POST, BUDGETS, &new).await.is(409).json()["code"], "budget_exists");
        uses(house, &gateway, "1", json!({ "key_id": bobs_id }), "9.999999999").await;
        assert_eq!(code(&gateway, &bobs).await, "VALID");
        uses(house, &gateway, "2", json!({ "key_id": bobs_id }), "0.000000001").await;
        assert_eq!(code(&gateway, &bobs).await, "QUOTA_EXCEEDED");
        assert_eq!(code(&gateway, &adas).await, "VALID", "it is about Bob alone");
        bob.get("/a/acme/keys").await.is(200).says("Budget used up");
        ada.get("/a/acme/keys?owner=me").await.is(200).hides("Budget used up");
        assert_eq!(house.letter("bob@acme.test").await.0.subject, "A budget of Acme is used up");
        let path = format!("{BUDGETS}/{}", made["id"].as_str().unwrap());
        adas.call(Method::PATCH, &path, &json!({ "limit": "20" })).await.is(200);
        assert_eq!(code(&gateway, &bobs).await, "VALID", "raised");
        bob.get("/a/acme/keys").await.is(200).hides("Budget used up");
        // A budget of the account is everybody's.
        let new = json!({ "kind": "account", "meter": "credits", "limit": "10", "hard": true });
        adas.call(Method::POST, BUDGETS, &new).await.is(201);
        assert_eq!(code(&gateway, &adas).await, "QUOTA_EXCEEDED", "what was used before counts");
        let today = Day::of(house.kit.now());
        let days = today.month().next().first().0 - today.0;
        house.later(Duration::from_secs(86_400 * u64::try_from(days).unwrap()));
        assert_eq!(code(&gateway, &adas).await, "VALID", "a new month");
        assert_eq!(
            told(
                send(
                    &gateway,
                    &[event(house, 9, json!({ "meter": "credits", "quantity": 1, "account": "acme" }))]
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
async fn budgets_are_set_in_the_console() {
    each(async |house| {
        let (ada, gateway) = acme(house).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        house.join(&ada, "acme", &bob, &["member"]).await;
        bob.get("/a/acme/usage/budgets").await.is(403).says("plan.change");
        ada.get("/a/acme/usage/budgets").await.is(200).says("No budgets");
        ada.get("/a/acme/usage/budgets/new").await.is(200).says("The whole organization, with its teams");
        let form = |limit| [("of", "account"), ("meter", "credits"), ("limit", limit), ("hard", "on")];
        for bad in ["", "-5", "0", "a lot", "1e13"] {
            ada.post("/a/acme/usage/budgets", &form(bad)).await.is(422).says("A month’s limit");
        }
        ada.post("/a/acme/usage/budgets", &[("of", "team nonsense"), ("meter", "credits"), ("limit", "1")])
            .await
            .is(422);
        ada.post("/a/acme/usage/budgets", &[("of", "account"), ("meter", "miles"), ("limit", "1")])
            .await
            .is(422);
        ada.post("/a/acme/usage/budgets", &form("1,000")).await.is(303).to("/a/acme/usage/budgets");
        ada.post("/a/acme/usage/budgets", &form("1,000")).await.is(409).says("There is a budget for this");
        uses(house, &gateway, "1", json!({ "account": "acme" }), "850").await;
        let page = ada.get("/a/acme/usage/budgets").await.is(200);
        let path =
            page.body.split('"').find(|it| it.starts_with("/a/acme/usage/budgets/0")).unwrap().to_owned();
        page.says("850 of 1,000").says("Nearly used up").says("Hard: refuses keys");
        ada.get(&path).await.is(200).says("850 used this month.");
        ada.post(&path, &[("limit", "nothing")]).await.is(422);
        ada.post(&path, &[("limit", "2000.5")]).await.is(303);
        ada.get("/a/acme/usage/budgets").await.says("850 of 2,001").says("Soft: only tells");
        ada.get("/a/acme/audit").await.says("changed the budget for Acme");
        ada.post(&format!("{path}/delete"), &[]).await.is(303);
        ada.get("/a/acme/usage/budgets").await.says("No budgets");
        ada.get(&path).await.is(404);
    })
    .await;
}
