//! Counts ingested usage against budgets, and notifies once for each level that is reached.
use super::lock;
use crate::{
    db::List,
    emails::{BudgetUsage, budget_reached},
    error::Result,
    model::{
        budget::{Kind, level, runs_out},
        calendar::{Day, Month},
        id::{AccountId, BudgetId, KeyId, UserId},
        quantity::Quantity,
    },
    store::{Change, members, site, usage::UsageKey},
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// How many of the account's leaders are mailed.
const MAILED_LEADERS: i64 = 50;

#[derive(sqlx::FromRow)]
pub struct BudgetRow {
    id: BudgetId,
    account_id: AccountId,
    kind: Kind,
    subject_id: Uuid,
    meter: String,
    whole: i64,
    nanos: i64,
    is_hard: bool,
    month: Month,
    used_whole: i64,
    used_nanos: i64,
    notified_percent: i64,
}

impl BudgetRow {
    fn is_of(&self, key: &UsageKey) -> bool {
        let is_here = key.account_id == self.account_id || key.billing_account_id == self.account_id;
        let is_theirs = match self.kind {
            Kind::Account => true,
            Kind::Team => key.account_id.0 == self.subject_id,
            Kind::Member => key.user_id == UserId(self.subject_id),
            Kind::Key => key.key_id == KeyId(self.subject_id),
        };
        is_here && is_theirs && key.meter == self.meter
    }
}

#[derive(Serialize)]
struct ChargedRow {
    id: uuid::fmt::Simple,
    month: i64,
    used_whole: i64,
    used_nanos: i64,
    notified_percent: i64,
}

/// Counts newly ingested sums against the budgets that they belong to.
pub async fn charge<A>(change: &mut Change<A>, sums: &BTreeMap<UsageKey, (Quantity, i64)>) -> Result<()> {
    let accounts: BTreeSet<Uuid> =
        sums.keys().flat_map(|key| [key.account_id.0, key.billing_account_id.0]).collect();
    let budgets = lock(change, &accounts.into_iter().collect::<Vec<_>>()).await?;
    let month = Month::of(change.now());
    // A new month is recounted from the daily sums, since usage may have been reported ahead of it.
    let new_month: Vec<Uuid> =
        budgets.iter().filter(|budget| budget.month != month).map(|budget| budget.id.0).collect();
    let counted =
        if new_month.is_empty() { BTreeMap::new() } else { used_in_month(change, &new_month, month).await? };
    let mut charged = vec![];
    for budget in &budgets {
        let of_month = |key: &&UsageKey| budget.is_of(key) && Day(key.day).month() == month;
        let added: Quantity = sums.iter().filter(|sum| of_month(&sum.0)).map(|sum| sum.1.0).sum();
        let is_new_month = budget.month != month;
        if added.is_zero() && !is_new_month {
            continue;
        }
        let before =
            if is_new_month { Quantity::ZERO } else { Quantity::of(budget.used_whole, budget.used_nanos) };
        let mut used = before;
        used += added;
        let used = if is_new_month { counted.get(&budget.id).copied().unwrap_or_default() } else { used };
        let limit = Quantity::of(budget.whole, budget.nanos);
        let (reached, notified) =
            (i64::from(level(used, limit)), if is_new_month { 0 } else { budget.notified_percent });
        if reached > notified {
            notify(change, budget, used, limit, reached).await?;
        }
        if budget.is_hard && used >= limit && before < limit {
            // The verdicts of its keys are no longer valid.
            change.invalidate(budget.account_id.0);
        }
        let (used_whole, used_nanos) = used.columns();
        let notified_percent = reached.max(notified);
        charged.push(ChargedRow {
            id: budget.id.0.simple(),
            month: month.0,
            used_whole,
            used_nanos,
            notified_percent,
        });
    }
    if charged.is_empty() {
        return Ok(());
    }
    let sql = "update budgets set month = e.month, used_whole = e.used_whole, used_nanos = e.used_nanos, notified_percent = e.notified_percent
        from json_to_recordset($1::json) as e(id uuid, month bigint, used_whole bigint, used_nanos bigint, notified_percent bigint)
        where budgets.id = e.id";
    let rows = serde_json::to_string(&charged).expect("rows are plain words and numbers");
    change.query_unscoped(sql).bind(rows).execute().await?;
    Ok(())
}

/// What these budgets used in a month, recounted from the daily sums.
pub async fn used_in_month<A>(
    change: &mut Change<A>,
    budgets: &[Uuid],
    month: Month,
) -> Result<BTreeMap<BudgetId, Quantity>> {
    let sql = "select b.id, cast(sum(d.whole) as bigint) as whole, cast(sum(d.nanos) as bigint) as nanos
        from budgets b join accounts a on a.id = b.account_id
        join usage_days d on d.billing_account_id = coalesce(a.parent_id, a.id) and d.day >= $2 and d.day < $3 and d.meter = b.meter
            and (a.parent_id is null or d.account_id = a.id)
            and (b.kind = 'account' or (b.kind = 'team' and d.account_id = b.subject_id)
                or (b.kind = 'member' and d.user_id = b.subject_id) or (b.kind = 'key' and d.key_id = b.subject_id))
        where b.id = any($1::uuid[]) group by b.id";
    let (from, to) = (month.first(), month.next().first());
    let rows: Vec<(BudgetId, i64, i64)> =
        change.query_unscoped(sql).bind(List(budgets)).bind(from).bind(to).fetch_all().await?;
    Ok(rows.into_iter().map(|(id, whole, nanos)| (id, Quantity::of(whole, nanos))).collect())
}

/// Mails the account's leaders, and the member that the budget is for.
async fn notify<A>(
    change: &mut Change<A>,
    budget: &BudgetRow,
    used: Quantity,
    limit: Quantity,
    reached: i64,
) -> Result<()> {
    let sql = "select a.name, a.slug, coalesce(u.name, k.name, t.name) as subject, u.email from accounts a
        left join users u on u.id = $2 left join api_keys k on k.id = $2 left join accounts t on t.id = $2 where a.id = $1";
    let named: Option<(String, String, Option<String>, Option<String>)> =
        change.query_unscoped(sql).bind(budget.account_id).bind(budget.subject_id).fetch_optional().await?;
    let Some((account, slug, subject, email)) = named else { return Ok(()) };
    let leaders = members::leaders(change, budget.account_id, MAILED_LEADERS).await?;
    let mut to: Vec<String> = leaders.into_iter().map(|leader| leader.email).collect();
    to.extend(email.filter(|email| !to.contains(email)));
    let (context, now) = (change.context().clone(), change.now());
    let subject = subject.unwrap_or_default();
    let of = match budget.kind {
        Kind::Account => account.clone(),
        Kind::Team => format!("the team {subject}"),
        Kind::Member => subject,
        Kind::Key => format!("the API key “{subject}”"),
    };
    let meter = context.catalog.meters.iter().find(|meter| meter.id == budget.meter);
    let meter = meter.map_or(budget.meter.as_str(), |meter| &meter.name).to_lowercase();
    let link = context.url(&format!("/a/{slug}/usage"));
    let out = runs_out(used, limit, now).filter(|_| reached < 100).map(Day::long);
    let notified = BudgetUsage {
        account: &account,
        of: &of,
        meter: &meter,
        percent: reached,
        used: &used.rounded(),
        limit: &limit.rounded(),
        is_hard: budget.is_hard,
        runs_out: out.as_deref(),
        link: &link,
    };
    for to in to {
        change.send(&budget_reached(&site(&context), &to, &notified)).await?;
    }
    Ok(())
}
