//! schemathesis reads the OpenAPI document and sends valid and invalid requests to a real server. Errors that depend on
//! state and not on the schema have a code of `problems::STATE`; `servers/schemathesis` allows them.
use crate::harness::{TestApp, on_each_db_served};
use axum::http::Method;
use guildhall::{
    crypto::secrets::hash,
    http::{openapi::ApiDocument, problems},
    model::{id::KeyId, token::TokenScope},
};
use serde_json::json;
use std::process::Command;

/// The operation that deletes the account runs last.
const LAST: &str = "deleteAccount";

/// The operations with this security scheme.
fn operations(scheme: &str) -> Vec<String> {
    let book = ApiDocument::of(guildhall::routes().table());
    let paths = book.document().value["paths"].as_object().unwrap().clone();
    let all = paths.values().flat_map(|item| item.as_object().unwrap().values());
    let has_scheme = |operation: &&serde_json::Value| {
        operation["security"].as_array().unwrap().iter().any(|security| security.get(scheme).is_some())
    };
    let ids = all.filter(has_scheme).map(|operation| operation["operationId"].as_str().unwrap().to_owned());
    ids.filter(|id| id != LAST).collect()
}

async fn run(app: &TestApp, secret: &str, operations: &[String], max_examples: u32) {
    let program = std::env::var("SCHEMATHESIS").expect("SCHEMATHESIS names the program: run ./scripts/test");
    let dir = tempfile::tempdir().unwrap();
    let files = [
        ("schemathesis.toml", include_str!("../servers/schemathesis/schemathesis.toml")),
        ("hooks.py", include_str!("../servers/schemathesis/hooks.py")),
    ];
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let sql = "select id from api_keys where hash = $1";
    let mut conn = app.db.read().await.unwrap();
    let id: Option<(KeyId,)> = conn.query(sql).bind(hash(secret)).fetch_optional().await.unwrap();
    drop(conn);
    let state: Vec<&str> = problems::STATE.iter().map(|(code, ..)| *code).collect();
    let mut command = Command::new(program);
    command
        .args(["--config-file", "schemathesis.toml", "run", &app.url("/api/v1/openapi.json")])
        // The configuration file turns some checks off; naming checks here would override it.
        .args(["--seed", "1", "--no-color"])
        .args([
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            &max_examples.to_string(),
            "--continue-on-failure",
        ])
        // One at a time: Python 3.11 miscounts when two threads parse at once (python/cpython#106905).
        .args(["--workers", "1", "--suppress-health-check", "all"])
        .args(operations.iter().flat_map(|id| ["--include-operation-id", id]))
        .env("GUILDHALL_KEY", secret)
        .env("GUILDHALL_STATE", state.join(","))
        .env("GUILDHALL_KEY_ID", id.map_or_else(String::new, |(id,)| id.to_string()))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(dir.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "schemathesis found something:\n{report}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing() {
    on_each_db_served(async |app| {
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        let key = app.api_key("acme", &ada).await;
        let call = async |path: &str, body: serde_json::Value| {
            let response = key.call(Method::POST, &format!("/api/v1/accounts/acme/{path}"), &body).await;
            assert!(response.status < 300, "{}", response.body);
        };
        for (name, email, role) in
            [("Bob Hale", "bob@acme.test", "developer"), ("Cy Young", "cy@acme.test", "admin")]
        {
            let user = app.user(name, email).await;
            app.add_member(&ada, "acme", &user, &[role]).await;
        }
        call("invitations", json!({ "emails": ["dan@acme.test"], "grants": [{ "role": "member" }] })).await;
        call("roles", json!({ "name": "Auditor", "permissions": ["audit.view"] })).await;
        call("teams", json!({ "name": "Research" })).await;
        call("keys", json!({ "name": "Nightly import" })).await;
        let index =
            json!({ "product": "video", "kind": "index", "name": "Interviews", "external_id": "idx_1" });
        call("resources", index).await;
        run(app, &key.secret, &operations("memberKey"), 3).await;
        let service_operations = operations("serviceToken");
        if !service_operations.is_empty() {
            let token = app.service_token(&[TokenScope::Verify, TokenScope::Usage]).await;
            run(app, &token.secret, &service_operations, 3).await;
        }
        run(app, &key.secret, &[LAST.to_owned()], 2).await;
    })
    .await;
}
