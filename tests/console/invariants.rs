//! The invariants, each under fifty concurrent requests.
use crate::harness::{TestApp, TestResponse, TestUser, on_each_db};
use axum::http::Method;
use futures_util::future::join_all;
use guildhall::store::{Scope, System, audit};
use serde_json::json;

const CONCURRENCY: usize = 50;

/// Asserts what must always hold: one owner in every account, correct counts, intact audit chains.
pub async fn assert_invariants(app: &TestApp) {
    let owners = "select count(*) from accounts a where 1 <> (
        select count(*) from memberships m where m.account_id = a.id and m.is_owner and m.user_id = a.owner_id
            and m.suspended_at is null and m.expires_at is null)";
    assert_eq!(app.count(owners).await, 0, "an account without exactly one active owner");
    let counts = "select count(*) from accounts a where a.member_count <> (
        select count(*) from memberships m where m.account_id = a.id)";
    assert_eq!(app.count(counts).await, 0, "a member count is wrong");
    let owner_grants =
        "select count(*) from grants g join memberships m on m.id = g.membership_id where m.is_owner";
    assert_eq!(app.count(owner_grants).await, 0, "an owner holds grants");
    let orphans = "select count(*) from memberships m join accounts a on a.id = m.account_id
        join accounts p on p.id = a.parent_id and p.kind = 'organization'
        where not exists (select 1 from memberships q where q.account_id = p.id and q.user_id = m.user_id)";
    assert_eq!(app.count(orphans).await, 0, "a team has a member from outside its organization");
    let mut scope = Scope::system(&app.db, System("test"), &app.kit);
    audit::verify(&mut scope).await.unwrap().unwrap();
}

/// Sends the same form many times at once; answers the statuses.
async fn send_concurrently(user: &TestUser, path: &str, form: &[(&str, &str)]) -> Vec<u16> {
    let responses = (0..CONCURRENCY).map(|_| user.post(path, form));
    join_all(responses).await.into_iter().map(|response| response.status).collect()
}

fn assert_no_server_error(statuses: &[u16]) {
    assert!(statuses.iter().all(|status| *status < 500), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_one_owner_whatever_happens_concurrently() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        let membership = app.add_member(&ada, &acme, &bob, &["member"]).await;
        let base = format!("/a/{acme}/settings/transfer");
        let to = membership.to_string();
        let offer = [("to", to.as_str()), ("confirm", acme.as_str())];
        let offers = send_concurrently(&ada, &base, &offer).await;
        assert_eq!(offers.iter().filter(|status| **status == 303).count(), 1, "{offers:?}");

        let (accept, withdraw) = (format!("{base}/accept"), format!("{base}/withdraw"));
        let suspend = format!("/a/{acme}/members/{membership}/suspend");
        let leave = format!("/a/{acme}/members/leave");
        let requests = (0..CONCURRENCY).map(|n| match n % 4 {
            0 => bob.post(&accept, &[]),
            1 => ada.post(&withdraw, &[]),
            2 => ada.post(&suspend, &[]),
            _ => bob.post(&leave, &[]),
        });
        let statuses: Vec<u16> = join_all(requests).await.iter().map(|response| response.status).collect();
        assert_no_server_error(&statuses);
        assert_invariants(app).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ownership_passes_once_and_the_former_owner_becomes_an_admin() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        let membership = app.add_member(&ada, &acme, &bob, &["member"]).await.to_string();
        let base = format!("/a/{acme}/settings/transfer");
        ada.post(&base, &[("to", &membership), ("confirm", &acme)]).await.assert_status(303);
        let accepts = send_concurrently(&bob, &format!("{base}/accept"), &[]).await;
        assert_no_server_error(&accepts);
        let owner = "select count(*) from accounts a join users u on u.id = a.owner_id
            where a.slug = 'acme' and u.email = 'bob@acme.test'";
        assert_eq!(app.count(owner).await, 1);
        let admin = "select count(*) from grants g join memberships m on m.id = g.membership_id join users u on u.id = m.user_id
            where u.email = 'ada@acme.test' and g.role = 'admin'";
        assert_eq!(app.count(admin).await, 1);
        let events = "select count(*) from audit_events where action = 'transfer.accepted'";
        assert_eq!(app.count(events).await, 1);
        assert_invariants(app).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_owns_more_organizations_than_allowed() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let statuses = send_concurrently(&ada, "/new/organization", &[("name", "Acme")]).await;
        assert_no_server_error(&statuses);
        assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
        assert_eq!(app.count("select count(*) from accounts where kind = 'organization'").await, 1);

        // Accepting the ownership of another one does not exceed the limit either.
        let bob = app.user("Bob", "bob@acme.test").await;
        let best = app.organization(&bob, "Best").await;
        let membership = app.add_member(&bob, &best, &ada, &["member"]).await.to_string();
        let base = format!("/a/{best}/settings/transfer");
        bob.post(&base, &[("to", &membership), ("confirm", &best)]).await.assert_status(303);
        let accepts = send_concurrently(&ada, &format!("{base}/accept"), &[]).await;
        assert!(accepts.iter().all(|status| [303, 409].contains(status)), "{accepts:?}");
        let owned = "select count(*) from accounts a join users u on u.id = a.owner_id
            where a.kind = 'organization' and u.email = 'ada@acme.test'";
        assert_eq!(app.count(owned).await, 1);
        assert_invariants(app).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_suspend_remove_or_limit_the_owner() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        app.add_member(&ada, &acme, &bob, &["admin"]).await;
        let owner = app.membership(&acme, &ada).await;
        let base = format!("/a/{acme}/members/{owner}");
        for (path, form) in [
            ("suspend", vec![]),
            ("remove", vec![("confirm", "on")]),
            ("roles", vec![("role", "member"), ("product", "")]),
            ("expiry", vec![("expires", "2030-01-01")]),
        ] {
            let statuses = send_concurrently(&bob, &format!("{base}/{path}"), &form).await;
            assert_no_server_error(&statuses);
        }
        let key = app.api_key(&acme, &bob).await;
        let api = format!("/api/v1/accounts/{acme}/members/{owner}");
        key.call(Method::PATCH, &api, &json!({ "status": "inactive" })).await.assert_status(409);
        key.call(Method::DELETE, &api, &json!({})).await.assert_status(409);
        ada.post(&format!("/a/{acme}/members/leave"), &[]).await.assert_status(409);
        let refused = ada.post("/me/delete", &[("confirm", "ada@acme.test")]).await;
        assert_eq!(refused.status, 409, "the owner of an organization cannot delete their user");
        assert_eq!(app.count("select count(*) from users").await, 2);
        assert_invariants(app).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_accepted_once() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let form = [("emails", "bob@acme.test, new@acme.test"), ("role", "member"), ("product", "")];
        ada.post(&format!("/a/{acme}/invitations"), &form).await.assert_status(303);
        let link = app.email("bob@acme.test").await.link("/invitations/");
        assert_no_server_error(&send_concurrently(&bob, &format!("{link}/accept"), &[]).await);
        assert_eq!(app.count("select count(*) from audit_events where action = 'member.joined'").await, 1);

        // Fifty browsers with one mailed link create one user.
        let link = app.email("new@acme.test").await.link("/invitations/");
        let path = format!("{link}/accept");
        let typed = [("name", "New"), ("password", "a phrase that nobody guesses")];
        let browsers: Vec<TestUser> = (0..CONCURRENCY).map(|_| app.visitor()).collect();
        let responses = join_all(browsers.iter().map(|browser| browser.post(&path, &typed))).await;
        let joined =
            |response: &&TestResponse| response.status == 303 && response.location().starts_with("/a/");
        assert_eq!(responses.iter().filter(joined).count(), 1);
        assert_no_server_error(&responses.iter().map(|response| response.status).collect::<Vec<_>>());
        assert_eq!(app.count("select count(*) from users where email = 'new@acme.test'").await, 1);
        assert_invariants(app).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_is_locked_out_with_sessions_and_keys() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        let membership = app.add_member(&ada, &acme, &bob, &["admin"]).await;
        let key = app.api_key(&acme, &bob).await;
        let api = format!("/api/v1/accounts/{acme}/members");
        let page = format!("/a/{acme}/overview");
        key.get(&api).await.assert_status(200);
        let member = format!("/a/{acme}/members/{membership}");
        ada.post(&format!("{member}/suspend"), &[]).await.assert_status(303);
        let (by_key, by_session) = (key.get(&api).await.status, bob.get(&page).await.status);
        assert!([401, 403].contains(&by_key) && by_session == 403, "{by_key} {by_session}");
        ada.post(&format!("{member}/reactivate"), &[]).await.assert_status(303);
        key.get(&api).await.assert_status(200);
        bob.get(&page).await.assert_status(200);

        let remove = format!("{member}/remove");
        let requests = join_all((0..CONCURRENCY).map(|_| key.get(&api)));
        let (removed, _) = tokio::join!(ada.post(&remove, &[("confirm", "on")]), requests);
        removed.assert_status(303);
        for response in join_all((0..CONCURRENCY).map(|_| key.get(&api))).await {
            response.assert_status(401);
        }
        bob.get(&page).await.assert_status(404);
        assert_eq!(app.count("select count(*) from api_keys where revoked_at is null").await, 0);
        // His personal account is not affected.
        bob.get("/a/bob/overview").await.assert_status(200);
        assert_invariants(app).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gains_rights_that_they_may_not_give() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let cy = app.user("Cy", "cy@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        let cy_id = app.add_member(&ada, &acme, &cy, &["admin"]).await;
        let bob_id = app.add_member(&ada, &acme, &bob, &["member"]).await;
        // Bob gets a custom role that may manage members and nothing else.
        app
            .raw_sql(
                r#"insert into roles (id, account_id, name, permissions, created_at, updated_at)
                   select id, id, 'Helper', '["account.view","members.view","members.invite","members.update","members.remove"]', 0, 0
                   from accounts where slug = 'acme'"#,
            )
            .await;
        app
            .raw_sql(
                "update grants set role = null, role_id = (select id from roles where name = 'Helper')
                 where membership_id = (select m.id from memberships m join users u on u.id = m.user_id
                    join accounts a on a.id = m.account_id where u.email = 'bob@acme.test' and a.slug = 'acme')",
            )
            .await;
        let roles = |id| format!("/a/{acme}/members/{id}/roles");
        let admin = [("role", "admin"), ("product", "")];
        bob.get(&format!("/a/{acme}/members")).await.assert_status(200);
        let own = bob.post(&roles(bob_id), &admin).await.status;
        let other = bob.post(&roles(cy_id), &[("role", "member"), ("product", "")]).await.status;
        let removal = bob.post(&format!("/a/{acme}/members/{cy_id}/remove"), &[("confirm", "on")]).await.status;
        let invited = [("emails", "eve@acme.test"), ("role", "admin"), ("product", "")];
        let invite = bob.post(&format!("/a/{acme}/invitations"), &invited).await.status;
        for status in [own, other, removal, invite] {
            assert!([403, 409, 422].contains(&status), "{status}");
        }
        assert!(app.emails("eve@acme.test").await.is_empty());

        // While an admin is demoted, each of their requests is decided before or after that, never by rights that are
        // gone.
        let demote = roles(cy_id);
        let member = [("role", "member"), ("product", "")];
        let promote = roles(bob_id);
        let requests = join_all((0..CONCURRENCY).map(|_| cy.post(&promote, &admin)));
        let (demoted, responses) = tokio::join!(ada.post(&demote, &member), requests);
        demoted.assert_status(303);
        assert_no_server_error(&responses.iter().map(|response| response.status).collect::<Vec<_>>());
        cy.post(&promote, &admin).await.assert_status(403);
        assert_invariants(app).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_has_one_email_and_one_event() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let acme = app.organization(&ada, "Acme").await;
        let path = format!("/a/{acme}/invitations");
        let emails: Vec<String> = (0..CONCURRENCY).map(|n| format!("u{}@acme.test", n / 2)).collect();
        let forms: Vec<_> = emails
            .iter()
            .map(|email| [("emails", email.as_str()), ("role", "member"), ("product", "")])
            .collect();
        for response in join_all(forms.iter().map(|form| ada.post(&path, form))).await {
            response.assert_status(303);
        }
        let (events, mails) = (
            app.count("select count(*) from audit_events where action = 'member.invited'").await,
            app.count("select count(*) from mails where subject like '%invited you%'").await,
        );
        assert_eq!((events, mails), (50, 50));
        let pending = "select count(*) from invitations where status = 'pending'";
        assert_eq!(app.count(pending).await, 25, "a second invitation replaces the first");
        assert_invariants(app).await;
    })
    .await;
}
