//! Custom roles: owned by an organization, used by its teams too.
use super::Scope;
use crate::{
    error::Result,
    model::{id::RoleId, permission::Permissions, role::BuiltIn},
};

/// How many members of the account hold a role.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Held {
    /// A built-in role's word.
    pub role: Option<String>,
    /// Or a custom role.
    pub role_id: Option<RoleId>,
    /// So many members.
    pub holders: i64,
}

/// How many members hold which role, over whatever scope. Roles that nobody holds are not in it.
pub async fn holders(scope: &mut Scope) -> Result<Vec<Held>> {
    let now = scope.now();
    let sql = "select g.role, g.role_id, count(distinct g.membership_id) as holders from grants g
        where g.account_id = $1 and g.membership_id is not null and coalesce(g.expires_at, $2) >= $2 group by g.role, g.role_id";
    let mut held: Vec<Held> = scope.ask(sql).bind(now).all().await?;
    held.push(Held { role: Some(BuiltIn::Owner.word().to_owned()), role_id: None, holders: 1 });
    Ok(held)
}

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
