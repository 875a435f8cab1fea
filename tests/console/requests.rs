//! Access requests: asked for on the page that refuses, granted or declined by who may change members.
use crate::harness::{House, Person, Said, each};
use axum::http::Method;
use serde_json::{Value, json};

async fn acme(house: &House) -> (Person, Person) {
    let ada = house.user("Ada Byron", "ada@acme.test").await;
    house.organization(&ada, "Acme").await;
    let bob = house.user("Bob", "bob@acme.test").await;
    house.join(&ada, "acme", &bob, &["member"]).await;
    (ada, bob)
}

async fn waiting(ada: &Person) -> Vec<String> {
    let page = ada.get("/a/acme/requests").await.is(200);
    let parts = page.body.split("action=\"/a/acme/requests/").skip(1);
    parts.map(|it| it.split('/').next().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_asks_and_is_given_the_narrowest() {
    each(async |house| {
        let (ada, bob) = acme(house).await;
        bob.get("/a/acme/audit").await.is(403).says("audit.view").says("Ask for it").says("Why?");
        bob.get("/a/acme/requests").await.is(403);
        let wish = [("permission", "invoices.view"), ("note", "Quarterly <costs>")];
        assert!(bob.post("/a/acme/requests", &wish).await.is(303).toast().contains("You asked for it"));
        assert!(bob.post("/a/acme/requests", &wish).await.is(303).toast().contains("already"));
        let letter = house.letter("ada@acme.test").await;
        assert!(letter.0.subject.contains("Bob asks for access"));
        assert_eq!(letter.link("/a/acme/requests"), "/a/acme/requests");
        ada.get("/a/acme/requests").await.is(200).says("Invoices: view").says("Quarterly <costs>");
        let all = waiting(&ada).await;
        assert_eq!(all.len(), 1);

        let at = format!("/a/acme/requests/{}", all[0]);
        let page = ada.get(&at).await.is(200).says("Accountant over the whole account");
        assert!(page.body.contains("value=\"accountant@account\" checked"));
        ada.post(&format!("{at}/grant"), &[("grant", "developer@account")]).await.is(422);
        let past = [("grant", "accountant@account"), ("expires_at", "2020-01-01")];
        ada.post(&format!("{at}/grant"), &past).await.is(422).says("in the past");
        let until =
            house.kit.now().plus(std::time::Duration::from_secs(5 * 86_400)).date(&jiff::tz::TimeZone::UTC);
        let good = [("grant", "accountant@account"), ("expires_at", until.as_str())];
        ada.post(&format!("{at}/grant"), &good).await.is(303).to("/a/acme/requests");
        assert!(house.letter("bob@acme.test").await.0.text.contains("Accountant"));
        let seat = house.membership("acme", &bob).await;
        let key = house.key("acme", &ada).await;
        let held = key.get(&format!("/api/v1/accounts/acme/members/{seat}")).await.json();
        assert_eq!(held["grants"].as_array().unwrap().len(), 2);
        assert_eq!(held["grants"][1]["label"], "accountant");
        assert!(held["grants"][1]["expires_at"].is_string());
        // It is over for the second who answers.
        assert!(ada.post(&format!("{at}/decline"), &[]).await.is(303).toast().contains("answered already"));
        assert!(waiting(&ada).await.is_empty());
        assert!(bob.post("/a/acme/requests", &wish).await.is(303).toast().contains("may do this already"));
        house.later(std::time::Duration::from_secs(7 * 86_400));
        let ada = house.again(&ada).await;
        let said = house.key("acme", &ada).await;
        let ask = format!("/api/v1/accounts/acme/can?member={seat}&permission=invoices.view");
        assert_eq!(said.get(&ask).await.json()["allowed"], false);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_declined_or_refused() {
    each(async |house| {
        let (ada, bob) = acme(house).await;
        bob.post("/a/acme/requests", &[("permission", "audit.view")]).await.is(303);
        let all = waiting(&ada).await;
        ada.post(&format!("/a/acme/requests/{}/decline", all[0]), &[]).await.is(303);
        assert!(house.letter("bob@acme.test").await.0.subject.contains("declined"));
        ada.get("/a/acme/audit")
            .await
            .is(200)
            .says("declined to give bob@acme.test the permission audit.view");
        // Declined once, asked again.
        bob.post("/a/acme/requests", &[("permission", "audit.view")]).await.is(303);
        assert_eq!(waiting(&ada).await.len(), 1);
        bob.post("/a/acme/requests", &[("permission", "account.transfer")]).await.is(422);
        bob.post("/a/acme/requests", &[("permission", "no.such")]).await.is(422);
        let far = [("permission", "resources.view"), ("resource", "00000000-0000-0000-0000-000000000000")];
        bob.post("/a/acme/requests", &far).await.is(422);
        // Nobody grants what they do not hold: who may change members alone has nothing to offer.
        let cy = house.user("Cy", "cy@acme.test").await;
        let seat = house.join(&ada, "acme", &cy, &["member"]).await;
        house.hold_only(seat, guildhall::model::permission::Permission::UpdateMembers).await;
        let at = format!("/a/acme/requests/{}", waiting(&ada).await[0]);
        cy.get(&at).await.is(200).says("You hold no role that would do");
        cy.post(&format!("{at}/grant"), &[("grant", "admin@account")]).await.is(422);
        let eve = house.user("Eve", "eve@x.test").await;
        eve.post("/a/acme/requests", &[("permission", "audit.view")]).await.is(404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_ask_and_answer() {
    each(async |house| {
        let (ada, bob) = acme(house).await;
        let (key, own) = (house.key("acme", &ada).await, house.key("acme", &bob).await);
        let api = "/api/v1/accounts/acme/requests";
        let refused = own.get("/api/v1/accounts/acme/audit").await.is(403).json();
        assert_eq!(
            (&refused["code"], &refused["permission"]),
            (&json!("permission_missing"), &json!("audit.view"))
        );
        let wish = json!({ "permission": refused["permission"], "note": "For the review" });
        let made = own.call(Method::POST, api, &wish).await.is(201).json();
        assert_eq!((&made["status"], &made["member"]["email"]), (&json!("pending"), &json!("bob@acme.test")));
        assert_eq!(own.call(Method::POST, api, &wish).await.is(200).json()["id"], made["id"]);
        own.get(api).await.is(403);
        let listed = key.get(api).await.is(200).json();
        assert_eq!((&listed["items"], &listed["next"]), (&json!([made]), &json!(null)));

        let at = |what: &str| format!("{api}/{}/{what}", made["id"].as_str().unwrap());
        let grant = async |body: Value| key.call(Method::POST, &at("grant"), &body).await;
        let code = |said: Said| said.is(422).json()["errors"][0]["code"].clone();
        assert_eq!(code(grant(json!({ "role": "accountant" })).await), "gives_it_not");
        assert_eq!(code(grant(json!({ "role": "king" })).await), "unknown_role");
        assert_eq!(code(grant(json!({ "expires_at": "2001-01-01T00:00:00Z" })).await), "in_the_past");
        assert_eq!(code(grant(json!({ "scope": { "type": "account" } })).await), "role_required");
        own.call(Method::POST, &at("grant"), &json!({})).await.is(403);
        let role = json!({ "name": "Auditor", "permissions": ["audit.view"] });
        key.call(Method::POST, "/api/v1/accounts/acme/roles", &role).await.is(201);
        let until = house.kit.now().plus(std::time::Duration::from_secs(3600));
        let done = grant(json!({ "expires_at": until })).await.is(200).json();
        assert_eq!(done["status"], "granted");
        own.get("/api/v1/accounts/acme/audit").await.is(200);
        let seat = made["member"]["id"].as_str().unwrap();
        let held = key.get(&format!("/api/v1/accounts/acme/members/{seat}")).await.is(200).json();
        assert_eq!(held["grants"][1]["label"], "Auditor", "the narrowest");
        assert_eq!(held["grants"][1]["expires_at"], json!(until));
        grant(json!({})).await.is(404);

        let again = own.call(Method::POST, api, &json!({ "permission": "usage.view" })).await.is(201).json();
        let decline = format!("{api}/{}/decline", again["id"].as_str().unwrap());
        own.call(Method::POST, &decline, &json!({})).await.is(403);
        assert_eq!(key.call(Method::POST, &decline, &json!({})).await.is(200).json()["status"], "declined");
        key.call(Method::POST, &decline, &json!({})).await.is(404);
        for (body, code) in [
            (json!({ "permission": "no.such" }), "unknown_permission"),
            (json!({ "permission": "account.transfer" }), "owner_only"),
            (json!({ "permission": "resources.run", "resource": uuid::Uuid::nil() }), "unknown_resource"),
        ] {
            assert_eq!(own.call(Method::POST, api, &body).await.is(422).json()["errors"][0]["code"], code);
        }
        let held = own.call(Method::POST, api, &json!({ "permission": "keys.own" })).await.is(409).json();
        assert_eq!(held["code"], "already_allowed");
    })
    .await;
}
