//! Access requests: created on the page that refused access, granted or declined by people who may change
//! members.
use crate::harness::{TestApp, TestResponse, TestUser, on_each_db};
use axum::http::Method;
use serde_json::{Value, json};

async fn acme(app: &TestApp) -> (TestUser, TestUser) {
    let ada = app.user("Ada Byron", "ada@acme.test").await;
    app.organization(&ada, "Acme").await;
    let bob = app.user("Bob", "bob@acme.test").await;
    app.add_member(&ada, "acme", &bob, &["member"]).await;
    (ada, bob)
}

async fn pending_ids(ada: &TestUser) -> Vec<String> {
    let page = ada.get("/a/acme/requests").await.assert_status(200);
    let forms = page.select("form[action^='/a/acme/requests/']");
    forms.iter().map(|form| form.attr("action").split('/').nth(4).unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_request_offers_the_narrowest_grant() {
    on_each_db(async |app| {
        let (ada, bob) = acme(app).await;
        bob.get("/a/acme/audit")
            .await
            .assert_status(403)
            .assert_contains("audit.view")
            .assert_contains("Ask for it")
            .assert_contains("Why?");
        bob.get("/a/acme/requests").await.assert_status(403);
        let request = [("permission", "invoices.view"), ("note", "Quarterly <costs>")];
        assert!(
            bob.post("/a/acme/requests", &request)
                .await
                .assert_status(303)
                .toast()
                .contains("You asked for it")
        );
        assert!(bob.post("/a/acme/requests", &request).await.assert_status(303).toast().contains("already"));
        let email = app.email("ada@acme.test").await;
        assert!(email.0.subject.contains("Bob asks for access"));
        assert_eq!(email.link("/a/acme/requests"), "/a/acme/requests");
        ada.get("/a/acme/requests")
            .await
            .assert_status(200)
            .assert_contains("Invoices: view")
            .assert_contains("Quarterly <costs>");
        let pending = pending_ids(&ada).await;
        assert_eq!(pending.len(), 1);

        let path = format!("/a/acme/requests/{}", pending[0]);
        let page =
            ada.get(&path).await.assert_status(200).assert_contains("Accountant over the whole account");
        assert!(!page.select("[value='accountant@account'][checked]").is_empty());
        ada.post(&format!("{path}/grant"), &[("grant", "developer@account")]).await.assert_status(422);
        let past = [("grant", "accountant@account"), ("expires_at", "2020-01-01")];
        ada.post(&format!("{path}/grant"), &past).await.assert_status(422).assert_contains("in the past");
        let expires_at =
            app.kit.now().plus(std::time::Duration::from_secs(5 * 86_400)).date(&jiff::tz::TimeZone::UTC);
        let good = [("grant", "accountant@account"), ("expires_at", expires_at.as_str())];
        ada.post(&format!("{path}/grant"), &good)
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/requests");
        assert!(app.email("bob@acme.test").await.0.text.contains("Accountant"));
        let membership = app.membership("acme", &bob).await;
        let key = app.api_key("acme", &ada).await;
        let member = key.get(&format!("/api/v1/accounts/acme/members/{membership}")).await.json();
        assert_eq!(member["grants"].as_array().unwrap().len(), 2);
        assert_eq!(member["grants"][1]["label"], "accountant");
        assert!(member["grants"][1]["expires_at"].is_string());
        // A second answer comes too late.
        assert!(
            ada.post(&format!("{path}/decline"), &[])
                .await
                .assert_status(303)
                .toast()
                .contains("answered already")
        );
        assert!(pending_ids(&ada).await.is_empty());
        assert!(
            bob.post("/a/acme/requests", &request)
                .await
                .assert_status(303)
                .toast()
                .contains("may do this already")
        );
        app.advance(std::time::Duration::from_secs(7 * 86_400));
        let ada = app.second_browser(&ada).await;
        let response = app.api_key("acme", &ada).await;
        let ask = format!("/api/v1/accounts/acme/can?member={membership}&permission=invoices.view");
        assert_eq!(response.get(&ask).await.json()["allowed"], false);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_request_can_be_declined_or_refused() {
    on_each_db(async |app| {
        let (ada, bob) = acme(app).await;
        bob.post("/a/acme/requests", &[("permission", "audit.view")]).await.assert_status(303);
        let pending = pending_ids(&ada).await;
        ada.post(&format!("/a/acme/requests/{}/decline", pending[0]), &[]).await.assert_status(303);
        assert!(app.email("bob@acme.test").await.0.subject.contains("declined"));
        ada.get("/a/acme/audit")
            .await
            .assert_status(200)
            .assert_contains("declined to give bob@acme.test the permission audit.view");
        // A declined request can be made again.
        bob.post("/a/acme/requests", &[("permission", "audit.view")]).await.assert_status(303);
        assert_eq!(pending_ids(&ada).await.len(), 1);
        bob.post("/a/acme/requests", &[("permission", "account.transfer")]).await.assert_status(422);
        bob.post("/a/acme/requests", &[("permission", "no.such")]).await.assert_status(422);
        let unknown =
            [("permission", "resources.view"), ("resource", "00000000-0000-0000-0000-000000000000")];
        bob.post("/a/acme/requests", &unknown).await.assert_status(422);
        // Nobody grants what they do not hold: with the permission to change members alone there is nothing
        // to offer.
        let cy = app.user("Cy", "cy@acme.test").await;
        let membership = app.add_member(&ada, "acme", &cy, &["member"]).await;
        app.grant_only(membership, guildhall::model::permission::Permission::UpdateMembers).await;
        let path = format!("/a/acme/requests/{}", pending_ids(&ada).await[0]);
        cy.get(&path).await.assert_status(200).assert_contains("You hold no role that would do");
        cy.post(&format!("{path}/grant"), &[("grant", "admin@account")]).await.assert_status(422);
        let eve = app.user("Eve", "eve@x.test").await;
        eve.post("/a/acme/requests", &[("permission", "audit.view")]).await.assert_status(404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_creates_grants_and_declines_access_requests() {
    on_each_db(async |app| {
        let (ada, bob) = acme(app).await;
        let (key, bob_key) = (app.api_key("acme", &ada).await, app.api_key("acme", &bob).await);
        let api = "/api/v1/accounts/acme/requests";
        let refused = bob_key.get("/api/v1/accounts/acme/audit").await.assert_status(403).json();
        assert_eq!(
            (&refused["code"], &refused["permission"]),
            (&json!("permission_missing"), &json!("audit.view"))
        );
        let request = json!({ "permission": refused["permission"], "note": "For the review" });
        let created = bob_key.call(Method::POST, api, &request).await.assert_status(201).json();
        assert_eq!(
            (&created["status"], &created["member"]["email"]),
            (&json!("pending"), &json!("bob@acme.test"))
        );
        assert_eq!(
            bob_key.call(Method::POST, api, &request).await.assert_status(200).json()["id"],
            created["id"]
        );
        bob_key.get(api).await.assert_status(403);
        let listed = key.get(api).await.assert_status(200).json();
        assert_eq!((&listed["items"], &listed["next"]), (&json!([created]), &json!(null)));

        let path = |action: &str| format!("{api}/{}/{action}", created["id"].as_str().unwrap());
        let grant = async |body: Value| key.call(Method::POST, &path("grant"), &body).await;
        let code = |response: TestResponse| response.assert_status(422).json()["errors"][0]["code"].clone();
        assert_eq!(code(grant(json!({ "role": "accountant" })).await), "gives_it_not");
        assert_eq!(code(grant(json!({ "role": "king" })).await), "unknown_role");
        assert_eq!(code(grant(json!({ "expires_at": "2001-01-01T00:00:00Z" })).await), "in_the_past");
        assert_eq!(code(grant(json!({ "scope": { "type": "account" } })).await), "role_required");
        bob_key.call(Method::POST, &path("grant"), &json!({})).await.assert_status(403);
        let role = json!({ "name": "Auditor", "permissions": ["audit.view"] });
        key.call(Method::POST, "/api/v1/accounts/acme/roles", &role).await.assert_status(201);
        let expires_at = app.kit.now().plus(std::time::Duration::from_secs(3600));
        let done = grant(json!({ "expires_at": expires_at })).await.assert_status(200).json();
        assert_eq!(done["status"], "granted");
        bob_key.get("/api/v1/accounts/acme/audit").await.assert_status(200);
        let membership = created["member"]["id"].as_str().unwrap();
        let answer =
            key.get(&format!("/api/v1/accounts/acme/members/{membership}")).await.assert_status(200).json();
        assert_eq!(answer["grants"][1]["label"], "Auditor", "the narrowest");
        assert_eq!(answer["grants"][1]["expires_at"], json!(expires_at));
        grant(json!({})).await.assert_status(404);

        let again = bob_key
            .call(Method::POST, api, &json!({ "permission": "usage.view" }))
            .await
            .assert_status(201)
            .json();
        let decline = format!("{api}/{}/decline", again["id"].as_str().unwrap());
        bob_key.call(Method::POST, &decline, &json!({})).await.assert_status(403);
        assert_eq!(
            key.call(Method::POST, &decline, &json!({})).await.assert_status(200).json()["status"],
            "declined"
        );
        key.call(Method::POST, &decline, &json!({})).await.assert_status(404);
        for (body, code) in [
            (json!({ "permission": "no.such" }), "unknown_permission"),
            (json!({ "permission": "account.transfer" }), "owner_only"),
            (json!({ "permission": "resources.run", "resource": uuid::Uuid::nil() }), "unknown_resource"),
        ] {
            assert_eq!(
                bob_key.call(Method::POST, api, &body).await.assert_status(422).json()["errors"][0]["code"],
                code
            );
        }
        let answer = bob_key
            .call(Method::POST, api, &json!({ "permission": "keys.own" }))
            .await
            .assert_status(409)
            .json();
        assert_eq!(answer["code"], "already_allowed");
    })
    .await;
}
