//! A fake GitHub: its authorization page, its token endpoint and its API.
use crate::harness::BASE;
use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use guildhall::{
    clients::{github::Client, outgoing::Outgoing},
    context::InstallationConfig,
};
use oauth2::http::Request;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

/// What the server answers.
#[derive(Default)]
struct Answers {
    fault: String,
    user: Value,
    emails: Value,
    /// Authorization codes that are issued and not used, with the PKCE challenge of each.
    codes: HashMap<String, String>,
    issued: usize,
}

type Shared = State<Arc<Mutex<Answers>>>;

pub struct GitHub {
    url: String,
    answers: Arc<Mutex<Answers>>,
}

impl GitHub {
    pub async fn start() -> GitHub {
        let answers = Arc::<Mutex<Answers>>::default();
        let router = Router::new()
            .route("/login/oauth/authorize", get(authorize))
            .route("/login/oauth/access_token", post(token))
            .route("/api/v3/user", get(user))
            .route("/api/v3/user/emails", get(emails))
            .with_state(answers.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        GitHub { url, answers }
    }
    pub fn rules(&self) -> impl Fn(&mut InstallationConfig) + use<> {
        let url = self.url.clone();
        move |rules| {
            let (id, secret) = ("an id".to_owned(), "a secret".to_owned());
            rules.social.github = Some(Client { url: url.clone(), id, secret });
        }
    }
    /// Sets the user who is signed in at GitHub.
    pub fn set_user(&self, id: u64, login: &str, email: &str, verified: bool) {
        let mut answers = self.answers.lock().unwrap();
        answers.user = json!({ "id": id, "login": login, "name": null, "email": email, "type": "User" });
        answers.emails = json!([
            { "email": format!("{id}+{login}@users.noreply.github.test"), "primary": false, "verified": true, "visibility": null },
            { "email": email, "primary": true, "verified": verified, "visibility": "private" },
        ]);
    }
    /// Makes the server misbehave in this way from now on; `""` is correct behaviour.
    pub fn set_fault(&self, fault: &str) {
        fault.clone_into(&mut self.answers.lock().unwrap().fault);
    }
    /// Opens the authorization page as a browser that we redirected there; answers the path of our callback.
    pub async fn sign_in(&self, start: &str) -> String {
        assert!(start.starts_with(&self.url), "{start}");
        let response =
            Outgoing::new(true, None).send(Request::get(start).body(vec![]).unwrap()).await.unwrap();
        let to = response.headers().get(header::LOCATION).expect("a redirect").to_str().unwrap().to_owned();
        to.strip_prefix(BASE).expect("a redirect to this app").to_owned()
    }
}

fn parse(text: &str) -> HashMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

async fn authorize(State(answers): Shared, RawQuery(query): RawQuery) -> Response {
    let query = parse(&query.unwrap());
    let mut answers = answers.lock().unwrap();
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["client_id"], "an id");
    assert!(query["state"].len() >= 43, "a state of 256 bits");
    let mut to = url::Url::parse(&query["redirect_uri"]).unwrap();
    to.query_pairs_mut().append_pair("state", &query["state"]);
    if answers.fault == "denied" {
        to.query_pairs_mut()
            .append_pair("error", "access_denied")
            .append_pair("error_description", "The user has denied your application access.");
    } else {
        answers.issued += 1;
        let code = format!("code{}", answers.issued);
        to.query_pairs_mut().append_pair("code", &code);
        answers.codes.insert(code, query["code_challenge"].clone());
    }
    Redirect::to(to.as_str()).into_response()
}

async fn token(State(answers): Shared, headers: HeaderMap, body: String) -> Response {
    let form = parse(&body);
    let mut answers = answers.lock().unwrap();
    match answers.fault.as_str() {
        "down" => return (StatusCode::SERVICE_UNAVAILABLE, "<h1>Unicorn!</h1>").into_response(),
        "html" => return "<h1>Hello</h1>".into_response(),
        _ => {}
    }
    assert_eq!(headers[header::ACCEPT], "application/json");
    if (form["client_id"].as_str(), form["client_secret"].as_str()) != ("an id", "a secret") {
        return Json(json!({ "error": "incorrect_client_credentials", "error_description": "Wrong." }))
            .into_response();
    }
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    if answers.codes.remove(&form["code"]) != Some(challenge) {
        let detail = "The code passed is incorrect or expired.";
        return Json(json!({ "error": "bad_verification_code", "error_description": detail }))
            .into_response();
    }
    Json(json!({ "access_token": "gho_token", "token_type": "bearer", "scope": "read:user,user:email" }))
        .into_response()
}

fn answer(answers: &Answers, headers: &HeaderMap, body: &Value) -> Response {
    if answers.fault == "api-down" {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    // GitHub requires a user agent.
    let is_accepted =
        headers.get(header::USER_AGENT).is_some() && headers[header::AUTHORIZATION] == "Bearer gho_token";
    if is_accepted { Json(body.clone()).into_response() } else { StatusCode::FORBIDDEN.into_response() }
}

async fn user(State(answers): Shared, headers: HeaderMap) -> Response {
    let answers = answers.lock().unwrap();
    answer(&answers, &headers, &answers.user)
}

async fn emails(State(answers): Shared, headers: HeaderMap) -> Response {
    let answers = answers.lock().unwrap();
    answer(&answers, &headers, &answers.emails)
}
