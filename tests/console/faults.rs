//! What the world does to a server: it is killed, its database goes away, its disk is full. What it acknowledged is there
//! afterwards, what it did not is there whole or not at all, and it comes back by itself.
use crate::{
    harness::machine::{Machine, Server},
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

/// An organization on a machine, and a key of its owner.
fn acme(machine: &Machine) -> String {
    machine.user("ada@acme.test");
    let open = ["account", "create", "--kind", "organization", "--name", "Acme", "--owner", "ada@acme.test"];
    machine.run(&open).ok();
    let key = ["key", "create", "--account", "acme", "--email", "ada@acme.test", "--name", "Load"];
    machine.run(&key).ok().trim().to_owned()
}

fn invite(server: &Server, key: &str, email: &str) -> Option<u16> {
    let body =
        format!(r#"{{"emails":["{email}"],"grants":[{{"role":"member","scope":{{"type":"account"}}}}]}}"#);
    let said = server.call(key, "POST", "/api/v1/accounts/acme/invitations", &body)?;
    assert!([200, 503].contains(&said.status), "{} {}", said.status, said.body);
    Some(said.status)
}

/// Invites from four sides until told to stop; remembers what was acknowledged.
fn load(server: &Server, key: &str, kept: &Mutex<Vec<String>>, round: usize, stop: &AtomicBool) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let email = format!("n{round}-{}@acme.test", next.fetch_add(1, Ordering::Relaxed));
                    match invite(server, key, &email) {
                        Some(200) => kept.lock().unwrap().push(email),
                        Some(_) => std::thread::sleep(Duration::from_millis(20)),
                        None => return,
                    }
                }
            });
        }
    });
}

/// The addresses of all invitations.
fn invited(server: &Server, key: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut after = String::new();
    loop {
        let path = format!("/api/v1/accounts/acme/invitations?limit=200{after}");
        let said = server.call(key, "GET", &path, "").expect("an answer");
        let page: serde_json::Value = serde_json::from_str(&said.body).unwrap();
        let items = page["items"].as_array().unwrap();
        found.extend(items.iter().map(|it| it["email"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { return found };
        after = format!("&after={next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_twenty_times_it_keeps_what_it_acknowledged() {
    for machine in Machine::each().await {
        let mail = MailServer::start();
        let smtp = mail.url();
        let env = [("GUILDHALL_SMTP_URL", smtp.as_str())];
        let key = acme(&machine);
        let kept = Mutex::new(vec![]);
        for round in 0..20_usize {
            let server = machine.serve(&env, &["serve"]);
            let stop = AtomicBool::new(false);
            std::thread::scope(|threads| {
                threads.spawn(|| load(&server, &key, &kept, round, &stop));
                let before = kept.lock().unwrap().len();
                while kept.lock().unwrap().len() < before + 3 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                // At another moment in each round.
                std::thread::sleep(Duration::from_millis(u64::try_from(round).unwrap()));
                server.tell("-KILL");
                stop.store(true, Ordering::Relaxed);
            });
        }
        let kept: BTreeSet<String> = kept.into_inner().unwrap().into_iter().collect();
        let server = machine.serve(&env, &["serve"]);
        let there = invited(&server, &key);
        let lost: Vec<&String> = kept.difference(&there).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let began = Instant::now();
        loop {
            let delivered: BTreeSet<String> = mail.to().into_iter().collect();
            // Every invitation that is there has its mail, acknowledged or not: no half change.
            if there.is_subset(&delivered) {
                break;
            }
            let waiting: Vec<&String> = there.difference(&delivered).collect();
            assert!(began.elapsed() < Duration::from_secs(240), "never mailed: {waiting:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
        server.stop();
        machine.run(&["audit", "verify"]).ok();
    }
}

/// A Postgres of this test's own, which may crash.
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
        let said = Postgres::run(&["start"]);
        let word = |name: &str| {
            let line = said.lines().find_map(|it| it.strip_prefix(&format!("export {name}="))).unwrap();
            line.to_owned()
        };
        Postgres { dir: word("TEST_PG_DIR"), url: word("TEST_PG") }
    }
}
impl Drop for Postgres {
    fn drop(&mut self) {
        Postgres::run(&["stop", &self.dir]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_postgres_is_away_it_says_so_and_then_it_is_back() {
    let postgres = Postgres::start();
    let dir = tempfile::tempdir().unwrap();
    let machine = Machine { dir, url: postgres.url.clone(), is_sqlite: false };
    let key = acme(&machine);
    let server = machine.serve(&[], &["serve"]);
    let kept = Mutex::new(vec![]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| load(&server, &key, &kept, 0, &stop));
        std::thread::sleep(Duration::from_millis(500));
        Postgres::run(&["crash", &postgres.dir]);
        for path in ["/api/v1/accounts/acme", "/api/v1/accounts/acme/members"] {
            let began = Instant::now();
            let said = server.call(&key, "GET", path, "").expect("an answer");
            assert_eq!(said.status, 503, "{}", said.body);
            assert!(said.head.contains("\r\nretry-after: "), "{}", said.head);
            assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        }
        assert!(server.get("/readyz").starts_with("HTTP/1.1 503"));
        assert!(server.get("/healthz").starts_with("HTTP/1.1 200"));
        Postgres::run(&["resume", &postgres.dir]);
        let before = kept.lock().unwrap().len();
        let began = Instant::now();
        while kept.lock().unwrap().len() < before + 5 {
            assert!(began.elapsed() < Duration::from_secs(15), "it does not come back");
            std::thread::sleep(Duration::from_millis(50));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let there = invited(&server, &key);
    let lost: Vec<String> = kept.into_inner().unwrap().into_iter().filter(|it| !there.contains(it)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    server.stop();
    machine.run(&["audit", "verify"]).ok();
}

/// No file of the server may grow beyond what the database has reached: as on a full disk, reading goes on.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_it_says_so_and_loses_nothing() {
    let machine = Machine::lite();
    let key = acme(&machine);
    let server = machine.serve_small(1_200);
    let mut kept = vec![];
    let refused = (0..4_000).find_map(|at| {
        let email = format!("n{at}@acme.test");
        let status = invite(&server, &key, &email).expect("an answer, and no crash");
        if status == 200 {
            kept.push(email);
            return None;
        }
        Some(status)
    });
    assert_eq!(refused, Some(503), "the disk was never full: {} were taken", kept.len());
    let there = invited(&server, &key);
    let lost: Vec<&String> = kept.iter().filter(|it| !there.contains(*it)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert!(server.get("/sign-in").starts_with("HTTP/1.1 200"));
    server.kill();
    // With room again, it goes on where it was.
    let server = machine.serve(&[], &["serve"]);
    assert_eq!(invite(&server, &key, "late@acme.test"), Some(200));
    let there = invited(&server, &key);
    assert!(kept.iter().all(|it| there.contains(it)));
    server.stop();
    machine.run(&["audit", "verify"]).ok();
}
