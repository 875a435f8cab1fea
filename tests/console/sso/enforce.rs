//! Enforcement: rehearsed, on trial, confirmed or undone by itself; and the owner's way in.
use super::{acme, codes};
use crate::{
    factors::set_up,
    harness::{PASSWORD, Provider, each},
};
use guildhall::worker::Worker;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn it_is_rehearsed_tried_and_undone_by_itself() {
    let provider = Provider::start();
    each(async |house| {
        provider.fault("").await;
        let ada = acme(house, &provider).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        house.join(&ada, "acme", &bob, &["developer"]).await;
        let guest = house.user("Gus", "gus@guest.test").await;
        house.join(&ada, "acme", &guest, &["developer"]).await;
        let cy = house.visitor();
        provider.enter(&cy, "/sso/acme", "cy@acme.test").await.is(303);

        let page =
            ada.get("/a/acme/sso/domains").await.is(200).says("Rehearsal: 2 members would be locked out");
        page.says("Of 3 members at verified domains, 1 have")
            .says("bob@acme.test")
            .says("Never used SSO")
            .hides("gus@guest.test");

        ada.post("/a/acme/sso/enforce", &[]).await.is(303);
        let said = bob.get("/a/acme/resources").await.is(403).says("demands its single sign-on");
        assert!(said.body.contains("/sso/acme?next=/a/acme/resources"));
        ada.get("/a/acme/overview").await.is(403);
        // Whose address is elsewhere, and what is people's own, is not touched.
        guest.get("/a/acme/resources").await.is(200);
        bob.get("/a/bob/overview").await.is(200);
        bob.get("/me/security").await.is(200);
        cy.get("/a/acme/resources").await.is(200);
        let worker = Worker::new(house.db.clone(), house.kit.clone(), None);
        worker.tick().await.unwrap();
        bob.get("/a/acme/resources").await.is(403);

        house.later(Duration::from_secs(15 * 60 + 1));
        // By itself, even before the worker comes by.
        bob.get("/a/acme/resources").await.is(200);
        worker.tick().await.unwrap();
        assert_eq!(
            house.count("select count(*) from sso_connections where enforced_at is not null").await,
            0
        );
        assert!(house.letter("ada@acme.test").await.0.subject.contains("no longer enforced"));
        ada.get("/a/acme/audit")
            .await
            .is(200)
            .says("no administrator signed in through the provider within 15 minutes");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_who_comes_through_the_provider_confirms_it() {
    let provider = Provider::start();
    each(async |house| {
        provider.fault("").await;
        let ada = acme(house, &provider).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        house.join(&ada, "acme", &bob, &["developer"]).await;
        ada.post("/a/acme/sso/enforce", &[]).await.is(303);
        // A developer's sign-in confirms nothing.
        provider.enter(&bob, "/sso/acme", "bob@acme.test").await.is(303).to("/sso/link");
        bob.post("/sso/link", &[]).await.is(303);
        assert_eq!(house.count("select count(*) from sso_connections where confirm_by is not null").await, 1);
        provider
            .enter(&ada, "/sso/acme?next=/a/acme/sso/domains", "ada@acme.test")
            .await
            .is(303)
            .to("/sso/link");
        ada.post("/sso/link", &[]).await.is(303).to("/a/acme/sso/domains");
        house.later(Duration::from_secs(16 * 60));
        Worker::new(house.db.clone(), house.kit.clone(), None).tick().await.unwrap();
        ada.get("/a/acme/sso/domains").await.is(200).says("Enforced").says("Stop enforcing");
        house.again(&bob).await.get("/a/acme/resources").await.is(403);
        bob.get("/a/acme/resources").await.is(200);
        bob.get("/me/security").await.is(200).says("Required by Acme");

        // The address alone decides what is offered at sign-in, whoever has a user here.
        for email in ["bob@acme.test", "nobody@acme.test"] {
            let said = house.visitor().post("/sign-in", &[("email", email)]).await.is(200);
            said.says("acme.test uses single sign-on")
                .says("Continue with Acme SSO")
                .hides("Use a password instead");
        }
        let other = house.visitor().post("/sign-in", &[("email", "nobody@elsewhere.test")]).await.is(200);
        other.says("Password").hides("SSO");
        // The teams are the organization's.
        ada.post("/new/team", &[("name", "Film"), ("account", "acme")]).await;

        ada.post("/a/acme/sso/relax", &[("password", PASSWORD)]).await.is(303);
        house.again(&bob).await.get("/a/acme/resources").await.is(200);
        house
            .visitor()
            .post("/sign-in", &[("email", "bob@acme.test")])
            .await
            .is(200)
            .says("Use a password instead");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_breaks_the_glass_once() {
    let provider = Provider::start();
    each(async |house| {
        provider.fault("").await;
        let ada = acme(house, &provider).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        house.join(&ada, "acme", &bob, &["admin"]).await;
        bob.post("/a/acme/sso/codes", &[]).await.is(409).says("Only the owner");
        let page = ada.post("/a/acme/sso/codes", &[]).await.is(200).says("They are shown once");
        let codes = codes(&page);
        ada.get("/a/acme/sso/domains").await.is(200).says("8 codes left").hides(&codes[0]);
        ada.post("/a/acme/sso/enforce", &[]).await.is(303);
        ada.get("/a/acme/overview").await.is(403);

        let at = "/sso/acme/break-glass";
        ada.get(at).await.is(200).says("A code counts once");
        bob.get(at).await.is(404);
        bob.post(at, &[("code", &codes[0]), ("password", PASSWORD)]).await.is(404);
        house.visitor().post(at, &[("code", &codes[0]), ("password", PASSWORD)]).await.is(303).to("/sign-in");
        ada.post(at, &[("code", &codes[0]), ("password", "wrong")])
            .await
            .is(422)
            .says("That is not your password");
        ada.post(at, &[("code", "abcd-abcd-abcd-abcd"), ("password", PASSWORD)])
            .await
            .is(422)
            .says("not right, or was used");
        ada.get("/a/acme/overview").await.is(403);
        ada.post(at, &[("code", &codes[0]), ("password", PASSWORD)]).await.is(303).to("/a/acme/overview");
        ada.get("/a/acme/overview").await.is(200);
        for to in ["ada@acme.test", "bob@acme.test"] {
            assert!(house.letter(to).await.0.subject.contains("break-glass code"), "{to}");
        }
        ada.get("/a/acme/audit").await.is(200).says("went in with a break-glass code");
        let other = house.again(&ada).await;
        other.post(at, &[("code", &codes[0]), ("password", PASSWORD)]).await.is(422).says("was used already");
        other.get("/a/acme/overview").await.is(403);
        // It confirms nothing, and opens for an hour.
        assert_eq!(house.count("select count(*) from sso_connections where confirm_by is not null").await, 1);
        house.tamper("update sso_connections set confirm_by = null").await;
        house.later(Duration::from_secs(3601));
        ada.get("/a/acme/overview").await.is(403);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_counts_beside_the_second_factor() {
    let provider = Provider::start();
    each(async |house| {
        provider.fault("").await;
        let ada = acme(house, &provider).await;
        let (app, _) = set_up(house, &ada).await;
        let codes = codes(&ada.post("/a/acme/sso/codes", &[]).await.is(200));
        ada.post("/a/acme/sso/enforce", &[]).await.is(303);
        let at = "/sso/acme/break-glass";
        ada.get(at).await.is(200).says("Your password").says("Code of your app");
        house.later(Duration::from_secs(30));
        let code = app.code(house);
        let form = [("code", codes[0].as_str()), ("password", PASSWORD), ("proof_code", code.as_str())];
        // However fresh the sign-in, neither stands for the other.
        ada.post(at, &form[..2]).await.is(422).says("Show your second factor too");
        ada.post(at, &[form[0], form[2]]).await.is(422).says("That is not your password");
        let wrong = [form[0], form[1], ("proof_code", "000000")];
        ada.post(at, &wrong).await.is(422).says("This code is not right");
        ada.get("/a/acme/overview").await.is(403);
        ada.post(at, &form).await.is(303).to("/a/acme/overview");
        ada.get("/a/acme/overview").await.is(200);

        // Who has no password any more shows the app alone.
        house.tamper("update users set password = null").await;
        house.tamper("delete from sso_proofs").await;
        ada.get(at).await.is(200).hides("Your password").says("Code of your app");
        house.later(Duration::from_secs(30));
        let code = app.code(house);
        ada.post(at, &[("code", &codes[1])]).await.is(422).says("Show your second factor too");
        ada.post(at, &[("code", &codes[1]), ("proof_code", &code)]).await.is(303);
        ada.get("/a/acme/overview").await.is(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_would_be_locked_out_is_told() {
    let provider = Provider::start();
    each(async |house| {
        provider.fault("").await;
        let ada = acme(house, &provider).await;
        for (name, email) in [("Bob", "bob@acme.test"), ("Gus", "gus@guest.test"), ("Sue", "sue@acme.test")] {
            let it = house.user(name, email).await;
            house.join(&ada, "acme", &it, &["developer"]).await;
        }
        let cy = house.visitor();
        provider.enter(&cy, "/sso/acme", "cy@acme.test").await.is(303);
        house.tamper("update memberships set suspended_at = 1 where is_owner = false and user_id = (select id from users where email_key = 'sue@acme.test')").await;
        ada.get("/a/acme/sso/domains").await.is(200).says("Tell the 2");
        let before = house.count("select count(*) from mails").await;
        ada.post("/a/acme/sso/tell", &[]).await.is(303).to("/a/acme/sso/domains");
        assert_eq!(house.count("select count(*) from mails").await, before + 2);
        for to in ["ada@acme.test", "bob@acme.test"] {
            let mail = house.letter(to).await.0;
            assert_eq!(mail.subject, "Sign in to Acme with single sign-on");
            assert!(mail.text.contains(&house.url("/sso/acme")), "{}", mail.text);
            assert!(mail.text.contains("will soon open for you only"), "{}", mail.text);
        }
        ada.get("/a/acme/audit").await.is(200).says("asked 2 members to sign in with single sign-on");

        // Not again for half a day, however often the button is pressed.
        ada.get("/a/acme/sso/domains").await.is(200).hides("Tell the 2").says("Told");
        ada.post("/a/acme/sso/tell", &[]).await.is(409).says("less than twelve hours ago");
        house.later(Duration::from_secs(12 * 3600));
        ada.get("/a/acme/sso/domains").await.is(200).says("Tell the 2");
        ada.post("/a/acme/sso/tell", &[]).await.is(303);
        house.later(Duration::from_secs(12 * 3600));
        house.tamper("update domains set verified_at = null").await;
        ada.post("/a/acme/sso/tell", &[]).await.is(409).says("All of them have come");
    })
    .await;
}
