//! The real program, as its operator runs it: each command on a database of its own, on both engines, beside a running server.
use crate::harness::machine::{Machine, SECRET, Server};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};
const OTHER: &str = "//////////////////////////////////////////8=";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_makes_is_there_in_a_running_server() {
    for it in Machine::each().await {
        let server = it.serve(&[], &["serve"]);
        assert!(server.lines().contains("/sign-up: the first to sign up runs this installation"));
        it.user("ada@acme.test");
        assert!(server.sign_in("ada@acme.test").starts_with("HTTP/1.1 303"), "not within a second");
        it.run(&["user", "create", "--email", "ADA@acme.test", "--name", "Ada"])
            .fails(1, "has a user already");
        it.run(&["user", "create", "--email", "ada", "--name", "Ada"]).fails(1, "not a full address");
        it.run(&["user", "reset-factors", "--email", "ada@acme.test"]).ok();
        it.run(&["user", "reset-factors", "--email", "eve@acme.test"]).fails(1, "has no user");
        let args = ["user", "create", "--email", "b@acme.test", "--name", "B", "--password-stdin"];
        it.run(&args).fails(1, "no password");

        let create = ["account", "create", "--kind", "organization", "--name", "Acme", "--owner"];
        let with = |more: &[&'static str]| it.run(&[&create[..], more].concat());
        assert_eq!(with(&["ada@acme.test"]).ok(), "acme\n");
        // The limit of one is for users; the operator is not asked.
        assert_eq!(with(&["ada@acme.test", "--slug", "second"]).ok(), "second\n");
        with(&["ada@acme.test", "--slug", "acme"]).fails(1, "taken");
        with(&["nobody@acme.test"]).fails(1, "No user has the address");

        assert_eq!(it.run(&["account", "set-plan", "acme", "enterprise"]).ok(), "acme\n");
        it.run(&["account", "set-plan", "acme", "gold"]).fails(1, "free, developer, enterprise");
        assert_eq!(it.run(&["account", "verify-domain", "acme", "Acme.TEST"]).ok(), "acme.test\n");
        it.run(&["account", "verify-domain", "acme", "acme.test"]).ok();
        it.run(&["account", "verify-domain", "nowhere", "acme.test"]).fails(1, "no account “nowhere”");
        it.run(&["account", "verify-domain", "acme", "acme"]).fails(1, "is no domain");
        it.run(&["account", "set-plan", "nowhere", "free"]).fails(1, "no account “nowhere”");
        let list: serde_json::Value =
            serde_json::from_str(&it.run(&["account", "list", "--json"]).ok()).unwrap();
        let acme = list.as_array().unwrap().iter().find(|it| it["slug"] == "acme").unwrap();
        assert_eq!((&acme["plan"], &acme["member_count"]), (&"enterprise".into(), &1.into()));
        assert!(it.run(&["account", "list"]).ok().lines().any(|it| it.starts_with("acme ")));
        server.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_stands_alone_on_standard_output() {
    for it in Machine::each().await {
        it.user("ada@acme.test");
        it.run(&["account", "create", "--name", "Acme", "--owner", "ada@acme.test"]).ok();
        let key = ["key", "create", "--account", "acme", "--email", "ada@acme.test", "--name", "CI"];
        let secret = it.run(&key).ok();
        assert!(secret.starts_with("gh_key_") && secret.lines().count() == 1, "{secret}");
        it.run(&[&key[..], &["--expires", "90d"]].concat()).ok();
        let late = it.run(&[&key[..], &["--expires", "someday"]].concat());
        assert_eq!((late.code, late.out.as_str()), (2, ""));
        let foreign = ["key", "create", "--account", "acme", "--email", "b@acme.test", "--name", "CI"];
        it.run(&foreign).fails(1, "is no member of Acme");
        let token = it.run(&["token", "create", "--name", "Gateway"]).ok();
        assert!(token.starts_with("gh_svc_") && token.lines().count() == 1, "{token}");
        it.run(&["token", "create", "--name", " "]).fails(1, "Enter a name");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_broken_event_is_named() {
    for it in Machine::each().await {
        it.user("ada@acme.test");
        it.run(&["account", "create", "--name", "Acme", "--owner", "ada@acme.test"]).ok();
        it.run(&["account", "set-plan", "acme", "developer"]).ok();
        assert!(it.run(&["audit", "verify"]).ok().contains("holds"));
        let db = guildhall::db::Db::connect(&it.url).await.unwrap();
        let mut conn = db.begin().await.unwrap();
        conn.query("update audit_events set actor_name = 'somebody' where action = 'plan.changed'")
            .run()
            .await
            .unwrap();
        conn.commit().await.unwrap();
        db.close().await;
        it.run(&["audit", "verify"]).fails(1, "of acme is broken at event 2 (plan.changed, ");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_public_address_only_the_printed_link_makes_the_operator() {
    for it in Machine::each().await {
        let server = it.serve(&[("GUILDHALL_BASE_URL", "https://console.example.com")], &[]);
        let said = server.lines();
        assert!(said.contains("https://console.example.com/sign-up?setup="), "{said}");
        assert!(said.contains("set GUILDHALL_SMTP_URL"), "{said}");
        server.stop();
        it.run(&["user", "create", "--email", "op@acme.test", "--name", "Op", "--operator"]).ok();
        let server = it.serve(&[("GUILDHALL_BASE_URL", "https://console.example.com")], &[]);
        assert!(!server.lines().contains("setup="), "there is an operator");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_it_finishes_what_runs() {
    for it in Machine::each().await {
        let server = it.serve(&[], &["serve"]);
        let mut slow = TcpStream::connect(server.base.strip_prefix("http://").unwrap()).unwrap();
        let head = format!(
            "POST /sign-in HTTP/1.1\r\nHost: here\r\nOrigin: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\nemail",
            server.base
        );
        slow.write_all(head.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        server.tell("-TERM");
        std::thread::sleep(Duration::from_millis(500));
        slow.write_all(b"=a").unwrap();
        let mut said = String::new();
        slow.read_to_string(&mut said).unwrap();
        assert!(said.starts_with("HTTP/1.1 422"), "{said}");
        assert!(server.stop_again() < Duration::from_secs(10));
    }
}

impl Server {
    /// It was told already.
    fn stop_again(mut self) -> Duration {
        let began = Instant::now();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        began.elapsed()
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_secret_key_is_kept_beside_the_file_and_never_made_anew() {
    use std::os::unix::fs::PermissionsExt as _;
    let [lite, pg] = Machine::each().await;
    lite.user("ada@acme.test");
    let path = lite.dir.path().join("guildhall.db.key");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::remove_file(&path).unwrap();
    lite.run(&["account", "list"]).fails(2, "its secret key");

    pg.run_with(&[("GUILDHALL_SECRET_KEY", "")], &["serve"], "").fails(2, "GUILDHALL_SECRET_KEY is not set");
    pg.user("ada@acme.test");
    pg.run_with(&[("GUILDHALL_SECRET_KEY", OTHER)], &["serve"], "").fails(2, "another secret key");
    let file = pg.dir.path().join("key");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let by_file = [("GUILDHALL_SECRET_KEY", ""), ("GUILDHALL_SECRET_KEY_FILE", file.to_str().unwrap())];
    assert_eq!(pg.run_with(&by_file, &["account", "list"], "").code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_setting_is_told_in_a_sentence() {
    let it = Machine::lite();
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
        let ran = it.run_with(&[(name, value)], &["serve"], "");
        assert!(!ran.err.contains("hunter2"), "{}", ran.err);
        ran.fails(2, name);
    }
    let help = it.run(&["--help"]).ok();
    for name in ["--listen", "GUILDHALL_LISTEN", "GUILDHALL_SECRET_KEY", "GUILDHALL_SMTP_URL_FILE"] {
        assert!(help.contains(name), "{name}");
    }
    it.run(&["account", "list"]).fails(1, "There is no database");
    let nobody =
        [("GUILDHALL_DATABASE_URL", "postgres://postgres@127.0.0.1:1/x"), ("GUILDHALL_SECRET_KEY", SECRET)];
    let began = Instant::now();
    it.run_with(&nobody, &["account", "list"], "").fails(1, "127.0.0.1/x cannot be opened");
    assert!(began.elapsed() < Duration::from_secs(25));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_what_is_wrong() {
    for it in Machine::each().await {
        let fresh = it.run(&["check"]);
        assert_eq!(fresh.code, 0, "{}{}", fresh.out, fresh.err);
        assert!(!it.dir.path().join("guildhall.db").exists(), "looking makes nothing");
        it.user("ada@acme.test");
        assert_eq!(it.run(&["check"]).code, 0);
        let away = it.run_with(&[("GUILDHALL_SMTP_URL", "smtp://u:hunter2@127.0.0.1:1")], &["check"], "");
        assert_eq!(away.code, 1);
        assert!(
            away.out.contains("WRONG  mail server: smtp://u@127.0.0.1:1") && !away.out.contains("hunter2")
        );
        assert_eq!(it.run_with(&[("GUILDHALL_SECRET_KEY", OTHER)], &["check"], "").code, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demonstration_is_for_this_machine_and_an_empty_database() {
    for it in Machine::each().await {
        let began = Instant::now();
        let server = it.serve(&[], &["serve", "--demo"]);
        println!("filled in {:?}", began.elapsed());
        assert!(server.lines().contains("ada@acme.test"));
        server.stop();
        let list: serde_json::Value =
            serde_json::from_str(&it.run(&["account", "list", "--json"]).ok()).unwrap();
        let acme = list.as_array().unwrap().iter().find(|it| it["slug"] == "acme").unwrap();
        assert_eq!(acme["member_count"], 60);
        it.run(&["audit", "verify"]).ok();
        // Its own is served again, as it was left.
        it.serve(&[], &["serve", "--demo"]).stop();
        let public = [("GUILDHALL_BASE_URL", "https://console.example.com")];
        it.run_with(&public, &["serve", "--demo"], "").fails(2, "loopback");
    }
    let other = Machine::lite();
    other.user("ada@acme.test");
    other.run(&["serve", "--demo"]).fails(1, "something else than the demonstration");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_where_it_is_stops_in_order() {
    for it in Machine::each().await {
        for _ in 0..5 {
            let mut command = it.command(&[], &["serve"]);
            command.stderr(std::process::Stdio::null());
            Server::begin(command).stop();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_prints_the_document_that_the_server_tells() {
    let machine = Machine::lite();
    let printed = machine.run(&["openapi"]).ok();
    let server = machine.serve(&[], &[]);
    let said = server.get("/api/v1/openapi.json");
    assert!(said.starts_with("HTTP/1.1 200"));
    assert_eq!(said.split_once("\r\n\r\n").unwrap().1, printed);
}
