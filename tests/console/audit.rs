//! The audit log: searching, export, and the detection of tampering.
use crate::harness::{TestApp, TestUser, on_each_db};

async fn acme(app: &TestApp) -> TestUser {
    let ada = app.user("Ada", "ada@acme.test").await;
    app.organization(&ada, "Acme").await;
    for slug in ["one", "two", "three"] {
        let settings = ada.get("/a/acme/settings").await;
        let path = if settings.status == 307 { settings.location() } else { "/a/acme/settings".into() };
        ada.post(&path, &[("name", "Acme"), ("slug", slug)]).await.assert_status(303);
    }
    ada
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_can_be_read_and_searched() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        let page = ada
            .get("/a/three/audit")
            .await
            .assert_status(200)
            .assert_contains("changed the address from two to three");
        let page = page
            .assert_contains("ada@acme.test")
            .assert_contains("127.0.0.1")
            .assert_not_contains("Chain verified");
        assert!(page.text().find("two to three") < page.text().find("one to two"), "newest first");
        ada.get("/a/three/audit?before=4")
            .await
            .assert_status(200)
            .assert_not_contains("two to three")
            .assert_contains("one to two");
        ada.get("/a/three/audit?action=key").await.assert_status(200).assert_contains("No event matches");
        ada.get("/a/three/audit?action=account.updated")
            .await
            .assert_status(200)
            .assert_not_contains("opened the");
        ada.get("/a/three/audit?actor=ADA").await.assert_status(200).assert_contains("one to two");
        ada.get("/a/three/audit?actor=%25").await.assert_status(200).assert_contains("No event matches");
        ada.get("/a/three/audit?from=2001-01-01&to=2001-01-02")
            .await
            .assert_status(200)
            .assert_contains("No event matches");
        ada.get("/a/three/audit?from=2001-01-01&to=2999-01-02")
            .await
            .assert_status(200)
            .assert_contains("one to two");
        ada.get("/a/three/audit?from=nonsense&before=x")
            .await
            .assert_status(200)
            .assert_contains("one to two");

        let href = page.attr_of("a[href^='/a/three/audit/']", "href");
        let event =
            ada.get(&href).await.assert_status(200).assert_contains("Changed the address from two to three");
        event
            .assert_contains("slug removed: two added: three")
            .assert_contains("This event follows from the one before it");
        let foreign = href.replace("/a/three/", "/a/ada/");
        ada.get(&foreign).await.assert_status(404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_csv_export_neutralises_formulas() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        ada.post("/a/three/keys", &[("name", "=HYPERLINK(\"x\")")]).await.assert_status(200);
        let response = ada.get("/a/three/audit.csv").await.assert_status(200);
        assert!(response.header("content-type").starts_with("text/csv"));
        assert!(response.header("content-disposition").contains("attachment; filename=\"three-audit.csv\""));
        assert!(response.body.contains("\"'=HYPERLINK(\"\"x\"\")\""), "{}", response.body);
        assert_eq!(response.body.lines().count(), 6, "a head and five events:\n{}", response.body);
        let response = ada.get("/a/three/audit.csv?action=key").await.assert_status(200);
        assert_eq!(response.body.lines().count(), 2);
    })
    .await;
}

const OF_ACME: &str = "chain = (select account_id from slugs where slug = 'acme')";

async fn check(app: &TestApp, tampering: &str, sql: &'static str, expected: &str) {
    let ada = acme(app).await;
    ada.get("/a/three/audit?verify=1")
        .await
        .assert_status(200)
        .assert_contains("Chain verified")
        .assert_contains("4 events hold");
    app.raw_sql(sql).await;
    ada.get("/a/three/audit?verify=1")
        .await
        .assert_status(200)
        .assert_contains(expected)
        .assert_not_contains("Chain verified");
    ada.get("/a/three/audit").await.assert_status(200).assert_not_contains("Chain broken");
    assert!(sql.contains(OF_ACME) || sql.contains("'acme'"), "{tampering}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_event_breaks_the_chain() {
    let sql = "update audit_events set actor_name = 'eve@acme.test' where seq = 2
        and chain = (select account_id from slugs where slug = 'acme')";
    on_each_db(async |app| check(app, "edited", sql, "Chain broken at event 2").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_event_breaks_the_chain() {
    let sql = "delete from audit_events where seq = 3
        and chain = (select account_id from slugs where slug = 'acme')";
    on_each_db(async |app| check(app, "taken out", sql, "Chain broken at event 3").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_log_breaks_the_chain() {
    let sql = "delete from audit_events where seq = 4
        and chain = (select account_id from slugs where slug = 'acme')";
    on_each_db(async |app| check(app, "cut off", sql, "Chain broken at event 4").await).await;
    let sql = "update audit_heads set count = 3, hash = (
            select hash from audit_events e where e.chain = audit_heads.chain and e.seq = 3)
        where chain = (select account_id from slugs where slug = 'acme')";
    let cut = async |app: &TestApp| {
        check(app, "cut off with its head", sql, "Chain broken at event 3").await;
    };
    on_each_db(cut).await;
}
