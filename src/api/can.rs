//! Whether a member may do something, by which grant, or what is missing.
use super::{grants::Grant, present};
use crate::{
    error::{Error, Result},
    http::{form::Params, gate::Key, routes::Routes},
    model::{
        grant::Role,
        id::{MembershipId, ResourceId},
        permission::{AnyMember, Permission},
    },
    store::{
        roles,
        why::{self, Subject},
    },
};
use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub fn routes() -> Routes {
    Routes::default()
        .get("/api/v1/accounts/{slug}/can", show)
        .doc(|call| {
            call.summary(
                "Check a permission",
                "Whether a member has a permission here or on a resource: by which grant, or what is missing and which roles have it. \
                 Every member may ask about themselves; about others needs `members.view`.",
            )
            .query::<PermissionQuery>()
            .returns::<PermissionResult>(200)
            .errors(&["permission_missing"])
        })
        .about("Permissions", "Who may do what, and why.")
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PermissionQuery {
    /// The member; absent: this key itself.
    #[serde(default, deserialize_with = "present")]
    member: Option<MembershipId>,
    /// The permission.
    #[schema(value_type = Permission)]
    permission: String,
    /// The resource; absent: the account as a whole.
    #[serde(default)]
    #[schema(value_type = Option<ResourceId>)]
    resource: Option<String>,
}

/// Whether a member has a permission, and why.
#[derive(Serialize, ToSchema)]
#[schema(as = Can)]
struct PermissionResult {
    /// Whether they may.
    allowed: bool,
    /// The grant that allows it.
    because: Option<Grant>,
    /// The permission that they lack.
    missing: Option<Permission>,
    /// The roles that have the permission, narrowest first: names of built-in roles, ids of custom ones.
    #[schema(example = json!(["developer"]))]
    granted_by: Vec<String>,
}

async fn show(key: Key<AnyMember>, Params(query): Params<PermissionQuery>) -> Result<Json<PermissionResult>> {
    let access = key.access();
    if query.member.is_some_and(|id| !access.is(id)) && !access.may(Permission::ViewMembers) {
        return Err(Error::MissingPermission(Permission::ViewMembers));
    }
    let unknown = || Error::invalid("permission", "unknown_permission", "There is no such permission.");
    let permission = Permission::parse(&query.permission).ok_or_else(unknown)?;
    let mut scope = key.read();
    let resource = match query.resource.as_deref() {
        Some(id) => {
            let detail = "There is no such resource in this account.";
            let unknown = |_| Error::invalid("resource", "unknown_resource", detail);
            Some(why::about(&mut scope, id.parse::<ResourceId>().map_err(unknown)?).await?)
        }
        None => None,
    };
    let subject = match query.member {
        Some(id) => why::subject(&mut scope, id).await?,
        None => Subject::caller(&scope)?,
    };
    let answer = subject.explain(permission, resource.as_ref());
    let offer = roles::offer(&mut scope).await?;
    let role_id = |role: Role| match role {
        Role::BuiltIn(role) => role.as_str().to_owned(),
        Role::Custom(id, _) => id.to_string(),
    };
    Ok(Json(PermissionResult {
        allowed: answer.allowed(),
        because: answer.allowed_by.as_ref().map(Grant::from),
        missing: answer.missing(),
        granted_by: offer.holding(answer.missing().unwrap_or(permission)).into_iter().map(role_id).collect(),
    }))
}
