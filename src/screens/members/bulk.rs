//! Many members at once: each is changed if it may be, and the toast says who was not, and why.
use super::{back, count};
use crate::{
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::Can,
    },
    model::{
        access::Entry,
        grant::Grant,
        id::MembershipId,
        permission::{RemoveMembers, UpdateMembers, ViewMembers},
    },
    store::{
        Change,
        members::{self, Losses, Member},
        scopable_resources,
    },
    view::{
        page::{Faults, Page},
        role_picker::{Badge, RolePicker, Typed},
        shell::tint,
    },
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

const MOST: usize = 200;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Bulk {
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

impl Bulk {
    fn ids(&self) -> Result<Vec<MembershipId>> {
        let mut ids: Vec<MembershipId> = self.id.iter().filter_map(|it| it.parse().ok()).collect();
        ids.sort();
        ids.dedup();
        if ids.len() > MOST {
            let detail = format!("That are {} members. Choose at most {MOST} at once.", ids.len());
            return Err(Error::conflict("too_many", detail));
        }
        Ok(ids)
    }
    /// The page that asks first.
    fn question(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("act", &self.act);
        query.extend_pairs(self.id.iter().map(|it| ("id", it)));
        format!("members/bulk?{}", query.append_pair("back", &self.back).finish())
    }
}

/// A member whom it is about.
struct Who {
    id: String,
    name: String,
    email: String,
    tint: u8,
    badges: Vec<Badge>,
    /// Why they stay as they are; empty if they do not.
    why: String,
}

#[derive(Template)]
#[template(path = "members/ask_end.html")]
struct AskEnd {
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
    who: Vec<Who>,
    losses: Vec<(&'static str, String)>,
}

#[derive(Template)]
#[template(path = "members/ask_roles.html")]
struct AskRoles {
    base: String,
    back: String,
    list: String,
    members: String,
    who: Vec<Who>,
    picker: RolePicker,
    problem: String,
}

/// Says what will happen, before it does.
pub(super) async fn ask(can: Can<ViewMembers>, page: Page, Query(it): Query<Bulk>) -> Result<Response> {
    question(&can, page, &it, &Faults::default()).await
}

async fn question(can: &Can<ViewMembers>, page: Page, it: &Bulk, faults: &Faults) -> Result<Response> {
    may(can.me(), &it.act)?;
    let list = can.path(&back(&it.back, "members"));
    let mut scope = can.read();
    let found = members::some(&mut scope, &it.ids()?).await?;
    let open: Vec<&Member> = found.iter().filter(|it| members::may_change(&scope, it).is_ok()).collect();
    let how_many = count(i64::try_from(open.len()).unwrap_or(i64::MAX), "member", "members");
    let who = found.iter().map(|it| {
        let refused = members::may_change(&scope, it).err();
        Who {
            id: it.id.to_string(),
            name: it.person.name.clone(),
            email: it.person.email.clone(),
            tint: tint(&it.person.id.to_string()),
            badges: it.grants.iter().map(Badge::of).collect(),
            why: refused.map(|it| it.to_string()).unwrap_or_default(),
        }
    });
    let who: Vec<Who> = who.collect();
    if open.is_empty() {
        return Ok(page.failed(&list, none(&who)));
    }
    let base = can.path("members");
    if it.act != "role" {
        let is_removal = it.act == "remove";
        let (act, verb) = if is_removal { ("remove", "Remove") } else { ("suspend", "Suspend") };
        let losses = losses_in_words(members::losses(&mut scope, &open).await?, is_removal);
        let (noun, back) = (can.me().here.kind.noun(), it.back.clone());
        let title = format!("{verb} {how_many}?");
        let ask = AskEnd { act, verb, is_removal, base, back, list, noun, members: how_many, who, losses };
        return page.show(&mut scope, &title, ask).await;
    }
    let typed = typed(it);
    let (custom, found) = scopable_resources::with_roles(&mut scope, &typed.find, &typed.ticked()).await?;
    let look = format!("{base}/bulk");
    let mut picker = RolePicker::offer(can.me(), &can.kit().catalog, &custom, &found, look);
    if !typed.is_empty() {
        picker = picker.typed(&typed, &[], faults);
    }
    let is_said = picker.lines.iter().any(|it| !it.error.is_empty())
        || picker.lists.iter().any(|it| !it.error.is_empty())
        || !picker.error.is_empty();
    let problem = if is_said { String::new() } else { faults.beside(&[]) };
    let title = format!("Change the roles of {how_many}");
    let ask = AskRoles { base, back: it.back.clone(), list, members: how_many, who, picker, problem };
    page.show(&mut scope, &title, ask).await
}

fn none(who: &[Who]) -> String {
    match who.first() {
        None => "Choose at least one member first.".into(),
        Some(it) => format!("Nothing was changed. {}: {}", it.name, it.why),
    }
}

fn losses_in_words(it: Losses, is_removal: bool) -> Vec<(&'static str, String)> {
    let mut all = vec![("log-out", "Access ends at once, in the teams too".to_owned())];
    if it.keys > 0 {
        let (one, many, done) = match is_removal {
            true => ("API key is", "API keys are", "revoked"),
            false => ("API key stops", "API keys stop", "working until they are reactivated"),
        };
        all.push(("key-round", format!("{} {done}", count(it.keys, one, many))));
    }
    if it.seats > 0 {
        let done = if is_removal { "given up" } else { "closed to them" };
        let seats = count(it.seats, "place in a team is", "places in teams are");
        all.push(("users-round", format!("{seats} {done}")));
    }
    if it.owned_teams > 0 {
        all.push(("crown", format!("{} to the owner", count(it.owned_teams, "team passes", "teams pass"))));
    }
    if it.resources > 0 && is_removal {
        let resources = count(it.resources, "private resource passes", "private resources pass");
        all.push(("lock", format!("{resources} to the owner, those of a team to its owner")));
    }
    all
}

fn typed(it: &Bulk) -> Typed {
    Typed {
        role: it.role.clone(),
        product: it.product.clone(),
        keep: vec![],
        listed_role: it.listed_role.clone(),
        listed: it.listed.clone(),
        listed_new: it.listed_new.clone(),
        find: it.find.clone(),
    }
}

/// Whether the visitor may do that at all.
fn may(me: &Entry, act: &str) -> Result<()> {
    match act {
        "suspend" | "reactivate" | "role" => me.meets::<UpdateMembers>(),
        "remove" => me.meets::<RemoveMembers>(),
        _ => return Err(Error::conflict("unknown_act", "Choose what to do with the members.")),
    }
    .map_err(Error::Forbidden)
}

pub(super) async fn run(can: Can<ViewMembers>, page: Page, Form(it): Form<Bulk>) -> Result<Response> {
    may(can.me(), &it.act)?;
    let ids = it.ids()?;
    let list = can.path(&back(&it.back, "members"));
    if ids.is_empty() {
        return Ok(page.failed(&list, "Choose at least one member first."));
    }
    if ["remove", "suspend"].contains(&it.act.as_str()) && it.confirm.is_empty() {
        return Ok(page.to(&can.path(&it.question())));
    }
    let done = can
        .change(async |change| {
            may(change.who(), &it.act)?;
            let grants = if it.act == "role" { typed(&it).grants(change, &[]).await? } else { vec![] };
            let mut outcome = Outcome::default();
            for member in members::some(change, &ids).await? {
                let done = one(change, &it.act, member.id, &grants).await;
                outcome.take(&member.person.name, done)?;
            }
            Ok(outcome)
        })
        .await;
    match done {
        Ok(it) if it.done == 0 => Ok(page.failed(&list, it.in_words("Nothing was changed"))),
        Ok(outcome) => Ok(page.done(&list, outcome.in_words(&verb(&it.act, outcome.done)))),
        Err(error) if it.act == "role" => {
            let (status, faults) = Faults::catch(error)?;
            question(&can, page.with(status), &it, &faults).await
        }
        Err(error) => Err(error),
    }
}

async fn one(change: &mut Change, act: &str, id: MembershipId, grants: &[Grant]) -> Result<()> {
    match act {
        "suspend" => members::suspend(change, id).await,
        "reactivate" => members::reactivate(change, id).await,
        "role" => members::set_grants(change, id, grants).await,
        _ => members::remove(change, id, None).await,
    }
}

fn verb(act: &str, done: i64) -> String {
    let members = count(done, "member", "members");
    match act {
        "suspend" => format!("Suspended {members}"),
        "reactivate" => format!("Reactivated {members}"),
        "role" => format!("Changed the roles of {members}"),
        _ => format!("Removed {members}, which can be undone for 10 minutes"),
    }
}

/// What was done, and what was refused: the reason, and whose.
#[derive(Default)]
struct Outcome {
    done: i64,
    refused: Vec<(String, Vec<String>)>,
}

impl Outcome {
    /// A refusal is a rule's, told before anything was written; any other error ends it all.
    fn take(&mut self, name: &str, done: Result<()>) -> Result<()> {
        match done {
            Ok(()) => self.done += 1,
            Err(error @ (Error::Conflict { .. } | Error::Forbidden(_))) => {
                let why = error.to_string();
                match self.refused.iter_mut().find(|it| it.0 == why) {
                    Some((_, names)) => names.push(name.to_owned()),
                    None => self.refused.push((why, vec![name.to_owned()])),
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
    fn in_words(&self, done: &str) -> String {
        let refused = self.refused.iter().map(|(why, names)| {
            let more = names.len().saturating_sub(3);
            let some = names.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
            let and = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!(" Not {some}{and}: {why}")
        });
        format!("{done}.{}", refused.collect::<String>())
    }
}
