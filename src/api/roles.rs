//! Roles: those that every account has, and the organization's own.
use super::{
    given,
    list::{Ask, List},
    matches,
};
use crate::{
    app::{
        form::{self, Params},
        gate::{At, Key},
        routes::Routes,
    },
    error::{Error, Result},
    model::{
        id::RoleId,
        permission::{ManageRoles, Permission, Permissions, SeeRoles},
        role::BuiltIn,
        text::Name,
        time::Time,
    },
    store::roles::{self, Edit, Held, New},
};
use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

/// The calls.
pub fn routes() -> Routes {
    let (all, one) = ("/api/v1/accounts/{slug}/roles", "/api/v1/accounts/{slug}/roles/{id}");
    Routes::default().get(all, list).post(all, create).get(one, show).patch(one, update).delete(one, delete)
}

#[derive(Serialize)]
struct Role {
    id: String,
    name: String,
    description: String,
    built_in: bool,
    permissions: Permissions,
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
    fn tag(&self) -> Option<String> {
        self.version.map(|it| it.0.to_string())
    }
}

impl IntoResponse for Role {
    fn into_response(self) -> Response {
        let tag = self.tag().and_then(|it| HeaderValue::from_str(&format!("\"{it}\"")).ok());
        let mut response = Json(self).into_response();
        if let Some(tag) = tag {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

fn count(held: &[Held], is_it: impl Fn(&&Held) -> bool) -> i64 {
    held.iter().find(is_it).map_or(0, |it| it.holders)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {}

/// The built-in ones first, then the organization's own by name: few enough to be read at once and cut here.
async fn list(key: Key<SeeRoles>, ask: Ask<Wish>) -> Result<List<Role>> {
    let Wish {} = ask.filter;
    let mut scope = key.read().await?;
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

async fn show(key: Key<SeeRoles>, At(id): At<String>) -> Result<Role> {
    let mut scope = key.read().await?;
    if let Some(it) = BuiltIn::parse(&id) {
        let held = roles::holders(&mut scope).await?;
        return Ok(Role::built_in(it, key.me().here.admins_may_delete, &held));
    }
    Role::find(&mut scope, id.parse().map_err(|_| Error::NotFound)?).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Post {
    name: String,
    #[serde(default)]
    description: String,
    /// Without them, those of `base` as far as they are held.
    #[serde(default)]
    permissions: Option<Vec<Permission>>,
    /// A role to start from.
    #[serde(default)]
    base: Option<String>,
}

async fn create(key: Key<ManageRoles>, form::Json(asked): form::Json<Post>) -> Result<(StatusCode, Role)> {
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
    Ok((StatusCode::CREATED, made.await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    #[serde(default, deserialize_with = "given")]
    name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    description: Option<String>,
    #[serde(default, deserialize_with = "given")]
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
    fields: HeaderMap,
    form::Json(asked): form::Json<Patch>,
) -> Result<Role> {
    let id = own(&id)?;
    let name = asked.name.as_deref().map(Name::parse).transpose().map_err(Error::at("name"))?;
    key.change(async |change| {
        let before = roles::find(change, id).await?;
        if !matches(&fields, &before.version.0.to_string()) {
            return Err(Error::Changed);
        }
        let had = before.role;
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
        Role::find(change, id).await
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Removal {
    /// The role that its holders get.
    #[serde(default)]
    replacement: Option<String>,
}

async fn delete(
    key: Key<ManageRoles>,
    At(id): At<String>,
    Params(asked): Params<Removal>,
) -> Result<StatusCode> {
    let id = own(&id)?;
    key.change(async |change| roles::delete(change, id, asked.replacement.as_deref()).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
