//! A real identity provider (oidc-provider) as a separate process, which can be told to misbehave.
use super::{TestApp, TestResponse, TestUser};
use guildhall::{
    clients::{oidc::Client, outgoing::Outgoing},
    context::InstallationConfig,
};
use oauth2::http::{Request, Response, header};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::Mutex,
};
use url::{Url, form_urlencoded};

/// Our client id and client secret at the provider.
pub const CLIENT: (&str, &str) = ("guildhall", "a secret");

/// The process ends when this is dropped.
pub struct Provider {
    child: Child,
    /// Its issuer URL.
    pub issuer: String,
    http: Outgoing,
    people: Mutex<Value>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Provider {
    pub fn start() -> Provider {
        let command =
            std::env::var("OIDC_SERVER").expect("OIDC_SERVER runs an identity provider: run ./scripts/test");
        let mut words = command.split_whitespace();
        let mut child = Command::new(words.next().unwrap())
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("PORT=").expect("its port first");
        let issuer = format!("http://127.0.0.1:{port}");
        Provider { child, issuer, http: Outgoing::new(true, None), people: Mutex::new(json!({})) }
    }

    /// Rules under which this provider takes the place of Google.
    pub fn as_google(&self) -> impl Fn(&mut InstallationConfig) + use<> {
        let (id, secret) = CLIENT;
        let client = Client { issuer: self.issuer.clone(), id: id.to_owned(), secret: secret.to_owned() };
        move |rules| rules.social.google = Some(client.clone())
    }

    /// Sets the claims of the user with this login: `{ email, email_verified, groups, … }`.
    pub async fn set_user(&self, name: &str, claims: Value) {
        self.people.lock().unwrap()[name] = claims;
        self.control(Value::Null, json!({})).await;
    }

    /// Makes the provider misbehave in this way from now on; `""` is correct behaviour.
    pub async fn set_fault(&self, fault: &str) {
        let fault = if fault.is_empty() { Value::Null } else { fault.into() };
        self.control(fault, json!({})).await;
    }

    /// Adds metadata of our client, such as where to send logout tokens.
    pub async fn set_client(&self, client: Value) {
        self.control(Value::Null, client).await;
    }

    async fn control(&self, fault: Value, client: Value) {
        let people = self.people.lock().unwrap().clone();
        let body = json!({ "fault": fault, "people": people, "client": client });
        self.post("/control", &body.to_string()).await;
    }

    /// A signed logout token for our client.
    pub async fn logout_token(&self, sub: &str, fault: &str) -> String {
        let body = json!({ "sub": sub, "aud": CLIENT.0, "fault": fault }).to_string();
        String::from_utf8(self.post("/logout-token", &body).await.into_body()).unwrap()
    }

    async fn post(&self, path: &str, body: &str) -> Response<Vec<u8>> {
        let request = Request::post(format!("{}{path}", self.issuer)).body(body.as_bytes().to_vec()).unwrap();
        self.http.send(request).await.unwrap()
    }

    /// Signs in at the provider as a browser that we redirected to `from`; answers where it redirects in the end.
    pub async fn sign_in(&self, from: &str, name: &str) -> String {
        let mut cookies: BTreeMap<String, String> = BTreeMap::new();
        let (mut at, mut form) = (Url::parse(from).unwrap(), None::<String>);
        for _ in 0..6 {
            let jar: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let method = if form.is_some() { "POST" } else { "GET" };
            let request = Request::builder()
                .method(method)
                .uri(at.as_str())
                .header(header::COOKIE, jar.join("; "))
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.take().unwrap_or_default().into_bytes())
                .unwrap();
            let response = self.http.send(request).await.unwrap();
            for cookie in response.headers().get_all(header::SET_COOKIE) {
                let pair = cookie.to_str().unwrap().split(';').next().unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                cookies.insert(name.to_owned(), value.to_owned());
            }
            let location = response.headers().get(header::LOCATION);
            let to = location.map(|value| at.join(value.to_str().unwrap()).unwrap());
            let to = to.unwrap_or_else(|| {
                panic!(
                    "the provider answers {}: {}",
                    response.status(),
                    String::from_utf8_lossy(response.body())
                )
            });
            if !to.as_str().starts_with(&self.issuer) {
                return to.into();
            }
            if to.path().starts_with("/interaction/") {
                form =
                    Some(form_urlencoded::Serializer::new(String::new()).append_pair("login", name).finish());
            }
            at = to;
        }
        panic!("the provider redirects in circles")
    }

    /// Signs in from `start` through the provider and back to our callback, whose response it answers.
    pub async fn sign_in_through(&self, who: &TestUser, start: &str, name: &str) -> TestResponse {
        let authorization = who.get(start).await.assert_status(303).location();
        let callback = self.sign_in(&authorization, name).await;
        who.get(callback.trim_start_matches(super::BASE)).await
    }

    /// Connects an organization with this provider and verifies its domain.
    pub async fn connect(&self, app: &TestApp, owner: &TestUser, slug: &str, domain: &str) {
        let (id, secret) = CLIENT;
        let form = [
            ("issuer", self.issuer.as_str()),
            ("client_id", id),
            ("client_secret", secret),
            ("role", "member"),
        ];
        owner.post(&format!("/a/{slug}/sso"), &form).await.assert_status(303);
        app.approve_domain(slug, domain).await;
    }
}
