//! What the billing page shows, and the preliminary bill of the current month, in two statements.
use super::{
    Change, Scope,
    audit::{self, NewEvent},
    invoices::{self, InvoiceListItem},
    plans::ScheduledPlan,
    rate_limits,
};
use crate::{
    error::{Error, FieldError, Result},
    model::{
        access::Access,
        bill::{Adjustment, Bill, BillInput, MeterUsage, PlanHistory, bill},
        calendar::{Day, Month},
        catalog::Plan,
        id::{AccountId, AdjustmentId, InvoiceId},
        invoice::{BillingDetails, Team},
        quantity::Quantity,
        time::Time,
    },
};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The card on file at the payment provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// `visa`.
    pub brand: String,
    /// Its last four digits.
    pub last4: String,
    /// `12/30`.
    pub expires: String,
}

/// An account's plan, bills and everything they are made of.
#[derive(Clone, Debug)]
pub struct BillingFacts {
    /// The account's name.
    pub name: String,
    /// Its plans over time.
    pub past: PlanHistory,
    /// A plan change that is not due yet.
    pub scheduled: Option<ScheduledPlan>,
    pub details: BillingDetails,
    /// The owner's address: where invoices go if no other is given.
    pub owner_email: String,
    pub member_count: i64,
    /// The card, if there is one.
    pub card: Option<Card>,
    /// Adjustments that go on the next invoice.
    pub adjustments: Vec<Adjustment>,
    /// Snapshots of plans, including those that the catalogue no longer has.
    pub kept: BTreeMap<String, Plan>,
    /// The account itself, then its teams, oldest first.
    pub accounts: Vec<(AccountId, Option<Team>)>,
    /// The month that is open.
    pub period: Month,
    /// Its invoices, newest first.
    pub invoices: Vec<InvoiceListItem>,
    /// Who may see the bills: names and ids, the owner first.
    pub viewers: Vec<(String, String)>,
    /// Today's peak of each rate limit, by the length of its window in seconds.
    pub busiest: Vec<(u32, u32)>,
}

#[derive(sqlx::FromRow)]
struct BillingRow {
    name: String,
    plan: String,
    created_at: Time,
    member_count: i64,
    owner_email: String,
    through: Month,
    next_plan: Option<String>,
    next_at: Option<Time>,
    next_by: Option<String>,
    details: Option<String>,
    brand: Option<String>,
    last4: Option<String>,
    expires: Option<String>,
    changes: Option<String>,
    adjustments: Option<String>,
    kept: Option<String>,
    teams: Option<String>,
    invoices: Option<String>,
    viewers: Option<String>,
    busiest: Option<String>,
}

#[derive(Deserialize)]
struct PeakRow {
    window_seconds: u32,
    peak: u32,
}
#[derive(Deserialize)]
struct PlanChangeRow {
    at: i64,
    before: String,
    after: String,
}
#[derive(Deserialize)]
struct AdjustmentRow {
    id: Uuid,
    amount: i64,
    reason: String,
}
#[derive(Deserialize)]
struct TeamRow {
    id: Uuid,
    slug: String,
    name: String,
}

fn read<T: for<'de> Deserialize<'de>>(json: Option<&str>) -> Result<Vec<T>> {
    let Some(json) = json else { return Ok(vec![]) };
    serde_json::from_str(json).map_err(|error| Error::Internal(error.to_string()))
}

/// Reads everything, with at most `limit` invoices older than `after`.
pub async fn facts<A>(
    scope: &mut Scope<A>,
    account: AccountId,
    after: Option<InvoiceId>,
    limit: i64,
) -> Result<BillingFacts> {
    let now = scope.now();
    // Late usage is at most some weeks old, so four months are enough.
    let since = Month(Month::of(now).0 - 4).first().start();
    let row: Option<BillingRow> = scope
        .query_unscoped(
            "select a.name, a.plan, a.created_at, a.member_count, u.email as owner_email, c.through,
                s.plan as next_plan, s.at as next_at, s.by_name as next_by, d.details, k.brand, k.last4, k.expires,
                (select cast(json_agg(json_build_object('at', x.at, 'before', x.before, 'after', x.after)) as text)
                    from plan_changes x where x.account_id = a.id and x.at >= $2) as changes,
                (select cast(json_agg(json_build_object('id', encode(uuid_send(x.id), 'hex'), 'amount', x.amount,
                        'reason', x.reason)) as text)
                    from (select id, amount, reason from adjustments where account_id = $1 and invoice_id is null
                        order by id limit 200) x) as adjustments,
                (select cast(json_agg(x.terms) as text) from plan_snapshots x) as kept,
                (select cast(json_agg(json_build_object('id', encode(uuid_send(x.id), 'hex'), 'slug', x.slug,
                        'name', x.name)) as text)
                    from (select id, slug, name from accounts where parent_id = $1 order by id) x) as teams,
                (select cast(json_agg(json_build_object('id', encode(uuid_send(x.id), 'hex'), 'number', x.number,
                        'month', x.month, 'currency', x.currency, 'total', x.total, 'title', x.title, 'status', x.status,
                        'issued_at', x.issued_at, 'due_at', x.due_at, 'is_note', case when x.credits_id is null then 0 else 1 end))
                    as text)
                    from (select id, number, month, currency, total, title, status, issued_at, due_at, credits_id from invoices
                        where account_id = $1 and id < $3 order by id desc limit $4) x) as invoices,
                (select cast(json_agg(json_build_object('id', encode(uuid_send(x.id), 'hex'), 'name', x.name)) as text)
                    from (select v.id, v.name from memberships m join users v on v.id = m.user_id
                        where m.account_id = $1 and active_member(m, $5)
                            and (m.is_owner or exists (select 1 from grants g where g.membership_id = m.id
                                and g.scope = 'account' and g.role in ('admin', 'accountant')
                                and in_force(g, $5)))
                        order by case when m.is_owner then 0 else 1 end, m.name_key limit 6) x) as viewers,
                (select cast(json_agg(json_build_object('window_seconds', x.window_seconds, 'peak', x.peak)) as text)
                    from rate_limit_peaks x where x.subject = $6 and x.day = $7) as busiest
             from accounts a join users u on u.id = a.owner_id cross join usage_closed c
             left join plan_schedules s on s.account_id = a.id left join billing_details d on d.account_id = a.id
             left join cards k on k.account_id = a.id and k.method is not null
             where a.id = $1",
        )
        .bind(account)
        .bind(since)
        .bind(after.unwrap_or(InvoiceId(Uuid::max())))
        .bind(limit)
        .bind(now)
        .bind(rate_limits::Subject::Plan(account).to_string())
        .bind(Day::of(now))
        .fetch_optional()
        .await?;
    row.ok_or(Error::NotFound)?.facts(account, now)
}

impl BillingRow {
    fn facts(self, account: AccountId, now: Time) -> Result<BillingFacts> {
        let changes = read::<PlanChangeRow>(self.changes.as_deref())?;
        let kept = read::<String>(self.kept.as_deref())?;
        let teams = read::<TeamRow>(self.teams.as_deref())?;
        let team = |row: TeamRow| (AccountId(row.id), Some(Team { slug: row.slug, name: row.name }));
        let scheduled = self.next_plan.zip(self.next_at).zip(self.next_by);
        let viewers = read::<invoices::NamedId>(self.viewers.as_deref())?;
        Ok(BillingFacts {
            name: self.name,
            past: PlanHistory::new(
                self.created_at,
                self.plan,
                changes.into_iter().map(|change| (Time(change.at), change.before, change.after)),
            ),
            scheduled: scheduled.map(|((plan, at), by)| ScheduledPlan { plan, at, by }),
            details: self
                .details
                .as_deref()
                .and_then(|json| serde_json::from_str(json).ok())
                .unwrap_or_default(),
            owner_email: self.owner_email,
            member_count: self.member_count,
            card: self.brand.zip(self.last4).zip(self.expires).map(|((brand, last4), expires)| Card {
                brand,
                last4,
                expires,
            }),
            adjustments: read::<AdjustmentRow>(self.adjustments.as_deref())?
                .into_iter()
                .map(|row| Adjustment { id: AdjustmentId(row.id), amount: row.amount, reason: row.reason })
                .collect(),
            kept: kept
                .iter()
                .filter_map(|json| serde_json::from_str::<Plan>(json).ok())
                .map(|plan| (plan.id.clone(), plan))
                .collect(),
            accounts: [(account, None)].into_iter().chain(teams.into_iter().map(team)).collect(),
            period: self.through.next().max(Month::of(now)),
            invoices: read(self.invoices.as_deref())?,
            viewers: viewers.into_iter().map(|viewer| (viewer.name, viewer.id.to_string())).collect(),
            busiest: read::<PeakRow>(self.busiest.as_deref())?
                .into_iter()
                .map(|row| (row.window_seconds, row.peak))
                .collect(),
        })
    }
}

/// The usage of an account and its teams that is not billed yet, by account, meter and month. Late usage comes with what was
/// already billed of its month, because both share the included quantity.
pub async fn used<A>(scope: &mut Scope<A>, account: AccountId, period: Month) -> Result<Vec<MeterUsage>> {
    #[derive(sqlx::FromRow)]
    struct BillingRow {
        account_id: AccountId,
        meter: String,
        day: Day,
        billed: i64,
        whole: i64,
        nanos: i64,
    }
    let sql = "select account_id, meter, case when day < $3 then day else $3 end as day,
            cast(case when period = $2 then 0 else 1 end as bigint) as billed,
            cast(sum(whole) as bigint) as whole, cast(sum(nanos) as bigint) as nanos
        from usage_days where billing_account_id = $1 and (period = $2 or (period < $2 and day >= $4 and day < $3
            and exists (select 1 from usage_days l where l.billing_account_id = $1 and l.period = $2 and l.day < $3)))
        group by 1, 2, 3, 4";
    let (first, since) = (period.first(), Month(period.0 - 3).first());
    let rows: Vec<BillingRow> =
        scope.query_unscoped(sql).bind(account).bind(period).bind(first).bind(since).fetch_all().await?;
    let mut sums: BTreeMap<(AccountId, String, Month, bool), Quantity> = BTreeMap::new();
    for row in rows {
        let key = (row.account_id, row.meter, row.day.month(), row.billed == 1);
        *sums.entry(key).or_default() += Quantity::of(row.whole, row.nanos);
    }
    let used = |((account, meter, month, is_billed), quantity)| MeterUsage {
        account,
        meter,
        month,
        quantity,
        is_billed,
    };
    Ok(sums.into_iter().map(used).collect())
}

/// The bill of a month as it stands now.
pub fn bill_of(
    facts: &BillingFacts,
    catalog: &crate::model::catalog::Catalog,
    month: Month,
    used: &[MeterUsage],
) -> Bill {
    // Usage of a deleted team is still billed.
    let mut accounts = facts.accounts.clone();
    for usage in used {
        if !accounts.iter().any(|(id, _)| *id == usage.account) {
            let name = "A team that is gone".to_owned();
            accounts.push((usage.account, Some(Team { slug: String::new(), name })));
        }
    }
    bill(&BillInput {
        month,
        catalog,
        retired_plans: &facts.kept,
        plan_history: &facts.past,
        accounts: &accounts,
        usage: used,
        adjustments: &facts.adjustments,
    })
}

pub async fn details(scope: &mut Scope<Access>) -> Result<BillingDetails> {
    let sql = "select details from billing_details where account_id = $1";
    let found: Option<(String,)> = scope.query_in_account(sql).fetch_optional().await?;
    Ok(found.and_then(|row| serde_json::from_str(&row.0).ok()).unwrap_or_default())
}

/// Changes who is billed. Issued invoices stay as they are.
pub async fn set_details(change: &mut Change<Access>, typed: BillingDetails) -> Result<BillingDetails> {
    if let Some((parent, _)) = &change.access().account.parent {
        let detail = format!("A team has no bills of its own: {} pays for it.", parent.name);
        return Err(Error::conflict("parent_pays", detail));
    }
    let fault = |(field, error): (&str, crate::model::text::ValidationError)| {
        FieldError::new(field, error.code, error.detail)
    };
    let details =
        typed.parse().map_err(|errors| Error::Validation(errors.into_iter().map(fault).collect()))?;
    let before = self::details(change).await?;
    if before == details {
        return Ok(details);
    }
    let (now, text) = (change.now(), serde_json::to_string(&details).expect("details are JSON"));
    let sql = "insert into billing_details (account_id, details, updated_at) values ($1, $2, $3)
        on conflict (account_id) do update set details = excluded.details, updated_at = excluded.updated_at";
    change.query_in_account(sql).bind(text).bind(now).execute().await?;
    let here = change.access().account.clone();
    let event = NewEvent::on("billing.details_changed", "account", here.id, &here.name);
    audit::record(change, event.changed(json!(before), json!(details))).await?;
    Ok(details)
}
