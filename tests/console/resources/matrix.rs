//! Every built-in role × every permission over resources that a call or a page asks for × where the resource is.
use super::{ALL, acme, grant, over, register};
use crate::harness::{Person, Program, each};
use axum::http::Method;
use serde_json::{Value, json};

/// What a role holds over resources; over what: `everything` is `all` and others' private ones.
#[derive(Clone, Copy)]
struct Holds {
    view: bool,
    make: bool,
    change: bool,
    over: &'static str,
}

const NONE: Holds = Holds { view: false, make: false, change: false, over: "all" };
const VIEW: Holds = Holds { view: true, ..NONE };
const DEVELOP: Holds = Holds { make: true, change: true, ..VIEW };

fn holds(role: &str) -> Holds {
    match role {
        "owner" | "admin" => Holds { over: "everything", ..DEVELOP },
        "member" | "developer" | "product-admin" | "product-admin-all" => DEVELOP,
        "analyst" => VIEW,
        "video-developer" | "video-admin" => Holds { over: "video", ..DEVELOP },
        "image-developer" => Holds { over: "image", ..DEVELOP },
        "video-analyst" => Holds { over: "video", ..VIEW },
        "source-specific" => Holds { change: true, over: "listed", ..VIEW },
        _ => NONE,
    }
}

const ROLES: [&str; 12] = [
    "admin",
    "member",
    "accountant",
    "developer",
    "analyst",
    "product-admin",
    "product-admin-all",
    "source-specific",
    "video-developer",
    "video-admin",
    "video-analyst",
    "image-developer",
];

/// A resource of the cast: `(id, name, product, listed, private to)`.
struct Thing {
    id: String,
    name: String,
    product: &'static str,
    is_listed: bool,
    private_to: Option<&'static str>,
    is_foreign: bool,
}

fn sees(role: &str, it: &Thing) -> bool {
    let held = holds(role);
    let reaches = match held.over {
        "all" | "everything" => true,
        "listed" => it.is_listed,
        product => it.product == product,
    };
    held.view
        && reaches
        && !it.is_foreign
        && it.private_to.is_none_or(|mine| held.over == "everything" || mine == role)
}

/// 403 for who lacks it everywhere, 404 for who may not see it, 403 for who sees it and may not.
fn wanted(role: &str, held: bool, it: &Thing) -> u16 {
    match (held, sees(role, it)) {
        (false, _) => 403,
        (true, false) => 404,
        (true, true) => 200,
    }
}

async fn check(role: &str, person: &Person, key: &Program, it: &Thing) {
    let held = holds(role);
    let delete = held.make;
    let calls = [("", held.view), ("/edit", held.change), ("/delete", delete), ("/move", delete)];
    for (page, may) in calls {
        let said = person.get(&format!("/a/acme/resources/{}{page}", it.id)).await;
        assert_eq!(said.status, wanted(role, may, it), "{role}: page {page} of {}", it.name);
    }
    let path = format!("{ALL}/{}", it.id);
    let said = key.get(&path).await;
    assert_eq!(said.status, wanted(role, held.view, it), "{role}: get {}", it.name);
    let said = key.call(Method::PATCH, &path, &json!({})).await;
    assert_eq!(said.status, wanted(role, held.change, it), "{role}: patch {}", it.name);
    if said.status == 403 {
        assert_eq!(said.json()["permission"], "resources.update");
    }
    // A version that it never had: allowed, and not done.
    let said = key.send(Method::DELETE, &path, &[("if-match", "\"0\"")], None).await;
    let deletes = match wanted(role, delete, it) {
        200 => 412,
        other => other,
    };
    assert_eq!(said.status, deletes, "{role}: delete {}", it.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_sees_and_changes_what_the_table_says() {
    each(async |house| {
        let (ada, admin) = acme(house).await;
        let eve = house.user("Eve", "eve@other.test").await;
        house.organization(&eve, "Other").await;
        let mut things = vec![];
        let shared = [("video", "Listed", true), ("video", "Unlisted", false), ("image", "Stills", false)];
        for (product, name, is_listed) in shared {
            let kind = if product == "video" { "video/video_collection" } else { "image/image_source" };
            let id = register(&admin, "acme", kind, name, "shared").await;
            things.push(Thing { id, name: name.into(), product, is_listed, private_to: None, is_foreign: false });
        }
        let id = register(&house.key("other", &eve).await, "other", "video/index", "Foreign", "shared").await;
        things.push(Thing { id, name: "Foreign".into(), product: "video", is_listed: false, private_to: None, is_foreign: true });

        let mut cast = vec![("owner", ada.clone(), admin.clone())];
        for role in ROLES {
            // Everybody is a developer first, to have made something of their own.
            let it = house.user(role, &format!("{role}@acme.test")).await;
            let seat = house.join(&ada, "acme", &it, &["developer"]).await;
            let key = house.key("acme", &it).await;
            let name = format!("Own of the {role}");
            let id = register(&key, "acme", "video/video_collection", &name, "private").await;
            things.push(Thing { id, name, product: "video", is_listed: false, private_to: Some(role), is_foreign: false });
            let listed = things[0].id.clone();
            let grants = if role == "source-specific" { over(&[&listed]) } else { json!([{ "role": role }]) };
            grant(&admin, seat, grants).await;
            cast.push((role, it, key));
        }
        let id = register(&admin, "acme", "image/image_source", "Own of the owner", "private").await;
        let name = "Own of the owner".to_owned();
        things.push(Thing { id, name, product: "image", is_listed: false, private_to: Some("owner"), is_foreign: false });

        for (role, person, key) in &cast {
            let held = holds(role);
            for it in &things {
                check(role, person, key, it).await;
            }
            // Lists show what the pages open, and nothing else.
            let (page, list) = (person.get("/a/acme/resources").await, key.get(ALL).await);
            let list_status = if held.view { 200 } else { 403 };
            assert_eq!((page.status, list.status), (list_status, list_status), "{role}");
            if held.view {
                let listed: Vec<Value> = list.json()["items"].as_array().unwrap().clone();
                for it in &things {
                    let is_listed = listed.iter().any(|had| had["id"] == it.id);
                    assert_eq!(is_listed, sees(role, it), "{role}: list of {}", it.name);
                    assert_eq!(page.body.contains(&it.id), sees(role, it), "{role}: page of {}", it.name);
                }
            }
            for product in ["video", "image"] {
                let body = json!({ "product": product, "kind": "s3_integration", "name": "New", "external_id": format!("{role}-{product}") });
                let may = held.make && ["all", "everything", product].contains(&held.over);
                let made = key.call(Method::POST, ALL, &body).await;
                assert_eq!(made.status, if may { 201 } else { 403 }, "{role}: create {product}");
                if let Some(id) = made.json()["id"].as_str() {
                    key.call(Method::DELETE, &format!("{ALL}/{id}"), &json!({})).await.is(204);
                }
            }
            person.get("/a/acme/resources/new").await.is(if held.make { 200 } else { 403 });
        }
        // Another account's people, and nobody.
        for it in &things {
            eve.get(&format!("/a/acme/resources/{}", it.id)).await.is(404);
            house.visitor().get(&format!("/a/acme/resources/{}", it.id)).await.is(303);
        }
    })
    .await;
}
