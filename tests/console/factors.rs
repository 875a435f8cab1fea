//! Second factors: an authenticator app, recovery codes, what an organization asks for, mails about new browsers.
mod asked;
mod proof;
mod told;

use crate::harness::{House, PASSWORD, Person, Said, each};
use std::time::Duration;
use totp_rs::{Algorithm, Builder, Secret};

const STEP: Duration = Duration::from_secs(30);
const STALE: Duration = Duration::from_secs(700);

/// An authenticator app that read the secret off the page.
pub struct App(Vec<u8>);

impl App {
    pub fn reads(page: &str) -> App {
        let from = page.find("id=\"secret\">").expect("a page that shows a secret") + 12;
        let shown: String =
            page[from..].chars().take_while(|it| *it != '<').filter(|it| *it != ' ').collect();
        App(Secret::try_from_base32(&shown).unwrap().as_bytes().to_vec())
    }
    /// The code that it shows now.
    pub fn code(&self, house: &House) -> String {
        let app = Builder::new().with_algorithm(Algorithm::SHA1).with_secret(self.0.clone()).build().unwrap();
        app.generate(u64::try_from(house.kit.now().0 / 1_000_000).unwrap()).to_string()
    }
}

/// Sets up an authenticator app; answers it and the recovery codes.
pub async fn set_up(house: &House, who: &Person) -> (App, Vec<String>) {
    let page = who.get("/me/security/authenticator").await.is(200);
    let app = App::reads(&page.body);
    let said = who.post("/me/security/authenticator", &[("code", &app.code(house))]).await.is(200);
    (app, codes(&said))
}

fn codes(said: &Said) -> Vec<String> {
    let list =
        said.body.split("id=\"codes\">").nth(1).expect("recovery codes").split("</ul>").next().unwrap();
    list.split("<li>").skip(1).map(|it| it.split('<').next().unwrap().to_owned()).collect()
}

/// A browser that has given the right password, and is asked for more.
async fn half(house: &House, who: &Person, next: &str) -> Person {
    let browser = house.visitor();
    let form = [("email", who.email.as_str()), ("password", PASSWORD), ("next", next)];
    browser.post("/sign-in", &form).await.is(303).to("/sign-in/second");
    browser
}

impl House {
    /// Somebody signs in with another browser, by password and app.
    async fn again_by(&self, who: &Person, app: &App) -> Person {
        let browser = half(self, who, "").await;
        self.later(STEP);
        browser.post("/sign-in/second", &[("code", &app.code(self))]).await.is(303);
        browser
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_asked_for_behind_the_password() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let slug = house.organization(&ada, "Acme").await;
        let page = ada.get("/me/security/authenticator").await.is(200).says("Scan this with your app");
        assert!(
            page.body.contains("autocomplete=\"one-time-code\"") && page.body.contains("<path d=\"M4 4h1v1")
        );
        ada.post("/me/security/authenticator", &[("code", "12")])
            .await
            .is(422)
            .says("This code is not right");
        let app = App::reads(&ada.get("/me/security/authenticator").await.body);
        assert_eq!(app.0, App::reads(&page.body).0, "the secret stays while it is being set up");
        let old = ada.cookie("guildhall");
        let used = app.code(house);
        let said = ada.post("/me/security/authenticator", &[("code", &used)]).await.is(200);
        let codes = codes(&said);
        assert_eq!(codes.len(), 10);
        assert_ne!(ada.cookie("guildhall"), old, "two factors are more than one: a new secret");
        let mail = house.letter("ada@acme.test").await;
        assert!(mail.0.subject.starts_with("An authenticator app was set up"));
        ada.get("/me/security")
            .await
            .is(200)
            .says("On since")
            .says("10 of 10 left")
            .says("and second factor");
        ada.get("/a/ada/audit").await.is(200).says("set up an authenticator app");
        let mut stored = house.db.read().await.unwrap();
        let sealed: (Vec<u8>,) = stored.query("select secret from authenticators").one().await.unwrap();
        assert!(!sealed.0.windows(20).any(|it| it == app.0), "the secret is stored sealed");
        drop(stored);

        let browser = half(house, &ada, "/me?tab=1").await;
        let before = browser.cookie("guildhall");
        for path in ["/me", "/me/security", &format!("/a/{slug}/overview"), "/operator"] {
            assert!(browser.get(path).await.is(303).location().starts_with("/sign-in?next="), "{path}");
        }
        browser.post("/me/sessions/end-others", &[]).await.is(303).to("/sign-in");
        browser.get("/sign-in/second").await.is(200).says("Confirm that you are ada@acme.test");
        browser.post("/sign-in/second", &[("code", "000000")]).await.is(422).says("This code is not right");
        browser.post("/sign-in/second", &[("code", "")]).await.is(422).says("Enter a code");
        // The code that set the app up was its once.
        browser.post("/sign-in/second", &[("code", &used)]).await.is(422);
        house.later(STEP);
        let code = app.code(house);
        let typed = format!("{} {}", &code[..3], &code[3..]);
        browser.post("/sign-in/second", &[("code", &typed)]).await.is(303).to("/me?tab=1");
        assert_ne!(browser.cookie("guildhall"), before);
        browser.get("/me").await.is(200);
        half(house, &ada, "").await.post("/sign-in/second", &[("code", &code)]).await.is(422);

        let lost = half(house, &ada, "").await;
        lost.get("/sign-in/second?with=recovery").await.is(200).says("Recovery code");
        let shouted = codes[3].to_uppercase().replace('-', " ");
        lost.post("/sign-in/second", &[("code", &shouted), ("with", "recovery")]).await.is(303);
        lost.get("/me/security").await.is(200).says("9 of 10 left");
        let mails = house.letters("ada@acme.test").await;
        assert!(mails.iter().any(|it| it.0.subject.starts_with("A recovery code was used")));
        let again = half(house, &ada, "").await;
        again.post("/sign-in/second", &[("code", &codes[3])]).await.is(422);
        again.post("/sign-in/second", &[("code", &codes[4])]).await.is(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_works_once_though_sent_twice_at_once() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let (_, codes) = set_up(house, &ada).await;
        let browsers =
            [half(house, &ada, "").await, half(house, &ada, "").await, half(house, &ada, "").await];
        let sent = browsers.map(|it| {
            let code = codes[0].clone();
            tokio::spawn(async move { it.post("/sign-in/second", &[("code", &code)]).await.status })
        });
        let mut said = vec![];
        for it in sent {
            said.push(it.await.unwrap());
        }
        said.sort_unstable();
        assert_eq!(said, [303, 422, 422]);
        assert_eq!(house.count("select count(*) from recovery_codes where used_at is not null").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_codes_is_slowed_and_locks_nobody_out() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let (app, codes) = set_up(house, &ada).await;
        let thief = half(house, &ada, "").await;
        for _ in 0..10 {
            thief.post("/sign-in/second", &[("code", "000000")]).await.is(422);
        }
        thief.post("/sign-in/second", &[("code", "000000")]).await.is(429);
        // Another try at the password does not bring more tries at the code, not even at the right one.
        half(house, &ada, "").await.post("/sign-in/second", &[("code", &codes[0])]).await.is(429);
        // Her own browser is known, and is counted apart.
        ada.post("/sign-out", &[]).await.is(303);
        let form = [("email", "ada@acme.test"), ("password", PASSWORD)];
        ada.post("/sign-in", &form).await.is(303).to("/sign-in/second");
        house.later(STEP);
        ada.post("/sign-in/second", &[("code", &app.code(house))]).await.is(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_sign_in_ends_by_itself() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let (_, codes) = set_up(house, &ada).await;
        let slow = half(house, &ada, "").await;
        house.later(STALE);
        slow.get("/sign-in/second").await.is(303).to("/sign-in");
        slow.post("/sign-in/second", &[("code", &codes[0])]).await.is(303).to("/sign-in");
        assert_eq!(house.count("select count(*) from recovery_codes where used_at is null").await, 10);
        house.visitor().get("/sign-in/second").await.is(303).to("/sign-in");

        // A new password ends what began with the old one; by mail, it is one factor too.
        let early = half(house, &ada, "").await;
        let visitor = house.visitor();
        visitor.post("/forgot-password", &[("email", "ada@acme.test")]).await.is(200);
        let link = house.letter("ada@acme.test").await.link("/reset-password/");
        let form = [("password", "entirely unrelated words here")];
        visitor.post(&link, &form).await.is(303).to("/sign-in/second");
        visitor.get("/me").await.is(303);
        early.post("/sign-in/second", &[("code", &codes[1])]).await.is(303).to("/sign-in");
        visitor.post("/sign-in/second", &[("code", &codes[1])]).await.is(303);
        visitor.get("/me").await.is(200);
    })
    .await;
}
