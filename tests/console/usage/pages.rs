//! The usage page: who sees how much, and that it agrees with the API.
use super::{acme, days_ago, event, event_at, ingest_result, instant, send};
use crate::harness::{TestResponse, on_each_db};
use axum::http::Method;
use guildhall::model::time::HOUR;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "the same usage, as each role sees it")]
async fn everybody_sees_their_share_of_the_usage() {
    on_each_db(async |app| {
        let (ada, gateway) = acme(app).await;
        let key = app.api_key("acme", &ada).await;
        ada.post("/new/team", &[("name", "Ingest"), ("parent", "acme"), ("slug", "ingest")])
            .await
            .assert_status(303);
        let mut resources = vec![];
        for (product, kind, name) in
            [("video", "video_collection", "Films"), ("image", "image_source", "Photos")]
        {
            let new = json!({ "product": product, "kind": kind, "name": name, "external_id": name });
            let made = key
                .call(Method::POST, "/api/v1/accounts/acme/resources", &new)
                .await
                .assert_status(201)
                .json();
            resources.push(made["id"].as_str().unwrap().to_owned());
        }
        let mut people = vec![];
        for role in ["member", "analyst", "video-analyst", "accountant", "developer", "admin"] {
            let user = app.user(role, &format!("{role}@acme.test")).await;
            app.add_member(&ada, "acme", &user, &[role]).await;
            people.push(user);
        }
        let [member, analyst, video, accountant, developer, admin] = <[_; 6]>::try_from(people).ok().unwrap();
        let source = app.user("Sam", "source@acme.test").await;
        let membership = app.add_member(&ada, "acme", &source, &["member"]).await;
        let scope = json!({ "type": "resources", "resources": [resources[0]] });
        let grants = json!({ "grants": [{ "role": "source-specific", "scope": scope }] });
        key.call(Method::PATCH, &format!("/api/v1/accounts/acme/members/{membership}"), &grants)
            .await
            .assert_status(200);
        let member_key = app.api_key("acme", &member).await;
        let listed = member_key.get("/api/v1/accounts/acme/keys").await.assert_status(200).json();
        let member_key_id = listed["items"][0]["id"].clone();

        let data = |quantity: u32, rest: Value| {
            let mut data = json!({ "meter": "credits", "quantity": quantity });
            data.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            data
        };
        let batch = [
            event(app, 1, data(1, json!({ "account": "acme", "product": "image" }))),
            event(
                app,
                2,
                data(
                    20,
                    json!({
                        "account": "acme", "product": "video", "resource": resources[0],
                    }),
                ),
            ),
            event(app, 3, data(300, json!({ "key_id": member_key_id, "product": "video" }))),
            event(app, 4, data(4000, json!({ "account": "ingest", "product": "video" }))),
        ];
        assert_eq!(ingest_result(send(&gateway, &batch).await).0, 4);
        let credits = |response: TestResponse| {
            let text = response.assert_status(200).text();
            let (_, rest) = text.split_once("Credits ").unwrap();
            rest.split_once("Credits").unwrap().0.trim().to_owned()
        };
        for (person, expected) in [
            (&ada, "4,321"),
            (&admin, "4,321"),
            (&analyst, "321"),
            (&video, "320"),
            (&source, "20"),
            (&member, "300"),
        ] {
            assert_eq!(credits(person.get("/a/acme/usage").await), expected, "{}", person.email);
        }
        for person in [&accountant, &developer] {
            person.get("/a/acme/usage").await.assert_status(403).assert_contains("usage.view");
            person.get("/a/acme/usage.csv").await.assert_status(403);
        }
        assert_eq!(
            credits(ada.get("/a/ingest/usage").await),
            "4,000",
            "an administrator of the organization sees the team"
        );
        member.get("/a/ingest/usage").await.assert_status(404);
        // No names for a member who sees only a part.
        video.get("/a/acme/usage?by=member").await.assert_status(200).assert_not_contains("member@acme.test");
        video
            .get("/a/acme/usage.csv?by=member")
            .await
            .assert_status(200)
            .assert_not_contains("member@acme.test");
        // Roles are shown beside the names only to people who may see members.
        ada.get("/a/acme/usage?by=member")
            .await
            .assert_status(200)
            .assert_contains("Member Role Credits")
            .assert_contains("member@acme.test Member 300");
        analyst
            .get("/a/acme/usage?by=member")
            .await
            .assert_status(200)
            .assert_contains("member@acme.test")
            .assert_not_contains("Role Credits")
            .assert_contains("member@acme.test 300");
        let api = async |person| {
            let key = app.api_key("acme", person).await;
            let response = key.get("/api/v1/accounts/acme/usage").await;
            if response.status == 200 {
                response.json()["items"][0]["quantity"].as_str().unwrap().to_owned()
            } else {
                response.status.to_string()
            }
        };
        for (person, expected) in [
            (&ada, "4321"),
            (&analyst, "321"),
            (&video, "320"),
            (&source, "20"),
            (&member, "403"),
            (&accountant, "403"),
        ] {
            assert_eq!(api(person).await, expected, "{} by the API", person.email);
        }
        // The overview shows usage to administrators.
        ada.get("/a/acme/overview")
            .await
            .assert_status(200)
            .assert_contains("Credits per day")
            .assert_contains("4,321");
        member.get("/a/acme/overview").await.assert_status(200).assert_not_contains("Credits per day");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usage_page_can_be_grouped_and_filtered() {
    on_each_db(async |app| {
        let (ada, gateway) = acme(app).await;
        let data = |quantity: &str, model: &str| {
            json!({
                "meter": "credits", "quantity": quantity, "account": "acme", "product": "video",
                "model": model,
            })
        };
        let batch = [
            event_at(&instant(days_ago(app, 2), HOUR), 1, data("12.25", "pegasus")),
            event_at(&instant(days_ago(app, 2), HOUR), 2, data("100", "=cmd()")),
            event_at(&instant(days_ago(app, 31), HOUR), 3, data("50", "pegasus")),
        ];
        assert_eq!(ingest_result(send(&gateway, &batch).await).0, 3);
        let page = ada.get("/a/acme/usage").await.assert_status(200);
        let day = days_ago(app, 2);
        page.clone()
            .assert_contains("112.25")
            .assert_contains("+124.5%")
            .assert_contains("vs the 30 days before")
            .assert_contains("Days are UTC");
        page.assert_contains(&format!("{} 112.25 112.25", day.short())).assert_contains("so far");
        ada.get("/a/acme/usage?by=model").await.assert_contains("=cmd()").assert_contains("pegasus");
        ada.get("/a/acme/usage?by=model&model=pegasus")
            .await
            .assert_contains("12.25")
            .assert_not_contains("112.25");
        ada.get("/a/acme/usage?by=product&product=(none)").await.assert_contains("Nothing was used");
        let range = format!("/a/acme/usage?range=custom&from={day}&to={day}");
        ada.get(&range).await.assert_status(200).assert_contains("112.25");
        ada.get("/a/acme/usage?range=month").await.assert_status(200);
        for bad in [
            "range=custom&from=2026-02-30&to=2026-03-01",
            "range=custom&from=2026-03-02&to=2026-03-01",
            "range=9999-01",
            "range=custom&from=2000-01-01&to=2026-01-01",
        ] {
            ada.get(&format!("/a/acme/usage?{bad}"))
                .await
                .assert_status(422)
                .assert_contains("Here are the last 30 days");
        }
        for odd in [
            "by=nonsense",
            "meter=miles",
            "member=x&key=y&team=z&resource=w",
            "product=%FF",
            "by=model&model=%3Cb%3E",
        ] {
            assert_eq!(ada.get(&format!("/a/acme/usage?{odd}")).await.status, 200, "{odd}");
        }
        let file = ada.get("/a/acme/usage.csv?by=model").await.assert_status(200);
        assert!(file.header("content-disposition").contains("acme-usage-"));
        let lines: Vec<&str> = file.body.lines().collect();
        assert_eq!(lines[0], "day,model,model_name,meter,quantity");
        assert_eq!(
            lines[1..],
            [format!("{day},'=cmd(),,credits,100"), format!("{day},pegasus,,credits,12.25")]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_queries_are_refused() {
    on_each_db(async |app| {
        let (ada, _) = acme(app).await;
        let key = app.api_key("acme", &ada).await;
        for (query, pointer, code) in [
            ("group_by=colour", "/group_by", "unknown_axis"),
            ("from=yesterday", "/from", "invalid_date"),
            ("to=2026-02-30", "/to", "invalid_date"),
            ("from=2026-03-02&to=2026-03-01", "/to", "before_from"),
            ("limit=3", "/limit", "unknown_field"),
        ] {
            let response =
                key.get(&format!("/api/v1/accounts/acme/usage?{query}")).await.assert_status(422).json();
            assert_eq!(
                (&response["errors"][0]["pointer"], &response["errors"][0]["code"]),
                (&json!(pointer), &json!(code)),
                "{query}"
            );
        }
        let response = key
            .get("/api/v1/accounts/acme/usage?from=2026-03-01&to=2026-03-01&group_by=day,,meter,day")
            .await
            .assert_status(200);
        assert_eq!(response.json(), json!({ "items": [], "next": null }));
    })
    .await;
}
