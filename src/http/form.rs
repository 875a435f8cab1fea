//! What comes in: forms, JSON bodies and query strings, refused in words where they cannot be read.
use super::{App, middleware::BODY};
use crate::error::{Error, Fault, Result};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderValue, header, request::Parts},
};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_path_to_error::{Path, Segment};

/// A form, as browsers send it. A name that comes more than once is a list.
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
        read.map(Form).map_err(|it| malformed(422, &format!("The form could not be read: {it}.")))
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
        // A structure would be read from an array as well, by the order of its fields.
        let is_list = body.trim_ascii_start().starts_with(b"[");
        match serde_json::from_slice(&body) {
            Ok(read) if !is_list => Ok(Json(read)),
            _ => Err(unread::<T>(&body, is_list)),
        }
    }
}

/// Why a body was not read: it is read again, more slowly, to say at which place.
fn unread<T: DeserializeOwned>(body: &[u8], is_list: bool) -> Error {
    if let Err(it) = serde_json::from_slice::<IgnoredAny>(body) {
        return malformed(400, &format!("This is not JSON: {it}."));
    }
    if is_list {
        return Error::invalid("", "invalid", "Send a JSON object.");
    }
    let mut from = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, T>(&mut from) {
        Err(it) => misfit(it.path(), &it.inner().to_string()),
        Ok(_) => Error::Internal("a body was read, and was not".into()),
    }
}

/// The query string. What cannot be read is as if it were not there: an address with a bad filter is still an address.
pub struct Query<T>(pub T);
impl<T: DeserializeOwned + Default> FromRequestParts<App> for Query<T> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        Ok(Query(serde_html_form::from_str(parts.uri.query().unwrap_or_default()).unwrap_or_default()))
    }
}

/// The query string of a call: what cannot be read is refused.
pub struct Params<T>(pub T);
impl<T: DeserializeOwned> FromRequestParts<App> for Params<T> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        params(parts.uri.query().unwrap_or_default()).map(Params)
    }
}

/// Reads a query string; every part of it must be known.
pub fn params<T: DeserializeOwned>(query: &str) -> Result<T> {
    let from = serde_html_form::Deserializer::from_bytes(query.as_bytes());
    serde_path_to_error::deserialize(from).map_err(|it| misfit(it.path(), &it.inner().to_string()))
}

/// A field that is not what was asked for, by its place.
fn misfit(path: &Path, said: &str) -> Error {
    let mut field: Vec<String> = path
        .iter()
        .filter_map(|it| match it {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect();
    // Where it stands in the text says less than which field it is.
    let said = said.rsplit_once(" at line ").map_or(said, |(said, _)| said);
    let code = match said {
        it if it.starts_with("unknown field") => "unknown_field",
        it if it.starts_with("missing field") => "required",
        _ => "invalid",
    };
    if code == "required" {
        field.extend(said.split('`').nth(1).map(str::to_owned));
    }
    let mut rest = said.chars();
    let first = rest.next().map(char::to_uppercase).into_iter().flatten();
    let detail: String = first.chain(rest).chain(['.']).collect();
    Error::Invalid(vec![Fault::new(field.join("/"), code, detail)])
}

fn malformed(status: u16, detail: &str) -> Error {
    Error::Malformed { status, detail: detail.to_owned() }
}

fn content_type(request: &Request) -> String {
    let field =
        request.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    field.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Nothing said is JSON too.
fn is_json(request: &Request) -> bool {
    match request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes) {
        None | Some(b"" | b"application/json") => true,
        Some(_) => {
            let kind = content_type(request);
            kind.is_empty() || kind == "application/json" || kind.ends_with("+json")
        }
    }
}

/// Postgres has no text with a NUL in it: it is stopped at the door.
fn has_nul(body: &[u8], escaped: &[u8]) -> bool {
    let has_escapes = body.contains(&escaped[0]);
    body.contains(&0) || has_escapes && body.windows(escaped.len()).any(|it| it == escaped)
}

async fn body(request: Request) -> Result<Bytes> {
    read(request.into_body(), BODY, "This is larger than the 1 MiB that is taken.").await
}

/// Reads a body of at most so many bytes; `large` says what is wrong with a larger one.
pub async fn read(body: Body, most: usize, large: &str) -> Result<Bytes> {
    to_bytes(body, most).await.map_err(|it| {
        // The limit's own error is the only one that is not of the connection.
        let is_limit = std::error::Error::source(&it).is_some_and(|it| it.to_string().contains("limit"));
        if is_limit { malformed(413, large) } else { malformed(400, "The request was cut off.") }
    })
}
