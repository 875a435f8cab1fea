//! An organization that asks for a second factor, and none.
use super::{App, STALE, STEP, set_up};
use crate::harness::{PASSWORD, each};

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_asks_for_a_second_factor() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        house.organization(&ada, "Acme").await;
        house.join(&ada, "acme", &bob, &["admin"]).await;
        bob.post("/new/team", &[("name", "Ingest"), ("parent", "acme")]).await.is(303);
        let key = house.key("acme", &bob).await;
        let path = "/a/acme/settings/second-factor";
        ada.get("/a/acme/settings").await.is(200).says("Each member decides for themselves");
        ada.get(path).await.is(200).says("2 members have none yet");
        ada.post(path, &[("on", "on")]).await.is(409).says("Set one up first");
        bob.get("/a/acme/members").await.is(200);

        let (app, _) = set_up(house, &ada).await;
        ada.get(path).await.is(200).says("1 member has none yet");
        house.later(STALE);
        ada.post(path, &[("on", "on")]).await.is(422).says("Enter your password");
        ada.post(path, &[("on", "on"), ("password", PASSWORD)]).await.is(303).to("/a/acme/settings");
        ada.get("/a/acme/settings").await.is(200).says("Every member signs in with one");
        ada.get("/a/acme/audit").await.is(200).says("asked every member for a second factor");

        let teams = house.count("select count(*) from accounts where kind = 'team'").await;
        assert_eq!(teams, 1);
        let barred =
            bob.get("/a/acme/members?q=a").await.is(403).says("A second factor is needed").hides("Ada");
        assert!(barred.body.contains("/sign-in/second?next=/a/acme/members%3Fq%3Da"), "{}", barred.body);
        bob.get("/a/ingest/overview").await.is(403).says("A second factor is needed");
        bob.get_partial("/a/acme/members").await.is(403);
        bob.post("/a/acme/settings", &[("name", "Mine")]).await.is(403);
        bob.get("/a/bob/overview").await.is(200);
        key.get("/api/v1/accounts/acme/members").await.is(200);

        let step =
            bob.get("/sign-in/second?next=/a/acme/members").await.is(200).says("Set up an authenticator app");
        assert!(step.body.contains("/me/security/authenticator?next=/a/acme/members"), "{}", step.body);
        let other = house.again(&bob).await;
        let page = bob.get("/me/security/authenticator?next=/a/acme/members").await.is(200);
        let his = App::reads(&page.body);
        let form =
            [("code", his.code(house)), ("next", "/a/acme/members".into()), ("password", PASSWORD.into())];
        let form: Vec<(&str, &str)> = form.iter().map(|it| (it.0, it.1.as_str())).collect();
        let said = bob.post("/me/security/authenticator", &form).await.is(200);
        assert!(said.body.contains("href=\"/a/acme/members\""));
        bob.get("/a/acme/members").await.is(200);
        bob.get("/a/ingest/overview").await.is(200);

        // Signed in before with the password alone: the other browser steps up.
        other.get("/a/acme/members").await.is(403);
        other.get("/sign-in/second?next=/a/acme/members").await.is(200).says("One more step");
        house.later(STEP);
        let form = [("code", his.code(house)), ("next", "/a/acme/members".into())];
        let form: Vec<(&str, &str)> = form.iter().map(|it| (it.0, it.1.as_str())).collect();
        other.post("/sign-in/second", &form).await.is(303).to("/a/acme/members");
        other.get("/a/acme/members").await.is(200);
        other.get("/sign-in/second?next=/me").await.is(303).to("/me");

        let body = serde_json::json!({ "requires_second_factor": false });
        key.call(axum::http::Method::PATCH, "/api/v1/accounts/acme", &body).await.is(200);
        house.again_by(&ada, &app).await.get("/a/acme/settings").await.is(200).says("Each member decides");
        let team = house.key("ingest", &bob).await;
        let body = serde_json::json!({ "requires_second_factor": true });
        let said = team.call(axum::http::Method::PATCH, "/api/v1/accounts/ingest", &body).await.is(422);
        assert_eq!(said.json()["errors"][0]["pointer"], "/requires_second_factor");
        key.call(axum::http::Method::PATCH, "/api/v1/accounts/acme", &body).await.is(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_factor_all_is_as_before() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let slug = house.organization(&ada, "Acme").await;
        let (app, _) = set_up(house, &ada).await;
        let on = format!("/a/{slug}/settings/second-factor");
        ada.post(&on, &[("on", "on")]).await.is(303);
        ada.get(&format!("/a/{slug}/overview")).await.is(200);
        house.later(STALE);
        ada.get("/me/security/authenticator/remove").await.is(200).says("your recovery codes go");
        let form = [("password", "wrong")];
        ada.post("/me/security/authenticator/remove", &form).await.is(422).says("not your password");
        let form = [("password", PASSWORD)];
        ada.post("/me/security/authenticator/remove", &form).await.is(303).to("/me/security");
        assert!(house.letter("ada@acme.test").await.0.subject.contains("was turned off"));
        assert_eq!(house.count("select count(*) from recovery_codes").await, 0);
        ada.get("/me/security").await.is(200).hides("Recovery codes").hides("and second factor");
        ada.get(&format!("/a/{slug}/overview")).await.is(403).says("opens only to who signed in");
        let form = [("email", "ada@acme.test"), ("password", PASSWORD), ("next", "/me")];
        house.visitor().post("/sign-in", &form).await.is(303).to("/me");
        house.later(STEP);
        ada.post("/me/security/authenticator/remove", &[]).await.is(303).to("/me/security");
        ada.get("/me/security/recovery-codes").await.is(303).to("/me/security");
        ada.post("/me/security/recovery-codes", &[("proof_code", &app.code(house))]).await.is(303);
    })
    .await;
}
