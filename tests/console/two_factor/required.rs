//! Organizations that require a second factor, and turning a factor off.
use super::{Authenticator, STALE, STEP, set_up};
use crate::harness::{PASSWORD, on_each_db};

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_requires_a_second_factor() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        app.organization(&ada, "Acme").await;
        app.add_member(&ada, "acme", &bob, &["admin"]).await;
        bob.post("/new/team", &[("name", "Ingest"), ("parent", "acme")]).await.assert_status(303);
        let key = app.api_key("acme", &bob).await;
        let path = "/a/acme/settings/second-factor";
        ada.get("/a/acme/settings")
            .await
            .assert_status(200)
            .assert_contains("Each member decides for themselves");
        ada.get(path).await.assert_status(200).assert_contains("2 members have none yet");
        ada.post(path, &[("on", "on")]).await.assert_status(409).assert_contains("Set one up first");
        bob.get("/a/acme/members").await.assert_status(200);

        let (authenticator, _) = set_up(app, &ada).await;
        ada.get(path).await.assert_status(200).assert_contains("1 member has none yet");
        app.advance(STALE);
        ada.post(path, &[("on", "on")]).await.assert_status(422).assert_contains("Enter your password");
        ada.post(path, &[("on", "on"), ("password", PASSWORD)])
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/settings");
        ada.get("/a/acme/settings")
            .await
            .assert_status(200)
            .assert_contains("Every member signs in with one");
        ada.get("/a/acme/audit")
            .await
            .assert_status(200)
            .assert_contains("asked every member for a second factor");

        let teams = app.count("select count(*) from accounts where kind = 'team'").await;
        assert_eq!(teams, 1);
        let denied = bob
            .get("/a/acme/members?q=a")
            .await
            .assert_status(403)
            .assert_contains("A second factor is needed")
            .assert_not_contains("Ada");
        assert!(denied.body.contains("/sign-in/second?next=/a/acme/members%3Fq%3Da"), "{}", denied.body);
        bob.get("/a/ingest/overview").await.assert_status(403).assert_contains("A second factor is needed");
        bob.get_partial("/a/acme/members").await.assert_status(403);
        bob.post("/a/acme/settings", &[("name", "Mine")]).await.assert_status(403);
        bob.get("/a/bob/overview").await.assert_status(200);
        key.get("/api/v1/accounts/acme/members").await.assert_status(200);

        let step = bob
            .get("/sign-in/second?next=/a/acme/members")
            .await
            .assert_status(200)
            .assert_contains("Set up an authenticator app");
        assert!(step.body.contains("/me/security/authenticator?next=/a/acme/members"), "{}", step.body);
        let other = app.second_browser(&bob).await;
        let page = bob.get("/me/security/authenticator?next=/a/acme/members").await.assert_status(200);
        let bobs = Authenticator::from_page(&page);
        let form =
            [("code", bobs.code(app)), ("next", "/a/acme/members".into()), ("password", PASSWORD.into())];
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let response = bob.post("/me/security/authenticator", &form).await.assert_status(200);
        assert!(!response.select("a[href='/a/acme/members']").is_empty());
        bob.get("/a/acme/members").await.assert_status(200);
        bob.get("/a/ingest/overview").await.assert_status(200);

        // The other browser signed in by password alone before; it adds the second factor.
        other.get("/a/acme/members").await.assert_status(403);
        other
            .get("/sign-in/second?next=/a/acme/members")
            .await
            .assert_status(200)
            .assert_contains("One more step");
        app.advance(STEP);
        let form = [("code", bobs.code(app)), ("next", "/a/acme/members".into())];
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        other.post("/sign-in/second", &form).await.assert_status(303).assert_redirect("/a/acme/members");
        other.get("/a/acme/members").await.assert_status(200);
        other.get("/sign-in/second?next=/me").await.assert_status(303).assert_redirect("/me");

        let body = serde_json::json!({ "requires_second_factor": false });
        key.call(axum::http::Method::PATCH, "/api/v1/accounts/acme", &body).await.assert_status(200);
        app.second_browser_with_code(&ada, &authenticator)
            .await
            .get("/a/acme/settings")
            .await
            .assert_status(200)
            .assert_contains("Each member decides");
        let team = app.api_key("ingest", &bob).await;
        let body = serde_json::json!({ "requires_second_factor": true });
        let response =
            team.call(axum::http::Method::PATCH, "/api/v1/accounts/ingest", &body).await.assert_status(422);
        assert_eq!(response.json()["errors"][0]["pointer"], "/requires_second_factor");
        key.call(axum::http::Method::PATCH, "/api/v1/accounts/acme", &body).await.assert_status(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn turning_a_factor_off_restores_the_sign_in_by_password() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let slug = app.organization(&ada, "Acme").await;
        let (authenticator, _) = set_up(app, &ada).await;
        let on = format!("/a/{slug}/settings/second-factor");
        ada.post(&on, &[("on", "on")]).await.assert_status(303);
        ada.get(&format!("/a/{slug}/overview")).await.assert_status(200);
        app.advance(STALE);
        ada.get("/me/security/authenticator/remove")
            .await
            .assert_status(200)
            .assert_contains("your recovery codes go");
        let form = [("password", "wrong")];
        ada.post("/me/security/authenticator/remove", &form)
            .await
            .assert_status(422)
            .assert_contains("not your password");
        let form = [("password", PASSWORD)];
        ada.post("/me/security/authenticator/remove", &form)
            .await
            .assert_status(303)
            .assert_redirect("/me/security");
        assert!(app.email("ada@acme.test").await.0.subject.contains("was turned off"));
        assert_eq!(app.count("select count(*) from recovery_codes").await, 0);
        ada.get("/me/security")
            .await
            .assert_status(200)
            .assert_not_contains("Recovery codes")
            .assert_not_contains("and second factor");
        ada.get(&format!("/a/{slug}/overview"))
            .await
            .assert_status(403)
            .assert_contains("requires a sign-in with a second factor");
        let form = [("email", "ada@acme.test"), ("password", PASSWORD), ("next", "/me")];
        app.visitor().post("/sign-in", &form).await.assert_status(303).assert_redirect("/me");
        app.advance(STEP);
        ada.post("/me/security/authenticator/remove", &[])
            .await
            .assert_status(303)
            .assert_redirect("/me/security");
        ada.get("/me/security/recovery-codes").await.assert_status(303).assert_redirect("/me/security");
        ada.post("/me/security/recovery-codes", &[("proof_code", &authenticator.code(app))])
            .await
            .assert_status(303);
    })
    .await;
}
