//! Whoever finds a key ends it, and learns nothing; nothing brings it back.
use super::{key_id, made};
use crate::{
    harness::{House, Program, Said, each},
    verify::Gateway,
};
use axum::http::Method;
use guildhall::model::token::Scope;
use serde_json::json;

const CALL: &str = "/api/v1/keys/leaked";

#[tokio::test(flavor = "multi_thread")]
async fn a_found_key_is_revoked_and_its_people_are_told() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let cyd = house.user("Cyd", "cyd@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        house.join(&ada, &acme, &bob, &["member"]).await;
        house.join(&ada, &acme, &cyd, &["member"]).await;
        let key = made(house, &bob, &[("name", "Bot")]).await;
        let finder = house.visitor();
        finder.get("/sign-in").await.is(200).says("Found a key that should not be public?");
        finder.get("/leaked-key").await.is(200).says("Report a leaked key");
        finder.post("/leaked-key", &[("key", "  ")]).await.is(422).says("Paste the whole key");
        let unknown = finder.post("/leaked-key", &[("key", "gh_key_nothing")]).await.is(200);
        let known = finder.post("/leaked-key", &[("key", &format!(" {}\n", key.secret))]).await.is(200);
        let again = finder.post("/leaked-key", &[("key", &key.secret)]).await.is(200);
        assert_eq!(unknown.body, known.body);
        assert_eq!(unknown.body, again.body);
        known.says("Thank you");
        key.get("/api/v1/accounts/acme").await.is(401);
        for (to, words) in [("bob@acme.test", "Your API key"), ("ada@acme.test", "An API key")] {
            let letter = house.letter(to).await;
            assert_eq!(letter.0.subject, format!("{words} “Bot” was found in public and revoked"));
            assert!(letter.0.text.contains("127.0.0.1"), "{}", letter.0.text);
            assert!(letter.link("/a/acme/keys/").ends_with(&key_id(house, "Bot").await));
        }
        let told = "select count(*) from mails where subject like '%found in public%'";
        assert_eq!(house.count(told).await, 2, "nobody else, and nobody twice");
        ada.get("/a/acme/audit").await.is(200).says("reported the API key “Bot” as leaked");
        ada.get("/a/acme/keys?status=revoked").await.is(200).says("Bot");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_report_keys_of_every_kind() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        let key = made(house, &ada, &[("name", "Bot")]).await;
        house.tamper("update users set operator = true").await;
        let token = house.service(&[Scope::Verify]).await.secret;
        let nobody = house.program("");
        let report = async |key: &str| nobody.call(Method::POST, CALL, &json!({ "key": key })).await.is(200);
        let answers: Vec<Said> = vec![report(&token).await, report(&key.secret).await, report("tea").await];
        assert!(answers.iter().all(|it| it.body == answers[0].body), "always the same answer");
        key.get("/api/v1/accounts/acme").await.is(401);
        let revoked = "select count(*) from service_tokens where revoked_at is not null";
        assert_eq!(house.count(revoked).await, 1);
        let subjects: Vec<String> =
            house.letters("ada@acme.test").await.into_iter().map(|it| it.0.subject).collect();
        assert!(subjects.contains(&"The service token “Gateway” was found in public and revoked".to_owned()));
        let audited =
            "select count(*) from audit_events where action = 'service_token.leaked' and ip = '127.0.0.1'";
        assert_eq!(house.count(audited).await, 1);

        for bad in [json!({}), json!({ "key": 1 }), json!({ "key": "" }), json!({ "key": "x", "more": 1 })] {
            nobody.call(Method::POST, CALL, &bad).await.is(422);
        }
        nobody.get(&format!("{CALL}?key={}", key.secret)).await.is(405);
    })
    .await;
}

async fn report(house: &House, key: &Program) {
    house.program("").call(Method::POST, CALL, &json!({ "key": key.secret })).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_key_stays_revoked_whatever_is_undone() {
    each(async |house| {
        let _watch = house.watch();
        let ada = house.user("Ada", "ada@acme.test").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        let seat = house.join(&ada, &acme, &bob, &["member"]).await;
        bob.post("/new/team", &[("parent", "acme"), ("name", "Labs")]).await.is(303);
        let (kept, found, by_hand) = (
            made(house, &bob, &[("name", "Kept")]).await,
            made(house, &bob, &[("name", "Found")]).await,
            made(house, &bob, &[("name", "By hand")]).await,
        );
        let (in_team, found_in_team) = (house.key("labs", &bob).await, house.key("labs", &bob).await);
        let by_hand_at = format!("/a/acme/keys/{}/revoke", key_id(house, "By hand").await);
        let gateway = Gateway::of(house).await;
        let say = async |key: &Program| gateway.code(key, json!({})).await;
        for it in [&kept, &found, &by_hand, &in_team, &found_in_team] {
            assert_eq!(say(it).await, "VALID");
        }
        let at = |what: &str| format!("/a/acme/members/{seat}/{what}");
        ada.post(&at("remove"), &[]).await.is(303);
        for it in [&kept, &found, &by_hand, &in_team, &found_in_team] {
            assert_eq!(say(it).await, "REVOKED");
        }
        // Found while the removal can be undone, twice; one is revoked by hand, twice.
        for it in [&found, &found_in_team, &found] {
            report(house, it).await;
        }
        ada.post(&by_hand_at, &[]).await.is(303);
        ada.post(&by_hand_at, &[]).await.is(303);
        let told = "select count(*) from mails where recipient = 'ada@acme.test' and subject like '%found in public%'";
        assert_eq!(house.count(told).await, 2, "each is told once, though it was revoked before");
        for (sql, many) in [
            ("select count(*) from audit_events where action = 'key.leaked'", 2),
            ("select count(*) from audit_events where action = 'key.revoked'", 1),
        ] {
            assert_eq!(house.count(sql).await, many, "{sql}");
        }
        ada.post(&at("restore"), &[]).await.is(303);
        // At once, in a memory that was filled before.
        for it in [&kept, &in_team] {
            assert_eq!(say(it).await, "VALID");
        }
        for it in [&found, &found_in_team, &by_hand] {
            assert_eq!(say(it).await, "REVOKED");
            it.get("/api/v1/accounts/acme").await.is(401);
        }
        ada.get(&at("restored")).await.is(200).says("revoked by hand or found in public meanwhile");

        // While its member is suspended; and before they are removed.
        ada.post(&at("suspend"), &[]).await.is(303);
        assert_eq!(say(&kept).await, "SUSPENDED");
        report(house, &kept).await;
        ada.post(&at("reactivate"), &[]).await.is(303);
        assert_eq!(say(&kept).await, "REVOKED");
        report(house, &in_team).await;
        ada.post(&at("remove"), &[]).await.is(303);
        ada.post(&at("restore"), &[]).await.is(303);
        for it in [&kept, &in_team] {
            assert_eq!(say(it).await, "REVOKED");
        }
        assert_eq!(house.count(told).await, 4);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_tries_keys_in_bulk() {
    each(async |house| {
        let nobody = house.program("");
        for _ in 0..30 {
            nobody.call(Method::POST, CALL, &json!({ "key": "gh_key_x" })).await.is(200);
        }
        let said = nobody.call(Method::POST, CALL, &json!({ "key": "gh_key_x" })).await.is(429);
        assert!(!said.field("retry-after").is_empty());
        house.visitor().post("/leaked-key", &[("key", "gh_key_x")]).await.is(429);
    })
    .await;
}
