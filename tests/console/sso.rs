//! Single sign-on with a real provider: who it lets in, what that opens, and every fault that it refuses.
mod domains;
mod enforce;
mod faults;
mod kept;
mod programs;
mod settings;

use crate::harness::{House, PASSWORD, Person, Provider, Said, each};
use serde_json::json;

/// Acme with its provider, and its owner.
pub async fn acme(house: &House, provider: &Provider) -> Person {
    let ada = house.user("Ada Byron", "ada@acme.test").await;
    house.organization(&ada, "Acme").await;
    provider.connect(house, &ada, "acme", "acme.test").await;
    ada
}

/// The break-glass codes that a page shows.
pub fn codes(page: &Said) -> Vec<String> {
    let all: Vec<String> = page
        .body
        .split("<code>")
        .filter_map(|it| it.split("</code>").next())
        .filter(|it| it.len() == 19)
        .map(str::to_owned)
        .collect();
    assert_eq!(all.len(), 8, "{}", page.body);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_new_becomes_a_member_and_sees_nothing_else() {
    let provider = Provider::start();
    each(async |house| {
        let ada = acme(house, &provider).await;
        let cy = house.visitor();
        provider.enter(&cy, "/sso/acme?next=/a/acme/keys", "cy@acme.test").await.is(303).to("/a/acme/keys");
        cy.get("/a/acme/keys").await.is(200);
        cy.get("/").await.is(303).to("/a/acme/overview");
        ada.get("/a/acme/members").await.is(200).says("cy@acme.test");
        // What a provider says opens its organization alone.
        for path in ["/me", "/me/security", "/a/cy/overview", "/new/organization"] {
            let said = cy.get(path).await.is(403).says("needs your own sign-in");
            assert!(said.body.contains(&format!("/sign-in?own=1&#38;next={path}")), "{}", said.body);
        }
        cy.post("/me", &[("name", "Eve")]).await.is(403);
        // Their own proof opens the rest, and what the provider said still holds.
        let set = [("email", "cy@acme.test")];
        house.visitor().post("/forgot-password", &set).await;
        house.set_password("cy@acme.test", PASSWORD).await;
        cy.get("/sign-in?own=1&next=/me/security").await.is(200).says("Password");
        let own = [("email", "cy@acme.test"), ("password", PASSWORD), ("next", "/me/security")];
        cy.post("/sign-in", &own).await.is(303).to("/me/security");
        cy.get("/me/security").await.is(200);
        cy.get("/a/acme/keys").await.is(200);
        assert_eq!(house.count("select count(*) from sso_proofs").await, 1);
        // The second time they are known.
        let again = house.visitor();
        provider.enter(&again, "/sso/acme", "cy@acme.test").await.is(303).to("/a/acme/overview");
        assert_eq!(house.count("select count(*) from users").await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_user_is_linked_once_they_signed_in_as_themselves() {
    let provider = Provider::start();
    each(async |house| {
        let ada = acme(house, &provider).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        house.join(&ada, "acme", &bob, &["developer"]).await;
        let browser = house.visitor();
        provider
            .enter(&browser, "/sso/acme?next=/a/acme/resources", "bob@acme.test")
            .await
            .is(303)
            .to("/sso/link");
        browser.get("/a/acme/overview").await.is(303).to("/sign-in?next=/a/acme/overview");
        browser.get("/sso/link").await.is(200).says("Is this you?").says("Sign in as yourself");
        browser.post("/sso/link", &[]).await.is(303).to("/sign-in");
        let own = [("email", "bob@acme.test"), ("password", PASSWORD), ("next", "/sso/link")];
        browser.post("/sign-in", &own).await.is(303).to("/sso/link");
        browser.get("/sso/link").await.is(200).says("You are signed in as bob@acme.test");
        browser.post("/sso/link", &[]).await.is(303).to("/a/acme/resources");
        assert!(house.letter("bob@acme.test").await.0.subject.contains("single sign-on"));
        browser.get("/sso/link").await.is(404);
        let page = browser.get("/me/security").await.is(200).says("Acme SSO").says("bob@acme.test · linked");
        page.hides("Required by Acme");

        let next_day = house.visitor();
        provider.enter(&next_day, "/sso/acme", "bob@acme.test").await.is(303).to("/a/acme/overview");
        next_day.get("/a/acme/resources").await.is(200);
        assert_eq!(house.count("select count(*) from users").await, 2);

        // Somebody else who is signed in here is not joined to it.
        let eve = house.user("Eve", "eve@other.test").await;
        house.user("Dan", "dan@acme.test").await;
        provider.enter(&eve, "/sso/acme", "dan@acme.test").await.is(303).to("/sso/link");
        eve.post("/sso/link", &[]).await.is(409).says("you are signed in as eve@other.test");
        // The same address under another name of the provider's is another person.
        provider.knows("impostor", json!({ "sub": "other", "email": "bob@acme.test" })).await;
        let impostor = house.visitor();
        provider.enter(&impostor, "/sso/acme", "impostor").await.is(303).to("/sso/link");
        impostor.get("/a/acme/overview").await.is(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_give_roles_and_take_them() {
    let provider = Provider::start();
    each(async |house| {
        let ada = acme(house, &provider).await;
        let form = [
            ("issuer", provider.issuer.as_str()),
            ("client_id", "guildhall"),
            ("role", "member"),
            ("groups", "video = video-developer, analyst\nbooks = accountant"),
        ];
        ada.post("/a/acme/sso", &form).await.is(303);
        ada.get("/a/acme/sso").await.is(200).says("books = accountant");
        provider.knows("cy@acme.test", json!({ "groups": ["video", "staff"] })).await;
        let cy = house.visitor();
        provider.enter(&cy, "/sso/acme", "cy@acme.test").await.is(303);
        let key = house.key("acme", &ada).await;
        let held = async || {
            let said = key.get("/api/v1/accounts/acme/members").await.is(200).json();
            let all = said["items"].as_array().unwrap().clone();
            let cy = all.iter().find(|it| it["user"]["email"] == "cy@acme.test").unwrap().clone();
            let mut labels: Vec<String> = cy["grants"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["label"].as_str().unwrap().to_owned())
                .collect();
            labels.sort();
            labels
        };
        assert_eq!(held().await, ["analyst", "member", "video-developer"]);
        provider.knows("cy@acme.test", json!({ "groups": ["books"] })).await;
        provider.enter(&cy, "/sso/acme", "cy@acme.test").await.is(303);
        assert_eq!(held().await, ["accountant", "member"]);
        provider.knows("cy@acme.test", json!({ "groups": [] })).await;
        provider.enter(&cy, "/sso/acme", "cy@acme.test").await.is(303);
        assert_eq!(held().await, ["member"]);
        // Who may not give a role cannot let groups give it.
        let bad = [("groups", "video = no-such-role")];
        ada.post("/a/acme/sso", &[&form[..3], &bad].concat())
            .await
            .is(422)
            .says("There is no role “no-such-role”");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_removed_does_not_come_back_by_themselves() {
    let provider = Provider::start();
    each(async |house| {
        let ada = acme(house, &provider).await;
        let cy = house.visitor();
        provider.enter(&cy, "/sso/acme", "cy@acme.test").await.is(303);
        let sql = "select m.id from memberships m join users u on u.id = m.user_id join accounts a on a.id = m.account_id
            where a.slug = 'acme' and u.email_key = 'cy@acme.test'";
        let (seat,): (uuid::Uuid,) = house.db.read().await.unwrap().query(sql).one().await.unwrap();
        ada.post(&format!("/a/acme/members/{seat}/remove"), &[("confirm", "on")]).await.is(303);
        cy.get("/a/acme/overview").await.is(404);
        provider
            .enter(&cy, "/sso/acme", "cy@acme.test")
            .await
            .is(403)
            .says("not a member of this organization any more");
        cy.get("/a/acme/overview").await.is(404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_there_signs_out_here() {
    let provider = Provider::start();
    each(async |house| {
        acme(house, &provider).await;
        let cy = house.visitor();
        provider.enter(&cy, "/sso/acme", "cy@acme.test").await.is(303);
        let told = async |token: &str| {
            let form = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("logout_token", token)
                .finish();
            let fields = [("content-type", "application/x-www-form-urlencoded")];
            house.visitor().send(axum::http::Method::POST, "/sso/backchannel", &fields, form.into()).await
        };
        for (fault, words) in [
            ("events", "its events do not say so"),
            ("nonce", "has no nonce"),
            ("expired", "has expired"),
            ("no-jti", "has no name"),
            ("audience", "names no provider that is known here"),
            ("signature", "signature"),
            ("no-subject", "neither a person nor a session"),
        ] {
            told(&provider.logout_token("cy@acme.test", fault).await).await.is(400).says(words);
        }
        told("").await.is(400);
        told("a.b.c").await.is(400);
        cy.get("/a/acme/overview").await.is(200);
        let token = provider.logout_token("cy@acme.test", "").await;
        told(&token).await.is(200);
        cy.get("/a/acme/overview").await.is(303).to("/sign-in?next=/a/acme/overview");
        told(&token).await.is(400).says("taken already");

        provider.enter(&cy, "/sso/acme", "cy@acme.test").await.is(303);
        let out = cy.post("/sign-out", &[]).await.is(200).says("Sign out there too");
        assert!(
            out.body.contains(&format!("{}/session/end?client_id=guildhall", provider.issuer)),
            "{}",
            out.body
        );
        cy.get("/a/acme/overview").await.is(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_type_holds() {
    let provider = Provider::start();
    each(async |house| {
        let ada = acme(house, &provider).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let seat = house.join(&ada, "acme", &bob, &["developer"]).await;
        let demand = async |login_type: &str| {
            ada.post(&format!("/a/acme/members/{seat}/login-type"), &[("login_type", login_type)])
                .await
                .is(303);
        };
        demand("sso").await;
        let said = bob
            .get("/a/acme/resources?q=x")
            .await
            .is(403)
            .says("opens for you only when you sign in with SSO");
        assert!(said.body.contains("/sso/acme?next=/a/acme/resources%3Fq%3Dx"), "{}", said.body);
        bob.get("/me").await.is(200);
        provider
            .enter(&bob, "/sso/acme?next=/a/acme/resources", "bob@acme.test")
            .await
            .is(303)
            .to("/sso/link");
        bob.post("/sso/link", &[]).await.is(303).to("/a/acme/resources");
        bob.get("/a/acme/resources").await.is(200);
        bob.get("/me").await.is(200);
        for (word, way) in [
            ("google", "/auth/google?next="),
            ("github", "/auth/github?next="),
            ("password", "/sign-in?own=1"),
        ] {
            demand(word).await;
            let said = bob.get("/a/acme/overview").await;
            if word == "password" {
                said.is(200);
            } else {
                assert!(said.is(403).body.contains(way));
            }
        }
        let through = house.visitor();
        provider.enter(&through, "/sso/acme", "bob@acme.test").await.is(303);
        let said = through.get("/a/acme/overview").await.is(403).says("Password");
        assert!(said.body.contains("/sign-in?own=1&#38;next=/a/acme/overview"), "{}", said.body);
        let own = [("email", "bob@acme.test"), ("password", PASSWORD), ("next", "/a/acme/overview")];
        through.post("/sign-in", &own).await.is(303).to("/a/acme/overview");
        through.get("/a/acme/overview").await.is(200);
    })
    .await;
}
