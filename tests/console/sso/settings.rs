//! The connection: saved, tested step by step, read and written by the API, removed.
use super::acme;
use crate::harness::{Provider, on_each_db, on_each_db_with};
use axum::http::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_test_shows_each_step_and_the_claims() {
    let provider = Provider::start();
    on_each_db(async |app| {
        provider.set_fault("").await;
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        let page = ada.get("/a/acme/sso").await.assert_status(200).assert_contains("Register Guildhall");
        page.assert_contains("http://127.0.0.1:3000/sso/callback")
            .assert_contains("Microsoft Entra ID")
            .assert_contains("Keycloak")
            .assert_contains("Okta");
        ada.get("/a/acme/sso/test").await.assert_status(404);
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
            let form: Vec<(&str, &str)> =
                form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            ada.post("/a/acme/sso", &form).await
        };
        save("not an address", "s")
            .await
            .assert_status(422)
            .assert_contains("Enter the whole address of the issuer");
        save(&provider.issuer, "")
            .await
            .assert_status(422)
            .assert_contains("Enter it as the identity provider shows it");
        save(&provider.issuer, "a secret").await.assert_status(303).assert_redirect("/a/acme/sso");
        // The secret is never shown again, and stored encrypted.
        ada.get("/a/acme/sso")
            .await
            .assert_status(200)
            .assert_not_contains("a secret")
            .assert_contains("Save connection");
        assert_eq!(
            app.count("select count(*) from sso_connections where length(client_secret) > 24").await,
            1
        );

        let test = async |name: &str| {
            let authorization = ada.get("/a/acme/sso/test").await.assert_status(303).location();
            let callback = provider.sign_in(&authorization, name).await;
            ada.get(callback.trim_start_matches(crate::harness::BASE))
                .await
                .assert_status(303)
                .assert_redirect("/a/acme/sso");
            ada.get("/a/acme/sso").await.assert_status(200)
        };
        test("ada@acme.test")
            .await
            .assert_contains("2 signing keys")
            .assert_contains("RS256 · key first")
            .assert_contains("at no verified domain");
        app.approve_domain("acme", "acme.test").await;
        provider.set_user("ada@acme.test", json!({ "groups": ["a", "b"] })).await;
        let response = test("ada@acme.test")
            .await
            .assert_contains("ada@acme.test")
            .assert_contains("groups · 2 values")
            .assert_contains("Tested by Ada Byron");
        response.assert_not_contains("does not work");
        provider.set_fault("audience").await;
        test("ada@acme.test").await.assert_contains("for another application");
        provider.set_fault("").await;
        // A test changes no session and links nobody.
        assert_eq!(app.count("select count(*) from sso_proofs").await, 0);
        assert_eq!(app.count("select count(*) from sso_identities").await, 0);

        // The secret of one provider is not sent to another.
        ada.post("/a/acme/sso", &[("issuer", "http://127.0.0.1:9"), ("client_id", "x"), ("role", "member")])
            .await
            .assert_status(422);
        save("http://127.0.0.1:9", "another").await.assert_status(303);
        ada.get("/a/acme/sso/test").await.assert_status(303).assert_redirect("/a/acme/sso");
        ada.get("/a/acme/sso").await.assert_status(200).assert_contains("did not answer");

        ada.post("/a/acme/sso/remove", &[("confirm", "acme!")]).await.assert_status(422);
        ada.post("/a/acme/sso/remove", &[("confirm", "acme")]).await.assert_status(303);
        ada.get("/sso/acme").await.assert_status(404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_need_a_recent_sign_in() {
    let provider = Provider::start();
    on_each_db(async |app| {
        provider.set_fault("").await;
        let ada = acme(app, &provider).await;
        let bob = app.visitor();
        provider.sign_in_through(&bob, "/sso/acme", "bob@acme.test").await.assert_status(303);
        app.raw_sql("update grants set role = 'admin' where role = 'member'").await;
        app.advance(std::time::Duration::from_secs(700));
        ada.get("/a/acme/sso").await.assert_status(200).assert_contains("Your password");
        let form = [("issuer", provider.issuer.as_str()), ("client_id", "guildhall"), ("role", "member")];
        ada.post("/a/acme/sso", &form).await.assert_status(422).assert_contains("Enter your password");
        // A user without a password reauthenticates at the provider and returns to the page.
        bob.get("/a/acme/sso").await.assert_status(200).assert_not_contains("Your password");
        let referer = app.url("/a/acme/sso");
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let headers = [
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("referer", referer.as_str()),
        ];
        let response = bob.send(Method::POST, "/a/acme/sso", &headers, body.into()).await.assert_status(403);
        let link = "/sso/acme?fresh=1&next=/a/acme/sso";
        assert!(
            response.select("a[href]").iter().any(|a| a.attr("href").contains(link)),
            "{}",
            response.body
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_reads_and_writes_the_connection() {
    let provider = Provider::start();
    on_each_db(async |app| {
        provider.set_fault("").await;
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        app.raw_sql("update accounts set plan = plan").await;
        let key = app.api_key("acme", &ada).await;
        let path = "/api/v1/accounts/acme/sso";
        key.get(path).await.assert_status(404);
        let connection = json!({
            "issuer": provider.issuer, "client_id": "guildhall", "client_secret": "a secret",
            "default_grants": [{ "role": "developer", "scope": { "type": "product", "product": "video" } }],
            "group_grants": { "books": [{ "role": "accountant" }] },
        });
        let made = key.call(Method::PUT, path, &connection).await.assert_status(200);
        let first_tag = made.header("etag");
        let made = made.json();
        assert_eq!(made["issuer"], provider.issuer);
        assert_eq!(made["default_grants"][0]["label"], "video-developer");
        assert_eq!(made["group_grants"]["books"][0]["role"], "accountant");
        assert_eq!(made["redirect_url"], app.url("/sso/callback"));
        assert_eq!(
            (&made["enforced"], &made["last_test"], &made["domains"]),
            (&json!(false), &Value::Null, &json!([]))
        );
        assert!(made.get("client_secret").is_none());
        app.approve_domain("acme", "acme.test").await;
        let read = key.get(path).await.assert_status(200);
        assert_eq!(read.json()["domains"], json!([{ "domain": "acme.test", "verified": true }]));
        assert_ne!(read.header("etag"), first_tag);
        let stale = [("content-type", "application/json"), ("if-match", first_tag.as_str())];
        key.send(Method::PUT, path, &stale, Some(connection.to_string())).await.assert_status(412);
        let current_tag = read.header("etag");
        let current = [("content-type", "application/json"), ("if-match", current_tag.as_str())];
        key.send(Method::PUT, path, &current, Some(connection.to_string())).await.assert_status(200);
        for (change, field) in [
            (json!({ "issuer": "ftp://x" }), "/issuer"),
            (json!({ "client_id": "" }), "/client_id"),
            (json!({ "default_grants": [{ "role": "owner" }] }), "/default_grants/0/role"),
            (json!({ "group_grants": { "x": [{ "role": "nobody" }] } }), "/group_grants/0/role"),
            (json!({ "surplus": 1 }), "/surplus"),
        ] {
            let mut bad = connection.clone();
            bad.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let response = key.call(Method::PUT, path, &bad).await.assert_status(422).json();
            assert_eq!(response["errors"][0]["pointer"], field, "{response}");
        }
        let mut enforced = connection.clone();
        enforced["enforced"] = json!(true);
        assert_eq!(key.call(Method::PUT, path, &enforced).await.assert_status(200).json()["enforced"], true);
        let cy = app.visitor();
        provider.sign_in_through(&cy, "/sso/acme", "cy@acme.test").await.assert_status(303);
        cy.get("/a/acme/resources").await.assert_status(200);
        key.call(Method::DELETE, path, &json!({})).await.assert_status(204);
        key.get(path).await.assert_status(404);
        cy.get("/a/acme/resources").await.assert_status(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_issuer_must_use_https() {
    let public_only =
        |rules: &mut guildhall::context::InstallationConfig| rules.allow_private_addresses = false;
    on_each_db_with(public_only, async |app| {
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        let save = async |issuer: &str| {
            let form = [("issuer", issuer), ("client_id", "x"), ("client_secret", "y"), ("role", "member")];
            ada.post("/a/acme/sso", &form).await
        };
        save("http://login.acme.test").await.assert_status(422).assert_contains("must begin with https://");
        save("https://127.0.0.1:9").await.assert_status(303);
        ada.get("/a/acme/sso/test").await.assert_status(303);
        ada.get("/a/acme/sso")
            .await
            .assert_status(200)
            .assert_contains("is on this machine or in a private network");
    })
    .await;
}
