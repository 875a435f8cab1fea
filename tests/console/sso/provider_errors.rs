//! Everything that a provider, or an attacker between it and us, can do wrong. Each fault has its own message, none is a
//! 5xx, and none signs anybody in.
use super::acme;
use crate::harness::{Provider, TestApp, TestResponse, TestUser, on_each_db};

/// The fault of the provider, the code of our error, and a part of its message.
const FAULTS: [(&str, &str, &str); 21] = [
    ("issuer", "issuer", "names another issuer"),
    ("audience", "audience", "for another application"),
    ("other-audience", "authorized_party", "given to another application"),
    ("azp", "authorized_party", "given to another application"),
    ("nonce", "nonce", "answers another sign-in"),
    ("no-nonce", "nonce", "answers another sign-in"),
    ("expired", "expired", "has expired"),
    ("future", "issued_in_future", "comes from the future"),
    ("not-yet", "not_yet_valid", "not valid yet"),
    ("signature", "signature", "signature of the provider’s token is wrong"),
    ("none", "algorithm_none", "is not signed"),
    ("hs256", "algorithm", "signed with HS256, which is not accepted"),
    ("unknown-key", "unknown_key", "does not list"),
    ("no-email", "email_missing", "does not tell your e-mail address"),
    ("unverified-email", "email_unverified", "has not verified the address"),
    ("other-domain", "email_domain", "at no verified domain"),
    ("no-subject", "subject", "does not say who this is"),
    ("response-issuer", "response_issuer", "another issuer than the one that was asked"),
    ("denied", "denied", "The application is not assigned to you."),
    ("failing-token", "token_invalid", "without a readable token"),
    ("no-id-token", "no_id_token", "gave no ID token"),
];

#[track_caller]
fn assert_refused(response: TestResponse, code: &str, message: &str) {
    response
        .assert_status(403)
        .assert_contains("You are not signed in")
        .assert_contains(message)
        .assert_contains(code);
}

async fn assert_signed_out(user: &TestUser) {
    user.get("/a/acme/overview").await.assert_status(303).assert_redirect("/sign-in?next=/a/acme/overview");
}

async fn assert_nobody_joined(app: &TestApp) {
    assert_eq!(app.count("select count(*) from users").await, 2);
    assert_eq!(app.count("select count(*) from sso_identities").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_refused_with_its_own_message() {
    let provider = Provider::start();
    on_each_db(async |app| {
        let ada = acme(app, &provider).await;
        // Both for a user who is linked already and for a new one.
        let known = app.visitor();
        provider.set_fault("").await;
        provider.sign_in_through(&known, "/sso/acme", "known@acme.test").await.assert_status(303);
        for name in ["known@acme.test", "new@acme.test"] {
            for (fault, code, message) in FAULTS {
                provider.set_fault(fault).await;
                let browser = app.visitor();
                assert_refused(provider.sign_in_through(&browser, "/sso/acme", name).await, code, message);
                assert_signed_out(&browser).await;
                assert_nobody_joined(app).await;
            }
        }
        provider.set_fault("").await;
        ada.get("/a/acme/audit").await.assert_status(200).assert_contains("was refused by single sign-on");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_works_once_and_only_in_the_browser_that_started() {
    let provider = Provider::start();
    on_each_db(async |app| {
        acme(app, &provider).await;
        let bob = app.visitor();
        let authorization = bob.get("/sso/acme").await.assert_status(303).location();
        for part in ["code_challenge_method=S256", "state=", "nonce=", "response_type=code", "scope=openid"] {
            assert!(authorization.contains(part), "{authorization}");
        }
        let callback = provider.sign_in(&authorization, "bob@acme.test").await;
        let callback = callback.trim_start_matches(crate::harness::BASE).to_owned();
        // Another browser, to which somebody sent the link.
        let eve = app.visitor();
        assert_refused(eve.get(&callback).await, "state", "no sign-in that this browser began");
        eve.get("/sso/acme").await.assert_status(303);
        assert_refused(eve.get(&callback).await, "state", "no sign-in that this browser began");
        assert_signed_out(&eve).await;
        bob.get(&callback).await.assert_status(303).assert_redirect("/a/acme/overview");
        assert_refused(bob.get(&callback).await, "state", "no sign-in that this browser began");

        // A used code in a sign-in that this browser started.
        let code = |url: &str| url.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        let authorization = eve.get("/sso/acme").await.assert_status(303).location();
        let mine = provider.sign_in(&authorization, "eve@acme.test").await;
        let stolen = mine.trim_start_matches(crate::harness::BASE).replace(&code(&mine), &code(&callback));
        assert_refused(eve.get(&stolen).await, "code_refused", "did not accept our code");
        assert_signed_out(&eve).await;

        provider.set_fault("state").await;
        let dan = app.visitor();
        assert_refused(
            provider.sign_in_through(&dan, "/sso/acme", "dan@acme.test").await,
            "state",
            "no sign-in that this browser began",
        );
        provider.set_fault("").await;
        // A sign-in expires after ten minutes.
        let authorization = dan.get("/sso/acme").await.assert_status(303).location();
        let late = provider.sign_in(&authorization, "dan@acme.test").await;
        app.advance(std::time::Duration::from_secs(601));
        assert_refused(
            dan.get(late.trim_start_matches(crate::harness::BASE)).await,
            "state",
            "in the last ten minutes",
        );
        assert_signed_out(&dan).await;
        for query in ["", "?state=x&code=y", "?state=%F0%9F%8E%89&error=%00", "?code=&state=&iss="] {
            let response = dan.get(&format!("/sso/callback{query}")).await;
            assert!([400, 403].contains(&response.status), "{query}: {}", response.status);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_or_slow_provider_is_reported_within_ten_seconds() {
    // Discovery is cached for ten minutes, so each fault needs its own provider.
    for (fault, code, message) in [
        ("discovery-issuer", "discovery_issuer", "names another issuer"),
        ("discovery-html", "discovery_invalid", "is not a discovery document"),
        ("failing-discovery", "discovery_unreachable", "answered with status 503"),
        ("failing-keys", "keys_unreachable", "answered with status 503"),
        ("slow-discovery", "discovery_unreachable", "did not answer within 10 seconds"),
    ] {
        let provider = Provider::start();
        provider.set_fault(fault).await;
        on_each_db(async |app| {
            acme(app, &provider).await;
            let bob = app.visitor();
            assert_refused(bob.get("/sso/acme").await, code, message);
            assert_signed_out(&bob).await;
        })
        .await;
    }
    let provider = Provider::start();
    on_each_db(async |app| {
        acme(app, &provider).await;
        let bob = app.visitor();
        provider.set_fault("slow-token").await;
        assert_refused(
            provider.sign_in_through(&bob, "/sso/acme", "bob@acme.test").await,
            "token_unreachable",
            "did not answer within 10 seconds",
        );
        assert_signed_out(&bob).await;
        provider.set_fault("").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotated_keys_of_the_provider_are_fetched() {
    let provider = Provider::start();
    on_each_db(async |app| {
        acme(app, &provider).await;
        provider.set_fault("").await;
        provider
            .sign_in_through(&app.visitor(), "/sso/acme", "bob@acme.test")
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/overview");
        provider.set_fault("rotated").await;
        provider
            .sign_in_through(&app.visitor(), "/sso/acme", "bob@acme.test")
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/overview");
    })
    .await;
}
