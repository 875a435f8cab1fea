//! The main journey in a browser, with JavaScript and without: Ada signs up, creates an organization and invites Bob;
//! he joins, his role changes, and he becomes the owner.
use super::driver::{Browser, Theme};
use crate::harness::{TestApp, on_each_db_served};

const ADAS_PASSWORD: &str = "analytical engines rule the waves";
const BOBS_PASSWORD: &str = "entirely unrelated words of bob";

async fn sign_up(app: &TestApp, ada: &Browser) {
    ada.goto(&app.url("/sign-up")).await;
    ada.fill("Name", "Ada Byron").await;
    ada.fill("E-mail", "ada@acme.test").await;
    ada.fill("Password", ADAS_PASSWORD).await;
    ada.click("Create user").await;
    ada.wait_for("Check your mail").await;
    let link = app.email("ada@acme.test").await.link("/verify-email/");
    ada.goto(&app.url(&link)).await;
    ada.click("Confirm and sign in").await;
    ada.wait_for("Welcome, Ada Byron.").await;
}

async fn create_organization_and_invite(app: &TestApp, ada: &Browser) {
    ada.goto(&app.url("/new/organization")).await;
    ada.fill("Name", "Acme").await;
    ada.click("Create organization").await;
    ada.wait_for("You own this organization").await;
    assert!(ada.url().await.ends_with("/a/acme/overview"));

    ada.goto(&app.url("/a/acme/invitations/new")).await;
    ada.fill("E-mail addresses", "Bob Lovelace <bob@acme.test>, cy@acme").await;
    ada.click("Send invitations").await;
    ada.wait_for("“cy@acme” is not a full address.").await;
    assert!(app.emails("bob@acme.test").await.is_empty());
    ada.goto(&app.url("/a/acme/invitations/new")).await;
    ada.fill("E-mail addresses", "Bob Lovelace <bob@acme.test>").await;
    ada.click("Send invitations").await;
    ada.wait_for("bob@acme.test").await;
    ada.wait_for("Pending").await;
}

async fn accept_invitation(app: &TestApp, bob: &Browser) {
    let link = app.email("bob@acme.test").await.link("/invitations/");
    bob.goto(&app.url(&link)).await;
    bob.wait_for("Join Acme").await;
    bob.wait_for("Ada Byron").await;
    bob.fill("Name", "Bob Lovelace").await;
    bob.fill("Password", BOBS_PASSWORD).await;
    bob.click("Accept and join").await;
    bob.wait_for("Acme").await;
    assert!(bob.url().await.ends_with("/a/acme/overview"));
    bob.goto(&app.url("/a/acme/members")).await;
    bob.wait_for("You may not see who belongs to the account").await;
}

async fn change_role(app: &TestApp, ada: &Browser, bob: &Browser) {
    ada.goto(&app.url("/a/acme/members?q=lovel")).await;
    ada.click_beside("bob@acme.test", "Bob Lovelace").await;
    ada.wait_for("bob@acme.test").await;
    ada.select("Role 1", "Admin").await;
    ada.click("Save roles").await;
    ada.wait_for("Roles saved.").await;
    bob.goto(&app.url("/a/acme/members")).await;
    bob.wait_for("Ada Byron").await;
}

async fn hand_over(app: &TestApp, ada: &Browser, bob: &Browser) {
    ada.goto(&app.url("/a/acme/settings/transfer")).await;
    ada.click("Bob Lovelace bob@acme.test · Admin").await;
    ada.fill("Type acme to confirm", "acme").await;
    ada.click("Offer ownership").await;
    ada.wait_for("who can accept until").await;
    bob.goto(&app.url("/a/acme/settings")).await;
    bob.wait_for("offers you the ownership of Acme").await;
    bob.click("Accept ownership").await;
    bob.wait_for("You are now the owner of Acme").await;
    bob.goto(&app.url("/a/acme/overview")).await;
    bob.wait_for("You own this organization").await;
    assert!(app.email("ada@acme.test").await.0.subject.contains("Bob Lovelace is now the owner"));
}

async fn run(app: &TestApp, ada: &Browser, bob: &Browser) {
    sign_up(app, ada).await;
    create_organization_and_invite(app, ada).await;
    accept_invitation(app, bob).await;
    change_role(app, ada, bob).await;
    hand_over(app, ada, bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_is_created_and_handed_over() {
    on_each_db_served(async |app| {
        let ada = Browser::open(Theme::Light, 1440).await;
        let bob = Browser::open(Theme::Dark, 390).await;
        run(app, &ada, &bob).await;
        let errors = ada.console_errors().await;
        // The browser reports each refused form as an error.
        let unexpected: Vec<&String> = errors.iter().filter(|error| !error.contains("422")).collect();
        assert!(unexpected.is_empty(), "{unexpected:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journey_works_without_javascript() {
    on_each_db_served(async |app| {
        let ada = Browser::without_script(Theme::Light, 1440).await;
        let bob = Browser::without_script(Theme::Light, 390).await;
        run(app, &ada, &bob).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_is_enough() {
    on_each_db_served(async |app| {
        let ada = Browser::open(Theme::Light, 1440).await;
        sign_up(app, &ada).await;
        ada.press("Control+k").await;
        ada.wait_for("Go to").await;
        ada.press("Escape").await;
        ada.goto(&app.url("/new/organization")).await;
        ada.fill("Name", "Acme").await;
        ada.press("Enter").await;
        ada.wait_for("You own this organization").await;
        ada.goto(&app.url("/a/acme/members")).await;
        ada.press("/").await;
        assert_eq!(ada.focused().await, "Search members");
    })
    .await;
}
