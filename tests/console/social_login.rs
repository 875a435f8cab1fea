//! Sign-in by Google and GitHub, against a provider each: new users, linked users, and everybody who is refused.
#[path = "social_login/github.rs"]
mod github;
#[path = "social_login/reauth.rs"]
mod reauth;

use crate::harness::{BASE, PASSWORD, Provider, TestApp, TestUser, on_each_db, on_each_db_with};
use github::GitHub;
use guildhall::context::InstallationConfig;
use serde_json::json;
use std::time::Duration;

/// Follows the redirect of a page to the provider and signs in there; answers the path of our callback.
async fn callback(google: &Provider, user: &TestUser, path: &str, login: &str) -> String {
    let callback = google.sign_in(&user.get(path).await.assert_status(303).location(), login).await;
    callback.strip_prefix(BASE).expect("a redirect to this app").to_owned()
}

/// The sign-in method of a user's newest session.
async fn method(app: &TestApp, email: &str) -> String {
    let sql = "select s.method from sessions s join users u on u.id = s.user_id where u.email_key = $1
        order by s.created_at desc, s.id desc limit 1";
    let mut conn = app.db.read().await.unwrap();
    conn.query(sql).bind(email.to_owned()).fetch_one::<(String,)>().await.unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_user_signs_up_and_signs_in_by_google() {
    let google = Provider::start();
    on_each_db_with(google.as_google(), async |app| {
        google.set_user("ada@acme.test", json!({ "sub": "g-1", "name": "Ada Byron" })).await;
        let ada = app.visitor();
        ada.get("/sign-in")
            .await
            .assert_status(200)
            .assert_contains("Continue with Google")
            .assert_not_contains("Continue with GitHub");
        let callback_path = callback(&google, &ada, "/auth/google", "ada@acme.test").await;
        let home = ada.get(&callback_path).await.assert_status(303).location();
        assert_eq!(home, "/a/ada-byron/overview");
        ada.get(&home).await.assert_status(200).assert_contains("Ada Byron");
        assert_eq!(method(app, "ada@acme.test").await, "google");
        // The callback works once.
        ada.get(&callback_path).await.assert_status(403).assert_contains("belongs to no sign-in");

        // A user is recognised by their subject at Google, not by their address.
        google.set_user("ada@acme.test", json!({ "sub": "g-1", "email": "other@acme.test" })).await;
        let again = app.visitor();
        let callback_path = callback(&google, &again, "/auth/google?next=/me", "ada@acme.test").await;
        again.get(&callback_path).await.assert_status(303).assert_redirect("/me");
        again.get("/me").await.assert_status(200).assert_contains("ada@acme.test");
        assert_eq!(app.count("select count(*) from users").await, 1);
        assert_eq!(app.count("select count(*) from identities").await, 1);

        // The only way to sign in cannot be unlinked.
        let page = again
            .get("/me/security")
            .await
            .assert_status(200)
            .assert_contains("Other accounts")
            .assert_contains("other@acme.test");
        page.assert_contains("None: you sign in another way");
        let unlink = [("what", "unlink")];
        again
            .post("/me/security/google", &unlink)
            .await
            .assert_status(409)
            .assert_contains("your only way to sign in");
        assert_eq!(app.count("select count(*) from identities").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_alone_links_no_identity() {
    let google = Provider::start();
    on_each_db_with(google.as_google(), async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let visitor = app.visitor();
        let callback_path = callback(&google, &visitor, "/auth/google", "ada@acme.test").await;
        visitor
            .get(&callback_path)
            .await
            .assert_status(409)
            .assert_contains("Sign in as yourself once")
            .assert_contains("not linked with Google");
        visitor.get("/me").await.assert_status(303);
        assert_eq!(app.count("select count(*) from identities").await, 0);

        // A signed-in user links the identity after reauthentication.
        app.advance(Duration::from_secs(3600));
        ada.get("/me/security").await.assert_status(200).assert_contains("Not linked");
        ada.get("/auth/google?link=1").await.assert_status(303).assert_redirect("/me/security/google");
        ada.get("/me/security/google")
            .await
            .assert_status(200)
            .assert_contains("To confirm that it is you")
            .assert_contains("Your password");
        ada.post("/me/security/google", &[("what", "prove"), ("password", "not it")])
            .await
            .assert_status(422);
        let right = [("what", "prove"), ("password", PASSWORD)];
        ada.post("/me/security/google", &right)
            .await
            .assert_status(303)
            .assert_redirect("/me/security/google");
        ada.get("/me/security/google").await.assert_status(200).assert_not_contains("Your password");
        let callback_path = callback(&google, &ada, "/auth/google?link=1", "ada@acme.test").await;
        ada.get(&callback_path).await.assert_status(303).assert_redirect("/me/security");
        ada.get("/me/security").await.assert_status(200).assert_contains("linked");
        assert!(app.email("ada@acme.test").await.0.subject.starts_with("You can now sign in with Google"));

        // From then on either way signs in.
        let callback_path = callback(&google, &visitor, "/auth/google", "ada@acme.test").await;
        visitor.get(&callback_path).await.assert_status(303).assert_redirect("/a/ada/overview");
        app.second_browser(&ada).await.get("/me").await.assert_status(200);

        // An identity that is linked with another user is refused.
        let bob = app.user("Bob", "bob@acme.test").await;
        let callback_path = callback(&google, &bob, "/auth/google?link=1", "ada@acme.test").await;
        let response = bob.get(&callback_path).await.assert_status(303).assert_redirect("/me/security");
        assert!(response.toast().contains("linked with another user"), "{}", response.toast());
        assert_eq!(app.count("select count(*) from identities").await, 1);

        ada.post("/me/security/google", &[("what", "unlink")])
            .await
            .assert_status(303)
            .assert_redirect("/me/security");
        let callback_path = callback(&google, &app.visitor(), "/auth/google", "ada@acme.test").await;
        app.visitor().get(&callback_path).await.assert_status(403);
        let events = "select count(*) from audit_events where action in ('user.linked', 'user.unlinked')";
        assert_eq!(app.count(events).await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invited_user_signs_up_by_google() {
    let google = Provider::start();
    let social = google.as_google();
    let rules = |config: &mut InstallationConfig| {
        social(config);
        config.open_sign_up = false;
        config.loopback = true;
    };
    on_each_db_with(rules, async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        app.raw_sql("update users set operator = true").await;
        app.raw_sql("update installation set first_operator = (select id from users)").await;
        app.organization(&ada, "Acme").await;
        let eve = app.visitor();
        let callback_path = callback(&google, &eve, "/auth/google", "eve@evil.test").await;
        eve.get(&callback_path).await.assert_status(403).assert_contains("People join here by invitation");
        assert_eq!(app.count("select count(*) from users").await, 1);

        let form =
            [("emails", "bob@acme.test"), ("role", "member"), ("product", ""), ("login_type", "google")];
        ada.post("/a/acme/invitations", &form).await.assert_status(303);
        let link = app.email("bob@acme.test").await.link("/invitations/");
        let bob = app.visitor();
        bob.get(&link).await.assert_status(200).assert_contains("Continue with Google");
        let callback_path =
            callback(&google, &bob, &format!("/auth/google?next={link}"), "bob@acme.test").await;
        bob.get(&callback_path).await.assert_status(303).assert_redirect(&link);
        bob.post(&format!("{link}/accept"), &[]).await.assert_status(303).assert_redirect("/a/acme/overview");
        bob.get("/a/acme/overview").await.assert_status(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_or_unverified_identity_of_google_is_refused() {
    let google = Provider::start();
    on_each_db_with(google.as_google(), async |app| {
        let refused = [
            ("unverified-email", "does not say that an address is yours"),
            ("no-email", "does not say that an address is yours"),
            ("denied", "not assigned to you"),
            ("state", "belongs to no sign-in"),
            ("nonce", ""),
            ("audience", ""),
            ("signature", ""),
            ("none", ""),
            ("expired", ""),
            ("failing-token", ""),
        ];
        for (fault, words) in refused {
            google.set_fault(fault).await;
            let visitor = app.visitor();
            let callback_path = callback(&google, &visitor, "/auth/google", "ada@acme.test").await;
            visitor.get(&callback_path).await.assert_status(403).assert_contains(words);
            visitor.get("/me").await.assert_status(303);
        }
        assert_eq!(app.count("select count(*) from users").await, 0);
        // Another browser cannot complete the sign-in of this one.
        google.set_fault("").await;
        let callback_path = callback(&google, &app.visitor(), "/auth/google", "ada@acme.test").await;
        app.visitor().get(&callback_path).await.assert_status(403).assert_contains("belongs to no sign-in");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_signs_in_by_github() {
    let github = GitHub::start().await;
    on_each_db_with(github.rules(), async |app| {
        github.set_user(1, "ada-l", "ada@acme.test", true);
        let ada = app.visitor();
        ada.get("/sign-in")
            .await
            .assert_status(200)
            .assert_contains("Continue with GitHub")
            .assert_not_contains("Continue with Google");
        let callback_path =
            github.sign_in(&ada.get("/auth/github").await.assert_status(303).location()).await;
        ada.get(&callback_path).await.assert_status(303).assert_redirect("/a/ada-l/overview");
        assert_eq!(method(app, "ada@acme.test").await, "github");
        ada.get("/me/security").await.assert_status(200).assert_contains("ada-l");

        // The same user with another handle and address.
        github.set_user(1, "ada-byron", "ada@elsewhere.test", true);
        let again = app.visitor();
        let callback_path = github
            .sign_in(&again.get("/auth/github?next=//evil.test").await.assert_status(303).location())
            .await;
        again.get(&callback_path).await.assert_status(303).assert_redirect("/a/ada-l/overview");
        // Another user with the same handle and address.
        github.set_user(2, "ada-l", "ada@acme.test", true);
        let other = app.visitor();
        let callback_path =
            github.sign_in(&other.get("/auth/github").await.assert_status(303).location()).await;
        other.get(&callback_path).await.assert_status(409).assert_contains("not linked with GitHub");
        assert_eq!(app.count("select count(*) from users").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_or_unverified_identity_of_github_is_refused() {
    let github = GitHub::start().await;
    on_each_db_with(github.rules(), async |app| {
        github.set_user(1, "ada-l", "ada@acme.test", false);
        let visitor = app.visitor();
        let begin = async || visitor.get("/auth/github").await.assert_status(303).location();
        let callback_path = github.sign_in(&begin().await).await;
        visitor
            .get(&callback_path)
            .await
            .assert_status(403)
            .assert_contains("GitHub does not say that an address is yours");
        github.set_user(1, "ada-l", "ada@acme.test", true);

        github.set_fault("denied");
        let callback_path = github.sign_in(&begin().await).await;
        visitor
            .get(&callback_path)
            .await
            .assert_status(403)
            .assert_contains("denied your application access")
            .assert_contains("Try again");
        github.set_fault("");

        // A code works once, and only in the browser that started.
        let first = github.sign_in(&begin().await).await;
        let second = github.sign_in(&begin().await).await;
        visitor.get(&first).await.assert_status(403).assert_contains("belongs to no sign-in");
        let code = |url: &str| url.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        let mixed = second.replace(&code(&second), &code(&first));
        visitor.get(&mixed).await.assert_status(403).assert_contains("did not accept our code");

        for (fault, words) in
            [("down", "Try again later"), ("html", "could not be read"), ("api-down", "did not answer")]
        {
            let callback_path = github.sign_in(&begin().await).await;
            github.set_fault(fault);
            visitor.get(&callback_path).await.assert_status(403).assert_contains(words);
            github.set_fault("");
        }
        app.advance(Duration::from_secs(1));
        let callback_path = github.sign_in(&begin().await).await;
        app.advance(Duration::from_secs(16 * 60));
        visitor.get(&callback_path).await.assert_status(403).assert_contains("belongs to no sign-in");
        visitor.get("/auth/github/callback").await.assert_status(403);
        assert_eq!(app.count("select count(*) from users").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_not_configured_is_not_offered() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        app.visitor().get("/sign-in").await.assert_status(200).assert_not_contains("Continue with");
        for path in ["/auth/google", "/auth/github"] {
            app.visitor().get(path).await.assert_status(404);
        }
        ada.get("/me/security").await.assert_status(200).assert_not_contains("Other accounts");
        ada.get("/me/security/google").await.assert_status(303).assert_redirect("/me/security");
    })
    .await;
}
