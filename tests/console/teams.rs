//! Organizations and teams: creating and listing them.
use crate::harness::{on_each_db, on_each_db_with};
use futures_util::future::join_all;

#[tokio::test(flavor = "multi_thread")]
async fn a_user_creates_no_more_organizations_than_allowed() {
    on_each_db(async |app| {
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        ada.get("/new/organization")
            .await
            .assert_status(200)
            .assert_contains("the plan Free: 60 requests a minute, 10,000 a day");
        let bad = [("name", " "), ("slug", "Not A Slug")];
        let response = ada
            .post("/new/organization", &bad)
            .await
            .assert_status(422)
            .assert_contains("Enter a name")
            .assert_contains("small letters");
        assert!(response.body.contains("value=\"Not A Slug\""));
        for (slug, message) in
            [("api", "reserved"), ("ada-byron", "taken"), ("x", "2 to 40"), ("-a-", "2 to 40")]
        {
            ada.post("/new/organization", &[("name", "Acme"), ("slug", slug)])
                .await
                .assert_status(422)
                .assert_contains(message);
        }
        ada.post("/new/organization", &[("name", "Acme & Söhne")])
            .await
            .assert_status(303)
            .assert_redirect("/a/acme-sohne/overview");
        ada.get("/").await.assert_status(303).assert_redirect("/a/acme-sohne/overview");
        ada.get("/new/organization")
            .await
            .assert_status(200)
            .assert_contains("You may own 1 organization here, and you own 1");
        let full = ada
            .post("/new/organization", &[("name", "Second")])
            .await
            .assert_status(409)
            .assert_contains("Acme & Söhne");
        assert!(full.body.contains("/a/acme-sohne/settings"));
        // The personal account stays separate.
        ada.get("/a/ada-byron/overview").await.assert_status(200).assert_not_contains("Acme & Söhne pays");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_concurrent_requests_respect_the_organization_limit() {
    on_each_db_with(
        |rules| rules.max_organizations_per_user = 3,
        async |app| {
            let ada = app.user("Ada", "ada@acme.test").await;
            let responses =
                join_all((0..50).map(|_| ada.post("/new/organization", &[("name", "Acme")]))).await;
            assert_eq!(responses.iter().filter(|response| response.status == 303).count(), 3);
            assert!(responses.iter().all(|response| [303, 409, 503].contains(&response.status)));
            assert_eq!(app.count("select count(*) from accounts where kind = 'organization'").await, 3);
            let owned = "select count(*) from memberships m join accounts a on a.id = m.account_id \
                 where a.kind = 'organization' and m.is_owner";
            assert_eq!(app.count(owned).await, 3);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_belongs_to_an_organization_or_a_personal_account() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        let page = ada
            .get("/new/team?parent=ada")
            .await
            .assert_status(200)
            .assert_contains("Where it belongs")
            .assert_contains("Acme");
        assert!(!page.select("input[name='parent'][value='ada'][checked]").is_empty());
        ada.post("/new/team", &[("parent", &acme), ("name", "Ingest")])
            .await
            .assert_status(303)
            .assert_redirect("/a/ingest/overview");
        ada.post("/new/team", &[("parent", "ada"), ("name", "Ingest"), ("slug", "own")])
            .await
            .assert_status(303)
            .assert_redirect("/a/own/overview");
        let team = ada
            .get("/a/ingest/overview")
            .await
            .assert_status(200)
            .assert_contains("A team of Acme, which pays for it");
        let settings = "a[href='/a/ingest/settings'][aria-label='Settings of the team Ingest']";
        assert!(!team.select(settings).is_empty());
        ada.get("/a/own/overview")
            .await
            .assert_status(200)
            .assert_contains("its owner’s personal account pays");
        ada.get(&format!("/a/{acme}/teams"))
            .await
            .assert_status(200)
            .assert_contains("Ingest")
            .assert_contains("Acme pays for it");
        ada.get("/a/ada/teams")
            .await
            .assert_status(200)
            .assert_contains("Ingest")
            .assert_contains("You pay for it");
        ada.get("/a/ingest/teams").await.assert_status(404);

        let form = [("parent", acme.as_str()), ("name", "Press"), ("slug", "own")];
        ada.post("/new/team", &form).await.assert_status(422).assert_contains("taken");
        ada.post("/new/team", &[("parent", &acme), ("name", ""), ("slug", "me")])
            .await
            .assert_status(422)
            .assert_contains("reserved");
        let in_team = [("parent", "ingest"), ("name", "Deeper")];
        ada.post("/new/team", &in_team)
            .await
            .assert_status(409)
            .assert_contains("A team has no teams of its own");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn creating_a_team_needs_permission_in_its_parent() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let cy = app.user("Cy", "cy@acme.test").await;
        let eve = app.user("Eve", "eve@acme.test").await;
        app.add_member(&ada, &acme, &bob, &["member"]).await;
        app.add_member(&ada, &acme, &cy, &["accountant"]).await;
        let form = [("parent", acme.as_str()), ("name", "Ingest")];
        // The page does not reveal whether an account exists.
        let foreign = eve.post("/new/team", &form).await.assert_status(422);
        let missing =
            eve.post("/new/team", &[("parent", "nobody"), ("name", "Ingest")]).await.assert_status(422);
        assert_eq!(foreign.text(), missing.text());
        eve.get("/new/team").await.assert_status(200).assert_not_contains("Acme");

        cy.post("/new/team", &form).await.assert_status(403).assert_contains("teams.create");
        cy.get("/new/team").await.assert_status(200).assert_not_contains("Its plan and its bill");
        let page =
            cy.get(&format!("/a/{acme}/teams")).await.assert_status(200).assert_contains("No team yet");
        assert!(!page.body.contains("/new/team?parent="));

        bob.post("/new/team", &form).await.assert_status(303).assert_redirect("/a/ingest/overview");
        bob.get(&format!("/a/{acme}/teams")).await.assert_status(200).assert_contains("Ingest");
        cy.get(&format!("/a/{acme}/teams")).await.assert_status(200).assert_not_contains("Ingest");
        cy.get("/a/ingest/overview").await.assert_status(404);
        // The owner of the organization sees the team and can enter without being a member.
        let page = ada
            .get(&format!("/a/{acme}/teams"))
            .await
            .assert_status(200)
            .assert_contains("Ingest")
            .assert_contains("Bob");
        assert!(page.body.contains(r#"href="/a/ingest/settings""#));
        ada.get("/a/ingest/overview").await.assert_status(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_team_list_is_paginated() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        for n in 10..65 {
            let name = format!("Team {n}");
            ada.post("/new/team", &[("parent", "ada"), ("name", &name)]).await.assert_status(303);
        }
        let first = ada
            .get_partial("/a/ada/teams")
            .await
            .assert_status(200)
            .assert_contains("Team 10")
            .assert_contains("Team 59")
            .assert_not_contains("Team 60");
        assert!(first.body.contains("/a/ada/teams?after=team-59"));
        let second = ada
            .get_partial("/a/ada/teams?after=team-59")
            .await
            .assert_status(200)
            .assert_contains("Team 64")
            .assert_not_contains("Team 59");
        assert!(!second.body.contains("<html") && second.text().contains("5 teams on this page"));
    })
    .await;
}
