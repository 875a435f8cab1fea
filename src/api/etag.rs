//! Versions: what two people edit has an `ETag`, and a change meant for another version is refused.
use super::hex;
use crate::{
    crypto::secrets::hash,
    error::{Error, Result},
    http::App,
};
use axum::{
    Json,
    extract::FromRequestParts,
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// What has versions. The tag is made of what the shape shows, so that it is another whenever an answer is.
pub trait Versioned: Serialize {
    /// Fields that change of their own accord: they make no other version.
    const PASSING: &[&str] = &[];
    /// What a version has besides, and the shape does not show.
    fn besides(&self) -> String {
        String::new()
    }
    /// The version, as `ETag` and `If-Match` tell it.
    fn tag(&self) -> String {
        let mut shape = serde_json::to_value(self).unwrap_or_default();
        for it in Self::PASSING {
            shape[it].take();
        }
        format!("\"{}\"", hex(&hash(&format!("{shape}{}", self.besides()))[..12]))
    }
}

/// A thing with its `ETag`.
pub struct Tagged<T>(pub T);

impl<T: Versioned> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let tag = HeaderValue::from_str(&self.0.tag());
        let mut response = Json(self.0).into_response();
        if let Ok(tag) = tag {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

/// The version that a change is meant for, if it says so.
pub struct IfMatch(Vec<String>);

impl FromRequestParts<App> for IfMatch {
    type Rejection = std::convert::Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<IfMatch, Self::Rejection> {
        let fields = parts.headers.get_all(header::IF_MATCH).iter();
        // What is no text names no version: it is kept, and matches none.
        let words =
            fields.flat_map(|it| it.to_str().unwrap_or("?").split(',').map(|it| it.trim().to_owned()));
        Ok(IfMatch(words.collect()))
    }
}

impl IfMatch {
    /// Whether it says so.
    pub fn is_given(&self) -> bool {
        !self.0.is_empty()
    }
    /// Refuses a change that is meant for another version. A proxy that compresses makes a tag weak: that is forgiven.
    pub fn holds(&self, it: &impl Versioned) -> Result<()> {
        let tag = it.tag();
        let is_it = |asked: &String| asked == "*" || asked.trim_start_matches("W/") == tag;
        if self.0.is_empty() || self.0.iter().any(is_it) { Ok(()) } else { Err(Error::Changed) }
    }
}
