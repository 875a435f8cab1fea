//! Roles: those that every account has, and the organization's own.
use super::{
    etag::{IfMatch, Tagged, Versioned},
    given,
    pagination::{Ask, List},
};
use crate::{
    error::{Error, Result},
    http::{
        form::{self, Params},
        gate::{At, Key},
        routes::Routes,
    },
    model::{
        id::RoleId,
        permission::{ManageRoles, Permission, Permissions, SeeRoles},
        role::BuiltIn,
        text::Name,
        time::Time,
    },
    store::roles::{self, Edit, Held, New},
};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The calls.
pub fn routes() -> Routes {
    let (all, one) = ("/api/v1/accounts/{slug}/roles", "/api/v1/accounts/{slug}/roles/{id}");
    Routes::default()
        .get(all, list)
        .told(|it| {
            it.says("List roles", "The built-in ones first, then the organization’s own by name.").asks::<Wish>().lists::<Role>()
        })
        .post(all, create)
        .told(|it| {
            it.says("Make a role", "A role of the organization’s own, for it and its teams. Nobody puts into it what they do not hold.")
                .takes::<Post>()
                .gives::<Role>(201)
                .tagged()
                .fails(OWN)
        })
        .get(one, show)
        .told(|it| it.says("Read a role", "What it allows, and how many hold it.").named(ID).gives::<Role>(200).tagged())
        .patch(one, update)
        .told(|it| {
            it.says("Change a role", "For all who hold it, at once. Built-in roles stay as they are.")
                .named(ID)
                .takes::<Patch>()
                .gives::<Role>(200)
                .tagged()
                .fails(OWN)
        })
        .delete(one, delete)
        .told(|it| {
            it.says("Delete a role", "Its holders get `replacement`; a role that nobody holds needs none.")
                .named(ID)
                .asks::<Removal>()
                .gives_nothing()
                .tagged()
                .fails(OWN)
        })
        .about("Roles", "Named sets of permissions: the built-in ones, and the organization’s own.")
}

/// A built-in role's word, or the id of one of the organization's own.
const ID: &str = "^([a-z-]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$";

/// What can stand in the way of a role of the organization's own.
const OWN: &[&str] = &[
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
    /// A built-in role's word, or an id.
    #[schema(example = "developer")]
    id: String,
    /// Its name.
    #[schema(example = "Developer")]
    name: String,
    /// What it is for.
    #[schema(example = "Create, change, delete and use resources.")]
    description: String,
    /// Whether it is the same everywhere.
    built_in: bool,
    /// What it allows.
    permissions: Permissions,
    /// How many members hold it.
    holders: i64,
    #[serde(skip)]
    version: Option<Time>,
}

impl Role {
    fn built_in(it: BuiltIn, admins_may_delete: bool, held: &[Held]) -> Role {
        Role {
            id: it.word().to_owned(),
            name: it.title().to_owned(),
            description: it.says().to_owned(),
            built_in: true,
            permissions: it.permissions(admins_may_delete),
            holders: count(held, |had| had.role.as_deref() == Some(it.word())),
            version: None,
        }
    }
    fn custom(it: roles::Role, held: &[Held], version: Option<Time>) -> Role {
        Role {
            id: it.id.to_string(),
            holders: count(held, |had| had.role_id == Some(it.id)),
            name: it.name,
            description: it.description,
            built_in: false,
            permissions: it.permissions,
            version,
        }
    }
    async fn find(scope: &mut crate::store::Scope, id: RoleId) -> Result<Role> {
        let it = roles::find(scope, id).await?;
        let held = roles::holders(scope).await?;
        Ok(Role::custom(it.role, &held, Some(it.version)))
    }
}

impl Versioned for Role {
    const PASSING: &[&str] = &["holders"];
    fn besides(&self) -> String {
        self.version.map(|it| it.to_string()).unwrap_or_default()
    }
}

fn count(held: &[Held], is_it: impl Fn(&&Held) -> bool) -> i64 {
    held.iter().find(is_it).map_or(0, |it| it.holders)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wish {}

/// The built-in ones first, then the organization's own by name: few enough to be read at once and cut here.
async fn list(key: Key<SeeRoles>, ask: Ask<Wish>) -> Result<List<Role>> {
    let Wish {} = ask.filter;
    let mut scope = key.read();
    let held = roles::holders(&mut scope).await?;
    let own = roles::list(&mut scope).await?;
    let admins_may_delete = key.me().here.admins_may_delete;
    let built_in = std::iter::once(BuiltIn::Owner).chain(BuiltIn::GRANTABLE.iter().copied());
    let all: Vec<Role> = built_in
        .map(|it| Role::built_in(it, admins_may_delete, &held))
        .chain(own.into_iter().map(|it| Role::custom(it, &held, None)))
        .collect();
    let from = ask.after_by(|after| all.iter().position(|it| it.id == after))?.map_or(0, |it| it + 1);
    let rest = all.into_iter().skip(from).collect();
    Ok(ask.page(rest, |it| it.id.clone(), |it| it))
}

async fn show(key: Key<SeeRoles>, At(id): At<String>) -> Result<Tagged<Role>> {
    let mut scope = key.read();
    if let Some(it) = BuiltIn::parse(&id) {
        let held = roles::holders(&mut scope).await?;
        return Ok(Tagged(Role::built_in(it, key.me().here.admins_may_delete, &held)));
    }
    Ok(Tagged(Role::find(&mut scope, id.parse().map_err(|_| Error::NotFound)?).await?))
}

/// A role that is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRole)]
struct Post {
    /// Its name: once in the organization.
    #[schema(value_type = Name)]
    name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 300, example = "Looks at trailers, and runs searches.")]
    description: String,
    /// Without them, those of `base` as far as they are held.
    #[serde(default)]
    permissions: Option<Vec<Permission>>,
    /// A role to start from.
    #[serde(default)]
    #[schema(example = "analyst")]
    base: Option<String>,
}

async fn create(
    key: Key<ManageRoles>,
    form::Json(asked): form::Json<Post>,
) -> Result<(StatusCode, Tagged<Role>)> {
    let new = New {
        name: Name::parse(&asked.name).map_err(Error::at("name"))?,
        description: asked.description,
        permissions: asked.permissions.map(|it| Permissions::of(&it)),
        base: asked.base,
    };
    let made = key.change(async |change| {
        let id = roles::create(change, &new).await?;
        Role::find(change, id).await
    });
    Ok((StatusCode::CREATED, Tagged(made.await?)))
}

/// What changes; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RolePatch)]
struct Patch {
    /// A new name.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Name>, nullable = false)]
    name: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, max_length = 300, example = "Looks at trailers, and runs searches.")]
    description: Option<String>,
    /// All that it allows from now on.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    permissions: Option<Vec<Permission>>,
}

/// A built-in role is told apart from one that is not there.
fn own(id: &str) -> Result<RoleId> {
    if BuiltIn::parse(id).is_some() {
        return Err(Error::conflict(
            "built_in",
            "A built-in role is the same everywhere. Make one of your own from it.",
        ));
    }
    id.parse().map_err(|_| Error::NotFound)
}

async fn update(
    key: Key<ManageRoles>,
    At(id): At<String>,
    version: IfMatch,
    form::Json(asked): form::Json<Patch>,
) -> Result<Tagged<Role>> {
    let id = own(&id)?;
    let name = asked.name.as_deref().map(Name::parse).transpose().map_err(Error::at("name"))?;
    key.change(async |change| {
        version.holds(&Role::find(change, id).await?)?;
        let had = roles::find(change, id).await?.role;
        let edit = Edit {
            name: match &name {
                Some(it) => it.clone(),
                None => Name::parse(&had.name).map_err(Error::at("name"))?,
            },
            description: asked.description.clone().unwrap_or(had.description),
            permissions: asked.permissions.as_deref().map_or(had.permissions, Permissions::of),
            version: None,
        };
        roles::update(change, id, &edit).await?;
        Ok(Tagged(Role::find(change, id).await?))
    })
    .await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RoleRemoval)]
struct Removal {
    /// The role that its holders get.
    #[serde(default)]
    replacement: Option<String>,
}

async fn delete(
    key: Key<ManageRoles>,
    At(id): At<String>,
    version: IfMatch,
    Params(asked): Params<Removal>,
) -> Result<StatusCode> {
    let id = own(&id)?;
    key.change(async |change| {
        if version.is_given() {
            version.holds(&Role::find(change, id).await?)?;
        }
        roles::delete(change, id, asked.replacement.as_deref()).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
