//! Single sign-on in a browser, through a real provider: Ada connects and tests it, a new member signs in, an existing
//! one is linked, it is enforced, and she uses a break-glass code.
use super::driver::{Browser, Theme};
use crate::harness::{PASSWORD, Provider, TestApp, on_each_db_served, scaled};
use serde_json::json;

async fn sign_in(app: &TestApp, email: &str) -> Browser {
    let browser = Browser::open(Theme::Light, 1440).await;
    browser.goto(&app.url("/sign-in?own=1")).await;
    browser.fill("E-mail", email).await;
    browser.fill("Password", PASSWORD).await;
    browser.click("Sign in").await;
    browser.wait_for("Overview").await;
    browser
}

/// Signs in on the page of the provider.
async fn at_provider(browser: &Browser, name: &str) {
    browser.wait_for("Acme Identity").await;
    browser.fill("Name", name).await;
    browser.click("Sign in").await;
}

async fn connect(app: &TestApp, provider: &Provider, ada: &Browser) {
    ada.goto(&app.url("/a/acme/sso")).await;
    ada.fill("Issuer", &provider.issuer).await;
    ada.fill("Client ID", "guildhall").await;
    ada.fill("Client secret", "a secret").await;
    ada.select("Role 1", "Member").await;
    ada.click("Save connection").await;
    ada.wait_for("Connection saved.").await;
    app.approve_domain("acme", "acme.test").await;
    ada.click("Test connection").await;
    at_provider(ada, "ada@acme.test").await;
    ada.wait_for("The connection works.").await;
    ada.wait_for("Tested by Ada Byron").await;
}

async fn sign_in_as_new_member(app: &TestApp) -> Browser {
    let cy = Browser::open(Theme::Dark, 390).await;
    cy.goto(&app.url("/sign-in")).await;
    cy.fill("E-mail", "cy@acme.test").await;
    cy.click("Continue").await;
    cy.wait_for("uses single sign-on").await;
    cy.click("Continue with Acme SSO").await;
    at_provider(&cy, "cy@acme.test").await;
    cy.wait_for("Your access").await;
    assert!(cy.url().await.ends_with("/a/acme/overview"));
    cy.goto(&app.url("/me/security")).await;
    cy.wait_for("needs your own sign-in").await;
    cy
}

async fn enforce(app: &TestApp, ada: &Browser, bob: &Browser) {
    ada.goto(&app.url("/a/acme/sso/domains")).await;
    ada.wait_for("would be locked out").await;
    ada.wait_for("bob@acme.test").await;
    ada.click("Enforce").await;
    ada.wait_for("requires single sign-on").await;
    // The provider still has her session from the test of the connection.
    ada.click("Continue with Acme SSO").await;
    ada.wait_for("Is this you?").await;
    ada.click("Link and continue").await;
    ada.wait_for("Stop enforcing").await;

    bob.goto(&app.url("/a/acme/resources")).await;
    bob.wait_for("requires single sign-on").await;
    bob.click("Continue with Acme SSO").await;
    at_provider(bob, "bob@acme.test").await;
    bob.wait_for("You are signed in as bob@acme.test").await;
    bob.click("Link and continue").await;
    bob.wait_for("Your user is linked.").await;
    assert!(bob.url().await.ends_with("/a/acme/resources"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_moves_to_single_sign_on() {
    let provider = Provider::start();
    on_each_db_served(async |app| {
        provider.set_client(json!({ "backchannel_logout_uri": app.url("/sso/backchannel") })).await;
        let owner = app.user("Ada Byron", "ada@acme.test").await;
        app.organization(&owner, "Acme").await;
        let other = app.user("Bob Lovelace", "bob@acme.test").await;
        app.add_member(&owner, "acme", &other, &["developer"]).await;
        let ada = sign_in(app, "ada@acme.test").await;
        let bob = sign_in(app, "bob@acme.test").await;
        connect(app, &provider, &ada).await;
        let cy = sign_in_as_new_member(app).await;
        ada.goto(&app.url("/a/acme/sso/domains")).await;
        ada.click("Make codes").await;
        ada.wait_for("They are shown once").await;
        let page = ada.main().await;
        let is_code = |word: &&str| word.len() == 19 && word.matches('-').count() == 3;
        let code = page.split_whitespace().find(is_code).unwrap().to_owned();
        enforce(app, &ada, &bob).await;

        // The owner in another browser, without the provider.
        let away = sign_in_without_acme(app).await;
        away.goto(&app.url("/sso/acme/break-glass")).await;
        away.fill("Break-glass code", &code).await;
        away.fill("Your password", PASSWORD).await;
        away.click("Enter Acme").await;
        away.wait_for("You are in for an hour.").await;
        for browser in [&ada, &away] {
            assert!(browser.axe().await.is_empty());
        }

        // Back-channel logout: the provider tells our server that she signed out there.
        cy.goto(&format!("{}/session/end", provider.issuer)).await;
        cy.click("Sign out").await;
        for _ in 0..50 {
            let sql = "select count(*) from sso_proofs p join sso_identities i on i.id = p.identity_id
                where i.email = 'cy@acme.test'";
            if app.count(sql).await == 0 {
                break;
            }
            tokio::time::sleep(scaled(std::time::Duration::from_millis(100))).await;
        }
        cy.goto(&app.url("/a/acme/overview")).await;
        cy.wait_for("Continue").await;
        assert!(cy.url().await.contains("/sign-in?next="));
    })
    .await;
}

/// Signs Ada in by password, which does not open Acme any more.
async fn sign_in_without_acme(app: &TestApp) -> Browser {
    let browser = Browser::open(Theme::Light, 1440).await;
    browser.goto(&app.url("/sign-in?own=1&next=/me")).await;
    browser.fill("E-mail", "ada@acme.test").await;
    browser.fill("Password", PASSWORD).await;
    browser.click("Sign in").await;
    browser.wait_for("Profile").await;
    browser
}
