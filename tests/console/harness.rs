//! A house for each test: a database of its own on SQLite and then on Postgres, the real router, people with browsers,
//! programs with keys, a clock that the test moves.
//!
//! ```ignore
//! #[tokio::test(flavor = "multi_thread")]
//! async fn bob_is_invited() {
//!     each(async |house| {
//!         let ada = house.user("Ada Byron", "ada@acme.test").await;
//!         ada.post("/new/organization", &[("name", "Acme")]).await.is(303).to("/a/acme/overview");
//!     })
//!     .await;
//! }
//! ```
mod described;
mod dns;
pub mod machine;
mod person;
mod provider;

pub use dns::Dns;
pub use person::{Person, Program, Said};
pub use provider::Provider;

use guildhall::{
    app::{App, Serving},
    db::Db,
    kit::{Chance, Clock, Kit, Rules, password, secret::Seal},
    letters::Letter,
    model::{
        catalog::Catalog,
        id::{MembershipId, UserId},
        text::{Email, Name},
        time::Time,
        token,
    },
    store::{Change, Client, Host, Scope, accounts, keys, mails, tokens, users},
    till::Till,
    worker::watch::Watch,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::sync::OnceCell;

/// The password of everybody whom `user` makes.
pub const PASSWORD: &str = "correct horse battery staple";
/// Where the house believes to be reached.
pub const BASE: &str = "http://127.0.0.1:3000";

/// One installation.
pub struct House {
    /// The running program.
    pub app: App,
    /// Its database.
    pub db: Db,
    /// Its clock and the rest.
    pub kit: Kit,
    ahead: Arc<AtomicI64>,
    _dir: tempfile::TempDir,
}

/// Tells a story on SQLite, then on Postgres.
pub async fn each(story: impl AsyncFn(&House)) {
    each_with(|_| {}, story).await;
}

/// The same, in an installation with other rules.
pub async fn each_with(rules: impl Fn(&mut Rules), story: impl AsyncFn(&House)) {
    for url in [None, Some(fresh_postgres().await)] {
        let engine = if url.is_some() { "Postgres" } else { "SQLite" };
        println!("on {engine}");
        let house = House::open(url, &rules).await;
        story(&house).await;
        house.db.close().await;
    }
}

/// The same, with the catalogue as it is shipped: our own API has its limit. Elsewhere a story asks as often as it likes.
pub async fn each_as_shipped(story: impl AsyncFn(&House)) {
    for url in [None, Some(fresh_postgres().await)] {
        let catalog = Catalog::parse(Catalog::BUILT_IN).unwrap();
        let house = House::open_with(url, &|_: &mut Rules| {}, catalog).await;
        story(&house).await;
        house.db.close().await;
    }
}

/// The same, reached by real browsers over a real socket.
pub async fn each_served(story: impl AsyncFn(&House)) {
    for url in [None, Some(fresh_postgres().await)] {
        let house = served(url, "127.0.0.1").await;
        story(&house).await;
        house.db.close().await;
    }
}

/// An installation on SQLite that browsers can reach, for what does not depend on the engine.
pub async fn one_served() -> House {
    served(None, "127.0.0.1").await
}

/// The same as `each_served`, reached by a name: passkeys are bound to one.
pub async fn each_served_by_name(story: impl AsyncFn(&House)) {
    for url in [None, Some(fresh_postgres().await)] {
        let house = served(url, "localhost").await;
        story(&house).await;
        house.db.close().await;
    }
}

/// The same, where invoices are paid by this till, and the house is reached over a real socket.
pub async fn each_paid_by(till: impl Fn() -> Arc<dyn Till>, story: impl AsyncFn(&House)) {
    for url in [None, Some(fresh_postgres().await)] {
        let house = served_by(url, "127.0.0.1", Some(till())).await;
        story(&house).await;
        house.db.close().await;
    }
}

async fn served(url: Option<String>, name: &str) -> House {
    served_by(url, name, None).await
}

async fn served_by(url: Option<String>, name: &str, till: Option<Arc<dyn Till>>) -> House {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{name}:{}", listener.local_addr().unwrap().port());
    let mut house = House::open(url, &|rules: &mut Rules| rules.base_url.clone_from(&base)).await;
    if let Some(till) = till {
        house.app = house.app.paid_by(till);
    }
    let service = house.app.clone().front(guildhall::routes()).for_each_connection();
    tokio::spawn(async move { axum::serve(listener, service).await });
    house
}

/// A new database on the Postgres of the tests.
pub async fn fresh_postgres() -> String {
    let server = std::env::var("TEST_PG").expect("TEST_PG names a Postgres server: run ./scripts/test");
    let name = format!("t{}", uuid::Builder::from_random_bytes(Chance::real().bytes()).into_uuid().simple());
    let admin = sqlx::PgPool::connect(&server).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("create database {name}"))).execute(&admin).await.unwrap();
    admin.close().await;
    format!("{}/{name}", server.rsplit_once('/').unwrap().0)
}

impl House {
    async fn open(url: Option<String>, rules: &impl Fn(&mut Rules)) -> House {
        let mut catalog = Catalog::parse(Catalog::BUILT_IN).unwrap();
        catalog.api.iter_mut().for_each(|it| it.requests = 1_000_000);
        House::open_with(url, rules, catalog).await
    }
    async fn open_with(url: Option<String>, rules: &impl Fn(&mut Rules), catalog: Catalog) -> House {
        let dir = tempfile::tempdir().unwrap();
        let url = url.unwrap_or_else(|| format!("sqlite://{}/guildhall.db", dir.path().display()));
        let db = Db::connect(&url).await.unwrap();
        db.migrate().await.unwrap();
        let ahead = Arc::new(AtomicI64::new(0));
        let (real, by) = (Clock::real(), ahead.clone());
        let clock = Clock::from(move || Time(real.now().0 + by.load(Ordering::Relaxed)));
        let mut decided = Rules {
            base_url: BASE.into(),
            max_organizations_per_user: 1,
            open_sign_up: true,
            loopback: true,
            allow_private_addresses: true,
            dns_resolver: None,
            social: guildhall::kit::social::Providers::default(),
        };
        rules(&mut decided);
        let kit = Kit::new(clock, Chance::real(), Seal::new(&[7; 32]), catalog, decided);
        let app = App::new(db.clone(), kit.clone(), Serving { mailbox: true, ..Serving::default() });
        House { app, db, kit, ahead, _dir: dir }
    }
    /// A whole address: `http://127.0.0.1:41234/sign-in`.
    pub fn url(&self, path: &str) -> String {
        self.kit.url(path)
    }
    /// Lets memory be believed, as a running server does.
    pub fn watch(&self) -> Watching {
        let watch = Watch::new(self.db.clone(), self.kit.clone(), self.app.clone());
        Watching(tokio::spawn(watch.run(std::future::pending())))
    }
    /// Lets time pass.
    pub fn later(&self, by: Duration) {
        self.ahead.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::Relaxed);
    }
    /// Lets time pass until then.
    pub fn until(&self, then: Time) {
        let now = self.kit.now();
        assert!(then > now, "time goes on");
        self.later(then.since(now));
    }
    /// A browser that nobody is signed in with.
    pub fn visitor(&self) -> Person {
        Person::new(self.app.clone(), "", UserId(uuid::Uuid::nil()))
    }
    /// A user with the usual password, signed in.
    pub async fn user(&self, name: &str, email: &str) -> Person {
        static HASHED: OnceCell<String> = OnceCell::const_new();
        let hashed = HASHED.get_or_init(async || password::hash_any(PASSWORD).await.unwrap()).await;
        let (name, email) = (Name::parse(name).unwrap(), Email::parse(email).unwrap());
        let new = users::NewUser { name: &name, email: &email, password: Some(hashed), operator: false };
        let made = self.host(async |change| users::create(change, &new).await.unwrap()).await;
        let (person, _) = made.expect("an address that has no user yet");
        self.sign_in(&person.email, person.id).await
    }
    async fn sign_in(&self, email: &str, id: UserId) -> Person {
        let person = Person::new(self.app.clone(), email, id);
        person.post("/sign-in", &[("email", email), ("password", PASSWORD)]).await.is(303);
        person
    }
    /// The same person with another browser.
    pub async fn again(&self, person: &Person) -> Person {
        self.sign_in(&person.email, person.id).await
    }
    /// Opens an organization for somebody: its slug is the name in small letters.
    pub async fn organization(&self, owner: &Person, name: &str) -> String {
        let name = Name::parse(name).unwrap();
        let person = guildhall::model::entry::Person {
            id: owner.id,
            name: owner.email.clone(),
            email: owner.email.clone(),
        };
        self.host(async |change| accounts::open_organization_for(change, &person, &name, None).await.unwrap())
            .await
    }
    /// Adds a user to an account, by an invitation that they accept. `roles` are labels such as `admin`, `video-developer`.
    pub async fn join(&self, by: &Person, slug: &str, who: &Person, roles: &[&str]) -> MembershipId {
        let mut form = vec![("emails", who.email.as_str())];
        form.extend(roles.iter().map(|it| ("role", *it)));
        form.extend(roles.iter().map(|_| ("product", "")));
        by.post(&format!("/a/{slug}/invitations"), &form).await.is(303);
        let link = self.letter(&who.email).await.link("/invitations/");
        who.post(&format!("{link}/accept"), &[]).await.is(303);
        self.membership(slug, who).await
    }
    /// Somebody's membership in an account.
    pub async fn membership(&self, slug: &str, who: &Person) -> MembershipId {
        let sql = "select m.id from memberships m join accounts a on a.id = m.account_id where a.slug = $1 and m.user_id = $2";
        let mut conn = self.db.read().await.unwrap();
        conn.query(sql).bind(slug.to_owned()).bind(who.id).one::<(MembershipId,)>().await.unwrap().0
    }
    /// An API key for a member that holds all permissions, never more than its member.
    pub async fn key(&self, slug: &str, who: &Person) -> Program {
        let membership = self.membership(slug, who).await;
        let name = Name::parse("Test key").unwrap();
        let secret = self
            .host(async |change| {
                let account = accounts::by_slug(change, slug).await.unwrap().unwrap().id;
                keys::create_for(change, account, membership, who.id, &name, None).await.unwrap().1
            })
            .await;
        Program::new(self.app.clone(), secret)
    }
    /// A program of the platform's own back end.
    pub async fn service(&self, scopes: &[token::Scope]) -> Program {
        let name = Name::parse("Gateway").unwrap();
        let scopes = token::Scopes::of(scopes);
        let make = async |change: &mut _| tokens::create(change, &name, scopes, None).await.unwrap().1;
        Program::new(self.app.clone(), self.host(make).await)
    }
    /// A program with this secret.
    pub fn program(&self, secret: &str) -> Program {
        Program::new(self.app.clone(), secret.to_owned())
    }
    /// The same, before a program that was started otherwise.
    pub fn program_of(app: &App, secret: &str) -> Program {
        Program::new(app.clone(), secret.to_owned())
    }
    /// The newest letter to an address.
    pub async fn letter(&self, to: &str) -> Mail {
        self.letters(to).await.into_iter().next().unwrap_or_else(|| panic!("no letter to {to}"))
    }
    /// All letters to an address, newest first.
    pub async fn letters(&self, to: &str) -> Vec<Mail> {
        let host = Host("test");
        let mut scope = Scope::read(&self.db, host, &self.kit, &Client::default());
        let all = mails::mailbox(&mut scope, 1000).await.unwrap();
        all.into_iter()
            .map(|it| Mail(it.letter, self.kit.rules.base_url.clone()))
            .filter(|it| it.0.to.eq_ignore_ascii_case(to))
            .collect()
    }
    /// What the operator does at the command line, in one transaction.
    pub async fn host<T>(&self, story: impl AsyncFnOnce(&mut Change<Host>) -> T) -> T {
        let mut change = Change::<Host>::begin(&self.db, Host("test"), &self.kit).await.unwrap();
        let told = story(&mut change).await;
        change.commit().await.unwrap();
        told
    }
    /// The operator vouches for a domain.
    pub async fn vouch(&self, slug: &str, domain: &str) {
        let domain = guildhall::model::domain::Domain::parse(domain).unwrap();
        self.host(async |change| {
            let account = accounts::by_slug(change, slug).await.unwrap().unwrap().id;
            guildhall::store::domains::vouch(change, account, &domain).await.unwrap();
        })
        .await;
    }
    /// A number out of the database: what is there, whatever the pages say.
    pub async fn count(&self, sql: &'static str) -> i64 {
        self.db.read().await.unwrap().query(sql).one::<(i64,)>().await.unwrap().0
    }
    /// Leaves a member one custom role that holds this permission alone.
    pub async fn hold_only(
        &self,
        member: MembershipId,
        permission: guildhall::model::permission::Permission,
    ) {
        let mut conn = self.db.begin().await.unwrap();
        let role = self.kit.id();
        conn.query(
            "insert into roles (id, account_id, name, permissions, created_at, updated_at)
             select $1, account_id, $2, $3, 0, 0 from memberships where id = $4",
        )
        .bind(role)
        .bind(format!("Only {}", permission.key()))
        .bind(format!(r#"["{}"]"#, permission.key()))
        .bind(member)
        .run()
        .await
        .unwrap();
        let sql = "update grants set role = null, role_id = $2 where membership_id = $1";
        conn.query(sql).bind(member).bind(role).run().await.unwrap();
        conn.commit().await.unwrap();
    }
    /// Gives a user another password.
    pub async fn set_password(&self, email: &str, password: &str) {
        let hashed = password::hash_any(password).await.unwrap();
        let mut conn = self.db.begin().await.unwrap();
        conn.query("update users set password = $1 where email_key = $2")
            .bind(hashed)
            .bind(email.to_owned())
            .run()
            .await
            .unwrap();
        conn.commit().await.unwrap();
    }
    /// Raw SQL: what somebody with access to the database could do.
    pub async fn tamper(&self, sql: &'static str) {
        let mut conn = self.db.begin().await.unwrap();
        conn.query(sql).run().await.unwrap();
        conn.commit().await.unwrap();
        // What was written behind the program's back, nobody told it.
        self.kit.stale.tell_all();
    }
}

/// Ends what `watch` began.
pub struct Watching(tokio::task::JoinHandle<()>);
impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A letter that was sent.
pub struct Mail(pub Letter, String);

impl Mail {
    /// The path of the first link in the text that begins with this: `link("/invitations/")`.
    pub fn link(&self, path: &str) -> String {
        let whole = format!("{}{path}", self.1);
        let from = self.0.text.find(&whole).unwrap_or_else(|| panic!("no {path} in:\n{}", self.0.text));
        let rest = &self.0.text[from + self.1.len()..];
        rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())].to_owned()
    }
}
