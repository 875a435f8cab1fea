//! What a program gave and the form cannot say: shown, kept when the form is saved, and taken where it is unticked.
use super::acme;
use crate::harness::{House, Person, Provider, each};
use axum::http::Method;
use serde_json::{Value, json};

/// The values of the boxes of that name.
async fn boxes(who: &Person, name: &str) -> Vec<String> {
    let page = who.get("/a/acme/sso").await.is(200).body;
    let before = format!("name=\"{name}\" value=\"");
    page.split(&before).skip(1).map(|it| it.split('"').next().unwrap().to_owned()).collect()
}

async fn resource(house: &House, who: &Person, name: &str) -> String {
    let form =
        [("kind", "video/video_collection"), ("name", name), ("external_id", name), ("visibility", "shared")];
    who.post("/a/acme/resources", &form).await.is(303);
    let sql = "select id from resources where name = $1";
    let mut conn = house.db.read().await.unwrap();
    conn.query(sql).bind(name.to_owned()).one::<(uuid::Uuid,)>().await.unwrap().0.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_over_listed_resources_stay() {
    let provider = Provider::start();
    each(async |house| {
        let ada = acme(house, &provider).await;
        let tours = resource(house, &ada, "tours").await;
        let key = house.key("acme", &ada).await;
        let path = "/api/v1/accounts/acme/sso";
        let listed = json!({ "type": "resources", "resources": [tours] });
        let until = "2031-01-01T00:00:00Z";
        let wish = json!({
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
        let given = async || key.get(path).await.is(200).json();
        let set = key.call(Method::PUT, path, &wish).await.is(200).json();

        // The list is chosen on the form itself; what ends is kept or not, and so is what a line cannot say.
        let page = ada.get("/a/acme/sso").await.is(200).says("Keep Analyst").says("books = accountant");
        assert!(!page.body.contains("tours ="), "{}", page.body);
        page.says("Keep Video source-specific over 1 resource for books")
            .says("Keep Video source-specific over 1 resource for tours")
            .hides("Find by name");
        let (keep, groups) = (boxes(&ada, "keep").await, boxes(&ada, "keep_group").await);
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
        ada.post("/a/acme/sso", &form).await.is(303);
        let sorted = |it: &Value| {
            let mut all: Vec<String> = it.as_array().unwrap().iter().map(Value::to_string).collect();
            all.sort();
            all
        };
        let said = given().await;
        assert_eq!(sorted(&said["default_grants"]), sorted(&set["default_grants"]));
        assert_eq!(said["group_grants"], set["group_grants"]);

        // A fault keeps what was ticked.
        form[1].1 = "";
        form.pop();
        let page = ada.post("/a/acme/sso", &form).await.is(422);
        assert_eq!(page.body.matches("name=\"keep_group\"").count(), 2);
        let checked = |it: &str| page.body.contains(&format!("value=\"{it}\" checked"));
        assert!(checked(&groups[0]) && !checked(&groups[1]) && checked(&keep[0]) && checked(&ticked));

        // What is unticked goes, and its group with it.
        form[1].1 = "guildhall";
        ada.post("/a/acme/sso", &form).await.is(303);
        let said = given().await;
        assert_eq!(said["group_grants"].as_object().unwrap().keys().collect::<Vec<_>>(), ["books"]);
        assert_eq!(said["group_grants"]["books"].as_array().unwrap().len(), 2);
        // What is no longer there cannot be kept.
        form.push(("keep_group", &groups[1]));
        ada.post("/a/acme/sso", &form).await.is(409).says("changed by somebody else");
    })
    .await;
}
