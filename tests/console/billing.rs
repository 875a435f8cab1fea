//! Plans and billing details: who may see and change them, and when a change takes effect.
use crate::{
    harness::{TestApp, TestUser, on_each_db},
    invoices::operator,
};
use axum::http::Method;
use guildhall::{jobs::Worker, model::calendar::Month, store::plans};
use serde_json::json;

async fn tick(app: &TestApp) {
    Worker::new(app.db.clone(), app.kit.clone(), None).run_once().await.unwrap();
}

async fn plan_changes(app: &TestApp) -> i64 {
    app.count("select count(*) from audit_events where action like 'plan.%'").await
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_the_plan_shows_the_consequences_first() {
    on_each_db(async |app| {
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        ada.post("/new/team", &[("name", "Ingest"), ("parent", "acme"), ("slug", "ingest")])
            .await
            .assert_status(303);
        let page = ada
            .get("/a/acme/billing")
            .await
            .assert_status(200)
            .assert_contains("Free")
            .assert_contains("€0.00 / month")
            .assert_contains("0 of 1,000");
        assert!(page.body.contains("/a/acme/billing/plan"));
        ada.get("/a/acme/billing/plan")
            .await
            .assert_status(200)
            .assert_contains("€49.00 / month")
            .assert_contains("€0.005 for each credit beyond");
        ada.get("/a/acme/billing/plan?plan=developer")
            .await
            .assert_status(200)
            .assert_contains("Change from Free to Developer?")
            .assert_contains("60 requests a minute, 10,000 a day")
            .assert_contains("600 requests a minute")
            .assert_not_contains("What stops");
        ada.get("/a/acme/billing/plan?plan=gold")
            .await
            .assert_status(200)
            .assert_contains("Choose one to see what it changes");
        assert_eq!(plan_changes(app).await, 0, "a preview changes nothing");

        // An upgrade takes effect at once, for the teams too.
        let response = ada
            .post("/a/acme/billing/plan", &[("plan", "developer")])
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/billing");
        assert_eq!(response.toast(), "The plan is Developer now.");
        ada.get("/a/ingest/billing")
            .await
            .assert_status(200)
            .assert_contains("Developer plan")
            .assert_contains("Acme pays for this team");
        ada.post("/a/acme/billing/plan", &[("plan", "gold")])
            .await
            .assert_status(422)
            .assert_contains("Choose one of the plans");
        ada.post("/a/ingest/billing/plan", &[("plan", "free")])
            .await
            .assert_status(409)
            .assert_contains("who pays for it");

        // A downgrade waits for the end of the month and can be withdrawn.
        let confirmation = ada.get("/a/acme/billing/plan?plan=free").await.assert_status(200);
        confirmation
            .assert_contains("What stops")
            .assert_contains("Requests beyond the lower rate limits")
            .assert_contains("Credits beyond what is included");
        ada.post("/a/acme/billing/plan", &[("plan", "free")]).await.assert_status(303);
        ada.get("/a/acme/billing")
            .await
            .assert_status(200)
            .assert_contains("as ada@acme.test chose")
            .assert_contains("Keep Developer");
        ada.post("/a/acme/billing/plan/keep", &[]).await.assert_status(303);
        ada.get("/a/acme/billing").await.assert_not_contains("as ada@acme.test chose");
        ada.post("/a/acme/billing/plan", &[("plan", "free")]).await.assert_status(303);
        tick(app).await;
        ada.get("/a/acme/billing").await.assert_contains("€49.00 / month");
        app.advance_to(Month::of(app.kit.now()).next().first().start());
        tick(app).await;
        let ada = app.second_browser(&ada).await;
        ada.get("/a/acme/billing")
            .await
            .assert_contains("€0.00 / month")
            .assert_not_contains("as ada@acme.test chose");
        assert_eq!(app.count("select count(*) from plan_schedules").await, 0);
        ada.get("/a/acme/audit")
            .await
            .assert_contains("set the plan to change to free")
            .assert_contains("withdrew the change of the plan to free")
            .assert_contains("changed the plan from developer to free");

        // `when` overrides both defaults.
        ada.post("/a/acme/billing/plan", &[("plan", "enterprise"), ("when", "period_end")])
            .await
            .assert_status(303);
        ada.get("/a/acme/billing").await.assert_contains("on the plan is Enterprise");
        ada.post("/a/acme/billing/plan", &[("plan", "developer"), ("when", "now")]).await.assert_status(303);
        ada.get("/a/acme/billing")
            .await
            .assert_contains("€49.00 / month")
            .assert_not_contains("as ada@acme.test chose");
        ada.post("/a/acme/billing/plan", &[("plan", "free"), ("when", "now")]).await.assert_status(303);
        ada.get("/a/acme/billing").await.assert_contains("€0.00 / month");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_reads_and_changes_the_plan() {
    on_each_db(async |app| {
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        let bob = app.user("Bob", "bob@acme.test").await;
        app.add_member(&ada, "acme", &bob, &["member"]).await;
        let (owner_key, member_key) = (app.api_key("acme", &ada).await, app.api_key("acme", &bob).await);
        let path = "/api/v1/accounts/acme/plan";
        let plan = owner_key.get(path).await.assert_status(200).json();
        assert_eq!(
            (&plan["plan"], &plan["price"], &plan["included"]["credits"]),
            (&json!("free"), &json!(0), &json!("1000"))
        );
        assert_eq!((&plan["limits"][0]["requests"], &plan["limits"][0]["seconds"]), (&json!(60), &json!(60)));
        let plan = member_key.get(path).await.assert_status(200).json();
        assert!(plan["price"].is_null() && plan["overage"].is_null() && !plan["limits"].is_null());
        member_key.call(Method::PUT, path, &json!({ "plan": "developer" })).await.assert_status(403);
        let plan = owner_key
            .call(Method::PUT, path, &json!({ "plan": "developer" }))
            .await
            .assert_status(200)
            .json();
        assert_eq!((&plan["price"], &plan["overage"]["credits"]), (&json!(4900), &json!("0.5")));
        let plan =
            owner_key.call(Method::PUT, path, &json!({ "plan": "free" })).await.assert_status(200).json();
        assert_eq!((&plan["plan"], &plan["scheduled"]["plan"]), (&json!("developer"), &json!("free")));
        let plan = owner_key
            .call(Method::PUT, path, &json!({ "plan": "developer" }))
            .await
            .assert_status(200)
            .json();
        assert!(plan["scheduled"].is_null());
        for (body, code) in [
            (json!({ "plan": "gold" }), "unknown_plan"),
            (json!({ "plan": "free", "when": "never" }), "invalid"),
            (json!({}), "required"),
        ] {
            let error = owner_key.call(Method::PUT, path, &body).await.assert_status(422).json();
            assert_eq!(error["errors"][0]["code"], code, "{error}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_missing_from_the_catalogue_is_shown_from_its_snapshot() {
    on_each_db(async |app| {
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        app.raw_sql("update accounts set plan = 'gold' where slug = 'acme'").await;
        ada.get("/a/acme/billing").await.assert_status(200).assert_contains("gold");
        ada.get("/a/acme/billing/plan").await.assert_status(200).assert_contains("Developer");
        let terms = concat!(
            r#"{"id":"gold","name":"Gold","price":7700,"limits":[],"included":{},"overage":{},"#,
            r#""features":[],"seats":null}"#
        );
        let sql = "insert into plan_snapshots (id, terms, saved_at) values ('gold', $1, 0)";
        let mut conn = app.db.begin().await.unwrap();
        conn.query(sql).bind(terms.to_owned()).execute().await.unwrap();
        conn.commit().await.unwrap();
        ada.get("/a/acme/billing")
            .await
            .assert_status(200)
            .assert_contains("Gold")
            .assert_contains("€77.00 / month");
        app.as_system(async |change| plans::keep(change).await.unwrap()).await;
        assert_eq!(
            app.count("select count(*) from plan_snapshots").await,
            4,
            "an older snapshot is not removed"
        );
        ada.post("/a/acme/billing/plan", &[("plan", "developer")]).await.assert_status(303);
        ada.get("/a/acme/billing").await.assert_contains("€49.00 / month");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_billing_roles_see_amounts() {
    on_each_db(async |app| {
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        let mut people: Vec<(&str, TestUser)> = vec![];
        for role in ["admin", "accountant", "product-admin-all", "member", "developer", "analyst"] {
            let person = app.user(role, &format!("{role}@acme.test")).await;
            app.add_member(&ada, "acme", &person, &[role]).await;
            people.push((role, person));
        }
        ada.post("/a/acme/billing/details", &[("company", "Acme Ltd"), ("tax_id", "IE 123")])
            .await
            .assert_status(303);
        for (role, person) in &people {
            let response = person.get("/a/acme/billing").await;
            match *role {
                "admin" => drop(
                    response
                        .assert_status(200)
                        .assert_contains("Acme Ltd")
                        .assert_contains("estimate")
                        .assert_contains("Compare plans"),
                ),
                "accountant" => drop(
                    response
                        .assert_status(200)
                        .assert_contains("Acme Ltd")
                        .assert_contains("estimate")
                        .assert_not_contains("Compare plans"),
                ),
                "product-admin-all" => drop(
                    response
                        .assert_status(200)
                        .assert_contains("estimate")
                        .assert_not_contains("Acme Ltd")
                        .assert_not_contains("IE 123"),
                ),
                _ => drop(response.assert_status(403)),
            }
            let may_manage = ["admin", "accountant"].contains(role);
            person.get("/a/acme/billing/details").await.assert_status(if may_manage { 200 } else { 403 });
            let overview = person
                .get("/a/acme/overview")
                .await
                .assert_status(200)
                .assert_contains("60 requests a minute");
            overview.assert_not_contains("€");
            person
                .post("/a/acme/billing/plan", &[("plan", "free")])
                .await
                .assert_status(if *role == "admin" { 303 } else { 403 });
        }
        let operator = operator(app).await;
        operator.get("/a/acme/billing").await.assert_status(404);
        app.visitor().get("/a/acme/billing").await.assert_status(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn billing_details_are_validated_and_kept_as_typed() {
    on_each_db(async |app| {
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        let path = "/a/acme/billing/details";
        let bad = [("company", "Acme Ltd"), ("email", "nobody"), ("address", "1\n2\n3\n4\n5\n6\n7")];
        ada.post(path, &bad)
            .await
            .assert_status(422)
            .assert_contains("not a full address")
            .assert_contains("at most 6 lines");
        assert_eq!(app.count("select count(*) from billing_details").await, 0);
        let good =
            [("company", "Šárka & Σία"), ("address", "1 High Street\nДублин"), ("email", "bills@acme.test")];
        ada.post(path, &good).await.assert_status(303).assert_redirect("/a/acme/billing");
        ada.get(path).await.assert_status(200).assert_contains("Дублин");
        ada.post(path, &good).await.assert_status(303);
        let changes = "select count(*) from audit_events where action = 'billing.details_changed'";
        assert_eq!(app.count(changes).await, 1, "an unchanged form writes no event");
        let key = app.api_key("acme", &ada).await;
        let path = "/api/v1/accounts/acme/billing";
        assert_eq!(key.get(path).await.assert_status(200).json()["company"], "Šárka & Σία");
        let error = key.call(Method::PUT, path, &json!({ "email": "x" })).await.assert_status(422).json();
        assert_eq!(error["errors"][0]["pointer"], "/email");
        let details = key
            .call(Method::PUT, path, &json!({ "company": "Acme", "po_number": "PO 7" }))
            .await
            .assert_status(200)
            .json();
        assert_eq!((&details["po_number"], &details["email"]), (&json!("PO 7"), &json!("")));
    })
    .await;
}
