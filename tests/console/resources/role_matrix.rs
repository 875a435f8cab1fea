//! Every built-in role × every permission on resources × every kind of resource, on the pages and in the API.
use super::{ALL, acme, listed_grant, register, set_grants};
use crate::harness::{ApiClient, TestUser, on_each_db};
use axum::http::Method;
use serde_json::{Value, json};

/// What a role may do with resources, and with which: `everything` includes private ones of others, `all`
/// does not.
#[derive(Clone, Copy)]
struct Permissions {
    view: bool,
    make: bool,
    change: bool,
    over: &'static str,
}

const NONE: Permissions = Permissions { view: false, make: false, change: false, over: "all" };
const VIEW: Permissions = Permissions { view: true, ..NONE };
const DEVELOP: Permissions = Permissions { make: true, change: true, ..VIEW };

fn permissions_of(role: &str) -> Permissions {
    match role {
        "owner" | "admin" => Permissions { over: "everything", ..DEVELOP },
        "member" | "developer" | "product-admin" | "product-admin-all" => DEVELOP,
        "analyst" => VIEW,
        "video-developer" | "video-admin" => Permissions { over: "video", ..DEVELOP },
        "image-developer" => Permissions { over: "image", ..DEVELOP },
        "video-analyst" => Permissions { over: "video", ..VIEW },
        "source-specific" => Permissions { change: true, over: "listed", ..VIEW },
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

struct Resource {
    id: String,
    name: String,
    product: &'static str,
    is_listed: bool,
    private_to: Option<&'static str>,
    is_foreign: bool,
}

fn can_see(role: &str, resource: &Resource) -> bool {
    let held = permissions_of(role);
    let reaches = match held.over {
        "all" | "everything" => true,
        "listed" => resource.is_listed,
        product => resource.product == product,
    };
    held.view
        && reaches
        && !resource.is_foreign
        && resource.private_to.is_none_or(|creator| held.over == "everything" || creator == role)
}

/// 403 without the permission, 404 for a resource that the role cannot see.
fn expected_status(role: &str, allowed: bool, resource: &Resource) -> u16 {
    match (allowed, can_see(role, resource)) {
        (false, _) => 403,
        (true, false) => 404,
        (true, true) => 200,
    }
}

async fn check(role: &str, person: &TestUser, key: &ApiClient, resource: &Resource) {
    let permissions = permissions_of(role);
    let delete = permissions.make;
    let calls =
        [("", permissions.view), ("/edit", permissions.change), ("/delete", delete), ("/move", delete)];
    for (page, allowed) in calls {
        let response = person.get(&format!("/a/acme/resources/{}{page}", resource.id)).await;
        assert_eq!(
            response.status,
            expected_status(role, allowed, resource),
            "{role}: page {page} of {}",
            resource.name
        );
    }
    let path = format!("{ALL}/{}", resource.id);
    let response = key.get(&path).await;
    assert_eq!(
        response.status,
        expected_status(role, permissions.view, resource),
        "{role}: get {}",
        resource.name
    );
    let response = key.call(Method::PATCH, &path, &json!({})).await;
    assert_eq!(
        response.status,
        expected_status(role, permissions.change, resource),
        "{role}: patch {}",
        resource.name
    );
    if response.status == 403 {
        assert_eq!(response.json()["permission"], "resources.update");
    }
    // A version that never existed: 412 if allowed, and nothing changes.
    let response = key.send(Method::DELETE, &path, &[("if-match", "\"0\"")], None).await;
    let expected = match expected_status(role, delete, resource) {
        200 => 412,
        other => other,
    };
    assert_eq!(response.status, expected, "{role}: delete {}", resource.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_sees_and_changes_what_the_table_says() {
    on_each_db(async |app| {
        let (ada, admin) = acme(app).await;
        let eve = app.user("Eve", "eve@other.test").await;
        app.organization(&eve, "Other").await;
        let mut resources = vec![];
        let shared = [("video", "Listed", true), ("video", "Unlisted", false), ("image", "Stills", false)];
        for (product, name, is_listed) in shared {
            let kind = if product == "video" { "video/video_collection" } else { "image/image_source" };
            let id = register(&admin, "acme", kind, name, "shared").await;
            resources.push(Resource {
                id,
                name: name.into(),
                product,
                is_listed,
                private_to: None,
                is_foreign: false,
            });
        }
        let id =
            register(&app.api_key("other", &eve).await, "other", "video/index", "Foreign", "shared").await;
        resources.push(Resource {
            id,
            name: "Foreign".into(),
            product: "video",
            is_listed: false,
            private_to: None,
            is_foreign: true,
        });

        let mut members = vec![("owner", ada.clone(), admin.clone())];
        for role in ROLES {
            // Everybody starts as a developer, to create a private resource of their own.
            let user = app.user(role, &format!("{role}@acme.test")).await;
            let membership = app.add_member(&ada, "acme", &user, &["developer"]).await;
            let key = app.api_key("acme", &user).await;
            let name = format!("Own of the {role}");
            let id = register(&key, "acme", "video/video_collection", &name, "private").await;
            resources.push(Resource {
                id,
                name,
                product: "video",
                is_listed: false,
                private_to: Some(role),
                is_foreign: false,
            });
            let listed = resources[0].id.clone();
            let grants =
                if role == "source-specific" { listed_grant(&[&listed]) } else { json!([{ "role": role }]) };
            set_grants(&admin, membership, grants).await;
            members.push((role, user, key));
        }
        let id = register(&admin, "acme", "image/image_source", "Own of the owner", "private").await;
        let name = "Own of the owner".to_owned();
        resources.push(Resource {
            id,
            name,
            product: "image",
            is_listed: false,
            private_to: Some("owner"),
            is_foreign: false,
        });

        for (role, person, key) in &members {
            let permissions = permissions_of(role);
            for resource in &resources {
                check(role, person, key, resource).await;
            }
            // Lists show exactly what can be opened.
            let (page, list) = (person.get("/a/acme/resources").await, key.get(ALL).await);
            let list_status = if permissions.view { 200 } else { 403 };
            assert_eq!((page.status, list.status), (list_status, list_status), "{role}");
            if permissions.view {
                let listed: Vec<Value> = list.json()["items"].as_array().unwrap().clone();
                for resource in &resources {
                    let is_listed = listed.iter().any(|item| item["id"] == resource.id);
                    assert_eq!(is_listed, can_see(role, resource), "{role}: list of {}", resource.name);
                    assert_eq!(
                        page.body.contains(&resource.id),
                        can_see(role, resource),
                        "{role}: page of {}",
                        resource.name
                    );
                }
            }
            for product in ["video", "image"] {
                let body = json!({
                    "product": product, "kind": "s3_integration", "name": "New",
                    "external_id": format!("{role}-{product}"),
                });
                let allowed = permissions.make && ["all", "everything", product].contains(&permissions.over);
                let response = key.call(Method::POST, ALL, &body).await;
                assert_eq!(response.status, if allowed { 201 } else { 403 }, "{role}: create {product}");
                if let Some(id) = response.json()["id"].as_str() {
                    key.call(Method::DELETE, &format!("{ALL}/{id}"), &json!({})).await.assert_status(204);
                }
            }
            person.get("/a/acme/resources/new").await.assert_status(if permissions.make { 200 } else { 403 });
        }
        // A user of another account and an anonymous visitor.
        for resource in &resources {
            eve.get(&format!("/a/acme/resources/{}", resource.id)).await.assert_status(404);
            app.visitor().get(&format!("/a/acme/resources/{}", resource.id)).await.assert_status(303);
        }
    })
    .await;
}
