//! Where one comes back to, after a sign-in on the way.
use super::{App, sign_in::safe_next};
use axum::http::{Method, header, request::Parts};

/// What was asked for; where that was a change, the page with its form, or the account's first.
pub fn address(asked: &Parts, app: &App) -> String {
    if asked.method == Method::GET {
        return asked.uri.path_and_query().map_or("/", |it| it.as_str()).to_owned();
    }
    let from = asked.headers.get(header::REFERER).and_then(|it| it.to_str().ok());
    let form = from.and_then(|it| it.strip_prefix(app.kit().rules.base_url.as_str())).and_then(safe_next);
    let slug = asked.uri.path().strip_prefix("/a/").and_then(|it| it.split('/').next());
    form.map_or_else(|| slug.map_or("/".to_owned(), |it| format!("/a/{it}/overview")), str::to_owned)
}

/// As the value of `next` in a query.
pub fn encoded(address: &str) -> String {
    url::form_urlencoded::byte_serialize(address.as_bytes()).collect::<String>().replace("%2F", "/")
}
