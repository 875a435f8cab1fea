//! Several processes on one database: a change made by one reaches the others within a second, and all share
//! one rate limit.
use crate::harness::{
    fresh_postgres,
    process::{Machine, Server},
    scaled,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn post(server: &Server, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let response = server.send_raw(&format!(
        "POST {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

fn verify(server: &Server, token: &str, key: &str) -> Value {
    let (status, response) = post(server, "/api/v1/keys/verify", token, &json!({ "key": key }));
    assert_eq!(status, 200, "{response}");
    response
}

/// Waits at most a second until the condition holds, and prints how long it took.
#[track_caller]
fn within_a_second(holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < scaled(Duration::from_secs(1)), "not within a second");
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("after {:?}", started.elapsed());
}

struct Keys {
    token: String,
    ada: String,
    bob: String,
}

fn create_keys(machine: &Machine) -> Keys {
    let run = |args: &[&str]| machine.run(args).ok().trim().to_owned();
    machine.user("ada@acme.test");
    machine.user("bob@acme.test");
    run(&["account", "create", "--name", "Acme", "--owner", "ada@acme.test"]);
    run(&["account", "create", "--name", "Bob and Sons", "--owner", "bob@acme.test", "--slug", "sons"]);
    let key =
        |slug: &str, email: &str| run(&["key", "create", "--account", slug, "--email", email, "--name", "K"]);
    Keys {
        token: run(&["token", "create", "--name", "Gateway"]),
        ada: key("acme", "ada@acme.test"),
        bob: key("sons", "bob@acme.test"),
    }
}

/// Makes Bob a member of Acme behind the back of all servers.
async fn bob_joins(machine: &Machine) {
    let db = guildhall::db::Db::connect(&machine.url).await.unwrap();
    let mut conn = db.begin().await.unwrap();
    conn.query(
        "insert into memberships (id, account_id, user_id, name_key, joined_at, active_at)
         select gen_random_uuid(), a.id, u.id, 'bob', 0, 0 from accounts a, users u
         where a.slug = 'acme' and u.email = 'bob@acme.test'",
    )
    .execute()
    .await
    .unwrap();
    conn.commit().await.unwrap();
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_see_changes_to_keys_within_a_second() {
    let machine =
        Machine { dir: tempfile::tempdir().unwrap(), url: fresh_postgres().await, is_sqlite: false };
    let keys = create_keys(&machine);
    let (one, two) = (machine.serve(&[], &["serve"]), machine.serve(&[], &["serve"]));
    let verdict = |server: &Server, key: &str| verify(server, &keys.token, key);
    for server in [&one, &two] {
        assert_eq!(verdict(server, &keys.ada)["code"], "VALID");
        assert_eq!(verdict(server, &keys.bob)["code"], "VALID");
    }
    // The plan is set by a third process, the command.
    machine.run(&["account", "set-plan", "acme", "developer"]).ok();
    within_a_second(|| {
        [&one, &two].iter().all(|server| verdict(server, &keys.ada)["account"]["plan"] == "developer")
    });
    // A key created on one replica is valid on the other; the same for its revocation.
    let (status, created) = post(&one, "/api/v1/accounts/sons/keys", &keys.bob, &json!({ "name": "New" }));
    assert_eq!(status, 201, "{created}");
    let secret = created["secret"].as_str().unwrap();
    within_a_second(|| verdict(&two, secret)["code"] == "VALID");
    assert_eq!(verdict(&one, secret)["code"], "VALID");
    let path = format!("/api/v1/accounts/sons/keys/{}", created["id"].as_str().unwrap());
    let response = one.send_raw(&format!(
        "DELETE {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        keys.bob
    ));
    assert!(response.starts_with("HTTP/1.1 204"), "{response}");
    assert_eq!(verdict(&one, secret)["code"], "REVOKED", "at once on the replica that made the change");
    within_a_second(|| verdict(&two, secret)["code"] == "REVOKED");
    // A suspension on the other replica.
    bob_joins(&machine).await;
    let bob_key =
        machine.run(&["key", "create", "--account", "acme", "--email", "bob@acme.test", "--name", "B"]).ok();
    let bob_key = bob_key.trim();
    within_a_second(|| [&one, &two].iter().all(|server| verdict(server, bob_key)["code"] == "VALID"));
    let response = one.send_raw(&format!(
        "GET /api/v1/accounts/acme/members HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\
         Authorization: Bearer {}\r\n\r\n",
        keys.ada
    ));
    let members: Value = serde_json::from_str(response.split_once("\r\n\r\n").unwrap().1).unwrap();
    let membership = members["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|member| member["user"]["email"] == "bob@acme.test")
        .unwrap();
    let body = json!({ "status": "inactive" }).to_string();
    let response = two.send_raw(&format!(
        "PATCH /api/v1/accounts/acme/members/{} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\
         Authorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        membership["id"].as_str().unwrap(),
        keys.ada,
        body.len()
    ));
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert_eq!(verdict(&two, bob_key)["code"], "SUSPENDED", "at once on the replica that made the change");
    within_a_second(|| verdict(&one, bob_key)["code"] == "SUSPENDED");
    // Reactivation, removal and undo: at once on the replica that makes the change, within a second on the
    // other.
    let membership = format!("/api/v1/accounts/acme/members/{}", membership["id"].as_str().unwrap());
    let restore = format!("{membership}/restore");
    for (server, other, method, path, body, code) in [
        (&one, &two, "PATCH", &membership, r#"{"status": "active"}"#, "VALID"),
        (&two, &one, "DELETE", &membership, "{}", "REVOKED"),
        (&one, &two, "POST", &restore, "{}", "VALID"),
        (&two, &one, "DELETE", &membership, "{}", "REVOKED"),
        (&two, &one, "POST", &restore, "{}", "VALID"),
    ] {
        let response = server.call(&keys.ada, method, path, body).unwrap();
        assert!([200, 204].contains(&response.status), "{method} {path}: {}", response.body);
        assert_eq!(
            verdict(server, bob_key)["code"],
            code,
            "{method} {path}: at once on the replica that made the change"
        );
        within_a_second(|| verdict(other, bob_key)["code"] == code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_two_replicas_agree_within_a_second() {
    let machine =
        Machine { dir: tempfile::tempdir().unwrap(), url: fresh_postgres().await, is_sqlite: false };
    let keys = create_keys(&machine);
    bob_joins(&machine).await;
    let (one, two) = (machine.serve(&[], &["serve"]), machine.serve(&[], &["serve"]));
    let signs_in = |email: &str| {
        let response = one.sign_in(email);
        let (_, session) = response.split_once("set-cookie: guildhall=").unwrap();
        format!("guildhall={}", session.split_once(';').unwrap().0)
    };
    let (ada, bob) = (signs_in("ada@acme.test"), signs_in("bob@acme.test"));

    let ask = |server: &Server, cookie: &str, method: &str, path: &str| {
        server.send_raw(&format!(
            "{method} {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nOrigin: {}\r\n\
             Cookie: {cookie}\r\nContent-Length: 0\r\n\r\n",
            server.base
        ))
    };
    let status = |server: &Server, cookie: &str, path: &str| {
        let response = ask(server, cookie, "GET", path);
        response.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    let lists_bob = |server: &Server| ask(server, &ada, "GET", "/a/acme/members").contains("bob@acme.test");
    let members = one.call(&keys.ada, "GET", "/api/v1/accounts/acme/members", "").unwrap();
    let members: Value = serde_json::from_str(&members.body).unwrap();
    let mut members = members["items"].as_array().unwrap().iter();
    let membership = members.find(|member| member["user"]["email"] == "bob@acme.test").unwrap();
    let membership = format!("/api/v1/accounts/acme/members/{}", membership["id"].as_str().unwrap());
    let grants = json!({ "grants": [{ "role": "member" }] }).to_string();
    assert_eq!(one.call(&keys.ada, "PATCH", &membership, &grants).unwrap().status, 200);
    // Each change is made on one replica while the other has just served the page from before.
    for (server, other) in [(&one, &two), (&two, &one)] {
        for server in [server, other] {
            assert_eq!(status(server, &bob, "/a/acme/overview"), 200);
            assert!(lists_bob(server));
        }
        assert_eq!(server.call(&keys.ada, "DELETE", &membership, "").unwrap().status, 204);
        assert_eq!(
            status(server, &bob, "/a/acme/overview"),
            404,
            "at once on the replica that made the change"
        );
        assert!(!lists_bob(server), "at once on the replica that made the change");
        within_a_second(|| status(other, &bob, "/a/acme/overview") == 404 && !lists_bob(other));
        assert_eq!(
            server.call(&keys.ada, "POST", &format!("{membership}/restore"), "{}").unwrap().status,
            200
        );
        assert_eq!(
            status(server, &bob, "/a/acme/overview"),
            200,
            "at once on the replica that made the change"
        );
        within_a_second(|| status(other, &bob, "/a/acme/overview") == 200 && lists_bob(other));
    }
    for server in [&one, &two] {
        assert_eq!(status(server, &bob, "/a/acme/overview"), 200);
    }
    assert!(ask(&two, &bob, "POST", "/sign-out").starts_with("HTTP/1.1 303"));
    assert_eq!(status(&two, &bob, "/a/acme/overview"), 303, "at once on the replica that made the change");
    within_a_second(|| status(&one, &bob, "/a/acme/overview") == 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_see_an_exhausted_budget_within_a_second() {
    let machine =
        Machine { dir: tempfile::tempdir().unwrap(), url: fresh_postgres().await, is_sqlite: false };
    let keys = create_keys(&machine);
    let (one, two) = (machine.serve(&[], &["serve"]), machine.serve(&[], &["serve"]));
    let code = |server: &Server, key: &str| verify(server, &keys.token, key)["code"].clone();
    let new = json!({ "kind": "account", "meter": "credits", "limit": "10", "hard": true });
    let (status, budget) = post(&one, "/api/v1/accounts/acme/budgets", &keys.ada, &new);
    assert_eq!(status, 201, "{budget}");
    let report_usage = |server: &Server, id: &str, quantity: &str| {
        let event = json!({
            "specversion": "1.0", "type": "guildhall.usage", "source": "/t", "id": id,
            "data": { "meter": "credits", "quantity": quantity, "account": "acme" },
        });
        let (status, response) = post(server, "/api/v1/usage/events", &keys.token, &event);
        assert_eq!((status, &response["accepted"]), (200, &json!(1)), "{response}");
    };
    // Both replicas have cached that the key is valid.
    report_usage(&one, "1", "9.999999999");
    for server in [&one, &two] {
        assert_eq!(code(server, &keys.ada), "VALID");
    }
    // The last of the budget is reported to one replica and blocks the key on both.
    report_usage(&one, "2", "0.000000001");
    assert_eq!(code(&one, &keys.ada), "QUOTA_EXCEEDED", "at once on the replica that received the event");
    within_a_second(|| code(&two, &keys.ada) == "QUOTA_EXCEEDED");
    assert_eq!(code(&two, &keys.bob), "VALID", "other accounts are unaffected");
    // The budget is raised on the other replica, which unblocks the key on both.
    let path = format!("/api/v1/accounts/acme/budgets/{}", budget["id"].as_str().unwrap());
    let raised = two.call(&keys.ada, "PATCH", &path, &json!({ "limit": "20" }).to_string()).unwrap();
    assert_eq!(raised.status, 200, "{}", raised.body);
    assert_eq!(code(&two, &keys.ada), "VALID", "at once on the replica that raised it");
    within_a_second(|| code(&one, &keys.ada) == "VALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_share_one_rate_limit() {
    let machine =
        Machine { dir: tempfile::tempdir().unwrap(), url: fresh_postgres().await, is_sqlite: false };
    let keys = create_keys(&machine);
    let servers = [machine.serve(&[], &["serve"]), machine.serve(&[], &["serve"])];
    // Wait until each replica knows of the other.
    std::thread::sleep(scaled(Duration::from_millis(1500)));
    let (token, key) = (&keys.token, &keys.ada);
    let admitted_by_client = std::thread::scope(|threads| {
        let clients: Vec<_> = (0..8)
            .map(|n| {
                let server = &servers[n % 2];
                threads
                    .spawn(move || (0..20).filter(|_| verify(server, token, key)["code"] == "VALID").count())
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    let admitted: usize = admitted_by_client.iter().sum();
    assert!((50..=60).contains(&admitted), "{admitted} of 60: {admitted_by_client:?}");
    assert!(
        admitted_by_client.iter().step_by(2).sum::<usize>() > 0
            && admitted_by_client.iter().skip(1).step_by(2).sum::<usize>() > 0
    );
    // The unused lease of one replica is returned and admitted by the other, but never more than the limit.
    let mut later = 0;
    for _ in 0..6 {
        std::thread::sleep(scaled(Duration::from_millis(500)));
        later += servers.iter().filter(|server| verify(server, token, key)["code"] == "VALID").count();
    }
    assert!(admitted + later <= 60, "{admitted} and {later}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_sqlite_sees_changes_made_by_commands() {
    let machine = Machine::sqlite();
    let keys = create_keys(&machine);
    let server = machine.serve(&[], &["serve"]);
    assert_eq!(verify(&server, &keys.token, &keys.ada)["account"]["plan"], "free");
    machine.run(&["account", "set-plan", "acme", "enterprise"]).ok();
    within_a_second(|| verify(&server, &keys.token, &keys.ada)["account"]["plan"] == "enterprise");
    let args = ["key", "create", "--account", "acme", "--email", "ada@acme.test", "--name", "Late"];
    let new_key = machine.run(&args).ok();
    within_a_second(|| verify(&server, &keys.token, new_key.trim())["code"] == "VALID");
    let token = machine.run(&["token", "create", "--name", "Other"]).ok();
    within_a_second(|| {
        post(&server, "/api/v1/keys/verify", token.trim(), &json!({ "key": keys.ada })).0 == 200
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daily_limit_survives_a_restart() {
    for machine in Machine::on_each_db().await {
        let keys = create_keys(&machine);
        let server = machine.serve(&[], &["serve"]);
        let verify_cost = |server: &Server, cost: u32| {
            post(server, "/api/v1/keys/verify", &keys.token, &json!({ "key": keys.ada, "cost": cost })).1
        };
        assert_eq!(verify_cost(&server, 60)["code"], "VALID");
        server.stop();
        let server = machine.serve(&[], &["serve"]);
        let response = verify_cost(&server, 1);
        // The limit of the minute is as full as before the restart.
        assert_eq!(
            (&response["code"], &response["ratelimit"]["limit"]),
            (&json!("RATE_LIMITED"), &json!(60)),
            "{response}"
        );
        drop(server);
    }
}
