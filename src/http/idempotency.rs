//! `Idempotency-Key`: a change of the API that is sent again is executed once, and answered alike (`docs/design/idempotency.md`).
//! This middleware is outside of `error_response`, so that it stores what the caller reads; the gate makes the claim, since it knows
//! the API key.
use super::{
    App,
    error_response::{handle_errors, problem},
    gate,
    middleware::{MAX_BODY, NO_STORE},
};
use crate::{
    crypto::secrets::KeyKind,
    error::{Error, Result},
    model::id::KeyId,
    store::idempotency::{self, Claim, ClaimOutcome, StoredResponse},
};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, OnceLock};
use tracing::Instrument as _;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The longest response that is stored, in bytes.
const MAX_RESPONSE: usize = 16 << 20;

const STORED_HEADERS: [HeaderName; 4] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION, header::LINK];

/// A request to be executed once, which the middleware hands to the gate. The gate leaves what it found.
#[derive(Clone)]
pub struct IdempotentRequest(Arc<Inner>);

struct Inner {
    idempotency_key: String,
    request_hash: Vec<u8>,
    outcome: OnceLock<ClaimOutcome>,
}

impl IdempotentRequest {
    /// Claims the request for an API key. Fails if it must not be executed now: the middleware then replays the response, or adds
    /// `Retry-After`.
    pub(super) async fn claim(&self, app: &App, api_key: KeyId) -> Result<Claim> {
        let Inner { idempotency_key, request_hash, outcome } = &*self.0;
        let found =
            idempotency::claim(&app.0.db, app.context(), api_key, idempotency_key, request_hash).await?;
        // A request passes one gate: this is never set twice.
        let _ = outcome.set(found.clone());
        match found {
            ClaimOutcome::Claimed(claim) => Ok(claim),
            ClaimOutcome::KeyReused => Err(Error::IdempotencyKeyReused),
            ClaimOutcome::ResponseLost => Err(Error::conflict(
                "answer_lost",
                "The first request with this Idempotency-Key was done, but its answer was lost. It is not done again: read what is there.",
            )),
            ClaimOutcome::InFlight(_) | ClaimOutcome::Replay(_) => Err(Error::conflict(
                "in_flight",
                "A request with this Idempotency-Key is being done now. Ask again in a moment for its answer.",
            )),
        }
    }
}

/// Executes a request with an `Idempotency-Key` once, and all others as they are.
pub async fn handle(app: App, request: Request, routes: Router) -> Response {
    if !applies_to(&request) {
        return handle_errors(&app, request, routes).await;
    }
    Box::pin(execute_once(app, request, routes)).await
}

async fn execute_once(app: App, request: Request, routes: Router) -> Response {
    let (mut parts, body) = request.into_parts();
    let idempotency_key = match parse(&parts) {
        Ok(idempotency_key) => idempotency_key,
        Err(error) => return problem(&error, &parts.uri),
    };
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        let detail = "The request was cut off, or is larger than the 1 MiB that is taken.".into();
        return problem(&Error::BadRequest { status: 413, detail }, &parts.uri);
    };
    let request_hash = hash(&parts, &body);
    let once = IdempotentRequest(Arc::new(Inner { idempotency_key, request_hash, outcome: OnceLock::new() }));
    parts.extensions.insert(once.clone());
    // In a task of its own: a request that has begun is finished and its response stored, even if the caller hangs up.
    let work = async move {
        let request = Request::from_parts(parts, Body::from(body));
        let response = handle_errors(&app, request, routes).await;
        finish(&app, &once, response).await
    };
    let done = tokio::spawn(work.instrument(tracing::Span::current())).await;
    done.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// Changes of the API with an API key. Service tokens report usage, which has ids of its own.
fn applies_to(request: &Request) -> bool {
    let changes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(request.method());
    changes
        && request.headers().contains_key(IDEMPOTENCY_KEY)
        && request.uri().path().starts_with("/api/v1/")
        && gate::bearer(KeyKind::Key, request.headers()).is_some()
}

/// The header's value: as it is, or in quotes as a string of structured fields (RFC 8941).
fn parse(parts: &Parts) -> Result<String> {
    let mut values = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
    let (first, second) = (values.next().and_then(|value| value.to_str().ok()), values.next());
    let value = first.map(str::trim).unwrap_or_default();
    let unquoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let key = unquoted.filter(|key| !key.is_empty()).unwrap_or(value);
    let is_valid = (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if second.is_none() && is_valid {
        return Ok(key.to_owned());
    }
    let detail = "Send one Idempotency-Key of 1 to 255 visible ASCII characters.".into();
    Err(Error::BadRequest { status: 400, detail })
}

/// Covers all that makes it another request. Not the slug: an API key is of one account, which may be renamed in between.
fn hash(parts: &Parts, body: &Bytes) -> Vec<u8> {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let path = path
        .strip_prefix("/api/v1/accounts/")
        .map_or(path, |rest| &rest[rest.find(['/', '?']).unwrap_or(rest.len())..]);
    let version = parts.headers.get(header::IF_MATCH).map(HeaderValue::as_bytes).unwrap_or_default();
    let mut hash = Sha256::new();
    for part in [parts.method.as_str().as_bytes(), path.as_bytes(), version, body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

async fn finish(app: &App, once: &IdempotentRequest, response: Response) -> Response {
    match once.0.outcome.get() {
        Some(ClaimOutcome::Replay(stored)) => replay(stored),
        Some(ClaimOutcome::InFlight(left)) => {
            let seconds = HeaderValue::from(left.as_secs().clamp(1, 5));
            ([(header::RETRY_AFTER, seconds)], response).into_response()
        }
        Some(ClaimOutcome::Claimed(claim)) => store(app, claim, response).await,
        Some(ClaimOutcome::ResponseLost | ClaimOutcome::KeyReused) | None => response,
    }
}

/// Stores a success or a final refusal. After a failure of ours or a rate limit, the request may be tried again.
async fn store(app: &App, claim: &Claim, response: Response) -> Response {
    let status = response.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        if let Err(cause) = idempotency::release(&app.0.db, claim).await {
            tracing::warn!(%cause, "an idempotency claim was not released: it expires");
        }
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, MAX_RESPONSE).await else {
        return Error::Internal("a response could not be read".into()).into_response();
    };
    let headers = STORED_HEADERS.iter().filter_map(|name| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    let text = String::from_utf8_lossy(&body).into_owned();
    let stored = StoredResponse { status: status.as_u16(), headers: headers.collect(), body: text };
    if let Err(cause) = idempotency::store_response(&app.0.db, app.context(), claim, &stored).await {
        tracing::warn!(%cause, "the response to an idempotent request was not stored");
    }
    Response::from_parts(parts, Body::from(body))
}

fn replay(stored: &StoredResponse) -> Response {
    let status = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::OK);
    let mut response = (status, stored.body.clone()).into_response();
    let headers = response.headers_mut();
    // Only if it is among the stored ones.
    headers.remove(header::CONTENT_TYPE);
    for (name, value) in &stored.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    response
}
