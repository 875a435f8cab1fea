//! The operator lists all accounts and sets plans, but can enter none. Also the development mailbox, service
//! tokens and metrics.
use crate::harness::{TestApp, TestUser, on_each_db};
use axum::{body::Body, http::Method};

async fn operator(app: &TestApp) -> TestUser {
    let user = app.user("Op", "op@acme.test").await;
    app.raw_sql("update users set operator = true where email = 'op@acme.test'").await;
    user
}

async fn account_id(app: &TestApp, slug: &str) -> String {
    let mut conn = app.db.read().await.unwrap();
    let sql = "select id from accounts where slug = $1";
    conn.query(sql).bind(slug.to_owned()).fetch_one::<(uuid::Uuid,)>().await.unwrap().0.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_lists_accounts_and_sets_plans_but_enters_none() {
    on_each_db(async |app| {
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        let operator = operator(app).await;
        let page = operator
            .get("/operator")
            .await
            .assert_status(200)
            .assert_contains("Acme")
            .assert_contains("ada@acme.test")
            .assert_contains("Installation");
        assert!(!page.body.contains("href=\"/a/acme"), "no link into the account");
        operator.get("/a/acme/overview").await.assert_status(404);
        operator.get("/a/acme/settings").await.assert_status(404);
        operator.get("/a/acme/audit").await.assert_status(404);
        ada.get("/operator").await.assert_status(404);

        let path = format!("/operator/accounts/{}/plan", account_id(app, "acme").await);
        ada.post(&path, &[("plan", "enterprise")]).await.assert_status(404);
        operator
            .post(&path, &[("plan", "gold")])
            .await
            .assert_status(422)
            .assert_contains("Choose one of the plans");
        operator
            .post(&path, &[("plan", "enterprise")])
            .await
            .assert_status(303)
            .assert_redirect(path.strip_suffix("/plan").unwrap());
        operator.post(&path, &[("plan", "enterprise")]).await.assert_status(303);
        ada.get("/a/acme/settings").await.assert_status(200).assert_contains("Enterprise");
        ada.get("/a/acme/audit")
            .await
            .assert_contains("op@acme.test")
            .assert_contains("changed the plan from free to enterprise");
        let changes = "select count(*) from audit_events where action = 'plan.changed'";
        assert_eq!(app.count(changes).await, 1, "setting the same plan again writes no event");
        let nowhere = format!("/operator/accounts/{}/plan", uuid::Uuid::nil());
        operator.post(&nowhere, &[("plan", "free")]).await.assert_status(404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_list_is_paginated() {
    on_each_db(async |app| {
        let operator = operator(app).await;
        app.user("First", "first@acme.test").await;
        for n in 0..50 {
            let name = guildhall::model::text::Name::parse(&format!("Person {n}")).unwrap();
            let email = guildhall::model::text::EmailAddress::parse(&format!("p{n}@acme.test")).unwrap();
            let new = guildhall::store::users::NewUser {
                name: &name,
                email: &email,
                password: None,
                operator: false,
            };
            app.as_system(async |change| guildhall::store::users::create(change, &new).await.unwrap()).await;
        }
        let page = operator
            .get("/operator")
            .await
            .assert_status(200)
            .assert_contains("Person 49")
            .assert_not_contains("first@acme.test");
        let href = page.attr_of("a[rel='next']", "href");
        let older = operator
            .get(&href)
            .await
            .assert_status(200)
            .assert_contains("first@acme.test")
            .assert_not_contains("Person 49");
        let href = older.attr_of("a[rel='prev']", "href");
        operator
            .get(&href)
            .await
            .assert_status(200)
            .assert_contains("Person 49")
            .assert_not_contains("first@acme.test");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_searched_by_name_plan_and_open_invoices() {
    on_each_db(async |app| {
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        let soeren = app.user("Søren Kjær", "soren@kjaer.test").await;
        app.organization(&ada, "Acme").await;
        app.organization(&soeren, "Łódź 100%").await;
        ada.post("/new/team", &[("parent", "acme"), ("name", "Trailers")]).await.assert_status(303);
        // One invoice for each organization; that of Acme is overdue.
        app.raw_sql(
            "insert into invoices (id, account_id, number, month, currency, total, title, document,
                    issued_at, due_at, status, updated_at)
                 select id, id, slug, 1, 'EUR', case when slug = 'acme' then 4900 else 100 end, '', '', 0,
                    case when slug = 'acme' then 0 else 9000000000000000 end, 'open', 0
                    from accounts where kind = 'organization'",
        )
        .await;
        let operator = operator(app).await;
        let page = operator.get("/operator").await.assert_status(200);
        page.assert_contains("€50.00")
            .assert_contains("1 overdue")
            .assert_contains("€49.00")
            .assert_contains("Overdue")
            .assert_contains("pays: Acme")
            .assert_contains("3 new this month");
        let found = async |query: &str| {
            let page = operator.get(&format!("/operator?{query}")).await.assert_status(200);
            let names = ["Acme", "Łódź 100%", "Trailers", "Ada Byron", "Søren Kjær"];
            let links = page.select(".who b a");
            names.into_iter().filter(|name| links.iter().any(|link| link.text == *name)).collect::<Vec<_>>()
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
        operator
            .get("/operator?q=nobody")
            .await
            .assert_status(200)
            .assert_contains("No account fits")
            .assert_contains("Clear filters");
        ada.get("/operator?q=acme").await.assert_status(404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_development_mailbox_is_not_served_through_a_proxy() {
    on_each_db(async |app| {
        let bob = app.visitor();
        let form = [("name", "Bob"), ("email", "bob@acme.test"), ("password", "seven purple llamas dancing")];
        bob.post("/sign-up", &form).await.assert_status(200);
        let page =
            bob.get("/dev/mail?to=BOB@acme.test").await.assert_status(200).assert_contains("bob@acme.test");
        bob.get("/dev/mail?to=ada@acme.test").await.assert_status(200).assert_contains("No mails");
        let href = page.attr_of("a[href^='/dev/mail/']", "href");
        let mail = bob.get(&href).await.assert_status(200);
        assert!(mail.header("content-security-policy").contains("frame-src 'self'"));
        let start = mail.body.find("/verify-email/").unwrap();
        let link: String = mail.body[start..].chars().take_while(|c| *c != '"').collect();
        let html = bob.get(&format!("{href}/html")).await.assert_status(200);
        let policy = html.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && policy.contains("sandbox"), "{policy}");
        bob.get("/dev/mail/nonsense").await.assert_status(404);
        for field in ["forwarded", "x-forwarded-for", "x-forwarded-host", "X-Forwarded-Proto"] {
            for path in ["/dev/mail", &href, &format!("{href}/html")] {
                bob.send(Method::GET, path, &[(field, "x")], Body::empty()).await.assert_status(404);
            }
        }
        bob.post(&link, &[]).await.assert_status(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn service_tokens_are_created_shown_once_and_revoked() {
    on_each_db(async |app| {
        let operator = operator(app).await;
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        ada.get("/operator/tokens").await.assert_status(404);
        ada.post("/operator/tokens", &[("name", "Mine"), ("scope", "verify")]).await.assert_status(404);
        operator.get("/operator/tokens").await.assert_status(200).assert_contains("No service tokens yet");
        operator
            .post("/operator/tokens", &[("name", " "), ("scope", "verify")])
            .await
            .assert_status(422)
            .assert_contains("Enter a name");
        operator
            .post("/operator/tokens", &[("name", "Gateway")])
            .await
            .assert_status(422)
            .assert_contains("Choose at least one thing");
        assert_eq!(app.count("select count(*) from service_tokens").await, 0);

        let page = operator
            .post("/operator/tokens", &[("name", "Gateway"), ("scope", "verify")])
            .await
            .assert_status(200);
        let start = page.body.find("gh_svc_").unwrap();
        let token = app.api_client(&page.body[start..start + 53]);
        let list = operator
            .get("/operator/tokens")
            .await
            .assert_status(200)
            .assert_contains("Gateway")
            .assert_contains("Verify API keys")
            .assert_not_contains("Report usage");
        assert!(!list.body.contains(&token.secret));
        let body = serde_json::json!({ "key": "x" });
        let ask = || token.call(Method::POST, "/api/v1/keys/verify", &body);
        ask().await.assert_status(200);
        let path = format!("/operator/tokens/{}/revoke", first_token(app).await);
        ada.post(&path, &[]).await.assert_status(404);
        ask().await.assert_status(200);
        operator.post(&path, &[]).await.assert_status(303).assert_redirect("/operator/tokens");
        ask().await.assert_status(401);
        operator.post(&path, &[]).await.assert_status(303);
        operator.get("/operator/tokens").await.assert_status(200).assert_contains("Revoked");
        let events = "select count(*) from audit_events \
             where action in ('service_token.created', 'service_token.revoked')";
        assert_eq!(app.count(events).await, 2);

        // An old sign-in needs reauthentication.
        app.advance(std::time::Duration::from_secs(700));
        let form = [("name", "Second"), ("scope", "usage")];
        operator.get("/operator/tokens/new").await.assert_status(200).assert_contains("Your password");
        operator
            .post("/operator/tokens", &form)
            .await
            .assert_status(422)
            .assert_contains("Enter your password");
        let with = |password: &'static str| [form[0], form[1], ("password", password)];
        operator
            .post("/operator/tokens", &with("wrong"))
            .await
            .assert_status(422)
            .assert_contains("That is not your password");
        operator
            .post("/operator/tokens", &with(crate::harness::PASSWORD))
            .await
            .assert_status(200)
            .assert_contains("Report usage");
    })
    .await;
}

async fn first_token(app: &TestApp) -> String {
    let mut conn = app.db.read().await.unwrap();
    conn.query("select id from service_tokens limit 1")
        .fetch_one::<(uuid::Uuid,)>()
        .await
        .unwrap()
        .0
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_need_loopback_or_the_metrics_token() {
    use guildhall::http::{App, ServerConfig};
    on_each_db(async |app| {
        app.visitor().get("/sign-in").await.assert_status(200);
        app.visitor().get("/no/such/page").await.assert_status(404);
        let page = app.visitor().get("/metrics").await.assert_status(200);
        assert!(page.body.contains("guildhall_build_info{database="));
        let count = "guildhall_request_seconds_count{method=\"GET\",route=\"/sign-in\",status=\"200\"} 1";
        assert!(page.body.contains(count), "{}", page.body);
        assert!(
            page.body.contains("route=\"other\"") && !page.body.contains("/no/such"),
            "no label of a visitor's"
        );
        assert!(page.body.contains("guildhall_mails_waiting 0"));
        let serving = ServerConfig { metrics_token: Some("open sesame".into()), ..ServerConfig::default() };
        let locked = App::new(app.db.clone(), app.kit.clone(), serving);
        let ask = async |secret: &str| TestApp::api_client_of(&locked, secret).get("/metrics").await.status;
        assert_eq!((ask("").await, ask("open").await, ask("open sesame").await), (401, 401, 200));
    })
    .await;
    crate::harness::on_each_db_with(
        |rules| rules.base_url = "https://console.example.com".into(),
        async |app| drop(app.visitor().get("/metrics").await.assert_status(404)),
    )
    .await;
}
