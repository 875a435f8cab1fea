//! The operator's list of accounts: numbers, owners, plans and what is owed; nothing that is inside.
use super::Account;
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
    store::{Me, Scope},
};
use uuid::Uuid;

/// What a page of accounts is asked for. What is empty leaves nothing out.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Part of the name or the slug, or how the owner's address begins.
    pub search: String,
    /// A kind's word.
    pub kind: String,
    /// A plan's id.
    pub plan: String,
    /// `owes` or `overdue`.
    pub state: String,
    /// Only what comes after this: older accounts.
    pub after: Option<AccountId>,
    /// Only what comes before this: newer ones.
    pub before: Option<AccountId>,
    /// How many.
    pub limit: i64,
}

/// An account as its operator sees it in the list.
#[derive(Debug, sqlx::FromRow)]
pub struct Overseen {
    /// The account.
    #[sqlx(flatten)]
    pub account: Account,
    used_whole: Option<i64>,
    used_nanos: Option<i64>,
    /// What its open invoices come to.
    pub owed: Option<i64>,
    /// When the first of them is due.
    pub due_at: Option<Time>,
}

impl Overseen {
    /// What was used this month of the meter that was asked for.
    pub fn used(&self) -> Quantity {
        Quantity::of(self.used_whole.unwrap_or(0), self.used_nanos.unwrap_or(0))
    }
}

/// A page of accounts.
#[derive(Debug)]
pub struct Page {
    /// The newest first.
    pub accounts: Vec<Overseen>,
    /// Where the newer page ends, if there is one.
    pub newer: Option<AccountId>,
    /// Where the older page begins, if there is one.
    pub older: Option<AccountId>,
}

macro_rules! page {
    ($end:literal) => {
        account!(
            ", (select cast(sum(d.whole) as bigint) from usage_days d
                    where d.account_id = a.id and d.meter = $8 and d.day >= $9) as used_whole,
                (select cast(sum(d.nanos) as bigint) from usage_days d
                    where d.account_id = a.id and d.meter = $8 and d.day >= $9) as used_nanos,
                (select cast(sum(i.total) as bigint) from invoices i where i.account_id = a.id and i.status = 'open') as owed,
                (select min(i.due_at) from invoices i where i.account_id = a.id and i.status = 'open') as due_at",
            r"where ($1 = '' or a.slug like $2 escape '\' or lower(a.name) like $1 escape '\' or u.email_key like $3 escape '\')
                and ($4 = '' or a.kind = $4) and ($5 = '' or coalesce(p.plan, a.plan) = $5)
                and ($6 = '' or exists (select 1 from invoices i where i.account_id = a.id and i.status = 'open'
                    and ($6 <> 'overdue' or i.due_at < $7))) ",
            $end
        )
    };
}
const OLDER: &str = page!("and a.id < $10 order by a.id desc limit $11");
const NEWER: &str = page!("and a.id > $10 order by a.id limit $11");

/// A page of all accounts, with what they used of a meter this month.
pub async fn page(scope: &mut Scope<Me>, filter: &Filter, meter: &str) -> Result<Page> {
    let now = scope.now();
    let up = filter.before.is_some();
    let from = filter.before.or(filter.after).unwrap_or(AccountId(Uuid::max()));
    let query = filter.bind(scope.sql(if up { NEWER } else { OLDER }), now);
    let query = query.bind(meter.to_owned()).bind(Day::of(now).month().first());
    let mut accounts: Vec<Overseen> = query.bind(from).bind(filter.limit + 1).fetch_all().await?;
    let more = i64::try_from(accounts.len()).unwrap_or(i64::MAX) > filter.limit;
    accounts.truncate(usize::try_from(filter.limit).unwrap_or(0));
    if up {
        accounts.reverse();
    }
    let (ahead, behind) = if up { (true, more) } else { (more, filter.after.is_some()) };
    let older = accounts.last().filter(|_| ahead).map(|it| it.account.id);
    let newer = accounts.first().filter(|_| behind).map(|it| it.account.id);
    Ok(Page { accounts, newer, older })
}

impl Filter {
    /// `$1` to `$7`.
    fn bind<'q>(&self, query: Query<'q>, now: Time) -> Query<'q> {
        let search = self.search.trim();
        let part = |it: &str| format!("%{}%", escaped(it));
        let (name, slug) = (search.to_lowercase(), search_term(search).replace(' ', "-"));
        query
            .bind(if search.is_empty() { String::new() } else { part(&name) })
            // What has no letter has no slug either.
            .bind(if slug.is_empty() { String::new() } else { part(&slug) })
            .bind(format!("{}%", escaped(&fold(search))))
            .bind(self.kind.clone())
            .bind(self.plan.clone())
            .bind(self.state.clone())
            .bind(now)
    }
}

fn escaped(text: &str) -> String {
    text.chars().flat_map(|it| "\\%_".contains(it).then_some('\\').into_iter().chain([it])).collect()
}

/// How much there is in the installation.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Numbers {
    /// Organizations.
    pub organizations: i64,
    /// Those that were opened this month.
    pub new_organizations: i64,
    /// Users.
    pub users: i64,
    /// Those that came this month.
    pub new_users: i64,
    /// What all open invoices come to.
    pub owed: i64,
    /// How many of them should have been paid by now.
    pub overdue: i64,
    /// Mails that wait to be sent.
    pub mails: i64,
}

/// Counts what is in the installation.
pub async fn numbers(scope: &mut Scope<Me>) -> Result<Numbers> {
    let now = scope.now();
    let sql = "select (select count(*) from accounts where kind = 'organization') as organizations,
            (select count(*) from accounts where kind = 'organization' and created_at >= $1) as new_organizations,
            (select count(*) from users) as users,
            (select count(*) from users where created_at >= $1) as new_users,
            (select cast(coalesce(sum(total), 0) as bigint) from invoices where status = 'open') as owed,
            (select count(*) from invoices where status = 'open' and due_at < $2) as overdue,
            (select count(*) from mails where sent_at is null and failed_at is null) as mails";
    Ok(scope.sql(sql).bind(Month::of(now).first().start()).bind(now).fetch_one().await?)
}
