//! A server that speaks the Stripe API.
use super::WEBHOOK_SECRET;
use guildhall::clients::payments::{PaymentProvider, Stripe};
use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
};

/// A process that runs `servers/stripe.py`.
pub struct Server {
    child: Child,
    pub url: String,
}
impl Server {
    pub fn start() -> Server {
        let command =
            std::env::var("STRIPE_SERVER").expect("STRIPE_SERVER runs a Stripe: run ./scripts/test");
        let mut words = command.split_whitespace();
        let mut child = Command::new(words.next().unwrap())
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.next().unwrap().strip_prefix("PORT=").unwrap().to_owned();
        Server { child, url: format!("http://127.0.0.1:{port}") }
    }
    pub fn till(&self) -> Arc<dyn PaymentProvider> {
        Arc::new(Stripe::new(&self.url, "sk_test_1", WEBHOOK_SECRET).unwrap())
    }
    pub async fn post(&self, url: &str, form: &[(&str, &str)]) {
        let client = http_client();
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = client
            .post(url)
            .basic_auth("sk_test_1", None::<&str>)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let response = request.send().await.unwrap();
        assert!(response.status().as_u16() < 400, "{}", response.status());
    }
    /// The idempotency key of every payment request, in order, repeats included.
    pub async fn seen(&self) -> Vec<String> {
        let response = http_client()
            .get(format!("{}/_seen", self.url))
            .basic_auth("sk_test_1", None::<&str>)
            .send()
            .await
            .unwrap();
        response.json::<Vec<String>>().await.unwrap()
    }
}
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn http_client() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let none = reqwest::redirect::Policy::none();
    reqwest::Client::builder().tls_backend_preconfigured(tls).redirect(none).build().unwrap()
}
