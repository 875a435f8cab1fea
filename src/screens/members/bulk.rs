//! Changes many members at once. Members who cannot be changed are skipped, and the toast names them with the reason.
use super::{back_path, plural};
use crate::{
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::Can,
    },
    model::{
        access::Access,
        grant::Grant,
        id::MembershipId,
        permission::{RemoveMembers, UpdateMembers, ViewMembers},
        text::counted,
    },
    store::{
        Change,
        members::{self, Member, RemovalImpact},
        scopable_resources,
    },
    view::{
        form_errors::FormErrors,
        page::Page,
        role_picker::{Badge, RolePicker, RolePickerForm},
        shell::tint,
    },
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

const MAX_MEMBERS: usize = 200;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct BulkForm {
    act: String,
    id: Vec<String>,
    back: String,
    role: Vec<String>,
    product: Vec<String>,
    listed_role: Vec<String>,
    listed: Vec<String>,
    listed_new: String,
    find: String,
    confirm: String,
}

impl BulkForm {
    fn ids(&self) -> Result<Vec<MembershipId>> {
        let mut ids: Vec<MembershipId> = self.id.iter().filter_map(|id| id.parse().ok()).collect();
        ids.sort();
        ids.dedup();
        if ids.len() > MAX_MEMBERS {
            let detail = format!("You selected {} members. The limit is {MAX_MEMBERS}.", ids.len());
            return Err(Error::conflict("too_many", detail));
        }
        Ok(ids)
    }
    /// The address of the page that asks for confirmation.
    fn confirm_path(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("act", &self.act);
        query.extend_pairs(self.id.iter().map(|id| ("id", id)));
        format!("members/bulk?{}", query.append_pair("back", &self.back).finish())
    }
}

struct SelectedMember {
    id: String,
    name: String,
    email: String,
    tint: u8,
    badges: Vec<Badge>,
    /// Why they are not changed; empty if they are.
    refusal: String,
}

#[derive(Template)]
#[template(path = "members/bulk_confirm.html")]
struct BulkConfirmPage {
    /// `remove` or `suspend`.
    act: &'static str,
    /// `Remove`, `Suspend`.
    verb: &'static str,
    is_removal: bool,
    base: String,
    back: String,
    list: String,
    noun: &'static str,
    members: String,
    selected: Vec<SelectedMember>,
    /// `(icon, sentence)`.
    impact: Vec<(&'static str, String)>,
}

#[derive(Template)]
#[template(path = "members/bulk_roles.html")]
struct BulkRolesPage {
    base: String,
    back: String,
    list: String,
    members: String,
    selected: Vec<SelectedMember>,
    picker: RolePicker,
    problem: String,
}

/// Shows what will happen before it does.
pub(super) async fn ask(can: Can<ViewMembers>, page: Page, Query(form): Query<BulkForm>) -> Result<Response> {
    confirm_page(&can, page, &form, &FormErrors::default()).await
}

async fn confirm_page(
    can: &Can<ViewMembers>,
    page: Page,
    form: &BulkForm,
    errors: &FormErrors,
) -> Result<Response> {
    check_permission(can.access(), &form.act)?;
    let list = can.path(&back_path(&form.back, "members"));
    let mut scope = can.read();
    let members_found = members::find_all(&mut scope, &form.ids()?).await?;
    let changeable: Vec<&Member> =
        members_found.iter().filter(|member| members::may_change(&scope, member).is_ok()).collect();
    let members = counted(i64::try_from(changeable.len()).unwrap_or(i64::MAX), "member");
    let selected = members_found.iter().map(|member| {
        let refused = members::may_change(&scope, member).err();
        SelectedMember {
            id: member.id.to_string(),
            name: member.person.name.clone(),
            email: member.person.email.clone(),
            tint: tint(&member.person.id.to_string()),
            badges: member.grants.iter().map(|grant| Badge::of(grant, &can.context().catalog)).collect(),
            refusal: refused.map(|error| error.to_string()).unwrap_or_default(),
        }
    });
    let selected: Vec<SelectedMember> = selected.collect();
    if changeable.is_empty() {
        return Ok(page.failed(&list, nothing_changed(&selected)));
    }
    let base = can.path("members");
    if form.act != "role" {
        let is_removal = form.act == "remove";
        let (act, verb) = if is_removal { ("remove", "Remove") } else { ("suspend", "Suspend") };
        let impact = impact_in_words(members::removal_impact(&mut scope, &changeable).await?, is_removal);
        let (noun, back) = (can.access().account.kind.noun(), form.back.clone());
        let title = format!("{verb} {members}?");
        let ask =
            BulkConfirmPage { act, verb, is_removal, base, back, list, noun, members, selected, impact };
        return page.show(&mut scope, &title, ask).await;
    }
    let roles = roles(form);
    let (custom, members_found) =
        scopable_resources::with_roles(&mut scope, &roles.find, &roles.ticked()).await?;
    let search_path = format!("{base}/bulk");
    let mut picker =
        RolePicker::offer(can.access(), &can.context().catalog, &custom, &members_found, search_path);
    if !roles.is_empty() {
        picker = picker.typed(&roles, &[], errors);
    }
    let is_shown = picker.lines.iter().any(|line| !line.error.is_empty())
        || picker.lists.iter().any(|list| !list.error.is_empty())
        || !picker.error.is_empty();
    let problem = if is_shown { String::new() } else { errors.beside(&[]) };
    let title = format!("Change the roles of {members}");
    let ask = BulkRolesPage { base, back: form.back.clone(), list, members, selected, picker, problem };
    page.show(&mut scope, &title, ask).await
}

fn nothing_changed(selected: &[SelectedMember]) -> String {
    match selected.first() {
        None => "Choose at least one member first.".into(),
        Some(person) => format!("Nothing was changed. {}: {}", person.name, person.refusal),
    }
}

fn impact_in_words(impact: RemovalImpact, is_removal: bool) -> Vec<(&'static str, String)> {
    let mut lines = vec![("log-out", "Access ends at once, in the teams too".to_owned())];
    if impact.keys > 0 {
        let (one, many, done) = match is_removal {
            true => ("API key is", "API keys are", "revoked"),
            false => ("API key stops", "API keys stop", "working until they are reactivated"),
        };
        lines.push(("key-round", format!("{} {done}", plural(impact.keys, one, many))));
    }
    if impact.seats > 0 {
        let done = if is_removal { "given up" } else { "closed to them" };
        let places = plural(impact.seats, "place in a team is", "places in teams are");
        lines.push(("users-round", format!("{places} {done}")));
    }
    if impact.owned_teams > 0 {
        lines.push((
            "crown",
            format!("{} to the owner", plural(impact.owned_teams, "team passes", "teams pass")),
        ));
    }
    if impact.resources > 0 && is_removal {
        let resources = plural(impact.resources, "private resource passes", "private resources pass");
        lines.push(("lock", format!("{resources} to the owner, those of a team to its owner")));
    }
    lines
}

fn roles(form: &BulkForm) -> RolePickerForm {
    RolePickerForm {
        role: form.role.clone(),
        product: form.product.clone(),
        keep: vec![],
        listed_role: form.listed_role.clone(),
        listed: form.listed.clone(),
        listed_new: form.listed_new.clone(),
        find: form.find.clone(),
    }
}

fn check_permission(access: &Access, act: &str) -> Result<()> {
    match act {
        "suspend" | "reactivate" | "role" => access.meets::<UpdateMembers>(),
        "remove" => access.meets::<RemoveMembers>(),
        _ => return Err(Error::conflict("unknown_act", "Choose what to do with the members.")),
    }
    .map_err(Error::MissingPermission)
}

pub(super) async fn run(can: Can<ViewMembers>, page: Page, Form(form): Form<BulkForm>) -> Result<Response> {
    check_permission(can.access(), &form.act)?;
    let ids = form.ids()?;
    let list = can.path(&back_path(&form.back, "members"));
    if ids.is_empty() {
        return Ok(page.failed(&list, "Choose at least one member first."));
    }
    if ["remove", "suspend"].contains(&form.act.as_str()) && form.confirm.is_empty() {
        return Ok(page.to(&can.path(&form.confirm_path())));
    }
    let done = can
        .change(async |change| {
            check_permission(change.access(), &form.act)?;
            let grants = if form.act == "role" { roles(&form).grants(change, &[]).await? } else { vec![] };
            let mut outcome = BulkOutcome::default();
            for member in members::find_all(change, &ids).await? {
                let done = apply(change, &form.act, member.id, &grants).await;
                outcome.record(&member.person.name, done)?;
            }
            Ok(outcome)
        })
        .await;
    match done {
        Ok(outcome) if outcome.done == 0 => Ok(page.failed(&list, outcome.summary("Nothing was changed"))),
        Ok(outcome) => Ok(page.done(&list, outcome.summary(&verb(&form.act, outcome.done)))),
        Err(error) if form.act == "role" => {
            let (status, errors) = FormErrors::catch(error)?;
            confirm_page(&can, page.with(status), &form, &errors).await
        }
        Err(error) => Err(error),
    }
}

async fn apply(change: &mut Change<Access>, act: &str, id: MembershipId, grants: &[Grant]) -> Result<()> {
    match act {
        "suspend" => members::suspend(change, id).await,
        "reactivate" => members::reactivate(change, id).await,
        "role" => members::set_grants(change, id, grants).await,
        _ => members::remove(change, id, None).await,
    }
}

fn verb(act: &str, done: i64) -> String {
    let members = counted(done, "member");
    match act {
        "suspend" => format!("Suspended {members}"),
        "reactivate" => format!("Reactivated {members}"),
        "role" => format!("Changed the roles of {members}"),
        _ => format!("Removed {members}, which can be undone for 10 minutes"),
    }
}

/// How many members were changed, and the names of the others by the reason why not.
#[derive(Default)]
struct BulkOutcome {
    done: i64,
    refused: Vec<(String, Vec<String>)>,
}

impl BulkOutcome {
    /// A rule refuses before anything is written, so the others still go through. Any other error ends the whole change.
    fn record(&mut self, name: &str, done: Result<()>) -> Result<()> {
        match done {
            Ok(()) => self.done += 1,
            Err(error @ (Error::Conflict { .. } | Error::MissingPermission(_))) => {
                let why = error.to_string();
                match self.refused.iter_mut().find(|group| group.0 == why) {
                    Some((_, names)) => names.push(name.to_owned()),
                    None => self.refused.push((why, vec![name.to_owned()])),
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
    fn summary(&self, done: &str) -> String {
        let refused = self.refused.iter().map(|(why, names)| {
            let more = names.len().saturating_sub(3);
            let some = names.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
            let and = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!(" Not {some}{and}: {why}")
        });
        format!("{done}.{}", refused.collect::<String>())
    }
}
