//! Cards and payments by card. What is to be asked of the provider is a row; the worker asks outside of any transaction, and
//! writes down the answer in one.
use super::{
    Change, Host, Scope, Who,
    audit::{self, Chain, Did},
    invoices, site,
};
use crate::{
    emails,
    error::{Error, Result},
    model::{
        id::{AccountId, ChargeId, InvoiceId},
        invoice::Status,
        time::{DAY, HOUR, MINUTE, Time},
    },
};
use serde_json::{Value, json};
use std::time::Duration;

/// How long the worker has for one answer, before another may ask.
const LEASE: Duration = Duration::from_secs(120);
/// How often a payment that takes its time is looked at, if nobody says anything.
const POLL: Duration = HOUR;
/// After so long without any answer, a payment is given up.
const GIVE_UP: Duration = HOUR.saturating_mul(23);

/// Something to ask of the provider.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Due {
    /// Which payment.
    pub id: ChargeId,
    /// Whose.
    pub account_id: AccountId,
    /// Of which invoice.
    pub invoice_id: InvoiceId,
    /// Its number.
    pub number: String,
    /// Who pays, to the provider.
    pub customer: String,
    /// With which card.
    pub method: String,
    /// In minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// The provider's id of it, once it has one: then it is looked at, and not made.
    pub reference: Option<String>,
    /// When it was asked for.
    pub created_at: Time,
    /// How often it was tried before.
    pub attempts: i64,
}

/// What the provider said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The bank takes its time.
    Processing,
    /// The money is there.
    Succeeded,
    /// Nothing was taken, for this reason.
    Failed(String),
    /// Nothing: to be asked again.
    Nothing(String),
}

/// Who an account is to the provider, if it is known there.
pub async fn customer(scope: &mut Scope) -> Result<Option<String>> {
    let found: Option<(String,)> =
        scope.ask("select customer from cards where account_id = $1").fetch_optional().await?;
    Ok(found.map(|it| it.0))
}

/// Remembers who an account is to the provider, and to ask it soon which card it has. Who was remembered first stays.
pub async fn set_customer(change: &mut Change, customer: &str) -> Result<String> {
    let soon = change.now().plus(5 * MINUTE);
    let sql = "insert into cards (account_id, customer, look_at) values ($1, $2, $3)
        on conflict (account_id) do update set look_at = excluded.look_at returning customer";
    let (customer,): (String,) = change.ask(sql).bind(customer.to_owned()).bind(soon).fetch_one().await?;
    Ok(customer)
}

/// Pays an invoice with the card on file, as soon as the worker comes to it.
pub async fn ask(change: &mut Change, number: &str) -> Result<()> {
    let found = invoices::find(change, number).await?;
    let it = invoices::take(change, found.id).await?;
    if it.status != Status::Open {
        return Err(invoices::not_open(&it));
    }
    let sql = "select state from charges where invoice_id = $1 and state <> 'failed'";
    if change.sql(sql).bind(it.id).fetch_optional::<(String,)>().await?.is_some() {
        let detail = format!("The payment of {number} is under way already. It is charged once.");
        return Err(Error::conflict("payment_under_way", detail));
    }
    let (id, now, by) = (ChargeId(change.kit().id()), change.now(), change.who().actor().name);
    let made = change
        .ask(
            "insert into charges (id, invoice_id, account_id, customer, method, amount, currency, state, next_at, by_name,
                created_at, updated_at)
             select $2, $3, account_id, customer, method, $4, $5, 'asked', $6, $7, $6, $6 from cards
             where account_id = $1 and method is not null",
        )
        .bind(id)
        .bind(it.id)
        .bind(it.total)
        .bind(it.document.currency.code())
        .bind(now)
        .bind(by)
        .execute()
        .await?;
    if made == 0 {
        let detail = "There is no card yet. Add one first, or pay by hand as the invoice says.";
        return Err(Error::conflict("no_card", detail));
    }
    let says = it.document.currency.says(it.total);
    let did = Did::to("payment.asked", "invoice", it.id, number);
    audit::here(change, did.changed(Value::Null, json!({ "amount": says }))).await
}

/// A hint from the provider: a payment is looked at now.
pub async fn look_at_payment<W: Who>(
    change: &mut Change<W>,
    reference: &str,
    charge: Option<ChargeId>,
) -> Result<()> {
    let now = change.now();
    let sql = "update charges set next_at = $3 where state = 'processing' and (reference = $1 or id = $2)";
    let charge = charge.unwrap_or(ChargeId(uuid::Uuid::nil()));
    change.sql(sql).bind(reference.to_owned()).bind(charge).bind(now).execute().await?;
    Ok(())
}

/// A hint from the provider: a customer's card is looked at now.
pub async fn look_at_card<W: Who>(change: &mut Change<W>, customer: &str) -> Result<()> {
    let now = change.now();
    let sql = "update cards set look_at = $2 where customer = $1";
    change.sql(sql).bind(customer.to_owned()).bind(now).execute().await?;
    Ok(())
}

/// Whether anything is to be asked of the provider now.
pub async fn is_due(scope: &mut Scope<Host>) -> Result<bool> {
    let now = scope.now();
    let sql = "select min(at) from (select min(next_at) as at from charges where next_at is not null
        union all select min(look_at) as at from cards where look_at is not null) t";
    let (next,): (Option<Time>,) = scope.sql(sql).fetch_one().await?;
    Ok(next.is_some_and(|it| it <= now))
}

/// Takes payments that are due, so that no other replica takes them meanwhile.
pub async fn take(change: &mut Change<Host>, most: i64) -> Result<Vec<Due>> {
    let now = change.now();
    let sql = "select id from charges where next_at <= $1 order by next_at limit $2 for update skip locked";
    let found: Vec<(ChargeId,)> = change.sql(sql).bind(now).bind(most).fetch_all().await?;
    let mut due = vec![];
    for (id,) in found {
        let sql = "update charges set next_at = $2, attempts = attempts + 1 where id = $1";
        change.sql(sql).bind(id).bind(now.plus(LEASE)).execute().await?;
        let sql = "select c.id, c.account_id, c.invoice_id, i.number, c.customer, c.method, c.amount, c.currency, c.reference,
                c.created_at, c.attempts from charges c join invoices i on i.id = c.invoice_id where c.id = $1";
        due.extend(change.sql(sql).bind(id).fetch_optional::<Due>().await?);
    }
    Ok(due)
}

/// Takes customers whose card is to be looked at.
pub async fn take_cards(change: &mut Change<Host>, most: i64) -> Result<Vec<(AccountId, String)>> {
    let now = change.now();
    let sql = "select account_id, customer from cards where look_at <= $1 order by look_at limit $2 for update skip locked";
    let found: Vec<(AccountId, String)> = change.sql(sql).bind(now).bind(most).fetch_all().await?;
    for (id, _) in &found {
        let sql = "update cards set look_at = $2 where account_id = $1";
        change.sql(sql).bind(*id).bind(now.plus(LEASE)).execute().await?;
    }
    Ok(found)
}

/// Writes down which card a customer has: its id, brand, last digits and end.
pub async fn set_card(
    change: &mut Change<Host>,
    account: AccountId,
    card: Option<[String; 4]>,
) -> Result<()> {
    let name =
        "select a.name, c.method from cards c join accounts a on a.id = c.account_id where c.account_id = $1";
    let Some((name, before)): Option<(String, Option<String>)> =
        change.sql(name).bind(account).fetch_optional().await?
    else {
        return Ok(());
    };
    let (method, [brand, last4, expires]) = match card {
        Some([method, rest @ ..]) => (Some(method), rest),
        None => (None, [const { String::new() }; 3]),
    };
    let sql = "update cards set method = $2, brand = $3, last4 = $4, expires = $5, look_at = null where account_id = $1";
    change
        .sql(sql)
        .bind(account)
        .bind(method.clone())
        .bind(brand)
        .bind(last4.clone())
        .bind(expires)
        .execute()
        .await?;
    if method == before {
        return Ok(());
    }
    let did = Did::to("card.changed", "account", account, name);
    audit::write(change, Chain::Account(account), did.changed(Value::Null, json!({ "last4": last4 }))).await
}

/// Writes down what the provider said of a payment: once, whatever is said again or late.
pub async fn note(change: &mut Change<Host>, due: &Due, reference: Option<&str>, said: &Said) -> Result<()> {
    let invoice = invoices::take(change, due.invoice_id).await?;
    let now = change.now();
    let (state, detail, next) = match said {
        Said::Succeeded => ("succeeded", String::new(), None),
        Said::Failed(why) => ("failed", why.clone(), None),
        Said::Processing => ("processing", String::new(), Some(now.plus(POLL))),
        Said::Nothing(why) if now.since(due.created_at) > GIVE_UP && due.reference.is_none() => {
            ("failed", why.clone(), None)
        }
        Said::Nothing(why) => {
            let pause = [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR];
            let pause = pause[usize::try_from(due.attempts - 1).unwrap_or(0).min(pause.len() - 1)];
            let state = if due.reference.is_some() { "processing" } else { "asked" };
            (state, why.clone(), Some(now.plus(pause.min(DAY))))
        }
    };
    let sql = "update charges set state = $2, detail = $3, next_at = $4, reference = coalesce($5, reference), updated_at = $6
        where id = $1 and state in ('asked', 'processing')";
    let touched = change
        .sql(sql)
        .bind(due.id)
        .bind(state)
        .bind(detail.clone())
        .bind(next)
        .bind(reference.map(str::to_owned))
        .bind(now)
        .execute()
        .await?;
    if touched == 0 {
        return Ok(());
    }
    match state {
        "succeeded" if invoice.status == Status::Open => {
            let said = reference.or(due.reference.as_deref()).unwrap_or("card");
            invoices::paid(change, &invoice, &format!("By card: {said}")).await
        }
        "failed" => failed(change, &invoice, &detail).await,
        _ => Ok(()),
    }
}

async fn failed(change: &mut Change<Host>, it: &invoices::Invoice, why: &str) -> Result<()> {
    let did = Did::to("payment.failed", "invoice", it.id, &it.number);
    audit::write(change, Chain::Account(it.account), did.changed(Value::Null, json!({ "detail": why })))
        .await?;
    let sql = "select u.email, a.slug from accounts a join users u on u.id = a.owner_id where a.id = $1";
    let Some((owner, slug)): Option<(String, String)> = change.sql(sql).bind(it.account).fetch_optional().await?
    else {
        return Ok(());
    };
    let to = Some(it.document.bill_to.email.clone()).filter(|it| !it.is_empty()).unwrap_or(owner);
    let kit = change.kit().clone();
    let letter = emails::Failure {
        number: &it.number,
        account: &it.document.account,
        total: &it.document.currency.says(it.total),
        why,
        link: &kit.url(&format!("/a/{slug}/invoices/{}", it.number)),
    };
    let letter = emails::payment_failed(&site(&kit), &to, &letter);
    change.post(&letter).await
}
