//! Budgets of an account: how much of each is used, and when it runs out.
use crate::{
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::{Can, PathId},
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
    store::budgets::{self, Budget, BudgetSubject, NewBudget},
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub fn routes() -> Routes {
    let (list_path, new_path) = ("/a/{slug}/usage/budgets", "/a/{slug}/usage/budgets/new");
    let budget_path = "/a/{slug}/usage/budgets/{id}";
    Routes::default()
        .get(list_path, list)
        .post(list_path, create)
        .get(new_path, ask)
        .get(budget_path, show)
        .post(budget_path, save)
        .post("/a/{slug}/usage/budgets/{id}/delete", delete)
}

#[derive(Template)]
#[template(path = "usage/budgets.html")]
struct BudgetsPage {
    path: String,
    usage: String,
    month: String,
    rows: Vec<BudgetRow>,
}

struct BudgetRow {
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

impl BudgetRow {
    fn of(budget: Budget, now: Time, catalog: &Catalog) -> BudgetRow {
        let (limit, used) = (budget.limit(), budget.used(Month::of(now)));
        let level = budget::level(used, limit);
        let end = runs_out(used, limit, now).filter(|_| level < 100);
        BudgetRow {
            id: budget.id,
            name: name(&budget),
            what: what(budget.kind),
            meter: meter_name(catalog, &budget.meter),
            percent: percent(used.roughly() / limit.roughly()),
            used: used.rounded(),
            limit: limit.rounded(),
            is_hard: budget.is_hard,
            state: match level {
                100 => ("Used up", if budget.is_hard { "bad" } else { "wait" }),
                80 => ("Nearly used up", "wait"),
                _ => ("In budget", ""),
            },
            note: end.map_or_else(String::new, |day| format!("At this pace until {}", Day::short(day))),
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
fn percent(share: f64) -> u8 {
    (share * 100.0).floor().clamp(0.0, 100.0) as u8
}

fn name(budget: &Budget) -> String {
    budget.name.clone().unwrap_or_else(|| "Somebody or something that is gone".to_owned())
}

fn meter_name(catalog: &Catalog, id: &str) -> String {
    catalog.meters.iter().find(|meter| meter.id == id).map_or(id, |meter| &meter.name).to_owned()
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
    let (now, catalog) = (can.context().now(), can.context().catalog.clone());
    let mut scope = can.read();
    let found = budgets::list(&mut scope).await?;
    let body = BudgetsPage {
        path: can.path("usage/budgets"),
        usage: can.path("usage"),
        month: Month::of(now).in_words(),
        rows: found.into_iter().map(|budget| BudgetRow::of(budget, now, &catalog)).collect(),
    };
    page.show(&mut scope, "Budgets", body).await
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct BudgetForm {
    /// `account`, or `team `, `member `, `key ` and an id.
    of: String,
    meter: String,
    limit: String,
    hard: String,
}

#[derive(Template)]
#[template(path = "usage/budget.html")]
struct BudgetPage {
    path: String,
    action: String,
    title: String,
    /// What the budget can be for; `None` for an existing one.
    choices: Option<Vec<SubjectGroup>>,
    meters: Vec<(String, String)>,
    form: BudgetForm,
    is_new: bool,
    used: String,
    errors: FormErrors,
}

struct SubjectGroup {
    title: &'static str,
    options: Vec<(String, String)>,
}

async fn ask(can: Can<ChangePlan>, page: Page, Query(form): Query<BudgetForm>) -> Result<Response> {
    show_new(&can, &page, form, FormErrors::default()).await
}

async fn show_new(
    can: &Can<ChangePlan>,
    page: &Page,
    form: BudgetForm,
    errors: FormErrors,
) -> Result<Response> {
    let mut scope = can.read();
    let found = budgets::choices(&mut scope).await?;
    let group = |(kind, title): (Kind, &'static str)| {
        let of_kind = |choice: &&BudgetSubject| choice.kind == kind;
        let option =
            |choice: &BudgetSubject| (format!("{} {}", kind.as_str(), choice.id), choice.name.clone());
        let options: Vec<(String, String)> = found.iter().filter(of_kind).map(option).collect();
        (!options.is_empty()).then_some(SubjectGroup { title, options })
    };
    let groups = [(Kind::Team, "Teams"), (Kind::Member, "Members"), (Kind::Key, "API keys")];
    let meters =
        can.context().catalog.meters.iter().map(|meter| (meter.id.clone(), meter.name.clone())).collect();
    let path = can.path("usage/budgets");
    let body = BudgetPage {
        action: path.clone(),
        path,
        title: "New budget".into(),
        choices: Some(groups.into_iter().filter_map(group).collect()),
        meters,
        form,
        is_new: true,
        used: whole(can.access().account.kind).to_owned(),
        errors,
    };
    page.show(&mut scope, "New budget", body).await
}

fn whole(kind: account::Kind) -> &'static str {
    match kind {
        account::Kind::Organization => "The whole organization, with its teams",
        account::Kind::Team => "The whole team",
        account::Kind::Personal => "The whole account, with its teams",
    }
}

impl BudgetForm {
    fn new_budget(&self) -> Result<NewBudget> {
        let (kind, subject) = self.of.split_once(' ').unwrap_or((&self.of, ""));
        let unknown = || Error::invalid("of", "required", "Choose what the budget is for.");
        Ok(NewBudget {
            kind: Kind::parse(if kind.is_empty() { "account" } else { kind }).ok_or_else(unknown)?,
            subject: subject.parse().ok(),
            meter: self.meter.clone(),
            limit: budget::parse_limit(&self.limit).map_err(Error::at("limit"))?,
            is_hard: self.hard == "on",
        })
    }
}

async fn create(can: Can<ChangePlan>, page: Page, Form(form): Form<BudgetForm>) -> Result<Response> {
    let created = match form.new_budget() {
        Ok(new) => can.change(async |change| budgets::create(change, &new).await).await.map(drop),
        Err(error) => Err(error),
    };
    match created {
        Ok(()) => Ok(page.done(&can.path("usage/budgets"), "The budget is set.")),
        Err(error) => {
            let (status, mut errors) = FormErrors::catch(error)?;
            for error in errors.0.iter_mut().filter(|error| error.field == "subject") {
                error.field = "of".into();
            }
            show_new(&can, &page.with(status), form, errors).await
        }
    }
}

async fn show(can: Can<ChangePlan>, page: Page, PathId(id): PathId<BudgetId>) -> Result<Response> {
    show_existing(&can, &page, id, None, FormErrors::default()).await
}

async fn show_existing(
    can: &Can<ChangePlan>,
    page: &Page,
    id: BudgetId,
    typed: Option<BudgetForm>,
    errors: FormErrors,
) -> Result<Response> {
    let mut scope = can.read();
    let found = budgets::find(&mut scope, id).await?;
    let used = found.used(Month::of(can.context().now()));
    let hard = if found.is_hard { "on" } else { "" };
    let current =
        || BudgetForm { limit: found.limit().to_string(), hard: hard.into(), ..BudgetForm::default() };
    let path = can.path("usage/budgets");
    let meter = meter_name(&can.context().catalog, &found.meter);
    let title = match found.kind {
        Kind::Account => format!("{meter} of the whole account"),
        _ => format!("{meter} of {}", name(&found)),
    };
    let body = BudgetPage {
        action: format!("{path}/{id}"),
        path,
        choices: None,
        meters: vec![],
        form: typed.unwrap_or_else(current),
        is_new: false,
        used: format!("{} used this month.", used.rounded()),
        title: title.clone(),
        errors,
    };
    page.show(&mut scope, &title, body).await
}

async fn save(
    can: Can<ChangePlan>,
    page: Page,
    PathId(id): PathId<BudgetId>,
    Form(form): Form<BudgetForm>,
) -> Result<Response> {
    let saved = match budget::parse_limit(&form.limit).map_err(Error::at("limit")) {
        Ok(limit) => {
            let hard = form.hard == "on";
            can.change(async |change| budgets::update(change, id, Some(limit), Some(hard)).await).await
        }
        Err(error) => Err(error),
    };
    match saved {
        Ok(()) => Ok(page.done(&can.path("usage/budgets"), "The budget is changed.")),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            show_existing(&can, &page.with(status), id, Some(form), errors).await
        }
    }
}

async fn delete(can: Can<ChangePlan>, page: Page, PathId(id): PathId<BudgetId>) -> Result<Response> {
    can.change(async |change| budgets::delete(change, id).await).await?;
    Ok(page.done(&can.path("usage/budgets"), "The budget is deleted. Nothing is limited by it any more."))
}
