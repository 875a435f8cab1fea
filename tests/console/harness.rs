//! The test fixture: each test gets its own database on SQLite and then on Postgres, the real router, users with
//! cookie jars, API clients with keys, and a clock that the test moves.
//!
//! ```ignore
//! #[tokio::test(flavor = "multi_thread")]
//! async fn bob_is_invited() {
//!     on_each_db(async |app| {
//!         let ada = app.user("Ada Byron", "ada@acme.test").await;
//!         let created = ada.post("/new/organization", &[("name", "Acme")]).await;
//!         created.assert_status(303).assert_redirect("/a/acme/overview");
//!     })
//!     .await;
//! }
//! ```
mod client;
mod dns;
mod html;
mod openapi_check;
pub mod process;
mod provider;

pub use client::{ApiClient, TestResponse, TestUser};
pub use dns::Dns;
pub use html::select;
pub use provider::Provider;

use guildhall::{
    clients::payments::PaymentProvider,
    context::{Clock, Context, InstallationConfig},
    crypto::random::Random,
    crypto::{password, secrets::Secrets},
    db::Db,
    emails::EmailMessage,
    gateway::replica_sync::ReplicaSync,
    http::{App, ServerConfig},
    model::{
        catalog::Catalog,
        id::{MembershipId, UserId},
        text::{EmailAddress, Name},
        time::Time,
        token,
    },
    store::{Change, Scope, System, accounts, keys, mails, tokens, users},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::sync::OnceCell;

/// The password of every user that [`TestApp::user`] creates.
pub const PASSWORD: &str = "correct horse battery staple";
/// The base URL of an app that is not served over a socket.
pub const BASE: &str = "http://127.0.0.1:3000";

/// One installation under test.
pub struct TestApp {
    pub state: App,
    pub db: Db,
    pub kit: Context,
    /// How far the clock is ahead of the real one, in microseconds.
    ahead: Arc<AtomicI64>,
    _dir: tempfile::TempDir,
}

/// Scales a wall-clock wait or budget by `TEST_TIME_SCALE` (1 if unset), for machines that are slow or busy.
pub fn scaled(time: Duration) -> Duration {
    let scale = std::env::var("TEST_TIME_SCALE").ok();
    time.mul_f64(scale.map_or(1.0, |value| value.parse().expect("TEST_TIME_SCALE is a number")))
}

/// Runs a test on SQLite, then on Postgres.
pub async fn on_each_db(test: impl AsyncFn(&TestApp)) {
    on_each_db_with(|_| {}, test).await;
}

/// Like [`on_each_db`], with changed rules.
pub async fn on_each_db_with(rules: impl Fn(&mut InstallationConfig), test: impl AsyncFn(&TestApp)) {
    run_on_each_db(async |url| TestApp::open(url, &rules).await, test).await;
}

/// Like [`on_each_db`], with the catalogue as shipped, including the rate limit of our own API. Other tests have none.
pub async fn on_each_db_as_shipped(test: impl AsyncFn(&TestApp)) {
    let open = async |url| {
        let catalog = Catalog::parse(Catalog::BUILT_IN).unwrap();
        TestApp::open_with(url, &|_: &mut InstallationConfig| {}, catalog).await
    };
    run_on_each_db(open, test).await;
}

/// Like [`on_each_db`], and served on a real socket, so that browsers can connect.
pub async fn on_each_db_served(test: impl AsyncFn(&TestApp)) {
    run_on_each_db(async |url| serve(url, "127.0.0.1", None).await, test).await;
}

/// Like [`on_each_db_served`], under a host name, because passkeys are bound to one.
pub async fn on_each_db_at_localhost(test: impl AsyncFn(&TestApp)) {
    run_on_each_db(async |url| serve(url, "localhost", None).await, test).await;
}

/// Like [`on_each_db_served`], with this payment provider.
pub async fn on_each_db_with_payments(
    till: impl Fn() -> Arc<dyn PaymentProvider>,
    test: impl AsyncFn(&TestApp),
) {
    run_on_each_db(async |url| serve(url, "127.0.0.1", Some(till())).await, test).await;
}

/// An app on SQLite that browsers can reach, for what does not depend on the database.
pub async fn serve_on_sqlite() -> TestApp {
    serve(None, "127.0.0.1", None).await
}

async fn run_on_each_db(open: impl AsyncFn(Option<String>) -> TestApp, test: impl AsyncFn(&TestApp)) {
    for url in [None, Some(fresh_postgres().await)] {
        println!("on {}", if url.is_some() { "Postgres" } else { "SQLite" });
        let app = open(url).await;
        test(&app).await;
        app.db.close().await;
    }
}

async fn serve(url: Option<String>, host: &str, till: Option<Arc<dyn PaymentProvider>>) -> TestApp {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{host}:{}", listener.local_addr().unwrap().port());
    let mut app =
        TestApp::open(url, &|rules: &mut InstallationConfig| rules.base_url.clone_from(&base)).await;
    if let Some(till) = till {
        app.state = app.state.with_payment_provider(till);
    }
    let service = app.state.clone().into_service(guildhall::routes()).into_make_service();
    tokio::spawn(async move { axum::serve(listener, service).await });
    app
}

/// The URL of a new, empty database on the Postgres server of the tests.
pub async fn fresh_postgres() -> String {
    let server = std::env::var("TEST_PG").expect("TEST_PG names a Postgres server: run ./scripts/test");
    let name = format!("t{}", uuid::Builder::from_random_bytes(Random::real().bytes()).into_uuid().simple());
    let admin = sqlx::PgPool::connect(&server).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("create database {name}"))).execute(&admin).await.unwrap();
    admin.close().await;
    format!("{}/{name}", server.rsplit_once('/').unwrap().0)
}

impl TestApp {
    async fn open(url: Option<String>, rules: &impl Fn(&mut InstallationConfig)) -> TestApp {
        let mut catalog = Catalog::parse(Catalog::BUILT_IN).unwrap();
        catalog.api.iter_mut().for_each(|limit| limit.requests = 1_000_000);
        TestApp::open_with(url, rules, catalog).await
    }

    async fn open_with(
        url: Option<String>,
        rules: &impl Fn(&mut InstallationConfig),
        catalog: Catalog,
    ) -> TestApp {
        let dir = tempfile::tempdir().unwrap();
        let url = url.unwrap_or_else(|| format!("sqlite://{}/guildhall.db", dir.path().display()));
        TestApp::start(dir, &url, &[7; 32], 0, rules, catalog).await
    }

    /// Opens a database that exists, with the secret key that it was made with, at this time on the clock.
    pub async fn open_existing(dir: tempfile::TempDir, url: &str, secret_key: &[u8], now: Time) -> TestApp {
        let catalog = Catalog::parse(Catalog::BUILT_IN).unwrap();
        let ahead = now.0 - Clock::real().now().0;
        TestApp::start(dir, url, secret_key, ahead, &|_: &mut InstallationConfig| {}, catalog).await
    }

    async fn start(
        dir: tempfile::TempDir,
        url: &str,
        secret_key: &[u8],
        ahead: i64,
        rules: &impl Fn(&mut InstallationConfig),
        catalog: Catalog,
    ) -> TestApp {
        let db = Db::connect(url).await.unwrap();
        db.migrate().await.unwrap();
        let ahead = Arc::new(AtomicI64::new(ahead));
        let (real, offset) = (Clock::real(), ahead.clone());
        let clock = Clock::from(move || Time(real.now().0 + offset.load(Ordering::Relaxed)));
        let mut installation = InstallationConfig {
            base_url: BASE.into(),
            max_organizations_per_user: 1,
            open_sign_up: true,
            loopback: true,
            allow_private_addresses: true,
            dns_resolver: None,
            social: guildhall::clients::social::Providers::default(),
        };
        rules(&mut installation);
        let kit = Context::new(clock, Random::real(), Secrets::new(secret_key), catalog, installation);
        let state =
            App::new(db.clone(), kit.clone(), ServerConfig { has_mailbox: true, ..ServerConfig::default() });
        TestApp { state, db, kit, ahead, _dir: dir }
    }

    /// An absolute URL: `http://127.0.0.1:41234/sign-in`.
    pub fn url(&self, path: &str) -> String {
        self.kit.url(path)
    }

    /// Starts what keeps the key cache current. Without it, the cache is never trusted and every request reads the
    /// database.
    pub fn start_replica_sync(&self) -> ReplicaSyncTask {
        let watch = ReplicaSync::new(self.db.clone(), self.kit.clone(), self.state.gateway().clone());
        ReplicaSyncTask(tokio::spawn(watch.run(std::future::pending())))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.ahead.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::Relaxed);
    }

    /// Moves the clock forward to this instant, which must be in the future.
    pub fn advance_to(&self, then: Time) {
        let now = self.kit.now();
        assert!(then > now, "the clock only moves forward");
        self.advance(then.since(now));
    }

    /// A browser in which nobody is signed in.
    pub fn visitor(&self) -> TestUser {
        TestUser::new(self.state.clone(), "", UserId(uuid::Uuid::nil()))
    }

    /// Creates a user with the password [`PASSWORD`] and signs them in.
    pub async fn user(&self, name: &str, email: &str) -> TestUser {
        static HASHED: OnceCell<String> = OnceCell::const_new();
        let hashed = HASHED.get_or_init(async || password::hash_unchecked(PASSWORD).await.unwrap()).await;
        let (name, email) = (Name::parse(name).unwrap(), EmailAddress::parse(email).unwrap());
        let new = users::NewUser { name: &name, email: &email, password: Some(hashed), operator: false };
        let created = self.as_system(async |change| users::create(change, &new).await.unwrap()).await;
        let (user, _) = created.expect("no user has this address yet");
        self.sign_in(&user.email, user.id).await
    }

    async fn sign_in(&self, email: &str, id: UserId) -> TestUser {
        let user = TestUser::new(self.state.clone(), email, id);
        user.post("/sign-in", &[("email", email), ("password", PASSWORD)]).await.assert_status(303);
        user
    }

    /// Signs the same user in with another browser, which has its own cookies.
    pub async fn second_browser(&self, user: &TestUser) -> TestUser {
        self.sign_in(&user.email, user.id).await
    }

    /// Creates an organization and answers its slug, which is the name in lower case.
    pub async fn organization(&self, owner: &TestUser, name: &str) -> String {
        let name = Name::parse(name).unwrap();
        let summary = guildhall::model::actor::UserSummary {
            id: owner.id,
            name: owner.email.clone(),
            email: owner.email.clone(),
        };
        self.as_system(async |change| {
            accounts::open_organization_for(change, &summary, &name, None).await.unwrap()
        })
        .await
    }

    /// Adds a user to an account by an invitation that they accept. `roles` are labels such as `admin` or
    /// `video-developer`.
    pub async fn add_member(
        &self,
        by: &TestUser,
        slug: &str,
        who: &TestUser,
        roles: &[&str],
    ) -> MembershipId {
        let mut form = vec![("emails", who.email.as_str())];
        form.extend(roles.iter().map(|role| ("role", *role)));
        form.extend(roles.iter().map(|_| ("product", "")));
        by.post(&format!("/a/{slug}/invitations"), &form).await.assert_status(303);
        let link = self.email(&who.email).await.link("/invitations/");
        who.post(&format!("{link}/accept"), &[]).await.assert_status(303);
        self.membership(slug, who).await
    }

    /// The id of a user's membership in an account.
    pub async fn membership(&self, slug: &str, who: &TestUser) -> MembershipId {
        let sql = "select m.id from memberships m join accounts a on a.id = m.account_id where a.slug = $1 and m.user_id = $2";
        let mut conn = self.db.read().await.unwrap();
        conn.query(sql).bind(slug.to_owned()).bind(who.id).fetch_one::<(MembershipId,)>().await.unwrap().0
    }

    /// Creates an API key with all permissions of its member.
    pub async fn api_key(&self, slug: &str, who: &TestUser) -> ApiClient {
        let membership = self.membership(slug, who).await;
        let name = Name::parse("Test key").unwrap();
        let secret = self
            .as_system(async |change| {
                let account = accounts::by_slug(change, slug).await.unwrap().unwrap().id;
                keys::create_for(change, account, membership, who.id, &name, None).await.unwrap().1
            })
            .await;
        ApiClient::new(self.state.clone(), secret)
    }

    /// Creates a service token, which the platform's own back end uses.
    pub async fn service_token(&self, scopes: &[token::TokenScope]) -> ApiClient {
        let name = Name::parse("Gateway").unwrap();
        let scopes = token::Scopes::of(scopes);
        let create = async |change: &mut _| tokens::create(change, &name, scopes, None).await.unwrap().1;
        ApiClient::new(self.state.clone(), self.as_system(create).await)
    }

    /// A client with this secret; with `""`, one that sends no credentials.
    pub fn api_client(&self, secret: &str) -> ApiClient {
        ApiClient::new(self.state.clone(), secret.to_owned())
    }

    /// Like [`TestApp::api_client`], for an app that was built by hand.
    pub fn api_client_of(state: &App, secret: &str) -> ApiClient {
        ApiClient::new(state.clone(), secret.to_owned())
    }

    /// The newest email to an address.
    pub async fn email(&self, to: &str) -> SentEmail {
        self.emails(to).await.into_iter().next().unwrap_or_else(|| panic!("no email to {to}"))
    }

    /// All emails to an address, newest first.
    pub async fn emails(&self, to: &str) -> Vec<SentEmail> {
        let host = System("test");
        let mut scope = Scope::system(&self.db, host, &self.kit);
        let all = mails::mailbox(&mut scope, 1000).await.unwrap();
        all.into_iter()
            .map(|kept| SentEmail(kept.email, self.kit.config.base_url.clone()))
            .filter(|email| email.0.to.eq_ignore_ascii_case(to))
            .collect()
    }

    /// Runs a change as the operator on the command line would, in one transaction.
    pub async fn as_system<T>(&self, action: impl AsyncFnOnce(&mut Change<System>) -> T) -> T {
        let mut change = Change::begin_as_system(&self.db, System("test"), &self.kit).await.unwrap();
        let result = action(&mut change).await;
        change.commit().await.unwrap();
        result
    }

    /// Marks a domain as verified, as the operator can without a DNS record.
    pub async fn approve_domain(&self, slug: &str, domain: &str) {
        let domain = guildhall::model::domain::Domain::parse(domain).unwrap();
        self.as_system(async |change| {
            let account = accounts::by_slug(change, slug).await.unwrap().unwrap().id;
            guildhall::store::domains::vouch(change, account, &domain).await.unwrap();
        })
        .await;
    }

    /// The number that a query answers, to check what is stored, whatever the pages show.
    pub async fn count(&self, sql: &'static str) -> i64 {
        self.db.read().await.unwrap().query(sql).fetch_one::<(i64,)>().await.unwrap().0
    }

    /// Replaces a member's grants by one custom role with only this permission.
    pub async fn grant_only(
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
        .execute()
        .await
        .unwrap();
        let sql = "update grants set role = null, role_id = $2 where membership_id = $1";
        conn.query(sql).bind(member).bind(role).execute().await.unwrap();
        conn.commit().await.unwrap();
    }

    /// Sets the password of a user.
    pub async fn set_password(&self, email: &str, password: &str) {
        let hashed = password::hash_unchecked(password).await.unwrap();
        let mut conn = self.db.begin().await.unwrap();
        conn.query("update users set password = $1 where email_key = $2")
            .bind(hashed)
            .bind(email.to_owned())
            .execute()
            .await
            .unwrap();
        conn.commit().await.unwrap();
    }

    /// Runs SQL behind the back of the program, as somebody with access to the database could.
    pub async fn raw_sql(&self, sql: &'static str) {
        let mut conn = self.db.begin().await.unwrap();
        conn.query(sql).execute().await.unwrap();
        conn.commit().await.unwrap();
        // Such a write publishes no invalidation.
        self.kit.invalidations.invalidate_all();
    }
}

/// Stops the task of [`TestApp::start_replica_sync`] when dropped.
pub struct ReplicaSyncTask(tokio::task::JoinHandle<()>);
impl Drop for ReplicaSyncTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An email in the outbox, with the base URL of the app.
pub struct SentEmail(pub EmailMessage, String);

impl SentEmail {
    /// The path of the first link in the text that starts with this path: `link("/invitations/")`.
    pub fn link(&self, path: &str) -> String {
        let prefix = format!("{}{path}", self.1);
        let from = self.0.text.find(&prefix).unwrap_or_else(|| panic!("no {path} in:\n{}", self.0.text));
        let rest = &self.0.text[from + self.1.len()..];
        rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())].to_owned()
    }
}
