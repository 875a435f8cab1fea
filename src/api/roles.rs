//! Roles: built-in ones, and custom ones of an organization.
use super::{
    etag::{IfMatch, Versioned, WithEtag},
    pagination::{List, ListQuery, NoFilters},
    present,
};
use crate::{
    error::{Error, Result},
    http::{
        form::{self, Params},
        gate::{Key, PathId},
        routes::Routes,
    },
    model::{
        access::Access,
        id::RoleId,
        permission::{ManageRoles, Permission, Permissions, SeeRoles},
        role::BuiltIn,
        text::Name,
        time::Time,
    },
    store::roles::{self, HolderCount, RoleUpdate},
};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub fn routes() -> Routes {
    let (all, one) = ("/api/v1/accounts/{slug}/roles", "/api/v1/accounts/{slug}/roles/{id}");
    Routes::default()
        .get(all, list)
        .doc(|call| {
            call.summary("List roles", "Built-in roles first, then custom ones by name.").returns_list::<Role>()
        })
        .post(all, create)
        .doc(|call| {
            call.summary("Create a role", "A custom role for the organization and its teams. Nobody can give it permissions that they do not have.")
                .body::<NewRole>()
                .returns::<Role>(201)
                .with_etag()
                .errors(CUSTOM_ROLE_ERRORS)
        })
        .get(one, show)
        .doc(|call| call.summary("Get a role", "Its permissions, and how many members have it.").id_pattern(ID).returns::<Role>(200).with_etag())
        .patch(one, update)
        .doc(|call| {
            call.summary("Update a role", "For all members who have it, at once. Built-in roles cannot be changed.")
                .id_pattern(ID)
                .body::<RolePatch>()
                .returns::<Role>(200)
                .with_etag()
                .errors(CUSTOM_ROLE_ERRORS)
        })
        .delete(one, delete)
        .doc(|call| {
            call.summary("Delete a role", "Its members get `replacement`, which is not needed if nobody has the role.")
                .id_pattern(ID)
                .query::<DeleteRoleQuery>()
                .no_content()
                .with_etag()
                .errors(CUSTOM_ROLE_ERRORS)
        })
        .about("Roles", "Named sets of permissions: built-in ones, and custom ones of an organization.")
}

/// The name of a built-in role, or the id of a custom one.
const ID: &str = "^([a-z-]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$";

/// Errors of calls that change a custom role.
const CUSTOM_ROLE_ERRORS: &[&str] = &[
    "built_in",
    "changed_meanwhile",
    "not_an_organization",
    "permission_missing",
    "roles_of_organization",
    "too_many_roles",
];

/// A named set of permissions.
#[derive(Serialize, ToSchema)]
struct Role {
    /// The name of a built-in role, or an id.
    #[schema(example = "developer")]
    id: String,
    /// Its name.
    #[schema(example = "Developer")]
    name: String,
    /// What it is for.
    #[schema(example = "Create, change, delete and use resources.")]
    description: String,
    /// Whether it is built in.
    built_in: bool,
    /// Its permissions.
    permissions: Permissions,
    /// The number of members who have it.
    holders: i64,
    #[serde(skip)]
    version: Option<Time>,
}

impl Role {
    fn built_in(role: BuiltIn, admins_may_delete: bool, counts: &[HolderCount]) -> Role {
        Role {
            id: role.as_str().to_owned(),
            name: role.label().to_owned(),
            description: role.description().to_owned(),
            built_in: true,
            permissions: role.permissions(admins_may_delete),
            holders: holders(counts, |count| count.role.as_deref() == Some(role.as_str())),
            version: None,
        }
    }
    fn custom(role: roles::Role, counts: &[HolderCount], version: Option<Time>) -> Role {
        Role {
            id: role.id.to_string(),
            holders: holders(counts, |count| count.role_id == Some(role.id)),
            name: role.name,
            description: role.description,
            built_in: false,
            permissions: role.permissions,
            version,
        }
    }
    async fn find(scope: &mut crate::store::Scope<Access>, id: RoleId) -> Result<Role> {
        let found = roles::find(scope, id).await?;
        let counts = roles::holders(scope).await?;
        Ok(Role::custom(found.role, &counts, Some(found.version)))
    }
}

impl Versioned for Role {
    const VOLATILE: &[&str] = &["holders"];
    fn hidden_version(&self) -> String {
        self.version.map(|at| at.to_string()).unwrap_or_default()
    }
}

fn holders(counts: &[HolderCount], is_of_role: impl Fn(&&HolderCount) -> bool) -> i64 {
    counts.iter().find(is_of_role).map_or(0, |count| count.holders)
}

/// There are few enough roles to read all of them and page here.
async fn list(key: Key<SeeRoles>, query: ListQuery<NoFilters>) -> Result<List<Role>> {
    let mut scope = key.read();
    let counts = roles::holders(&mut scope).await?;
    let custom = roles::list(&mut scope).await?;
    let admins_may_delete = key.access().account.admins_may_delete;
    let built_in = std::iter::once(BuiltIn::Owner).chain(BuiltIn::GRANTABLE.iter().copied());
    let all: Vec<Role> = built_in
        .map(|role| Role::built_in(role, admins_may_delete, &counts))
        .chain(custom.into_iter().map(|role| Role::custom(role, &counts, None)))
        .collect();
    let last = query.after_with(|after| all.iter().position(|role| role.id == after))?;
    let rest = all.into_iter().skip(last.map_or(0, |index| index + 1)).collect();
    Ok(query.page(rest, |role| role.id.clone(), |role| role))
}

async fn show(key: Key<SeeRoles>, PathId(id): PathId<String>) -> Result<WithEtag<Role>> {
    let mut scope = key.read();
    if let Some(role) = BuiltIn::parse(&id) {
        let counts = roles::holders(&mut scope).await?;
        return Ok(WithEtag(Role::built_in(role, key.access().account.admins_may_delete, &counts)));
    }
    Ok(WithEtag(Role::find(&mut scope, id.parse().map_err(|_| Error::NotFound)?).await?))
}

/// A role to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRole {
    /// Its name, unique in the organization.
    #[schema(value_type = Name)]
    name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 300, example = "Looks at trailers, and runs searches.")]
    description: String,
    /// Its permissions; absent: those of `base` that the caller has.
    #[serde(default)]
    permissions: Option<Vec<Permission>>,
    /// A role to start from.
    #[serde(default)]
    #[schema(example = "analyst")]
    base: Option<String>,
}

async fn create(
    key: Key<ManageRoles>,
    form::Json(body): form::Json<NewRole>,
) -> Result<(StatusCode, WithEtag<Role>)> {
    let new = roles::NewRole {
        name: Name::parse(&body.name).map_err(Error::at("name"))?,
        description: body.description,
        permissions: body.permissions.as_deref().map(Permissions::of),
        base: body.base,
    };
    let created = key.change(async |change| {
        let id = roles::create(change, &new).await?;
        Role::find(change, id).await
    });
    Ok((StatusCode::CREATED, WithEtag(created.await?)))
}

/// What to change; absent fields stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RolePatch {
    /// A new name.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Name>, nullable = false)]
    name: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, max_length = 300, example = "Looks at trailers, and runs searches.")]
    description: Option<String>,
    /// All permissions that it has from now on.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    permissions: Option<Vec<Permission>>,
}

/// A built-in role is a conflict, not a role that does not exist.
fn custom_role_id(id: &str) -> Result<RoleId> {
    if BuiltIn::parse(id).is_some() {
        return Err(Error::conflict(
            "built_in",
            "Built-in roles cannot be changed. Create a custom role from this one.",
        ));
    }
    id.parse().map_err(|_| Error::NotFound)
}

async fn update(
    key: Key<ManageRoles>,
    PathId(id): PathId<String>,
    if_match: IfMatch,
    form::Json(patch): form::Json<RolePatch>,
) -> Result<WithEtag<Role>> {
    let id = custom_role_id(&id)?;
    let name = patch.name.as_deref().map(Name::parse).transpose().map_err(Error::at("name"))?;
    key.change(async |change| {
        if_match.check(&Role::find(change, id).await?)?;
        let current = roles::find(change, id).await?.role;
        let update = RoleUpdate {
            name: match &name {
                Some(name) => name.clone(),
                None => Name::parse(&current.name).map_err(Error::at("name"))?,
            },
            description: patch.description.clone().unwrap_or(current.description),
            permissions: patch.permissions.as_deref().map_or(current.permissions, Permissions::of),
            version: None,
        };
        roles::update(change, id, &update).await?;
        Ok(WithEtag(Role::find(change, id).await?))
    })
    .await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeleteRoleQuery {
    /// The role that its members get instead.
    #[serde(default)]
    replacement: Option<String>,
}

async fn delete(
    key: Key<ManageRoles>,
    PathId(id): PathId<String>,
    if_match: IfMatch,
    Params(query): Params<DeleteRoleQuery>,
) -> Result<StatusCode> {
    let id = custom_role_id(&id)?;
    key.change(async |change| {
        if if_match.is_present() {
            if_match.check(&Role::find(change, id).await?)?;
        }
        roles::delete(change, id, query.replacement.as_deref()).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
