//! Several processes on one database: what one does, the others know within a second; together they admit no more than one.
use crate::harness::{
    fresh_postgres,
    machine::{Machine, Server},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn post(server: &Server, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let said = server.ask(&format!(
        "POST {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

fn verify(server: &Server, token: &str, key: &str) -> Value {
    let (status, said) = post(server, "/api/v1/keys/verify", token, &json!({ "key": key }));
    assert_eq!(status, 200, "{said}");
    said
}

/// Waits until it is so, at most a second; says how long it took.
#[track_caller]
fn within_a_second(so: impl Fn() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(1), "not within a second");
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("after {:?}", began.elapsed());
}

struct Made {
    token: String,
    ada: String,
    bob: String,
}

fn fill(it: &Machine) -> Made {
    let line = |args: &[&str]| it.run(args).ok().trim().to_owned();
    it.user("ada@acme.test");
    it.user("bob@acme.test");
    line(&["account", "create", "--name", "Acme", "--owner", "ada@acme.test"]);
    line(&["account", "create", "--name", "Bob and Sons", "--owner", "bob@acme.test", "--slug", "sons"]);
    let key = |slug: &str, email: &str| {
        line(&["key", "create", "--account", slug, "--email", email, "--name", "K"])
    };
    Made {
        token: line(&["token", "create", "--name", "Gateway"]),
        ada: key("acme", "ada@acme.test"),
        bob: key("sons", "bob@acme.test"),
    }
}

/// Bob becomes a member of Acme, by nobody's doing that a server could hear of.
async fn bob_joins(it: &Machine) {
    let db = guildhall::db::Db::connect(&it.url).await.unwrap();
    let mut conn = db.begin().await.unwrap();
    conn.query(
        "insert into memberships (id, account_id, user_id, name_key, joined_at, active_at)
         select gen_random_uuid(), a.id, u.id, 'bob', 0, 0 from accounts a, users u
         where a.slug = 'acme' and u.email = 'bob@acme.test'",
    )
    .run()
    .await
    .unwrap();
    conn.commit().await.unwrap();
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_know_within_a_second() {
    let it = Machine { dir: tempfile::tempdir().unwrap(), url: fresh_postgres().await, is_sqlite: false };
    let made = fill(&it);
    let (one, two) = (it.serve(&[], &["serve"]), it.serve(&[], &["serve"]));
    let say = |server: &Server, key: &str| verify(server, &made.token, key);
    for server in [&one, &two] {
        assert_eq!(say(server, &made.ada)["code"], "VALID");
        assert_eq!(say(server, &made.bob)["code"], "VALID");
    }
    // A plan, set by a third process.
    it.run(&["account", "set-plan", "acme", "developer"]).ok();
    within_a_second(|| [&one, &two].iter().all(|it| say(it, &made.ada)["account"]["plan"] == "developer"));
    // A key that is made at one is good at the other, and revoked at one it is no good at the other.
    let (status, new) = post(&one, "/api/v1/accounts/sons/keys", &made.bob, &json!({ "name": "New" }));
    assert_eq!(status, 201, "{new}");
    let secret = new["secret"].as_str().unwrap();
    within_a_second(|| say(&two, secret)["code"] == "VALID");
    assert_eq!(say(&one, secret)["code"], "VALID");
    let path = format!("/api/v1/accounts/sons/keys/{}", new["id"].as_str().unwrap());
    let said = one.ask(&format!(
        "DELETE {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        made.bob
    ));
    assert!(said.starts_with("HTTP/1.1 204"), "{said}");
    assert_eq!(say(&one, secret)["code"], "REVOKED", "at once where it was done");
    within_a_second(|| say(&two, secret)["code"] == "REVOKED");
    // A suspension, by somebody who is at the other one.
    bob_joins(&it).await;
    let bobs =
        it.run(&["key", "create", "--account", "acme", "--email", "bob@acme.test", "--name", "B"]).ok();
    let bobs = bobs.trim();
    within_a_second(|| [&one, &two].iter().all(|it| say(it, bobs)["code"] == "VALID"));
    let said = one.ask(&format!(
        "GET /api/v1/accounts/acme/members HTTP/1.1\r\nHost: here\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        made.ada
    ));
    let members: Value = serde_json::from_str(said.split_once("\r\n\r\n").unwrap().1).unwrap();
    let seat = members["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["user"]["email"] == "bob@acme.test")
        .unwrap();
    let body = json!({ "status": "inactive" }).to_string();
    let said = two.ask(&format!(
        "PATCH /api/v1/accounts/acme/members/{} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        seat["id"].as_str().unwrap(),
        made.ada,
        body.len()
    ));
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert_eq!(say(&two, bobs)["code"], "SUSPENDED", "at once where it was done");
    within_a_second(|| say(&one, bobs)["code"] == "SUSPENDED");
    // Let in again, removed, and the removal taken back: each at once where it is done, and soon at the other one.
    let seat = format!("/api/v1/accounts/acme/members/{}", seat["id"].as_str().unwrap());
    let restore = format!("{seat}/restore");
    for (at, other, method, path, body, code) in [
        (&one, &two, "PATCH", &seat, r#"{"status": "active"}"#, "VALID"),
        (&two, &one, "DELETE", &seat, "{}", "REVOKED"),
        (&one, &two, "POST", &restore, "{}", "VALID"),
        (&two, &one, "DELETE", &seat, "{}", "REVOKED"),
        (&two, &one, "POST", &restore, "{}", "VALID"),
    ] {
        let said = at.call(&made.ada, method, path, body).unwrap();
        assert!([200, 204].contains(&said.status), "{method} {path}: {}", said.body);
        assert_eq!(say(at, bobs)["code"], code, "{method} {path}: at once where it was done");
        within_a_second(|| say(other, bobs)["code"] == code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_two_replicas_agree_within_a_second() {
    let it = Machine { dir: tempfile::tempdir().unwrap(), url: fresh_postgres().await, is_sqlite: false };
    let made = fill(&it);
    bob_joins(&it).await;
    let (one, two) = (it.serve(&[], &["serve"]), it.serve(&[], &["serve"]));
    let signs_in = |email: &str| {
        let said = one.sign_in(email);
        let (_, session) = said.split_once("set-cookie: guildhall=").unwrap();
        format!("guildhall={}", session.split_once(';').unwrap().0)
    };
    let (ada, bob) = (signs_in("ada@acme.test"), signs_in("bob@acme.test"));

    let ask = |server: &Server, cookie: &str, method: &str, path: &str| {
        server.ask(&format!(
            "{method} {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nOrigin: {}\r\nCookie: {cookie}\r\nContent-Length: 0\r\n\r\n",
            server.base
        ))
    };
    let status = |server: &Server, cookie: &str, path: &str| {
        let said = ask(server, cookie, "GET", path);
        said.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    let lists_bob = |server: &Server| ask(server, &ada, "GET", "/a/acme/members").contains("bob@acme.test");
    let members = one.call(&made.ada, "GET", "/api/v1/accounts/acme/members", "").unwrap();
    let members: Value = serde_json::from_str(&members.body).unwrap();
    let mut members = members["items"].as_array().unwrap().iter();
    let seat = members.find(|it| it["user"]["email"] == "bob@acme.test").unwrap();
    let seat = format!("/api/v1/accounts/acme/members/{}", seat["id"].as_str().unwrap());
    let grants = json!({ "grants": [{ "role": "member" }] }).to_string();
    assert_eq!(one.call(&made.ada, "PATCH", &seat, &grants).unwrap().status, 200);
    // Each change is made at one while the other has just shown how it was before.
    for (at, other) in [(&one, &two), (&two, &one)] {
        for server in [at, other] {
            assert_eq!(status(server, &bob, "/a/acme/overview"), 200);
            assert!(lists_bob(server));
        }
        assert_eq!(at.call(&made.ada, "DELETE", &seat, "").unwrap().status, 204);
        assert_eq!(status(at, &bob, "/a/acme/overview"), 404, "at once where it was done");
        assert!(!lists_bob(at), "at once where it was done");
        within_a_second(|| status(other, &bob, "/a/acme/overview") == 404 && !lists_bob(other));
        assert_eq!(at.call(&made.ada, "POST", &format!("{seat}/restore"), "{}").unwrap().status, 200);
        assert_eq!(status(at, &bob, "/a/acme/overview"), 200, "at once where it was done");
        within_a_second(|| status(other, &bob, "/a/acme/overview") == 200 && lists_bob(other));
    }
    for server in [&one, &two] {
        assert_eq!(status(server, &bob, "/a/acme/overview"), 200);
    }
    assert!(ask(&two, &bob, "POST", "/sign-out").starts_with("HTTP/1.1 303"));
    assert_eq!(status(&two, &bob, "/a/acme/overview"), 303, "at once where it was done");
    within_a_second(|| status(&one, &bob, "/a/acme/overview") == 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_know_within_a_second_that_a_budget_is_used_up() {
    let it = Machine { dir: tempfile::tempdir().unwrap(), url: fresh_postgres().await, is_sqlite: false };
    let made = fill(&it);
    let (one, two) = (it.serve(&[], &["serve"]), it.serve(&[], &["serve"]));
    let code = |server: &Server, key: &str| verify(server, &made.token, key)["code"].clone();
    let new = json!({ "kind": "account", "meter": "credits", "limit": "10", "hard": true });
    let (status, budget) = post(&one, "/api/v1/accounts/acme/budgets", &made.ada, &new);
    assert_eq!(status, 201, "{budget}");
    let uses = |server: &Server, id: &str, quantity: &str| {
        let event = json!({
            "specversion": "1.0", "type": "guildhall.usage", "source": "/t", "id": id,
            "data": { "meter": "credits", "quantity": quantity, "account": "acme" },
        });
        let (status, said) = post(server, "/api/v1/usage/events", &made.token, &event);
        assert_eq!((status, &said["accepted"]), (200, &json!(1)), "{said}");
    };
    // Both have it in mind that the key is good.
    uses(&one, "1", "9.999999999");
    for server in [&one, &two] {
        assert_eq!(code(server, &made.ada), "VALID");
    }
    // The last of it is reported to one, and stops the key at both.
    uses(&one, "2", "0.000000001");
    assert_eq!(code(&one, &made.ada), "QUOTA_EXCEEDED", "at once where it was reported");
    within_a_second(|| code(&two, &made.ada) == "QUOTA_EXCEEDED");
    assert_eq!(code(&two, &made.bob), "VALID", "nobody else's");
    // Raised at the other one, it opens at both.
    let path = format!("/api/v1/accounts/acme/budgets/{}", budget["id"].as_str().unwrap());
    let raised = two.call(&made.ada, "PATCH", &path, &json!({ "limit": "20" }).to_string()).unwrap();
    assert_eq!(raised.status, 200, "{}", raised.body);
    assert_eq!(code(&two, &made.ada), "VALID", "at once where it was raised");
    within_a_second(|| code(&one, &made.ada) == "VALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_admit_no_more_than_one() {
    let it = Machine { dir: tempfile::tempdir().unwrap(), url: fresh_postgres().await, is_sqlite: false };
    let made = fill(&it);
    let servers = [it.serve(&[], &["serve"]), it.serve(&[], &["serve"])];
    // Each has heard of the other.
    std::thread::sleep(Duration::from_millis(1500));
    let (token, key) = (&made.token, &made.ada);
    let asked = std::thread::scope(|threads| {
        let clients: Vec<_> = (0..8)
            .map(|at| {
                let server = &servers[at % 2];
                threads
                    .spawn(move || (0..20).filter(|_| verify(server, token, key)["code"] == "VALID").count())
            })
            .collect();
        clients.into_iter().map(|it| it.join().unwrap()).collect::<Vec<_>>()
    });
    let admitted: usize = asked.iter().sum();
    assert!((50..=60).contains(&admitted), "{admitted} of 60: {asked:?}");
    assert!(asked.iter().step_by(2).sum::<usize>() > 0 && asked.iter().skip(1).step_by(2).sum::<usize>() > 0);
    // What one held and did not use goes back, and is admitted after all; not one more.
    let mut more = 0;
    for _ in 0..6 {
        std::thread::sleep(Duration::from_millis(500));
        more += servers.iter().filter(|it| verify(it, token, key)["code"] == "VALID").count();
    }
    assert!(admitted + more <= 60, "{admitted} and {more}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_does_is_known_to_a_server_on_a_file() {
    let it = Machine::lite();
    let made = fill(&it);
    let server = it.serve(&[], &["serve"]);
    assert_eq!(verify(&server, &made.token, &made.ada)["account"]["plan"], "free");
    it.run(&["account", "set-plan", "acme", "enterprise"]).ok();
    within_a_second(|| verify(&server, &made.token, &made.ada)["account"]["plan"] == "enterprise");
    let args = ["key", "create", "--account", "acme", "--email", "ada@acme.test", "--name", "Late"];
    let late = it.run(&args).ok();
    within_a_second(|| verify(&server, &made.token, late.trim())["code"] == "VALID");
    let token = it.run(&["token", "create", "--name", "Other"]).ok();
    within_a_second(|| {
        post(&server, "/api/v1/keys/verify", token.trim(), &json!({ "key": made.ada })).0 == 200
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_counted_on_over_a_restart() {
    for it in Machine::each().await {
        let made = fill(&it);
        let server = it.serve(&[], &["serve"]);
        let ask = |server: &Server, cost: u32| {
            post(server, "/api/v1/keys/verify", &made.token, &json!({ "key": made.ada, "cost": cost })).1
        };
        assert_eq!(ask(&server, 60)["code"], "VALID");
        server.stop();
        let server = it.serve(&[], &["serve"]);
        let said = ask(&server, 1);
        // The minute is as full as it was; the day counts on.
        assert_eq!(
            (&said["code"], &said["ratelimit"]["limit"]),
            (&json!("RATE_LIMITED"), &json!(60)),
            "{said}"
        );
        drop(server);
    }
}
