//! The members of an account: found, paged, exported, changed one by one and many at once, and gone.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "members/found.rs"]
mod found;

use crate::harness::{House, Person, Said, each};
use guildhall::model::text::{Email, fold, search_words};
use std::time::Duration;
use uuid::Uuid;

const DAY: Duration = Duration::from_hours(24);

/// Members who never sign in, as fast as rows are written. Ten at a time joined at one instant.
async fn crowd(house: &House, slug: &str, people: &[(String, String)]) {
    let mut conn = house.db.begin().await.unwrap();
    let now = house.kit.now().0;
    let sql = "select id from accounts where slug = $1";
    let (account,): (Uuid,) = conn.query(sql).bind(slug.to_owned()).one().await.unwrap();
    for (at, (name, email)) in people.iter().enumerate() {
        let (user, seat) = (house.kit.id(), house.kit.id());
        let sql = "insert into users (id, name, email, email_key, created_at) values ($1, $2, $3, $3, $4)";
        conn.query(sql).bind(user).bind(name.clone()).bind(email.clone()).bind(now).run().await.unwrap();
        let joined = now + i64::try_from(at / 10).unwrap();
        let sql = "insert into memberships (id, account_id, user_id, name_key, joined_at, active_at)
            values ($1, $2, $3, $4, $5, $6)";
        let query = conn.query(sql).bind(seat).bind(account).bind(user).bind(fold(name));
        query.bind(joined).bind(now - joined % 7).run().await.unwrap();
        for word in search_words(name, &Email::parse(email).unwrap()) {
            let sql = "insert into member_words (account_id, word, membership_id) values ($1, $2, $3)";
            conn.query(sql).bind(account).bind(word).bind(seat).run().await.unwrap();
        }
        let sql = "update accounts set member_count = member_count + 1 where id = $1";
        conn.query(sql).bind(account).run().await.unwrap();
    }
    conn.commit().await.unwrap();
}

/// The names in a page's table, in order.
fn names(said: &Said) -> Vec<String> {
    let rows = said.body.split("<div class=\"who\">").skip(1);
    let name = |it: &str| {
        let link = it.split_once("<b><a href=\"")?.1.split_once('>')?.1;
        Some(link.split_once('<')?.0.to_owned())
    };
    rows.filter_map(name).collect()
}

/// Where a link leads that has this relation: `next`, `prev`.
fn link(said: &Said, relation: &str) -> Option<String> {
    let end = said.body.find(&format!("\" rel=\"{relation}\""))?;
    let from = said.body[..end].rfind("href=\"")? + 6;
    Some(said.body[from..end].replace("&#38;", "&").replace("&amp;", "&"))
}

async fn found(who: &Person, query: &str) -> Vec<String> {
    let said = who.get(&format!("/a/acme/members?{query}")).await.is(200);
    let mut names = names(&said);
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_is_on_one_page_forth_and_back() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        let people: Vec<_> =
            (0..60).map(|n| (format!("Person {:02}", n * 7 % 60), format!("p{n}@acme.test"))).collect();
        crowd(house, "acme", &people).await;
        for sort in ["", "-joined", "name", "-name", "active", "-active"] {
            let mut at = format!("/a/acme/members?sort={sort}");
            let (mut pages, mut seen) = (vec![], vec![]);
            let last = loop {
                let said = ada.get(&at).await.is(200);
                pages.push(names(&said));
                seen.extend(names(&said));
                match link(&said, "next") {
                    Some(next) => at = next,
                    None => break said,
                }
            };
            assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [25, 25, 11], "sorted by {sort:?}");
            let mut once = seen.clone();
            once.sort();
            once.dedup();
            assert_eq!(once.len(), 61, "somebody is lost or repeated, sorted by {sort:?}");
            if sort.ends_with("name") {
                let sorted: Vec<_> = if sort == "name" { once } else { once.into_iter().rev().collect() };
                assert_eq!(seen, sorted);
            }
            let (mut said, mut back) = (last, vec![]);
            while let Some(newer) = link(&said, "prev") {
                said = ada.get(&newer).await.is(200);
                back.push(names(&said));
            }
            back.reverse();
            assert_eq!(back, pages[..2], "another way back, sorted by {sort:?}");
        }
        ada.get("/a/acme/members").await.is(200).says("25 of 61 members");
        ada.get("/a/acme/members?after=nonsense&sort=none&page=9").await.is(200).says("25 of 61 members");
        let partial = ada.get_partial("/a/acme/members?sort=name").await.is(200);
        assert!(!partial.body.contains("<html") && partial.body.contains("aria-sort=\"ascending\""));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_found_and_filtered() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        let people =
            [("Zoë Müller-Łuka", "zoe@north.test"), ("Émile Zola", "emile@x.test"), ("O'Neil", "on@x.test")];
        let people: Vec<_> = people.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        crowd(house, "acme", &people).await;
        for (typed, wanted) in [
            ("zoe", "Zoë Müller-Łuka"),
            ("MULLER", "Zoë Müller-Łuka"),
            ("m%C3%BCll", "Zoë Müller-Łuka"),
            ("zoe@NORTH", "Zoë Müller-Łuka"),
            ("emile+zo", "Émile Zola"),
            ("zola", "Émile Zola"),
        ] {
            assert_eq!(found(&ada, &format!("q={typed}")).await, [wanted], "{typed}");
        }
        assert!(found(&ada, "q=uller").await.is_empty(), "a search is by prefix");
        assert!(found(&ada, "q=%25").await.is_empty() && found(&ada, "q=_").await.is_empty());
        ada.get("/a/acme/members?q=nobody").await.is(200).says("No member fits").says("4 people are members");

        let bob = house.user("Bob", "bob@acme.test").await;
        let cyd = house.user("Cyd", "cyd@acme.test").await;
        house.join(&ada, "acme", &bob, &["admin"]).await;
        let seat = house.join(&ada, "acme", &cyd, &["video-developer", "accountant"]).await;
        assert_eq!(found(&ada, "role=owner").await, ["Ada"]);
        assert_eq!(found(&ada, "role=admin").await, ["Bob"]);
        for role in ["developer", "video-developer", "accountant"] {
            assert_eq!(found(&ada, &format!("role={role}")).await, ["Cyd"], "{role}");
        }
        assert!(found(&ada, "role=image-developer").await.is_empty());
        let said = ada.get("/a/acme/members?role=accountant").await.is(200);
        said.says("1 of 1 member").says("Video developer").says("Accountant");

        ada.post(&format!("/a/acme/members/{seat}/suspend"), &[]).await.is(303);
        assert_eq!(found(&ada, "status=inactive").await, ["Cyd"]);
        assert_eq!(found(&ada, "status=active").await.len(), 5);
        assert_eq!(found(&ada, "status=inactive&role=admin").await.len(), 0);

        ada.post("/new/team", &[("parent", "acme"), ("name", "Ingest")]).await.is(303);
        house.join(&ada, "ingest", &bob, &["member"]).await;
        assert_eq!(found(&ada, "team=ingest").await, ["Ada", "Bob"]);
        assert_eq!(found(&ada, "team=ingest&q=bo").await, ["Bob"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_exported_and_holds_no_formula() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        let mut people = vec![("=cmd|calc A".to_owned(), "+evil@x.test".to_owned())];
        people.extend((0..30).map(|n| (format!("Person {n}, \"Jr\""), format!("p{n}@x.test"))));
        crowd(house, "acme", &people).await;
        let said = ada.get("/a/acme/members.csv").await.is(200);
        assert!(said.field("content-type").starts_with("text/csv"));
        assert_eq!(said.field("content-disposition"), "attachment; filename=\"acme-members.csv\"");
        let mut file = csv::Reader::from_reader(said.body.as_bytes());
        let rows: Vec<csv::StringRecord> = file.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 32);
        assert!(rows.iter().flatten().all(|it| !it.starts_with(['=', '+', '-', '@'])));
        assert!(rows.iter().any(|it| &it[0] == "'=cmd|calc A" && &it[1] == "'+evil@x.test"));
        assert!(rows.iter().any(|it| &it[0] == "Ada" && &it[2] == "owner" && &it[5] == "active"));
        let said = ada.get("/a/acme/members.csv?q=ada&after=x").await.is(200);
        assert_eq!(said.body.lines().count(), 2);
        let eve = house.user("Eve", "eve@x.test").await;
        eve.get("/a/acme/members.csv").await.is(404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_changed_and_the_rest_is_told() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let (bob, cyd) = (house.user("Bob", "bob@x.test").await, house.user("Cyd", "cyd@x.test").await);
        house.organization(&ada, "Acme").await;
        let bob_seat = house.join(&ada, "acme", &bob, &["admin"]).await.to_string();
        let cyd_seat = house.join(&ada, "acme", &cyd, &["member"]).await.to_string();
        let ada_seat = house.membership("acme", &ada).await.to_string();
        let bulk = "/a/acme/members/bulk";
        let all =
            [("id", ada_seat.as_str()), ("id", &bob_seat), ("id", &cyd_seat), ("back", "members?sort=name")];
        let with = |act: &'static str| [&[("act", act)], all.as_slice()].concat();

        // Without the question, it is asked.
        let asked = bob.post(bulk, &with("suspend")).await.is(303).location();
        bob.get(&asked).await.is(200).says("Suspend 1 member?").says("Access ends at once");
        cyd.get("/a/acme/overview").await.is(200);
        let sure = [with("suspend"), vec![("confirm", "on")]].concat();
        let said = bob.post(bulk, &sure).await.is(303).to("/a/acme/members?sort=name");
        assert!(said.toast().starts_with("Suspended 1 member. Not Ada: The owner"), "{}", said.toast());
        assert!(said.toast().contains("Not Bob: Nobody changes their own"), "{}", said.toast());
        cyd.get("/a/acme/overview").await.is(403);
        bob.get("/a/acme/overview").await.is(200);
        bob.post(bulk, &with("reactivate")).await.is(303);
        cyd.get("/a/acme/overview").await.is(200);

        let question = format!("{bulk}?act=role&id={ada_seat}&id={cyd_seat}");
        bob.get(&question).await.is(200).says("Change the roles of 1 member").says("Stays as it is.");
        let role = [with("role"), vec![("role", ""), ("product", "")]].concat();
        bob.post(bulk, &role).await.is(422).says("Choose at least one role.");
        let role = [with("role"), vec![("role", "accountant"), ("product", "video")]].concat();
        bob.post(bulk, &role).await.is(422).says("held over the whole account");
        let role = [with("role"), vec![("role", "developer"), ("product", "video")]].concat();
        bob.post(bulk, &role).await.is(303);
        assert_eq!(found(&ada, "role=video-developer").await, ["Cyd"]);

        // Without the question, it is asked; with it, the key ends too.
        house.key("acme", &cyd).await;
        let asked = bob.post(bulk, &with("remove")).await.is(303).location();
        let said = bob.get(&asked).await.is(200).says("Remove 1 member?").says("1 API key is revoked");
        assert!(said.body.contains(&cyd_seat));
        cyd.get("/a/acme/overview").await.is(200);
        let sure = [with("remove"), vec![("confirm", "on")]].concat();
        let said = bob.post(bulk, &sure).await.is(303);
        assert!(said.toast().starts_with("Removed 1 member, which can be undone"), "{}", said.toast());
        assert!(said.toast().contains("Not Ada"), "{}", said.toast());
        cyd.get("/a/acme/overview").await.is(404);
        let live = "select count(*) from api_keys where revoked_at is null";
        assert_eq!(house.count(live).await, 0);

        bob.post(bulk, &[("act", "suspend")]).await.is(303);
        bob.post(bulk, &[("act", "explode"), ("id", &cyd_seat)]).await.is(409);
        let many: Vec<String> = (0..201).map(|_| Uuid::from_u128(rand_id(house)).to_string()).collect();
        let mut form = vec![("act", "suspend")];
        form.extend(many.iter().map(|it| ("id", it.as_str())));
        bob.post(bulk, &form).await.is(409).says("at most 200");
    })
    .await;
}

fn rand_id(house: &House) -> u128 {
    house.kit.id().as_u128()
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_refuse_and_nothing_changes() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let (bob, cyd) = (house.user("Bob", "bob@x.test").await, house.user("Cyd", "cyd@x.test").await);
        house.organization(&ada, "Acme").await;
        let bob_seat = house.join(&ada, "acme", &bob, &["admin"]).await;
        house.join(&ada, "acme", &cyd, &["member"]).await;
        let ada_seat = house.membership("acme", &ada).await;
        let events = "select count(*) from audit_events";
        let before = house.count(events).await;
        for seat in [ada_seat, bob_seat] {
            let base = format!("/a/acme/members/{seat}");
            let page = bob.get(&base).await.is(200);
            assert!(!page.body.contains(&format!("{base}/suspend")));
            for (path, form) in [
                ("suspend", vec![]),
                ("reactivate", vec![]),
                ("remove", vec![]),
                ("roles", vec![("role", "member"), ("product", "")]),
                ("expiry", vec![("expires_at", "2099-01-01")]),
                ("login-type", vec![("login_type", "sso")]),
            ] {
                bob.post(&format!("{base}/{path}"), &form).await.is(409);
            }
            bob.get(&format!("{base}/remove")).await.is(409);
        }
        let base = format!("/a/acme/members/{bob_seat}");
        for path in ["suspend", "remove", "roles", "expiry", "login-type"] {
            cyd.post(&format!("{base}/{path}"), &[]).await.is(403);
        }
        cyd.get(&base).await.is(403);
        cyd.get("/a/acme/members").await.is(403);
        let eve = house.user("Eve", "eve@x.test").await;
        eve.get(&base).await.is(404);
        // A member of another account is nobody here, and an id that is none is nobody's.
        let mine = house.organization(&eve, "Evil").await;
        eve.get(&format!("/a/{mine}/members/{bob_seat}")).await.is(404);
        eve.post(&format!("/a/{mine}/members/{bob_seat}/suspend"), &[]).await.is(404);
        ada.get("/a/acme/members/none").await.is(404);
        let after = house.count("select count(*) from audit_events where action like 'member.%ed'").await;
        assert!(after < before, "nothing was written about members but their joining");
        assert_eq!(found(&ada, "status=inactive").await.len(), 0);
        assert_eq!(found(&ada, "role=admin").await, ["Bob"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_several_and_kept() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let bob = house.user("Bob", "bob@x.test").await;
        house.organization(&ada, "Acme").await;
        let seat = house.join(&ada, "acme", &bob, &["member"]).await;
        let (page, roles) = (format!("/a/acme/members/{seat}"), format!("/a/acme/members/{seat}/roles"));
        let two = [("role", "developer"), ("product", "video"), ("role", ""), ("product", ""), ("role", "accountant"), ("product", "")];
        ada.post(&roles, &two).await.is(303).to(&page);
        let said = ada.get(&page).await.is(200).says("Video developer Over Video · given by Ada");
        assert!(said.body.contains("value=\"developer\" selected") && said.body.contains("value=\"video\" selected"));
        bob.get("/a/acme/members").await.is(403);

        // The third line is wrong, and the error stands there.
        let wrong = [("role", "member"), ("product", ""), ("role", ""), ("product", ""), ("role", "admin"), ("product", "image")];
        let said = ada.post(&roles, &wrong).await.is(422).says("This role is held over the whole account.");
        assert!(said.body.contains("id=\"role-3-e\""), "{}", said.body);
        ada.post(&roles, &[("role", "owner"), ("product", "")]).await.is(422).says("handed over");
        ada.post(&roles, &[("role", "")]).await.is(422).says("Choose at least one role.");
        ada.post(&roles, &[("role", "member"), ("keep", &Uuid::nil().to_string())]).await.is(409);

        // A list of resources is read with the rest, and a line cannot say it.
        house
            .tamper(
                "insert into resources (id, account_id, product, kind, name, external_id, created_at, updated_at)
                select m.id, m.account_id, 'image', 'image_source', 'press-kit', 'x', 0, 0
                from memberships m join accounts a on a.id = m.account_id where a.slug = 'acme' and not m.is_owner",
            )
            .await;
        house
            .tamper(
                "insert into grants (id, account_id, membership_id, role, scope, created_at)
                select id, account_id, id, 'source-specific', 'resources', 0 from resources",
            )
            .await;
        house.tamper("insert into grant_resources (grant_id, resource_id) select id, id from resources").await;
        let said = ada.get(&page).await.is(200).says("Image source-specific press-kit · since");
        assert!(said.body.contains("value=\"source-specific\" selected"), "it can be changed");
        assert!(said.body.contains(&format!("value=\"0:{seat}\" checked")));
        let listed = "select count(*) from grants where role = 'source-specific'";
        let saved = [("role", "accountant"), ("product", ""), ("keep", &seat.to_string())];
        ada.post(&roles, &saved).await.is(303);
        assert_eq!(house.count(listed).await, 1);
        ada.post(&roles, &[("role", "accountant"), ("product", "")]).await.is(303);
        assert_eq!(house.count(listed).await, 0);

        // Ticked in the form, found by name, and refused in words.
        let tick = format!("0:{seat}");
        let base = [("role", "accountant"), ("product", ""), ("listed_new", "0")];
        let with = |more: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
            base.iter().chain(more).map(|it| (it.0, it.1.to_owned())).collect()
        };
        let post = async |more: &[(&'static str, &str)]| {
            let form = with(more);
            let form: Vec<(&str, &str)> = form.iter().map(|it| (it.0, it.1.as_str())).collect();
            ada.post(&roles, &form).await
        };
        post(&[("listed_role", "source-specific")]).await.is(422).says("needs a list of at least one resource");
        let said = post(&[("listed_role", ""), ("listed", &tick)]).await.is(422);
        assert!(said.says("Choose the role that is held over").body.contains(&format!("value=\"{tick}\" checked")));
        let nil = format!("0:{}", Uuid::nil());
        for gone in [nil.as_str(), "0:nonsense"] {
            let said = post(&[("listed_role", "source-specific"), ("listed", gone), ("listed", &tick)]).await.is(422);
            assert!(said.says("not in this account").body.contains("id=\"listed-1-e\""));
        }
        let look = format!("{page}?role=analyst&product=video&listed_role=source-specific&listed={tick}&listed_new=0&find=nothing");
        let said = ada.get(&look).await.is(200);
        assert!(said.body.contains("value=\"analyst\" selected") && said.body.contains(&format!("value=\"{tick}\" checked")));
        ada.get(&format!("{page}?find=PRESS")).await.is(200).says("press-kit");
        post(&[("listed_role", "source-specific"), ("listed", &tick)]).await.is(303);
        assert_eq!(house.count(listed).await, 1);
        let bulk = [("act", "role"), ("id", &seat.to_string()), ("listed_role", "source-specific"), ("listed", &tick), ("listed_new", "0")];
        ada.post("/a/acme/members/bulk", &bulk).await.is(303);
        ada.get(&page).await.is(200).says("Image source-specific").hides("Accountant Over everything");
        ada.post(&roles, &[("role", "accountant"), ("product", ""), ("listed_role", ""), ("listed", &tick), ("listed_new", "1")]).await.is(303);
        assert_eq!(house.count(listed).await, 0, "no role is no grant, whatever is ticked");

        // Nor an end: what a line cannot say is kept while it is ticked.
        house.tamper("update grants set expires_at = 4102444800000000 where role = 'accountant'").await;
        let said = ada.get(&page).await.is(200).says("Keep Accountant");
        let from = said.body.find("name=\"keep\" value=\"").unwrap() + 19;
        let kept = &said.body[from..from + 36];
        ada.post(&roles, &[("role", "admin"), ("product", ""), ("keep", kept)]).await.is(303);
        let ends = "select count(*) from grants where role = 'accountant' and expires_at is not null";
        assert_eq!(house.count(ends).await, 1);
        bob.get("/a/acme/members").await.is(200);
        ada.post(&roles, &[("role", "admin"), ("product", "")]).await.is(303);
        assert_eq!(house.count(ends).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn access_stops_and_starts_again() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let bob = house.user("Bob", "bob@x.test").await;
        house.organization(&ada, "Acme").await;
        let seat = house.join(&ada, "acme", &bob, &["member"]).await;
        let base = format!("/a/acme/members/{seat}");
        let post = async |path: &str, form: &[(&str, &str)]| ada.post(&format!("{base}/{path}"), form).await;
        post("suspend", &[("back", "members?q=b")]).await.is(303).to("/a/acme/members?q=b");
        bob.get("/a/acme/overview").await.is(403);
        ada.get(&base).await.is(200).says("Inactive").says("Reactivate");
        post("reactivate", &[("back", "//evil.test")]).await.is(303).to(&base);
        bob.get("/a/acme/overview").await.is(200);

        post("expiry", &[("expires_at", "2001-01-01")]).await.is(422).says("lies in the past");
        post("expiry", &[("expires_at", "soon")]).await.is(422).says("Enter a date");
        let tomorrow = house.kit.now().plus(DAY).date(&jiff::tz::TimeZone::UTC);
        post("expiry", &[("expires_at", &tomorrow)]).await.is(303);
        let said = ada.get(&base).await.is(200);
        assert!(said.body.contains(&format!("value=\"{tomorrow}\"")));
        bob.get("/a/acme/overview").await.is(200);
        house.later(2 * DAY);
        bob.get("/a/acme/overview").await.is(403);
        assert_eq!(found(&ada, "status=inactive").await, ["Bob"]);
        post("reactivate", &[]).await.is(303);
        bob.get("/a/acme/overview").await.is(200);
        post("expiry", &[("expires_at", "")]).await.is(303);

        post("login-type", &[("login_type", "carrier pigeon")]).await.is(422);
        post("login-type", &[("login_type", "google")]).await.is(303);
        bob.get("/a/acme/overview").await.is(403);
        post("login-type", &[("login_type", "password")]).await.is(303);
        bob.get("/a/acme/overview").await.is(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_hands_over_their_teams() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let (bob, cyd) = (house.user("Bob", "bob@x.test").await, house.user("Cyd", "cyd@x.test").await);
        house.organization(&ada, "Acme").await;
        let bob_seat = house.join(&ada, "acme", &bob, &["member"]).await;
        let cyd_seat = house.join(&ada, "acme", &cyd, &["admin"]).await.to_string();
        for team in ["Ingest", "Trailers"] {
            bob.post("/new/team", &[("parent", "acme"), ("name", team)]).await.is(303);
        }
        house.key("acme", &bob).await;
        let remove = format!("/a/acme/members/{bob_seat}/remove");
        let said = ada.get(&remove).await.is(200).says("1 API key revoked").says("2 teams left");
        let said = said.says("Who takes over Ingest, Trailers");
        assert!(said.body.contains(&format!("value=\"{cyd_seat}\"")));
        let gone = Uuid::nil().to_string();
        for heir in [gone.as_str(), "nobody", &bob_seat.to_string()] {
            ada.post(&remove, &[("heir", heir)]).await.is(422);
        }
        ada.post(&remove, &[("heir", &cyd_seat)]).await.is(303).to("/a/acme/members");
        let owned = "select count(*) from accounts a join users u on u.id = a.owner_id
            where a.kind = 'team' and u.email = 'cyd@x.test'";
        assert_eq!(house.count(owned).await, 2);
        bob.get("/a/ingest/overview").await.is(404);
        ada.get(&remove).await.is(404);

        // Who leaves passes their teams to the owner, who cannot leave.
        cyd.get("/a/acme/members/leave").await.is(200).says("Leave Acme?").says("Ingest, Trailers");
        cyd.post("/a/acme/members/leave", &[]).await.is(303).to("/");
        cyd.get("/a/acme/overview").await.is(404);
        ada.get("/a/acme/members/leave").await.is(409);
        ada.post("/a/acme/members/leave", &[]).await.is(409);
        ada.post("/a/ada/members/leave", &[]).await.is(409);
        let owned = "select count(*) from accounts a join users u on u.id = a.owner_id
            where a.kind = 'team' and u.email = 'ada@acme.test'";
        assert_eq!(house.count(owned).await, 2);
        ada.get("/a/ada/members").await.is(200).hides("Invite members").says("1 of 1 member");
    })
    .await;
}
