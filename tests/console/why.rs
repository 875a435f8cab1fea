//! Why: the model, the API and the pages are of one mind, whatever is granted.
use crate::harness::{House, Person, each};
use axum::http::Method;
use guildhall::{
    kit::Kit,
    model::{
        id::{MembershipId, ResourceId, UserId},
        permission::Permission,
        resource::{Place, Visibility},
    },
    store::entry::{self, Credential},
};
use serde_json::{Value, json};

const API: &str = "/api/v1/accounts/acme";

/// Always the same numbers.
struct Dice(u64);
impl Dice {
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

struct Thing {
    id: ResourceId,
    product: &'static str,
    visibility: Visibility,
    creator: UserId,
}

async fn thing(house: &House, product: &'static str, visibility: Visibility, creator: UserId) -> Thing {
    let id = ResourceId(house.kit.id());
    let sql = "insert into resources (id, account_id, product, kind, name, external_id, visibility, created_by, created_at,
            updated_at, name_key, top_id)
        select $1, a.id, $2, 'index', $3, $3, $4, $5, 0, 0, $3, a.id from accounts a where a.slug = 'acme'";
    let mut conn = house.db.begin().await.unwrap();
    conn.query(sql)
        .bind(id)
        .bind(product)
        .bind(id.to_string())
        .bind(visibility)
        .bind(creator)
        .run()
        .await
        .unwrap();
    conn.commit().await.unwrap();
    Thing { id, product, visibility, creator }
}

async fn entry_of(house: &House, kit: &Kit, who: &Person) -> guildhall::model::entry::Entry {
    let by = Credential::session(&who.cookie("guildhall").unwrap());
    entry::find(&mut house.db.read().await.unwrap(), &by, "acme", kit.now()).await.unwrap()
}

fn random_grants(dice: &mut Dice, custom: &[String], things: &[Thing]) -> Vec<Value> {
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
    for _ in 0..=dice.roll(3) {
        let resources: Vec<ResourceId> =
            things.iter().filter(|_| dice.roll(3) == 0).map(|it| it.id).collect();
        let listed = json!({ "type": "resources", "resources": resources });
        // Admins are rare: they may everything.
        let grant = match dice.roll(4) {
            0 => {
                let from = usize::from(dice.roll(5) > 0);
                json!({ "role": dice.pick(&built_in[from..]) })
            }
            1 if !resources.is_empty() => json!({ "role": "source-specific", "scope": listed }),
            2 if !resources.is_empty() => json!({ "role": dice.pick(custom), "scope": listed }),
            3 => {
                let product = json!({ "type": "product", "product": dice.pick(&["video", "image"]) });
                json!({ "role": dice.pick(custom), "scope": product })
            }
            _ => json!({ "role": dice.pick(custom) }),
        };
        grants.push(grant);
    }
    grants
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_api_and_can_are_of_one_mind() {
    each(async |house| {
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        let key = house.key("acme", &ada).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let seat: MembershipId = house.join(&ada, "acme", &bob, &["member"]).await;
        let own = house.key("acme", &bob).await;
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let mut things = vec![];
        for product in ["video", "image"] {
            things.push(thing(house, product, Visibility::Shared, ada.id).await);
            things.push(thing(house, product, Visibility::Private, ada.id).await);
            things.push(thing(house, product, Visibility::Private, bob.id).await);
        }
        let mut custom = vec![];
        for n in 0..8 {
            let all = Permission::ALL.iter().filter(|it| **it != Permission::TransferAccount);
            let some: Vec<&str> = all.filter(|_| dice.roll(3) == 0).map(|it| it.key()).collect();
            let body = json!({ "name": format!("Role {n}"), "permissions": some });
            let made = key.call(Method::POST, &format!("{API}/roles"), &body).await.is(201).json();
            custom.push(made["id"].as_str().unwrap().to_owned());
        }
        // Pages that open for who holds this, and the calls beside them.
        let pages = [
            ("members.view", "/a/acme/members", "/members"),
            ("members.update", "/a/acme/requests", ""),
            ("members.invite", "/a/acme/invitations", "/invitations"),
            ("roles.manage", "/a/acme/roles/new", ""),
            ("audit.view", "/a/acme/audit", "/audit"),
            ("keys.own", "/a/acme/keys/new", ""),
        ];
        for _ in 0..100 {
            let grants = random_grants(&mut dice, &custom, &things);
            let path = format!("{API}/members/{seat}");
            key.call(Method::PATCH, &path, &json!({ "grants": grants })).await.is(200);
            let entry = entry_of(house, &house.kit, &bob).await;
            for _ in 0..3 {
                let (permission, it) = (*dice.pick(Permission::ALL), dice.pick(&things));
                let place = Place {
                    product: it.product,
                    id: it.id,
                    visibility: it.visibility,
                    creator: Some(it.creator),
                };
                let (decided, about) = if permission.is_of_resources() && dice.roll(4) > 0 {
                    let decided = entry.rights.may_at(bob.id, permission, &place);
                    (decided, format!("&resource={}", it.id))
                } else {
                    (entry.may(permission), String::new())
                };
                let query = format!("permission={}{about}", permission.key());
                let said = key.get(&format!("{API}/can?member={seat}&{query}")).await.is(200).json();
                assert_eq!(said["allowed"], decided, "{query}: {grants:?}");
                assert_eq!(said["because"].is_null(), !decided);
                assert_eq!(said["missing"].is_null(), decided);
                let by_self = own.get(&format!("{API}/can?member={seat}&{query}")).await.is(200).json();
                assert_eq!(by_self["allowed"], decided);
                let page = bob.get(&format!("/a/acme/why?{query}")).await.is(200);
                page.says(if decided { "Yes. You may" } else { "No. You may not" });
            }
            // The pages of a resource: not seen is not found.
            let it = dice.pick(&things);
            for (needed, page) in [("view", ""), ("update", "/edit"), ("delete", "/delete")] {
                let can = async |needed: &str| {
                    let query = format!("member={seat}&permission=resources.{needed}&resource={}", it.id);
                    key.get(&format!("{API}/can?{query}")).await.is(200).json()["allowed"] == true
                };
                let (sees, may) = (can("view").await, can(needed).await);
                let said = bob.get(&format!("/a/acme/resources/{}{page}", it.id)).await;
                assert_eq!(said.status == 200, may, "{needed} {}: {grants:?}", it.id);
                assert!(sees || said.status != 200, "{}", said.status);
                assert!([200, 403, 404].contains(&said.status), "{}", said.status);
            }
            let (needed, page, call) = dice.pick(&pages);
            let said = key.get(&format!("{API}/can?member={seat}&permission={needed}")).await.json();
            let status = if said["allowed"] == true { 200 } else { 403 };
            bob.get(page).await.is(status);
            if !call.is_empty() {
                own.get(&format!("{API}{call}")).await.is(status);
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_names_grant_or_gap() {
    each(async |house| {
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let seat = house.join(&ada, "acme", &bob, &["accountant"]).await;
        let (key, own) = (house.key("acme", &ada).await, house.key("acme", &bob).await);
        let it = thing(house, "video", Visibility::Shared, ada.id).await;
        let grants = json!({ "grants": [{ "role": "accountant" }, { "role": "video-analyst" }] });
        key.call(Method::PATCH, &format!("{API}/members/{seat}"), &grants).await.is(200);

        let ask = format!("permission=resources.delete&resource={}", it.id);
        let said = key.get(&format!("{API}/can?member={seat}&{ask}")).await.is(200).json();
        assert_eq!((&said["allowed"], &said["because"]), (&json!(false), &Value::Null));
        assert_eq!(said["missing"], "resources.delete");
        assert_eq!(said["granted_by"][0], "developer");
        let page = ada.get(&format!("/a/acme/why?member={seat}&{ask}")).await.is(200);
        page.says("No. Bob may not delete resources")
            .says("Grant: Video analyst over all Video")
            .says("no resources.delete")
            .says("Video developer over all Video")
            .says("Ada Byron");
        bob.get(&format!("/a/acme/why?{ask}")).await.is(200).says("Ask the administrators");
        let see = format!("permission=resources.view&resource={}", it.id);
        let said = own.get(&format!("{API}/can?{see}")).await.is(200).json();
        assert_eq!(said["because"]["label"], "video-analyst");
        ada.get(&format!("/a/acme/why?member={seat}&{see}"))
            .await
            .is(200)
            .says("Allowed by the grant Video analyst");

        // About others only for who sees them; about what is not there, a clear answer.
        let other = house.membership("acme", &ada).await;
        own.get(&format!("{API}/can?member={other}&permission=audit.view")).await.is(403);
        bob.get(&format!("/a/acme/why?member={other}&permission=audit.view")).await.is(403);
        own.get(&format!("{API}/can?permission=no.such")).await.is(422);
        let nil = uuid::Uuid::nil();
        own.get(&format!("{API}/can?permission=resources.view&resource={nil}")).await.is(422);
        key.get(&format!("{API}/can?member={nil}&permission=audit.view")).await.is(404);
        let said = key.get(&format!("{API}/can?permission=account.transfer")).await.is(200).json();
        assert_eq!((&said["because"]["role"], &said["granted_by"]), (&json!("owner"), &json!(["owner"])));
        // Who may not enter may nothing.
        ada.post(&format!("/a/acme/members/{seat}/suspend"), &[]).await.is(303);
        let said = key.get(&format!("{API}/can?member={seat}&{see}")).await.is(200).json();
        assert_eq!(said["allowed"], false);
        ada.get(&format!("/a/acme/why?member={seat}&{see}")).await.is(200).says("suspended or over");
    })
    .await;
}
