//! A server that speaks what GitHub speaks: its authorization page, its token endpoint, its API.
use crate::harness::BASE;
use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use guildhall::kit::{Rules, github::Client, outgoing::Outgoing};
use oauth2::http::Request;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

#[derive(Default)]
struct Said {
    fault: String,
    user: Value,
    emails: Value,
    /// Codes that were given and not used, and what must be shown with each.
    codes: HashMap<String, String>,
    given: usize,
}

type Held = State<Arc<Mutex<Said>>>;

pub struct GitHub {
    url: String,
    said: Arc<Mutex<Said>>,
}

impl GitHub {
    pub async fn start() -> GitHub {
        let said = Arc::<Mutex<Said>>::default();
        let router = Router::new()
            .route("/login/oauth/authorize", get(authorize))
            .route("/login/oauth/access_token", post(token))
            .route("/api/v3/user", get(user))
            .route("/api/v3/user/emails", get(emails))
            .with_state(said.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        GitHub { url, said }
    }
    pub fn rules(&self) -> impl Fn(&mut Rules) + use<> {
        let url = self.url.clone();
        move |it| {
            let (id, secret) = ("an id".to_owned(), "a secret".to_owned());
            it.social.github = Some(Client { url: url.clone(), id, secret });
        }
    }
    /// Who is signed in there.
    pub fn is(&self, id: u64, login: &str, email: &str, verified: bool) {
        let mut said = self.said.lock().unwrap();
        said.user = json!({ "id": id, "login": login, "name": null, "email": email, "type": "User" });
        said.emails = json!([
            { "email": format!("{id}+{login}@users.noreply.github.test"), "primary": false, "verified": true, "visibility": null },
            { "email": email, "primary": true, "verified": verified, "visibility": "private" },
        ]);
    }
    /// What goes wrong from now on; nothing if empty.
    pub fn fault(&self, fault: &str) {
        fault.clone_into(&mut self.said.lock().unwrap().fault);
    }
    /// Follows the way from where we send people, and says where we are called back.
    pub async fn walk(&self, start: &str) -> String {
        assert!(start.starts_with(&self.url), "{start}");
        let said = Outgoing::new(true, None).call(Request::get(start).body(vec![]).unwrap()).await.unwrap();
        let to = said.headers().get(header::LOCATION).expect("back").to_str().unwrap().to_owned();
        to.strip_prefix(BASE).expect("to us").to_owned()
    }
}

fn pairs(text: &str) -> HashMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

async fn authorize(State(said): Held, RawQuery(asked): RawQuery) -> Response {
    let asked = pairs(&asked.unwrap());
    let mut said = said.lock().unwrap();
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(asked["client_id"], "an id");
    assert!(asked["state"].len() >= 43, "a state of 256 bits");
    let mut to = url::Url::parse(&asked["redirect_uri"]).unwrap();
    to.query_pairs_mut().append_pair("state", &asked["state"]);
    if said.fault == "denied" {
        to.query_pairs_mut()
            .append_pair("error", "access_denied")
            .append_pair("error_description", "The user has denied your application access.");
    } else {
        said.given += 1;
        let code = format!("code{}", said.given);
        to.query_pairs_mut().append_pair("code", &code);
        said.codes.insert(code, asked["code_challenge"].clone());
    }
    Redirect::to(to.as_str()).into_response()
}

async fn token(State(said): Held, headers: HeaderMap, asked: String) -> Response {
    let asked = pairs(&asked);
    let mut said = said.lock().unwrap();
    match said.fault.as_str() {
        "down" => return (StatusCode::SERVICE_UNAVAILABLE, "<h1>Unicorn!</h1>").into_response(),
        "html" => return "<h1>Hello</h1>".into_response(),
        _ => {}
    }
    assert_eq!(headers[header::ACCEPT], "application/json");
    if (asked["client_id"].as_str(), asked["client_secret"].as_str()) != ("an id", "a secret") {
        return Json(json!({ "error": "incorrect_client_credentials", "error_description": "Wrong." }))
            .into_response();
    }
    let shown = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&asked["code_verifier"]));
    if said.codes.remove(&asked["code"]) != Some(shown) {
        let detail = "The code passed is incorrect or expired.";
        return Json(json!({ "error": "bad_verification_code", "error_description": detail }))
            .into_response();
    }
    Json(json!({ "access_token": "gho_token", "token_type": "bearer", "scope": "read:user,user:email" }))
        .into_response()
}

fn answer(said: &Said, headers: &HeaderMap, what: &Value) -> Response {
    if said.fault == "api-down" {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    // GitHub answers nobody who does not say who they are.
    let is_known =
        headers.get(header::USER_AGENT).is_some() && headers[header::AUTHORIZATION] == "Bearer gho_token";
    if is_known { Json(what.clone()).into_response() } else { StatusCode::FORBIDDEN.into_response() }
}

async fn user(State(said): Held, headers: HeaderMap) -> Response {
    let said = said.lock().unwrap();
    answer(&said, &headers, &said.user)
}

async fn emails(State(said): Held, headers: HeaderMap) -> Response {
    let said = said.lock().unwrap();
    answer(&said, &headers, &said.emails)
}
