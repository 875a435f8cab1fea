//! Custom roles: owned by an organization, used by its teams too.
mod edit;
mod effect;
mod held;

pub use edit::{Edit, New, create, delete, may_change, update};
pub use effect::{Changed, Effect, effect};
pub use held::{Held, Holder, Which, holders, holders_of};

use super::Scope;
use crate::{
    error::{Error, Result},
    model::{
        access::Entry,
        account::Kind,
        id::RoleId,
        permission::{Permission, Permissions},
        role::BuiltIn,
        time::Time,
        why,
    },
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

/// How many an organization may have: they are offered in one list.
pub const MOST: usize = 200;

/// The custom roles that can be granted in the account, by name.
pub async fn list(scope: &mut Scope) -> Result<Vec<Role>> {
    let top = scope.who().here.top();
    let sql =
        "select id, name, description, permissions from roles where account_id = $1 order by name limit 200";
    let rows: Vec<(RoleId, String, String, String)> = scope.sql(sql).bind(top).fetch_all().await?;
    let role = |(id, name, description, permissions): (RoleId, String, String, String)| Role {
        id,
        name,
        description,
        permissions: Permissions::from_json(&permissions),
    };
    Ok(rows.into_iter().map(role).collect())
}

/// What a role was made from.
#[derive(Clone, Debug)]
pub struct Base {
    /// As people say it.
    pub name: String,
    /// What it allows now.
    pub permissions: Permissions,
}

/// A custom role with what its editor needs.
#[derive(Clone, Debug)]
pub struct Custom {
    /// The role.
    pub role: Role,
    /// What it was made from, if that is still there.
    pub base: Option<Base>,
    /// When it was saved last: who edits an older one is told.
    pub version: Time,
}

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    description: String,
    permissions: String,
    updated_at: Time,
    base: Option<String>,
    base_name: Option<String>,
    base_permissions: Option<String>,
}

/// One custom role that can be granted in the account.
pub async fn find(scope: &mut Scope, id: RoleId) -> Result<Custom> {
    let (top, admins_may_delete) = (scope.who().here.top(), scope.who().here.admins_may_delete);
    let sql = "select r.name, r.description, r.permissions, r.updated_at, r.base, b.name as base_name,
            b.permissions as base_permissions
        from roles r left join roles b on b.account_id = r.account_id and encode(uuid_send(b.id), 'hex') = r.base
        where r.account_id = $1 and r.id = $2";
    let row: Option<Row> = scope.sql(sql).bind(top).bind(id).fetch_optional().await?;
    let row = row.ok_or(Error::NotFound)?;
    let own = row.base_name.zip(row.base_permissions);
    let own = own.map(|(name, it)| Base { name, permissions: Permissions::from_json(&it) });
    let built_in = row.base.as_deref().and_then(BuiltIn::parse).map(|it| Base {
        name: it.title().to_owned(),
        permissions: it.permissions(admins_may_delete).without(NEVER),
    });
    let permissions = Permissions::from_json(&row.permissions);
    let role = Role { id, name: row.name, description: row.description, permissions };
    Ok(Custom { role, base: built_in.or(own), version: row.updated_at })
}

/// What no custom role holds.
pub const NEVER: Permissions = Permissions::of(&[Permission::TransferAccount]);

/// Roles are made in the organization; its teams use them, and other accounts have none.
pub fn are_made_here(who: &Entry) -> Result<()> {
    let here = &who.here;
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

/// What roles there are to give, for `why`.
pub async fn offer(scope: &mut Scope) -> Result<why::Offer> {
    let all = list(scope).await?;
    let products = scope.kit().catalog.products.iter().map(|it| it.id.clone()).collect();
    let custom = all.into_iter();
    let custom = custom.map(|it| why::Custom { id: it.id, name: it.name, permissions: it.permissions });
    let admins_may_delete = scope.who().here.admins_may_delete;
    Ok(why::Offer { products, custom: custom.collect(), admins_may_delete })
}
