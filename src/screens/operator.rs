//! The operator's list of accounts: numbers and owners, plans and what is owed. It leads into none of them.
mod account;
mod invoice;
mod tokens;

use crate::{
    context::Kit,
    error::Result,
    http::{form::Query, gate::Operator, routes::Routes},
    model::{
        account::Kind,
        id::AccountId,
        text::{counted, grouped},
        time::{DAY, Time},
    },
    store::accounts::operator_list::{self, Filter, Numbers, Overseen},
    view::page::Page,
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default()
        .get("/operator", show)
        .merge(account::routes())
        .merge(invoice::routes())
        .merge(tokens::routes())
}

/// How many a page lists.
const PAGE: i64 = 50;
/// For so long an account is new.
const NEW: std::time::Duration = DAY.saturating_mul(7);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    q: String,
    kind: String,
    plan: String,
    state: String,
    after: String,
    before: String,
}

impl Asked {
    fn filter(&self) -> Filter {
        Filter {
            search: self.q.trim().to_owned(),
            kind: self.kind.clone(),
            plan: self.plan.clone(),
            state: self.state.clone(),
            after: self.after.parse().ok(),
            before: self.before.parse().ok(),
            limit: PAGE,
        }
    }
    fn is_narrow(&self) -> bool {
        [&self.q, &self.kind, &self.plan, &self.state].iter().any(|it| !it.is_empty())
    }
    /// The page of the same list that ends or begins there.
    fn turn(&self, name: &str, at: Option<AccountId>) -> String {
        let Some(at) = at.map(|it| it.to_string()) else { return String::new() };
        let all =
            [("q", &self.q), ("kind", &self.kind), ("plan", &self.plan), ("state", &self.state), (name, &at)];
        let all = all.into_iter().filter(|it| !it.1.is_empty());
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish();
        format!("/operator?{query}")
    }
}

struct Pick {
    value: String,
    label: String,
    chosen: bool,
}

fn pick(value: &str, label: &str, chosen: &str) -> Pick {
    Pick { value: value.to_owned(), label: label.to_owned(), chosen: value == chosen }
}

/// A number of the installation, and a word to it; `bad` if it wants to be looked at.
struct Number {
    label: &'static str,
    value: String,
    note: String,
    bad: bool,
}

#[derive(Template)]
#[template(path = "operator/index.html")]
struct Index {
    numbers: Vec<Number>,
    asked: Asked,
    kinds: Vec<Pick>,
    plans: Vec<Pick>,
    states: Vec<Pick>,
    meter: String,
    rows: Vec<Row>,
    said: String,
    newer: String,
    older: String,
}

impl Index {
    /// The list without filters; empty if there are none.
    fn clear(&self) -> &'static str {
        if self.asked.is_narrow() { "/operator" } else { "" }
    }
}

struct Row {
    id: String,
    name: String,
    slug: String,
    class: &'static str,
    plan: String,
    pays: String,
    owner_name: String,
    owner_email: String,
    members: String,
    used: String,
    owed: String,
    state: String,
    tone: &'static str,
}

impl Row {
    fn of(it: Overseen, kit: &Kit, now: Time) -> Row {
        let (used, catalog) = (it.used().rounded(), &kit.catalog);
        let late = it.due_at.filter(|due| *due < now).map(|due| now.since(due).as_secs() / DAY.as_secs());
        let account = it.account;
        let (state, tone) = match late {
            Some(0) => ("Overdue".to_owned(), "bad"),
            Some(1) => ("Overdue 1 day".to_owned(), "bad"),
            Some(days) => (format!("Overdue {days} days"), "bad"),
            None if account.created_at.plus(NEW) > now => ("New".to_owned(), ""),
            None => ("Active".to_owned(), ""),
        };
        Row {
            pays: account.parent().map(|it| it.name).unwrap_or_default(),
            id: account.id.to_string(),
            class: match account.kind {
                Kind::Personal => "",
                Kind::Organization => "org",
                Kind::Team => "team",
            },
            name: account.name,
            slug: account.slug,
            plan: catalog.plan_name(&account.plan).to_owned(),
            owner_name: account.owner_name,
            owner_email: account.owner_email,
            members: grouped(account.member_count),
            used,
            owed: it.owed.map_or_else(|| "—".to_owned(), |owed| catalog.currency.says(owed)),
            state,
            tone,
        }
    }
}

async fn show(operator: Operator, page: Page, Query(asked): Query<Asked>) -> Result<Response> {
    let (kit, now) = (operator.kit(), operator.kit().now());
    let meter = kit.catalog.meters.first();
    let mut scope = operator.read();
    let found = operator_list::page(&mut scope, &asked.filter(), meter.map_or("", |it| &it.id)).await?;
    let numbers = operator_list::numbers(&mut scope).await?;
    let index = Index {
        numbers: told(&numbers, kit),
        kinds: [("organization", "Organizations"), ("team", "Teams"), ("personal", "Personal accounts")]
            .map(|(value, label)| pick(value, label, &asked.kind))
            .into(),
        plans: kit.catalog.plans.iter().map(|it| pick(&it.id, &it.name, &asked.plan)).collect(),
        states: [("owes", "With an open invoice"), ("overdue", "Overdue")]
            .map(|(value, label)| pick(value, label, &asked.state))
            .into(),
        meter: meter.map_or_else(|| "Used".into(), |it| it.name.clone()),
        newer: asked.turn("before", found.newer),
        older: asked.turn("after", found.older),
        said: said(found.accounts.len(), found.newer.is_some() || found.older.is_some()),
        rows: found.accounts.into_iter().map(|it| Row::of(it, kit, now)).collect(),
        asked,
    };
    page.show(&mut scope, "Accounts", index).await
}

fn said(shown: usize, is_part: bool) -> String {
    let shown = counted(i64::try_from(shown).unwrap_or(0), "account");
    if is_part { format!("{shown} on this page") } else { shown }
}

fn told(it: &Numbers, kit: &Kit) -> Vec<Number> {
    let new = |number: i64| {
        if number == 0 { "none new this month".into() } else { format!("{} new this month", grouped(number)) }
    };
    let number = |label, value, note, bad| Number { label, value, note, bad };
    vec![
        number("Organizations", grouped(it.organizations), new(it.new_organizations), false),
        number("Users", grouped(it.users), new(it.new_users), false),
        number(
            "Open invoices",
            kit.catalog.currency.says(it.owed),
            if it.overdue == 0 { "none overdue".into() } else { format!("{} overdue", grouped(it.overdue)) },
            it.overdue > 0,
        ),
        number("Mails to be sent", grouped(it.mails), String::new(), false),
    ]
}
