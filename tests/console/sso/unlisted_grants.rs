//! Grants of a connection that were set by the API and that the form cannot edit: they are shown, kept when the form is
//! saved, and removed when unticked.
use super::acme;
use crate::harness::{Provider, TestApp, TestUser, on_each_db};
use axum::http::Method;
use serde_json::{Value, json};

/// The values of the checkboxes with this name.
async fn checkboxes(user: &TestUser, name: &str) -> Vec<String> {
    let page = user.get("/a/acme/sso").await.assert_status(200);
    let inputs = page.select(&format!("input[name={name}]"));
    inputs.iter().map(|input| input.attr("value").to_owned()).collect()
}

/// Registers a resource; answers its id.
async fn resource(app: &TestApp, user: &TestUser, name: &str) -> String {
    let form =
        [("kind", "video/video_collection"), ("name", name), ("external_id", name), ("visibility", "shared")];
    user.post("/a/acme/resources", &form).await.assert_status(303);
    let sql = "select id from resources where name = $1";
    let mut conn = app.db.read().await.unwrap();
    conn.query(sql).bind(name.to_owned()).fetch_one::<(uuid::Uuid,)>().await.unwrap().0.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_over_listed_resources_are_kept() {
    let provider = Provider::start();
    on_each_db(async |app| {
        let ada = acme(app, &provider).await;
        let tours = resource(app, &ada, "tours").await;
        let key = app.api_key("acme", &ada).await;
        let path = "/api/v1/accounts/acme/sso";
        let listed = json!({ "type": "resources", "resources": [tours] });
        let until = "2031-01-01T00:00:00Z";
        let connection = json!({
            "issuer": provider.issuer, "client_id": "guildhall", "client_secret": "a secret",
            "default_grants": [
                { "role": "member" },
                { "role": "source-specific", "scope": listed },
                { "role": "analyst", "expires_at": until },
            ],
            "group_grants": {
                "books": [{ "role": "accountant" }, { "role": "source-specific", "scope": listed }],
                "tours": [{ "role": "source-specific", "scope": listed }],
            },
        });
        let read = async || key.get(path).await.assert_status(200).json();
        let saved = key.call(Method::PUT, path, &connection).await.assert_status(200).json();

        // The form edits the list itself. It only keeps or removes grants that expire, and group grants over a list.
        let page = ada
            .get("/a/acme/sso")
            .await
            .assert_status(200)
            .assert_contains("Keep Analyst")
            .assert_contains("books = accountant");
        assert!(!page.body.contains("tours ="), "{}", page.body);
        page.assert_contains("Keep Video source-specific over 1 resource for books")
            .assert_contains("Keep Video source-specific over 1 resource for tours")
            .assert_not_contains("Find by name");
        let (keep, groups) = (checkboxes(&ada, "keep").await, checkboxes(&ada, "keep_group").await);
        assert_eq!((keep.len(), groups.len()), (1, 2));
        let ticked = format!("0:{tours}");
        let mut form = vec![
            ("issuer", provider.issuer.as_str()),
            ("client_id", "guildhall"),
            ("role", "member"),
            ("product", ""),
            ("listed_role", "source-specific"),
            ("listed", &ticked),
            ("listed_new", "1"),
            ("keep", &keep[0]),
            ("groups", "books = accountant"),
            ("keep_group", &groups[0]),
            ("keep_group", &groups[1]),
        ];
        ada.post("/a/acme/sso", &form).await.assert_status(303);
        let sorted = |grants: &Value| {
            let mut all: Vec<String> = grants.as_array().unwrap().iter().map(Value::to_string).collect();
            all.sort();
            all
        };
        let response = read().await;
        assert_eq!(sorted(&response["default_grants"]), sorted(&saved["default_grants"]));
        assert_eq!(response["group_grants"], saved["group_grants"]);

        // An invalid form keeps what was ticked.
        form[1].1 = "";
        form.pop();
        let page = ada.post("/a/acme/sso", &form).await.assert_status(422);
        assert_eq!(page.select("input[name=keep_group]").len(), 2);
        let checked = |value: &str| !page.select(&format!("input[value='{value}'][checked]")).is_empty();
        assert!(checked(&groups[0]) && !checked(&groups[1]) && checked(&keep[0]) && checked(&ticked));

        // An unticked grant is removed, and its group with it.
        form[1].1 = "guildhall";
        ada.post("/a/acme/sso", &form).await.assert_status(303);
        let response = read().await;
        assert_eq!(response["group_grants"].as_object().unwrap().keys().collect::<Vec<_>>(), ["books"]);
        assert_eq!(response["group_grants"]["books"].as_array().unwrap().len(), 2);
        // A grant that does not exist any more cannot be kept.
        form.push(("keep_group", &groups[1]));
        ada.post("/a/acme/sso", &form).await.assert_status(409).assert_contains("changed by somebody else");
    })
    .await;
}
