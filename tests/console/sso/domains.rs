//! Domains: proven by a record in a name server of the tests' own, looked at each day, and what their people may do.
use crate::harness::{Dns, House, PASSWORD, Person, Provider, each_with};
use guildhall::worker::Worker;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// The name and the value of the record that a page asks for, the first.
async fn record(who: &Person, slug: &str) -> (String, String) {
    let page = who.get(&format!("/a/{slug}/sso/domains")).await.is(200);
    let of = |id: &str| {
        let from = page.body.split(&format!("id=\"{id}\">")).nth(1).unwrap_or_else(|| panic!("no {id}"));
        from.split('<').next().unwrap().to_owned()
    };
    (of("dns-n-1"), of("dns-v-1"))
}

async fn check_path(house: &House, slug: &str) -> String {
    let sql = "select d.id from domains d join accounts a on a.id = d.account_id where a.slug = $1";
    let mut conn = house.db.read().await.unwrap();
    let (id,): (uuid::Uuid,) = conn.query(sql).bind(slug.to_owned()).one().await.unwrap();
    format!("/a/{slug}/sso/domains/{id}/check")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_proves_a_domain_and_its_absence_unproves_it() {
    let (dns, provider) = (Dns::start().await, Provider::start());
    each_with(
        |rules| rules.dns_resolver = Some(dns.at),
        async |house| {
            provider.fault("").await;
            let ada = house.user("Ada", "ada@acme.test").await;
            house.organization(&ada, "Acme").await;
            let add = async |who: &Person, slug: &str, domain: &str| {
                who.post(&format!("/a/{slug}/sso/domains"), &[("domain", domain)]).await
            };
            add(&ada, "acme", "acme").await.is(422).says("is no domain");
            add(&ada, "acme", "Acme.TEST").await.is(303);
            add(&ada, "acme", "acme.test").await.is(422).says("listed already");
            let (name, value) = record(&ada, "acme").await;
            assert_eq!(name, "_guildhall.acme.test");
            assert!(value.starts_with("guildhall-verify=") && value.len() > 50, "{value}");
            let check = check_path(house, "acme").await;
            dns.forget(&name);
            ada.post(&check, &[]).await.is(409).says("There is no TXT record at _guildhall.acme.test yet");
            dns.text(&name, "guildhall-verify=another");
            ada.post(&check, &[]).await.is(409).says("says something else");
            dns.text(&name, &value);
            ada.post(&check, &[]).await.is(303);
            ada.get("/a/acme/sso/domains").await.is(200).says("Verified");

            // Another organization has another value, and the name is taken.
            let eve = house.user("Eve", "eve@other.test").await;
            house.organization(&eve, "Other").await;
            add(&eve, "other", "acme.test").await.is(303);
            let (name, theirs) = record(&eve, "other").await;
            assert_ne!(theirs, value);
            dns.text(&name, &theirs);
            eve.post(&check_path(house, "other").await, &[])
                .await
                .is(409)
                .says("belongs to another organization");
            dns.text(&name, &value);

            let form = [
                ("issuer", provider.issuer.as_str()),
                ("client_id", "guildhall"),
                ("client_secret", "a secret"),
                ("role", "member"),
            ];
            ada.post("/a/acme/sso", &form).await.is(303);
            provider
                .enter(&house.visitor(), "/sso/acme", "cy@sub.acme.test")
                .await
                .is(403)
                .says("at no verified domain");
            provider
                .enter(&house.visitor(), "/sso/acme", "cy@acme.test")
                .await
                .is(303)
                .to("/a/acme/overview");
            ada.post("/a/acme/sso/enforce", &[]).await.is(303);
            house.tamper("update sso_connections set confirm_by = null").await;

            // Each day; a name server that is away proves nothing either way.
            let worker = Worker::new(house.db.clone(), house.kit.clone(), None);
            house.later(DAY + Duration::from_secs(60));
            worker.tick().await.unwrap();
            dns.forget(&name);
            let proven =
                async || house.count("select count(*) from domains where verified_at is not null").await;
            for _ in 0..7 {
                house.later(DAY + Duration::from_secs(60));
                worker.tick().await.unwrap();
                assert_eq!(proven().await, 1);
            }
            assert_eq!(house.count("select count(*) from domains where missing_since is not null").await, 1);
            house.later(DAY + Duration::from_secs(60));
            worker.tick().await.unwrap();
            assert_eq!(proven().await, 0);
            assert_eq!(
                house.count("select count(*) from sso_connections where enforced_at is not null").await,
                0
            );
            assert!(house.letter("ada@acme.test").await.0.text.contains("missing for seven days"));
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_inside_is_not_asked() {
    let dns = Dns::start().await;
    dns.address("login.acme.test", std::net::Ipv4Addr::LOCALHOST);
    dns.address("cloud.acme.test", std::net::Ipv4Addr::new(169, 254, 169, 254));
    let rules = |rules: &mut guildhall::kit::Rules| {
        rules.dns_resolver = Some(dns.at);
        rules.allow_private_addresses = false;
    };
    each_with(rules, async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        for (host, words) in [
            ("login.acme.test", "is on this machine or in a private network"),
            ("cloud.acme.test", "is on this machine or in a private network"),
            ("nowhere.acme.test", "There is no address for the name"),
        ] {
            let issuer = format!("https://{host}");
            let form =
                [("issuer", issuer.as_str()), ("client_id", "x"), ("client_secret", "y"), ("role", "member")];
            ada.post("/a/acme/sso", &form).await.is(303);
            ada.get("/a/acme/sso/test").await.is(303);
            ada.get("/a/acme/sso").await.is(200).says(words);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_people_ask_or_join_as_the_organization_chooses() {
    each_with(
        |_| {},
        async |house| {
            let ada = house.user("Ada", "ada@acme.test").await;
            house.organization(&ada, "Acme").await;
            house.vouch("acme", "acme.test").await;
            let bob = house.user("Bob", "bob@acme.test").await;
            let eve = house.user("Eve", "eve@other.test").await;
            bob.get("/me/join").await.is(200).hides("Acme");
            let id = house.membership("acme", &ada).await;
            let _ = id;
            let account = {
                let mut conn = house.db.read().await.unwrap();
                let found: (uuid::Uuid,) =
                    conn.query("select id from accounts where slug = 'acme'").one().await.unwrap();
                found.0.to_string()
            };
            let join = [("account", account.as_str())];
            bob.post("/me/join", &join).await.is(404);

            ada.post("/a/acme/sso/joining", &[("joining", "ask")]).await.is(303);
            bob.get("/me/join").await.is(200).says("Acme").says("Ask to join");
            eve.get("/me/join").await.is(200).hides("Acme");
            eve.post("/me/join", &join).await.is(404);
            bob.post("/me/join", &join).await.is(303);
            bob.get("/me/join").await.is(200).says("You asked");
            assert!(house.letter("ada@acme.test").await.0.subject.contains("Bob asks to join Acme"));
            let page = ada.get("/a/acme/sso/domains").await.is(200).says("bob@acme.test");
            let accept =
                page.body.split("formaction=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
            ada.post(&accept, &[]).await.is(303);
            bob.get("/a/acme/overview").await.is(200);

            ada.post("/a/acme/sso/joining", &[("joining", "join")]).await.is(303);
            let cy = house.user("Cy", "cy@acme.test").await;
            cy.get("/me/join").await.is(200).says("Join");
            cy.post("/me/join", &join).await.is(303).to("/a/acme/overview");
            cy.get("/a/acme/overview").await.is(200);
            ada.post("/a/acme/sso/joining", &[("joining", "nonsense")]).await.is(422);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_with_a_domain_is_said_before() {
    let provider = Provider::start();
    each_with(
        |_| {},
        async |house| {
            provider.fault("").await;
            let ada = house.user("Ada", "ada@guest.test").await;
            house.organization(&ada, "Acme").await;
            provider.connect(house, &ada, "acme", "acme.test").await;
            ada.post("/a/acme/sso/domains", &[("domain", "films.test")]).await.is(303);
            ada.post("/a/acme/sso/enforce", &[]).await.is(303);
            let path = async |domain: &str| {
                let mut conn = house.db.read().await.unwrap();
                let found = conn.query("select id from domains where domain = $1").bind(domain.to_owned());
                let (id,): (uuid::Uuid,) = found.one().await.unwrap();
                format!("/a/acme/sso/domains/{id}/remove")
            };
            let (films, acme) = (path("films.test").await, path("acme.test").await);
            ada.get(&films).await.is(200).says("It is not verified").hides("last verified domain");
            ada.get(&acme).await.is(200).says("It is the last verified domain");
            house.later(Duration::from_secs(700));
            ada.get(&acme).await.is(200).says("Your password");
            ada.post(&acme, &[]).await.is(422).says("Enter your password");
            let enforced = "select count(*) from sso_connections where enforced_at is not null";
            assert_eq!(house.count(enforced).await, 1);
            ada.post(&acme, &[("password", PASSWORD)]).await.is(303).to("/a/acme/sso/domains");
            assert_eq!(house.count(enforced).await, 0);
            assert!(house.letter("ada@guest.test").await.0.subject.contains("no longer enforced"));
            ada.get(&acme).await.is(404);
            ada.post(&acme, &[]).await.is(404);
            ada.post(&films, &[]).await.is(303);
            ada.get("/a/acme/sso/domains").await.is(200).says("No domain yet");
        },
    )
    .await;
}
