//! The profile: name, time zone, address, password, sessions, theme, deletion.
use crate::harness::{BASE, PASSWORD, on_each_db};
use axum::{body::Body, http::Method};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_user_has_a_private_personal_account() {
    on_each_db(async |app| {
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        let eve = app.user("Eve", "eve@acme.test").await;
        ada.get("/a/ada-byron/overview")
            .await
            .assert_status(200)
            .assert_contains("Only you see it")
            .assert_contains("60 requests a minute, 10,000 a day");
        eve.get("/a/ada-byron/overview").await.assert_status(404);
        eve.get("/a/ada-byron/teams").await.assert_status(404);
        app.visitor()
            .get("/a/ada-byron/overview")
            .await
            .assert_status(303)
            .assert_redirect("/sign-in?next=/a/ada-byron/overview");
        ada.get("/me")
            .await
            .assert_status(200)
            .assert_contains("Owner of this personal account")
            .assert_not_contains("eve@acme.test");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_name_is_found_by_every_search() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        app.add_member(&ada, &acme, &bob, &["member"]).await;
        bob.post("/new/team", &[("parent", &acme), ("name", "Ingest")]).await.assert_status(303);
        bob.post("/me", &[("name", " Robert   Øster "), ("time_zone", "Asia/Tokyo")])
            .await
            .assert_status(303)
            .assert_redirect("/me");
        for slug in [acme.as_str(), "ingest"] {
            for term in ["robert", "øster", "bob@"] {
                ada.get(&format!("/a/{slug}/members?q={term}"))
                    .await
                    .assert_status(200)
                    .assert_contains("Robert Øster");
            }
            ada.get(&format!("/a/{slug}/members?q=Bobby"))
                .await
                .assert_status(200)
                .assert_not_contains("Robert Øster");
        }
        let page = bob.get("/me").await.assert_status(200).assert_contains("Robert Øster");
        assert_eq!(page.text_of("select[name='time_zone'] option[selected]"), "Asia/Tokyo");

        let bad = [("name", "\u{202e}"), ("time_zone", "Mars/Olympus")];
        let response = bob
            .post("/me", &bad)
            .await
            .assert_status(422)
            .assert_contains("Choose a time zone from the list");
        assert!(response.text().contains("A name needs a letter"));
        let empty = bob.post("/me", &[("name", ""), ("time_zone", "UTC")]).await.assert_status(422);
        assert_eq!(empty.text_of("select[name='time_zone'] option[selected]"), "UTC", "the choice is kept");
        bob.post("/me", &[("name", "Bob"), ("time_zone", "")]).await.assert_status(303);
        assert_eq!(app.count("select count(*) from users where time_zone is not null").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_the_address_needs_confirmation_by_email() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        for bad in ["", "ada", "ada@acme.test"] {
            ada.post("/me/email", &[("email", bad)]).await.assert_status(422);
        }
        app.advance(Duration::from_secs(700));
        ada.get("/me").await.assert_status(200).assert_contains("To confirm that it is you");
        ada.post("/me/email", &[("email", "new@acme.test")])
            .await
            .assert_status(422)
            .assert_contains("Enter your password");
        let wrong = [("email", "new@acme.test"), ("password", "wrong")];
        let response = ada
            .post("/me/email", &wrong)
            .await
            .assert_status(422)
            .assert_contains("That is not your password");
        assert!(response.body.contains("value=\"new@acme.test\""));
        assert!(app.emails("new@acme.test").await.is_empty());

        let right = [("email", "new@acme.test"), ("password", PASSWORD)];
        ada.post("/me/email", &right).await.assert_status(303).assert_redirect("/me");
        ada.get("/me/email").await.assert_status(303).assert_redirect("/me");
        let notice = app.email("ada@acme.test").await.0;
        assert!(notice.text.contains("new@acme.test"), "the old address is told:\n{}", notice.text);
        ada.get("/me").await.assert_status(200).assert_contains("Your address is ada@acme.test");

        let link = app.email("new@acme.test").await.link("/verify-email/");
        ada.get(&link).await.assert_status(200).assert_contains("new@acme.test");
        ada.post(&link, &[]).await.assert_status(303).assert_redirect("/me");
        ada.get("/me").await.assert_status(200).assert_contains("Your address is new@acme.test");
        ada.post(&link, &[]).await.assert_status(410);
        assert!(app.emails("ada@acme.test").await.len() >= 2, "the old address is told again");
        ada.get(&format!("/a/{acme}/members?q=new@"))
            .await
            .assert_status(200)
            .assert_contains("new@acme.test");
        let old = [("email", "ada@acme.test"), ("password", PASSWORD)];
        app.visitor().post("/sign-in", &old).await.assert_status(422);
        app.visitor().post("/sign-in", &right).await.assert_status(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_to_a_taken_address_reveals_nothing() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        app.user("Bob", "bob@acme.test").await;
        let taken = ada.post("/me/email", &[("email", "BOB@acme.test")]).await.assert_status(303);
        let free = ada.post("/me/email", &[("email", "new@acme.test")]).await.assert_status(303);
        assert_eq!(taken.toast().replace("BOB@", ""), free.toast().replace("new@", ""));
        let notice = app.email("bob@acme.test").await.0;
        assert!(!notice.text.contains("/verify-email/"), "{}", notice.text);
        assert_eq!(app.count("select count(*) from email_tokens where email_key = 'bob@acme.test'").await, 0);

        // Two users ask for the same free address: the first to follow the link gets it.
        let eve = app.user("Eve", "eve@acme.test").await;
        let first = app.email("new@acme.test").await.link("/verify-email/");
        eve.post("/me/email", &[("email", "New@Acme.test")]).await.assert_status(303);
        let second = app.email("new@acme.test").await.link("/verify-email/");
        eve.post(&second, &[]).await.assert_status(303);
        ada.post(&first, &[]).await.assert_status(410);
        assert_eq!(app.count("select count(*) from users where email_key = 'new@acme.test'").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn emails_to_a_new_address_are_rate_limited() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        for _ in 0..5 {
            ada.post("/me/email", &[("email", "stranger@x.test")]).await.assert_status(303);
        }
        ada.post("/me/email", &[("email", "Stranger@x.test")]).await.assert_status(429);
        assert_eq!(app.emails("stranger@x.test").await.len(), 5);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_the_other_sessions() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let other = app.second_browser(&ada).await;
        let weak = ada.post("/me/security", &[("new_password", "password1")]).await.assert_status(422);
        assert!(weak.text().contains("too easy to guess"));
        other.get("/me").await.assert_status(200);
        app.advance(Duration::from_secs(700));
        let new_password = "several unrelated words instead";
        ada.post("/me/security", &[("new_password", new_password)])
            .await
            .assert_status(422)
            .assert_contains("Enter your password");
        let form = [("new_password", new_password), ("password", PASSWORD)];
        ada.post("/me/security", &form).await.assert_status(303).assert_redirect("/me/security");
        ada.get("/me/security").await.assert_status(200);
        other.get("/me").await.assert_status(303);
        assert!(app.email("ada@acme.test").await.0.subject.to_lowercase().contains("password"));
        app.visitor()
            .post("/sign-in", &[("email", "ada@acme.test"), ("password", PASSWORD)])
            .await
            .assert_status(422);
        app.visitor()
            .post("/sign-in", &[("email", "ada@acme.test"), ("password", new_password)])
            .await
            .assert_status(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_session_is_signed_out_at_once() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let page = ada
            .get("/me/security")
            .await
            .assert_status(200)
            .assert_contains("This browser")
            .assert_contains("127.0.0.1");
        assert!(!page.body.contains("/me/sessions/"), "nothing to end");
        let other = app.second_browser(&ada).await;
        let path = ada
            .get("/me/security")
            .await
            .assert_status(200)
            .attr_of("form[action^='/me/sessions/']", "action");
        let eve = app.user("Eve", "eve@acme.test").await;
        eve.post(&path, &[]).await.assert_status(404);
        other.get("/me").await.assert_status(200);
        ada.post(&path, &[]).await.assert_status(303).assert_redirect("/me/security");
        other.get("/me").await.assert_status(303);
        ada.post(&path, &[]).await.assert_status(404);

        let (second, third) = (app.second_browser(&ada).await, app.second_browser(&ada).await);
        let response = ada.post("/me/sessions/end-others", &[]).await.assert_status(303);
        assert_eq!(response.toast(), "2 other sessions have ended.");
        for ended in [second, third] {
            ended.get("/me").await.assert_status(303);
        }
        ada.get("/me").await.assert_status(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_profile_lists_pending_invitations() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let eve = app.user("Eve", "eve@acme.test").await;
        bob.get("/me").await.assert_status(200).assert_contains("No invitation waits for bob@acme.test");
        let invite = async || {
            let form = [("emails", "BOB@acme.test"), ("role", "developer"), ("product", "video")];
            ada.post(&format!("/a/{acme}/invitations"), &form).await.assert_status(303);
            let page = bob
                .get("/me")
                .await
                .assert_status(200)
                .assert_contains("Ada (ada@acme.test) invites you")
                .assert_contains("Video developer");
            let from = page.body.find("/me/invitations/").unwrap();
            page.body[from..].split("/accept").next().unwrap().split("/decline").next().unwrap().to_owned()
        };
        let first = invite().await;
        eve.post(&format!("{first}/accept"), &[]).await.assert_status(404);
        eve.post(&format!("{first}/decline"), &[]).await.assert_status(404);
        bob.post(&format!("{first}/decline"), &[]).await.assert_status(303).assert_redirect("/me");
        let late = bob.post(&format!("{first}/accept"), &[]).await.assert_status(303).assert_redirect("/me");
        assert!(late.toast().contains("was answered"), "{}", late.toast());
        bob.get(&format!("/a/{acme}/overview")).await.assert_status(404);

        let second = invite().await;
        bob.post(&format!("{second}/accept"), &[])
            .await
            .assert_status(303)
            .assert_redirect(&format!("/a/{acme}/overview"));
        bob.get(&format!("/a/{acme}/overview"))
            .await
            .assert_status(200)
            .assert_contains("You joined Acme.")
            .assert_contains("Video developer");
        bob.get("/me").await.assert_status(200).assert_contains("Video developer of this organization");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn choosing_a_theme_is_remembered_and_returns_to_the_page() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let form = ("content-type", "application/x-www-form-urlencoded");
        for (from, to) in [
            (format!("{BASE}/a/ada/overview?x=1"), "/a/ada/overview?x=1"),
            ("https://evil.test/me".into(), "/me"),
            (format!("{BASE}.evil.test/a/ada/overview"), "/me"),
            (format!("{BASE}//evil.test"), "/me"),
            (String::new(), "/me"),
        ] {
            let fields = [form, ("sec-fetch-site", "same-origin"), ("referer", from.as_str())];
            let response = ada
                .send(Method::POST, "/me/theme", &fields, Body::from("theme=dark"))
                .await
                .assert_status(303)
                .assert_redirect(to);
            assert!(
                !response.header("set-cookie").contains("HttpOnly"),
                "the script must be able to read the theme"
            );
        }
        assert_eq!(ada.cookie("theme").as_deref(), Some("dark"));
        assert!(ada.get("/me").await.assert_status(200).body.contains("data-theme=\"dark\""));
        ada.post("/me/theme", &[("theme", "\"><script>")]).await.assert_status(303);
        assert_eq!(ada.cookie("theme").as_deref(), Some("system"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_can_be_deleted_once_they_own_nothing() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada+x@acme.test").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        app.add_member(&ada, &acme, &bob, &["member"]).await;
        let key = app.api_key(&acme, &bob).await;
        ada.get("/me/delete")
            .await
            .assert_status(200)
            .assert_contains("You own what other people use")
            .assert_contains("Acme");
        ada.post("/me/delete", &[("confirm", "ada+x@acme.test")])
            .await
            .assert_status(409)
            .assert_contains("You own Acme");

        let page =
            bob.get("/me/delete").await.assert_status(200).assert_contains("Type bob@acme.test to confirm");
        assert!(page.body.contains(r#"pattern="bob@acme\.test""#), "{}", page.body);
        bob.post("/me/delete", &[("confirm", "bob")])
            .await
            .assert_status(422)
            .assert_contains("Type bob@acme.test to delete");
        app.advance(Duration::from_secs(700));
        bob.post("/me/delete", &[("confirm", "bob@acme.test")])
            .await
            .assert_status(422)
            .assert_contains("Enter your password");
        let form = [("confirm", "Bob@acme.test"), ("password", PASSWORD)];
        bob.post("/me/delete", &form).await.assert_status(303).assert_redirect("/sign-in");
        bob.get("/me").await.assert_status(303);
        key.get(&format!("/api/v1/accounts/{acme}/members")).await.assert_status(401);
        assert_eq!(app.count("select count(*) from users where email_key = 'bob@acme.test'").await, 0);
        assert_eq!(app.count("select member_count from accounts where slug = 'acme'").await, 1);
        ada.get(&format!("/a/{acme}/members")).await.assert_status(200).assert_not_contains("bob@acme.test");
        ada.get(&format!("/a/{acme}/overview"))
            .await
            .assert_status(200)
            .assert_contains("bob@acme.test left");
    })
    .await;
}
