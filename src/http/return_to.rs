//! Where a sign-in on the way leads back to.
use super::{App, sign_in::safe_next};
use axum::http::{Method, header, request::Parts};

/// The page that was requested; for a change, the page with its form, else the first page of the account.
pub fn address(request: &Parts, app: &App) -> String {
    if request.method == Method::GET {
        return request.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    }
    let referer = request.headers.get(header::REFERER).and_then(|value| value.to_str().ok());
    let base_url = app.context().config.base_url.as_str();
    if let Some(form) = referer.and_then(|url| url.strip_prefix(base_url)).and_then(safe_next) {
        return form.to_owned();
    }
    let slug = request.uri.path().strip_prefix("/a/").and_then(|rest| rest.split('/').next());
    slug.map_or("/".to_owned(), |slug| format!("/a/{slug}/overview"))
}

/// As the value of `next` in a query.
pub fn encoded(address: &str) -> String {
    url::form_urlencoded::byte_serialize(address.as_bytes()).collect::<String>().replace("%2F", "/")
}
