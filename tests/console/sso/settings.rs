//! The connection: saved, tested step by step, read and written by programs, taken away.
use super::acme;
use crate::harness::{Provider, each, each_with};
use axum::http::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_test_shows_each_step_and_what_came_back() {
    let provider = Provider::start();
    each(async |house| {
        provider.fault("").await;
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        let page = ada.get("/a/acme/sso").await.is(200).says("Register Guildhall");
        page.says("http://127.0.0.1:3000/sso/callback")
            .says("Microsoft Entra ID")
            .says("Keycloak")
            .says("Okta");
        ada.get("/a/acme/sso/test").await.is(404);
        let typed = |issuer: &str| {
            vec![
                ("issuer".to_owned(), issuer.to_owned()),
                ("client_id".into(), "guildhall".into()),
                ("role".into(), "member".into()),
            ]
        };
        let save = async |issuer: &str, secret: &str| {
            let mut form = typed(issuer);
            form.push(("client_secret".into(), secret.to_owned()));
            let form: Vec<(&str, &str)> = form.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            ada.post("/a/acme/sso", &form).await
        };
        save("not an address", "s").await.is(422).says("Enter the whole address of the issuer");
        save(&provider.issuer, "").await.is(422).says("Enter it as the identity provider shows it");
        save(&provider.issuer, "a secret").await.is(303).to("/a/acme/sso");
        // Never shown again, on no page and in no table.
        ada.get("/a/acme/sso").await.is(200).hides("a secret").says("Save connection");
        assert_eq!(
            house.count("select count(*) from sso_connections where length(client_secret) > 24").await,
            1
        );

        let test = async |name: &str| {
            let there = ada.get("/a/acme/sso/test").await.is(303).location();
            let back = provider.sign_in(&there, name).await;
            ada.get(back.trim_start_matches(crate::harness::BASE)).await.is(303).to("/a/acme/sso");
            ada.get("/a/acme/sso").await.is(200)
        };
        test("ada@acme.test")
            .await
            .says("2 signing keys")
            .says("RS256 · key first")
            .says("at no verified domain");
        house.vouch("acme", "acme.test").await;
        provider.knows("ada@acme.test", json!({ "groups": ["a", "b"] })).await;
        let said = test("ada@acme.test")
            .await
            .says("ada@acme.test")
            .says("groups · 2 values")
            .says("Tested by Ada Byron");
        said.hides("does not work");
        provider.fault("audience").await;
        test("ada@acme.test").await.says("for another application");
        provider.fault("").await;
        // Nobody's session changed, and nobody was linked.
        assert_eq!(house.count("select count(*) from sso_proofs").await, 0);
        assert_eq!(house.count("select count(*) from sso_identities").await, 0);

        // The secret of one provider is not sent to another.
        ada.post("/a/acme/sso", &[("issuer", "http://127.0.0.1:9"), ("client_id", "x"), ("role", "member")])
            .await
            .is(422);
        save("http://127.0.0.1:9", "another").await.is(303);
        ada.get("/a/acme/sso/test").await.is(303).to("/a/acme/sso");
        ada.get("/a/acme/sso").await.is(200).says("did not answer");

        ada.post("/a/acme/sso/remove", &[("confirm", "acme!")]).await.is(422);
        ada.post("/a/acme/sso/remove", &[("confirm", "acme")]).await.is(303);
        ada.get("/sso/acme").await.is(404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_proof_is_asked_for_again() {
    let provider = Provider::start();
    each(async |house| {
        provider.fault("").await;
        let ada = acme(house, &provider).await;
        let bob = house.visitor();
        provider.enter(&bob, "/sso/acme", "bob@acme.test").await.is(303);
        house.tamper("update grants set role = 'admin' where role = 'member'").await;
        house.later(std::time::Duration::from_secs(700));
        ada.get("/a/acme/sso").await.is(200).says("Your password");
        let form = [("issuer", provider.issuer.as_str()), ("client_id", "guildhall"), ("role", "member")];
        ada.post("/a/acme/sso", &form).await.is(422).says("Enter your password");
        // Who has no password proves it to the provider, and comes back to the page.
        bob.get("/a/acme/sso").await.is(200).hides("Your password");
        let referer = house.url("/a/acme/sso");
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let fields = [
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("referer", referer.as_str()),
        ];
        let said = bob.send(Method::POST, "/a/acme/sso", &fields, body.into()).await.is(403);
        assert!(said.body.contains("/sso/acme?fresh=1&#38;next=/a/acme/sso"), "{}", said.body);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_read_and_write_it() {
    let provider = Provider::start();
    each(async |house| {
        provider.fault("").await;
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        house.tamper("update accounts set plan = plan").await;
        let key = house.key("acme", &ada).await;
        let path = "/api/v1/accounts/acme/sso";
        key.get(path).await.is(404);
        let wish = json!({
            "issuer": provider.issuer, "client_id": "guildhall", "client_secret": "a secret",
            "default_grants": [{ "role": "developer", "scope": { "type": "product", "product": "video" } }],
            "group_grants": { "books": [{ "role": "accountant" }] },
        });
        let made = key.call(Method::PUT, path, &wish).await.is(200);
        let tag = made.field("etag");
        let made = made.json();
        assert_eq!(made["issuer"], provider.issuer);
        assert_eq!(made["default_grants"][0]["label"], "video-developer");
        assert_eq!(made["group_grants"]["books"][0]["role"], "accountant");
        assert_eq!(made["redirect_url"], house.url("/sso/callback"));
        assert_eq!(
            (&made["enforced"], &made["last_test"], &made["domains"]),
            (&json!(false), &Value::Null, &json!([]))
        );
        assert!(made.get("client_secret").is_none());
        house.vouch("acme", "acme.test").await;
        let read = key.get(path).await.is(200);
        assert_eq!(read.json()["domains"], json!([{ "domain": "acme.test", "verified": true }]));
        assert_ne!(read.field("etag"), tag);
        let stale = [("content-type", "application/json"), ("if-match", tag.as_str())];
        key.send(Method::PUT, path, &stale, Some(wish.to_string())).await.is(412);
        let fresh_tag = read.field("etag");
        let fresh = [("content-type", "application/json"), ("if-match", fresh_tag.as_str())];
        key.send(Method::PUT, path, &fresh, Some(wish.to_string())).await.is(200);
        for (change, field) in [
            (json!({ "issuer": "ftp://x" }), "/issuer"),
            (json!({ "client_id": "" }), "/client_id"),
            (json!({ "default_grants": [{ "role": "owner" }] }), "/default_grants/0/role"),
            (json!({ "group_grants": { "x": [{ "role": "nobody" }] } }), "/group_grants/0/role"),
            (json!({ "surplus": 1 }), "/surplus"),
        ] {
            let mut bad = wish.clone();
            bad.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let said = key.call(Method::PUT, path, &bad).await.is(422).json();
            assert_eq!(said["errors"][0]["pointer"], field, "{said}");
        }
        let mut enforced = wish.clone();
        enforced["enforced"] = json!(true);
        assert_eq!(key.call(Method::PUT, path, &enforced).await.is(200).json()["enforced"], true);
        let cy = house.visitor();
        provider.enter(&cy, "/sso/acme", "cy@acme.test").await.is(303);
        cy.get("/a/acme/resources").await.is(200);
        key.call(Method::DELETE, path, &json!({})).await.is(204);
        key.get(path).await.is(404);
        cy.get("/a/acme/resources").await.is(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_of_the_open_internet_is_https() {
    let closed = |rules: &mut guildhall::kit::Rules| rules.allow_private_addresses = false;
    each_with(closed, async |house| {
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        let save = async |issuer: &str| {
            let form = [("issuer", issuer), ("client_id", "x"), ("client_secret", "y"), ("role", "member")];
            ada.post("/a/acme/sso", &form).await
        };
        save("http://login.acme.test").await.is(422).says("must begin with https://");
        save("https://127.0.0.1:9").await.is(303);
        ada.get("/a/acme/sso/test").await.is(303);
        ada.get("/a/acme/sso").await.is(200).says("is on this machine or in a private network");
    })
    .await;
}
