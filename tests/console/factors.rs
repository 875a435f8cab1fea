//! Second factors: an authenticator app, recovery codes, what an organization asks for, mails about new browsers.
use crate::harness::{House, Mail, PASSWORD, Person, Said, each};
use guildhall::store::factors;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_dangerous_act_takes_a_code_for_proof() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let (app, first) = set_up(house, &ada).await;
        house.later(STALE);
        let asked = ada.get("/me/security/recovery-codes").await.is(200).says("Your password");
        assert!(asked.text().contains("Or a code of your app"));
        let path = "/me/security/recovery-codes";
        ada.post(path, &[]).await.is(422).says("Enter your password");
        ada.post(path, &[("proof_code", "000000")]).await.is(422).says("This code is not right");
        let code = app.code(house);
        let renewed = codes(&ada.post(path, &[("proof_code", &code)]).await.is(200));
        assert!(renewed.iter().all(|it| !first.contains(it)));
        half(house, &ada, "").await.post("/sign-in/second", &[("code", &first[0])]).await.is(422);
        half(house, &ada, "").await.post("/sign-in/second", &[("code", &renewed[0])]).await.is(303);

        house.later(STALE);
        ada.post(path, &[("proof_code", &code)]).await.is(422);
        // Who has no password is not asked for one.
        house.tamper("update users set password = null").await;
        let asked = ada.get("/me/delete").await.is(200).says("Code of your app").hides("Your password");
        assert!(!asked.body.contains("type=\"password\""));
        let form = [("confirm", "ada@acme.test"), ("proof_code", &app.code(house))];
        ada.post("/me/delete", &form[..1]).await.is(422).says("Enter a code of your app");
        ada.post("/me/delete", &form).await.is(303).to("/sign-in");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_factor_all_is_as_before() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let slug = house.organization(&ada, "Acme").await;
        let (app, _) = set_up(house, &ada).await;
        let on = format!("/a/{slug}/settings/second-factor");
        ada.post(&on, &[("on", "on")]).await.is(303);
        ada.get(&format!("/a/{slug}/overview")).await.is(200);
        house.later(STALE);
        ada.get("/me/security/authenticator/remove").await.is(200).says("your recovery codes go");
        let form = [("password", "wrong")];
        ada.post("/me/security/authenticator/remove", &form).await.is(422).says("not your password");
        let form = [("password", PASSWORD)];
        ada.post("/me/security/authenticator/remove", &form).await.is(303).to("/me/security");
        assert!(house.letter("ada@acme.test").await.0.subject.contains("was turned off"));
        assert_eq!(house.count("select count(*) from recovery_codes").await, 0);
        ada.get("/me/security").await.is(200).hides("Recovery codes").hides("and second factor");
        ada.get(&format!("/a/{slug}/overview")).await.is(403).says("opens only to who signed in");
        let form = [("email", "ada@acme.test"), ("password", PASSWORD), ("next", "/me")];
        house.visitor().post("/sign-in", &form).await.is(303).to("/me");
        house.later(STEP);
        ada.post("/me/security/authenticator/remove", &[]).await.is(303).to("/me/security");
        ada.get("/me/security/recovery-codes").await.is(303).to("/me/security");
        ada.post("/me/security/recovery-codes", &[("proof_code", &app.code(house))]).await.is(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_asks_for_a_second_factor() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        house.organization(&ada, "Acme").await;
        house.join(&ada, "acme", &bob, &["admin"]).await;
        bob.post("/new/team", &[("name", "Ingest"), ("parent", "acme")]).await.is(303);
        let key = house.key("acme", &bob).await;
        let path = "/a/acme/settings/second-factor";
        ada.get("/a/acme/settings").await.is(200).says("Each member decides for themselves");
        ada.get(path).await.is(200).says("2 members have none yet");
        ada.post(path, &[("on", "on")]).await.is(409).says("Set one up first");
        bob.get("/a/acme/members").await.is(200);

        let (app, _) = set_up(house, &ada).await;
        ada.get(path).await.is(200).says("1 member has none yet");
        house.later(STALE);
        ada.post(path, &[("on", "on")]).await.is(422).says("Enter your password");
        ada.post(path, &[("on", "on"), ("password", PASSWORD)]).await.is(303).to("/a/acme/settings");
        ada.get("/a/acme/settings").await.is(200).says("Every member signs in with one");
        ada.get("/a/acme/audit").await.is(200).says("asked every member for a second factor");

        let teams = house.count("select count(*) from accounts where kind = 'team'").await;
        assert_eq!(teams, 1);
        let barred =
            bob.get("/a/acme/members?q=a").await.is(403).says("A second factor is needed").hides("Ada");
        assert!(barred.body.contains("/sign-in/second?next=/a/acme/members%3Fq%3Da"), "{}", barred.body);
        bob.get("/a/ingest/overview").await.is(403).says("A second factor is needed");
        bob.get_partial("/a/acme/members").await.is(403);
        bob.post("/a/acme/settings", &[("name", "Mine")]).await.is(403);
        bob.get("/a/bob/overview").await.is(200);
        key.get("/api/v1/accounts/acme/members").await.is(200);

        let step =
            bob.get("/sign-in/second?next=/a/acme/members").await.is(200).says("Set up an authenticator app");
        assert!(step.body.contains("/me/security/authenticator?next=/a/acme/members"), "{}", step.body);
        let other = house.again(&bob).await;
        let page = bob.get("/me/security/authenticator?next=/a/acme/members").await.is(200);
        let his = App::reads(&page.body);
        let form =
            [("code", his.code(house)), ("next", "/a/acme/members".into()), ("password", PASSWORD.into())];
        let form: Vec<(&str, &str)> = form.iter().map(|it| (it.0, it.1.as_str())).collect();
        let said = bob.post("/me/security/authenticator", &form).await.is(200);
        assert!(said.body.contains("href=\"/a/acme/members\""));
        bob.get("/a/acme/members").await.is(200);
        bob.get("/a/ingest/overview").await.is(200);

        // Signed in before with the password alone: the other browser steps up.
        other.get("/a/acme/members").await.is(403);
        other.get("/sign-in/second?next=/a/acme/members").await.is(200).says("One more step");
        house.later(STEP);
        let form = [("code", his.code(house)), ("next", "/a/acme/members".into())];
        let form: Vec<(&str, &str)> = form.iter().map(|it| (it.0, it.1.as_str())).collect();
        other.post("/sign-in/second", &form).await.is(303).to("/a/acme/members");
        other.get("/a/acme/members").await.is(200);
        other.get("/sign-in/second?next=/me").await.is(303).to("/me");

        let body = serde_json::json!({ "requires_second_factor": false });
        key.call(axum::http::Method::PATCH, "/api/v1/accounts/acme", &body).await.is(200);
        house.again_by(&ada, &app).await.get("/a/acme/settings").await.is(200).says("Each member decides");
        let team = house.key("ingest", &bob).await;
        let body = serde_json::json!({ "requires_second_factor": true });
        let said = team.call(axum::http::Method::PATCH, "/api/v1/accounts/ingest", &body).await.is(422);
        assert_eq!(said.json()["errors"][0]["pointer"], "/requires_second_factor");
        key.call(axum::http::Method::PATCH, "/api/v1/accounts/acme", &body).await.is(200);
    })
    .await;
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
async fn a_new_browser_is_told_by_mail() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let is_new = |it: &Mail| it.0.subject.starts_with("New sign-in");
        assert!(house.letters("ada@acme.test").await.is_empty(), "the first browser is nobody's surprise");
        let fields = [
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/x-www-form-urlencoded"),
            (
                "user-agent",
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:143.0) Gecko/20100101 Firefox/143.0",
            ),
        ];
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("email", "ada@acme.test"), ("password", PASSWORD)])
            .finish();
        let other = house.visitor();
        other.send(axum::http::Method::POST, "/sign-in", &fields, form.into()).await.is(303);
        let mail = house.letter("ada@acme.test").await;
        assert!(is_new(&mail) && mail.0.subject.ends_with("with Firefox on macOS"), "{}", mail.0.subject);
        assert!(mail.0.text.contains("127.0.0.1") && mail.0.text.contains("/me/security"));
        for secret in ["guildhall", "known"] {
            let secret = other.cookie(secret).unwrap();
            assert!(!mail.0.text.contains(&secret) && !mail.0.html.contains(&secret));
        }
        // Both are known from now on.
        for it in [&ada, &other] {
            it.post("/sign-out", &[]).await.is(303);
            it.post("/sign-in", &[("email", "ada@acme.test"), ("password", PASSWORD)]).await.is(303);
        }
        assert_eq!(house.letters("ada@acme.test").await.iter().filter(|it| is_new(it)).count(), 1);
        let wrong = [("email", "ada@acme.test"), ("password", "wrong")];
        house.visitor().post("/sign-in", &wrong).await.is(422);
        assert_eq!(house.letters("ada@acme.test").await.len(), 1);

        // Nor is who just signed up.
        let bob = house.visitor();
        let form =
            [("name", "Bob"), ("email", "bob@acme.test"), ("password", "entirely unrelated words here")];
        bob.post("/sign-up", &form).await.is(200);
        let link = house.letter("bob@acme.test").await.link("/verify-email/");
        bob.post(&link, &[]).await.is(303);
        bob.post("/sign-out", &[]).await.is(303);
        bob.post("/sign-in", &form[1..]).await.is(303);
        assert_eq!(house.letters("bob@acme.test").await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lost_all_is_helped_by_the_operator() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        set_up(house, &ada).await;
        let lost = half(house, &ada, "").await;
        let email = guildhall::model::text::Email::parse("ADA@acme.test").unwrap();
        let found = house.host(async |change| factors::reset(change, &email).await.unwrap()).await;
        assert_eq!(found.unwrap().id, ada.id);
        assert!(house.letter("ada@acme.test").await.0.subject.starts_with("Your second factors were reset"));
        ada.get("/me").await.is(303).to("/sign-in?next=/me");
        // Half a sign-in from before does not become a whole one.
        lost.post("/sign-in/second", &[("code", "000000")]).await.is(303).to("/sign-in");
        lost.get("/me").await.is(303);
        let form = [("email", "ada@acme.test"), ("password", PASSWORD)];
        let again = house.visitor();
        again.post("/sign-in", &form).await.is(303).to("/a/ada/overview");
        again
            .get("/a/ada/audit")
            .await
            .is(200)
            .says("removed the second factors and passkeys of ada@acme.test");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passkeys_need_more_than_a_forged_answer() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        // At a bare IP address there are none.
        ada.get("/me/security").await.is(200).says("Passkeys are bound to a name");
        ada.get("/sign-in/second").await.is(200);
        ada.post("/me/security/passkeys/challenge", &[]).await.is(409);
        house.visitor().post("/sign-in/passkey/challenge", &[]).await.is(409);
        for answer in
            ["", "{}", "[]", "nonsense", r#"{"id":"a","rawId":"YQ","type":"public-key","response":{}}"#]
        {
            house.visitor().post("/sign-in/passkey", &[("credential", answer)]).await.is(422);
            let form = [("name", "Phone"), ("credential", answer)];
            ada.post("/me/security/passkeys/new", &form).await.is(422);
            house.later(STALE);
            ada.post("/me/delete", &[("confirm", "ada@acme.test"), ("proof_credential", answer)])
                .await
                .is(422);
        }
        let nobody = format!("/me/security/passkeys/{}", uuid::Uuid::nil());
        ada.get(&nobody).await.is(404);
        ada.post(&nobody, &[("name", "Mine")]).await.is(404);
        ada.post("/me/security/password/remove", &[("password", PASSWORD)])
            .await
            .is(409)
            .says("your only way in");
    })
    .await;
}
