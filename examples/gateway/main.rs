//! A sample API behind a gateway: the key of each request is verified by Guildhall, and its usage reported.
//!
//! ```sh
//! GUILDHALL_SERVICE_TOKEN=gh_svc_… cargo run --example gateway
//! ```
//!
//! See `docs/gateway.md`.
#![expect(clippy::disallowed_methods, reason = "a program of its own, with the machine's clock")]
use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{env, error::Error, time::Duration};

/// The address of Guildhall, and the service token for it.
#[derive(Clone)]
struct Gateway {
    http: Client,
    url: String,
    token: String,
}

/// What a route requires of a key.
#[derive(Clone, Copy)]
struct Needs {
    permission: &'static str,
    product: &'static str,
    cost: u32,
}

/// Guildhall's answer about a key.
#[derive(Clone, Deserialize)]
struct Verdict {
    valid: bool,
    code: String,
    key_id: Option<String>,
    account: Option<Account>,
    ratelimit: Option<RateLimit>,
}

#[derive(Clone, Deserialize)]
struct Account {
    slug: String,
}

#[derive(Clone, Copy, Deserialize)]
struct RateLimit {
    limit: u64,
    remaining: u64,
    reset: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // For an https address of Guildhall.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = env::var("GUILDHALL_URL").unwrap_or_else(|_| "http://127.0.0.1:3000".into());
    let token = env::var("GUILDHALL_SERVICE_TOKEN").map_err(|_| "Set GUILDHALL_SERVICE_TOKEN.")?;
    let http = Client::builder().timeout(Duration::from_secs(2)).build()?;
    let gateway = Gateway { http, url, token };

    let guarded = |needs: Needs| from_fn_with_state((gateway.clone(), needs), guard);
    let search = Needs { permission: "resources.run", product: "video", cost: 5 };
    let look = Needs { permission: "resources.view", product: "video", cost: 1 };
    let run = Needs { cost: 1, ..search };
    let api = Router::new()
        .route("/search", post(answer).layer(guarded(search)))
        .route("/indexes", get(list).layer(guarded(look)))
        // For a proxy that asks before it passes a request on: see nginx.conf beside this file.
        .route("/check", get(async || StatusCode::NO_CONTENT).layer(guarded(run)));

    let address = env::var("GATEWAY_LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("The sample API is at http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, api).await?)
}

/// The API itself, which needs to know nothing about keys.
async fn answer() -> Json<Value> {
    Json(json!({ "hits": ["A street at night", "A lantern, close"] }))
}

async fn list() -> Json<Value> {
    Json(json!({ "indexes": ["trailers-2026"] }))
}

/// Lets requests with a valid key through, and reports those that succeed as usage. Nothing is cached here, so that a revoked key
/// is refused at once.
async fn guard(
    State((gateway, needs)): State<(Gateway, Needs)>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(key) = authorization.and_then(|value| value.strip_prefix("Bearer ")) else {
        return problem(StatusCode::UNAUTHORIZED, "NO_KEY", "Send your API key as a bearer token.");
    };
    let verdict = match gateway.verify(key, needs).await {
        Ok(verdict) => verdict,
        // Fail closed: an outage must not let everybody through.
        Err(error) => {
            eprintln!("Guildhall did not answer: {error}");
            return problem(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "Try again in a moment.");
        }
    };
    let mut response = match verdict.refusal() {
        Some(refused) => refused,
        None => next.run(request).await,
    };
    if verdict.valid && response.status().is_success() {
        tokio::spawn(gateway.report(verdict.clone(), needs));
    }
    if let Some(limit) = verdict.ratelimit {
        limit.add_headers(&mut response);
    }
    response
}

impl Gateway {
    async fn verify(&self, key: &str, needs: Needs) -> reqwest::Result<Verdict> {
        let Needs { permission, product, cost } = needs;
        let asked = json!({ "key": key, "permission": permission, "product": product, "cost": cost });
        let sent = self.http.post(format!("{}/api/v1/keys/verify", self.url)).bearer_auth(&self.token);
        sent.json(&asked).send().await?.error_for_status()?.json().await
    }

    /// One CloudEvent. Its id is made once and sent again with each try: Guildhall counts it once, however often it comes. A
    /// gateway that must lose none keeps them on disk until they are acknowledged.
    async fn report(self, verdict: Verdict, needs: Needs) {
        let event = json!({
            "specversion": "1.0",
            "type": "guildhall.usage",
            "source": "sample-gateway",
            "id": uuid::Uuid::now_v7(),
            "time": jiff::Timestamp::now().to_string(),
            "data": {
                "meter": "requests",
                "quantity": 1,
                "key_id": verdict.key_id,
                "product": needs.product,
            },
        });
        for pause in [0, 1, 5, 25] {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            let sent = self.http.post(format!("{}/api/v1/usage/events", self.url)).bearer_auth(&self.token);
            let sent =
                sent.header(header::CONTENT_TYPE, "application/cloudevents+json").body(event.to_string());
            match sent.send().await.and_then(reqwest::Response::error_for_status) {
                Ok(_) => return,
                Err(error) => eprintln!("The usage of {} was not reported: {error}", verdict.slug()),
            }
        }
    }
}

impl Verdict {
    fn slug(&self) -> &str {
        self.account.as_ref().map_or("an unknown account", |account| &account.slug)
    }
    /// The answer to the caller, if the key is not valid.
    fn refusal(&self) -> Option<Response> {
        let (status, detail) = match self.code.as_str() {
            "VALID" => return None,
            "NOT_FOUND" => (StatusCode::UNAUTHORIZED, "This API key does not exist."),
            "REVOKED" => (StatusCode::UNAUTHORIZED, "This key was revoked."),
            "EXPIRED" => (StatusCode::UNAUTHORIZED, "This key has expired."),
            "SUSPENDED" => (StatusCode::FORBIDDEN, "The owner of this key, or the account, is suspended."),
            "QUOTA_EXCEEDED" => (StatusCode::TOO_MANY_REQUESTS, "The budget is used up."),
            "RATE_LIMITED" => (StatusCode::TOO_MANY_REQUESTS, "Slow down."),
            // Codes that are newer than this program refuse too.
            _ => (StatusCode::FORBIDDEN, "This key may not do that."),
        };
        let mut response = problem(status, &self.code, detail);
        if let Some(limit) = self.ratelimit.filter(|_| self.code == "RATE_LIMITED") {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(limit.reset.max(1)));
        }
        Some(response)
    }
}

impl RateLimit {
    /// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers).
    fn add_headers(self, response: &mut Response) {
        let RateLimit { limit, remaining, reset } = self;
        for (name, value) in [
            ("ratelimit-policy", format!("\"plan\";q={limit}")),
            ("ratelimit", format!("\"plan\";r={remaining};t={reset}")),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
    }
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let body = json!({ "title": status.canonical_reason(), "status": status.as_u16(), "code": code, "detail": detail });
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    let mut response = (status, kind, body.to_string()).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
