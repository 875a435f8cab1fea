//! `Idempotency-Key`: a change of the API that is sent again is done once, and answered alike. This layer stands outside of that
//! which tells errors, so that it keeps what the caller reads; the claim itself is made by the gate, which knows the key.
use super::{
    App, error_response, gate,
    middleware::{BODY, Next},
};
use crate::{
    crypto::secrets::KeyKind,
    error::{Error, Result},
    model::id::KeyId,
    store::idempotency::{self, Answer, Claim, Found},
};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, OnceLock};
use tracing::Instrument as _;

const FIELD: &str = "idempotency-key";

/// The longest answer that is kept.
const MOST: usize = 16 << 20;

/// What of an answer's fields is kept with it.
const KEPT: [header::HeaderName; 4] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION, header::LINK];

/// A request that is to be done once.
#[derive(Clone)]
pub struct Once(Arc<Inner>);

struct Inner {
    word: String,
    request: Vec<u8>,
    found: OnceLock<Found>,
}

impl Once {
    /// Claims it for an API key. What must not be done now is refused; the layer says with which answer.
    pub(super) async fn claim(&self, app: &App, key: KeyId) -> Result<Claim> {
        let found = idempotency::claim(&app.0.db, app.kit(), key, &self.0.word, &self.0.request).await?;
        // The gate is passed once.
        let _ = self.0.found.set(found.clone());
        match found {
            Found::Mine(claim) => Ok(claim),
            Found::Other => Err(Error::Reused),
            Found::Lost => Err(Error::conflict(
                "answer_lost",
                "The first request with this Idempotency-Key was done, but its answer was lost. It is not done again: read what is there.",
            )),
            Found::InFlight(_) | Found::Answered(_) => Err(Error::conflict(
                "in_flight",
                "A request with this Idempotency-Key is being done now. Ask again in a moment for its answer.",
            )),
        }
    }
}

/// Does a request with an `Idempotency-Key` once.
pub async fn pass(app: App, request: Request, next: impl Next) -> Response {
    if !is_meant(&request) {
        return error_response::told(&app, request, next).await;
    }
    let (mut parts, body) = request.into_parts();
    let word = match word(&parts) {
        Ok(word) => word,
        Err(error) => return error_response::problem(&error, &parts),
    };
    let Ok(body) = to_bytes(body, BODY).await else {
        let detail = "The request was cut off, or is larger than the 1 MiB that is taken.".into();
        return error_response::problem(&Error::Malformed { status: 413, detail }, &parts);
    };
    let once = Once(Arc::new(Inner { word, request: fingerprint(&parts, &body), found: OnceLock::new() }));
    parts.extensions.insert(once.clone());
    // What was begun is finished and kept, even if the caller hangs up.
    let work = async move {
        let request = Request::from_parts(parts, Body::from(body));
        let response = error_response::told(&app, request, next).await;
        finish(&app, &once, response).await
    };
    let done = tokio::spawn(work.instrument(tracing::Span::current())).await;
    done.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// A change of the API, with an API key: others have no use for it, or bring ids of their own.
fn is_meant(request: &Request) -> bool {
    let changes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(request.method());
    changes
        && request.uri().path().starts_with("/api/v1/")
        && request.headers().contains_key(FIELD)
        && gate::bearer(KeyKind::Key, request.headers()).is_some()
}

/// The one word, as it is or as a string of RFC 8941, which is the same in quotes.
fn word(parts: &Parts) -> Result<String> {
    let mut fields = parts.headers.get_all(FIELD).iter();
    let (first, second) = (fields.next().and_then(|it| it.to_str().ok()), fields.next());
    let word = first.map(str::trim).unwrap_or_default();
    let word = word
        .strip_prefix('"')
        .and_then(|it| it.strip_suffix('"'))
        .filter(|it| !it.is_empty())
        .unwrap_or(word);
    if second.is_none() && (1..=255).contains(&word.len()) && word.bytes().all(|it| it.is_ascii_graphic()) {
        return Ok(word.to_owned());
    }
    let detail = "Send one Idempotency-Key of 1 to 255 visible ASCII characters.".into();
    Err(Error::Malformed { status: 400, detail })
}

/// All that makes it another request. The slug does not: the key is of one account, whose slug may change in between.
fn fingerprint(parts: &Parts, body: &Bytes) -> Vec<u8> {
    let path = parts.uri.path_and_query().map_or("/", |it| it.as_str());
    let inside = path
        .strip_prefix("/api/v1/accounts/")
        .map_or(path, |it| &it[it.find(['/', '?']).unwrap_or(it.len())..]);
    let version = parts.headers.get(header::IF_MATCH).map(HeaderValue::as_bytes).unwrap_or_default();
    let mut hash = Sha256::new();
    for part in [parts.method.as_str().as_bytes(), inside.as_bytes(), version, body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

async fn finish(app: &App, once: &Once, response: Response) -> Response {
    match once.0.found.get() {
        Some(Found::Answered(it)) => again(it),
        Some(Found::InFlight(left)) => {
            let seconds = HeaderValue::from(left.as_secs().clamp(1, 5));
            ([(header::RETRY_AFTER, seconds)], response).into_response()
        }
        Some(Found::Mine(claim)) => kept(app, claim, response).await,
        Some(Found::Lost | Found::Other) | None => response,
    }
}

/// Keeps the answer of what was done or refused for good. What failed on our side, or came too often, may be tried again.
async fn kept(app: &App, claim: &Claim, response: Response) -> Response {
    let status = response.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        if let Err(cause) = idempotency::release(&app.0.db, claim).await {
            tracing::warn!(%cause, "a claim was not given back: it ends by itself");
        }
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, MOST).await else {
        return Error::Internal("an answer could not be read".into()).into_response();
    };
    let fields = KEPT.iter().filter_map(|name| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    let text = String::from_utf8_lossy(&body).into_owned();
    let answer = Answer { status: status.as_u16(), fields: fields.collect(), body: text };
    if let Err(cause) = idempotency::keep(&app.0.db, app.kit(), claim, &answer).await {
        tracing::warn!(%cause, "an answer was not kept");
    }
    Response::from_parts(parts, Body::from(body))
}

fn again(it: &Answer) -> Response {
    let status = StatusCode::from_u16(it.status).unwrap_or(StatusCode::OK);
    let mut response = (status, it.body.clone()).into_response();
    let fields = response.headers_mut();
    fields.remove(header::CONTENT_TYPE);
    for (name, value) in &it.fields {
        if let (Ok(name), Ok(value)) = (name.parse::<header::HeaderName>(), HeaderValue::from_str(value)) {
            fields.insert(name, value);
        }
    }
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert("idempotency-replayed", HeaderValue::from_static("true"));
    response
}
