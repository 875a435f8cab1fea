//! Domains and who joins because of them, by the API.
use crate::harness::{Dns, each_with};
use axum::http::Method;
use serde_json::{Value, json};

const API: &str = "/api/v1/accounts/acme/sso";

#[tokio::test(flavor = "multi_thread")]
async fn programs_prove_domains_and_answer_who_asks_to_join() {
    let dns = Dns::start().await;
    each_with(
        |rules| rules.dns_resolver = Some(dns.at),
        async |house| {
            let ada = house.user("Ada", "ada@acme.test").await;
            house.organization(&ada, "Acme").await;
            let key = house.key("acme", &ada).await;
            let call = async |method: Method, path: &str, body: Value| {
                key.call(method, &format!("{API}/{path}"), &body).await
            };

            let made = call(Method::POST, "domains", json!({ "domain": "acme.test" })).await.is(201).json();
            assert_eq!((&made["verified"], &made["vouched"]), (&json!(false), &json!(false)));
            assert_eq!(made["record"]["type"], "TXT");
            let word = |what: &str| made["record"][what].as_str().unwrap().to_owned();
            assert_eq!(word("name"), "_guildhall.acme.test");
            let again = call(Method::POST, "domains", json!({ "domain": "acme.test" })).await.is(422).json();
            assert_eq!(again["errors"][0]["code"], "known");
            call(Method::POST, "domains", json!({ "domain": "acme" })).await.is(422);
            call(Method::POST, "domains", json!({ "domain": "beta.test" })).await.is(201);

            let one = format!("domains/{}", made["id"].as_str().unwrap());
            let check = format!("{one}/check");
            let code = async || call(Method::POST, &check, json!({})).await.is(409).json()["code"].clone();
            dns.forget(&word("name"));
            assert_eq!(code().await, "record_missing");
            dns.text(&word("name"), "guildhall-verify=another");
            assert_eq!(code().await, "record_wrong");
            dns.text(&word("name"), &word("value"));
            let proven = call(Method::POST, &check, json!({})).await.is(200).json();
            assert_eq!(proven["verified"], true);
            dns.forget(&word("name"));
            let kept = call(Method::POST, &check, json!({})).await.is(200).json();
            assert_eq!(kept["verified"], true, "for seven days");

            let first = key.get(&format!("{API}/domains?limit=1")).await.is(200).json();
            assert_eq!(first["items"][0]["id"], made["id"]);
            let rest =
                key.get(&format!("{API}/domains?limit=1&after={}", first["next"].as_str().unwrap())).await;
            let rest = rest.is(200).json();
            assert_eq!((&rest["items"][0]["domain"], &rest["next"]), (&json!("beta.test"), &json!(null)));

            let joining = key.get(&format!("{API}/joining")).await.is(200).json();
            assert_eq!(joining, json!({ "joining": "invited" }));
            call(Method::PUT, "joining", json!({ "joining": "anybody" })).await.is(422);
            let asked = json!({ "joining": "ask" });
            assert_eq!(call(Method::PUT, "joining", asked.clone()).await.is(200).json(), asked);
            let account = key.get("/api/v1/accounts/acme").await.is(200).json()["id"].clone();
            for (name, email) in [("Bob", "bob@acme.test"), ("Cy", "cy@acme.test")] {
                let who = house.user(name, email).await;
                who.post("/me/join", &[("account", account.as_str().unwrap())]).await.is(303);
            }
            let waiting = key.get(&format!("{API}/joins")).await.is(200).json();
            let at = |n: usize, what: &str| {
                let it = &waiting["items"][n];
                assert_eq!(it["email"], ["bob@acme.test", "cy@acme.test"][n]);
                format!("joins/{}/{what}", it["id"].as_str().unwrap())
            };
            call(Method::POST, &at(0, "accept"), json!({})).await.is(204);
            call(Method::POST, &at(1, "decline"), json!({})).await.is(204);
            call(Method::POST, &at(1, "accept"), json!({})).await.is(404);
            let members = key.get("/api/v1/accounts/acme/members?q=bob").await.is(200).json();
            assert_eq!(members["items"][0]["user"]["email"], "bob@acme.test");
            assert_eq!(key.get(&format!("{API}/joins")).await.is(200).json()["items"], json!([]));

            key.call(Method::DELETE, &format!("{API}/{one}"), &json!({})).await.is(204);
            key.call(Method::DELETE, &format!("{API}/{one}"), &json!({})).await.is(404);
        },
    )
    .await;
}
