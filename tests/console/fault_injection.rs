//! Faults from outside: the server is killed, its database goes away, its disk is full. Afterwards everything that was
//! acknowledged is there, every other change is there completely or not at all, and the server recovers by itself.
use crate::{
    harness::{
        process::{Machine, Server},
        scaled,
    },
    mail::Server as MailServer,
};
use std::{
    collections::BTreeSet,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Creates an organization; answers a key of its owner.
fn acme(machine: &Machine) -> String {
    machine.user("ada@acme.test");
    let create =
        ["account", "create", "--kind", "organization", "--name", "Acme", "--owner", "ada@acme.test"];
    machine.run(&create).ok();
    let key = ["key", "create", "--account", "acme", "--email", "ada@acme.test", "--name", "Load"];
    machine.run(&key).ok().trim().to_owned()
}

/// Writes a catalogue in which the rate limit of our own API does not limit these tests; answers its path.
fn unlimited_catalog(machine: &Machine) -> String {
    let path = machine.dir.path().join("catalog.toml");
    let text = guildhall::model::catalog::Catalog::BUILT_IN;
    let unlimited = text.replace("api = [{ requests = 1200,", "api = [{ requests = 1000000,");
    assert_ne!(unlimited, text);
    std::fs::write(&path, unlimited).unwrap();
    path.display().to_string()
}

fn invite(server: &Server, key: &str, email: &str) -> Option<u16> {
    let body =
        format!(r#"{{"emails":["{email}"],"grants":[{{"role":"member","scope":{{"type":"account"}}}}]}}"#);
    let response = server.call(key, "POST", "/api/v1/accounts/acme/invitations", &body)?;
    assert!([200, 503].contains(&response.status), "{} {}", response.status, response.body);
    Some(response.status)
}

/// Invites from four threads until told to stop; records what was acknowledged.
fn load(server: &Server, key: &str, acknowledged: &Mutex<Vec<String>>, round: usize, stop: &AtomicBool) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let email = format!("n{round}-{}@acme.test", next.fetch_add(1, Ordering::Relaxed));
                    match invite(server, key, &email) {
                        Some(200) => acknowledged.lock().unwrap().push(email),
                        Some(_) => std::thread::sleep(scaled(Duration::from_millis(20))),
                        None => return,
                    }
                }
            });
        }
    });
}

/// The addresses of all stored invitations.
fn invited(server: &Server, key: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut after = String::new();
    loop {
        let path = format!("/api/v1/accounts/acme/invitations?limit=200{after}");
        let response = server.call(key, "GET", &path, "").expect("a response");
        let page: serde_json::Value = serde_json::from_str(&response.body).unwrap();
        let items = page["items"].as_array().unwrap();
        found.extend(items.iter().map(|invitation| invitation["email"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { return found };
        after = format!("&after={next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_twenty_times_loses_nothing_that_it_acknowledged() {
    for machine in Machine::on_each_db().await {
        let mail = MailServer::start();
        let smtp = mail.url();
        let catalog = unlimited_catalog(&machine);
        let env = [("GUILDHALL_SMTP_URL", smtp.as_str()), ("GUILDHALL_CATALOG", &catalog)];
        let key = acme(&machine);
        let acknowledged = Mutex::new(vec![]);
        for round in 0..20_usize {
            let server = machine.serve(&env, &["serve"]);
            let stop = AtomicBool::new(false);
            std::thread::scope(|threads| {
                threads.spawn(|| load(&server, &key, &acknowledged, round, &stop));
                let before = acknowledged.lock().unwrap().len();
                while acknowledged.lock().unwrap().len() < before + 3 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                // At a different moment in each round.
                std::thread::sleep(Duration::from_millis(u64::try_from(round).unwrap()));
                server.signal("-KILL");
                stop.store(true, Ordering::Relaxed);
            });
        }
        let acknowledged: BTreeSet<String> = acknowledged.into_inner().unwrap().into_iter().collect();
        let server = machine.serve(&env, &["serve"]);
        let stored = invited(&server, &key);
        let lost: Vec<&String> = acknowledged.difference(&stored).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let began = Instant::now();
        loop {
            let delivered: BTreeSet<String> = mail.recipients().into_iter().collect();
            // Every stored invitation has its email, acknowledged or not, because both are one transaction.
            if stored.is_subset(&delivered) {
                break;
            }
            let waiting: Vec<&String> = stored.difference(&delivered).collect();
            assert!(began.elapsed() < scaled(Duration::from_secs(240)), "never mailed: {waiting:?}");
            std::thread::sleep(scaled(Duration::from_millis(200)));
        }
        server.stop();
        machine.run(&["audit", "verify"]).ok();
    }
}

/// A Postgres server for one test, which may crash.
struct Postgres {
    dir: String,
    url: String,
}

impl Postgres {
    fn run(args: &[&str]) -> String {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/postgres");
        let done = Command::new(script).args(args).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }
    fn start() -> Postgres {
        let output = Postgres::run(&["start"]);
        let variable = |name: &str| {
            let prefix = format!("export {name}=");
            output.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap().to_owned()
        };
        Postgres { dir: variable("TEST_PG_DIR"), url: variable("TEST_PG") }
    }
}
impl Drop for Postgres {
    fn drop(&mut self) {
        Postgres::run(&["stop", &self.dir]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_fail_with_503_while_postgres_is_down_and_recover() {
    let postgres = Postgres::start();
    let dir = tempfile::tempdir().unwrap();
    let machine = Machine { dir, url: postgres.url.clone(), is_sqlite: false };
    let key = acme(&machine);
    let catalog = unlimited_catalog(&machine);
    let server = machine.serve(&[("GUILDHALL_CATALOG", &catalog)], &["serve"]);
    let acknowledged = Mutex::new(vec![]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| load(&server, &key, &acknowledged, 0, &stop));
        std::thread::sleep(scaled(Duration::from_millis(500)));
        Postgres::run(&["crash", &postgres.dir]);
        for path in ["/api/v1/accounts/acme", "/api/v1/accounts/acme/members"] {
            let began = Instant::now();
            let response = server.call(&key, "GET", path, "").expect("a response");
            assert_eq!(response.status, 503, "{}", response.body);
            assert!(response.head.contains("\r\nretry-after: "), "{}", response.head);
            assert!(began.elapsed() < scaled(Duration::from_secs(5)), "{:?}", began.elapsed());
        }
        assert!(server.get("/readyz").starts_with("HTTP/1.1 503"));
        assert!(server.get("/healthz").starts_with("HTTP/1.1 200"));
        Postgres::run(&["resume", &postgres.dir]);
        let before = acknowledged.lock().unwrap().len();
        let began = Instant::now();
        while acknowledged.lock().unwrap().len() < before + 5 {
            assert!(began.elapsed() < scaled(Duration::from_secs(15)), "the server does not recover");
            std::thread::sleep(scaled(Duration::from_millis(50)));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let stored = invited(&server, &key);
    let lost: Vec<String> =
        acknowledged.into_inner().unwrap().into_iter().filter(|email| !stored.contains(email)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    server.stop();
    machine.run(&["audit", "verify"]).ok();
}

/// The size of every file that the server writes is limited, so that writes fail and reads do not, as on a full disk.
#[tokio::test(flavor = "multi_thread")]
async fn writes_fail_with_503_on_a_full_disk_and_nothing_is_lost() {
    let machine = Machine::sqlite();
    let key = acme(&machine);
    let catalog = unlimited_catalog(&machine);
    let server = machine.serve_with_file_limit(1_500, &[("GUILDHALL_CATALOG", &catalog)]);
    let mut acknowledged = vec![];
    let refused = (0..4_000).find_map(|at| {
        let email = format!("n{at}@acme.test");
        let status = invite(&server, &key, &email).expect("a response, and no crash");
        if status == 200 {
            acknowledged.push(email);
            return None;
        }
        Some(status)
    });
    assert_eq!(refused, Some(503), "the disk was never full: {} were acknowledged", acknowledged.len());
    let stored = invited(&server, &key);
    let lost: Vec<&String> = acknowledged.iter().filter(|email| !stored.contains(*email)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert!(server.get("/sign-in").starts_with("HTTP/1.1 200"));
    server.kill();
    // With room again, the server continues.
    let server = machine.serve(&[], &["serve"]);
    assert_eq!(invite(&server, &key, "late@acme.test"), Some(200));
    let stored = invited(&server, &key);
    assert!(acknowledged.iter().all(|email| stored.contains(email)));
    server.stop();
    machine.run(&["audit", "verify"]).ok();
}
