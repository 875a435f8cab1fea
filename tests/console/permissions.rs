//! The table of roles in the documentation, repeated here on purpose: every built-in role and every
//! permission, checked against `can`, the API and the pages.
use crate::harness::{ApiClient, TestApp, TestUser, on_each_db};
use axum::http::Method;
use guildhall::model::permission::Permission;
use serde_json::{Value, json};
use tokio::task::JoinSet;

const API: &str = "/api/v1/accounts/acme";

/// owner, admin, member, accountant, developer, analyst, product-admin, source-specific, product-admin-all.
const TABLE: &str = "
    account.view     xxxxxxxxx
    account.update   xx.......
    account.delete   xx.......
    account.transfer x........
    members.view     xx.......
    members.invite   xx.......
    members.update   xx.......
    members.remove   xx.......
    roles.manage     xx.......
    teams.create     xxx......
    keys.own         xxx......
    keys.manage      xx.......
    plan.change      xx.......
    billing.view     xx.x.....
    billing.manage   xx.x.....
    invoices.view    xx.x....x
    invoices.pay     xx.x....x
    usage.view       xx.......
    audit.view       xx.......
    sso.manage       xx.......
    webhooks.manage  xx.......
    resources.view   xxx.xxxxx
    resources.create xxx.x.x.x
    resources.delete xxx.x.x.x
    resources.update xxx.x.xxx
    resources.run    xxx.x.xxx
    analytics.view   xx...xxxx";

/// A role; its column in the table; whether it reaches these resources, in order: one of the product video,
/// one of the product image, a listed one, one not listed, somebody else's private one, and one of another
/// account.
const ROLES: &[(&str, usize, &str)] = &[
    ("owner", 0, "xxxxx."),
    ("admin", 1, "xxxxx."),
    ("member", 2, "xxxx.."),
    ("accountant", 3, "xxxx.."),
    ("developer", 4, "xxxx.."),
    ("video-developer", 4, "x.xx.."),
    ("image-developer", 4, ".x...."),
    ("analyst", 5, "xxxx.."),
    ("video-analyst", 5, "x.xx.."),
    ("product-admin", 6, "xxxx.."),
    ("video-admin", 6, "x.xx.."),
    ("image-admin", 6, ".x...."),
    ("source-specific", 7, "..x..."),
    ("product-admin-all", 8, "xxxx.."),
];

fn role_has(permission: &str, column: usize) -> bool {
    let cells: Vec<&str> = TABLE.split_whitespace().collect();
    let row = cells.chunks(2).find(|row| row[0] == permission).expect("a row for each permission");
    row[1].as_bytes()[column] == b'x'
}

fn is_of_resources(permission: &str) -> bool {
    permission.starts_with("resources.") || permission == "analytics.view"
}

/// A member who holds one role, and the resources to try.
#[derive(Clone)]
struct RoleHolder {
    role: &'static str,
    column: usize,
    reach: &'static str,
    person: TestUser,
    key: ApiClient,
    /// In the order of the last column of `ROLES`.
    resources: Vec<String>,
}

impl RoleHolder {
    fn holds(&self, permission: &str) -> bool {
        role_has(permission, self.column)
    }
    fn reaches(&self, n: usize) -> bool {
        self.reach.as_bytes()[n] == b'x'
    }
    fn may(&self, permission: &str, n: usize) -> bool {
        self.holds(permission) && self.reaches(n)
    }
    /// 403 without the permission, 404 for a resource that the member cannot see.
    fn status(&self, permission: &str, n: usize) -> u16 {
        match (self.holds(permission), self.may("resources.view", n)) {
            (false, _) => 403,
            (true, false) => 404,
            (true, true) => 200,
        }
    }

    async fn check_can(&self) {
        for permission in Permission::ALL {
            let permission = permission.key();
            let response =
                self.key.get(&format!("{API}/can?permission={permission}")).await.assert_status(200).json();
            assert_eq!(response["allowed"], self.holds(permission), "{}: {permission}", self.role);
            for (n, id) in self.resources.iter().enumerate() {
                let response =
                    self.key.get(&format!("{API}/can?permission={permission}&resource={id}")).await;
                if n == 5 {
                    assert_eq!(response.assert_status(422).json()["errors"][0]["code"], "unknown_resource");
                    continue;
                }
                let answer = response.assert_status(200).json();
                let may = match is_of_resources(permission) {
                    true => self.may(permission, n),
                    false => self.holds(permission),
                };
                assert_eq!(answer["allowed"], may, "{}: {permission} at resource {n}: {answer}", self.role);
                assert_eq!(
                    (answer["because"].is_null(), answer["missing"].is_null()),
                    (!may, may),
                    "{answer}"
                );
            }
        }
    }

    async fn check_resources(&self) {
        for (n, id) in self.resources.iter().enumerate() {
            let calls = [("view", ""), ("update", "/edit"), ("delete", "/delete"), ("delete", "/move")];
            for (action, page) in calls {
                let (permission, path) =
                    (format!("resources.{action}"), format!("/a/acme/resources/{id}{page}"));
                let response = self.person.get(&path).await;
                let expected = self.status(&permission, n);
                assert_eq!(
                    response.status, expected,
                    "{}: {permission} of resource {n}, as a page",
                    self.role
                );
                if expected == 403 {
                    response.assert_contains(&permission);
                }
            }
            let path = format!("{API}/resources/{id}");
            // A version that never existed: 412 if allowed, and nothing changes.
            let old = [("content-type", "application/json"), ("if-match", "\"0\"")];
            for (action, method) in
                [("view", Method::GET), ("update", Method::PATCH), ("delete", Method::DELETE)]
            {
                let permission = format!("resources.{action}");
                let body = (method == Method::PATCH).then(|| "{}".to_owned());
                let response = self.key.send(method.clone(), &path, &old, body).await;
                let expected = match self.status(&permission, n) {
                    200 if action != "view" => 412,
                    other => other,
                };
                assert_eq!(response.status, expected, "{}: {method} of resource {n}", self.role);
                if expected == 403 {
                    assert_eq!(response.json()["permission"], permission);
                }
            }
        }
        for (product, n) in [("video", 0), ("image", 1)] {
            let body = json!({
                "product": product, "kind": "s3_integration", "name": "New",
                "external_id": format!("{}-{product}", self.role),
            });
            let response = self.key.call(Method::POST, &format!("{API}/resources"), &body).await;
            let expected = if self.may("resources.create", n) { 201 } else { 403 };
            assert_eq!(response.status, expected, "{}: create in {product}", self.role);
        }
    }

    async fn check_account(&self) {
        let nil = uuid::Uuid::nil();
        let pages = [
            ("account.view", "overview".to_owned()),
            ("account.delete", "settings/delete".to_owned()),
            ("account.transfer", "settings/transfer".to_owned()),
            ("members.view", "members".to_owned()),
            ("members.invite", "invitations".to_owned()),
            ("members.update", "requests".to_owned()),
            ("members.remove", format!("members/{nil}/remove")),
            ("roles.manage", "roles/new".to_owned()),
            ("keys.own", "keys/new".to_owned()),
            ("audit.view", "audit".to_owned()),
            ("resources.view", "resources".to_owned()),
            ("resources.create", "resources/new".to_owned()),
        ];
        for (permission, page) in pages {
            let response = self.person.get(&format!("/a/acme/{page}")).await;
            assert_eq!(
                response.status == 403,
                !self.holds(permission),
                "{}: {page} says {}",
                self.role,
                response.status
            );
            if response.status == 403 {
                let response = response.assert_contains(permission).assert_contains("Why?");
                // Ownership cannot be requested.
                assert_eq!(response.text().contains("Ask for it"), permission != "account.transfer");
            }
        }
        let calls = [
            ("account.view", Method::GET, String::new()),
            ("account.update", Method::PATCH, String::new()),
            ("account.transfer", Method::DELETE, "/transfer".to_owned()),
            ("members.view", Method::GET, "/members".to_owned()),
            ("members.invite", Method::GET, "/invitations".to_owned()),
            ("members.update", Method::PATCH, format!("/members/{nil}")),
            ("members.remove", Method::DELETE, format!("/members/{nil}")),
            ("roles.manage", Method::PATCH, format!("/roles/{nil}")),
            ("audit.view", Method::GET, "/audit".to_owned()),
        ];
        for (permission, method, path) in calls {
            let response = self.key.call(method.clone(), &format!("{API}{path}"), &json!({})).await;
            assert_eq!(
                response.status == 403,
                !self.holds(permission),
                "{}: {method} {path} says {}",
                self.role,
                response.status
            );
            if response.status == 403 {
                assert_eq!(response.json()["permission"], permission);
            }
        }
        let team = [("parent", "acme"), ("name", "")];
        let response = self.person.post("/new/team", &team).await.status;
        assert_eq!(response, 422, "no name, and nothing is opened");
        // Another account is not found.
        self.key.get("/api/v1/accounts/other").await.assert_status(404);
        self.key.get("/api/v1/accounts/other/can?permission=account.view").await.assert_status(404);
        self.person.get("/a/other/overview").await.assert_status(404);
        self.person.get(&format!("/a/other/resources/{}", self.resources[5])).await.assert_status(404);
    }
}

async fn register(key: &ApiClient, slug: &str, resource: [&str; 3], visibility: &str) -> String {
    let [product, kind, name] = resource;
    let body = json!({
        "product": product, "kind": kind, "name": name, "external_id": name, "visibility": visibility,
    });
    let response =
        key.call(Method::POST, &format!("/api/v1/accounts/{slug}/resources"), &body).await.assert_status(201);
    response.json()["id"].as_str().unwrap().to_owned()
}

async fn cast(app: &TestApp) -> Vec<RoleHolder> {
    let ada = app.user("Ada", "owner@acme.test").await;
    app.organization(&ada, "Acme").await;
    let admin_key = app.api_key("acme", &ada).await;
    let eve = app.user("Eve", "eve@other.test").await;
    app.organization(&eve, "Other").await;
    let eve_key = app.api_key("other", &eve).await;
    // The creator of the private resource has none of the roles under test.
    let zoe = app.user("Zoe", "zoe@acme.test").await;
    app.add_member(&ada, "acme", &zoe, &["member"]).await;
    let zoe_key = app.api_key("acme", &zoe).await;
    let resources = vec![
        register(&admin_key, "acme", ["video", "index", "Own"], "shared").await,
        register(&admin_key, "acme", ["image", "image_source", "Stills"], "shared").await,
        register(&admin_key, "acme", ["video", "video_collection", "Listed"], "shared").await,
        register(&admin_key, "acme", ["video", "video_collection", "Unlisted"], "shared").await,
        register(&zoe_key, "acme", ["video", "video", "Secret"], "private").await,
        register(&eve_key, "other", ["video", "index", "Foreign"], "shared").await,
    ];
    let mut cast = vec![];
    for (role, column, reach) in ROLES {
        let (person, key) = if *role == "owner" {
            (ada.clone(), admin_key.clone())
        } else {
            let user = app.user(role, &format!("{role}@acme.test")).await;
            let membership = app.add_member(&ada, "acme", &user, &["member"]).await;
            let listed = json!({ "type": "resources", "resources": [resources[2]] });
            let grant = match *role {
                "source-specific" => json!({ "role": role, "scope": listed }),
                _ => json!({ "role": role }),
            };
            let body = json!({ "grants": [grant] });
            let response = admin_key
                .call(Method::PATCH, &format!("{API}/members/{membership}"), &body)
                .await
                .assert_status(200)
                .json();
            let label = if *role == "source-specific" { "video-source-specific" } else { *role };
            assert_eq!(response["grants"][0]["label"], label);
            let key = app.api_key("acme", &user).await;
            (user, key)
        };
        cast.push(RoleHolder { role, column: *column, reach, person, key, resources: resources.clone() });
    }
    cast
}

#[test]
fn every_permission_has_a_row() {
    let rows: Vec<&str> = TABLE.split_whitespace().step_by(2).collect();
    let all: Vec<&str> = Permission::ALL.iter().map(|permission| permission.key()).collect();
    assert_eq!(rows, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_is_allowed_exactly_what_the_table_says() {
    on_each_db(async |app| {
        let cast = cast(app).await;
        let owner = cast[0].clone();
        let mut tasks = JoinSet::new();
        for holder in cast {
            tasks.spawn(async move {
                holder.check_can().await;
                holder.check_account().await;
                holder.check_resources().await;
                holder
            });
        }
        let cast = tasks.join_all().await;
        assert_eq!(cast.len(), ROLES.len());

        // With the policy of the account switched off, only the owner may delete it.
        owner.person.post("/a/acme/settings/policies", &[]).await.assert_status(303);
        for holder in &cast {
            let response = holder
                .key
                .get(&format!("{API}/can?permission=account.delete"))
                .await
                .assert_status(200)
                .json();
            assert_eq!(response["allowed"], holder.role == "owner", "{}", holder.role);
            assert_eq!(
                holder.person.get("/a/acme/settings/delete").await.status == 403,
                holder.role != "owner"
            );
        }
        let answer: Value = owner.key.get(&format!("{API}/can?permission=account.delete")).await.json();
        assert_eq!(answer["granted_by"], json!(["owner"]));
    })
    .await;
}
