//! Emails about keys that expire: each is sent once, by whichever replica.
use super::{DAY, HOUR, create_key, key_id};
use crate::harness::{TestApp, on_each_db};
use guildhall::jobs::Worker;

async fn tick(app: &TestApp) {
    Worker::new(app.db.clone(), app.kit.clone(), None).run_once().await.unwrap();
}

async fn subjects(app: &TestApp) -> Vec<String> {
    let emails = app.emails("ada@acme.test").await;
    let mut emails: Vec<String> = emails
        .into_iter()
        .map(|email| email.0.subject)
        .filter(|subject| subject.contains("API key"))
        .collect();
    emails.reverse();
    emails
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_owner_gets_three_expiry_emails() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        create_key(app, &ada, &[("name", "Month"), ("expires", "30d")]).await;
        create_key(app, &ada, &[("name", "Never"), ("expires", "never")]).await;
        app.advance(15 * DAY);
        tick(app).await;
        assert_eq!(subjects(app).await, Vec::<String>::new());
        app.advance(DAY + HOUR);
        // Two replicas run the job at the same time, and one of them again.
        tokio::join!(tick(app), tick(app));
        tick(app).await;
        let first = "Your API key “Month” expires in 14 days";
        assert_eq!(subjects(app).await, [first]);
        let email = app.email("ada@acme.test").await;
        let id = key_id(app, "Month").await;
        assert!(email.link("/a/acme/keys/").ends_with(&id));
        app.advance(11 * DAY);
        tick(app).await;
        let second = "Your API key “Month” expires in 3 days";
        assert!(subjects(app).await.contains(&second.to_owned()));
        app.advance(3 * DAY);
        tick(app).await;
        tick(app).await;
        let expired = "select count(*) from mails where subject = 'Your API key “Month” has expired'";
        assert_eq!(app.count(expired).await, 1);
        assert_eq!(app.count("select count(*) from api_keys where notice_at is not null").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotated_and_revoked_keys_send_no_expiry_email() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        for name in ["Rotated", "Revoked"] {
            create_key(app, &ada, &[("name", name), ("expires", "30d")]).await;
        }
        let path =
            async |name: &str, action: &str| format!("/a/acme/keys/{}/{action}", key_id(app, name).await);
        ada.post(&path("Rotated", "rotate").await, &[("grace", "7d")]).await.assert_status(200);
        ada.post(&path("Revoked", "revoke").await, &[]).await.assert_status(303);
        app.advance(8 * DAY);
        tick(app).await;
        assert_eq!(subjects(app).await, Vec::<String>::new());
        // The successor expires by itself. A missed notice is sent once, with the days that are left by then.
        app.advance(20 * DAY);
        tick(app).await;
        assert_eq!(subjects(app).await, ["Your API key “Rotated” expires in 2 days"]);
        assert_eq!(app.count("select count(*) from api_keys where notice_at is not null").await, 1);
    })
    .await;
}
