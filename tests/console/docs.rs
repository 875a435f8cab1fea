//! The API, to be read by people, signed in or not.
use crate::harness::each;

#[tokio::test(flavor = "multi_thread")]
async fn anybody_reads_the_pages_of_the_api() {
    each(async |house| {
        let nobody = house.visitor();
        let start = nobody.get("/api/docs").await.is(200);
        assert!(start.body.contains("Idempotency-Key"));
        // Every chapter and every call is reached from the start.
        let links: Vec<&str> =
            start.body.split("href=\"").skip(1).filter_map(|it| it.split('"').next()).collect();
        for link in links.iter().filter(|it| it.starts_with("/api/docs/")) {
            let (path, id) = link.split_once('#').unwrap_or((link, ""));
            let page = nobody.get(path).await.is(200);
            assert!(id.is_empty() || page.body.contains(&format!("id=\"{id}\"")), "{link}");
        }
        assert!(links.contains(&"/api/docs/members#list-members"));
        let members = nobody.get("/api/docs/members").await.is(200);
        for word in
            ["curl -X PATCH", "members.update", "grants[].scope.type", "precondition_failed", "If-Match"]
        {
            assert!(members.body.contains(word), "{word}");
        }
        let said = nobody.get("/api/docs/nothing").await.is(404);
        assert!(said.field("content-type").starts_with("text/html"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_type_of_a_problem_leads_to_what_it_means() {
    each(async |house| {
        let problem = house.program("").get("/api/v1/accounts/acme").await.is(401).json();
        let (path, id) = problem["type"].as_str().unwrap().split_once('#').unwrap();
        let page = house.visitor().get(path).await.is(200);
        assert!(page.body.contains(&format!("id=\"{id}\"")));
    })
    .await;
}
