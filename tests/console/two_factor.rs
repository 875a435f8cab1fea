//! Second factors: authenticator apps, recovery codes, organizations that require one, emails about new browsers.
mod notifications;
mod reauth;
mod required;

use crate::harness::{PASSWORD, TestApp, TestResponse, TestUser, on_each_db};
use std::time::Duration;
use totp_rs::{Algorithm, Builder, Secret};

/// How long a TOTP code is valid.
const STEP: Duration = Duration::from_secs(30);
/// Longer than a sign-in counts as recent.
const STALE: Duration = Duration::from_secs(700);

/// An authenticator app that was set up with a secret.
pub struct Authenticator(Vec<u8>);

impl Authenticator {
    /// `secret` is in base 32, in groups with spaces between them.
    pub fn new(secret: &str) -> Authenticator {
        Authenticator(Secret::try_from_base32(secret.replace(' ', "")).unwrap().as_bytes().to_vec())
    }

    /// Reads the secret that a page shows.
    fn from_page(page: &TestResponse) -> Authenticator {
        Authenticator::new(&page.text_of("#secret"))
    }

    /// The current code.
    pub fn code(&self, app: &TestApp) -> String {
        let totp =
            Builder::new().with_algorithm(Algorithm::SHA1).with_secret(self.0.clone()).build().unwrap();
        totp.generate(u64::try_from(app.kit.now().0 / 1_000_000).unwrap()).to_string()
    }
}

/// Sets up an authenticator app; answers the app and the recovery codes.
pub async fn set_up(app: &TestApp, who: &TestUser) -> (Authenticator, Vec<String>) {
    let page = who.get("/me/security/authenticator").await.assert_status(200);
    let authenticator = Authenticator::from_page(&page);
    let response = who
        .post("/me/security/authenticator", &[("code", &authenticator.code(app))])
        .await
        .assert_status(200);
    (authenticator, codes(&response))
}

/// The recovery codes that a page shows.
fn codes(response: &TestResponse) -> Vec<String> {
    response.select("#codes li").into_iter().map(|item| item.text).collect()
}

/// A new browser after the password, with the second factor still to come.
async fn after_password(app: &TestApp, who: &TestUser, next: &str) -> TestUser {
    let browser = app.visitor();
    let form = [("email", who.email.as_str()), ("password", PASSWORD), ("next", next)];
    browser.post("/sign-in", &form).await.assert_status(303).assert_redirect("/sign-in/second");
    browser
}

impl TestApp {
    /// Signs a user in with another browser, by password and authenticator app.
    async fn second_browser_with_code(&self, who: &TestUser, authenticator: &Authenticator) -> TestUser {
        let browser = after_password(self, who, "").await;
        self.advance(STEP);
        browser.post("/sign-in/second", &[("code", &authenticator.code(self))]).await.assert_status(303);
        browser
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authenticator_app_is_required_after_the_password() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let slug = app.organization(&ada, "Acme").await;
        let page = ada
            .get("/me/security/authenticator")
            .await
            .assert_status(200)
            .assert_contains("Scan this with your app");
        assert!(
            page.body.contains("autocomplete=\"one-time-code\"") && page.body.contains("<path d=\"M4 4h1v1")
        );
        ada.post("/me/security/authenticator", &[("code", "12")])
            .await
            .assert_status(422)
            .assert_contains("This code is not right");
        let authenticator = Authenticator::from_page(&ada.get("/me/security/authenticator").await);
        assert_eq!(
            authenticator.0,
            Authenticator::from_page(&page).0,
            "the secret stays the same during setup"
        );
        let session = ada.cookie("guildhall");
        let used = authenticator.code(app);
        let response = ada.post("/me/security/authenticator", &[("code", &used)]).await.assert_status(200);
        let codes = codes(&response);
        assert_eq!(codes.len(), 10);
        assert_ne!(ada.cookie("guildhall"), session, "more rights come with a new session secret");
        let mail = app.email("ada@acme.test").await;
        assert!(mail.0.subject.starts_with("An authenticator app was set up"));
        ada.get("/me/security")
            .await
            .assert_status(200)
            .assert_contains("On since")
            .assert_contains("10 of 10 left")
            .assert_contains("and second factor");
        ada.get("/a/ada/audit").await.assert_status(200).assert_contains("set up an authenticator app");
        let mut conn = app.db.read().await.unwrap();
        let stored_secret: (Vec<u8>,) =
            conn.query("select secret from authenticators").fetch_one().await.unwrap();
        assert!(
            !stored_secret.0.windows(20).any(|window| window == authenticator.0),
            "the secret is stored encrypted"
        );
        drop(conn);

        let browser = after_password(app, &ada, "/me?tab=1").await;
        let before = browser.cookie("guildhall");
        for path in ["/me", "/me/security", &format!("/a/{slug}/overview"), "/operator"] {
            assert!(
                browser.get(path).await.assert_status(303).location().starts_with("/sign-in?next="),
                "{path}"
            );
        }
        browser.post("/me/sessions/end-others", &[]).await.assert_status(303).assert_redirect("/sign-in");
        browser
            .get("/sign-in/second")
            .await
            .assert_status(200)
            .assert_contains("Confirm that you are ada@acme.test");
        browser
            .post("/sign-in/second", &[("code", "000000")])
            .await
            .assert_status(422)
            .assert_contains("This code is not right");
        browser
            .post("/sign-in/second", &[("code", "")])
            .await
            .assert_status(422)
            .assert_contains("Enter a code");
        // A code is valid once, and this one set the app up.
        browser.post("/sign-in/second", &[("code", &used)]).await.assert_status(422);
        app.advance(STEP);
        let code = authenticator.code(app);
        let typed = format!("{} {}", &code[..3], &code[3..]);
        browser
            .post("/sign-in/second", &[("code", &typed)])
            .await
            .assert_status(303)
            .assert_redirect("/me?tab=1");
        assert_ne!(browser.cookie("guildhall"), before);
        browser.get("/me").await.assert_status(200);
        after_password(app, &ada, "")
            .await
            .post("/sign-in/second", &[("code", &code)])
            .await
            .assert_status(422);

        let lost = after_password(app, &ada, "").await;
        lost.get("/sign-in/second?with=recovery").await.assert_status(200).assert_contains("Recovery code");
        let shouted = codes[3].to_uppercase().replace('-', " ");
        lost.post("/sign-in/second", &[("code", &shouted), ("with", "recovery")]).await.assert_status(303);
        lost.get("/me/security").await.assert_status(200).assert_contains("9 of 10 left");
        let mails = app.emails("ada@acme.test").await;
        assert!(mails.iter().any(|mail| mail.0.subject.starts_with("A recovery code was used")));
        let again = after_password(app, &ada, "").await;
        again.post("/sign-in/second", &[("code", &codes[3])]).await.assert_status(422);
        again.post("/sign-in/second", &[("code", &codes[4])]).await.assert_status(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_works_once_even_when_sent_concurrently() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let (_, codes) = set_up(app, &ada).await;
        let browsers = [
            after_password(app, &ada, "").await,
            after_password(app, &ada, "").await,
            after_password(app, &ada, "").await,
        ];
        let requests = browsers.map(|browser| {
            let code = codes[0].clone();
            tokio::spawn(async move { browser.post("/sign-in/second", &[("code", &code)]).await.status })
        });
        let mut statuses = vec![];
        for request in requests {
            statuses.push(request.await.unwrap());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 422, 422]);
        assert_eq!(app.count("select count(*) from recovery_codes where used_at is not null").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_codes_is_throttled_and_locks_nobody_out() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let (authenticator, codes) = set_up(app, &ada).await;
        let thief = after_password(app, &ada, "").await;
        for _ in 0..10 {
            thief.post("/sign-in/second", &[("code", "000000")]).await.assert_status(422);
        }
        thief.post("/sign-in/second", &[("code", "000000")]).await.assert_status(429);
        // Another sign-in by password allows no further attempts, not even with a correct code.
        after_password(app, &ada, "")
            .await
            .post("/sign-in/second", &[("code", &codes[0])])
            .await
            .assert_status(429);
        // A browser that is known has its own counter.
        ada.post("/sign-out", &[]).await.assert_status(303);
        let form = [("email", "ada@acme.test"), ("password", PASSWORD)];
        ada.post("/sign-in", &form).await.assert_status(303).assert_redirect("/sign-in/second");
        app.advance(STEP);
        ada.post("/sign-in/second", &[("code", &authenticator.code(app))]).await.assert_status(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_without_its_second_factor_expires() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let (_, codes) = set_up(app, &ada).await;
        let slow = after_password(app, &ada, "").await;
        app.advance(STALE);
        slow.get("/sign-in/second").await.assert_status(303).assert_redirect("/sign-in");
        slow.post("/sign-in/second", &[("code", &codes[0])])
            .await
            .assert_status(303)
            .assert_redirect("/sign-in");
        assert_eq!(app.count("select count(*) from recovery_codes where used_at is null").await, 10);
        app.visitor().get("/sign-in/second").await.assert_status(303).assert_redirect("/sign-in");

        // A new password ends sign-ins that began with the old one. A reset by email is one factor, too.
        let early = after_password(app, &ada, "").await;
        let visitor = app.visitor();
        visitor.post("/forgot-password", &[("email", "ada@acme.test")]).await.assert_status(200);
        let link = app.email("ada@acme.test").await.link("/reset-password/");
        let form = [("password", "entirely unrelated words here")];
        visitor.post(&link, &form).await.assert_status(303).assert_redirect("/sign-in/second");
        visitor.get("/me").await.assert_status(303);
        early
            .post("/sign-in/second", &[("code", &codes[1])])
            .await
            .assert_status(303)
            .assert_redirect("/sign-in");
        visitor.post("/sign-in/second", &[("code", &codes[1])]).await.assert_status(303);
        visitor.get("/me").await.assert_status(200);
    })
    .await;
}
