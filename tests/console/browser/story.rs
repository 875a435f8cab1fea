//! The whole story in a browser, with script and without: Ada signs up, opens an organization, invites Bob by mail; he joins, his
//! role changes, the ownership is handed over.
use super::driver::{Browser, Theme};
use crate::harness::{House, each_served};

const HERS: &str = "analytical engines rule the waves";
const HIS: &str = "entirely unrelated words of bob";

async fn sign_up(house: &House, ada: &Browser) {
    ada.goto(&house.url("/sign-up")).await;
    ada.fill("Name", "Ada Byron").await;
    ada.fill("E-mail", "ada@acme.test").await;
    ada.fill("Password", HERS).await;
    ada.click("Create user").await;
    ada.wait_for("Check your mail").await;
    let link = house.letter("ada@acme.test").await.link("/verify-email/");
    ada.goto(&house.url(&link)).await;
    ada.click("Confirm and sign in").await;
    ada.wait_for("Welcome, Ada Byron.").await;
}

async fn tell(house: &House, ada: &Browser, bob: &Browser) {
    sign_up(house, ada).await;
    ada.goto(&house.url("/new/organization")).await;
    ada.fill("Name", "Acme").await;
    ada.click("Create organization").await;
    ada.wait_for("You own this organization").await;
    assert!(ada.url().await.ends_with("/a/acme/overview"));

    ada.goto(&house.url("/a/acme/invitations/new")).await;
    ada.fill("E-mail addresses", "Bob Lovelace <bob@acme.test>, cy@acme").await;
    ada.click("Send invitations").await;
    ada.wait_for("“cy@acme” is not a full address.").await;
    assert!(house.letters("bob@acme.test").await.is_empty());
    ada.goto(&house.url("/a/acme/invitations/new")).await;
    ada.fill("E-mail addresses", "Bob Lovelace <bob@acme.test>").await;
    ada.click("Send invitations").await;
    ada.wait_for("bob@acme.test").await;
    ada.wait_for("Pending").await;

    let link = house.letter("bob@acme.test").await.link("/invitations/");
    bob.goto(&house.url(&link)).await;
    bob.wait_for("Join Acme").await;
    bob.wait_for("Ada Byron").await;
    bob.fill("Name", "Bob Lovelace").await;
    bob.fill("Password", HIS).await;
    bob.click("Accept and join").await;
    bob.wait_for("Acme").await;
    assert!(bob.url().await.ends_with("/a/acme/overview"));
    bob.goto(&house.url("/a/acme/members")).await;
    bob.wait_for("You may not see who belongs to the account").await;

    ada.goto(&house.url("/a/acme/members?q=lovel")).await;
    ada.click_beside("bob@acme.test", "Bob Lovelace").await;
    ada.wait_for("bob@acme.test").await;
    ada.select("Role 1", "Admin").await;
    ada.click("Save roles").await;
    ada.wait_for("Roles saved.").await;
    bob.goto(&house.url("/a/acme/members")).await;
    bob.wait_for("Ada Byron").await;

    ada.goto(&house.url("/a/acme/settings/transfer")).await;
    ada.click("Bob Lovelace bob@acme.test · Admin").await;
    ada.fill("Type acme to confirm", "acme").await;
    ada.click("Offer ownership").await;
    ada.wait_for("who can accept until").await;
    bob.goto(&house.url("/a/acme/settings")).await;
    bob.wait_for("offers you the ownership of Acme").await;
    bob.click("Accept ownership").await;
    bob.wait_for("You are now the owner of Acme").await;
    bob.goto(&house.url("/a/acme/overview")).await;
    bob.wait_for("You own this organization").await;
    assert!(house.letter("ada@acme.test").await.0.subject.contains("Bob Lovelace is now the owner"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ada_hands_over_to_bob() {
    each_served(async |house| {
        let ada = Browser::open(Theme::Light, 1440).await;
        let bob = Browser::open(Theme::Dark, 390).await;
        tell(house, &ada, &bob).await;
        let errors = ada.console_errors().await;
        let odd: Vec<&String> = errors.iter().filter(|it| !it.contains("422")).collect();
        assert!(odd.is_empty(), "{odd:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_without_script() {
    each_served(async |house| {
        let ada = Browser::without_script(Theme::Light, 1440).await;
        let bob = Browser::without_script(Theme::Light, 390).await;
        tell(house, &ada, &bob).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_reaches_what_the_mouse_does() {
    each_served(async |house| {
        let ada = Browser::open(Theme::Light, 1440).await;
        sign_up(house, &ada).await;
        ada.press("Control+k").await;
        ada.wait_for("Go to").await;
        ada.press("Escape").await;
        ada.goto(&house.url("/new/organization")).await;
        ada.fill("Name", "Acme").await;
        ada.press("Enter").await;
        ada.wait_for("You own this organization").await;
        ada.goto(&house.url("/a/acme/members")).await;
        ada.press("/").await;
        assert_eq!(ada.focused().await, "Search members");
    })
    .await;
}
