//! HTTP clients in memory: a user with a cookie jar, and an API client with a key.
use super::{
    BASE,
    html::{self, Element},
    openapi_check,
};
use axum::{
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, header},
};
use guildhall::{
    http::{App, server::Server},
    model::id::UserId,
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tower::ServiceExt as _;

/// A user with one browser. Clones share its cookies.
#[derive(Clone)]
pub struct TestUser {
    service: Server,
    pub email: String,
    pub id: UserId,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
}

impl TestUser {
    pub(super) fn new(state: App, email: &str, id: UserId) -> TestUser {
        TestUser {
            service: state.into_service(guildhall::routes()),
            email: email.to_owned(),
            id,
            cookies: Arc::default(),
        }
    }

    pub async fn get(&self, path: &str) -> TestResponse {
        self.send(Method::GET, path, &[], Body::empty()).await
    }

    /// Opens a page as htmx does, which answers a part of it.
    pub async fn get_partial(&self, path: &str) -> TestResponse {
        self.send(Method::GET, path, &[("hx-request", "true")], Body::empty()).await
    }

    /// Submits a form from a page of the same origin.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> TestResponse {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let headers =
            [("sec-fetch-site", "same-origin"), ("content-type", "application/x-www-form-urlencoded")];
        self.send(Method::POST, path, &headers, body.into()).await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> TestResponse {
        let cookies: Vec<String> =
            self.cookies.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder().method(method).uri(path);
        if headers.iter().all(|(name, _)| *name != "user-agent") {
            request = request.header("user-agent", "Test/1.0");
        }
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = execute(&self.service, request.body(body).unwrap()).await;
        self.store_cookies(&response.headers);
        response
    }

    fn store_cookies(&self, headers: &HeaderMap) {
        let mut jar = self.cookies.lock().unwrap();
        for cookie in headers.get_all(header::SET_COOKIE) {
            let (pair, attributes) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap().get(name).cloned()
    }
}

/// A client of the API that sends a bearer token.
#[derive(Clone)]
pub struct ApiClient {
    service: Server,
    /// The token, empty for a client without credentials.
    pub secret: String,
}

impl ApiClient {
    pub(super) fn new(state: App, secret: String) -> ApiClient {
        ApiClient { service: state.into_service(guildhall::routes()), secret }
    }

    pub async fn get(&self, path: &str) -> TestResponse {
        self.send(Method::GET, path, &[], None).await
    }

    /// Sends JSON.
    pub async fn call(&self, method: Method, path: &str, body: &serde_json::Value) -> TestResponse {
        self.send(method, path, &[("content-type", "application/json")], Some(body.to_string())).await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> TestResponse {
        let bearer = format!("Bearer {}", self.secret);
        let mut request = Request::builder().method(method).uri(path);
        if !self.secret.is_empty() {
            request = request.header(header::AUTHORIZATION, bearer);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        execute(&self.service, request.body(body.map_or_else(Body::empty, Body::from)).unwrap()).await
    }
}

/// Sends a request through the router. Every answer of the API is checked against the OpenAPI document.
async fn execute(service: &Server, mut request: Request<Body>) -> TestResponse {
    let peer: SocketAddr = "127.0.0.1:50000".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    let line = format!("{} {}", request.method(), request.uri());
    let (parts, body) = service.clone().oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, 1 << 26).await.unwrap();
    let body = String::from_utf8_lossy(&body).into_owned();
    let response =
        TestResponse { request: line, status: parts.status.as_u16(), headers: parts.headers, body };
    openapi_check::check(&response);
    response
}

#[derive(Clone)]
pub struct TestResponse {
    /// Method and path of the request, for messages.
    pub request: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl TestResponse {
    #[track_caller]
    pub fn assert_status(self, status: u16) -> TestResponse {
        let location = self.header("location");
        assert_eq!(
            self.status, status,
            "{} answered {} {location}\n{}",
            self.request, self.status, self.body
        );
        self
    }

    /// Asserts where a redirect leads: a path of this app, or an absolute URL elsewhere.
    #[track_caller]
    pub fn assert_redirect(self, path: &str) -> TestResponse {
        assert_eq!(self.location(), path, "{} redirects elsewhere", self.request);
        self
    }

    /// Asserts that the page shows a text, with tags and entities resolved.
    #[track_caller]
    pub fn assert_contains(self, text: &str) -> TestResponse {
        let shown = self.text();
        assert!(shown.contains(text), "{} does not contain “{text}”:\n{shown}", self.request);
        self
    }

    /// Asserts that the page does not show a text.
    #[track_caller]
    pub fn assert_not_contains(self, text: &str) -> TestResponse {
        let shown = self.text();
        assert!(!shown.contains(text), "{} contains “{text}”:\n{shown}", self.request);
        self
    }

    /// Where a redirect leads, without the base URL of this app.
    pub fn location(&self) -> String {
        self.header("location").trim_start_matches(BASE).to_owned()
    }

    /// The value of a header, empty if it is absent.
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    /// All elements that match a CSS selector.
    #[track_caller]
    pub fn select(&self, css: &str) -> Vec<Element> {
        html::select(&self.body, css)
    }

    /// An attribute of the first element that matches.
    #[track_caller]
    pub fn attr_of(&self, css: &str, attribute: &str) -> String {
        self.first(css).attr(attribute).to_owned()
    }

    /// The text of the first element that matches.
    #[track_caller]
    pub fn text_of(&self, css: &str) -> String {
        self.first(css).text
    }

    #[track_caller]
    fn first(&self, css: &str) -> Element {
        let first = self.select(css).into_iter().next();
        first.unwrap_or_else(|| panic!("{} has no {css}:\n{}", self.request, self.body))
    }

    /// What a reader sees: without tags, with runs of white space as one space.
    pub fn text(&self) -> String {
        let (mut text, mut in_tag) = (String::new(), false);
        for character in self.body.chars() {
            match character {
                '<' => in_tag = true,
                '>' if in_tag => {
                    in_tag = false;
                    text.push(' ');
                }
                _ if !in_tag => text.push(character),
                _ => {}
            }
        }
        let entities =
            [("&#39;", "'"), ("&#34;", "\""), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&"), ("&amp;", "&")];
        let text = entities.iter().fold(text, |text, (entity, sign)| text.replace(entity, sign));
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{} is not JSON ({error}): {}", self.request, self.body))
    }

    /// The toast that the next page shows, empty if there is none.
    pub fn toast(&self) -> String {
        use base64::Engine as _;
        let cookies = self.headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        let toast = cookies
            .filter_map(|cookie| cookie.strip_prefix("toast="))
            .filter_map(|cookie| cookie.split(';').next())
            .next_back();
        let json = toast.and_then(|text| base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(text).ok());
        let toast: serde_json::Value = serde_json::from_slice(&json.unwrap_or_default()).unwrap_or_default();
        toast["text"].as_str().unwrap_or_default().to_owned()
    }
}
