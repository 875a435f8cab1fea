//! The plan of who pays: changed at once or at the end of the period, and remembered, for a month's bill is made of it.
use super::{
    Change, Host, Scope, Who,
    audit::{self, Chain, Did},
};
use crate::{
    error::{Error, Result},
    model::{
        bill::period_end,
        catalog::{Catalog, Plan},
        id::AccountId,
        time::Time,
    },
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// When a plan is to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Now, pro rata.
    Now,
    /// At the first instant of the next month.
    PeriodEnd,
}

/// What a change did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The plan is another one now.
    Now,
    /// It will be, from this instant on.
    At(Time),
    /// What was to come was taken back; the plan stays.
    Withdrawn,
    /// It was so already.
    Not,
}

/// A change that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// To which plan.
    pub plan: String,
    /// From when on.
    pub at: Time,
    /// Who wanted it.
    pub by: String,
}

/// Whether one plan is less than another: cheaper, or at the same price further up in the catalogue.
pub fn is_downgrade(catalog: &Catalog, from: &str, to: &str) -> bool {
    let place =
        |id: &str| catalog.plans.iter().position(|it| it.id == id).map(|at| (catalog.plans[at].price, at));
    // What the catalogue no longer has is left by a step up.
    place(from).is_some_and(|from| place(to).is_some_and(|to| to < from))
}

/// Changes the plan of the account one is in. Without a wish, a step up is now and a step down at the period's end. The plan of
/// now takes back what was to come.
pub async fn change(change: &mut Change, plan: &str, when: Option<When>) -> Result<Changed> {
    let here = change.who().here.clone();
    let kit = change.kit().clone();
    if kit.catalog.plan(plan).is_none() {
        return Err(Error::invalid("plan", "unknown_plan", "Choose one of the plans."));
    }
    if let Some((parent, _)) = &here.parent {
        let detail = format!("A team has the plan of who pays for it. Change the plan of {}.", parent.name);
        return Err(Error::conflict("parent_pays", detail));
    }
    let waiting = scheduled(change, here.id).await?;
    if plan == here.plan {
        return match waiting {
            None => Ok(Changed::Not),
            Some(it) => {
                change.ask("delete from plan_schedules where account_id = $1").execute().await?;
                let did = Did::to("plan.schedule_withdrawn", "account", here.id, &here.name);
                let was = json!({ "plan": it.plan, "at": it.at });
                audit::here(change, did.changed(was, Value::Null)).await?;
                Ok(Changed::Withdrawn)
            }
        };
    }
    let down = is_downgrade(&kit.catalog, &here.plan, plan);
    match when.unwrap_or(if down { When::PeriodEnd } else { When::Now }) {
        When::Now => {
            let now = change.now();
            set(change, here.id, &here.name, (&here.plan, plan), now).await?;
            Ok(Changed::Now)
        }
        When::PeriodEnd => {
            let (now, at, by) = (change.now(), period_end(change.now()), change.who().actor().name);
            if waiting.is_some_and(|it| it.plan == plan && it.at == at) {
                return Ok(Changed::At(at));
            }
            let sql = "insert into plan_schedules (account_id, plan, at, by_name, created_at) values ($1, $2, $3, $4, $5)
                on conflict (account_id) do update set plan = excluded.plan, at = excluded.at, by_name = excluded.by_name,
                    created_at = excluded.created_at";
            change.ask(sql).bind(plan.to_owned()).bind(at).bind(by).bind(now).execute().await?;
            let did = Did::to("plan.scheduled", "account", here.id, &here.name);
            let did = did.changed(json!({ "plan": here.plan }), json!({ "plan": plan, "at": at }));
            audit::here(change, did).await?;
            Ok(Changed::At(at))
        }
    }
}

/// Puts an account on a plan, from an instant on. What was to come is taken back by it.
pub(super) async fn set<W: Who>(
    change: &mut Change<W>,
    account: AccountId,
    name: &str,
    (before, after): (&str, &str),
    at: Time,
) -> Result<()> {
    let now = change.now();
    let sql = "update accounts set plan = $2, updated_at = $3 where id = $1";
    change.sql(sql).bind(account).bind(after.to_owned()).bind(now).execute().await?;
    let sql = "insert into plan_changes (id, account_id, at, before, after) values ($1, $2, $3, $4, $5)";
    let id = change.kit().id();
    change
        .sql(sql)
        .bind(id)
        .bind(account)
        .bind(at)
        .bind(before.to_owned())
        .bind(after.to_owned())
        .execute()
        .await?;
    change.sql("delete from plan_schedules where account_id = $1").bind(account).execute().await?;
    let did = Did::to("plan.changed", "account", account, name);
    let did = did.changed(json!({ "plan": before }), json!({ "plan": after }));
    audit::write(change, Chain::Account(account), did).await
}

/// What waits for the end of the period.
pub async fn scheduled<W: Who>(scope: &mut Scope<W>, account: AccountId) -> Result<Option<Scheduled>> {
    let sql = "select plan, at, by_name from plan_schedules where account_id = $1";
    let found: Option<(String, Time, String)> = scope.sql(sql).bind(account).fetch_optional().await?;
    Ok(found.map(|(plan, at, by)| Scheduled { plan, at, by }))
}

/// Makes the changes that are due. A plan that is gone from the catalogue by then is not taken: the account stays as it is.
pub async fn sweep(change: &mut Change<Host>) -> Result<()> {
    #[derive(sqlx::FromRow)]
    struct Due {
        account_id: AccountId,
        name: String,
        plan: String,
        before: String,
        at: Time,
    }
    let now = change.now();
    let sql = "select account_id from plan_schedules where at <= $1 order by account_id limit 100";
    let found: Vec<(AccountId,)> = change.sql(sql).bind(now).fetch_all().await?;
    for (id,) in found {
        change.sql("select 1 from accounts where id = $1 for no key update").bind(id).execute().await?;
        let sql = "select s.account_id, a.name, s.plan, a.plan as before, s.at from plan_schedules s
            join accounts a on a.id = s.account_id where s.account_id = $1 and s.at <= $2";
        let Some(it): Option<Due> = change.sql(sql).bind(id).bind(now).fetch_optional().await? else { continue };
        if change.kit().catalog.plan(&it.plan).is_some() && it.plan != it.before {
            set(change, it.account_id, &it.name, (&it.before, &it.plan), it.at).await?;
        } else {
            change.sql("delete from plan_schedules where account_id = $1").bind(id).execute().await?;
        }
    }
    Ok(())
}

/// Remembers the terms of the catalogue's plans, for the day on which it no longer has one of them.
pub async fn keep(change: &mut Change<Host>) -> Result<()> {
    let (now, catalog) = (change.now(), change.kit().catalog.clone());
    let kept = kept(change).await?;
    for plan in &catalog.plans {
        let terms = serde_json::to_string(plan).expect("a plan is JSON");
        if kept.get(&plan.id).is_some_and(|it| serde_json::to_string(it).is_ok_and(|it| it == terms)) {
            continue;
        }
        let sql = "insert into kept_plans (id, terms, kept_at) values ($1, $2, $3)
            on conflict (id) do update set terms = excluded.terms, kept_at = excluded.kept_at";
        change.sql(sql).bind(plan.id.clone()).bind(terms).bind(now).execute().await?;
    }
    Ok(())
}

/// The plans as the catalogue last had them.
pub(super) async fn kept<W: Who>(scope: &mut Scope<W>) -> Result<BTreeMap<String, Plan>> {
    let rows: Vec<(String, String)> = scope.sql("select id, terms from kept_plans limit 10000").fetch_all().await?;
    Ok(rows.into_iter().filter_map(|(id, terms)| Some((id, serde_json::from_str(&terms).ok()?))).collect())
}
