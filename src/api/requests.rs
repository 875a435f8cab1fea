//! Access requests: made by members, granted or declined by those who may change members.
use super::pagination::{List, ListQuery, NoFilters};
use crate::{
    error::{Error, Result},
    http::{
        form,
        gate::{Key, PathId},
        routes::Routes,
    },
    model::{
        access::Access,
        grant::Grant,
        id::{MembershipId, RequestId, ResourceId},
        permission::{AnyMember, Permission, UpdateMembers},
        time::Time,
    },
    store::{
        Change,
        grants::{self, GrantRequest, GrantScopeRequest},
        requests::{self, AccessRequestInput},
    },
};
use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub fn routes() -> Routes {
    let all = "/api/v1/accounts/{slug}/requests";
    Routes::default()
        .get(all, list)
        .doc(|call| call.summary("List access requests", "Open requests, oldest first.").returns_list::<AccessRequest>())
        .post(all, create)
        .doc(|call| {
            call.summary(
                "Create an access request",
                "For a permission that an error named, on the account or one resource. The administrators get a mail. If the same \
                 request is open already, the status is 200.",
            )
            .body::<NewAccessRequest>()
            .returns::<AccessRequest>(201)
            .returns::<AccessRequest>(200)
            .errors(&["already_allowed", "not_a_member", "too_many_requests_wait"])
        })
        .post("/api/v1/accounts/{slug}/requests/{id}/grant", grant)
        .doc(|call| {
            call.summary(
                "Grant an access request",
                "Gives the member the named role, or else the narrowest grant with the permission that they asked for.",
            )
            .body::<AccessRequestAnswer>()
            .returns::<AccessRequest>(200)
            .errors(&["owner", "self", "too_many_grants"])
        })
        .post("/api/v1/accounts/{slug}/requests/{id}/decline", decline)
        .doc(|call| call.summary("Decline an access request", "The member gets a mail.").returns::<AccessRequest>(200).errors(&["self"]))
        .about("Access requests", "Members’ requests for permissions that they lack.")
}

/// A member's request for a permission.
#[derive(Serialize, ToSchema)]
struct AccessRequest {
    /// Its id.
    id: RequestId,
    /// Who made it.
    member: AccessRequestMember,
    /// The permission that they ask for.
    permission: Permission,
    /// The resource; `null`: the account.
    resource: Option<AccessRequestResource>,
    /// The reason, in their words.
    #[schema(example = "For the trailers of spring.")]
    note: String,
    /// Its status.
    #[schema(value_type = AccessRequestStatus)]
    status: &'static str,
    /// When it was made.
    created_at: Time,
}

/// The status of an access request.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the document: the store has it as text")]
enum AccessRequestStatus {
    Pending,
    Granted,
    Declined,
}

/// Who made an access request.
#[derive(Serialize, ToSchema)]
struct AccessRequestMember {
    /// The id of their membership.
    id: MembershipId,
    /// Their email address.
    #[schema(example = "bob@acme.test")]
    email: String,
}

/// The resource of an access request.
#[derive(Serialize, ToSchema)]
struct AccessRequestResource {
    /// Its id.
    id: ResourceId,
    /// Its name; empty in answers to the member who asks.
    #[schema(example = "Interviews")]
    name: String,
}

impl AccessRequest {
    fn new(request: requests::AccessRequest, status: &'static str) -> AccessRequest {
        AccessRequest {
            id: request.id,
            member: AccessRequestMember { id: request.membership, email: request.email },
            permission: request.permission,
            resource: request.resource.map(|(id, name, _)| AccessRequestResource { id, name }),
            note: request.note,
            status,
            created_at: request.created_at,
        }
    }
}

async fn list(key: Key<UpdateMembers>, query: ListQuery<NoFilters>) -> Result<List<AccessRequest>> {
    let rows = requests::list(&mut key.read(), query.after()?, query.limit_plus_one()).await?;
    Ok(query.page(rows, |row| row.id.to_string(), |row| AccessRequest::new(row, "pending")))
}

/// A request to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAccessRequest {
    /// The permission.
    #[schema(value_type = Permission)]
    permission: String,
    /// The resource; absent: the account.
    #[serde(default)]
    resource: Option<ResourceId>,
    /// The reason.
    #[serde(default)]
    #[schema(max_length = 500, example = "For the trailers of spring.")]
    note: String,
}

/// 201 for a new request, 200 if the same one is open already.
async fn create(
    key: Key<AnyMember>,
    form::Json(body): form::Json<NewAccessRequest>,
) -> Result<(StatusCode, Json<AccessRequest>)> {
    let unknown = || Error::invalid("permission", "unknown_permission", "There is no such permission.");
    let permission = Permission::parse(&body.permission).ok_or_else(unknown)?;
    let input = AccessRequestInput { permission, resource: body.resource, note: body.note.trim().to_owned() };
    key.change(async |change| {
        let status = if requests::ask(change, &input).await? { StatusCode::CREATED } else { StatusCode::OK };
        let row = requests::mine(change, &input).await?.ok_or(Error::NotFound)?;
        // The member may not see the resource: its name is hidden from them.
        let mut request = AccessRequest::new(row, "pending");
        if let Some(resource) = &mut request.resource {
            resource.name.clear();
        }
        Ok((status, Json(request)))
    })
    .await
}

/// What to grant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AccessRequestAnswer {
    /// The role; absent: the narrowest that has the permission and that the caller may grant.
    #[serde(default)]
    #[schema(example = "developer")]
    role: Option<String>,
    /// What the role is for.
    #[serde(default)]
    scope: Option<GrantScopeRequest>,
    /// When the grant ends; `null`: never.
    #[serde(default)]
    expires_at: Option<Time>,
}

async fn grant(
    key: Key<UpdateMembers>,
    PathId(id): PathId<RequestId>,
    form::Json(body): form::Json<AccessRequestAnswer>,
) -> Result<Json<AccessRequest>> {
    if body.expires_at.is_some_and(|at| at <= key.context().now()) {
        return Err(Error::invalid("expires_at", "in_the_past", "The end lies in the past."));
    }
    key.change(async |change| {
        let grant = grant_of(change, id, &body).await?;
        let row = requests::grant(change, id, &grant).await?;
        Ok(Json(AccessRequest::new(row, "granted")))
    })
    .await
}

async fn grant_of(change: &mut Change<Access>, id: RequestId, body: &AccessRequestAnswer) -> Result<Grant> {
    let AccessRequestAnswer { role, scope, expires_at } = body;
    if let Some(role) = role {
        let requests = [GrantRequest { role: role.clone(), scope: scope.clone(), expires_at: *expires_at }];
        let grants = grants::parse(change, &requests).await.map_err(|error| error.without("grants/0/"))?;
        return grants.into_iter().next().ok_or(Error::NotFound);
    }
    if scope.is_some() {
        return Err(Error::invalid("role", "role_required", "Name the role for this scope."));
    }
    let request = requests::find(change, id).await?;
    let narrowest = requests::choices(change, &request).await?.into_iter().next();
    // Nobody can grant what they do not have themselves.
    let narrowest = narrowest.ok_or(Error::MissingPermission(request.permission))?;
    Ok(Grant { expires_at: *expires_at, ..narrowest })
}

async fn decline(key: Key<UpdateMembers>, PathId(id): PathId<RequestId>) -> Result<Json<AccessRequest>> {
    let row = key.change(async |change| requests::decline(change, id).await).await?;
    Ok(Json(AccessRequest::new(row, "declined")))
}
