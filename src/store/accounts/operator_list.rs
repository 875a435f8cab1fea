//! The operator's list of accounts: numbers, owners, plans and what is owed; nothing that is inside.
use super::{Account, COLUMNS, TABLES};
use crate::{
    db::Query,
    error::Result,
    model::{
        calendar::{Day, Month},
        id::AccountId,
        quantity::Quantity,
        text::{fold, search_term},
        time::Time,
    },
    store::{Scope, SignedInUser, cursor::split_page, like},
};
use const_format::concatcp;
use uuid::Uuid;

/// An empty field filters nothing.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Part of the name or the slug, or how the owner's address begins.
    pub search: String,
    pub kind: String,
    pub plan: String,
    /// `owes` or `overdue`.
    pub state: String,
    /// Older accounts than this.
    pub after: Option<AccountId>,
    /// Newer than this.
    pub before: Option<AccountId>,
    pub limit: i64,
}

#[derive(Debug, sqlx::FromRow)]
pub struct AccountListItem {
    #[sqlx(flatten)]
    pub account: Account,
    used_whole: Option<i64>,
    used_nanos: Option<i64>,
    /// The sum of its open invoices, in minor units.
    pub owed: Option<i64>,
    /// When the first open invoice is due.
    pub due_at: Option<Time>,
}

impl AccountListItem {
    /// This month's usage of the meter of the page.
    pub fn used(&self) -> Quantity {
        Quantity::of(self.used_whole.unwrap_or(0), self.used_nanos.unwrap_or(0))
    }
}

#[derive(Debug)]
pub struct Page {
    /// Newest first.
    pub accounts: Vec<AccountListItem>,
    /// The cursor of the newer page.
    pub newer: Option<AccountId>,
    /// The cursor of the older page.
    pub older: Option<AccountId>,
}

const USED_AND_OWED: &str = ", (select cast(sum(d.whole) as bigint) from usage_days d
                    where d.account_id = a.id and d.meter = $8 and d.day >= $9) as used_whole,
                (select cast(sum(d.nanos) as bigint) from usage_days d
                    where d.account_id = a.id and d.meter = $8 and d.day >= $9) as used_nanos,
                (select cast(sum(i.total) as bigint) from invoices i where i.account_id = a.id and i.status = 'open') as owed,
                (select min(i.due_at) from invoices i where i.account_id = a.id and i.status = 'open') as due_at";
const FILTER: &str = r"where ($1 = '' or a.slug like $2 escape '\' or lower(a.name) like $1 escape '\' or u.email_key like $3 escape '\')
                and ($4 = '' or a.kind = $4) and ($5 = '' or coalesce(p.plan, a.plan) = $5)
                and ($6 = '' or exists (select 1 from invoices i where i.account_id = a.id and i.status = 'open'
                    and ($6 <> 'overdue' or i.due_at < $7))) ";
const OLDER: &str =
    concatcp!(COLUMNS, USED_AND_OWED, TABLES, FILTER, "and a.id < $10 order by a.id desc limit $11");
const NEWER: &str =
    concatcp!(COLUMNS, USED_AND_OWED, TABLES, FILTER, "and a.id > $10 order by a.id limit $11");

/// A page of all accounts, with this month's usage of a meter.
pub async fn page(scope: &mut Scope<SignedInUser>, filter: &Filter, meter: &str) -> Result<Page> {
    let now = scope.now();
    let up = filter.before.is_some();
    let from = filter.before.or(filter.after).unwrap_or(AccountId(Uuid::max()));
    let query = filter.bind(scope.query_unscoped(if up { NEWER } else { OLDER }), now);
    let query = query.bind(meter.to_owned()).bind(Day::of(now).month().first());
    let rows: Vec<AccountListItem> = query.bind(from).bind(filter.limit + 1).fetch_all().await?;
    let page = split_page(rows, filter.limit, up, filter.after.is_some());
    let (older, newer) = (page.next(|row| row.account.id), page.previous(|row| row.account.id));
    Ok(Page { accounts: page.rows, newer, older })
}

impl Filter {
    /// `$1` to `$7`.
    fn bind<'q>(&self, query: Query<'q>, now: Time) -> Query<'q> {
        let search = self.search.trim();
        let (name, slug) = (search.to_lowercase(), search_term(search).replace(' ', "-"));
        query
            .bind(like::contains(&name))
            // A search without letters or digits matches no slug.
            .bind(like::contains(&slug))
            .bind(format!("{}%", like::escape(&fold(search))))
            .bind(self.kind.clone())
            .bind(self.plan.clone())
            .bind(self.state.clone())
            .bind(now)
    }
}

#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct InstallationStats {
    pub organizations: i64,
    /// Created this month.
    pub new_organizations: i64,
    pub users: i64,
    /// Signed up this month.
    pub new_users: i64,
    /// The sum of all open invoices, in minor units.
    pub owed: i64,
    /// Open invoices past their due date.
    pub overdue: i64,
    /// Mails in the queue.
    pub mails: i64,
}

pub async fn numbers(scope: &mut Scope<SignedInUser>) -> Result<InstallationStats> {
    let now = scope.now();
    let sql = "select (select count(*) from accounts where kind = 'organization') as organizations,
            (select count(*) from accounts where kind = 'organization' and created_at >= $1) as new_organizations,
            (select count(*) from users) as users,
            (select count(*) from users where created_at >= $1) as new_users,
            (select cast(coalesce(sum(total), 0) as bigint) from invoices where status = 'open') as owed,
            (select count(*) from invoices where status = 'open' and due_at < $2) as overdue,
            (select count(*) from outbox where kind = 'mail' and next_at is not null) as mails";
    Ok(scope.query_unscoped(sql).bind(Month::of(now).first().start()).bind(now).fetch_one().await?)
}
