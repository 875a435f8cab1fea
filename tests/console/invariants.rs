//! The invariants, each attacked by fifty at once.
use crate::harness::{House, Person, each};
use axum::http::Method;
use futures_util::future::join_all;
use guildhall::store::{Client, Host, Scope, audit};
use serde_json::json;

const CROWD: usize = 50;

/// What must hold whatever was done: one owner in every account, counts that are right, chains that hold.
pub async fn sound(house: &House) {
    let owners = "select count(*) from accounts a where 1 <> (
        select count(*) from memberships m where m.account_id = a.id and m.is_owner and m.user_id = a.owner_id
            and m.suspended_at is null and m.expires_at is null)";
    assert_eq!(house.count(owners).await, 0, "an account without exactly one active owner");
    let counts = "select count(*) from accounts a where a.member_count <> (
        select count(*) from memberships m where m.account_id = a.id)";
    assert_eq!(house.count(counts).await, 0, "a member count is wrong");
    let granted =
        "select count(*) from grants g join memberships m on m.id = g.membership_id where m.is_owner";
    assert_eq!(house.count(granted).await, 0, "an owner holds grants");
    let orphans = "select count(*) from memberships m join accounts a on a.id = m.account_id
        join accounts p on p.id = a.parent_id and p.kind = 'organization'
        where not exists (select 1 from memberships q where q.account_id = p.id and q.user_id = m.user_id)";
    assert_eq!(house.count(orphans).await, 0, "a team has a member from outside its organization");
    let mut scope = Scope::read(&house.db, Host("test"), &house.kit, &Client::default());
    audit::verify(&mut scope).await.unwrap().unwrap();
}

async fn crowd(of: &Person, path: &str, form: &[(&str, &str)]) -> Vec<u16> {
    let all = (0..CROWD).map(|_| of.post(path, form));
    join_all(all).await.into_iter().map(|it| it.status).collect()
}

fn never_broken(statuses: &[u16]) {
    assert!(statuses.iter().all(|it| *it < 500), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_one_owner_whatever_happens_at_once() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        let seat = house.join(&ada, &acme, &bob, &["member"]).await;
        let base = format!("/a/{acme}/settings/transfer");
        let to = seat.to_string();
        let offer = [("to", to.as_str()), ("confirm", acme.as_str())];
        let offers = crowd(&ada, &base, &offer).await;
        assert_eq!(offers.iter().filter(|it| **it == 303).count(), 1, "{offers:?}");

        let (accept, withdraw) = (format!("{base}/accept"), format!("{base}/withdraw"));
        let suspend = format!("/a/{acme}/members/{seat}/suspend");
        let leave = format!("/a/{acme}/members/leave");
        let storm = (0..CROWD).map(|n| match n % 4 {
            0 => bob.post(&accept, &[]),
            1 => ada.post(&withdraw, &[]),
            2 => ada.post(&suspend, &[]),
            _ => bob.post(&leave, &[]),
        });
        let said: Vec<u16> = join_all(storm).await.iter().map(|it| it.status).collect();
        never_broken(&said);
        sound(house).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ownership_passes_once_and_leaves_an_admin() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        let seat = house.join(&ada, &acme, &bob, &["member"]).await.to_string();
        let base = format!("/a/{acme}/settings/transfer");
        ada.post(&base, &[("to", &seat), ("confirm", &acme)]).await.is(303);
        let accepts = crowd(&bob, &format!("{base}/accept"), &[]).await;
        never_broken(&accepts);
        let owner = "select count(*) from accounts a join users u on u.id = a.owner_id
            where a.slug = 'acme' and u.email = 'bob@acme.test'";
        assert_eq!(house.count(owner).await, 1);
        let admin = "select count(*) from grants g join memberships m on m.id = g.membership_id join users u on u.id = m.user_id
            where u.email = 'ada@acme.test' and g.role = 'admin'";
        assert_eq!(house.count(admin).await, 1);
        let told = "select count(*) from audit_events where action = 'transfer.accepted'";
        assert_eq!(house.count(told).await, 1);
        sound(house).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_owns_more_organizations_than_allowed() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let said = crowd(&ada, "/new/organization", &[("name", "Acme")]).await;
        never_broken(&said);
        assert_eq!(said.iter().filter(|it| **it == 303).count(), 1, "{said:?}");
        assert_eq!(house.count("select count(*) from accounts where kind = 'organization'").await, 1);

        // Nor by accepting one.
        let bob = house.user("Bob", "bob@acme.test").await;
        let best = house.organization(&bob, "Best").await;
        let seat = house.join(&bob, &best, &ada, &["member"]).await.to_string();
        let base = format!("/a/{best}/settings/transfer");
        bob.post(&base, &[("to", &seat), ("confirm", &best)]).await.is(303);
        let accepts = crowd(&ada, &format!("{base}/accept"), &[]).await;
        assert!(accepts.iter().all(|it| *it == 409 || *it == 303), "{accepts:?}");
        let mine = "select count(*) from accounts a join users u on u.id = a.owner_id
            where a.kind = 'organization' and u.email = 'ada@acme.test'";
        assert_eq!(house.count(mine).await, 1);
        sound(house).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_cannot_be_touched() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        house.join(&ada, &acme, &bob, &["admin"]).await;
        let owner = house.membership(&acme, &ada).await;
        let base = format!("/a/{acme}/members/{owner}");
        for (path, form) in [
            ("suspend", vec![]),
            ("remove", vec![("confirm", "on")]),
            ("roles", vec![("role", "member"), ("product", "")]),
            ("expiry", vec![("expires", "2030-01-01")]),
        ] {
            let said = crowd(&bob, &format!("{base}/{path}"), &form).await;
            never_broken(&said);
        }
        let key = house.key(&acme, &bob).await;
        let api = format!("/api/v1/accounts/{acme}/members/{owner}");
        key.call(Method::PATCH, &api, &json!({ "status": "inactive" })).await.is(409);
        key.call(Method::DELETE, &api, &json!({})).await.is(409);
        ada.post(&format!("/a/{acme}/members/leave"), &[]).await.is(409);
        let refused = ada.post("/me/delete", &[("confirm", "ada@acme.test")]).await;
        assert_eq!(refused.status, 409, "who owns an organization cannot delete their user");
        assert_eq!(house.count("select count(*) from users").await, 2);
        sound(house).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_accepted_once() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let form = [("emails", "bob@acme.test, new@acme.test"), ("role", "member"), ("product", "")];
        ada.post(&format!("/a/{acme}/invitations"), &form).await.is(303);
        let link = house.letter("bob@acme.test").await.link("/invitations/");
        never_broken(&crowd(&bob, &format!("{link}/accept"), &[]).await);
        assert_eq!(house.count("select count(*) from audit_events where action = 'member.joined'").await, 1);

        // Fifty browsers, one mailed link, one new user.
        let link = house.letter("new@acme.test").await.link("/invitations/");
        let path = format!("{link}/accept");
        let typed = [("name", "New"), ("password", "a phrase that nobody guesses")];
        let people: Vec<Person> = (0..CROWD).map(|_| house.visitor()).collect();
        let said = join_all(people.iter().map(|it| it.post(&path, &typed))).await;
        assert_eq!(said.iter().filter(|it| it.status == 303 && it.location().starts_with("/a/")).count(), 1);
        never_broken(&said.iter().map(|it| it.status).collect::<Vec<_>>());
        assert_eq!(house.count("select count(*) from users where email = 'new@acme.test'").await, 1);
        sound(house).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_is_out_for_sessions_and_keys() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        let seat = house.join(&ada, &acme, &bob, &["admin"]).await;
        let key = house.key(&acme, &bob).await;
        let api = format!("/api/v1/accounts/{acme}/members");
        let page = format!("/a/{acme}/overview");
        key.get(&api).await.is(200);
        let suspend = format!("/a/{acme}/members/{seat}");
        ada.post(&format!("{suspend}/suspend"), &[]).await.is(303);
        let (calls, pages) = (key.get(&api).await.status, bob.get(&page).await.status);
        assert!([401, 403].contains(&calls) && pages == 403, "{calls} {pages}");
        ada.post(&format!("{suspend}/reactivate"), &[]).await.is(303);
        key.get(&api).await.is(200);
        bob.get(&page).await.is(200);

        let remove = format!("{suspend}/remove");
        let storm = join_all((0..CROWD).map(|_| key.get(&api)));
        let (removed, _) = tokio::join!(ada.post(&remove, &[("confirm", "on")]), storm);
        removed.is(303);
        for said in join_all((0..CROWD).map(|_| key.get(&api))).await {
            said.is(401);
        }
        bob.get(&page).await.is(404);
        assert_eq!(house.count("select count(*) from api_keys where revoked_at is null").await, 0);
        // Their own account is untouched.
        bob.get("/a/bob/overview").await.is(200);
        sound(house).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_do_not_grow() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let cy = house.user("Cy", "cy@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        let cy_seat = house.join(&ada, &acme, &cy, &["admin"]).await;
        let bob_seat = house.join(&ada, &acme, &bob, &["member"]).await;
        // A helper may manage members, and holds nothing else.
        house
            .tamper(
                r#"insert into roles (id, account_id, name, permissions, created_at, updated_at)
                   select id, id, 'Helper', '["account.view","members.view","members.invite","members.update","members.remove"]', 0, 0
                   from accounts where slug = 'acme'"#,
            )
            .await;
        house
            .tamper(
                "update grants set role = null, role_id = (select id from roles where name = 'Helper')
                 where membership_id = (select m.id from memberships m join users u on u.id = m.user_id
                    join accounts a on a.id = m.account_id where u.email = 'bob@acme.test' and a.slug = 'acme')",
            )
            .await;
        let roles = |id| format!("/a/{acme}/members/{id}/roles");
        let admin = [("role", "admin"), ("product", "")];
        bob.get(&format!("/a/{acme}/members")).await.is(200);
        let own = bob.post(&roles(bob_seat), &admin).await.status;
        let other = bob.post(&roles(cy_seat), &[("role", "member"), ("product", "")]).await.status;
        let removal = bob.post(&format!("/a/{acme}/members/{cy_seat}/remove"), &[("confirm", "on")]).await.status;
        let invited = [("emails", "eve@acme.test"), ("role", "admin"), ("product", "")];
        let invite = bob.post(&format!("/a/{acme}/invitations"), &invited).await.status;
        for said in [own, other, removal, invite] {
            assert!([403, 409, 422].contains(&said), "{said}");
        }
        assert!(house.letters("eve@acme.test").await.is_empty());

        // An admin who is demoted meanwhile: every act is before or after, never on a right that is gone.
        let demote = roles(cy_seat);
        let member = [("role", "member"), ("product", "")];
        let raise = roles(bob_seat);
        let storm = join_all((0..CROWD).map(|_| cy.post(&raise, &admin)));
        let (demoted, said) = tokio::join!(ada.post(&demote, &member), storm);
        demoted.is(303);
        never_broken(&said.iter().map(|it| it.status).collect::<Vec<_>>());
        cy.post(&raise, &admin).await.is(403);
        sound(house).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_has_its_mail_and_its_event() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let acme = house.organization(&ada, "Acme").await;
        let path = format!("/a/{acme}/invitations");
        let emails: Vec<String> = (0..CROWD).map(|n| format!("u{}@acme.test", n / 2)).collect();
        let forms: Vec<_> =
            emails.iter().map(|it| [("emails", it.as_str()), ("role", "member"), ("product", "")]).collect();
        for said in join_all(forms.iter().map(|form| ada.post(&path, form))).await {
            said.is(303);
        }
        let (events, mails) = (
            house.count("select count(*) from audit_events where action = 'member.invited'").await,
            house.count("select count(*) from mails where subject like '%invited you%'").await,
        );
        assert_eq!((events, mails), (50, 50));
        let pending = "select count(*) from invitations where status = 'pending'";
        assert_eq!(house.count(pending).await, 25, "inviting again replaces");
        sound(house).await;
    })
    .await;
}
