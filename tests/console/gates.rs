//! The program's own route table, walked as everybody. `gates.txt` has a row for each route: a route without a row fails, and so
//! does a row whose gate or permission is another. Then every row is asked as each built-in role, as a custom role that holds
//! that permission alone, as a stranger of each kind, by session or by key.
use crate::harness::{House, Person, Program, Said, each};
use axum::{body::Body, http::Method};
use guildhall::{
    app::routes::Route,
    model::{
        permission::{Needs as _, Permission, TransferAccount},
        token::Scope,
    },
};
use std::{collections::BTreeMap, time::Duration};

/// The table of the documentation: owner, admin, member, accountant, developer, analyst, product-admin, source-specific is
/// left out here, for it needs resources.
const ROLES: [&str; 7] = ["owner", "admin", "member", "accountant", "developer", "analyst", "product-admin"];
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
    let words: Vec<&str> = TABLE.split_whitespace().collect();
    let row = words.chunks(2).find(|it| it[0] == permission.key()).expect("a row for each permission");
    let at = ROLES.iter().position(|it| *it == role).unwrap();
    row[1].as_bytes()[at] == b'x'
}

fn rows() -> Vec<Route> {
    let mut rows: Vec<Route> = guildhall::routes().table().to_vec();
    // What ends the walker's own membership or session comes last.
    rows.sort_by_key(|it| {
        let leaves = it.path.ends_with("/leave") && it.method == "POST";
        (it.path.ends_with("/sign-out"), leaves, leaves && it.gate == "member")
    });
    rows
}

#[test]
fn every_route_has_its_row() {
    let line = |it: &Route| {
        let or: String = it.or.iter().map(|it| format!("|{}", it.key())).collect();
        let needs = format!("{}{or}", it.needs.map_or("-", Permission::key));
        format!("{} {} {} {needs}", it.method, it.path, it.gate.replace(' ', "-"))
    };
    let mut had: Vec<String> = guildhall::routes().table().iter().map(line).collect();
    had.sort();
    let mut written: Vec<String> =
        include_str!("gates.txt").lines().filter(|it| !it.is_empty()).map(str::to_owned).collect();
    written.sort();
    let missing: Vec<&String> = had.iter().filter(|it| !written.contains(it)).collect();
    let surplus: Vec<&String> = written.iter().filter(|it| !had.contains(it)).collect();
    assert!(missing.is_empty(), "routes without a row in gates.txt:\n{missing:#?}");
    assert!(surplus.is_empty(), "rows of gates.txt without a route:\n{surplus:#?}");
    assert_eq!(had.len(), written.len(), "a row is written twice");
}

/// How an answer reads to a gatekeeper.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    In,
    SignIn,
    Unauthorized,
    Forbidden,
    NotFound,
}

fn read(said: &Said) -> Answer {
    match said.status {
        303 if said.location().starts_with("/sign-in") => Answer::SignIn,
        401 => Answer::Unauthorized,
        403 => Answer::Forbidden,
        404 => Answer::NotFound,
        it => {
            assert!(it < 500, "{it}: {}", said.asked);
            Answer::In
        }
    }
}

#[track_caller]
fn check(row: &Route, who: &str, said: &Said, wanted: &Answer) {
    let answer = read(said);
    // What has an id in its address may be inside and not there.
    let singular = ["/bulk", "/transfer", "/sso", "/sso/test", "/sso/remove", "/break-glass"];
    let names_one = row.path.contains("{id}")
        || row.path.contains("{number}")
        || singular.iter().any(|it| row.path.ends_with(it));
    let is_absent = names_one && answer == Answer::NotFound && *wanted == Answer::In;
    assert!(
        answer == *wanted || is_absent,
        "{} {} as {who}: {answer:?} ({}), not {wanted:?}",
        row.method,
        row.path,
        said.status
    );
}

fn address(row: &Route) -> String {
    let nil = uuid::Uuid::nil().to_string();
    row.path
        .replace("{slug}", "acme")
        .replace("{id}", &nil)
        .replace("{token}", "no-such-token")
        .replace("{number}", "GH-2026-0001")
}

/// A body that no handler can read: it proves that the gate opened, and changes nothing.
async fn by_session(who: &Person, row: &Route) -> Said {
    let method: Method = row.method.parse().unwrap();
    let fields = [("sec-fetch-site", "same-origin"), ("content-type", "text/plain")];
    let body = if method == Method::GET { Body::empty() } else { Body::from("unreadable") };
    who.send(method, &address(row), &fields, body).await
}

async fn by_key(who: &Program, row: &Route) -> Said {
    let body = (row.method != "GET").then(|| "unreadable".to_owned());
    who.send(row.method.parse().unwrap(), &address(row), &[("content-type", "text/plain")], body).await
}

struct Cast {
    people: BTreeMap<&'static str, Person>,
    keys: BTreeMap<&'static str, Program>,
    only: BTreeMap<&'static str, (Person, Program)>,
}

async fn cast(house: &House) -> Cast {
    let ada = house.user("Ada", "owner@acme.test").await;
    house.organization(&ada, "Acme").await;
    let mut people = BTreeMap::from([("owner", ada.clone())]);
    for role in &ROLES[1..] {
        let it = house.user(role, &format!("{role}@acme.test")).await;
        house.join(&ada, "acme", &it, &[role]).await;
        people.insert(role, it);
    }
    let suspended = house.user("Sue", "suspended@acme.test").await;
    let seat = house.join(&ada, "acme", &suspended, &["admin"]).await;
    let removed = house.user("Rem", "removed@acme.test").await;
    let gone = house.join(&ada, "acme", &removed, &["admin"]).await;
    let mut keys = BTreeMap::new();
    for (name, it) in people.iter().chain([(&"suspended", &suspended), (&"removed", &removed)]) {
        keys.insert(*name, house.key("acme", it).await);
    }
    ada.post(&format!("/a/acme/members/{seat}/suspend"), &[]).await.is(303);
    ada.post(&format!("/a/acme/members/{gone}/remove"), &[("confirm", "on")]).await.is(303);
    let eve = house.user("Eve", "eve@other.test").await;
    let other = house.organization(&eve, "Other").await;
    keys.insert("foreign", house.key(&other, &eve).await);
    let operator = house.user("Op", "op@acme.test").await;
    house.tamper("update users set operator = true where email = 'op@acme.test'").await;
    people.extend([("suspended", suspended), ("removed", removed), ("foreign", eve), ("operator", operator)]);
    people.insert("nobody", house.visitor());
    keys.insert("nobody", house.program(""));
    keys.insert("garbage", house.program("gh_key_nonsense"));
    keys.insert("service", house.service(&Scope::ALL).await);

    let mut only = BTreeMap::new();
    for permission in Permission::ALL.iter().filter(|it| Some(**it) != TransferAccount::PERMISSION) {
        let it = house.user("Only", &format!("only.{}@acme.test", permission.key())).await;
        let seat = house.join(&ada, "acme", &it, &["member"]).await;
        house.hold_only(seat, *permission).await;
        only.insert(permission.key(), (it.clone(), house.key("acme", &it).await));
    }
    Cast { people, keys, only }
}

fn wanted(row: &Route, who: &str) -> Answer {
    match (row.gate, who) {
        ("anyone", _) => Answer::In,
        ("signed in", "nobody") => Answer::SignIn,
        ("signed in", _) => Answer::In,
        ("operator", "nobody") => Answer::SignIn,
        ("operator", "operator") => Answer::In,
        ("operator", _) => Answer::NotFound,
        ("key", "nobody" | "garbage" | "removed" | "service") => Answer::Unauthorized,
        ("service", "service") => Answer::In,
        ("service", _) => Answer::Unauthorized,
        ("member", "nobody") => Answer::SignIn,
        (_, "suspended") => Answer::Forbidden,
        (_, "removed" | "foreign" | "operator") => Answer::NotFound,
        (_, role) if row.needs.is_none_or(|it| holds(role, it)) => Answer::In,
        (_, role) if row.or.iter().any(|it| holds(role, *it)) => Answer::In,
        _ => Answer::Forbidden,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_as_everybody() {
    each(async |house| {
        let cast = cast(house).await;
        for row in rows() {
            // So many in a minute would meet our own API's rate limit.
            house.later(Duration::from_secs(20));
            if ["key", "service"].contains(&row.gate) {
                for (who, key) in &cast.keys {
                    check(&row, who, &by_key(key, &row).await, &wanted(&row, who));
                }
                // A cookie never authorizes the API.
                check(
                    &row,
                    "a browser",
                    &by_session(&cast.people["admin"], &row).await,
                    &Answer::Unauthorized,
                );
            } else {
                for (who, person) in &cast.people {
                    let said = by_session(person, &row).await;
                    if row.gate == "anyone" {
                        assert!(said.status < 500, "{} {} as {who}: {}", row.method, row.path, said.status);
                        continue;
                    }
                    check(&row, who, &said, &wanted(&row, who));
                }
                // A key never authorizes a screen, and a service token does not either.
                for who in ["owner", "service"] {
                    let said = by_key(&cast.keys[who], &row).await;
                    let is_out = row.gate == "anyone" || [303, 403].contains(&said.status);
                    assert!(is_out, "{} {} with the key of {who}: {}", row.method, row.path, said.status);
                }
            }
            for (held, (person, key)) in &cast.only {
                if !["member", "key"].contains(&row.gate) {
                    continue;
                }
                let said =
                    if row.gate == "key" { by_key(key, &row).await } else { by_session(person, &row).await };
                let opens =
                    row.needs.is_none_or(|it| it.key() == *held) || row.or.iter().any(|it| it.key() == *held);
                let answer = if opens { Answer::In } else { Answer::Forbidden };
                check(&row, held, &said, &answer);
            }
        }
    })
    .await;
}
