//! A user with neither password nor app nor passkey reauthenticates at the provider, and returns to the page.
use super::callback;
use crate::harness::{Provider, TestUser, on_each_db, on_each_db_with};
use serde_json::json;
use std::time::Duration;

/// Longer than a sign-in counts as recent.
const STALE: Duration = Duration::from_secs(700);

/// Reauthenticates by the link that a page offers.
async fn reauthenticate(google: &Provider, user: &TestUser, path: &str) {
    let go = format!("/auth/google?fresh=1&next={path}");
    let page = user
        .get(path)
        .await
        .assert_status(200)
        .assert_contains("Sign in again: you come back")
        .assert_not_contains("Your password");
    assert!(
        page.select("a[href]").iter().any(|link| link.attr("href").contains(&go)),
        "no link to {go}:\n{}",
        page.body
    );
    let callback_path = callback(google, user, &go, "ada@acme.test").await;
    user.get(&callback_path).await.assert_status(303).assert_redirect(path);
    user.get(path).await.assert_status(200).assert_not_contains("Sign in again: you come back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_google_alone_reauthenticates_there() {
    let (google, provider) = (Provider::start(), Provider::start());
    on_each_db_with(google.as_google(), async |app| {
        google.set_user("ada@acme.test", json!({ "sub": "g-1", "name": "Ada Byron" })).await;
        let ada = app.visitor();
        let callback_path = callback(&google, &ada, "/auth/google", "ada@acme.test").await;
        ada.get(&callback_path).await.assert_status(303);
        ada.post("/new/organization", &[("name", "Acme")]).await.assert_status(303);
        provider.connect(app, &ada, "acme", "acme.test").await;
        let codes = crate::sso::codes(&ada.post("/a/acme/sso/codes", &[]).await.assert_status(200));

        let form = [("issuer", provider.issuer.as_str()), ("client_id", "guildhall"), ("role", "member")];
        // While single sign-on is not enforced, other ways to sign in are offered beside it.
        let response = app.visitor().post("/sign-in", &[("email", "bob@acme.test")]).await.assert_status(200);
        response
            .assert_contains("Continue with Acme SSO")
            .assert_contains("Continue with Google")
            .assert_contains("Use a password instead");

        app.advance(STALE);
        ada.post("/a/acme/sso", &form).await.assert_status(422).assert_contains("Sign in again to confirm");
        reauthenticate(&google, &ada, "/a/acme/sso").await;
        ada.post("/a/acme/sso", &form).await.assert_status(303);
        app.advance(STALE);
        ada.post("/a/acme/sso/enforce", &[])
            .await
            .assert_status(422)
            .assert_contains("Sign in again to confirm");
        reauthenticate(&google, &ada, "/a/acme/sso/domains").await;
        ada.post("/a/acme/sso/enforce", &[]).await.assert_status(303);
        ada.get("/a/acme/overview").await.assert_status(403);

        // The break-glass form takes a sign-in of the last ten minutes in place of the password.
        app.advance(Duration::from_secs(601));
        app.raw_sql("update sso_connections set confirm_by = null").await;
        let at = "/sso/acme/break-glass";
        ada.post(at, &[("code", &codes[0])])
            .await
            .assert_status(422)
            .assert_contains("Sign in again to confirm");
        reauthenticate(&google, &ada, at).await;
        ada.post(at, &[("code", "abcd-abcd-abcd-abcd")])
            .await
            .assert_status(422)
            .assert_contains("not right, or was used");
        ada.post(at, &[("code", &codes[0])]).await.assert_status(303).assert_redirect("/a/acme/overview");
        ada.get("/a/acme/overview").await.assert_status(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_sso_alone_reauthenticates_there() {
    let provider = Provider::start();
    on_each_db(async |app| {
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        provider.connect(app, &ada, "acme", "acme.test").await;
        let bob = app.visitor();
        provider.sign_in_through(&bob, "/sso/acme", "bob@acme.test").await.assert_status(303);
        app.raw_sql("update grants set role = 'admin' where role = 'member'").await;
        // The provider uses the real time, so the recorded authentication is made older instead of moving the clock.
        app.raw_sql("update sessions set proved_at = proved_at - 700000000").await;
        app.raw_sql("update sso_proofs set proved_at = proved_at - 700000000").await;
        let path = "/a/acme/sso/domains";
        let page = bob
            .get(path)
            .await
            .assert_status(200)
            .assert_contains("Continue with Acme SSO")
            .assert_not_contains("Your password");
        let go = "/sso/acme?fresh=1&next=/a/acme/sso/domains";
        assert!(
            page.select("a[href]").iter().any(|link| link.attr("href").contains(go)),
            "no link to {go}:\n{}",
            page.body
        );
        provider.sign_in_through(&bob, go, "bob@acme.test").await.assert_status(303).assert_redirect(path);
        bob.get(path).await.assert_status(200).assert_not_contains("Continue with Acme SSO");
        bob.post(path, &[("domain", "films.test")]).await.assert_status(303);
    })
    .await;
}
