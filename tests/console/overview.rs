//! The overview of an account shows each visitor only what they may see.
use crate::harness::on_each_db;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_organization_shows_how_to_get_started() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        let path = format!("/a/{acme}/overview");
        ada.get(&path)
            .await
            .assert_status(200)
            .assert_contains("Get started 1 of 5")
            .assert_contains("opened the organization “Acme”");
        let bob = app.user("Bob", "bob@acme.test").await;
        app.add_member(&ada, &acme, &bob, &["admin"]).await;
        ada.get(&path)
            .await
            .assert_status(200)
            .assert_contains("Get started 3 of 5")
            .assert_contains("invited bob@acme.test as Admin");
        ada.post("/new/team", &[("parent", &acme), ("name", "Ingest")]).await.assert_status(303);
        app.api_key(&acme, &ada).await;
        let done = ada
            .get(&path)
            .await
            .assert_status(200)
            .assert_not_contains("Get started")
            .assert_contains("Invite members");
        assert_eq!(done.body.matches("btn-pri").count(), 1, "one primary button");

        let late = app.organization(&bob, "Late").await;
        bob.get(&format!("/a/{late}/overview")).await.assert_status(200).assert_contains("Get started");
        app.advance(Duration::from_secs(13 * 86_400));
        bob.get("/me").await.assert_status(200);
        app.raw_sql("update accounts set created_at = created_at - 2592000000000").await;
        bob.get(&format!("/a/{late}/overview")).await.assert_status(200).assert_not_contains("Get started");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_link_only_to_pages_the_visitor_may_open() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        let path = format!("/a/{acme}/overview");
        let bob = app.user("Bob", "bob@acme.test").await;
        let cy = app.user("Cy", "cy@acme.test").await;
        app.add_member(&ada, &acme, &bob, &["member"]).await;
        app.add_member(&ada, &acme, &cy, &["accountant"]).await;
        app.api_key(&acme, &ada).await;
        let form = [("emails", "dan@acme.test"), ("role", "member"), ("product", "")];
        ada.post(&format!("/a/{acme}/invitations"), &form).await.assert_status(303);

        let response = ada
            .get(&path)
            .await
            .assert_status(200)
            .assert_contains("Members 3")
            .assert_contains("Pending invitations 1")
            .assert_contains("API keys 1");
        for page in ["members", "invitations", "keys", "teams"] {
            assert!(response.body.contains(&format!("<a href=\"/a/{acme}/{page}\">")), "{page}");
            ada.get(&format!("/a/{acme}/{page}")).await.assert_status(200);
        }
        let member = bob
            .get(&path)
            .await
            .assert_status(200)
            .assert_contains("Your API keys 0")
            .assert_contains("ada@acme.test")
            .assert_contains("Free plan");
        let member = member
            .assert_contains("60 requests a minute, 10,000 a day")
            .assert_contains("Shared resources, own API keys");
        let member = member
            .assert_not_contains("Pending invitations")
            .assert_not_contains("Recent activity")
            .assert_not_contains("Get started");
        assert!(!member.body.contains(&format!("/a/{acme}/members")));
        let accountant = cy
            .get(&path)
            .await
            .assert_status(200)
            .assert_contains("Accountant")
            .assert_not_contains("API keys");
        assert!(!accountant.body.contains(&format!("/a/{acme}/keys")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_items_are_shown_only_to_those_they_concern() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        let path = format!("/a/{acme}/overview");
        let bob = app.user("Bob", "bob@acme.test").await;
        let cy = app.user("Cy", "cy@acme.test").await;
        let membership = app.add_member(&ada, &acme, &bob, &["member"]).await.to_string();
        app.add_member(&ada, &acme, &cy, &["member"]).await;
        ada.get(&path).await.assert_status(200).assert_not_contains("Needs attention");
        let offer = [("to", membership.as_str()), ("confirm", acme.as_str())];
        ada.post(&format!("/a/{acme}/settings/transfer"), &offer).await.assert_status(303);
        ada.get(&path)
            .await
            .assert_status(200)
            .assert_contains("You offered the ownership to Bob")
            .assert_contains("offered the ownership to bob@acme.test");
        bob.get(&path).await.assert_status(200).assert_contains("Ada offers you the ownership");
        cy.get(&path).await.assert_status(200).assert_not_contains("Needs attention");

        let form = [("emails", "dan@acme.test"), ("role", "member"), ("product", "")];
        ada.post(&format!("/a/{acme}/invitations"), &form).await.assert_status(303);
        app.raw_sql("update invitations set delivery = 'failed' where status = 'pending'").await;
        ada.get(&path).await.assert_status(200).assert_contains("1 invitation was not delivered");
        cy.get(&path).await.assert_status(200).assert_not_contains("not delivered");
        app.advance(Duration::from_secs(8 * 86_400));
        ada.get(&path).await.assert_status(200).assert_not_contains("Needs attention");
    })
    .await;
}
