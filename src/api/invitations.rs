//! Invitations into an account.
use super::{
    grants::Grant,
    list::{Ask, List},
};
use crate::{
    app::{
        form,
        gate::{At, Key},
        routes::Routes,
    },
    error::Result,
    model::{
        account::LoginType,
        id::{InvitationId, UserId},
        permission::InviteMembers,
        time::Time,
    },
    store::{
        grants::{self, Wanted},
        invitations,
    },
};
use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};

/// The calls.
pub fn routes() -> Routes {
    let all = "/api/v1/accounts/{slug}/invitations";
    let one = "/api/v1/accounts/{slug}/invitations/{id}";
    Routes::default()
        .get(all, list)
        .post(all, invite)
        .get(one, show)
        .delete(one, revoke)
        .post("/api/v1/accounts/{slug}/invitations/{id}/resend", resend)
}

#[derive(Serialize)]
struct Invitation {
    id: InvitationId,
    email: String,
    grants: Vec<Grant>,
    login_type: LoginType,
    status: &'static str,
    delivery: String,
    delivery_detail: Option<String>,
    invited_by: Option<Inviter>,
    created_at: Time,
    expires_at: Time,
}

#[derive(Serialize)]
struct Inviter {
    id: UserId,
    name: String,
}

impl From<invitations::Invitation> for Invitation {
    fn from(it: invitations::Invitation) -> Invitation {
        Invitation {
            id: it.id,
            email: it.email,
            grants: it.grants.iter().map(Grant::from).collect(),
            login_type: it.login_type,
            status: it.status,
            delivery: it.delivery,
            delivery_detail: it.delivery_detail,
            invited_by: it.invited_by.map(|(id, name)| Inviter { id, name }),
            created_at: it.created_at,
            expires_at: it.expires_at,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wish {
    status: Option<Status>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Pending,
    Accepted,
    Declined,
    Revoked,
    Expired,
}

impl Status {
    const fn word(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Accepted => "accepted",
            Status::Declined => "declined",
            Status::Revoked => "revoked",
            Status::Expired => "expired",
        }
    }
}

async fn list(key: Key<InviteMembers>, ask: Ask<Wish>) -> Result<List<Invitation>> {
    let status = ask.filter.status.map_or("", Status::word);
    let (after, limit) = (ask.after()?, ask.one_more());
    let rows = invitations::list_by_status(&mut key.read().await?, status, after, limit).await?;
    Ok(ask.page(rows, |it| it.id.to_string(), Invitation::from))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    emails: Vec<String>,
    grants: Vec<Wanted>,
    #[serde(default = "any")]
    login_type: LoginType,
}

const fn any() -> LoginType {
    LoginType::Any
}

#[derive(Serialize)]
struct Made {
    created: Vec<Invitation>,
    rejected: Vec<Rejected>,
}

#[derive(Serialize)]
struct Rejected {
    email: String,
    code: &'static str,
    detail: String,
}

impl From<invitations::Rejected> for Rejected {
    fn from(it: invitations::Rejected) -> Rejected {
        Rejected { email: it.email, code: it.code, detail: it.detail }
    }
}

async fn invite(key: Key<InviteMembers>, form::Json(new): form::Json<New>) -> Result<Json<Made>> {
    key.change(async |change| {
        let wanted = grants::parse(change, &new.grants).await?;
        let made = invitations::invite(change, &new.emails, &wanted, new.login_type).await?;
        let created = invitations::find_all(change, &made.created).await?;
        Ok(Json(Made {
            created: created.into_iter().map(Invitation::from).collect(),
            rejected: made.rejected.into_iter().map(Rejected::from).collect(),
        }))
    })
    .await
}

async fn show(key: Key<InviteMembers>, At(id): At<InvitationId>) -> Result<Json<Invitation>> {
    let invitation = invitations::find(&mut key.read().await?, id).await?;
    Ok(Json(invitation.into()))
}

async fn revoke(key: Key<InviteMembers>, At(id): At<InvitationId>) -> Result<StatusCode> {
    key.change(async |change| invitations::revoke(change, id).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn resend(key: Key<InviteMembers>, At(id): At<InvitationId>) -> Result<Json<Invitation>> {
    key.change(async |change| {
        invitations::resend(change, id).await?;
        Ok(Json(invitations::find(change, id).await?.into()))
    })
    .await
}
