//! A real identity provider (oidc-provider) in a process of its own, with the faults of others on demand.
use super::{House, Person, Said};
use guildhall::kit::{Rules, oidc::Client, outgoing::Outgoing};
use oauth2::http::{Request, Response, header};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::Mutex,
};
use url::{Url, form_urlencoded};

/// Our name and secret there.
pub const CLIENT: (&str, &str) = ("guildhall", "a secret");

/// The provider. It ends with the test.
pub struct Provider {
    child: Child,
    /// What it calls itself.
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
    /// Starts it.
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
    /// In Google's place.
    pub fn as_google(&self) -> impl Fn(&mut Rules) + use<> {
        let (id, secret) = CLIENT;
        let client = Client { issuer: self.issuer.clone(), id: id.to_owned(), secret: secret.to_owned() };
        move |it| it.social.google = Some(client.clone())
    }
    /// Somebody is not what their name says: `{ email, email_verified, groups, … }`.
    pub async fn knows(&self, name: &str, claims: Value) {
        self.people.lock().unwrap()[name] = claims;
        self.control(Value::Null, json!({})).await;
    }
    /// From now on it makes this fault; none for `""`.
    pub async fn fault(&self, fault: &str) {
        let fault = if fault.is_empty() { Value::Null } else { fault.into() };
        self.control(fault, json!({})).await;
    }
    /// Tells it more of its client: where to send logout tokens.
    pub async fn client(&self, client: Value) {
        self.control(Value::Null, client).await;
    }
    async fn control(&self, fault: Value, client: Value) {
        let people = self.people.lock().unwrap().clone();
        let said = json!({ "fault": fault, "people": people, "client": client });
        self.post("/control", &said.to_string()).await;
    }
    /// A logout token for our client.
    pub async fn logout_token(&self, sub: &str, fault: &str) -> String {
        let body = json!({ "sub": sub, "aud": CLIENT.0, "fault": fault }).to_string();
        String::from_utf8(self.post("/logout-token", &body).await.into_body()).unwrap()
    }
    async fn post(&self, path: &str, body: &str) -> Response<Vec<u8>> {
        let request = Request::post(format!("{}{path}", self.issuer)).body(body.as_bytes().to_vec()).unwrap();
        self.http.call(request).await.unwrap()
    }

    /// Signs in there as somebody, from the address that we sent a browser to; where it sends the browser then.
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
            let said = self.http.call(request).await.unwrap();
            for set in said.headers().get_all(header::SET_COOKIE) {
                let pair = set.to_str().unwrap().split(';').next().unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                cookies.insert(name.to_owned(), value.to_owned());
            }
            let to = said.headers().get(header::LOCATION).map(|it| at.join(it.to_str().unwrap()).unwrap());
            let to = to.unwrap_or_else(|| {
                panic!("the provider says {}: {}", said.status(), String::from_utf8_lossy(said.body()))
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
        panic!("the provider sends the browser in circles")
    }
    /// The whole way: from a page of ours through the provider, and what we say then.
    pub async fn enter(&self, who: &Person, start: &str, name: &str) -> Said {
        let there = who.get(start).await.is(303).location();
        let back = self.sign_in(&there, name).await;
        who.get(back.trim_start_matches(super::BASE)).await
    }
    /// Connects an organization with it, for whose domain the operator vouches.
    pub async fn connect(&self, house: &House, owner: &Person, slug: &str, domain: &str) {
        let (id, secret) = CLIENT;
        let form = [
            ("issuer", self.issuer.as_str()),
            ("client_id", id),
            ("client_secret", secret),
            ("role", "member"),
        ];
        owner.post(&format!("/a/{slug}/sso"), &form).await.is(303);
        house.vouch(slug, domain).await;
    }
}
