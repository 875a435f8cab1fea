//! A real OpenID Connect provider in Google's place, and somebody who signs in there.
use crate::harness::BASE;
use guildhall::kit::{Rules, oidc::Client, outgoing::Outgoing};
use oauth2::http::{Request, Response, header};
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};
use url::Url;

pub struct Google {
    child: Child,
    issuer: String,
    outgoing: Outgoing,
}

impl Drop for Google {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Google {
    pub fn start() -> Google {
        let command =
            std::env::var("OIDC_SERVER").expect("OIDC_SERVER starts a provider: run ./scripts/test");
        let mut words = command.split(' ');
        let mut child = Command::new(words.next().unwrap())
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("PORT=").expect("a port");
        Google { child, issuer: format!("http://127.0.0.1:{port}"), outgoing: Outgoing::new(true, None) }
    }
    pub fn rules(&self) -> impl Fn(&mut Rules) + use<> {
        let issuer = self.issuer.clone();
        move |it| {
            let (id, secret) = ("guildhall".to_owned(), "a secret".to_owned());
            it.social.google = Some(Client { issuer: issuer.clone(), id, secret });
        }
    }
    /// Says what it is to do from now on.
    pub async fn control(&self, what: serde_json::Value) {
        let request = Request::post(format!("{}/control", self.issuer)).body(what.to_string().into_bytes());
        self.outgoing.call(request.unwrap()).await.unwrap();
    }
    /// Follows the way from where we send people, signs in there, and says where we are called back.
    pub async fn walk(&self, start: &str, login: &str) -> String {
        let mut jar = BTreeMap::new();
        let mut at = Url::parse(start).unwrap();
        for _ in 0..10 {
            if at.as_str().starts_with(BASE) {
                return at.as_str()[BASE.len()..].to_owned();
            }
            let cookies: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let form = at.path().starts_with("/interaction/").then(|| format!("login={login}"));
            let builder = match &form {
                Some(_) => Request::post(at.as_str())
                    .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded"),
                None => Request::get(at.as_str()),
            };
            let request = builder
                .header(header::COOKIE, cookies.join("; "))
                .body(form.unwrap_or_default().into_bytes());
            let said: Response<Vec<u8>> = self.outgoing.call(request.unwrap()).await.unwrap();
            for set in said.headers().get_all(header::SET_COOKIE) {
                let (name, rest) = set.to_str().unwrap().split_once('=').unwrap();
                jar.insert(name.to_owned(), rest.split(';').next().unwrap().to_owned());
            }
            let to = said.headers().get(header::LOCATION).map(|it| it.to_str().unwrap().to_owned());
            let Some(to) = to else {
                panic!("{at} says {}: {}", said.status(), String::from_utf8_lossy(said.body()))
            };
            at = at.join(&to).unwrap();
        }
        panic!("{start} leads nowhere");
    }
}
