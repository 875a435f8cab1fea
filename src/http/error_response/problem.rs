//! Errors as programs read them: problem documents (RFC 9457).
use super::{status, title};
use crate::{
    error::{Error, FieldError},
    http::middleware::NO_STORE,
};
use axum::{
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

/// The problem document; for a renamed account, a redirect to its new address.
pub fn problem(error: &Error, uri: &Uri) -> Response {
    if let Error::SlugChanged(slug) = error {
        return redirect_to_slug(slug, uri);
    }
    let status = status(error);
    let mut response = (status, body(error).to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"guildhall\""));
    }
    response
}

fn body(error: &Error) -> Value {
    let mut body = json!({
        "type": format!("/api/docs/problems#{}", error.code()),
        "title": title(error),
        "status": error.status(),
        "code": error.code(),
        "detail": error.to_string(),
    });
    match error {
        Error::Validation(errors) => body["errors"] = errors.iter().map(field_error).collect(),
        Error::MissingPermission(permission) => body["permission"] = json!(permission),
        _ => {}
    }
    body
}

fn field_error(error: &FieldError) -> Value {
    let pointer = if error.field.is_empty() { String::new() } else { format!("/{}", error.field) };
    json!({ "pointer": pointer, "code": error.code, "detail": error.detail })
}

/// The same address with the account's current slug: 307, which keeps method and body.
pub(super) fn redirect_to_slug(slug: &str, uri: &Uri) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let marker = if path.starts_with("/api/") { "/accounts/" } else { "/a/" };
    let location = path.split_once(marker).map(|(before, rest)| {
        let rest = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
        format!("{before}{marker}{slug}{rest}")
    });
    let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
    if let Some(location) = location.and_then(|location| HeaderValue::from_str(&location).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
