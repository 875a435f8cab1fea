//! The page of one member, and the forms on it.
use super::count;
use crate::{
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::{At, Can},
    },
    model::{
        account::LoginType,
        catalog::Catalog,
        grant::{Grant, Over},
        id::MembershipId,
        permission::{Needs, Permission, UpdateMembers, ViewMembers},
        time::Time,
    },
    store::{
        Change,
        members::{self, Detail, Given, Member},
    },
    view::{
        page::{Faults, Page, When},
        role_picker::{Badge, RolePicker, Typed},
        shell::tint,
    },
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// A role that they hold.
struct Held {
    badge: Badge,
    over: String,
    by: String,
    since: Option<When>,
    until: Option<When>,
    is_over: bool,
}

struct Key {
    name: String,
    last4: String,
    used: Option<When>,
    until: Option<When>,
}

struct Team {
    name: String,
    tint: u8,
    owns: bool,
    members: String,
}

#[derive(Template)]
#[template(path = "members/member/index.html")]
#[expect(clippy::struct_excessive_bools, reason = "what the template asks, each by itself")]
struct Index {
    list: String,
    href: String,
    name: String,
    email: String,
    tint: u8,
    why_href: String,
    noun: &'static str,
    you: bool,
    is_active: bool,
    suspended: Option<When>,
    joined: When,
    active: When,
    ends: Option<When>,
    login: &'static str,
    held: Vec<Held>,
    key_count: String,
    keys: Vec<Key>,
    teams: Vec<Team>,
    may_update: bool,
    may_remove: bool,
    may_leave: bool,
    picker: RolePicker,
    expires_at: String,
    today: String,
    login_type: LoginType,
    faults: Faults,
}

/// What was typed into a form that was refused, and why.
#[derive(Default)]
struct Refused {
    roles: Option<Typed>,
    expires_at: Option<String>,
    login_type: Option<LoginType>,
    faults: Faults,
}

/// The address may hold roles that are not saved: who searches for a source keeps what they chose.
pub(super) async fn show(
    can: Can<ViewMembers>,
    page: Page,
    At(id): At<MembershipId>,
    Query(it): Query<Roles>,
) -> Result<Response> {
    let typed = it.typed();
    let roles = (!typed.is_empty()).then_some(typed);
    draw(&can, page, id, Refused { roles, ..Refused::default() }).await
}

async fn draw<P: Needs>(can: &Can<P>, page: Page, id: MembershipId, refused: Refused) -> Result<Response> {
    let me = can.me();
    me.meets::<ViewMembers>().map_err(Error::Forbidden)?;
    let mut scope = can.read();
    let member = members::find(&mut scope, id).await?;
    let (find, ticked) = match &refused.roles {
        Some(it) => (it.find.as_str(), it.ticked()),
        None => ("", vec![]),
    };
    let detail = members::detail(&mut scope, &member, find, &ticked).await?;
    let (zone, now) = (page.zone(me.time_zone.as_deref()), scope.now());
    let catalog = &can.kit().catalog;
    let may_change = members::may_change(&scope, &member).is_ok();
    let look = can.path(&format!("members/{id}"));
    let picker = RolePicker::offer(me, catalog, &detail.roles, &detail.sources, look);
    let picker = match &refused.roles {
        Some(typed) => picker.typed(typed, &member.grants, &refused.faults),
        None => picker.holding(&member.grants),
    };
    let held = member.grants.iter().map(|it| held(it, &member, &detail, catalog, now, &zone));
    let index = Index {
        list: can.path("members"),
        href: can.path(&format!("members/{id}")),
        name: member.person.name.clone(),
        email: member.person.email.clone(),
        tint: tint(&member.person.id.to_string()),
        why_href: can.path(&format!("why?member={id}")),
        noun: me.here.kind.noun(),
        you: me.is(id),
        is_active: member.is_active,
        suspended: member.suspended_at.map(|it| When::day(it, &zone)),
        joined: When::day(member.joined_at, &zone),
        active: When::minute(member.active_at, &zone),
        ends: member.expires_at.map(|it| When::day(it, &zone)),
        login: member.login_type.title(),
        held: held.collect(),
        key_count: count(detail.key_count, "key", "keys"),
        keys: keys(&detail, &zone),
        teams: teams(&detail),
        may_update: may_change && me.may(Permission::UpdateMembers),
        may_remove: may_change && me.may(Permission::RemoveMembers),
        may_leave: me.is(id) && members::may_leave(me).is_ok(),
        picker,
        expires_at: refused.expires_at.unwrap_or_else(|| date(&member, &zone)),
        today: now.date(&zone),
        login_type: refused.login_type.unwrap_or(member.login_type),
        faults: refused.faults,
    };
    page.show(&mut scope, &member.person.name, index).await
}

fn held(it: &Grant, member: &Member, detail: &Detail, catalog: &Catalog, now: Time, zone: &TimeZone) -> Held {
    let given: Option<&Given> = detail.given.iter().find(|given| Some(given.grant) == it.id);
    let over = match &it.over {
        Over::Account => "Over everything".to_owned(),
        Over::Product(id) => format!("Over {}", catalog.product(id).map_or(id.as_str(), |it| &it.name)),
        Over::Resources(_) => resources(given.map(|it| it.resources.as_slice()).unwrap_or_default()),
    };
    Held {
        badge: Badge::of(it),
        over,
        by: given.and_then(|it| it.by.clone()).unwrap_or_default(),
        since: given
            .map(|it| it.at)
            .or(member.is_owner.then_some(member.joined_at))
            .map(|it| When::day(it, zone)),
        until: it.expires_at.map(|it| When::day(it, zone)),
        is_over: it.expires_at.is_some_and(|it| it < now),
    }
}

fn resources(names: &[String]) -> String {
    let more = names.len().saturating_sub(5);
    let some = names.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{some} and {more} more") } else { some }
}

fn keys(detail: &Detail, zone: &TimeZone) -> Vec<Key> {
    let key = |it: &members::HeldKey| Key {
        name: it.name.clone(),
        last4: it.last4.clone(),
        used: it.used_at().map(|at| When::minute(at, zone)),
        until: it.expires_at().map(|at| When::day(at, zone)),
    };
    detail.keys.iter().map(key).collect()
}

fn teams(detail: &Detail) -> Vec<Team> {
    let team = |it: &members::Seat| Team {
        name: it.name.clone(),
        tint: tint(&it.slug),
        owns: it.is_owner(),
        members: count(it.member_count, "member", "members"),
    };
    detail.teams.iter().map(team).collect()
}

/// Their end as a field of dates holds it.
fn date(member: &Member, zone: &TimeZone) -> String {
    member.expires_at.map(|it| it.date(zone)).unwrap_or_default()
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Roles {
    role: Vec<String>,
    product: Vec<String>,
    keep: Vec<String>,
    listed_role: Vec<String>,
    listed: Vec<String>,
    listed_new: String,
    find: String,
}

impl Roles {
    fn typed(self) -> Typed {
        let Roles { role, product, keep, listed_role, listed, listed_new, find } = self;
        Typed { role, product, keep, listed_role, listed, listed_new, find }
    }
}

pub(super) async fn set_roles(
    can: Can<UpdateMembers>,
    page: Page,
    At(id): At<MembershipId>,
    Form(it): Form<Roles>,
) -> Result<Response> {
    let typed = it.typed();
    let story = async |change: &mut Change| {
        let member = members::find(change, id).await?;
        members::may_change(change, &member)?;
        let grants = typed.grants(change, &member.grants).await?;
        members::set_grants(change, id, &grants).await
    };
    match can.change(story).await {
        Ok(()) => Ok(page.done(&can.path(&format!("members/{id}")), "Roles saved.")),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            draw(&can, page.with(status), id, Refused { roles: Some(typed), faults, ..Refused::default() })
                .await
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Expiry {
    expires_at: String,
}

pub(super) async fn set_expiry(
    can: Can<UpdateMembers>,
    page: Page,
    At(id): At<MembershipId>,
    Form(it): Form<Expiry>,
) -> Result<Response> {
    let zone = page.zone(can.me().time_zone.as_deref());
    let story = async |change: &mut Change| {
        let member = members::find(change, id).await?;
        let typed = it.expires_at.trim();
        if typed == date(&member, &zone) {
            // The same day: an end at an hour of that day, set by a program, stays.
            return members::set_expiry(change, id, member.expires_at).await;
        }
        let end = match typed {
            "" => None,
            date => Some(Time::end_of_day(date, &zone).ok_or_else(|| {
                Error::invalid("expires_at", "invalid", "Enter a date such as 2026-11-21, or none.")
            })?),
        };
        members::set_expiry(change, id, end).await
    };
    match can.change(story).await {
        Ok(()) => Ok(page.done(&can.path(&format!("members/{id}")), "Saved when access ends.")),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            let refused = Refused { expires_at: Some(it.expires_at), faults, ..Refused::default() };
            draw(&can, page.with(status), id, refused).await
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Login {
    login_type: String,
}

pub(super) async fn set_login_type(
    can: Can<UpdateMembers>,
    page: Page,
    At(id): At<MembershipId>,
    Form(it): Form<Login>,
) -> Result<Response> {
    let login_type = LoginType::parse(&it.login_type);
    let story = async |change: &mut Change| {
        let unknown = || Error::invalid("login_type", "invalid", "Choose one of the login types.");
        members::set_login_type(change, id, login_type.ok_or_else(unknown)?).await
    };
    match can.change(story).await {
        Ok(()) => Ok(page.done(&can.path(&format!("members/{id}")), "Login type saved.")),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            draw(&can, page.with(status), id, Refused { login_type, faults, ..Refused::default() }).await
        }
    }
}
