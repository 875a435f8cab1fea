//! What invoices are made of. An event is billed in its *period*: the month in which it happened, or, if that was closed before
//! the event was reported, the first open month. So a closed month never changes.
use crate::{
    error::Result,
    model::{
        calendar::{Day, Month},
        id::AccountId,
        quantity::Quantity,
    },
    store::{Change, Scope, System},
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What an account used of a meter in a month, billed in a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Billable {
    /// The account itself or one of its teams.
    pub account: AccountId,
    pub meter: String,
    /// The month of use; earlier than the period if it was reported late.
    pub month: Month,
    pub quantity: Quantity,
}

/// Closes a month and all earlier ones: late usage goes on the next invoice. Waits for running ingestion. Idempotent.
pub async fn close(change: &mut Change<System>, month: Month) -> Result<()> {
    change
        .query_unscoped("update usage_closed set through = $1 where singleton = 1 and through < $1")
        .bind(month)
        .execute()
        .await?;
    Ok(())
}

/// The last closed month; a month of the year 0 if there is none.
pub async fn closed_through<A>(scope: &mut Scope<A>) -> Result<Month> {
    let (through,) =
        scope.query_unscoped("select through from usage_closed where singleton = 1").fetch_one().await?;
    Ok(through)
}

/// The accounts with usage in a period, by id, after `after`.
pub async fn payers<A>(
    scope: &mut Scope<A>,
    period: Month,
    after: Option<AccountId>,
    limit: i64,
) -> Result<Vec<AccountId>> {
    let sql = "select distinct billing_account_id from usage_days where period = $1 and billing_account_id > $2 order by billing_account_id limit $3";
    let after = after.unwrap_or(AccountId(Uuid::nil()));
    let found: Vec<(AccountId,)> =
        scope.query_unscoped(sql).bind(period).bind(after).bind(limit).fetch_all().await?;
    Ok(found.into_iter().map(|row| row.0).collect())
}

/// What an account and its teams are billed for in a period, by account, meter and month of use. It changes until the period is
/// closed.
pub async fn billable<A>(scope: &mut Scope<A>, top: AccountId, period: Month) -> Result<Vec<Billable>> {
    #[derive(sqlx::FromRow)]
    struct UsageRow {
        account_id: AccountId,
        meter: String,
        day: Day,
        whole: i64,
        nanos: i64,
    }
    // Late usage is grouped by its day, the rest into one group.
    let sql = "select account_id, meter, case when day < $3 then day else $3 end as day,
            cast(sum(whole) as bigint) as whole, cast(sum(nanos) as bigint) as nanos
        from usage_days where period = $2 and billing_account_id = $1 group by 1, 2, 3";
    let rows: Vec<UsageRow> =
        scope.query_unscoped(sql).bind(top).bind(period).bind(period.first()).fetch_all().await?;
    let mut sums: BTreeMap<(AccountId, String, Month), Quantity> = BTreeMap::new();
    for row in rows {
        *sums.entry((row.account_id, row.meter, row.day.month())).or_default() +=
            Quantity::of(row.whole, row.nanos);
    }
    let billable = |((account, meter, month), quantity)| Billable { account, meter, month, quantity };
    Ok(sums.into_iter().map(billable).collect())
}
