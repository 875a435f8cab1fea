//! Serves the files of `static/`, which browsers keep for ever.
use crate::view::assets::{Asset, find, find_hashed};
use axum::{
    Router,
    extract::Path,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{
            ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
    routing::get,
};

pub const PATHS: [&str; 2] = ["/static/{file}", "/favicon.ico"];

pub fn routes() -> Router {
    let [files, icon] = PATHS;
    Router::new().route(files, get(file)).route(icon, get(favicon))
}

async fn file(Path(file): Path<String>, headers: HeaderMap) -> Response {
    match find_hashed(&file) {
        Some(asset) => respond(asset, &headers, "public, max-age=31536000, immutable"),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn favicon(headers: HeaderMap) -> Response {
    respond(find("favicon.svg"), &headers, "public, max-age=86400")
}

fn respond(asset: &Asset, request: &HeaderMap, cache_control: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 4] = [
        (ETAG, asset.etag.clone()),
        (CACHE_CONTROL, HeaderValue::from_static(cache_control)),
        (VARY, HeaderValue::from_static("accept-encoding")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    if has_item(request, &IF_NONE_MATCH, |tag| tag.as_bytes() == asset.etag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let content_type = [(CONTENT_TYPE, asset.content_type)];
    let accepts = |coding| has_item(request, &ACCEPT_ENCODING, |item| accepts(item, coding));
    if asset.is_compressible() && accepts("br") {
        (headers, content_type, [(CONTENT_ENCODING, "br")], asset.brotli()).into_response()
    } else if asset.is_compressible() && accepts("gzip") {
        (headers, content_type, [(CONTENT_ENCODING, "gzip")], asset.gzip()).into_response()
    } else {
        (headers, content_type, asset.body.clone()).into_response()
    }
}

/// Whether a comma-separated field has such an item.
fn has_item(headers: &HeaderMap, field: &HeaderName, matches: impl Fn(&str) -> bool) -> bool {
    headers
        .get_all(field)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| matches(item.trim()))
}

/// `br;q=0` refuses what `br` and `br;q=0.5` accept.
fn accepts(item: &str, coding: &str) -> bool {
    let (name, weight) = item.split_once(";q=").unwrap_or((item, "1"));
    name.trim() == coding && weight.trim().parse().is_ok_and(|weight: f32| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::assets::url;
    use axum::{body::Body, http::Request};
    use tower::ServiceExt as _;

    #[tokio::test]
    async fn an_asset_is_compressed_as_accepted_and_cached_for_ever() {
        let css = url("guildhall.css");
        for (asked, answered) in [("gzip, br", Some("br")), ("gzip, br;q=0", Some("gzip")), ("", None)] {
            let answer = get(css, ACCEPT_ENCODING, asked).await;
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(
                answer.headers().get(CONTENT_ENCODING).map(|coding| coding.to_str().unwrap()),
                answered
            );
            assert_eq!(answer.headers()[VARY], "accept-encoding");
            assert_eq!(answer.headers()[CACHE_CONTROL], "public, max-age=31536000, immutable");
        }
        let font = get(url("inter-latin.woff2"), ACCEPT_ENCODING, "br").await;
        assert!(!font.headers().contains_key(CONTENT_ENCODING));
        let etag = font.headers()[ETAG].to_str().unwrap();
        let again = get(url("inter-latin.woff2"), IF_NONE_MATCH, etag).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(get("/static/guildhall.css", ACCEPT_ENCODING, "").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(get("/favicon.ico", ACCEPT_ENCODING, "").await.headers()[CONTENT_TYPE], "image/svg+xml");
    }

    async fn get(path: &str, name: HeaderName, value: &str) -> Response {
        let request = Request::get(path).header(name, value).body(Body::empty()).unwrap();
        routes().oneshot(request).await.unwrap()
    }
}
