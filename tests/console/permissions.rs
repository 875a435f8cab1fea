//! The table of the documentation, written down here once more, word by word: every built-in role, every permission, every
//! place, asked of `can`, of the calls and of the pages.
use crate::harness::{House, Person, Program, each};
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

/// What somebody holds; the column of the table; whether it reaches, in this order: what is of the product video, of the
/// product image, listed, not listed, somebody else's private one, another account's.
const CAST: &[(&str, usize, &str)] = &[
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

fn table(permission: &str, column: usize) -> bool {
    let words: Vec<&str> = TABLE.split_whitespace().collect();
    let row = words.chunks(2).find(|it| it[0] == permission).expect("a row for each permission");
    row[1].as_bytes()[column] == b'x'
}

fn is_of_resources(permission: &str) -> bool {
    permission.starts_with("resources.") || permission == "analytics.view"
}

/// Somebody who holds one role, and where things are.
#[derive(Clone)]
struct Actor {
    role: &'static str,
    column: usize,
    reach: &'static str,
    person: Person,
    key: Program,
    /// In the order of `CAST`.
    places: Vec<String>,
}

impl Actor {
    fn holds(&self, permission: &str) -> bool {
        table(permission, self.column)
    }
    fn reaches(&self, place: usize) -> bool {
        self.reach.as_bytes()[place] == b'x'
    }
    fn may(&self, permission: &str, place: usize) -> bool {
        self.holds(permission) && self.reaches(place)
    }
    /// Not held is 403; held and not to be seen is 404; seen and not done is 403.
    fn status(&self, permission: &str, place: usize) -> u16 {
        match (self.holds(permission), self.may("resources.view", place)) {
            (false, _) => 403,
            (true, false) => 404,
            (true, true) => 200,
        }
    }

    async fn asks_can(&self) {
        for permission in Permission::ALL {
            let permission = permission.key();
            let said = self.key.get(&format!("{API}/can?permission={permission}")).await.is(200).json();
            assert_eq!(said["allowed"], self.holds(permission), "{}: {permission}", self.role);
            for (place, id) in self.places.iter().enumerate() {
                let said = self.key.get(&format!("{API}/can?permission={permission}&resource={id}")).await;
                if place == 5 {
                    assert_eq!(said.is(422).json()["errors"][0]["code"], "unknown_resource");
                    continue;
                }
                let it = said.is(200).json();
                let may = match is_of_resources(permission) {
                    true => self.may(permission, place),
                    false => self.holds(permission),
                };
                assert_eq!(it["allowed"], may, "{}: {permission} at place {place}: {it}", self.role);
                assert_eq!((it["because"].is_null(), it["missing"].is_null()), (!may, may), "{it}");
            }
        }
    }

    async fn opens_resources(&self) {
        for (place, id) in self.places.iter().enumerate() {
            let calls = [("view", ""), ("update", "/edit"), ("delete", "/delete"), ("delete", "/move")];
            for (word, page) in calls {
                let (permission, path) =
                    (format!("resources.{word}"), format!("/a/acme/resources/{id}{page}"));
                let said = self.person.get(&path).await;
                let wanted = self.status(&permission, place);
                assert_eq!(said.status, wanted, "{}: {permission} of place {place}, as a page", self.role);
                if wanted == 403 {
                    said.says(&permission);
                }
            }
            let path = format!("{API}/resources/{id}");
            // A version that it never had: allowed, and not done.
            let old = [("content-type", "application/json"), ("if-match", "\"0\"")];
            for (word, method) in
                [("view", Method::GET), ("update", Method::PATCH), ("delete", Method::DELETE)]
            {
                let permission = format!("resources.{word}");
                let body = (method == Method::PATCH).then(|| "{}".to_owned());
                let said = self.key.send(method.clone(), &path, &old, body).await;
                let wanted = match self.status(&permission, place) {
                    200 if word != "view" => 412,
                    other => other,
                };
                assert_eq!(said.status, wanted, "{}: {method} of place {place}", self.role);
                if wanted == 403 {
                    assert_eq!(said.json()["permission"], permission);
                }
            }
        }
        for (product, place) in [("video", 0), ("image", 1)] {
            let body = json!({ "product": product, "kind": "s3_integration", "name": "New", "external_id": format!("{}-{product}", self.role) });
            let made = self.key.call(Method::POST, &format!("{API}/resources"), &body).await;
            let wanted = if self.may("resources.create", place) { 201 } else { 403 };
            assert_eq!(made.status, wanted, "{}: create in {product}", self.role);
        }
    }

    async fn opens_the_account(&self) {
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
            let said = self.person.get(&format!("/a/acme/{page}")).await;
            assert_eq!(
                said.status == 403,
                !self.holds(permission),
                "{}: {page} says {}",
                self.role,
                said.status
            );
            if said.status == 403 {
                let said = said.says(permission).says("Why?");
                // Ownership is handed over, and not to be asked for.
                assert_eq!(said.text().contains("Ask for it"), permission != "account.transfer");
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
            let said = self.key.call(method.clone(), &format!("{API}{path}"), &json!({})).await;
            assert_eq!(
                said.status == 403,
                !self.holds(permission),
                "{}: {method} {path} says {}",
                self.role,
                said.status
            );
            if said.status == 403 {
                assert_eq!(said.json()["permission"], permission);
            }
        }
        let team = [("parent", "acme"), ("name", "")];
        let said = self.person.post("/new/team", &team).await.status;
        assert_eq!(said, 422, "no name, and nothing is opened");
        // Another account: it does not exist for them.
        self.key.get("/api/v1/accounts/other").await.is(404);
        self.key.get("/api/v1/accounts/other/can?permission=account.view").await.is(404);
        self.person.get("/a/other/overview").await.is(404);
        self.person.get(&format!("/a/other/resources/{}", self.places[5])).await.is(404);
    }
}

async fn register(key: &Program, slug: &str, what: [&str; 3], visibility: &str) -> String {
    let [product, kind, name] = what;
    let body = json!({ "product": product, "kind": kind, "name": name, "external_id": name, "visibility": visibility });
    let made = key.call(Method::POST, &format!("/api/v1/accounts/{slug}/resources"), &body).await.is(201);
    made.json()["id"].as_str().unwrap().to_owned()
}

async fn cast(house: &House) -> Vec<Actor> {
    let ada = house.user("Ada", "owner@acme.test").await;
    house.organization(&ada, "Acme").await;
    let admin = house.key("acme", &ada).await;
    let eve = house.user("Eve", "eve@other.test").await;
    house.organization(&eve, "Other").await;
    let others = house.key("other", &eve).await;
    // Who made the private one is none of the cast.
    let zoe = house.user("Zoe", "zoe@acme.test").await;
    house.join(&ada, "acme", &zoe, &["member"]).await;
    let zoes = house.key("acme", &zoe).await;
    let places = vec![
        register(&admin, "acme", ["video", "index", "Own"], "shared").await,
        register(&admin, "acme", ["image", "image_source", "Stills"], "shared").await,
        register(&admin, "acme", ["video", "video_collection", "Listed"], "shared").await,
        register(&admin, "acme", ["video", "video_collection", "Unlisted"], "shared").await,
        register(&zoes, "acme", ["video", "video", "Secret"], "private").await,
        register(&others, "other", ["video", "index", "Foreign"], "shared").await,
    ];
    let mut cast = vec![];
    for (role, column, reach) in CAST {
        let (person, key) = if *role == "owner" {
            (ada.clone(), admin.clone())
        } else {
            let it = house.user(role, &format!("{role}@acme.test")).await;
            let seat = house.join(&ada, "acme", &it, &["member"]).await;
            let listed = json!({ "type": "resources", "resources": [places[2]] });
            let grant = match *role {
                "source-specific" => json!({ "role": role, "scope": listed }),
                _ => json!({ "role": role }),
            };
            let body = json!({ "grants": [grant] });
            let said =
                admin.call(Method::PATCH, &format!("{API}/members/{seat}"), &body).await.is(200).json();
            let label = if *role == "source-specific" { "video-source-specific" } else { *role };
            assert_eq!(said["grants"][0]["label"], label);
            let key = house.key("acme", &it).await;
            (it, key)
        };
        cast.push(Actor { role, column: *column, reach, person, key, places: places.clone() });
    }
    cast
}

#[test]
fn every_permission_has_its_row() {
    let rows: Vec<&str> = TABLE.split_whitespace().step_by(2).collect();
    let all: Vec<&str> = Permission::ALL.iter().map(|it| it.key()).collect();
    assert_eq!(rows, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_what_the_table_says_and_nothing_else() {
    each(async |house| {
        let cast = cast(house).await;
        let owner = cast[0].clone();
        let mut all = JoinSet::new();
        for it in cast {
            all.spawn(async move {
                it.asks_can().await;
                it.opens_the_account().await;
                it.opens_resources().await;
                it
            });
        }
        let cast = all.join_all().await;
        assert_eq!(cast.len(), CAST.len());

        // The policy of the account: admins do not delete it, the owner does.
        owner.person.post("/a/acme/settings/policies", &[]).await.is(303);
        for it in &cast {
            let said = it.key.get(&format!("{API}/can?permission=account.delete")).await.is(200).json();
            assert_eq!(said["allowed"], it.role == "owner", "{}", it.role);
            assert_eq!(it.person.get("/a/acme/settings/delete").await.status == 403, it.role != "owner");
        }
        let why: Value = owner.key.get(&format!("{API}/can?permission=account.delete")).await.json();
        assert_eq!(why["granted_by"], json!(["owner"]));
    })
    .await;
}
