//! Passkeys and the authenticator app in a browser, with Chromium's virtual authenticator.
use super::{
    driver::{Browser, Theme},
    pages::check_html,
};
use crate::{
    harness::{PASSWORD, TestApp, on_each_db_at_localhost, on_each_db_served},
    two_factor::{Authenticator, set_up},
};
use std::time::Duration;

const ADA: &str = "ada@acme.test";

async fn sign_in(app: &TestApp, browser: &Browser) {
    browser.goto(&app.url("/sign-in?own=1")).await;
    browser.fill("E-mail", ADA).await;
    browser.fill("Password", PASSWORD).await;
    browser.click("Sign in").await;
}

async fn sign_out(app: &TestApp, browser: &Browser) {
    browser.delete_cookie("guildhall").await;
    browser.goto(&app.url("/sign-in")).await;
    browser.wait_for("Welcome back.").await;
}

async fn assert_no_faults(browser: &Browser) {
    let mut faults = browser.axe().await;
    faults.extend(browser.console_errors().await.into_iter().filter(|error| !error.contains("422")));
    let overflow = browser.overflow().await;
    assert!(faults.is_empty() && overflow == 0, "{}: {overflow} px, {faults:?}", browser.url().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_signs_in_is_a_second_factor_and_reauthenticates() {
    on_each_db_at_localhost(async |app| {
        app.user("Ada Byron", ADA).await;
        let ada = Browser::open(Theme::Dark, 1440).await;
        let device = ada.add_authenticator().await;
        sign_in(app, &ada).await;
        ada.wait_for("Your access").await;

        ada.goto(&app.url("/me/security")).await;
        ada.click("Add passkey").await;
        ada.fill("Name", "Phone").await;
        assert_no_faults(&ada).await;
        ada.click("Create passkey").await;
        ada.wait_for("Keep these recovery codes").await;
        assert_no_faults(&ada).await;
        ada.click("I have saved them").await;
        ada.wait_for("10 of 10 left").await;
        assert_no_faults(&ada).await;
        assert!(app.email(ADA).await.0.subject.starts_with("A passkey was added"));
        // A device holds one passkey per user.
        ada.goto(&app.url("/me/security/passkeys/new")).await;
        ada.fill("Name", "Again").await;
        ada.click("Create passkey").await;
        ada.wait_for("has a passkey for you here already").await;

        // Sign in without typing anything.
        sign_out(app, &ada).await;
        assert_no_faults(&ada).await;
        ada.click("Sign in with a passkey").await;
        ada.wait_for("Your access").await;
        ada.goto(&app.url("/me/security")).await;
        ada.wait_for("by passkey").await;

        // A second factor: the password alone is not enough.
        sign_out(app, &ada).await;
        sign_in(app, &ada).await;
        ada.wait_for("One more step").await;
        assert_no_faults(&ada).await;
        ada.click("Use a passkey").await;
        ada.wait_for("Your access").await;

        // Reauthentication fails while the device does not verify its user.
        app.advance(Duration::from_secs(700));
        ada.goto(&app.url("/me/security/recovery-codes")).await;
        ada.set_user_verified(&device, false).await;
        ada.click("Use a passkey").await;
        ada.wait_for("That was cancelled, or took too long").await;
        ada.set_user_verified(&device, true).await;
        ada.click("Use a passkey").await;
        ada.wait_for("Keep these recovery codes").await;

        // Without a password it is the only way to sign in, so it cannot be removed.
        ada.goto(&app.url("/me/security/password")).await;
        ada.click("Remove password").await;
        ada.wait_for("None: you sign in another way").await;
        ada.click("Change passkey Phone").await;
        ada.wait_for("your only way in").await;
        assert_no_faults(&ada).await;
        ada.fill("Name", "Pocket").await;
        ada.click("Save").await;
        ada.wait_for("Pocket").await;
        sign_out(app, &ada).await;
        ada.click("Sign in with a passkey").await;
        ada.wait_for("Your access").await;

        // With a password again it can be removed, and does not sign in any more.
        ada.goto(&app.url("/me/security/password")).await;
        ada.fill("New password", "several unrelated words instead").await;
        ada.click("Set password").await;
        ada.wait_for("Your password is changed.").await;
        ada.click("Change passkey Pocket").await;
        ada.click("Remove passkey").await;
        ada.wait_for("is removed").await;
        assert_eq!(app.count("select count(*) from recovery_codes").await, 0);
        sign_out(app, &ada).await;
        ada.click("Sign in with a passkey").await;
        ada.wait_for("This passkey is not known here").await;
    })
    .await;
}

async fn use_authenticator(app: &TestApp, ada: &Browser) {
    app.user("Ada Byron", ADA).await;
    sign_in(app, ada).await;
    ada.wait_for("Your access").await;
    ada.goto(&app.url("/me/security/authenticator")).await;
    let authenticator = Authenticator::new(&ada.text_of("secret").await);
    ada.fill("2. Type the code that it shows", "000000").await;
    ada.click("Confirm").await;
    ada.wait_for("This code is not right").await;
    ada.fill("2. Type the code that it shows", &authenticator.code(app)).await;
    ada.click("Confirm").await;
    ada.wait_for("Keep these recovery codes").await;
    ada.click("I have saved them").await;
    ada.wait_for("On since").await;
    sign_out(app, ada).await;
    sign_in(app, ada).await;
    ada.wait_for("One more step").await;
    app.advance(Duration::from_secs(30));
    ada.fill("Code", &authenticator.code(app)).await;
    ada.click("Continue").await;
    ada.wait_for("Your access").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authenticator_app_works_with_javascript_and_without() {
    on_each_db_served(async |app| use_authenticator(app, &Browser::open(Theme::Light, 390).await).await)
        .await;
    on_each_db_served(async |app| {
        use_authenticator(app, &Browser::without_script(Theme::Light, 1440).await).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_second_factors_are_valid_html() {
    on_each_db_at_localhost(async |app| {
        let ada = app.user("Ada", ADA).await;
        set_up(app, &ada).await;
        let dir = tempfile::tempdir().unwrap();
        let mut pages =
            vec![ada.get("/me/security").await, ada.get("/me/security/authenticator/remove").await];
        pages.push(ada.post("/me/security/recovery-codes", &[]).await);
        app.advance(Duration::from_secs(700));
        pages.push(ada.get("/me/security/passkeys/new").await);
        let pending = app.visitor();
        pending.post("/sign-in", &[("email", ADA), ("password", PASSWORD)]).await.assert_status(303);
        pages.push(pending.post("/sign-in/second", &[("code", "1")]).await);
        for (at, response) in pages.iter().enumerate() {
            std::fs::write(dir.path().join(format!("{at}.html")), &response.body).unwrap();
        }
        let errors = check_html(dir.path());
        assert!(errors.is_empty(), "{errors}");
    })
    .await;
}
