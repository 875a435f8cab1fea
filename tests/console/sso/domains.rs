//! Domains: verified by a DNS record, which is checked every day; and who may join because of them.
use crate::harness::{Dns, PASSWORD, Provider, TestApp, TestUser, on_each_db, on_each_db_with};
use guildhall::jobs::Worker;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// The name and the value of the first record that the page asks for.
async fn record(user: &TestUser, slug: &str) -> (String, String) {
    let page = user.get(&format!("/a/{slug}/sso/domains")).await.assert_status(200);
    (page.text_of("#dns-n-1"), page.text_of("#dns-v-1"))
}

async fn check_path(app: &TestApp, slug: &str) -> String {
    let sql = "select d.id from domains d join accounts a on a.id = d.account_id where a.slug = $1";
    let mut conn = app.db.read().await.unwrap();
    let (id,): (uuid::Uuid,) = conn.query(sql).bind(slug.to_owned()).fetch_one().await.unwrap();
    format!("/a/{slug}/sso/domains/{id}/check")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_verifies_a_domain_until_it_is_missing_for_a_week() {
    let (dns, provider) = (Dns::start().await, Provider::start());
    on_each_db_with(
        |rules| rules.dns_resolver = Some(dns.at),
        async |app| {
            provider.set_fault("").await;
            let ada = app.user("Ada", "ada@acme.test").await;
            app.organization(&ada, "Acme").await;
            let add = async |user: &TestUser, slug: &str, domain: &str| {
                user.post(&format!("/a/{slug}/sso/domains"), &[("domain", domain)]).await
            };
            add(&ada, "acme", "acme").await.assert_status(422).assert_contains("is not a domain");
            add(&ada, "acme", "Acme.TEST").await.assert_status(303);
            add(&ada, "acme", "acme.test").await.assert_status(422).assert_contains("listed already");
            let (name, value) = record(&ada, "acme").await;
            assert_eq!(name, "_guildhall.acme.test");
            assert!(value.starts_with("guildhall-verify=") && value.len() > 50, "{value}");
            let check = check_path(app, "acme").await;
            dns.forget(&name);
            ada.post(&check, &[])
                .await
                .assert_status(409)
                .assert_contains("There is no TXT record at _guildhall.acme.test yet");
            dns.text(&name, "guildhall-verify=another");
            ada.post(&check, &[]).await.assert_status(409).assert_contains("says something else");
            dns.text(&name, &value);
            ada.post(&check, &[]).await.assert_status(303);
            ada.get("/a/acme/sso/domains").await.assert_status(200).assert_contains("Verified");

            // Another organization gets another value, and cannot verify the same domain.
            let eve = app.user("Eve", "eve@other.test").await;
            app.organization(&eve, "Other").await;
            add(&eve, "other", "acme.test").await.assert_status(303);
            let (name, theirs) = record(&eve, "other").await;
            assert_ne!(theirs, value);
            dns.text(&name, &theirs);
            eve.post(&check_path(app, "other").await, &[])
                .await
                .assert_status(409)
                .assert_contains("belongs to another organization");
            dns.text(&name, &value);

            let form = [
                ("issuer", provider.issuer.as_str()),
                ("client_id", "guildhall"),
                ("client_secret", "a secret"),
                ("role", "member"),
            ];
            ada.post("/a/acme/sso", &form).await.assert_status(303);
            provider
                .sign_in_through(&app.visitor(), "/sso/acme", "cy@sub.acme.test")
                .await
                .assert_status(403)
                .assert_contains("at no verified domain");
            provider
                .sign_in_through(&app.visitor(), "/sso/acme", "cy@acme.test")
                .await
                .assert_status(303)
                .assert_redirect("/a/acme/overview");
            ada.post("/a/acme/sso/enforce", &[]).await.assert_status(303);
            app.raw_sql("update sso_connections set confirm_by = null").await;

            // The record is checked every day; after seven days without it, the domain is not verified any more.
            let worker = Worker::new(app.db.clone(), app.kit.clone(), None);
            app.advance(DAY + Duration::from_secs(60));
            worker.run_once().await.unwrap();
            dns.forget(&name);
            let verified =
                async || app.count("select count(*) from domains where verified_at is not null").await;
            for _ in 0..7 {
                app.advance(DAY + Duration::from_secs(60));
                worker.run_once().await.unwrap();
                assert_eq!(verified().await, 1);
            }
            assert_eq!(app.count("select count(*) from domains where missing_since is not null").await, 1);
            app.advance(DAY + Duration::from_secs(60));
            worker.run_once().await.unwrap();
            assert_eq!(verified().await, 0);
            assert_eq!(
                app.count("select count(*) from sso_connections where enforced_at is not null").await,
                0
            );
            assert!(app.email("ada@acme.test").await.0.text.contains("missing for seven days"));
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_at_a_private_address_is_not_contacted() {
    let dns = Dns::start().await;
    dns.address("login.acme.test", std::net::Ipv4Addr::LOCALHOST);
    dns.address("cloud.acme.test", std::net::Ipv4Addr::new(169, 254, 169, 254));
    let rules = |rules: &mut guildhall::context::InstallationConfig| {
        rules.dns_resolver = Some(dns.at);
        rules.allow_private_addresses = false;
    };
    on_each_db_with(rules, async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        for (host, words) in [
            ("login.acme.test", "is on this machine or in a private network"),
            ("cloud.acme.test", "is on this machine or in a private network"),
            ("nowhere.acme.test", "The name nowhere.acme.test has no address"),
        ] {
            let issuer = format!("https://{host}");
            let form =
                [("issuer", issuer.as_str()), ("client_id", "x"), ("client_secret", "y"), ("role", "member")];
            ada.post("/a/acme/sso", &form).await.assert_status(303);
            ada.get("/a/acme/sso/test").await.assert_status(303);
            ada.get("/a/acme/sso").await.assert_status(200).assert_contains(words);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_at_a_domain_ask_or_join_as_the_organization_chooses() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        app.approve_domain("acme", "acme.test").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let eve = app.user("Eve", "eve@other.test").await;
        bob.get("/me/join").await.assert_status(200).assert_not_contains("Acme");
        let account = {
            let mut conn = app.db.read().await.unwrap();
            let found: (uuid::Uuid,) =
                conn.query("select id from accounts where slug = 'acme'").fetch_one().await.unwrap();
            found.0.to_string()
        };
        let join = [("account", account.as_str())];
        bob.post("/me/join", &join).await.assert_status(404);

        ada.post("/a/acme/sso/joining", &[("joining", "ask")]).await.assert_status(303);
        bob.get("/me/join").await.assert_status(200).assert_contains("Acme").assert_contains("Ask to join");
        eve.get("/me/join").await.assert_status(200).assert_not_contains("Acme");
        eve.post("/me/join", &join).await.assert_status(404);
        bob.post("/me/join", &join).await.assert_status(303);
        bob.get("/me/join").await.assert_status(200).assert_contains("You asked");
        assert!(app.email("ada@acme.test").await.0.subject.contains("Bob asks to join Acme"));
        let page = ada.get("/a/acme/sso/domains").await.assert_status(200).assert_contains("bob@acme.test");
        let accept = page.attr_of("[formaction]", "formaction");
        ada.post(&accept, &[]).await.assert_status(303);
        bob.get("/a/acme/overview").await.assert_status(200);

        ada.post("/a/acme/sso/joining", &[("joining", "join")]).await.assert_status(303);
        let cy = app.user("Cy", "cy@acme.test").await;
        cy.get("/me/join").await.assert_status(200).assert_contains("Join");
        cy.post("/me/join", &join).await.assert_status(303).assert_redirect("/a/acme/overview");
        cy.get("/a/acme/overview").await.assert_status(200);
        ada.post("/a/acme/sso/joining", &[("joining", "nonsense")]).await.assert_status(422);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_removal_page_says_what_ends_with_a_domain() {
    let provider = Provider::start();
    on_each_db(async |app| {
        provider.set_fault("").await;
        let ada = app.user("Ada", "ada@guest.test").await;
        app.organization(&ada, "Acme").await;
        provider.connect(app, &ada, "acme", "acme.test").await;
        ada.post("/a/acme/sso/domains", &[("domain", "films.test")]).await.assert_status(303);
        ada.post("/a/acme/sso/enforce", &[]).await.assert_status(303);
        let path = async |domain: &str| {
            let mut conn = app.db.read().await.unwrap();
            let found = conn.query("select id from domains where domain = $1").bind(domain.to_owned());
            let (id,): (uuid::Uuid,) = found.fetch_one().await.unwrap();
            format!("/a/acme/sso/domains/{id}/remove")
        };
        let (films, acme) = (path("films.test").await, path("acme.test").await);
        ada.get(&films)
            .await
            .assert_status(200)
            .assert_contains("It is not verified")
            .assert_not_contains("last verified domain");
        ada.get(&acme).await.assert_status(200).assert_contains("It is the last verified domain");
        app.advance(Duration::from_secs(700));
        ada.get(&acme).await.assert_status(200).assert_contains("Your password");
        ada.post(&acme, &[]).await.assert_status(422).assert_contains("Enter your password");
        let enforced = "select count(*) from sso_connections where enforced_at is not null";
        assert_eq!(app.count(enforced).await, 1);
        ada.post(&acme, &[("password", PASSWORD)])
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/sso/domains");
        assert_eq!(app.count(enforced).await, 0);
        assert!(app.email("ada@guest.test").await.0.subject.contains("no longer enforced"));
        ada.get(&acme).await.assert_status(404);
        ada.post(&acme, &[]).await.assert_status(404);
        ada.post(&films, &[]).await.assert_status(303);
        ada.get("/a/acme/sso/domains").await.assert_status(200).assert_contains("No domain yet");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_by_the_domain_uses_up_a_waiting_invitation() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        app.approve_domain("acme", "acme.test").await;
        ada.post("/a/acme/sso/joining", &[("joining", "join")]).await.assert_status(303);
        let dee = app.user("Dee", "dee@acme.test").await;
        let form = [("emails", "dee@acme.test"), ("role", "accountant"), ("product", "")];
        ada.post("/a/acme/invitations", &form).await.assert_status(303);
        let (account,): (uuid::Uuid,) = {
            let mut conn = app.db.read().await.unwrap();
            conn.query("select id from accounts where slug = 'acme'").fetch_one().await.unwrap()
        };
        let join = [("account", account.to_string())];
        dee.post("/me/join", &[("account", join[0].1.as_str())]).await.assert_status(303);
        let accepted =
            "select count(*) from invitations where email = 'dee@acme.test' and status = 'accepted'";
        assert_eq!(app.count(accepted).await, 1);
        let held = "select count(*) from grants g join memberships m on m.id = g.membership_id
            join users u on u.id = m.user_id where u.email = 'dee@acme.test' and g.role = 'accountant'";
        assert_eq!(app.count(held).await, 1, "what the invitation promised");
        let others = "select count(*) from grants g join memberships m on m.id = g.membership_id
            join users u on u.id = m.user_id where u.email = 'dee@acme.test' and g.role <> 'accountant'";
        assert_eq!(app.count(others).await, 0, "and nothing else");
        ada.get("/a/acme/audit").await.assert_status(200).assert_contains("joined");
    })
    .await;
}
