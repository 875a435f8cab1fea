//! The audit log, by key.
use super::{ACME, acme, all, fault, has_fields, problem};
use crate::harness::each;
use axum::http::Method;
use guildhall::model::time::HOUR;
use serde_json::{Value, json};

const AUDIT: &str = "/api/v1/accounts/acme/audit";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_told() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        key.call(Method::PATCH, ACME, &json!({ "name": "Acme Corp" })).await.is(200);
        let it = key.get(AUDIT).await.is(200).json()["items"][0].clone();
        let names = ["id", "at", "actor", "action", "target", "account", "ip", "changes", "hash"];
        has_fields(&it, &names);
        let id = key.get(ACME).await.json()["id"].clone();
        assert_eq!(it["action"], "account.updated");
        assert_eq!(it["actor"]["type"], "key");
        assert_eq!(it["actor"]["name"], "Test key (ada@acme.test)");
        has_fields(&it["actor"], &["type", "id", "name"]);
        assert_eq!(it["target"], json!({ "type": "account", "id": id, "name": "Acme" }));
        assert_eq!(it["account"], json!({ "id": id, "slug": "acme" }));
        assert_eq!(it["ip"], "127.0.0.1");
        assert_eq!(it["changes"], json!({ "before": { "name": "Acme" }, "after": { "name": "Acme Corp" } }));
        let hash = it["hash"].as_str().unwrap();
        assert!(hash.len() == 64 && hash.bytes().all(|it| it.is_ascii_hexdigit()), "{hash}");
        let first = all(&key, AUDIT, 2).await.pop().unwrap();
        assert_eq!(first["action"], "account.created");
        assert_eq!(first["changes"]["before"], Value::Null);
        drop(ada);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_paged_and_filtered() {
    each(async |house| {
        let (_, key) = acme(house).await;
        for at in 0..5 {
            key.call(Method::PATCH, ACME, &json!({ "name": format!("Acme {at}") })).await.is(200);
        }
        house.later(HOUR);
        let noon = house.kit.now();
        house.later(HOUR);
        let body = json!({ "emails": ["bob@x.test"], "grants": [{ "role": "member" }] });
        key.call(Method::POST, &format!("{ACME}/invitations"), &body).await.is(200);
        let actions = async |query: &str| -> Vec<String> {
            let found = all(&key, &format!("{AUDIT}{query}"), 2).await;
            found.iter().map(|it| it["action"].as_str().unwrap().to_owned()).collect()
        };
        let whole = actions("").await;
        assert_eq!(whole.len(), 8);
        assert_eq!(whole[0], "member.invited");
        assert_eq!(whole[7], "account.created");
        assert_eq!(actions("?action=account.updated").await.len(), 5);
        assert_eq!(actions("?action=account").await.len(), 6);
        assert_eq!(actions("?action=acc").await.len(), 0);
        assert_eq!(actions("?actor=ADA").await.len(), 6);
        assert_eq!(actions(&format!("?from={noon}")).await, ["member.invited"]);
        assert_eq!(actions(&format!("?to={noon}")).await.len(), 7);
        assert_eq!(actions(&format!("?from={noon}&to={noon}")).await.len(), 0);
        fault(key.get(&format!("{AUDIT}?from=noon")).await, "/from", "invalid");
        for after in ["0", "-1", "x", "99999999999999999999"] {
            fault(key.get(&format!("{AUDIT}?after={after}")).await, "/after", "invalid_cursor");
        }

        let eve = house.user("Eve", "eve@evil.test").await;
        house.organization(&eve, "Evil").await;
        problem(house.key("evil", &eve).await.get(AUDIT).await, 404, "not_found");
    })
    .await;
}
