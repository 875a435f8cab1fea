//! How invoices are paid: manually, when the operator records a bank transfer, or by a payment provider that stores the
//! cards. The provider's answers to our requests are what counts: its webhooks are only hints to ask it again.
mod stripe;

pub use stripe::Stripe;

use crate::model::{
    id::{AccountId, ChargeId},
    time::Time,
};
use async_trait::async_trait;

/// Why a request to the provider failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// It could not be reached, or is overloaded: the same request may be repeated.
    #[error("{0}")]
    Retry(String),
    /// It rejected the request.
    #[error("{0}")]
    Refused(String),
}

pub type PaymentResult<T> = std::result::Result<T, PaymentError>;

/// A payment to make with a stored card.
#[derive(Clone, Debug)]
pub struct Charge {
    /// The idempotency key: two requests with the same id charge once.
    pub id: ChargeId,
    /// The provider's id of the account.
    pub customer: String,
    /// The provider's id of the card.
    pub method: String,
    /// In minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// The number of the invoice.
    pub invoice: String,
}

/// A payment, as the provider reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The provider's id; `None` if the provider rejected the payment before it gave it one.
    pub reference: Option<String>,
    pub status: PaymentStatus,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentStatus {
    /// The bank has not decided yet.
    Processing,
    Succeeded,
    /// Nothing was charged, for this reason.
    Failed(String),
}

/// A card that the provider stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// The provider's id of the card.
    pub method: String,
    /// `visa`.
    pub brand: String,
    /// The last four digits.
    pub last4: String,
    /// `12/30`.
    pub expires: String,
}

/// What a webhook says may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookHint {
    /// A payment, by the provider's id, and by ours if the provider repeats it.
    Payment(String, Option<ChargeId>),
    /// The cards of a customer, by the provider's id of the customer.
    Card(String),
    /// Nothing that we use.
    Nothing,
}

#[async_trait]
pub trait PaymentProvider: Send + Sync {
    /// Whether cards are accepted. If not, no other method is called.
    fn takes_cards(&self) -> bool;
    /// Registers an account and returns its id there. Idempotent.
    async fn create_customer(&self, account: AccountId, name: &str, email: &str) -> PaymentResult<String>;
    /// The address of a page of the provider on which the customer enters a card, and which then leads to `return_url`.
    async fn card_setup_url(&self, customer: &str, return_url: &str) -> PaymentResult<String>;
    /// The newest card of a customer.
    async fn fetch_card(&self, customer: &str) -> PaymentResult<Option<Card>>;
    async fn charge(&self, charge: &Charge) -> PaymentResult<Payment>;
    /// By the provider's id.
    async fn fetch_payment(&self, reference: &str) -> PaymentResult<Payment>;
    /// Parses a webhook after checking its signature and its age.
    fn parse_webhook(&self, signature: &str, body: &[u8], now: Time) -> Result<WebhookHint, String>;
}

/// Without a provider: the operator records payments.
pub struct Manual;

const NO_PROVIDER: &str = "Invoices are paid by hand here.";

#[async_trait]
impl PaymentProvider for Manual {
    fn takes_cards(&self) -> bool {
        false
    }
    async fn create_customer(&self, _: AccountId, _: &str, _: &str) -> PaymentResult<String> {
        Err(PaymentError::Refused(NO_PROVIDER.into()))
    }
    async fn card_setup_url(&self, _: &str, _: &str) -> PaymentResult<String> {
        Err(PaymentError::Refused(NO_PROVIDER.into()))
    }
    async fn fetch_card(&self, _: &str) -> PaymentResult<Option<Card>> {
        Ok(None)
    }
    async fn charge(&self, _: &Charge) -> PaymentResult<Payment> {
        Err(PaymentError::Refused(NO_PROVIDER.into()))
    }
    async fn fetch_payment(&self, _: &str) -> PaymentResult<Payment> {
        Err(PaymentError::Retry(NO_PROVIDER.into()))
    }
    fn parse_webhook(&self, _: &str, _: &[u8], _: Time) -> Result<WebhookHint, String> {
        Err("No payment provider is set up here.".into())
    }
}
