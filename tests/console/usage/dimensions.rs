//! For a random month, the sums along every dimension agree exactly: events, daily sums, API, CSV, billing.
use super::{days_ago, event_at, ingest_result, instant, rows, send};
use crate::harness::{ApiClient, TestApp, on_each_db};
use axum::http::Method;
use guildhall::{
    model::{calendar::Month, quantity::Quantity, token},
    store::usage,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const DIMENSIONS: [&str; 7] = ["day", "product", "member", "key", "team", "model", "resource"];
const EVENTS: usize = 100_000;

/// `SplitMix64`: the seed is printed, so that a failure can be repeated.
struct Rng(u64);
impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }
    fn pick<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len())]
    }
}

/// A source of events, and how the report should attribute them.
struct Origin {
    data: Value,
    /// The expected `member`, `key` and `team` of the rows.
    seen: [Value; 3],
    resources: Vec<(Value, Value, &'static str)>,
}

async fn origins(app: &TestApp) -> (ApiClient, Vec<Origin>) {
    let ada = app.user("Ada", "ada@acme.test").await;
    app.organization(&ada, "Acme").await;
    let owner = app.api_key("acme", &ada).await;
    let mut origins = vec![];
    for (slug, team) in [("acme", ""), ("ingest", "Ingest"), ("trailers", "Trailers")] {
        if !team.is_empty() {
            ada.post("/new/team", &[("name", team), ("parent", "acme"), ("slug", slug)])
                .await
                .assert_status(303);
        }
        let key = app.api_key(slug, &ada).await;
        let account =
            key.get(&format!("/api/v1/accounts/{slug}")).await.assert_status(200).json()["id"].clone();
        let team = if slug == "acme" { Value::Null } else { account };
        let mut resources = vec![(Value::Null, Value::Null, "")];
        for (n, (product, kind)) in [("video", "index"), ("image", "image_source")].into_iter().enumerate() {
            let external = format!("{slug}-{n}");
            let new = json!({ "product": product, "kind": kind, "name": external, "external_id": external });
            let path = format!("/api/v1/accounts/{slug}/resources");
            let id = key.call(Method::POST, &path, &new).await.assert_status(201).json()["id"].clone();
            let named = json!({ "product": product, "kind": kind, "external_id": external });
            resources.push((if n == 0 { id.clone() } else { named }, id, product));
        }
        let listed =
            key.get(&format!("/api/v1/accounts/{slug}/keys?limit=1")).await.assert_status(200).json();
        let id = listed["items"][0]["id"].clone();
        let member = app.membership("acme", &ada).await;
        let of_key = [json!(member), id.clone(), team.clone()];
        origins.push(Origin { data: json!({ "key_id": id }), seen: of_key, resources: resources.clone() });
        let of_account = [Value::Null, Value::Null, team];
        origins.push(Origin { data: json!({ "account": slug }), seen: of_account, resources });
    }
    (owner, origins)
}

type Sums = BTreeMap<String, Quantity>;

/// The dimensions of a row, without its quantity.
fn row_name(row: &Value, dimensions: &[&str]) -> String {
    let value = |dimension: &&str| row[*dimension].as_str().unwrap_or_default().to_owned();
    dimensions.iter().chain([&"meter"]).map(value).collect::<Vec<_>>().join("|")
}

fn sum<'a>(rows: impl IntoIterator<Item = &'a (Value, Quantity)>, dimensions: &[&str]) -> Sums {
    let mut sums = Sums::new();
    for (row, quantity) in rows {
        *sums.entry(row_name(row, dimensions)).or_default() += *quantity;
    }
    sums
}

fn sums_of_csv(text: &str, dimensions: &[&str]) -> Sums {
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let row: Value =
            head.iter().zip(&cells).map(|(name, cell)| ((*name).to_owned(), json!(cell))).collect();
        (row_name(&row, dimensions), Quantity::parse(cells.last().unwrap()).unwrap())
    };
    lines.map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_agree_along_every_dimension() {
    on_each_db(async |app| {
        let (owner, origins) = origins(app).await;
        let gateway = app.service_token(&[token::TokenScope::Usage]).await;
        // All events are of one open month: its last day is today.
        let month = Month::of(app.kit.now()).next();
        let last = month.next().first().plus(-1);
        app.advance(Duration::from_secs(86_400 * u64::try_from(last.0 - days_ago(app, 0).0).unwrap()));
        app.advance(Duration::from_secs(86_399).saturating_sub(app.kit.now().since(last.start())));
        let days = usize::try_from(month.days()).unwrap();

        let seed = u64::try_from(app.kit.now().0).unwrap();
        println!("seed {seed}");
        let mut rng = Rng(seed);
        let mut expected_rows: Vec<(Value, Quantity)> = vec![];
        for first in (0..EVENTS).step_by(10_000) {
            let mut batch = vec![];
            for n in first..first + 10_000 {
                let origin = rng.pick(&origins);
                let day = month.first().plus(i64::try_from(rng.below(days)).unwrap());
                let time = instant(day, Duration::from_micros(rng.next() % 86_400_000_000));
                let text = match rng.below(4) {
                    0 => format!("{}", rng.below(1000)),
                    1 => format!("0.{:09}", rng.below(1_000_000_000)),
                    2 => format!("{}.{:03}", rng.below(100_000), rng.below(1000)),
                    _ => format!("{}.{:09}", rng.below(1_000_000), rng.below(1_000_000_000)),
                };
                let mut data = origin.data.clone();
                let (resource, id, product) = rng.pick(&origin.resources);
                data["resource"] = resource.clone();
                let product = if product.is_empty() { *rng.pick(&["", "video", "image"]) } else { product };
                let model = *rng.pick(&["", "pegasus-1.2", "marengo-2.7", "flux"]);
                let meter = *rng.pick(&["credits", "requests", "video_minutes"]);
                data["product"] = if product.is_empty() { Value::Null } else { json!(product) };
                data["model"] = json!(model);
                data["meter"] = json!(meter);
                data["quantity"] = json!(text);
                batch.push(event_at(&time, n, data));
                let [member, key, team] = origin.seen.clone();
                let fact = json!({
                    "day": day.to_string(), "product": product, "meter": meter, "member": member,
                    "key": key, "team": team, "model": model, "resource": id,
                });
                expected_rows.push((fact, Quantity::parse(&text).unwrap()));
            }
            assert_eq!(ingest_result(send(&gateway, &batch).await), (10_000, 0, vec![]));
        }

        let range = format!("from={}&to={}", month.first(), month.next().first());
        let mut groupings: Vec<Vec<&str>> = DIMENSIONS.iter().map(|dimension| vec![*dimension]).collect();
        groupings.extend([
            vec![],
            vec!["day", "product"],
            vec!["member", "team", "key"],
            vec!["model", "resource", "day"],
        ]);
        for dimensions in groupings {
            let expected = sum(&expected_rows, &dimensions);
            let query = format!("{range}&group_by={}", dimensions.join(","));
            let reported = rows(&owner, "acme", &query).await;
            let reported: Vec<(Value, Quantity)> = reported
                .into_iter()
                .map(|row| {
                    let quantity = Quantity::parse(row["quantity"].as_str().unwrap()).unwrap();
                    (row, quantity)
                })
                .collect();
            assert_eq!(reported.len(), expected.len(), "the number of rows by {dimensions:?}");
            assert_eq!(sum(&reported, &dimensions), expected, "the API by {dimensions:?}");
            let path = format!("/api/v1/accounts/acme/usage?{query}");
            let file =
                owner.send(Method::GET, &path, &[("accept", "text/csv")], None).await.assert_status(200);
            assert!(file.header("content-type").starts_with("text/csv"));
            assert_eq!(sums_of_csv(&file.body, &dimensions), expected, "the file by {dimensions:?}");
        }
        let all_dimensions = format!("/api/v1/accounts/acme/usage?{range}&group_by={}", DIMENSIONS.join(","));
        let response = owner.get(&all_dimensions).await.assert_status(422).json();
        assert_eq!(response["errors"][0]["code"], "too_many_rows");

        app.as_system(async |change| {
            let payer = usage::payers(change, month, None, 10).await.unwrap();
            let mut billed = Sums::new();
            for line in usage::billable(change, payer[0], month).await.unwrap() {
                *billed.entry(format!("|{}", line.meter)).or_default() += line.quantity;
            }
            let meters: Sums =
                sum(&expected_rows, &[]).into_iter().map(|(meter, sum)| (format!("|{meter}"), sum)).collect();
            assert_eq!(billed, meters, "the billable quantities");
            let (first, last) = usage::whole_days(change).await.unwrap().unwrap();
            assert_eq!((first, last), (month.first(), month.next().first().plus(-1)));
            for day in first.0..=last.0 {
                let found = usage::rebuild(change, guildhall::model::calendar::Day(day), true).await.unwrap();
                assert_eq!(found, [], "the daily sums match the events");
            }
        })
        .await;
    })
    .await;
}
