//! Access check: why a member may do something, or may not.
use crate::{
    error::{Error, Result},
    http::{form::Query, gate::Can, routes::Routes},
    model::{
        access::Access,
        catalog::Catalog,
        grant::{Grant, GrantMatch, GrantScope, KeyLimit, Rights},
        id::{MembershipId, ResourceId},
        permission::{AnyMember, Permission},
        why::Explanation,
    },
    store::{
        Scope,
        members::{self, Leader},
        roles,
        why::{self, Subject, TargetResource},
    },
    view::{page::Page, select::SelectOption, shell::tint, when::When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

pub fn routes() -> Routes {
    Routes::default().get("/a/{slug}/why", show)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AccessCheckQuery {
    member: String,
    permission: String,
    resource: String,
    q: String,
}

struct Check {
    /// `yes` or `no`; empty if the check does not concern the resource.
    tone: &'static str,
    icon: &'static str,
    title: String,
    text: String,
    badge: String,
    badge_tone: &'static str,
}

impl Check {
    fn new(passes: bool, title: impl Into<String>, text: impl Into<String>) -> Check {
        let (tone, icon) = if passes { ("yes", "circle-check") } else { ("no", "circle-x") };
        Check { tone, icon, title: title.into(), text: text.into(), badge: String::new(), badge_tone: "" }
    }
}

/// A grant that would allow it.
struct GrantOption {
    title: String,
    over: String,
    description: String,
    may_give: bool,
}

struct Giver {
    name: String,
    tint: u8,
    is_owner: bool,
    you: bool,
}

struct CheckResult {
    allowed: bool,
    title: String,
    because: String,
    missing: String,
    checks: Vec<Check>,
    options: Vec<GrantOption>,
    givers: Vec<Giver>,
    /// Where the member's roles are changed; empty if that is not permitted.
    roles_href: String,
    /// Whether the user may request it here.
    may_ask: bool,
}

#[derive(Template)]
#[template(path = "why/index.html")]
struct AccessCheckPage {
    href: String,
    ask_href: String,
    people: Vec<SelectOption>,
    permissions: Vec<SelectOption>,
    resources: Vec<SelectOption>,
    search: String,
    offers_search: bool,
    query: AccessCheckQuery,
    result: Option<CheckResult>,
}

const MAX_CHOICES: i64 = 100;
const MAX_OPTIONS: usize = 6;
const MAX_GIVERS: i64 = 5;

async fn show(can: Can<AnyMember>, page: Page, Query(query): Query<AccessCheckQuery>) -> Result<Response> {
    let access = can.access();
    let mut scope = can.read();
    let member: Option<MembershipId> = match query.member.as_str() {
        "" => access.membership,
        id => Some(id.parse().map_err(|_| Error::NotFound)?),
    };
    let is_self = member.is_none_or(|id| access.is(id));
    if !is_self && !access.may(Permission::ViewMembers) {
        return Err(Error::MissingPermission(Permission::ViewMembers));
    }
    let permission = match query.permission.as_str() {
        "" => None,
        key => Some(Permission::parse(key).ok_or_else(|| unknown(key))?),
    };
    let subject = match member.filter(|_| !is_self) {
        Some(id) => why::subject(&mut scope, id).await?,
        None => Subject::caller(&scope)?,
    };
    let resource = match (permission, query.resource.as_str()) {
        (_, "") => None,
        (_, id) => {
            Some(why::about(&mut scope, id.parse::<ResourceId>().map_err(|_| Error::NotFound)?).await?)
        }
    };
    let zone = page.zone(can.actor().time_zone());
    let result = match permission {
        Some(permission) => {
            Some(result(&can, &mut scope, &subject, member, permission, resource.as_ref(), &zone).await?)
        }
        None => None,
    };
    let offers_others = access.may(Permission::ViewMembers);
    let people =
        if offers_others { why::people(&mut scope, query.q.trim(), MAX_CHOICES).await? } else { vec![] };
    let chosen = (member, &subject);
    let body = AccessCheckPage {
        href: can.path("why"),
        ask_href: can.path("requests"),
        offers_search: offers_others && (people.len() >= 100 || !query.q.is_empty()),
        people: people_options(people, chosen),
        permissions: Permission::ALL.iter().map(|offered| permission_option(*offered, permission)).collect(),
        resources: resource_options(&mut scope, resource.as_ref(), &can.context().catalog).await?,
        search: query.q.clone(),
        query,
        result,
    };
    page.show(&mut scope, "Access check", body).await
}

fn unknown(key: &str) -> Error {
    let detail = format!("There is no permission “{}”.", crate::model::text::shorten(key, 40));
    Error::invalid("permission", "unknown_permission", detail)
}

fn people_options(
    all: Vec<(MembershipId, String)>,
    (chosen, subject): (Option<MembershipId>, &Subject),
) -> Vec<SelectOption> {
    let is_there = all.iter().any(|person| Some(person.0) == chosen);
    let first = chosen.filter(|_| !is_there).map(|id| (id, subject.person.name.clone()));
    let option = |(id, label): (MembershipId, String)| SelectOption {
        value: id.to_string(),
        label,
        selected: Some(id) == chosen,
    };
    first.into_iter().chain(all).map(option).collect()
}

fn permission_option(permission: Permission, chosen: Option<Permission>) -> SelectOption {
    SelectOption {
        value: permission.key().to_owned(),
        label: format!("{} · {}", permission.description(), permission.key()),
        selected: Some(permission) == chosen,
    }
}

async fn resource_options(
    scope: &mut Scope<Access>,
    chosen: Option<&TargetResource>,
    catalog: &Catalog,
) -> Result<Vec<SelectOption>> {
    let all = why::resources(scope, MAX_CHOICES).await?;
    let is_chosen = |resource: &TargetResource| chosen.is_some_and(|chosen| chosen.id == resource.id);
    let first = chosen.filter(|_| !all.iter().any(is_chosen)).cloned();
    let option = |resource: TargetResource| SelectOption {
        value: resource.id.to_string(),
        label: format!("{} · {}", resource.name, catalog.kind_name(&resource.kind)),
        selected: is_chosen(&resource),
    };
    Ok(first.into_iter().chain(all).map(option).collect())
}

async fn result(
    can: &Can<AnyMember>,
    scope: &mut Scope<Access>,
    subject: &Subject,
    member: Option<MembershipId>,
    permission: Permission,
    resource: Option<&TargetResource>,
    zone: &TimeZone,
) -> Result<CheckResult> {
    let access = can.access();
    let you = access.is_user(subject.person.id);
    let resource = resource.filter(|_| permission.is_of_resources());
    let answer = subject.explain(permission, resource);
    let name = if you { "You" } else { subject.person.name.as_str() };
    let action = permission.description()[..1].to_lowercase() + &permission.description()[1..];
    let target = resource.map(|resource| format!(": {}", resource.name)).unwrap_or_default();
    let (yes_no, may) = if answer.allowed() { ("Yes", "may") } else { ("No", "may not") };
    let mut checks = inside_checks(scope, subject, member, zone).await?;
    let catalog = can.context().catalog.clone();
    checks.extend(resource_check(&answer, resource));
    checks.extend(
        answer.matches.iter().map(|(grant, outcome)| grant_check(grant, *outcome, permission, &catalog)),
    );
    let options = if answer.allowed() {
        vec![]
    } else {
        options(scope, &access.rights, &answer, resource, &catalog).await?
    };
    let givers = if answer.allowed() {
        vec![]
    } else {
        members::leaders(scope, access.account.id, MAX_GIVERS).await?
    };
    let giver = |leader: Leader| Giver {
        tint: tint(&leader.user_id.to_string()),
        you: access.is_user(leader.user_id),
        is_owner: leader.is_owner,
        name: leader.name,
    };
    let may_give = !you && subject.entry.is_some() && access.may(Permission::UpdateMembers);
    let roles_href = member.filter(|_| may_give).map(|id| can.path(&format!("members/{id}#roles")));
    Ok(CheckResult {
        allowed: answer.allowed(),
        title: format!("{yes_no}. {name} {may} {action}{target}."),
        because: answer.allowed_by.as_ref().map(|grant| describe(grant, &catalog)).unwrap_or_default(),
        missing: answer.missing().map_or("", Permission::key).to_owned(),
        checks,
        options,
        givers: givers.into_iter().map(giver).collect(),
        roles_href: roles_href.unwrap_or_default(),
        may_ask: you
            && !answer.allowed()
            && access.membership.is_some()
            && permission != Permission::TransferAccount,
    })
}

/// Whether they are a member who can enter the account.
async fn inside_checks(
    scope: &mut Scope<Access>,
    subject: &Subject,
    member: Option<MembershipId>,
    zone: &TimeZone,
) -> Result<Vec<Check>> {
    let account = scope.access().account.name.clone();
    let Some(id) = member else {
        let text = "As an administrator of the organization above, not as a member";
        return Ok(vec![Check::new(true, format!("Acts in {account}"), text)]);
    };
    let member = members::find(scope, id).await?;
    let since = When::day(member.joined_at, zone).text;
    let until = member
        .expires_at
        .map_or("no end date".to_owned(), |at| format!("until {}", When::day(at, zone).text));
    let state = if member.is_active { "Active" } else { "Inactive: the membership is suspended or over" };
    let mut checks = vec![Check::new(
        member.is_active,
        format!("Member of {account}"),
        format!("{state}, since {since}, {until}"),
    )];
    if subject.entry.is_some() {
        let text = match member.login_type.as_str() {
            "any" => "Any way of signing in opens this account".to_owned(),
            _ => format!("Only when signed in with {}", member.login_type.label()),
        };
        checks.push(Check::new(true, "Signs in as the membership demands", text));
    }
    Ok(checks)
}

fn resource_check(answer: &Explanation, resource: Option<&TargetResource>) -> Vec<Check> {
    let key = answer.limit.map(|limit| match limit {
        KeyLimit::Permission => Check::new(false, "The API key was not made for this permission", ""),
        KeyLimit::Resource => Check::new(false, "The API key was not made for this resource", ""),
    });
    let sees = resource.map(|_| match (answer.sees, answer.is_hidden) {
        (true, _) => Check::new(true, "Sees the resource", "It is shared or theirs, and a grant reaches it"),
        (_, true) => {
            Check::new(false, "Private resource", "It is its creator's and the administrators' alone")
        }
        _ => Check::new(false, "Does not see the resource", "No grant with resources.view reaches it"),
    });
    key.into_iter().chain(sees).collect()
}

fn grant_check(grant: &Grant, outcome: GrantMatch, permission: Permission, catalog: &Catalog) -> Check {
    let title = format!("Grant: {}", describe(grant, catalog));
    let mut check = Check::new(outcome == GrantMatch::Allows, title, grant.description());
    (check.badge, check.badge_tone) = match outcome {
        GrantMatch::Allows => (permission.key().to_owned(), "ok"),
        GrantMatch::MissingPermission => (format!("no {}", permission.key()), "danger"),
        GrantMatch::NeedsAccountScope => ("needs the whole account".to_owned(), ""),
        GrantMatch::OutOfScope => ("other resources".to_owned(), ""),
    };
    if matches!(outcome, GrantMatch::NeedsAccountScope | GrantMatch::OutOfScope) {
        (check.tone, check.icon) = ("", "minus");
    }
    check
}

/// `Video developer over all Video`.
fn describe(grant: &Grant, catalog: &Catalog) -> String {
    let over = match &grant.over {
        GrantScope::Account => "the whole account".to_owned(),
        GrantScope::Product(id) => format!("all {}", catalog.product_name(id)),
        GrantScope::Resources(all) if all.len() == 1 => "1 resource".to_owned(),
        GrantScope::Resources(all) => format!("{} resources", all.len()),
    };
    format!("{} over {over}", grant.title())
}

async fn options(
    scope: &mut Scope<Access>,
    rights: &Rights,
    answer: &Explanation,
    resource: Option<&TargetResource>,
    catalog: &Catalog,
) -> Result<Vec<GrantOption>> {
    let offer = roles::offer(scope).await?;
    let on = resource.map(|resource| crate::model::resource::HasTarget::target(resource).as_scoped());
    let is_source = resource
        .is_some_and(|resource| catalog.kinds.iter().any(|kind| kind.id == resource.kind && kind.is_source));
    let missing = answer.missing().unwrap_or(answer.permission);
    let all = offer.allowing(missing, on.as_ref(), is_source);
    let all =
        all.iter().filter(|grant| !answer.is_hidden || Rights::of(vec![(*grant).clone()]).is_administrator());
    let option = |grant: &Grant| GrantOption {
        title: grant.title(),
        over: match &grant.over {
            GrantScope::Resources(_) => "over this resource".to_owned(),
            _ => describe(grant, catalog).replacen(&grant.title(), "", 1).trim().to_owned(),
        },
        description: grant.description(),
        may_give: rights.cover(grant).is_ok(),
    };
    Ok(all.take(MAX_OPTIONS).map(option).collect())
}
