//! What every request passes on its way in and out.
use super::{App, assets, idempotency, routes::Route, sign_in::session_cookie};
use crate::{
    context::Kit,
    db::counted,
    error::{Error, Result},
    store::sessions::Sessions,
};
use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Request},
    http::{self, HeaderMap, HeaderName, HeaderValue, Method, header},
    response::{IntoResponse as _, Response},
};
use std::{
    convert::Infallible,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::time::timeout;
use tower::{Layer as _, Service, ServiceExt as _, service_fn, util::BoxCloneSyncService};
use tower_http::{
    CompressionLevel,
    compression::{CompressionLayer, predicate::SizeAbove},
};
use tower_sessions::{Expiry, SessionManagerLayer, cookie::SameSite};
use tracing::Instrument as _;
use uuid::Uuid;

/// The most that a request may bring.
pub const BODY: usize = 1 << 20;
/// The longest that a request may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// By which an answer is found in the log.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// An answer to a program is about now.
pub const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What a page may load: our own files, and no script or style inside of it.
pub const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What a request passes on its way in and out: as plain code around one service, for layers of the router would be made anew
/// for each of its routes, and copied for each request.
#[derive(Clone)]
pub struct Hall {
    app: App,
    inside: Inside,
    assets: Router,
    patterns: Arc<matchit::Router<&'static str>>,
}

/// The router behind what packs, does once, tells errors, guards and knows the browser.
type Inside = BoxCloneSyncService<Request, Response, Infallible>;

/// Where a request goes next.
pub trait Next:
    Service<Request, Response = Response, Error = Infallible, Future: Send + 'static> + Send + 'static
{
}
impl<T> Next for T where
    T: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static> + Send + 'static
{
}

impl Hall {
    /// Around the router.
    pub fn new(router: Router<App>, table: &[Route], app: &App) -> Hall {
        let not_allowed = async || Error::Malformed {
            status: 405,
            detail: "This address does not take that method.".into(),
        };
        let router = router.method_not_allowed_fallback(not_allowed).fallback(async || Error::NotFound);
        let within = sessions(app).layer(router.with_state(app.clone()));
        let all = service_fn({
            let app = app.clone();
            move |request| {
                let (app, within) = (app.clone(), within.clone());
                async move { Ok(idempotency::pass(app, request, within).await) }
            }
        });
        // A page is some 60 KB of words that repeat: the middle of the scale makes a tenth of it within a millisecond.
        let packing = CompressionLayer::new().quality(CompressionLevel::Precise(5));
        let packed = packing.compress_when(SizeAbove::new(1024)).layer(all);
        let inside = BoxCloneSyncService::new(packed.map_response(|it: http::Response<_>| it.map(Body::new)));
        let mut patterns = matchit::Router::new();
        for path in table.iter().map(|it| it.path).chain(assets::PATHS) {
            // A path that takes several methods is there already.
            let _ = patterns.insert(path, path);
        }
        Hall { app: app.clone(), inside, assets: assets::routes(), patterns: Arc::new(patterns) }
    }
    /// From the door to the router and back.
    pub async fn pass(self, mut request: Request) -> Response {
        let began = Instant::now();
        let id = request.headers().get(REQUEST_ID).cloned();
        let id = id.unwrap_or_else(|| new_id(self.app.kit()));
        request.headers_mut().insert(REQUEST_ID, id.clone());
        let path = request.uri().path();
        // The route's pattern is logged and counted, and never the address: that may hold a token.
        let pattern = self.patterns.at(path).map_or("other", |it| *it.value);
        let has_token =
            ["/invitations/", "/verify-email/", "/reset-password/"].iter().any(|it| path.starts_with(it));
        let is_asset = assets::PATHS.contains(&pattern);
        let method = request.method().clone();
        let span =
            tracing::info_span!("request", %method, path = pattern, id = id.to_str().unwrap_or_default());
        let work = async {
            if is_asset { self.assets.oneshot(request).await } else { self.inside.oneshot(request).await }
        };
        let (Ok(mut response), statements) = counted(work.instrument(span)).await;
        let headers = response.headers_mut();
        dress(headers, has_token);
        seal(headers, self.app.kit().rules.is_https());
        headers.insert(REQUEST_ID, id);
        let times = self.app.metrics().times(pattern, method.as_str(), response.status());
        times.add(began.elapsed());
        times.asked(statements);
        response
    }
}

fn sessions(app: &App) -> SessionManagerLayer<Sessions> {
    let seconds = i64::try_from(crate::store::sessions::ABSOLUTE.as_secs()).unwrap_or(i64::MAX);
    SessionManagerLayer::new(Sessions::new(app.0.db.clone(), app.kit().clone()))
        .with_name(session_cookie(app))
        .with_secure(app.kit().rules.is_https())
        .with_same_site(SameSite::Lax)
        .with_expiry(Expiry::OnInactivity(time::Duration::seconds(seconds)))
}

/// What holds for whoever asks: nothing from elsewhere, no body too large, no panic, no request without an end.
pub async fn guarded(app: &App, mut request: Request, next: impl Next) -> Response {
    if let Err(error) = no_nul(&request).and_then(|()| same_site(app, &request)) {
        return error.into_response();
    }
    DefaultBodyLimit::max(BODY).apply(&mut request);
    in_time(Box::pin(async move {
        let Ok(response) = next.oneshot(request).await;
        response
    }))
    .await
}

/// An answer in the making.
pub type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A handler that takes too long, or that panics, has failed, and nobody else.
pub async fn in_time(mut work: Answering) -> Response {
    let mut step = move |context: &mut Context<'_>| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Error::Internal("a handler panicked".into()).into_response()))
    };
    // Much is done at once: only who waits is timed.
    if let Poll::Ready(response) = poll_fn(|context| Poll::Ready(step(context))).await {
        return response;
    }
    let late = |_| Error::Unavailable("a request took too long".into()).into_response();
    timeout(PATIENCE, poll_fn(step)).await.unwrap_or_else(late)
}

/// An id for a request that came without one.
pub fn new_id(kit: &Kit) -> HeaderValue {
    let id = kit.id().simple().encode_lower(&mut Uuid::encode_buffer()).to_owned();
    HeaderValue::try_from(id).expect("hexadecimal digits")
}

/// No path and no query holds a NUL: nothing behind this needs to ask.
fn no_nul(request: &Request) -> Result<()> {
    let uri = request.uri();
    if uri.path().contains("%00") || uri.query().is_some_and(|it| it.contains("%00")) {
        return Err(Error::Malformed { status: 400, detail: "An address holds no NUL character.".into() });
    }
    Ok(())
}

/// A change comes from our own pages: Fetch Metadata says so, or the Origin field where a browser is too old for it. What
/// carries its own credential is not asked.
fn same_site(app: &App, request: &Request) -> Result<()> {
    if is_ours(app, request) {
        return Ok(());
    }
    let detail = format!(
        "This request did not come from {}. Open the page there and try again; if you run this installation, check its base URL.",
        app.kit().rules.base_url
    );
    Err(Error::Barred { code: "cross_site", detail })
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

/// What a browser may do with an answer.
fn dress(headers: &mut HeaderMap, has_token: bool) {
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, CSP);
    set(header::REFERRER_POLICY, if has_token { "no-referrer" } else { "same-origin" });
    set(OPENER, "same-origin");
    set(PERMISSIONS, "camera=(), geolocation=(), microphone=()");
}

const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");

/// What holds for every answer, whoever reads it.
pub fn seal(headers: &mut HeaderMap, https: bool) {
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    if https {
        let long = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(long);
    }
}
