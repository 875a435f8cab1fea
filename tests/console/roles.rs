//! Custom roles: nobody puts into one what they lack, two editors do not overwrite each other, and one in use goes only with
//! a replacement.
use crate::harness::{House, Person, Program, each};
use axum::http::Method;
use guildhall::model::id::MembershipId;
use serde_json::{Value, json};

const API: &str = "/api/v1/accounts/acme";

async fn acme(house: &House) -> (Person, Program) {
    let ada = house.user("Ada Byron", "ada@acme.test").await;
    house.organization(&ada, "Acme").await;
    let key = house.key("acme", &ada).await;
    (ada, key)
}

async fn make(key: &Program, name: &str, permissions: &[&str]) -> String {
    let body = json!({ "name": name, "permissions": permissions });
    let made = key.call(Method::POST, &format!("{API}/roles"), &body).await.is(201).json();
    made["id"].as_str().unwrap().to_owned()
}

async fn give(key: &Program, slug: &str, member: MembershipId, grants: Value) {
    let path = format!("/api/v1/accounts/{slug}/members/{member}");
    key.call(Method::PATCH, &path, &json!({ "grants": grants })).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_made_and_changed_as_a_matrix() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let seat = house.join(&ada, "acme", &bob, &["member"]).await;
        ada.get("/a/acme/roles").await.is(200).says("Product admin, all products").says("New role");
        bob.get("/a/acme/roles").await.is(403).says("members.view");
        let form = [("name", "Clip  reviewer"), ("description", "Reviews clips."), ("base", "developer")];
        let to = ada.post("/a/acme/roles", &form).await.is(303).location();
        ada.get(&to).await.is(200).says("Clip reviewer").says("It allows the same as Developer.");
        let id = to.rsplit('/').next().unwrap().to_owned();
        give(&key, "acme", seat, json!([{ "role": id }])).await;

        let wish = [
            ("name", "Clip reviewer"),
            ("perm", "account.view"),
            ("perm", "resources.view"),
            ("perm", "analytics.view"),
        ];
        let mut preview = wish.to_vec();
        preview.push(("act", "preview"));
        let said = ada.post(&to, &preview).await.is(200);
        said.says("1 person gets Insights: view").says("1 person loses Resources: delete").says("Bob");
        let one = format!("{to}/effect?perm=account.view&perm=resources.view&perm=analytics.view");
        ada.get(&one).await.is(200).says("1 person gets Insights: view");
        assert_eq!(
            key.get(&format!("{API}/roles/{id}")).await.json()["permissions"].as_array().unwrap().len(),
            6
        );
        ada.post(&to, &wish).await.is(303);
        let saved = key.get(&format!("{API}/roles/{id}")).await.is(200).json();
        assert_eq!(saved["permissions"], json!(["account.view", "resources.view", "analytics.view"]));
        assert_eq!((&saved["holders"], &saved["built_in"]), (&json!(1), &json!(false)));
        ada.get(&to).await.is(200).says("Beyond Developer: Insights: view").says("Bob");
        ada.get("/a/acme/audit").await.is(200).says("changed the role “Clip reviewer”");

        // Faults keep what was typed.
        let said = ada.post(&to, &[("name", ""), ("perm", "audit.view")]).await.is(422);
        assert!(
            said.body
                .contains("value=\"audit.view\" aria-label=\"Audit log: view\" title=\"audit.view\" checked")
        );
        ada.post(&to, &[("name", "Admin")]).await.is(422).says("already");
        ada.post(&to, &[("name", "X"), ("perm", "no.such")]).await.is(422).says("no.such");
        ada.post(&to, &[("name", "X"), ("perm", "account.transfer")])
            .await
            .is(422)
            .says("stays with its owner");
        let owner = json!({ "name": "Y", "permissions": ["account.transfer"] });
        key.call(Method::POST, &format!("{API}/roles"), &owner).await.is(422);
        key.call(Method::PATCH, &format!("{API}/roles/admin"), &json!({ "name": "Y" })).await.is(409);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_puts_into_a_role_what_they_lack() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        let manager = make(&key, "Role manager", &["account.view", "roles.manage", "members.view"]).await;
        let strong = make(&key, "Strong", &["audit.view"]).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let seat = house.join(&ada, "acme", &bob, &["member"]).await;
        give(&key, "acme", seat, json!([{ "role": manager }])).await;

        let own = format!("/a/acme/roles/{manager}");
        let raise = [("name", "Role manager"), ("perm", "roles.manage"), ("perm", "audit.view")];
        bob.post(&own, &raise).await.is(403).says("audit.view").says("Role manager");
        let strong_at = format!("/a/acme/roles/{strong}");
        bob.post(&strong_at, &[("name", "Weak")]).await.is(403).says("audit.view");
        bob.get(&strong_at).await.is(200).hides("Save role");
        bob.post(&format!("{strong_at}/delete"), &[]).await.is(403);
        let new = json!({ "name": "Mine", "permissions": ["members.remove"] });
        let program = house.key("acme", &bob).await;
        let said = program.call(Method::POST, &format!("{API}/roles"), &new).await.is(403).json();
        assert_eq!(said["permission"], "members.remove");
        // What they hold over one product alone, they do not hold over the account.
        give(&key, "acme", seat, json!([{ "role": manager }, { "role": "video-developer" }])).await;
        let new = json!({ "name": "Mine", "permissions": ["resources.delete"] });
        program.call(Method::POST, &format!("{API}/roles"), &new).await.is(403);
        // A copy has what its maker holds.
        let copy = json!({ "name": "Small admin", "base": "admin" });
        let made = program.call(Method::POST, &format!("{API}/roles"), &copy).await.is(201).json();
        assert_eq!(made["permissions"], json!(["account.view", "members.view", "roles.manage"]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_of_two_editors_is_told() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        let id = make(&key, "Reviewer", &["account.view"]).await;
        let at = format!("/a/acme/roles/{id}");
        let version = |page: &str| {
            let rest = page.split("name=\"version\" value=\"").nth(1).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        let seen = version(&ada.get(&at).await.is(200).body);
        let first = [("name", "Reviewer"), ("perm", "audit.view"), ("version", seen.as_str())];
        ada.post(&at, &first).await.is(303);
        let second = [("name", "Checker"), ("perm", "usage.view"), ("version", seen.as_str())];
        let said = ada.post(&at, &second).await.is(409).says("Somebody else saved this role meanwhile");
        assert!(
            said.body.contains("value=\"Checker\"") && said.body.contains("title=\"usage.view\" checked")
        );
        let now = version(&said.body);
        let again = [("name", "Checker"), ("perm", "usage.view"), ("version", now.as_str())];
        ada.post(&at, &again).await.is(303);
        let saved = key.get(&format!("{API}/roles/{id}")).await;
        assert_eq!(saved.json()["permissions"], json!(["usage.view"]));
        // The same for programs.
        let old = [("content-type", "application/json"), ("if-match", "\"1\"")];
        let body = Some(json!({ "name": "Z" }).to_string());
        key.send(Method::PATCH, &format!("{API}/roles/{id}"), &old, body.clone()).await.is(412);
        let tag = saved.field("etag");
        let new = [("content-type", "application/json"), ("if-match", tag.as_str())];
        key.send(Method::PATCH, &format!("{API}/roles/{id}"), &new, body).await.is(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_in_use_goes_with_a_replacement_in_teams_too() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        let id = make(&key, "Clip reviewer", &["account.view", "resources.view"]).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let seat = house.join(&ada, "acme", &bob, &["member"]).await;
        give(&key, "acme", seat, json!([{ "role": id, "scope": { "type": "product", "product": "video" } }]))
            .await;
        let invite = json!({ "emails": ["eve@x.test"], "grants": [{ "role": id }] });
        key.call(Method::POST, &format!("{API}/invitations"), &invite).await.is(200);
        ada.post("/new/team", &[("name", "Clips"), ("parent", "acme")]).await.is(303).to("/a/clips/overview");
        let in_team = house.join(&ada, "clips", &bob, &["member"]).await;
        let team_key = house.key("clips", &ada).await;
        give(&team_key, "clips", in_team, json!([{ "role": id }])).await;

        // A team shows the organization's roles, and makes none.
        ada.get("/a/clips/roles").await.is(200).says("Clip reviewer").says("Make and change them there");
        let path = "/api/v1/accounts/clips/roles";
        team_key.call(Method::POST, path, &json!({ "name": "T" })).await.is(409);
        let held = key.get(&format!("{API}/roles/{id}")).await.json();
        assert_eq!(held["holders"], 2, "Bob, here and in the team, and who is invited");

        let at = format!("/a/acme/roles/{id}/delete");
        ada.get(&at).await.is(200).says("2 people hold it");
        ada.post(&at, &[]).await.is(422).says("is in use");
        ada.post(&at, &[("replacement", "accountant")]).await.is(422).says("cannot be held over");
        ada.post(&at, &[("replacement", "owner")]).await.is(422);
        ada.post(&at, &[("replacement", &id)]).await.is(422);
        ada.post(&at, &[("replacement", "analyst")]).await.is(303).to("/a/acme/roles");
        let of = async |key: &Program, path: &str| {
            key.get(path).await.is(200).json()["grants"][0]["label"].clone()
        };
        assert_eq!(of(&key, &format!("{API}/members/{seat}")).await, "video-analyst");
        assert_eq!(of(&team_key, &format!("/api/v1/accounts/clips/members/{in_team}")).await, "analyst");
        let open = key.get(&format!("{API}/invitations")).await.json();
        assert_eq!(open["items"][0]["grants"][0]["label"], "analyst");
        key.get(&format!("{API}/roles/{id}")).await.is(404);
        let free = make(&key, "Nobody's", &[]).await;
        let gone = key.send(Method::DELETE, &format!("{API}/roles/{free}"), &[], None).await;
        assert_eq!(gone.status, 204);
    })
    .await;
}
