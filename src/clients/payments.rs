//! Where the money of an invoice comes from. By hand: it arrives somehow, and the operator says so. Or by a payment provider,
//! which keeps the card and is asked what became of a payment: what it sends us of its own accord is only a hint to ask.
mod stripe;

pub use stripe::Stripe;

use crate::model::{
    id::{AccountId, ChargeId},
    time::Time,
};
use async_trait::async_trait;

/// Why the provider did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Not now: it could not be reached, or put us off. The same can be asked again.
    #[error("{0}")]
    Retry(String),
    /// Never: it said no.
    #[error("{0}")]
    Refused(String),
}

/// What the provider answers.
pub type Answer<T> = std::result::Result<T, Failure>;

/// A payment that is to be made.
#[derive(Clone, Debug)]
pub struct Charge {
    /// Ours: asked twice with the same, it is made once.
    pub id: ChargeId,
    /// Who pays, to the provider.
    pub customer: String,
    /// With which card.
    pub method: String,
    /// In minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// The invoice's number.
    pub invoice: String,
}

/// What became of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The provider's own id of it.
    pub reference: Option<String>,
    /// How it stands.
    pub state: State,
}

/// How a payment stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The bank takes its time.
    Processing,
    /// The money is ours.
    Succeeded,
    /// Nothing was taken, for this reason.
    Failed(String),
}

/// A card that the provider keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// The provider's own id of it.
    pub method: String,
    /// `visa`.
    pub brand: String,
    /// Its last four digits.
    pub last4: String,
    /// `12/30`.
    pub expires: String,
}

/// What the provider tells us to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A payment: its own id, and ours if it says it.
    Payment(String, Option<ChargeId>),
    /// A customer's cards.
    Card(String),
    /// Nothing that matters here.
    Nothing,
}

/// A way to be paid.
#[async_trait]
pub trait Till: Send + Sync {
    /// Whether cards are taken. If not, none of the rest is ever asked.
    fn takes_cards(&self) -> bool;
    /// Makes an account known; asked twice, it is the same customer.
    async fn customer(&self, account: AccountId, name: &str, email: &str) -> Answer<String>;
    /// A page of the provider's on which the customer enters a card, and from which they come back.
    async fn card_page(&self, customer: &str, back: &str) -> Answer<String>;
    /// The newest card of a customer.
    async fn card(&self, customer: &str) -> Answer<Option<Card>>;
    /// Charges a card.
    async fn charge(&self, charge: &Charge) -> Answer<Outcome>;
    /// How a payment stands.
    async fn look(&self, reference: &str) -> Answer<Outcome>;
    /// Understands what the provider sent, if it is from there and from now.
    fn heard(&self, signature: &str, body: &[u8], now: Time) -> Result<Hint, String>;
}

/// Paid by hand: nobody is asked, and nobody is heard.
pub struct ByHand;

const NOBODY: &str = "Invoices are paid by hand here.";

#[async_trait]
impl Till for ByHand {
    fn takes_cards(&self) -> bool {
        false
    }
    async fn customer(&self, _: AccountId, _: &str, _: &str) -> Answer<String> {
        Err(Failure::Refused(NOBODY.into()))
    }
    async fn card_page(&self, _: &str, _: &str) -> Answer<String> {
        Err(Failure::Refused(NOBODY.into()))
    }
    async fn card(&self, _: &str) -> Answer<Option<Card>> {
        Ok(None)
    }
    async fn charge(&self, _: &Charge) -> Answer<Outcome> {
        Err(Failure::Refused(NOBODY.into()))
    }
    async fn look(&self, _: &str) -> Answer<Outcome> {
        Err(Failure::Retry(NOBODY.into()))
    }
    fn heard(&self, _: &str, _: &[u8], _: Time) -> Result<Hint, String> {
        Err("No payment provider is set up here.".into())
    }
}
