//! Stripe, by its HTTP API. Cards are entered on Stripe's own page (Checkout) and charged with payment intents.
use super::{
    Card, Charge, Payment, PaymentError, PaymentProvider, PaymentResult, PaymentStatus, WebhookHint,
};
use crate::{
    clients::one_line,
    model::{
        id::{AccountId, ChargeId},
        time::Time,
    },
};
use async_trait::async_trait;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Client, Method, redirect};
use serde_json::Value;
use sha2::Sha256;
use std::{sync::Arc, time::Duration};

const API_VERSION: &str = "2025-03-31.basil";
/// For one request.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How much older or newer than now a webhook may be, in seconds.
const TOLERANCE: u64 = 300;

pub struct Stripe {
    client: Client,
    url: String,
    secret: String,
    webhook_secret: String,
}

impl Stripe {
    /// `secret` is the secret key of the API, `webhook_secret` signs webhooks. Only tests use another `url` than Stripe's own.
    pub fn new(url: &str, secret: &str, webhook_secret: &str) -> Result<Stripe, String> {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned();
        let mut store = rustls::RootCertStore::empty();
        store.extend(roots);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let tls = tls.map_err(|error| error.to_string())?.with_root_certificates(store).with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        let (secret, webhook_secret) = (secret.to_owned(), webhook_secret.to_owned());
        Ok(Stripe { client, url: url.trim_end_matches('/').to_owned(), secret, webhook_secret })
    }
    /// Checks that Stripe answers and accepts the secret key.
    pub async fn check(&self) -> PaymentResult<()> {
        self.request(Method::GET, "/v1/customers", &[("limit", "1")], None).await.map(drop)
    }
    async fn request(
        &self,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
        idempotency_key: Option<String>,
    ) -> PaymentResult<Value> {
        let query = if method == Method::GET && !form.is_empty() {
            let pairs = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
            format!("?{pairs}")
        } else {
            String::new()
        };
        let is_get = method == Method::GET;
        let mut request = self.client.request(method, format!("{}{path}{query}", self.url));
        request = request.basic_auth(&self.secret, None::<&str>).header("stripe-version", API_VERSION);
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if !is_get {
            request = request.form(form);
        }
        let unreachable = |error: reqwest::Error| {
            PaymentError::Retry(format!("Stripe cannot be reached ({}).", error.without_url()))
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap_or_default();
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let message = body["error"]["message"].as_str().unwrap_or("It gave no reason.");
        let message = one_line(message, 300);
        Err(match status {
            // The same request is still being processed, there are too many, or Stripe itself fails.
            409 | 429 | 500.. => PaymentError::Retry(format!("Stripe answered {status}: {message}")),
            401 | 403 => PaymentError::Retry(format!("Stripe does not accept our secret key: {message}")),
            _ => PaymentError::Refused(message),
        })
    }
}

fn text(object: &Value, field: &str) -> PaymentResult<String> {
    let value = object[field].as_str().map(str::to_owned);
    value.ok_or_else(|| PaymentError::Retry(format!("Stripe answered without “{field}”.")))
}

fn payment(intent: &Value) -> PaymentResult<Payment> {
    let reference = Some(text(intent, "id")?);
    let status = match intent["status"].as_str().unwrap_or_default() {
        "succeeded" => PaymentStatus::Succeeded,
        "processing" => PaymentStatus::Processing,
        "requires_action" => {
            PaymentStatus::Failed("The bank asks the cardholder to confirm payments with this card.".into())
        }
        "canceled" => PaymentStatus::Failed("The payment was cancelled.".into()),
        "requires_payment_method" | "requires_confirmation" | "requires_capture" => {
            let message =
                intent["last_payment_error"]["message"].as_str().unwrap_or("The card was declined.");
            PaymentStatus::Failed(one_line(message, 300))
        }
        other => {
            return Err(PaymentError::Retry(format!("Stripe answered with the unknown status “{other}”.")));
        }
    };
    Ok(Payment { reference, status })
}

#[async_trait]
impl PaymentProvider for Stripe {
    fn takes_cards(&self) -> bool {
        true
    }
    async fn create_customer(&self, account: AccountId, name: &str, email: &str) -> PaymentResult<String> {
        let account = account.to_string();
        let form = [("name", name), ("email", email), ("metadata[account]", &account)];
        let created =
            self.request(Method::POST, "/v1/customers", &form, Some(format!("customer-{account}"))).await?;
        text(&created, "id")
    }
    async fn card_setup_url(&self, customer: &str, return_url: &str) -> PaymentResult<String> {
        let form = [
            ("mode", "setup"),
            ("customer", customer),
            ("payment_method_types[]", "card"),
            ("success_url", return_url),
            ("cancel_url", return_url),
        ];
        let page = self.request(Method::POST, "/v1/checkout/sessions", &form, None).await?;
        text(&page, "url")
    }
    async fn fetch_card(&self, customer: &str) -> PaymentResult<Option<Card>> {
        let form = [("customer", customer), ("type", "card"), ("limit", "1")];
        let list = self.request(Method::GET, "/v1/payment_methods", &form, None).await?;
        let Some(method) = list["data"].as_array().and_then(|methods| methods.first()) else {
            return Ok(None);
        };
        let card = &method["card"];
        let owned = |field: &Value| field.as_str().unwrap_or_default().to_owned();
        let (month, year) = (card["exp_month"].as_i64().unwrap_or(0), card["exp_year"].as_i64().unwrap_or(0));
        let expires = format!("{month:02}/{:02}", year.rem_euclid(100));
        Ok(Some(Card {
            method: text(method, "id")?,
            brand: owned(&card["brand"]),
            last4: owned(&card["last4"]),
            expires,
        }))
    }
    async fn charge(&self, charge: &Charge) -> PaymentResult<Payment> {
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
        match self.request(Method::POST, "/v1/payment_intents", &form, Some(format!("charge-{id}"))).await {
            Ok(intent) => payment(&intent),
            Err(PaymentError::Refused(reason)) => {
                Ok(Payment { reference: None, status: PaymentStatus::Failed(reason) })
            }
            Err(other) => Err(other),
        }
    }
    async fn fetch_payment(&self, reference: &str) -> PaymentResult<Payment> {
        payment(&self.request(Method::GET, &format!("/v1/payment_intents/{reference}"), &[], None).await?)
    }
    fn parse_webhook(&self, signature: &str, body: &[u8], now: Time) -> Result<WebhookHint, String> {
        self.verify_signature(signature, body, now)?;
        let event: Value = serde_json::from_slice(body).map_err(|_| "The body is not JSON.")?;
        Ok(hint(&event).unwrap_or(WebhookHint::Nothing))
    }
}

impl Stripe {
    /// `signature` is a `Stripe-Signature` header: `t=seconds,v1=hex,v1=hex`. Any of the signatures may be the right one.
    fn verify_signature(&self, signature: &str, body: &[u8], now: Time) -> Result<(), String> {
        let values = |name: &'static str| {
            let pairs = signature.split(',').filter_map(|pair| pair.trim().split_once('='));
            pairs.filter(move |(key, _)| *key == name).map(|(_, value)| value)
        };
        let timestamp = values("t").next().ok_or("The request is not signed.")?;
        let at = timestamp.parse::<i64>().map_err(|_| "The timestamp is not a number.")?;
        let key = self.webhook_secret.as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|error| error.to_string())?;
        mac.update(timestamp.as_bytes());
        mac.update(b".");
        mac.update(body);
        if !values("v1").filter_map(decode_hex).any(|bytes| mac.clone().verify_slice(&bytes).is_ok()) {
            return Err("The signature is wrong.".into());
        }
        if at.abs_diff(now.0.div_euclid(1_000_000)) > TOLERANCE {
            return Err("The timestamp is outside the five-minute tolerance.".into());
        }
        Ok(())
    }
}

fn hint(event: &Value) -> Option<WebhookHint> {
    let object = &event["data"]["object"];
    let owned = |field: &Value| field.as_str().map(str::to_owned);
    match event["type"].as_str()?.split('.').next()? {
        "payment_intent" => {
            let charge = object["metadata"]["charge"].as_str().and_then(|id| id.parse::<ChargeId>().ok());
            Some(WebhookHint::Payment(owned(&object["id"])?, charge))
        }
        "checkout" | "setup_intent" | "payment_method" => owned(&object["customer"]).map(WebhookHint::Card),
        "customer" => owned(&object["id"]).map(WebhookHint::Card),
        _ => None,
    }
}

/// 32 bytes.
fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (text.len() == 64).then(|| (0..64).step_by(2).map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(secret: &str, at: i64, body: &[u8]) -> String {
        let mut key = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
        key.update(format!("{at}.").as_bytes());
        key.update(body);
        let hex: String = key.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={at},v1=00,v1={hex}")
    }

    #[test]
    fn only_webhooks_that_stripe_signed_now_are_accepted() {
        let stripe = Stripe::new("http://127.0.0.1:1", "sk_test", "whsec").expect("a client");
        let now = Time(1_700_000_000_000_000);
        let body = br#"{"type":"payment_intent.succeeded","data":{"object":{"id":"pi_1","metadata":{}}}}"#;
        let good = signed("whsec", 1_700_000_000, body);
        assert_eq!(stripe.parse_webhook(&good, body, now), Ok(WebhookHint::Payment("pi_1".into(), None)));
        assert!(stripe.parse_webhook(&good, b"{}", now).is_err());
        assert!(stripe.parse_webhook(&signed("other", 1_700_000_000, body), body, now).is_err());
        for at in [1_699_999_000, 1_700_001_000, i64::MIN, i64::MAX] {
            assert!(stripe.parse_webhook(&signed("whsec", at, body), body, now).is_err(), "{at}");
        }
        for bad in ["", "t=1", "v1=00", "t=x,v1=y", "t=1700000000,v1=é", "garbage"] {
            assert!(stripe.parse_webhook(bad, body, now).is_err(), "{bad}");
        }
        let other = br#"{"type":"customer.updated","data":{"object":{"id":"cus_1"}}}"#;
        assert_eq!(
            stripe.parse_webhook(&signed("whsec", 1_700_000_000, other), other, now),
            Ok(WebhookHint::Card("cus_1".into()))
        );
        let none = b"[]";
        assert_eq!(
            stripe.parse_webhook(&signed("whsec", 1_700_000_000, none), none, now),
            Ok(WebhookHint::Nothing)
        );
    }
}
