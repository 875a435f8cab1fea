//! Who goes: what ends is said first, and a removal can be taken back for ten minutes, as far as what was there still is.
use crate::{
    harness::{House, Person, Program, each},
    invariants::sound,
};
use axum::http::Method;
use futures_util::future::join_all;
use guildhall::{
    model::{id::MembershipId, time::MINUTE},
    store::{Change, Host, members},
};
use serde_json::{Value, json};

const API: &str = "/api/v1/accounts/acme";

struct Acme {
    ada: Person,
    key: Program,
    bob: Person,
    seat: MembershipId,
}

/// Ada owns Acme; Bob is a member who owns the team Ingest, where he has a key, and is in Ada's team Trailers.
async fn acme(house: &House) -> Acme {
    let ada = house.user("Ada Byron", "ada@acme.test").await;
    house.organization(&ada, "Acme").await;
    let key = house.key("acme", &ada).await;
    let bob = house.user("Bob", "bob@acme.test").await;
    let seat = house.join(&ada, "acme", &bob, &["member"]).await;
    bob.post("/new/team", &[("parent", "acme"), ("name", "Ingest")]).await.is(303);
    ada.post("/new/team", &[("parent", "acme"), ("name", "Trailers")]).await.is(303);
    house.join(&ada, "trailers", &bob, &["analyst"]).await;
    Acme { ada, key, bob, seat }
}

async fn register(key: &Program, slug: &str, kind: &str, name: &str, visibility: &str) -> String {
    let product = if kind == "image_source" { "image" } else { "video" };
    let body = json!({ "product": product, "kind": kind, "name": name, "external_id": name.replace(' ', "_"),
        "visibility": visibility });
    let made = key.call(Method::POST, &format!("/api/v1/accounts/{slug}/resources"), &body).await.is(201);
    made.json()["id"].as_str().unwrap().to_owned()
}

async fn restore(key: &Program, seat: MembershipId) -> Value {
    key.call(Method::POST, &format!("{API}/members/{seat}/restore"), &json!({})).await.is(200).json()
}

async fn give(key: &Program, seat: MembershipId, grants: Value) {
    let path = format!("{API}/members/{seat}");
    key.call(Method::PATCH, &path, &json!({ "grants": grants })).await.is(200);
}

async fn owner(house: &House, slug: &str) -> String {
    let sql = "select u.email from accounts a join users u on u.id = a.owner_id where a.slug = $1";
    let mut conn = house.db.read().await.unwrap();
    conn.query(sql).bind(slug.to_owned()).one::<(String,)>().await.unwrap().0
}

/// `(kind, code)` of what did not come back.
fn missing(told: &Value) -> Vec<(String, String)> {
    let word = |it: &Value, name: &str| it[name].as_str().unwrap().to_owned();
    let all = told["not_restored"].as_array().unwrap().iter();
    all.map(|it| (word(it, "kind"), word(it, "code"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_is_taken_back_whole() {
    each(async |house| {
        let Acme { ada, key, bob, seat } = acme(house).await;
        let (own, in_team) = (house.key("acme", &bob).await, house.key("ingest", &bob).await);
        let secret = register(&own, "acme", "video", "Rough cut", "private").await;
        register(&in_team, "ingest", "video", "Camera tests", "private").await;
        let listed = register(&key, "acme", "video_collection", "Dailies", "shared").await;
        let over = json!({ "type": "resources", "resources": [listed] });
        give(&key, seat, json!([{ "role": "member" }, { "role": "source-specific", "scope": over }])).await;
        let before = key.get(&format!("{API}/members/{seat}")).await.is(200).json();

        // What ends is said first. That a key was used is written down a moment later.
        let used = "select count(*) from api_keys where used_at is not null";
        for _ in 0..100 {
            if house.count(used).await >= 3 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let page = ada.get(&format!("/a/acme/members/{seat}/remove")).await.is(200);
        page.says("2 API keys revoked at once")
            .says("last used")
            .says("2 private resources passed on")
            .says("Rough cut Video · goes to who takes over")
            .says("Camera tests Video · goes to who takes over Ingest")
            .says("2 teams left")
            .says("Who takes over Ingest and 1 private resource")
            .says("ends at once, in 1 session")
            .says("For 10 minutes it can be undone");
        let said = ada.post(&format!("/a/acme/members/{seat}/remove"), &[]).await.is(303);
        assert_eq!(said.toast(), "Bob was removed.");
        let listed = ada.get("/a/acme/members").await.is(200).says("Bob was removed").says("Can be undone until");
        let undo = format!("/a/acme/members/{seat}/restore");
        assert_eq!(listed.body.matches(&format!("action=\"{undo}\"")).count(), 2, "in the toast and in the list");
        own.get(API).await.is(401);
        bob.get("/a/acme/overview").await.is(404);
        let resource = key.get(&format!("{API}/resources/{secret}")).await.is(200).json();
        assert_eq!(resource["created_by"], ada.id.to_string());
        assert_eq!(owner(house, "ingest").await, "ada@acme.test");

        ada.post(&undo, &[]).await.is(303).to(&format!("/a/acme/members/{seat}/restored"));
        ada.get(&format!("/a/acme/members/{seat}/restored"))
            .await
            .is(200)
            .says("Bob is a member again")
            .says("2 API keys work again")
            .says("2 private resources are theirs again")
            .says("Member of Ingest, Trailers again")
            .says("Owner of Ingest again")
            .says("Everything came back.");
        let after = key.get(&format!("{API}/members/{seat}")).await.is(200).json();
        for field in ["id", "grants", "joined_at", "login_type", "expires_at", "status"] {
            assert_eq!(after[field], before[field], "{field}");
        }
        own.get(&format!("{API}/resources/{secret}")).await.is(200);
        in_team.get("/api/v1/accounts/ingest").await.is(200);
        bob.get("/a/trailers/overview").await.is(200);
        assert_eq!(owner(house, "ingest").await, "bob@acme.test");
        assert!(house.letter("bob@acme.test").await.0.subject.contains("a member of Acme again"));
        ada.get("/a/acme/audit").await.is(200).says("took back the removal of bob@acme.test");
        let page = ada.get("/a/acme/members").await.is(200);
        assert!(!page.body.contains("/restore\""), "nothing is left to undo");
        // Once is enough.
        ada.post(&undo, &[]).await.is(303);
        let again = key.call(Method::POST, &format!("{API}/members/{seat}/restore"), &json!({})).await.is(409);
        assert_eq!(again.json()["code"], "restored_already");
        sound(house).await;
        // Ada was not in Ingest before, and is not now.
        let sql = "select count(*) from memberships m join accounts a on a.id = m.account_id where a.slug = 'ingest'";
        assert_eq!(house.count(sql).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_is_told() {
    each(async |house| {
        let Acme { ada, key, bob, seat } = acme(house).await;
        let own = house.key("acme", &bob).await;
        let role = json!({ "name": "Reviewer", "permissions": ["resources.view"] });
        let role = key.call(Method::POST, &format!("{API}/roles"), &role).await.is(201).json()["id"].clone();
        let one = register(&key, "acme", "video_collection", "One", "shared").await;
        let two = register(&key, "acme", "video_collection", "Two", "shared").await;
        let listed = |ids: &[&str]| json!({ "type": "resources", "resources": ids });
        let soon = house.kit.now().plus(3 * MINUTE);
        give(
            &key,
            seat,
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
        own.call(Method::POST, &format!("{API}/keys"), &ends).await.is(201);
        let by_hand =
            own.call(Method::POST, &format!("{API}/keys"), &json!({ "name": "Leaked" })).await.is(201);
        let by_hand = by_hand.json()["id"].as_str().unwrap().to_owned();
        let secret = register(&own, "acme", "video", "Rough cut", "private").await;
        register(&own, "acme", "video", "Fine cut", "private").await;
        bob.post("/a/acme/requests", &[("permission", "audit.view")]).await.is(303);

        key.call(Method::DELETE, &format!("{API}/members/{seat}"), &json!({})).await.is(204);
        key.call(Method::DELETE, &format!("{API}/roles/{}", role.as_str().unwrap()), &json!({}))
            .await
            .is(204);
        key.call(Method::DELETE, &format!("{API}/resources/{two}"), &json!({})).await.is(204);
        key.call(Method::PATCH, &format!("{API}/resources/{secret}"), &json!({ "name": "Mine" }))
            .await
            .is(200);
        key.call(Method::DELETE, &format!("{API}/keys/{by_hand}"), &json!({})).await.is(204);
        ada.post("/a/ingest/settings/delete", &[("confirm", "ingest")]).await.is(303);
        let invite = json!({ "emails": ["bob@acme.test"], "grants": [{ "role": "analyst" }] });
        key.call(Method::POST, &format!("{API}/invitations"), &invite).await.is(200);
        house.later(5 * MINUTE);

        let told = restore(&key, seat).await;
        assert_eq!(told["member"]["grants"].as_array().unwrap().len(), 2);
        assert_eq!(told["restored"]["grants"], json!(["member", "video-source-specific"]));
        assert_eq!(told["member"]["grants"][1]["scope"]["resources"], json!([one]));
        assert_eq!((&told["restored"]["keys"], &told["restored"]["resources"]), (&json!(1), &json!(1)));
        assert_eq!(told["restored"]["teams"], json!(["Trailers"]));
        let gone = missing(&told);
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
            assert!(gone.contains(&(kind.into(), code.into())), "{kind} {code}: {gone:?}");
        }
        assert_eq!(gone.len(), 9, "{gone:?}");
        ada.get(&format!("/a/acme/members/{seat}/restored"))
            .await
            .is(200)
            .says("The role “Reviewer” was deleted.");
        own.get(API).await.is(200);
        let waits = "select count(*) from invitations where status = 'pending'";
        assert_eq!(house.count(waits).await, 0, "the invitation is of no use any more");
        sound(house).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_are_asked_again() {
    each(async |house| {
        let Acme { ada, key, bob, seat } = acme(house).await;
        let path = format!("{API}/members/{seat}/restore");
        let nothing = json!({});
        // Nothing to undo, for a member, for nobody, for another account's people.
        key.call(Method::POST, &path, &nothing).await.is(404);
        let cy = house.user("Cy", "cy@acme.test").await;
        let cy_seat = house.join(&ada, "acme", &cy, &["admin"]).await;
        let cys = house.key("acme", &cy).await;
        let eve = house.user("Eve", "eve@other.test").await;
        let other = house.organization(&eve, "Other").await;
        cys.call(Method::DELETE, &format!("{API}/members/{seat}"), &nothing).await.is(204);
        let eves = house.key(&other, &eve).await;
        let foreign = format!("/api/v1/accounts/{other}/members/{seat}/restore");
        eves.call(Method::POST, &foreign, &nothing).await.is(404);
        eve.post(&format!("/a/acme/members/{seat}/restore"), &[]).await.is(404);
        bob.post(&format!("/a/acme/members/{seat}/restore"), &[]).await.is(404);
        // The remover may no more: neither at all, nor what Bob held.
        give(&key, cy_seat, json!([{ "role": "member" }])).await;
        let said = cys.call(Method::POST, &path, &nothing).await.is(403);
        assert_eq!(said.json()["permission"], "members.invite");
        cy.post(&format!("/a/acme/members/{seat}/restore"), &[]).await.is(403);
        let role =
            json!({ "name": "Inviter", "permissions": ["members.invite", "members.remove", "members.view"] });
        let role = key.call(Method::POST, &format!("{API}/roles"), &role).await.is(201).json()["id"].clone();
        give(&key, cy_seat, json!([{ "role": role }])).await;
        cys.call(Method::POST, &path, &nothing).await.is(403);
        let seats = "select count(*) from memberships m join users u on u.id = m.user_id
            join accounts a on a.id = m.account_id where u.email = 'bob@acme.test' and a.kind <> 'personal'";
        assert_eq!(house.count(seats).await, 0, "nothing was restored");
        // Who holds what he held brings him back, but not into teams in which they may invite nobody.
        give(&key, cy_seat, json!([{ "role": role }, { "role": "member" }])).await;
        let told = cys.call(Method::POST, &path, &nothing).await.is(200).json();
        assert_eq!(told["restored"]["teams"], json!([]));
        let lacks = ("team".to_owned(), "permission_missing".to_owned());
        assert_eq!(missing(&told), [lacks.clone(), lacks]);
        assert_eq!(owner(house, "ingest").await, "ada@acme.test");
        sound(house).await;

        // Joined again meanwhile; and late.
        let remove = format!("{API}/members/{seat}");
        key.call(Method::DELETE, &remove, &nothing).await.is(204);
        let again = house.join(&ada, "acme", &bob, &["member"]).await;
        assert_ne!(again, seat);
        let said = key.call(Method::POST, &path, &nothing).await.is(409);
        assert_eq!(said.json()["code"], "member_again");
        ada.get("/a/acme/members").await.is(200).hides("Bob was removed");
        key.call(Method::DELETE, &format!("{API}/members/{again}"), &nothing).await.is(204);
        house.later(11 * MINUTE);
        let said = key.call(Method::POST, &format!("{API}/members/{again}/restore"), &nothing).await.is(409);
        assert_eq!(said.json()["code"], "undo_over");
        let ada = house.again(&ada).await;
        ada.get("/a/acme/members").await.is(200).hides("was removed");
        // Then nothing is kept of it.
        let mut change = Change::<Host>::begin(&house.db, Host("test"), &house.kit).await.unwrap();
        members::sweep(&mut change).await.unwrap();
        change.commit().await.unwrap();
        assert_eq!(house.count("select count(*) from removals").await, 0);
        assert_eq!(house.count("select count(*) from removed_keys").await, 0);
        let late = ada.post(&format!("/a/acme/members/{again}/restore"), &[]).await.is(303);
        assert!(late.toast().contains("10 minutes are over"), "{}", late.toast());
        ada.get(&format!("/a/acme/members/{again}/restored")).await.is(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_undos_wins_and_a_team_handed_on_stays() {
    each(async |house| {
        let Acme { ada, key, bob, seat } = acme(house).await;
        let cy = house.user("Cy", "cy@acme.test").await;
        let heir = house.join(&ada, "acme", &cy, &["admin"]).await;
        house.join(&ada, "ingest", &cy, &["analyst"]).await;
        let remove = format!("{API}/members/{seat}");
        key.call(Method::DELETE, &format!("{remove}?heir={heir}"), &json!({})).await.is(204);
        assert_eq!(owner(house, "ingest").await, "cy@acme.test");
        let path = format!("{remove}/restore");
        let nothing = json!({});
        let storm = (0..20).map(|_| key.call(Method::POST, &path, &nothing));
        let said: Vec<u16> = join_all(storm).await.iter().map(|it| it.status).collect();
        assert_eq!(said.iter().filter(|it| **it == 200).count(), 1, "{said:?}");
        assert!(said.iter().all(|it| [200, 409].contains(it)), "{said:?}");
        assert_eq!(owner(house, "ingest").await, "bob@acme.test");
        let cys = house.membership("ingest", &cy).await;
        let page = bob.get(&format!("/a/ingest/members/{cys}")).await.is(200);
        page.says("Analyst");
        sound(house).await;

        // Handed on meanwhile: Bob comes back as an admin of it.
        key.call(Method::DELETE, &format!("{remove}?heir={heir}"), &nothing).await.is(204);
        let di = house.user("Di", "di@acme.test").await;
        house.join(&ada, "acme", &di, &["member"]).await;
        let di = house.join(&ada, "ingest", &di, &["member"]).await.to_string();
        cy.post("/a/ingest/settings/transfer", &[("to", &di), ("confirm", "ingest")]).await.is(303);
        let told = restore(&key, seat).await;
        assert_eq!(missing(&told), [("ownership".to_owned(), "owner_changed".to_owned())]);
        assert_eq!(owner(house, "ingest").await, "cy@acme.test");
        bob.get("/a/ingest/members").await.is(200);
        sound(house).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_over_must_see_it_and_suspending_changes_no_creator() {
    each(async |house| {
        let Acme { ada, key, bob, seat } = acme(house).await;
        let own = house.key("acme", &bob).await;
        let secret = register(&own, "acme", "video", "Rough cut", "private").await;
        let cy = house.user("Cy", "cy@acme.test").await;
        let books = house.join(&ada, "acme", &cy, &["accountant"]).await;
        let remove = format!("{API}/members/{seat}");
        let said = key.call(Method::DELETE, &format!("{remove}?heir={books}"), &json!({})).await.is(422);
        assert_eq!(said.json()["errors"][0]["code"], "sees_nothing");
        ada.post(&format!("/a/acme/members/{seat}/remove"), &[("heir", &books.to_string())])
            .await
            .is(422)
            .says("Cy does not see all Video resources");

        ada.get(&format!("/a/acme/members/{seat}/suspend"))
            .await
            .is(200)
            .says("Suspend Bob?")
            .says("1 API key stopped at once")
            .says("1 private resource stay theirs")
            .says("Ingest passes to Ada Byron and stays there");
        cy.get(&format!("/a/acme/members/{seat}/suspend")).await.is(403);
        ada.post(&format!("/a/acme/members/{seat}/suspend"), &[]).await.is(303);
        let resource = key.get(&format!("{API}/resources/{secret}")).await.is(200).json();
        assert_eq!(resource["created_by"], bob.id.to_string());
        let again = ada.get(&format!("/a/acme/members/{seat}/suspend")).await.is(303);
        assert!(again.toast().contains("suspended already"));
        ada.post(&format!("/a/acme/members/{seat}/reactivate"), &[]).await.is(303);

        // Who leaves hands over too, and no undo is offered.
        bob.get("/a/acme/members/leave").await.is(200).says("Rough cut Video · goes to Ada Byron");
        bob.post("/a/acme/members/leave", &[]).await.is(303);
        let resource = key.get(&format!("{API}/resources/{secret}")).await.is(200).json();
        assert_eq!(resource["created_by"], ada.id.to_string());
        key.call(Method::POST, &format!("{remove}/restore"), &json!({})).await.is(404);
        sound(house).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_takes_back_only_who_is_in_the_organization() {
    each(async |house| {
        let Acme { ada, key, bob, seat } = acme(house).await;
        let in_team = house.membership("trailers", &bob).await;
        let page = format!("/a/trailers/members/{in_team}");
        ada.post(&format!("{page}/remove"), &[]).await.is(303);
        bob.get("/a/trailers/overview").await.is(404);
        bob.get("/a/acme/overview").await.is(200);
        ada.post(&format!("{page}/restore"), &[]).await.is(303).to(&format!("{page}/restored"));
        bob.get("/a/trailers/overview").await.is(200);
        ada.post(&format!("{page}/remove"), &[]).await.is(303);
        key.call(Method::DELETE, &format!("{API}/members/{seat}"), &json!({})).await.is(204);
        let said = ada.post(&format!("{page}/restore"), &[]).await.is(303);
        assert!(said.toast().contains("not in the organization any more"), "{}", said.toast());
        sound(house).await;
    })
    .await;
}
