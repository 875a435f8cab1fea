//! Access requests: asked by a member, granted or declined by who may change members.
use super::list::{Ask, List};
use crate::{
    app::{
        form::{self, Params},
        gate::{At, Key},
        routes::Routes,
    },
    error::{Error, Result},
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

/// The calls.
pub fn routes() -> Routes {
    let all = "/api/v1/accounts/{slug}/requests";
    Routes::default()
        .get(all, list)
        .post(all, ask)
        .post("/api/v1/accounts/{slug}/requests/{id}/grant", grant)
        .post("/api/v1/accounts/{slug}/requests/{id}/decline", decline)
}

#[derive(Serialize)]
struct Request {
    id: RequestId,
    member: Member,
    permission: Permission,
    resource: Option<Resource>,
    note: String,
    status: &'static str,
    created_at: Time,
}

#[derive(Serialize)]
struct Member {
    id: MembershipId,
    email: String,
}

#[derive(Serialize)]
struct Resource {
    id: ResourceId,
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
    let found = requests::list(&mut key.read().await?, ask.after()?, ask.one_more()).await?;
    Ok(ask.page(found, |it| it.id.to_string(), |it| Request::of(it, "pending")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    permission: String,
    #[serde(default)]
    resource: Option<ResourceId>,
    #[serde(default)]
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    /// Without one, the narrowest that gives it and that the answerer may give.
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    scope: Option<WantedScope>,
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
        return Err(Error::invalid("role", "required", "Say which role is held over that."));
    }
    let request = requests::find(change, id).await?;
    let narrowest = requests::choices(change, &request).await?.into_iter().next();
    // Nobody grants what they do not hold.
    let narrowest = narrowest.ok_or(Error::Forbidden(request.permission))?;
    Ok(Grant { expires_at: *expires_at, ..narrowest })
}

async fn decline(
    key: Key<UpdateMembers>,
    At(id): At<RequestId>,
    Params(Nothing {}): Params<Nothing>,
) -> Result<Json<Request>> {
    let done = key.change(async |change| requests::decline(change, id).await).await?;
    Ok(Json(Request::of(done, "declined")))
}
