//! The audit log by the API.
use super::{ACME, acme, all, field_error, has_fields, problem};
use crate::harness::on_each_db;
use axum::http::Method;
use guildhall::model::time::HOUR;
use serde_json::{Value, json};

const AUDIT: &str = "/api/v1/accounts/acme/audit";

#[tokio::test(flavor = "multi_thread")]
async fn an_event_describes_the_change() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        key.call(Method::PATCH, ACME, &json!({ "name": "Acme Corp" })).await.assert_status(200);
        let event = key.get(AUDIT).await.assert_status(200).json()["items"][0].clone();
        let names = ["id", "at", "actor", "action", "target", "account", "ip", "changes", "hash"];
        has_fields(&event, &names);
        let id = key.get(ACME).await.json()["id"].clone();
        assert_eq!(event["action"], "account.updated");
        assert_eq!(event["actor"]["type"], "key");
        assert_eq!(event["actor"]["name"], "Test key (ada@acme.test)");
        has_fields(&event["actor"], &["type", "id", "name"]);
        assert_eq!(event["target"], json!({ "type": "account", "id": id, "name": "Acme" }));
        assert_eq!(event["account"], json!({ "id": id, "slug": "acme" }));
        assert_eq!(event["ip"], "127.0.0.1");
        assert_eq!(
            event["changes"],
            json!({ "before": { "name": "Acme" }, "after": { "name": "Acme Corp" } })
        );
        let hash = event["hash"].as_str().unwrap();
        assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
        let first = all(&key, AUDIT, 2).await.pop().unwrap();
        assert_eq!(first["action"], "account.created");
        assert_eq!(first["changes"]["before"], Value::Null);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_paged_and_filtered() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        for at in 0..5 {
            key.call(Method::PATCH, ACME, &json!({ "name": format!("Acme {at}") })).await.assert_status(200);
        }
        app.advance(HOUR);
        let noon = app.kit.now();
        app.advance(HOUR);
        let body = json!({ "emails": ["bob@x.test"], "grants": [{ "role": "member" }] });
        key.call(Method::POST, &format!("{ACME}/invitations"), &body).await.assert_status(200);
        let actions = async |query: &str| -> Vec<String> {
            let found = all(&key, &format!("{AUDIT}{query}"), 2).await;
            found.iter().map(|event| event["action"].as_str().unwrap().to_owned()).collect()
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
        field_error(key.get(&format!("{AUDIT}?from=noon")).await, "/from", "invalid");
        for after in ["0", "-1", "x", "99999999999999999999"] {
            field_error(key.get(&format!("{AUDIT}?after={after}")).await, "/after", "invalid_cursor");
        }

        let eve = app.user("Eve", "eve@evil.test").await;
        app.organization(&eve, "Evil").await;
        problem(app.api_key("evil", &eve).await.get(AUDIT).await, 404, "not_found");
    })
    .await;
}
