//! The members of an account: searching, paging, exporting, changing them one by one or in bulk, and
//! removing them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "members/roles.rs"]
mod roles;
#[path = "members/search.rs"]
mod search;

use crate::harness::{TestApp, TestResponse, TestUser, on_each_db};
use guildhall::model::text::{EmailAddress, fold, search_words};
use std::time::Duration;
use uuid::Uuid;

const DAY: Duration = Duration::from_hours(24);

/// Inserts members who never sign in. Every ten share the instant of joining, so that paging has ties to
/// break.
async fn insert_members(app: &TestApp, slug: &str, people: &[(String, String)]) {
    let mut conn = app.db.begin().await.unwrap();
    let now = app.kit.now().0;
    let sql = "select id from accounts where slug = $1";
    let (account,): (Uuid,) = conn.query(sql).bind(slug.to_owned()).fetch_one().await.unwrap();
    for (n, (name, email)) in people.iter().enumerate() {
        let (user, membership) = (app.kit.id(), app.kit.id());
        let sql = "insert into users (id, name, email, email_key, created_at) values ($1, $2, $3, $3, $4)";
        conn.query(sql).bind(user).bind(name.clone()).bind(email.clone()).bind(now).execute().await.unwrap();
        let joined = now + i64::try_from(n / 10).unwrap();
        let sql = "insert into memberships (id, account_id, user_id, name_key, joined_at, active_at)
            values ($1, $2, $3, $4, $5, $6)";
        let query = conn.query(sql).bind(membership).bind(account).bind(user).bind(fold(name));
        query.bind(joined).bind(now - joined % 7).execute().await.unwrap();
        for term in search_words(name, &EmailAddress::parse(email).unwrap()) {
            let sql = "insert into member_search (account_id, word, membership_id) values ($1, $2, $3)";
            conn.query(sql).bind(account).bind(term).bind(membership).execute().await.unwrap();
        }
        let sql = "update accounts set member_count = member_count + 1 where id = $1";
        conn.query(sql).bind(account).execute().await.unwrap();
    }
    conn.commit().await.unwrap();
}

/// The names in the table of a page, in order.
fn names(response: &TestResponse) -> Vec<String> {
    response.select(".who b a").into_iter().map(|link| link.text).collect()
}

/// The target of the link with this relation: `next` or `prev`.
fn link(response: &TestResponse, relation: &str) -> Option<String> {
    let links = response.select(&format!("a[rel='{relation}']"));
    links.first().map(|link| link.attr("href").to_owned())
}

/// The names of all members that this query lists, sorted.
async fn found(user: &TestUser, query: &str) -> Vec<String> {
    let response = user.get(&format!("/a/acme/members?{query}")).await.assert_status(200);
    let mut names = names(&response);
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn paging_lists_every_member_once_in_both_directions() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        let people: Vec<_> =
            (0..60).map(|n| (format!("Person {:02}", n * 7 % 60), format!("p{n}@acme.test"))).collect();
        insert_members(app, "acme", &people).await;
        for sort in ["", "-joined", "name", "-name", "active", "-active"] {
            let mut path = format!("/a/acme/members?sort={sort}");
            let (mut pages, mut seen) = (vec![], vec![]);
            let last = loop {
                let response = ada.get(&path).await.assert_status(200);
                pages.push(names(&response));
                seen.extend(names(&response));
                match link(&response, "next") {
                    Some(next) => path = next,
                    None => break response,
                }
            };
            assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [25, 25, 11], "sorted by {sort:?}");
            let mut unique = seen.clone();
            unique.sort();
            unique.dedup();
            assert_eq!(unique.len(), 61, "somebody is lost or repeated, sorted by {sort:?}");
            if sort.ends_with("name") {
                let sorted: Vec<_> = if sort == "name" { unique } else { unique.into_iter().rev().collect() };
                assert_eq!(seen, sorted);
            }
            let (mut response, mut backwards) = (last, vec![]);
            while let Some(newer) = link(&response, "prev") {
                response = ada.get(&newer).await.assert_status(200);
                backwards.push(names(&response));
            }
            backwards.reverse();
            assert_eq!(backwards, pages[..2], "other pages on the way back, sorted by {sort:?}");
        }
        ada.get("/a/acme/members").await.assert_status(200).assert_contains("25 of 61 members");
        ada.get("/a/acme/members?after=nonsense&sort=none&page=9")
            .await
            .assert_status(200)
            .assert_contains("25 of 61 members");
        let partial = ada.get_partial("/a/acme/members?sort=name").await.assert_status(200);
        assert!(!partial.body.contains("<html") && partial.body.contains("aria-sort=\"ascending\""));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_searched_and_filtered() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        let people =
            [("Zoë Müller-Łuka", "zoe@north.test"), ("Émile Zola", "emile@x.test"), ("O'Neil", "on@x.test")];
        let people: Vec<_> = people.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        insert_members(app, "acme", &people).await;
        for (query, expected) in [
            ("zoe", "Zoë Müller-Łuka"),
            ("MULLER", "Zoë Müller-Łuka"),
            ("m%C3%BCll", "Zoë Müller-Łuka"),
            ("zoe@NORTH", "Zoë Müller-Łuka"),
            ("emile+zo", "Émile Zola"),
            ("zola", "Émile Zola"),
        ] {
            assert_eq!(found(&ada, &format!("q={query}")).await, [expected], "{query}");
        }
        assert!(found(&ada, "q=uller").await.is_empty(), "a search is by prefix");
        assert!(found(&ada, "q=%25").await.is_empty() && found(&ada, "q=_").await.is_empty());
        ada.get("/a/acme/members?q=nobody")
            .await
            .assert_status(200)
            .assert_contains("No member fits")
            .assert_contains("4 people are members");

        let bob = app.user("Bob", "bob@acme.test").await;
        let cyd = app.user("Cyd", "cyd@acme.test").await;
        app.add_member(&ada, "acme", &bob, &["admin"]).await;
        let membership = app.add_member(&ada, "acme", &cyd, &["video-developer", "accountant"]).await;
        assert_eq!(found(&ada, "role=owner").await, ["Ada"]);
        assert_eq!(found(&ada, "role=admin").await, ["Bob"]);
        for role in ["developer", "video-developer", "accountant"] {
            assert_eq!(found(&ada, &format!("role={role}")).await, ["Cyd"], "{role}");
        }
        assert!(found(&ada, "role=image-developer").await.is_empty());
        let response = ada.get("/a/acme/members?role=accountant").await.assert_status(200);
        response
            .assert_contains("1 of 1 member")
            .assert_contains("Video developer")
            .assert_contains("Accountant");

        ada.post(&format!("/a/acme/members/{membership}/suspend"), &[]).await.assert_status(303);
        assert_eq!(found(&ada, "status=inactive").await, ["Cyd"]);
        assert_eq!(found(&ada, "status=active").await.len(), 5);
        assert_eq!(found(&ada, "status=inactive&role=admin").await.len(), 0);

        ada.post("/new/team", &[("parent", "acme"), ("name", "Ingest")]).await.assert_status(303);
        app.add_member(&ada, "ingest", &bob, &["member"]).await;
        assert_eq!(found(&ada, "team=ingest").await, ["Ada", "Bob"]);
        assert_eq!(found(&ada, "team=ingest&q=bo").await, ["Bob"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_csv_export_neutralises_formulas() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        let mut people = vec![("=cmd|calc A".to_owned(), "+evil@x.test".to_owned())];
        people.extend((0..30).map(|n| (format!("Person {n}, \"Jr\""), format!("p{n}@x.test"))));
        insert_members(app, "acme", &people).await;
        let response = ada.get("/a/acme/members.csv").await.assert_status(200);
        assert!(response.header("content-type").starts_with("text/csv"));
        assert_eq!(response.header("content-disposition"), "attachment; filename=\"acme-members.csv\"");
        let mut file = csv::Reader::from_reader(response.body.as_bytes());
        let rows: Vec<csv::StringRecord> = file.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 32);
        assert!(rows.iter().flatten().all(|cell| !cell.starts_with(['=', '+', '-', '@'])));
        assert!(rows.iter().any(|row| &row[0] == "'=cmd|calc A" && &row[1] == "'+evil@x.test"));
        assert!(rows.iter().any(|row| &row[0] == "Ada" && &row[2] == "owner" && &row[5] == "active"));
        let response = ada.get("/a/acme/members.csv?q=ada&after=x").await.assert_status(200);
        assert_eq!(response.body.lines().count(), 2);
        let eve = app.user("Eve", "eve@x.test").await;
        eve.get("/a/acme/members.csv").await.assert_status(404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_action_changes_who_it_can_and_reports_the_rest() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let (bob, cyd) = (app.user("Bob", "bob@x.test").await, app.user("Cyd", "cyd@x.test").await);
        app.organization(&ada, "Acme").await;
        let bob_membership = app.add_member(&ada, "acme", &bob, &["admin"]).await.to_string();
        let cyd_membership = app.add_member(&ada, "acme", &cyd, &["member"]).await.to_string();
        let ada_membership = app.membership("acme", &ada).await.to_string();
        let bulk = "/a/acme/members/bulk";
        let all = [
            ("id", ada_membership.as_str()),
            ("id", &bob_membership),
            ("id", &cyd_membership),
            ("back", "members?sort=name"),
        ];
        let with = |action: &'static str| [&[("act", action)], all.as_slice()].concat();

        // Without the confirmation, the response redirects to the question.
        let confirmation = bob.post(bulk, &with("suspend")).await.assert_status(303).location();
        bob.get(&confirmation)
            .await
            .assert_status(200)
            .assert_contains("Suspend 1 member?")
            .assert_contains("Access ends at once");
        cyd.get("/a/acme/overview").await.assert_status(200);
        let confirmed = [with("suspend"), vec![("confirm", "on")]].concat();
        let response =
            bob.post(bulk, &confirmed).await.assert_status(303).assert_redirect("/a/acme/members?sort=name");
        assert!(
            response.toast().starts_with("Suspended 1 member. Not Ada: The owner"),
            "{}",
            response.toast()
        );
        assert!(response.toast().contains("Not Bob: Nobody changes their own"), "{}", response.toast());
        cyd.get("/a/acme/overview").await.assert_status(403);
        bob.get("/a/acme/overview").await.assert_status(200);
        bob.post(bulk, &with("reactivate")).await.assert_status(303);
        cyd.get("/a/acme/overview").await.assert_status(200);

        let question = format!("{bulk}?act=role&id={ada_membership}&id={cyd_membership}");
        bob.get(&question)
            .await
            .assert_status(200)
            .assert_contains("Change the roles of 1 member")
            .assert_contains("Stays as it is.");
        let role = [with("role"), vec![("role", ""), ("product", "")]].concat();
        bob.post(bulk, &role).await.assert_status(422).assert_contains("Choose at least one role.");
        let role = [with("role"), vec![("role", "accountant"), ("product", "video")]].concat();
        bob.post(bulk, &role).await.assert_status(422).assert_contains("held over the whole account");
        let role = [with("role"), vec![("role", "developer"), ("product", "video")]].concat();
        bob.post(bulk, &role).await.assert_status(303);
        assert_eq!(found(&ada, "role=video-developer").await, ["Cyd"]);

        // The same for a removal, which also revokes the key.
        app.api_key("acme", &cyd).await;
        let confirmation = bob.post(bulk, &with("remove")).await.assert_status(303).location();
        let response = bob
            .get(&confirmation)
            .await
            .assert_status(200)
            .assert_contains("Remove 1 member?")
            .assert_contains("1 API key is revoked");
        assert!(response.body.contains(&cyd_membership));
        cyd.get("/a/acme/overview").await.assert_status(200);
        let confirmed = [with("remove"), vec![("confirm", "on")]].concat();
        let response = bob.post(bulk, &confirmed).await.assert_status(303);
        assert!(
            response.toast().starts_with("Removed 1 member, which can be undone"),
            "{}",
            response.toast()
        );
        assert!(response.toast().contains("Not Ada"), "{}", response.toast());
        cyd.get("/a/acme/overview").await.assert_status(404);
        let active_keys = "select count(*) from api_keys where revoked_at is null";
        assert_eq!(app.count(active_keys).await, 0);

        bob.post(bulk, &[("act", "suspend")]).await.assert_status(303);
        bob.post(bulk, &[("act", "explode"), ("id", &cyd_membership)]).await.assert_status(409);
        let too_many: Vec<String> = (0..201).map(|_| Uuid::from_u128(rand_id(app)).to_string()).collect();
        let mut form = vec![("act", "suspend")];
        form.extend(too_many.iter().map(|id| ("id", id.as_str())));
        bob.post(bulk, &form)
            .await
            .assert_status(409)
            .assert_contains("You selected 201 members. The limit is 200.");
    })
    .await;
}

fn rand_id(app: &TestApp) -> u128 {
    app.kit.id().as_u128()
}

#[tokio::test(flavor = "multi_thread")]
async fn forbidden_changes_are_refused_and_change_nothing() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let (bob, cyd) = (app.user("Bob", "bob@x.test").await, app.user("Cyd", "cyd@x.test").await);
        app.organization(&ada, "Acme").await;
        let bob_membership = app.add_member(&ada, "acme", &bob, &["admin"]).await;
        app.add_member(&ada, "acme", &cyd, &["member"]).await;
        let ada_membership = app.membership("acme", &ada).await;
        let events = "select count(*) from audit_events";
        let before = app.count(events).await;
        for membership in [ada_membership, bob_membership] {
            let base = format!("/a/acme/members/{membership}");
            let page = bob.get(&base).await.assert_status(200);
            assert!(!page.body.contains(&format!("{base}/suspend")));
            for (path, form) in [
                ("suspend", vec![]),
                ("reactivate", vec![]),
                ("remove", vec![]),
                ("roles", vec![("role", "member"), ("product", "")]),
                ("expiry", vec![("expires_at", "2099-01-01")]),
                ("login-type", vec![("login_type", "sso")]),
            ] {
                bob.post(&format!("{base}/{path}"), &form).await.assert_status(409);
            }
            bob.get(&format!("{base}/remove")).await.assert_status(409);
        }
        let base = format!("/a/acme/members/{bob_membership}");
        for path in ["suspend", "remove", "roles", "expiry", "login-type"] {
            cyd.post(&format!("{base}/{path}"), &[]).await.assert_status(403);
        }
        cyd.get(&base).await.assert_status(403);
        cyd.get("/a/acme/members").await.assert_status(403);
        let eve = app.user("Eve", "eve@x.test").await;
        eve.get(&base).await.assert_status(404);
        // Neither the member of another account nor a malformed id is found.
        let other = app.organization(&eve, "Evil").await;
        eve.get(&format!("/a/{other}/members/{bob_membership}")).await.assert_status(404);
        eve.post(&format!("/a/{other}/members/{bob_membership}/suspend"), &[]).await.assert_status(404);
        ada.get("/a/acme/members/none").await.assert_status(404);
        let after = app.count("select count(*) from audit_events where action like 'member.%ed'").await;
        assert!(after < before, "only the joining was audited");
        assert_eq!(found(&ada, "status=inactive").await.len(), 0);
        assert_eq!(found(&ada, "role=admin").await, ["Bob"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suspension_expiry_and_login_type_stop_and_resume_access() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let bob = app.user("Bob", "bob@x.test").await;
        app.organization(&ada, "Acme").await;
        let membership = app.add_member(&ada, "acme", &bob, &["member"]).await;
        let base = format!("/a/acme/members/{membership}");
        let post = async |path: &str, form: &[(&str, &str)]| ada.post(&format!("{base}/{path}"), form).await;
        post("suspend", &[("back", "members?q=b")])
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/members?q=b");
        bob.get("/a/acme/overview").await.assert_status(403);
        ada.get(&base).await.assert_status(200).assert_contains("Inactive").assert_contains("Reactivate");
        post("reactivate", &[("back", "//evil.test")]).await.assert_status(303).assert_redirect(&base);
        bob.get("/a/acme/overview").await.assert_status(200);

        post("expiry", &[("expires_at", "2001-01-01")])
            .await
            .assert_status(422)
            .assert_contains("lies in the past");
        post("expiry", &[("expires_at", "soon")]).await.assert_status(422).assert_contains("Enter a date");
        let tomorrow = app.kit.now().plus(DAY).date(&jiff::tz::TimeZone::UTC);
        post("expiry", &[("expires_at", &tomorrow)]).await.assert_status(303);
        let response = ada.get(&base).await.assert_status(200);
        assert!(response.body.contains(&format!("value=\"{tomorrow}\"")));
        bob.get("/a/acme/overview").await.assert_status(200);
        app.advance(2 * DAY);
        bob.get("/a/acme/overview").await.assert_status(403);
        assert_eq!(found(&ada, "status=inactive").await, ["Bob"]);
        post("reactivate", &[]).await.assert_status(303);
        bob.get("/a/acme/overview").await.assert_status(200);
        post("expiry", &[("expires_at", "")]).await.assert_status(303);

        post("login-type", &[("login_type", "carrier pigeon")]).await.assert_status(422);
        post("login-type", &[("login_type", "google")]).await.assert_status(303);
        bob.get("/a/acme/overview").await.assert_status(403);
        post("login-type", &[("login_type", "password")]).await.assert_status(303);
        bob.get("/a/acme/overview").await.assert_status(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_hands_over_their_teams() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let (bob, cyd) = (app.user("Bob", "bob@x.test").await, app.user("Cyd", "cyd@x.test").await);
        app.organization(&ada, "Acme").await;
        let bob_membership = app.add_member(&ada, "acme", &bob, &["member"]).await;
        let cyd_membership = app.add_member(&ada, "acme", &cyd, &["admin"]).await.to_string();
        for team in ["Ingest", "Trailers"] {
            bob.post("/new/team", &[("parent", "acme"), ("name", team)]).await.assert_status(303);
        }
        app.api_key("acme", &bob).await;
        let remove = format!("/a/acme/members/{bob_membership}/remove");
        let response = ada
            .get(&remove)
            .await
            .assert_status(200)
            .assert_contains("1 API key revoked")
            .assert_contains("2 teams left");
        let response = response.assert_contains("Who takes over Ingest, Trailers");
        assert!(response.body.contains(&format!("value=\"{cyd_membership}\"")));
        let gone = Uuid::nil().to_string();
        for heir in [gone.as_str(), "nobody", &bob_membership.to_string()] {
            ada.post(&remove, &[("heir", heir)]).await.assert_status(422);
        }
        ada.post(&remove, &[("heir", &cyd_membership)])
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/members");
        let owned = "select count(*) from accounts a join users u on u.id = a.owner_id
            where a.kind = 'team' and u.email = 'cyd@x.test'";
        assert_eq!(app.count(owned).await, 2);
        bob.get("/a/ingest/overview").await.assert_status(404);
        ada.get(&remove).await.assert_status(404);

        // The teams of a member who leaves pass to the owner, who cannot leave.
        cyd.get("/a/acme/members/leave")
            .await
            .assert_status(200)
            .assert_contains("Leave Acme?")
            .assert_contains("Ingest, Trailers");
        cyd.post("/a/acme/members/leave", &[]).await.assert_status(303).assert_redirect("/");
        cyd.get("/a/acme/overview").await.assert_status(404);
        ada.get("/a/acme/members/leave").await.assert_status(409);
        ada.post("/a/acme/members/leave", &[]).await.assert_status(409);
        ada.post("/a/ada/members/leave", &[]).await.assert_status(409);
        let owned = "select count(*) from accounts a join users u on u.id = a.owner_id
            where a.kind = 'team' and u.email = 'ada@acme.test'";
        assert_eq!(app.count(owned).await, 2);
        ada.get("/a/ada/members")
            .await
            .assert_status(200)
            .assert_not_contains("Invite members")
            .assert_contains("1 of 1 member");
    })
    .await;
}
