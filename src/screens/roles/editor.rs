//! One role: its permissions, its holders, and in the editor the effect of saving.
use crate::{
    error::{Error, FieldError, Result},
    http::{
        form::{Form, Query},
        gate::{Can, PathId},
    },
    model::{
        access::Access,
        id::RoleId,
        permission::{ManageRoles, Needs, Permission, Permissions, SeeRoles},
        role::BuiltIn,
        text::Name,
        time::Time,
    },
    store::{
        Scope,
        roles::{self, NEVER, RoleChangeImpact, RoleDetail, RoleHolder, RoleRef, RoleUpdate},
    },
    view::{
        form_errors::FormErrors,
        page::Page,
        permission_matrix::{self, PermissionGroup, label},
        shell::tint,
        when::When,
    },
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// A permission that people gain or lose by saving.
struct EffectRow {
    label: String,
    description: &'static str,
    people: String,
    is_one: bool,
    names: String,
}

#[derive(Template, Default)]
#[template(path = "roles/effect.html")]
struct EffectView {
    is_shown: bool,
    gains: Vec<EffectRow>,
    losses: Vec<EffectRow>,
    more: bool,
}

impl From<RoleChangeImpact> for EffectView {
    fn from(effect: RoleChangeImpact) -> EffectView {
        let row = |change: &roles::PermissionChange| {
            let rest = change.count.saturating_sub(change.names.len());
            let names = change.names.join(", ");
            EffectRow {
                label: label(change.permission),
                description: change.permission.description(),
                is_one: change.count < 2,
                people: match change.count {
                    0 => "Nobody".to_owned(),
                    1 => "1 person".to_owned(),
                    many => format!("{many} people"),
                },
                names: if rest == 0 { names } else { format!("{names} and {rest} more") },
            }
        };
        EffectView {
            is_shown: true,
            gains: effect.gives.iter().map(row).collect(),
            losses: effect.takes.iter().map(row).collect(),
            more: effect.more,
        }
    }
}

struct HolderRow {
    name: String,
    tint: u8,
    href: String,
    note: String,
    since: When,
}

#[derive(Template)]
#[template(path = "roles/show.html")]
struct RolePage {
    list: String,
    href: String,
    name: String,
    lead: String,
    is_built_in: bool,
    may_change: bool,
    /// Empty if the user may not make roles, and for the owner's role.
    copy_href: String,
    version: String,
    form: RoleForm,
    groups: Vec<PermissionGroup>,
    beyond: Vec<String>,
    without: Vec<String>,
    base: String,
    effect: EffectView,
    changes: usize,
    people: Vec<HolderRow>,
    count: String,
    more_people: bool,
    errors: FormErrors,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct RoleForm {
    name: String,
    description: String,
    perm: Vec<String>,
    version: String,
    act: String,
}

impl RoleForm {
    fn permissions(&self) -> Permissions {
        permissions(&self.perm)
    }
}

fn permissions(keys: &[String]) -> Permissions {
    let known: Vec<Permission> = keys.iter().filter_map(|key| Permission::parse(key)).collect();
    Permissions::of(&known)
}

const MAX_NAMED: usize = 50;

/// The permissions that the user may put into a role: those they hold over the whole account.
fn grantable(access: &Access) -> Permissions {
    let role = |permission: &Permission| roles::Role {
        id: RoleId(uuid::Uuid::nil()),
        name: String::new(),
        description: String::new(),
        permissions: Permissions::of(&[*permission]),
    };
    let permissions: Vec<Permission> = Permission::ALL
        .iter()
        .copied()
        .filter(|permission| roles::may_change(access, &role(permission)).is_ok())
        .collect();
    Permissions::of(&permissions).without(NEVER)
}

async fn people<P: Needs>(
    can: &Can<P>,
    page: &Page,
    scope: &mut Scope<Access>,
    which: RoleRef,
) -> Result<Vec<HolderRow>> {
    let access = can.access();
    if !access.may(Permission::ViewMembers) {
        return Ok(vec![]);
    }
    let zone = page.zone(can.actor().time_zone());
    let limit = i64::try_from(MAX_NAMED + 1).unwrap_or(i64::MAX);
    let person = |holder: RoleHolder| {
        let membership = holder.membership.filter(|_| holder.team.is_none());
        let mut note: Vec<String> = vec![];
        note.extend(holder.team.as_ref().map(|team| format!("in the team {team}")));
        note.extend(holder.invitation.map(|_| "invited".to_owned()));
        note.extend(holder.is_suspended.then(|| "suspended".to_owned()));
        HolderRow {
            tint: tint(&holder.key()),
            href: membership.map(|id| can.path(&format!("members/{id}"))).unwrap_or_default(),
            note: note.join(", "),
            since: When::day(holder.since, &zone),
            name: holder.name,
        }
    };
    Ok(roles::holders_of(scope, which, limit).await?.into_iter().map(person).collect())
}

fn copy_href<P: Needs>(can: &Can<P>, id: &str) -> String {
    if super::may_make(can.access()) { can.path(&format!("roles/new?from={id}")) } else { String::new() }
}

fn held_by(people: &[HolderRow]) -> (String, bool) {
    let more = people.len() > MAX_NAMED;
    (if more { format!("{MAX_NAMED}+") } else { people.len().to_string() }, more)
}

pub(super) async fn show(can: Can<SeeRoles>, page: Page, PathId(id): PathId<String>) -> Result<Response> {
    match BuiltIn::parse(&id) {
        Some(role) => built_in(&can, &page, role).await,
        None => draw(&can, page, id.parse().map_err(|_| Error::NotFound)?, None, FormErrors::default()).await,
    }
}

async fn built_in(can: &Can<SeeRoles>, page: &Page, role: BuiltIn) -> Result<Response> {
    let access = can.access();
    let mut scope = can.read();
    let mut people = people(can, page, &mut scope, RoleRef::BuiltIn(role)).await?;
    let (count, more_people) = held_by(&people);
    people.truncate(MAX_NAMED);
    let allows = role.permissions(access.account.admins_may_delete);
    let body = RolePage {
        list: can.path("roles"),
        href: can.path(&format!("roles/{}", role.as_str())),
        name: role.label().to_owned(),
        lead: role.description().to_owned(),
        is_built_in: true,
        may_change: false,
        copy_href: if role == BuiltIn::Owner { String::new() } else { copy_href(can, role.as_str()) },
        version: String::new(),
        form: RoleForm::default(),
        groups: permission_matrix::groups(allows, allows, Permissions::NONE),
        beyond: vec![],
        without: vec![],
        base: String::new(),
        effect: EffectView::default(),
        changes: 0,
        people,
        count,
        more_people,
        errors: FormErrors::default(),
    };
    page.show(&mut scope, role.label(), body).await
}

/// The role as saved, or as typed in a form that was refused or is only previewed.
async fn draw<P: Needs>(
    can: &Can<P>,
    page: Page,
    id: RoleId,
    form: Option<RoleForm>,
    errors: FormErrors,
) -> Result<Response> {
    let access = can.access();
    let mut scope = can.read();
    let RoleDetail { role, base, version } = roles::find(&mut scope, id).await?;
    let mut people = people(can, &page, &mut scope, RoleRef::Custom(id)).await?;
    let (count, more_people) = held_by(&people);
    people.truncate(MAX_NAMED);
    let saved = role.permissions;
    let ticked = form.as_ref().map_or(saved, RoleForm::permissions);
    let effect = match &form {
        Some(_) => roles::effect(&mut scope, id, saved, ticked).await?.into(),
        None => EffectView::default(),
    };
    let form = form.unwrap_or_else(|| RoleForm {
        name: role.name.clone(),
        description: role.description.clone(),
        ..RoleForm::default()
    });
    let labels = |permissions: Permissions| permissions.iter().map(label).collect();
    let (beyond, without) = base.as_ref().map_or((vec![], vec![]), |base| {
        (labels(ticked.without(base.permissions)), labels(base.permissions.without(ticked)))
    });
    let changed = ticked.without(saved).or(saved.without(ticked));
    let body = RolePage {
        list: can.path("roles"),
        href: can.path(&format!("roles/{id}")),
        lead: role.description.clone(),
        is_built_in: false,
        may_change: roles::may_change(access, &role).is_ok(),
        copy_href: copy_href(can, &id.to_string()),
        version: version.0.to_string(),
        groups: permission_matrix::groups(ticked, saved, grantable(access)),
        beyond,
        without,
        base: base.map(|base| base.name).unwrap_or_default(),
        effect,
        changes: changed.iter().count()
            + usize::from(form.name.trim() != role.name)
            + usize::from(form.description.trim() != role.description),
        form,
        people,
        count,
        more_people,
        errors,
        name: role.name,
    };
    page.show(&mut scope, &body.name.clone(), body).await
}

/// As `FormErrors::catch`, and a missing permission is shown beside the matrix.
pub(super) fn catch(error: Error) -> Result<(u16, FormErrors)> {
    match error {
        Error::MissingPermission(missing) => {
            let detail = format!(
                "You do not hold {} ({}) over the whole account: nobody puts into a role, or changes in one, what they lack.",
                missing.key(),
                missing.description()
            );
            Ok((403, FormErrors(vec![FieldError::new("permissions", "permission_missing", detail)])))
        }
        other => FormErrors::catch(other),
    }
}

pub(super) async fn save(
    can: Can<ManageRoles>,
    page: Page,
    PathId(id): PathId<RoleId>,
    Form(form): Form<RoleForm>,
) -> Result<Response> {
    if form.act == "preview" {
        return draw(&can, page, id, Some(form), FormErrors::default()).await;
    }
    let apply = async |change: &mut crate::store::Change<Access>| {
        roles::find(change, id).await?;
        let unknown = form.perm.iter().find(|key| Permission::parse(key).is_none());
        if let Some(key) = unknown {
            let detail = format!("There is no permission “{}”.", crate::model::text::shorten(key, 40));
            return Err(Error::invalid("permissions", "unknown_permission", detail));
        }
        let edit = RoleUpdate {
            name: Name::parse(&form.name).map_err(Error::at("name"))?,
            description: form.description.clone(),
            permissions: form.permissions(),
            version: form.version.parse().ok().map(Time),
        };
        roles::update(change, id, &edit).await
    };
    match can.change(apply).await {
        Ok(()) => Ok(page.done(&can.path(&format!("roles/{id}")), "Role saved. It holds from now on.")),
        Err(Error::NotFound) => Err(Error::NotFound),
        Err(error) => {
            let (status, errors) = catch(error)?;
            draw(&can, page.with(status), id, Some(form), errors).await
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PermissionsQuery {
    perm: Vec<String>,
}

/// The effect of saving, which the page asks for after each tick.
pub(super) async fn effect(
    can: Can<ManageRoles>,
    page: Page,
    PathId(id): PathId<RoleId>,
    Query(query): Query<PermissionsQuery>,
) -> Result<Response> {
    let mut scope = can.read();
    let saved = roles::find(&mut scope, id).await?.role.permissions;
    let effect: EffectView = roles::effect(&mut scope, id, saved, permissions(&query.perm)).await?.into();
    let html = effect.render().map_err(|error| Error::Internal(error.to_string()))?;
    Ok(page.whole("", |_| html))
}
