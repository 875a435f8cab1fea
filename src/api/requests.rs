//! Access requests: asked by a member, granted or declined by who may change members.
use super::pagination::{Ask, List};
use crate::{
    error::{Error, Result},
    http::{
        form,
        gate::{At, Key},
        routes::Routes,
    },
    model::{
        grant::Grant,
        id::{MembershipId, RequestId, ResourceId},
        permission::{Inside, Permission, UpdateMembers},
        time::Time,
    },
    store::{
        Change,
        grants::{self, Wanted, WantedScope},
        requests::{self, Wish},
    },
};
use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The calls.
pub fn routes() -> Routes {
    let all = "/api/v1/accounts/{slug}/requests";
    Routes::default()
        .get(all, list)
        .told(|it| it.says("List access requests", "Those that wait for an answer, oldest first.").lists::<Request>())
        .post(all, ask)
        .told(|it| {
            it.says(
                "Ask for access",
                "For a permission that a problem named, over the account or one resource. The administrators are told by mail. What \
                 waits already is answered with 200.",
            )
            .takes::<New>()
            .gives::<Request>(201)
            .gives::<Request>(200)
            .fails(&["already_allowed", "not_a_member", "too_many_requests_wait"])
        })
        .post("/api/v1/accounts/{slug}/requests/{id}/grant", grant)
        .told(|it| {
            it.says(
                "Grant an access request",
                "The member gets one more grant: that which is named, or the narrowest that gives what they asked for.",
            )
            .takes::<Answer>()
            .gives::<Request>(200)
            .fails(&["owner", "self", "too_many_grants"])
        })
        .post("/api/v1/accounts/{slug}/requests/{id}/decline", decline)
        .told(|it| it.says("Decline an access request", "The member is told.").gives::<Request>(200).fails(&["self"]))
        .about("Access requests", "What members lack, and ask for.")
}

/// A member's wish for a permission.
#[derive(Serialize, ToSchema)]
#[schema(as = AccessRequest)]
struct Request {
    /// Its id.
    id: RequestId,
    /// Who asks.
    member: Member,
    /// For what.
    permission: Permission,
    /// Over what; `null`: over the account.
    resource: Option<Resource>,
    /// Why, in their words.
    #[schema(example = "For the trailers of spring.")]
    note: String,
    /// What became of it.
    #[schema(value_type = Status)]
    status: &'static str,
    /// Since when it waits.
    created_at: Time,
}

/// What became of an access request.
#[derive(ToSchema)]
#[schema(as = AccessRequestStatus, rename_all = "lowercase")]
#[expect(dead_code, reason = "for the document")]
enum Status {
    Pending,
    Granted,
    Declined,
}

/// Who asks for access.
#[derive(Serialize, ToSchema)]
#[schema(as = AccessRequestMember)]
struct Member {
    /// Their membership's id.
    id: MembershipId,
    /// Their address.
    #[schema(example = "bob@acme.test")]
    email: String,
}

/// What access is asked for to.
#[derive(Serialize, ToSchema)]
#[schema(as = AccessRequestResource)]
struct Resource {
    /// Its id.
    id: ResourceId,
    /// Its name; empty where it is told to who asks.
    #[schema(example = "Interviews")]
    name: String,
}

impl Request {
    fn of(it: requests::Request, status: &'static str) -> Request {
        Request {
            id: it.id,
            member: Member { id: it.membership, email: it.email },
            permission: it.permission,
            resource: it.resource.map(|(id, name, _)| Resource { id, name }),
            note: it.note,
            status,
            created_at: it.created_at,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

async fn list(key: Key<UpdateMembers>, ask: Ask<Nothing>) -> Result<List<Request>> {
    let found = requests::list(&mut key.read(), ask.after()?, ask.one_more()).await?;
    Ok(ask.page(found, |it| it.id.to_string(), |it| Request::of(it, "pending")))
}

/// What is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAccessRequest)]
struct New {
    /// A permission's word.
    #[schema(value_type = Permission)]
    permission: String,
    /// Over which resource; without one, over the account.
    #[serde(default)]
    resource: Option<ResourceId>,
    /// Why.
    #[serde(default)]
    #[schema(max_length = 500, example = "For the trailers of spring.")]
    note: String,
}

/// 201 for what is new; 200 for what waits already.
async fn ask(key: Key<Inside>, form::Json(asked): form::Json<New>) -> Result<(StatusCode, Json<Request>)> {
    let unknown = || Error::invalid("permission", "unknown_permission", "There is no such permission.");
    let permission = Permission::parse(&asked.permission).ok_or_else(unknown)?;
    let wish = Wish { permission, resource: asked.resource, note: asked.note.trim().to_owned() };
    key.change(async |change| {
        let status = if requests::ask(change, &wish).await? { StatusCode::CREATED } else { StatusCode::OK };
        let made = requests::mine(change, &wish).await?.ok_or(Error::NotFound)?;
        // Who does not see the resource knows its id, and no more.
        let mut told = Request::of(made, "pending");
        told.resource = told.resource.map(|it| Resource { name: String::new(), ..it });
        Ok((status, Json(told)))
    })
    .await
}

/// What the member gets.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AccessRequestAnswer)]
struct Answer {
    /// Without one, the narrowest that gives it and that the answerer may give.
    #[serde(default)]
    #[schema(example = "developer")]
    role: Option<String>,
    /// Over what the role is held.
    #[serde(default)]
    scope: Option<WantedScope>,
    /// Until when; `null`: for good.
    #[serde(default)]
    expires_at: Option<Time>,
}

async fn grant(
    key: Key<UpdateMembers>,
    At(id): At<RequestId>,
    form::Json(asked): form::Json<Answer>,
) -> Result<Json<Request>> {
    if asked.expires_at.is_some_and(|it| it <= key.kit().now()) {
        return Err(Error::invalid("expires_at", "in_the_past", "The end lies in the past."));
    }
    key.change(async |change| {
        let chosen = chosen(change, id, &asked).await?;
        let done = requests::grant(change, id, &chosen).await?;
        Ok(Json(Request::of(done, "granted")))
    })
    .await
}

async fn chosen(change: &mut Change, id: RequestId, asked: &Answer) -> Result<Grant> {
    let Answer { role, scope, expires_at } = asked;
    if let Some(role) = role {
        let wanted = [Wanted { role: role.clone(), scope: scope.clone(), expires_at: *expires_at }];
        let read = grants::parse(change, &wanted).await.map_err(|it| it.without("grants/0/"))?;
        return read.into_iter().next().ok_or(Error::NotFound);
    }
    if scope.is_some() {
        return Err(Error::invalid("role", "role_required", "Say which role is held over that."));
    }
    let request = requests::find(change, id).await?;
    let narrowest = requests::choices(change, &request).await?.into_iter().next();
    // Nobody grants what they do not hold.
    let narrowest = narrowest.ok_or(Error::Forbidden(request.permission))?;
    Ok(Grant { expires_at: *expires_at, ..narrowest })
}

async fn decline(key: Key<UpdateMembers>, At(id): At<RequestId>) -> Result<Json<Request>> {
    let done = key.change(async |change| requests::decline(change, id).await).await?;
    Ok(Json(Request::of(done, "declined")))
}
