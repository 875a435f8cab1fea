//! Turns the errors that handlers and gates return into responses: a problem document (RFC 9457) for a program, a page for a
//! person. Only here both the error and the request are known.
mod page;
mod problem;

pub use problem::problem;

use super::{
    App,
    middleware::{NO_STORE, REQUEST_ID, run_handler},
};
use crate::{
    error::Error,
    gateway::rate_limit::{Policy, Report, rate_limit_headers, whole_seconds},
};
use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

/// Carries an error out of the router, on an empty response.
#[derive(Clone)]
struct ErrorExtension(Arc<Error>);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = status(&self).into_response();
        response.extensions_mut().insert(ErrorExtension(Arc::new(self)));
        response
    }
}

fn take_error(response: &mut Response) -> Option<Arc<Error>> {
    response.extensions_mut().remove::<ErrorExtension>().map(|extension| extension.0)
}

fn status(error: &Error) -> StatusCode {
    StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Where a gate leaves the account's rate limit, for the headers of the response.
#[derive(Clone, Default)]
struct RateLimitSlot(Arc<OnceLock<(Report, Policy)>>);

/// Puts the rate limit into the response's headers. `TooMany` if it refuses the request.
pub(super) fn rate_limited(parts: &Parts, (report, policy): (Report, Policy)) -> Result<(), Error> {
    let refusal =
        (!report.admitted).then(|| Error::TooMany(Duration::from_secs(whole_seconds(report.retry_after))));
    if let Some(RateLimitSlot(slot)) = parts.extensions.get() {
        // A request has one key: this is never set twice.
        let _ = slot.set((report, policy));
    }
    refusal.map_or(Ok(()), Err)
}

/// Runs the handler, and renders the error if it returned one.
pub async fn handle_errors(app: &App, request: Request, routes: Router) -> Response {
    let path = request.uri().path();
    let is_program = ["/api/", "/scim/", "/webhooks/"].iter().any(|prefix| path.starts_with(prefix));
    if is_program && !path.starts_with("/api/docs") {
        for_program(app, request, routes).await
    } else {
        for_browser(app, request, routes).await
    }
}

async fn for_program(app: &App, mut request: Request, routes: Router) -> Response {
    let slot = RateLimitSlot::default();
    request.extensions_mut().insert(slot.clone());
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let id = request.headers().get(REQUEST_ID).cloned();
    let mut response = run_handler(app, request, routes).await;
    if let Some(error) = take_error(&mut response) {
        log(&error, &method, id.as_ref());
        response = render(&error, problem(&error, &uri), response.headers());
    }
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
    if let Some((report, policy)) = slot.0.get() {
        for (name, value) in rate_limit_headers(report, policy) {
            headers.extend(
                HeaderValue::from_str(&value).ok().map(|value| (HeaderName::from_static(name), value)),
            );
        }
    }
    response
}

async fn for_browser(app: &App, request: Request, routes: Router) -> Response {
    let (parts, body) = request.into_parts();
    let asked = parts.clone();
    let mut response = run_handler(app, Request::from_parts(parts, body), routes).await;
    let Some(error) = take_error(&mut response) else { return response };
    let id = asked.headers.get(REQUEST_ID);
    log(&error, &asked.method, id);
    let reference = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
    let page = Box::pin(page::page(app, &error, &asked, reference)).await;
    render(&error, page, response.headers())
}

/// Adds `Retry-After`, and what the handler's own response must not lose: cookies, and the methods that a path takes.
fn render(error: &Error, mut rendered: Response, original: &HeaderMap) -> Response {
    if let Some(seconds) = retry_after(error) {
        rendered.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    for name in [header::SET_COOKIE, header::ALLOW] {
        for value in original.get_all(&name) {
            rendered.headers_mut().append(&name, value.clone());
        }
    }
    rendered
}

fn log(error: &Error, method: &Method, id: Option<&HeaderValue>) {
    if let Error::Internal(cause) | Error::Unavailable(cause) = error {
        let reference = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
        tracing::error!(cause, reference, %method, "a request failed");
    }
}

/// In seconds.
fn retry_after(error: &Error) -> Option<u64> {
    match error {
        Error::TooMany(after) => Some(after.as_secs().max(1)),
        Error::Unavailable(_) => Some(5),
        _ => None,
    }
}

fn title(error: &Error) -> &'static str {
    match error {
        Error::Unauthenticated => "Not signed in",
        Error::MissingPermission(_) | Error::AccessDenied { .. } | Error::ReauthRequired => "Not allowed",
        Error::SignInRequired(_) => "Another sign-in is needed",
        Error::NotFound | Error::SlugChanged(_) => "Not found",
        Error::Validation(_) => "Some fields need another look",
        Error::Conflict { .. } => "Not possible as things stand",
        Error::VersionMismatch => "Changed meanwhile",
        Error::IdempotencyKeyReused => "Used for another request",
        Error::TooMany(_) => "Too many tries",
        Error::BadRequest { status: 405, .. } => "Method not allowed",
        Error::BadRequest { status: 413, .. } => "Too large",
        Error::BadRequest { .. } => "The request could not be read",
        Error::Unavailable(_) => "Not available right now",
        Error::Internal(_) => "Something went wrong",
    }
}
