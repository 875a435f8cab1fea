//! The operator's list of accounts: numbers and owners, and the plan of each. It leads into none of them.
mod tokens;

use crate::{
    app::{
        form::{Form, Query},
        gate::{At, Operator},
        page::{Faults, Page, When},
        routes::Routes,
    },
    error::Result,
    model::{account::Kind, id::AccountId, text::grouped},
    store::accounts::{self, Account},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default()
        .get("/operator", list)
        .post("/operator/accounts/{id}/plan", set_plan)
        .merge(tokens::routes())
}

/// How many a page lists.
const MOST: i64 = 50;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Paged {
    before: String,
}

#[derive(Template)]
#[template(path = "operator/index.html")]
struct Index {
    numbers: Vec<(&'static str, String)>,
    plans: Vec<(String, String)>,
    rows: Vec<Row>,
    faults: Faults,
    before: String,
    older: String,
}

struct Row {
    id: String,
    name: String,
    slug: String,
    kind: Kind,
    class: &'static str,
    plan: String,
    payer: String,
    owner_name: String,
    owner_email: String,
    members: String,
    created: When,
}

impl Index {
    /// An account can be on a plan that the catalogue no longer has.
    fn offers(&self, plan: &str) -> bool {
        self.plans.iter().any(|it| it.0 == plan)
    }
}

impl Row {
    fn of(it: Account, zone: &TimeZone) -> Row {
        Row {
            payer: it.parent().map(|it| it.name).unwrap_or_default(),
            id: it.id.to_string(),
            kind: it.kind,
            class: match it.kind {
                Kind::Personal => "",
                Kind::Organization => "org",
                Kind::Team => "team",
            },
            name: it.name,
            slug: it.slug,
            plan: it.plan,
            owner_name: it.owner_name,
            owner_email: it.owner_email,
            members: grouped(it.member_count),
            created: When::day(it.created_at, zone),
        }
    }
}

async fn list(operator: Operator, page: Page, Query(it): Query<Paged>) -> Result<Response> {
    accounts(&operator, &page, &it.before, Faults::default()).await
}

async fn accounts(operator: &Operator, page: &Page, before: &str, faults: Faults) -> Result<Response> {
    let zone = page.zone(operator.me().time_zone.as_deref());
    let mut scope = operator.read().await?;
    let mut found = accounts::list(&mut scope, before.parse::<AccountId>().ok(), MOST + 1).await?;
    let more = i64::try_from(found.len()).unwrap_or(i64::MAX) > MOST;
    found.truncate(usize::try_from(MOST).unwrap_or(0));
    let numbers = accounts::numbers(&mut scope).await?;
    let plans = operator.kit().catalog.plans.iter().map(|it| (it.id.clone(), it.name.clone()));
    let index = Index {
        numbers: vec![
            ("Organizations", grouped(numbers.organizations)),
            ("Teams", grouped(numbers.teams)),
            ("Users", grouped(numbers.users)),
            ("Mails to be sent", grouped(numbers.mails)),
        ],
        plans: plans.collect(),
        faults,
        before: before.to_owned(),
        older: found.last().filter(|_| more).map(|it| it.id.to_string()).unwrap_or_default(),
        rows: found.into_iter().map(|it| Row::of(it, &zone)).collect(),
    };
    page.show(&mut scope, "Accounts", index).await
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Plan {
    plan: String,
    before: String,
}

async fn set_plan(
    operator: Operator,
    page: Page,
    At(id): At<AccountId>,
    Form(it): Form<Plan>,
) -> Result<Response> {
    let set = async |change: &mut _| accounts::operator_sets_plan(change, id, &it.plan).await;
    match operator.change(set).await {
        Ok(account) => {
            let plan = operator.kit().catalog.plan_name(&it.plan).to_owned();
            let to = match it.before.parse::<AccountId>() {
                Ok(before) => format!("/operator?before={before}"),
                Err(_) => "/operator".to_owned(),
            };
            Ok(page.done(&to, format!("{} is on the plan {plan}.", account.name)))
        }
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            accounts(&operator, &page.with(status), &it.before, faults).await
        }
    }
}
