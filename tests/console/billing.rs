//! Plans and who is billed: changed by who may, said before, seen by nobody else.
use crate::{
    harness::{House, Person, each},
    invoices::operator,
};
use axum::http::Method;
use guildhall::{model::calendar::Month, store::plans, worker::Worker};
use serde_json::json;

async fn tick(house: &House) {
    Worker::new(house.db.clone(), house.kit.clone(), None).tick().await.unwrap();
}

async fn plan_changes(house: &House) -> i64 {
    house.count("select count(*) from audit_events where action like 'plan.%'").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_changed_after_its_consequences_were_said() {
    each(async |house| {
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        ada.post("/new/team", &[("name", "Ingest"), ("parent", "acme"), ("slug", "ingest")]).await.is(303);
        let page =
            ada.get("/a/acme/billing").await.is(200).says("Free").says("€0.00 / month").says("0 of 1,000");
        assert!(page.body.contains("/a/acme/billing/plan"));
        ada.get("/a/acme/billing/plan")
            .await
            .is(200)
            .says("€49.00 / month")
            .says("€0.005 for each credit beyond");
        ada.get("/a/acme/billing/plan?plan=developer")
            .await
            .is(200)
            .says("Change from Free to Developer?")
            .says("60 requests a minute, 10,000 a day")
            .says("600 requests a minute")
            .hides("What stops");
        ada.get("/a/acme/billing/plan?plan=gold").await.is(200).says("Choose one to see what it changes");
        assert_eq!(plan_changes(house).await, 0, "looking changes nothing");

        // A step up is now, for the teams as well.
        let done =
            ada.post("/a/acme/billing/plan", &[("plan", "developer")]).await.is(303).to("/a/acme/billing");
        assert_eq!(done.toast(), "The plan is Developer now.");
        ada.get("/a/ingest/billing").await.is(200).says("Developer plan").says("Acme pays for this team");
        ada.post("/a/acme/billing/plan", &[("plan", "gold")]).await.is(422).says("Choose one of the plans");
        ada.post("/a/ingest/billing/plan", &[("plan", "free")]).await.is(409).says("who pays for it");

        // A step down waits for the end of the month, and can be taken back.
        let confirm = ada.get("/a/acme/billing/plan?plan=free").await.is(200);
        confirm
            .says("What stops")
            .says("Requests beyond the lower rate limits")
            .says("Credits beyond what is included");
        ada.post("/a/acme/billing/plan", &[("plan", "free")]).await.is(303);
        ada.get("/a/acme/billing").await.is(200).says("as ada@acme.test chose").says("Keep Developer");
        ada.post("/a/acme/billing/plan/keep", &[]).await.is(303);
        ada.get("/a/acme/billing").await.hides("as ada@acme.test chose");
        ada.post("/a/acme/billing/plan", &[("plan", "free")]).await.is(303);
        tick(house).await;
        ada.get("/a/acme/billing").await.says("€49.00 / month");
        house.until(Month::of(house.kit.now()).next().first().start());
        tick(house).await;
        let ada = house.again(&ada).await;
        ada.get("/a/acme/billing").await.says("€0.00 / month").hides("as ada@acme.test chose");
        assert_eq!(house.count("select count(*) from plan_schedules").await, 0);
        ada.get("/a/acme/audit")
            .await
            .says("set the plan to change to free")
            .says("took back the change of the plan to free")
            .says("changed the plan from developer to free");

        // Unless asked otherwise.
        ada.post("/a/acme/billing/plan", &[("plan", "enterprise"), ("when", "period_end")]).await.is(303);
        ada.get("/a/acme/billing").await.says("on the plan is Enterprise");
        ada.post("/a/acme/billing/plan", &[("plan", "developer"), ("when", "now")]).await.is(303);
        ada.get("/a/acme/billing").await.says("€49.00 / month").hides("as ada@acme.test chose");
        ada.post("/a/acme/billing/plan", &[("plan", "free"), ("when", "now")]).await.is(303);
        ada.get("/a/acme/billing").await.says("€0.00 / month");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_read_and_change_the_plan() {
    each(async |house| {
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        let bob = house.user("Bob", "bob@acme.test").await;
        house.join(&ada, "acme", &bob, &["member"]).await;
        let (key, member) = (house.key("acme", &ada).await, house.key("acme", &bob).await);
        let path = "/api/v1/accounts/acme/plan";
        let it = key.get(path).await.is(200).json();
        assert_eq!(
            (&it["plan"], &it["price"], &it["included"]["credits"]),
            (&json!("free"), &json!(0), &json!("1000"))
        );
        assert_eq!((&it["limits"][0]["requests"], &it["limits"][0]["seconds"]), (&json!(60), &json!(60)));
        let it = member.get(path).await.is(200).json();
        assert!(it["price"].is_null() && it["overage"].is_null() && !it["limits"].is_null());
        member.call(Method::PUT, path, &json!({ "plan": "developer" })).await.is(403);
        let it = key.call(Method::PUT, path, &json!({ "plan": "developer" })).await.is(200).json();
        assert_eq!((&it["price"], &it["overage"]["credits"]), (&json!(4900), &json!("0.5")));
        let it = key.call(Method::PUT, path, &json!({ "plan": "free" })).await.is(200).json();
        assert_eq!((&it["plan"], &it["scheduled"]["plan"]), (&json!("developer"), &json!("free")));
        let it = key.call(Method::PUT, path, &json!({ "plan": "developer" })).await.is(200).json();
        assert!(it["scheduled"].is_null());
        for (body, code) in [
            (json!({ "plan": "gold" }), "unknown_plan"),
            (json!({ "plan": "free", "when": "never" }), "invalid"),
            (json!({}), "required"),
        ] {
            let it = key.call(Method::PUT, path, &body).await.is(422).json();
            assert_eq!(it["errors"][0]["code"], code, "{it}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_gone_is_shown_by_its_id_and_kept() {
    each(async |house| {
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        house.tamper("update accounts set plan = 'gold' where slug = 'acme'").await;
        ada.get("/a/acme/billing").await.is(200).says("gold");
        ada.get("/a/acme/billing/plan").await.is(200).says("Developer");
        let terms = r#"{"id":"gold","name":"Gold","price":7700,"limits":[],"included":{},"overage":{},"features":[],"seats":null}"#;
        let sql = "insert into kept_plans (id, terms, kept_at) values ('gold', $1, 0)";
        let mut conn = house.db.begin().await.unwrap();
        conn.query(sql).bind(terms.to_owned()).run().await.unwrap();
        conn.commit().await.unwrap();
        ada.get("/a/acme/billing").await.is(200).says("Gold").says("€77.00 / month");
        house.host(async |change| plans::keep(change).await.unwrap()).await;
        assert_eq!(house.count("select count(*) from kept_plans").await, 4, "what is kept is not forgotten");
        ada.post("/a/acme/billing/plan", &[("plan", "developer")]).await.is(303);
        ada.get("/a/acme/billing").await.says("€49.00 / month");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_are_seen_by_who_looks_after_bills_alone() {
    each(async |house| {
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        let mut cast: Vec<(&str, Person)> = vec![];
        for role in ["admin", "accountant", "product-admin-all", "member", "developer", "analyst"] {
            let who = house.user(role, &format!("{role}@acme.test")).await;
            house.join(&ada, "acme", &who, &[role]).await;
            cast.push((role, who));
        }
        ada.post("/a/acme/billing/details", &[("company", "Acme Ltd"), ("tax_id", "IE 123")]).await.is(303);
        for (role, who) in &cast {
            let said = who.get("/a/acme/billing").await;
            match *role {
                "admin" => drop(said.is(200).says("Acme Ltd").says("estimate").says("Compare plans")),
                "accountant" => drop(said.is(200).says("Acme Ltd").says("estimate").hides("Compare plans")),
                "product-admin-all" => drop(said.is(200).says("estimate").hides("Acme Ltd").hides("IE 123")),
                _ => drop(said.is(403)),
            }
            let manages = ["admin", "accountant"].contains(role);
            who.get("/a/acme/billing/details").await.is(if manages { 200 } else { 403 });
            let overview = who.get("/a/acme/overview").await.is(200).says("60 requests a minute");
            overview.hides("€");
            who.post("/a/acme/billing/plan", &[("plan", "free")]).await.is(if *role == "admin" {
                303
            } else {
                403
            });
        }
        let op = operator(house).await;
        op.get("/a/acme/billing").await.is(404);
        house.visitor().get("/a/acme/billing").await.is(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn billing_details_are_checked_and_kept_as_typed() {
    each(async |house| {
        let ada = house.user("Ada Byron", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        let path = "/a/acme/billing/details";
        let bad = [("company", "Acme Ltd"), ("email", "nobody"), ("address", "1\n2\n3\n4\n5\n6\n7")];
        ada.post(path, &bad).await.is(422).says("not a full address").says("at most 6 lines");
        assert_eq!(house.count("select count(*) from billing_details").await, 0);
        let good =
            [("company", "Šárka & Σία"), ("address", "1 High Street\nДублин"), ("email", "bills@acme.test")];
        ada.post(path, &good).await.is(303).to("/a/acme/billing");
        ada.get(path).await.is(200).says("Дублин");
        ada.post(path, &good).await.is(303);
        let written = "select count(*) from audit_events where action = 'billing.details_changed'";
        assert_eq!(house.count(written).await, 1, "what stays is no event");
        let key = house.key("acme", &ada).await;
        let path = "/api/v1/accounts/acme/billing";
        assert_eq!(key.get(path).await.is(200).json()["company"], "Šárka & Σία");
        let it = key.call(Method::PUT, path, &json!({ "email": "x" })).await.is(422).json();
        assert_eq!(it["errors"][0]["pointer"], "/email");
        let it = key
            .call(Method::PUT, path, &json!({ "company": "Acme", "po_number": "PO 7" }))
            .await
            .is(200)
            .json();
        assert_eq!((&it["po_number"], &it["email"]), (&json!("PO 7"), &json!("")));
    })
    .await;
}
