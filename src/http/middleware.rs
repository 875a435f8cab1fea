//! What every request passes on its way in and out: from the outside in, request id, trace and metrics ([`Middleware::handle`]);
//! compression; `Idempotency-Key` (`idempotency`); error pages and problem documents (`error_response`); CSRF, body limit and
//! timeout ([`run_handler`]); the session of a browser; the router.
//!
//! These are functions around one router and not layers of it: axum would apply a layer to each route, and clone all of them for
//! each request.
use super::{App, assets, csrf, idempotency, routes::Route, sign_in::session_cookie, timeout};
use crate::{
    context::Context,
    db::count_statements,
    error::{Error, Result},
    store::sessions::{self, Sessions},
};
use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header},
    response::{IntoResponse as _, Response},
};
use std::{collections::HashSet, convert::Infallible, time::Instant};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::{
    CompressionLevel,
    compression::{CompressionLayer, predicate::SizeAbove},
};
use tower_sessions::{Expiry, SessionManagerLayer, cookie::SameSite};
use tracing::Instrument as _;
use uuid::Uuid;

/// The longest body of a request, in bytes.
pub const MAX_BODY: usize = 1 << 20;

/// Finds a response in the log.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

pub const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What a page may load: our own files, and no inline script or style.
pub const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Pages whose address holds a secret.
const TOKEN_PATHS: [&str; 3] = ["/invitations/", "/verify-email/", "/reset-password/"];

/// The routes, and what every request to them passes.
pub struct Middleware {
    app: App,
    /// All routes.
    routes: Router,
    /// All routes behind the session layer.
    routes_with_session: Router,
    assets: Router,
    patterns: matchit::Router<Pattern>,
}

/// The path of a route with its parameters' names. Logs and metrics show it instead of the address, which may hold a secret.
#[derive(Clone, Copy)]
struct Pattern {
    path: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    /// A file of `static/`, compressed in advance.
    Asset,
    /// A route that reads the browser's session.
    WithSession,
    WithoutSession,
}

const UNKNOWN: Pattern = Pattern { path: "other", kind: Kind::WithoutSession };

impl Middleware {
    pub fn new(router: Router<App>, table: &[Route], app: &App) -> Middleware {
        let method_not_allowed = async || Error::BadRequest {
            status: 405,
            detail: "This address does not take that method.".into(),
        };
        let routes = router
            .method_not_allowed_fallback(method_not_allowed)
            .fallback(async || Error::NotFound)
            .with_state(app.clone());
        let routes_with_session = Router::new().fallback_service(session_layer(app).layer(routes.clone()));
        let (assets, patterns) = (assets::routes(), patterns(table));
        Middleware { app: app.clone(), routes, routes_with_session, assets, patterns }
    }
    pub async fn handle(&self, mut request: Request) -> Response {
        let started = Instant::now();
        let context = self.app.context();
        let id = request.headers().get(REQUEST_ID).cloned().unwrap_or_else(|| new_request_id(context));
        request.headers_mut().insert(REQUEST_ID, id.clone());
        let pattern = self.patterns.at(request.uri().path()).map_or(UNKNOWN, |found| *found.value);
        let has_token = TOKEN_PATHS.iter().any(|prefix| request.uri().path().starts_with(prefix));
        let method = request.method().clone();
        let span = tracing::info_span!("request", %method, path = pattern.path, id = id.to_str().unwrap_or_default());
        let handling = self.respond(pattern.kind, request).instrument(span);
        let (mut response, statements) = count_statements(handling).await;
        let headers = response.headers_mut();
        // Room for all of them at once.
        headers.reserve(8);
        browser_headers(headers, has_token);
        common_headers(headers, context.config.is_https());
        headers.insert(REQUEST_ID, id);
        let (path, status, took) = (pattern.path, response.status(), started.elapsed());
        self.app.metrics().record_request(path, &method, status, took, statements);
        response
    }
    async fn respond(&self, kind: Kind, request: Request) -> Response {
        let routes = match kind {
            Kind::Asset => {
                let Ok(response) = self.assets.clone().oneshot(request).await;
                return response;
            }
            Kind::WithSession => &self.routes_with_session,
            Kind::WithoutSession => &self.routes,
        };
        compress(&self.app, request, routes).await
    }
}

fn patterns(table: &[Route]) -> matchit::Router<Pattern> {
    let mut patterns = matchit::Router::new();
    let assets = assets::PATHS.map(|path| Pattern { path, kind: Kind::Asset });
    let with_session: HashSet<&str> =
        table.iter().filter(|route| route.uses_session()).map(|route| route.path).collect();
    let kind = |path| if with_session.contains(path) { Kind::WithSession } else { Kind::WithoutSession };
    let routes = table.iter().map(|route| Pattern { path: route.path, kind: kind(route.path) });
    for pattern in assets.into_iter().chain(routes) {
        // A path with several methods is inserted by the first, and refused for the others.
        let _ = patterns.insert(pattern.path, pattern);
    }
    patterns
}

/// Compresses a response of more than 1 KiB.
async fn compress(app: &App, request: Request, routes: &Router) -> Response {
    // A page is some 60 KB of text that repeats itself: level 5 makes a tenth of it within a millisecond.
    let compression = CompressionLayer::new().quality(CompressionLevel::Precise(5));
    let handler = service_fn(|request| {
        let response = Box::pin(idempotency::handle(app.clone(), request, routes.clone()));
        async move { Ok::<_, Infallible>(response.await) }
    });
    let handler = compression.compress_when(SizeAbove::new(1024)).layer(handler);
    let Ok(response) = handler.oneshot(request).await;
    response.map(Body::new)
}

fn session_layer(app: &App) -> SessionManagerLayer<Sessions> {
    let seconds = i64::try_from(sessions::ABSOLUTE.as_secs()).unwrap_or(i64::MAX);
    SessionManagerLayer::new(Sessions::new(app.0.db.clone(), app.context().clone()))
        .with_name(session_cookie(app))
        .with_secure(app.context().config.is_https())
        .with_same_site(SameSite::Lax)
        .with_expiry(Expiry::OnInactivity(time::Duration::seconds(seconds)))
}

/// The innermost part: refuses what no handler should see, and runs the handler with a limited body and for a limited time.
pub async fn run_handler(app: &App, mut request: Request, routes: Router) -> Response {
    let base_url = &app.context().config.base_url;
    let checked = reject_nul(request.uri())
        .and_then(|()| csrf::check(request.method(), request.uri(), request.headers(), base_url));
    if let Err(error) = checked {
        return error.into_response();
    }
    DefaultBodyLimit::max(MAX_BODY).apply(&mut request);
    let handler = async move {
        let Ok(response) = routes.oneshot(request).await;
        response
    };
    timeout::run(Box::pin(handler)).await
}

/// Postgres has no text with a NUL in it. Bodies are checked where they are read.
fn reject_nul(uri: &Uri) -> Result<()> {
    if uri.path().contains("%00") || uri.query().is_some_and(|query| query.contains("%00")) {
        return Err(Error::BadRequest { status: 400, detail: "An address holds no NUL character.".into() });
    }
    Ok(())
}

fn new_request_id(context: &Context) -> HeaderValue {
    let id = context.id().simple().encode_lower(&mut Uuid::encode_buffer()).to_owned();
    HeaderValue::try_from(id).expect("hexadecimal digits")
}

/// What a browser may do with a response.
fn browser_headers(headers: &mut HeaderMap, has_token: bool) {
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, CSP);
    set(header::REFERRER_POLICY, if has_token { "no-referrer" } else { "same-origin" });
    set(CROSS_ORIGIN_OPENER_POLICY, "same-origin");
    set(PERMISSIONS_POLICY, "camera=(), geolocation=(), microphone=()");
}

/// What holds for every response, whoever reads it.
fn common_headers(headers: &mut HeaderMap, is_https: bool) {
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    if is_https {
        let one_year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(one_year);
    }
}
