//! Custom roles: they belong to an organization, and its teams use them too.
mod edit;
mod effect;
mod holders;

pub use edit::{NewRole, RoleUpdate, create, delete, may_change, update};
pub use effect::{PermissionChange, RoleChangeImpact, effect};
pub use holders::{HolderCount, RoleHolder, RoleRef, holders, holders_of};

use super::Scope;
use crate::{
    error::{Error, Result},
    model::{
        access::Access,
        account::Kind,
        id::RoleId,
        permission::{Permission, Permissions},
        role::BuiltIn,
        time::Time,
        why,
    },
};

#[derive(Clone, Debug)]
pub struct Role {
    pub id: RoleId,
    pub name: String,
    pub description: String,
    pub permissions: Permissions,
}

/// The most custom roles of an organization.
pub const MOST: usize = 200;

/// The custom roles that can be granted in the account, by name.
pub async fn list(scope: &mut Scope<Access>) -> Result<Vec<Role>> {
    let top = scope.access().account.top();
    let sql =
        "select id, name, description, permissions from roles where account_id = $1 order by name limit 200";
    let rows: Vec<(RoleId, String, String, String)> = scope.query_unscoped(sql).bind(top).fetch_all().await?;
    let role = |(id, name, description, permissions): (RoleId, String, String, String)| Role {
        id,
        name,
        description,
        permissions: Permissions::from_json(&permissions),
    };
    Ok(rows.into_iter().map(role).collect())
}

#[derive(Clone, Debug)]
pub struct BaseRole {
    pub name: String,
    pub permissions: Permissions,
}

#[derive(Clone, Debug)]
pub struct RoleDetail {
    pub role: Role,
    /// The role that it was made from, if that still exists.
    pub base: Option<BaseRole>,
    /// When it was last saved; detects concurrent edits.
    pub version: Time,
}

#[derive(sqlx::FromRow)]
struct RoleRow {
    name: String,
    description: String,
    permissions: String,
    updated_at: Time,
    base: Option<String>,
    base_name: Option<String>,
    base_permissions: Option<String>,
}

pub async fn find(scope: &mut Scope<Access>, id: RoleId) -> Result<RoleDetail> {
    let (top, admins_may_delete) = (scope.access().account.top(), scope.access().account.admins_may_delete);
    let sql = "select r.name, r.description, r.permissions, r.updated_at, r.base, b.name as base_name,
            b.permissions as base_permissions
        from roles r left join roles b on b.account_id = r.account_id and encode(uuid_send(b.id), 'hex') = r.base
        where r.account_id = $1 and r.id = $2";
    let row: Option<RoleRow> = scope.query_unscoped(sql).bind(top).bind(id).fetch_optional().await?;
    let row = row.ok_or(Error::NotFound)?;
    let own = row.base_name.zip(row.base_permissions);
    let own = own.map(|(name, json)| BaseRole { name, permissions: Permissions::from_json(&json) });
    let built_in = row.base.as_deref().and_then(BuiltIn::parse).map(|role| BaseRole {
        name: role.label().to_owned(),
        permissions: role.permissions(admins_may_delete).without(NEVER),
    });
    let permissions = Permissions::from_json(&row.permissions);
    let role = Role { id, name: row.name, description: row.description, permissions };
    Ok(RoleDetail { role, base: built_in.or(own), version: row.updated_at })
}

/// Permissions that no custom role can have.
pub const NEVER: Permissions = Permissions::of(&[Permission::TransferAccount]);

/// Custom roles belong to organizations. Teams use those of their organization, other accounts have none.
pub fn are_made_here(access: &Access) -> Result<()> {
    let here = &access.account;
    match (here.kind, &here.parent) {
        (Kind::Organization, _) => Ok(()),
        (Kind::Team, Some((parent, Kind::Organization))) => {
            let detail =
                format!("The roles of a team are those of {}. Make and change them there.", parent.name);
            Err(Error::conflict("roles_of_organization", detail))
        }
        _ => Err(Error::conflict("not_an_organization", "Only an organization has roles of its own.")),
    }
}

/// The roles that can be granted, for `model::why`.
pub async fn offer(scope: &mut Scope<Access>) -> Result<why::GrantableRoles> {
    let all = list(scope).await?;
    let products = scope.context().catalog.products.iter().map(|product| product.id.clone()).collect();
    let custom = all.into_iter();
    let custom =
        custom.map(|role| why::CustomRole { id: role.id, name: role.name, permissions: role.permissions });
    let admins_may_delete = scope.access().account.admins_may_delete;
    Ok(why::GrantableRoles { products, custom: custom.collect(), admins_may_delete })
}
