//! The pages that document the API, which everybody may read.
use crate::harness::on_each_db;

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_are_public_and_all_links_lead_somewhere() {
    on_each_db(async |app| {
        let visitor = app.visitor();
        let index = visitor.get("/api/docs").await.assert_status(200);
        assert!(index.body.contains("Idempotency-Key"));
        let links: Vec<String> =
            index.select("a[href]").iter().map(|link| link.attr("href").to_owned()).collect();
        for link in links.iter().filter(|link| link.starts_with("/api/docs/")) {
            let (path, id) = link.split_once('#').unwrap_or((link.as_str(), ""));
            let page = visitor.get(path).await.assert_status(200);
            assert!(id.is_empty() || !page.select(&format!("[id='{id}']")).is_empty(), "{link}");
        }
        assert!(links.iter().any(|link| link == "/api/docs/members#list-members"));
        let members = visitor.get("/api/docs/members").await.assert_status(200);
        for text in
            ["curl -X PATCH", "members.update", "grants[].scope.type", "precondition_failed", "If-Match"]
        {
            assert!(members.body.contains(text), "{text}");
        }
        let response = visitor.get("/api/docs/nothing").await.assert_status(404);
        assert!(response.header("content-type").starts_with("text/html"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_type_of_a_problem_leads_to_its_explanation() {
    on_each_db(async |app| {
        let problem = app.api_client("").get("/api/v1/accounts/acme").await.assert_status(401).json();
        let (path, id) = problem["type"].as_str().unwrap().split_once('#').unwrap();
        let page = app.visitor().get(path).await.assert_status(200);
        assert!(!page.select(&format!("[id='{id}']")).is_empty());
    })
    .await;
}
