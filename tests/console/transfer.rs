//! Ownership: offered, withdrawn, declined, expired, accepted.
use crate::harness::{House, PASSWORD, Person, each};
use guildhall::store::transfers;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// Ada owns Acme; Bob is a member.
async fn acme(house: &House) -> (Person, Person, String) {
    let ada = house.user("Ada Byron", "ada@acme.test").await;
    let bob = house.user("Bob Ross", "bob@acme.test").await;
    let acme = house.organization(&ada, "Acme").await;
    let seat = house.join(&ada, &acme, &bob, &["member"]).await;
    (ada, bob, seat.to_string())
}

async fn offer(ada: &Person, seat: &str) {
    let form = [("to", seat), ("confirm", "acme")];
    ada.post("/a/acme/settings/transfer", &form).await.is(303).to("/a/acme/settings");
}

async fn owner_is(house: &House, who: &str) {
    let sql = "select count(*) from memberships m join users u on u.id = m.user_id join accounts a on a.id = m.account_id
        where a.slug = 'acme' and m.is_owner and a.owner_id = u.id and u.email = $1";
    let mut conn = house.db.read().await.unwrap();
    let (count,): (i64,) = conn.query(sql).bind(who.to_owned()).one().await.unwrap();
    assert_eq!(count, 1, "{who} owns it");
}

#[tokio::test(flavor = "multi_thread")]
async fn bob_takes_over() {
    each(async |house| {
        let (ada, bob, seat) = acme(house).await;
        let eve = house.user("Eve", "eve@acme.test").await;
        house.join(&ada, "acme", &eve, &["member"]).await;
        let page = ada.get("/a/acme/settings/transfer").await.is(200);
        page.says("Bob Ross").says("bob@acme.test").hides("ada@acme.test · Owner");
        ada.get("/a/acme/settings/transfer?q=ros").await.is(200).says("Bob Ross").hides("eve@acme.test");
        bob.get("/a/acme/settings/transfer").await.is(403);

        offer(&ada, &seat).await;
        owner_is(house, "ada@acme.test").await;
        for to in ["ada@acme.test", "bob@acme.test"] {
            assert_eq!(house.letter(to).await.link("/a/acme/settings"), "/a/acme/settings");
        }
        ada.get("/a/acme/settings").await.says("Offered to Bob Ross").says("Withdraw").hides("Accept");
        bob.get("/a/acme/settings").await.says("Ada Byron offers you").says("Accept").says("Decline");
        eve.get("/a/acme/settings").await.hides("Bob Ross").hides("Offered");
        eve.post("/a/acme/settings/transfer/accept", &[]).await.is(409).says("offered to Bob Ross");

        let before = house.letters("ada@acme.test").await.len();
        let said = bob.post("/a/acme/settings/transfer/accept", &[]).await.is(303).to("/a/acme/settings");
        assert_eq!(said.toast(), "You are now the owner of Acme.");
        owner_is(house, "bob@acme.test").await;
        assert_eq!(house.letters("ada@acme.test").await.len(), before + 1);
        // The old owner is an admin now: may save, may not hand over.
        ada.get("/a/acme/settings").await.is(200).says("Save").hides("Transfer…");
        ada.get("/a/acme/settings/transfer").await.is(403);
        bob.post("/a/acme/settings/transfer/accept", &[]).await.is(409).says("There is no offer any more");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_withdrawn_or_declined() {
    each(async |house| {
        let (ada, bob, seat) = acme(house).await;
        offer(&ada, &seat).await;
        bob.post("/a/acme/settings/transfer/withdraw", &[]).await.is(403);
        ada.post("/a/acme/settings/transfer/withdraw", &[]).await.is(303);
        bob.post("/a/acme/settings/transfer/accept", &[]).await.is(409);
        offer(&ada, &seat).await;
        let (to_ada, to_bob) =
            (house.letters("ada@acme.test").await.len(), house.letters("bob@acme.test").await.len());
        bob.post("/a/acme/settings/transfer/decline", &[]).await.is(303);
        assert_eq!(house.letters("ada@acme.test").await.len(), to_ada + 1);
        assert_eq!(house.letters("bob@acme.test").await.len(), to_bob + 1);
        owner_is(house, "ada@acme.test").await;
        let told = ["offered", "withdrawn", "offered", "declined"];
        let all = "select count(*) from audit_events where action like 'transfer.%'";
        assert_eq!(house.count(all).await, i64::try_from(told.len()).unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_ends_by_the_clock() {
    each(async |house| {
        let (ada, bob, seat) = acme(house).await;
        offer(&ada, &seat).await;
        house.later((7 * DAY).checked_sub(Duration::from_secs(60)).unwrap());
        bob.get("/a/acme/settings").await.is(200).says("Accept");
        house.later(Duration::from_secs(61));
        bob.get("/a/acme/settings").await.is(200).hides("Accept");
        bob.post("/a/acme/settings/transfer/accept", &[]).await.is(409).says("has expired");
        let before = house.letters("bob@acme.test").await.len();
        house.host(async |change| transfers::sweep(change).await.unwrap()).await;
        assert_eq!(house.letters("bob@acme.test").await.len(), before + 1);
        house.host(async |change| transfers::sweep(change).await.unwrap()).await;
        assert_eq!(house.letters("bob@acme.test").await.len(), before + 1, "told once");
        owner_is(house, "ada@acme.test").await;
        let form = [("to", seat.as_str()), ("confirm", "acme"), ("password", PASSWORD)];
        ada.post("/a/acme/settings/transfer", &form).await.is(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_needs_a_member_the_name_and_a_fresh_proof() {
    each(async |house| {
        let (ada, bob, seat) = acme(house).await;
        let at = "/a/acme/settings/transfer";
        ada.post(at, &[("to", ""), ("confirm", "x")]).await.is(422).says("Choose who").says("Type acme");
        let nobody = uuid::Uuid::nil().to_string();
        let said = ada.post(at, &[("to", &nobody), ("confirm", "acme")]).await.is(422);
        said.says("Choose a member of this account");
        let own = house.membership("acme", &ada).await.to_string();
        ada.post(at, &[("to", &own), ("confirm", "acme")]).await.is(422).says("They own the account already");
        ada.post(&format!("/a/acme/members/{seat}/suspend"), &[]).await.is(303);
        ada.get(at).await.is(200).hides("bob@acme.test").says("Nobody to choose");
        ada.post(at, &[("to", &seat), ("confirm", "acme")]).await.is(422).says("Only an active member");
        ada.post(&format!("/a/acme/members/{seat}/reactivate"), &[]).await.is(303);

        house.later(Duration::from_secs(601));
        let form = [("to", seat.as_str()), ("confirm", "acme")];
        let said = ada.post(at, &form).await.is(422).says("Enter your password");
        assert!(said.body.contains(&format!("value=\"{seat}\" checked")), "the choice is kept");
        let proof = [("to", seat.as_str()), ("confirm", "acme"), ("password", PASSWORD)];
        ada.post(at, &proof).await.is(303);
        ada.post(at, &proof).await.is(409).says("An offer is pending already");
        bob.post("/a/acme/settings/transfer/decline", &[]).await.is(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_over_more_than_they_may_own() {
    each(async |house| {
        let (ada, bob, seat) = acme(house).await;
        house.organization(&bob, "Bobs").await;
        offer(&ada, &seat).await;
        let said = bob.post("/a/acme/settings/transfer/accept", &[]).await.is(409);
        said.says("You own 1 organization already").says("Decline");
        owner_is(house, "ada@acme.test").await;
        bob.post("/a/bobs/settings/delete", &[("confirm", "bobs")]).await.is(303);
        bob.post("/a/acme/settings/transfer/accept", &[]).await.is(303);
        owner_is(house, "bob@acme.test").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suspending_the_recipient_ends_the_offer() {
    each(async |house| {
        let (ada, bob, seat) = acme(house).await;
        offer(&ada, &seat).await;
        ada.post(&format!("/a/acme/members/{seat}/suspend"), &[]).await.is(303);
        ada.get("/a/acme/settings").await.is(200).hides("Offered").says("Transfer…");
        bob.post("/a/acme/settings/transfer/accept", &[]).await.is(403);
        ada.post(&format!("/a/acme/members/{seat}/reactivate"), &[]).await.is(303);
        bob.post("/a/acme/settings/transfer/accept", &[]).await.is(409);
        owner_is(house, "ada@acme.test").await;
    })
    .await;
}
