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
        op.post(&at, &[("plan", "enterprise")]).await.is(303).to(at.strip_suffix("/plan").unwrap());
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
        let at = page.body.find("/operator?after=").unwrap();
        let href: String = page.body[at..].chars().take_while(|it| *it != '"').collect();
        let older = op.get(&href).await.is(200).says("first@acme.test").hides("Person 49");
        let at = older.body.find("/operator?before=").unwrap();
        let href: String = older.body[at..].chars().take_while(|it| *it != '"').collect();
        op.get(&href).await.is(200).says("Person 49").hides("first@acme.test");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_found_by_name_plan_and_what_they_owe() {
    each(async |house| {
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        let soeren = house.user("Søren Kjær", "soren@kjaer.test").await;
        house.organization(&ada, "Acme").await;
        house.organization(&soeren, "Łódź 100%").await;
        ada.post("/new/team", &[("parent", "acme"), ("name", "Trailers")]).await.is(303);
        // An invoice for each organization: of Acme's, the day to pay it is over.
        house
            .tamper(
                "insert into invoices (id, account_id, number, month, currency, total, says, document, issued_at, due_at, status, updated_at)
                 select id, id, slug, 1, 'EUR', case when slug = 'acme' then 4900 else 100 end, '', '', 0,
                    case when slug = 'acme' then 0 else 9000000000000000 end, 'open', 0 from accounts where kind = 'organization'",
            )
            .await;
        let op = operator(house).await;
        let page = op.get("/operator").await.is(200);
        page.says("€50.00").says("1 overdue").says("€49.00").says("Overdue").says("pays: Acme").says("3 new this month");
        let found = async |query: &str| {
            let page = op.get(&format!("/operator?{query}")).await.is(200);
            let names = ["Acme", "Łódź 100%", "Trailers", "Ada Byron", "Søren Kjær"];
            names.into_iter().filter(|it| page.body.contains(&format!(">{it}</a></b>"))).collect::<Vec<_>>()
        };
        for (query, names) in [
            ("q=acme", vec!["Acme"]),
            ("q=ADA@acme", vec!["Acme", "Trailers", "Ada Byron"]),
            ("q=soren", vec!["Łódź 100%", "Søren Kjær"]),
            ("q=%C5%82%C3%B3d", vec!["Łódź 100%"]),
            ("q=100%25", vec!["Łódź 100%"]),
            ("q=%25", vec!["Łódź 100%"]),
            ("q=_", vec![]),
            ("kind=team", vec!["Trailers"]),
            ("kind=organization&plan=free", vec!["Acme", "Łódź 100%"]),
            ("plan=enterprise", vec![]),
            ("state=owes", vec!["Acme", "Łódź 100%"]),
            ("state=overdue", vec!["Acme"]),
            ("kind=nonsense", vec![]),
        ] {
            assert_eq!(found(query).await, names, "{query}");
        }
        op.get("/operator?q=nobody").await.is(200).says("No account fits").says("Clear filters");
        ada.get("/operator?q=acme").await.is(404);
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

#[tokio::test(flavor = "multi_thread")]
async fn service_tokens_are_made_shown_once_and_revoked() {
    each(async |house| {
        let op = operator(house).await;
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        ada.get("/operator/tokens").await.is(404);
        ada.post("/operator/tokens", &[("name", "Mine"), ("scope", "verify")]).await.is(404);
        op.get("/operator/tokens").await.is(200).says("No service tokens yet");
        op.post("/operator/tokens", &[("name", " "), ("scope", "verify")]).await.is(422).says("Enter a name");
        op.post("/operator/tokens", &[("name", "Gateway")]).await.is(422).says("Choose at least one thing");
        assert_eq!(house.count("select count(*) from service_tokens").await, 0);

        let made = op.post("/operator/tokens", &[("name", "Gateway"), ("scope", "verify")]).await.is(200);
        let from = made.body.find("gh_svc_").unwrap();
        let token = house.program(&made.body[from..from + 53]);
        let list = op.get("/operator/tokens").await.is(200).says("Gateway").says("Verify API keys").hides("Report usage");
        assert!(!list.body.contains(&token.secret));
        let question = serde_json::json!({ "key": "x" });
        let ask = || token.call(Method::POST, "/api/v1/keys/verify", &question);
        ask().await.is(200);
        let at = format!("/operator/tokens/{}/revoke", first_token(house).await);
        ada.post(&at, &[]).await.is(404);
        ask().await.is(200);
        op.post(&at, &[]).await.is(303).to("/operator/tokens");
        ask().await.is(401);
        op.post(&at, &[]).await.is(303);
        op.get("/operator/tokens").await.is(200).says("Revoked");
        let written = "select count(*) from audit_events where action in ('service_token.created', 'service_token.revoked')";
        assert_eq!(house.count(written).await, 2);

        // An old sign-in proves nothing.
        house.later(std::time::Duration::from_secs(700));
        let form = [("name", "Second"), ("scope", "usage")];
        op.get("/operator/tokens/new").await.is(200).says("Your password");
        op.post("/operator/tokens", &form).await.is(422).says("Enter your password");
        let with = |password: &'static str| [form[0], form[1], ("password", password)];
        op.post("/operator/tokens", &with("wrong")).await.is(422).says("That is not your password");
        op.post("/operator/tokens", &with(crate::harness::PASSWORD)).await.is(200).says("Report usage");
    })
    .await;
}

async fn first_token(house: &House) -> String {
    let mut conn = house.db.read().await.unwrap();
    conn.query("select id from service_tokens limit 1").one::<(uuid::Uuid,)>().await.unwrap().0.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_for_this_machine_or_who_has_the_token() {
    use guildhall::app::{App, Serving};
    each(async |house| {
        house.visitor().get("/sign-in").await.is(200);
        house.visitor().get("/no/such/page").await.is(404);
        let page = house.visitor().get("/metrics").await.is(200);
        assert!(page.body.contains("guildhall_build_info{version="));
        let count = "guildhall_request_seconds_count{route=\"/sign-in\",method=\"GET\",status=\"200\"} 1";
        assert!(page.body.contains(count), "{}", page.body);
        assert!(
            page.body.contains("route=\"other\"") && !page.body.contains("/no/such"),
            "no label of a visitor's"
        );
        assert!(page.body.contains("guildhall_mails_waiting 0"));
        let serving = Serving { metrics_token: Some("open sesame".into()), ..Serving::default() };
        let app = App::new(house.db.clone(), house.kit.clone(), serving);
        let ask = async |secret: &str| House::program_of(&app, secret).get("/metrics").await.status;
        assert_eq!((ask("").await, ask("open").await, ask("open sesame").await), (401, 401, 200));
    })
    .await;
    crate::harness::each_with(
        |rules| rules.base_url = "https://console.example.com".into(),
        async |house| drop(house.visitor().get("/metrics").await.is(404)),
    )
    .await;
}
