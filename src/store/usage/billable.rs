//! What invoices are made of. An event stands on the invoice of its *period*: the month in which it happened, or, if that was
//! closed before it came, the first month that was not. So what a closed month holds never changes.
use crate::{
    error::Result,
    model::{
        calendar::{Day, Month},
        id::AccountId,
        quantity::Quantity,
    },
    store::{Change, Host, Scope, Who},
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What an account used of a meter in a month, to be billed in a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Billable {
    /// The account itself, or a team of it.
    pub account: AccountId,
    /// What was metered.
    pub meter: String,
    /// When it was used: earlier than the period if it came late.
    pub month: Month,
    /// How much.
    pub quantity: Quantity,
}

/// Closes a month, and all before it: what comes for them from now on stands on the next invoice. Waits for what is being
/// taken in. Safe to repeat.
pub async fn close(change: &mut Change<Host>, month: Month) -> Result<()> {
    change
        .sql("update usage_closed set through = $1 where one = 1 and through < $1")
        .bind(month)
        .execute()
        .await?;
    Ok(())
}

/// The last month that was closed; a month of the year 0 if none was.
pub async fn closed_through<W: Who>(scope: &mut Scope<W>) -> Result<Month> {
    let (through,) = scope.sql("select through from usage_closed where one = 1").fetch_one().await?;
    Ok(through)
}

/// Who has usage to be billed in a period, by id: so many after one.
pub async fn payers<W: Who>(
    scope: &mut Scope<W>,
    period: Month,
    after: Option<AccountId>,
    limit: i64,
) -> Result<Vec<AccountId>> {
    let sql =
        "select distinct top_id from usage_days where period = $1 and top_id > $2 order by top_id limit $3";
    let after = after.unwrap_or(AccountId(Uuid::nil()));
    let found: Vec<(AccountId,)> = scope.sql(sql).bind(period).bind(after).bind(limit).fetch_all().await?;
    Ok(found.into_iter().map(|it| it.0).collect())
}

/// What an account and its teams are billed for in a period, by account, meter and month of use. It changes as long as the
/// period is open.
pub async fn billable<W: Who>(scope: &mut Scope<W>, top: AccountId, period: Month) -> Result<Vec<Billable>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        account_id: AccountId,
        meter: String,
        day: Day,
        whole: i64,
        nanos: i64,
    }
    // What came late is summed by its day, the rest at once.
    let sql = "select account_id, meter, case when day < $3 then day else $3 end as day,
            cast(sum(whole) as bigint) as whole, cast(sum(nanos) as bigint) as nanos
        from usage_days where period = $2 and top_id = $1 group by 1, 2, 3";
    let rows: Vec<Row> = scope.sql(sql).bind(top).bind(period).bind(period.first()).fetch_all().await?;
    let mut sums: BTreeMap<(AccountId, String, Month), Quantity> = BTreeMap::new();
    for it in rows {
        *sums.entry((it.account_id, it.meter, it.day.month())).or_default() +=
            Quantity::of(it.whole, it.nanos);
    }
    let billable = |((account, meter, month), quantity)| Billable { account, meter, month, quantity };
    Ok(sums.into_iter().map(billable).collect())
}
