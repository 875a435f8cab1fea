//! The sample gateway of `docs/gateway.md`, as a separate process in front of a running server.
use crate::harness::{
    process::{Machine, Reply, Server},
    scaled,
};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Starts the sample, which `cargo test` builds as an example.
fn sample(guildhall: &Server, token: &str) -> Server {
    let bin = Path::new(env!("CARGO_BIN_EXE_guildhall")).with_file_name("examples").join("gateway");
    assert!(bin.exists(), "run “cargo build --example gateway” first");
    let mut command = Command::new(bin);
    command.env_clear().env("GUILDHALL_URL", &guildhall.base).env("GUILDHALL_SERVICE_TOKEN", token);
    command.env("GATEWAY_LISTEN", "127.0.0.1:0").stdout(Stdio::piped()).stderr(Stdio::null());
    Server::spawn(command)
}

/// The status and the code of a refusal. Asserts that it does not repeat the key.
fn refusal(response: &Reply, key: &str) -> (u16, String) {
    assert!(response.head.contains("content-type: application/problem+json"), "{}", response.head);
    assert!(key.is_empty() || !response.body.contains(key));
    assert_eq!(
        response.status == 401,
        response.head.contains("www-authenticate: bearer"),
        "{}",
        response.head
    );
    let body: Value = serde_json::from_str(&response.body).unwrap();
    (response.status, body["code"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_gateway_behaves_as_its_guide_describes() {
    for machine in Machine::on_each_db().await {
        machine.user("ada@acme.test");
        machine.run(&["account", "create", "--name", "Acme", "--owner", "ada@acme.test"]).ok();
        let server = machine.serve(&[], &["serve"]);
        let token = machine.run(&["token", "create", "--name", "Sample gateway"]).ok().trim().to_owned();
        let key = ["key", "create", "--account", "acme", "--email", "ada@acme.test", "--name", "Guide"];
        let key = machine.run(&key).ok().trim().to_owned();
        let gateway = sample(&server, &token);
        let search = |key: &str| gateway.call(key, "POST", "/search", "").unwrap();

        // The server knows a key that another process has just created.
        let question = json!({ "key": key, "permission": "resources.run", "product": "video", "cost": 5 });
        let response = server.call(&token, "POST", "/api/v1/keys/verify", &question.to_string()).unwrap();
        let verdict: Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!((&verdict["code"], &verdict["ratelimit"]["remaining"]), (&json!("VALID"), &json!(55)));

        let response = search(&key);
        assert_eq!(response.status, 200, "{}", response.body);
        assert!(response.body.contains("A street at night"), "{}", response.body);
        assert!(response.head.contains("ratelimit-policy: \"plan\";q=60"), "{}", response.head);
        assert!(response.head.contains("ratelimit: \"plan\";r=50;t="), "{}", response.head);
        assert_eq!(gateway.call(&key, "GET", "/indexes", "").unwrap().status, 200);
        assert_eq!(gateway.call(&key, "GET", "/check", "").unwrap().status, 204);
        assert_eq!(refusal(&search("gh_key_nonsense"), ""), (401, "NOT_FOUND".into()));
        assert!(gateway.get("/indexes").contains("NO_KEY"));

        // Until the rate limit of the plan is used up.
        let refused = (0..12).map(|_| search(&key)).find(|reply| reply.status != 200).expect("a limit");
        assert_eq!(refusal(&refused, &key), (429, "RATE_LIMITED".into()));
        let wait = refused.head.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap();
        assert!((1..=60).contains(&wait.parse::<u32>().unwrap()), "{wait}");

        // Usage counts what succeeded: three requests, and the nine searches that fit into the limit.
        let (began, mut seen) = (Instant::now(), Value::Null);
        while seen["items"][0]["quantity"] != "12" {
            assert!(began.elapsed() < scaled(Duration::from_secs(10)), "{seen}");
            let response =
                server.call(&key, "GET", "/api/v1/accounts/acme/usage?group_by=key,meter", "").unwrap();
            seen = serde_json::from_str(&response.body).unwrap();
        }
        assert_eq!(
            (&seen["items"][0]["key"], &seen["items"][0]["meter"]),
            (&verdict["key_id"], &json!("requests"))
        );

        // Anybody who finds a key can revoke it.
        let found = json!({ "key": key }).to_string();
        assert_eq!(server.call("", "POST", "/api/v1/keys/leaked", &found).unwrap().status, 200);
        assert_eq!(refusal(&search(&key), &key), (401, "REVOKED".into()));

        // The gateway fails closed while Guildhall is down.
        server.kill();
        assert_eq!(refusal(&search(&key), &key), (503, "UNAVAILABLE".into()));
    }
}
