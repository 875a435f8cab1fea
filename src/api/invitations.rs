//! Invitations into an account.
use super::{
    grants::Grant,
    pagination::{List, ListQuery},
    present,
};
use crate::{
    error::Result,
    http::{
        form,
        gate::{Key, PathId},
        routes::Routes,
    },
    model::{
        account::LoginType,
        id::{InvitationId, UserId},
        permission::InviteMembers,
        time::Time,
    },
    store::{
        grants::{self, GrantRequest},
        invitations,
    },
};
use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub fn routes() -> Routes {
    let all = "/api/v1/accounts/{slug}/invitations";
    let one = "/api/v1/accounts/{slug}/invitations/{id}";
    Routes::default()
        .get(all, list)
        .doc(|call| call.summary("List invitations", "Newest first.").query::<InvitationQuery>().returns_list::<Invitation>())
        .post(all, invite)
        .doc(|call| {
            call.summary(
                "Create invitations",
                "Each address gets a mail with a link that is valid for seven days. Inviting an address again replaces its earlier \
                 invitation. Addresses that cannot be invited are listed in `rejected`; the others are invited all the same.",
            )
            .body::<NewInvitations>()
            .returns::<InvitationsResult>(200)
            .errors(&["permission_missing", "personal"])
        })
        .get(one, show)
        .doc(|call| call.summary("Get an invitation", "With its status and that of its mail.").returns::<Invitation>(200))
        .delete(one, revoke)
        .doc(|call| call.summary("Revoke an invitation", "Its link stops working.").no_content().errors(&["invitation_over"]))
        .post("/api/v1/accounts/{slug}/invitations/{id}/resend", resend)
        .doc(|call| {
            call.summary("Resend an invitation", "With a new link that is valid for seven days.")
                .returns::<Invitation>(200)
                .errors(&["invitation_over", "permission_missing"])
        })
        .post("/api/v1/accounts/{slug}/invitations/{id}/link", create_link)
        .doc(|call| {
            call.summary(
                "Create an invitation link",
                "To pass on yourself. It does not prove the address: whoever uses it signs in with the invited address, or confirms \
                 it. An earlier link of this kind stops working; the mailed one stays valid.",
            )
            .returns::<InvitationLink>(200)
            .errors(&["invitation_over"])
        })
        .about("Invitations", "People who are invited to join, by email.")
}

/// An invitation to join.
#[derive(Serialize, ToSchema)]
struct Invitation {
    /// Its id.
    id: InvitationId,
    /// The invited address.
    #[schema(example = "bob@acme.test")]
    email: String,
    /// The grants that they will get.
    grants: Vec<Grant>,
    /// How they must sign in.
    login_type: LoginType,
    /// Its status.
    #[schema(value_type = InvitationStatus)]
    status: &'static str,
    /// The status of its mail.
    #[schema(value_type = Delivery)]
    delivery: String,
    /// The mail server's answer, if it was not delivered.
    #[schema(example = json!(null))]
    delivery_detail: Option<String>,
    /// Who invited them, if they are still a user.
    invited_by: Option<Inviter>,
    /// When it was created.
    created_at: Time,
    /// Until when its link is valid.
    expires_at: Time,
}

/// Who sent an invitation.
#[derive(Serialize, ToSchema)]
struct Inviter {
    /// Their id.
    id: UserId,
    /// Their name.
    #[schema(example = "Ada Byron")]
    name: String,
}

/// The status of a mail.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the document: the store has it as text")]
enum Delivery {
    Queued,
    Sent,
    Failed,
}

impl From<invitations::Invitation> for Invitation {
    fn from(row: invitations::Invitation) -> Invitation {
        Invitation {
            id: row.id,
            email: row.email,
            grants: row.grants.iter().map(Grant::from).collect(),
            login_type: row.login_type,
            status: row.status,
            delivery: row.delivery,
            delivery_detail: row.delivery_detail,
            invited_by: row.invited_by.map(|(id, name)| Inviter { id, name }),
            created_at: row.created_at,
            expires_at: row.expires_at,
        }
    }
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct InvitationQuery {
    /// Only with this status.
    #[serde(deserialize_with = "present")]
    status: Option<InvitationStatus>,
}

/// The status of an invitation.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum InvitationStatus {
    Pending,
    Accepted,
    Declined,
    Revoked,
    Expired,
}

impl InvitationStatus {
    const fn as_str(self) -> &'static str {
        match self {
            InvitationStatus::Pending => "pending",
            InvitationStatus::Accepted => "accepted",
            InvitationStatus::Declined => "declined",
            InvitationStatus::Revoked => "revoked",
            InvitationStatus::Expired => "expired",
        }
    }
}

async fn list(key: Key<InviteMembers>, query: ListQuery<InvitationQuery>) -> Result<List<Invitation>> {
    let status = query.filter.status.map_or("", InvitationStatus::as_str);
    let (after, limit) = (query.after()?, query.limit_plus_one());
    let rows = invitations::list_by_status(&mut key.read(), status, after, limit).await?;
    Ok(query.page(rows, |row| row.id.to_string(), Invitation::from))
}

/// Whom to invite.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewInvitations {
    /// Their email addresses.
    #[schema(min_items = 1, max_items = 200, example = json!(["bob@acme.test"]))]
    emails: Vec<String>,
    /// The grants that they will get.
    #[schema(min_items = 1, max_items = 50)]
    grants: Vec<GrantRequest>,
    /// How they must sign in.
    #[serde(default = "any")]
    login_type: LoginType,
}

const fn any() -> LoginType {
    LoginType::Any
}

/// The result for each address.
#[derive(Serialize, ToSchema)]
#[schema(as = NewInvitationsMade)]
struct InvitationsResult {
    /// The invitations that were created.
    created: Vec<Invitation>,
    /// The addresses that could not be invited.
    rejected: Vec<RejectedAddress>,
}

/// Why an address was not invited.
#[derive(Serialize, ToSchema)]
#[schema(as = Rejected)]
struct RejectedAddress {
    /// The address.
    #[schema(example = "ada@acme.test")]
    email: String,
    /// A stable code.
    #[schema(example = "already_member")]
    code: &'static str,
    /// The reason, in a sentence.
    #[schema(example = "ada@acme.test is a member of Acme already.")]
    detail: String,
}

impl From<invitations::RejectedEmail> for RejectedAddress {
    fn from(rejected: invitations::RejectedEmail) -> RejectedAddress {
        let invitations::RejectedEmail { email, code, detail } = rejected;
        RejectedAddress { email, code, detail }
    }
}

async fn invite(
    key: Key<InviteMembers>,
    form::Json(body): form::Json<NewInvitations>,
) -> Result<Json<InvitationsResult>> {
    key.change(async |change| {
        let grants = grants::parse(change, &body.grants).await?;
        let result = invitations::invite(change, &body.emails, &grants, body.login_type).await?;
        let created = invitations::find_all(change, &result.created).await?;
        Ok(Json(InvitationsResult {
            created: created.into_iter().map(Invitation::from).collect(),
            rejected: result.rejected.into_iter().map(RejectedAddress::from).collect(),
        }))
    })
    .await
}

async fn show(key: Key<InviteMembers>, PathId(id): PathId<InvitationId>) -> Result<Json<Invitation>> {
    let invitation = invitations::find(&mut key.read(), id).await?;
    Ok(Json(invitation.into()))
}

async fn revoke(key: Key<InviteMembers>, PathId(id): PathId<InvitationId>) -> Result<StatusCode> {
    key.change(async |change| invitations::revoke(change, id).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn resend(key: Key<InviteMembers>, PathId(id): PathId<InvitationId>) -> Result<Json<Invitation>> {
    key.change(async |change| {
        invitations::resend(change, id).await?;
        Ok(Json(invitations::find(change, id).await?.into()))
    })
    .await
}

/// A link to pass on.
#[derive(Serialize, ToSchema)]
struct InvitationLink {
    /// The link.
    #[schema(example = "https://console.example.com/invitations/…")]
    url: String,
    /// Until when it is valid.
    expires_at: Time,
}

async fn create_link(
    key: Key<InviteMembers>,
    PathId(id): PathId<InvitationId>,
) -> Result<Json<InvitationLink>> {
    key.change(async |change| {
        let url = invitations::copy_link(change, id).await?;
        Ok(Json(InvitationLink { url, expires_at: invitations::find(change, id).await?.expires_at }))
    })
    .await
}
