//! `POST /api/v1/usage/events`: CloudEvents 1.0 in all three content modes.
use crate::{
    context::Context,
    error::{Error, Result},
    http::{App, form, gate::Service, routes::Routes},
    model::{
        id::KeyId,
        quantity::Quantity,
        text::ValidationError,
        time::Time,
        token::ReportUsage,
        usage::event::{Attributes, UsageEvent},
        verdict::ResourceRef,
    },
    store::usage::take,
};
use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

pub fn routes() -> Routes {
    Routes::default()
        .post("/api/v1/usage/events", report)
        .doc(|call| {
            call.summary(
                "Report usage events",
                "CloudEvents 1.0: one event as JSON, an array of at most 10,000, or JSON data with the attributes in `ce-` header \
                 fields. An event counts once for its `source` and `id`, so that a batch can be sent again when the outcome is \
                 unknown. Events that cannot be counted are listed in `rejected`; the others count.",
            )
            .body::<CloudEvent>()
            .body_as::<CloudEvent>("application/cloudevents+json")
            .body_as::<UsageBatch>("application/cloudevents-batch+json")
            .returns::<UsageResult>(200)
        })
        .about("Gateway", "What the platform's own back end asks and reports, with a service token.")
}

const MAX_EVENTS: usize = 10_000;
const MAX_BYTES: usize = 16 << 20;
const TOO_MANY_BYTES: &str = "The body is larger than 16 MiB. Send fewer events at a time.";
/// Bounds the batches that are written at the same time, so that pages get connections too.
static WRITING: Semaphore = Semaphore::const_new(8);

/// A usage event: a CloudEvent 1.0.
#[derive(ToSchema)]
#[schema(as = UsageEvent)]
#[expect(dead_code, reason = "for the document: events are parsed one by one")]
struct CloudEvent {
    /// The version of CloudEvents.
    #[schema(pattern = r"^1\.0$", example = "1.0")]
    specversion: String,
    /// The type of event.
    #[schema(rename = "type", pattern = r"^guildhall\.usage$", example = "guildhall.usage")]
    kind: String,
    /// Who reports it.
    #[schema(min_length = 1, max_length = 300, example = "/gateway/eu-1")]
    source: String,
    /// An id, unique for the source.
    #[schema(min_length = 1, max_length = 300, example = "req_8f2c41")]
    id: String,
    /// When it happened, at most 35 days ago; absent: now.
    time: Option<Time>,
    /// What was used.
    data: UsageData,
}

/// What was used, how much, and by whom: either `key_id` or `account`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document: events are parsed one by one")]
struct UsageData {
    /// The meter: one of the catalogue's.
    #[schema(example = "credits")]
    meter: String,
    /// The quantity.
    quantity: Quantity,
    /// The key that used it; it also counts for its member and account.
    key_id: Option<KeyId>,
    /// The account's id or slug, if it was not used with a key.
    #[schema(example = json!(null))]
    account: Option<String>,
    /// The product.
    #[schema(example = "video")]
    product: Option<String>,
    /// The model.
    #[schema(max_length = 300, example = "large-2")]
    model: Option<String>,
    /// The resource.
    resource: Option<ResourceRef>,
}

/// At most 10,000 usage events, 16 MiB.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document: events are parsed one by one")]
struct UsageBatch(Vec<CloudEvent>);

/// The result for the events.
#[derive(Serialize, ToSchema)]
#[schema(as = UsageTaken)]
struct UsageResult {
    /// The number of events that are counted now.
    #[schema(example = 998)]
    accepted: usize,
    /// The number of events that were counted before.
    #[schema(example = 1)]
    duplicates: usize,
    /// The events that cannot be counted.
    rejected: Vec<RejectedEvent>,
}

/// An event that cannot be counted.
#[derive(Serialize, ToSchema)]
#[schema(as = UsageRejected)]
struct RejectedEvent {
    /// Its index in the batch, from 0.
    #[schema(example = 7)]
    index: usize,
    /// A stable code.
    #[schema(example = "unknown_meter")]
    code: &'static str,
    /// The reason, in a sentence.
    #[schema(example = "The catalogue has no meter “credit”.")]
    detail: String,
}

async fn report(
    service: Service<ReportUsage>,
    EventsRequest { headers, body }: EventsRequest,
) -> Result<Json<UsageResult>> {
    let batch = parse(&headers, &body, service.context())?;
    drop(body);
    let _permit = WRITING.acquire().await.map_err(|error| Error::Internal(error.to_string()))?;
    let result = service.change_durably(async |change| take(change, batch).await).await?;
    let rejected = |(index, ValidationError { code, detail })| RejectedEvent { index, code, detail };
    Ok(Json(UsageResult {
        accepted: result.accepted,
        duplicates: result.duplicates,
        rejected: result.rejected.into_iter().map(rejected).collect(),
    }))
}

/// The whole request, of at most `MAX_BYTES`.
struct EventsRequest {
    headers: HeaderMap,
    body: Bytes,
}

impl FromRequest<App> for EventsRequest {
    type Rejection = Error;
    async fn from_request(request: Request, _: &App) -> Result<EventsRequest> {
        let (parts, body) = request.into_parts();
        let length =
            parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: usize| length > MAX_BYTES) {
            return Err(too_large(TOO_MANY_BYTES));
        }
        let body = form::read(body, MAX_BYTES, TOO_MANY_BYTES).await?;
        Ok(EventsRequest { headers: parts.headers, body })
    }
}

/// The content type tells the mode (CloudEvents HTTP binding, 3).
fn parse(
    headers: &HeaderMap,
    body: &[u8],
    context: &Context,
) -> Result<Vec<Result<UsageEvent, ValidationError>>> {
    let content_type = header_text(headers, header::CONTENT_TYPE.as_str());
    let content_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_binary = headers.contains_key("ce-specversion");
    let text = std::str::from_utf8(body).map_err(|_| malformed(400, "The body is not valid UTF-8."))?;
    let (now, catalog) = (context.now(), &context.catalog);
    let is_batch = match content_type.as_str() {
        "application/cloudevents-batch+json" => true,
        "application/cloudevents+json" => false,
        "application/json" if is_binary => {
            let event = binary_mode(headers, Some(json(text)?));
            return Ok(vec![UsageEvent::of(&event, now, catalog)]);
        }
        // Many clients can only send plain JSON: a batch is an array.
        "application/json" => text.trim_start().starts_with('['),
        _ => {
            return Err(malformed(
                415,
                "Send a CloudEvent as application/cloudevents+json, a batch as application/cloudevents-batch+json, \
                 or JSON data with the attributes in ce- header fields.",
            ));
        }
    };
    if !is_batch {
        return Ok(vec![UsageEvent::parse(json(text)?.get(), now, catalog)]);
    }
    let batch: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|error| malformed(400, &format!("This is not a JSON array of CloudEvents: {error}.")))?;
    if batch.len() > MAX_EVENTS {
        return Err(too_large(
            "A batch holds at most 10,000 events. None was counted: send the batch in parts.",
        ));
    }
    Ok(batch.into_iter().map(|event| UsageEvent::parse(event.get(), now, catalog)).collect())
}

fn json(text: &str) -> Result<&RawValue> {
    serde_json::from_str(text).map_err(|error| malformed(400, &format!("This is not JSON: {error}.")))
}

/// The attributes of the binary content mode.
fn binary_mode<'a>(headers: &'a HeaderMap, data: Option<&'a RawValue>) -> Attributes<'a> {
    let decoded = |name: &str| percent_decoded(header_text(headers, name));
    Attributes {
        specversion: decoded("ce-specversion"),
        kind: decoded("ce-type"),
        source: decoded("ce-source"),
        id: decoded("ce-id"),
        time: headers.contains_key("ce-time").then(|| decoded("ce-time")),
        data,
    }
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok()).unwrap_or_default()
}

/// Header fields have non-ASCII text percent-encoded (CloudEvents HTTP binding, 3.1.3.2).
fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|it| std::str::from_utf8(it).ok());
        match digits.and_then(|it| u8::from_str_radix(it, 16).ok()).filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

fn malformed(status: u16, detail: &str) -> Error {
    Error::BadRequest { status, detail: detail.to_owned() }
}

fn too_large(detail: &str) -> Error {
    malformed(413, detail)
}
