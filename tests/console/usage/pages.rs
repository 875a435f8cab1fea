//! The page of usage: who sees how much of it, and that it says what the API says.
use super::{acme, ago, event, event_at, instant, send, told};
use crate::harness::{Said, each};
use axum::http::Method;
use guildhall::model::time::HOUR;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_their_part() {
    each(async |house| {
        let (ada, gateway) = acme(house).await;
        let key = house.key("acme", &ada).await;
        ada.post("/new/team", &[("name", "Ingest"), ("parent", "acme"), ("slug", "ingest")]).await.is(303);
        let mut resources = vec![];
        for (product, kind, name) in [("video", "video_collection", "Films"), ("image", "image_source", "Photos")] {
            let new = json!({ "product": product, "kind": kind, "name": name, "external_id": name });
            let made = key.call(Method::POST, "/api/v1/accounts/acme/resources", &new).await.is(201).json();
            resources.push(made["id"].as_str().unwrap().to_owned());
        }
        let mut people = vec![];
        for role in ["member", "analyst", "video-analyst", "accountant", "developer", "admin"] {
            let it = house.user(role, &format!("{role}@acme.test")).await;
            house.join(&ada, "acme", &it, &[role]).await;
            people.push(it);
        }
        let [member, analyst, video, accountant, developer, admin] = <[_; 6]>::try_from(people).ok().unwrap();
        let source = house.user("Sam", "source@acme.test").await;
        let seat = house.join(&ada, "acme", &source, &["member"]).await;
        let grants = json!({ "grants": [{ "role": "source-specific", "scope": { "type": "resources", "resources": [resources[0]] } }] });
        key.call(Method::PATCH, &format!("/api/v1/accounts/acme/members/{seat}"), &grants).await.is(200);
        let members = house.key("acme", &member).await;
        let listed = members.get("/api/v1/accounts/acme/keys").await.is(200).json();
        let own = listed["items"][0]["id"].clone();

        let data = |quantity: u32, rest: Value| {
            let mut data = json!({ "meter": "credits", "quantity": quantity });
            data.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            data
        };
        let batch = [
            event(house, 1, data(1, json!({ "account": "acme", "product": "image" }))),
            event(house, 2, data(20, json!({ "account": "acme", "product": "video", "resource": resources[0] }))),
            event(house, 3, data(300, json!({ "key_id": own, "product": "video" }))),
            event(house, 4, data(4000, json!({ "account": "ingest", "product": "video" }))),
        ];
        assert_eq!(told(send(&gateway, &batch).await).0, 4);
        let credits = |said: Said| {
            let text = said.is(200).text();
            let (_, rest) = text.split_once("Credits ").unwrap();
            rest.split_once("Credits").unwrap().0.trim().to_owned()
        };
        for (who, seen) in [
            (&ada, "4,321"),
            (&admin, "4,321"),
            (&analyst, "321"),
            (&video, "320"),
            (&source, "20"),
            (&member, "300"),
        ] {
            assert_eq!(credits(who.get("/a/acme/usage").await), seen, "{}", who.email);
        }
        for who in [&accountant, &developer] {
            who.get("/a/acme/usage").await.is(403).says("usage.view");
            who.get("/a/acme/usage.csv").await.is(403);
        }
        assert_eq!(credits(ada.get("/a/ingest/usage").await), "4,000", "an administrator in the team");
        member.get("/a/ingest/usage").await.is(404);
        // No names for who sees but a part.
        video.get("/a/acme/usage?by=member").await.is(200).hides("member@acme.test");
        video.get("/a/acme/usage.csv?by=member").await.is(200).hides("member@acme.test");
        // Beside a name stands what they are, for who may see members.
        ada.get("/a/acme/usage?by=member").await.is(200).says("Member Role Credits").says("member@acme.test Member 300");
        analyst.get("/a/acme/usage?by=member").await.is(200).says("member@acme.test").hides("Role Credits").says("member@acme.test 300");
        let api = async |who| {
            let key = house.key("acme", who).await;
            let said = key.get("/api/v1/accounts/acme/usage").await;
            if said.status == 200 { said.json()["items"][0]["quantity"].as_str().unwrap().to_owned() } else { said.status.to_string() }
        };
        for (who, seen) in [(&ada, "4321"), (&analyst, "321"), (&video, "320"), (&source, "20"), (&member, "403"), (&accountant, "403")] {
            assert_eq!(api(who).await, seen, "{} by the API", who.email);
        }
        // The overview tells administrators.
        ada.get("/a/acme/overview").await.is(200).says("Credits per day").says("4,321");
        member.get("/a/acme/overview").await.is(200).hides("Credits per day");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_can_be_looked_into() {
    each(async |house| {
        let (ada, gateway) = acme(house).await;
        let data = |quantity: &str, model: &str| json!({ "meter": "credits", "quantity": quantity, "account": "acme", "product": "video", "model": model });
        let batch = [
            event_at(&instant(ago(house, 2), HOUR), 1, data("12.25", "pegasus")),
            event_at(&instant(ago(house, 2), HOUR), 2, data("100", "=cmd()")),
            event_at(&instant(ago(house, 31), HOUR), 3, data("50", "pegasus")),
        ];
        assert_eq!(told(send(&gateway, &batch).await).0, 3);
        let page = ada.get("/a/acme/usage").await.is(200);
        let day = ago(house, 2);
        page.clone().says("112.25").says("+124.5%").says("vs the 30 days before").says("Days are UTC");
        page.says(&format!("{} 112.25 112.25", day.short())).says("so far");
        ada.get("/a/acme/usage?by=model").await.says("=cmd()").says("pegasus");
        ada.get("/a/acme/usage?by=model&model=pegasus").await.says("12.25").hides("112.25");
        ada.get("/a/acme/usage?by=product&product=(none)").await.says("Nothing was used");
        let range = format!("/a/acme/usage?range=custom&from={day}&to={day}");
        ada.get(&range).await.is(200).says("112.25");
        ada.get("/a/acme/usage?range=month").await.is(200);
        for bad in ["range=custom&from=2026-02-30&to=2026-03-01", "range=custom&from=2026-03-02&to=2026-03-01", "range=9999-01", "range=custom&from=2000-01-01&to=2026-01-01"] {
            ada.get(&format!("/a/acme/usage?{bad}")).await.is(422).says("Here are the last 30 days");
        }
        for odd in ["by=nonsense", "meter=miles", "member=x&key=y&team=z&resource=w", "product=%FF", "by=model&model=%3Cb%3E"] {
            assert_eq!(ada.get(&format!("/a/acme/usage?{odd}")).await.status, 200, "{odd}");
        }
        let file = ada.get("/a/acme/usage.csv?by=model").await.is(200);
        assert!(file.field("content-disposition").contains("acme-usage-"));
        let lines: Vec<&str> = file.body.lines().collect();
        assert_eq!(lines[0], "day,model,model_name,meter,quantity");
        assert_eq!(lines[1..], [format!("{day},'=cmd(),,credits,100"), format!("{day},pegasus,,credits,12.25")]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_asks_for_nonsense_is_told_so() {
    each(async |house| {
        let (ada, _) = acme(house).await;
        let key = house.key("acme", &ada).await;
        for (query, pointer, code) in [
            ("group_by=colour", "/group_by", "unknown_axis"),
            ("from=yesterday", "/from", "invalid_date"),
            ("to=2026-02-30", "/to", "invalid_date"),
            ("from=2026-03-02&to=2026-03-01", "/to", "before_from"),
            ("limit=3", "/limit", "unknown_field"),
        ] {
            let said = key.get(&format!("/api/v1/accounts/acme/usage?{query}")).await.is(422).json();
            assert_eq!(
                (&said["errors"][0]["pointer"], &said["errors"][0]["code"]),
                (&json!(pointer), &json!(code)),
                "{query}"
            );
        }
        let said = key
            .get("/api/v1/accounts/acme/usage?from=2026-03-01&to=2026-03-01&group_by=day,,meter,day")
            .await
            .is(200);
        assert_eq!(said.json(), json!({ "items": [], "next": null }));
    })
    .await;
}
