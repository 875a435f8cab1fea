//! For a random month, the sums along every axis agree to the last decimal: events, days, API, CSV, what is billed.
use super::{ago, event_at, instant, rows, send, told};
use crate::harness::{House, Program, each};
use axum::http::Method;
use guildhall::{
    model::{calendar::Month, quantity::Quantity, token},
    store::usage,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const AXES: [&str; 7] = ["day", "product", "member", "key", "team", "model", "resource"];
const EVENTS: usize = 100_000;

/// Chance that a failure can repeat: `SplitMix64`.
struct Dice(u64);
impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let it = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }
    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(most).unwrap()).unwrap()
    }
    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Where usage comes from, and where it should appear.
struct Origin {
    data: Value,
    /// `member`, `key`, `team`, as the rows should say.
    seen: [Value; 3],
    resources: Vec<(Value, Value, &'static str)>,
}

async fn origins(house: &House) -> (Program, Vec<Origin>) {
    let ada = house.user("Ada", "ada@acme.test").await;
    house.organization(&ada, "Acme").await;
    let owner = house.key("acme", &ada).await;
    let mut origins = vec![];
    for (slug, team) in [("acme", ""), ("ingest", "Ingest"), ("trailers", "Trailers")] {
        if !team.is_empty() {
            ada.post("/new/team", &[("name", team), ("parent", "acme"), ("slug", slug)]).await.is(303);
        }
        let key = house.key(slug, &ada).await;
        let account = key.get(&format!("/api/v1/accounts/{slug}")).await.is(200).json()["id"].clone();
        let team = if slug == "acme" { Value::Null } else { account };
        let mut resources = vec![(Value::Null, Value::Null, "")];
        for (n, (product, kind)) in [("video", "index"), ("image", "image_source")].into_iter().enumerate() {
            let external = format!("{slug}-{n}");
            let new = json!({ "product": product, "kind": kind, "name": external, "external_id": external });
            let path = format!("/api/v1/accounts/{slug}/resources");
            let id = key.call(Method::POST, &path, &new).await.is(201).json()["id"].clone();
            let named = json!({ "product": product, "kind": kind, "external_id": external });
            resources.push((if n == 0 { id.clone() } else { named }, id, product));
        }
        let listed = key.get(&format!("/api/v1/accounts/{slug}/keys?limit=1")).await.is(200).json();
        let id = listed["items"][0]["id"].clone();
        let member = house.membership("acme", &ada).await;
        let of_key = [json!(member), id.clone(), team.clone()];
        origins.push(Origin { data: json!({ "key_id": id }), seen: of_key, resources: resources.clone() });
        let of_account = [Value::Null, Value::Null, team];
        origins.push(Origin { data: json!({ "account": slug }), seen: of_account, resources });
    }
    (owner, origins)
}

type Sums = BTreeMap<String, Quantity>;

/// A row by its columns; the quantity apart.
fn name(row: &Value, axes: &[&str]) -> String {
    let cell = |axis: &&str| row[*axis].as_str().unwrap_or_default().to_owned();
    axes.iter().chain([&"meter"]).map(cell).collect::<Vec<_>>().join("|")
}

fn sum<'a>(rows: impl IntoIterator<Item = &'a (Value, Quantity)>, axes: &[&str]) -> Sums {
    let mut sums = Sums::new();
    for (row, quantity) in rows {
        *sums.entry(name(row, axes)).or_default() += *quantity;
    }
    sums
}

fn told_by_csv(text: &str, axes: &[&str]) -> Sums {
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let row: Value =
            head.iter().zip(&cells).map(|(name, cell)| ((*name).to_owned(), json!(cell))).collect();
        (name(&row, axes), Quantity::parse(cells.last().unwrap()).unwrap())
    };
    lines.map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_agree_along_every_axis() {
    each(async |house| {
        let (owner, origins) = origins(house).await;
        let gateway = house.service(&[token::Scope::Usage]).await;
        // All of one month, which is not closed: its last day is today.
        let month = Month::of(house.kit.now()).next();
        let last = month.next().first().plus(-1);
        house.later(Duration::from_secs(86_400 * u64::try_from(last.0 - ago(house, 0).0).unwrap()));
        house.later(Duration::from_secs(86_399).saturating_sub(house.kit.now().since(last.start())));
        let days = usize::try_from(month.days()).unwrap();

        let seed = u64::try_from(house.kit.now().0).unwrap();
        println!("seed {seed}");
        let mut dice = Dice(seed);
        let mut facts: Vec<(Value, Quantity)> = vec![];
        for first in (0..EVENTS).step_by(10_000) {
            let mut batch = vec![];
            for n in first..first + 10_000 {
                let origin = dice.one(&origins);
                let day = month.first().plus(i64::try_from(dice.below(days)).unwrap());
                let at = instant(day, Duration::from_micros(dice.next() % 86_400_000_000));
                let text = match dice.below(4) {
                    0 => format!("{}", dice.below(1000)),
                    1 => format!("0.{:09}", dice.below(1_000_000_000)),
                    2 => format!("{}.{:03}", dice.below(100_000), dice.below(1000)),
                    _ => format!("{}.{:09}", dice.below(1_000_000), dice.below(1_000_000_000)),
                };
                let mut data = origin.data.clone();
                let (resource, id, product) = dice.one(&origin.resources);
                data["resource"] = resource.clone();
                let product = if product.is_empty() { *dice.one(&["", "video", "image"]) } else { product };
                let model = *dice.one(&["", "pegasus-1.2", "marengo-2.7", "flux"]);
                let meter = *dice.one(&["credits", "requests", "video_minutes"]);
                data["product"] = if product.is_empty() { Value::Null } else { json!(product) };
                data["model"] = json!(model);
                data["meter"] = json!(meter);
                data["quantity"] = json!(text);
                batch.push(event_at(&at, n, data));
                let [member, key, team] = origin.seen.clone();
                let fact = json!({ "day": day.to_string(), "product": product, "meter": meter, "member": member, "key": key,
                    "team": team, "model": model, "resource": id });
                facts.push((fact, Quantity::parse(&text).unwrap()));
            }
            assert_eq!(told(send(&gateway, &batch).await), (10_000, 0, vec![]));
        }

        let range = format!("from={}&to={}", month.first(), month.next().first());
        let mut asked: Vec<Vec<&str>> = AXES.iter().map(|it| vec![*it]).collect();
        asked.extend([vec![], vec!["day", "product"], vec!["member", "team", "key"], vec!["model", "resource", "day"]]);
        for axes in asked {
            let wanted = sum(&facts, &axes);
            let query = format!("{range}&group_by={}", axes.join(","));
            let told = rows(&owner, "acme", &query).await;
            let told: Vec<(Value, Quantity)> = told
                .into_iter()
                .map(|it| {
                    let quantity = Quantity::parse(it["quantity"].as_str().unwrap()).unwrap();
                    (it, quantity)
                })
                .collect();
            assert_eq!(told.len(), wanted.len(), "a row for each by {axes:?}");
            assert_eq!(sum(&told, &axes), wanted, "the API by {axes:?}");
            let path = format!("/api/v1/accounts/acme/usage?{query}");
            let file = owner.send(Method::GET, &path, &[("accept", "text/csv")], None).await.is(200);
            assert!(file.field("content-type").starts_with("text/csv"));
            assert_eq!(told_by_csv(&file.body, &axes), wanted, "the file by {axes:?}");
        }
        let everything = format!("/api/v1/accounts/acme/usage?{range}&group_by={}", AXES.join(","));
        let said = owner.get(&everything).await.is(422).json();
        assert_eq!(said["errors"][0]["code"], "too_many_rows");

        house
            .host(async |change| {
                let payer = usage::payers(change, month, None, 10).await.unwrap();
                let mut billed = Sums::new();
                for it in usage::billable(change, payer[0], month).await.unwrap() {
                    *billed.entry(format!("|{}", it.meter)).or_default() += it.quantity;
                }
                let meters: Sums = sum(&facts, &[]).into_iter().map(|(it, sum)| (format!("|{it}"), sum)).collect();
                assert_eq!(billed, meters, "what is billed");
                let (first, last) = usage::whole_days(change).await.unwrap().unwrap();
                assert_eq!((first, last), (month.first(), month.next().first().plus(-1)));
                for day in first.0..=last.0 {
                    let found = usage::rebuild(change, guildhall::model::calendar::Day(day), true).await.unwrap();
                    assert_eq!(found, [], "the sums are those of the events");
                }
            })
            .await;
    })
    .await;
}
