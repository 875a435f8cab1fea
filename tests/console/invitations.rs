//! Inviting people, and what they make of it.
use crate::harness::{House, PASSWORD, Person, each, each_with};
use std::time::Duration;

const WEEK: Duration = Duration::from_secs(7 * 86_400);
const JOIN: [(&str, &str); 2] = [("name", "Bob Tanner"), ("password", "a loom of many threads")];

async fn acme(house: &House) -> Person {
    let ada = house.user("Ada Byron", "ada@acme.test").await;
    assert_eq!(house.organization(&ada, "Acme").await, "acme");
    ada
}

/// Invites Bob, and answers the mailed link.
async fn invite_bob(house: &House, ada: &Person) -> String {
    let form = [("emails", "bob@acme.test"), ("role", "analyst"), ("product", "video")];
    ada.post("/a/acme/invitations", &form).await.is(303).to("/a/acme/invitations");
    house.letter("bob@acme.test").await.link("/invitations/")
}

/// The row's address: `/a/acme/invitations/{id}`.
async fn row(ada: &Person, email: &str) -> String {
    let page = ada.get("/a/acme/invitations?all=1").await.is(200);
    let row = page.body.split("<tr").find(|it| it.contains(email)).unwrap().to_owned();
    let from = row.find("action=\"").unwrap() + 8;
    row[from..].split("/resend").next().unwrap().to_owned()
}

async fn members(house: &House) -> i64 {
    let sql =
        "select count(*) from memberships m join accounts a on a.id = m.account_id where a.slug = 'acme'";
    let counted = house.count(sql).await;
    let kept = house.count("select member_count from accounts where slug = 'acme'").await;
    assert_eq!(counted, kept);
    counted
}

async fn copy(ada: &Person, email: &str) -> String {
    let said = ada.post(&format!("{}/link", row(ada, email).await), &[]).await.is(200);
    assert_eq!(said.field("cache-control"), "private, no-store");
    let said = said.says("proves nothing");
    let url = said.body.split("id=\"invitation-link\">").nth(1).unwrap().split('<').next().unwrap();
    url.trim_start_matches(crate::harness::BASE).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_list_is_invited() {
    each(async |house| {
        let ada = acme(house).await;
        ada.get("/a/acme/invitations").await.is(200).says("No invitation is open");
        ada.get("/a/acme/invitations/new").await.is(200).says("Everything but ownership");
        let text = "Bob Tanner <bob@acme.test>, cy@acme.test;dan@acme.test\r\nBOB@acme.test";
        let form =
            [("emails", text), ("email", "eve@acme.test"), ("role", "developer"), ("product", "video")];
        let said = ada.post("/a/acme/invitations", &form).await.is(303).to("/a/acme/invitations");
        assert_eq!(said.toast(), "Invited 4 people. One address was there twice, and counts once.");
        let list = ada.get("/a/acme/invitations").await.is(200);
        let list =
            list.says("Video developer").says("The mail waits to be sent").says("Ada Byron").says("Pending");
        for who in ["bob", "cy", "dan", "eve"] {
            assert!(list.text().contains(&format!("{who}@acme.test")));
            assert_eq!(house.letters(&format!("{who}@acme.test")).await.len(), 1);
        }
        ada.get_partial("/a/acme/invitations").await.is(200).hides("Skip to content");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_is_said_in_words() {
    each(async |house| {
        let ada = acme(house).await;
        let at = "/a/acme/invitations/summary";
        ada.get(&format!("{at}?role=analyst&product=image"))
            .await
            .is(200)
            .says("Image analyst")
            .says("In image:");
        ada.get(&format!("{at}?role=member&product=&role=accountant&product="))
            .await
            .says("Member")
            .says("billing panel");
        // A product that was chosen for another role before does not narrow, and does not widen.
        ada.get(&format!("{at}?role=admin&product=video")).await.says("Everything but ownership");
        ada.get(&format!("{at}?role=source-specific&product=")).await.says("at least one resource");
        ada.get(&format!("{at}?role=owner&product=")).await.says("handed over, not granted");
        ada.get("/a/acme/invitations/new").await.is(200).says("This account has no sources yet");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_marked_and_kept() {
    each(async |house| {
        let ada = acme(house).await;
        let long = format!("{}@acme.test", "a".repeat(260));
        let thousands: String = (0..10_000).map(|n| format!("p{n}@acme.test ")).collect();
        for (emails, says) in [
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
            let said = ada.post("/a/acme/invitations", &form).await.is(422).says(says);
            let kept = &emails[..emails.len().min(200)].replace(' ', "\n");
            assert!(said.body.contains(kept.as_str()), "{emails:.40} is not kept");
            assert!(
                said.body.contains("value=\"analyst\" data-over=\"product\" checked"),
                "the role is kept"
            );
        }
        let chips = [("email", "good@acme.test"), ("email", "bad@acme"), ("role", "member")];
        let said = ada.post("/a/acme/invitations", &chips).await.is(422);
        assert!(said.body.contains("<span class=\"chip bad\">bad@acme"), "the chip is marked");
        assert!(said.body.contains("<span class=\"chip\">good@acme.test"), "the good one is kept");
        ada.post("/a/acme/invitations", &[("emails", "a\0@acme.test"), ("role", "member")]).await.is(422);
        for (role, product) in
            [("owner", ""), ("nonsense", ""), ("developer", "cake"), ("source-specific", ""), ("", "")]
        {
            let form = [("emails", "bob@acme.test"), ("role", role), ("product", product)];
            ada.post("/a/acme/invitations", &form).await.is(422);
        }
        let listed = [("emails", "bob@acme.test"), ("role", "source-specific"), ("resources", "x")];
        ada.post("/a/acme/invitations", &listed).await.is(422);
        assert_eq!(house.count("select count(*) from invitations").await, 0);
        assert_eq!(house.count("select count(*) from mails").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_keep_nobody_else_from_being_invited() {
    each(async |house| {
        let ada = acme(house).await;
        let form = [("emails", "ada@acme.test bob@acme.test"), ("role", "member"), ("product", "")];
        let toast = ada.post("/a/acme/invitations", &form).await.is(303).toast();
        assert_eq!(toast, "Invited 1 person. Not invited: ada@acme.test is a member of Acme already.");
        let form = [
            ("emails", "cy@acme.test"),
            ("role", "member"),
            ("role", "video-analyst"),
            ("product", ""),
            ("product", ""),
        ];
        ada.post("/a/acme/invitations", &form).await.is(303);
        let all = [("emails", "dan@acme.test"), ("role", "member"), ("role", ""), ("login_type", "password")];
        ada.post("/a/acme/invitations", &all).await.is(303);
        ada.get("/a/acme/invitations").await.says("Video analyst");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_invite_can() {
    each(async |house| {
        let ada = acme(house).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        house.join(&ada, "acme", &bob, &["member"]).await;
        let form = [("emails", "cy@acme.test"), ("role", "member")];
        bob.get("/a/acme/invitations").await.is(403);
        bob.get("/a/acme/invitations/new").await.is(403);
        bob.post("/a/acme/invitations", &form).await.is(403);
        let stranger = house.user("Cy", "cy@acme.test").await;
        stranger.get("/a/acme/invitations").await.is(404);
        stranger.post("/a/acme/invitations", &form).await.is(404);
        house.visitor().get("/a/acme/invitations").await.is(303);
        // A personal account has one member.
        ada.get("/a/ada-byron/invitations").await.is(403);
        // Another account's invitation is not there.
        invite_bobs_friend(house, &ada).await;
        let dan = house.user("Dan", "dan@acme.test").await;
        house.organization(&dan, "Other").await;
        let id = row(&ada, "eve@acme.test").await;
        let id = id.rsplit('/').next().unwrap();
        for act in ["resend", "revoke", "link"] {
            dan.post(&format!("/a/other/invitations/{id}/{act}"), &[]).await.is(404);
            bob.post(&format!("/a/acme/invitations/{id}/{act}"), &[]).await.is(403);
            ada.post(&format!("/a/acme/invitations/nonsense/{act}"), &[]).await.is(404);
        }
    })
    .await;
}

async fn invite_bobs_friend(house: &House, ada: &Person) {
    let form = [("emails", "eve@acme.test"), ("role", "member")];
    ada.post("/a/acme/invitations", &form).await.is(303);
    assert_eq!(house.letters("eve@acme.test").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_person_joins_by_one_form() {
    each(async |house| {
        let ada = acme(house).await;
        let link = invite_bob(house, &ada).await;
        let bob = house.visitor();
        for _ in 0..3 {
            let said = bob.get(&link).await.is(200).says("Join Acme").says("Video analyst");
            assert_eq!(said.field("referrer-policy"), "no-referrer");
        }
        assert_eq!(house.count("select count(*) from users").await, 1, "a GET changes nothing");
        let bad = [("name", ""), ("password", "acme")];
        bob.post(&format!("{link}/accept"), &bad).await.is(422).says("Enter a name").says("too easy");
        bob.post(&format!("{link}/accept"), &[JOIN[0]]).await.is(422);
        bob.post(&format!("{link}/accept"), &JOIN).await.is(303).to("/a/acme/overview");
        assert_eq!(members(house).await, 2);
        bob.get("/a/acme/invitations").await.is(403);
        bob.get("/").await.is(303).to("/a/acme/overview");
        // A second click goes where the first led; a second browser is told.
        bob.post(&format!("{link}/accept"), &JOIN).await.is(303).to("/a/acme/overview");
        bob.get(&link).await.is(410).says("You are a member of Acme");
        house.visitor().get(&link).await.is(410).says("was used already");
        house.visitor().post(&format!("{link}/accept"), &JOIN).await.is(410);
        ada.get("/a/acme/invitations").await.hides("bob@acme.test");
        ada.get("/a/acme/invitations?all=1").await.says("Accepted");
        // The address is proven, and the password works.
        let again = house.visitor();
        again.post("/sign-in", &[("email", "bob@acme.test"), JOIN[1]]).await.is(303).to("/a/acme/overview");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_user_signs_in_first() {
    each(async |house| {
        let ada = acme(house).await;
        let bob = house.user("Bob", "Bob@Acme.test").await;
        let link = invite_bob(house, &ada).await;
        let out = house.visitor();
        out.get(&link).await.is(200).says("Sign in to accept").hides("Password");
        let next = format!("/sign-in?next={link}");
        out.post(&format!("{link}/accept"), &JOIN).await.is(303).to(&next);
        assert_eq!(members(house).await, 1);
        let form = [("email", "bob@acme.test"), ("password", PASSWORD), ("next", link.as_str())];
        out.post("/sign-in", &form).await.is(303).to(&link);
        out.get(&link).await.is(200).says("Accept and join").says("Decline");
        out.post(&format!("{link}/accept"), &[]).await.is(303).to("/a/acme/overview");
        bob.post(&format!("{link}/accept"), &[]).await.is(303).to("/a/acme/overview");
        assert_eq!(members(house).await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_never_joins() {
    each(async |house| {
        let ada = acme(house).await;
        let eve = house.user("Eve", "eve@else.test").await;
        let mailed = invite_bob(house, &ada).await;
        let copied = copy(&ada, "bob@acme.test").await;
        for link in [&mailed, &copied] {
            let said = eve.get(link).await.is(200).says("bob@acme.test").says("eve@else.test");
            said.says("Sign out and continue").hides("Accept and join");
            eve.post(&format!("{link}/accept"), &JOIN).await.is(409);
            eve.post(&format!("{link}/decline"), &[]).await.is(409);
        }
        assert_eq!(members(house).await, 1);
        eve.post("/sign-out", &[("next", &mailed)]).await.is(303).to(&mailed);
        eve.get(&mailed).await.is(200).says("You sign in as bob@acme.test from now on");
        eve.post("/sign-out", &[("next", "https://evil.test/")]).await.is(303).to("/sign-in");
        // Later, signed in as a member, another's used link says so.
        house.visitor().post(&format!("{mailed}/accept"), &JOIN).await.is(303);
        let eve = house.again(&eve).await;
        eve.get(&mailed).await.is(410).says("was used already");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_link_proves_nothing() {
    each(async |house| {
        let ada = acme(house).await;
        invite_bob(house, &ada).await;
        let first = copy(&ada, "bob@acme.test").await;
        let link = copy(&ada, "bob@acme.test").await;
        house.visitor().get(&first).await.is(404);
        let without = house.visitor().get(&link).await.is(200).says("proves nothing").says("Sign up").text();
        house
            .visitor()
            .post(&format!("{link}/accept"), &JOIN)
            .await
            .is(303)
            .to(&format!("/sign-in?next={link}"));
        house.visitor().post(&format!("{link}/decline"), &[]).await.is(303);
        assert_eq!((house.count("select count(*) from users").await, members(house).await), (1, 1));

        // Whether the address has a user is not told.
        let bob = house.user("Bob", "bob@acme.test").await;
        let with = house.visitor().get(&link).await.is(200).text();
        assert_eq!(with, without);
        bob.post(&format!("{link}/accept"), &[]).await.is(303).to("/a/acme/overview");
        bob.post(&format!("{link}/accept"), &[]).await.is(303).to("/a/acme/overview");
        house.visitor().get(&link).await.is(410);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_link_leads_through_sign_up() {
    each(async |house| {
        let ada = acme(house).await;
        invite_bob(house, &ada).await;
        let link = copy(&ada, "bob@acme.test").await;
        let bob = house.visitor();
        let form = [JOIN[0], JOIN[1], ("email", "bob@acme.test"), ("next", &link)];
        bob.post("/sign-up", &form).await.is(200);
        let confirm = house.letter("bob@acme.test").await.link("/verify-email/");
        bob.post(&confirm, &[]).await.is(303).to(&link);
        bob.get(&link).await.is(200).says("Accept and join");
        bob.post(&format!("{link}/accept"), &[]).await.is(303).to("/a/acme/overview");
    })
    .await;
    let closed = |rules: &mut guildhall::kit::Rules| rules.open_sign_up = false;
    each_with(closed, async |house| {
        let ada = acme(house).await;
        let mailed = invite_bob(house, &ada).await;
        let copied = copy(&ada, "bob@acme.test").await;
        house.visitor().get(&copied).await.is(200).hides("Sign up").says("link that was mailed");
        house.visitor().post(&format!("{mailed}/accept"), &JOIN).await.is(303).to("/a/acme/overview");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_ends() {
    each(async |house| {
        let ada = acme(house).await;
        house.visitor().get("/invitations/nonsense").await.is(404).says("not known");
        house.visitor().post("/invitations/nonsense/accept", &JOIN).await.is(404);
        house.visitor().post("/invitations/nonsense/decline", &[]).await.is(404);

        // Inviting again replaces.
        let first = invite_bob(house, &ada).await;
        let second = invite_bob(house, &ada).await;
        house.visitor().get(&first).await.is(404);
        house.visitor().get(&second).await.is(200);
        assert_eq!(house.count("select count(*) from invitations").await, 1);

        // It expires, and can be sent again.
        house.later(WEEK);
        let ada = house.again(&ada).await;
        house.visitor().get(&second).await.is(410).says("has expired");
        house.visitor().post(&format!("{second}/accept"), &JOIN).await.is(410);
        house.visitor().post(&format!("{second}/decline"), &[]).await.is(410);
        ada.get("/a/acme/invitations").await.is(200).says("Expired");
        let at = row(&ada, "bob@acme.test").await;
        ada.post(&format!("{at}/resend"), &[]).await.is(303).to("/a/acme/invitations");
        let third = house.letter("bob@acme.test").await.link("/invitations/");
        house.visitor().get(&second).await.is(404);
        house.visitor().get(&third).await.is(200);

        // It is taken back.
        ada.post(&format!("{at}/revoke"), &[]).await.is(303);
        ada.post(&format!("{at}/revoke"), &[]).await.is(303);
        house.visitor().get(&third).await.is(410).says("taken back");
        house.visitor().post(&format!("{third}/accept"), &JOIN).await.is(410);
        let toast = ada.post(&format!("{at}/resend"), &[]).await.is(303).toast();
        assert!(toast.contains("revoked already"), "{toast}");
        ada.post(&format!("{at}/link"), &[]).await.is(303);
        ada.get("/a/acme/invitations").await.says("is revoked already");
        ada.get("/a/acme/invitations").await.hides("bob@acme.test");
        ada.get("/a/acme/invitations?all=1").await.says("Revoked");
        assert_eq!(members(house).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_declined() {
    each(async |house| {
        let ada = acme(house).await;
        let link = invite_bob(house, &ada).await;
        let out = house.visitor();
        out.post(&format!("{link}/decline"), &[]).await.is(200).says("You declined");
        out.get(&link).await.is(410).says("was declined");
        out.post(&format!("{link}/accept"), &JOIN).await.is(410);
        let bob = house.user("Bob", "bob@acme.test").await;
        let link = invite_bob(house, &ada).await;
        bob.post(&format!("{link}/decline"), &[]).await.is(200);
        bob.post(&format!("{link}/decline"), &[]).await.is(410);
        bob.post(&format!("{link}/accept"), &[]).await.is(410);
        assert_eq!(members(house).await, 1);
        ada.get("/a/acme/invitations?all=1").await.says("Declined");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_join_once() {
    each(async |house| {
        let ada = acme(house).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let accept = format!("{}/accept", invite_bob(house, &ada).await);
        let all = futures_util::future::join_all((0..50).map(|_| bob.post(&accept, &[]))).await;
        for said in all {
            said.is(303).to("/a/acme/overview");
        }
        assert_eq!(members(house).await, 2);

        let form = [("emails", "cy@acme.test"), ("role", "member")];
        ada.post("/a/acme/invitations", &form).await.is(303);
        let accept = format!("{}/accept", house.letter("cy@acme.test").await.link("/invitations/"));
        let people: Vec<Person> = (0..8).map(|_| house.visitor()).collect();
        let all = futures_util::future::join_all(people.iter().map(|it| it.post(&accept, &JOIN))).await;
        let won = all.iter().filter(|it| it.status == 303 && it.location() == "/a/acme/overview").count();
        assert_eq!(won, 1, "{:?}", all.iter().map(|it| it.status).collect::<Vec<_>>());
        assert!(all.iter().all(|it| it.status < 500));
        assert_eq!(members(house).await, 3);
        assert_eq!(house.count("select count(*) from users").await, 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_turned_page_by_page() {
    each(async |house| {
        let ada = acme(house).await;
        let emails: String = (0..60).map(|n| format!("p{n:02}@acme.test ")).collect();
        ada.post("/a/acme/invitations", &[("emails", emails.as_str()), ("role", "member")]).await.is(303);
        let (mut seen, mut path) = (vec![], "/a/acme/invitations".to_owned());
        let href = |body: &str, rel: &str| {
            let end = body.find(&format!("\" rel=\"{rel}\""))?;
            Some(format!("/a/acme/invitations{}", &body[body[..end].rfind('"')? + 1..end]))
        };
        let mut pages = vec![];
        loop {
            let page = ada.get(&path).await.is(200);
            seen.extend((0..60).filter(|n| page.body.contains(&format!("<b>p{n:02}@acme.test</b>"))));
            pages.push(path.clone());
            match href(&page.body, "next") {
                Some(next) => path = next,
                None => break,
            }
        }
        assert_eq!((pages.len(), seen.len()), (3, 60));
        let last = ada.get(&path).await;
        let back = ada.get(&href(&last.body, "prev").unwrap()).await.is(200);
        assert!(back.body.contains("<b>p34@acme.test</b>") && back.body.contains("<b>p10@acme.test</b>"));
        let first = ada.get(&href(&back.body, "prev").unwrap()).await.is(200);
        assert!(first.body.contains("<b>p59@acme.test</b>") && href(&first.body, "prev").is_none());
        ada.get("/a/acme/invitations?after=nonsense").await.is(200);
    })
    .await;
}
