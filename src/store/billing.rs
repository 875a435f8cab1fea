//! What the page of plan and bills tells, and the bill of the month that is not over. Two statements, whatever there is.
use super::{
    Change, Scope, Who,
    audit::{self, Did},
    invoices::{self, Listed},
    plans::Scheduled,
    rate_limits,
};
use crate::{
    error::{Error, Fault, Result},
    model::{
        bill::{Adjustment, Basis, Bill, Past, Used, bill},
        calendar::{Day, Month},
        catalog::Plan,
        id::{AccountId, AdjustmentId, InvoiceId},
        invoice::{Details, Team},
        quantity::Quantity,
        time::Time,
    },
};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The card that the payment provider keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// `visa`.
    pub brand: String,
    /// Its last four digits.
    pub last4: String,
    /// `12/30`.
    pub expires: String,
}

/// All about an account's plan and bills.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Who pays, by name.
    pub name: String,
    /// Its plans.
    pub past: Past,
    /// The plan that is to come.
    pub scheduled: Option<Scheduled>,
    /// Who is billed.
    pub details: Details,
    /// The owner's address: where invoices go if no other is given.
    pub owner_email: String,
    /// How many members it has.
    pub member_count: i64,
    /// The card, if there is one.
    pub card: Option<Card>,
    /// What waits for the next invoice.
    pub adjustments: Vec<Adjustment>,
    /// Plans as the catalogue last had them.
    pub kept: BTreeMap<String, Plan>,
    /// Itself, and its teams in the order in which they were opened.
    pub accounts: Vec<(AccountId, Option<Team>)>,
    /// The month that is being billed now.
    pub period: Month,
    /// Its invoices, newest first.
    pub invoices: Vec<Listed>,
    /// Who sees all this: names and ids, the owner first.
    pub viewers: Vec<(String, String)>,
    /// The most that one window of each rate limit held today, by the window's length in seconds.
    pub busiest: Vec<(u32, u32)>,
}

#[derive(sqlx::FromRow)]
struct Row {
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
struct Most {
    span: u32,
    most: u32,
}
#[derive(Deserialize)]
struct Changed {
    at: i64,
    before: String,
    after: String,
}
#[derive(Deserialize)]
struct Waiting {
    id: Uuid,
    amount: i64,
    reason: String,
}
#[derive(Deserialize)]
struct TeamOf {
    id: Uuid,
    slug: String,
    name: String,
}

fn read<T: for<'de> Deserialize<'de>>(json: Option<&str>) -> Result<Vec<T>> {
    let Some(json) = json else { return Ok(vec![]) };
    serde_json::from_str(json).map_err(|it| Error::Internal(it.to_string()))
}

/// Tells it, with so many invoices after one.
pub async fn facts<W: Who>(
    scope: &mut Scope<W>,
    account: AccountId,
    after: Option<InvoiceId>,
    limit: i64,
) -> Result<Facts> {
    let now = scope.now();
    // What comes late is at most some weeks old: four months hold it.
    let since = Month(Month::of(now).0 - 4).first().start();
    let row: Option<Row> = scope
        .sql(
            "select a.name, a.plan, a.created_at, a.member_count, u.email as owner_email, c.through,
                s.plan as next_plan, s.at as next_at, s.by_name as next_by, d.details, k.brand, k.last4, k.expires,
                (select cast(json_agg(json_build_object('at', x.at, 'before', x.before, 'after', x.after)) as text)
                    from plan_changes x where x.account_id = a.id and x.at >= $2) as changes,
                (select cast(json_agg(json_build_object('id', encode(uuid_send(x.id), 'hex'), 'amount', x.amount,
                        'reason', x.reason)) as text)
                    from (select id, amount, reason from adjustments where account_id = $1 and invoice_id is null
                        order by id limit 200) x) as adjustments,
                (select cast(json_agg(x.terms) as text) from kept_plans x) as kept,
                (select cast(json_agg(json_build_object('id', encode(uuid_send(x.id), 'hex'), 'slug', x.slug,
                        'name', x.name)) as text)
                    from (select id, slug, name from accounts where parent_id = $1 order by id) x) as teams,
                (select cast(json_agg(json_build_object('id', encode(uuid_send(x.id), 'hex'), 'number', x.number,
                        'month', x.month, 'currency', x.currency, 'total', x.total, 'says', x.says, 'status', x.status,
                        'issued_at', x.issued_at, 'due_at', x.due_at, 'is_note', case when x.credits_id is null then 0 else 1 end))
                    as text)
                    from (select id, number, month, currency, total, says, status, issued_at, due_at, credits_id from invoices
                        where account_id = $1 and id < $3 order by id desc limit $4) x) as invoices,
                (select cast(json_agg(json_build_object('id', encode(uuid_send(x.id), 'hex'), 'name', x.name)) as text)
                    from (select v.id, v.name from memberships m join users v on v.id = m.user_id
                        where m.account_id = $1 and m.suspended_at is null and coalesce(m.expires_at, $5 + 1) > $5
                            and (m.is_owner or exists (select 1 from grants g where g.membership_id = m.id
                                and g.scope = 'account' and g.role in ('admin', 'accountant')
                                and coalesce(g.expires_at, $5) >= $5))
                        order by case when m.is_owner then 0 else 1 end, m.name_key limit 6) x) as viewers,
                (select cast(json_agg(json_build_object('span', x.span, 'most', x.most)) as text)
                    from busiest x where x.subject = $6 and x.day = $7) as busiest
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

impl Row {
    fn facts(self, account: AccountId, now: Time) -> Result<Facts> {
        let changes = read::<Changed>(self.changes.as_deref())?;
        let kept = read::<String>(self.kept.as_deref())?;
        let teams = read::<TeamOf>(self.teams.as_deref())?;
        let team = |it: TeamOf| (AccountId(it.id), Some(Team { slug: it.slug, name: it.name }));
        let scheduled = self.next_plan.zip(self.next_at).zip(self.next_by);
        let viewers = read::<invoices::Named>(self.viewers.as_deref())?;
        Ok(Facts {
            name: self.name,
            past: Past::new(
                self.created_at,
                self.plan,
                changes.into_iter().map(|it| (Time(it.at), it.before, it.after)),
            ),
            scheduled: scheduled.map(|((plan, at), by)| Scheduled { plan, at, by }),
            details: self.details.as_deref().and_then(|it| serde_json::from_str(it).ok()).unwrap_or_default(),
            owner_email: self.owner_email,
            member_count: self.member_count,
            card: self.brand.zip(self.last4).zip(self.expires).map(|((brand, last4), expires)| Card {
                brand,
                last4,
                expires,
            }),
            adjustments: read::<Waiting>(self.adjustments.as_deref())?
                .into_iter()
                .map(|it| Adjustment { id: AdjustmentId(it.id), amount: it.amount, reason: it.reason })
                .collect(),
            kept: kept
                .iter()
                .filter_map(|it| serde_json::from_str::<Plan>(it).ok())
                .map(|it| (it.id.clone(), it))
                .collect(),
            accounts: [(account, None)].into_iter().chain(teams.into_iter().map(team)).collect(),
            period: self.through.next().max(Month::of(now)),
            invoices: read(self.invoices.as_deref())?,
            viewers: viewers.into_iter().map(|it| (it.name, it.id.to_string())).collect(),
            busiest: read::<Most>(self.busiest.as_deref())?
                .into_iter()
                .map(|it| (it.span, it.most))
                .collect(),
        })
    }
}

/// What an account and its teams used that is on no bill yet, by account, meter and month. With what came late comes what was
/// billed of its month before, for both share what is included.
pub async fn used<W: Who>(scope: &mut Scope<W>, account: AccountId, period: Month) -> Result<Vec<Used>> {
    #[derive(sqlx::FromRow)]
    struct Row {
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
        from usage_days where top_id = $1 and (period = $2 or (period < $2 and day >= $4 and day < $3
            and exists (select 1 from usage_days l where l.top_id = $1 and l.period = $2 and l.day < $3)))
        group by 1, 2, 3, 4";
    let (first, since) = (period.first(), Month(period.0 - 3).first());
    let rows: Vec<Row> = scope.sql(sql).bind(account).bind(period).bind(first).bind(since).fetch_all().await?;
    let mut sums: BTreeMap<(AccountId, String, Month, bool), Quantity> = BTreeMap::new();
    for it in rows {
        let key = (it.account_id, it.meter, it.day.month(), it.billed == 1);
        *sums.entry(key).or_default() += Quantity::of(it.whole, it.nanos);
    }
    let used =
        |((account, meter, month, is_billed), quantity)| Used { account, meter, month, quantity, is_billed };
    Ok(sums.into_iter().map(used).collect())
}

/// The bill of a month as it stands now.
pub fn bill_of(facts: &Facts, catalog: &crate::model::catalog::Catalog, month: Month, used: &[Used]) -> Bill {
    // A team that is gone was used all the same.
    let mut accounts = facts.accounts.clone();
    for it in used {
        if !accounts.iter().any(|(id, _)| *id == it.account) {
            let name = "A team that is gone".to_owned();
            accounts.push((it.account, Some(Team { slug: String::new(), name })));
        }
    }
    bill(&Basis {
        month,
        catalog,
        kept: &facts.kept,
        past: &facts.past,
        accounts: &accounts,
        used,
        adjustments: &facts.adjustments,
    })
}

/// Who is billed.
pub async fn details(scope: &mut Scope) -> Result<Details> {
    let sql = "select details from billing_details where account_id = $1";
    let found: Option<(String,)> = scope.ask(sql).fetch_optional().await?;
    Ok(found.and_then(|it| serde_json::from_str(&it.0).ok()).unwrap_or_default())
}

/// Says who is billed. What is on an invoice already stays as it is.
pub async fn set_details(change: &mut Change, typed: Details) -> Result<Details> {
    if let Some((parent, _)) = &change.who().here.parent {
        let detail = format!("A team has no bills of its own: {} pays for it.", parent.name);
        return Err(Error::conflict("parent_pays", detail));
    }
    let fault = |(field, it): (&str, crate::model::text::Refusal)| Fault::new(field, it.code, it.detail);
    let details = typed.parse().map_err(|it| Error::Invalid(it.into_iter().map(fault).collect()))?;
    let before = self::details(change).await?;
    if before == details {
        return Ok(details);
    }
    let (now, text) = (change.now(), serde_json::to_string(&details).expect("details are JSON"));
    let sql = "insert into billing_details (account_id, details, updated_at) values ($1, $2, $3)
        on conflict (account_id) do update set details = excluded.details, updated_at = excluded.updated_at";
    change.ask(sql).bind(text).bind(now).execute().await?;
    let here = change.who().here.clone();
    let did = Did::to("billing.details_changed", "account", here.id, &here.name);
    audit::here(change, did.changed(json!(before), json!(details))).await?;
    Ok(details)
}
