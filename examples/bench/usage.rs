//! Usage events: reported over HTTP, inserted bare to compare with, and as a fill of many.
use guildhall::{
    context::{Clock, Context, InstallationConfig},
    crypto::{random::Random, secrets::Secrets},
    db::Db,
    model::{
        catalog::Catalog,
        quantity::Quantity,
        time::{DAY, MINUTE, Time},
        usage::event::{UsageEvent, UsageOwner},
    },
    store::{Change, System, usage},
};
use serde_json::json;
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Instant,
};

const BATCH: usize = 1000;
/// Connections that report at the same time.
const CONNECTIONS: usize = 4;

#[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
fn rate(many: usize, began: Instant) -> String {
    format!("{:.0}", many as f64 / began.elapsed().as_secs_f64())
}

fn now() -> Time {
    Clock::real().now()
}

/// Inserts the rows of usage events in batches, with only a primary key: the most that the engine can do.
pub async fn insert(url: &str, many: usize) {
    let db = Db::connect(url).await.unwrap();
    let mut conn = db.begin().await.unwrap();
    conn.query("create table if not exists bare_events (source text, id text, at bigint, account text, meter text, model text,
        product text, whole bigint, nanos bigint, primary key (source, id))")
        .execute()
        .await
        .unwrap();
    conn.query("delete from bare_events").execute().await.unwrap();
    conn.commit().await.unwrap();
    let began = Instant::now();
    for first in (0..many).step_by(BATCH) {
        let row = |n: usize| {
            json!({ "source": "/bench", "id": n.to_string(), "at": now().0, "account": "bench",
            "meter": "credits", "model": format!("m{}", n % 10), "product": "video", "whole": n, "nanos": 5 })
        };
        let rows = json!((first..first + BATCH).map(row).collect::<Vec<_>>()).to_string();
        let mut conn = db.begin_durable().await.unwrap();
        conn.query("insert into bare_events (source, id, at, account, meter, model, product, whole, nanos)
            select e.source, e.id, e.at, e.account, e.meter, e.model, e.product, e.whole, e.nanos
            from json_to_recordset($1::json) as e(source text, id text, at bigint, account text, meter text, model text,
            product text, whole bigint, nanos bigint) where true")
            .bind(rows)
            .execute()
            .await
            .unwrap();
        conn.commit().await.unwrap();
    }
    println!("{}", rate(many, began));
}

/// Reports events over HTTP.
pub fn report(base: &str, token: &str, slug: &str, many: usize) {
    let address = base.trim_start_matches("http://").to_owned();
    let run = now().0;
    let began = Instant::now();
    std::thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            let address = &address;
            scope.spawn(move || {
                for first in (connection * BATCH..many).step_by(BATCH * CONNECTIONS) {
                    let event = |n: usize| {
                        json!({ "specversion": "1.0", "type": "guildhall.usage", "source": "/bench", "id": format!("{run}-{n}"),
                            "data": { "meter": "credits", "quantity": format!("{n}.5"), "account": slug, "product": "video",
                                "model": format!("m{}", n % 10) } })
                    };
                    let body = json!((first..first + BATCH).map(event).collect::<Vec<_>>()).to_string();
                    let mut stream = TcpStream::connect(address).unwrap();
                    write!(
                        stream,
                        "POST /api/v1/usage/events HTTP/1.1\r\nHost: bench\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
                         Content-Type: application/cloudevents-batch+json\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    )
                    .unwrap();
                    let mut response = String::new();
                    stream.read_to_string(&mut response).unwrap();
                    assert!(response.contains(&format!("\"accepted\":{BATCH}")), "{response}");
                }
            });
        }
    });
    println!("{}", rate(many, began));
}

/// Adds events of the last 30 days and ten models.
pub async fn fill(url: &str, slug: &str, many: usize) {
    let db = Db::connect(url).await.unwrap();
    let config = InstallationConfig {
        base_url: "http://127.0.0.1".into(),
        max_organizations_per_user: 1,
        open_sign_up: false,
        loopback: true,
        ..InstallationConfig::default()
    };
    let catalog = Catalog::parse(Catalog::BUILT_IN).unwrap();
    let context = Context::new(Clock::real(), Random::real(), Secrets::new(&[7; 32]), catalog, config);
    let now = now();
    for first in (0..many).step_by(10_000) {
        let event = |n: usize| {
            Ok(UsageEvent {
                source: "/fill".into(),
                id: format!("{}-{n}", now.0),
                at: now.minus(DAY * u32::try_from(n % 30).unwrap() + MINUTE),
                meter: ["credits", "requests", "video_minutes"][n / 7 % 3].into(),
                quantity: Quantity::from_nanos(1_500_000_000),
                owner: UsageOwner::Account(slug.into()),
                product: Some(["video", "image"][n / 3 % 2].into()),
                model: Some(format!("m{}", n / 11 % 10)),
                resource: None,
            })
        };
        let batch = (first..many.min(first + 10_000)).map(event).collect();
        let mut change = Change::begin_as_system(&db, System("bench"), &context).await.unwrap();
        usage::take(&mut change, batch).await.unwrap();
        change.commit().await.unwrap();
    }
}
