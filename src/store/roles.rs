//! Custom roles: owned by an organization, used by its teams too.
use super::Scope;
use crate::{
    error::Result,
    model::{id::RoleId, permission::Permissions},
};

/// A custom role.
#[derive(Clone, Debug)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it allows.
    pub permissions: Permissions,
}

/// The custom roles that can be granted in the account, by name.
pub async fn list(scope: &mut Scope) -> Result<Vec<Role>> {
    let top = scope.who().here.top();
    let sql =
        "select id, name, description, permissions from roles where account_id = $1 order by name limit 200";
    let rows: Vec<(RoleId, String, String, String)> = scope.sql(sql).bind(top).all().await?;
    let role = |(id, name, description, permissions): (RoleId, String, String, String)| Role {
        id,
        name,
        description,
        permissions: Permissions::from_json(&permissions),
    };
    Ok(rows.into_iter().map(role).collect())
}
