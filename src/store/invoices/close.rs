//! Closing a month: its usage is settled first, then every account gets its invoice. Some accounts at a time, each in the
//! transaction that makes its invoice; so it can be cut off anywhere and begun again, by several at once.
use super::{Change, Host, Scope, issue};
use crate::{
    context::Kit,
    db::{Db, List},
    error::{Error, Result},
    model::{calendar::Month, id::AccountId, time::Time},
    store::{Client, plans, usage},
};
use uuid::Uuid;

/// What closing a month did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    /// The invoices that were made: number and total in minor units.
    pub made: Vec<(String, i64)>,
}

/// How many accounts are looked at in one transaction.
const STEP: i64 = 50;

/// Closes a month, and those before it that are open still. Safe to repeat.
pub async fn close(db: &Db, kit: &Kit, host: &Host, month: Month) -> Result<Closed> {
    if month >= Month::of(kit.now()) {
        let detail = format!(
            "{} is not over. It can be closed from {} on.",
            month.in_words(),
            month.next().first().long()
        );
        return Err(Error::conflict("month_open", detail));
    }
    let mut closed = Closed::default();
    let first = {
        let mut scope = Scope::read(db, host.clone(), kit, &Client::default());
        first_to_close(&mut scope, month).await?
    };
    for month in first.0..=month.0 {
        close_one(db, kit, host, Month(month), &mut closed).await?;
    }
    Ok(closed)
}

/// The first month that is not closed: the one after the last that is, or that in which anything began.
pub async fn first_to_close(scope: &mut Scope<Host>, month: Month) -> Result<Month> {
    let sql = "select (select max(month) from closings where finished_at is not null) as closed,
        (select min(period) from usage_days) as used, (select min(created_at) from accounts) as opened";
    let (closed, used, opened): (Option<Month>, Option<Month>, Option<Time>) = scope.sql(sql).fetch_one().await?;
    let began = [used, opened.map(Month::of)].into_iter().flatten().min().unwrap_or(month);
    Ok(closed.map_or(began, Month::next).min(month))
}

async fn close_one(db: &Db, kit: &Kit, host: &Host, month: Month, closed: &mut Closed) -> Result<()> {
    let mut change = Change::<Host>::begin(db, host.clone(), kit).await?;
    if super::is_closed(&mut change, month).await? {
        return Ok(());
    }
    // From here on nothing is added to the month.
    usage::close(&mut change, month).await?;
    let sql = "insert into closings (month) values ($1) on conflict (month) do nothing";
    change.sql(sql).bind(month).execute().await?;
    plans::keep(&mut change).await?;
    change.commit().await?;

    let mut after = AccountId(Uuid::nil());
    loop {
        let mut change = Change::<Host>::begin(db, host.clone(), kit).await?;
        let step = close_some(&mut change, month, after).await?;
        change.commit().await?;
        closed.made.extend(step.made);
        match step.last {
            Some(last) => after = last,
            None => break,
        }
    }
    let mut change = Change::<Host>::begin(db, host.clone(), kit).await?;
    let now = change.now();
    let sql = "update closings set finished_at = $2 where month = $1 and finished_at is null";
    change.sql(sql).bind(month).bind(now).execute().await?;
    change.commit().await
}

struct Step {
    made: Vec<(String, i64)>,
    last: Option<AccountId>,
}

#[derive(sqlx::FromRow)]
struct Candidate {
    id: AccountId,
    plan: String,
    /// It used something, changed its plan, or something was added by hand.
    is_busy: bool,
}

async fn close_some(change: &mut Change<Host>, month: Month, after: AccountId) -> Result<Step> {
    // Who closes the same month beside us waits here, and finds the accounts done.
    let sql = "select id from accounts where kind <> 'team' and billed_through < $1 and id > $2 order by id limit $3
        for no key update";
    let held: Vec<(AccountId,)> = change.sql(sql).bind(month).bind(after).bind(STEP).fetch_all().await?;
    let Some(last) = held.last().map(|it| it.0) else { return Ok(Step { made: vec![], last: None }) };
    let ids: Vec<Uuid> = held.iter().map(|it| it.0.0).collect();
    let candidates: Vec<Candidate> = change
        .sql(
            "select a.id, a.plan, (exists (select 1 from usage_days u where u.top_id = a.id and u.period = $1)
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
        .sql("update accounts set billed_through = $1 where id = any($2::uuid[]) and billed_through < $1")
        .bind(month)
        .bind(List(&ids))
        .execute()
        .await?;
    let mut made = vec![];
    for it in candidates {
        let catalog = &change.kit().catalog;
        let is_free = catalog.plan(&it.plan).is_some_and(|it| it.price == 0);
        if is_free && !it.is_busy {
            continue;
        }
        if let Some(issued) = issue::of_month(change, it.id, month).await? {
            made.push((issued.number, issued.total));
        }
    }
    Ok(Step { made, last: Some(last) })
}

/// What the worker does now and then: closes what is over, from the month on in which the program was first seen.
pub async fn close_due(db: &Db, kit: &Kit, host: &Host) -> Result<()> {
    let now = Month::of(kit.now());
    let open: Option<(Month,)> = {
        let mut scope = Scope::read(db, host.clone(), kit, &Client::default());
        // A month that is not over has no row yet, or one that waits.
        let sql = "select month from closings order by month desc limit 1";
        scope.sql(sql).fetch_optional().await?
    };
    let last = open.map(|it| it.0);
    if last.is_none_or(|it| it < now) {
        let mut change = Change::<Host>::begin(db, host.clone(), kit).await?;
        plans::keep(&mut change).await?;
        let sql = "insert into closings (month) values ($1) on conflict (month) do nothing";
        change.sql(sql).bind(now).execute().await?;
        change.commit().await?;
    }
    let sql = "select max(month) from closings where finished_at is null and month < $1";
    let due: (Option<Month>,) = {
        let mut scope = Scope::read(db, host.clone(), kit, &Client::default());
        scope.sql(sql).bind(now).fetch_one().await?
    };
    let Some(due) = due.0 else { return Ok(()) };
    // Months in which nobody was here have no row: they are closed with the last one before this.
    let through = due.max(now.previous());
    let closed = close(db, kit, host, through).await?;
    tracing::info!(month = %through, invoices = closed.made.len(), "a month is closed");
    Ok(())
}
