//! Resources: who sees and changes which, by the pages and by the API; registered, changed by two at once, moved, deleted.
mod matrix;
mod moves;

use crate::harness::{House, Person, Program, each};
use axum::http::Method;
use serde_json::{Value, json};

const ALL: &str = "/api/v1/accounts/acme/resources";

/// Registers a resource; answers its id.
async fn register(key: &Program, slug: &str, kind: &str, name: &str, visibility: &str) -> String {
    let (product, kind) = kind.split_once('/').expect("a product and a kind");
    let external_id = format!("x_{}", name.replace(' ', "_"));
    let body = json!({ "product": product, "kind": kind, "name": name, "external_id": external_id, "visibility": visibility });
    let said = key.call(Method::POST, &format!("/api/v1/accounts/{slug}/resources"), &body).await.is(201);
    said.json()["id"].as_str().expect("an id").to_owned()
}

/// Gives a member these grants in place of theirs.
async fn grant(admin: &Program, member: impl ToString, grants: Value) {
    let path = format!("/api/v1/accounts/acme/members/{}", member.to_string());
    admin.call(Method::PATCH, &path, &json!({ "grants": grants })).await.is(200);
}

fn over(resources: &[&str]) -> Value {
    json!([{ "role": "source-specific", "scope": { "type": "resources", "resources": resources } }])
}

async fn acme(house: &House) -> (Person, Program) {
    let ada = house.user("Ada Byron", "ada@acme.test").await;
    house.organization(&ada, "Acme").await;
    let key = house.key("acme", &ada).await;
    (ada, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_is_registered_changed_and_deleted() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        ada.get("/a/acme/resources").await.is(200).says("Nothing is registered yet");
        let form = [("kind", "video/video_collection"), ("name", "Trailers"), ("external_id", "col_1"), ("visibility", "private")];
        let made = ada.post("/a/acme/resources", &form).await.is(303).location();
        let id = made.rsplit('/').next().unwrap();
        ada.get(&made).await.is(200).says("Trailers Private").says("col_1").says("Video collection").says("1 person reaches it");
        let read = key.get(&format!("{ALL}/{id}")).await.is(200);
        let shape = json!({
            "id": id, "product": "video", "kind": "video_collection", "name": "Trailers", "external_id": "col_1",
            "visibility": "private", "team": null, "created_by": ada.id.to_string(), "created_at": read.json()["created_at"],
        });
        assert_eq!(read.json(), shape);
        let list = key.get(ALL).await.is(200).json();
        assert_eq!(list, json!({ "items": [shape], "next": null }));

        // Two editors at once: the second is told, what they typed is kept, and nothing is lost.
        let tag = read.field("etag");
        let first = key.call(Method::PATCH, &format!("{ALL}/{id}"), &json!({ "name": "Trailers 2026" })).await.is(200);
        assert_ne!(first.field("etag"), tag);
        let fields = [("content-type", "application/json"), ("if-match", tag.as_str())];
        let body = Some(json!({ "name": "Mine" }).to_string());
        let late = key.send(Method::PATCH, &format!("{ALL}/{id}"), &fields, body).await.is(412);
        assert_eq!(late.json()["code"], "precondition_failed");
        let form = [("name", "Mine"), ("external_id", "col_1"), ("seen", "1")];
        let late = ada.post(&format!("{made}/edit"), &form).await.is(409);
        let late = late.says("Somebody changed it").says("Name now Trailers 2026");
        assert!(late.body.contains("value=\"Mine\""));
        let seen = late.body.split("name=\"seen\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let form = [("name", "Mine"), ("external_id", "col_1"), ("seen", seen.as_str())];
        ada.post(&format!("{made}/edit"), &form).await.is(303);
        ada.get(&made).await.says("Mine");
        ada.post(&format!("{made}/visibility"), &[("visibility", "shared"), ("seen", &seen)]).await.is(409);
        ada.post(&format!("{made}/visibility"), &[("visibility", "shared")]).await.is(303);
        ada.post(&format!("{made}/visibility"), &[("visibility", "everybody")]).await.is(422);

        ada.get(&format!("{made}/delete")).await.is(200).says("No role names it");
        ada.post(&format!("{made}/delete"), &[]).await.is(303).to("/a/acme/resources");
        ada.get(&made).await.is(404);
        let audit = ada.get("/a/acme/audit").await.is(200);
        audit.says("registered “Trailers”").says("made “Mine” shared").says("deleted the resource “Mine”");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_in_words() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        register(&key, "acme", "video/index", "One", "shared").await;
        let new = |field: &str, value: &str| {
            let mut body =
                json!({ "product": "video", "kind": "index", "name": "Two", "external_id": "two" });
            body[field] = json!(value);
            body
        };
        for (field, value, code) in [
            ("product", "audio", "unknown_product"),
            ("kind", "image_source", "unknown_kind"),
            ("name", " ", "required"),
            ("external_id", "", "required"),
            ("external_id", "a b", "invalid"),
            ("external_id", "x_One", "taken"),
            ("visibility", "secret", "invalid"),
        ] {
            let said = key.call(Method::POST, ALL, &new(field, value)).await.is(422).json();
            assert_eq!(said["errors"][0]["pointer"], format!("/{field}"), "{said}");
            assert_eq!(said["errors"][0]["code"], code, "{said}");
        }
        // The same id in another kind is another thing.
        let other = json!({ "product": "video", "kind": "video", "name": "Two", "external_id": "x_One" });
        let two = key.call(Method::POST, ALL, &other).await.is(201).json()["id"].as_str().unwrap().to_owned();
        register(&key, "acme", "video/video", "Three", "shared").await;
        let clash = json!({ "external_id": "x_Three" });
        key.call(Method::PATCH, &format!("{ALL}/{two}"), &clash).await.is(422);
        let form = [("kind", "video/index"), ("name", "Kept"), ("external_id", "x_One")];
        let again = ada.post("/a/acme/resources", &form).await.is(422).says("Another index of this account");
        assert!(again.body.contains("value=\"Kept\""));
        ada.post("/a/acme/resources", &[("name", "x")]).await.is(422);

        // A grant over another account's resource, and over one that is no more.
        let eve = house.user("Eve", "eve@other.test").await;
        house.organization(&eve, "Other").await;
        let foreign =
            register(&house.key("other", &eve).await, "other", "video/video_collection", "Theirs", "shared")
                .await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let seat = house.join(&ada, "acme", &bob, &["member"]).await;
        let path = format!("/api/v1/accounts/acme/members/{seat}");
        let said =
            key.call(Method::PATCH, &path, &json!({ "grants": over(&[&foreign]) })).await.is(422).json();
        assert_eq!(said["errors"][0]["code"], "unknown_resource");
        for id in [foreign.as_str(), "00000000-0000-0000-0000-000000000000", "nonsense"] {
            key.get(&format!("{ALL}/{id}")).await.is(404);
            key.call(Method::PATCH, &format!("{ALL}/{id}"), &json!({ "name": "Ours" })).await.is(404);
            key.call(Method::DELETE, &format!("{ALL}/{id}"), &json!({})).await.is(404);
            ada.post(&format!("/a/acme/resources/{id}/delete"), &[]).await.is(404);
        }
        let one = register(&key, "acme", "video/video_collection", "Sole", "shared").await;
        let more = register(&key, "acme", "video/video_collection", "More", "shared").await;
        grant(&key, seat, over(&[&one, &more])).await;
        ada.get(&format!("/a/acme/resources/{one}/delete"))
            .await
            .is(200)
            .says("1 role of 1 person will name it no more");
        ada.post(&format!("/a/acme/resources/{one}/delete"), &[]).await.is(303);
        let left = key.get(&path).await.is(200).json();
        assert_eq!(left["grants"][0]["scope"]["resources"], json!([more]));
        ada.get(&format!("/a/acme/resources/{more}/delete"))
            .await
            .is(200)
            .says("1 of them names nothing else, and ends");
        key.call(Method::DELETE, &format!("{ALL}/{more}"), &json!({})).await.is(204);
        assert_eq!(key.get(&path).await.is(200).json()["grants"], json!([]));
        let gone = json!({ "grants": over(&[&one]) });
        key.call(Method::PATCH, &path, &gone).await.is(422);
        key.call(Method::PATCH, &path, &json!({ "grants": over(&[]) })).await.is(422);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_go_in_and_never_come_out() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        let secret = "wJalrXUtnFEMIsecret";
        let credentials = json!({ "access_key_id": "AKIAEXAMPLE", "secret_access_key": secret });
        let mut body = json!({ "product": "image", "kind": "s3_integration", "name": "Raw", "external_id": "s3://raw", "credentials": credentials });
        let made = key.call(Method::POST, ALL, &body).await.is(201);
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let pages = [format!("/a/acme/resources/{id}"), format!("/a/acme/resources/{id}/edit"), "/a/acme/audit".to_owned()];
        for page in pages {
            let page = ada.get(&page).await.is(200);
            assert!(!page.body.contains("AKIAEXAMPLE") && !page.body.contains(secret));
        }
        assert!(!made.body.contains("credentials") && !made.body.contains(secret));
        ada.get(&format!("/a/acme/resources/{id}")).await.says("Stored, encrypted, since");
        let sealed = async || {
            let mut conn = house.db.read().await.unwrap();
            conn.query("select secret from resources where secret is not null").one::<(Vec<u8>,)>().await.unwrap().0
        };
        let first = sealed().await;
        let place = format!("resource {id}");
        let opened = house.kit.seal.open(&place, &first).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&opened).unwrap(), credentials);
        assert!(house.kit.seal.open("resource other", &first).is_none());
        let form = [("name", "Raw"), ("external_id", "s3://raw"), ("access_key_id", "AKIA2"), ("secret_access_key", "new")];
        ada.post(&format!("/a/acme/resources/{id}/edit"), &form).await.is(303);
        assert_ne!(sealed().await, first);
        // Half of them, or for a kind that has none.
        ada.post(&format!("/a/acme/resources/{id}/edit"), &form[..3]).await.is(422).says("Enter both");
        body["kind"] = json!("image_source");
        let said = key.call(Method::POST, ALL, &body).await.is(422).json();
        assert_eq!(said["errors"][0]["code"], "not_allowed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_searched_filtered_and_paged() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        for n in 0..30 {
            register(&key, "acme", "video/video", &format!("Scene {n:02} rough"), "shared").await;
        }
        register(&key, "acme", "image/image_source", "Éclair stills", "private").await;
        let page = ada.get("/a/acme/resources?sort=name").await.is(200);
        let page = page
            .says("All 31")
            .says("Video 30")
            .says("Image 1")
            .says("25 of 31 resources")
            .says("Éclair stills");
        let older = page.body.split("rel=\"next\"").next().unwrap().rsplit("href=\"").next().unwrap();
        let older = older.trim_end_matches(['"', ' ']).replace("&#38;", "&").replace("&amp;", "&");
        let rest = ada.get(&older).await.is(200).says("Scene 29 rough").hides("Scene 23 rough");
        assert!(rest.body.contains("rel=\"prev\"") && !rest.body.contains("rel=\"next\""));
        for (query, there, absent) in [
            ("q=eclair", "Éclair stills", "Scene"),
            ("q=rough", "Scene 29 rough", "Éclair"),
            ("q=x_scene_07", "Scene 07 rough", "Scene 08"),
            ("product=image", "Éclair stills", "Scene"),
            ("visibility=private", "Éclair stills", "Scene"),
            ("kind=image_source", "Éclair stills", "Scene"),
        ] {
            ada.get(&format!("/a/acme/resources?{query}")).await.is(200).says(there).hides(absent);
        }
        ada.get("/a/acme/resources?q=nothing").await.is(200).says("No resource fits");
        let mut seen = vec![];
        let mut path = format!("{ALL}?limit=7&sort=-name");
        loop {
            let said = key.get(&path).await.is(200).json();
            seen.extend(
                said["items"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()),
            );
            let Some(next) = said["next"].as_str() else { break };
            path = format!("{ALL}?limit=7&sort=-name&after={next}");
        }
        assert_eq!(seen.len(), 31);
        assert!(seen.windows(2).all(|it| it[0] > it[1] || it[1].starts_with('É')), "{seen:?}");
        key.get(&format!("{ALL}?after=nonsense")).await.is(422);
    })
    .await;
}
