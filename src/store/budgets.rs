//! Budgets: set by who changes the plan, counted by who takes usage in, in the same transaction.
mod charge;

pub(super) use charge::charge;

use super::{
    Change, Scope, Who,
    audit::{self, Did},
};
use crate::{
    db::List,
    error::{Error, Result},
    model::{
        budget::{Kind, level},
        calendar::Month,
        id::{AccountId, BudgetId, MembershipId},
        quantity::Quantity,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

/// The most that an account has: a list that is read at a glance.
pub const MOST: i64 = 100;

/// A budget as its list shows it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Budget {
    /// Its id.
    pub id: BudgetId,
    /// Whose usage.
    pub kind: Kind,
    /// The account, the team, the user, the key.
    pub subject_id: Uuid,
    /// What the subject is called; none when they are gone.
    pub name: Option<String>,
    /// The member's id in this account, for a member's.
    pub membership_id: Option<MembershipId>,
    /// Of what.
    pub meter: String,
    /// Whether keys are refused when it is used up.
    pub is_hard: bool,
    month: Month,
    whole: i64,
    nanos: i64,
    used_whole: i64,
    used_nanos: i64,
}

impl Budget {
    /// How much may be used.
    pub fn limit(&self) -> Quantity {
        Quantity::of(self.whole, self.nanos)
    }
    /// How much was, in this month.
    pub fn used(&self, month: Month) -> Quantity {
        if self.month == month { Quantity::of(self.used_whole, self.used_nanos) } else { Quantity::ZERO }
    }
    fn as_json(&self) -> Value {
        json!({ "meter": self.meter, "limit": self.limit(), "hard": self.is_hard })
    }
    fn title(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.kind.word().to_owned())
    }
}

macro_rules! budget {
    ($rest:literal) => {
        concat!(
            "select b.id, b.kind, b.subject_id, b.meter, b.is_hard, b.month, b.whole, b.nanos, b.used_whole, b.used_nanos,
                coalesce(u.name, k.name, a.name) as name, m.id as membership_id
            from budgets b left join users u on u.id = b.subject_id left join api_keys k on k.id = b.subject_id
            left join accounts a on a.id = b.subject_id
            left join memberships m on m.account_id = b.account_id and m.user_id = b.subject_id
            where b.account_id = $1 ",
            $rest
        )
    };
}

/// The account's budgets, in the order in which they were made.
pub async fn list(scope: &mut Scope) -> Result<Vec<Budget>> {
    Ok(scope.ask(budget!("order by b.id limit $2")).bind(MOST).fetch_all().await?)
}

/// One of them.
pub async fn find(scope: &mut Scope, id: BudgetId) -> Result<Budget> {
    scope.ask(budget!("and b.id = $2")).bind(id).fetch_optional().await?.ok_or(Error::NotFound)
}

/// A budget that is to be.
#[derive(Clone, Debug)]
pub struct New {
    /// Whose usage.
    pub kind: Kind,
    /// The team's account, the membership or user, the key; nothing for the account.
    pub subject: Option<Uuid>,
    /// Of what.
    pub meter: String,
    /// How much.
    pub limit: Quantity,
    /// Whether keys are refused when it is used up.
    pub is_hard: bool,
}

/// Sets a budget; what was used this month counts at once.
pub async fn create(change: &mut Change, new: &New) -> Result<BudgetId> {
    if !change.kit().catalog.meters.iter().any(|it| it.id == new.meter) {
        return Err(Error::invalid("meter", "unknown_meter", "Choose one of the meters."));
    }
    let subject = subject(change, new).await?;
    pause(change).await?;
    let (count,): (i64,) = change.ask("select count(*) from budgets where account_id = $1").fetch_one().await?;
    if count >= MOST {
        let detail = "An account has at most 100 budgets. Delete one that is not needed.";
        return Err(Error::conflict("too_many_budgets", detail));
    }
    let (id, now) = (BudgetId(change.kit().id()), change.now());
    let (whole, nanos) = new.limit.columns();
    let sql = "insert into budgets (account_id, id, kind, subject_id, meter, whole, nanos, is_hard, month, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing";
    let made = change
        .ask(sql)
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
    settle(change, id).await?;
    let it = find(change, id).await?;
    let did = Did::to("budget.created", "budget", id, it.title()).changed(Value::Null, it.as_json());
    audit::here(change, did).await?;
    Ok(id)
}

/// Whom it is about, if they are here.
async fn subject(change: &mut Change, new: &New) -> Result<Uuid> {
    let id = new.subject.unwrap_or(Uuid::nil());
    let sql = match new.kind {
        Kind::Account => return Ok(change.who().here.id.0),
        Kind::Team => "select id from accounts where parent_id = $1 and id = $2",
        Kind::Member => "select user_id from memberships where account_id = $1 and (id = $2 or user_id = $2)",
        Kind::Key => {
            "select k.id from api_keys k join accounts a on a.id = k.account_id
             where (a.id = $1 or a.parent_id = $1) and k.id = $2"
        }
    };
    let found: Option<(Uuid,)> = change.ask(sql).bind(id).fetch_optional().await?;
    let (code, detail) = match new.kind {
        Kind::Team => ("unknown_team", "Choose a team of this account."),
        Kind::Key => ("unknown_key", "Choose an API key of this account."),
        _ => ("unknown_member", "Choose a member of this account."),
    };
    found.map(|it| it.0).ok_or_else(|| Error::invalid("subject", code, detail))
}

/// Waits for what is being taken in, and lets nothing in meanwhile: what is counted is all that there is.
async fn pause(change: &mut Change) -> Result<()> {
    change.sql("select through from usage_closed where one = 1 for update").execute().await?;
    Ok(())
}

/// Counts again what was used, without telling of levels that were reached before.
async fn settle(change: &mut Change, id: BudgetId) -> Result<()> {
    let month = Month::of(change.now());
    let used =
        charge::counted(change, &[id.0], month).await?.into_iter().next().map_or(Quantity::ZERO, |it| it.1);
    let limit = find(change, id).await?.limit();
    let (whole, nanos) = used.columns();
    let sql = "update budgets set month = $3, used_whole = $4, used_nanos = $5, told = $6 where account_id = $1 and id = $2";
    let told = i64::from(level(used, limit));
    change.ask(sql).bind(id).bind(month).bind(whole).bind(nanos).bind(told).execute().await?;
    Ok(())
}

/// Changes how much, and how hard.
pub async fn update(
    change: &mut Change,
    id: BudgetId,
    limit: Option<Quantity>,
    is_hard: Option<bool>,
) -> Result<()> {
    pause(change).await?;
    let before = find(change, id).await?;
    let (whole, nanos) = limit.unwrap_or(before.limit()).columns();
    let sql = "update budgets set whole = $3, nanos = $4, is_hard = $5 where account_id = $1 and id = $2";
    let is_hard = is_hard.unwrap_or(before.is_hard);
    change.ask(sql).bind(id).bind(whole).bind(nanos).bind(is_hard).execute().await?;
    settle(change, id).await?;
    let after = find(change, id).await?;
    let did =
        Did::to("budget.updated", "budget", id, after.title()).changed(before.as_json(), after.as_json());
    audit::here(change, did).await
}

/// Deletes one; says what it was.
pub async fn delete(change: &mut Change, id: BudgetId) -> Result<()> {
    let it = find(change, id).await?;
    change.ask("delete from budgets where account_id = $1 and id = $2").bind(id).execute().await?;
    let did = Did::to("budget.deleted", "budget", id, it.title()).changed(it.as_json(), Value::Null);
    audit::here(change, did).await
}

/// To choose from: teams, members, keys, by id and name; so many of each.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Choice {
    /// `team`, `member`, `key`.
    pub kind: Kind,
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

/// What a budget may be for, besides the account.
pub async fn choices(scope: &mut Scope) -> Result<Vec<Choice>> {
    let sql = "select * from (select 'team' as kind, id, name from accounts where parent_id = $1 order by name limit $2) t
        union all select * from (select 'member' as kind, m.id, u.name || ' (' || u.email || ')' as name from memberships m
            join users u on u.id = m.user_id where m.account_id = $1 order by m.name_key limit $2) m
        union all select * from (select 'key' as kind, id, name || ' (…' || last4 || ')' as name from api_keys
            where account_id = $1 and revoked_at is null order by id desc limit $2) k";
    Ok(scope.ask(sql).bind(200_i64).fetch_all().await?)
}

/// Who hears of an account's budgets: its owner and administrators.
async fn leaders<W: Who>(change: &mut Change<W>, account: AccountId) -> Result<Vec<String>> {
    let sql = "select u.email from memberships m join users u on u.id = m.user_id
        where m.account_id = $1 and m.suspended_at is null and coalesce(m.expires_at, $2 + 1) > $2 and (m.is_owner or exists
            (select 1 from grants g where g.membership_id = m.id and g.role = 'admin' and g.scope = 'account'
                and coalesce(g.expires_at, $2) >= $2))
        order by m.id limit 50";
    let now = change.now();
    let found: Vec<(String,)> = change.sql(sql).bind(account).bind(now).fetch_all().await?;
    Ok(found.into_iter().map(|it| it.0).collect())
}

/// Those of these accounts, taken for a change in one order.
async fn lock<W: Who>(change: &mut Change<W>, accounts: &[Uuid]) -> Result<Vec<charge::Row>> {
    let sql = "select id, account_id, kind, subject_id, meter, whole, nanos, is_hard, month, used_whole, used_nanos, told
        from budgets where account_id = any($1::uuid[]) order by id for update";
    Ok(change.sql(sql).bind(List(accounts)).fetch_all().await?)
}
