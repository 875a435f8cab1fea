//! The sample gateway of `docs/gateway.md`, as a process of its own in front of a running server.
use crate::harness::machine::{Machine, Reply, Server};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// The sample, which `cargo test` builds with everything else.
fn sample(guildhall: &Server, token: &str) -> Server {
    let bin = Path::new(env!("CARGO_BIN_EXE_guildhall")).with_file_name("examples").join("gateway");
    assert!(bin.exists(), "run “cargo build --example gateway” first");
    let mut it = Command::new(bin);
    it.env_clear().env("GUILDHALL_URL", &guildhall.base).env("GUILDHALL_SERVICE_TOKEN", token);
    it.env("GATEWAY_LISTEN", "127.0.0.1:0").stdout(Stdio::piped()).stderr(Stdio::null());
    Server::begin(it)
}

/// The status and the code of a refusal, in which no secret stands.
fn refusal(said: &Reply, key: &str) -> (u16, String) {
    assert!(said.head.contains("content-type: application/problem+json"), "{}", said.head);
    assert!(key.is_empty() || !said.body.contains(key));
    assert_eq!(said.status == 401, said.head.contains("www-authenticate: bearer"), "{}", said.head);
    let body: Value = serde_json::from_str(&said.body).unwrap();
    (said.status, body["code"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_gateway_does_what_its_guide_says() {
    for it in Machine::each().await {
        it.user("ada@acme.test");
        it.run(&["account", "create", "--name", "Acme", "--owner", "ada@acme.test"]).ok();
        let server = it.serve(&[], &["serve"]);
        let token = it.run(&["token", "create", "--name", "Sample gateway"]).ok().trim().to_owned();
        let key = ["key", "create", "--account", "acme", "--email", "ada@acme.test", "--name", "Guide"];
        let key = it.run(&key).ok().trim().to_owned();
        let gateway = sample(&server, &token);
        let search = |key: &str| gateway.call(key, "POST", "/search", "").unwrap();

        // What a script asks in its next line: the server knows the key that another process made.
        let asked = json!({ "key": key, "permission": "resources.run", "product": "video", "cost": 5 });
        let said = server.call(&token, "POST", "/api/v1/keys/verify", &asked.to_string()).unwrap();
        let verdict: Value = serde_json::from_str(&said.body).unwrap();
        assert_eq!((&verdict["code"], &verdict["ratelimit"]["remaining"]), (&json!("VALID"), &json!(55)));

        let said = search(&key);
        assert_eq!(said.status, 200, "{}", said.body);
        assert!(said.body.contains("A street at night"), "{}", said.body);
        assert!(said.head.contains("ratelimit-policy: \"plan\";q=60"), "{}", said.head);
        assert!(said.head.contains("ratelimit: \"plan\";r=50;t="), "{}", said.head);
        assert_eq!(gateway.call(&key, "GET", "/indexes", "").unwrap().status, 200);
        assert_eq!(gateway.call(&key, "GET", "/check", "").unwrap().status, 204);
        assert_eq!(refusal(&search("gh_key_nonsense"), ""), (401, "NOT_FOUND".into()));
        assert!(gateway.get("/indexes").contains("NO_KEY"));

        // Until the plan's minute is full.
        let refused = (0..12).map(|_| search(&key)).find(|it| it.status != 200).expect("a limit");
        assert_eq!(refusal(&refused, &key), (429, "RATE_LIMITED".into()));
        let wait = refused.head.lines().find_map(|it| it.strip_prefix("retry-after: ")).unwrap();
        assert!((1..=60).contains(&wait.parse::<u32>().unwrap()), "{wait}");

        // What went well is seen as used: three, and the nine searches for which there was room.
        let (began, mut seen) = (Instant::now(), Value::Null);
        while seen["items"][0]["quantity"] != "12" {
            assert!(began.elapsed() < Duration::from_secs(10), "{seen}");
            let said =
                server.call(&key, "GET", "/api/v1/accounts/acme/usage?group_by=key,meter", "").unwrap();
            seen = serde_json::from_str(&said.body).unwrap();
        }
        assert_eq!(
            (&seen["items"][0]["key"], &seen["items"][0]["meter"]),
            (&verdict["key_id"], &json!("requests"))
        );

        // Whoever finds it ends it.
        let found = json!({ "key": key }).to_string();
        assert_eq!(server.call("", "POST", "/api/v1/keys/leaked", &found).unwrap().status, 200);
        assert_eq!(refusal(&search(&key), &key), (401, "REVOKED".into()));

        // While Guildhall is away, nobody is let through.
        server.kill();
        assert_eq!(refusal(&search(&key), &key), (503, "UNAVAILABLE".into()));
    }
}
