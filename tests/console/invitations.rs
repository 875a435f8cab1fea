//! Invitations: sending, listing, resending, revoking and answering them.
mod accept;

use crate::harness::{TestApp, TestResponse, TestUser, on_each_db};
use std::time::Duration;

const WEEK: Duration = Duration::from_secs(7 * 86_400);
const JOIN: [(&str, &str); 2] = [("name", "Bob Tanner"), ("password", "a loom of many threads")];

async fn acme(app: &TestApp) -> TestUser {
    let ada = app.user("Ada Byron", "ada@acme.test").await;
    assert_eq!(app.organization(&ada, "Acme").await, "acme");
    ada
}

/// Invites Bob and returns the path of the mailed link.
async fn invite_bob(app: &TestApp, ada: &TestUser) -> String {
    let form = [("emails", "bob@acme.test"), ("role", "analyst"), ("product", "video")];
    ada.post("/a/acme/invitations", &form).await.assert_status(303).assert_redirect("/a/acme/invitations");
    app.email("bob@acme.test").await.link("/invitations/")
}

/// `/a/acme/invitations/{id}` of the invitation to this address.
async fn invitation_path(ada: &TestUser, email: &str) -> String {
    let page = ada.get("/a/acme/invitations?all=1").await.assert_status(200);
    let row = page.body.split("<tr").find(|row| row.contains(email)).unwrap().to_owned();
    let from = row.find("action=\"").unwrap() + 8;
    row[from..].split("/resend").next().unwrap().to_owned()
}

async fn member_count(app: &TestApp) -> i64 {
    let sql =
        "select count(*) from memberships m join accounts a on a.id = m.account_id where a.slug = 'acme'";
    let counted = app.count(sql).await;
    let stored = app.count("select member_count from accounts where slug = 'acme'").await;
    assert_eq!(counted, stored);
    counted
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_list_of_addresses_is_invited() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        ada.get("/a/acme/invitations").await.assert_status(200).assert_contains("No invitation is open");
        ada.get("/a/acme/invitations/new")
            .await
            .assert_status(200)
            .assert_contains("Everything but ownership");
        let text = "Bob Tanner <bob@acme.test>, cy@acme.test;dan@acme.test\r\nBOB@acme.test";
        let form =
            [("emails", text), ("email", "eve@acme.test"), ("role", "developer"), ("product", "video")];
        let response = ada
            .post("/a/acme/invitations", &form)
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/invitations");
        assert_eq!(response.toast(), "Invited 4 people. One address was entered twice and is counted once.");
        let list = ada.get("/a/acme/invitations").await.assert_status(200);
        let list = list
            .assert_contains("Video developer")
            .assert_contains("The mail is waiting to be sent")
            .assert_contains("Ada Byron")
            .assert_contains("Pending");
        for who in ["bob", "cy", "dan", "eve"] {
            assert!(list.text().contains(&format!("{who}@acme.test")));
            assert_eq!(app.emails(&format!("{who}@acme.test")).await.len(), 1);
        }
        ada.get_partial("/a/acme/invitations")
            .await
            .assert_status(200)
            .assert_not_contains("Skip to content");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_summary_describes_the_chosen_roles() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        let path = "/a/acme/invitations/summary";
        ada.get(&format!("{path}?role=analyst&product=image"))
            .await
            .assert_status(200)
            .assert_contains("Image analyst")
            .assert_contains("In image:");
        ada.get(&format!("{path}?role=member&product=&role=accountant&product="))
            .await
            .assert_contains("Member")
            .assert_contains("billing panel");
        // A product left over from another choice of role is ignored for an account-wide role.
        ada.get(&format!("{path}?role=admin&product=video"))
            .await
            .assert_contains("Everything but ownership");
        ada.get(&format!("{path}?role=source-specific&product="))
            .await
            .assert_contains("at least one resource");
        ada.get(&format!("{path}?role=owner&product=")).await.assert_contains("handed over, not granted");
        ada.get("/a/acme/invitations/new")
            .await
            .assert_status(200)
            .assert_contains("This account has no sources yet");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_input_is_marked_and_kept() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        let long = format!("{}@acme.test", "a".repeat(260));
        let thousands: String = (0..10_000).map(|n| format!("p{n}@acme.test ")).collect();
        for (emails, message) in [
            ("", "Enter at least one e-mail address"),
            ("bob@acme", "“bob@acme” is not a full address"),
            ("\u{202e}bob@acme.test", "is not a full address"),
            (long.as_str(), "is too long for an address"),
            (&thousands, "10001 addresses. Invite at most 200"),
            ("ada@acme.test", "is a member of Acme already"),
        ] {
            let form =
                [("emails", emails), ("email", "good@acme.test"), ("role", "analyst"), ("product", "image")];
            let form = if ["", "ada@acme.test"].contains(&emails) {
                vec![form[0], form[2], form[3]]
            } else {
                form.to_vec()
            };
            let response =
                ada.post("/a/acme/invitations", &form).await.assert_status(422).assert_contains(message);
            let kept = &emails[..emails.len().min(200)].replace(' ', "\n");
            assert!(response.body.contains(kept.as_str()), "{emails:.40} is not kept");
            let role = response.select("input[value='analyst'][data-over='product'][checked]");
            assert!(!role.is_empty(), "the role is kept");
        }
        let chips = [("email", "good@acme.test"), ("email", "bad@acme"), ("role", "member")];
        let response = ada.post("/a/acme/invitations", &chips).await.assert_status(422);
        assert!(response.text_of(".chip.bad").starts_with("bad@acme"), "the chip is marked");
        assert!(response.text_of(".chip:not(.bad)").starts_with("good@acme.test"), "the good one is kept");
        ada.post("/a/acme/invitations", &[("emails", "a\0@acme.test"), ("role", "member")])
            .await
            .assert_status(422);
        for (role, product) in
            [("owner", ""), ("nonsense", ""), ("developer", "cake"), ("source-specific", ""), ("", "")]
        {
            let form = [("emails", "bob@acme.test"), ("role", role), ("product", product)];
            ada.post("/a/acme/invitations", &form).await.assert_status(422);
        }
        let listed = [("emails", "bob@acme.test"), ("role", "source-specific"), ("resources", "x")];
        ada.post("/a/acme/invitations", &listed).await.assert_status(422);
        assert_eq!(app.count("select count(*) from invitations").await, 0);
        assert_eq!(app.count("select count(*) from mails").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_member_does_not_block_the_other_invitations() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        let form = [("emails", "ada@acme.test bob@acme.test"), ("role", "member"), ("product", "")];
        let toast = ada.post("/a/acme/invitations", &form).await.assert_status(303).toast();
        assert_eq!(toast, "Invited 1 person. Not invited: ada@acme.test is a member of Acme already.");
        let form = [
            ("emails", "cy@acme.test"),
            ("role", "member"),
            ("role", "video-analyst"),
            ("product", ""),
            ("product", ""),
        ];
        ada.post("/a/acme/invitations", &form).await.assert_status(303);
        let all = [("emails", "dan@acme.test"), ("role", "member"), ("role", ""), ("login_type", "password")];
        ada.post("/a/acme/invitations", &all).await.assert_status(303);
        ada.get("/a/acme/invitations").await.assert_contains("Video analyst");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inviting_needs_the_permission() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        app.add_member(&ada, "acme", &bob, &["member"]).await;
        let form = [("emails", "cy@acme.test"), ("role", "member")];
        bob.get("/a/acme/invitations").await.assert_status(403);
        bob.get("/a/acme/invitations/new").await.assert_status(403);
        bob.post("/a/acme/invitations", &form).await.assert_status(403);
        let stranger = app.user("Cy", "cy@acme.test").await;
        stranger.get("/a/acme/invitations").await.assert_status(404);
        stranger.post("/a/acme/invitations", &form).await.assert_status(404);
        app.visitor().get("/a/acme/invitations").await.assert_status(303);
        // A personal account has one member.
        ada.get("/a/ada-byron/invitations").await.assert_status(403);
        // Another account's invitation is not found.
        invite_eve(app, &ada).await;
        let dan = app.user("Dan", "dan@acme.test").await;
        app.organization(&dan, "Other").await;
        let id = invitation_path(&ada, "eve@acme.test").await;
        let id = id.rsplit('/').next().unwrap();
        for action in ["resend", "revoke", "link"] {
            dan.post(&format!("/a/other/invitations/{id}/{action}"), &[]).await.assert_status(404);
            bob.post(&format!("/a/acme/invitations/{id}/{action}"), &[]).await.assert_status(403);
            ada.post(&format!("/a/acme/invitations/nonsense/{action}"), &[]).await.assert_status(404);
        }
    })
    .await;
}

async fn invite_eve(app: &TestApp, ada: &TestUser) {
    let form = [("emails", "eve@acme.test"), ("role", "member")];
    ada.post("/a/acme/invitations", &form).await.assert_status(303);
    assert_eq!(app.emails("eve@acme.test").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_replaced_expires_and_is_revoked() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        app.visitor()
            .get("/invitations/nonsense")
            .await
            .assert_status(404)
            .assert_contains("This invitation is unknown");
        app.visitor().post("/invitations/nonsense/accept", &JOIN).await.assert_status(404);
        app.visitor().post("/invitations/nonsense/decline", &[]).await.assert_status(404);

        // A second invitation replaces the first.
        let first = invite_bob(app, &ada).await;
        let second = invite_bob(app, &ada).await;
        app.visitor().get(&first).await.assert_status(404);
        app.visitor().get(&second).await.assert_status(200);
        assert_eq!(app.count("select count(*) from invitations").await, 1);

        // It expires and can be resent.
        app.advance(WEEK);
        let ada = app.second_browser(&ada).await;
        app.visitor().get(&second).await.assert_status(410).assert_contains("has expired");
        app.visitor().post(&format!("{second}/accept"), &JOIN).await.assert_status(410);
        app.visitor().post(&format!("{second}/decline"), &[]).await.assert_status(410);
        ada.get("/a/acme/invitations").await.assert_status(200).assert_contains("Expired");
        let path = invitation_path(&ada, "bob@acme.test").await;
        ada.post(&format!("{path}/resend"), &[])
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/invitations");
        let third = app.email("bob@acme.test").await.link("/invitations/");
        app.visitor().get(&second).await.assert_status(404);
        app.visitor().get(&third).await.assert_status(200);

        // It is revoked.
        ada.post(&format!("{path}/revoke"), &[]).await.assert_status(303);
        ada.post(&format!("{path}/revoke"), &[]).await.assert_status(303);
        app.visitor().get(&third).await.assert_status(410).assert_contains("was revoked");
        app.visitor().post(&format!("{third}/accept"), &JOIN).await.assert_status(410);
        let toast = ada.post(&format!("{path}/resend"), &[]).await.assert_status(303).toast();
        assert!(toast.contains("revoked already"), "{toast}");
        ada.post(&format!("{path}/link"), &[]).await.assert_status(303);
        ada.get("/a/acme/invitations").await.assert_contains("is revoked already");
        ada.get("/a/acme/invitations").await.assert_not_contains("bob@acme.test");
        ada.get("/a/acme/invitations?all=1").await.assert_contains("Revoked");
        assert_eq!(member_count(app).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_paginated() {
    on_each_db(async |app| {
        let ada = acme(app).await;
        let emails: String = (0..60).map(|n| format!("p{n:02}@acme.test ")).collect();
        ada.post("/a/acme/invitations", &[("emails", emails.as_str()), ("role", "member")])
            .await
            .assert_status(303);
        let (mut seen, mut path) = (vec![], "/a/acme/invitations".to_owned());
        let link = |response: &TestResponse, relation: &str| {
            let links = response.select(&format!("a[rel='{relation}']"));
            links.first().map(|link| format!("/a/acme/invitations{}", link.attr("href")))
        };
        let lists = |response: &TestResponse, email: &str| {
            response.select("b").iter().any(|element| element.text == email)
        };
        let mut pages = vec![];
        loop {
            let page = ada.get(&path).await.assert_status(200);
            seen.extend((0..60).filter(|n| lists(&page, &format!("p{n:02}@acme.test"))));
            pages.push(path.clone());
            match link(&page, "next") {
                Some(next) => path = next,
                None => break,
            }
        }
        assert_eq!((pages.len(), seen.len()), (3, 60));
        let last = ada.get(&path).await;
        let back = ada.get(&link(&last, "prev").unwrap()).await.assert_status(200);
        assert!(lists(&back, "p34@acme.test") && lists(&back, "p10@acme.test"));
        let first = ada.get(&link(&back, "prev").unwrap()).await.assert_status(200);
        assert!(lists(&first, "p59@acme.test") && link(&first, "prev").is_none());
        ada.get("/a/acme/invitations?after=nonsense").await.assert_status(200);
    })
    .await;
}
