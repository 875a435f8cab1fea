//! Everything that a provider, or somebody between it and us, can do wrong: each is refused in its own words, none is a 5xx,
//! none signs anybody in.
use super::acme;
use crate::harness::{House, Person, Provider, Said, each};

/// What the provider does, and what we say.
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
    ("failing-token", "token_invalid", "no token that could be read"),
    ("no-id-token", "no_id_token", "gave no ID token"),
];

#[track_caller]
fn refused(said: Said, code: &str, words: &str) {
    said.is(403).says("You are not signed in").says(words).says(code);
}

async fn is_out(who: &Person) {
    who.get("/a/acme/overview").await.is(303).to("/sign-in?next=/a/acme/overview");
}

async fn nobody_is_new(house: &House) {
    assert_eq!(house.count("select count(*) from users").await, 2);
    assert_eq!(house.count("select count(*) from sso_identities").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_refused_in_its_own_words() {
    let provider = Provider::start();
    each(async |house| {
        let ada = acme(house, &provider).await;
        // Once somebody is known, and once somebody is new: a fault is a fault.
        let known = house.visitor();
        provider.fault("").await;
        provider.enter(&known, "/sso/acme", "known@acme.test").await.is(303);
        for name in ["known@acme.test", "new@acme.test"] {
            for (fault, code, words) in FAULTS {
                provider.fault(fault).await;
                let browser = house.visitor();
                refused(provider.enter(&browser, "/sso/acme", name).await, code, words);
                is_out(&browser).await;
                nobody_is_new(house).await;
            }
        }
        provider.fault("").await;
        ada.get("/a/acme/audit").await.is(200).says("was refused by single sign-on");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_belongs_to_this_browser_and_counts_once() {
    let provider = Provider::start();
    each(async |house| {
        acme(house, &provider).await;
        let bob = house.visitor();
        let there = bob.get("/sso/acme").await.is(303).location();
        for part in ["code_challenge_method=S256", "state=", "nonce=", "response_type=code", "scope=openid"] {
            assert!(there.contains(part), "{there}");
        }
        let back = provider.sign_in(&there, "bob@acme.test").await;
        let back = back.trim_start_matches(crate::harness::BASE).to_owned();
        // Somebody else's browser, who was sent the link.
        let eve = house.visitor();
        refused(eve.get(&back).await, "state", "no sign-in that this browser began");
        eve.get("/sso/acme").await.is(303);
        refused(eve.get(&back).await, "state", "no sign-in that this browser began");
        is_out(&eve).await;
        bob.get(&back).await.is(303).to("/a/acme/overview");
        refused(bob.get(&back).await, "state", "no sign-in that this browser began");

        // A code that was used already, in a sign-in of one's own.
        let code = |it: &str| it.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        let there = eve.get("/sso/acme").await.is(303).location();
        let mine = provider.sign_in(&there, "eve@acme.test").await;
        let stolen = mine.trim_start_matches(crate::harness::BASE).replace(&code(&mine), &code(&back));
        refused(eve.get(&stolen).await, "code_refused", "did not take our code");
        is_out(&eve).await;

        provider.fault("state").await;
        let dan = house.visitor();
        refused(
            provider.enter(&dan, "/sso/acme", "dan@acme.test").await,
            "state",
            "no sign-in that this browser began",
        );
        provider.fault("").await;
        // Ten minutes later it is over.
        let there = dan.get("/sso/acme").await.is(303).location();
        let late = provider.sign_in(&there, "dan@acme.test").await;
        house.later(std::time::Duration::from_secs(601));
        refused(
            dan.get(late.trim_start_matches(crate::harness::BASE)).await,
            "state",
            "in the last ten minutes",
        );
        is_out(&dan).await;
        for odd in ["", "?state=x&code=y", "?state=%F0%9F%8E%89&error=%00", "?code=&state=&iss="] {
            let said = dan.get(&format!("/sso/callback{odd}")).await;
            assert!([400, 403].contains(&said.status), "{odd}: {}", said.status);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_keeps_nobody_waiting() {
    // What was found is remembered for ten minutes: each fault has a provider of its own.
    for (fault, code, words) in [
        ("discovery-issuer", "discovery_issuer", "names another issuer"),
        ("discovery-html", "discovery_invalid", "is no discovery document"),
        ("failing-discovery", "discovery_unreachable", "answered with status 503"),
        ("failing-keys", "keys_unreachable", "answered with status 503"),
        ("slow-discovery", "discovery_unreachable", "did not answer within 10 seconds"),
    ] {
        let provider = Provider::start();
        provider.fault(fault).await;
        each(async |house| {
            acme(house, &provider).await;
            let bob = house.visitor();
            refused(bob.get("/sso/acme").await, code, words);
            is_out(&bob).await;
        })
        .await;
    }
    let provider = Provider::start();
    each(async |house| {
        acme(house, &provider).await;
        let bob = house.visitor();
        provider.fault("slow-token").await;
        refused(
            provider.enter(&bob, "/sso/acme", "bob@acme.test").await,
            "token_unreachable",
            "did not answer within 10 seconds",
        );
        is_out(&bob).await;
        provider.fault("").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_of_the_provider_are_found() {
    let provider = Provider::start();
    each(async |house| {
        acme(house, &provider).await;
        provider.fault("").await;
        provider.enter(&house.visitor(), "/sso/acme", "bob@acme.test").await.is(303).to("/a/acme/overview");
        provider.fault("rotated").await;
        provider.enter(&house.visitor(), "/sso/acme", "bob@acme.test").await.is(303).to("/a/acme/overview");
    })
    .await;
}
