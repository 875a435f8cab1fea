//! Resources on the pages and in the API: registering, concurrent edits, credentials, lists, deletion.
mod moves;
mod role_matrix;

use crate::harness::{ApiClient, TestApp, TestUser, on_each_db};
use axum::http::Method;
use serde_json::{Value, json};

const ALL: &str = "/api/v1/accounts/acme/resources";

/// Registers a resource and returns its id.
async fn register(key: &ApiClient, slug: &str, kind: &str, name: &str, visibility: &str) -> String {
    let (product, kind) = kind.split_once('/').expect("a product and a kind");
    let external_id = format!("x_{}", name.replace(' ', "_"));
    let body = json!({
        "product": product, "kind": kind, "name": name, "external_id": external_id,
        "visibility": visibility,
    });
    let response =
        key.call(Method::POST, &format!("/api/v1/accounts/{slug}/resources"), &body).await.assert_status(201);
    response.json()["id"].as_str().expect("an id").to_owned()
}

/// Replaces the grants of a member.
async fn set_grants(admin: &ApiClient, member: impl ToString, grants: Value) {
    let path = format!("/api/v1/accounts/acme/members/{}", member.to_string());
    admin.call(Method::PATCH, &path, &json!({ "grants": grants })).await.assert_status(200);
}

fn listed_grant(resources: &[&str]) -> Value {
    json!([{ "role": "source-specific", "scope": { "type": "resources", "resources": resources } }])
}

async fn acme(app: &TestApp) -> (TestUser, ApiClient) {
    let ada = app.user("Ada Byron", "ada@acme.test").await;
    app.organization(&ada, "Acme").await;
    let key = app.api_key("acme", &ada).await;
    (ada, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_is_registered_changed_and_deleted() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        ada.get("/a/acme/resources").await.assert_status(200).assert_contains("Nothing is registered yet");
        let form = [
            ("kind", "video/video_collection"),
            ("name", "Trailers"),
            ("external_id", "col_1"),
            ("visibility", "private"),
        ];
        let path = ada.post("/a/acme/resources", &form).await.assert_status(303).location();
        let id = path.rsplit('/').next().unwrap();
        ada.get(&path)
            .await
            .assert_status(200)
            .assert_contains("Trailers Private")
            .assert_contains("col_1")
            .assert_contains("Video collection")
            .assert_contains("1 person reaches it");
        let read = key.get(&format!("{ALL}/{id}")).await.assert_status(200);
        let expected = json!({
            "id": id, "product": "video", "kind": "video_collection", "name": "Trailers",
            "external_id": "col_1", "visibility": "private", "team": null, "created_by": ada.id.to_string(),
            "created_at": read.json()["created_at"],
        });
        assert_eq!(read.json(), expected);
        let list = key.get(ALL).await.assert_status(200).json();
        assert_eq!(list, json!({ "items": [expected], "next": null }));

        // Two concurrent editors: the second gets a conflict, and the form keeps what they typed.
        let etag = read.header("etag");
        let first = key
            .call(Method::PATCH, &format!("{ALL}/{id}"), &json!({ "name": "Trailers 2026" }))
            .await
            .assert_status(200);
        assert_ne!(first.header("etag"), etag);
        let fields = [("content-type", "application/json"), ("if-match", etag.as_str())];
        let body = Some(json!({ "name": "Mine" }).to_string());
        let conflict =
            key.send(Method::PATCH, &format!("{ALL}/{id}"), &fields, body).await.assert_status(412);
        assert_eq!(conflict.json()["code"], "precondition_failed");
        let form = [("name", "Mine"), ("external_id", "col_1"), ("seen", "1")];
        let conflict = ada.post(&format!("{path}/edit"), &form).await.assert_status(409);
        let conflict =
            conflict.assert_contains("Somebody changed it").assert_contains("Name now Trailers 2026");
        assert!(conflict.body.contains("value=\"Mine\""));
        let seen = conflict.attr_of("input[name='seen']", "value");
        let form = [("name", "Mine"), ("external_id", "col_1"), ("seen", seen.as_str())];
        ada.post(&format!("{path}/edit"), &form).await.assert_status(303);
        ada.get(&path).await.assert_contains("Mine");
        ada.post(&format!("{path}/visibility"), &[("visibility", "shared"), ("seen", &seen)])
            .await
            .assert_status(409);
        ada.post(&format!("{path}/visibility"), &[("visibility", "shared")]).await.assert_status(303);
        ada.post(&format!("{path}/visibility"), &[("visibility", "everybody")]).await.assert_status(422);

        ada.get(&format!("{path}/delete")).await.assert_status(200).assert_contains("No role names it");
        ada.post(&format!("{path}/delete"), &[])
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/resources");
        ada.get(&path).await.assert_status(404);
        let audit = ada.get("/a/acme/audit").await.assert_status(200);
        audit
            .assert_contains("registered “Trailers”")
            .assert_contains("made “Mine” shared")
            .assert_contains("deleted the resource “Mine”");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_input_is_refused_with_an_explanation() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        register(&key, "acme", "video/index", "One", "shared").await;
        let body_with = |field: &str, value: &str| {
            let mut body =
                json!({ "product": "video", "kind": "index", "name": "Two", "external_id": "two" });
            body[field] = json!(value);
            body
        };
        for (field, value, code) in [
            ("product", "audio", "unknown_product"),
            ("kind", "image_source", "unknown_kind"),
            ("name", " ", "required"),
            ("external_id", "", "required"),
            ("external_id", "a b", "invalid"),
            ("external_id", "x_One", "taken"),
            ("visibility", "secret", "invalid"),
        ] {
            let response =
                key.call(Method::POST, ALL, &body_with(field, value)).await.assert_status(422).json();
            assert_eq!(response["errors"][0]["pointer"], format!("/{field}"), "{response}");
            assert_eq!(response["errors"][0]["code"], code, "{response}");
        }
        // External ids are unique for each kind only.
        let other = json!({ "product": "video", "kind": "video", "name": "Two", "external_id": "x_One" });
        let two = key.call(Method::POST, ALL, &other).await.assert_status(201).json()["id"]
            .as_str()
            .unwrap()
            .to_owned();
        register(&key, "acme", "video/video", "Three", "shared").await;
        let clash = json!({ "external_id": "x_Three" });
        key.call(Method::PATCH, &format!("{ALL}/{two}"), &clash).await.assert_status(422);
        let form = [("kind", "video/index"), ("name", "Kept"), ("external_id", "x_One")];
        let again = ada
            .post("/a/acme/resources", &form)
            .await
            .assert_status(422)
            .assert_contains("Another index of this account");
        assert!(again.body.contains("value=\"Kept\""));
        ada.post("/a/acme/resources", &[("name", "x")]).await.assert_status(422);

        // Grants for resources of another account, or for deleted ones, are refused.
        let eve = app.user("Eve", "eve@other.test").await;
        app.organization(&eve, "Other").await;
        let foreign = register(
            &app.api_key("other", &eve).await,
            "other",
            "video/video_collection",
            "Theirs",
            "shared",
        )
        .await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let membership = app.add_member(&ada, "acme", &bob, &["member"]).await;
        let path = format!("/api/v1/accounts/acme/members/{membership}");
        let response = key
            .call(Method::PATCH, &path, &json!({ "grants": listed_grant(&[&foreign]) }))
            .await
            .assert_status(422)
            .json();
        assert_eq!(response["errors"][0]["code"], "unknown_resource");
        for id in [foreign.as_str(), "00000000-0000-0000-0000-000000000000", "nonsense"] {
            key.get(&format!("{ALL}/{id}")).await.assert_status(404);
            key.call(Method::PATCH, &format!("{ALL}/{id}"), &json!({ "name": "Ours" }))
                .await
                .assert_status(404);
            key.call(Method::DELETE, &format!("{ALL}/{id}"), &json!({})).await.assert_status(404);
            ada.post(&format!("/a/acme/resources/{id}/delete"), &[]).await.assert_status(404);
        }
        let sole = register(&key, "acme", "video/video_collection", "Sole", "shared").await;
        let more = register(&key, "acme", "video/video_collection", "More", "shared").await;
        set_grants(&key, membership, listed_grant(&[&sole, &more])).await;
        ada.get(&format!("/a/acme/resources/{sole}/delete"))
            .await
            .assert_status(200)
            .assert_contains("1 role of 1 person will name it no more");
        ada.post(&format!("/a/acme/resources/{sole}/delete"), &[]).await.assert_status(303);
        let left = key.get(&path).await.assert_status(200).json();
        assert_eq!(left["grants"][0]["scope"]["resources"], json!([more]));
        ada.get(&format!("/a/acme/resources/{more}/delete"))
            .await
            .assert_status(200)
            .assert_contains("1 of them names nothing else, and ends");
        key.call(Method::DELETE, &format!("{ALL}/{more}"), &json!({})).await.assert_status(204);
        assert_eq!(key.get(&path).await.assert_status(200).json()["grants"], json!([]));
        let body = json!({ "grants": listed_grant(&[&sole]) });
        key.call(Method::PATCH, &path, &body).await.assert_status(422);
        key.call(Method::PATCH, &path, &json!({ "grants": listed_grant(&[]) })).await.assert_status(422);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_write_only() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        let secret = "wJalrXUtnFEMIsecret";
        let credentials = json!({ "access_key_id": "AKIAEXAMPLE", "secret_access_key": secret });
        let mut body = json!({
            "product": "image", "kind": "s3_integration", "name": "Raw", "external_id": "s3://raw",
            "credentials": credentials,
        });
        let made = key.call(Method::POST, ALL, &body).await.assert_status(201);
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let pages = [
            format!("/a/acme/resources/{id}"),
            format!("/a/acme/resources/{id}/edit"),
            "/a/acme/audit".to_owned(),
        ];
        for page in pages {
            let page = ada.get(&page).await.assert_status(200);
            assert!(!page.body.contains("AKIAEXAMPLE") && !page.body.contains(secret));
        }
        assert!(!made.body.contains("credentials") && !made.body.contains(secret));
        ada.get(&format!("/a/acme/resources/{id}")).await.assert_contains("Stored, encrypted, since");
        let stored = async || {
            let mut conn = app.db.read().await.unwrap();
            conn.query("select secret from resources where secret is not null")
                .fetch_one::<(Vec<u8>,)>()
                .await
                .unwrap()
                .0
        };
        let first = stored().await;
        let aad = format!("resource {id}");
        let decrypted = app.kit.secrets.decrypt(&aad, &first).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&decrypted).unwrap(), credentials);
        assert!(app.kit.secrets.decrypt("resource other", &first).is_none());
        let form = [
            ("name", "Raw"),
            ("external_id", "s3://raw"),
            ("access_key_id", "AKIA2"),
            ("secret_access_key", "new"),
        ];
        ada.post(&format!("/a/acme/resources/{id}/edit"), &form).await.assert_status(303);
        assert_ne!(stored().await, first);
        // Incomplete credentials are refused, and so are credentials for a kind without any.
        ada.post(&format!("/a/acme/resources/{id}/edit"), &form[..3])
            .await
            .assert_status(422)
            .assert_contains("Enter both");
        body["kind"] = json!("image_source");
        let response = key.call(Method::POST, ALL, &body).await.assert_status(422).json();
        assert_eq!(response["errors"][0]["code"], "not_allowed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_searched_filtered_and_paginated() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        for n in 0..30 {
            register(&key, "acme", "video/video", &format!("Scene {n:02} rough"), "shared").await;
        }
        register(&key, "acme", "image/image_source", "Éclair stills", "private").await;
        let page = ada.get("/a/acme/resources?sort=name").await.assert_status(200);
        let page = page
            .assert_contains("All 31")
            .assert_contains("Video 30")
            .assert_contains("Image 1")
            .assert_contains("25 of 31 resources")
            .assert_contains("Éclair stills");
        let older = page.attr_of("a[rel='next']", "href");
        let rest = ada
            .get(&older)
            .await
            .assert_status(200)
            .assert_contains("Scene 29 rough")
            .assert_not_contains("Scene 23 rough");
        assert!(!rest.select("a[rel='prev']").is_empty() && rest.select("a[rel='next']").is_empty());
        for (query, present, absent) in [
            ("q=eclair", "Éclair stills", "Scene"),
            ("q=rough", "Scene 29 rough", "Éclair"),
            ("q=x_scene_07", "Scene 07 rough", "Scene 08"),
            ("product=image", "Éclair stills", "Scene"),
            ("visibility=private", "Éclair stills", "Scene"),
            ("kind=image_source", "Éclair stills", "Scene"),
        ] {
            ada.get(&format!("/a/acme/resources?{query}"))
                .await
                .assert_status(200)
                .assert_contains(present)
                .assert_not_contains(absent);
        }
        ada.get("/a/acme/resources?q=nothing").await.assert_status(200).assert_contains("No resource fits");
        let mut seen = vec![];
        let mut path = format!("{ALL}?limit=7&sort=-name");
        loop {
            let response = key.get(&path).await.assert_status(200).json();
            seen.extend(
                response["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|item| item["name"].as_str().unwrap().to_owned()),
            );
            let Some(next) = response["next"].as_str() else { break };
            path = format!("{ALL}?limit=7&sort=-name&after={next}");
        }
        assert_eq!(seen.len(), 31);
        assert!(seen.windows(2).all(|pair| pair[0] > pair[1] || pair[1].starts_with('É')), "{seen:?}");
        key.get(&format!("{ALL}?after=nonsense")).await.assert_status(422);
    })
    .await;
}
