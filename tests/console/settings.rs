//! Settings of an account: name, slug, policies, deletion.
use crate::harness::{PASSWORD, on_each_db};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn an_old_slug_redirects_and_is_never_reused() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let eve = app.user("Eve", "eve@other.test").await;
        app.organization(&ada, "Acme").await;
        app.organization(&eve, "Other").await;
        ada.get("/a/acme/settings").await.assert_status(200).assert_contains("Old links keep leading here");

        let form = [("name", "Acme Works"), ("slug", "acme-works")];
        ada.post("/a/acme/settings", &form)
            .await
            .assert_status(303)
            .assert_redirect("/a/acme-works/settings");
        ada.get("/a/acme/settings?x=1")
            .await
            .assert_status(307)
            .assert_redirect("/a/acme-works/settings?x=1");
        ada.get("/a/acme-works/settings").await.assert_status(200).assert_contains("Acme Works");
        eve.get("/a/acme/settings").await.assert_status(404);

        let stolen = [("name", "Other"), ("slug", "acme")];
        let response = eve
            .post("/a/other/settings", &stolen)
            .await
            .assert_status(422)
            .assert_contains("“acme” is taken, or once was");
        assert!(response.body.contains("value=\"acme\""), "what was typed is kept");
        ada.post("/a/acme-works/settings", &[("name", "Acme"), ("slug", "acme")]).await.assert_status(303);
        ada.get("/a/acme-works/settings").await.assert_status(307).assert_redirect("/a/acme/settings");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_shown_and_nothing_is_saved() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        for (name, slug, message) in [
            ("", "acme", "Enter a name"),
            ("Acme", "A b", "small letters, digits"),
            ("Acme", "operator", "reserved"),
            ("Acme", "", "Enter a short name"),
        ] {
            ada.post("/a/acme/settings", &[("name", name), ("slug", slug)])
                .await
                .assert_status(422)
                .assert_contains(message);
        }
        let events = "select count(*) from audit_events where action = 'account.updated'";
        assert_eq!(app.count(events).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_decides_whether_admins_may_delete() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        app.add_member(&ada, &acme, &bob, &["admin"]).await;
        bob.get("/a/acme/settings/delete").await.assert_status(200);
        bob.post("/a/acme/settings/policies", &[])
            .await
            .assert_status(422)
            .assert_contains("Only the owner decides");

        ada.post("/a/acme/settings/policies", &[])
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/settings");
        bob.get("/a/acme/settings/delete").await.assert_status(403);
        bob.post("/a/acme/settings/delete", &[("confirm", "acme")]).await.assert_status(403);
        bob.get("/a/acme/settings")
            .await
            .assert_status(200)
            .assert_contains("Only the owner may delete")
            .assert_not_contains("Delete…");
        ada.post("/a/acme/settings/policies", &[("admins_may_delete", "on")]).await.assert_status(303);
        bob.post("/a/acme/settings/delete", &[("confirm", "acme")])
            .await
            .assert_status(303)
            .assert_redirect("/");
        ada.get("/a/acme/settings").await.assert_status(404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_see_read_only_settings_and_can_leave() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        app.add_member(&ada, &acme, &bob, &["member"]).await;
        let response = bob.get("/a/acme/settings").await.assert_status(200);
        let response = response
            .assert_contains("Free")
            .assert_contains("60 requests a minute")
            .assert_contains("2 members")
            .assert_contains("ada@acme.test");
        let response = response
            .assert_contains("Leave this organization")
            .assert_not_contains("Save")
            .assert_not_contains("Transfer")
            .assert_not_contains("Delete");
        assert!(response.body.contains("/a/acme/members/leave"));
        bob.post("/a/acme/settings", &[("name", "Mine"), ("slug", "mine")]).await.assert_status(403);

        let response = bob
            .get("/a/bob/settings")
            .await
            .assert_status(200)
            .assert_contains("Save")
            .assert_contains("goes with your user");
        response
            .assert_not_contains("Ownership")
            .assert_not_contains("Danger zone")
            .assert_not_contains("Policies");
        bob.get("/a/bob/settings/delete").await.assert_status(403);
        bob.post("/a/bob/settings/delete", &[("confirm", "bob")]).await.assert_status(403);
        bob.get("/a/bob/settings/transfer").await.assert_status(403);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_an_account_needs_its_name_typed() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        app.add_member(&ada, &acme, &bob, &["member"]).await;
        let key = app.api_key(&acme, &bob).await;
        key.get("/api/v1/accounts/acme").await.assert_status(200);

        let page = ada.get("/a/acme/settings/delete").await.assert_status(200);
        page.assert_contains("2 memberships")
            .assert_contains("1 API key")
            .assert_contains("audit log is kept")
            .assert_not_contains("Your password");
        ada.post("/a/acme/settings/delete", &[("confirm", "acne")])
            .await
            .assert_status(422)
            .assert_contains("Type acme");
        ada.post("/a/acme/settings/delete", &[]).await.assert_status(422);

        app.advance(Duration::from_secs(601));
        ada.get("/a/acme/settings/delete").await.assert_status(200).assert_contains("Your password");
        ada.post("/a/acme/settings/delete", &[("confirm", "acme")])
            .await
            .assert_status(422)
            .assert_contains("Enter your password");
        let wrong = [("confirm", "acme"), ("password", "wrong")];
        ada.post("/a/acme/settings/delete", &wrong)
            .await
            .assert_status(422)
            .assert_contains("not your password");
        let right = [("confirm", "acme"), ("password", PASSWORD)];
        let response =
            ada.post("/a/acme/settings/delete", &right).await.assert_status(303).assert_redirect("/");
        assert_eq!(response.toast(), "Acme is deleted.");

        ada.get("/a/acme/settings").await.assert_status(404);
        bob.get("/a/acme/settings").await.assert_status(404);
        key.get("/api/v1/accounts/acme").await.assert_status(401);
        assert!(app.email("bob@acme.test").await.0.subject.contains("Acme"));
        let deletions = "select count(*) from audit_events where action = 'account.deleted'";
        assert_eq!(app.count(deletions).await, 2, "in its own chain and in the installation's");
        let slugs = "select count(*) from slugs where slug = 'acme'";
        assert_eq!(app.count(slugs).await, 1);
        ada.get("/").await.assert_status(303).assert_redirect("/a/ada/overview");
    })
    .await;
}
