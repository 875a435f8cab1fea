//! Budgets. Usage is counted against them in the transaction that ingests it.
mod charge;

pub(super) use charge::charge;

use super::{
    Change, Scope,
    audit::{self, NewEvent},
};
use crate::{
    db::List,
    error::{Error, Result},
    model::{
        access::Access,
        budget::{Kind, level},
        calendar::Month,
        id::{BudgetId, MembershipId},
        quantity::Quantity,
    },
};
use const_format::concatcp;
use serde_json::{Value, json};
use uuid::Uuid;

/// The most budgets of an account.
pub const MOST: i64 = 100;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Budget {
    pub id: BudgetId,
    /// Whose usage.
    pub kind: Kind,
    /// The account, the team, the user, the key.
    pub subject_id: Uuid,
    /// The subject's name; `None` if it no longer exists.
    pub name: Option<String>,
    /// For a member's budget: their membership in this account.
    pub membership_id: Option<MembershipId>,
    pub meter: String,
    /// Whether keys are rejected once the budget is used up.
    pub is_hard: bool,
    month: Month,
    whole: i64,
    nanos: i64,
    used_whole: i64,
    used_nanos: i64,
}

impl Budget {
    pub fn limit(&self) -> Quantity {
        Quantity::of(self.whole, self.nanos)
    }
    /// What was used in that month.
    pub fn used(&self, month: Month) -> Quantity {
        if self.month == month { Quantity::of(self.used_whole, self.used_nanos) } else { Quantity::ZERO }
    }
    fn as_json(&self) -> Value {
        json!({ "meter": self.meter, "limit": self.limit(), "hard": self.is_hard })
    }
    fn title(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.kind.as_str().to_owned())
    }
}

const BUDGETS: &str = "select b.id, b.kind, b.subject_id, b.meter, b.is_hard, b.month, b.whole, b.nanos, b.used_whole, b.used_nanos,
                coalesce(u.name, k.name, a.name) as name, m.id as membership_id
            from budgets b left join users u on u.id = b.subject_id left join api_keys k on k.id = b.subject_id
            left join accounts a on a.id = b.subject_id
            left join memberships m on m.account_id = b.account_id and m.user_id = b.subject_id
            where b.account_id = $1 ";

/// The account's budgets, oldest first.
pub async fn list(scope: &mut Scope<Access>) -> Result<Vec<Budget>> {
    Ok(scope.query_in_account(concatcp!(BUDGETS, "order by b.id limit $2")).bind(MOST).fetch_all().await?)
}

pub async fn find(scope: &mut Scope<Access>, id: BudgetId) -> Result<Budget> {
    scope
        .query_in_account(concatcp!(BUDGETS, "and b.id = $2"))
        .bind(id)
        .fetch_optional()
        .await?
        .ok_or(Error::NotFound)
}

#[derive(Clone, Debug)]
pub struct NewBudget {
    /// Whose usage.
    pub kind: Kind,
    /// The id of the team, membership, user or key; `None` for the account.
    pub subject: Option<Uuid>,
    pub meter: String,
    pub limit: Quantity,
    /// Whether keys are rejected once the budget is used up.
    pub is_hard: bool,
}

/// Creates a budget. This month's usage counts at once.
pub async fn create(change: &mut Change<Access>, new: &NewBudget) -> Result<BudgetId> {
    if !change.context().catalog.meters.iter().any(|meter| meter.id == new.meter) {
        return Err(Error::invalid("meter", "unknown_meter", "Choose one of the meters."));
    }
    let subject = subject(change, new).await?;
    lock_ingest(change).await?;
    let (count,): (i64,) =
        change.query_in_account("select count(*) from budgets where account_id = $1").fetch_one().await?;
    if count >= MOST {
        let detail = "An account has at most 100 budgets. Delete one that is not needed.";
        return Err(Error::conflict("too_many_budgets", detail));
    }
    let (id, now) = (BudgetId(change.context().id()), change.now());
    let (whole, nanos) = new.limit.columns();
    let sql = "insert into budgets (account_id, id, kind, subject_id, meter, whole, nanos, is_hard, month, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing";
    let made = change
        .query_in_account(sql)
        .bind(id)
        .bind(new.kind)
        .bind(subject)
        .bind(new.meter.clone())
        .bind(whole)
        .bind(nanos)
        .bind(new.is_hard)
        .bind(Month::of(now))
        .bind(now)
        .execute()
        .await?;
    if made == 0 {
        let detail = "There is a budget for this and this meter already. Change that one.";
        return Err(Error::conflict("budget_exists", detail));
    }
    recount(change, id).await?;
    let budget = find(change, id).await?;
    let event =
        NewEvent::on("budget.created", "budget", id, budget.title()).changed(Value::Null, budget.as_json());
    audit::record(change, event).await?;
    Ok(id)
}

/// The subject's id, if it belongs to this account.
async fn subject(change: &mut Change<Access>, new: &NewBudget) -> Result<Uuid> {
    let id = new.subject.unwrap_or(Uuid::nil());
    let sql = match new.kind {
        Kind::Account => return Ok(change.access().account.id.0),
        Kind::Team => "select id from accounts where parent_id = $1 and id = $2",
        Kind::Member => "select user_id from memberships where account_id = $1 and (id = $2 or user_id = $2)",
        Kind::Key => {
            "select k.id from api_keys k join accounts a on a.id = k.account_id
             where (a.id = $1 or a.parent_id = $1) and k.id = $2"
        }
    };
    let found: Option<(Uuid,)> = change.query_in_account(sql).bind(id).fetch_optional().await?;
    let (code, detail) = match new.kind {
        Kind::Team => ("unknown_team", "Choose a team of this account."),
        Kind::Key => ("unknown_key", "Choose an API key of this account."),
        _ => ("unknown_member", "Choose a member of this account."),
    };
    found.map(|row| row.0).ok_or_else(|| Error::invalid("subject", code, detail))
}

/// Blocks ingestion until the transaction ends, so that the recount misses nothing.
async fn lock_ingest(change: &mut Change<Access>) -> Result<()> {
    change
        .query_unscoped("select through from usage_closed where singleton = 1 for update")
        .execute()
        .await?;
    Ok(())
}

/// Recounts the usage without notifying about levels that were already reached.
async fn recount(change: &mut Change<Access>, id: BudgetId) -> Result<()> {
    let month = Month::of(change.now());
    let used = charge::used_in_month(change, &[id.0], month)
        .await?
        .into_iter()
        .next()
        .map_or(Quantity::ZERO, |sum| sum.1);
    let limit = find(change, id).await?.limit();
    let (whole, nanos) = used.columns();
    let sql = "update budgets set month = $3, used_whole = $4, used_nanos = $5, notified_percent = $6 where account_id = $1 and id = $2";
    let notified_percent = i64::from(level(used, limit));
    change
        .query_in_account(sql)
        .bind(id)
        .bind(month)
        .bind(whole)
        .bind(nanos)
        .bind(notified_percent)
        .execute()
        .await?;
    Ok(())
}

pub async fn update(
    change: &mut Change<Access>,
    id: BudgetId,
    limit: Option<Quantity>,
    is_hard: Option<bool>,
) -> Result<()> {
    lock_ingest(change).await?;
    let before = find(change, id).await?;
    let (whole, nanos) = limit.unwrap_or(before.limit()).columns();
    let sql = "update budgets set whole = $3, nanos = $4, is_hard = $5 where account_id = $1 and id = $2";
    let is_hard = is_hard.unwrap_or(before.is_hard);
    change.query_in_account(sql).bind(id).bind(whole).bind(nanos).bind(is_hard).execute().await?;
    recount(change, id).await?;
    let after = find(change, id).await?;
    let event = NewEvent::on("budget.updated", "budget", id, after.title())
        .changed(before.as_json(), after.as_json());
    audit::record(change, event).await
}

pub async fn delete(change: &mut Change<Access>, id: BudgetId) -> Result<()> {
    let budget = find(change, id).await?;
    change
        .query_in_account("delete from budgets where account_id = $1 and id = $2")
        .bind(id)
        .execute()
        .await?;
    let event =
        NewEvent::on("budget.deleted", "budget", id, budget.title()).changed(budget.as_json(), Value::Null);
    audit::record(change, event).await
}

/// A team, member or key that a budget can be for.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct BudgetSubject {
    /// `team`, `member`, `key`.
    pub kind: Kind,
    pub id: Uuid,
    pub name: String,
}

/// What a budget can be for besides the account, at most 200 of each kind.
pub async fn choices(scope: &mut Scope<Access>) -> Result<Vec<BudgetSubject>> {
    let sql = "select * from (select 'team' as kind, id, name from accounts where parent_id = $1 order by name limit $2) t
        union all select * from (select 'member' as kind, m.id, u.name || ' (' || u.email || ')' as name from memberships m
            join users u on u.id = m.user_id where m.account_id = $1 order by m.name_key limit $2) m
        union all select * from (select 'key' as kind, id, name || ' (…' || last4 || ')' as name from api_keys
            where account_id = $1 and revoked_at is null order by id desc limit $2) k";
    Ok(scope.query_in_account(sql).bind(200_i64).fetch_all().await?)
}

/// The budgets of these accounts, locked in the order of their ids to avoid deadlocks.
async fn lock<A>(change: &mut Change<A>, accounts: &[Uuid]) -> Result<Vec<charge::BudgetRow>> {
    let sql = "select id, account_id, kind, subject_id, meter, whole, nanos, is_hard, month, used_whole, used_nanos, notified_percent
        from budgets where account_id = any($1::uuid[]) order by id for update";
    Ok(change.query_unscoped(sql).bind(List(accounts)).fetch_all().await?)
}
