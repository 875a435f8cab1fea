//! The operator's list of accounts: owners, plans, what they owe. It does not lead into any account.
mod account;
mod invoice;
mod tokens;

use crate::{
    context::Context,
    error::Result,
    http::{form::Query, gate::Operator, routes::Routes},
    model::{
        account::Kind,
        id::AccountId,
        text::{counted, grouped},
        time::{DAY, Time},
    },
    store::accounts::operator_list::{self, AccountListItem, Filter, InstallationStats},
    view::{page::Page, select::SelectOption},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub fn routes() -> Routes {
    Routes::default()
        .get("/operator", show)
        .merge(account::routes())
        .merge(invoice::routes())
        .merge(tokens::routes())
}

/// Accounts on a page.
const PAGE_SIZE: i64 = 50;
/// How long an account counts as new.
const NEW: std::time::Duration = DAY.saturating_mul(7);

#[derive(Default, Deserialize)]
#[serde(default)]
struct AccountsQuery {
    q: String,
    kind: String,
    plan: String,
    state: String,
    after: String,
    before: String,
}

impl AccountsQuery {
    fn filter(&self) -> Filter {
        Filter {
            search: self.q.trim().to_owned(),
            kind: self.kind.clone(),
            plan: self.plan.clone(),
            state: self.state.clone(),
            after: self.after.parse().ok(),
            before: self.before.parse().ok(),
            limit: PAGE_SIZE,
        }
    }
    fn is_filtered(&self) -> bool {
        [&self.q, &self.kind, &self.plan, &self.state].iter().any(|value| !value.is_empty())
    }
    /// The address of the page before or after an account, in the same list.
    fn page_link(&self, name: &str, id: Option<AccountId>) -> String {
        let Some(id) = id.map(|id| id.to_string()) else { return String::new() };
        let fields =
            [("q", &self.q), ("kind", &self.kind), ("plan", &self.plan), ("state", &self.state), (name, &id)];
        let fields = fields.into_iter().filter(|field| !field.1.is_empty());
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        format!("/operator?{query}")
    }
}

/// A number about the installation; `is_bad` if the operator should look at it.
struct InstallationNumber {
    label: &'static str,
    value: String,
    note: String,
    is_bad: bool,
}

#[derive(Template)]
#[template(path = "operator/index.html")]
struct AccountsPage {
    numbers: Vec<InstallationNumber>,
    query: AccountsQuery,
    kinds: Vec<SelectOption>,
    plans: Vec<SelectOption>,
    states: Vec<SelectOption>,
    meter: String,
    rows: Vec<OperatorAccountRow>,
    count: String,
    newer: String,
    older: String,
}

impl AccountsPage {
    /// The list without filters; empty if there are none.
    fn clear(&self) -> &'static str {
        if self.query.is_filtered() { "/operator" } else { "" }
    }
}

struct OperatorAccountRow {
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

impl OperatorAccountRow {
    fn of(row: AccountListItem, context: &Context, now: Time) -> OperatorAccountRow {
        let (used, catalog) = (row.used().rounded(), &context.catalog);
        let days_late =
            row.due_at.filter(|due| *due < now).map(|due| now.since(due).as_secs() / DAY.as_secs());
        let account = row.account;
        let (state, tone) = match days_late {
            Some(0) => ("Overdue".to_owned(), "bad"),
            Some(1) => ("Overdue 1 day".to_owned(), "bad"),
            Some(days) => (format!("Overdue {days} days"), "bad"),
            None if account.created_at.plus(NEW) > now => ("New".to_owned(), ""),
            None => ("Active".to_owned(), ""),
        };
        OperatorAccountRow {
            pays: account.parent().map(|parent| parent.name).unwrap_or_default(),
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
            owed: row.owed.map_or_else(|| "—".to_owned(), |owed| catalog.currency.format(owed)),
            state,
            tone,
        }
    }
}

async fn show(operator: Operator, page: Page, Query(query): Query<AccountsQuery>) -> Result<Response> {
    let (context, now) = (operator.context(), operator.context().now());
    let meter = context.catalog.meters.first();
    let mut scope = operator.read();
    let accounts =
        operator_list::page(&mut scope, &query.filter(), meter.map_or("", |meter| &meter.id)).await?;
    let numbers = operator_list::numbers(&mut scope).await?;
    let accounts_page = AccountsPage {
        numbers: installation_numbers(&numbers, context),
        kinds: SelectOption::list(
            &[("organization", "Organizations"), ("team", "Teams"), ("personal", "Personal accounts")],
            &query.kind,
        ),
        plans: context
            .catalog
            .plans
            .iter()
            .map(|plan| SelectOption::new(&plan.id, &plan.name, &query.plan))
            .collect(),
        states: SelectOption::list(&[("owes", "With an open invoice"), ("overdue", "Overdue")], &query.state),
        meter: meter.map_or_else(|| "Used".into(), |meter| meter.name.clone()),
        newer: query.page_link("before", accounts.newer),
        older: query.page_link("after", accounts.older),
        count: page_count(accounts.accounts.len(), accounts.newer.is_some() || accounts.older.is_some()),
        rows: accounts.accounts.into_iter().map(|row| OperatorAccountRow::of(row, context, now)).collect(),
        query,
    };
    page.show(&mut scope, "Accounts", accounts_page).await
}

fn page_count(shown: usize, is_part: bool) -> String {
    let shown = counted(i64::try_from(shown).unwrap_or(0), "account");
    if is_part { format!("{shown} on this page") } else { shown }
}

fn installation_numbers(numbers: &InstallationStats, context: &Context) -> Vec<InstallationNumber> {
    let new = |number: i64| {
        if number == 0 { "none new this month".into() } else { format!("{} new this month", grouped(number)) }
    };
    let number = |label, value, note, is_bad| InstallationNumber { label, value, note, is_bad };
    vec![
        number("Organizations", grouped(numbers.organizations), new(numbers.new_organizations), false),
        number("Users", grouped(numbers.users), new(numbers.new_users), false),
        number(
            "Open invoices",
            context.catalog.currency.format(numbers.owed),
            if numbers.overdue == 0 {
                "none overdue".into()
            } else {
                format!("{} overdue", grouped(numbers.overdue))
            },
            numbers.overdue > 0,
        ),
        number("Mails to be sent", grouped(numbers.mails), String::new(), false),
    ]
}
