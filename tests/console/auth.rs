//! Signing in by Google and by GitHub, against a real provider each: new people, linked ones, and everybody who is refused.
#[path = "auth/github.rs"]
mod github;
#[path = "auth/proof.rs"]
mod proof;

use crate::harness::{BASE, House, PASSWORD, Person, Provider, each_with};
use axum::http::Method;
use github::GitHub;
use guildhall::kit::Rules;
use serde_json::json;
use std::time::Duration;

/// Goes to the provider from a page of ours, and comes back with what it said: the path of the callback.
async fn there(google: &Provider, who: &Person, path: &str, login: &str) -> String {
    let back = google.sign_in(&who.get(path).await.is(303).location(), login).await;
    back.strip_prefix(BASE).expect("an address of ours").to_owned()
}

/// How somebody's newest session began.
async fn method(house: &House, email: &str) -> String {
    let sql = "select s.method from sessions s join users u on u.id = s.user_id where u.email_key = $1
        order by s.created_at desc, s.id desc limit 1";
    let mut conn = house.db.read().await.unwrap();
    conn.query(sql).bind(email.to_owned()).one::<(String,)>().await.unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_person_comes_by_google_and_comes_again() {
    let google = Provider::start();
    each_with(google.as_google(), async |house| {
        google.knows("ada@acme.test", json!({ "sub": "g-1", "name": "Ada Byron" })).await;
        let ada = house.visitor();
        ada.get("/sign-in").await.is(200).says("Continue with Google").hides("Continue with GitHub");
        let back = there(&google, &ada, "/auth/google", "ada@acme.test").await;
        let home = ada.get(&back).await.is(303).location();
        assert_eq!(home, "/a/ada-byron/overview");
        ada.get(&home).await.is(200).says("Ada Byron");
        assert_eq!(method(house, "ada@acme.test").await, "google");
        // The answer counts once.
        ada.get(&back).await.is(403).says("belongs to no sign-in");

        // Known by who they are there, and not by the address.
        google.knows("ada@acme.test", json!({ "sub": "g-1", "email": "other@acme.test" })).await;
        let again = house.visitor();
        let back = there(&google, &again, "/auth/google?next=/me", "ada@acme.test").await;
        again.get(&back).await.is(303).to("/me");
        again.get("/me").await.is(200).says("ada@acme.test");
        assert_eq!(house.count("select count(*) from users").await, 1);
        assert_eq!(house.count("select count(*) from identities").await, 1);

        // It is their only way in.
        let page = again.get("/me/security").await.is(200).says("Other accounts").says("other@acme.test");
        page.says("None: you sign in another way");
        let unlink = [("what", "unlink")];
        again.post("/me/security/google", &unlink).await.is(409).says("your only way to sign in");
        assert_eq!(house.count("select count(*) from identities").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_joined_by_an_address_alone() {
    let google = Provider::start();
    each_with(google.as_google(), async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let visitor = house.visitor();
        let back = there(&google, &visitor, "/auth/google", "ada@acme.test").await;
        visitor.get(&back).await.is(409).says("Sign in as yourself once").says("not linked with Google");
        visitor.get("/me").await.is(303);
        assert_eq!(house.count("select count(*) from identities").await, 0);

        // As themselves, with a fresh proof.
        house.later(Duration::from_secs(3600));
        ada.get("/me/security").await.is(200).says("Not linked");
        ada.get("/auth/google?link=1").await.is(303).to("/me/security/google");
        ada.get("/me/security/google").await.is(200).says("To confirm that it is you").says("Your password");
        ada.post("/me/security/google", &[("what", "prove"), ("password", "not it")]).await.is(422);
        let right = [("what", "prove"), ("password", PASSWORD)];
        ada.post("/me/security/google", &right).await.is(303).to("/me/security/google");
        ada.get("/me/security/google").await.is(200).hides("Your password");
        let elsewhere = [("sec-fetch-site", "cross-site")];
        let said = ada.send(Method::GET, "/auth/google?link=1", &elsewhere, axum::body::Body::empty()).await;
        said.is(303).to("/me/security/google");
        let back = there(&google, &ada, "/auth/google?link=1", "ada@acme.test").await;
        ada.get(&back).await.is(303).to("/me/security");
        ada.get("/me/security").await.is(200).says("linked");
        assert!(house.letter("ada@acme.test").await.0.subject.starts_with("You can sign in with Google now"));

        // From then on either opens it.
        let back = there(&google, &visitor, "/auth/google", "ada@acme.test").await;
        visitor.get(&back).await.is(303).to("/a/ada/overview");
        house.again(&ada).await.get("/me").await.is(200);

        // Who is somebody else's at Google is nobody's here.
        let bob = house.user("Bob", "bob@acme.test").await;
        let back = there(&google, &bob, "/auth/google?link=1", "ada@acme.test").await;
        let said = bob.get(&back).await.is(303).to("/me/security");
        assert!(said.toast().contains("linked with another user"), "{}", said.toast());
        assert_eq!(house.count("select count(*) from identities").await, 1);

        ada.post("/me/security/google", &[("what", "unlink")]).await.is(303).to("/me/security");
        let back = there(&google, &house.visitor(), "/auth/google", "ada@acme.test").await;
        house.visitor().get(&back).await.is(403);
        let told = "select count(*) from audit_events where action in ('user.linked', 'user.unlinked')";
        assert_eq!(house.count(told).await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_invited_comes_by_google() {
    let google = Provider::start();
    let social = google.as_google();
    let rules = |it: &mut Rules| {
        social(it);
        it.open_sign_up = false;
        it.loopback = true;
    };
    each_with(rules, async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        house.tamper("update users set operator = true").await;
        house.tamper("update installation set first_operator = (select id from users)").await;
        house.organization(&ada, "Acme").await;
        let eve = house.visitor();
        let back = there(&google, &eve, "/auth/google", "eve@evil.test").await;
        eve.get(&back).await.is(403).says("People join here by invitation");
        assert_eq!(house.count("select count(*) from users").await, 1);

        let form =
            [("emails", "bob@acme.test"), ("role", "member"), ("product", ""), ("login_type", "google")];
        ada.post("/a/acme/invitations", &form).await.is(303);
        let link = house.letter("bob@acme.test").await.link("/invitations/");
        let bob = house.visitor();
        bob.get(&link).await.is(200).says("Continue with Google");
        let back = there(&google, &bob, &format!("/auth/google?next={link}"), "bob@acme.test").await;
        bob.get(&back).await.is(303).to(&link);
        bob.post(&format!("{link}/accept"), &[]).await.is(303).to("/a/acme/overview");
        bob.get("/a/acme/overview").await.is(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_google_does_not_vouch_for_is_refused() {
    let google = Provider::start();
    each_with(google.as_google(), async |house| {
        let refused = [
            ("unverified-email", "does not say that an address is yours"),
            ("no-email", "does not say that an address is yours"),
            ("denied", "not assigned to you"),
            ("state", "belongs to no sign-in"),
            ("nonce", ""),
            ("audience", ""),
            ("signature", ""),
            ("none", ""),
            ("expired", ""),
            ("failing-token", ""),
        ];
        let mut said = vec![];
        for (fault, words) in refused {
            google.fault(fault).await;
            let visitor = house.visitor();
            let back = there(&google, &visitor, "/auth/google", "ada@acme.test").await;
            let text = visitor.get(&back).await.is(403).says(words).text();
            said.push((fault, text));
            visitor.get("/me").await.is(303);
        }
        assert_eq!(house.count("select count(*) from users").await, 0);
        // Another browser cannot use what this one began.
        google.fault("").await;
        let back = there(&google, &house.visitor(), "/auth/google", "ada@acme.test").await;
        house.visitor().get(&back).await.is(403).says("belongs to no sign-in");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_come_by_github() {
    let github = GitHub::start().await;
    each_with(github.rules(), async |house| {
        github.is(1, "ada-l", "ada@acme.test", true);
        let ada = house.visitor();
        ada.get("/sign-in").await.is(200).says("Continue with GitHub").hides("Continue with Google");
        let back = github.walk(&ada.get("/auth/github").await.is(303).location()).await;
        ada.get(&back).await.is(303).to("/a/ada-l/overview");
        assert_eq!(method(house, "ada@acme.test").await, "github");
        ada.get("/me/security").await.is(200).says("ada-l");

        // Another handle and address, the same person.
        github.is(1, "ada-byron", "ada@elsewhere.test", true);
        let again = house.visitor();
        let back = github.walk(&again.get("/auth/github?next=//evil.test").await.is(303).location()).await;
        again.get(&back).await.is(303).to("/a/ada-l/overview");
        // The same handle and address, another person.
        github.is(2, "ada-l", "ada@acme.test", true);
        let other = house.visitor();
        let back = github.walk(&other.get("/auth/github").await.is(303).location()).await;
        other.get(&back).await.is(409).says("not linked with GitHub");
        assert_eq!(house.count("select count(*) from users").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_github_does_not_vouch_for_is_refused() {
    let github = GitHub::start().await;
    each_with(github.rules(), async |house| {
        github.is(1, "ada-l", "ada@acme.test", false);
        let visitor = house.visitor();
        let begin = async || visitor.get("/auth/github").await.is(303).location();
        let back = github.walk(&begin().await).await;
        visitor.get(&back).await.is(403).says("GitHub does not say that an address is yours");
        github.is(1, "ada-l", "ada@acme.test", true);

        github.fault("denied");
        let back = github.walk(&begin().await).await;
        visitor.get(&back).await.is(403).says("denied your application access").says("Try again");
        github.fault("");

        // A code counts once, and only for who began.
        let first = github.walk(&begin().await).await;
        let second = github.walk(&begin().await).await;
        visitor.get(&first).await.is(403).says("belongs to no sign-in");
        let code = |it: &str| it.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        let mixed = second.replace(&code(&second), &code(&first));
        visitor.get(&mixed).await.is(403).says("did not take our code");

        for (fault, words) in
            [("down", "Try again later"), ("html", "could not be read"), ("api-down", "did not answer")]
        {
            let back = github.walk(&begin().await).await;
            github.fault(fault);
            visitor.get(&back).await.is(403).says(words);
            github.fault("");
        }
        house.later(Duration::from_secs(1));
        let back = github.walk(&begin().await).await;
        house.later(Duration::from_secs(16 * 60));
        visitor.get(&back).await.is(403).says("belongs to no sign-in");
        visitor.get("/auth/github/callback").await.is(403);
        assert_eq!(house.count("select count(*) from users").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_set_up_is_not_there() {
    each_with(
        |_| {},
        async |house| {
            let ada = house.user("Ada", "ada@acme.test").await;
            house.visitor().get("/sign-in").await.is(200).hides("Continue with");
            for path in ["/auth/google", "/auth/github"] {
                house.visitor().get(path).await.is(404);
            }
            ada.get("/me/security").await.is(200).hides("Other accounts");
            ada.get("/me/security/google").await.is(303).to("/me/security");
        },
    )
    .await;
}
