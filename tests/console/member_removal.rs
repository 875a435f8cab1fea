//! Removing a member: the page lists what will end, and for ten minutes the removal can be undone as far as
//! everything still exists.
use crate::{
    harness::{ApiClient, TestApp, TestUser, on_each_db, scaled},
    invariants::assert_invariants,
};
use axum::http::Method;
use futures_util::future::join_all;
use guildhall::{
    model::{id::MembershipId, time::MINUTE},
    store::{Change, System, members},
};
use serde_json::{Value, json};

const API: &str = "/api/v1/accounts/acme";

struct Acme {
    ada: TestUser,
    key: ApiClient,
    bob: TestUser,
    membership: MembershipId,
}

/// Ada owns Acme; Bob is a member who owns the team Ingest, where he has a key, and is in Ada's team
/// Trailers.
async fn acme(app: &TestApp) -> Acme {
    let ada = app.user("Ada Byron", "ada@acme.test").await;
    app.organization(&ada, "Acme").await;
    let key = app.api_key("acme", &ada).await;
    let bob = app.user("Bob", "bob@acme.test").await;
    let membership = app.add_member(&ada, "acme", &bob, &["member"]).await;
    bob.post("/new/team", &[("parent", "acme"), ("name", "Ingest")]).await.assert_status(303);
    ada.post("/new/team", &[("parent", "acme"), ("name", "Trailers")]).await.assert_status(303);
    app.add_member(&ada, "trailers", &bob, &["analyst"]).await;
    Acme { ada, key, bob, membership }
}

async fn register(key: &ApiClient, slug: &str, kind: &str, name: &str, visibility: &str) -> String {
    let product = if kind == "image_source" { "image" } else { "video" };
    let body = json!({ "product": product, "kind": kind, "name": name, "external_id": name.replace(' ', "_"),
        "visibility": visibility });
    let made =
        key.call(Method::POST, &format!("/api/v1/accounts/{slug}/resources"), &body).await.assert_status(201);
    made.json()["id"].as_str().unwrap().to_owned()
}

async fn restore(key: &ApiClient, membership: MembershipId) -> Value {
    key.call(Method::POST, &format!("{API}/members/{membership}/restore"), &json!({}))
        .await
        .assert_status(200)
        .json()
}

async fn give(key: &ApiClient, membership: MembershipId, grants: Value) {
    let path = format!("{API}/members/{membership}");
    key.call(Method::PATCH, &path, &json!({ "grants": grants })).await.assert_status(200);
}

async fn owner(app: &TestApp, slug: &str) -> String {
    let sql = "select u.email from accounts a join users u on u.id = a.owner_id where a.slug = $1";
    let mut conn = app.db.read().await.unwrap();
    conn.query(sql).bind(slug.to_owned()).fetch_one::<(String,)>().await.unwrap().0
}

/// `(kind, code)` of everything that could not be restored.
fn missing(response: &Value) -> Vec<(String, String)> {
    let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    let items = response["not_restored"].as_array().unwrap().iter();
    items.map(|item| (text(item, "kind"), text(item, "code"))).collect()
}

/// Whatever columns the table has: a new one must not be lost by an undo.
#[tokio::test(flavor = "multi_thread")]
async fn undoing_a_removal_restores_every_column_of_the_memberships() {
    on_each_db(async |app| {
        let Acme { key, membership, .. } = acme(app).await;
        app.raw_sql(
            "update memberships set login_type = 'password', expires_at = 9000000000000000, joined_at = 3, active_at = 4
             where user_id = (select id from users where email = 'bob@acme.test')
                and account_id = (select id from accounts where slug = 'acme')",
        )
        .await;
        app.raw_sql(
            "update memberships set suspended_at = 7, joined_at = 5, active_at = 6
             where user_id = (select id from users where email = 'bob@acme.test')
                and account_id = (select id from accounts where slug = 'trailers')",
        )
        .await;
        app.raw_sql(
            "create table memberships_before as select * from memberships
             where user_id = (select id from users where email = 'bob@acme.test')
                and account_id in (select id from accounts where kind <> 'personal')",
        )
        .await;
        assert_eq!(app.count("select count(*) from memberships_before").await, 3);

        key.call(Method::DELETE, &format!("{API}/members/{membership}"), &json!({})).await.assert_status(204);
        let left = "select count(*) from (select * from memberships_before intersect select * from memberships) kept";
        assert_eq!(app.count(left).await, 0);
        restore(&key, membership).await;

        let lost = "select count(*) from (select * from memberships_before except select * from memberships) lost";
        assert_eq!(app.count(lost).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn undoing_a_removal_restores_everything() {
    on_each_db(async |app| {
        let Acme { ada, key, bob, membership } = acme(app).await;
        let (bob_key, team_key) = (app.api_key("acme", &bob).await, app.api_key("ingest", &bob).await);
        let secret = register(&bob_key, "acme", "video", "Rough cut", "private").await;
        register(&team_key, "ingest", "video", "Camera tests", "private").await;
        let listed = register(&key, "acme", "video_collection", "Dailies", "shared").await;
        let scope = json!({ "type": "resources", "resources": [listed] });
        give(&key, membership, json!([{ "role": "member" }, { "role": "source-specific", "scope": scope }]))
            .await;
        let before = key.get(&format!("{API}/members/{membership}")).await.assert_status(200).json();

        // The use of a key is recorded asynchronously, shortly after the request.
        let used = "select count(*) from api_keys where used_at is not null";
        for _ in 0..100 {
            if app.count(used).await >= 3 {
                break;
            }
            tokio::time::sleep(scaled(std::time::Duration::from_millis(50))).await;
        }
        let page = ada.get(&format!("/a/acme/members/{membership}/remove")).await.assert_status(200);
        page.assert_contains("2 API keys revoked at once")
            .assert_contains("last used")
            .assert_contains("2 private resources passed on")
            .assert_contains("Rough cut Video · goes to who takes over")
            .assert_contains("Camera tests Video · goes to who takes over Ingest")
            .assert_contains("2 teams left")
            .assert_contains("Who takes over Ingest and 1 private resource")
            .assert_contains("ends at once, in 1 session")
            .assert_contains("For 10 minutes it can be undone");
        let response =
            ada.post(&format!("/a/acme/members/{membership}/remove"), &[]).await.assert_status(303);
        assert_eq!(response.toast(), "Bob was removed.");
        let listed = ada
            .get("/a/acme/members")
            .await
            .assert_status(200)
            .assert_contains("Bob was removed")
            .assert_contains("Can be undone until");
        let undo = format!("/a/acme/members/{membership}/restore");
        assert_eq!(
            listed.body.matches(&format!("action=\"{undo}\"")).count(),
            2,
            "in the toast and in the list"
        );
        bob_key.get(API).await.assert_status(401);
        bob.get("/a/acme/overview").await.assert_status(404);
        let resource = key.get(&format!("{API}/resources/{secret}")).await.assert_status(200).json();
        assert_eq!(resource["created_by"], ada.id.to_string());
        assert_eq!(owner(app, "ingest").await, "ada@acme.test");

        ada.post(&undo, &[])
            .await
            .assert_status(303)
            .assert_redirect(&format!("/a/acme/members/{membership}/restored"));
        ada.get(&format!("/a/acme/members/{membership}/restored"))
            .await
            .assert_status(200)
            .assert_contains("Bob is a member again")
            .assert_contains("2 API keys work again")
            .assert_contains("2 private resources are theirs again")
            .assert_contains("Member of Ingest, Trailers again")
            .assert_contains("Owner of Ingest again")
            .assert_contains("Everything came back.");
        let after = key.get(&format!("{API}/members/{membership}")).await.assert_status(200).json();
        for field in ["id", "grants", "joined_at", "login_type", "expires_at", "status"] {
            assert_eq!(after[field], before[field], "{field}");
        }
        bob_key.get(&format!("{API}/resources/{secret}")).await.assert_status(200);
        team_key.get("/api/v1/accounts/ingest").await.assert_status(200);
        bob.get("/a/trailers/overview").await.assert_status(200);
        assert_eq!(owner(app, "ingest").await, "bob@acme.test");
        assert!(app.email("bob@acme.test").await.0.subject.contains("a member of Acme again"));
        ada.get("/a/acme/audit")
            .await
            .assert_status(200)
            .assert_contains("took back the removal of bob@acme.test");
        let page = ada.get("/a/acme/members").await.assert_status(200);
        assert!(!page.body.contains("/restore\""), "nothing is left to undo");
        // A second undo changes nothing.
        ada.post(&undo, &[]).await.assert_status(303);
        let response = key
            .call(Method::POST, &format!("{API}/members/{membership}/restore"), &json!({}))
            .await
            .assert_status(409);
        assert_eq!(response.json()["code"], "restored_already");
        assert_invariants(app).await;
        // Ada was not a member of Ingest before the removal, so she is not one now.
        let sql = "select count(*) from memberships m join accounts a on a.id = m.account_id \
             where a.slug = 'ingest'";
        assert_eq!(app.count(sql).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn undoing_a_removal_lists_what_could_not_be_restored() {
    on_each_db(async |app| {
        let Acme { ada, key, bob, membership } = acme(app).await;
        let bob_key = app.api_key("acme", &bob).await;
        let role = json!({ "name": "Reviewer", "permissions": ["resources.view"] });
        let role =
            key.call(Method::POST, &format!("{API}/roles"), &role).await.assert_status(201).json()["id"]
                .clone();
        let one = register(&key, "acme", "video_collection", "One", "shared").await;
        let two = register(&key, "acme", "video_collection", "Two", "shared").await;
        let listed = |ids: &[&str]| json!({ "type": "resources", "resources": ids });
        let soon = app.kit.now().plus(3 * MINUTE);
        give(
            &key,
            membership,
            json!([
                { "role": "member" },
                { "role": role },
                { "role": "accountant", "expires_at": soon },
                { "role": "source-specific", "scope": listed(&[&one, &two]) },
                { "role": role, "scope": listed(&[&two]) },
            ]),
        )
        .await;
        let ends = json!({ "name": "Short", "expires_at": soon });
        bob_key.call(Method::POST, &format!("{API}/keys"), &ends).await.assert_status(201);
        let revoked = bob_key
            .call(Method::POST, &format!("{API}/keys"), &json!({ "name": "Leaked" }))
            .await
            .assert_status(201);
        let revoked = revoked.json()["id"].as_str().unwrap().to_owned();
        let secret = register(&bob_key, "acme", "video", "Rough cut", "private").await;
        register(&bob_key, "acme", "video", "Fine cut", "private").await;
        bob.post("/a/acme/requests", &[("permission", "audit.view")]).await.assert_status(303);

        key.call(Method::DELETE, &format!("{API}/members/{membership}"), &json!({})).await.assert_status(204);
        key.call(Method::DELETE, &format!("{API}/roles/{}", role.as_str().unwrap()), &json!({}))
            .await
            .assert_status(204);
        key.call(Method::DELETE, &format!("{API}/resources/{two}"), &json!({})).await.assert_status(204);
        key.call(Method::PATCH, &format!("{API}/resources/{secret}"), &json!({ "name": "Mine" }))
            .await
            .assert_status(200);
        key.call(Method::DELETE, &format!("{API}/keys/{revoked}"), &json!({})).await.assert_status(204);
        ada.post("/a/ingest/settings/delete", &[("confirm", "ingest")]).await.assert_status(303);
        let invite = json!({ "emails": ["bob@acme.test"], "grants": [{ "role": "analyst" }] });
        key.call(Method::POST, &format!("{API}/invitations"), &invite).await.assert_status(200);
        app.advance(5 * MINUTE);

        let response = restore(&key, membership).await;
        assert_eq!(response["member"]["grants"].as_array().unwrap().len(), 2);
        assert_eq!(response["restored"]["grants"], json!(["member", "video-source-specific"]));
        assert_eq!(response["member"]["grants"][1]["scope"]["resources"], json!([one]));
        assert_eq!(
            (&response["restored"]["keys"], &response["restored"]["resources"]),
            (&json!(1), &json!(1))
        );
        assert_eq!(response["restored"]["teams"], json!(["Trailers"]));
        let lost = missing(&response);
        for (kind, code) in [
            ("grant", "role_deleted"),
            ("grant", "grant_ended"),
            ("grant", "resource_deleted"),
            ("key", "key_expired"),
            ("key", "key_revoked"),
            ("resource", "resource_changed"),
            ("team", "team_deleted"),
            ("request", "request_ended"),
        ] {
            assert!(lost.contains(&(kind.into(), code.into())), "{kind} {code}: {lost:?}");
        }
        assert_eq!(lost.len(), 9, "{lost:?}");
        ada.get(&format!("/a/acme/members/{membership}/restored"))
            .await
            .assert_status(200)
            .assert_contains("The role “Reviewer” was deleted.");
        bob_key.get(API).await.assert_status(200);
        let pending = "select count(*) from invitations where status = 'pending'";
        assert_eq!(app.count(pending).await, 0, "the invitation is of no use any more");
        assert_invariants(app).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn undoing_a_removal_checks_the_rules_again() {
    on_each_db(async |app| {
        let Acme { ada, key, bob, membership } = acme(app).await;
        let path = format!("{API}/members/{membership}/restore");
        let empty = json!({});
        // There is nothing to undo before the removal, and never for other accounts or for the removed
        // member.
        key.call(Method::POST, &path, &empty).await.assert_status(404);
        let cy = app.user("Cy", "cy@acme.test").await;
        let cy_membership = app.add_member(&ada, "acme", &cy, &["admin"]).await;
        let cy_key = app.api_key("acme", &cy).await;
        let eve = app.user("Eve", "eve@other.test").await;
        let other = app.organization(&eve, "Other").await;
        cy_key.call(Method::DELETE, &format!("{API}/members/{membership}"), &empty).await.assert_status(204);
        let eve_key = app.api_key(&other, &eve).await;
        let foreign = format!("/api/v1/accounts/{other}/members/{membership}/restore");
        eve_key.call(Method::POST, &foreign, &empty).await.assert_status(404);
        eve.post(&format!("/a/acme/members/{membership}/restore"), &[]).await.assert_status(404);
        bob.post(&format!("/a/acme/members/{membership}/restore"), &[]).await.assert_status(404);
        // The person who removed Bob has lost the permission to invite, and then lacks what Bob held.
        give(&key, cy_membership, json!([{ "role": "member" }])).await;
        let response = cy_key.call(Method::POST, &path, &empty).await.assert_status(403);
        assert_eq!(response.json()["permission"], "members.invite");
        cy.post(&format!("/a/acme/members/{membership}/restore"), &[]).await.assert_status(403);
        let role =
            json!({ "name": "Inviter", "permissions": ["members.invite", "members.remove", "members.view"] });
        let role =
            key.call(Method::POST, &format!("{API}/roles"), &role).await.assert_status(201).json()["id"]
                .clone();
        give(&key, cy_membership, json!([{ "role": role }])).await;
        cy_key.call(Method::POST, &path, &empty).await.assert_status(403);
        let memberships = "select count(*) from memberships m join users u on u.id = m.user_id
            join accounts a on a.id = m.account_id where u.email = 'bob@acme.test' and a.kind <> 'personal'";
        assert_eq!(app.count(memberships).await, 0, "nothing was restored");
        // With everything Bob held they can restore him, but not to teams where they may not invite.
        give(&key, cy_membership, json!([{ "role": role }, { "role": "member" }])).await;
        let response = cy_key.call(Method::POST, &path, &empty).await.assert_status(200).json();
        assert_eq!(response["restored"]["teams"], json!([]));
        let denied = ("team".to_owned(), "permission_missing".to_owned());
        assert_eq!(missing(&response), [denied.clone(), denied]);
        assert_eq!(owner(app, "ingest").await, "ada@acme.test");
        assert_invariants(app).await;

        // Bob has joined again in the meantime; and an undo comes too late.
        let remove = format!("{API}/members/{membership}");
        key.call(Method::DELETE, &remove, &empty).await.assert_status(204);
        let again = app.add_member(&ada, "acme", &bob, &["member"]).await;
        assert_ne!(again, membership);
        let response = key.call(Method::POST, &path, &empty).await.assert_status(409);
        assert_eq!(response.json()["code"], "member_again");
        ada.get("/a/acme/members").await.assert_status(200).assert_not_contains("Bob was removed");
        key.call(Method::DELETE, &format!("{API}/members/{again}"), &empty).await.assert_status(204);
        app.advance(11 * MINUTE);
        let response = key
            .call(Method::POST, &format!("{API}/members/{again}/restore"), &empty)
            .await
            .assert_status(409);
        assert_eq!(response.json()["code"], "undo_over");
        let ada = app.second_browser(&ada).await;
        ada.get("/a/acme/members").await.assert_status(200).assert_not_contains("was removed");
        // The snapshot is deleted once it can no longer be used.
        let mut change = Change::begin_as_system(&app.db, System("test"), &app.kit).await.unwrap();
        members::forget_removals(&mut change).await.unwrap();
        change.commit().await.unwrap();
        assert_eq!(app.count("select count(*) from removals").await, 0);
        assert_eq!(app.count("select count(*) from removed_keys").await, 0);
        let late = ada.post(&format!("/a/acme/members/{again}/restore"), &[]).await.assert_status(303);
        assert!(late.toast().contains("10 minutes are over"), "{}", late.toast());
        ada.get(&format!("/a/acme/members/{again}/restored")).await.assert_status(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_undos_restore_once_and_a_transferred_team_stays() {
    on_each_db(async |app| {
        let Acme { ada, key, bob, membership } = acme(app).await;
        let cy = app.user("Cy", "cy@acme.test").await;
        let heir = app.add_member(&ada, "acme", &cy, &["admin"]).await;
        app.add_member(&ada, "ingest", &cy, &["analyst"]).await;
        let remove = format!("{API}/members/{membership}");
        key.call(Method::DELETE, &format!("{remove}?heir={heir}"), &json!({})).await.assert_status(204);
        assert_eq!(owner(app, "ingest").await, "cy@acme.test");
        let path = format!("{remove}/restore");
        let empty = json!({});
        let requests = (0..20).map(|_| key.call(Method::POST, &path, &empty));
        let statuses: Vec<u16> = join_all(requests).await.iter().map(|response| response.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
        assert_eq!(owner(app, "ingest").await, "bob@acme.test");
        let cy_in_team = app.membership("ingest", &cy).await;
        let page = bob.get(&format!("/a/ingest/members/{cy_in_team}")).await.assert_status(200);
        page.assert_contains("Analyst");
        assert_invariants(app).await;

        // The team was transferred in the meantime: Bob returns as its admin.
        key.call(Method::DELETE, &format!("{remove}?heir={heir}"), &empty).await.assert_status(204);
        let di = app.user("Di", "di@acme.test").await;
        app.add_member(&ada, "acme", &di, &["member"]).await;
        let di = app.add_member(&ada, "ingest", &di, &["member"]).await.to_string();
        cy.post("/a/ingest/settings/transfer", &[("to", &di), ("confirm", "ingest")])
            .await
            .assert_status(303);
        let response = restore(&key, membership).await;
        assert_eq!(missing(&response), [("ownership".to_owned(), "owner_changed".to_owned())]);
        assert_eq!(owner(app, "ingest").await, "cy@acme.test");
        bob.get("/a/ingest/members").await.assert_status(200);
        assert_invariants(app).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_heir_must_see_the_resources_and_a_suspension_keeps_the_creator() {
    on_each_db(async |app| {
        let Acme { ada, key, bob, membership } = acme(app).await;
        let bob_key = app.api_key("acme", &bob).await;
        let secret = register(&bob_key, "acme", "video", "Rough cut", "private").await;
        let cy = app.user("Cy", "cy@acme.test").await;
        let accountant = app.add_member(&ada, "acme", &cy, &["accountant"]).await;
        let remove = format!("{API}/members/{membership}");
        let response = key
            .call(Method::DELETE, &format!("{remove}?heir={accountant}"), &json!({}))
            .await
            .assert_status(422);
        assert_eq!(response.json()["errors"][0]["code"], "sees_nothing");
        ada.post(&format!("/a/acme/members/{membership}/remove"), &[("heir", &accountant.to_string())])
            .await
            .assert_status(422)
            .assert_contains("Cy does not see all Video resources");

        ada.get(&format!("/a/acme/members/{membership}/suspend"))
            .await
            .assert_status(200)
            .assert_contains("Suspend Bob?")
            .assert_contains("1 API key stopped at once")
            .assert_contains("1 private resource stay theirs")
            .assert_contains("Ingest passes to Ada Byron and stays there");
        cy.get(&format!("/a/acme/members/{membership}/suspend")).await.assert_status(403);
        ada.post(&format!("/a/acme/members/{membership}/suspend"), &[]).await.assert_status(303);
        let resource = key.get(&format!("{API}/resources/{secret}")).await.assert_status(200).json();
        assert_eq!(resource["created_by"], bob.id.to_string());
        let again = ada.get(&format!("/a/acme/members/{membership}/suspend")).await.assert_status(303);
        assert!(again.toast().contains("suspended already"));
        ada.post(&format!("/a/acme/members/{membership}/reactivate"), &[]).await.assert_status(303);

        // Leaving hands resources over too, without an undo.
        bob.get("/a/acme/members/leave")
            .await
            .assert_status(200)
            .assert_contains("Rough cut Video · goes to Ada Byron");
        bob.post("/a/acme/members/leave", &[]).await.assert_status(303);
        let resource = key.get(&format!("{API}/resources/{secret}")).await.assert_status(200).json();
        assert_eq!(resource["created_by"], ada.id.to_string());
        key.call(Method::POST, &format!("{remove}/restore"), &json!({})).await.assert_status(404);
        assert_invariants(app).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_removal_is_undone_only_for_members_of_the_organization() {
    on_each_db(async |app| {
        let Acme { ada, key, bob, membership } = acme(app).await;
        let in_team = app.membership("trailers", &bob).await;
        let page = format!("/a/trailers/members/{in_team}");
        ada.post(&format!("{page}/remove"), &[]).await.assert_status(303);
        bob.get("/a/trailers/overview").await.assert_status(404);
        bob.get("/a/acme/overview").await.assert_status(200);
        ada.post(&format!("{page}/restore"), &[])
            .await
            .assert_status(303)
            .assert_redirect(&format!("{page}/restored"));
        bob.get("/a/trailers/overview").await.assert_status(200);
        ada.post(&format!("{page}/remove"), &[]).await.assert_status(303);
        key.call(Method::DELETE, &format!("{API}/members/{membership}"), &json!({})).await.assert_status(204);
        let response = ada.post(&format!("{page}/restore"), &[]).await.assert_status(303);
        assert!(response.toast().contains("not in the organization any more"), "{}", response.toast());
        assert_invariants(app).await;
    })
    .await;
}

/// Who leads an account is one rule: whoever is told, named or offered as an heir may enter now and holds the role now.
#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_whose_time_is_over_is_neither_named_nor_an_heir() {
    on_each_db(async |app| {
        let Acme { ada, key, membership, .. } = acme(app).await;
        let dee = app.user("Dee Former", "dee@acme.test").await;
        let former = app.add_member(&ada, "acme", &dee, &["member"]).await;
        let end = app.kit.now().plus(std::time::Duration::from_secs(3600));
        give(&key, former, json!([{ "role": "member" }, { "role": "admin", "expires_at": end }])).await;
        let eve = app.user("Eve Current", "eve@acme.test").await;
        app.add_member(&ada, "acme", &eve, &["admin"]).await;
        let removal = format!("/a/acme/members/{membership}/remove");

        ada.get(&removal)
            .await
            .assert_status(200)
            .assert_contains("Dee Former")
            .assert_contains("Eve Current");
        app.advance_to(end);
        let ada = app.second_browser(&ada).await;
        ada.get(&removal)
            .await
            .assert_status(200)
            .assert_not_contains("Dee Former")
            .assert_contains("Eve Current");
        let bob = app.user("Bob Outside", "outside@acme.test").await;
        app.add_member(&ada, "acme", &bob, &["member"]).await;
        let refused = bob.get("/a/acme/audit").await.assert_status(403);
        refused.assert_contains("Eve Current").assert_not_contains("Dee Former");
    })
    .await;
}
