//! What comes in: forms, JSON bodies and query strings, refused in words where they cannot be read.
use super::App;
use crate::error::{Error, Result};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, rejection::BytesRejection},
    http::{StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;

/// A form, as browsers send it. A name that comes more than once is a list.
pub struct Form<T>(pub T);
impl<T: DeserializeOwned> FromRequest<App> for Form<T> {
    type Rejection = Error;
    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let kind = content_type(&request);
        let body = body(request, app).await?;
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

/// A JSON body.
pub struct Json<T>(pub T);
impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Error;
    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let kind = content_type(&request);
        let body = body(request, app).await?;
        if !kind.is_empty() && kind != "application/json" && !kind.ends_with("+json") {
            return Err(malformed(415, "Send JSON, with the content type application/json."));
        }
        if has_nul(&body, b"\\u0000") {
            return Err(malformed(422, "The body holds a NUL character, which no field takes."));
        }
        let said = |it: serde_json::Error| {
            let status = if it.is_data() { 422 } else { 400 };
            malformed(status, &format!("The body could not be read: {it}."))
        };
        serde_json::from_slice(&body).map(Json).map_err(said)
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
        let read = serde_html_form::from_str(parts.uri.query().unwrap_or_default());
        read.map(Params).map_err(|it| malformed(422, &format!("The query could not be read: {it}.")))
    }
}

fn malformed(status: u16, detail: &str) -> Error {
    Error::Malformed { status, detail: detail.to_owned() }
}

fn content_type(request: &Request) -> String {
    let field =
        request.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    field.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Postgres has no text with a NUL in it: it is stopped at the door.
fn has_nul(body: &[u8], escaped: &[u8]) -> bool {
    body.contains(&0) || body.windows(escaped.len()).any(|it| it == escaped)
}

async fn body(request: Request, app: &App) -> Result<Bytes> {
    let read: Result<Bytes, BytesRejection> = Bytes::from_request(request, app).await;
    read.map_err(|it| match it.status() {
        StatusCode::PAYLOAD_TOO_LARGE => malformed(413, "This is larger than the 1 MiB that is taken."),
        _ => malformed(400, "The request was cut off."),
    })
}
