//! Explaining access: the model, the API and the pages agree, whatever is granted.
use crate::harness::{ApiClient, TestApp, TestUser, on_each_db};
use axum::http::Method;
use guildhall::{
    context::Context,
    model::{
        id::{MembershipId, ResourceId, UserId},
        permission::Permission,
        resource::{ResourceTarget, Visibility},
    },
    store::access::{self, Credential},
};
use serde_json::{Value, json};

const API: &str = "/api/v1/accounts/acme";

/// `xorshift64` with fixed seeds.
struct Rng(u64);
impl Rng {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }
    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.roll(all.len())]
    }
}

struct Resource {
    id: ResourceId,
    product: &'static str,
    visibility: Visibility,
    creator: UserId,
}

async fn register(app: &TestApp, product: &'static str, visibility: Visibility, creator: UserId) -> Resource {
    let id = ResourceId(app.kit.id());
    let sql = "insert into resources (id, account_id, product, kind, name, external_id, visibility,
                created_by, created_at,
            updated_at, name_key, root_account_id)
        select $1, a.id, $2, 'index', $3, $3, $4, $5, 0, 0, $3, a.id from accounts a
        where a.slug = 'acme'";
    let mut conn = app.db.begin().await.unwrap();
    conn.query(sql)
        .bind(id)
        .bind(product)
        .bind(id.to_string())
        .bind(visibility)
        .bind(creator)
        .execute()
        .await
        .unwrap();
    conn.commit().await.unwrap();
    Resource { id, product, visibility, creator }
}

async fn entry_of(app: &TestApp, kit: &Context, user: &TestUser) -> guildhall::model::access::Access {
    let credential = Credential::session(&user.cookie("guildhall").unwrap());
    access::find(&mut app.db.read().await.unwrap(), &credential, "acme", kit.now()).await.unwrap().1
}

fn random_grants(rng: &mut Rng, custom: &[String], resources: &[Resource]) -> Vec<Value> {
    let built_in = [
        "admin",
        "member",
        "accountant",
        "developer",
        "analyst",
        "product-admin",
        "product-admin-all",
        "video-developer",
        "video-analyst",
        "image-admin",
        "image-developer",
    ];
    let mut grants = vec![];
    for _ in 0..=rng.roll(3) {
        let ids: Vec<ResourceId> =
            resources.iter().filter(|_| rng.roll(3) == 0).map(|resource| resource.id).collect();
        let listed = json!({ "type": "resources", "resources": ids });
        // Admins are rare in this sample, because they are allowed everything.
        let grant = match rng.roll(4) {
            0 => {
                let from = usize::from(rng.roll(5) > 0);
                json!({ "role": rng.pick(&built_in[from..]) })
            }
            1 if !ids.is_empty() => json!({ "role": "source-specific", "scope": listed }),
            2 if !ids.is_empty() => json!({ "role": rng.pick(custom), "scope": listed }),
            3 => {
                let product = json!({ "type": "product", "product": rng.pick(&["video", "image"]) });
                json!({ "role": rng.pick(custom), "scope": product })
            }
            _ => json!({ "role": rng.pick(custom) }),
        };
        grants.push(grant);
    }
    grants
}

/// A permission, a page that needs it, and the corresponding API path, if there is one.
const PAGES: &[(&str, &str, &str)] = &[
    ("members.view", "/a/acme/members", "/members"),
    ("members.update", "/a/acme/requests", "/requests"),
    ("members.invite", "/a/acme/invitations", "/invitations"),
    ("roles.manage", "/a/acme/roles/new", ""),
    ("audit.view", "/a/acme/audit", "/audit"),
    ("keys.own", "/a/acme/keys/new", ""),
    ("account.transfer", "/a/acme/settings/transfer", ""),
    ("account.delete", "/a/acme/settings/delete", ""),
    ("account.view", "/a/acme/overview", ""),
];

/// A member whose roles change in every round.
struct Subject {
    person: TestUser,
    membership: MembershipId,
    /// The key of the owner; `own` is the key of the member.
    key: ApiClient,
    own: ApiClient,
    rng: Rng,
}

impl Subject {
    async fn can(&self, query: &str) -> bool {
        let response = self
            .key
            .get(&format!("{API}/can?member={}&{query}", self.membership))
            .await
            .assert_status(200)
            .json();
        let allowed = response["allowed"] == true;
        assert_eq!(
            (response["because"].is_null(), response["missing"].is_null()),
            (!allowed, allowed),
            "{query}: {response}"
        );
        let by_self = self.own.get(&format!("{API}/can?{query}")).await.assert_status(200).json();
        assert_eq!(by_self["allowed"], allowed, "{query}");
        allowed
    }

    /// Compares the decision of the model with `can`, with the explanation, and with the pages and API calls
    /// themselves.
    async fn compare(&mut self, app: &TestApp, resources: &[Resource], grants: &[Value]) {
        let entry = entry_of(app, &app.kit, &self.person).await;
        let may_on = |permission: Permission, resource: &Resource| {
            let Resource { id, product, visibility, creator } = *resource;
            let place = ResourceTarget { product, id, visibility, creator: Some(creator) };
            entry.rights.may_at(Some(self.person.id), permission, &place)
        };
        for _ in 0..2 {
            let (permission, resource) = (*self.rng.pick(Permission::ALL), self.rng.pick(resources));
            let (decided, about) = if permission.is_of_resources() && self.rng.roll(4) > 0 {
                (may_on(permission, resource), format!("&resource={}", resource.id))
            } else {
                (entry.may(permission), String::new())
            };
            let query = format!("permission={}{about}", permission.key());
            assert_eq!(self.can(&query).await, decided, "{query}: {grants:?}");
            let page = self.person.get(&format!("/a/acme/why?{query}")).await.assert_status(200);
            page.assert_contains(if decided { "Yes. You may" } else { "No. You may not" });
        }
        let resource = self.rng.pick(resources);
        let sees = may_on(Permission::ViewResources, resource);
        let (permission, action, page) = *self.rng.pick(&[
            (Permission::ViewResources, "view", ""),
            (Permission::UpdateResources, "update", "/edit"),
            (Permission::DeleteResources, "delete", "/delete"),
        ]);
        let may = may_on(permission, resource);
        assert_eq!(
            self.can(&format!("permission=resources.{action}&resource={}", resource.id)).await,
            may,
            "{grants:?}"
        );
        let status = match (entry.may(permission), sees, may) {
            (false, ..) => 403,
            (true, false, _) => 404,
            (true, true, may) => {
                if may {
                    200
                } else {
                    403
                }
            }
        };
        let response = self.person.get(&format!("/a/acme/resources/{}{page}", resource.id)).await;
        assert_eq!(response.status, status, "{action} {}: {grants:?}", resource.id);
        if action == "view" {
            self.own.get(&format!("{API}/resources/{}", resource.id)).await.assert_status(status);
            // A list shows exactly what the member can see.
            let list = self.own.get(&format!("{API}/resources")).await;
            assert_eq!(list.status == 200, entry.may(permission));
            let items = if list.status == 200 { list.json()["items"].clone() } else { json!([]) };
            for resource in resources {
                let is_listed =
                    items.as_array().unwrap().iter().any(|item| item["id"] == resource.id.to_string());
                assert_eq!(is_listed, may_on(permission, resource), "{}: {grants:?}", resource.id);
            }
        }
        let (needed, page, call) = *self.rng.pick(PAGES);
        let status = if self.can(&format!("permission={needed}")).await { 200 } else { 403 };
        self.person.get(page).await.assert_status(status);
        if !call.is_empty() {
            self.own.get(&format!("{API}{call}")).await.assert_status(status);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_api_and_permission_check_agree() {
    on_each_db(async |app| {
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        let key = app.api_key("acme", &ada).await;
        let mut subjects = vec![];
        for seed in
            [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 0x2545_f491_4f6c_dd1d]
        {
            let person = app.user("Bob", &format!("bob.{}@acme.test", subjects.len())).await;
            let membership = app.add_member(&ada, "acme", &person, &["member"]).await;
            let own = app.api_key("acme", &person).await;
            subjects.push(Subject { person, membership, key: key.clone(), own, rng: Rng(seed) });
        }
        let mut resources = vec![];
        for product in ["video", "image"] {
            resources.push(register(app, product, Visibility::Shared, ada.id).await);
            resources.push(register(app, product, Visibility::Private, ada.id).await);
            resources.push(register(app, product, Visibility::Private, subjects[0].person.id).await);
            resources.push(register(app, product, Visibility::Private, subjects[1].person.id).await);
        }
        let mut custom = vec![];
        let rng = &mut subjects[0].rng;
        for n in 0..8 {
            let all = Permission::ALL.iter().filter(|permission| **permission != Permission::TransferAccount);
            let chosen: Vec<&str> =
                all.filter(|_| rng.roll(3) == 0).map(|permission| permission.key()).collect();
            let body = json!({ "name": format!("Role {n}"), "permissions": chosen });
            let created =
                key.call(Method::POST, &format!("{API}/roles"), &body).await.assert_status(201).json();
            custom.push(created["id"].as_str().unwrap().to_owned());
        }
        let (custom, resources) = (&custom, &resources);
        let runs = subjects.iter_mut().map(async |subject| {
            for _ in 0..75 {
                let grants = random_grants(&mut subject.rng, custom, resources);
                let path = format!("{API}/members/{}", subject.membership);
                subject.key.call(Method::PATCH, &path, &json!({ "grants": grants })).await.assert_status(200);
                subject.compare(app, resources, &grants).await;
            }
        });
        futures_util::future::join_all(runs).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_names_the_grant_or_the_missing_permission() {
    on_each_db(async |app| {
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let membership = app.add_member(&ada, "acme", &bob, &["accountant"]).await;
        let (key, bob_key) = (app.api_key("acme", &ada).await, app.api_key("acme", &bob).await);
        let resource = register(app, "video", Visibility::Shared, ada.id).await;
        let grants = json!({ "grants": [{ "role": "accountant" }, { "role": "video-analyst" }] });
        key.call(Method::PATCH, &format!("{API}/members/{membership}"), &grants).await.assert_status(200);

        let delete = format!("permission=resources.delete&resource={}", resource.id);
        let response =
            key.get(&format!("{API}/can?member={membership}&{delete}")).await.assert_status(200).json();
        assert_eq!((&response["allowed"], &response["because"]), (&json!(false), &Value::Null));
        assert_eq!(response["missing"], "resources.delete");
        assert_eq!(response["granted_by"][0], "developer");
        let page = ada.get(&format!("/a/acme/why?member={membership}&{delete}")).await.assert_status(200);
        page.assert_contains("No. Bob may not delete resources")
            .assert_contains("Grant: Video analyst over all Video")
            .assert_contains("no resources.delete")
            .assert_contains("Video developer over all Video")
            .assert_contains("Ada Byron");
        bob.get(&format!("/a/acme/why?{delete}"))
            .await
            .assert_status(200)
            .assert_contains("Ask the administrators");
        let view = format!("permission=resources.view&resource={}", resource.id);
        let response = bob_key.get(&format!("{API}/can?{view}")).await.assert_status(200).json();
        assert_eq!(response["because"]["label"], "video-analyst");
        ada.get(&format!("/a/acme/why?member={membership}&{view}"))
            .await
            .assert_status(200)
            .assert_contains("Allowed by the grant Video analyst");

        // Asking about others needs the permission to see them; unknown things get a clear error.
        let ada_membership = app.membership("acme", &ada).await;
        bob_key
            .get(&format!("{API}/can?member={ada_membership}&permission=audit.view"))
            .await
            .assert_status(403);
        bob.get(&format!("/a/acme/why?member={ada_membership}&permission=audit.view"))
            .await
            .assert_status(403);
        bob_key.get(&format!("{API}/can?permission=no.such")).await.assert_status(422);
        let nil = uuid::Uuid::nil();
        bob_key.get(&format!("{API}/can?permission=resources.view&resource={nil}")).await.assert_status(422);
        key.get(&format!("{API}/can?member={nil}&permission=audit.view")).await.assert_status(404);
        let response =
            key.get(&format!("{API}/can?permission=account.transfer")).await.assert_status(200).json();
        assert_eq!(
            (&response["because"]["role"], &response["granted_by"]),
            (&json!("owner"), &json!(["owner"]))
        );
        // A suspended member is allowed nothing.
        ada.post(&format!("/a/acme/members/{membership}/suspend"), &[]).await.assert_status(303);
        let response =
            key.get(&format!("{API}/can?member={membership}&{view}")).await.assert_status(200).json();
        assert_eq!(response["allowed"], false);
        ada.get(&format!("/a/acme/why?member={membership}&{view}"))
            .await
            .assert_status(200)
            .assert_contains("suspended or over");
    })
    .await;
}
