//! The audit log as its readers see it, and what becomes of who tampers with it.
use crate::harness::{House, Person, each};

async fn acme(house: &House) -> Person {
    let ada = house.user("Ada", "ada@acme.test").await;
    house.organization(&ada, "Acme").await;
    for slug in ["one", "two", "three"] {
        let from = ada.get("/a/acme/settings").await;
        let at = if from.status == 307 { from.location() } else { "/a/acme/settings".into() };
        ada.post(&at, &[("name", "Acme"), ("slug", slug)]).await.is(303);
    }
    ada
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_read_and_searched() {
    each(async |house| {
        let ada = acme(house).await;
        let page = ada.get("/a/three/audit").await.is(200).says("changed the address from two to three");
        let page = page.says("ada@acme.test").says("127.0.0.1").hides("Chain verified");
        assert!(page.text().find("two to three") < page.text().find("one to two"), "newest first");
        ada.get("/a/three/audit?before=4").await.is(200).hides("two to three").says("one to two");
        ada.get("/a/three/audit?action=key").await.is(200).says("No event matches");
        ada.get("/a/three/audit?action=account.updated").await.is(200).hides("opened the");
        ada.get("/a/three/audit?actor=ADA").await.is(200).says("one to two");
        ada.get("/a/three/audit?actor=%25").await.is(200).says("No event matches");
        ada.get("/a/three/audit?from=2001-01-01&to=2001-01-02").await.is(200).says("No event matches");
        ada.get("/a/three/audit?from=2001-01-01&to=2999-01-02").await.is(200).says("one to two");
        ada.get("/a/three/audit?from=nonsense&before=x").await.is(200).says("one to two");

        let at = page.body.find("/a/three/audit/").unwrap();
        let href: String = page.body[at..].chars().take_while(|it| *it != '"').collect();
        let event = ada.get(&href).await.is(200).says("Changed the address from two to three");
        event.says("slug removed: two added: three").says("This event follows from the one before it");
        let foreign = href.replace("/a/three/", "/a/ada/");
        ada.get(&foreign).await.is(404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_holds_no_formula() {
    each(async |house| {
        let ada = acme(house).await;
        ada.post("/a/three/keys", &[("name", "=HYPERLINK(\"x\")")]).await.is(200);
        let said = ada.get("/a/three/audit.csv").await.is(200);
        assert!(said.field("content-type").starts_with("text/csv"));
        assert!(said.field("content-disposition").contains("attachment; filename=\"three-audit.csv\""));
        assert!(said.body.contains("\"'=HYPERLINK(\"\"x\"\")\""), "{}", said.body);
        assert_eq!(said.body.lines().count(), 6, "a head and five events:\n{}", said.body);
        let said = ada.get("/a/three/audit.csv?action=key").await.is(200);
        assert_eq!(said.body.lines().count(), 2);
    })
    .await;
}

const OF_ACME: &str = "chain = (select account_id from slugs where slug = 'acme')";

async fn check(house: &House, why: &str, sql: &'static str, words: &str) {
    let ada = acme(house).await;
    ada.get("/a/three/audit?verify=1").await.is(200).says("Chain verified").says("4 events hold");
    house.tamper(sql).await;
    ada.get("/a/three/audit?verify=1").await.is(200).says(words).hides("Chain verified");
    ada.get("/a/three/audit").await.is(200).hides("Chain broken");
    assert!(sql.contains(OF_ACME) || sql.contains("'acme'"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_edited_is_found() {
    let sql = "update audit_events set actor_name = 'eve@acme.test' where seq = 2
        and chain = (select account_id from slugs where slug = 'acme')";
    each(async |house| check(house, "edited", sql, "Chain broken at event 2").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_taken_out_is_found() {
    let sql = "delete from audit_events where seq = 3
        and chain = (select account_id from slugs where slug = 'acme')";
    each(async |house| check(house, "taken out", sql, "Chain broken at event 3").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_was_cut_off_is_found() {
    let sql = "delete from audit_events where seq = 4
        and chain = (select account_id from slugs where slug = 'acme')";
    each(async |house| check(house, "cut off", sql, "Chain broken at event 4").await).await;
    let sql = "update audit_heads set count = 3, hash = (
            select hash from audit_events e where e.chain = audit_heads.chain and e.seq = 3)
        where chain = (select account_id from slugs where slug = 'acme')";
    let cut = async |house: &House| {
        check(house, "cut off with its head", sql, "Chain broken at event 3").await;
    };
    each(cut).await;
}
