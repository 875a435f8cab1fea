//! Custom roles: authors cannot add permissions that they lack, concurrent editors do not overwrite each
//! other, and deleting a role in use needs a replacement.
use crate::harness::{ApiClient, TestApp, TestResponse, TestUser, on_each_db};
use axum::http::Method;
use guildhall::model::id::MembershipId;
use serde_json::{Value, json};

const API: &str = "/api/v1/accounts/acme";

async fn acme(app: &TestApp) -> (TestUser, ApiClient) {
    let ada = app.user("Ada Byron", "ada@acme.test").await;
    app.organization(&ada, "Acme").await;
    let key = app.api_key("acme", &ada).await;
    (ada, key)
}

async fn make(key: &ApiClient, name: &str, permissions: &[&str]) -> String {
    let body = json!({ "name": name, "permissions": permissions });
    let created = key.call(Method::POST, &format!("{API}/roles"), &body).await.assert_status(201).json();
    created["id"].as_str().unwrap().to_owned()
}

async fn give(key: &ApiClient, slug: &str, member: MembershipId, grants: Value) {
    let path = format!("/api/v1/accounts/{slug}/members/{member}");
    key.call(Method::PATCH, &path, &json!({ "grants": grants })).await.assert_status(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_created_and_edited_as_a_matrix() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let membership = app.add_member(&ada, "acme", &bob, &["member"]).await;
        ada.get("/a/acme/roles")
            .await
            .assert_status(200)
            .assert_contains("Product admin, all products")
            .assert_contains("New role");
        bob.get("/a/acme/roles").await.assert_status(403).assert_contains("members.view");
        let form = [("name", "Clip  reviewer"), ("description", "Reviews clips."), ("base", "developer")];
        let path = ada.post("/a/acme/roles", &form).await.assert_status(303).location();
        ada.get(&path)
            .await
            .assert_status(200)
            .assert_contains("Clip reviewer")
            .assert_contains("It allows the same as Developer.");
        let id = path.rsplit('/').next().unwrap().to_owned();
        give(&key, "acme", membership, json!([{ "role": id }])).await;

        let form = [
            ("name", "Clip reviewer"),
            ("perm", "account.view"),
            ("perm", "resources.view"),
            ("perm", "analytics.view"),
        ];
        let mut preview = form.to_vec();
        preview.push(("act", "preview"));
        let response = ada.post(&path, &preview).await.assert_status(200);
        response
            .assert_contains("1 person gets Insights: view")
            .assert_contains("1 person loses Resources: delete")
            .assert_contains("Bob");
        let effect = format!("{path}/effect?perm=account.view&perm=resources.view&perm=analytics.view");
        ada.get(&effect).await.assert_status(200).assert_contains("1 person gets Insights: view");
        assert_eq!(
            key.get(&format!("{API}/roles/{id}")).await.json()["permissions"].as_array().unwrap().len(),
            6
        );
        ada.post(&path, &form).await.assert_status(303);
        let saved = key.get(&format!("{API}/roles/{id}")).await.assert_status(200).json();
        assert_eq!(saved["permissions"], json!(["account.view", "resources.view", "analytics.view"]));
        assert_eq!((&saved["holders"], &saved["built_in"]), (&json!(1), &json!(false)));
        ada.get(&path)
            .await
            .assert_status(200)
            .assert_contains("Beyond Developer: Insights: view")
            .assert_contains("Bob");
        ada.get("/a/acme/audit").await.assert_status(200).assert_contains("changed the role “Clip reviewer”");

        // Errors keep what was typed.
        let response = ada.post(&path, &[("name", ""), ("perm", "audit.view")]).await.assert_status(422);
        let ticked = response.select("input[name='perm'][value='audit.view'][checked]");
        assert_eq!(
            (ticked[0].attr("aria-label"), ticked[0].attr("title")),
            ("Audit log: view", "audit.view")
        );
        ada.post(&path, &[("name", "Admin")]).await.assert_status(422).assert_contains("already");
        ada.post(&path, &[("name", "X"), ("perm", "no.such")])
            .await
            .assert_status(422)
            .assert_contains("no.such");
        ada.post(&path, &[("name", "X"), ("perm", "account.transfer")])
            .await
            .assert_status(422)
            .assert_contains("stays with its owner");
        let owner = json!({ "name": "Y", "permissions": ["account.transfer"] });
        key.call(Method::POST, &format!("{API}/roles"), &owner).await.assert_status(422);
        key.call(Method::PATCH, &format!("{API}/roles/admin"), &json!({ "name": "Y" }))
            .await
            .assert_status(409);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_cannot_contain_permissions_its_author_lacks() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        let manager = make(&key, "Role manager", &["account.view", "roles.manage", "members.view"]).await;
        let strong = make(&key, "Strong", &["audit.view"]).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let membership = app.add_member(&ada, "acme", &bob, &["member"]).await;
        give(&key, "acme", membership, json!([{ "role": manager }])).await;

        let own = format!("/a/acme/roles/{manager}");
        let form = [("name", "Role manager"), ("perm", "roles.manage"), ("perm", "audit.view")];
        bob.post(&own, &form)
            .await
            .assert_status(403)
            .assert_contains("audit.view")
            .assert_contains("Role manager");
        let strong_path = format!("/a/acme/roles/{strong}");
        bob.post(&strong_path, &[("name", "Weak")]).await.assert_status(403).assert_contains("audit.view");
        bob.get(&strong_path).await.assert_status(200).assert_not_contains("Save role");
        bob.post(&format!("{strong_path}/delete"), &[]).await.assert_status(403);
        let new = json!({ "name": "Mine", "permissions": ["members.remove"] });
        let bob_key = app.api_key("acme", &bob).await;
        let response =
            bob_key.call(Method::POST, &format!("{API}/roles"), &new).await.assert_status(403).json();
        assert_eq!(response["permission"], "members.remove");
        // A permission held for one product is not held for the account.
        give(&key, "acme", membership, json!([{ "role": manager }, { "role": "video-developer" }])).await;
        let new = json!({ "name": "Mine", "permissions": ["resources.delete"] });
        bob_key.call(Method::POST, &format!("{API}/roles"), &new).await.assert_status(403);
        // A copy contains only what its author holds.
        let copy = json!({ "name": "Small admin", "base": "admin" });
        let created =
            bob_key.call(Method::POST, &format!("{API}/roles"), &copy).await.assert_status(201).json();
        assert_eq!(created["permissions"], json!(["account.view", "members.view", "roles.manage"]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_of_two_editors_gets_a_conflict() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        let id = make(&key, "Reviewer", &["account.view"]).await;
        let path = format!("/a/acme/roles/{id}");
        let version = |response: &TestResponse| response.attr_of("input[name='version']", "value");
        let seen = version(&ada.get(&path).await.assert_status(200));
        let first = [("name", "Reviewer"), ("perm", "audit.view"), ("version", seen.as_str())];
        ada.post(&path, &first).await.assert_status(303);
        let second = [("name", "Checker"), ("perm", "usage.view"), ("version", seen.as_str())];
        let response = ada
            .post(&path, &second)
            .await
            .assert_status(409)
            .assert_contains("Somebody else saved this role meanwhile");
        assert!(response.body.contains("value=\"Checker\""));
        assert!(!response.select("input[title='usage.view'][checked]").is_empty());
        let now = version(&response);
        let again = [("name", "Checker"), ("perm", "usage.view"), ("version", now.as_str())];
        ada.post(&path, &again).await.assert_status(303);
        let saved = key.get(&format!("{API}/roles/{id}")).await;
        assert_eq!(saved.json()["permissions"], json!(["usage.view"]));
        // The API uses ETags for the same purpose.
        let old = [("content-type", "application/json"), ("if-match", "\"1\"")];
        let body = Some(json!({ "name": "Z" }).to_string());
        key.send(Method::PATCH, &format!("{API}/roles/{id}"), &old, body.clone()).await.assert_status(412);
        let tag = saved.header("etag");
        let new = [("content-type", "application/json"), ("if-match", tag.as_str())];
        key.send(Method::PATCH, &format!("{API}/roles/{id}"), &new, body).await.assert_status(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_role_in_use_needs_a_replacement_in_teams_too() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        let id = make(&key, "Clip reviewer", &["account.view", "resources.view"]).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let membership = app.add_member(&ada, "acme", &bob, &["member"]).await;
        give(
            &key,
            "acme",
            membership,
            json!([{ "role": id, "scope": { "type": "product", "product": "video" } }]),
        )
        .await;
        let invite = json!({ "emails": ["eve@x.test"], "grants": [{ "role": id }] });
        key.call(Method::POST, &format!("{API}/invitations"), &invite).await.assert_status(200);
        ada.post("/new/team", &[("name", "Clips"), ("parent", "acme")])
            .await
            .assert_status(303)
            .assert_redirect("/a/clips/overview");
        let in_team = app.add_member(&ada, "clips", &bob, &["member"]).await;
        let team_key = app.api_key("clips", &ada).await;
        give(&team_key, "clips", in_team, json!([{ "role": id }])).await;

        // A team shows the roles of its organization and creates none.
        ada.get("/a/clips/roles")
            .await
            .assert_status(200)
            .assert_contains("Clip reviewer")
            .assert_contains("Make and change them there");
        let path = "/api/v1/accounts/clips/roles";
        team_key.call(Method::POST, path, &json!({ "name": "T" })).await.assert_status(409);
        let role = key.get(&format!("{API}/roles/{id}")).await.json();
        assert_eq!(role["holders"], 2, "Bob, here and in the team, and who is invited");

        let path = format!("/a/acme/roles/{id}/delete");
        ada.get(&path).await.assert_status(200).assert_contains("2 people hold it");
        ada.post(&path, &[]).await.assert_status(422).assert_contains("is in use");
        ada.post(&path, &[("replacement", "accountant")])
            .await
            .assert_status(422)
            .assert_contains("cannot be held over");
        ada.post(&path, &[("replacement", "owner")]).await.assert_status(422);
        ada.post(&path, &[("replacement", &id)]).await.assert_status(422);
        ada.post(&path, &[("replacement", "analyst")])
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/roles");
        let first_label = async |key: &ApiClient, path: &str| {
            key.get(path).await.assert_status(200).json()["grants"][0]["label"].clone()
        };
        assert_eq!(first_label(&key, &format!("{API}/members/{membership}")).await, "video-analyst");
        assert_eq!(
            first_label(&team_key, &format!("/api/v1/accounts/clips/members/{in_team}")).await,
            "analyst"
        );
        let open = key.get(&format!("{API}/invitations")).await.json();
        assert_eq!(open["items"][0]["grants"][0]["label"], "analyst");
        key.get(&format!("{API}/roles/{id}")).await.assert_status(404);
        let unused = make(&key, "Nobody's", &[]).await;
        let deleted = key.send(Method::DELETE, &format!("{API}/roles/{unused}"), &[], None).await;
        assert_eq!(deleted.status, 204);
    })
    .await;
}
