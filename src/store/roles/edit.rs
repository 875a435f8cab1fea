//! Creates, changes and deletes custom roles. Nobody adds a permission that they do not have over the whole account, and
//! nobody changes a role that has permissions that they lack.
use super::{MOST, NEVER, Role, RoleDetail, are_made_here, find, list};
use crate::{
    error::{Error, Result},
    model::{
        access::Access,
        grant::{self, Grant, GrantScope},
        id::RoleId,
        permission::{Permission, Permissions},
        role::{BuiltIn, ScopeKind},
        text::{Name, fold},
        time::Time,
    },
    store::{
        Change,
        audit::{self, NewEvent},
    },
};
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub struct NewRole {
    pub name: Name,
    pub description: String,
    /// `None`: those of the base that the caller has.
    pub permissions: Option<Permissions>,
    /// A built-in role or the id of a custom one.
    pub base: Option<String>,
}

#[derive(Clone, Debug)]
pub struct RoleUpdate {
    pub name: Name,
    pub description: String,
    pub permissions: Permissions,
    /// Which version was edited; none to save over any.
    pub version: Option<Time>,
}

/// In characters.
const MAX_DESCRIPTION: usize = 300;

fn description(text: &str) -> Result<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() > MAX_DESCRIPTION {
        let detail = format!("A description has at most {MAX_DESCRIPTION} characters.");
        return Err(Error::invalid("description", "too_long", detail));
    }
    Ok(text)
}

/// Fails unless the caller has all of these permissions over the whole account.
fn check_covers(access: &Access, permissions: Permissions) -> Result<()> {
    let whole = Grant { allows: permissions, ..Grant::whole(BuiltIn::Member, false) };
    access.rights.cover(&whole).map_err(Error::MissingPermission)
}

/// Fails unless a role that the caller makes may have these permissions.
fn check_may_hold(access: &Access, permissions: Permissions) -> Result<()> {
    if permissions.and(NEVER) != Permissions::NONE {
        let detail = "Handing the account over stays with its owner: no custom role holds account.transfer.";
        return Err(Error::invalid("permissions", "owner_only", detail));
    }
    check_covers(access, permissions)
}

/// Fails unless the caller may change this role.
pub fn may_change(access: &Access, role: &Role) -> Result<()> {
    are_made_here(access)?;
    if !access.may(Permission::ManageRoles) {
        return Err(Error::MissingPermission(Permission::ManageRoles));
    }
    check_covers(access, role.permissions)
}

async fn check_name_is_free(change: &mut Change<Access>, name: &Name, besides: Option<RoleId>) -> Result<()> {
    let folded = fold(name.as_str());
    let taken = || {
        let detail = format!("There is a role “{name}” already. Choose another name.");
        Error::invalid("name", "taken", detail)
    };
    let built_in = std::iter::once(&BuiltIn::Owner).chain(BuiltIn::GRANTABLE);
    if built_in.into_iter().any(|role| fold(role.label()) == folded || role.as_str() == folded) {
        return Err(taken());
    }
    let all = list(change).await?;
    if all.iter().any(|role| Some(role.id) != besides && fold(&role.name) == folded) {
        return Err(taken());
    }
    if besides.is_none() && all.len() >= MOST {
        let detail = format!("An organization has at most {MOST} roles of its own. Delete one first.");
        return Err(Error::conflict("too_many_roles", detail));
    }
    Ok(())
}

/// The role that a new one starts from: its identifier, name and permissions.
async fn base(change: &mut Change<Access>, word: &str) -> Result<(String, String, Permissions)> {
    if let Some(role) = BuiltIn::parse(word) {
        let permissions = role.permissions(change.access().account.admins_may_delete);
        return Ok((role.as_str().to_owned(), role.label().to_owned(), permissions));
    }
    let unknown = || Error::invalid("base", "unknown_role", "Choose a role to start from.");
    let id: RoleId = word.parse().map_err(|_| unknown())?;
    match find(change, id).await {
        Ok(found) => Ok((id.0.simple().to_string(), found.role.name, found.role.permissions)),
        Err(Error::NotFound) => Err(unknown()),
        Err(other) => Err(other),
    }
}

pub async fn create(change: &mut Change<Access>, new: &NewRole) -> Result<RoleId> {
    are_made_here(change.access())?;
    check_name_is_free(change, &new.name, None).await?;
    let description = description(&new.description)?;
    let base = match new.base.as_deref().filter(|word| !word.is_empty()) {
        Some(word) => Some(base(change, word).await?),
        None => None,
    };
    let permissions = match (new.permissions, &base) {
        (Some(permissions), _) => permissions,
        (None, Some((.., all))) => covered(change.access(), all.without(NEVER)),
        (None, None) => Permissions::NONE,
    };
    check_may_hold(change.access(), permissions)?;
    let (id, now, account) = (RoleId(change.context().id()), change.now(), change.access().account.id);
    let sql =
        "insert into roles (account_id, id, name, description, permissions, base, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $7)";
    change
        .query_unscoped(sql)
        .bind(account)
        .bind(id)
        .bind(new.name.as_str())
        .bind(description)
        .bind(permissions.to_json())
        .bind(base.as_ref().map(|base| base.0.clone()))
        .bind(now)
        .execute()
        .await?;
    let action = if base.is_some() { "role.duplicated" } else { "role.created" };
    let from = base.map(|base| base.1);
    let event = NewEvent::on(action, "role", id, &new.name);
    audit::record(change, event.changed(Value::Null, json!({ "permissions": permissions, "from": from })))
        .await?;
    Ok(id)
}

/// Those of the permissions that the caller has over the whole account.
fn covered(access: &Access, permissions: Permissions) -> Permissions {
    let held: Vec<Permission> = permissions
        .iter()
        .filter(|permission| check_covers(access, Permissions::of(&[*permission])).is_ok())
        .collect();
    Permissions::of(&held)
}

/// Saves a role. Fails if somebody else saved it since `version`.
pub async fn update(change: &mut Change<Access>, id: RoleId, edit: &RoleUpdate) -> Result<()> {
    let RoleDetail { role, version, .. } = find(change, id).await?;
    may_change(change.access(), &role)?;
    if edit.version.is_some_and(|edited| edited != version) {
        let detail = "Somebody else saved this role meanwhile. What you entered is still here, and is compared with \
            what is saved now: look again, then save.";
        return Err(Error::conflict("changed_meanwhile", detail));
    }
    check_may_hold(change.access(), edit.permissions)?;
    check_name_is_free(change, &edit.name, Some(id)).await?;
    let description = description(&edit.description)?;
    let name = edit.name.as_str();
    if role.name == name && role.description == description && role.permissions == edit.permissions {
        return Ok(());
    }
    // Two saves within a microsecond still get two versions.
    let at = Time(change.now().0.max(version.0 + 1));
    let sql = "update roles set name = $3, description = $4, permissions = $5, updated_at = $6
        where account_id = $1 and id = $2";
    change
        .query_in_account(sql)
        .bind(id)
        .bind(name)
        .bind(description.clone())
        .bind(edit.permissions.to_json())
        .bind(at)
        .execute()
        .await?;
    let before =
        json!({ "name": role.name, "description": role.description, "permissions": role.permissions });
    let after = json!({ "name": name, "description": description, "permissions": edit.permissions });
    audit::record(change, NewEvent::on("role.changed", "role", id, name).changed(before, after)).await
}

/// Deletes a role. Members and invitations that have it get the replacement over the same scope, here and in the teams.
pub async fn delete(change: &mut Change<Access>, id: RoleId, replacement: Option<&str>) -> Result<()> {
    let RoleDetail { role, .. } = find(change, id).await?;
    may_change(change.access(), &role)?;
    // Locks the teams, so that nobody grants the role there meanwhile.
    let sql = "select 1 from accounts where parent_id = $1 order by id for no key update";
    change.query_in_account(sql).execute().await?;
    let scopes = scopes_in_use(change, id).await?;
    let named = match replacement.filter(|word| !word.is_empty()) {
        Some(word) => Some(find_replacement(change, id, word).await?),
        None => None,
    };
    match &named {
        Some(grant) => {
            check_scopes(grant, &scopes)?;
            check_covers(change.access(), grant.allows)?;
            replace_in_grants(change, id, &grant.role).await?;
        }
        None if !scopes.is_empty() => {
            let detail =
                format!("“{}” is in use. Choose a role that its holders get in its place.", role.name);
            return Err(Error::invalid("replacement", "in_use", detail));
        }
        None => {}
    }
    // What is left are expired grants, and those of answered invitations.
    change.query_unscoped("delete from grants where role_id = $1").bind(id).execute().await?;
    change.query_in_account("delete from roles where account_id = $1 and id = $2").bind(id).execute().await?;
    let before = json!({ "permissions": role.permissions, "description": role.description });
    let after = json!({ "replacement": named.map(|grant| grant.label()) });
    audit::record(change, NewEvent::on("role.deleted", "role", id, &role.name).changed(before, after)).await
}

/// The scopes over which members and pending invitations have the role.
async fn scopes_in_use(change: &mut Change<Access>, id: RoleId) -> Result<Vec<String>> {
    let now = change.now();
    let sql = "select distinct g.scope from grants g left join invitations i on i.id = g.invitation_id
        where g.role_id = $1 and in_force(g, $2) and (g.membership_id is not null or i.status = 'pending')";
    let rows: Vec<(String,)> = change.query_unscoped(sql).bind(id).bind(now).fetch_all().await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

async fn find_replacement(change: &mut Change<Access>, id: RoleId, word: &str) -> Result<Grant> {
    let unknown =
        || Error::invalid("replacement", "unknown_role", "Choose another role of this organization.");
    if let Some(role) = BuiltIn::parse(word) {
        if role == BuiltIn::Owner {
            return Err(unknown());
        }
        return Ok(Grant::whole(role, change.access().account.admins_may_delete));
    }
    let other: RoleId = word.parse().map_err(|_| unknown())?;
    if other == id {
        return Err(unknown());
    }
    let role = match find(change, other).await {
        Err(Error::NotFound) => return Err(unknown()),
        found => found?.role,
    };
    let named = grant::Role::Custom(other, role.name);
    Ok(Grant { id: None, role: named, over: GrantScope::Account, allows: role.permissions, expires_at: None })
}

/// Checks that the replacement can have every scope that the role is used with.
fn check_scopes(replacement: &Grant, scopes: &[String]) -> Result<()> {
    let reaches = replacement.scope_kind();
    let bad = scopes.iter().find(|scope| match scope.as_str() {
        "account" => reaches == ScopeKind::Resources,
        "product" => !matches!(reaches, ScopeKind::Products | ScopeKind::Anything),
        _ => !matches!(reaches, ScopeKind::Resources | ScopeKind::Anything),
    });
    let Some(scope) = bad else { return Ok(()) };
    let over = match scope.as_str() {
        "account" => "the whole account",
        "product" => "one product",
        _ => "chosen resources",
    };
    let detail = format!(
        "Somebody holds the role over {over}, which {} cannot be held over. Choose another replacement.",
        replacement.title()
    );
    Err(Error::invalid("replacement", "scope_not_allowed", detail))
}

/// Changes the role of grants, except where the member has the other role already for as long.
async fn replace_in_grants(change: &mut Change<Access>, from: RoleId, to: &grant::Role) -> Result<()> {
    let (word, id) = match to {
        grant::Role::BuiltIn(role) => (Some(role.as_str()), None),
        grant::Role::Custom(id, _) => (None, Some(*id)),
    };
    let sql = "delete from grants where role_id = $1 and scope <> 'resources' and exists (select 1 from grants o
        where o.membership_id = grants.membership_id and (o.role = $2 or o.role_id = $3) and o.scope = grants.scope
            and coalesce(o.product, '') = coalesce(grants.product, '')
            and (o.expires_at is null or o.expires_at >= grants.expires_at))";
    change.query_unscoped(sql).bind(from).bind(word).bind(id).execute().await?;
    let sql = "update grants set role = $2, role_id = $3 where role_id = $1
        and (membership_id is not null or invitation_id in (select id from invitations where status = 'pending'))";
    change.query_unscoped(sql).bind(from).bind(word).bind(id).execute().await?;
    Ok(())
}
