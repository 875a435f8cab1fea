//! Transfer of ownership: offered, withdrawn, declined, expired, accepted.
use crate::harness::{PASSWORD, TestApp, TestUser, on_each_db};
use guildhall::store::transfers;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// Ada owns Acme; Bob is a member.
async fn acme(app: &TestApp) -> (TestUser, TestUser, String) {
    let ada = app.user("Ada Byron", "ada@acme.test").await;
    let bob = app.user("Bob Ross", "bob@acme.test").await;
    let acme = app.organization(&ada, "Acme").await;
    let membership = app.add_member(&ada, &acme, &bob, &["member"]).await;
    (ada, bob, membership.to_string())
}

async fn offer(ada: &TestUser, membership: &str) {
    let form = [("to", membership), ("confirm", "acme")];
    ada.post("/a/acme/settings/transfer", &form).await.assert_status(303).assert_redirect("/a/acme/settings");
}

async fn assert_owner(app: &TestApp, email: &str) {
    let sql = "select count(*) from memberships m join users u on u.id = m.user_id
                join accounts a on a.id = m.account_id
        where a.slug = 'acme' and m.is_owner and a.owner_id = u.id and u.email = $1";
    let mut conn = app.db.read().await.unwrap();
    let (count,): (i64,) = conn.query(sql).bind(email.to_owned()).fetch_one().await.unwrap();
    assert_eq!(count, 1, "{email} owns it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_accepts_the_ownership() {
    on_each_db(async |app| {
        let (ada, bob, membership) = acme(app).await;
        let eve = app.user("Eve", "eve@acme.test").await;
        app.add_member(&ada, "acme", &eve, &["member"]).await;
        let page = ada.get("/a/acme/settings/transfer").await.assert_status(200);
        page.assert_contains("Bob Ross")
            .assert_contains("bob@acme.test")
            .assert_not_contains("ada@acme.test · Owner");
        ada.get("/a/acme/settings/transfer?q=ros")
            .await
            .assert_status(200)
            .assert_contains("Bob Ross")
            .assert_not_contains("eve@acme.test");
        bob.get("/a/acme/settings/transfer").await.assert_status(403);

        offer(&ada, &membership).await;
        assert_owner(app, "ada@acme.test").await;
        for to in ["ada@acme.test", "bob@acme.test"] {
            assert_eq!(app.email(to).await.link("/a/acme/settings"), "/a/acme/settings");
        }
        ada.get("/a/acme/settings")
            .await
            .assert_contains("Offered to Bob Ross")
            .assert_contains("Withdraw")
            .assert_not_contains("Accept");
        bob.get("/a/acme/settings")
            .await
            .assert_contains("Ada Byron offers you")
            .assert_contains("Accept")
            .assert_contains("Decline");
        eve.get("/a/acme/settings").await.assert_not_contains("Bob Ross").assert_not_contains("Offered");
        eve.post("/a/acme/settings/transfer/accept", &[])
            .await
            .assert_status(409)
            .assert_contains("offered to Bob Ross");

        let before = app.emails("ada@acme.test").await.len();
        let response = bob
            .post("/a/acme/settings/transfer/accept", &[])
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/settings");
        assert_eq!(response.toast(), "You are now the owner of Acme.");
        assert_owner(app, "bob@acme.test").await;
        assert_eq!(app.emails("ada@acme.test").await.len(), before + 1);
        // The previous owner is an admin now, who may change settings but not transfer the account.
        ada.get("/a/acme/settings")
            .await
            .assert_status(200)
            .assert_contains("Save")
            .assert_not_contains("Transfer…");
        ada.get("/a/acme/settings/transfer").await.assert_status(403);
        bob.post("/a/acme/settings/transfer/accept", &[])
            .await
            .assert_status(409)
            .assert_contains("There is no offer any more");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_can_be_withdrawn_or_declined() {
    on_each_db(async |app| {
        let (ada, bob, membership) = acme(app).await;
        offer(&ada, &membership).await;
        bob.post("/a/acme/settings/transfer/withdraw", &[]).await.assert_status(403);
        ada.post("/a/acme/settings/transfer/withdraw", &[]).await.assert_status(303);
        bob.post("/a/acme/settings/transfer/accept", &[]).await.assert_status(409);
        offer(&ada, &membership).await;
        let (to_ada, to_bob) =
            (app.emails("ada@acme.test").await.len(), app.emails("bob@acme.test").await.len());
        bob.post("/a/acme/settings/transfer/decline", &[]).await.assert_status(303);
        assert_eq!(app.emails("ada@acme.test").await.len(), to_ada + 1);
        assert_eq!(app.emails("bob@acme.test").await.len(), to_bob + 1);
        assert_owner(app, "ada@acme.test").await;
        let events = ["offered", "withdrawn", "offered", "declined"];
        let count = "select count(*) from audit_events where action like 'transfer.%'";
        assert_eq!(app.count(count).await, i64::try_from(events.len()).unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_expires() {
    on_each_db(async |app| {
        let (ada, bob, membership) = acme(app).await;
        offer(&ada, &membership).await;
        app.advance((7 * DAY).checked_sub(Duration::from_secs(60)).unwrap());
        bob.get("/a/acme/settings").await.assert_status(200).assert_contains("Accept");
        app.advance(Duration::from_secs(61));
        bob.get("/a/acme/settings").await.assert_status(200).assert_not_contains("Accept");
        bob.post("/a/acme/settings/transfer/accept", &[])
            .await
            .assert_status(409)
            .assert_contains("has expired");
        let before = app.emails("bob@acme.test").await.len();
        app.as_system(async |change| transfers::sweep(change).await.unwrap()).await;
        assert_eq!(app.emails("bob@acme.test").await.len(), before + 1);
        app.as_system(async |change| transfers::sweep(change).await.unwrap()).await;
        assert_eq!(app.emails("bob@acme.test").await.len(), before + 1, "sent once");
        assert_owner(app, "ada@acme.test").await;
        let form = [("to", membership.as_str()), ("confirm", "acme"), ("password", PASSWORD)];
        ada.post("/a/acme/settings/transfer", &form).await.assert_status(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_needs_an_active_member_the_name_and_reauthentication() {
    on_each_db(async |app| {
        let (ada, bob, membership) = acme(app).await;
        let path = "/a/acme/settings/transfer";
        ada.post(path, &[("to", ""), ("confirm", "x")])
            .await
            .assert_status(422)
            .assert_contains("Choose who")
            .assert_contains("Type acme");
        let nobody = uuid::Uuid::nil().to_string();
        let response = ada.post(path, &[("to", &nobody), ("confirm", "acme")]).await.assert_status(422);
        response.assert_contains("Choose a member of this account");
        let own = app.membership("acme", &ada).await.to_string();
        ada.post(path, &[("to", &own), ("confirm", "acme")])
            .await
            .assert_status(422)
            .assert_contains("They own the account already");
        ada.post(&format!("/a/acme/members/{membership}/suspend"), &[]).await.assert_status(303);
        ada.get(path)
            .await
            .assert_status(200)
            .assert_not_contains("bob@acme.test")
            .assert_contains("Nobody to choose");
        ada.post(path, &[("to", &membership), ("confirm", "acme")])
            .await
            .assert_status(422)
            .assert_contains("Only an active member");
        ada.post(&format!("/a/acme/members/{membership}/reactivate"), &[]).await.assert_status(303);

        app.advance(Duration::from_secs(601));
        let form = [("to", membership.as_str()), ("confirm", "acme")];
        let response = ada.post(path, &form).await.assert_status(422).assert_contains("Enter your password");
        let choice = response.select(&format!("input[value='{membership}'][checked]"));
        assert!(!choice.is_empty(), "the choice is kept");
        let proof = [("to", membership.as_str()), ("confirm", "acme"), ("password", PASSWORD)];
        ada.post(path, &proof).await.assert_status(303);
        ada.post(path, &proof).await.assert_status(409).assert_contains("An offer is pending already");
        bob.post("/a/acme/settings/transfer/decline", &[]).await.assert_status(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accepting_respects_the_organization_limit() {
    on_each_db(async |app| {
        let (ada, bob, membership) = acme(app).await;
        app.organization(&bob, "Bobs").await;
        offer(&ada, &membership).await;
        let response = bob.post("/a/acme/settings/transfer/accept", &[]).await.assert_status(409);
        response.assert_contains("You own 1 organization already").assert_contains("Decline");
        assert_owner(app, "ada@acme.test").await;
        bob.post("/a/bobs/settings/delete", &[("confirm", "bobs")]).await.assert_status(303);
        bob.post("/a/acme/settings/transfer/accept", &[]).await.assert_status(303);
        assert_owner(app, "bob@acme.test").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suspending_the_recipient_ends_the_offer() {
    on_each_db(async |app| {
        let (ada, bob, membership) = acme(app).await;
        offer(&ada, &membership).await;
        ada.post(&format!("/a/acme/members/{membership}/suspend"), &[]).await.assert_status(303);
        ada.get("/a/acme/settings")
            .await
            .assert_status(200)
            .assert_not_contains("Offered")
            .assert_contains("Transfer…");
        bob.post("/a/acme/settings/transfer/accept", &[]).await.assert_status(403);
        ada.post(&format!("/a/acme/members/{membership}/reactivate"), &[]).await.assert_status(303);
        bob.post("/a/acme/settings/transfer/accept", &[]).await.assert_status(409);
        assert_owner(app, "ada@acme.test").await;
    })
    .await;
}
