//! Domains and join requests, by the API.
use crate::harness::{Dns, on_each_db_with};
use axum::http::Method;
use serde_json::{Value, json};

const API: &str = "/api/v1/accounts/acme/sso";

#[tokio::test(flavor = "multi_thread")]
async fn clients_verify_domains_and_decide_join_requests() {
    let dns = Dns::start().await;
    on_each_db_with(
        |rules| rules.dns_resolver = Some(dns.at),
        async |app| {
            let ada = app.user("Ada", "ada@acme.test").await;
            app.organization(&ada, "Acme").await;
            let key = app.api_key("acme", &ada).await;
            let call = async |method: Method, path: &str, body: Value| {
                key.call(method, &format!("{API}/{path}"), &body).await
            };

            let made = call(Method::POST, "domains", json!({ "domain": "acme.test" }))
                .await
                .assert_status(201)
                .json();
            assert_eq!((&made["verified"], &made["vouched"]), (&json!(false), &json!(false)));
            assert_eq!(made["record"]["type"], "TXT");
            let record = |field: &str| made["record"][field].as_str().unwrap().to_owned();
            assert_eq!(record("name"), "_guildhall.acme.test");
            let again = call(Method::POST, "domains", json!({ "domain": "acme.test" }))
                .await
                .assert_status(422)
                .json();
            assert_eq!(again["errors"][0]["code"], "known");
            call(Method::POST, "domains", json!({ "domain": "acme" })).await.assert_status(422);
            call(Method::POST, "domains", json!({ "domain": "beta.test" })).await.assert_status(201);

            let one = format!("domains/{}", made["id"].as_str().unwrap());
            let check = format!("{one}/check");
            let code = async || {
                call(Method::POST, &check, json!({})).await.assert_status(409).json()["code"].clone()
            };
            dns.forget(&record("name"));
            assert_eq!(code().await, "record_missing");
            dns.text(&record("name"), "guildhall-verify=another");
            assert_eq!(code().await, "record_wrong");
            dns.text(&record("name"), &record("value"));
            let verified = call(Method::POST, &check, json!({})).await.assert_status(200).json();
            assert_eq!(verified["verified"], true);
            dns.forget(&record("name"));
            let still_verified = call(Method::POST, &check, json!({})).await.assert_status(200).json();
            assert_eq!(still_verified["verified"], true, "a missing record counts after seven days only");

            let first = key.get(&format!("{API}/domains?limit=1")).await.assert_status(200).json();
            assert_eq!(first["items"][0]["id"], made["id"]);
            let rest =
                key.get(&format!("{API}/domains?limit=1&after={}", first["next"].as_str().unwrap())).await;
            let rest = rest.assert_status(200).json();
            assert_eq!((&rest["items"][0]["domain"], &rest["next"]), (&json!("beta.test"), &json!(null)));

            let joining = key.get(&format!("{API}/joining")).await.assert_status(200).json();
            assert_eq!(joining, json!({ "joining": "invited" }));
            call(Method::PUT, "joining", json!({ "joining": "anybody" })).await.assert_status(422);
            let policy = json!({ "joining": "ask" });
            assert_eq!(call(Method::PUT, "joining", policy.clone()).await.assert_status(200).json(), policy);
            let account = key.get("/api/v1/accounts/acme").await.assert_status(200).json()["id"].clone();
            for (name, email) in [("Bob", "bob@acme.test"), ("Cy", "cy@acme.test")] {
                let user = app.user(name, email).await;
                user.post("/me/join", &[("account", account.as_str().unwrap())]).await.assert_status(303);
            }
            let waiting = key.get(&format!("{API}/joins")).await.assert_status(200).json();
            let path = |index: usize, action: &str| {
                let request = &waiting["items"][index];
                assert_eq!(request["email"], ["bob@acme.test", "cy@acme.test"][index]);
                format!("joins/{}/{action}", request["id"].as_str().unwrap())
            };
            call(Method::POST, &path(0, "accept"), json!({})).await.assert_status(204);
            call(Method::POST, &path(1, "decline"), json!({})).await.assert_status(204);
            call(Method::POST, &path(1, "accept"), json!({})).await.assert_status(404);
            let members = key.get("/api/v1/accounts/acme/members?q=bob").await.assert_status(200).json();
            assert_eq!(members["items"][0]["user"]["email"], "bob@acme.test");
            assert_eq!(key.get(&format!("{API}/joins")).await.assert_status(200).json()["items"], json!([]));

            key.call(Method::DELETE, &format!("{API}/{one}"), &json!({})).await.assert_status(204);
            key.call(Method::DELETE, &format!("{API}/{one}"), &json!({})).await.assert_status(404);
        },
    )
    .await;
}
