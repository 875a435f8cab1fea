//! Invitations into an account.
use super::{
    given,
    grants::Grant,
    pagination::{Ask, List},
};
use crate::{
    error::Result,
    http::{
        form,
        gate::{At, Key},
        routes::Routes,
    },
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
use utoipa::ToSchema;

/// The calls.
pub fn routes() -> Routes {
    let all = "/api/v1/accounts/{slug}/invitations";
    let one = "/api/v1/accounts/{slug}/invitations/{id}";
    Routes::default()
        .get(all, list)
        .told(|it| it.says("List invitations", "Newest first.").asks::<Wish>().lists::<Invitation>())
        .post(all, invite)
        .told(|it| {
            it.says(
                "Invite people",
                "Each address gets a mail with a link that holds for seven days. Inviting an address again replaces the invitation \
                 before. An address that cannot be invited is told in `rejected`; the others are invited all the same.",
            )
            .takes::<New>()
            .gives::<Made>(200)
            .fails(&["permission_missing", "personal"])
        })
        .get(one, show)
        .told(|it| it.says("Read an invitation", "What became of it, and of its mail.").gives::<Invitation>(200))
        .delete(one, revoke)
        .told(|it| it.says("Revoke an invitation", "Its link stops working.").gives_nothing().fails(&["invitation_over"]))
        .post("/api/v1/accounts/{slug}/invitations/{id}/resend", resend)
        .told(|it| {
            it.says("Send an invitation again", "With a new link, and seven days from now.")
                .gives::<Invitation>(200)
                .fails(&["invitation_over", "permission_missing"])
        })
        .post("/api/v1/accounts/{slug}/invitations/{id}/link", link)
        .told(|it| {
            it.says(
                "Make a link of an invitation",
                "To pass on by yourself. It proves nothing: who uses it signs in as the invited address, or confirms it. A link \
                 made before stops working; the mailed one stays.",
            )
            .gives::<Link>(200)
            .fails(&["invitation_over"])
        })
        .about("Invitations", "People asked to join, by e-mail.")
}

/// Somebody asked to join.
#[derive(Serialize, ToSchema)]
struct Invitation {
    /// Its id.
    id: InvitationId,
    /// Who is asked.
    #[schema(example = "bob@acme.test")]
    email: String,
    /// What they will hold.
    grants: Vec<Grant>,
    /// How they must sign in.
    login_type: LoginType,
    /// What became of it.
    #[schema(value_type = Status)]
    status: &'static str,
    /// What became of its mail.
    #[schema(value_type = Delivery)]
    delivery: String,
    /// The mail server's words, if it was not delivered.
    #[schema(example = json!(null))]
    delivery_detail: Option<String>,
    /// Who asked, if they are still a user.
    invited_by: Option<Inviter>,
    /// When.
    created_at: Time,
    /// Until when its link works.
    expires_at: Time,
}

/// Who asked.
#[derive(Serialize, ToSchema)]
struct Inviter {
    /// Their id.
    id: UserId,
    /// Their name.
    #[schema(example = "Ada Byron")]
    name: String,
}

/// What became of a mail.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "it describes the words in which the store tells it")]
enum Delivery {
    Queued,
    Sent,
    Failed,
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

#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Wish {
    /// Only those.
    #[serde(deserialize_with = "given")]
    status: Option<Status>,
}

/// What became of an invitation.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = InvitationStatus)]
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
    let rows = invitations::list_by_status(&mut key.read(), status, after, limit).await?;
    Ok(ask.page(rows, |it| it.id.to_string(), Invitation::from))
}

/// Who is invited, and to what.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewInvitations)]
struct New {
    /// Their addresses.
    #[schema(min_items = 1, max_items = 200, example = json!(["bob@acme.test"]))]
    emails: Vec<String>,
    /// What they will hold.
    #[schema(min_items = 1, max_items = 50)]
    grants: Vec<Wanted>,
    /// How they must sign in.
    #[serde(default = "any")]
    login_type: LoginType,
}

const fn any() -> LoginType {
    LoginType::Any
}

/// What became of each address.
#[derive(Serialize, ToSchema)]
#[schema(as = NewInvitationsMade)]
struct Made {
    /// Those who were invited.
    created: Vec<Invitation>,
    /// Those who were not.
    rejected: Vec<Rejected>,
}

/// Why an address was not invited.
#[derive(Serialize, ToSchema)]
struct Rejected {
    /// The address.
    #[schema(example = "ada@acme.test")]
    email: String,
    /// Stable.
    #[schema(example = "already_member")]
    code: &'static str,
    /// A sentence.
    #[schema(example = "ada@acme.test is a member of Acme already.")]
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
    let invitation = invitations::find(&mut key.read(), id).await?;
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

/// A link to pass on.
#[derive(Serialize, ToSchema)]
#[schema(as = InvitationLink)]
struct Link {
    /// Where it leads.
    #[schema(example = "https://console.example.com/invitations/…")]
    url: String,
    /// Until when it works.
    expires_at: Time,
}

async fn link(key: Key<InviteMembers>, At(id): At<InvitationId>) -> Result<Json<Link>> {
    key.change(async |change| {
        let url = invitations::copy_link(change, id).await?;
        Ok(Json(Link { url, expires_at: invitations::find(change, id).await?.expires_at }))
    })
    .await
}
