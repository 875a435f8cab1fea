//! Passkeys and the authenticator app in a browser, with Chromium's virtual authenticator.
use super::{
    driver::{Browser, Theme},
    pages::check_html,
};
use crate::{
    factors::{App, set_up},
    harness::{House, PASSWORD, each_served, each_served_by_name},
};
use std::time::Duration;

const ADA: &str = "ada@acme.test";

async fn sign_in(house: &House, browser: &Browser) {
    browser.goto(&house.url("/sign-in?own=1")).await;
    browser.fill("E-mail", ADA).await;
    browser.fill("Password", PASSWORD).await;
    browser.click("Sign in").await;
}

async fn sign_out(house: &House, browser: &Browser) {
    browser.forget("guildhall").await;
    browser.goto(&house.url("/sign-in")).await;
    browser.wait_for("Welcome back.").await;
}

async fn is_sound(browser: &Browser) {
    let mut wrong = browser.axe().await;
    wrong.extend(browser.console_errors().await.into_iter().filter(|it| !it.contains("422")));
    let over = browser.overflow().await;
    assert!(wrong.is_empty() && over == 0, "{}: {over} px, {wrong:?}", browser.url().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_a_way_in_a_second_factor_and_a_proof() {
    each_served_by_name(async |house| {
        house.user("Ada Byron", ADA).await;
        let ada = Browser::open(Theme::Dark, 1440).await;
        let device = ada.plug_in_authenticator().await;
        sign_in(house, &ada).await;
        ada.wait_for("Your access").await;

        ada.goto(&house.url("/me/security")).await;
        ada.click("Add passkey").await;
        ada.fill("Name", "Phone").await;
        is_sound(&ada).await;
        ada.click("Create passkey").await;
        ada.wait_for("Keep these recovery codes").await;
        is_sound(&ada).await;
        ada.click("I have saved them").await;
        ada.wait_for("10 of 10 left").await;
        is_sound(&ada).await;
        assert!(house.letter(ADA).await.0.subject.starts_with("A passkey was added"));
        // The same device holds one a user.
        ada.goto(&house.url("/me/security/passkeys/new")).await;
        ada.fill("Name", "Again").await;
        ada.click("Create passkey").await;
        ada.wait_for("has a passkey for you here already").await;

        // A way in: nothing is typed.
        sign_out(house, &ada).await;
        is_sound(&ada).await;
        ada.click("Sign in with a passkey").await;
        ada.wait_for("Your access").await;
        ada.goto(&house.url("/me/security")).await;
        ada.wait_for("by passkey").await;

        // A second factor: the password alone opens nothing.
        sign_out(house, &ada).await;
        sign_in(house, &ada).await;
        ada.wait_for("One more step").await;
        is_sound(&ada).await;
        ada.click("Use a passkey").await;
        ada.wait_for("Your access").await;

        // A proof: what is behind it stays closed to whoever the device does not recognise.
        house.later(Duration::from_secs(700));
        ada.goto(&house.url("/me/security/recovery-codes")).await;
        ada.recognise(&device, false).await;
        ada.click("Use a passkey").await;
        ada.wait_for("That was cancelled, or took too long").await;
        ada.recognise(&device, true).await;
        ada.click("Use a passkey").await;
        ada.wait_for("Keep these recovery codes").await;

        // Without a password, it is the only way in, and stays.
        ada.goto(&house.url("/me/security/password")).await;
        ada.click("Remove password").await;
        ada.wait_for("None: you sign in another way").await;
        ada.click("Change passkey Phone").await;
        ada.wait_for("your only way in").await;
        is_sound(&ada).await;
        ada.fill("Name", "Pocket").await;
        ada.click("Save").await;
        ada.wait_for("Pocket").await;
        sign_out(house, &ada).await;
        ada.click("Sign in with a passkey").await;
        ada.wait_for("Your access").await;

        // With a password again, it can go; then it opens nothing.
        ada.goto(&house.url("/me/security/password")).await;
        ada.fill("New password", "several unrelated words instead").await;
        ada.click("Set password").await;
        ada.wait_for("Your password is changed.").await;
        ada.click("Change passkey Pocket").await;
        ada.click("Remove passkey").await;
        ada.wait_for("is removed").await;
        assert_eq!(house.count("select count(*) from recovery_codes").await, 0);
        sign_out(house, &ada).await;
        ada.click("Sign in with a passkey").await;
        ada.wait_for("This passkey is not known here").await;
    })
    .await;
}

async fn by_app(house: &House, ada: &Browser) {
    house.user("Ada Byron", ADA).await;
    sign_in(house, ada).await;
    ada.wait_for("Your access").await;
    ada.goto(&house.url("/me/security/authenticator")).await;
    let app = App::reads(&format!("id=\"secret\">{}<", ada.text_of("secret").await));
    ada.fill("2. Type the code that it shows", "000000").await;
    ada.click("Confirm").await;
    ada.wait_for("This code is not right").await;
    ada.fill("2. Type the code that it shows", &app.code(house)).await;
    ada.click("Confirm").await;
    ada.wait_for("Keep these recovery codes").await;
    ada.click("I have saved them").await;
    ada.wait_for("On since").await;
    sign_out(house, ada).await;
    sign_in(house, ada).await;
    ada.wait_for("One more step").await;
    house.later(Duration::from_secs(30));
    ada.fill("Code", &app.code(house)).await;
    ada.click("Continue").await;
    ada.wait_for("Your access").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authenticator_app_is_asked_for_with_script_and_without() {
    each_served(async |house| by_app(house, &Browser::open(Theme::Light, 390).await).await).await;
    each_served(async |house| by_app(house, &Browser::without_script(Theme::Light, 1440).await).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_behind_a_factor_are_valid() {
    each_served_by_name(async |house| {
        let ada = house.user("Ada", ADA).await;
        set_up(house, &ada).await;
        let dir = tempfile::tempdir().unwrap();
        let mut pages =
            vec![ada.get("/me/security").await, ada.get("/me/security/authenticator/remove").await];
        pages.push(ada.post("/me/security/recovery-codes", &[]).await);
        house.later(Duration::from_secs(700));
        pages.push(ada.get("/me/security/passkeys/new").await);
        let half = house.visitor();
        half.post("/sign-in", &[("email", ADA), ("password", PASSWORD)]).await.is(303);
        pages.push(half.post("/sign-in/second", &[("code", "1")]).await);
        for (at, said) in pages.iter().enumerate() {
            std::fs::write(dir.path().join(format!("{at}.html")), &said.body).unwrap();
        }
        let wrong = check_html(dir.path());
        assert!(wrong.is_empty(), "{wrong}");
    })
    .await;
}
