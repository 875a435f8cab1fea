//! Cards and payments by card. What is to be asked of the provider is a row; the worker asks outside of any transaction, and
//! writes down the answer in one.
use super::{
    Change, Scope, System,
    audit::{self, Chain, NewEvent},
    invoices,
    outbox::{self, Delivery, DeliveryKind},
    site,
};
use crate::{
    emails,
    error::{Error, Result},
    model::{
        access::Access,
        id::{AccountId, ChargeId, InvoiceId},
        invoice::InvoiceStatus,
        time::{HOUR, MINUTE, Time},
    },
};
use serde_json::{Value, json};
use std::time::Duration;

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
}

/// What the provider said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The bank takes its time.
    Processing,
    /// The money is there.
    Succeeded,
    /// Nothing was taken, for this reason.
    Failed(String),
    /// Nothing: to be asked again.
    None(String),
}

/// Who an account is to the provider, if it is known there.
pub async fn customer(scope: &mut Scope<Access>) -> Result<Option<String>> {
    let found: Option<(String,)> =
        scope.query_in_account("select customer from cards where account_id = $1").fetch_optional().await?;
    Ok(found.map(|it| it.0))
}

/// Remembers who an account is to the provider, and to ask it soon which card it has. Who was remembered first stays.
pub async fn set_customer(change: &mut Change<Access>, customer: &str) -> Result<String> {
    let soon = change.now().plus(5 * MINUTE);
    let sql = "insert into cards (account_id, customer) values ($1, $2)
        on conflict (account_id) do update set customer = cards.customer returning customer";
    let (customer,): (String,) = change.query_in_account(sql).bind(customer.to_owned()).fetch_one().await?;
    let account = change.access().account.id;
    outbox::enqueue(change, DeliveryKind::Card, account.0, soon).await?;
    Ok(customer)
}

/// Pays an invoice with the card on file, as soon as the worker comes to it.
pub async fn ask(change: &mut Change<Access>, number: &str) -> Result<()> {
    let found = invoices::find(change, number).await?;
    let it = invoices::take(change, found.id).await?;
    if it.status != InvoiceStatus::Open {
        return Err(invoices::not_open(&it));
    }
    let sql = "select state from charges where invoice_id = $1 and state <> 'failed'";
    if change.query_unscoped(sql).bind(it.id).fetch_optional::<(String,)>().await?.is_some() {
        let detail = format!("The payment of {number} is under way already. It is charged once.");
        return Err(Error::conflict("payment_under_way", detail));
    }
    let (id, now, by) = (ChargeId(change.context().id()), change.now(), change.actor().name());
    let made = change
        .query_in_account(
            "insert into charges (id, invoice_id, account_id, customer, method, amount, currency, state, by_name, created_at,
                updated_at)
             select $2, $3, account_id, customer, method, $4, $5, 'asked', $7, $6, $6 from cards
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
    outbox::enqueue(change, DeliveryKind::Charge, id.0, now).await?;
    let says = it.document.currency.format(it.total);
    let event = NewEvent::on("payment.asked", "invoice", it.id, number);
    audit::record(change, event.changed(Value::Null, json!({ "amount": says }))).await
}

/// A hint from the provider: a payment is asked about now.
pub async fn check_payment<A>(
    change: &mut Change<A>,
    reference: &str,
    charge: Option<ChargeId>,
) -> Result<()> {
    let now = change.now();
    let sql = "update outbox set next_at = $3 where kind = 'charge' and subject_id in (
        select id from charges where state = 'processing' and (reference = $1 or id = $2))";
    let charge = charge.unwrap_or(ChargeId(uuid::Uuid::nil()));
    change.query_unscoped(sql).bind(reference.to_owned()).bind(charge).bind(now).execute().await?;
    Ok(())
}

/// A hint from the provider: a customer's card is asked about now.
pub async fn check_card<A>(change: &mut Change<A>, customer: &str) -> Result<()> {
    let now = change.now();
    let sql = "select account_id from cards where customer = $1";
    let accounts: Vec<(AccountId,)> =
        change.query_unscoped(sql).bind(customer.to_owned()).fetch_all().await?;
    for (account,) in accounts {
        outbox::enqueue(change, DeliveryKind::Card, account.0, now).await?;
    }
    Ok(())
}

/// A payment that is to be asked of the provider; none if it is over meanwhile.
pub async fn charge(scope: &mut Scope<System>, id: ChargeId) -> Result<Option<Due>> {
    let sql = "select c.id, c.account_id, c.invoice_id, i.number, c.customer, c.method, c.amount, c.currency, c.reference,
            c.created_at from charges c join invoices i on i.id = c.invoice_id
        where c.id = $1 and c.state in ('asked', 'processing')";
    Ok(scope.query_unscoped(sql).bind(id).fetch_optional().await?)
}

/// The customer whose card is to be asked about.
pub async fn customer_of(scope: &mut Scope<System>, account: AccountId) -> Result<Option<String>> {
    let sql = "select customer from cards where account_id = $1";
    let row: Option<(String,)> = scope.query_unscoped(sql).bind(account).fetch_optional().await?;
    Ok(row.map(|(customer,)| customer))
}

/// The provider did not answer, or there is nothing to ask any more.
pub async fn check_failed(change: &mut Change<System>, delivery: &Delivery, why: Option<&str>) -> Result<()> {
    match why {
        Some(why) => outbox::retry(change, delivery, why).await,
        None => outbox::delivered(change, delivery).await,
    }
}

/// Writes down which card a customer has: its id, brand, last digits and end.
pub async fn set_card(
    change: &mut Change<System>,
    delivery: &Delivery,
    card: Option<[String; 4]>,
) -> Result<()> {
    outbox::delivered(change, delivery).await?;
    let account = AccountId(delivery.subject);
    let name =
        "select a.name, c.method from cards c join accounts a on a.id = c.account_id where c.account_id = $1";
    let Some((name, before)): Option<(String, Option<String>)> =
        change.query_unscoped(name).bind(account).fetch_optional().await?
    else {
        return Ok(());
    };
    let (method, [brand, last4, expires]) = match card {
        Some([method, rest @ ..]) => (Some(method), rest),
        None => (None, [const { String::new() }; 3]),
    };
    let sql = "update cards set method = $2, brand = $3, last4 = $4, expires = $5 where account_id = $1";
    change
        .query_unscoped(sql)
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
    let event = NewEvent::on("card.changed", "account", account, name);
    audit::record_in(change, Chain::Account(account), event.changed(Value::Null, json!({ "last4": last4 })))
        .await
}

/// Writes down what the provider answered about a payment: once, whatever is said again or late.
pub async fn note(
    change: &mut Change<System>,
    delivery: &Delivery,
    due: &Due,
    reference: Option<&str>,
    answer: &Answer,
) -> Result<()> {
    let invoice = invoices::take(change, due.invoice_id).await?;
    let now = change.now();
    let gives_up = now.since(due.created_at) > GIVE_UP && due.reference.is_none();
    let (state, detail) = match answer {
        Answer::Succeeded => ("succeeded", String::new()),
        Answer::Failed(why) => ("failed", why.clone()),
        Answer::None(why) if gives_up => ("failed", why.clone()),
        Answer::Processing => ("processing", String::new()),
        Answer::None(why) if due.reference.is_some() => ("processing", why.clone()),
        Answer::None(why) => ("asked", why.clone()),
    };
    match answer {
        Answer::Processing => outbox::again_after(change, delivery, POLL).await?,
        Answer::None(why) if !gives_up => outbox::retry(change, delivery, why).await?,
        Answer::Succeeded => outbox::delivered(change, delivery).await?,
        Answer::Failed(why) | Answer::None(why) => outbox::give_up(change, delivery, why).await?,
    }
    let sql =
        "update charges set state = $2, detail = $3, reference = coalesce($4, reference), updated_at = $5
        where id = $1 and state in ('asked', 'processing')";
    let touched = change
        .query_unscoped(sql)
        .bind(due.id)
        .bind(state)
        .bind(detail.clone())
        .bind(reference.map(str::to_owned))
        .bind(now)
        .execute()
        .await?;
    if touched == 0 {
        return Ok(());
    }
    match state {
        "succeeded" if invoice.status == InvoiceStatus::Open => {
            let said = reference.or(due.reference.as_deref()).unwrap_or("card");
            invoices::paid(change, &invoice, &format!("By card: {said}")).await
        }
        "failed" => failed(change, &invoice, &detail).await,
        _ => Ok(()),
    }
}

async fn failed(change: &mut Change<System>, it: &invoices::Invoice, why: &str) -> Result<()> {
    let event = NewEvent::on("payment.failed", "invoice", it.id, &it.number);
    audit::record_in(
        change,
        Chain::Account(it.account),
        event.changed(Value::Null, json!({ "detail": why })),
    )
    .await?;
    let sql = "select u.email, a.slug from accounts a join users u on u.id = a.owner_id where a.id = $1";
    let Some((owner, slug)): Option<(String, String)> =
        change.query_unscoped(sql).bind(it.account).fetch_optional().await?
    else {
        return Ok(());
    };
    let to = Some(it.document.bill_to.email.clone()).filter(|it| !it.is_empty()).unwrap_or(owner);
    let context = change.context().clone();
    let letter = emails::PaymentFailure {
        number: &it.number,
        account: &it.document.account,
        total: &it.document.currency.format(it.total),
        why,
        link: &context.url(&format!("/a/{slug}/invoices/{}", it.number)),
    };
    let letter = emails::payment_failed(&site(&context), &to, &letter);
    change.send(&letter).await
}
