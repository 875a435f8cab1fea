//! Who runs the installation: sees all accounts, sets plans, enters none. And the mailbox of an installation without mail.
use crate::harness::{House, Person, each};
use axum::{body::Body, http::Method};

async fn operator(house: &House) -> Person {
    let op = house.user("Op", "op@acme.test").await;
    house.tamper("update users set operator = true where email = 'op@acme.test'").await;
    op
}

async fn account_id(house: &House, slug: &str) -> String {
    let mut conn = house.db.read().await.unwrap();
    let sql = "select id from accounts where slug = $1";
    conn.query(sql).bind(slug.to_owned()).one::<(uuid::Uuid,)>().await.unwrap().0.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_sees_and_sets_and_enters_nothing() {
    each(async |house| {
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        let op = operator(house).await;
        let page = op.get("/operator").await.is(200).says("Acme").says("ada@acme.test").says("Installation");
        assert!(!page.body.contains("href=\"/a/acme"), "no way in");
        op.get("/a/acme/overview").await.is(404);
        op.get("/a/acme/settings").await.is(404);
        op.get("/a/acme/audit").await.is(404);
        ada.get("/operator").await.is(404);

        let at = format!("/operator/accounts/{}/plan", account_id(house, "acme").await);
        ada.post(&at, &[("plan", "enterprise")]).await.is(404);
        op.post(&at, &[("plan", "gold")]).await.is(422).says("Choose one of the plans");
        op.post(&at, &[("plan", "enterprise")]).await.is(303).to("/operator");
        op.post(&at, &[("plan", "enterprise")]).await.is(303);
        ada.get("/a/acme/settings").await.is(200).says("Enterprise");
        ada.get("/a/acme/audit").await.says("op@acme.test").says("changed the plan from free to enterprise");
        let changes = "select count(*) from audit_events where action = 'plan.changed'";
        assert_eq!(house.count(changes).await, 1, "what stays is no event");
        let nowhere = format!("/operator/accounts/{}/plan", uuid::Uuid::nil());
        op.post(&nowhere, &[("plan", "free")]).await.is(404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_is_paged() {
    each(async |house| {
        let op = operator(house).await;
        house.user("First", "first@acme.test").await;
        for n in 0..50 {
            let name = guildhall::model::text::Name::parse(&format!("Person {n}")).unwrap();
            let email = guildhall::model::text::Email::parse(&format!("p{n}@acme.test")).unwrap();
            let new = guildhall::store::users::NewUser {
                name: &name,
                email: &email,
                password: None,
                operator: false,
            };
            house.host(async |change| guildhall::store::users::create(change, &new).await.unwrap()).await;
        }
        let page = op.get("/operator").await.is(200).says("Person 49").hides("first@acme.test");
        let at = page.body.find("/operator?before=").unwrap();
        let href: String = page.body[at..].chars().take_while(|it| *it != '"').collect();
        op.get(&href).await.is(200).says("first@acme.test").hides("Person 49");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_mails_are_read_at_the_machine_alone() {
    each(async |house| {
        let bob = house.visitor();
        let form = [("name", "Bob"), ("email", "bob@acme.test"), ("password", "seven purple llamas dancing")];
        bob.post("/sign-up", &form).await.is(200);
        let list = bob.get("/dev/mail?to=BOB@acme.test").await.is(200).says("bob@acme.test");
        bob.get("/dev/mail?to=ada@acme.test").await.is(200).says("No mails");
        let at = list.body.find("/dev/mail/").unwrap();
        let href: String = list.body[at..].chars().take_while(|it| *it != '"').collect();
        let mail = bob.get(&href).await.is(200);
        assert!(mail.field("content-security-policy").contains("frame-src 'self'"));
        let at = mail.body.find("/verify-email/").unwrap();
        let link: String = mail.body[at..].chars().take_while(|it| *it != '"').collect();
        let html = bob.get(&format!("{href}/html")).await.is(200);
        let policy = html.field("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && policy.contains("sandbox"), "{policy}");
        bob.get("/dev/mail/nonsense").await.is(404);
        for field in ["forwarded", "x-forwarded-for", "x-forwarded-host", "X-Forwarded-Proto"] {
            for path in ["/dev/mail", &href, &format!("{href}/html")] {
                bob.send(Method::GET, path, &[(field, "x")], Body::empty()).await.is(404);
            }
        }
        bob.post(&link, &[]).await.is(303);
    })
    .await;
}
