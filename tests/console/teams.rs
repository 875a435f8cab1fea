//! Organizations and teams: opened, refused, listed.
use crate::harness::{each, each_with};
use futures_util::future::join_all;

#[tokio::test(flavor = "multi_thread")]
async fn ada_opens_one_organization_and_no_more() {
    each(async |house| {
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        ada.get("/new/organization").await.is(200).says("the plan Free: 60 requests a minute, 10,000 a day");
        let bad = [("name", " "), ("slug", "Not A Slug")];
        let said =
            ada.post("/new/organization", &bad).await.is(422).says("Enter a name").says("small letters");
        assert!(said.body.contains("value=\"Not A Slug\""));
        for (slug, why) in [("api", "reserved"), ("ada-byron", "taken"), ("x", "2 to 40"), ("-a-", "2 to 40")]
        {
            ada.post("/new/organization", &[("name", "Acme"), ("slug", slug)]).await.is(422).says(why);
        }
        ada.post("/new/organization", &[("name", "Acme & Söhne")]).await.is(303).to("/a/acme-sohne/overview");
        ada.get("/").await.is(303).to("/a/acme-sohne/overview");
        ada.get("/new/organization").await.is(200).says("You may own 1 organization here, and you own 1");
        let full = ada.post("/new/organization", &[("name", "Second")]).await.is(409).says("Acme & Söhne");
        assert!(full.body.contains("/a/acme-sohne/settings"));
        // The personal account stays, apart.
        ada.get("/a/ada-byron/overview").await.is(200).hides("Acme & Söhne pays");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_open_exactly_as_many_as_allowed() {
    each_with(
        |rules| rules.max_organizations_per_user = 3,
        async |house| {
            let ada = house.user("Ada", "ada@acme.test").await;
            let said = join_all((0..50).map(|_| ada.post("/new/organization", &[("name", "Acme")]))).await;
            assert_eq!(said.iter().filter(|it| it.status == 303).count(), 3);
            assert!(said.iter().all(|it| [303, 409, 503].contains(&it.status)));
            assert_eq!(house.count("select count(*) from accounts where kind = 'organization'").await, 3);
            let owned = "select count(*) from memberships m join accounts a on a.id = m.account_id where a.kind = 'organization' and m.is_owner";
            assert_eq!(house.count(owned).await, 3);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_belongs_to_an_organization_or_to_oneself() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        let page = ada.get("/new/team?parent=ada").await.is(200).says("Where it belongs").says("Acme");
        assert!(page.body.contains(r#"name="parent" value="ada" checked"#));
        ada.post("/new/team", &[("parent", &acme), ("name", "Ingest")])
            .await
            .is(303)
            .to("/a/ingest/overview");
        ada.post("/new/team", &[("parent", "ada"), ("name", "Ingest"), ("slug", "own")])
            .await
            .is(303)
            .to("/a/own/overview");
        let team = ada.get("/a/ingest/overview").await.is(200).says("A team of Acme, which pays for it");
        assert!(team.body.contains(r#"href="/a/ingest/settings" aria-label="Settings of the team Ingest""#));
        ada.get("/a/own/overview").await.is(200).says("its owner’s personal account pays");
        ada.get(&format!("/a/{acme}/teams")).await.is(200).says("Ingest").says("Acme pays for it");
        ada.get("/a/ada/teams").await.is(200).says("Ingest").says("You pay for it");
        ada.get("/a/ingest/teams").await.is(404);

        let typed = [("parent", acme.as_str()), ("name", "Press"), ("slug", "own")];
        ada.post("/new/team", &typed).await.is(422).says("taken");
        ada.post("/new/team", &[("parent", &acme), ("name", ""), ("slug", "me")])
            .await
            .is(422)
            .says("reserved");
        let in_team = [("parent", "ingest"), ("name", "Deeper")];
        ada.post("/new/team", &in_team).await.is(409).says("A team has no teams of its own");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn teams_are_opened_only_where_one_may() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let cy = house.user("Cy", "cy@acme.test").await;
        let eve = house.user("Eve", "eve@acme.test").await;
        house.join(&ada, &acme, &bob, &["member"]).await;
        house.join(&ada, &acme, &cy, &["accountant"]).await;
        let form = [("parent", acme.as_str()), ("name", "Ingest")];
        // A foreign account and none are told apart by nothing.
        let foreign = eve.post("/new/team", &form).await.is(422);
        let none = eve.post("/new/team", &[("parent", "nobody"), ("name", "Ingest")]).await.is(422);
        assert_eq!(foreign.text(), none.text());
        eve.get("/new/team").await.is(200).hides("Acme");

        cy.post("/new/team", &form).await.is(403).says("teams.create");
        cy.get("/new/team").await.is(200).hides("Its plan and its bill");
        let page = cy.get(&format!("/a/{acme}/teams")).await.is(200).says("No team yet");
        assert!(!page.body.contains("/new/team?parent="));

        bob.post("/new/team", &form).await.is(303).to("/a/ingest/overview");
        bob.get(&format!("/a/{acme}/teams")).await.is(200).says("Ingest");
        cy.get(&format!("/a/{acme}/teams")).await.is(200).hides("Ingest");
        cy.get("/a/ingest/overview").await.is(404);
        // The organization's owner sees it, and goes in without being a member.
        let all = ada.get(&format!("/a/{acme}/teams")).await.is(200).says("Ingest").says("Bob");
        assert!(all.body.contains(r#"href="/a/ingest/settings""#));
        ada.get("/a/ingest/overview").await.is(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_teams_come_in_pages() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        for n in 10..65 {
            let name = format!("Team {n}");
            ada.post("/new/team", &[("parent", "ada"), ("name", &name)]).await.is(303);
        }
        let first =
            ada.get_partial("/a/ada/teams").await.is(200).says("Team 10").says("Team 59").hides("Team 60");
        assert!(first.body.contains("/a/ada/teams?after=team-59"));
        let second =
            ada.get_partial("/a/ada/teams?after=team-59").await.is(200).says("Team 64").hides("Team 59");
        assert!(!second.body.contains("<html") && second.text().contains("5 teams on this page"));
    })
    .await;
}
