//! Emails about new browsers, and the reset of factors by the operator.
use super::{after_password, set_up};
use crate::harness::{PASSWORD, SentEmail, on_each_db};
use guildhall::store::factors;

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_with_a_new_browser_is_announced_by_email() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let is_new = |mail: &SentEmail| mail.0.subject.starts_with("New sign-in");
        assert!(app.emails("ada@acme.test").await.is_empty(), "the first browser is not announced");
        let headers = [
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/x-www-form-urlencoded"),
            (
                "user-agent",
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:143.0) Gecko/20100101 Firefox/143.0",
            ),
        ];
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("email", "ada@acme.test"), ("password", PASSWORD)])
            .finish();
        let other = app.visitor();
        other.send(axum::http::Method::POST, "/sign-in", &headers, form.into()).await.assert_status(303);
        let mail = app.email("ada@acme.test").await;
        assert!(is_new(&mail) && mail.0.subject.ends_with("with Firefox on macOS"), "{}", mail.0.subject);
        assert!(mail.0.text.contains("127.0.0.1") && mail.0.text.contains("/me/security"));
        for cookie in ["guildhall", "known"] {
            let secret = other.cookie(cookie).unwrap();
            assert!(!mail.0.text.contains(&secret) && !mail.0.html.contains(&secret));
        }
        // Both are known from now on.
        for browser in [&ada, &other] {
            browser.post("/sign-out", &[]).await.assert_status(303);
            browser
                .post("/sign-in", &[("email", "ada@acme.test"), ("password", PASSWORD)])
                .await
                .assert_status(303);
        }
        assert_eq!(app.emails("ada@acme.test").await.iter().filter(|mail| is_new(mail)).count(), 1);
        let wrong = [("email", "ada@acme.test"), ("password", "wrong")];
        app.visitor().post("/sign-in", &wrong).await.assert_status(422);
        assert_eq!(app.emails("ada@acme.test").await.len(), 1);

        // The browser of a sign-up is known, too.
        let bob = app.visitor();
        let form =
            [("name", "Bob"), ("email", "bob@acme.test"), ("password", "entirely unrelated words here")];
        bob.post("/sign-up", &form).await.assert_status(200);
        let link = app.email("bob@acme.test").await.link("/verify-email/");
        bob.post(&link, &[]).await.assert_status(303);
        bob.post("/sign-out", &[]).await.assert_status(303);
        bob.post("/sign-in", &form[1..]).await.assert_status(303);
        assert_eq!(app.emails("bob@acme.test").await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_resets_the_factors_of_a_user() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        set_up(app, &ada).await;
        let lost = after_password(app, &ada, "").await;
        let email = guildhall::model::text::EmailAddress::parse("ADA@acme.test").unwrap();
        let reset = app.as_system(async |change| factors::reset(change, &email).await.unwrap()).await;
        assert_eq!(reset.unwrap().id, ada.id);
        assert!(app.email("ada@acme.test").await.0.subject.starts_with("Your second factors were reset"));
        ada.get("/me").await.assert_status(303).assert_redirect("/sign-in?next=/me");
        // A sign-in that began before the reset cannot be completed.
        lost.post("/sign-in/second", &[("code", "000000")])
            .await
            .assert_status(303)
            .assert_redirect("/sign-in");
        lost.get("/me").await.assert_status(303);
        let form = [("email", "ada@acme.test"), ("password", PASSWORD)];
        let again = app.visitor();
        again.post("/sign-in", &form).await.assert_status(303).assert_redirect("/a/ada/overview");
        again
            .get("/a/ada/audit")
            .await
            .assert_status(200)
            .assert_contains("removed the second factors and passkeys of ada@acme.test");
    })
    .await;
}
