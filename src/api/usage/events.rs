//! `POST /api/v1/usage/events`: CloudEvents 1.0 in their three modes.
use crate::{
    context::Kit,
    error::{Error, Result},
    http::{App, form, gate::Service, routes::Routes},
    model::{
        id::KeyId,
        quantity::Quantity,
        text::Refusal,
        time::Time,
        token::ReportUsage,
        usage::event::{Attributes, Reported},
        verdict::Named,
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

/// The calls.
pub fn routes() -> Routes {
    Routes::default()
        .post("/api/v1/usage/events", report)
        .told(|it| {
            it.says(
                "Report usage",
                "CloudEvents 1.0: one in its JSON form, a batch of at most 10,000 as an array, or JSON data with the attributes in \
                 `ce-` fields. An event counts once for its `source` and `id`, however often it is sent: send a batch again \
                 when in doubt. Events that cannot be counted are told in `rejected`, and do not stop the others.",
            )
            .takes::<Event>()
            .takes_as::<Event>("application/cloudevents+json")
            .takes_as::<Batch>("application/cloudevents-batch+json")
            .gives::<Answer>(200)
        })
        .about("Gateway", "What the platform's own back end asks and reports, with a service token.")
}

/// The most events of a batch.
const MOST: usize = 10_000;
/// The most bytes of a batch.
const BODY: usize = 16 << 20;
const LARGE: &str = "This is larger than the 16 MiB that are taken. Send fewer events at a time.";
/// Batches that are written at the same time: pages need connections too.
static WRITING: Semaphore = Semaphore::const_new(8);

/// A usage event: a CloudEvent 1.0.
#[derive(ToSchema)]
#[schema(as = UsageEvent)]
#[expect(dead_code, reason = "it describes what is read event by event, each refused for its own reason")]
struct Event {
    /// The version of CloudEvents.
    #[schema(pattern = r"^1\.0$", example = "1.0")]
    specversion: String,
    /// What kind of event it is.
    #[schema(rename = "type", pattern = r"^guildhall\.usage$", example = "guildhall.usage")]
    kind: String,
    /// Who reports.
    #[schema(min_length = 1, max_length = 300, example = "/gateway/eu-1")]
    source: String,
    /// What they call it: once for each source.
    #[schema(min_length = 1, max_length = 300, example = "req_8f2c41")]
    id: String,
    /// When it happened, at most 35 days ago. Absent: now.
    time: Option<Time>,
    /// What happened.
    data: Data,
}

/// What was used, how much of it, and by whom: say either `key_id` or `account`.
#[derive(ToSchema)]
#[schema(as = UsageData)]
#[expect(dead_code, reason = "it describes what is read event by event, each refused for its own reason")]
struct Data {
    /// What was metered: one of the catalogue's meters.
    #[schema(example = "credits")]
    meter: String,
    /// How much.
    quantity: Quantity,
    /// The key that used it; its member and account are counted with it.
    key_id: Option<KeyId>,
    /// The account's id or slug, where it was no key.
    #[schema(example = json!(null))]
    account: Option<String>,
    /// In which product.
    #[schema(example = "video")]
    product: Option<String>,
    /// By which model.
    #[schema(max_length = 300, example = "large-2")]
    model: Option<String>,
    /// With which resource.
    resource: Option<Named>,
}

/// At most 10,000 usage events, 16 MiB.
#[derive(ToSchema)]
#[schema(as = UsageBatch)]
#[expect(dead_code, reason = "it describes what is read event by event, each refused for its own reason")]
struct Batch(Vec<Event>);

/// What became of the events.
#[derive(Serialize, ToSchema)]
#[schema(as = UsageTaken)]
struct Answer {
    /// So many are counted now.
    #[schema(example = 998)]
    accepted: usize,
    /// So many were counted before.
    #[schema(example = 1)]
    duplicates: usize,
    /// Those that cannot be counted. All the others are.
    rejected: Vec<Rejected>,
}

/// An event that cannot be counted.
#[derive(Serialize, ToSchema)]
#[schema(as = UsageRejected)]
struct Rejected {
    /// Where it stands in the batch, from 0.
    #[schema(example = 7)]
    index: usize,
    /// Why: stable, for programs.
    #[schema(example = "unknown_meter")]
    code: &'static str,
    /// Why, in a sentence.
    #[schema(example = "The catalogue has no meter “credit”.")]
    detail: String,
}

async fn report(service: Service<ReportUsage>, Sent { fields, body }: Sent) -> Result<Json<Answer>> {
    let batch = read(&fields, &body, service.kit())?;
    drop(body);
    let _place = WRITING.acquire().await.map_err(|it| Error::Internal(it.to_string()))?;
    let taken = service.change_durably(async |change| take(change, batch).await).await?;
    let rejected = |(index, Refusal { code, detail })| Rejected { index, code, detail };
    Ok(Json(Answer {
        accepted: taken.accepted,
        duplicates: taken.duplicates,
        rejected: taken.rejected.into_iter().map(rejected).collect(),
    }))
}

/// A request, read to its end.
struct Sent {
    fields: HeaderMap,
    body: Bytes,
}

impl FromRequest<App> for Sent {
    type Rejection = Error;
    async fn from_request(request: Request, _: &App) -> Result<Sent> {
        let (parts, body) = request.into_parts();
        let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse().ok());
        if length.is_some_and(|it: usize| it > BODY) {
            return Err(too_large(LARGE));
        }
        let body = form::read(body, BODY, LARGE).await?;
        Ok(Sent { fields: parts.headers, body })
    }
}

/// Which mode it is, the content type says.
fn read(fields: &HeaderMap, body: &[u8], kit: &Kit) -> Result<Vec<Result<Reported, Refusal>>> {
    let kind = field(fields, header::CONTENT_TYPE.as_str());
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_binary = fields.contains_key("ce-specversion");
    let text = std::str::from_utf8(body).map_err(|_| malformed(400, "The body is not valid UTF-8."))?;
    let (now, catalog) = (kit.now(), &kit.catalog);
    let is_batch = match kind.as_str() {
        "application/cloudevents-batch+json" => true,
        "application/cloudevents+json" => false,
        "application/json" if is_binary => {
            let event = binary(fields, Some(json(text)?));
            return Ok(vec![Reported::of(&event, now, catalog)]);
        }
        // Many send events by a client that knows JSON alone: what it is, the text shows.
        "application/json" => text.trim_start().starts_with('['),
        _ => {
            return Err(malformed(
                415,
                "Send a CloudEvent as application/cloudevents+json, a batch as application/cloudevents-batch+json, \
                 or JSON data with the attributes in ce- fields.",
            ));
        }
    };
    if !is_batch {
        return Ok(vec![Reported::parse(json(text)?.get(), now, catalog)]);
    }
    let batch: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|it| malformed(400, &format!("This is not a JSON array of CloudEvents: {it}.")))?;
    if batch.len() > MOST {
        return Err(too_large("A batch holds at most 10,000 events. Nothing was taken: send it in parts."));
    }
    Ok(batch.into_iter().map(|it| Reported::parse(it.get(), now, catalog)).collect())
}

fn json(text: &str) -> Result<&RawValue> {
    serde_json::from_str(text).map_err(|it| malformed(400, &format!("This is not JSON: {it}.")))
}

/// The attributes of the binary mode.
fn binary<'a>(fields: &'a HeaderMap, data: Option<&'a RawValue>) -> Attributes<'a> {
    let decoded = |name: &str| percent_decoded(field(fields, name));
    Attributes {
        specversion: decoded("ce-specversion"),
        kind: decoded("ce-type"),
        source: decoded("ce-source"),
        id: decoded("ce-id"),
        time: fields.contains_key("ce-time").then(|| decoded("ce-time")),
        data,
    }
}

fn field<'a>(fields: &'a HeaderMap, name: &str) -> &'a str {
    fields.get(name).and_then(|it| std::str::from_utf8(it.as_bytes()).ok()).unwrap_or_default()
}

/// Fields hold what is not plain ASCII percent-encoded (CloudEvents HTTP binding, 3.1.3.2).
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
    Error::Malformed { status, detail: detail.to_owned() }
}

fn too_large(detail: &str) -> Error {
    malformed(413, detail)
}
