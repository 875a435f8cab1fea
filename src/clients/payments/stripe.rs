//! Stripe, by its HTTP API. The card is entered on Stripe's own page, and is charged by a payment intent.
use super::{Answer, Card, Charge, Failure, Hint, Outcome, State, Till};
use crate::model::{
    id::{AccountId, ChargeId},
    time::Time,
};
use async_trait::async_trait;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Client, Method, redirect};
use serde_json::Value;
use sha2::Sha256;
use std::{sync::Arc, time::Duration};

/// The version of the API that is spoken.
const VERSION: &str = "2025-03-31.basil";
/// For one request.
const PATIENCE: Duration = Duration::from_secs(20);
/// How old, or how far ahead, what Stripe sends may be, in seconds.
const SKEW: u64 = 300;

/// Stripe.
pub struct Stripe {
    client: Client,
    url: String,
    secret: String,
    webhook_secret: String,
}

impl Stripe {
    /// With an account's secret key, and the secret that signs what it sends. `url` is Stripe's own but for tests.
    pub fn new(url: &str, secret: &str, webhook_secret: &str) -> Result<Stripe, String> {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned();
        let mut store = rustls::RootCertStore::empty();
        store.extend(roots);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let tls = tls.map_err(|it| it.to_string())?.with_root_certificates(store).with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(PATIENCE)
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|it| it.to_string())?;
        let (secret, webhook_secret) = (secret.to_owned(), webhook_secret.to_owned());
        Ok(Stripe { client, url: url.trim_end_matches('/').to_owned(), secret, webhook_secret })
    }
    /// Whether it answers, and takes our secret key.
    pub async fn check(&self) -> Answer<()> {
        self.ask(Method::GET, "/v1/customers", &[("limit", "1")], None).await.map(drop)
    }
    async fn ask(
        &self,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
        once: Option<String>,
    ) -> Answer<Value> {
        let query = if method == Method::GET && !form.is_empty() {
            let pairs = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
            format!("?{pairs}")
        } else {
            String::new()
        };
        let is_get = method == Method::GET;
        let mut request = self.client.request(method, format!("{}{path}{query}", self.url));
        request = request.basic_auth(&self.secret, None::<&str>).header("stripe-version", VERSION);
        if let Some(once) = once {
            request = request.header("idempotency-key", once);
        }
        if !is_get {
            request = request.form(form);
        }
        let away =
            |it: reqwest::Error| Failure::Retry(format!("Stripe cannot be reached ({}).", it.without_url()));
        let answer = request.send().await.map_err(away)?;
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap_or_default();
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let said = body["error"]["message"].as_str().unwrap_or("It gave no reason.");
        let said = crate::emails::one_line(said, 300);
        Err(match status {
            // The same request is still on its way, too many came, or Stripe itself fails.
            409 | 429 | 500.. => Failure::Retry(format!("Stripe answered {status}: {said}")),
            401 | 403 => Failure::Retry(format!("Stripe does not take our secret key: {said}")),
            _ => Failure::Refused(said),
        })
    }
}

fn text(it: &Value, what: &str) -> Answer<String> {
    let found = it[what].as_str().map(str::to_owned);
    found.ok_or_else(|| Failure::Retry(format!("Stripe answered without “{what}”.")))
}

fn outcome(it: &Value) -> Answer<Outcome> {
    let reference = Some(text(it, "id")?);
    let state = match it["status"].as_str().unwrap_or_default() {
        "succeeded" => State::Succeeded,
        "processing" => State::Processing,
        "requires_action" => State::Failed("The bank wants to see the cardholder for this card.".into()),
        "canceled" => State::Failed("The payment was cancelled.".into()),
        "requires_payment_method" | "requires_confirmation" | "requires_capture" => {
            let said = it["last_payment_error"]["message"].as_str().unwrap_or("The card was declined.");
            State::Failed(crate::emails::one_line(said, 300))
        }
        other => return Err(Failure::Retry(format!("Stripe says “{other}”."))),
    };
    Ok(Outcome { reference, state })
}

#[async_trait]
impl Till for Stripe {
    fn takes_cards(&self) -> bool {
        true
    }
    async fn customer(&self, account: AccountId, name: &str, email: &str) -> Answer<String> {
        let account = account.to_string();
        let form = [("name", name), ("email", email), ("metadata[account]", &account)];
        let made =
            self.ask(Method::POST, "/v1/customers", &form, Some(format!("customer-{account}"))).await?;
        text(&made, "id")
    }
    async fn card_page(&self, customer: &str, back: &str) -> Answer<String> {
        let form = [
            ("mode", "setup"),
            ("customer", customer),
            ("payment_method_types[]", "card"),
            ("success_url", back),
            ("cancel_url", back),
        ];
        let made = self.ask(Method::POST, "/v1/checkout/sessions", &form, None).await?;
        text(&made, "url")
    }
    async fn card(&self, customer: &str) -> Answer<Option<Card>> {
        let form = [("customer", customer), ("type", "card"), ("limit", "1")];
        let found = self.ask(Method::GET, "/v1/payment_methods", &form, None).await?;
        let Some(it) = found["data"].as_array().and_then(|it| it.first()) else { return Ok(None) };
        let card = &it["card"];
        let word = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        let (month, year) = (card["exp_month"].as_i64().unwrap_or(0), card["exp_year"].as_i64().unwrap_or(0));
        let expires = format!("{month:02}/{:02}", year.rem_euclid(100));
        Ok(Some(Card {
            method: text(it, "id")?,
            brand: word(&card["brand"]),
            last4: word(&card["last4"]),
            expires,
        }))
    }
    async fn charge(&self, charge: &Charge) -> Answer<Outcome> {
        let (amount, id) = (charge.amount.to_string(), charge.id.to_string());
        let currency = charge.currency.to_lowercase();
        let form = [
            ("amount", amount.as_str()),
            ("currency", &currency),
            ("customer", &charge.customer),
            ("payment_method", &charge.method),
            ("payment_method_types[]", "card"),
            ("confirm", "true"),
            ("off_session", "true"),
            ("metadata[charge]", &id),
            ("metadata[invoice]", &charge.invoice),
        ];
        match self.ask(Method::POST, "/v1/payment_intents", &form, Some(format!("charge-{id}"))).await {
            Ok(made) => outcome(&made),
            Err(Failure::Refused(said)) => Ok(Outcome { reference: None, state: State::Failed(said) }),
            Err(other) => Err(other),
        }
    }
    async fn look(&self, reference: &str) -> Answer<Outcome> {
        outcome(&self.ask(Method::GET, &format!("/v1/payment_intents/{reference}"), &[], None).await?)
    }
    fn heard(&self, signature: &str, body: &[u8], now: Time) -> Result<Hint, String> {
        let field = |name: &'static str| {
            signature.split(',').filter_map(|it| it.trim().split_once('=')).filter(move |it| it.0 == name)
        };
        let stamp = field("t").next().map(|it| it.1).ok_or("It is not signed.")?;
        let at = stamp.parse::<i64>().map_err(|_| "Its time is none.")?;
        let mut key =
            Hmac::<Sha256>::new_from_slice(self.webhook_secret.as_bytes()).map_err(|it| it.to_string())?;
        key.update(stamp.as_bytes());
        key.update(b".");
        key.update(body);
        if !field("v1").filter_map(|it| unhex(it.1)).any(|it| key.clone().verify_slice(&it).is_ok()) {
            return Err("Its signature is wrong.".into());
        }
        if at.abs_diff(now.0.div_euclid(1_000_000)) > SKEW {
            return Err("It is not from now.".into());
        }
        let event: Value = serde_json::from_slice(body).map_err(|_| "It is not JSON.")?;
        let it = &event["data"]["object"];
        let word = |it: &Value| it.as_str().map(str::to_owned);
        let kind = event["type"].as_str().unwrap_or_default();
        let hint = match kind.split('.').next().unwrap_or_default() {
            "payment_intent" => word(&it["id"]).map(|id| {
                Hint::Payment(
                    id,
                    it["metadata"]["charge"].as_str().and_then(|it| it.parse::<ChargeId>().ok()),
                )
            }),
            "checkout" | "setup_intent" | "payment_method" => word(&it["customer"]).map(Hint::Card),
            "customer" => word(&it["id"]).map(Hint::Card),
            _ => None,
        };
        Ok(hint.unwrap_or(Hint::Nothing))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (text.len() == 64).then(|| (0..64).step_by(2).map(pair).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(secret: &str, at: i64, body: &[u8]) -> String {
        let mut key = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
        key.update(format!("{at}.").as_bytes());
        key.update(body);
        let hex: String = key.finalize().into_bytes().iter().map(|it| format!("{it:02x}")).collect();
        format!("t={at},v1=00,v1={hex}")
    }

    #[test]
    fn only_what_stripe_signed_now_is_heard() {
        let stripe = Stripe::new("http://127.0.0.1:1", "sk_test", "whsec").expect("a client");
        let now = Time(1_700_000_000_000_000);
        let body = br#"{"type":"payment_intent.succeeded","data":{"object":{"id":"pi_1","metadata":{}}}}"#;
        let good = signed("whsec", 1_700_000_000, body);
        assert_eq!(stripe.heard(&good, body, now), Ok(Hint::Payment("pi_1".into(), None)));
        assert!(stripe.heard(&good, b"{}", now).is_err());
        assert!(stripe.heard(&signed("other", 1_700_000_000, body), body, now).is_err());
        for at in [1_699_999_000, 1_700_001_000, i64::MIN, i64::MAX] {
            assert!(stripe.heard(&signed("whsec", at, body), body, now).is_err(), "{at}");
        }
        for bad in ["", "t=1", "v1=00", "t=x,v1=y", "t=1700000000,v1=é", "garbage"] {
            assert!(stripe.heard(bad, body, now).is_err(), "{bad}");
        }
        let other = br#"{"type":"customer.updated","data":{"object":{"id":"cus_1"}}}"#;
        assert_eq!(
            stripe.heard(&signed("whsec", 1_700_000_000, other), other, now),
            Ok(Hint::Card("cus_1".into()))
        );
        let none = b"[]";
        assert_eq!(stripe.heard(&signed("whsec", 1_700_000_000, none), none, now), Ok(Hint::Nothing));
    }
}
