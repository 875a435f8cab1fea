//! API keys on their pages: made, shown once, listed, renamed, rotated, revoked.
use crate::harness::{House, PASSWORD, Person, Program, each};
use std::time::Duration;

#[path = "keys/ending.rs"]
mod ending;
#[path = "keys/leaked.rs"]
mod leaked;
#[path = "keys/rotated.rs"]
mod rotated;

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3600);

fn secret(page: &str) -> String {
    let from = page.find("id=\"secret\">").expect("a secret on the page");
    let from = from + page[from..].find("gh_key_").unwrap();
    page[from..].chars().take_while(|it| it.is_ascii_alphanumeric() || *it == '_').collect()
}

async fn key_id(house: &House, name: &str) -> String {
    let mut conn = house.db.read().await.unwrap();
    let sql = "select id from api_keys where name = $1 order by id desc limit 1";
    conn.query(sql).bind(name.to_owned()).one::<(uuid::Uuid,)>().await.unwrap().0.to_string()
}

/// Makes a key on the page.
async fn made(house: &House, who: &Person, form: &[(&str, &str)]) -> Program {
    house.program(&secret(&who.post("/a/acme/keys", form).await.is(200).body))
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
        let said = said.says("I have saved the key").says("All you may do");
        assert!(said.field("cache-control").contains("no-store"));
        let secret = secret(&said.body);
        let program = house.program(&secret);
        program.get("/api/v1/accounts/acme").await.is(200);

        let list = ada.get("/a/acme/keys").await.is(200).says("Nightly").says("All you may do");
        assert!(!list.body.contains(&secret), "the secret is kept nowhere");
        let last4 = &secret[secret.len() - 4..];
        list.says(&format!("gh_key_••••{last4}"));
        let at = format!("/a/acme/keys/{}", key_id(house, "Nightly").await);
        ada.get(&at).await.is(200).says("Ada Byron").says("as their roles are at that moment");
        ada.get(&format!("{at}/revoke")).await.is(200).says("What ends").says("refused at once");
        program.get("/api/v1/accounts/acme").await.is(200);
        let revoke = format!("{at}/revoke");
        ada.post(&revoke, &[]).await.is(303).to("/a/acme/keys");
        ada.post(&revoke, &[]).await.is(303);
        program.get("/api/v1/accounts/acme").await.is(401);
        ada.get("/a/acme/keys").await.is(200).hides("Nightly").says("No key here");
        ada.get("/a/acme/keys?status=revoked").await.is(200).says("Nightly").says("Revoked");
        ada.get(&at).await.is(200).hides("Revoke it").says("Revoked");
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
        let month = made(house, &ada, &[("name", "Month"), ("expires", "30d")]).await;
        let never = made(house, &ada, &[("name", "Never"), ("expires", "never")]).await;
        ada.get("/a/acme/keys?status=soon").await.is(200).says("Month").hides("Never").says("in 29 days");
        ada.get("/a/acme/keys?status=expired").await.is(200).says("No key fits");
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
        ada.get("/a/acme/keys?status=active")
            .await
            .is(200)
            .says("No expiry")
            .hides("gh_key_••••x")
            .says("1 key");
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
        bob.get("/a/acme/keys").await.is(200).says("Of Bob").hides("Of Ada").hides("Ada Byron");
        let adas_id = ada.id.to_string();
        bob.get(&format!("/a/acme/keys?owner={adas_id}")).await.is(200).says("Of Bob").hides("Of Ada");
        ada.get("/a/acme/keys").await.is(200).says("Of Bob").says("Of Ada").says("Bob Ross").says("2 keys");
        ada.get("/a/acme/keys?owner=me").await.is(200).says("Of Ada").hides("Of Bob");
        ada.get(&format!("/a/acme/keys?owner={}", bob.id)).await.is(200).says("Of Bob").hides("Of Ada");
        ada.get("/a/acme/keys?q=OF+b").await.is(200).says("Of Bob").hides("Of Ada");
        ada.get("/a/acme/keys?q=100%25").await.is(200).says("No key fits");
        let (adas, bobs) = (key_id(house, "Of Ada").await, key_id(house, "Of Bob").await);
        bob.get(&format!("/a/acme/keys/{adas}")).await.is(404);
        bob.post(&format!("/a/acme/keys/{adas}/revoke"), &[]).await.is(404);
        bob.get(&format!("/a/acme/keys/{adas}/rotate")).await.is(404);
        // An administrator sees and revokes everyone's, and no more: another's secret would be another's hand.
        ada.get(&format!("/a/acme/keys/{bobs}"))
            .await
            .is(200)
            .says("Bob Ross")
            .hides("Save name")
            .hides("Rotate");
        ada.post(&format!("/a/acme/keys/{bobs}"), &[("name", "Mine")]).await.is(403);
        ada.post(&format!("/a/acme/keys/{bobs}/rotate"), &[("grace", "24h")]).await.is(403);
        ada.get(&format!("/a/acme/keys/{bobs}/revoke")).await.is(200).says("It is Bob Ross’s");
        ada.post(&format!("/a/acme/keys/{bobs}/revoke"), &[]).await.is(303);
        cyd.get("/a/acme/keys").await.is(403);
        cyd.post("/a/acme/keys", &[("name", "Of Cyd")]).await.is(403);
        bob.get(&format!("/a/acme/keys?after={}", uuid::Uuid::nil())).await.is(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_paged_both_ways() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        for at in 0..53 {
            ada.post("/a/acme/keys", &[("name", format!("Key {at:02}").as_str())]).await.is(200);
        }
        let link = |body: &str, rel: &str| {
            let to = body.find(&format!("rel=\"{rel}\""));
            to.map(|to| {
                let from = body[..to].rfind("href=\"").unwrap() + 6;
                body[from..to].split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&")
            })
        };
        let first = ada
            .get("/a/acme/keys")
            .await
            .is(200)
            .says("Key 52")
            .says("Key 28")
            .hides("Key 27")
            .says("25 of 53 keys");
        assert_eq!(link(&first.body, "prev"), None);
        let second = ada
            .get(&link(&first.body, "next").unwrap())
            .await
            .is(200)
            .says("Key 27")
            .says("Key 03")
            .hides("Key 02");
        let third = ada.get(&link(&second.body, "next").unwrap()).await.is(200).says("Key 02").says("Key 00");
        assert_eq!(link(&third.body, "next"), None);
        let back = ada.get(&link(&third.body, "prev").unwrap()).await.is(200).says("Key 27").says("Key 03");
        let newest = ada.get(&link(&back.body, "prev").unwrap()).await.is(200).says("Key 52");
        assert_eq!(link(&newest.body, "prev"), None);
        assert!(link(&newest.body, "next").is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_can_be_for_a_part() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        let asked = [("name", "Reader"), ("what", "some"), ("expires", "90d")];
        ada.post("/a/acme/keys", &asked).await.is(422).says("Choose at least one permission");
        let clips =
            [("kind", "video/index"), ("name", "Clips"), ("external_id", "x1"), ("visibility", "shared")];
        ada.post("/a/acme/resources", &clips).await;
        let id =
            house.db.read().await.unwrap().query("select id from resources").one::<(uuid::Uuid,)>().await;
        let id = id.expect("a resource").0.to_string();
        let some =
            [asked.as_slice(), &[("perm", "account.view"), ("perm", "resources.view"), ("resources", &id)]]
                .concat();
        let page = ada.post("/a/acme/keys", &[&some[..], &[("look", "1")]].concat()).await.is(200);
        let page = page.says("Reach 1 resource and no other").says("Not create, change or delete anything");
        assert!(page.body.contains("value=\"resources.view\" checked"), "what was ticked stays ticked");
        let reader = made(house, &ada, &some).await;
        reader.get("/api/v1/accounts/acme").await.is(200);
        reader.get("/api/v1/accounts/acme/members").await.is(403);
        let list = ada.get("/a/acme/keys").await.is(200);
        list.says("Account: view").says("Resources: view").says("1 resource");
        let at = format!("/a/acme/keys/{}", key_id(house, "Reader").await);
        ada.get(&at).await.is(200).says("resources.view").says("Only Clips");

        let query = "/a/acme/keys/summary?what=some&perm=resources.run&perm=nonsense&expires=never";
        let said = ada.get_partial(query).await.is(200).says("Use resources").says("Not stop by itself");
        assert!(!said.body.contains("<html"), "a summary is no page");
        ada.get_partial("/a/acme/keys/summary?expires=date&date=x").await.is(200).hides("Stop on");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_gets_back_is_ticked_with_proof() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        house.join(&ada, &acme, &bob, &["member"]).await;
        let grave =
            [("name", "Closer"), ("what", "some"), ("perm", "account.delete"), ("perm", "account.view")];
        house.later(HOUR);
        ada.get("/a/acme/keys/new").await.is(200).says("Your password").says("account.delete");
        ada.post("/a/acme/keys", &grave).await.is(422).says("Enter your password");
        let wrong = [&grave[..], &[("password", "not it")]].concat();
        ada.post("/a/acme/keys", &wrong).await.is(422).says("That is not your password");
        assert_eq!(house.count("select count(*) from api_keys").await, 0);
        // Everyday permissions ask for no proof, even then.
        ada.post("/a/acme/keys", &[("name", "Everyday")]).await.is(200);
        let right = [&grave[..], &[("password", PASSWORD)]].concat();
        let closer = made(house, &ada, &right).await;
        ada.get("/a/acme/keys").await.is(200).says("Account: delete");
        closer.get("/api/v1/accounts/acme").await.is(200);

        bob.get("/a/acme/keys/new").await.is(200).hides("account.delete").hides("members.invite");
        bob.post("/a/acme/keys", &grave).await.is(403);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_gets_another_name() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        let program = made(house, &ada, &[("name", "Nihgtly")]).await;
        let at = format!("/a/acme/keys/{}", key_id(house, "Nihgtly").await);
        ada.post(&at, &[("name", " ")]).await.is(422).says("Enter a name");
        ada.post(&at, &[("name", "Nightly")]).await.is(303).to(&at);
        ada.post(&at, &[("name", "Nightly")]).await.is(303);
        ada.get("/a/acme/keys?q=nightly").await.is(200).says("Nightly");
        ada.get("/a/acme/keys?q=nihgtly").await.is(200).says("No key fits");
        program.get("/api/v1/accounts/acme").await.is(200);
        let renamed = "select count(*) from audit_events where action = 'key.renamed'";
        assert_eq!(house.count(renamed).await, 1, "the same name again is no change");
        ada.get("/a/acme/audit").await.is(200).says("renamed the API key “Nihgtly” to “Nightly”");
    })
    .await;
}
