//! Plans of accounts: changed at once or at the end of the period. Changes are stored, because bills depend on them.
use super::{
    Change, Scope, System,
    audit::{self, Chain, NewEvent},
};
use crate::{
    error::{Error, Result},
    model::{
        access::Access,
        bill::period_end,
        catalog::{Catalog, Plan},
        id::AccountId,
        time::Time,
    },
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// When a plan changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanChangeTime {
    /// Now, pro rata.
    Now,
    /// At the first instant of the next month.
    PeriodEnd,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanChangeResult {
    /// Changed at once.
    Now,
    /// Scheduled.
    At(Time),
    /// A scheduled change was withdrawn; the plan stays.
    Withdrawn,
    /// Nothing to change.
    Not,
}

/// A plan change that is not due yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledPlan {
    pub plan: String,
    pub at: Time,
    /// The name of whoever asked for it.
    pub by: String,
}

/// Whether the change is to a cheaper plan, or at the same price to one further up in the catalogue.
pub fn is_downgrade(catalog: &Catalog, from: &str, to: &str) -> bool {
    let place = |id: &str| {
        catalog.plans.iter().position(|plan| plan.id == id).map(|at| (catalog.plans[at].price, at))
    };
    // Leaving a plan that the catalogue no longer has is an upgrade.
    place(from).is_some_and(|from| place(to).is_some_and(|to| to < from))
}

/// Changes the plan of the current account. By default an upgrade takes effect now and a downgrade at the end of the period.
/// Choosing the current plan withdraws a scheduled change.
pub async fn change(
    change: &mut Change<Access>,
    plan: &str,
    when: Option<PlanChangeTime>,
) -> Result<PlanChangeResult> {
    let here = change.access().account.clone();
    let context = change.context().clone();
    if context.catalog.plan(plan).is_none() {
        return Err(Error::invalid("plan", "unknown_plan", "Choose one of the plans."));
    }
    if let Some((parent, _)) = &here.parent {
        let detail = format!("A team has the plan of who pays for it. Change the plan of {}.", parent.name);
        return Err(Error::conflict("parent_pays", detail));
    }
    let waiting = scheduled(change, here.id).await?;
    if plan == here.plan {
        return match waiting {
            None => Ok(PlanChangeResult::Not),
            Some(scheduled) => {
                change.query_in_account("delete from plan_schedules where account_id = $1").execute().await?;
                let event = NewEvent::on("plan.schedule_withdrawn", "account", here.id, &here.name);
                let was = json!({ "plan": scheduled.plan, "at": scheduled.at });
                audit::record(change, event.changed(was, Value::Null)).await?;
                Ok(PlanChangeResult::Withdrawn)
            }
        };
    }
    let down = is_downgrade(&context.catalog, &here.plan, plan);
    match when.unwrap_or(if down { PlanChangeTime::PeriodEnd } else { PlanChangeTime::Now }) {
        PlanChangeTime::Now => {
            let now = change.now();
            set(change, here.id, &here.name, (&here.plan, plan), now).await?;
            Ok(PlanChangeResult::Now)
        }
        PlanChangeTime::PeriodEnd => {
            let (now, at, by) = (change.now(), period_end(change.now()), change.actor().name());
            if waiting.is_some_and(|scheduled| scheduled.plan == plan && scheduled.at == at) {
                return Ok(PlanChangeResult::At(at));
            }
            let sql = "insert into plan_schedules (account_id, plan, at, by_name, created_at) values ($1, $2, $3, $4, $5)
                on conflict (account_id) do update set plan = excluded.plan, at = excluded.at, by_name = excluded.by_name,
                    created_at = excluded.created_at";
            change.query_in_account(sql).bind(plan.to_owned()).bind(at).bind(by).bind(now).execute().await?;
            let event = NewEvent::on("plan.scheduled", "account", here.id, &here.name);
            let event = event.changed(json!({ "plan": here.plan }), json!({ "plan": plan, "at": at }));
            audit::record(change, event).await?;
            Ok(PlanChangeResult::At(at))
        }
    }
}

/// Changes an account's plan as of an instant, and withdraws a scheduled change.
pub(super) async fn set<A>(
    change: &mut Change<A>,
    account: AccountId,
    name: &str,
    (before, after): (&str, &str),
    at: Time,
) -> Result<()> {
    let now = change.now();
    let sql = "update accounts set plan = $2, updated_at = $3 where id = $1";
    change.query_unscoped(sql).bind(account).bind(after.to_owned()).bind(now).execute().await?;
    let sql = "insert into plan_changes (id, account_id, at, before, after) values ($1, $2, $3, $4, $5)";
    let id = change.context().id();
    change
        .query_unscoped(sql)
        .bind(id)
        .bind(account)
        .bind(at)
        .bind(before.to_owned())
        .bind(after.to_owned())
        .execute()
        .await?;
    change.query_unscoped("delete from plan_schedules where account_id = $1").bind(account).execute().await?;
    let event = NewEvent::on("plan.changed", "account", account, name);
    let event = event.changed(json!({ "plan": before }), json!({ "plan": after }));
    audit::record_in(change, Chain::Account(account), event).await
}

/// The change that is scheduled for the end of the period.
pub async fn scheduled<A>(scope: &mut Scope<A>, account: AccountId) -> Result<Option<ScheduledPlan>> {
    let sql = "select plan, at, by_name from plan_schedules where account_id = $1";
    let found: Option<(String, Time, String)> =
        scope.query_unscoped(sql).bind(account).fetch_optional().await?;
    Ok(found.map(|(plan, at, by)| ScheduledPlan { plan, at, by }))
}

/// Makes the changes that are due. If the catalogue no longer has the plan, the account keeps its current one.
pub async fn sweep(change: &mut Change<System>) -> Result<()> {
    #[derive(sqlx::FromRow)]
    struct DueChange {
        account_id: AccountId,
        name: String,
        plan: String,
        before: String,
        at: Time,
    }
    let now = change.now();
    let sql = "select account_id from plan_schedules where at <= $1 order by account_id limit 100";
    let found: Vec<(AccountId,)> = change.query_unscoped(sql).bind(now).fetch_all().await?;
    for (id,) in found {
        change.lock_account(id).await?;
        let sql = "select s.account_id, a.name, s.plan, a.plan as before, s.at from plan_schedules s
            join accounts a on a.id = s.account_id where s.account_id = $1 and s.at <= $2";
        let Some(due): Option<DueChange> =
            change.query_unscoped(sql).bind(id).bind(now).fetch_optional().await?
        else {
            continue;
        };
        if change.context().catalog.plan(&due.plan).is_some() && due.plan != due.before {
            set(change, due.account_id, &due.name, (&due.before, &due.plan), due.at).await?;
        } else {
            change
                .query_unscoped("delete from plan_schedules where account_id = $1")
                .bind(id)
                .execute()
                .await?;
        }
    }
    Ok(())
}

/// Stores snapshots of the catalogue's plans, for billing after one of them was removed from it.
pub async fn keep(change: &mut Change<System>) -> Result<()> {
    let (now, catalog) = (change.now(), change.context().catalog.clone());
    let kept = kept(change).await?;
    for plan in &catalog.plans {
        let terms = serde_json::to_string(plan).expect("a plan is JSON");
        if kept
            .get(&plan.id)
            .is_some_and(|stored| serde_json::to_string(stored).is_ok_and(|json| json == terms))
        {
            continue;
        }
        let sql = "insert into plan_snapshots (id, terms, saved_at) values ($1, $2, $3)
            on conflict (id) do update set terms = excluded.terms, saved_at = excluded.saved_at";
        change.query_unscoped(sql).bind(plan.id.clone()).bind(terms).bind(now).execute().await?;
    }
    Ok(())
}

/// The stored snapshots of plans.
pub(super) async fn kept<A>(scope: &mut Scope<A>) -> Result<BTreeMap<String, Plan>> {
    let rows: Vec<(String, String)> =
        scope.query_unscoped("select id, terms from plan_snapshots limit 10000").fetch_all().await?;
    Ok(rows.into_iter().filter_map(|(id, terms)| Some((id, serde_json::from_str(&terms).ok()?))).collect())
}
