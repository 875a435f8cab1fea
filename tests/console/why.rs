//! Why: the model, the API and the pages are of one mind, whatever is granted.
use crate::harness::{House, Person, Program, each};
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

/// Pages that open for who holds this, and the calls beside them.
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

/// Somebody whose roles change all the time.
struct Subject {
    person: Person,
    seat: MembershipId,
    /// Of the owner, and their own.
    key: Program,
    own: Program,
    dice: Dice,
}

impl Subject {
    async fn can(&self, query: &str) -> bool {
        let said = self.key.get(&format!("{API}/can?member={}&{query}", self.seat)).await.is(200).json();
        let allowed = said["allowed"] == true;
        assert_eq!(
            (said["because"].is_null(), said["missing"].is_null()),
            (!allowed, allowed),
            "{query}: {said}"
        );
        let by_self = self.own.get(&format!("{API}/can?{query}")).await.is(200).json();
        assert_eq!(by_self["allowed"], allowed, "{query}");
        allowed
    }

    /// The model decides; `can`, the page that says why, and the pages and calls themselves are of that mind.
    async fn compare(&mut self, house: &House, things: &[Thing], grants: &[Value]) {
        let entry = entry_of(house, &house.kit, &self.person).await;
        let may_on = |permission: Permission, it: &Thing| {
            let Thing { id, product, visibility, creator } = *it;
            let place = Place { product, id, visibility, creator: Some(creator) };
            entry.rights.may_at(self.person.id, permission, &place)
        };
        for _ in 0..2 {
            let (permission, it) = (*self.dice.pick(Permission::ALL), self.dice.pick(things));
            let (decided, about) = if permission.is_of_resources() && self.dice.roll(4) > 0 {
                (may_on(permission, it), format!("&resource={}", it.id))
            } else {
                (entry.may(permission), String::new())
            };
            let query = format!("permission={}{about}", permission.key());
            assert_eq!(self.can(&query).await, decided, "{query}: {grants:?}");
            let page = self.person.get(&format!("/a/acme/why?{query}")).await.is(200);
            page.says(if decided { "Yes. You may" } else { "No. You may not" });
        }
        let it = self.dice.pick(things);
        let sees = may_on(Permission::ViewResources, it);
        let (permission, word, page) = *self.dice.pick(&[
            (Permission::ViewResources, "view", ""),
            (Permission::UpdateResources, "update", "/edit"),
            (Permission::DeleteResources, "delete", "/delete"),
        ]);
        let may = may_on(permission, it);
        assert_eq!(
            self.can(&format!("permission=resources.{word}&resource={}", it.id)).await,
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
        let said = self.person.get(&format!("/a/acme/resources/{}{page}", it.id)).await;
        assert_eq!(said.status, status, "{word} {}: {grants:?}", it.id);
        if word == "view" {
            self.own.get(&format!("{API}/resources/{}", it.id)).await.is(status);
            // A list shows what can be seen, and nothing else.
            let list = self.own.get(&format!("{API}/resources")).await;
            assert_eq!(list.status == 200, entry.may(permission));
            let items = if list.status == 200 { list.json()["items"].clone() } else { json!([]) };
            for it in things {
                let is_listed = items.as_array().unwrap().iter().any(|had| had["id"] == it.id.to_string());
                assert_eq!(is_listed, may_on(permission, it), "{}: {grants:?}", it.id);
            }
        }
        let (needed, page, call) = *self.dice.pick(PAGES);
        let status = if self.can(&format!("permission={needed}")).await { 200 } else { 403 };
        self.person.get(page).await.is(status);
        if !call.is_empty() {
            self.own.get(&format!("{API}{call}")).await.is(status);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_api_and_can_are_of_one_mind() {
    each(async |house| {
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        let key = house.key("acme", &ada).await;
        let mut subjects = vec![];
        for seed in
            [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 0x2545_f491_4f6c_dd1d]
        {
            let person = house.user("Bob", &format!("bob.{}@acme.test", subjects.len())).await;
            let seat = house.join(&ada, "acme", &person, &["member"]).await;
            let own = house.key("acme", &person).await;
            subjects.push(Subject { person, seat, key: key.clone(), own, dice: Dice(seed) });
        }
        let mut things = vec![];
        for product in ["video", "image"] {
            things.push(thing(house, product, Visibility::Shared, ada.id).await);
            things.push(thing(house, product, Visibility::Private, ada.id).await);
            things.push(thing(house, product, Visibility::Private, subjects[0].person.id).await);
            things.push(thing(house, product, Visibility::Private, subjects[1].person.id).await);
        }
        let mut custom = vec![];
        let dice = &mut subjects[0].dice;
        for n in 0..8 {
            let all = Permission::ALL.iter().filter(|it| **it != Permission::TransferAccount);
            let some: Vec<&str> = all.filter(|_| dice.roll(3) == 0).map(|it| it.key()).collect();
            let body = json!({ "name": format!("Role {n}"), "permissions": some });
            let made = key.call(Method::POST, &format!("{API}/roles"), &body).await.is(201).json();
            custom.push(made["id"].as_str().unwrap().to_owned());
        }
        let (custom, things) = (&custom, &things);
        let stories = subjects.iter_mut().map(async |it| {
            for _ in 0..75 {
                let grants = random_grants(&mut it.dice, custom, things);
                let path = format!("{API}/members/{}", it.seat);
                it.key.call(Method::PATCH, &path, &json!({ "grants": grants })).await.is(200);
                it.compare(house, things, &grants).await;
            }
        });
        futures_util::future::join_all(stories).await;
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
