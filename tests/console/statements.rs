//! How often a page asks the database: four times at most, and as often for one row as for many.
use crate::{
    browser::pages,
    harness::{House, Person, each},
};
use std::time::Duration;

const MOST: u64 = 4;

/// What is a file, or a part of a page.
const OTHERS: [&str; 5] = [".csv", ".zip", ".pdf", "/summary", "/effect"];

/// How many statements all requests have asked until now.
async fn asked(house: &House) -> u64 {
    let page = house.visitor().get("/metrics").await.is(200);
    let counts = page.body.lines().filter(|it| it.starts_with("guildhall_request_statements_total{"));
    counts
        .filter(|it| !it.contains("\"/metrics\""))
        .map(|it| it.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
        .sum()
}

/// How many a page asks that nobody has seen just before.
async fn for_page(house: &House, who: &Person, path: &str) -> u64 {
    house.kit.stale.tell_all();
    let before = asked(house).await;
    let said = who.get(path).await;
    assert!([200, 422].contains(&said.status), "{path} says {}", said.status);
    asked(house).await - before
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_asks_often_or_oftener_the_longer_its_list_is() {
    each(async |house| {
        let ada = pages::furnished(house).await;
        let sol = house.user("Sol", "sol@solo.test").await;
        house.organization(&sol, "Solo").await;
        // Until what is written down beside a request is written down.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut wrong = vec![];
        for path in pages::addresses(house, &ada).await {
            if OTHERS.iter().any(|it| path.contains(it)) {
                continue;
            }
            let many = for_page(house, &ada, &path).await;
            if many > MOST {
                wrong.push(format!("{path}: {many}"));
            }
            let is_list =
                path.starts_with("/a/acme/") && path.matches('/').count() == 3 && !path.contains('?');
            if is_list {
                let few = for_page(house, &sol, &path.replace("/acme/", "/solo/")).await;
                if few != many {
                    wrong.push(format!("{path}: {many} for many rows, {few} for few"));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    })
    .await;
}
