//! Letters by real SMTP: delivered once, tried again, given up, erased; no slow recipient delays another.
use crate::harness::{House, each};
use guildhall::{
    letters::{self, Link, Site},
    mail::Postman,
    model::{
        account::LoginType,
        entry::Entry,
        text::Name,
        time::{DAY, HOUR, MINUTE},
    },
    store::{Change, Client, accounts, entry::Credential, grants, invitations, keys},
    worker::Worker,
};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The mail server of `servers/smtp.py`, which keeps what it takes in a directory.
pub struct Server {
    dir: tempfile::TempDir,
    child: Child,
    port: String,
    ca: String,
}

impl Server {
    pub fn start() -> Server {
        let dir = tempfile::tempdir().unwrap();
        let command =
            std::env::var("SMTP_SERVER").expect("SMTP_SERVER runs a mail server: run ./scripts/test");
        let mut words = command.split_whitespace();
        let mut child = Command::new(words.next().unwrap())
            .args(words)
            .arg(dir.path())
            .args(["--user", "guildhall", "--password", "a secret"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut word = |name: &str| lines.next().unwrap().strip_prefix(name).unwrap().to_owned();
        let (port, ca) = (word("PORT="), word("CA="));
        Server { dir, child, port, ca }
    }
    /// Its address, as the program takes it.
    pub fn url(&self) -> String {
        format!("smtp://guildhall:a%20secret@localhost:{}?tls=required&ca={}", self.port, self.ca)
    }
    fn postman(&self) -> Postman {
        Postman::new(&self.url(), "Guildhall <no-reply@acme.test>").unwrap()
    }
    fn taken(&self) -> Vec<Value> {
        let files = std::fs::read_dir(self.dir.path()).unwrap().map(|it| it.unwrap().path());
        let mut files: Vec<_> = files.filter(|it| it.extension().is_some_and(|it| it == "json")).collect();
        files.sort();
        files.iter().map(|it| serde_json::from_str(&std::fs::read_to_string(it).unwrap()).unwrap()).collect()
    }
    /// To whom it was, oldest first.
    pub fn to(&self) -> Vec<String> {
        self.taken().iter().map(|it| it["to"][0].as_str().unwrap().to_owned()).collect()
    }
}
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn worker(house: &House, server: &Server) -> Worker {
    Worker::new(house.db.clone(), house.kit.clone(), Some(server.postman()))
}

async fn write(house: &House, to: &str) {
    let site = Site { host: "here", base_url: "http://here" };
    let letter =
        letters::reset_password(&site, to, &Link { url: "http://here/reset-password/t", until: "noon" });
    house.host(async |change| change.post(&letter).await.unwrap()).await;
}

/// Ada invites an address to Acme; answers a way to look at what became of it.
async fn invite(house: &House, to: &str) {
    let ada = house.user("Ada Byron", "ada@acme.test").await;
    let slug = house.organization(&ada, "Acme").await;
    let membership = house.membership(&slug, &ada).await;
    let name = Name::parse("Test").unwrap();
    let secret = house
        .host(async |change| {
            let account = accounts::by_slug(change, &slug).await.unwrap().unwrap().id;
            keys::create_for(change, account, membership, ada.id, &name, None).await.unwrap().1
        })
        .await;
    let by = Credential::key(&secret);
    let mut change =
        Change::<Entry>::begin(&house.db, &by, &slug, &house.kit, &Client::default()).await.unwrap();
    let wanted = grants::Wanted { role: "member".into(), scope: None, expires_at: None };
    let grants = grants::parse(&mut change, &[wanted]).await.unwrap();
    let made = invitations::invite(&mut change, &[to.into()], &grants, LoginType::Any).await.unwrap();
    assert_eq!(made.rejected, []);
    change.commit().await.unwrap();
}

async fn told(house: &House) -> (String, Option<String>) {
    let mut conn = house.db.read().await.unwrap();
    conn.query("select delivery, delivery_detail from invitations").one().await.unwrap()
}

const WAITING: &str = "select count(*) from mails where sent_at is null and failed_at is null";
const BODIES: &str = "select count(*) from mails where body is not null";

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_arrives_once_encrypted_and_its_body_is_erased() {
    each(async |house| {
        let server = Server::start();
        invite(house, "bob@acme.test").await;
        assert_eq!(told(house).await.0, "queued");
        let worker = worker(house, &server);
        worker.tick().await.unwrap();
        worker.tick().await.unwrap();
        let taken = server.taken();
        assert_eq!(taken.len(), 1);
        assert_eq!((&taken[0]["encrypted"], &taken[0]["user"]), (&true.into(), &"guildhall".into()));
        assert!(taken[0]["text"].as_str().unwrap().contains("/invitations/"));
        assert_eq!(told(house).await, ("sent".into(), None));
        assert_eq!(house.count(BODIES).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_puts_us_off_is_asked_less_and_less_often() {
    each(async |house| {
        let server = Server::start();
        invite(house, "busy-451@acme.test").await;
        let worker = worker(house, &server);
        let tries = "select attempts from mails where subject is not null";
        for (n, wait) in (1..).zip([MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR]) {
            worker.tick().await.unwrap();
            assert_eq!(house.count(tries).await, n);
            house.later(wait.saturating_sub(Duration::from_secs(20)));
            worker.tick().await.unwrap();
            assert_eq!(house.count(tries).await, n, "tried again before {wait:?}");
            house.later(Duration::from_secs(30));
        }
        let (delivery, words) = told(house).await;
        assert_eq!((delivery.as_str(), words.unwrap().contains("451 4.3.0")), ("queued", true));
        // After a day nobody waits for it any more.
        house.later(DAY);
        worker.tick().await.unwrap();
        assert_eq!(told(house).await.0, "failed");
        assert_eq!((house.count(WAITING).await, house.count(BODIES).await), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_told_on_the_invitation_in_the_servers_words() {
    each(async |house| {
        let server = Server::start();
        invite(house, "gone-550@acme.test").await;
        worker(house, &server).tick().await.unwrap();
        let (delivery, words) = told(house).await;
        assert_eq!(delivery, "failed");
        assert!(words.unwrap().contains("550 5.1.1 no such mailbox here"));
        assert_eq!((house.count(WAITING).await, house.count(BODIES).await), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_and_a_passing_fault_are_tried_again() {
    each(async |house| {
        let server = Server::start();
        write(house, "drop@acme.test").await;
        write(house, "flaky@acme.test").await;
        let worker = worker(house, &server);
        worker.tick().await.unwrap();
        assert_eq!((server.to().len(), house.count(WAITING).await), (0, 2));
        house.later(2 * MINUTE);
        worker.tick().await.unwrap();
        assert_eq!((server.to(), house.count(WAITING).await), (vec!["flaky@acme.test".into()], 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_recipient_delays_nobody() {
    each(async |house| {
        let server = Server::start();
        for to in ["slow+1@acme.test", "slow+2@acme.test", "a@acme.test", "b@acme.test", "c@acme.test"] {
            write(house, to).await;
        }
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(worker(house, &server).run(async { drop(stopped.await) }));
        let began = Instant::now();
        while server.to().len() < 3 {
            assert!(began.elapsed() < Duration::from_secs(4), "{:?}", server.to());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(server.to().iter().all(|it| !it.starts_with("slow")));
        // Told to stop, it finishes what is on its way.
        stop.send(()).unwrap();
        running.await.unwrap();
        assert_eq!((server.to().len(), house.count(WAITING).await), (5, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_down_gets_the_letters_later() {
    each(async |house| {
        let gone = Server::start();
        let nobody = worker(house, &gone);
        drop(gone);
        write(house, "bob@acme.test").await;
        nobody.tick().await.unwrap();
        assert_eq!(house.count(WAITING).await, 1);
        let server = Server::start();
        house.later(2 * MINUTE);
        worker(house, &server).tick().await.unwrap();
        assert_eq!((server.to(), house.count(WAITING).await), (vec!["bob@acme.test".into()], 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_deliver_each_letter_once() {
    each(async |house| {
        let server = Server::start();
        for n in 0..20 {
            write(house, &format!("p{n}@acme.test")).await;
        }
        let (one, two) = (worker(house, &server), worker(house, &server));
        let (a, b) = tokio::join!(one.tick(), two.tick());
        a.and(b).unwrap();
        let mut to = server.to();
        to.sort();
        to.dedup();
        assert_eq!((server.taken().len(), to.len()), (20, 20));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_the_mailbox_keeps_letters_for_a_day() {
    each(async |house| {
        write(house, "bob@acme.test").await;
        let worker = Worker::new(house.db.clone(), house.kit.clone(), None);
        worker.tick().await.unwrap();
        assert_eq!((house.count(WAITING).await, house.count(BODIES).await), (0, 1));
        house.later(DAY + MINUTE);
        worker.tick().await.unwrap();
        assert_eq!(house.count(BODIES).await, 0);
    })
    .await;
}
