//! The commands of the compiled program, each with its own database, on SQLite and on Postgres.
use crate::harness::{
    process::{Machine, SECRET, Server},
    scaled,
};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

/// A secret key other than [`SECRET`].
const OTHER: &str = "//////////////////////////////////////////8=";

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_sees_what_a_command_creates() {
    for machine in Machine::on_each_db().await {
        let server = machine.serve(&[], &["serve"]);
        assert!(server.lines().contains("/sign-up: the first to sign up runs this installation"));
        machine.user("ada@acme.test");
        assert!(server.sign_in("ada@acme.test").starts_with("HTTP/1.1 303"), "not within a second");
        machine
            .run(&["user", "create", "--email", "ADA@acme.test", "--name", "Ada"])
            .assert_fails(1, "already has a user");
        machine
            .run(&["user", "create", "--email", "ada", "--name", "Ada"])
            .assert_fails(1, "not a full address");
        machine.run(&["user", "reset-factors", "--email", "ada@acme.test"]).ok();
        machine
            .run(&["user", "reset-factors", "--email", "eve@acme.test"])
            .assert_fails(1, "No user has the address");
        let args = ["user", "create", "--email", "b@acme.test", "--name", "B", "--password-stdin"];
        machine.run(&args).assert_fails(1, "no password");

        let create = ["account", "create", "--kind", "organization", "--name", "Acme", "--owner"];
        let with = |more: &[&'static str]| machine.run(&[&create[..], more].concat());
        assert_eq!(with(&["ada@acme.test"]).ok(), "acme\n");
        // The limit of one organization is for users, not for the operator.
        assert_eq!(with(&["ada@acme.test", "--slug", "second"]).ok(), "second\n");
        with(&["ada@acme.test", "--slug", "acme"]).assert_fails(1, "taken");
        with(&["nobody@acme.test"]).assert_fails(1, "No user has the address");

        assert_eq!(machine.run(&["account", "set-plan", "acme", "enterprise"]).ok(), "acme\n");
        machine.run(&["account", "set-plan", "acme", "gold"]).assert_fails(1, "free, developer, enterprise");
        assert_eq!(machine.run(&["account", "verify-domain", "acme", "Acme.TEST"]).ok(), "acme.test\n");
        machine.run(&["account", "verify-domain", "acme", "acme.test"]).ok();
        machine
            .run(&["account", "verify-domain", "nowhere", "acme.test"])
            .assert_fails(1, "no account “nowhere”");
        machine.run(&["account", "verify-domain", "acme", "acme"]).assert_fails(1, "is not a domain");
        machine.run(&["account", "set-plan", "nowhere", "free"]).assert_fails(1, "no account “nowhere”");
        let list: serde_json::Value =
            serde_json::from_str(&machine.run(&["account", "list", "--json"]).ok()).unwrap();
        let acme = list.as_array().unwrap().iter().find(|account| account["slug"] == "acme").unwrap();
        assert_eq!((&acme["plan"], &acme["member_count"]), (&"enterprise".into(), &1.into()));
        assert!(machine.run(&["account", "list"]).ok().lines().any(|line| line.starts_with("acme ")));
        server.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_created_secret_is_the_only_output() {
    for machine in Machine::on_each_db().await {
        machine.user("ada@acme.test");
        machine.run(&["account", "create", "--name", "Acme", "--owner", "ada@acme.test"]).ok();
        let key = ["key", "create", "--account", "acme", "--email", "ada@acme.test", "--name", "CI"];
        let secret = machine.run(&key).ok();
        assert!(secret.starts_with("gh_key_") && secret.lines().count() == 1, "{secret}");
        machine.run(&[&key[..], &["--expires", "90d"]].concat()).ok();
        let late = machine.run(&[&key[..], &["--expires", "someday"]].concat());
        assert_eq!((late.code, late.out.as_str()), (2, ""));
        let foreign = ["key", "create", "--account", "acme", "--email", "b@acme.test", "--name", "CI"];
        machine.run(&foreign).assert_fails(1, "is not a member of Acme");
        let token = machine.run(&["token", "create", "--name", "Gateway"]).ok();
        assert!(token.starts_with("gh_svc_") && token.lines().count() == 1, "{token}");
        machine.run(&["token", "create", "--name", " "]).assert_fails(1, "Enter a name");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_verify_names_the_first_broken_event() {
    for machine in Machine::on_each_db().await {
        machine.user("ada@acme.test");
        machine.run(&["account", "create", "--name", "Acme", "--owner", "ada@acme.test"]).ok();
        machine.run(&["account", "set-plan", "acme", "developer"]).ok();
        assert!(machine.run(&["audit", "verify"]).ok().contains("holds"));
        let db = guildhall::db::Db::connect(&machine.url).await.unwrap();
        let mut conn = db.begin().await.unwrap();
        conn.query("update audit_events set actor_name = 'somebody' where action = 'plan.changed'")
            .execute()
            .await
            .unwrap();
        conn.commit().await.unwrap();
        db.close().await;
        machine.run(&["audit", "verify"]).assert_fails(1, "of acme is broken at event 2 (plan.changed, ");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_public_url_only_the_printed_link_creates_the_operator() {
    for machine in Machine::on_each_db().await {
        let server = machine.serve(&[("GUILDHALL_BASE_URL", "https://console.example.com")], &[]);
        let response = server.lines();
        assert!(response.contains("https://console.example.com/sign-up?setup="), "{response}");
        assert!(response.contains("set GUILDHALL_SMTP_URL"), "{response}");
        server.stop();
        machine.run(&["user", "create", "--email", "op@acme.test", "--name", "Op", "--operator"]).ok();
        let server = machine.serve(&[("GUILDHALL_BASE_URL", "https://console.example.com")], &[]);
        assert!(!server.lines().contains("setup="), "there is an operator already");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_is_finished_after_sigterm() {
    for machine in Machine::on_each_db().await {
        let server = machine.serve(&[], &["serve"]);
        let mut slow = TcpStream::connect(server.base.strip_prefix("http://").unwrap()).unwrap();
        let head = format!(
            "POST /sign-in HTTP/1.1\r\nHost: here\r\nOrigin: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\nemail",
            server.base
        );
        slow.write_all(head.as_bytes()).unwrap();
        std::thread::sleep(scaled(Duration::from_millis(300)));
        server.signal("-TERM");
        std::thread::sleep(scaled(Duration::from_millis(500)));
        slow.write_all(b"=a").unwrap();
        let mut response = String::new();
        slow.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 422"), "{response}");
        assert!(server.wait_for_exit() < scaled(Duration::from_secs(10)));
    }
}

impl Server {
    /// Waits for a server that was told to stop; answers how long that took.
    fn wait_for_exit(mut self) -> Duration {
        let began = Instant::now();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        began.elapsed()
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_secret_key_is_stored_beside_the_database_and_never_replaced() {
    use std::os::unix::fs::PermissionsExt as _;
    let [sqlite, postgres] = Machine::on_each_db().await;
    sqlite.user("ada@acme.test");
    let path = sqlite.dir.path().join("guildhall.db.key");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::remove_file(&path).unwrap();
    sqlite.run(&["account", "list"]).assert_fails(2, "its secret key");

    postgres
        .run_with(&[("GUILDHALL_SECRET_KEY", "")], &["serve"], "")
        .assert_fails(2, "GUILDHALL_SECRET_KEY is not set");
    postgres.user("ada@acme.test");
    postgres
        .run_with(&[("GUILDHALL_SECRET_KEY", OTHER)], &["serve"], "")
        .assert_fails(2, "another secret key");
    let file = postgres.dir.path().join("key");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let by_file = [("GUILDHALL_SECRET_KEY", ""), ("GUILDHALL_SECRET_KEY_FILE", file.to_str().unwrap())];
    assert_eq!(postgres.run_with(&by_file, &["account", "list"], "").code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_setting_is_reported_in_one_sentence() {
    let machine = Machine::sqlite();
    for (name, value) in [
        ("GUILDHALL_LISTEN", "nowhere"),
        ("GUILDHALL_DATABASE_URL", "mysql://root:hunter2@here/x"),
        ("GUILDHALL_BASE_URL", "console.example.com"),
        ("GUILDHALL_SECRET_KEY", "c2hvcnQ="),
        ("GUILDHALL_CATALOG", "/nowhere.toml"),
        ("GUILDHALL_LOG_FORMAT", "xml"),
        ("GUILDHALL_SIGN_UP", "never"),
        ("GUILDHALL_MAX_ORGANIZATIONS_PER_USER", "-1"),
        ("GUILDHALL_TRUSTED_PROXIES", "everybody"),
        ("GUILDHALL_ALLOW_PRIVATE_ADDRESSES", "perhaps"),
        ("GUILDHALL_DNS_RESOLVER", "somewhere"),
        ("GUILDHALL_MAIL_FROM", "nobody"),
        ("GUILDHALL_SMTP_URL", "http://mail.example.com"),
    ] {
        let output = machine.run_with(&[(name, value)], &["serve"], "");
        assert!(!output.err.contains("hunter2"), "{}", output.err);
        output.assert_fails(2, name);
    }
    let help = machine.run(&["--help"]).ok();
    for name in ["--listen", "GUILDHALL_LISTEN", "GUILDHALL_SECRET_KEY", "GUILDHALL_SMTP_URL_FILE"] {
        assert!(help.contains(name), "{name}");
    }
    machine.run(&["account", "list"]).assert_fails(1, "There is no database");
    let unreachable =
        [("GUILDHALL_DATABASE_URL", "postgres://postgres@127.0.0.1:1/x"), ("GUILDHALL_SECRET_KEY", SECRET)];
    let began = Instant::now();
    machine.run_with(&unreachable, &["account", "list"], "").assert_fails(1, "127.0.0.1/x cannot be opened");
    assert!(began.elapsed() < scaled(Duration::from_secs(25)));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_reports_what_is_wrong() {
    for machine in Machine::on_each_db().await {
        let fresh = machine.run(&["check"]);
        assert_eq!(fresh.code, 0, "{}{}", fresh.out, fresh.err);
        assert!(!machine.dir.path().join("guildhall.db").exists(), "the check creates nothing");
        machine.user("ada@acme.test");
        assert_eq!(machine.run(&["check"]).code, 0);
        let without_mail_server =
            machine.run_with(&[("GUILDHALL_SMTP_URL", "smtp://u:hunter2@127.0.0.1:1")], &["check"], "");
        assert_eq!(without_mail_server.code, 1);
        assert!(
            without_mail_server.out.contains("WRONG  mail server: smtp://u@127.0.0.1:1")
                && !without_mail_server.out.contains("hunter2")
        );
        assert_eq!(machine.run_with(&[("GUILDHALL_SECRET_KEY", OTHER)], &["check"], "").code, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_needs_a_loopback_url_and_an_empty_database() {
    for machine in Machine::on_each_db().await {
        let began = Instant::now();
        let server = machine.serve(&[], &["serve", "--demo"]);
        println!("filled in {:?}", began.elapsed());
        assert!(server.lines().contains("ada@acme.test"));
        server.stop();
        let list: serde_json::Value =
            serde_json::from_str(&machine.run(&["account", "list", "--json"]).ok()).unwrap();
        let acme = list.as_array().unwrap().iter().find(|account| account["slug"] == "acme").unwrap();
        assert_eq!(acme["member_count"], 60);
        machine.run(&["audit", "verify"]).ok();
        // A database that holds the demo is served again without being filled.
        machine.serve(&[], &["serve", "--demo"]).stop();
        let public = [("GUILDHALL_BASE_URL", "https://console.example.com")];
        machine.run_with(&public, &["serve", "--demo"], "").assert_fails(2, "loopback");
    }
    let other = Machine::sqlite();
    other.user("ada@acme.test");
    other.run(&["serve", "--demo"]).assert_fails(1, "other data than the demonstration");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_stops_cleanly_right_after_it_has_printed_its_url() {
    for machine in Machine::on_each_db().await {
        for _ in 0..5 {
            let mut command = machine.command(&[], &["serve"]);
            command.stderr(std::process::Stdio::null());
            Server::spawn(command).stop();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openapi_command_prints_what_the_server_serves() {
    let machine = Machine::sqlite();
    let printed = machine.run(&["openapi"]).ok();
    let server = machine.serve(&[], &[]);
    let response = server.get("/api/v1/openapi.json");
    assert!(response.starts_with("HTTP/1.1 200"));
    assert_eq!(response.split_once("\r\n\r\n").unwrap().1, printed);
}
