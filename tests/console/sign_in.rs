//! Signing in and out, forgotten passwords, throttling.
use crate::harness::{PASSWORD, on_each_db};
use axum::{body::Body, http::Method};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_and_out() {
    on_each_db(async |app| {
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        ada.get("/").await.assert_status(303).assert_redirect("/a/ada-byron/overview");
        let old = ada.cookie("guildhall").unwrap();
        ada.get("/sign-in").await.assert_status(303).assert_redirect("/");

        let bob = app.visitor();
        bob.get("/").await.assert_status(303).assert_redirect("/sign-in");
        bob.get("/me?tab=1").await.assert_status(303).assert_redirect("/sign-in?next=/me%3Ftab%3D1");
        let typed = [("email", "ada@acme.test"), ("password", "wrong"), ("next", "/me")];
        let response = bob
            .post("/sign-in", &typed)
            .await
            .assert_status(422)
            .assert_contains("The address or the password is not right");
        assert!(response.body.contains("value=\"ada@acme.test\"") && response.body.contains("value=\"/me\""));
        let unknown = [("email", "nobody@acme.test"), ("password", "wrong"), ("next", "/me")];
        let other = bob.post("/sign-in", &unknown).await.assert_status(422);
        assert_eq!(response.text(), other.text(), "an unknown address reads like a wrong password");

        let right = [("email", "ADA@acme.test"), ("password", PASSWORD), ("next", "/me")];
        bob.post("/sign-in", &right).await.assert_status(303).assert_redirect("/me");
        let foreign = [("email", "ada@acme.test"), ("password", PASSWORD), ("next", "//evil.test")];
        app.visitor()
            .post("/sign-in", &foreign)
            .await
            .assert_status(303)
            .assert_redirect("/a/ada-byron/overview");

        ada.post("/sign-out", &[]).await.assert_status(303).assert_redirect("/sign-in");
        ada.get("/me").await.assert_status(303);
        let thief = app.visitor();
        let stolen = format!("guildhall={old}");
        thief
            .send(Method::GET, "/me", &[("cookie", &stolen)], Body::empty())
            .await
            .assert_status(303)
            .assert_redirect("/sign-in?next=/me");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_expires() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        app.advance(Duration::from_secs(15 * 86_400));
        ada.get("/me").await.assert_status(303).assert_redirect("/sign-in?next=/me");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_throttled_without_locking_out_the_owner() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let thief = app.visitor();
        let guess = [("email", "ada@acme.test"), ("password", "wrong")];
        for _ in 0..10 {
            thief.post("/sign-in", &guess).await.assert_status(422);
        }
        let response = thief.post("/sign-in", &guess).await.assert_status(429);
        assert!(!response.header("retry-after").is_empty());
        // A browser that she used before is counted separately.
        ada.post("/sign-out", &[]).await.assert_status(303);
        ada.post("/sign-in", &[("email", "ada@acme.test"), ("password", PASSWORD)]).await.assert_status(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_reset_by_email() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let visitor = app.visitor();
        let response =
            visitor.post("/forgot-password", &[("email", "Ada@Acme.test")]).await.assert_status(200);
        let other = visitor.post("/forgot-password", &[("email", "Eve@Acme.test")]).await.assert_status(200);
        assert_eq!(response.text().replace("Ada@", ""), other.text().replace("Eve@", ""));
        assert!(app.emails("eve@acme.test").await.is_empty());

        let link = app.email("ada@acme.test").await.link("/reset-password/");
        let shown = visitor.get(&link).await.assert_status(200).assert_contains("Choose a new password");
        assert_eq!(shown.header("referrer-policy"), "no-referrer");
        visitor
            .post(&link, &[("password", "123456")])
            .await
            .assert_status(422)
            .assert_contains("too easy to guess");
        visitor.post(&link, &[("password", "entirely unrelated words here")]).await.assert_status(303);
        visitor.get("/me").await.assert_status(200);
        ada.get("/me").await.assert_status(303);
        visitor.get(&link).await.assert_status(410);
        visitor.post(&link, &[("password", "another unrelated phrase 9")]).await.assert_status(410);
        app.visitor()
            .post("/sign-in", &[("email", "ada@acme.test"), ("password", PASSWORD)])
            .await
            .assert_status(422);

        visitor.post("/forgot-password", &[("email", "ada@acme.test")]).await.assert_status(200);
        let late = app.email("ada@acme.test").await.link("/reset-password/");
        app.advance(Duration::from_secs(3700));
        app.visitor().get(&late).await.assert_status(410).assert_contains("This link no longer works");
    })
    .await;
}
