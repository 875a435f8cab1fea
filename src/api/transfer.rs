//! Transfer of an account's ownership, by an offer.
use crate::{
    error::{Error, Result},
    http::{form, gate::Key, routes::Routes},
    model::{
        id::MembershipId,
        permission::{AnyMember, TransferAccount},
        time::Time,
    },
    store::transfers,
};
use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub fn routes() -> Routes {
    let path = "/api/v1/accounts/{slug}/transfer";
    Routes::default()
        .get(path, show)
        .doc(|call| {
            call.summary(
                "Get the ownership offer",
                "For the owner and the member to whom it is offered; for others it does not exist.",
            )
            .returns::<Offer>(200)
        })
        .post(path, offer)
        .doc(|call| {
            call.summary(
                "Offer the ownership",
                "To an active member, who can accept or decline. Until then nothing changes.",
            )
            .body::<NewOffer>()
            .returns::<Offer>(201)
            .errors(&[
                "offer_pending",
                "personal",
                "organization_limit",
                "key_limited",
                "permission_missing",
            ])
        })
        .delete(path, withdraw)
        .doc(|call| {
            call.summary("Withdraw the ownership offer", "It can no longer be accepted.")
                .no_content()
                .errors(&["no_offer"])
        })
        .post("/api/v1/accounts/{slug}/transfer/accept", accept)
        .doc(|call| {
            call.summary("Accept the ownership offer", "The previous owner becomes an admin.")
                .no_content()
                .errors(ANSWER_ERRORS)
        })
        .post("/api/v1/accounts/{slug}/transfer/decline", decline)
        .doc(|call| {
            call.summary("Decline the ownership offer", "The owner stays the same.")
                .no_content()
                .errors(ANSWER_ERRORS)
        })
        .about("Transfer", "The offer of an account’s ownership to another member.")
}

/// Errors of answers to an offer.
const ANSWER_ERRORS: &[&str] =
    &["no_offer", "not_offered_to_you", "organization_limit", "key_limited", "not_a_member"];

/// An offer of ownership.
#[derive(Serialize, ToSchema)]
struct Offer {
    /// The member to whom it is offered.
    to: OfferedTo,
    /// When it was offered.
    offered_at: Time,
    /// Until when it can be accepted.
    expires_at: Time,
}

/// The member to whom the ownership is offered.
#[derive(Serialize, ToSchema)]
struct OfferedTo {
    /// The id of their membership.
    id: MembershipId,
    /// Their name.
    #[schema(example = "Bob Hale")]
    name: String,
    /// Their email address.
    #[schema(example = "bob@acme.test")]
    email: String,
}

impl From<transfers::Transfer> for Offer {
    fn from(transfer: transfers::Transfer) -> Offer {
        Offer {
            to: OfferedTo { id: transfer.to_member, name: transfer.to.name, email: transfer.to.email },
            offered_at: transfer.offered_at,
            expires_at: transfer.expires_at,
        }
    }
}

async fn show(key: Key<AnyMember>) -> Result<Json<Offer>> {
    let transfer = transfers::find(&mut key.read()).await?.ok_or(Error::NotFound)?;
    let access = key.access();
    if !access.is_owner && !access.is(transfer.to_member) {
        return Err(Error::NotFound);
    }
    Ok(Json(transfer.into()))
}

/// An offer to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewOffer {
    /// The id of their membership.
    to: MembershipId,
}

async fn offer(
    key: Key<TransferAccount>,
    form::Json(body): form::Json<NewOffer>,
) -> Result<(StatusCode, Json<Offer>)> {
    let recent_auth = key.reauthenticate("").await?;
    let offer = key.change(async |change| transfers::offer(change, &recent_auth, body.to).await).await?;
    Ok((StatusCode::CREATED, Json(offer.into())))
}

async fn withdraw(key: Key<TransferAccount>) -> Result<StatusCode> {
    key.change(transfers::withdraw).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn accept(key: Key<AnyMember>) -> Result<StatusCode> {
    key.change(transfers::accept).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn decline(key: Key<AnyMember>) -> Result<StatusCode> {
    key.change(transfers::decline).await?;
    Ok(StatusCode::NO_CONTENT)
}
