//! The page of one member, and the forms on it.
use crate::{
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::{Can, PathId},
    },
    model::{
        access::Access,
        account::LoginType,
        catalog::Catalog,
        grant::{Grant, GrantScope},
        id::MembershipId,
        permission::{Needs, Permission, UpdateMembers, ViewMembers},
        text::counted,
        time::Time,
    },
    store::{
        Change,
        members::{self, GrantOrigin, Member, MemberDetail},
    },
    view::{
        form_errors::FormErrors,
        page::Page,
        role_picker::{Badge, RolePicker, RolePickerForm},
        shell::tint,
        when::When,
    },
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

struct HeldGrant {
    badge: Badge,
    over: String,
    by: String,
    since: Option<When>,
    until: Option<When>,
    is_over: bool,
}

struct MemberKey {
    name: String,
    last4: String,
    used: Option<When>,
    until: Option<When>,
}

struct MemberTeam {
    name: String,
    tint: u8,
    owns: bool,
    members: String,
}

#[derive(Template)]
#[template(path = "members/member/index.html")]
#[expect(clippy::struct_excessive_bools, reason = "what the template asks, each by itself")]
struct MemberPage {
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
    grants: Vec<HeldGrant>,
    key_count: String,
    keys: Vec<MemberKey>,
    teams: Vec<MemberTeam>,
    may_update: bool,
    may_remove: bool,
    may_leave: bool,
    picker: RolePicker,
    expires_at: String,
    today: String,
    login_type: LoginType,
    errors: FormErrors,
}

/// The form that was refused: what was typed, and the errors.
#[derive(Default)]
struct RejectedForm {
    roles: Option<RolePickerForm>,
    expires_at: Option<String>,
    login_type: Option<LoginType>,
    errors: FormErrors,
}

/// The address may hold roles that are not saved yet: a search for a resource keeps what was chosen.
pub(super) async fn show(
    can: Can<ViewMembers>,
    page: Page,
    PathId(id): PathId<MembershipId>,
    Query(form): Query<RolesForm>,
) -> Result<Response> {
    let typed = form.into_picker();
    let roles = (!typed.is_empty()).then_some(typed);
    draw(&can, page, id, RejectedForm { roles, ..RejectedForm::default() }).await
}

async fn draw<P: Needs>(
    can: &Can<P>,
    page: Page,
    id: MembershipId,
    rejected: RejectedForm,
) -> Result<Response> {
    let access = can.access();
    access.meets::<ViewMembers>().map_err(Error::MissingPermission)?;
    let mut scope = can.read();
    let member = members::find(&mut scope, id).await?;
    let (find, ticked) = match &rejected.roles {
        Some(form) => (form.find.as_str(), form.ticked()),
        None => ("", vec![]),
    };
    let detail = members::detail(&mut scope, &member, find, &ticked).await?;
    let (zone, now) = (page.zone(can.actor().time_zone()), scope.now());
    let catalog = &can.context().catalog;
    let may_change = members::may_change(&scope, &member).is_ok();
    let search_path = can.path(&format!("members/{id}"));
    let picker = RolePicker::offer(access, catalog, &detail.roles, &detail.sources, search_path);
    let picker = match &rejected.roles {
        Some(typed) => picker.typed(typed, &member.grants, &rejected.errors),
        None => picker.holding(&member.grants),
    };
    let grants = member.grants.iter().map(|grant| held_grant(grant, &member, &detail, catalog, now, &zone));
    let index = MemberPage {
        list: can.path("members"),
        href: can.path(&format!("members/{id}")),
        name: member.person.name.clone(),
        email: member.person.email.clone(),
        tint: tint(&member.person.id.to_string()),
        why_href: can.path(&format!("why?member={id}")),
        noun: access.account.kind.noun(),
        you: access.is(id),
        is_active: member.is_active,
        suspended: member.suspended_at.map(|time| When::day(time, &zone)),
        joined: When::day(member.joined_at, &zone),
        active: When::minute(member.active_at, &zone),
        ends: member.expires_at.map(|time| When::day(time, &zone)),
        login: member.login_type.label(),
        grants: grants.collect(),
        key_count: counted(detail.key_count, "key"),
        keys: keys(&detail, &zone),
        teams: teams(&detail),
        may_update: may_change && access.may(Permission::UpdateMembers),
        may_remove: may_change && access.may(Permission::RemoveMembers),
        may_leave: access.is(id) && members::may_leave(access).is_ok(),
        picker,
        expires_at: rejected.expires_at.unwrap_or_else(|| date(&member, &zone)),
        today: now.date(&zone),
        login_type: rejected.login_type.unwrap_or(member.login_type),
        errors: rejected.errors,
    };
    page.show(&mut scope, &member.person.name, index).await
}

fn held_grant(
    grant: &Grant,
    member: &Member,
    detail: &MemberDetail,
    catalog: &Catalog,
    now: Time,
    zone: &TimeZone,
) -> HeldGrant {
    let given: Option<&GrantOrigin> = detail.given.iter().find(|given| Some(given.grant) == grant.id);
    let over = match &grant.over {
        GrantScope::Account => "Over everything".to_owned(),
        GrantScope::Product(id) => {
            format!("Over {}", catalog.product_name(id))
        }
        GrantScope::Resources(_) => {
            resources(given.map(|given| given.resources.as_slice()).unwrap_or_default())
        }
    };
    HeldGrant {
        badge: Badge::of(grant, catalog),
        over,
        by: given.and_then(|given| given.by.clone()).unwrap_or_default(),
        since: given
            .map(|given| given.at)
            .or(member.is_owner.then_some(member.joined_at))
            .map(|time| When::day(time, zone)),
        until: grant.expires_at.map(|time| When::day(time, zone)),
        is_over: grant.expires_at.is_some_and(|time| time <= now),
    }
}

fn resources(names: &[String]) -> String {
    let more = names.len().saturating_sub(5);
    let some = names.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{some} and {more} more") } else { some }
}

fn keys(detail: &MemberDetail, zone: &TimeZone) -> Vec<MemberKey> {
    let key = |key: &members::MemberKey| MemberKey {
        name: key.name.clone(),
        last4: key.last4.clone(),
        used: key.used_at().map(|time| When::minute(time, zone)),
        until: key.expires_at().map(|time| When::day(time, zone)),
    };
    detail.keys.iter().map(key).collect()
}

fn teams(detail: &MemberDetail) -> Vec<MemberTeam> {
    let team = |team: &members::TeamMembership| MemberTeam {
        name: team.name.clone(),
        tint: tint(&team.slug),
        owns: team.is_owner(),
        members: counted(team.member_count, "member"),
    };
    detail.teams.iter().map(team).collect()
}

/// When access ends, as the value of a date field.
fn date(member: &Member, zone: &TimeZone) -> String {
    member.expires_at.map(|time| time.date(zone)).unwrap_or_default()
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RolesForm {
    role: Vec<String>,
    product: Vec<String>,
    keep: Vec<String>,
    listed_role: Vec<String>,
    listed: Vec<String>,
    listed_new: String,
    find: String,
}

impl RolesForm {
    fn into_picker(self) -> RolePickerForm {
        let RolesForm { role, product, keep, listed_role, listed, listed_new, find } = self;
        RolePickerForm { role, product, keep, listed_role, listed, listed_new, find }
    }
}

pub(super) async fn set_roles(
    can: Can<UpdateMembers>,
    page: Page,
    PathId(id): PathId<MembershipId>,
    Form(form): Form<RolesForm>,
) -> Result<Response> {
    let typed = form.into_picker();
    let apply = async |change: &mut Change<Access>| {
        let member = members::find(change, id).await?;
        members::may_change(change, &member)?;
        let grants = typed.grants(change, &member.grants).await?;
        members::set_grants(change, id, &grants).await
    };
    match can.change(apply).await {
        Ok(()) => Ok(page.done(&can.path(&format!("members/{id}")), "Roles saved.")),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            draw(
                &can,
                page.with(status),
                id,
                RejectedForm { roles: Some(typed), errors, ..RejectedForm::default() },
            )
            .await
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ExpiryForm {
    expires_at: String,
}

pub(super) async fn set_expiry(
    can: Can<UpdateMembers>,
    page: Page,
    PathId(id): PathId<MembershipId>,
    Form(form): Form<ExpiryForm>,
) -> Result<Response> {
    let zone = page.zone(can.actor().time_zone());
    let apply = async |change: &mut Change<Access>| {
        let member = members::find(change, id).await?;
        let typed = form.expires_at.trim();
        if typed == date(&member, &zone) {
            // The same day: an end at an hour of that day, set through the API, stays.
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
    match can.change(apply).await {
        Ok(()) => Ok(page.done(&can.path(&format!("members/{id}")), "Saved when access ends.")),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            let rejected =
                RejectedForm { expires_at: Some(form.expires_at), errors, ..RejectedForm::default() };
            draw(&can, page.with(status), id, rejected).await
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct LoginTypeForm {
    login_type: String,
}

pub(super) async fn set_login_type(
    can: Can<UpdateMembers>,
    page: Page,
    PathId(id): PathId<MembershipId>,
    Form(form): Form<LoginTypeForm>,
) -> Result<Response> {
    let login_type = LoginType::parse(&form.login_type);
    let apply = async |change: &mut Change<Access>| {
        let unknown = || Error::invalid("login_type", "invalid", "Choose one of the login types.");
        members::set_login_type(change, id, login_type.ok_or_else(unknown)?).await
    };
    match can.change(apply).await {
        Ok(()) => Ok(page.done(&can.path(&format!("members/{id}")), "Login type saved.")),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            draw(&can, page.with(status), id, RejectedForm { login_type, errors, ..RejectedForm::default() })
                .await
        }
    }
}
