//! Answering an invitation: accepting by a mailed or a copied link, and declining.
use super::{JOIN, acme, invitation_path, invite_bob, member_count};
use crate::harness::{PASSWORD, TestUser, on_each_db, on_each_db_with};

/// Copies the link of an invitation and returns its path.
async fn copy_link(ada: &TestUser, email: &str) -> String {
    let response =
        ada.post(&format!("{}/link", invitation_path(ada, email).await), &[]).await.assert_status(200);
    assert_eq!(response.header("cache-control"), "private, no-store");
    let response = response.assert_contains("proves nothing");
    let url = response.text_of("#invitation-link");
    url.trim_start_matches(crate::harness::BASE).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_user_joins_with_one_form() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        let link = invite_bob(app, &ada).await;
        let bob = app.visitor();
        for _ in 0..3 {
            let response = bob
                .get(&link)
                .await
                .assert_status(200)
                .assert_contains("Join Acme")
                .assert_contains("Video analyst");
            assert_eq!(response.header("referrer-policy"), "no-referrer");
        }
        assert_eq!(app.count("select count(*) from users").await, 1, "a GET changes nothing");
        let bad = [("name", ""), ("password", "acme")];
        bob.post(&format!("{link}/accept"), &bad)
            .await
            .assert_status(422)
            .assert_contains("Enter a name")
            .assert_contains("too easy");
        bob.post(&format!("{link}/accept"), &[JOIN[0]]).await.assert_status(422);
        bob.post(&format!("{link}/accept"), &JOIN)
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/overview");
        assert_eq!(member_count(app).await, 2);
        bob.get("/a/acme/invitations").await.assert_status(403);
        bob.get("/").await.assert_status(303).assert_redirect("/a/acme/overview");
        // A second click redirects like the first; another browser learns that the link was used.
        bob.post(&format!("{link}/accept"), &JOIN)
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/overview");
        bob.get(&link).await.assert_status(410).assert_contains("You are a member of Acme");
        app.visitor().get(&link).await.assert_status(410).assert_contains("was already used");
        app.visitor().post(&format!("{link}/accept"), &JOIN).await.assert_status(410);
        ada.get("/a/acme/invitations").await.assert_not_contains("bob@acme.test");
        ada.get("/a/acme/invitations?all=1").await.assert_contains("Accepted");
        // Accepting confirmed the address, so the new password works.
        let again = app.visitor();
        again
            .post("/sign-in", &[("email", "bob@acme.test"), JOIN[1]])
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/overview");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_user_signs_in_before_accepting() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        let bob = app.user("Bob", "Bob@Acme.test").await;
        let link = invite_bob(app, &ada).await;
        let visitor = app.visitor();
        visitor
            .get(&link)
            .await
            .assert_status(200)
            .assert_contains("Sign in to accept")
            .assert_not_contains("Password");
        let next = format!("/sign-in?next={link}");
        visitor.post(&format!("{link}/accept"), &JOIN).await.assert_status(303).assert_redirect(&next);
        assert_eq!(member_count(app).await, 1);
        let form = [("email", "bob@acme.test"), ("password", PASSWORD), ("next", link.as_str())];
        visitor.post("/sign-in", &form).await.assert_status(303).assert_redirect(&link);
        visitor
            .get(&link)
            .await
            .assert_status(200)
            .assert_contains("Accept and join")
            .assert_contains("Decline");
        visitor
            .post(&format!("{link}/accept"), &[])
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/overview");
        bob.post(&format!("{link}/accept"), &[]).await.assert_status(303).assert_redirect("/a/acme/overview");
        assert_eq!(member_count(app).await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_cannot_accept() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        let eve = app.user("Eve", "eve@else.test").await;
        let mailed = invite_bob(app, &ada).await;
        let copied = copy_link(&ada, "bob@acme.test").await;
        for link in [&mailed, &copied] {
            let response = eve
                .get(link)
                .await
                .assert_status(200)
                .assert_contains("bob@acme.test")
                .assert_contains("eve@else.test");
            response.assert_contains("Sign out and continue").assert_not_contains("Accept and join");
            eve.post(&format!("{link}/accept"), &JOIN).await.assert_status(409);
            eve.post(&format!("{link}/decline"), &[]).await.assert_status(409);
        }
        assert_eq!(member_count(app).await, 1);
        eve.post("/sign-out", &[("next", &mailed)]).await.assert_status(303).assert_redirect(&mailed);
        eve.get(&mailed).await.assert_status(200).assert_contains("You sign in as bob@acme.test from now on");
        eve.post("/sign-out", &[("next", "https://evil.test/")])
            .await
            .assert_status(303)
            .assert_redirect("/sign-in");
        // Somebody else's used link says so to a signed-in user too.
        app.visitor().post(&format!("{mailed}/accept"), &JOIN).await.assert_status(303);
        let eve = app.second_browser(&eve).await;
        eve.get(&mailed).await.assert_status(410).assert_contains("was already used");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_link_does_not_prove_the_address() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        invite_bob(app, &ada).await;
        let first = copy_link(&ada, "bob@acme.test").await;
        let link = copy_link(&ada, "bob@acme.test").await;
        app.visitor().get(&first).await.assert_status(404);
        let without = app
            .visitor()
            .get(&link)
            .await
            .assert_status(200)
            .assert_contains("proves nothing")
            .assert_contains("Sign up")
            .text();
        app.visitor()
            .post(&format!("{link}/accept"), &JOIN)
            .await
            .assert_status(303)
            .assert_redirect(&format!("/sign-in?next={link}"));
        app.visitor().post(&format!("{link}/decline"), &[]).await.assert_status(303);
        assert_eq!((app.count("select count(*) from users").await, member_count(app).await), (1, 1));

        // The page does not reveal whether the address has a user.
        let bob = app.user("Bob", "bob@acme.test").await;
        let with = app.visitor().get(&link).await.assert_status(200).text();
        assert_eq!(with, without);
        bob.post(&format!("{link}/accept"), &[]).await.assert_status(303).assert_redirect("/a/acme/overview");
        bob.post(&format!("{link}/accept"), &[]).await.assert_status(303).assert_redirect("/a/acme/overview");
        app.visitor().get(&link).await.assert_status(410);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_link_leads_through_sign_up() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        invite_bob(app, &ada).await;
        let link = copy_link(&ada, "bob@acme.test").await;
        let bob = app.visitor();
        let form = [JOIN[0], JOIN[1], ("email", "bob@acme.test"), ("next", &link)];
        bob.post("/sign-up", &form).await.assert_status(200);
        let confirm = app.email("bob@acme.test").await.link("/verify-email/");
        bob.post(&confirm, &[]).await.assert_status(303).assert_redirect(&link);
        bob.get(&link).await.assert_status(200).assert_contains("Accept and join");
        bob.post(&format!("{link}/accept"), &[]).await.assert_status(303).assert_redirect("/a/acme/overview");
    })
    .await;
    let closed = |rules: &mut guildhall::context::InstallationConfig| rules.open_sign_up = false;
    on_each_db_with(closed, async |app| {
        let ada = acme(app).await;
        let mailed = invite_bob(app, &ada).await;
        let copied = copy_link(&ada, "bob@acme.test").await;
        app.visitor()
            .get(&copied)
            .await
            .assert_status(200)
            .assert_not_contains("Sign up")
            .assert_contains("link that was mailed");
        app.visitor()
            .post(&format!("{mailed}/accept"), &JOIN)
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/overview");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_can_be_declined() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        let link = invite_bob(app, &ada).await;
        let visitor = app.visitor();
        visitor
            .post(&format!("{link}/decline"), &[])
            .await
            .assert_status(200)
            .assert_contains("You declined");
        visitor.get(&link).await.assert_status(410).assert_contains("was declined");
        visitor.post(&format!("{link}/accept"), &JOIN).await.assert_status(410);
        let bob = app.user("Bob", "bob@acme.test").await;
        let link = invite_bob(app, &ada).await;
        bob.post(&format!("{link}/decline"), &[]).await.assert_status(200);
        bob.post(&format!("{link}/decline"), &[]).await.assert_status(410);
        bob.post(&format!("{link}/accept"), &[]).await.assert_status(410);
        assert_eq!(member_count(app).await, 1);
        ada.get("/a/acme/invitations?all=1").await.assert_contains("Declined");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_concurrent_accepts_join_once() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let accept = format!("{}/accept", invite_bob(app, &ada).await);
        let all = futures_util::future::join_all((0..50).map(|_| bob.post(&accept, &[]))).await;
        for response in all {
            response.assert_status(303).assert_redirect("/a/acme/overview");
        }
        assert_eq!(member_count(app).await, 2);

        let form = [("emails", "cy@acme.test"), ("role", "member")];
        ada.post("/a/acme/invitations", &form).await.assert_status(303);
        let accept = format!("{}/accept", app.email("cy@acme.test").await.link("/invitations/"));
        let people: Vec<TestUser> = (0..8).map(|_| app.visitor()).collect();
        let all =
            futures_util::future::join_all(people.iter().map(|person| person.post(&accept, &JOIN))).await;
        let won = all
            .iter()
            .filter(|response| response.status == 303 && response.location() == "/a/acme/overview")
            .count();
        assert_eq!(won, 1, "{:?}", all.iter().map(|response| response.status).collect::<Vec<_>>());
        assert!(all.iter().all(|response| response.status < 500));
        assert_eq!(member_count(app).await, 3);
        assert_eq!(app.count("select count(*) from users").await, 3);
    })
    .await;
}
