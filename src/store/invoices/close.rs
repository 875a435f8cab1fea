//! Closes a month: no more usage is added to it, then every account gets its invoice, some accounts in one transaction. It can
//! be interrupted and repeated, also by several replicas at once.
use super::{Change, Scope, System, issue};
use crate::{
    context::Context,
    db::{Db, List},
    error::{Error, Result},
    model::{calendar::Month, id::AccountId, time::Time},
    store::{plans, usage},
};
use uuid::Uuid;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClosedMonths {
    /// The number and total (in minor units) of each new invoice.
    pub made: Vec<(String, i64)>,
}

/// Accounts in one transaction.
const STEP: i64 = 50;

/// Closes a month and all earlier ones that are still open. Idempotent.
pub async fn close(db: &Db, context: &Context, system: &System, month: Month) -> Result<ClosedMonths> {
    if month >= Month::of(context.now()) {
        let detail = format!(
            "{} is not over. It can be closed from {} on.",
            month.in_words(),
            month.next().first().long()
        );
        return Err(Error::conflict("month_open", detail));
    }
    let mut closed = ClosedMonths::default();
    let first = {
        let mut scope = Scope::system(db, *system, context);
        first_to_close(&mut scope, month).await?
    };
    for month in first.0..=month.0 {
        close_one(db, context, system, Month(month), &mut closed).await?;
    }
    Ok(closed)
}

/// The first open month: the one after the last closed month, or the month of the first usage or account.
pub async fn first_to_close(scope: &mut Scope<System>, month: Month) -> Result<Month> {
    let sql = "select (select max(month) from billing_periods where finished_at is not null) as closed,
        (select min(period) from usage_days) as used, (select min(created_at) from accounts) as opened";
    let (closed, used, opened): (Option<Month>, Option<Month>, Option<Time>) =
        scope.query_unscoped(sql).fetch_one().await?;
    let began = [used, opened.map(Month::of)].into_iter().flatten().min().unwrap_or(month);
    Ok(closed.map_or(began, Month::next).min(month))
}

async fn close_one(
    db: &Db,
    context: &Context,
    system: &System,
    month: Month,
    closed: &mut ClosedMonths,
) -> Result<()> {
    let mut change = Change::begin_as_system(db, *system, context).await?;
    if super::is_closed(&mut change, month).await? {
        return Ok(());
    }
    // Nothing is added to the month after this.
    usage::close(&mut change, month).await?;
    let sql = "insert into billing_periods (month) values ($1) on conflict (month) do nothing";
    change.query_unscoped(sql).bind(month).execute().await?;
    plans::keep(&mut change).await?;
    change.commit().await?;

    let mut after = AccountId(Uuid::nil());
    loop {
        let mut change = Change::begin_as_system(db, *system, context).await?;
        let step = close_some(&mut change, month, after).await?;
        change.commit().await?;
        closed.made.extend(step.made);
        match step.last {
            Some(last) => after = last,
            None => break,
        }
    }
    let mut change = Change::begin_as_system(db, *system, context).await?;
    let now = change.now();
    let sql = "update billing_periods set finished_at = $2 where month = $1 and finished_at is null";
    change.query_unscoped(sql).bind(month).bind(now).execute().await?;
    change.commit().await
}

struct CloseStep {
    made: Vec<(String, i64)>,
    last: Option<AccountId>,
}

#[derive(sqlx::FromRow)]
struct Candidate {
    id: AccountId,
    plan: String,
    /// Whether it has usage, a plan change or an adjustment.
    is_busy: bool,
}

async fn close_some(change: &mut Change<System>, month: Month, after: AccountId) -> Result<CloseStep> {
    // A replica that closes the same month waits here, and then finds nothing to do.
    let sql = "select id from accounts where kind <> 'team' and billed_through < $1 and id > $2 order by id limit $3
        for no key update";
    let locked: Vec<(AccountId,)> =
        change.query_unscoped(sql).bind(month).bind(after).bind(STEP).fetch_all().await?;
    let Some(last) = locked.last().map(|row| row.0) else {
        return Ok(CloseStep { made: vec![], last: None });
    };
    let ids: Vec<Uuid> = locked.iter().map(|row| row.0.0).collect();
    let candidates: Vec<Candidate> = change
        .query_unscoped(
            "select a.id, a.plan, (exists (select 1 from usage_days u where u.billing_account_id = a.id and u.period = $1)
                or exists (select 1 from plan_changes p where p.account_id = a.id and p.at >= $2)
                or exists (select 1 from adjustments j where j.account_id = a.id and j.invoice_id is null and j.amount > 0)) as is_busy
             from accounts a where a.id = any($3::uuid[]) and a.billed_through < $1 order by a.id",
        )
        .bind(month)
        .bind(month.first().start())
        .bind(List(&ids))
        .fetch_all()
        .await?;
    change
        .query_unscoped(
            "update accounts set billed_through = $1 where id = any($2::uuid[]) and billed_through < $1",
        )
        .bind(month)
        .bind(List(&ids))
        .execute()
        .await?;
    let mut made = vec![];
    for candidate in candidates {
        let catalog = &change.context().catalog;
        let is_free = catalog.plan(&candidate.plan).is_some_and(|plan| plan.price == 0);
        if is_free && !candidate.is_busy {
            continue;
        }
        if let Some(issued) = issue::of_month(change, candidate.id, month).await? {
            made.push((issued.number, issued.total));
        }
    }
    Ok(CloseStep { made, last: Some(last) })
}

/// Closes the months that are over, from the month in which the program first ran.
pub async fn close_due(db: &Db, context: &Context, system: &System) -> Result<()> {
    let now = Month::of(context.now());
    let open: Option<(Month,)> = {
        let mut scope = Scope::system(db, *system, context);
        // The current month has no row yet, or an unfinished one.
        let sql = "select month from billing_periods order by month desc limit 1";
        scope.query_unscoped(sql).fetch_optional().await?
    };
    let last = open.map(|row| row.0);
    if last.is_none_or(|month| month < now) {
        let mut change = Change::begin_as_system(db, *system, context).await?;
        plans::keep(&mut change).await?;
        let sql = "insert into billing_periods (month) values ($1) on conflict (month) do nothing";
        change.query_unscoped(sql).bind(now).execute().await?;
        change.commit().await?;
    }
    let sql = "select max(month) from billing_periods where finished_at is null and month < $1";
    let due: (Option<Month>,) = {
        let mut scope = Scope::system(db, *system, context);
        scope.query_unscoped(sql).bind(now).fetch_one().await?
    };
    let Some(due) = due.0 else { return Ok(()) };
    // Months in which the program did not run have no row. They are closed too.
    let through = due.max(now.previous());
    let closed = close(db, context, system, through).await?;
    tracing::info!(month = %through, invoices = closed.made.len(), "a month is closed");
    Ok(())
}
