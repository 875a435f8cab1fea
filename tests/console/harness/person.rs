//! A person with a browser, and a program with a key.
use super::{BASE, described};
use axum::{
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, header},
};
use guildhall::{
    app::{App, front::Front},
    model::id::UserId,
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tower::ServiceExt as _;

/// Somebody with a browser of their own. Clones share its cookies.
#[derive(Clone)]
pub struct Person {
    front: Front,
    /// Their address.
    pub email: String,
    /// Their id.
    pub id: UserId,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Person {
    pub(super) fn new(app: App, email: &str, id: UserId) -> Person {
        Person { front: app.front(guildhall::routes()), email: email.to_owned(), id, cookies: Arc::default() }
    }
    /// Opens a page.
    pub async fn get(&self, path: &str) -> Said {
        self.send(Method::GET, path, &[], Body::empty()).await
    }
    /// Opens a page as htmx does.
    pub async fn get_partial(&self, path: &str) -> Said {
        self.send(Method::GET, path, &[("hx-request", "true")], Body::empty()).await
    }
    /// Sends a form.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Said {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let fields =
            [("sec-fetch-site", "same-origin"), ("content-type", "application/x-www-form-urlencoded")];
        self.send(Method::POST, path, &fields, body.into()).await
    }
    /// Sends anything.
    pub async fn send(&self, method: Method, path: &str, fields: &[(&str, &str)], body: Body) -> Said {
        let cookies: Vec<String> =
            self.cookies.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder().method(method).uri(path);
        if fields.iter().all(|it| it.0 != "user-agent") {
            request = request.header("user-agent", "Test/1.0");
        }
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let said = ask(&self.front, request.body(body).unwrap()).await;
        let mut jar = self.cookies.lock().unwrap();
        for set in said.headers.get_all(header::SET_COOKIE) {
            let (pair, rest) = set.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if rest.contains("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        said
    }
    /// A cookie's value.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap().get(name).cloned()
    }
}

/// A program with a secret.
#[derive(Clone)]
pub struct Program {
    front: Front,
    /// The secret.
    pub secret: String,
}

impl Program {
    pub(super) fn new(app: App, secret: String) -> Program {
        Program { front: app.front(guildhall::routes()), secret }
    }
    /// Asks.
    pub async fn get(&self, path: &str) -> Said {
        self.send(Method::GET, path, &[], None).await
    }
    /// Sends JSON.
    pub async fn call(&self, method: Method, path: &str, body: &serde_json::Value) -> Said {
        self.send(method, path, &[("content-type", "application/json")], Some(body.to_string())).await
    }
    /// Sends anything.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
        body: Option<String>,
    ) -> Said {
        let bearer = format!("Bearer {}", self.secret);
        let mut request = Request::builder().method(method).uri(path);
        if !self.secret.is_empty() {
            request = request.header(header::AUTHORIZATION, bearer);
        }
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        ask(&self.front, request.body(body.map_or_else(Body::empty, Body::from)).unwrap()).await
    }
}

async fn ask(front: &Front, mut request: Request<Body>) -> Said {
    let peer: SocketAddr = "127.0.0.1:50000".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    let asked = format!("{} {}", request.method(), request.uri());
    let answer = front.clone().oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, 1 << 26).await.unwrap();
    let body = String::from_utf8_lossy(&body).into_owned();
    let said = Said { asked, status: parts.status.as_u16(), headers: parts.headers, body };
    described::check(&said);
    said
}

/// An answer.
#[derive(Clone)]
pub struct Said {
    /// What was asked.
    pub asked: String,
    /// HTTP's number.
    pub status: u16,
    /// All fields.
    pub headers: HeaderMap,
    /// As text.
    pub body: String,
}

impl Said {
    /// Demands a status.
    #[track_caller]
    pub fn is(self, status: u16) -> Said {
        let about = self.field("location");
        assert_eq!(self.status, status, "{} said {} {about}\n{}", self.asked, self.status, self.body);
        self
    }
    /// Demands where it leads.
    #[track_caller]
    pub fn to(self, path: &str) -> Said {
        assert_eq!(self.field("location").trim_start_matches(BASE), path, "{} leads elsewhere", self.asked);
        self
    }
    /// Where it leads.
    pub fn location(&self) -> String {
        self.field("location").trim_start_matches(BASE).to_owned()
    }
    /// Demands a text, as a reader sees it: tags and entities resolved.
    #[track_caller]
    pub fn says(self, text: &str) -> Said {
        let read = self.text();
        assert!(read.contains(text), "{} does not say “{text}”:\n{read}", self.asked);
        self
    }
    /// Demands that a text is absent.
    #[track_caller]
    pub fn hides(self, text: &str) -> Said {
        let read = self.text();
        assert!(!read.contains(text), "{} says “{text}”:\n{read}", self.asked);
        self
    }
    /// What a reader sees: no tags, runs of white space as one space.
    pub fn text(&self) -> String {
        let (mut text, mut inside) = (String::new(), false);
        for it in self.body.chars() {
            match it {
                '<' => inside = true,
                '>' if inside => {
                    inside = false;
                    text.push(' ');
                }
                _ if !inside => text.push(it),
                _ => {}
            }
        }
        let entities =
            [("&#39;", "'"), ("&#34;", "\""), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&"), ("&amp;", "&")];
        let text = entities.iter().fold(text, |text, (code, sign)| text.replace(code, sign));
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
    /// A field's value; empty if it is not there.
    pub fn field(&self, name: &str) -> String {
        self.headers.get(name).map(|it| it.to_str().unwrap().to_owned()).unwrap_or_default()
    }
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|it| panic!("{} is no JSON ({it}): {}", self.asked, self.body))
    }
    /// The toast that the next page shows.
    pub fn toast(&self) -> String {
        use base64::Engine as _;
        let cookies = self.headers.get_all(header::SET_COOKIE).iter().filter_map(|it| it.to_str().ok());
        let found = cookies
            .filter_map(|it| it.strip_prefix("toast="))
            .filter_map(|it| it.split(';').next())
            .next_back();
        let json =
            found.and_then(|it| base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(it).ok()).unwrap_or_default();
        let toast: serde_json::Value = serde_json::from_slice(&json).unwrap_or_default();
        toast["text"].as_str().unwrap_or_default().to_owned()
    }
}
