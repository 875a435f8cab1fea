//! The webhook of the payment provider. Its content is only a hint: the state itself is read from the provider.
use crate::{
    clients::payments::WebhookHint,
    error::{Error, Result},
    http::{gate::Anyone, routes::Routes},
    store::payments,
};
use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode},
};

pub fn routes() -> Routes {
    Routes::default().post("/webhooks/stripe", stripe)
}

async fn stripe(anyone: Anyone, headers: HeaderMap, body: Bytes) -> Result<StatusCode> {
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let now = anyone.context().now();
    let parsed = anyone.app().payment_provider().parse_webhook(signature, &body, now);
    let hint = parsed.map_err(|detail| Error::BadRequest { status: 400, detail })?;
    anyone
        .change(async |change| match &hint {
            WebhookHint::Payment(reference, charge) => {
                payments::check_payment(change, reference, *charge).await
            }
            WebhookHint::Card(customer) => payments::check_card(change, customer).await,
            WebhookHint::Nothing => Ok(()),
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
