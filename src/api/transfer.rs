//! The offer of an account's ownership.
use crate::{
    app::{form, gate::Key, routes::Routes},
    error::{Error, Result},
    model::{
        id::MembershipId,
        permission::{Inside, TransferAccount},
        time::Time,
    },
    store::transfers,
};
use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};

/// The calls.
pub fn routes() -> Routes {
    let path = "/api/v1/accounts/{slug}/transfer";
    Routes::default()
        .get(path, show)
        .post(path, offer)
        .delete(path, withdraw)
        .post("/api/v1/accounts/{slug}/transfer/accept", accept)
        .post("/api/v1/accounts/{slug}/transfer/decline", decline)
}

#[derive(Serialize)]
struct Offer {
    to: To,
    offered_at: Time,
    expires_at: Time,
}

#[derive(Serialize)]
struct To {
    id: MembershipId,
    name: String,
    email: String,
}

impl From<transfers::Transfer> for Offer {
    fn from(it: transfers::Transfer) -> Offer {
        Offer {
            to: To { id: it.to_member, name: it.to.name, email: it.to.email },
            offered_at: it.offered_at,
            expires_at: it.expires_at,
        }
    }
}

/// Between the owner and the one to whom it is offered: to others, there is none.
async fn show(key: Key<Inside>) -> Result<Json<Offer>> {
    let found = transfers::find(&mut key.read().await?).await?;
    let me = key.me();
    let offer = found.filter(|it| me.is_owner || me.is(it.to_member)).ok_or(Error::NotFound)?;
    Ok(Json(offer.into()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    to: MembershipId,
}

async fn offer(
    key: Key<TransferAccount>,
    form::Json(new): form::Json<New>,
) -> Result<(StatusCode, Json<Offer>)> {
    let fresh = key.prove("").await?;
    let made = key.change(async |change| transfers::offer(change, &fresh, new.to).await).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

async fn withdraw(key: Key<TransferAccount>) -> Result<StatusCode> {
    key.change(transfers::withdraw).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn accept(key: Key<Inside>) -> Result<StatusCode> {
    key.change(transfers::accept).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn decline(key: Key<Inside>) -> Result<StatusCode> {
    key.change(transfers::decline).await?;
    Ok(StatusCode::NO_CONTENT)
}
