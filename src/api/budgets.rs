//! Budgets of an account.
use super::{
    etag::{IfMatch, Tagged, Versioned},
    pagination::{Ask, List},
};
use crate::{
    error::{Error, Result},
    http::{
        form,
        gate::{At, Key},
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
    store::budgets::{self, New},
};
use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The calls.
pub fn routes() -> Routes {
    let (all, one) = ("/api/v1/accounts/{slug}/budgets", "/api/v1/accounts/{slug}/budgets/{id}");
    Routes::default()
        .get(all, list)
        .told(|it| it.says("List budgets", "With what is used of each this month.").asks::<Wish>().lists::<Budget>())
        .post(all, create)
        .told(|it| {
            it.says(
                "Set a budget",
                "For a month of UTC, from this one on. At 50, 80 and 100 percent those who may change it are told by mail; once a \
                 hard one is used up, the keys that it is about get `QUOTA_EXCEEDED` until the month ends.",
            )
            .takes::<Wanted>()
            .gives::<Budget>(201)
            .fails(&["budget_exists", "too_many_budgets"])
        })
        .get(one, read)
        .told(|it| it.says("Read a budget", "With what is used of it this month.").gives::<Budget>(200).tagged())
        .patch(one, update)
        .told(|it| it.says("Change a budget", "It holds from now on.").takes::<Update>().gives::<Budget>(200).tagged())
        .delete(one, delete)
        .told(|it| it.says("Delete a budget", "Keys that it refused work again.").gives_nothing().tagged())
        .about("Budgets", "How much of a meter an account, a team, a member or a key may use in a month.")
}

/// How much may be used in a month.
#[derive(Serialize, ToSchema)]
struct Budget {
    /// Its id.
    id: BudgetId,
    /// Whose usage it is about.
    kind: Kind,
    /// The id of the member, team or key; `null` for the account.
    #[schema(value_type = Option<String>, format = "uuid")]
    subject: Option<Uuid>,
    /// Of what.
    #[schema(example = "credits")]
    meter: String,
    /// How much a month.
    limit: Quantity,
    /// Whether keys are refused when it is used up.
    hard: bool,
    /// The month of UTC.
    month: Month,
    /// How much is used.
    used: Quantity,
    /// When it is used up at the pace of this month; `null`: not in this month.
    runs_out: Option<Day>,
}

impl Versioned for Budget {
    const PASSING: &[&str] = &["month", "used", "runs_out"];
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

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wish {}

async fn list(key: Key<ChangePlan>, ask: Ask<Wish>) -> Result<List<Budget>> {
    let Wish {} = ask.filter;
    let now = key.kit().now();
    let found = budgets::list(&mut key.read()).await?;
    let after: Option<BudgetId> = ask.after()?;
    let rest = found.into_iter().filter(|it| after.is_none_or(|after| it.id > after)).collect();
    Ok(ask.page(rest, |it: &budgets::Budget| it.id.to_string(), |it| Budget::of(it, now)))
}

async fn read(key: Key<ChangePlan>, At(id): At<BudgetId>) -> Result<Tagged<Budget>> {
    let found = budgets::find(&mut key.read(), id).await?;
    Ok(Tagged(Budget::of(found, key.kit().now())))
}

/// A budget that is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewBudget)]
struct Wanted {
    /// Whose usage it is about.
    kind: Kind,
    /// The id of the member, team or key; nothing for the account.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "uuid")]
    subject: Option<Uuid>,
    /// Of what: one of the catalogue's meters.
    #[schema(example = "credits")]
    meter: String,
    /// How much a month.
    #[schema(pattern = r"^[1-9][0-9]{0,11}(\.[0-9]{1,9})?$", example = "50000")]
    limit: String,
    /// Whether keys are refused when it is used up.
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

/// What changes; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BudgetPatch)]
struct Update {
    /// How much a month.
    #[serde(default)]
    #[schema(pattern = r"^[1-9][0-9]{0,11}(\.[0-9]{1,9})?$", example = "60000")]
    limit: Option<String>,
    /// Whether keys are refused when it is used up.
    #[serde(default)]
    hard: Option<bool>,
}

async fn update(
    key: Key<ChangePlan>,
    At(id): At<BudgetId>,
    version: IfMatch,
    form::Json(it): form::Json<Update>,
) -> Result<Tagged<Budget>> {
    let limit = it.limit.as_deref().map(budget::limit).transpose().map_err(Error::at("limit"))?;
    let now = key.kit().now();
    let changed = key
        .change(async |change| {
            version.holds(&Budget::of(budgets::find(change, id).await?, now))?;
            budgets::update(change, id, limit, it.hard).await?;
            budgets::find(change, id).await
        })
        .await?;
    Ok(Tagged(Budget::of(changed, now)))
}

async fn delete(key: Key<ChangePlan>, At(id): At<BudgetId>, version: IfMatch) -> Result<StatusCode> {
    let now = key.kit().now();
    key.change(async |change| {
        if version.is_given() {
            version.holds(&Budget::of(budgets::find(change, id).await?, now))?;
        }
        budgets::delete(change, id).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
