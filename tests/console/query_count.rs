//! How many statements a page executes: four at most, and as many for a long list as for a short one.
use crate::{
    browser::pages,
    harness::{TestApp, TestUser, on_each_db, scaled},
};
use std::time::Duration;

const MAX_STATEMENTS: u64 = 4;

/// Routes that answer a file or a part of a page.
const NO_PAGES: [&str; 5] = [".csv", ".zip", ".pdf", "/summary", "/effect"];

/// How many statements all requests but those for the metrics have executed so far.
async fn statements(app: &TestApp) -> u64 {
    let page = app.visitor().get("/metrics").await.assert_status(200);
    let counts = page.body.lines().filter(|line| line.starts_with("guildhall_request_statements_total{"));
    counts
        .filter(|line| !line.contains("\"/metrics\""))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
        .sum()
}

/// How many statements a page executes when nothing is cached.
async fn statements_of(app: &TestApp, user: &TestUser, path: &str) -> u64 {
    app.kit.invalidations.invalidate_all();
    let before = statements(app).await;
    let response = user.get(path).await;
    assert!([200, 422].contains(&response.status), "{path} answers {}", response.status);
    statements(app).await - before
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_executes_more_than_four_statements_or_more_for_a_longer_list() {
    on_each_db(async |app| {
        let ada = pages::fill_with_demo(app).await;
        let sol = app.user("Sol", "sol@solo.test").await;
        app.organization(&sol, "Solo").await;
        // Wait for the writes that happen after a response, such as last activity.
        tokio::time::sleep(scaled(Duration::from_millis(300))).await;
        let mut excessive = vec![];
        for path in pages::paths(app, &ada).await {
            if NO_PAGES.iter().any(|part| path.contains(part)) {
                continue;
            }
            let many = statements_of(app, &ada, &path).await;
            if many > MAX_STATEMENTS {
                excessive.push(format!("{path}: {many}"));
            }
            let is_list =
                path.starts_with("/a/acme/") && path.matches('/').count() == 3 && !path.contains('?');
            if is_list {
                let few = statements_of(app, &sol, &path.replace("/acme/", "/solo/")).await;
                if few != many {
                    excessive.push(format!("{path}: {many} for many rows, {few} for few"));
                }
            }
        }
        assert!(excessive.is_empty(), "{excessive:#?}");
    })
    .await;
}
