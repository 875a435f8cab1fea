//! The roles of one member: several lines, grants for listed resources, and grants that expire.
use crate::harness::{TestApp, TestResponse, TestUser, on_each_db};
use uuid::Uuid;

/// Ada owns Acme; Bob is a member with this id, page, and target of the form with his roles.
struct Acme {
    ada: TestUser,
    bob: TestUser,
    membership: String,
    page: String,
    roles: String,
}

async fn acme(app: &TestApp) -> Acme {
    let ada = app.user("Ada", "ada@acme.test").await;
    let bob = app.user("Bob", "bob@x.test").await;
    app.organization(&ada, "Acme").await;
    let membership = app.add_member(&ada, "acme", &bob, &["member"]).await.to_string();
    let page = format!("/a/acme/members/{membership}");
    let roles = format!("{page}/roles");
    Acme { ada, bob, membership, page, roles }
}

/// Adds the resource `press-kit`, with the id of Bob's membership.
async fn add_resource(app: &TestApp) {
    app.raw_sql(
        "insert into resources (id, account_id, product, kind, name, external_id, created_at,
                updated_at)
            select m.id, m.account_id, 'image', 'image_source', 'press-kit', 'x', 0, 0
            from memberships m join accounts a on a.id = m.account_id where a.slug = 'acme'
            and not m.is_owner",
    )
    .await;
}

/// Demands an option that is selected.
#[track_caller]
fn assert_selected(response: &TestResponse, value: &str) {
    let options = response.select(&format!("option[value='{value}'][selected]"));
    assert!(!options.is_empty(), "{value} is not selected:\n{}", response.body);
}

/// Demands a checkbox that is checked.
#[track_caller]
fn assert_checked(response: &TestResponse, value: &str) {
    let boxes = response.select(&format!("input[value='{value}'][checked]"));
    assert!(!boxes.is_empty(), "{value} is not checked:\n{}", response.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_can_hold_several_roles() {
    on_each_db(async |app| {
        let Acme { ada, bob, page, roles, .. } = acme(app).await;
        let two = [
            ("role", "developer"),
            ("product", "video"),
            ("role", ""),
            ("product", ""),
            ("role", "accountant"),
            ("product", ""),
        ];
        ada.post(&roles, &two).await.assert_status(303).assert_redirect(&page);
        let response = ada
            .get(&page)
            .await
            .assert_status(200)
            .assert_contains("Video developer Over Video · given by Ada");
        assert_selected(&response, "developer");
        assert_selected(&response, "video");
        bob.get("/a/acme/members").await.assert_status(403);

        // The third line is invalid, and the error is shown there.
        let wrong = [
            ("role", "member"),
            ("product", ""),
            ("role", ""),
            ("product", ""),
            ("role", "admin"),
            ("product", "image"),
        ];
        let response = ada
            .post(&roles, &wrong)
            .await
            .assert_status(422)
            .assert_contains("This role is held over the whole account.");
        assert!(response.body.contains("id=\"role-3-e\""), "{}", response.body);
        ada.post(&roles, &[("role", "owner"), ("product", "")])
            .await
            .assert_status(422)
            .assert_contains("handed over");
        ada.post(&roles, &[("role", "")])
            .await
            .assert_status(422)
            .assert_contains("Choose at least one role.");
        ada.post(&roles, &[("role", "member"), ("keep", &Uuid::nil().to_string())]).await.assert_status(409);
    })
    .await;
}

/// A plain line of the form cannot express such a grant: a checkbox keeps it.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_for_listed_resources_is_kept_while_ticked() {
    on_each_db(async |app| {
        let Acme { ada, membership, page, roles, .. } = acme(app).await;
        add_resource(app).await;
        app.raw_sql(
            "insert into grants (id, account_id, membership_id, role, scope, created_at)
                select id, account_id, id, 'source-specific', 'resources', 0 from resources",
        )
        .await;
        app.raw_sql("insert into grant_resources (grant_id, resource_id) select id, id from resources").await;
        let response = ada
            .get(&page)
            .await
            .assert_status(200)
            .assert_contains("Image source-specific press-kit · since");
        assert_selected(&response, "source-specific");
        assert_checked(&response, &format!("0:{membership}"));
        let listed = "select count(*) from grants where role = 'source-specific'";
        let saved = [("role", "accountant"), ("product", ""), ("keep", &membership)];
        ada.post(&roles, &saved).await.assert_status(303);
        assert_eq!(app.count(listed).await, 1);
        ada.post(&roles, &[("role", "accountant"), ("product", "")]).await.assert_status(303);
        assert_eq!(app.count(listed).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listed_resources_are_ticked_searched_and_validated() {
    on_each_db(async |app| {
        let Acme { ada, membership, page, roles, .. } = acme(app).await;
        add_resource(app).await;
        let listed = "select count(*) from grants where role = 'source-specific'";
        let tick = format!("0:{membership}");
        let base = [("role", "accountant"), ("product", ""), ("listed_new", "0")];
        let with = |more: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
            base.iter().chain(more).map(|(name, value)| (*name, (*value).to_owned())).collect()
        };
        let post = async |more: &[(&'static str, &str)]| {
            let form = with(more);
            let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
            ada.post(&roles, &form).await
        };
        post(&[("listed_role", "source-specific")])
            .await
            .assert_status(422)
            .assert_contains("needs a list of at least one resource");
        let response = post(&[("listed_role", ""), ("listed", &tick)]).await.assert_status(422);
        assert_checked(&response.assert_contains("Choose the role that is held over"), &tick);
        let nil = format!("0:{}", Uuid::nil());
        for gone in [nil.as_str(), "0:nonsense"] {
            let response = post(&[("listed_role", "source-specific"), ("listed", gone), ("listed", &tick)])
                .await
                .assert_status(422);
            assert!(response.assert_contains("not in this account").body.contains("id=\"listed-1-e\""));
        }
        let preview = format!(
            "{page}?role=analyst&product=video&listed_role=source-specific&listed={tick}\
             &listed_new=0&find=nothing"
        );
        let response = ada.get(&preview).await.assert_status(200);
        assert_selected(&response, "analyst");
        assert_checked(&response, &tick);
        ada.get(&format!("{page}?find=PRESS")).await.assert_status(200).assert_contains("press-kit");
        post(&[("listed_role", "source-specific"), ("listed", &tick)]).await.assert_status(303);
        assert_eq!(app.count(listed).await, 1);
        let bulk = [
            ("act", "role"),
            ("id", &membership),
            ("listed_role", "source-specific"),
            ("listed", &tick),
            ("listed_new", "0"),
        ];
        ada.post("/a/acme/members/bulk", &bulk).await.assert_status(303);
        ada.get(&page)
            .await
            .assert_status(200)
            .assert_contains("Image source-specific")
            .assert_not_contains("Accountant Over everything");
        ada.post(
            &roles,
            &[
                ("role", "accountant"),
                ("product", ""),
                ("listed_role", ""),
                ("listed", &tick),
                ("listed_new", "1"),
            ],
        )
        .await
        .assert_status(303);
        assert_eq!(app.count(listed).await, 0, "without a role there is no grant, whatever is ticked");
    })
    .await;
}

/// A plain line of the form cannot express an expiry either.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_expires_is_kept_while_ticked() {
    on_each_db(async |app| {
        let Acme { ada, bob, page, roles, .. } = acme(app).await;
        ada.post(&roles, &[("role", "accountant"), ("product", "")]).await.assert_status(303);
        app.raw_sql("update grants set expires_at = 4102444800000000 where role = 'accountant'").await;
        let response = ada.get(&page).await.assert_status(200).assert_contains("Keep Accountant");
        let kept = response.attr_of("input[name='keep']", "value");
        ada.post(&roles, &[("role", "admin"), ("product", ""), ("keep", &kept)]).await.assert_status(303);
        let ends = "select count(*) from grants where role = 'accountant' and expires_at is not null";
        assert_eq!(app.count(ends).await, 1);
        bob.get("/a/acme/members").await.assert_status(200);
        ada.post(&roles, &[("role", "admin"), ("product", "")]).await.assert_status(303);
        assert_eq!(app.count(ends).await, 0);
    })
    .await;
}
