//! schemathesis reads our own document and tries everything that it allows, and all that it does not, on a real server. It finds
//! nothing. What no schema can know beforehand is said in `servers/schemathesis`: such a refusal needs a code of `problems::STATE`.
use crate::harness::{House, each_served};
use axum::http::Method;
use guildhall::{
    app::{openapi::Book, problems},
    kit::secret::hash,
    model::{id::KeyId, token::Scope},
};
use serde_json::json;
use std::process::Command;

/// What ends the account comes last.
const LAST: &str = "delete_the_account";

/// The operations that are asked with this scheme.
fn operations(scheme: &str) -> Vec<String> {
    let book = Book::of(guildhall::routes().table());
    let paths = book.document().value["paths"].as_object().unwrap().clone();
    let all = paths.values().flat_map(|it| it.as_object().unwrap().values());
    let ours = all.filter(|it| it["security"].as_array().unwrap().iter().any(|it| it.get(scheme).is_some()));
    ours.map(|it| it["operationId"].as_str().unwrap().to_owned()).filter(|it| it != LAST).collect()
}

async fn run(house: &House, secret: &str, operations: &[String], most: u32) {
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
    let mut conn = house.db.read().await.unwrap();
    let id: Option<(KeyId,)> = conn.query(sql).bind(hash(secret)).maybe().await.unwrap();
    drop(conn);
    let state: Vec<&str> = problems::STATE.iter().map(|it| it.0).collect();
    let mut command = Command::new(program);
    command
        .args(["--config-file", "schemathesis.toml", "run", &house.url("/api/v1/openapi.json")])
        // All checks are on unless the file says otherwise; named here, they would be on in spite of it.
        .args(["--seed", "1", "--no-color"])
        .args([
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            &most.to_string(),
            "--continue-on-failure",
        ])
        // One at a time: Python 3.11 miscounts when two threads parse at once (python/cpython#106905).
        .args(["--workers", "1", "--suppress-health-check", "all"])
        .args(operations.iter().flat_map(|it| ["--include-operation-id", it]))
        .env("GUILDHALL_KEY", secret)
        .env("GUILDHALL_STATE", state.join(","))
        .env("GUILDHALL_KEY_ID", id.map_or_else(String::new, |it| it.0.to_string()))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(dir.path());
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success(),
        "schemathesis found something:\n{said}\n{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing() {
    each_served(async |house| {
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        let key = house.key("acme", &ada).await;
        let call = async |path: &str, body: serde_json::Value| {
            let said = key.call(Method::POST, &format!("/api/v1/accounts/acme/{path}"), &body).await;
            assert!(said.status < 300, "{}", said.body);
        };
        for (name, email, role) in
            [("Bob Hale", "bob@acme.test", "developer"), ("Cy Young", "cy@acme.test", "admin")]
        {
            let who = house.user(name, email).await;
            house.join(&ada, "acme", &who, &[role]).await;
        }
        call("invitations", json!({ "emails": ["dan@acme.test"], "grants": [{ "role": "member" }] })).await;
        call("roles", json!({ "name": "Auditor", "permissions": ["audit.view"] })).await;
        call("teams", json!({ "name": "Research" })).await;
        call("keys", json!({ "name": "Nightly import" })).await;
        let index =
            json!({ "product": "video", "kind": "index", "name": "Interviews", "external_id": "idx_1" });
        call("resources", index).await;
        run(house, &key.secret, &operations("memberKey"), 3).await;
        let of_service = operations("serviceToken");
        if !of_service.is_empty() {
            let token = house.service(&[Scope::Verify, Scope::Usage]).await;
            run(house, &token.secret, &of_service, 3).await;
        }
        run(house, &key.secret, &[LAST.to_owned()], 2).await;
    })
    .await;
}
