//! The pages of API keys: creating, listing, renaming, restricting and revoking them.
use crate::harness::{ApiClient, PASSWORD, TestApp, TestResponse, TestUser, on_each_db};
use std::time::Duration;

#[path = "keys/expiry.rs"]
mod expiry;
#[path = "keys/leaks.rs"]
mod leaks;
#[path = "keys/rotation.rs"]
mod rotation;

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3600);

async fn key_id(app: &TestApp, name: &str) -> String {
    let mut conn = app.db.read().await.unwrap();
    let sql = "select id from api_keys where name = $1 order by id desc limit 1";
    conn.query(sql).bind(name.to_owned()).fetch_one::<(uuid::Uuid,)>().await.unwrap().0.to_string()
}

/// Creates a key with the form and returns a client that uses it.
async fn create_key(app: &TestApp, user: &TestUser, form: &[(&str, &str)]) -> ApiClient {
    app.api_client(&user.post("/a/acme/keys", form).await.assert_status(200).text_of("#secret"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_and_works_until_it_is_revoked() {
    on_each_db(async |app| {
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        ada.get("/a/acme/keys").await.assert_status(200).assert_contains("No API keys yet");
        let page = ada.get("/a/acme/keys/new").await.assert_status(200);
        assert!(!page.select("[value='12m'][checked]").is_empty(), "12 months is the default");

        let response = ada
            .post("/a/acme/keys", &[("name", "Nightly")])
            .await
            .assert_status(200)
            .assert_contains("“Nightly” is ready");
        let response = response.assert_contains("I have saved the key").assert_contains("All you may do");
        assert!(response.header("cache-control").contains("no-store"));
        let secret = response.text_of("#secret");
        let client = app.api_client(&secret);
        client.get("/api/v1/accounts/acme").await.assert_status(200);

        let list = ada
            .get("/a/acme/keys")
            .await
            .assert_status(200)
            .assert_contains("Nightly")
            .assert_contains("All you may do");
        assert!(!list.body.contains(&secret), "the secret is not stored");
        let last4 = &secret[secret.len() - 4..];
        list.assert_contains(&format!("gh_key_••••{last4}"));
        let path = format!("/a/acme/keys/{}", key_id(app, "Nightly").await);
        ada.get(&path)
            .await
            .assert_status(200)
            .assert_contains("Ada Byron")
            .assert_contains("as their roles are at that moment");
        ada.get(&format!("{path}/revoke"))
            .await
            .assert_status(200)
            .assert_contains("What ends")
            .assert_contains("refused at once");
        client.get("/api/v1/accounts/acme").await.assert_status(200);
        let revoke = format!("{path}/revoke");
        ada.post(&revoke, &[]).await.assert_status(303).assert_redirect("/a/acme/keys");
        ada.post(&revoke, &[]).await.assert_status(303);
        client.get("/api/v1/accounts/acme").await.assert_status(401);
        ada.get("/a/acme/keys")
            .await
            .assert_status(200)
            .assert_not_contains("Nightly")
            .assert_contains("No key here");
        ada.get("/a/acme/keys?status=revoked")
            .await
            .assert_status(200)
            .assert_contains("Nightly")
            .assert_contains("Revoked");
        ada.get(&path).await.assert_status(200).assert_not_contains("Revoke it").assert_contains("Revoked");
        let revoked = "select count(*) from audit_events where action = 'key.revoked'";
        assert_eq!(app.count(revoked).await, 1, "the second time changes nothing");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_expires_at_the_chosen_time() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        let month = create_key(app, &ada, &[("name", "Month"), ("expires", "30d")]).await;
        let never = create_key(app, &ada, &[("name", "Never"), ("expires", "never")]).await;
        ada.get("/a/acme/keys?status=soon")
            .await
            .assert_status(200)
            .assert_contains("Month")
            .assert_not_contains("Never")
            .assert_contains("in 29 days");
        ada.get("/a/acme/keys?status=expired").await.assert_status(200).assert_contains("No key fits");
        app.advance(29 * DAY);
        month.get("/api/v1/accounts/acme").await.assert_status(200);
        app.advance(2 * DAY);
        month.get("/api/v1/accounts/acme").await.assert_status(401);
        app.advance(900 * DAY);
        never.get("/api/v1/accounts/acme").await.assert_status(200);

        let ada = app.second_browser(&ada).await;
        for (form, message) in [
            ([("name", ""), ("expires", "30d"), ("date", "")], "Enter a name"),
            ([("name", "A"), ("expires", "date"), ("date", "soon")], "Choose the last day"),
            ([("name", "A"), ("expires", "date"), ("date", "2020-01-01")], "lies in the past"),
            ([("name", "A"), ("expires", "always"), ("date", "")], "Choose how long"),
        ] {
            ada.post("/a/acme/keys", &form).await.assert_status(422).assert_contains(message);
        }
        ada.get("/a/acme/keys")
            .await
            .assert_status(200)
            .assert_contains("Expired")
            .assert_contains("No expiry");
        ada.get("/a/acme/keys?status=active")
            .await
            .assert_status(200)
            .assert_contains("No expiry")
            .assert_not_contains("gh_key_••••x")
            .assert_contains("1 key");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_see_their_own_keys_and_admins_see_all() {
    on_each_db(async |app| {
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        let bob = app.user("Bob Ross", "bob@acme.test").await;
        let cyd = app.user("Cyd", "cyd@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        app.add_member(&ada, &acme, &bob, &["member"]).await;
        app.add_member(&ada, &acme, &cyd, &["developer"]).await;
        ada.post("/a/acme/keys", &[("name", "Of Ada")]).await.assert_status(200);
        bob.post("/a/acme/keys", &[("name", "Of Bob")]).await.assert_status(200);
        bob.get("/a/acme/keys")
            .await
            .assert_status(200)
            .assert_contains("Of Bob")
            .assert_not_contains("Of Ada")
            .assert_not_contains("Ada Byron");
        let ada_id = ada.id.to_string();
        bob.get(&format!("/a/acme/keys?owner={ada_id}"))
            .await
            .assert_status(200)
            .assert_contains("Of Bob")
            .assert_not_contains("Of Ada");
        ada.get("/a/acme/keys")
            .await
            .assert_status(200)
            .assert_contains("Of Bob")
            .assert_contains("Of Ada")
            .assert_contains("Bob Ross")
            .assert_contains("2 keys");
        ada.get("/a/acme/keys?owner=me")
            .await
            .assert_status(200)
            .assert_contains("Of Ada")
            .assert_not_contains("Of Bob");
        ada.get(&format!("/a/acme/keys?owner={}", bob.id))
            .await
            .assert_status(200)
            .assert_contains("Of Bob")
            .assert_not_contains("Of Ada");
        ada.get("/a/acme/keys?q=OF+b")
            .await
            .assert_status(200)
            .assert_contains("Of Bob")
            .assert_not_contains("Of Ada");
        ada.get("/a/acme/keys?q=100%25").await.assert_status(200).assert_contains("No key fits");
        let (ada_key_id, bob_key_id) = (key_id(app, "Of Ada").await, key_id(app, "Of Bob").await);
        bob.get(&format!("/a/acme/keys/{ada_key_id}")).await.assert_status(404);
        bob.post(&format!("/a/acme/keys/{ada_key_id}/revoke"), &[]).await.assert_status(404);
        bob.get(&format!("/a/acme/keys/{ada_key_id}/rotate")).await.assert_status(404);
        // Administrators may see and revoke everybody's keys, but not rotate them: a new secret would let
        // them act as the owner.
        ada.get(&format!("/a/acme/keys/{bob_key_id}"))
            .await
            .assert_status(200)
            .assert_contains("Bob Ross")
            .assert_not_contains("Save name")
            .assert_not_contains("Rotate");
        ada.post(&format!("/a/acme/keys/{bob_key_id}"), &[("name", "Mine")]).await.assert_status(403);
        ada.post(&format!("/a/acme/keys/{bob_key_id}/rotate"), &[("grace", "24h")]).await.assert_status(403);
        ada.get(&format!("/a/acme/keys/{bob_key_id}/revoke"))
            .await
            .assert_status(200)
            .assert_contains("It is Bob Ross’s");
        ada.post(&format!("/a/acme/keys/{bob_key_id}/revoke"), &[]).await.assert_status(303);
        cyd.get("/a/acme/keys").await.assert_status(403);
        cyd.post("/a/acme/keys", &[("name", "Of Cyd")]).await.assert_status(403);
        bob.get(&format!("/a/acme/keys?after={}", uuid::Uuid::nil())).await.assert_status(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_paginated_in_both_directions() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        for n in 0..53 {
            ada.post("/a/acme/keys", &[("name", format!("Key {n:02}").as_str())]).await.assert_status(200);
        }
        let link = |response: &TestResponse, relation: &str| {
            let links = response.select(&format!("a[rel='{relation}']"));
            links.first().map(|link| link.attr("href").to_owned())
        };
        let first = ada
            .get("/a/acme/keys")
            .await
            .assert_status(200)
            .assert_contains("Key 52")
            .assert_contains("Key 28")
            .assert_not_contains("Key 27")
            .assert_contains("25 of 53 keys");
        assert_eq!(link(&first, "prev"), None);
        let second = ada
            .get(&link(&first, "next").unwrap())
            .await
            .assert_status(200)
            .assert_contains("Key 27")
            .assert_contains("Key 03")
            .assert_not_contains("Key 02");
        let third = ada
            .get(&link(&second, "next").unwrap())
            .await
            .assert_status(200)
            .assert_contains("Key 02")
            .assert_contains("Key 00");
        assert_eq!(link(&third, "next"), None);
        let back = ada
            .get(&link(&third, "prev").unwrap())
            .await
            .assert_status(200)
            .assert_contains("Key 27")
            .assert_contains("Key 03");
        let newest =
            ada.get(&link(&back, "prev").unwrap()).await.assert_status(200).assert_contains("Key 52");
        assert_eq!(link(&newest, "prev"), None);
        assert!(link(&newest, "next").is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_can_be_restricted() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        let form = [("name", "Reader"), ("what", "some"), ("expires", "90d")];
        ada.post("/a/acme/keys", &form)
            .await
            .assert_status(422)
            .assert_contains("Choose at least one permission");
        let clips =
            [("kind", "video/index"), ("name", "Clips"), ("external_id", "x1"), ("visibility", "shared")];
        ada.post("/a/acme/resources", &clips).await;
        let id =
            app.db.read().await.unwrap().query("select id from resources").fetch_one::<(uuid::Uuid,)>().await;
        let id = id.expect("a resource").0.to_string();
        let restricted =
            [form.as_slice(), &[("perm", "account.view"), ("perm", "resources.view"), ("resources", &id)]]
                .concat();
        let page =
            ada.post("/a/acme/keys", &[&restricted[..], &[("look", "1")]].concat()).await.assert_status(200);
        let page = page
            .assert_contains("Reach 1 resource and no other")
            .assert_contains("Not create, change or delete anything");
        let ticked = page.select("input[value='resources.view'][checked]");
        assert!(!ticked.is_empty(), "what was ticked stays ticked");
        let reader = create_key(app, &ada, &restricted).await;
        reader.get("/api/v1/accounts/acme").await.assert_status(200);
        reader.get("/api/v1/accounts/acme/members").await.assert_status(403);
        let list = ada.get("/a/acme/keys").await.assert_status(200);
        list.assert_contains("Account: view")
            .assert_contains("Resources: view")
            .assert_contains("1 resource");
        let path = format!("/a/acme/keys/{}", key_id(app, "Reader").await);
        ada.get(&path)
            .await
            .assert_status(200)
            .assert_contains("resources.view")
            .assert_contains("Only Clips");

        let query = "/a/acme/keys/summary?what=some&perm=resources.run&perm=nonsense&expires=never";
        let response = ada
            .get_partial(query)
            .await
            .assert_status(200)
            .assert_contains("Use resources")
            .assert_contains("Not stop by itself");
        assert!(!response.body.contains("<html"), "a summary is no page");
        ada.get_partial("/a/acme/keys/summary?expires=date&date=x")
            .await
            .assert_status(200)
            .assert_not_contains("Stop on");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn irreversible_permissions_need_reauthentication() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        app.add_member(&ada, &acme, &bob, &["member"]).await;
        let form =
            [("name", "Closer"), ("what", "some"), ("perm", "account.delete"), ("perm", "account.view")];
        app.advance(HOUR);
        ada.get("/a/acme/keys/new")
            .await
            .assert_status(200)
            .assert_contains("Your password")
            .assert_contains("account.delete");
        ada.post("/a/acme/keys", &form).await.assert_status(422).assert_contains("Enter your password");
        let wrong = [&form[..], &[("password", "not it")]].concat();
        ada.post("/a/acme/keys", &wrong)
            .await
            .assert_status(422)
            .assert_contains("That is not your password");
        assert_eq!(app.count("select count(*) from api_keys").await, 0);
        // Other permissions need no reauthentication, even after an hour.
        ada.post("/a/acme/keys", &[("name", "Everyday")]).await.assert_status(200);
        let right = [&form[..], &[("password", PASSWORD)]].concat();
        let closer = create_key(app, &ada, &right).await;
        ada.get("/a/acme/keys").await.assert_status(200).assert_contains("Account: delete");
        closer.get("/api/v1/accounts/acme").await.assert_status(200);

        bob.get("/a/acme/keys/new")
            .await
            .assert_status(200)
            .assert_not_contains("account.delete")
            .assert_not_contains("members.invite");
        bob.post("/a/acme/keys", &form).await.assert_status(403);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_can_be_renamed() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        let client = create_key(app, &ada, &[("name", "Nihgtly")]).await;
        let path = format!("/a/acme/keys/{}", key_id(app, "Nihgtly").await);
        ada.post(&path, &[("name", " ")]).await.assert_status(422).assert_contains("Enter a name");
        ada.post(&path, &[("name", "Nightly")]).await.assert_status(303).assert_redirect(&path);
        ada.post(&path, &[("name", "Nightly")]).await.assert_status(303);
        ada.get("/a/acme/keys?q=nightly").await.assert_status(200).assert_contains("Nightly");
        ada.get("/a/acme/keys?q=nihgtly").await.assert_status(200).assert_contains("No key fits");
        client.get("/api/v1/accounts/acme").await.assert_status(200);
        let renamed = "select count(*) from audit_events where action = 'key.renamed'";
        assert_eq!(app.count(renamed).await, 1, "the same name again is no change");
        ada.get("/a/acme/audit")
            .await
            .assert_status(200)
            .assert_contains("renamed the API key “Nihgtly” to “Nightly”");
    })
    .await;
}
