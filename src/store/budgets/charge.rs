//! What was taken in is charged to the budgets that it is of; what is reached is told once.
use super::{leaders, lock};
use crate::{
    db::List,
    emails::usage::{Reached, budget_reached},
    error::Result,
    model::{
        budget::{Kind, level, runs_out},
        calendar::{Day, Month},
        id::{AccountId, BudgetId, KeyId, UserId},
        quantity::Quantity,
    },
    store::{Change, Who, site, usage::Place},
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

#[derive(sqlx::FromRow)]
pub struct Row {
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
    told: i64,
}

impl Row {
    fn is_of(&self, place: &Place) -> bool {
        let is_here = place.account_id == self.account_id || place.top_id == self.account_id;
        let is_theirs = match self.kind {
            Kind::Account => true,
            Kind::Team => place.account_id.0 == self.subject_id,
            Kind::Member => place.user_id == UserId(self.subject_id),
            Kind::Key => place.key_id == KeyId(self.subject_id),
        };
        is_here && is_theirs && place.meter == self.meter
    }
}

#[derive(Serialize)]
struct Charged {
    id: uuid::fmt::Simple,
    month: i64,
    used_whole: i64,
    used_nanos: i64,
    told: i64,
}

/// Charges sums that were added just now.
pub async fn charge<W: Who>(change: &mut Change<W>, sums: &BTreeMap<Place, (Quantity, i64)>) -> Result<()> {
    let accounts: BTreeSet<Uuid> = sums.keys().flat_map(|it| [it.account_id.0, it.top_id.0]).collect();
    let budgets = lock(change, &accounts.into_iter().collect::<Vec<_>>()).await?;
    let month = Month::of(change.now());
    // A new month is counted from its days: what was reported ahead of it is there already.
    let begun: Vec<Uuid> = budgets.iter().filter(|it| it.month != month).map(|it| it.id.0).collect();
    let counted = if begun.is_empty() { BTreeMap::new() } else { counted(change, &begun, month).await? };
    let mut charged = vec![];
    for it in &budgets {
        let of_month = |place: &&Place| it.is_of(place) && Day(place.day).month() == month;
        let added: Quantity = sums.iter().filter(|sum| of_month(&sum.0)).map(|sum| sum.1.0).sum();
        let is_begun = it.month != month;
        if added.is_zero() && !is_begun {
            continue;
        }
        let before = if is_begun { Quantity::ZERO } else { Quantity::of(it.used_whole, it.used_nanos) };
        let mut used = before;
        used += added;
        let used = if is_begun { counted.get(&it.id).copied().unwrap_or_default() } else { used };
        let limit = Quantity::of(it.whole, it.nanos);
        let (reached, told) = (i64::from(level(used, limit)), if is_begun { 0 } else { it.told });
        if reached > told {
            tell(change, it, used, limit, reached).await?;
        }
        if it.is_hard && used >= limit && before < limit {
            // Every key that it is about is asked about again.
            change.changed(it.account_id.0);
        }
        let (used_whole, used_nanos) = used.columns();
        let told = reached.max(told);
        charged.push(Charged { id: it.id.0.simple(), month: month.0, used_whole, used_nanos, told });
    }
    if charged.is_empty() {
        return Ok(());
    }
    let sql = "update budgets set month = e.month, used_whole = e.used_whole, used_nanos = e.used_nanos, told = e.told
        from json_to_recordset($1::json) as e(id uuid, month bigint, used_whole bigint, used_nanos bigint, told bigint)
        where budgets.id = e.id";
    let rows = serde_json::to_string(&charged).expect("rows are plain words and numbers");
    change.sql(sql).bind(rows).execute().await?;
    Ok(())
}

/// What was used of these budgets in a month, by its days.
pub async fn counted<W: Who>(
    change: &mut Change<W>,
    budgets: &[Uuid],
    month: Month,
) -> Result<BTreeMap<BudgetId, Quantity>> {
    let sql = "select b.id, cast(sum(d.whole) as bigint) as whole, cast(sum(d.nanos) as bigint) as nanos
        from budgets b join accounts a on a.id = b.account_id
        join usage_days d on d.top_id = coalesce(a.parent_id, a.id) and d.day >= $2 and d.day < $3 and d.meter = b.meter
            and (a.parent_id is null or d.account_id = a.id)
            and (b.kind = 'account' or (b.kind = 'team' and d.account_id = b.subject_id)
                or (b.kind = 'member' and d.user_id = b.subject_id) or (b.kind = 'key' and d.key_id = b.subject_id))
        where b.id = any($1::uuid[]) group by b.id";
    let (from, to) = (month.first(), month.next().first());
    let rows: Vec<(BudgetId, i64, i64)> =
        change.sql(sql).bind(List(budgets)).bind(from).bind(to).fetch_all().await?;
    Ok(rows.into_iter().map(|(id, whole, nanos)| (id, Quantity::of(whole, nanos))).collect())
}

/// Tells who leads the account, and the member whose it is.
async fn tell<W: Who>(
    change: &mut Change<W>,
    it: &Row,
    used: Quantity,
    limit: Quantity,
    reached: i64,
) -> Result<()> {
    let sql = "select a.name, a.slug, coalesce(u.name, k.name, t.name) as subject, u.email from accounts a
        left join users u on u.id = $2 left join api_keys k on k.id = $2 left join accounts t on t.id = $2 where a.id = $1";
    let named: Option<(String, String, Option<String>, Option<String>)> =
        change.sql(sql).bind(it.account_id).bind(it.subject_id).fetch_optional().await?;
    let Some((account, slug, subject, email)) = named else { return Ok(()) };
    let mut to = leaders(change, it.account_id).await?;
    to.extend(email.filter(|it| !to.contains(it)));
    let (kit, now) = (change.kit().clone(), change.now());
    let subject = subject.unwrap_or_default();
    let of = match it.kind {
        Kind::Account => account.clone(),
        Kind::Team => format!("the team {subject}"),
        Kind::Member => subject,
        Kind::Key => format!("the API key “{subject}”"),
    };
    let meter = kit.catalog.meters.iter().find(|meter| meter.id == it.meter);
    let meter = meter.map_or(it.meter.as_str(), |it| &it.name).to_lowercase();
    let link = kit.url(&format!("/a/{slug}/usage"));
    let out = runs_out(used, limit, now).filter(|_| reached < 100).map(Day::long);
    let told = Reached {
        account: &account,
        of: &of,
        meter: &meter,
        percent: reached,
        used: &used.rounded(),
        limit: &limit.rounded(),
        is_hard: it.is_hard,
        runs_out: out.as_deref(),
        link: &link,
    };
    for to in to {
        change.post(&budget_reached(&site(&kit), &to, &told)).await?;
    }
    Ok(())
}
