//! What a program with a key can do.
mod accounts;
mod audit;
mod document;
mod invitations;
mod keys;
mod members;
mod once;
mod rest;
mod schemathesis;
mod transfer;

use crate::harness::{House, Person, Program, Said};
use axum::http::Method;
use guildhall::{
    kit::secret::hash,
    model::id::MembershipId,
    store::{Change, Client, Me, invitations as store},
};
use serde_json::{Value, json};

const ACME: &str = "/api/v1/accounts/acme";

/// Ada, who owns Acme, and a key of hers that holds everything.
async fn acme(house: &House) -> (Person, Program) {
    let ada = house.user("Ada Byron", "ada@acme.test").await;
    house.organization(&ada, "Acme").await;
    let key = house.key("acme", &ada).await;
    (ada, key)
}

/// Invites somebody with a key, and lets them accept.
async fn join(house: &House, by: &Program, slug: &str, who: &Person, roles: &[&str]) -> MembershipId {
    let grants: Vec<Value> = roles.iter().map(|it| json!({ "role": it })).collect();
    let body = json!({ "emails": [who.email], "grants": grants });
    by.call(Method::POST, &format!("/api/v1/accounts/{slug}/invitations"), &body).await.is(200);
    let link = house.letter(&who.email).await.link("/invitations/");
    let token = link.rsplit('/').next().unwrap().to_owned();
    let session = hash(&who.cookie("guildhall").unwrap());
    let mut change = Change::<Me>::begin(&house.db, &session, &house.kit, &Client::default()).await.unwrap();
    let offer = store::find_by_token(&mut change, &token).await.unwrap().unwrap();
    store::accept(&mut change, &offer).await.unwrap();
    change.commit().await.unwrap();
    house.membership(slug, who).await
}

/// A problem document with this code. Answers the whole.
#[track_caller]
fn problem(said: Said, status: u16, code: &str) -> Value {
    let said = said.is(status);
    assert_eq!(said.field("content-type"), "application/problem+json");
    assert_eq!(said.field("cache-control"), "no-store");
    let it = said.json();
    assert_eq!(it["status"], status, "{it}");
    assert_eq!(it["code"], code, "{it}");
    assert_eq!(it["type"], format!("/api/docs/problems#{code}"), "{it}");
    assert!(it["title"].as_str().is_some_and(|it| !it.is_empty()), "{it}");
    assert!(it["detail"].as_str().is_some_and(|it| it.ends_with(['.', ')'])), "{it}");
    it
}

/// A problem about one field.
#[track_caller]
fn fault(said: Said, pointer: &str, code: &str) {
    let it = problem(said, 422, "invalid");
    let found =
        it["errors"].as_array().unwrap().iter().any(|it| it["pointer"] == pointer && it["code"] == code);
    assert!(found, "no {code} at {pointer} in {it}");
}

/// A problem that names the permission that is missing.
#[track_caller]
fn lacks(said: Said, permission: &str) {
    assert_eq!(problem(said, 403, "permission_missing")["permission"], permission);
}

/// Demands that an object has these fields and no others.
#[track_caller]
fn has_fields(it: &Value, names: &[&str]) {
    let mut had: Vec<&str> = it.as_object().unwrap().keys().map(String::as_str).collect();
    let mut names = names.to_vec();
    had.sort_unstable();
    names.sort_unstable();
    assert_eq!(had, names, "{it}");
}

/// All items, page by page, by the cursor and by the Link field in turn.
async fn all(key: &Program, address: &str, limit: usize) -> Vec<Value> {
    let sign = if address.contains('?') { '&' } else { '?' };
    let first = format!("{address}{sign}limit={limit}");
    let (mut path, mut items) = (first.clone(), vec![]);
    loop {
        let said = key.get(&path).await.is(200);
        let it = said.json();
        has_fields(&it, &["items", "next"]);
        let page = it["items"].as_array().unwrap();
        assert!(page.len() <= limit);
        items.extend(page.iter().cloned());
        let Some(next) = it["next"].as_str() else {
            assert!(it["next"].is_null() && said.field("link").is_empty());
            return items;
        };
        assert_eq!(page.len(), limit);
        let link = said.field("link");
        let link =
            link.strip_prefix("<http://127.0.0.1:3000").unwrap().strip_suffix(">; rel=\"next\"").unwrap();
        path = if items.len() % 2 == 0 { link.to_owned() } else { format!("{first}&after={next}") };
        // That a key is used is written down meanwhile.
        let names = |it: Said| {
            let it = it.json();
            let name = |it: &Value| [it["id"].clone(), it["number"].clone()];
            (it["items"].as_array().unwrap().iter().map(name).collect::<Vec<_>>(), it["next"].clone())
        };
        assert_eq!(names(key.get(link).await), names(key.get(&format!("{first}&after={next}")).await));
    }
}

#[test]
fn every_call_asks_for_a_key() {
    let routes = guildhall::routes();
    let calls: Vec<_> = routes.table().iter().filter(|it| it.path.starts_with("/api/v1/")).collect();
    assert!(calls.len() >= 20);
    for it in calls {
        let gate = match it.path {
            "/api/v1/openapi.json" | "/api/v1/keys/leaked" => "anyone",
            "/api/v1/keys/verify" | "/api/v1/usage/events" => "service",
            _ => "key",
        };
        assert_eq!(it.gate, gate, "{}", it.path);
    }
}
