//! What the payment provider sends of its own accord: a hint to look, and nothing that is believed as it stands.
use crate::{
    clients::payments::Hint,
    error::{Error, Result},
    http::{gate::Anyone, routes::Routes},
    store::payments,
};
use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode},
};

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default().post("/webhooks/stripe", stripe)
}

async fn stripe(anyone: Anyone, fields: HeaderMap, body: Bytes) -> Result<StatusCode> {
    let signature = fields.get("stripe-signature").and_then(|it| it.to_str().ok()).unwrap_or_default();
    let now = anyone.kit().now();
    let heard = anyone.app().till().heard(signature, &body, now);
    let hint = heard.map_err(|detail| Error::Malformed { status: 400, detail })?;
    anyone
        .change(async |change| match &hint {
            Hint::Payment(reference, charge) => payments::look_at_payment(change, reference, *charge).await,
            Hint::Card(customer) => payments::look_at_card(change, customer).await,
            Hint::Nothing => Ok(()),
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
