//! Extractors for forms, JSON bodies and query strings, with errors that say what is wrong and where.
use super::{App, middleware::MAX_BODY};
use crate::error::{Error, FieldError, Result};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderValue, header, request::Parts},
};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_path_to_error::{Path, Segment};

/// A URL-encoded form. A name that comes more than once is a list.
pub struct Form<T>(pub T);
impl<T: DeserializeOwned> FromRequest<App> for Form<T> {
    type Rejection = Error;
    async fn from_request(request: Request, _: &App) -> Result<Self> {
        let kind = content_type(&request);
        let body = body(request).await?;
        if !body.is_empty() && kind != "application/x-www-form-urlencoded" {
            return Err(malformed(415, "Send this form as application/x-www-form-urlencoded."));
        }
        if has_nul(&body, b"%00") {
            return Err(malformed(422, "The form holds a NUL character, which no field takes."));
        }
        let text = std::str::from_utf8(&body).map_err(|_| malformed(422, "The form is not valid UTF-8."))?;
        let read = serde_html_form::from_str(text);
        read.map(Form).map_err(|error| malformed(422, &format!("The form could not be read: {error}.")))
    }
}

/// A JSON body: an object.
pub struct Json<T>(pub T);
impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Error;
    async fn from_request(request: Request, _: &App) -> Result<Self> {
        let is_json = is_json(&request);
        let body = body(request).await?;
        if !is_json {
            return Err(malformed(415, "Send JSON, with the content type application/json."));
        }
        if has_nul(&body, b"\\u0000") {
            return Err(malformed(422, "The body holds a NUL character, which no field takes."));
        }
        // serde would read a struct from an array too, by the order of its fields.
        let is_list = body.trim_ascii_start().starts_with(b"[");
        match serde_json::from_slice(&body) {
            Ok(read) if !is_list => Ok(Json(read)),
            _ => Err(json_error::<T>(&body, is_list)),
        }
    }
}

/// Why a body could not be read: it is parsed again, more slowly, to name the field.
fn json_error<T: DeserializeOwned>(body: &[u8], is_list: bool) -> Error {
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(body) {
        return malformed(400, &format!("This is not JSON: {error}."));
    }
    if is_list {
        return Error::invalid("", "invalid", "Send a JSON object.");
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) => field_error(error.path(), &error.inner().to_string()),
        Ok(_) => Error::Internal("a body failed to parse, and then did not".into()),
    }
}

/// The query string of a page. If it cannot be read, the defaults: an address with a bad filter still opens the page.
pub struct Query<T>(pub T);
impl<T: DeserializeOwned + Default> FromRequestParts<App> for Query<T> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        Ok(Query(serde_html_form::from_str(parts.uri.query().unwrap_or_default()).unwrap_or_default()))
    }
}

/// The query string of an API call: an error if it cannot be read.
pub struct Params<T>(pub T);
impl<T: DeserializeOwned> FromRequestParts<App> for Params<T> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        params(parts.uri.query().unwrap_or_default()).map(Params)
    }
}

/// Parses a query string. Unknown parameters are an error.
pub fn params<T: DeserializeOwned>(query: &str) -> Result<T> {
    let deserializer = serde_html_form::Deserializer::from_bytes(query.as_bytes());
    serde_path_to_error::deserialize(deserializer)
        .map_err(|error| field_error(error.path(), &error.inner().to_string()))
}

/// The error of one field: `path` as a JSON pointer, and serde's message as a sentence.
fn field_error(path: &Path, message: &str) -> Error {
    let mut field: Vec<String> = path
        .iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect();
    // The field says more than the line.
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    let code = if message.starts_with("unknown field") {
        "unknown_field"
    } else if message.starts_with("missing field") {
        "required"
    } else {
        "invalid"
    };
    if code == "required" {
        field.extend(message.split('`').nth(1).map(str::to_owned));
    }
    let mut rest = message.chars();
    let first = rest.next().map(char::to_uppercase).into_iter().flatten();
    let detail: String = first.chain(rest).chain(['.']).collect();
    Error::Validation(vec![FieldError::new(field.join("/"), code, detail)])
}

fn malformed(status: u16, detail: &str) -> Error {
    Error::BadRequest { status, detail: detail.to_owned() }
}

fn content_type(request: &Request) -> String {
    let field =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    field.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A missing content type counts as JSON.
fn is_json(request: &Request) -> bool {
    match request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes) {
        None | Some(b"" | b"application/json") => true,
        Some(_) => {
            let kind = content_type(request);
            kind.is_empty() || kind == "application/json" || kind.ends_with("+json")
        }
    }
}

/// Postgres has no text with a NUL in it. `escaped` is how this format may spell it.
fn has_nul(body: &[u8], escaped: &[u8]) -> bool {
    let has_escapes = body.contains(&escaped[0]);
    body.contains(&0) || has_escapes && body.windows(escaped.len()).any(|window| window == escaped)
}

async fn body(request: Request) -> Result<Bytes> {
    read(request.into_body(), MAX_BODY, "This is larger than the 1 MiB that is taken.").await
}

/// Reads a body of at most `limit` bytes; `too_large` is the message for a larger one.
pub async fn read(body: Body, limit: usize, too_large: &str) -> Result<Bytes> {
    to_bytes(body, limit).await.map_err(|error| {
        // All other errors are those of the connection.
        let source = std::error::Error::source(&error);
        let is_limit = source.is_some_and(|source| source.to_string().contains("limit"));
        if is_limit { malformed(413, too_large) } else { malformed(400, "The request was cut off.") }
    })
}
