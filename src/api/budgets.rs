//! Budgets of an account.
use super::list::{Ask, List};
use crate::{
    app::{
        form,
        gate::{At, Key},
        routes::Routes,
    },
    error::{Error, Result},
    model::{
        budget::{self, Kind, runs_out},
        calendar::{Day, Month},
        id::BudgetId,
        permission::ChangePlan,
        quantity::Quantity,
        time::Time,
    },
    store::budgets::{self, New},
};
use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The calls.
pub fn routes() -> Routes {
    let (all, one) = ("/api/v1/accounts/{slug}/budgets", "/api/v1/accounts/{slug}/budgets/{id}");
    Routes::default().get(all, list).post(all, create).get(one, read).patch(one, update).delete(one, delete)
}

#[derive(Serialize)]
struct Budget {
    id: BudgetId,
    kind: Kind,
    /// The member, team or key; null for the account.
    subject: Option<Uuid>,
    meter: String,
    limit: Quantity,
    hard: bool,
    month: Month,
    used: Quantity,
    runs_out: Option<Day>,
}

impl Budget {
    fn of(it: budgets::Budget, now: Time) -> Budget {
        let month = Month::of(now);
        let (limit, used) = (it.limit(), it.used(month));
        Budget {
            id: it.id,
            kind: it.kind,
            subject: match it.kind {
                Kind::Account => None,
                Kind::Member => Some(it.membership_id.map_or(it.subject_id, |it| it.0)),
                Kind::Team | Kind::Key => Some(it.subject_id),
            },
            meter: it.meter,
            limit,
            hard: it.is_hard,
            month,
            used,
            runs_out: runs_out(used, limit, now),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {}

async fn list(key: Key<ChangePlan>, ask: Ask<Wish>) -> Result<List<Budget>> {
    let Wish {} = ask.filter;
    let now = key.kit().now();
    let found = budgets::list(&mut key.read().await?).await?;
    let after: Option<BudgetId> = ask.after()?;
    let rest = found.into_iter().filter(|it| after.is_none_or(|after| it.id > after)).collect();
    Ok(ask.page(rest, |it: &budgets::Budget| it.id.to_string(), |it| Budget::of(it, now)))
}

async fn read(key: Key<ChangePlan>, At(id): At<BudgetId>) -> Result<Json<Budget>> {
    let found = budgets::find(&mut key.read().await?, id).await?;
    Ok(Json(Budget::of(found, key.kit().now())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    kind: Kind,
    #[serde(default)]
    subject: Option<Uuid>,
    meter: String,
    limit: String,
    #[serde(default)]
    hard: bool,
}

async fn create(
    key: Key<ChangePlan>,
    form::Json(it): form::Json<Wanted>,
) -> Result<(StatusCode, Json<Budget>)> {
    let limit = budget::limit(&it.limit).map_err(Error::at("limit"))?;
    let new = New { kind: it.kind, subject: it.subject, meter: it.meter, limit, is_hard: it.hard };
    let made = key
        .change(async |change| {
            let id = budgets::create(change, &new).await?;
            budgets::find(change, id).await
        })
        .await?;
    Ok((StatusCode::CREATED, Json(Budget::of(made, key.kit().now()))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    #[serde(default)]
    limit: Option<String>,
    #[serde(default)]
    hard: Option<bool>,
}

async fn update(
    key: Key<ChangePlan>,
    At(id): At<BudgetId>,
    form::Json(it): form::Json<Update>,
) -> Result<Json<Budget>> {
    let limit = it.limit.as_deref().map(budget::limit).transpose().map_err(Error::at("limit"))?;
    let now = key.kit().now();
    let changed = key
        .change(async |change| {
            budgets::update(change, id, limit, it.hard).await?;
            budgets::find(change, id).await
        })
        .await?;
    Ok(Json(Budget::of(changed, now)))
}

async fn delete(key: Key<ChangePlan>, At(id): At<BudgetId>) -> Result<StatusCode> {
    key.change(async |change| budgets::delete(change, id).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
