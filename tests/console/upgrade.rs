//! Data of an earlier release is migrated and works. `fixtures/before_0022.*` hold the demonstration as the release
//! before migration 0022 left it, on SQLite and on Postgres, after a few more requests: see the fields of [`Facts`].
use crate::{
    harness::{ApiClient, TestApp, TestResponse, TestUser, fresh_postgres},
    invariants::assert_invariants,
};
use axum::{body::Body, http::Method};
use guildhall::{jobs::Worker, model::time::Time};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Read as _;

const ACME: &str = "/api/v1/accounts/acme";

/// What the requests to the earlier release answered.
#[derive(Deserialize)]
struct Facts {
    /// The time after the last request, in microseconds.
    at: i64,
    /// The session cookie of Ada, who owns Acme.
    session: String,
    /// The token of a mailed link with which Kwame sets a new password.
    reset: String,
    /// Ada's API key.
    key: String,
    /// A service token.
    gateway: String,
    /// The response to `POST /keys` with `Idempotency-Key: upgrade-1`.
    idempotency_response: String,
    /// A usage event that was accepted.
    event: Value,
    /// The membership of Søren, whom Ada removed last.
    removed: String,
}

#[derive(Deserialize)]
struct AllFacts {
    sqlite: Facts,
    postgres: Facts,
}

fn decompress(gzip: &[u8]) -> Vec<u8> {
    let mut plain = vec![];
    flate2::read::GzDecoder::new(gzip).read_to_end(&mut plain).unwrap();
    plain
}

/// Runs a test on the data of SQLite, then on that of Postgres.
async fn on_each_upgraded_db(test: impl AsyncFn(&TestApp, &Facts)) {
    let secret_key: Vec<u8> = (0..32).collect();
    let all: AllFacts = serde_json::from_str(include_str!("fixtures/before_0022.json")).unwrap();
    for is_sqlite in [true, false] {
        println!("on {}", if is_sqlite { "SQLite" } else { "Postgres" });
        let dir = tempfile::tempdir().unwrap();
        let (url, facts) = match is_sqlite {
            true => {
                let file = dir.path().join("guildhall.db");
                std::fs::write(&file, decompress(include_bytes!("fixtures/before_0022.db.gz"))).unwrap();
                (format!("sqlite://{}", file.display()), &all.sqlite)
            }
            false => (restored_postgres().await, &all.postgres),
        };
        let app = TestApp::open_existing(dir, &url, &secret_key, Time(facts.at)).await;
        test(&app, facts).await;
        app.db.close().await;
    }
}

/// The URL of a new database with the contents of the dump, which `pg_dump --inserts` wrote.
async fn restored_postgres() -> String {
    let url = fresh_postgres().await;
    let dump = String::from_utf8(decompress(include_bytes!("fixtures/before_0022.sql.gz"))).unwrap();
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(dump)).execute(&pool).await.unwrap();
    pool.close().await;
    url
}

async fn sign_in(app: &TestApp, email: &str, password: &str) -> TestUser {
    let user = app.visitor();
    user.post("/sign-in", &[("email", email), ("password", password)]).await.assert_status(303);
    user
}

async fn create_key(key: &ApiClient, idempotency_key: &str) -> TestResponse {
    let headers = [("content-type", "application/json"), ("idempotency-key", idempotency_key)];
    let body = r#"{"name": "Made once"}"#.to_owned();
    key.send(Method::POST, &format!("{ACME}/keys"), &headers, Some(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn people_find_their_pages_after_an_upgrade() {
    on_each_upgraded_db(async |app, facts| {
        let cookie = format!("guildhall={}", facts.session);
        let had = app.visitor().send(Method::GET, "/me", &[("cookie", &cookie)], Body::empty()).await;
        had.assert_status(200).assert_contains("Ada Okonkwo-Lindqvist");

        let ada = sign_in(app, "ada@acme.test", "guildhall-demo").await;
        let pages = [
            ("/a/acme/overview", "Acme"),
            ("/a/acme/members", "Kwame Asante"),
            ("/a/acme/members?q=kwa", "Kwame Asante"),
            ("/a/acme/resources", "is-press"),
            ("/a/acme/resources?q=is-press", "is-press"),
            ("/a/acme/keys", "Before the upgrade"),
            ("/a/acme/usage", "credits"),
            ("/a/acme/usage/budgets", "Batch embed"),
            ("/a/acme/billing", "GH-2026-0003"),
            ("/a/acme/billing/plan", "Developer"),
            ("/a/acme/invoices/GH-2026-0003", "GH-2026-0003"),
            ("/a/acme/sso", "acme.test"),
            ("/a/acme/audit", "removed"),
            ("/me/security", "Safari on macOS"),
        ];
        for (path, text) in pages {
            ada.get(path).await.assert_status(200).assert_contains(text);
        }
        assert_invariants(app).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_before_an_upgrade_is_finished_after_it() {
    on_each_upgraded_db(async |app, facts| {
        let ada = sign_in(app, "ada@acme.test", "guildhall-demo").await;
        let removed = &facts.removed;
        let (key, path) = (app.api_client(&facts.key), format!("{ACME}/members/{removed}"));
        key.get(&path).await.assert_status(404);
        ada.post(&format!("/a/acme/members/{removed}/restore"), &[]).await.assert_status(303);
        let member = key.get(&path).await.assert_status(200).json();
        assert_eq!(member["user"]["name"], "Søren Kjær");
        ada.get("/a/acme/members?q=soren").await.assert_status(200).assert_contains("Søren Kjær");

        let mailed = &app.email("kwame@acme.test").await.0.text;
        assert!(mailed.contains(&facts.reset), "the stored mail is still readable");
        let link = format!("/reset-password/{}", facts.reset);
        let kwame = app.visitor();
        let password = "entirely unrelated words here";
        kwame.post(&link, &[("password", password)]).await.assert_status(303);
        kwame.get(&link).await.assert_status(410);
        sign_in(app, "kwame@acme.test", password).await;

        Worker::new(app.db.clone(), app.kit.clone(), None).run_once().await.unwrap();
        assert_invariants(app).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_notice_no_upgrade() {
    on_each_upgraded_db(async |app, facts| {
        let (key, gateway) = (app.api_client(&facts.key), app.api_client(&facts.gateway));
        let again = create_key(&key, "upgrade-1").await.assert_status(201);
        assert_eq!(again.body, facts.idempotency_response, "the secret is in the response again");
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(app.count("select count(*) from api_keys where name = 'Made once'").await, 1);
        create_key(&key, "upgrade-2").await.assert_status(201);

        let asking = "select count(*) from accounts where slug = 'acme' and join_policy = 'ask'";
        assert_eq!(app.count(asking).await, 1);

        let verdict = gateway.call(Method::POST, "/api/v1/keys/verify", &json!({ "key": facts.key })).await;
        assert_eq!(verdict.assert_status(200).json()["code"], "VALID");

        let headers = [("content-type", "application/cloudevents-batch+json")];
        let batch = Some(json!([facts.event]).to_string());
        let sent = gateway.send(Method::POST, "/api/v1/usage/events", &headers, batch).await;
        assert_eq!(sent.assert_status(200).json(), json!({ "accepted": 0, "duplicates": 1, "rejected": [] }));
    })
    .await;
}
