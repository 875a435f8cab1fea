//! `ETag` and `If-Match`, so that two clients do not overwrite each other's changes.
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

/// Something with an `ETag`: a hash of its JSON, so that it changes whenever the answer does.
pub trait Versioned: Serialize {
    /// Fields that change without anybody editing them: they are left out of the tag.
    const VOLATILE: &[&str] = &[];
    /// Part of the version that the JSON does not show.
    fn hidden_version(&self) -> String {
        String::new()
    }
    fn etag(&self) -> String {
        let mut json = serde_json::to_value(self).unwrap_or_default();
        for field in Self::VOLATILE {
            json[field].take();
        }
        format!("\"{}\"", hex::encode(&hash(&format!("{json}{}", self.hidden_version()))[..12]))
    }
}

/// Answers with JSON and its `ETag`.
pub struct WithEtag<T>(pub T);

impl<T: Versioned> IntoResponse for WithEtag<T> {
    fn into_response(self) -> Response {
        let tag = HeaderValue::from_str(&self.0.etag());
        let mut response = Json(self.0).into_response();
        if let Ok(tag) = tag {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

/// The entity tags of `If-Match`, if there are any.
pub struct IfMatch(Vec<String>);

impl FromRequestParts<App> for IfMatch {
    type Rejection = std::convert::Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<IfMatch, Self::Rejection> {
        let fields = parts.headers.get_all(header::IF_MATCH).iter();
        // A value that is not ASCII matches no version, but must not count as absent.
        let tags = fields.flat_map(|value| value.to_str().unwrap_or("?").split(','));
        Ok(IfMatch(tags.map(|tag| tag.trim().to_owned()).collect()))
    }
}

impl IfMatch {
    pub fn is_present(&self) -> bool {
        !self.0.is_empty()
    }
    /// Refuses a change that is meant for another version. Weak tags match too: a proxy that compresses weakens them.
    pub fn check(&self, current: &impl Versioned) -> Result<()> {
        let etag = current.etag();
        let matches = |tag: &String| tag == "*" || tag.trim_start_matches("W/") == etag;
        if self.0.is_empty() || self.0.iter().any(matches) { Ok(()) } else { Err(Error::VersionMismatch) }
    }
}
