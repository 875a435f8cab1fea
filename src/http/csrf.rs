//! Protection against cross-site request forgery (CSRF), without tokens in forms: a request that changes something must come from
//! our own pages. Fetch Metadata says so, or `Origin` where the browser is too old for it.
use crate::error::{Error, Result};
use axum::http::{HeaderMap, HeaderName, Method, Uri, header};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Not called from our pages: what asks here brings a credential of its own, which no browser adds by itself.
const EXEMPT_PREFIXES: [&str; 3] = ["/api/", "/scim/", "/webhooks/"];
const EXEMPT_PATH: &str = "/sso/backchannel";

/// Refuses a change that another site's page asked for.
pub fn check(method: &Method, uri: &Uri, headers: &HeaderMap, base_url: &str) -> Result<()> {
    if is_exempt(method, uri.path()) || is_same_site(headers, base_url) {
        return Ok(());
    }
    let detail = format!(
        "This request did not come from {base_url}. Open the page there and try again; if you run this installation, check its base URL."
    );
    Err(Error::AccessDenied { code: "cross_site", detail })
}

fn is_exempt(method: &Method, path: &str) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
        || EXEMPT_PREFIXES.iter().any(|prefix| path.starts_with(prefix))
        || path == EXEMPT_PATH
}

fn is_same_site(headers: &HeaderMap, base_url: &str) -> bool {
    let value = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match value(SEC_FETCH_SITE) {
        Some(site) => site == "same-origin" || site == "none",
        None => value(header::ORIGIN) == Some(base_url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE_URL: &str = "https://console.example.com";

    fn is_refused(method: Method, path: &'static str, name: &'static str, value: &'static str) -> bool {
        let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())]);
        check(&method, &Uri::from_static(path), &headers, BASE_URL).is_err()
    }

    #[test]
    fn only_our_own_pages_may_change_something() {
        for (name, value, refused) in [
            ("sec-fetch-site", "same-origin", false),
            ("sec-fetch-site", "none", false),
            ("sec-fetch-site", "same-site", true),
            ("sec-fetch-site", "cross-site", true),
            ("origin", BASE_URL, false),
            ("origin", "https://evil.test", true),
            ("origin", "null", true),
            ("accept", "*/*", true),
        ] {
            assert_eq!(is_refused(Method::POST, "/me", name, value), refused, "{name}: {value}");
            assert!(!is_refused(Method::GET, "/me", name, value));
            assert!(!is_refused(Method::POST, "/api/v1/keys/verify", name, value));
            assert!(!is_refused(Method::POST, "/sso/backchannel", name, value));
        }
    }
}
