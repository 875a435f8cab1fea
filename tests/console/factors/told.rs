//! Mails about new browsers, and the operator's help.
use super::{half, set_up};
use crate::harness::{Mail, PASSWORD, each};
use guildhall::store::factors;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_browser_is_told_by_mail() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let is_new = |it: &Mail| it.0.subject.starts_with("New sign-in");
        assert!(house.letters("ada@acme.test").await.is_empty(), "the first browser is nobody's surprise");
        let fields = [
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
        let other = house.visitor();
        other.send(axum::http::Method::POST, "/sign-in", &fields, form.into()).await.is(303);
        let mail = house.letter("ada@acme.test").await;
        assert!(is_new(&mail) && mail.0.subject.ends_with("with Firefox on macOS"), "{}", mail.0.subject);
        assert!(mail.0.text.contains("127.0.0.1") && mail.0.text.contains("/me/security"));
        for secret in ["guildhall", "known"] {
            let secret = other.cookie(secret).unwrap();
            assert!(!mail.0.text.contains(&secret) && !mail.0.html.contains(&secret));
        }
        // Both are known from now on.
        for it in [&ada, &other] {
            it.post("/sign-out", &[]).await.is(303);
            it.post("/sign-in", &[("email", "ada@acme.test"), ("password", PASSWORD)]).await.is(303);
        }
        assert_eq!(house.letters("ada@acme.test").await.iter().filter(|it| is_new(it)).count(), 1);
        let wrong = [("email", "ada@acme.test"), ("password", "wrong")];
        house.visitor().post("/sign-in", &wrong).await.is(422);
        assert_eq!(house.letters("ada@acme.test").await.len(), 1);

        // Nor is who just signed up.
        let bob = house.visitor();
        let form =
            [("name", "Bob"), ("email", "bob@acme.test"), ("password", "entirely unrelated words here")];
        bob.post("/sign-up", &form).await.is(200);
        let link = house.letter("bob@acme.test").await.link("/verify-email/");
        bob.post(&link, &[]).await.is(303);
        bob.post("/sign-out", &[]).await.is(303);
        bob.post("/sign-in", &form[1..]).await.is(303);
        assert_eq!(house.letters("bob@acme.test").await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lost_all_is_helped_by_the_operator() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        set_up(house, &ada).await;
        let lost = half(house, &ada, "").await;
        let email = guildhall::model::text::Email::parse("ADA@acme.test").unwrap();
        let found = house.host(async |change| factors::reset(change, &email).await.unwrap()).await;
        assert_eq!(found.unwrap().id, ada.id);
        assert!(house.letter("ada@acme.test").await.0.subject.starts_with("Your second factors were reset"));
        ada.get("/me").await.is(303).to("/sign-in?next=/me");
        // Half a sign-in from before does not become a whole one.
        lost.post("/sign-in/second", &[("code", "000000")]).await.is(303).to("/sign-in");
        lost.get("/me").await.is(303);
        let form = [("email", "ada@acme.test"), ("password", PASSWORD)];
        let again = house.visitor();
        again.post("/sign-in", &form).await.is(303).to("/a/ada/overview");
        again
            .get("/a/ada/audit")
            .await
            .is(200)
            .says("removed the second factors and passkeys of ada@acme.test");
    })
    .await;
}
