//! Why: whether a member may do something, through which grant, or what is missing.
use super::{given, grants::Grant};
use crate::{
    error::{Error, Result},
    http::{form::Params, gate::Key, routes::Routes},
    model::{
        grant::Role,
        id::{MembershipId, ResourceId},
        permission::{Inside, Permission},
    },
    store::{
        roles,
        why::{self, Subject},
    },
};
use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The calls.
pub fn routes() -> Routes {
    Routes::default()
        .get("/api/v1/accounts/{slug}/can", show)
        .told(|it| {
            it.says(
                "Ask whether a member may",
                "Whether a member may do something here or to a resource: through which grant, or what is missing and which roles \
                 have it. About oneself for every member; about others for `members.view`.",
            )
            .asks::<Asked>()
            .gives::<Can>(200)
            .fails(&["permission_missing"])
        })
        .about("Permissions", "Who may do what, and why.")
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Without one, what this key itself may do.
    #[serde(default, deserialize_with = "given")]
    member: Option<MembershipId>,
    /// What they would do.
    #[schema(value_type = Permission)]
    permission: String,
    /// To which resource; without one, in the account as a whole.
    #[serde(default)]
    #[schema(value_type = Option<ResourceId>)]
    resource: Option<String>,
}

/// Why.
#[derive(Serialize, ToSchema)]
struct Can {
    /// Whether they may.
    allowed: bool,
    /// The grant by which they may.
    because: Option<Grant>,
    /// The permission that they lack.
    missing: Option<Permission>,
    /// The roles that have it. Narrowest first: built-in roles' words, custom roles' ids.
    #[schema(example = json!(["developer"]))]
    granted_by: Vec<String>,
}

async fn show(key: Key<Inside>, Params(asked): Params<Asked>) -> Result<Json<Can>> {
    let who = key.me();
    if asked.member.is_some_and(|it| !who.is(it)) && !who.may(Permission::ViewMembers) {
        return Err(Error::Forbidden(Permission::ViewMembers));
    }
    let unknown = || Error::invalid("permission", "unknown_permission", "There is no such permission.");
    let permission = Permission::parse(&asked.permission).ok_or_else(unknown)?;
    let mut scope = key.read();
    let about = match asked.resource.as_deref() {
        Some(id) => {
            let detail = "There is no such resource in this account.";
            let unknown = |_| Error::invalid("resource", "unknown_resource", detail);
            Some(why::about(&mut scope, id.parse::<ResourceId>().map_err(unknown)?).await?)
        }
        None => None,
    };
    let subject = match asked.member {
        Some(id) => why::subject(&mut scope, id).await?,
        None => Subject::visitor(&scope),
    };
    let answer = subject.explain(permission, about.as_ref());
    let offer = roles::offer(&mut scope).await?;
    let word = |it: Role| match it {
        Role::BuiltIn(it) => it.word().to_owned(),
        Role::Custom(id, _) => id.to_string(),
    };
    Ok(Json(Can {
        allowed: answer.allowed(),
        because: answer.because.as_ref().map(Grant::from),
        missing: answer.missing(),
        granted_by: offer.holding(answer.missing().unwrap_or(permission)).into_iter().map(word).collect(),
    }))
}
