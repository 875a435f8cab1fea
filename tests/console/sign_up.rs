//! Signing up: no user before the address is proven, the first operator, closed doors.
use crate::harness::{House, each, each_with};
use std::time::Duration;

const ADA: [(&str, &str); 3] =
    [("name", "Ada Byron"), ("email", "ada@acme.test"), ("password", "analytical engines rule the waves")];

async fn operators(house: &House) -> i64 {
    house.count("select count(*) from users where operator").await
}

#[tokio::test(flavor = "multi_thread")]
async fn ada_signs_up_and_runs_the_house() {
    each(async |house| {
        let ada = house.visitor();
        ada.post("/sign-up", &ADA).await.is(200).says("Check your mail");
        assert_eq!(house.count("select count(*) from users").await, 0);
        let link = house.letter("ada@acme.test").await.link("/verify-email/");
        ada.get(&link).await.is(200).says("Confirm your address").hides("New password");
        assert_eq!(house.count("select count(*) from users").await, 0, "a GET changes nothing");
        ada.post(&link, &[]).await.is(303).to("/a/ada-byron/overview");
        ada.get("/me").await.is(200);
        assert_eq!(operators(house).await, 1);
        ada.post(&link, &[]).await.is(410);
        ada.get(&link).await.is(410);

        // Known addresses are answered alike, and told by mail alone.
        let said = house.visitor().post("/sign-up", &ADA).await.is(200).says("Check your mail");
        assert!(said.body.contains("ada@acme.test"));
        assert!(house.letter("ada@acme.test").await.0.text.contains("already"));
        assert_eq!(house.count("select count(*) from sign_ups").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_another_browser_asks_for_a_password() {
    each(async |house| {
        // Mallory signs up with Ada's address and a password that Mallory knows.
        house.visitor().post("/sign-up", &ADA).await.is(200);
        let link = house.letter("ada@acme.test").await.link("/verify-email/");
        let ada = house.visitor();
        ada.get(&link).await.is(200).says("New password");
        ada.post(&link, &[]).await.is(422).says("Choose a password");
        ada.post(&link, &[("password", "password1")]).await.is(422);
        ada.post(&link, &[("password", "a different phrase of hers")]).await.is(303);
        let mallory = [("email", "ada@acme.test"), ("password", ADA[2].1)];
        house.visitor().post("/sign-in", &mallory).await.is(422);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_proves_the_address_first_discards_the_others() {
    each(async |house| {
        let (one, two) = (house.visitor(), house.visitor());
        one.post("/sign-up", &ADA).await.is(200);
        let first = house.letter("ada@acme.test").await.link("/verify-email/");
        two.post("/sign-up", &ADA).await.is(200);
        let second = house.letter("ada@acme.test").await.link("/verify-email/");
        two.post(&second, &[]).await.is(303);
        one.get(&first).await.is(410);
        one.post(&first, &[]).await.is(410);
        assert_eq!(house.count("select count(*) from users").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_first_sign_ups_becomes_operator() {
    each(async |house| {
        let mut links = vec![];
        for n in 0..8 {
            let email = format!("u{n}@acme.test");
            let visitor = house.visitor();
            let form = [("name", "User"), ("email", email.as_str()), ADA[2]];
            visitor.post("/sign-up", &form).await.is(200);
            links.push((visitor, house.letter(&email).await.link("/verify-email/")));
        }
        let all = links.iter().map(|(visitor, link)| visitor.post(link, &[]));
        for said in futures_util::future::join_all(all).await {
            said.is(303);
        }
        assert_eq!(operators(house).await, 1);
        assert_eq!(house.count("select count(*) from users").await, 8);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_up_that_waits_too_long_is_over() {
    each(async |house| {
        let ada = house.visitor();
        ada.post("/sign-up", &ADA).await.is(200);
        let link = house.letter("ada@acme.test").await.link("/verify-email/");
        house.later(Duration::from_secs(2 * 86_400 + 1));
        ada.post(&link, &[]).await.is(410);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_fields_are_told_beside_them_and_kept() {
    each(async |house| {
        let ada = house.visitor();
        let long = "x".repeat(101);
        for (field, value, says) in [
            ("name", "", "Enter a name"),
            ("name", long.as_str(), "at most 100 characters"),
            ("name", "\u{202e}evil", "no control characters"),
            ("email", "ada", "not a full address"),
            ("email", "", "Enter an e-mail address"),
            ("password", "acme", "too easy"),
            ("password", "", "Choose a password"),
            ("password", long.repeat(2).as_str(), "at most 128"),
        ] {
            let form: Vec<_> =
                ADA.iter().map(|it| if it.0 == field { (field, value) } else { *it }).collect();
            let said = ada.post("/sign-up", &form).await.is(422).says(says);
            let kept = if field == "email" { "Ada Byron" } else { "ada@acme.test" };
            assert!(said.body.contains(&format!("value=\"{kept}\"")), "{field} {value}");
            assert!(!said.body.contains(ADA[2].1), "a password is never sent back");
        }
        ada.post("/sign-up", &[("name", "a\0b"), ADA[1], ADA[2]]).await.is(422);
        assert!(house.letters("ada@acme.test").await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_invitation_only_the_first_one_signs_up() {
    each_with(
        |rules| rules.open_sign_up = false,
        async |house| {
            let ada = house.visitor();
            ada.post("/sign-up", &ADA).await.is(200);
            let link = house.letter("ada@acme.test").await.link("/verify-email/");
            ada.post(&link, &[]).await.is(303);
            house.visitor().get("/sign-up").await.is(403).says("by invitation");
            let bob = [("name", "Bob"), ("email", "bob@acme.test"), ADA[2]];
            house.visitor().post("/sign-up", &bob).await.is(403);
            assert!(house.letters("bob@acme.test").await.is_empty());
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn away_from_home_only_the_printed_link_makes_an_operator() {
    use guildhall::{kit::secret::hash, store::users};
    each_with(
        |rules| rules.loopback = false,
        async |house| {
            house.host(async |change| users::set_setup(change, &hash("printed")).await.unwrap()).await;
            let stranger = house.visitor();
            let form = [("name", "Eve"), ("email", "eve@acme.test"), ADA[2], ("setup", "guessed")];
            stranger.post("/sign-up", &form).await.is(200);
            let link = house.letter("eve@acme.test").await.link("/verify-email/");
            stranger.post(&link, &[]).await.is(303);
            assert_eq!(operators(house).await, 0);

            let ada = house.visitor();
            ada.post("/sign-up", &[ADA[0], ADA[1], ADA[2], ("setup", "printed")]).await.is(200);
            let link = house.letter("ada@acme.test").await.link("/verify-email/");
            ada.post(&link, &[]).await.is(303);
            assert_eq!(operators(house).await, 1);
        },
    )
    .await;
}
