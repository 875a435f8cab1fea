//! Budgets of an account.
use super::{
    etag::{IfMatch, Versioned, WithEtag},
    pagination::{List, ListQuery, NoFilters},
};
use crate::{
    error::{Error, Result},
    http::{
        form,
        gate::{Key, PathId},
        routes::Routes,
    },
    model::{
        budget::{self, Kind, runs_out},
        calendar::{Day, Month},
        id::BudgetId,
        permission::ChangePlan,
        quantity::Quantity,
        time::Time,
    },
    store::budgets,
};
use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub fn routes() -> Routes {
    let (all, one) = ("/api/v1/accounts/{slug}/budgets", "/api/v1/accounts/{slug}/budgets/{id}");
    Routes::default()
        .get(all, list)
        .doc(|call| call.summary("List budgets", "With this month's usage of each.").returns_list::<Budget>())
        .post(all, create)
        .doc(|call| {
            call.summary(
                "Create a budget",
                "For every month (UTC), this one included. At 50, 80 and 100 percent those who may change it get a mail; once a hard \
                 one is used up, its keys get `QUOTA_EXCEEDED` until the month ends.",
            )
            .body::<NewBudget>()
            .returns::<Budget>(201)
            .errors(&["budget_exists", "too_many_budgets"])
        })
        .get(one, read)
        .doc(|call| call.summary("Get a budget", "With its usage this month.").returns::<Budget>(200).with_etag())
        .patch(one, update)
        .doc(|call| call.summary("Update a budget", "Applies from now on.").body::<BudgetPatch>().returns::<Budget>(200).with_etag())
        .delete(one, delete)
        .doc(|call| call.summary("Delete a budget", "Keys that it blocked work again.").no_content().with_etag())
        .about("Budgets", "How much of a meter an account, a team, a member or a key may use in a month.")
}

/// A limit for a month.
#[derive(Serialize, ToSchema)]
struct Budget {
    /// Its id.
    id: BudgetId,
    /// Whose usage it limits.
    kind: Kind,
    /// The id of the member, team or key; `null` for the account.
    #[schema(value_type = Option<String>, format = "uuid")]
    subject: Option<Uuid>,
    /// The meter.
    #[schema(example = "credits")]
    meter: String,
    /// The limit for a month.
    limit: Quantity,
    /// Whether keys are blocked when it is used up.
    hard: bool,
    /// The current month (UTC).
    month: Month,
    /// This month's usage.
    used: Quantity,
    /// The day on which it will be used up at this month's pace; `null`: not this month.
    runs_out: Option<Day>,
}

impl Versioned for Budget {
    const VOLATILE: &[&str] = &["month", "used", "runs_out"];
}

impl Budget {
    fn new(budget: budgets::Budget, now: Time) -> Budget {
        let month = Month::of(now);
        let (limit, used) = (budget.limit(), budget.used(month));
        Budget {
            id: budget.id,
            kind: budget.kind,
            subject: match budget.kind {
                Kind::Account => None,
                Kind::Member => Some(budget.membership_id.map_or(budget.subject_id, |id| id.0)),
                Kind::Team | Kind::Key => Some(budget.subject_id),
            },
            meter: budget.meter,
            limit,
            hard: budget.is_hard,
            month,
            used,
            runs_out: runs_out(used, limit, now),
        }
    }
}

async fn list(key: Key<ChangePlan>, query: ListQuery<NoFilters>) -> Result<List<Budget>> {
    let now = key.context().now();
    let mut budgets = budgets::list(&mut key.read()).await?;
    if let Some(after) = query.after::<BudgetId>()? {
        budgets.retain(|budget| budget.id > after);
    }
    Ok(query.page(budgets, |budget| budget.id.to_string(), |budget| Budget::new(budget, now)))
}

async fn read(key: Key<ChangePlan>, PathId(id): PathId<BudgetId>) -> Result<WithEtag<Budget>> {
    let budget = budgets::find(&mut key.read(), id).await?;
    Ok(WithEtag(Budget::new(budget, key.context().now())))
}

/// A budget to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewBudget {
    /// Whose usage it limits.
    kind: Kind,
    /// The id of the member, team or key; absent for the account.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "uuid")]
    subject: Option<Uuid>,
    /// The meter: one of the catalogue's.
    #[schema(example = "credits")]
    meter: String,
    /// The limit for a month.
    #[schema(pattern = r"^[1-9][0-9]{0,11}(\.[0-9]{1,9})?$", example = "50000")]
    limit: String,
    /// Whether keys are blocked when it is used up.
    #[serde(default)]
    hard: bool,
}

async fn create(
    key: Key<ChangePlan>,
    form::Json(body): form::Json<NewBudget>,
) -> Result<(StatusCode, Json<Budget>)> {
    let limit = budget::parse_limit(&body.limit).map_err(Error::at("limit"))?;
    let NewBudget { kind, subject, meter, hard: is_hard, .. } = body;
    let new = budgets::NewBudget { kind, subject, meter, limit, is_hard };
    let created = key
        .change(async |change| {
            let id = budgets::create(change, &new).await?;
            budgets::find(change, id).await
        })
        .await?;
    Ok((StatusCode::CREATED, Json(Budget::new(created, key.context().now()))))
}

/// What to change; absent fields stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BudgetPatch {
    /// The limit for a month.
    #[serde(default)]
    #[schema(pattern = r"^[1-9][0-9]{0,11}(\.[0-9]{1,9})?$", example = "60000")]
    limit: Option<String>,
    /// Whether keys are blocked when it is used up.
    #[serde(default)]
    hard: Option<bool>,
}

async fn update(
    key: Key<ChangePlan>,
    PathId(id): PathId<BudgetId>,
    if_match: IfMatch,
    form::Json(patch): form::Json<BudgetPatch>,
) -> Result<WithEtag<Budget>> {
    let limit = patch.limit.as_deref().map(budget::parse_limit).transpose().map_err(Error::at("limit"))?;
    let now = key.context().now();
    let updated = key
        .change(async |change| {
            if_match.check(&Budget::new(budgets::find(change, id).await?, now))?;
            budgets::update(change, id, limit, patch.hard).await?;
            budgets::find(change, id).await
        })
        .await?;
    Ok(WithEtag(Budget::new(updated, now)))
}

async fn delete(key: Key<ChangePlan>, PathId(id): PathId<BudgetId>, if_match: IfMatch) -> Result<StatusCode> {
    let now = key.context().now();
    key.change(async |change| {
        if if_match.is_present() {
            if_match.check(&Budget::new(budgets::find(change, id).await?, now))?;
        }
        budgets::delete(change, id).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
