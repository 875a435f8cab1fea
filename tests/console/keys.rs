//! API keys on their page: made, shown once, listed, revoked.
use crate::harness::{House, each};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

fn secret(page: &str) -> String {
    let from = page.find("gh_key_").expect("a secret on the page");
    page[from..].chars().take_while(|it| it.is_ascii_alphanumeric() || *it == '_').collect()
}

async fn key_id(house: &House, name: &str) -> String {
    let mut conn = house.db.read().await.unwrap();
    let sql = "select id from api_keys where name = $1";
    conn.query(sql).bind(name.to_owned()).one::<(uuid::Uuid,)>().await.unwrap().0.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_and_works_until_it_is_revoked() {
    each(async |house| {
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        ada.get("/a/acme/keys").await.is(200).says("No API keys yet");
        let page = ada.get("/a/acme/keys/new").await.is(200);
        assert!(page.body.contains("value=\"12m\" checked"), "12 months is the default");

        let said = ada.post("/a/acme/keys", &[("name", "Nightly")]).await.is(200).says("“Nightly” is ready");
        let said = said.says("I have saved the key");
        assert!(said.field("cache-control").contains("no-store"));
        let secret = secret(&said.body);
        let program = house.program(&secret);
        program.get("/api/v1/accounts/acme").await.is(200);

        let list = ada.get("/a/acme/keys").await.is(200).says("Nightly").says("Active");
        assert!(!list.body.contains(&secret), "the secret is kept nowhere");
        let last4 = &secret[secret.len() - 4..];
        list.says(&format!("gh_key_••••{last4}"));
        let at = format!("/a/acme/keys/{}/revoke", key_id(house, "Nightly").await);
        ada.post(&at, &[]).await.is(303).to("/a/acme/keys");
        ada.post(&at, &[]).await.is(303);
        program.get("/api/v1/accounts/acme").await.is(401);
        ada.get("/a/acme/keys").await.is(200).says("Revoked").hides("Active");
        let revoked = "select count(*) from audit_events where action = 'key.revoked'";
        assert_eq!(house.count(revoked).await, 1, "revoking twice is once");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_ends_when_its_maker_said() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        let made = async |name: &str, expires: &str, date: &str| {
            let form = [("name", name), ("expires", expires), ("date", date)];
            let said = ada.post("/a/acme/keys", &form).await.is(200);
            house.program(&secret(&said.body))
        };
        let (month, never) = (made("Month", "30d", "").await, made("Never", "never", "").await);
        house.later(29 * DAY);
        month.get("/api/v1/accounts/acme").await.is(200);
        house.later(2 * DAY);
        month.get("/api/v1/accounts/acme").await.is(401);
        house.later(900 * DAY);
        never.get("/api/v1/accounts/acme").await.is(200);

        let ada = house.again(&ada).await;
        for (form, words) in [
            ([("name", ""), ("expires", "30d"), ("date", "")], "Enter a name"),
            ([("name", "A"), ("expires", "date"), ("date", "soon")], "Choose the last day"),
            ([("name", "A"), ("expires", "date"), ("date", "2020-01-01")], "lies in the past"),
            ([("name", "A"), ("expires", "always"), ("date", "")], "Choose how long"),
        ] {
            ada.post("/a/acme/keys", &form).await.is(422).says(words);
        }
        ada.get("/a/acme/keys").await.is(200).says("Expired").says("No expiry");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_see_their_own_keys_and_admins_all() {
    each(async |house| {
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        let bob = house.user("Bob Ross", "bob@acme.test").await;
        let cyd = house.user("Cyd", "cyd@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        house.join(&ada, &acme, &bob, &["member"]).await;
        house.join(&ada, &acme, &cyd, &["developer"]).await;
        ada.post("/a/acme/keys", &[("name", "Of Ada")]).await.is(200);
        bob.post("/a/acme/keys", &[("name", "Of Bob")]).await.is(200);
        bob.get("/a/acme/keys").await.is(200).says("Of Bob").hides("Of Ada");
        ada.get("/a/acme/keys").await.is(200).says("Of Bob").says("Of Ada").says("Bob Ross");
        let (adas, bobs) = (key_id(house, "Of Ada").await, key_id(house, "Of Bob").await);
        bob.post(&format!("/a/acme/keys/{adas}/revoke"), &[]).await.is(404);
        ada.post(&format!("/a/acme/keys/{bobs}/revoke"), &[]).await.is(303);
        cyd.get("/a/acme/keys").await.is(403);
        cyd.post("/a/acme/keys", &[("name", "Of Cyd")]).await.is(403);
        bob.get(&format!("/a/acme/keys?after={}", uuid::Uuid::nil())).await.is(200);
    })
    .await;
}
