//! The authorization matrix. `authorization.txt` has a row for each route with its gate and its permission: a route
//! without a row fails, and so does a row that differs. Every route is then requested as each built-in role, as a
//! custom role with only the permission of the route, and as outsiders of each kind, by session and by key.
use crate::harness::{ApiClient, TestApp, TestResponse, TestUser, on_each_db};
use axum::{body::Body, http::Method};
use guildhall::{
    http::routes::Route,
    model::{
        permission::{Needs as _, Permission, TransferAccount},
        token::TokenScope,
    },
};
use std::{collections::BTreeMap, time::Duration};

/// The columns of [`TABLE`]. `source-specific` is left out, because it needs resources.
const ROLES: [&str; 7] = ["owner", "admin", "member", "accountant", "developer", "analyst", "product-admin"];
/// Which role holds which permission, as in the documentation.
const TABLE: &str = "
    account.view xxxxxxx   account.update xx.....   account.delete xx.....   account.transfer x......
    members.view xx.....   members.invite xx.....   members.update xx.....   members.remove xx.....
    roles.manage xx.....   teams.create xxx....     keys.own xxx....         keys.manage xx.....
    plan.change xx.....    billing.view xx.x...     billing.manage xx.x...   invoices.view xx.x...
    invoices.pay xx.x...   usage.view xx.....       audit.view xx.....       sso.manage xx.....
    webhooks.manage xx.....
    resources.view xxx.xxx resources.create xxx.x.x resources.delete xxx.x.x resources.update xxx.x.x
    resources.run xxx.x.x  analytics.view xx...xx";

fn holds(role: &str, permission: Permission) -> bool {
    let cells: Vec<&str> = TABLE.split_whitespace().collect();
    let row = cells.chunks(2).find(|row| row[0] == permission.key()).expect("a row for each permission");
    let column = ROLES.iter().position(|name| *name == role).unwrap();
    row[1].as_bytes()[column] == b'x'
}

fn routes() -> Vec<Route> {
    let mut routes: Vec<Route> = guildhall::routes().table().to_vec();
    // Routes that end the membership or the session of the caller come last.
    routes.sort_by_key(|route| {
        let leaves = route.path.ends_with("/leave") && route.method == "POST";
        (route.path.ends_with("/sign-out"), leaves, leaves && route.gate == "member")
    });
    routes
}

#[test]
fn every_route_has_a_row() {
    let line = |route: &Route| {
        let or: String =
            route.alternatives.iter().map(|permission| format!("|{}", permission.key())).collect();
        let needs = format!("{}{or}", route.needs.map_or("-", Permission::key));
        format!("{} {} {} {needs}", route.method, route.path, route.gate.replace(' ', "-"))
    };
    let mut actual: Vec<String> = guildhall::routes().table().iter().map(line).collect();
    actual.sort();
    let mut written: Vec<String> = include_str!("authorization.txt")
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    written.sort();
    let missing: Vec<&String> = actual.iter().filter(|line| !written.contains(line)).collect();
    let surplus: Vec<&String> = written.iter().filter(|line| !actual.contains(line)).collect();
    assert!(missing.is_empty(), "routes without a row in authorization.txt:\n{missing:#?}");
    assert!(surplus.is_empty(), "rows of authorization.txt without a route:\n{surplus:#?}");
    assert_eq!(actual.len(), written.len(), "a row is written twice");
}

/// The outcome of a request, as far as authorization is concerned.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Allowed,
    SignIn,
    Unauthorized,
    Forbidden,
    NotFound,
}

fn outcome(response: &TestResponse) -> Outcome {
    match response.status {
        303 if response.location().starts_with("/sign-in") => Outcome::SignIn,
        401 => Outcome::Unauthorized,
        403 => Outcome::Forbidden,
        404 => Outcome::NotFound,
        status => {
            assert!(status < 500, "{status}: {}", response.request);
            Outcome::Allowed
        }
    }
}

#[track_caller]
fn check(route: &Route, who: &str, response: &TestResponse, expected: &Outcome) {
    let outcome = outcome(response);
    // A route with an id may be open and answer that there is no such thing.
    let singular = ["/bulk", "/transfer", "/sso", "/sso/test", "/sso/remove", "/break-glass"];
    let names_one = route.path.contains("{id}")
        || route.path.contains("{number}")
        || singular.iter().any(|end| route.path.ends_with(end));
    let is_absent = names_one && outcome == Outcome::NotFound && *expected == Outcome::Allowed;
    assert!(
        outcome == *expected || is_absent,
        "{} {} as {who}: {outcome:?} ({}), not {expected:?}",
        route.method,
        route.path,
        response.status
    );
}

fn path(route: &Route) -> String {
    let nil = uuid::Uuid::nil().to_string();
    route
        .path
        .replace("{slug}", "acme")
        .replace("{id}", &nil)
        .replace("{token}", "no-such-token")
        .replace("{number}", "GH-2026-0001")
}

/// Sends a body that no handler can parse: an error about it proves that the gate opened, and nothing changes.
async fn by_session(user: &TestUser, route: &Route) -> TestResponse {
    let method: Method = route.method.parse().unwrap();
    let fields = [("sec-fetch-site", "same-origin"), ("content-type", "text/plain")];
    let body = if method == Method::GET { Body::empty() } else { Body::from("unreadable") };
    user.send(method, &path(route), &fields, body).await
}

async fn by_key(client: &ApiClient, route: &Route) -> TestResponse {
    let body = (route.method != "GET").then(|| "unreadable".to_owned());
    client.send(route.method.parse().unwrap(), &path(route), &[("content-type", "text/plain")], body).await
}

/// The callers: users by role, API clients by role, and both by the only permission that they have.
struct Cast {
    people: BTreeMap<&'static str, TestUser>,
    keys: BTreeMap<&'static str, ApiClient>,
    only: BTreeMap<&'static str, (TestUser, ApiClient)>,
}

async fn cast(app: &TestApp) -> Cast {
    let ada = app.user("Ada", "owner@acme.test").await;
    app.organization(&ada, "Acme").await;
    let mut people = BTreeMap::from([("owner", ada.clone())]);
    for role in &ROLES[1..] {
        let user = app.user(role, &format!("{role}@acme.test")).await;
        app.add_member(&ada, "acme", &user, &[role]).await;
        people.insert(role, user);
    }
    let suspended = app.user("Sue", "suspended@acme.test").await;
    let suspended_id = app.add_member(&ada, "acme", &suspended, &["admin"]).await;
    let removed = app.user("Rem", "removed@acme.test").await;
    let removed_id = app.add_member(&ada, "acme", &removed, &["admin"]).await;
    let mut keys = BTreeMap::new();
    for (name, user) in people.iter().chain([(&"suspended", &suspended), (&"removed", &removed)]) {
        keys.insert(*name, app.api_key("acme", user).await);
    }
    ada.post(&format!("/a/acme/members/{suspended_id}/suspend"), &[]).await.assert_status(303);
    ada.post(&format!("/a/acme/members/{removed_id}/remove"), &[("confirm", "on")]).await.assert_status(303);
    let eve = app.user("Eve", "eve@other.test").await;
    let other = app.organization(&eve, "Other").await;
    keys.insert("foreign", app.api_key(&other, &eve).await);
    let operator = app.user("Op", "op@acme.test").await;
    app.raw_sql("update users set operator = true where email = 'op@acme.test'").await;
    people.extend([("suspended", suspended), ("removed", removed), ("foreign", eve), ("operator", operator)]);
    people.insert("nobody", app.visitor());
    keys.insert("nobody", app.api_client(""));
    keys.insert("garbage", app.api_client("gh_key_nonsense"));
    keys.insert("service", app.service_token(&TokenScope::ALL).await);

    let mut only = BTreeMap::new();
    for permission in
        Permission::ALL.iter().filter(|permission| Some(**permission) != TransferAccount::PERMISSION)
    {
        let user = app.user("Only", &format!("only.{}@acme.test", permission.key())).await;
        let membership = app.add_member(&ada, "acme", &user, &["member"]).await;
        app.grant_only(membership, *permission).await;
        only.insert(permission.key(), (user.clone(), app.api_key("acme", &user).await));
    }
    Cast { people, keys, only }
}

fn expected(route: &Route, who: &str) -> Outcome {
    match (route.gate, who) {
        ("anyone", _) => Outcome::Allowed,
        ("signed in", "nobody") => Outcome::SignIn,
        ("signed in", _) => Outcome::Allowed,
        ("operator", "nobody") => Outcome::SignIn,
        ("operator", "operator") => Outcome::Allowed,
        ("operator", _) => Outcome::NotFound,
        ("key", "nobody" | "garbage" | "removed" | "service") => Outcome::Unauthorized,
        ("service", "service") => Outcome::Allowed,
        ("service", _) => Outcome::Unauthorized,
        ("member", "nobody") => Outcome::SignIn,
        (_, "suspended") => Outcome::Forbidden,
        (_, "removed" | "foreign" | "operator") => Outcome::NotFound,
        (_, role) if route.needs.is_none_or(|permission| holds(role, permission)) => Outcome::Allowed,
        (_, role) if route.alternatives.iter().any(|permission| holds(role, *permission)) => Outcome::Allowed,
        _ => Outcome::Forbidden,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_open_to_exactly_who_may_use_it() {
    on_each_db(async |app| {
        let cast = cast(app).await;
        for route in routes() {
            // So many requests in a minute would exceed the rate limit.
            app.advance(Duration::from_secs(20));
            if ["key", "service"].contains(&route.gate) {
                for (who, key) in &cast.keys {
                    check(&route, who, &by_key(key, &route).await, &expected(&route, who));
                }
                // A cookie never authorizes the API.
                check(
                    &route,
                    "a browser",
                    &by_session(&cast.people["admin"], &route).await,
                    &Outcome::Unauthorized,
                );
            } else {
                for (who, person) in &cast.people {
                    let response = by_session(person, &route).await;
                    if route.gate == "anyone" {
                        assert!(
                            response.status < 500,
                            "{} {} as {who}: {}",
                            route.method,
                            route.path,
                            response.status
                        );
                        continue;
                    }
                    check(&route, who, &response, &expected(&route, who));
                }
                // Neither a key nor a service token authorizes a page.
                for who in ["owner", "service"] {
                    let response = by_key(&cast.keys[who], &route).await;
                    let is_out = route.gate == "anyone" || [303, 403].contains(&response.status);
                    assert!(
                        is_out,
                        "{} {} with the key of {who}: {}",
                        route.method, route.path, response.status
                    );
                }
            }
            for (held, (person, key)) in &cast.only {
                if !["member", "key"].contains(&route.gate) {
                    continue;
                }
                let response = if route.gate == "key" {
                    by_key(key, &route).await
                } else {
                    by_session(person, &route).await
                };
                let opens = route.needs.is_none_or(|needed| needed.key() == *held)
                    || route.alternatives.iter().any(|other| other.key() == *held);
                let outcome = if opens { Outcome::Allowed } else { Outcome::Forbidden };
                check(&route, held, &response, &outcome);
            }
        }
    })
    .await;
}
