//! Signing up: confirmation of the address, the first operator, closed sign-up.
use crate::harness::{TestApp, on_each_db, on_each_db_with};
use std::time::Duration;

const ADA: [(&str, &str); 3] =
    [("name", "Ada Byron"), ("email", "ada@acme.test"), ("password", "analytical engines rule the waves")];

async fn operators(app: &TestApp) -> i64 {
    app.count("select count(*) from users where operator").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_user_signs_up_and_becomes_operator() {
    on_each_db(async |app| {
        let ada = app.visitor();
        ada.post("/sign-up", &ADA).await.assert_status(200).assert_contains("Check your mail");
        assert_eq!(app.count("select count(*) from users").await, 0);
        let link = app.email("ada@acme.test").await.link("/verify-email/");
        ada.get(&link)
            .await
            .assert_status(200)
            .assert_contains("Confirm your address")
            .assert_not_contains("New password");
        assert_eq!(app.count("select count(*) from users").await, 0, "a GET changes nothing");
        ada.post(&link, &[]).await.assert_status(303).assert_redirect("/a/ada-byron/overview");
        ada.get("/me").await.assert_status(200);
        assert_eq!(operators(app).await, 1);
        ada.post(&link, &[]).await.assert_status(410);
        ada.get(&link).await.assert_status(410);

        // A known address gets the same page; only the email says so.
        let response =
            app.visitor().post("/sign-up", &ADA).await.assert_status(200).assert_contains("Check your mail");
        assert!(response.body.contains("ada@acme.test"));
        assert!(app.email("ada@acme.test").await.0.text.contains("already"));
        assert_eq!(app.count("select count(*) from sign_ups").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_another_browser_asks_for_a_password() {
    on_each_db(async |app| {
        // Mallory signs up with Ada's address and a password of her own.
        app.visitor().post("/sign-up", &ADA).await.assert_status(200);
        let link = app.email("ada@acme.test").await.link("/verify-email/");
        let ada = app.visitor();
        ada.get(&link).await.assert_status(200).assert_contains("New password");
        ada.post(&link, &[]).await.assert_status(422).assert_contains("Choose a password");
        ada.post(&link, &[("password", "password1")]).await.assert_status(422);
        ada.post(&link, &[("password", "a different phrase of hers")]).await.assert_status(303);
        let mallory = [("email", "ada@acme.test"), ("password", ADA[2].1)];
        app.visitor().post("/sign-in", &mallory).await.assert_status(422);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_confirmed_sign_up_discards_the_others() {
    on_each_db(async |app| {
        let (one, two) = (app.visitor(), app.visitor());
        one.post("/sign-up", &ADA).await.assert_status(200);
        let first = app.email("ada@acme.test").await.link("/verify-email/");
        two.post("/sign-up", &ADA).await.assert_status(200);
        let second = app.email("ada@acme.test").await.link("/verify-email/");
        two.post(&second, &[]).await.assert_status(303);
        one.get(&first).await.assert_status(410);
        one.post(&first, &[]).await.assert_status(410);
        assert_eq!(app.count("select count(*) from users").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_concurrent_first_sign_ups_becomes_operator() {
    on_each_db(async |app| {
        let mut links = vec![];
        for n in 0..8 {
            let email = format!("u{n}@acme.test");
            let visitor = app.visitor();
            let form = [("name", "User"), ("email", email.as_str()), ADA[2]];
            visitor.post("/sign-up", &form).await.assert_status(200);
            links.push((visitor, app.email(&email).await.link("/verify-email/")));
        }
        let all = links.iter().map(|(visitor, link)| visitor.post(link, &[]));
        for response in futures_util::future::join_all(all).await {
            response.assert_status(303);
        }
        assert_eq!(operators(app).await, 1);
        assert_eq!(app.count("select count(*) from users").await, 8);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unconfirmed_sign_up_expires() {
    on_each_db(async |app| {
        let ada = app.visitor();
        ada.post("/sign-up", &ADA).await.assert_status(200);
        let link = app.email("ada@acme.test").await.link("/verify-email/");
        app.advance(Duration::from_secs(2 * 86_400 + 1));
        ada.post(&link, &[]).await.assert_status(410);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_shown_and_input_is_kept() {
    on_each_db(async |app| {
        let ada = app.visitor();
        let long = "x".repeat(101);
        for (field, value, message) in [
            ("name", "", "Enter a name"),
            ("name", long.as_str(), "at most 100 characters"),
            ("name", "\u{202e}evil", "no control characters"),
            ("email", "ada", "not a full address"),
            ("email", "", "Enter an e-mail address"),
            ("password", "acme", "too easy"),
            ("password", "", "Choose a password"),
            ("password", long.repeat(2).as_str(), "at most 128"),
        ] {
            let form: Vec<_> = ADA
                .iter()
                .map(|(name, typed)| (*name, if *name == field { value } else { *typed }))
                .collect();
            let response = ada.post("/sign-up", &form).await.assert_status(422).assert_contains(message);
            let kept = if field == "email" { "Ada Byron" } else { "ada@acme.test" };
            assert!(response.body.contains(&format!("value=\"{kept}\"")), "{field} {value}");
            assert!(!response.body.contains(ADA[2].1), "a password is never sent back");
        }
        ada.post("/sign-up", &[("name", "a\0b"), ADA[1], ADA[2]]).await.assert_status(422);
        assert!(app.emails("ada@acme.test").await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_closed_sign_up_only_the_first_user_can_sign_up() {
    on_each_db_with(
        |rules| rules.open_sign_up = false,
        async |app| {
            let ada = app.visitor();
            ada.post("/sign-up", &ADA).await.assert_status(200);
            let link = app.email("ada@acme.test").await.link("/verify-email/");
            ada.post(&link, &[]).await.assert_status(303);
            app.visitor().get("/sign-up").await.assert_status(403).assert_contains("by invitation");
            let bob = [("name", "Bob"), ("email", "bob@acme.test"), ADA[2]];
            app.visitor().post("/sign-up", &bob).await.assert_status(403);
            assert!(app.emails("bob@acme.test").await.is_empty());
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn off_loopback_only_the_setup_link_makes_an_operator() {
    use guildhall::{crypto::secrets::hash, store::users};
    on_each_db_with(
        |rules| rules.loopback = false,
        async |app| {
            app.as_system(async |change| users::set_setup(change, &hash("printed")).await.unwrap()).await;
            let stranger = app.visitor();
            let form = [("name", "Eve"), ("email", "eve@acme.test"), ADA[2], ("setup", "guessed")];
            stranger.post("/sign-up", &form).await.assert_status(200);
            let link = app.email("eve@acme.test").await.link("/verify-email/");
            stranger.post(&link, &[]).await.assert_status(303);
            assert_eq!(operators(app).await, 0);

            let ada = app.visitor();
            ada.post("/sign-up", &[ADA[0], ADA[1], ADA[2], ("setup", "printed")]).await.assert_status(200);
            let link = app.email("ada@acme.test").await.link("/verify-email/");
            ada.post(&link, &[]).await.assert_status(303);
            assert_eq!(operators(app).await, 1);
        },
    )
    .await;
}
