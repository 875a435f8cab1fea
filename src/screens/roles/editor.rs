//! One role: what it allows, who has it, and for its editor what saving does.
use crate::{
    error::{Error, Fault, Result},
    http::{
        form::{Form, Query},
        gate::{At, Can},
    },
    model::{
        access::Entry,
        id::RoleId,
        permission::{ManageRoles, Needs, Permission, Permissions, SeeRoles},
        role::BuiltIn,
        text::Name,
        time::Time,
    },
    store::{
        Scope,
        roles::{self, Custom, Edit, Effect, Holder, NEVER, Which},
    },
    view::{
        page::{Faults, Page, When},
        permission_matrix::{self, Group, label},
        shell::tint,
    },
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// A permission that some get or lose.
struct Line {
    label: String,
    says: &'static str,
    people: String,
    is_one: bool,
    names: String,
}

/// What saving does.
#[derive(Template, Default)]
#[template(path = "roles/effect.html")]
struct Does {
    asked: bool,
    gives: Vec<Line>,
    takes: Vec<Line>,
    more: bool,
}

impl From<Effect> for Does {
    fn from(it: Effect) -> Does {
        let line = |it: &roles::Changed| {
            let rest = it.count.saturating_sub(it.names.len());
            let names = it.names.join(", ");
            Line {
                label: label(it.permission),
                says: it.permission.says(),
                is_one: it.count < 2,
                people: match it.count {
                    0 => "Nobody".to_owned(),
                    1 => "1 person".to_owned(),
                    many => format!("{many} people"),
                },
                names: if rest == 0 { names } else { format!("{names} and {rest} more") },
            }
        };
        Does {
            asked: true,
            gives: it.gives.iter().map(line).collect(),
            takes: it.takes.iter().map(line).collect(),
            more: it.more,
        }
    }
}

struct Person {
    name: String,
    tint: u8,
    href: String,
    note: String,
    since: When,
}

#[derive(Template)]
#[template(path = "roles/show.html")]
struct Show {
    list: String,
    href: String,
    name: String,
    lead: String,
    is_built_in: bool,
    may_change: bool,
    /// Where it is copied; empty for who may not, and for the owner's.
    copy: String,
    version: String,
    typed: Typed,
    groups: Vec<Group>,
    beyond: Vec<String>,
    without: Vec<String>,
    base: String,
    does: Does,
    changes: usize,
    people: Vec<Person>,
    count: String,
    more_people: bool,
    faults: Faults,
}

/// The form.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    name: String,
    description: String,
    perm: Vec<String>,
    version: String,
    act: String,
}

impl Typed {
    fn permissions(&self) -> Permissions {
        permissions(&self.perm)
    }
}

fn permissions(keys: &[String]) -> Permissions {
    let known: Vec<Permission> = keys.iter().filter_map(|it| Permission::parse(it)).collect();
    Permissions::of(&known)
}

/// How many holders a page names.
const NAMED: usize = 50;

/// What the visitor may tick: what they hold over the whole account.
fn open_to(who: &Entry) -> Permissions {
    let role = |it: &Permission| roles::Role {
        id: RoleId(uuid::Uuid::nil()),
        name: String::new(),
        description: String::new(),
        permissions: Permissions::of(&[*it]),
    };
    let held: Vec<Permission> =
        Permission::ALL.iter().copied().filter(|it| roles::may_change(who, &role(it)).is_ok()).collect();
    Permissions::of(&held).without(NEVER)
}

async fn people<P: Needs>(can: &Can<P>, page: &Page, scope: &mut Scope, which: Which) -> Result<Vec<Person>> {
    let who = can.me();
    if !who.may(Permission::ViewMembers) {
        return Ok(vec![]);
    }
    let zone = page.zone(who.time_zone.as_deref());
    let limit = i64::try_from(NAMED + 1).unwrap_or(i64::MAX);
    let person = |it: Holder| {
        let here = it.membership.filter(|_| it.team.is_none());
        let mut note: Vec<String> = vec![];
        note.extend(it.team.as_ref().map(|it| format!("in the team {it}")));
        note.extend(it.invitation.map(|_| "invited".to_owned()));
        note.extend(it.is_suspended.then(|| "suspended".to_owned()));
        Person {
            tint: tint(&it.key()),
            href: here.map(|id| can.path(&format!("members/{id}"))).unwrap_or_default(),
            note: note.join(", "),
            since: When::day(it.since, &zone),
            name: it.name,
        }
    };
    Ok(roles::holders_of(scope, which, limit).await?.into_iter().map(person).collect())
}

fn copy<P: Needs>(can: &Can<P>, id: &str) -> String {
    if super::may_make(can.me()) { can.path(&format!("roles/new?from={id}")) } else { String::new() }
}

fn held_by(people: &[Person]) -> (String, bool) {
    let more = people.len() > NAMED;
    (if more { format!("{NAMED}+") } else { people.len().to_string() }, more)
}

pub(super) async fn show(can: Can<SeeRoles>, page: Page, At(id): At<String>) -> Result<Response> {
    match BuiltIn::parse(&id) {
        Some(it) => built_in(&can, &page, it).await,
        None => draw(&can, page, id.parse().map_err(|_| Error::NotFound)?, None, Faults::default()).await,
    }
}

async fn built_in(can: &Can<SeeRoles>, page: &Page, it: BuiltIn) -> Result<Response> {
    let who = can.me();
    let mut scope = can.read();
    let mut people = people(can, page, &mut scope, Which::BuiltIn(it)).await?;
    let (count, more_people) = held_by(&people);
    people.truncate(NAMED);
    let allows = it.permissions(who.here.admins_may_delete);
    let show = Show {
        list: can.path("roles"),
        href: can.path(&format!("roles/{}", it.word())),
        name: it.title().to_owned(),
        lead: it.says().to_owned(),
        is_built_in: true,
        may_change: false,
        copy: if it == BuiltIn::Owner { String::new() } else { copy(can, it.word()) },
        version: String::new(),
        typed: Typed::default(),
        groups: permission_matrix::groups(allows, allows, Permissions::NONE),
        beyond: vec![],
        without: vec![],
        base: String::new(),
        does: Does::default(),
        changes: 0,
        people,
        count,
        more_people,
        faults: Faults::default(),
    };
    page.show(&mut scope, it.title(), show).await
}

/// As it is saved, or as it was typed.
async fn draw<P: Needs>(
    can: &Can<P>,
    page: Page,
    id: RoleId,
    typed: Option<Typed>,
    faults: Faults,
) -> Result<Response> {
    let who = can.me();
    let mut scope = can.read();
    let Custom { role, base, version } = roles::find(&mut scope, id).await?;
    let mut people = people(can, &page, &mut scope, Which::Custom(id)).await?;
    let (count, more_people) = held_by(&people);
    people.truncate(NAMED);
    let saved = role.permissions;
    let ticked = typed.as_ref().map_or(saved, Typed::permissions);
    let does = match &typed {
        Some(_) => roles::effect(&mut scope, id, saved, ticked).await?.into(),
        None => Does::default(),
    };
    let typed = typed.unwrap_or_else(|| Typed {
        name: role.name.clone(),
        description: role.description.clone(),
        ..Typed::default()
    });
    let labels = |it: Permissions| it.iter().map(label).collect();
    let (beyond, without) = base.as_ref().map_or((vec![], vec![]), |it| {
        (labels(ticked.without(it.permissions)), labels(it.permissions.without(ticked)))
    });
    let changed = ticked.without(saved).or(saved.without(ticked));
    let show = Show {
        list: can.path("roles"),
        href: can.path(&format!("roles/{id}")),
        lead: role.description.clone(),
        is_built_in: false,
        may_change: roles::may_change(who, &role).is_ok(),
        copy: copy(can, &id.to_string()),
        version: version.0.to_string(),
        groups: permission_matrix::groups(ticked, saved, open_to(who)),
        beyond,
        without,
        base: base.map(|it| it.name).unwrap_or_default(),
        does,
        changes: changed.iter().count()
            + usize::from(typed.name.trim() != role.name)
            + usize::from(typed.description.trim() != role.description),
        typed,
        people,
        count,
        more_people,
        faults,
        name: role.name,
    };
    page.show(&mut scope, &show.name.clone(), show).await
}

/// What a form about roles can show, and with which status.
pub(super) fn catch(error: Error) -> Result<(u16, Faults)> {
    match error {
        Error::Forbidden(missing) => {
            let detail = format!(
                "You do not hold {} ({}) over the whole account: nobody puts into a role, or changes in one, what they lack.",
                missing.key(),
                missing.says()
            );
            Ok((403, Faults(vec![Fault::new("permissions", "permission_missing", detail)])))
        }
        other => Faults::catch(other),
    }
}

pub(super) async fn save(
    can: Can<ManageRoles>,
    page: Page,
    At(id): At<RoleId>,
    Form(it): Form<Typed>,
) -> Result<Response> {
    if it.act == "preview" {
        return draw(&can, page, id, Some(it), Faults::default()).await;
    }
    let story = async |change: &mut crate::store::Change| {
        roles::find(change, id).await?;
        let unknown = it.perm.iter().find(|it| Permission::parse(it).is_none());
        if let Some(key) = unknown {
            let detail = format!("There is no permission “{}”.", crate::model::text::shorten(key, 40));
            return Err(Error::invalid("permissions", "unknown_permission", detail));
        }
        let edit = Edit {
            name: Name::parse(&it.name).map_err(Error::at("name"))?,
            description: it.description.clone(),
            permissions: it.permissions(),
            version: it.version.parse().ok().map(Time),
        };
        roles::update(change, id, &edit).await
    };
    match can.change(story).await {
        Ok(()) => Ok(page.done(&can.path(&format!("roles/{id}")), "Role saved. It holds from now on.")),
        Err(Error::NotFound) => Err(Error::NotFound),
        Err(error) => {
            let (status, faults) = catch(error)?;
            draw(&can, page.with(status), id, Some(it), faults).await
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Ticked {
    perm: Vec<String>,
}

/// For who ticks a box with a script.
pub(super) async fn effect(
    can: Can<ManageRoles>,
    page: Page,
    At(id): At<RoleId>,
    Query(it): Query<Ticked>,
) -> Result<Response> {
    let mut scope = can.read();
    let saved = roles::find(&mut scope, id).await?.role.permissions;
    let does: Does = roles::effect(&mut scope, id, saved, permissions(&it.perm)).await?.into();
    let html = does.render().map_err(|it| Error::Internal(it.to_string()))?;
    Ok(page.whole("", |_| html))
}
