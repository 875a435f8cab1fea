//! Cookies of this site, read and set.
use axum::http::{HeaderMap, HeaderValue, header};
use tower_sessions::cookie::{Cookie, SameSite, time::Duration};

pub fn get(headers: &HeaderMap, name: &str) -> Option<String> {
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
    let mut cookies = fields.flat_map(Cookie::split_parse).filter_map(Result::ok);
    cookies.find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
}

/// Whether scripts can read a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    HttpOnly,
    Scripts,
}

/// Sets a cookie for the whole site and no other; `seconds` of 0 removes it.
pub fn set(
    headers: &mut HeaderMap,
    (name, value): (&str, &str),
    seconds: u32,
    visibility: Visibility,
    is_https: bool,
) {
    let cookie = Cookie::build((name, value))
        .path("/")
        .max_age(Duration::seconds(seconds.into()))
        .http_only(visibility == Visibility::HttpOnly)
        .same_site(SameSite::Lax)
        .secure(is_https);
    if let Ok(field) = HeaderValue::from_str(&cookie.to_string()) {
        headers.append(header::SET_COOKIE, field);
    }
}
