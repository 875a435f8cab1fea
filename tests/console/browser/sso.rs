//! Single sign-on in a browser, through a real provider: Ada connects it, tests it, a new member comes, an old one is linked,
//! it is rehearsed and enforced, and she breaks the glass.
use super::driver::{Browser, Theme};
use crate::harness::{House, PASSWORD, Provider, each_served};
use serde_json::json;

async fn sign_in(house: &House, email: &str) -> Browser {
    let browser = Browser::open(Theme::Light, 1440).await;
    browser.goto(&house.url("/sign-in?own=1")).await;
    browser.fill("E-mail", email).await;
    browser.fill("Password", PASSWORD).await;
    browser.click("Sign in").await;
    browser.wait_for("Overview").await;
    browser
}

/// On the provider's own page.
async fn at_provider(browser: &Browser, name: &str) {
    browser.wait_for("Acme Identity").await;
    browser.fill("Name", name).await;
    browser.click("Sign in").await;
}

async fn connect(house: &House, provider: &Provider, ada: &Browser) {
    ada.goto(&house.url("/a/acme/sso")).await;
    ada.fill("Issuer", &provider.issuer).await;
    ada.fill("Client ID", "guildhall").await;
    ada.fill("Client secret", "a secret").await;
    ada.select("Role 1", "Member").await;
    ada.click("Save connection").await;
    ada.wait_for("Connection saved.").await;
    house.vouch("acme", "acme.test").await;
    ada.click("Test connection").await;
    at_provider(ada, "ada@acme.test").await;
    ada.wait_for("The connection works.").await;
    ada.wait_for("Tested by Ada Byron").await;
}

async fn come(house: &House) -> Browser {
    let cy = Browser::open(Theme::Dark, 390).await;
    cy.goto(&house.url("/sign-in")).await;
    cy.fill("E-mail", "cy@acme.test").await;
    cy.click("Continue").await;
    cy.wait_for("uses single sign-on").await;
    cy.click("Continue with Acme SSO").await;
    at_provider(&cy, "cy@acme.test").await;
    cy.wait_for("Your access").await;
    assert!(cy.url().await.ends_with("/a/acme/overview"));
    cy.goto(&house.url("/me/security")).await;
    cy.wait_for("needs your own sign-in").await;
    cy
}

async fn enforce(house: &House, ada: &Browser, bob: &Browser) {
    ada.goto(&house.url("/a/acme/sso/domains")).await;
    ada.wait_for("would be locked out").await;
    ada.wait_for("bob@acme.test").await;
    ada.click("Enforce").await;
    ada.wait_for("demands its single sign-on").await;
    // The owner's way in, while the provider is away.
    // The provider knows her since the test of the connection.
    ada.click("Continue with Acme SSO").await;
    ada.wait_for("Is this you?").await;
    ada.click("Link and continue").await;
    ada.wait_for("Stop enforcing").await;

    bob.goto(&house.url("/a/acme/resources")).await;
    bob.wait_for("demands its single sign-on").await;
    bob.click("Continue with Acme SSO").await;
    at_provider(bob, "bob@acme.test").await;
    bob.wait_for("You are signed in as bob@acme.test").await;
    bob.click("Link and continue").await;
    bob.wait_for("Your user is linked.").await;
    assert!(bob.url().await.ends_with("/a/acme/resources"));
}

#[tokio::test(flavor = "multi_thread")]
async fn acme_comes_through_its_provider() {
    let provider = Provider::start();
    each_served(async |house| {
        provider.client(json!({ "backchannel_logout_uri": house.url("/sso/backchannel") })).await;
        let owner = house.user("Ada Byron", "ada@acme.test").await;
        house.organization(&owner, "Acme").await;
        let other = house.user("Bob Lovelace", "bob@acme.test").await;
        house.join(&owner, "acme", &other, &["developer"]).await;
        let ada = sign_in(house, "ada@acme.test").await;
        let bob = sign_in(house, "bob@acme.test").await;
        connect(house, &provider, &ada).await;
        let cy = come(house).await;
        ada.goto(&house.url("/a/acme/sso/domains")).await;
        ada.click("Make codes").await;
        ada.wait_for("They are shown once").await;
        let code = ada.main().await;
        let code = code.split_whitespace().find(|it| it.len() == 19 && it.matches('-').count() == 3).unwrap().to_owned();
        enforce(house, &ada, &bob).await;

        // Another browser of the owner's, and no provider.
        let away = sign_in_elsewhere(house).await;
        away.goto(&house.url("/sso/acme/break-glass")).await;
        away.fill("Break-glass code", &code).await;
        away.fill("Your password", PASSWORD).await;
        away.click("Enter Acme").await;
        away.wait_for("You are in for an hour.").await;
        for browser in [&ada, &away] {
            assert!(browser.axe().await.is_empty());
        }

        // Signed out there is signed out here: the provider's own server tells ours.
        cy.goto(&format!("{}/session/end", provider.issuer)).await;
        cy.click("Sign out").await;
        for _ in 0..50 {
            if house.count("select count(*) from sso_proofs p join sso_identities i on i.id = p.identity_id where i.email = 'cy@acme.test'").await == 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        cy.goto(&house.url("/a/acme/overview")).await;
        cy.wait_for("Continue").await;
        assert!(cy.url().await.contains("/sign-in?next="));
    })
    .await;
}

/// Acme is closed to her password by now.
async fn sign_in_elsewhere(house: &House) -> Browser {
    let browser = Browser::open(Theme::Light, 1440).await;
    browser.goto(&house.url("/sign-in?own=1&next=/me")).await;
    browser.fill("E-mail", "ada@acme.test").await;
    browser.fill("Password", PASSWORD).await;
    browser.click("Sign in").await;
    browser.wait_for("Profile").await;
    browser
}
