//! Custom roles made, changed, deleted. Nobody puts into a role what they do not hold over the whole account, and nobody
//! changes a role that holds what they lack.
use super::{Custom, MOST, NEVER, Role, are_made_here, find, list};
use crate::{
    error::{Error, Result},
    model::{
        access::Entry,
        grant::{self, Grant, Over},
        id::RoleId,
        permission::{Permission, Permissions},
        role::{BuiltIn, Reaches},
        text::{Name, fold},
        time::Time,
    },
    store::{
        Change,
        audit::{self, Did},
    },
};
use serde_json::{Value, json};

/// A role that is to be.
#[derive(Clone, Debug)]
pub struct New {
    /// Its name.
    pub name: Name,
    /// What it is for.
    pub description: String,
    /// What it allows; none for what its base does, as far as its maker holds it.
    pub permissions: Option<Permissions>,
    /// What it starts from: a built-in role's word, or the id of a custom one.
    pub base: Option<String>,
}

/// A role as it is to be.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Its name.
    pub name: Name,
    /// What it is for.
    pub description: String,
    /// What it allows.
    pub permissions: Permissions,
    /// Which version was edited; none to save over any.
    pub version: Option<Time>,
}

/// As long as a description may be.
const LONGEST: usize = 300;

fn description(text: &str) -> Result<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() > LONGEST {
        let detail = format!("A description has at most {LONGEST} characters.");
        return Err(Error::invalid("description", "too_long", detail));
    }
    Ok(text)
}

/// Whether the visitor holds all of these over the whole account.
fn covers(who: &Entry, permissions: Permissions) -> Result<()> {
    let whole = Grant { allows: permissions, ..Grant::whole(BuiltIn::Member, false) };
    who.rights.cover(&whole).map_err(Error::Forbidden)
}

fn may_hold(who: &Entry, permissions: Permissions) -> Result<()> {
    if permissions.and(NEVER) != Permissions::NONE {
        let detail = "Handing the account over stays with its owner: no custom role holds account.transfer.";
        return Err(Error::invalid("permissions", "owner_only", detail));
    }
    covers(who, permissions)
}

/// Whether the visitor may change this role at all.
pub fn may_change(who: &Entry, role: &Role) -> Result<()> {
    are_made_here(who)?;
    if !who.may(Permission::ManageRoles) {
        return Err(Error::Forbidden(Permission::ManageRoles));
    }
    covers(who, role.permissions)
}

async fn name_is_free(change: &mut Change, name: &Name, besides: Option<RoleId>) -> Result<()> {
    let folded = fold(name.as_str());
    let taken = || {
        let detail = format!("There is a role “{name}” already. Choose another name.");
        Error::invalid("name", "taken", detail)
    };
    let built_in = std::iter::once(&BuiltIn::Owner).chain(BuiltIn::GRANTABLE);
    if built_in.into_iter().any(|it| fold(it.title()) == folded || it.word() == folded) {
        return Err(taken());
    }
    let all = list(change).await?;
    if all.iter().any(|it| Some(it.id) != besides && fold(&it.name) == folded) {
        return Err(taken());
    }
    if besides.is_none() && all.len() >= MOST {
        let detail = format!("An organization has at most {MOST} roles of its own. Delete one first.");
        return Err(Error::conflict("too_many_roles", detail));
    }
    Ok(())
}

/// What a new role starts from: its word, its name, and what it allows.
async fn base(change: &mut Change, word: &str) -> Result<(String, String, Permissions)> {
    if let Some(it) = BuiltIn::parse(word) {
        let permissions = it.permissions(change.who().here.admins_may_delete);
        return Ok((it.word().to_owned(), it.title().to_owned(), permissions));
    }
    let unknown = || Error::invalid("base", "unknown_role", "Choose a role to start from.");
    let id: RoleId = word.parse().map_err(|_| unknown())?;
    match find(change, id).await {
        Ok(it) => Ok((id.0.simple().to_string(), it.role.name, it.role.permissions)),
        Err(Error::NotFound) => Err(unknown()),
        Err(other) => Err(other),
    }
}

/// Makes a role.
pub async fn create(change: &mut Change, new: &New) -> Result<RoleId> {
    are_made_here(change.who())?;
    name_is_free(change, &new.name, None).await?;
    let description = description(&new.description)?;
    let base = match new.base.as_deref().filter(|it| !it.is_empty()) {
        Some(word) => Some(base(change, word).await?),
        None => None,
    };
    let permissions = match (new.permissions, &base) {
        (Some(it), _) => it,
        (None, Some((.., all))) => held_of(change.who(), all.without(NEVER)),
        (None, None) => Permissions::NONE,
    };
    may_hold(change.who(), permissions)?;
    let (id, now, account) = (RoleId(change.kit().id()), change.now(), change.who().here.id);
    let sql =
        "insert into roles (account_id, id, name, description, permissions, base, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $7)";
    change
        .sql(sql)
        .bind(account)
        .bind(id)
        .bind(new.name.as_str())
        .bind(description)
        .bind(permissions.to_json())
        .bind(base.as_ref().map(|it| it.0.clone()))
        .bind(now)
        .execute()
        .await?;
    let action = if base.is_some() { "role.duplicated" } else { "role.created" };
    let from = base.map(|it| it.1);
    let did = Did::to(action, "role", id, &new.name);
    audit::here(change, did.changed(Value::Null, json!({ "permissions": permissions, "from": from })))
        .await?;
    Ok(id)
}

/// Those among them that the visitor holds over the whole account.
fn held_of(who: &Entry, permissions: Permissions) -> Permissions {
    let held: Vec<Permission> =
        permissions.iter().filter(|it| covers(who, Permissions::of(&[*it])).is_ok()).collect();
    Permissions::of(&held)
}

/// Saves a role. Who edited an older version is told, and nothing is saved.
pub async fn update(change: &mut Change, id: RoleId, edit: &Edit) -> Result<()> {
    let Custom { role, version, .. } = find(change, id).await?;
    may_change(change.who(), &role)?;
    if edit.version.is_some_and(|it| it != version) {
        let detail = "Somebody else saved this role meanwhile. What you entered is still here, and is compared with \
            what is saved now: look again, then save.";
        return Err(Error::conflict("changed_meanwhile", detail));
    }
    may_hold(change.who(), edit.permissions)?;
    name_is_free(change, &edit.name, Some(id)).await?;
    let description = description(&edit.description)?;
    let name = edit.name.as_str();
    if role.name == name && role.description == description && role.permissions == edit.permissions {
        return Ok(());
    }
    // Two saves in one microsecond are two versions all the same.
    let at = Time(change.now().0.max(version.0 + 1));
    let sql = "update roles set name = $3, description = $4, permissions = $5, updated_at = $6
        where account_id = $1 and id = $2";
    change
        .ask(sql)
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
    audit::here(change, Did::to("role.changed", "role", id, name).changed(before, after)).await
}

/// Deletes a role. Who holds it, or is invited to it, gets the replacement over the same scope, here and in the teams.
pub async fn delete(change: &mut Change, id: RoleId, replacement: Option<&str>) -> Result<()> {
    let Custom { role, .. } = find(change, id).await?;
    may_change(change.who(), &role)?;
    // Nobody grants the role in a team from now on.
    let sql = "select 1 from accounts where parent_id = $1 order by id for no key update";
    change.ask(sql).execute().await?;
    let scopes = scopes_in_use(change, id).await?;
    let named = match replacement.filter(|it| !it.is_empty()) {
        Some(word) => Some(find_replacement(change, id, word).await?),
        None => None,
    };
    match &named {
        Some(it) => {
            fits(it, &scopes)?;
            covers(change.who(), it.allows)?;
            pass_on(change, id, &it.role).await?;
        }
        None if !scopes.is_empty() => {
            let detail =
                format!("“{}” is in use. Choose a role that its holders get in its place.", role.name);
            return Err(Error::invalid("replacement", "in_use", detail));
        }
        None => {}
    }
    // What is left is over: of invitations that were answered, and of ends that have passed.
    change.sql("delete from grants where role_id = $1").bind(id).execute().await?;
    change.ask("delete from roles where account_id = $1 and id = $2").bind(id).execute().await?;
    let before = json!({ "permissions": role.permissions, "description": role.description });
    let after = json!({ "replacement": named.map(|it| it.label()) });
    audit::here(change, Did::to("role.deleted", "role", id, &role.name).changed(before, after)).await
}

/// Over what the role is held, by members and by who is invited.
async fn scopes_in_use(change: &mut Change, id: RoleId) -> Result<Vec<String>> {
    let now = change.now();
    let sql = "select distinct g.scope from grants g left join invitations i on i.id = g.invitation_id
        where g.role_id = $1 and coalesce(g.expires_at, $2) >= $2 and (g.membership_id is not null or i.status = 'pending')";
    let rows: Vec<(String,)> = change.sql(sql).bind(id).bind(now).fetch_all().await?;
    Ok(rows.into_iter().map(|it| it.0).collect())
}

async fn find_replacement(change: &mut Change, id: RoleId, word: &str) -> Result<Grant> {
    let unknown =
        || Error::invalid("replacement", "unknown_role", "Choose another role of this organization.");
    if let Some(it) = BuiltIn::parse(word) {
        if it == BuiltIn::Owner {
            return Err(unknown());
        }
        return Ok(Grant::whole(it, change.who().here.admins_may_delete));
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
    Ok(Grant { id: None, role: named, over: Over::Account, allows: role.permissions, expires_at: None })
}

/// Whether the replacement can be held over all that the role is held over.
fn fits(replacement: &Grant, scopes: &[String]) -> Result<()> {
    let reaches = replacement.may_reach();
    let bad = scopes.iter().find(|scope| match scope.as_str() {
        "account" => reaches == Reaches::Resources,
        "product" => !matches!(reaches, Reaches::Products | Reaches::Anything),
        _ => !matches!(reaches, Reaches::Resources | Reaches::Anything),
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

/// Grants of the one role become grants of the other, but where the member has that already for as long.
async fn pass_on(change: &mut Change, from: RoleId, to: &grant::Role) -> Result<()> {
    let (word, id) = match to {
        grant::Role::BuiltIn(it) => (Some(it.word()), None),
        grant::Role::Custom(id, _) => (None, Some(*id)),
    };
    let sql = "delete from grants where role_id = $1 and scope <> 'resources' and exists (select 1 from grants o
        where o.membership_id = grants.membership_id and (o.role = $2 or o.role_id = $3) and o.scope = grants.scope
            and coalesce(o.product, '') = coalesce(grants.product, '')
            and (o.expires_at is null or o.expires_at >= grants.expires_at))";
    change.sql(sql).bind(from).bind(word).bind(id).execute().await?;
    let sql = "update grants set role = $2, role_id = $3 where role_id = $1
        and (membership_id is not null or invitation_id in (select id from invitations where status = 'pending'))";
    change.sql(sql).bind(from).bind(word).bind(id).execute().await?;
    Ok(())
}
