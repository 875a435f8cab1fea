//! Budgets of an account: how far each is used, and when it runs out.
use crate::{
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::{At, Can},
        routes::Routes,
    },
    model::{
        account,
        budget::{self, Kind, runs_out},
        calendar::{Day, Month},
        catalog::Catalog,
        id::BudgetId,
        permission::ChangePlan,
        time::Time,
    },
    store::budgets::{self, Budget, Choice, New},
    view::page::{Faults, Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    let (all, new) = ("/a/{slug}/usage/budgets", "/a/{slug}/usage/budgets/new");
    let one = "/a/{slug}/usage/budgets/{id}";
    Routes::default()
        .get(all, list)
        .post(all, create)
        .get(new, ask)
        .get(one, show)
        .post(one, save)
        .post("/a/{slug}/usage/budgets/{id}/delete", delete)
}

#[derive(Template)]
#[template(path = "usage/budgets.html")]
struct Index {
    path: String,
    usage: String,
    month: String,
    rows: Vec<Row>,
}

struct Row {
    id: BudgetId,
    name: String,
    what: &'static str,
    meter: String,
    used: String,
    limit: String,
    percent: u8,
    is_hard: bool,
    state: (&'static str, &'static str),
    note: String,
}

impl Row {
    fn of(it: Budget, now: Time, catalog: &Catalog) -> Row {
        let (limit, used) = (it.limit(), it.used(Month::of(now)));
        let level = budget::level(used, limit);
        let out = runs_out(used, limit, now).filter(|_| level < 100);
        Row {
            id: it.id,
            name: name(&it),
            what: what(it.kind),
            meter: meter_name(catalog, &it.meter),
            percent: percent(used.roughly() / limit.roughly()),
            used: used.rounded(),
            limit: limit.rounded(),
            is_hard: it.is_hard,
            state: match level {
                100 => ("Used up", if it.is_hard { "bad" } else { "wait" }),
                80 => ("Nearly used up", "wait"),
                _ => ("In budget", ""),
            },
            note: out.map_or_else(String::new, |it| format!("At this pace until {}", Day::short(it))),
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
fn percent(share: f64) -> u8 {
    (share * 100.0).floor().clamp(0.0, 100.0) as u8
}

fn name(it: &Budget) -> String {
    it.name.clone().unwrap_or_else(|| "Somebody or something that is gone".to_owned())
}

fn meter_name(catalog: &Catalog, id: &str) -> String {
    catalog.meters.iter().find(|it| it.id == id).map_or(id, |it| &it.name).to_owned()
}

fn what(kind: Kind) -> &'static str {
    match kind {
        Kind::Account => "The whole account",
        Kind::Team => "Team",
        Kind::Member => "Member",
        Kind::Key => "API key",
    }
}

async fn list(can: Can<ChangePlan>, page: Page) -> Result<Response> {
    let (now, catalog) = (can.kit().now(), can.kit().catalog.clone());
    let mut scope = can.read();
    let found = budgets::list(&mut scope).await?;
    let index = Index {
        path: can.path("usage/budgets"),
        usage: can.path("usage"),
        month: Month::of(now).in_words(),
        rows: found.into_iter().map(|it| Row::of(it, now, &catalog)).collect(),
    };
    page.show(&mut scope, "Budgets", index).await
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Typed {
    /// `account`, or `team `, `member `, `key ` and an id.
    of: String,
    meter: String,
    limit: String,
    hard: String,
}

#[derive(Template)]
#[template(path = "usage/budget.html")]
struct Edit {
    path: String,
    action: String,
    title: String,
    /// What it may be for; none when that is settled.
    choices: Option<Vec<Group>>,
    meters: Vec<(String, String)>,
    it: Typed,
    is_new: bool,
    used: String,
    faults: Faults,
}

/// What a budget may be for, of one kind.
struct Group {
    title: &'static str,
    options: Vec<(String, String)>,
}

async fn ask(can: Can<ChangePlan>, page: Page, Query(it): Query<Typed>) -> Result<Response> {
    form(&can, &page, it, Faults::default()).await
}

async fn form(can: &Can<ChangePlan>, page: &Page, it: Typed, faults: Faults) -> Result<Response> {
    let mut scope = can.read();
    let found = budgets::choices(&mut scope).await?;
    let group = |(kind, title): (Kind, &'static str)| {
        let of_kind = |it: &&Choice| it.kind == kind;
        let option = |it: &Choice| (format!("{} {}", kind.word(), it.id), it.name.clone());
        let options: Vec<(String, String)> = found.iter().filter(of_kind).map(option).collect();
        (!options.is_empty()).then_some(Group { title, options })
    };
    let groups = [(Kind::Team, "Teams"), (Kind::Member, "Members"), (Kind::Key, "API keys")];
    let meters = can.kit().catalog.meters.iter().map(|it| (it.id.clone(), it.name.clone())).collect();
    let path = can.path("usage/budgets");
    let edit = Edit {
        action: path.clone(),
        path,
        title: "New budget".into(),
        choices: Some(groups.into_iter().filter_map(group).collect()),
        meters,
        it,
        is_new: true,
        used: whole(can.me().here.kind).to_owned(),
        faults,
    };
    page.show(&mut scope, "New budget", edit).await
}

fn whole(kind: account::Kind) -> &'static str {
    match kind {
        account::Kind::Organization => "The whole organization, with its teams",
        account::Kind::Team => "The whole team",
        account::Kind::Personal => "The whole account, with its teams",
    }
}

impl Typed {
    fn wanted(&self) -> Result<New> {
        let (kind, subject) = self.of.split_once(' ').unwrap_or((&self.of, ""));
        let unknown = || Error::invalid("of", "required", "Choose what the budget is for.");
        Ok(New {
            kind: Kind::parse(if kind.is_empty() { "account" } else { kind }).ok_or_else(unknown)?,
            subject: subject.parse().ok(),
            meter: self.meter.clone(),
            limit: budget::limit(&self.limit).map_err(Error::at("limit"))?,
            is_hard: self.hard == "on",
        })
    }
}

async fn create(can: Can<ChangePlan>, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    let made = match it.wanted() {
        Ok(new) => can.change(async |change| budgets::create(change, &new).await).await.map(drop),
        Err(error) => Err(error),
    };
    match made {
        Ok(()) => Ok(page.done(&can.path("usage/budgets"), "The budget is set.")),
        Err(error) => {
            let (status, mut faults) = Faults::catch(error)?;
            for fault in faults.0.iter_mut().filter(|it| it.field == "subject") {
                fault.field = "of".into();
            }
            form(&can, &page.with(status), it, faults).await
        }
    }
}

async fn show(can: Can<ChangePlan>, page: Page, At(id): At<BudgetId>) -> Result<Response> {
    again(&can, &page, id, None, Faults::default()).await
}

async fn again(
    can: &Can<ChangePlan>,
    page: &Page,
    id: BudgetId,
    typed: Option<Typed>,
    faults: Faults,
) -> Result<Response> {
    let mut scope = can.read();
    let found = budgets::find(&mut scope, id).await?;
    let used = found.used(Month::of(can.kit().now()));
    let hard = if found.is_hard { "on" } else { "" };
    let of_now = || Typed { limit: found.limit().to_string(), hard: hard.into(), ..Typed::default() };
    let path = can.path("usage/budgets");
    let meter = meter_name(&can.kit().catalog, &found.meter);
    let title = match found.kind {
        Kind::Account => format!("{meter} of the whole account"),
        _ => format!("{meter} of {}", name(&found)),
    };
    let edit = Edit {
        action: format!("{path}/{id}"),
        path,
        choices: None,
        meters: vec![],
        it: typed.unwrap_or_else(of_now),
        is_new: false,
        used: format!("{} used this month.", used.rounded()),
        title: title.clone(),
        faults,
    };
    page.show(&mut scope, &title, edit).await
}

async fn save(
    can: Can<ChangePlan>,
    page: Page,
    At(id): At<BudgetId>,
    Form(it): Form<Typed>,
) -> Result<Response> {
    let saved = match budget::limit(&it.limit).map_err(Error::at("limit")) {
        Ok(limit) => {
            let hard = it.hard == "on";
            can.change(async |change| budgets::update(change, id, Some(limit), Some(hard)).await).await
        }
        Err(error) => Err(error),
    };
    match saved {
        Ok(()) => Ok(page.done(&can.path("usage/budgets"), "The budget is changed.")),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            again(&can, &page.with(status), id, Some(it), faults).await
        }
    }
}

async fn delete(can: Can<ChangePlan>, page: Page, At(id): At<BudgetId>) -> Result<Response> {
    can.change(async |change| budgets::delete(change, id).await).await?;
    Ok(page.done(&can.path("usage/budgets"), "The budget is deleted. Nothing is limited by it any more."))
}
