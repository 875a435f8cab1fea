//! Names and addresses, policies, and the end of an account.
use crate::harness::{PASSWORD, each};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn an_old_address_redirects_and_is_never_given_away() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let eve = house.user("Eve", "eve@other.test").await;
        house.organization(&ada, "Acme").await;
        house.organization(&eve, "Other").await;
        ada.get("/a/acme/settings").await.is(200).says("Old links keep leading here");

        let form = [("name", "Acme Works"), ("slug", "acme-works")];
        ada.post("/a/acme/settings", &form).await.is(303).to("/a/acme-works/settings");
        ada.get("/a/acme/settings?x=1").await.is(307).to("/a/acme-works/settings?x=1");
        ada.get("/a/acme-works/settings").await.is(200).says("Acme Works");
        eve.get("/a/acme/settings").await.is(404);

        let stolen = [("name", "Other"), ("slug", "acme")];
        let said = eve.post("/a/other/settings", &stolen).await.is(422).says("“acme” is taken, or once was");
        assert!(said.body.contains("value=\"acme\""), "what was typed is kept");
        ada.post("/a/acme-works/settings", &[("name", "Acme"), ("slug", "acme")]).await.is(303);
        ada.get("/a/acme-works/settings").await.is(307).to("/a/acme/settings");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_saved_is_said_beside_its_field() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        for (name, slug, words) in [
            ("", "acme", "Enter a name"),
            ("Acme", "A b", "small letters, digits"),
            ("Acme", "operator", "reserved"),
            ("Acme", "", "Enter a short name"),
        ] {
            ada.post("/a/acme/settings", &[("name", name), ("slug", slug)]).await.is(422).says(words);
        }
        let events = "select count(*) from audit_events where action = 'account.updated'";
        assert_eq!(house.count(events).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_decides_whether_admins_may_delete() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        house.join(&ada, &acme, &bob, &["admin"]).await;
        bob.get("/a/acme/settings/delete").await.is(200);
        bob.post("/a/acme/settings/policies", &[]).await.is(422).says("Only the owner decides");

        ada.post("/a/acme/settings/policies", &[]).await.is(303).to("/a/acme/settings");
        bob.get("/a/acme/settings/delete").await.is(403);
        bob.post("/a/acme/settings/delete", &[("confirm", "acme")]).await.is(403);
        bob.get("/a/acme/settings").await.is(200).says("Only the owner may delete").hides("Delete…");
        ada.post("/a/acme/settings/policies", &[("admins_may_delete", "on")]).await.is(303);
        bob.post("/a/acme/settings/delete", &[("confirm", "acme")]).await.is(303).to("/");
        ada.get("/a/acme/settings").await.is(404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_see_the_facts_and_the_way_out() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        house.join(&ada, &acme, &bob, &["member"]).await;
        let said = bob.get("/a/acme/settings").await.is(200);
        let said = said.says("Free").says("60 requests a minute").says("2 members").says("ada@acme.test");
        let said = said.says("Leave this organization").hides("Save").hides("Transfer").hides("Delete");
        assert!(said.body.contains("/a/acme/members/leave"));
        bob.post("/a/acme/settings", &[("name", "Mine"), ("slug", "mine")]).await.is(403);

        let said = bob.get("/a/bob/settings").await.is(200).says("Save").says("goes with your user");
        said.hides("Ownership").hides("Danger zone").hides("Policies");
        bob.get("/a/bob/settings/delete").await.is(403);
        bob.post("/a/bob/settings/delete", &[("confirm", "bob")]).await.is(403);
        bob.get("/a/bob/settings/transfer").await.is(403);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_deleted_when_its_name_is_typed() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        house.join(&ada, &acme, &bob, &["member"]).await;
        let key = house.key(&acme, &bob).await;
        key.get("/api/v1/accounts/acme").await.is(200);

        let page = ada.get("/a/acme/settings/delete").await.is(200);
        page.says("2 memberships").says("1 API key").says("audit log is kept").hides("Your password");
        ada.post("/a/acme/settings/delete", &[("confirm", "acne")]).await.is(422).says("Type acme");
        ada.post("/a/acme/settings/delete", &[]).await.is(422);

        house.later(Duration::from_secs(601));
        ada.get("/a/acme/settings/delete").await.is(200).says("Your password");
        ada.post("/a/acme/settings/delete", &[("confirm", "acme")]).await.is(422).says("Enter your password");
        let wrong = [("confirm", "acme"), ("password", "wrong")];
        ada.post("/a/acme/settings/delete", &wrong).await.is(422).says("not your password");
        let right = [("confirm", "acme"), ("password", PASSWORD)];
        let said = ada.post("/a/acme/settings/delete", &right).await.is(303).to("/");
        assert_eq!(said.toast(), "Acme is deleted.");

        ada.get("/a/acme/settings").await.is(404);
        bob.get("/a/acme/settings").await.is(404);
        key.get("/api/v1/accounts/acme").await.is(401);
        assert!(house.letter("bob@acme.test").await.0.subject.contains("Acme"));
        let kept = "select count(*) from audit_events where action = 'account.deleted'";
        assert_eq!(house.count(kept).await, 2, "in its own chain and in the installation's");
        let slugs = "select count(*) from slugs where slug = 'acme'";
        assert_eq!(house.count(slugs).await, 1);
        ada.get("/").await.is(303).to("/a/ada/overview");
    })
    .await;
}
