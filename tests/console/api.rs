//! The API with an account key, noun by noun.
mod accounts;
mod audit;
mod invitations;
mod keys;
mod members;
mod openapi;
mod schemathesis;
mod teams_and_versions;
mod transfer;

use crate::harness::{ApiClient, TestApp, TestResponse, TestUser};
use axum::http::Method;
use guildhall::{
    crypto::secrets::hash,
    model::id::MembershipId,
    store::{Change, Client, invitations as store},
};
use serde_json::{Value, json};

pub const ACME: &str = "/api/v1/accounts/acme";

/// Creates Acme; answers its owner Ada and a key of hers with all permissions.
pub async fn acme(app: &TestApp) -> (TestUser, ApiClient) {
    let ada = app.user("Ada Byron", "ada@acme.test").await;
    app.organization(&ada, "Acme").await;
    let key = app.api_key("acme", &ada).await;
    (ada, key)
}

/// Invites a user by the API and accepts for them; answers the membership.
async fn join(app: &TestApp, by: &ApiClient, slug: &str, who: &TestUser, roles: &[&str]) -> MembershipId {
    let grants: Vec<Value> = roles.iter().map(|role| json!({ "role": role })).collect();
    let body = json!({ "emails": [who.email], "grants": grants });
    by.call(Method::POST, &format!("/api/v1/accounts/{slug}/invitations"), &body).await.assert_status(200);
    let link = app.email(&who.email).await.link("/invitations/");
    let token = link.rsplit('/').next().unwrap().to_owned();
    let session = hash(&who.cookie("guildhall").unwrap());
    let mut change = Change::begin_as_user(&app.db, &session, &app.kit, &Client::default()).await.unwrap();
    let offer = store::find_by_token(&mut change, &token).await.unwrap().unwrap();
    store::accept(&mut change, &offer).await.unwrap();
    change.commit().await.unwrap();
    app.membership(slug, who).await
}

/// Asserts that a response is a problem document with this status and code; answers the document.
#[track_caller]
pub fn problem(response: TestResponse, status: u16, code: &str) -> Value {
    let response = response.assert_status(status);
    assert_eq!(response.header("content-type"), "application/problem+json");
    assert_eq!(response.header("cache-control"), "no-store");
    let problem = response.json();
    assert_eq!(problem["status"], status, "{problem}");
    assert_eq!(problem["code"], code, "{problem}");
    assert_eq!(problem["type"], format!("/api/docs/problems#{code}"), "{problem}");
    assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.ends_with(['.', ')'])), "{problem}");
    problem
}

/// Asserts a validation problem with this code at this field.
#[track_caller]
fn field_error(response: TestResponse, pointer: &str, code: &str) {
    let problem = problem(response, 422, "invalid");
    let mut errors = problem["errors"].as_array().unwrap().iter();
    let found = errors.any(|error| error["pointer"] == pointer && error["code"] == code);
    assert!(found, "no {code} at {pointer} in {problem}");
}

/// Asserts a problem that names the missing permission.
#[track_caller]
fn missing_permission(response: TestResponse, permission: &str) {
    assert_eq!(problem(response, 403, "permission_missing")["permission"], permission);
}

/// Asserts that an object has exactly these fields.
#[track_caller]
fn has_fields(object: &Value, names: &[&str]) {
    let mut actual: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    let mut names = names.to_vec();
    actual.sort_unstable();
    names.sort_unstable();
    assert_eq!(actual, names, "{object}");
}

/// All items of a list, page by page, by the cursor and by the `Link` header in turn.
async fn all(key: &ApiClient, url: &str, limit: usize) -> Vec<Value> {
    let separator = if url.contains('?') { '&' } else { '?' };
    let first = format!("{url}{separator}limit={limit}");
    let (mut path, mut items) = (first.clone(), vec![]);
    loop {
        let response = key.get(&path).await.assert_status(200);
        let list = response.json();
        has_fields(&list, &["items", "next"]);
        let page = list["items"].as_array().unwrap();
        assert!(page.len() <= limit);
        items.extend(page.iter().cloned());
        let Some(next) = list["next"].as_str() else {
            assert!(list["next"].is_null() && response.header("link").is_empty());
            return items;
        };
        assert_eq!(page.len(), limit);
        let link = response.header("link");
        let link =
            link.strip_prefix("<http://127.0.0.1:3000").unwrap().strip_suffix(">; rel=\"next\"").unwrap();
        path = if items.len() % 2 == 0 { link.to_owned() } else { format!("{first}&after={next}") };
        // Only names are compared, because the last use of a key may be recorded in between.
        let names = |response: TestResponse| {
            let list = response.json();
            let name = |item: &Value| [item["id"].clone(), item["number"].clone()];
            (list["items"].as_array().unwrap().iter().map(name).collect::<Vec<_>>(), list["next"].clone())
        };
        assert_eq!(names(key.get(link).await), names(key.get(&format!("{first}&after={next}")).await));
    }
}

#[test]
fn every_call_requires_a_key() {
    let routes = guildhall::routes();
    let calls: Vec<_> = routes.table().iter().filter(|route| route.path.starts_with("/api/v1/")).collect();
    assert!(calls.len() >= 20);
    for route in calls {
        let gate = match route.path {
            "/api/v1/openapi.json" | "/api/v1/keys/leaked" => "anyone",
            "/api/v1/keys/verify" | "/api/v1/usage/events" => "service",
            _ => "key",
        };
        assert_eq!(route.gate, gate, "{}", route.path);
    }
}
