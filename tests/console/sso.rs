//! Single sign-on with a real provider: who can sign in, what that gives access to, and every fault that is refused.
mod api;
mod domains;
mod enforcement;
mod provider_errors;
mod settings;
mod unlisted_grants;

use crate::harness::{PASSWORD, Provider, TestApp, TestResponse, TestUser, on_each_db};
use serde_json::json;

/// Creates Acme and connects its provider; answers the owner.
pub async fn acme(app: &TestApp, provider: &Provider) -> TestUser {
    let ada = app.user("Ada Byron", "ada@acme.test").await;
    app.organization(&ada, "Acme").await;
    provider.connect(app, &ada, "acme", "acme.test").await;
    ada
}

/// The break-glass codes that a page shows.
pub fn codes(page: &TestResponse) -> Vec<String> {
    let texts = page.select("code").into_iter().map(|element| element.text);
    let codes: Vec<String> = texts.filter(|text| text.len() == 19).collect();
    assert_eq!(codes.len(), 8, "{}", page.body);
    codes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_user_becomes_a_member_and_has_access_to_nothing_else() {
    let provider = Provider::start();
    on_each_db(async |app| {
        let ada = acme(app, &provider).await;
        let cy = app.visitor();
        provider
            .sign_in_through(&cy, "/sso/acme?next=/a/acme/keys", "cy@acme.test")
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/keys");
        cy.get("/a/acme/keys").await.assert_status(200);
        cy.get("/").await.assert_status(303).assert_redirect("/a/acme/overview");
        ada.get("/a/acme/members").await.assert_status(200).assert_contains("cy@acme.test");
        // A sign-in through the provider gives access to its organization only.
        for path in ["/me", "/me/security", "/a/cy/overview", "/new/organization"] {
            let response = cy.get(path).await.assert_status(403).assert_contains("needs your own sign-in");
            let link = format!("/sign-in?own=1&next={path}");
            assert!(
                response.select("a[href]").iter().any(|a| a.attr("href").contains(&link)),
                "{}",
                response.body
            );
        }
        cy.post("/me", &[("name", "Eve")]).await.assert_status(403);
        // Their own sign-in gives access to the rest, and the one through the provider still counts.
        let set = [("email", "cy@acme.test")];
        app.visitor().post("/forgot-password", &set).await;
        app.set_password("cy@acme.test", PASSWORD).await;
        cy.get("/sign-in?own=1&next=/me/security").await.assert_status(200).assert_contains("Password");
        let own = [("email", "cy@acme.test"), ("password", PASSWORD), ("next", "/me/security")];
        cy.post("/sign-in", &own).await.assert_status(303).assert_redirect("/me/security");
        cy.get("/me/security").await.assert_status(200);
        cy.get("/a/acme/keys").await.assert_status(200);
        assert_eq!(app.count("select count(*) from sso_proofs").await, 1);
        // The second time, the user exists.
        let again = app.visitor();
        provider
            .sign_in_through(&again, "/sso/acme", "cy@acme.test")
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/overview");
        assert_eq!(app.count("select count(*) from users").await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_user_is_linked_after_their_own_sign_in() {
    let provider = Provider::start();
    on_each_db(async |app| {
        let ada = acme(app, &provider).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        app.add_member(&ada, "acme", &bob, &["developer"]).await;
        let browser = app.visitor();
        provider
            .sign_in_through(&browser, "/sso/acme?next=/a/acme/resources", "bob@acme.test")
            .await
            .assert_status(303)
            .assert_redirect("/sso/link");
        browser
            .get("/a/acme/overview")
            .await
            .assert_status(303)
            .assert_redirect("/sign-in?next=/a/acme/overview");
        browser
            .get("/sso/link")
            .await
            .assert_status(200)
            .assert_contains("Is this you?")
            .assert_contains("Sign in as yourself");
        browser.post("/sso/link", &[]).await.assert_status(303).assert_redirect("/sign-in");
        let own = [("email", "bob@acme.test"), ("password", PASSWORD), ("next", "/sso/link")];
        browser.post("/sign-in", &own).await.assert_status(303).assert_redirect("/sso/link");
        browser
            .get("/sso/link")
            .await
            .assert_status(200)
            .assert_contains("You are signed in as bob@acme.test");
        browser.post("/sso/link", &[]).await.assert_status(303).assert_redirect("/a/acme/resources");
        assert!(app.email("bob@acme.test").await.0.subject.contains("single sign-on"));
        browser.get("/sso/link").await.assert_status(404);
        let page = browser
            .get("/me/security")
            .await
            .assert_status(200)
            .assert_contains("Acme SSO")
            .assert_contains("bob@acme.test · linked");
        page.assert_not_contains("Required by Acme");

        let next_day = app.visitor();
        provider
            .sign_in_through(&next_day, "/sso/acme", "bob@acme.test")
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/overview");
        next_day.get("/a/acme/resources").await.assert_status(200);
        assert_eq!(app.count("select count(*) from users").await, 2);

        // The identity is not linked with another user who is signed in.
        let eve = app.user("Eve", "eve@other.test").await;
        app.user("Dan", "dan@acme.test").await;
        provider
            .sign_in_through(&eve, "/sso/acme", "dan@acme.test")
            .await
            .assert_status(303)
            .assert_redirect("/sso/link");
        eve.post("/sso/link", &[])
            .await
            .assert_status(409)
            .assert_contains("you are signed in as eve@other.test");
        // Another subject with the same address is another user.
        provider.set_user("impostor", json!({ "sub": "other", "email": "bob@acme.test" })).await;
        let impostor = app.visitor();
        provider
            .sign_in_through(&impostor, "/sso/acme", "impostor")
            .await
            .assert_status(303)
            .assert_redirect("/sso/link");
        impostor.get("/a/acme/overview").await.assert_status(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_grant_roles_and_revoke_them() {
    let provider = Provider::start();
    on_each_db(async |app| {
        let ada = acme(app, &provider).await;
        let form = [
            ("issuer", provider.issuer.as_str()),
            ("client_id", "guildhall"),
            ("role", "member"),
            ("groups", "video = video-developer, analyst\nbooks = accountant"),
        ];
        ada.post("/a/acme/sso", &form).await.assert_status(303);
        ada.get("/a/acme/sso").await.assert_status(200).assert_contains("books = accountant");
        provider.set_user("cy@acme.test", json!({ "groups": ["video", "staff"] })).await;
        let cy = app.visitor();
        provider.sign_in_through(&cy, "/sso/acme", "cy@acme.test").await.assert_status(303);
        let key = app.api_key("acme", &ada).await;
        let labels = async || {
            let response = key.get("/api/v1/accounts/acme/members").await.assert_status(200).json();
            let members = response["items"].as_array().unwrap();
            let cy = members.iter().find(|member| member["user"]["email"] == "cy@acme.test").unwrap();
            let mut labels: Vec<String> = cy["grants"]
                .as_array()
                .unwrap()
                .iter()
                .map(|grant| grant["label"].as_str().unwrap().to_owned())
                .collect();
            labels.sort();
            labels
        };
        assert_eq!(labels().await, ["analyst", "member", "video-developer"]);
        provider.set_user("cy@acme.test", json!({ "groups": ["books"] })).await;
        provider.sign_in_through(&cy, "/sso/acme", "cy@acme.test").await.assert_status(303);
        assert_eq!(labels().await, ["accountant", "member"]);
        provider.set_user("cy@acme.test", json!({ "groups": [] })).await;
        provider.sign_in_through(&cy, "/sso/acme", "cy@acme.test").await.assert_status(303);
        assert_eq!(labels().await, ["member"]);
        // A group cannot grant a role that does not exist.
        let bad = [("groups", "video = no-such-role")];
        ada.post("/a/acme/sso", &[&form[..3], &bad].concat())
            .await
            .assert_status(422)
            .assert_contains("There is no role “no-such-role”");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_does_not_rejoin_by_signing_in() {
    let provider = Provider::start();
    on_each_db(async |app| {
        let ada = acme(app, &provider).await;
        let cy = app.visitor();
        provider.sign_in_through(&cy, "/sso/acme", "cy@acme.test").await.assert_status(303);
        let sql = "select m.id from memberships m join users u on u.id = m.user_id join accounts a on a.id = m.account_id
            where a.slug = 'acme' and u.email_key = 'cy@acme.test'";
        let (membership,): (uuid::Uuid,) = app.db.read().await.unwrap().query(sql).fetch_one().await.unwrap();
        ada.post(&format!("/a/acme/members/{membership}/remove"), &[("confirm", "on")]).await.assert_status(303);
        cy.get("/a/acme/overview").await.assert_status(404);
        provider
            .sign_in_through(&cy, "/sso/acme", "cy@acme.test")
            .await
            .assert_status(403)
            .assert_contains("not a member of this organization any more");
        cy.get("/a/acme/overview").await.assert_status(404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_at_the_provider_ends_the_session_here() {
    let provider = Provider::start();
    on_each_db(async |app| {
        acme(app, &provider).await;
        let cy = app.visitor();
        provider.sign_in_through(&cy, "/sso/acme", "cy@acme.test").await.assert_status(303);
        let log_out = async |token: &str| {
            let form = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("logout_token", token)
                .finish();
            let headers = [("content-type", "application/x-www-form-urlencoded")];
            app.visitor().send(axum::http::Method::POST, "/sso/backchannel", &headers, form.into()).await
        };
        for (fault, words) in [
            ("events", "its events do not say so"),
            ("nonce", "must not have a nonce"),
            ("expired", "has expired"),
            ("no-jti", "has no id (jti)"),
            ("audience", "names no provider that is known here"),
            ("signature", "signature"),
            ("no-subject", "neither a person nor a session"),
        ] {
            log_out(&provider.logout_token("cy@acme.test", fault).await)
                .await
                .assert_status(400)
                .assert_contains(words);
        }
        log_out("").await.assert_status(400);
        log_out("a.b.c").await.assert_status(400);
        cy.get("/a/acme/overview").await.assert_status(200);
        let token = provider.logout_token("cy@acme.test", "").await;
        log_out(&token).await.assert_status(200);
        cy.get("/a/acme/overview").await.assert_status(303).assert_redirect("/sign-in?next=/a/acme/overview");
        log_out(&token).await.assert_status(400).assert_contains("used already");

        provider.sign_in_through(&cy, "/sso/acme", "cy@acme.test").await.assert_status(303);
        let out = cy.post("/sign-out", &[]).await.assert_status(200).assert_contains("Sign out there too");
        assert!(
            out.body.contains(&format!("{}/session/end?client_id=guildhall", provider.issuer)),
            "{}",
            out.body
        );
        cy.get("/a/acme/overview").await.assert_status(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_type_is_enforced() {
    let provider = Provider::start();
    on_each_db(async |app| {
        let ada = acme(app, &provider).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let membership = app.add_member(&ada, "acme", &bob, &["developer"]).await;
        let set_login_type = async |login_type: &str| {
            ada.post(&format!("/a/acme/members/{membership}/login-type"), &[("login_type", login_type)])
                .await
                .assert_status(303);
        };
        set_login_type("sso").await;
        let response = bob
            .get("/a/acme/resources?q=x")
            .await
            .assert_status(403)
            .assert_contains("opens for you only when you sign in with SSO");
        assert!(response.body.contains("/sso/acme?next=/a/acme/resources%3Fq%3Dx"), "{}", response.body);
        bob.get("/me").await.assert_status(200);
        provider
            .sign_in_through(&bob, "/sso/acme?next=/a/acme/resources", "bob@acme.test")
            .await
            .assert_status(303)
            .assert_redirect("/sso/link");
        bob.post("/sso/link", &[]).await.assert_status(303).assert_redirect("/a/acme/resources");
        bob.get("/a/acme/resources").await.assert_status(200);
        bob.get("/me").await.assert_status(200);
        for (login_type, link) in [
            ("google", "/auth/google?next="),
            ("github", "/auth/github?next="),
            ("password", "/sign-in?own=1"),
        ] {
            set_login_type(login_type).await;
            let response = bob.get("/a/acme/overview").await;
            if login_type == "password" {
                response.assert_status(200);
            } else {
                assert!(response.assert_status(403).body.contains(link));
            }
        }
        let through = app.visitor();
        provider.sign_in_through(&through, "/sso/acme", "bob@acme.test").await.assert_status(303);
        let response = through.get("/a/acme/overview").await.assert_status(403).assert_contains("Password");
        assert!(response.body.contains("/sign-in?own=1&#38;next=/a/acme/overview"), "{}", response.body);
        let own = [("email", "bob@acme.test"), ("password", PASSWORD), ("next", "/a/acme/overview")];
        through.post("/sign-in", &own).await.assert_status(303).assert_redirect("/a/acme/overview");
        through.get("/a/acme/overview").await.assert_status(200);
    })
    .await;
}
