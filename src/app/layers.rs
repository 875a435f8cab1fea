//! What every request passes on its way in and out.
use super::{App, answer, assets, metrics, once, sign::session_cookie};
use crate::{error::Error, store::sessions::Sessions};
use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use std::time::Duration;
use tower_http::{
    CompressionLevel,
    catch_panic::CatchPanicLayer,
    compression::{CompressionLayer, predicate::SizeAbove},
    request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    trace::TraceLayer,
};
use tower_sessions::{Expiry, SessionManagerLayer, cookie::SameSite};

/// The most that a request may bring.
pub const BODY: usize = 1 << 20;
/// The longest that a request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a page may load: our own files, and no script or style inside of it.
pub const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What holds for whoever asks: no body too large, no panic, no request without an end.
fn bounded(router: Router<App>) -> Router<App> {
    router
        .method_not_allowed_fallback(async || Error::Malformed {
            status: 405,
            detail: "This address does not take that method.".into(),
        })
        .layer(DefaultBodyLimit::max(BODY))
        .layer(CatchPanicLayer::custom(|_| Error::Internal("a handler panicked".into()).into_response()))
        .layer(middleware::from_fn(in_time))
}

/// The layers, the innermost first. What is quick passes none that is there for browsers.
pub fn around(router: Router<App>, quick: Router<App>, app: &App) -> Router<App> {
    let kit = app.kit().clone();
    let https = kit.rules.base_url.starts_with("https:");
    let seconds = i64::try_from(crate::store::sessions::ABSOLUTE.as_secs()).unwrap_or(i64::MAX);
    let sessions = SessionManagerLayer::new(Sessions::new(app.0.db.clone(), kit.clone()))
        .with_name(session_cookie(app))
        .with_secure(https)
        .with_same_site(SameSite::Lax)
        .with_expiry(Expiry::OnInactivity(time::Duration::seconds(seconds)));
    let fast = CompressionLayer::new()
        .no_br()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(1024));
    let told = middleware::from_fn_with_state(app.clone(), answer::layer);
    bounded(router.fallback(async || Error::NotFound))
        .layer(sessions)
        .layer(middleware::from_fn_with_state(app.clone(), same_site))
        .layer(middleware::from_fn(no_nul))
        .layer(told.clone())
        .layer(middleware::from_fn_with_state(app.clone(), once::layer))
        .layer(fast)
        .merge(bounded(quick).layer(told))
        .merge(assets::routes())
        .layer(middleware::from_fn_with_state(https, headers))
        .layer(middleware::from_fn_with_state(app.clone(), metrics::layer))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(Ids(kit)))
}

#[derive(Clone)]
struct Ids(crate::kit::Kit);
impl MakeRequestId for Ids {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        HeaderValue::from_str(&self.0.id().simple().to_string()).ok().map(RequestId::new)
    }
}

/// The route's pattern and never the address: that may hold a token.
fn span<B>(request: &axum::http::Request<B>) -> tracing::Span {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let id = request.headers().get("x-request-id").and_then(|it| it.to_str().ok()).unwrap_or_default();
    tracing::info_span!("request", method = %request.method(), path, id)
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Error::Unavailable("a request took too long".into()).into_response(),
    }
}

/// No path and no query holds a NUL: nothing behind this needs to ask.
async fn no_nul(request: Request, next: Next) -> Response {
    let uri = request.uri();
    if uri.path().contains("%00") || uri.query().is_some_and(|it| it.contains("%00")) {
        return Error::Malformed { status: 400, detail: "An address holds no NUL character.".into() }
            .into_response();
    }
    next.run(request).await
}

/// A change comes from our own pages: Fetch Metadata says so, or the Origin field where a browser is too old for it. What
/// carries its own credential is not asked.
async fn same_site(State(app): State<App>, request: Request, next: Next) -> Response {
    if is_ours(&app, &request) {
        return next.run(request).await;
    }
    let detail = format!(
        "This request did not come from {}. Open the page there and try again; if you run this installation, check its base URL.",
        app.kit().rules.base_url
    );
    Error::Barred { code: "cross_site", detail }.into_response()
}

fn is_ours(app: &App, request: &Request) -> bool {
    let path = request.uri().path();
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let others = ["/api/", "/scim/", "/webhooks/"];
    if is_safe || others.iter().any(|it| path.starts_with(it)) || path == "/sso/backchannel" {
        return true;
    }
    let field = |name: HeaderName| request.headers().get(name).and_then(|it| it.to_str().ok());
    match field(HeaderName::from_static("sec-fetch-site")) {
        Some(site) => site == "same-origin" || site == "none",
        None => field(header::ORIGIN) == Some(app.kit().rules.base_url.as_str()),
    }
}

async fn headers(State(https): State<bool>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let has_token =
        ["/invitations/", "/verify-email/", "/reset-password/"].iter().any(|it| path.starts_with(it));
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set("content-security-policy", CSP);
    set("x-content-type-options", "nosniff");
    set("referrer-policy", if has_token { "no-referrer" } else { "same-origin" });
    set("cross-origin-opener-policy", "same-origin");
    set("permissions-policy", "camera=(), geolocation=(), microphone=()");
    if https {
        set("strict-transport-security", "max-age=31536000; includeSubDomains");
    }
    response
}
