//! Access check: why somebody may do something, or may not.
use crate::{
    error::{Error, Result},
    http::{form::Query, gate::Can, routes::Routes},
    model::{
        catalog::Catalog,
        grant::{Grant, KeyLimit, Over, Rights, Weight},
        id::{MembershipId, ResourceId},
        permission::{Inside, Permission},
        why::Answer,
    },
    store::{
        Scope, members, roles,
        why::{self, About, Leader, Subject},
    },
    view::{
        page::{Page, When},
        shell::tint,
    },
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default().get("/a/{slug}/why", show)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    member: String,
    permission: String,
    resource: String,
    q: String,
}

struct Pick {
    value: String,
    label: String,
    chosen: bool,
}

/// One check, in the order in which it is made.
struct Check {
    /// `y` passes, `x` fails, nothing is not about it.
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

/// What would allow it.
struct Way {
    title: String,
    over: String,
    says: String,
    may_give: bool,
}

struct Giver {
    name: String,
    tint: u8,
    is_owner: bool,
    you: bool,
}

struct Verdict {
    allowed: bool,
    title: String,
    because: String,
    missing: String,
    checks: Vec<Check>,
    ways: Vec<Way>,
    givers: Vec<Giver>,
    /// Where the member's roles are changed, for who may.
    roles_href: String,
    /// Whether the visitor may ask for it here.
    may_ask: bool,
}

#[derive(Template)]
#[template(path = "why/index.html")]
struct Index {
    href: String,
    ask_href: String,
    people: Vec<Pick>,
    permissions: Vec<Pick>,
    resources: Vec<Pick>,
    search: String,
    offers_search: bool,
    asked: Asked,
    verdict: Option<Verdict>,
}

/// How many are offered to choose from.
const MOST: i64 = 100;
/// How many ways are told.
const WAYS: usize = 6;
/// How many people are named.
const GIVERS: i64 = 5;

async fn show(can: Can<Inside>, page: Page, Query(asked): Query<Asked>) -> Result<Response> {
    let who = can.me();
    let mut scope = can.read();
    let member: Option<MembershipId> = match asked.member.as_str() {
        "" => who.membership,
        id => Some(id.parse().map_err(|_| Error::NotFound)?),
    };
    let is_self = member.is_none_or(|it| who.is(it));
    if !is_self && !who.may(Permission::ViewMembers) {
        return Err(Error::Forbidden(Permission::ViewMembers));
    }
    let permission = match asked.permission.as_str() {
        "" => None,
        key => Some(Permission::parse(key).ok_or_else(|| unknown(key))?),
    };
    let subject = match member.filter(|_| !is_self) {
        Some(id) => why::subject(&mut scope, id).await?,
        None => Subject::visitor(&scope),
    };
    let about = match (permission, asked.resource.as_str()) {
        (_, "") => None,
        (_, id) => {
            Some(why::about(&mut scope, id.parse::<ResourceId>().map_err(|_| Error::NotFound)?).await?)
        }
    };
    let zone = page.zone(who.time_zone.as_deref());
    let verdict = match permission {
        Some(it) => Some(verdict(&can, &mut scope, &subject, member, it, about.as_ref(), &zone).await?),
        None => None,
    };
    let offers_others = who.may(Permission::ViewMembers);
    let people = if offers_others { why::people(&mut scope, asked.q.trim(), MOST).await? } else { vec![] };
    let chosen = (member, &subject);
    let index = Index {
        href: can.path("why"),
        ask_href: can.path("requests"),
        offers_search: offers_others && (people.len() >= 100 || !asked.q.is_empty()),
        people: people_picks(people, chosen),
        permissions: Permission::ALL.iter().map(|it| permission_pick(*it, permission)).collect(),
        resources: resource_picks(&mut scope, about.as_ref(), &can.kit().catalog).await?,
        search: asked.q.clone(),
        asked,
        verdict,
    };
    page.show(&mut scope, "Access check", index).await
}

fn unknown(key: &str) -> Error {
    let detail = format!("There is no permission “{}”.", crate::model::text::shorten(key, 40));
    Error::invalid("permission", "unknown_permission", detail)
}

fn people_picks(
    all: Vec<(MembershipId, String)>,
    (chosen, subject): (Option<MembershipId>, &Subject),
) -> Vec<Pick> {
    let is_there = all.iter().any(|it| Some(it.0) == chosen);
    let first = chosen.filter(|_| !is_there).map(|id| (id, subject.person.name.clone()));
    let pick = |(id, label): (MembershipId, String)| Pick {
        value: id.to_string(),
        label,
        chosen: Some(id) == chosen,
    };
    first.into_iter().chain(all).map(pick).collect()
}

fn permission_pick(it: Permission, chosen: Option<Permission>) -> Pick {
    Pick {
        value: it.key().to_owned(),
        label: format!("{} · {}", it.says(), it.key()),
        chosen: Some(it) == chosen,
    }
}

async fn resource_picks(scope: &mut Scope, chosen: Option<&About>, catalog: &Catalog) -> Result<Vec<Pick>> {
    let all = why::resources(scope, MOST).await?;
    let kind =
        |id: &str| catalog.kinds.iter().find(|it| it.id == id).map_or(id.to_owned(), |it| it.name.clone());
    let is_chosen = |it: &About| chosen.is_some_and(|chosen| chosen.id == it.id);
    let first = chosen.filter(|_| !all.iter().any(is_chosen)).cloned();
    let pick = |it: About| Pick {
        value: it.id.to_string(),
        label: format!("{} · {}", it.name, kind(&it.kind)),
        chosen: is_chosen(&it),
    };
    Ok(first.into_iter().chain(all).map(pick).collect())
}

async fn verdict(
    can: &Can<Inside>,
    scope: &mut Scope,
    subject: &Subject,
    member: Option<MembershipId>,
    permission: Permission,
    about: Option<&About>,
    zone: &TimeZone,
) -> Result<Verdict> {
    let who = can.me();
    let you = subject.person.id == who.person.id;
    let about = about.filter(|_| permission.is_of_resources());
    let answer = subject.explain(permission, about);
    let name = if you { "You" } else { subject.person.name.as_str() };
    let act = permission.says()[..1].to_lowercase() + &permission.says()[1..];
    let place = about.map(|it| format!(": {}", it.name)).unwrap_or_default();
    let (yes_no, may) = if answer.allowed() { ("Yes", "may") } else { ("No", "may not") };
    let mut checks = inside_checks(scope, subject, member, zone).await?;
    let catalog = can.kit().catalog.clone();
    checks.extend(resource_check(&answer, about));
    checks.extend(answer.weighed.iter().map(|(grant, weight)| weighed(grant, *weight, permission, &catalog)));
    let ways =
        if answer.allowed() { vec![] } else { ways(scope, &who.rights, &answer, about, &catalog).await? };
    let givers = if answer.allowed() { vec![] } else { why::leaders(scope, GIVERS).await? };
    let giver = |it: Leader| Giver {
        tint: tint(&it.user_id.to_string()),
        you: it.user_id == who.person.id,
        is_owner: it.is_owner,
        name: it.name,
    };
    let may_give = !you && subject.entry.is_some() && who.may(Permission::UpdateMembers);
    let roles_href = member.filter(|_| may_give).map(|id| can.path(&format!("members/{id}#roles")));
    Ok(Verdict {
        allowed: answer.allowed(),
        title: format!("{yes_no}. {name} {may} {act}{place}."),
        because: answer.because.as_ref().map(|it| describe(it, &catalog)).unwrap_or_default(),
        missing: answer.missing().map_or("", Permission::key).to_owned(),
        checks,
        ways,
        givers: givers.into_iter().map(giver).collect(),
        roles_href: roles_href.unwrap_or_default(),
        may_ask: you
            && !answer.allowed()
            && who.membership.is_some()
            && permission != Permission::TransferAccount,
    })
}

/// Whether they may enter at all.
async fn inside_checks(
    scope: &mut Scope,
    subject: &Subject,
    member: Option<MembershipId>,
    zone: &TimeZone,
) -> Result<Vec<Check>> {
    let account = scope.who().here.name.clone();
    let Some(id) = member else {
        let text = "As an administrator of the organization above, not as a member";
        return Ok(vec![Check::new(true, format!("Acts in {account}"), text)]);
    };
    let it = members::find(scope, id).await?;
    let since = When::day(it.joined_at, zone).text;
    let until =
        it.expires_at.map_or("no end date".to_owned(), |at| format!("until {}", When::day(at, zone).text));
    let state = if it.is_active { "Active" } else { "Inactive: the membership is suspended or over" };
    let mut checks = vec![Check::new(
        it.is_active,
        format!("Member of {account}"),
        format!("{state}, since {since}, {until}"),
    )];
    if subject.entry.is_some() {
        let text = match it.login_type.word() {
            "any" => "Any way of signing in opens this account".to_owned(),
            _ => format!("Only when signed in with {}", it.login_type.title()),
        };
        checks.push(Check::new(true, "Signs in as the membership demands", text));
    }
    Ok(checks)
}

fn resource_check(answer: &Answer, about: Option<&About>) -> Vec<Check> {
    let key = answer.limit.map(|it| match it {
        KeyLimit::Permission => Check::new(false, "The API key was not made for this permission", ""),
        KeyLimit::Resource => Check::new(false, "The API key was not made for this resource", ""),
    });
    let sees = about.map(|_| match (answer.sees, answer.is_hidden) {
        (true, _) => Check::new(true, "Sees the resource", "It is shared or theirs, and a grant reaches it"),
        (_, true) => {
            Check::new(false, "Private resource", "It is its creator's and the administrators' alone")
        }
        _ => Check::new(false, "Does not see the resource", "No grant with resources.view reaches it"),
    });
    key.into_iter().chain(sees).collect()
}

fn weighed(grant: &Grant, weight: Weight, permission: Permission, catalog: &Catalog) -> Check {
    let title = format!("Grant: {}", describe(grant, catalog));
    let mut check = Check::new(weight == Weight::Gives, title, grant.says());
    (check.badge, check.badge_tone) = match weight {
        Weight::Gives => (permission.key().to_owned(), "ok"),
        Weight::Lacks => (format!("no {}", permission.key()), "danger"),
        Weight::Narrow => ("needs the whole account".to_owned(), ""),
        Weight::Elsewhere => ("other resources".to_owned(), ""),
    };
    if matches!(weight, Weight::Narrow | Weight::Elsewhere) {
        (check.tone, check.icon) = ("", "minus");
    }
    check
}

/// `Video developer over all Video`.
fn describe(grant: &Grant, catalog: &Catalog) -> String {
    let over = match &grant.over {
        Over::Account => "the whole account".to_owned(),
        Over::Product(id) => format!("all {}", catalog.product(id).map_or(id.as_str(), |it| &it.name)),
        Over::Resources(all) if all.len() == 1 => "1 resource".to_owned(),
        Over::Resources(all) => format!("{} resources", all.len()),
    };
    format!("{} over {over}", grant.title())
}

async fn ways(
    scope: &mut Scope,
    rights: &Rights,
    answer: &Answer,
    about: Option<&About>,
    catalog: &Catalog,
) -> Result<Vec<Way>> {
    let offer = roles::offer(scope).await?;
    let on = about.map(|it| crate::model::resource::Located::place(it).listed());
    let is_source =
        about.is_some_and(|it| catalog.kinds.iter().any(|kind| kind.id == it.kind && kind.is_source));
    let missing = answer.missing().unwrap_or(answer.permission);
    let all = offer.allowing(missing, on.as_ref(), is_source);
    let all = all.iter().filter(|it| !answer.is_hidden || Rights::of(vec![(*it).clone()]).is_administrator());
    let way = |it: &Grant| Way {
        title: it.title(),
        over: match &it.over {
            Over::Resources(_) => "over this resource".to_owned(),
            _ => describe(it, catalog).replacen(&it.title(), "", 1).trim().to_owned(),
        },
        says: it.says(),
        may_give: rights.cover(it).is_ok(),
    };
    Ok(all.take(WAYS).map(way).collect())
}
