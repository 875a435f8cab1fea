//! The offer of an account's ownership.
use crate::{
    error::{Error, Result},
    http::{form, gate::Key, routes::Routes},
    model::{
        id::MembershipId,
        permission::{Inside, TransferAccount},
        time::Time,
    },
    store::transfers,
};
use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The calls.
pub fn routes() -> Routes {
    let path = "/api/v1/accounts/{slug}/transfer";
    Routes::default()
        .get(path, show)
        .told(|it| {
            it.says(
                "Read the offer of ownership",
                "For the owner and for the one to whom it is offered; to others there is none.",
            )
            .gives::<Offer>(200)
        })
        .post(path, offer)
        .told(|it| {
            it.says(
                "Offer the ownership",
                "To an active member, who accepts or declines it. Until then nothing changes.",
            )
            .takes::<New>()
            .gives::<Offer>(201)
            .fails(&[
                "offer_pending",
                "personal",
                "organization_limit",
                "key_limited",
                "permission_missing",
            ])
        })
        .delete(path, withdraw)
        .told(|it| {
            it.says("Withdraw the offer", "Nobody can take it any more.").gives_nothing().fails(&["no_offer"])
        })
        .post("/api/v1/accounts/{slug}/transfer/accept", accept)
        .told(|it| {
            it.says("Accept the ownership", "At once: the old owner becomes an admin.")
                .gives_nothing()
                .fails(OFFERED)
        })
        .post("/api/v1/accounts/{slug}/transfer/decline", decline)
        .told(|it| {
            it.says("Decline the ownership", "The account stays whose it is.").gives_nothing().fails(OFFERED)
        })
        .about("Transfer", "The offer of an account’s ownership to another member.")
}

/// What can stand in the way of the one to whom it is offered.
const OFFERED: &[&str] =
    &["no_offer", "not_offered_to_you", "organization_limit", "key_limited", "not_a_member"];

/// An offer of ownership.
#[derive(Serialize, ToSchema)]
struct Offer {
    /// To whom.
    to: To,
    /// When.
    offered_at: Time,
    /// Until when it can be taken.
    expires_at: Time,
}

/// To whom an ownership is offered.
#[derive(Serialize, ToSchema)]
#[schema(as = OfferedTo)]
struct To {
    /// Their membership's id.
    id: MembershipId,
    /// Their name.
    #[schema(example = "Bob Hale")]
    name: String,
    /// Their address.
    #[schema(example = "bob@acme.test")]
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
    let found = transfers::find(&mut key.read()).await?;
    let me = key.me();
    let offer = found.filter(|it| me.is_owner || me.is(it.to_member)).ok_or(Error::NotFound)?;
    Ok(Json(offer.into()))
}

/// To whom it is to be offered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewOffer)]
struct New {
    /// Their membership's id.
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
