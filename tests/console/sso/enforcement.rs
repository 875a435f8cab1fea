//! Enforcement of single sign-on: the rehearsal, the trial, its confirmation or end, and break-glass codes.
use super::{acme, codes};
use crate::{
    harness::{PASSWORD, Provider, on_each_db},
    two_factor::set_up,
};
use guildhall::jobs::Worker;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn enforcement_ends_by_itself_unless_it_is_confirmed() {
    let provider = Provider::start();
    on_each_db(async |app| {
        provider.set_fault("").await;
        let ada = acme(app, &provider).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        app.add_member(&ada, "acme", &bob, &["developer"]).await;
        let guest = app.user("Gus", "gus@guest.test").await;
        app.add_member(&ada, "acme", &guest, &["developer"]).await;
        let cy = app.visitor();
        provider.sign_in_through(&cy, "/sso/acme", "cy@acme.test").await.assert_status(303);

        let page = ada
            .get("/a/acme/sso/domains")
            .await
            .assert_status(200)
            .assert_contains("Rehearsal: 2 members would be locked out");
        page.assert_contains("Of 3 members at verified domains, 1 have")
            .assert_contains("bob@acme.test")
            .assert_contains("Never used SSO")
            .assert_not_contains("gus@guest.test");

        ada.post("/a/acme/sso/enforce", &[]).await.assert_status(303);
        let response =
            bob.get("/a/acme/resources").await.assert_status(403).assert_contains("requires single sign-on");
        assert!(response.body.contains("/sso/acme?next=/a/acme/resources"));
        ada.get("/a/acme/overview").await.assert_status(403);
        // Members at other domains and personal accounts are not affected.
        guest.get("/a/acme/resources").await.assert_status(200);
        bob.get("/a/bob/overview").await.assert_status(200);
        bob.get("/me/security").await.assert_status(200);
        cy.get("/a/acme/resources").await.assert_status(200);
        let worker = Worker::new(app.db.clone(), app.kit.clone(), None);
        worker.run_once().await.unwrap();
        bob.get("/a/acme/resources").await.assert_status(403);

        app.advance(Duration::from_secs(15 * 60 + 1));
        // The trial ends in time, even before the next run of the jobs.
        bob.get("/a/acme/resources").await.assert_status(200);
        worker.run_once().await.unwrap();
        assert_eq!(app.count("select count(*) from sso_connections where enforced_at is not null").await, 0);
        assert!(app.email("ada@acme.test").await.0.subject.contains("no longer enforced"));
        ada.get("/a/acme/audit")
            .await
            .assert_status(200)
            .assert_contains("no administrator signed in through the provider within 15 minutes");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sign_in_of_an_administrator_through_the_provider_confirms_it() {
    let provider = Provider::start();
    on_each_db(async |app| {
        provider.set_fault("").await;
        let ada = acme(app, &provider).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        app.add_member(&ada, "acme", &bob, &["developer"]).await;
        ada.post("/a/acme/sso/enforce", &[]).await.assert_status(303);
        // The sign-in of a developer does not confirm it.
        provider
            .sign_in_through(&bob, "/sso/acme", "bob@acme.test")
            .await
            .assert_status(303)
            .assert_redirect("/sso/link");
        bob.post("/sso/link", &[]).await.assert_status(303);
        assert_eq!(app.count("select count(*) from sso_connections where confirm_by is not null").await, 1);
        provider
            .sign_in_through(&ada, "/sso/acme?next=/a/acme/sso/domains", "ada@acme.test")
            .await
            .assert_status(303)
            .assert_redirect("/sso/link");
        ada.post("/sso/link", &[]).await.assert_status(303).assert_redirect("/a/acme/sso/domains");
        app.advance(Duration::from_secs(16 * 60));
        Worker::new(app.db.clone(), app.kit.clone(), None).run_once().await.unwrap();
        ada.get("/a/acme/sso/domains")
            .await
            .assert_status(200)
            .assert_contains("Enforced")
            .assert_contains("Stop enforcing");
        app.second_browser(&bob).await.get("/a/acme/resources").await.assert_status(403);
        bob.get("/a/acme/resources").await.assert_status(200);
        bob.get("/me/security").await.assert_status(200).assert_contains("Required by Acme");

        // The domain of the address decides what the sign-in page offers, whether there is such a user or not.
        for email in ["bob@acme.test", "nobody@acme.test"] {
            let response = app.visitor().post("/sign-in", &[("email", email)]).await.assert_status(200);
            response
                .assert_contains("acme.test uses single sign-on")
                .assert_contains("Continue with Acme SSO")
                .assert_not_contains("Use a password instead");
        }
        let other =
            app.visitor().post("/sign-in", &[("email", "nobody@elsewhere.test")]).await.assert_status(200);
        other.assert_contains("Password").assert_not_contains("SSO");
        // Teams follow their organization.
        ada.post("/new/team", &[("name", "Film"), ("account", "acme")]).await;

        ada.post("/a/acme/sso/relax", &[("password", PASSWORD)]).await.assert_status(303);
        app.second_browser(&bob).await.get("/a/acme/resources").await.assert_status(200);
        app.visitor()
            .post("/sign-in", &[("email", "bob@acme.test")])
            .await
            .assert_status(200)
            .assert_contains("Use a password instead");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_break_glass_code_lets_the_owner_in_once() {
    let provider = Provider::start();
    on_each_db(async |app| {
        provider.set_fault("").await;
        let ada = acme(app, &provider).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        app.add_member(&ada, "acme", &bob, &["admin"]).await;
        bob.post("/a/acme/sso/codes", &[]).await.assert_status(409).assert_contains("Only the owner");
        let page = ada
            .post("/a/acme/sso/codes", &[])
            .await
            .assert_status(200)
            .assert_contains("They are shown once");
        let codes = codes(&page);
        ada.get("/a/acme/sso/domains")
            .await
            .assert_status(200)
            .assert_contains("8 codes left")
            .assert_not_contains(&codes[0]);
        ada.post("/a/acme/sso/enforce", &[]).await.assert_status(303);
        ada.get("/a/acme/overview").await.assert_status(403);

        let at = "/sso/acme/break-glass";
        ada.get(at).await.assert_status(200).assert_contains("A code counts once");
        bob.get(at).await.assert_status(404);
        bob.post(at, &[("code", &codes[0]), ("password", PASSWORD)]).await.assert_status(404);
        app.visitor()
            .post(at, &[("code", &codes[0]), ("password", PASSWORD)])
            .await
            .assert_status(303)
            .assert_redirect("/sign-in");
        ada.post(at, &[("code", &codes[0]), ("password", "wrong")])
            .await
            .assert_status(422)
            .assert_contains("That is not your password");
        ada.post(at, &[("code", "abcd-abcd-abcd-abcd"), ("password", PASSWORD)])
            .await
            .assert_status(422)
            .assert_contains("not right, or was used");
        ada.get("/a/acme/overview").await.assert_status(403);
        ada.post(at, &[("code", &codes[0]), ("password", PASSWORD)])
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/overview");
        ada.get("/a/acme/overview").await.assert_status(200);
        for to in ["ada@acme.test", "bob@acme.test"] {
            assert!(app.email(to).await.0.subject.contains("break-glass code"), "{to}");
        }
        ada.get("/a/acme/audit")
            .await
            .assert_status(200)
            .assert_contains("signed in with a break-glass code");
        let other = app.second_browser(&ada).await;
        other
            .post(at, &[("code", &codes[0]), ("password", PASSWORD)])
            .await
            .assert_status(422)
            .assert_contains("was used already");
        other.get("/a/acme/overview").await.assert_status(403);
        // It does not confirm the enforcement, and lasts for an hour.
        assert_eq!(app.count("select count(*) from sso_connections where confirm_by is not null").await, 1);
        app.raw_sql("update sso_connections set confirm_by = null").await;
        app.advance(Duration::from_secs(3601));
        ada.get("/a/acme/overview").await.assert_status(403);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_break_glass_code_needs_the_second_factor_too() {
    let provider = Provider::start();
    on_each_db(async |app| {
        provider.set_fault("").await;
        let ada = acme(app, &provider).await;
        let (authenticator, _) = set_up(app, &ada).await;
        let codes = codes(&ada.post("/a/acme/sso/codes", &[]).await.assert_status(200));
        ada.post("/a/acme/sso/enforce", &[]).await.assert_status(303);
        let at = "/sso/acme/break-glass";
        ada.get(at)
            .await
            .assert_status(200)
            .assert_contains("Your password")
            .assert_contains("Code of your app");
        app.advance(Duration::from_secs(30));
        let code = authenticator.code(app);
        let form = [("code", codes[0].as_str()), ("password", PASSWORD), ("proof_code", code.as_str())];
        // Password and second factor are both required, however recent the sign-in is.
        ada.post(at, &form[..2]).await.assert_status(422).assert_contains("Show your second factor too");
        ada.post(at, &[form[0], form[2]])
            .await
            .assert_status(422)
            .assert_contains("That is not your password");
        let wrong = [form[0], form[1], ("proof_code", "000000")];
        ada.post(at, &wrong).await.assert_status(422).assert_contains("This code is not right");
        ada.get("/a/acme/overview").await.assert_status(403);
        ada.post(at, &form).await.assert_status(303).assert_redirect("/a/acme/overview");
        ada.get("/a/acme/overview").await.assert_status(200);

        // A user without a password needs the authenticator app only.
        app.raw_sql("update users set password = null").await;
        app.raw_sql("delete from sso_proofs").await;
        ada.get(at)
            .await
            .assert_status(200)
            .assert_not_contains("Your password")
            .assert_contains("Code of your app");
        app.advance(Duration::from_secs(30));
        let code = authenticator.code(app);
        ada.post(at, &[("code", &codes[1])])
            .await
            .assert_status(422)
            .assert_contains("Show your second factor too");
        ada.post(at, &[("code", &codes[1]), ("proof_code", &code)]).await.assert_status(303);
        ada.get("/a/acme/overview").await.assert_status(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_who_would_be_locked_out_are_notified() {
    let provider = Provider::start();
    on_each_db(async |app| {
        provider.set_fault("").await;
        let ada = acme(app, &provider).await;
        for (name, email) in [("Bob", "bob@acme.test"), ("Gus", "gus@guest.test"), ("Sue", "sue@acme.test")] {
            let user = app.user(name, email).await;
            app.add_member(&ada, "acme", &user, &["developer"]).await;
        }
        let cy = app.visitor();
        provider.sign_in_through(&cy, "/sso/acme", "cy@acme.test").await.assert_status(303);
        app.raw_sql(
            "update memberships set suspended_at = 1
             where is_owner = false and user_id = (select id from users where email_key = 'sue@acme.test')",
        )
        .await;
        ada.get("/a/acme/sso/domains").await.assert_status(200).assert_contains("Tell the 2");
        let before = app.count("select count(*) from mails").await;
        ada.post("/a/acme/sso/tell", &[]).await.assert_status(303).assert_redirect("/a/acme/sso/domains");
        assert_eq!(app.count("select count(*) from mails").await, before + 2);
        for to in ["ada@acme.test", "bob@acme.test"] {
            let mail = app.email(to).await.0;
            assert_eq!(mail.subject, "Sign in to Acme with single sign-on");
            assert!(mail.text.contains(&app.url("/sso/acme")), "{}", mail.text);
            assert!(mail.text.contains("will soon require single sign-on"), "{}", mail.text);
        }
        ada.get("/a/acme/audit")
            .await
            .assert_status(200)
            .assert_contains("asked 2 members to sign in with single sign-on");

        // Not again within twelve hours.
        ada.get("/a/acme/sso/domains")
            .await
            .assert_status(200)
            .assert_not_contains("Tell the 2")
            .assert_contains("Told");
        ada.post("/a/acme/sso/tell", &[])
            .await
            .assert_status(409)
            .assert_contains("less than twelve hours ago");
        app.advance(Duration::from_secs(12 * 3600));
        ada.get("/a/acme/sso/domains").await.assert_status(200).assert_contains("Tell the 2");
        ada.post("/a/acme/sso/tell", &[]).await.assert_status(303);
        app.advance(Duration::from_secs(12 * 3600));
        app.raw_sql("update domains set verified_at = null").await;
        ada.post("/a/acme/sso/tell", &[]).await.assert_status(409).assert_contains("All of them have come");
    })
    .await;
}
