//! The first page of an account: each visitor sees what they may see.
use crate::harness::each;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_organization_says_what_to_do_first() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        let path = format!("/a/{acme}/overview");
        ada.get(&path).await.is(200).says("Get started 1 of 5").says("opened the organization “Acme”");
        let bob = house.user("Bob", "bob@acme.test").await;
        house.join(&ada, &acme, &bob, &["admin"]).await;
        ada.get(&path).await.is(200).says("Get started 3 of 5").says("invited bob@acme.test as Admin");
        ada.post("/new/team", &[("parent", &acme), ("name", "Ingest")]).await.is(303);
        house.key(&acme, &ada).await;
        let done = ada.get(&path).await.is(200).hides("Get started").says("Invite members");
        assert_eq!(done.body.matches("btn-pri").count(), 1, "one primary button");

        let late = house.organization(&bob, "Late").await;
        bob.get(&format!("/a/{late}/overview")).await.is(200).says("Get started");
        house.later(Duration::from_secs(13 * 86_400));
        bob.get("/me").await.is(200);
        house.tamper("update accounts set created_at = created_at - 2592000000000").await;
        bob.get(&format!("/a/{late}/overview")).await.is(200).hides("Get started");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_lead_to_what_one_may_open() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        let path = format!("/a/{acme}/overview");
        let bob = house.user("Bob", "bob@acme.test").await;
        let cy = house.user("Cy", "cy@acme.test").await;
        house.join(&ada, &acme, &bob, &["member"]).await;
        house.join(&ada, &acme, &cy, &["accountant"]).await;
        house.key(&acme, &ada).await;
        let form = [("emails", "dan@acme.test"), ("role", "member"), ("product", "")];
        ada.post(&format!("/a/{acme}/invitations"), &form).await.is(303);

        let all =
            ada.get(&path).await.is(200).says("Members 3").says("Pending invitations 1").says("API keys 1");
        for page in ["members", "invitations", "keys", "teams"] {
            assert!(all.body.contains(&format!("<a href=\"/a/{acme}/{page}\">")), "{page}");
            ada.get(&format!("/a/{acme}/{page}")).await.is(200);
        }
        let member =
            bob.get(&path).await.is(200).says("Your API keys 0").says("ada@acme.test").says("Free plan");
        let member = member.says("60 requests a minute, 10,000 a day").says("Shared resources, own API keys");
        let member = member.hides("Pending invitations").hides("Recent activity").hides("Get started");
        assert!(!member.body.contains(&format!("/a/{acme}/members")));
        let accountant = cy.get(&path).await.is(200).says("Accountant").hides("API keys");
        assert!(!accountant.body.contains(&format!("/a/{acme}/keys")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_said_to_whom_it_waits_for() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        let path = format!("/a/{acme}/overview");
        let bob = house.user("Bob", "bob@acme.test").await;
        let cy = house.user("Cy", "cy@acme.test").await;
        let seat = house.join(&ada, &acme, &bob, &["member"]).await.to_string();
        house.join(&ada, &acme, &cy, &["member"]).await;
        ada.get(&path).await.is(200).hides("Needs attention");
        let offer = [("to", seat.as_str()), ("confirm", acme.as_str())];
        ada.post(&format!("/a/{acme}/settings/transfer"), &offer).await.is(303);
        ada.get(&path)
            .await
            .is(200)
            .says("You offered the ownership to Bob")
            .says("offered the ownership to bob@acme.test");
        bob.get(&path).await.is(200).says("Ada offers you the ownership");
        cy.get(&path).await.is(200).hides("Needs attention");

        let form = [("emails", "dan@acme.test"), ("role", "member"), ("product", "")];
        ada.post(&format!("/a/{acme}/invitations"), &form).await.is(303);
        house.tamper("update invitations set delivery = 'failed' where status = 'pending'").await;
        ada.get(&path).await.is(200).says("1 invitation was not delivered");
        cy.get(&path).await.is(200).hides("not delivered");
        house.later(Duration::from_secs(8 * 86_400));
        ada.get(&path).await.is(200).hides("Needs attention");
    })
    .await;
}
