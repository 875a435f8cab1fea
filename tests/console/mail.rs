//! The outbox over real SMTP: delivered once, retried with backoff, given up, erased; a slow recipient
//! delays nobody else.
use crate::harness::{TestApp, on_each_db, scaled};
use guildhall::{
    clients::smtp::SmtpMailer,
    emails::{self, Link, Site},
    jobs::Worker,
    model::{
        account::LoginType,
        text::Name,
        time::{DAY, HOUR, MINUTE},
    },
    store::{Change, Client, access::Credential, accounts, grants, invitations, keys},
};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The mail server of `servers/smtp.py`: it stores each email as a JSON file.
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
        let mut value = |name: &str| lines.next().unwrap().strip_prefix(name).unwrap().to_owned();
        let (port, ca) = (value("PORT="), value("CA="));
        Server { dir, child, port, ca }
    }
    /// The value of the SMTP setting for this server.
    pub fn url(&self) -> String {
        format!("smtp://guildhall:a%20secret@localhost:{}?tls=required&ca={}", self.port, self.ca)
    }
    fn postman(&self) -> SmtpMailer {
        SmtpMailer::new(&self.url(), "Guildhall <no-reply@acme.test>").unwrap()
    }
    fn delivered(&self) -> Vec<Value> {
        let files = std::fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            files.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
        files.sort();
        files
            .iter()
            .map(|path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
            .collect()
    }
    /// The recipients, oldest first.
    pub fn recipients(&self) -> Vec<String> {
        self.delivered().iter().map(|email| email["to"][0].as_str().unwrap().to_owned()).collect()
    }
}
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn worker(app: &TestApp, server: &Server) -> Worker {
    Worker::new(app.db.clone(), app.kit.clone(), Some(server.postman()))
}

async fn write(app: &TestApp, to: &str) {
    let site = Site { host: "here", base_url: "http://here" };
    let email =
        emails::reset_password(&site, to, &Link { url: "http://here/reset-password/t", until: "noon" });
    app.as_system(async |change| change.send(&email).await.unwrap()).await;
}

/// Ada invites an address to Acme.
async fn invite(app: &TestApp, to: &str) {
    let ada = app.user("Ada Byron", "ada@acme.test").await;
    let slug = app.organization(&ada, "Acme").await;
    let membership = app.membership(&slug, &ada).await;
    let name = Name::parse("Test").unwrap();
    let secret = app
        .as_system(async |change| {
            let account = accounts::by_slug(change, &slug).await.unwrap().unwrap().id;
            keys::create_for(change, account, membership, ada.id, &name, None).await.unwrap().1
        })
        .await;
    let credential = Credential::key(&secret);
    let mut change =
        Change::begin_in_account(&app.db, &credential, &slug, &app.kit, &Client::default()).await.unwrap();
    let grant = grants::GrantRequest { role: "member".into(), scope: None, expires_at: None };
    let grants = grants::parse(&mut change, &[grant]).await.unwrap();
    let outcome = invitations::invite(&mut change, &[to.into()], &grants, LoginType::Any).await.unwrap();
    assert_eq!(outcome.rejected, []);
    change.commit().await.unwrap();
}

async fn invitation_delivery(app: &TestApp) -> (String, Option<String>) {
    let mut conn = app.db.read().await.unwrap();
    conn.query("select delivery, delivery_detail from invitations").fetch_one().await.unwrap()
}

const WAITING: &str = "select count(*) from outbox where kind = 'mail' and next_at is not null";
const BODIES: &str = "select count(*) from mails where body is not null";

#[tokio::test(flavor = "multi_thread")]
async fn an_email_is_delivered_once_over_tls_and_its_body_is_erased() {
    on_each_db(async |app| {
        let server = Server::start();
        invite(app, "bob@acme.test").await;
        assert_eq!(invitation_delivery(app).await.0, "queued");
        let worker = worker(app, &server);
        worker.run_once().await.unwrap();
        worker.run_once().await.unwrap();
        let emails = server.delivered();
        assert_eq!(emails.len(), 1);
        assert_eq!((&emails[0]["encrypted"], &emails[0]["user"]), (&true.into(), &"guildhall".into()));
        assert!(emails[0]["text"].as_str().unwrap().contains("/invitations/"));
        assert_eq!(invitation_delivery(app).await, ("sent".into(), None));
        assert_eq!(app.count(BODIES).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_error_is_retried_with_backoff() {
    on_each_db(async |app| {
        let server = Server::start();
        invite(app, "busy-451@acme.test").await;
        let worker = worker(app, &server);
        let attempts = "select attempts from outbox where kind = 'mail'";
        for (n, wait) in (1..).zip([MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR]) {
            worker.run_once().await.unwrap();
            assert_eq!(app.count(attempts).await, n);
            app.advance(wait.saturating_sub(Duration::from_secs(20)));
            worker.run_once().await.unwrap();
            assert_eq!(app.count(attempts).await, n, "tried again before {wait:?}");
            app.advance(Duration::from_secs(30));
        }
        let (delivery, detail) = invitation_delivery(app).await;
        assert_eq!((delivery.as_str(), detail.unwrap().contains("451 4.3.0")), ("queued", true));
        // After a day it is given up.
        app.advance(DAY);
        worker.run_once().await.unwrap();
        assert_eq!(invitation_delivery(app).await.0, "failed");
        assert_eq!((app.count(WAITING).await, app.count(BODIES).await), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_email_shows_the_servers_message_on_the_invitation() {
    on_each_db(async |app| {
        let server = Server::start();
        invite(app, "gone-550@acme.test").await;
        worker(app, &server).run_once().await.unwrap();
        let (delivery, detail) = invitation_delivery(app).await;
        assert_eq!(delivery, "failed");
        assert!(detail.unwrap().contains("550 5.1.1 no such mailbox here"));
        assert_eq!((app.count(WAITING).await, app.count(BODIES).await), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_connections_and_transient_failures_are_retried() {
    on_each_db(async |app| {
        let server = Server::start();
        write(app, "drop@acme.test").await;
        write(app, "flaky@acme.test").await;
        let worker = worker(app, &server);
        worker.run_once().await.unwrap();
        assert_eq!((server.recipients().len(), app.count(WAITING).await), (0, 2));
        app.advance(2 * MINUTE);
        worker.run_once().await.unwrap();
        assert_eq!((server.recipients(), app.count(WAITING).await), (vec!["flaky@acme.test".into()], 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_recipient_delays_no_other_email() {
    on_each_db(async |app| {
        let server = Server::start();
        for to in ["slow+1@acme.test", "slow+2@acme.test", "a@acme.test", "b@acme.test", "c@acme.test"] {
            write(app, to).await;
        }
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(worker(app, &server).run(async { drop(stopped.await) }));
        let started = Instant::now();
        while server.recipients().len() < 3 {
            assert!(started.elapsed() < scaled(Duration::from_secs(4)), "{:?}", server.recipients());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(server.recipients().iter().all(|recipient| !recipient.starts_with("slow")));
        // On shutdown the worker finishes the deliveries in progress.
        stop.send(()).unwrap();
        running.await.unwrap();
        assert_eq!((server.recipients().len(), app.count(WAITING).await), (5, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn emails_are_delivered_once_the_server_is_back() {
    on_each_db(async |app| {
        let stopped = Server::start();
        let early_worker = worker(app, &stopped);
        drop(stopped);
        write(app, "bob@acme.test").await;
        early_worker.run_once().await.unwrap();
        assert_eq!(app.count(WAITING).await, 1);
        let server = Server::start();
        app.advance(2 * MINUTE);
        worker(app, &server).run_once().await.unwrap();
        assert_eq!((server.recipients(), app.count(WAITING).await), (vec!["bob@acme.test".into()], 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_deliver_each_email_once() {
    on_each_db(async |app| {
        let server = Server::start();
        for n in 0..20 {
            write(app, &format!("p{n}@acme.test")).await;
        }
        let (first, second) = (worker(app, &server), worker(app, &server));
        let (a, b) = tokio::join!(first.run_once(), second.run_once());
        a.and(b).unwrap();
        let mut recipients = server.recipients();
        recipients.sort();
        recipients.dedup();
        assert_eq!((server.delivered().len(), recipients.len()), (20, 20));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mail_server_the_mailbox_keeps_emails_for_a_day() {
    on_each_db(async |app| {
        write(app, "bob@acme.test").await;
        let worker = Worker::new(app.db.clone(), app.kit.clone(), None);
        worker.run_once().await.unwrap();
        assert_eq!((app.count(WAITING).await, app.count(BODIES).await), (0, 1));
        app.advance(DAY + MINUTE);
        worker.run_once().await.unwrap();
        assert_eq!(app.count(BODIES).await, 0);
    })
    .await;
}
