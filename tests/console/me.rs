//! What people do to themselves: name, zone, address, password, sessions, theme, the end.
use crate::harness::{BASE, PASSWORD, each};
use axum::{body::Body, http::Method};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_user_has_a_personal_account_that_only_they_see() {
    each(async |house| {
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        let eve = house.user("Eve", "eve@acme.test").await;
        ada.get("/a/ada-byron/overview")
            .await
            .is(200)
            .says("Only you see it")
            .says("60 requests a minute, 10,000 a day");
        eve.get("/a/ada-byron/overview").await.is(404);
        eve.get("/a/ada-byron/teams").await.is(404);
        house.visitor().get("/a/ada-byron/overview").await.is(303).to("/sign-in?next=/a/ada-byron/overview");
        ada.get("/me").await.is(200).says("Owner of this personal account").hides("eve@acme.test");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_is_found_everywhere() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        house.join(&ada, &acme, &bob, &["member"]).await;
        bob.post("/new/team", &[("parent", &acme), ("name", "Ingest")]).await.is(303);
        bob.post("/me", &[("name", " Robert   Øster "), ("time_zone", "Asia/Tokyo")]).await.is(303).to("/me");
        for slug in [acme.as_str(), "ingest"] {
            for term in ["robert", "øster", "bob@"] {
                ada.get(&format!("/a/{slug}/members?q={term}")).await.is(200).says("Robert Øster");
            }
            ada.get(&format!("/a/{slug}/members?q=Bobby")).await.is(200).hides("Robert Øster");
        }
        let page = bob.get("/me").await.is(200).says("Robert Øster");
        assert!(page.body.contains("<option selected>Asia/Tokyo</option>"));

        let bad = [("name", "\u{202e}"), ("time_zone", "Mars/Olympus")];
        let said = bob.post("/me", &bad).await.is(422).says("Choose a time zone out of the list");
        assert!(said.text().contains("A name needs a letter"));
        let empty = bob.post("/me", &[("name", ""), ("time_zone", "UTC")]).await.is(422);
        assert!(empty.body.contains("<option selected>UTC</option>"), "what was typed is kept");
        bob.post("/me", &[("name", "Bob"), ("time_zone", "")]).await.is(303);
        assert_eq!(house.count("select count(*) from users where time_zone is not null").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_changes_by_mail() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        for bad in ["", "ada", "ada@acme.test"] {
            ada.post("/me/email", &[("email", bad)]).await.is(422);
        }
        house.later(Duration::from_secs(700));
        ada.get("/me").await.is(200).says("To confirm that it is you");
        ada.post("/me/email", &[("email", "new@acme.test")]).await.is(422).says("Enter your password");
        let wrong = [("email", "new@acme.test"), ("password", "wrong")];
        let said = ada.post("/me/email", &wrong).await.is(422).says("That is not your password");
        assert!(said.body.contains("value=\"new@acme.test\""));
        assert!(house.letters("new@acme.test").await.is_empty());

        let right = [("email", "new@acme.test"), ("password", PASSWORD)];
        ada.post("/me/email", &right).await.is(303).to("/me");
        ada.get("/me/email").await.is(303).to("/me");
        let notice = house.letter("ada@acme.test").await.0;
        assert!(notice.text.contains("new@acme.test"), "the old address is told:\n{}", notice.text);
        ada.get("/me").await.is(200).says("Your address is ada@acme.test");

        let link = house.letter("new@acme.test").await.link("/verify-email/");
        ada.get(&link).await.is(200).says("new@acme.test");
        ada.post(&link, &[]).await.is(303).to("/me");
        ada.get("/me").await.is(200).says("Your address is new@acme.test");
        ada.post(&link, &[]).await.is(410);
        assert!(house.letters("ada@acme.test").await.len() >= 2, "the old address is told again");
        ada.get(&format!("/a/{acme}/members?q=new@")).await.is(200).says("new@acme.test");
        let old = [("email", "ada@acme.test"), ("password", PASSWORD)];
        house.visitor().post("/sign-in", &old).await.is(422);
        house.visitor().post("/sign-in", &right).await.is(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_address_tells_nothing() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        house.user("Bob", "bob@acme.test").await;
        let taken = ada.post("/me/email", &[("email", "BOB@acme.test")]).await.is(303);
        let free = ada.post("/me/email", &[("email", "new@acme.test")]).await.is(303);
        assert_eq!(taken.toast().replace("BOB@", ""), free.toast().replace("new@", ""));
        let told = house.letter("bob@acme.test").await.0;
        assert!(!told.text.contains("/verify-email/"), "{}", told.text);
        assert_eq!(house.count("select count(*) from links where email_key = 'bob@acme.test'").await, 0);

        // Two ask for the same free address: the first to follow their link has it.
        let eve = house.user("Eve", "eve@acme.test").await;
        let first = house.letter("new@acme.test").await.link("/verify-email/");
        eve.post("/me/email", &[("email", "New@Acme.test")]).await.is(303);
        let second = house.letter("new@acme.test").await.link("/verify-email/");
        eve.post(&second, &[]).await.is(303);
        ada.post(&first, &[]).await.is(410);
        assert_eq!(house.count("select count(*) from users where email_key = 'new@acme.test'").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_to_a_new_address_are_few() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        for _ in 0..5 {
            ada.post("/me/email", &[("email", "stranger@x.test")]).await.is(303);
        }
        ada.post("/me/email", &[("email", "Stranger@x.test")]).await.is(429);
        assert_eq!(house.letters("stranger@x.test").await.len(), 5);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_the_other_sessions() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let other = house.again(&ada).await;
        let weak = ada.post("/me/security", &[("new_password", "password1")]).await.is(422);
        assert!(weak.text().contains("too easy to guess"));
        other.get("/me").await.is(200);
        house.later(Duration::from_secs(700));
        let new = "several unrelated words instead";
        ada.post("/me/security", &[("new_password", new)]).await.is(422).says("Enter your password");
        let form = [("new_password", new), ("password", PASSWORD)];
        ada.post("/me/security", &form).await.is(303).to("/me/security");
        ada.get("/me/security").await.is(200);
        other.get("/me").await.is(303);
        assert!(house.letter("ada@acme.test").await.0.subject.to_lowercase().contains("password"));
        house.visitor().post("/sign-in", &[("email", "ada@acme.test"), ("password", PASSWORD)]).await.is(422);
        house.visitor().post("/sign-in", &[("email", "ada@acme.test"), ("password", new)]).await.is(303);
    })
    .await;
}

/// The path that ends the first session with an "End" button.
fn end(page: &str) -> String {
    let from = page.find("/me/sessions/").expect("a session that can be ended");
    page[from..].split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_session_is_out_at_once() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let page = ada.get("/me/security").await.is(200).says("This browser").says("127.0.0.1");
        assert!(!page.body.contains("/me/sessions/"), "nothing to end");
        let other = house.again(&ada).await;
        let path = end(&ada.get("/me/security").await.is(200).body);
        let eve = house.user("Eve", "eve@acme.test").await;
        eve.post(&path, &[]).await.is(404);
        other.get("/me").await.is(200);
        ada.post(&path, &[]).await.is(303).to("/me/security");
        other.get("/me").await.is(303);
        ada.post(&path, &[]).await.is(404);

        let (second, third) = (house.again(&ada).await, house.again(&ada).await);
        let said = ada.post("/me/sessions/end-others", &[]).await.is(303);
        assert_eq!(said.toast(), "2 other sessions have ended.");
        for gone in [second, third] {
            gone.get("/me").await.is(303);
        }
        ada.get("/me").await.is(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations_wait_on_the_profile() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let eve = house.user("Eve", "eve@acme.test").await;
        bob.get("/me").await.is(200).says("No invitation waits for bob@acme.test");
        let invite = async || {
            let form = [("emails", "BOB@acme.test"), ("role", "developer"), ("product", "video")];
            ada.post(&format!("/a/{acme}/invitations"), &form).await.is(303);
            let page =
                bob.get("/me").await.is(200).says("Ada (ada@acme.test) invites you").says("Video developer");
            let from = page.body.find("/me/invitations/").unwrap();
            page.body[from..].split("/accept").next().unwrap().split("/decline").next().unwrap().to_owned()
        };
        let first = invite().await;
        eve.post(&format!("{first}/accept"), &[]).await.is(404);
        eve.post(&format!("{first}/decline"), &[]).await.is(404);
        bob.post(&format!("{first}/decline"), &[]).await.is(303).to("/me");
        let late = bob.post(&format!("{first}/accept"), &[]).await.is(303).to("/me");
        assert!(late.toast().contains("was answered"), "{}", late.toast());
        bob.get(&format!("/a/{acme}/overview")).await.is(404);

        let second = invite().await;
        bob.post(&format!("{second}/accept"), &[]).await.is(303).to(&format!("/a/{acme}/overview"));
        bob.get(&format!("/a/{acme}/overview"))
            .await
            .is(200)
            .says("You joined Acme.")
            .says("Video developer");
        bob.get("/me").await.is(200).says("Video developer of this organization");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_theme_is_kept_and_leads_back() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let form = ("content-type", "application/x-www-form-urlencoded");
        for (from, to) in [
            (format!("{BASE}/a/ada/overview?x=1"), "/a/ada/overview?x=1"),
            ("https://evil.test/me".into(), "/me"),
            (format!("{BASE}.evil.test/a/ada/overview"), "/me"),
            (format!("{BASE}//evil.test"), "/me"),
            (String::new(), "/me"),
        ] {
            let fields = [form, ("sec-fetch-site", "same-origin"), ("referer", from.as_str())];
            let said =
                ada.send(Method::POST, "/me/theme", &fields, Body::from("theme=dark")).await.is(303).to(to);
            assert!(!said.field("set-cookie").contains("HttpOnly"), "the script reads it");
        }
        assert_eq!(ada.cookie("theme").as_deref(), Some("dark"));
        assert!(ada.get("/me").await.is(200).body.contains("data-theme=\"dark\""));
        ada.post("/me/theme", &[("theme", "\"><script>")]).await.is(303);
        assert_eq!(ada.cookie("theme").as_deref(), Some("system"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_deleted_once_they_own_nothing() {
    each(async |house| {
        let ada = house.user("Ada", "ada+x@acme.test").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        house.join(&ada, &acme, &bob, &["member"]).await;
        let key = house.key(&acme, &bob).await;
        ada.get("/me/delete").await.is(200).says("You own what other people use").says("Acme");
        ada.post("/me/delete", &[("confirm", "ada+x@acme.test")]).await.is(409).says("You own Acme");

        let page = bob.get("/me/delete").await.is(200).says("Type bob@acme.test to confirm");
        assert!(page.body.contains(r#"pattern="bob@acme\.test""#), "{}", page.body);
        bob.post("/me/delete", &[("confirm", "bob")]).await.is(422).says("Type bob@acme.test to delete");
        house.later(Duration::from_secs(700));
        bob.post("/me/delete", &[("confirm", "bob@acme.test")]).await.is(422).says("Enter your password");
        let form = [("confirm", "Bob@acme.test"), ("password", PASSWORD)];
        bob.post("/me/delete", &form).await.is(303).to("/sign-in");
        bob.get("/me").await.is(303);
        key.get(&format!("/api/v1/accounts/{acme}/members")).await.is(401);
        assert_eq!(house.count("select count(*) from users where email_key = 'bob@acme.test'").await, 0);
        assert_eq!(house.count("select member_count from accounts where slug = 'acme'").await, 1);
        ada.get(&format!("/a/{acme}/members")).await.is(200).hides("bob@acme.test");
        ada.get(&format!("/a/{acme}/overview")).await.is(200).says("bob@acme.test left");
    })
    .await;
}
