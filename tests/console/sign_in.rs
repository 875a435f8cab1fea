//! Signing in and out, forgotten passwords, throttling, cross-site requests.
use crate::harness::{PASSWORD, each};
use axum::{body::Body, http::Method};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn ada_signs_in_and_out() {
    each(async |house| {
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        ada.get("/").await.is(303).to("/a/ada-byron/overview");
        let old = ada.cookie("guildhall").unwrap();
        ada.get("/sign-in").await.is(303).to("/");

        let bob = house.visitor();
        bob.get("/").await.is(303).to("/sign-in");
        bob.get("/me?tab=1").await.is(303).to("/sign-in?next=/me%3Ftab%3D1");
        let typed = [("email", "ada@acme.test"), ("password", "wrong"), ("next", "/me")];
        let said =
            bob.post("/sign-in", &typed).await.is(422).says("The address or the password is not right");
        assert!(said.body.contains("value=\"ada@acme.test\"") && said.body.contains("value=\"/me\""));
        let unknown = [("email", "nobody@acme.test"), ("password", "wrong"), ("next", "/me")];
        let other = bob.post("/sign-in", &unknown).await.is(422);
        assert_eq!(said.text(), other.text(), "an unknown address reads like a wrong password");

        let right = [("email", "ADA@acme.test"), ("password", PASSWORD), ("next", "/me")];
        bob.post("/sign-in", &right).await.is(303).to("/me");
        let evil = [("email", "ada@acme.test"), ("password", PASSWORD), ("next", "//evil.test")];
        house.visitor().post("/sign-in", &evil).await.is(303).to("/a/ada-byron/overview");

        ada.post("/sign-out", &[]).await.is(303).to("/sign-in");
        ada.get("/me").await.is(303);
        let thief = house.visitor();
        let stolen = format!("guildhall={old}");
        thief
            .send(Method::GET, "/me", &[("cookie", &stolen)], Body::empty())
            .await
            .is(303)
            .to("/sign-in?next=/me");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_by_itself() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        house.later(Duration::from_secs(15 * 86_400));
        ada.get("/me").await.is(303).to("/sign-in?next=/me");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_and_locks_nobody_out() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let thief = house.visitor();
        let guess = [("email", "ada@acme.test"), ("password", "wrong")];
        for _ in 0..10 {
            thief.post("/sign-in", &guess).await.is(422);
        }
        let said = thief.post("/sign-in", &guess).await.is(429);
        assert!(!said.field("retry-after").is_empty());
        // Her own browser is known, and is counted apart.
        ada.post("/sign-out", &[]).await.is(303);
        ada.post("/sign-in", &[("email", "ada@acme.test"), ("password", PASSWORD)]).await.is(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_replaced_by_mail() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let visitor = house.visitor();
        let said = visitor.post("/forgot-password", &[("email", "Ada@Acme.test")]).await.is(200);
        let other = visitor.post("/forgot-password", &[("email", "Eve@Acme.test")]).await.is(200);
        assert_eq!(said.text().replace("Ada@", ""), other.text().replace("Eve@", ""));
        assert!(house.letters("eve@acme.test").await.is_empty());

        let link = house.letter("ada@acme.test").await.link("/reset-password/");
        let shown = visitor.get(&link).await.is(200).says("Choose a new password");
        assert_eq!(shown.field("referrer-policy"), "no-referrer");
        visitor.post(&link, &[("password", "123456")]).await.is(422).says("too easy to guess");
        visitor.post(&link, &[("password", "entirely unrelated words here")]).await.is(303);
        visitor.get("/me").await.is(200);
        ada.get("/me").await.is(303);
        visitor.get(&link).await.is(410);
        visitor.post(&link, &[("password", "another unrelated phrase 9")]).await.is(410);
        house.visitor().post("/sign-in", &[("email", "ada@acme.test"), ("password", PASSWORD)]).await.is(422);

        visitor.post("/forgot-password", &[("email", "ada@acme.test")]).await.is(200);
        let late = house.letter("ada@acme.test").await.link("/reset-password/");
        house.later(Duration::from_secs(3700));
        house.visitor().get(&late).await.is(410).says("This link is over");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_changes_nothing() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let form = ("content-type", "application/x-www-form-urlencoded");
        for fields in [
            vec![form],
            vec![form, ("origin", "https://evil.test")],
            vec![form, ("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:3000")],
            vec![form, ("sec-fetch-site", "same-site")],
        ] {
            ada.send(Method::POST, "/sign-out", &fields, Body::empty()).await.is(403);
        }
        ada.get("/me").await.is(200);
        let ours = [form, ("origin", "http://127.0.0.1:3000")];
        ada.send(Method::POST, "/sign-out", &ours, Body::empty()).await.is(303);
    })
    .await;
}
