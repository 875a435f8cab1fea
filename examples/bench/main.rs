//! The other half of `scripts/bench`: bare axum handlers to compare with, and databases full of members, keys and usage.
#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

mod usage;

use axum::{
    Json, Router,
    extract::Path,
    http::header,
    response::IntoResponse,
    routing::{get, post},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use guildhall::{
    crypto::random::Random,
    crypto::secrets::{KeyKind, hash, machine_key},
    db::Db,
};
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use uuid::Uuid;

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["bare", listen] => bare(listen).await,
        ["fill", url, slug, many, keys] => fill(url, slug, many.parse().unwrap(), keys).await,
        ["usage-insert", url, many] => usage::insert(url, many.parse().unwrap()).await,
        ["usage-report", base, token, slug, many] => usage::report(base, token, slug, many.parse().unwrap()),
        ["usage-fill", url, slug, many] => usage::fill(url, slug, many.parse().unwrap()).await,
        _ => panic!(
            "bench bare LISTEN | bench fill URL SLUG MANY KEYS-FILE | bench usage-insert URL MANY | bench usage-report BASE TOKEN SLUG MANY | bench usage-fill URL SLUG MANY"
        ),
    }
}

/// The least that a handler can do: `/echo` parses JSON and writes it again, `/html/{bytes}` answers a page of that size.
async fn bare(listen: &str) {
    #[derive(Deserialize, Serialize)]
    struct Question {
        key: String,
        permission: String,
    }
    async fn echo(Json(question): Json<Question>) -> Json<Question> {
        Json(question)
    }
    async fn html(Path(bytes): Path<usize>) -> impl IntoResponse {
        ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], "x".repeat(bytes))
    }
    let router = Router::new().route("/echo", post(echo)).route("/html/{bytes}", get(html));
    let listener = tokio::net::TcpListener::bind(listen).await.unwrap();
    axum::serve(listener, router).await.unwrap();
}

/// Adds members with a key each to an account. Writes the keys into `keys`, and the cursor of every page into `keys.pages`.
async fn fill(url: &str, slug: &str, many: usize, keys: &str) {
    let db = Db::connect(url).await.unwrap();
    let mut file = std::io::BufWriter::new(std::fs::File::create(keys).unwrap());
    let mut pages = std::io::BufWriter::new(std::fs::File::create(format!("{keys}.pages")).unwrap());
    let random = Random::real();
    let (account,): (Uuid,) = {
        let mut conn = db.read().await.unwrap();
        conn.query("select id from accounts where slug = $1").bind(slug).fetch_one().await.unwrap()
    };
    for begin in (0..many).step_by(5000) {
        let mut conn = db.begin().await.unwrap();
        for at in begin..many.min(begin + 5000) {
            let id = || uuid::Builder::from_random_bytes(random.bytes()).into_uuid();
            let [user, membership, grant, key] = [id(), id(), id(), id()];
            let (name, email) = (format!("Member{at} Bench"), format!("member{at}@bench.test"));
            let time = 1_700_000_000_000_000 + i64::try_from(at).unwrap() * 1_000_000;
            let secret = machine_key(KeyKind::Key, &random);
            writeln!(file, "{secret}").unwrap();
            if at % 25 == 0 {
                let cursor = serde_json::json!({ "t": time, "n": "", "i": membership }).to_string();
                writeln!(pages, "{}", BASE64_URL_SAFE_NO_PAD.encode(cursor)).unwrap();
            }
            let user_sql =
                "insert into users (id, name, email, email_key, created_at) values ($1, $2, $3, $3, $4)";
            conn.query(user_sql).bind(user).bind(&name).bind(&email).bind(time).execute().await.unwrap();
            conn.query(
                "insert into memberships (id, account_id, user_id, name_key, joined_at, active_at) values ($1, $2, $3, $4, $5, $5)",
            )
            .bind(membership)
            .bind(account)
            .bind(user)
            .bind(name.to_lowercase())
            .bind(time)
            .execute()
            .await
            .unwrap();
            let role = if at % 50 == 0 { "admin" } else { "member" };
            conn.query(
                "insert into grants (id, account_id, membership_id, role, scope, created_at) values ($1, $2, $3, $4, 'account', $5)",
            )
            .bind(grant)
            .bind(account)
            .bind(membership)
            .bind(role)
            .bind(time)
            .execute()
            .await
            .unwrap();
            for word in [&email, &name.to_lowercase(), &"bench".to_owned()] {
                conn.query("insert into member_search (account_id, word, membership_id) values ($1, $2, $3)")
                    .bind(account)
                    .bind(word)
                    .bind(membership)
                    .execute()
                    .await
                    .unwrap();
            }
            conn.query(
                "insert into api_keys (id, account_id, membership_id, user_id, name, hash, last4, created_at)
                 values ($1, $2, $3, $4, 'Bench', $5, $6, $7)",
            )
            .bind(key)
            .bind(account)
            .bind(membership)
            .bind(user)
            .bind(hash(&secret))
            .bind(&secret[secret.len() - 4..])
            .bind(time)
            .execute()
            .await
            .unwrap();
        }
        let sql = "update accounts set member_count = (select count(*) from memberships where account_id = $1) where id = $1";
        conn.query(sql).bind(account).execute().await.unwrap();
        conn.commit().await.unwrap();
    }
    db.close().await;
    file.flush().unwrap();
    pages.flush().unwrap();
}
