//! Letters about keys that end: each once, whoever sends them.
use super::{DAY, HOUR, key_id, made};
use crate::harness::{House, each};
use guildhall::worker::Worker;

async fn tick(house: &House) {
    Worker::new(house.db.clone(), house.kit.clone(), None).tick().await.unwrap();
}

async fn subjects(house: &House) -> Vec<String> {
    let all = house.letters("ada@acme.test").await;
    let mut all: Vec<String> =
        all.into_iter().map(|it| it.0.subject).filter(|it| it.contains("API key")).collect();
    all.reverse();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_is_told_three_times() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        made(house, &ada, &[("name", "Month"), ("expires", "30d")]).await;
        made(house, &ada, &[("name", "Never"), ("expires", "never")]).await;
        house.later(15 * DAY);
        tick(house).await;
        assert_eq!(subjects(house).await, Vec::<String>::new());
        house.later(DAY + HOUR);
        // On two replicas at once, and again.
        tokio::join!(tick(house), tick(house));
        tick(house).await;
        let first = "Your API key “Month” expires in 14 days";
        assert_eq!(subjects(house).await, [first]);
        let letter = house.letter("ada@acme.test").await;
        let id = key_id(house, "Month").await;
        assert!(letter.link("/a/acme/keys/").ends_with(&id));
        house.later(11 * DAY);
        tick(house).await;
        let second = "Your API key “Month” expires in 3 days";
        assert!(subjects(house).await.contains(&second.to_owned()));
        house.later(3 * DAY);
        tick(house).await;
        tick(house).await;
        let over = "select count(*) from mails where subject = 'Your API key “Month” has expired'";
        assert_eq!(house.count(over).await, 1);
        assert_eq!(house.count("select count(*) from api_keys where notice_at is not null").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_needs_no_letter_gets_none() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        for name in ["Rotated", "Revoked"] {
            made(house, &ada, &[("name", name), ("expires", "30d")]).await;
        }
        let at = async |name: &str, what: &str| format!("/a/acme/keys/{}/{what}", key_id(house, name).await);
        ada.post(&at("Rotated", "rotate").await, &[("grace", "7d")]).await.is(200);
        ada.post(&at("Revoked", "revoke").await, &[]).await.is(303);
        house.later(8 * DAY);
        tick(house).await;
        assert_eq!(subjects(house).await, Vec::<String>::new());
        // The successor has an end of its own. Who was not told in time hears of it once, as it stands then.
        house.later(20 * DAY);
        tick(house).await;
        assert_eq!(subjects(house).await, ["Your API key “Rotated” expires in 2 days"]);
        assert_eq!(house.count("select count(*) from api_keys where notice_at is not null").await, 1);
    })
    .await;
}
