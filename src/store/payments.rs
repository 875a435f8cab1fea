//! Cards, and payments by card. Each call to the payment provider is an outbox row: the worker calls outside of any transaction,
//! and writes the answer in one.
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

/// How often a payment in process is polled, if the provider sends no hint.
const POLL: Duration = HOUR;
/// A payment without any answer fails after this time.
const GIVE_UP: Duration = HOUR.saturating_mul(23);

/// A charge that the provider is to be asked for, or about.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct PendingCharge {
    pub id: ChargeId,
    pub account_id: AccountId,
    pub invoice_id: InvoiceId,
    /// The invoice's number.
    pub number: String,
    /// The provider's id of the customer.
    pub customer: String,
    /// The provider's id of the card.
    pub method: String,
    /// In minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// The provider's id of the payment. Once there is one, the payment is looked up and not made again.
    pub reference: Option<String>,
    pub created_at: Time,
}

/// The provider's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Processing,
    Succeeded,
    /// Nothing was charged, for this reason.
    Failed(String),
    /// No answer, for this reason: to be asked again.
    None(String),
}

/// The provider's id of the account, if it is a customer there.
pub async fn customer(scope: &mut Scope<Access>) -> Result<Option<String>> {
    let found: Option<(String,)> =
        scope.query_in_account("select customer from cards where account_id = $1").fetch_optional().await?;
    Ok(found.map(|(customer,)| customer))
}

/// Stores the provider's id of the account, unless there is one already, and returns what is stored. The card is looked up soon.
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
pub async fn request(change: &mut Change<Access>, number: &str) -> Result<()> {
    let found = invoices::find(change, number).await?;
    let invoice = invoices::take(change, found.id).await?;
    if invoice.status != InvoiceStatus::Open {
        return Err(invoices::not_open(&invoice));
    }
    let sql = "select state from charges where invoice_id = $1 and state <> 'failed'";
    if change.query_unscoped(sql).bind(invoice.id).fetch_optional::<(String,)>().await?.is_some() {
        let detail = format!("The payment of {number} is under way already. It is charged once.");
        return Err(Error::conflict("payment_under_way", detail));
    }
    let (id, now, by) = (ChargeId(change.context().id()), change.now(), change.actor().name());
    let inserted = change
        .query_in_account(
            "insert into charges (id, invoice_id, account_id, customer, method, amount, currency, state, by_name, created_at,
                updated_at)
             select $2, $3, account_id, customer, method, $4, $5, 'asked', $7, $6, $6 from cards
             where account_id = $1 and method is not null",
        )
        .bind(id)
        .bind(invoice.id)
        .bind(invoice.total)
        .bind(invoice.document.currency.code())
        .bind(now)
        .bind(by)
        .execute()
        .await?;
    if inserted == 0 {
        let detail = "There is no card yet. Add one first, or pay by hand as the invoice says.";
        return Err(Error::conflict("no_card", detail));
    }
    outbox::enqueue(change, DeliveryKind::Charge, id.0, now).await?;
    let amount = invoice.document.currency.format(invoice.total);
    let event = NewEvent::on("payment.asked", "invoice", invoice.id, number);
    audit::record(change, event.changed(Value::Null, json!({ "amount": amount }))).await
}

/// A hint from the provider: looks up a payment now.
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

/// A hint from the provider: looks up a customer's card now.
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

/// `None` if the charge succeeded or failed meanwhile.
pub async fn charge(scope: &mut Scope<System>, id: ChargeId) -> Result<Option<PendingCharge>> {
    let sql = "select c.id, c.account_id, c.invoice_id, i.number, c.customer, c.method, c.amount, c.currency, c.reference,
            c.created_at from charges c join invoices i on i.id = c.invoice_id
        where c.id = $1 and c.state in ('asked', 'processing')";
    Ok(scope.query_unscoped(sql).bind(id).fetch_optional().await?)
}

/// The provider's id of an account, for the worker.
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

/// Stores a customer's card: its id, brand, last digits and expiry.
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

/// Stores the provider's answer about a payment. Repeated and late answers change nothing.
pub async fn record_answer(
    change: &mut Change<System>,
    delivery: &Delivery,
    charge: &PendingCharge,
    reference: Option<&str>,
    answer: &Answer,
) -> Result<()> {
    let invoice = invoices::take(change, charge.invoice_id).await?;
    let now = change.now();
    let gives_up = now.since(charge.created_at) > GIVE_UP && charge.reference.is_none();
    let (state, detail) = match answer {
        Answer::Succeeded => ("succeeded", String::new()),
        Answer::Failed(why) => ("failed", why.clone()),
        Answer::None(why) if gives_up => ("failed", why.clone()),
        Answer::Processing => ("processing", String::new()),
        Answer::None(why) if charge.reference.is_some() => ("processing", why.clone()),
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
    let updated = change
        .query_unscoped(sql)
        .bind(charge.id)
        .bind(state)
        .bind(detail.clone())
        .bind(reference.map(str::to_owned))
        .bind(now)
        .execute()
        .await?;
    if updated == 0 {
        return Ok(());
    }
    match state {
        "succeeded" if invoice.status == InvoiceStatus::Open => {
            let payment = reference.or(charge.reference.as_deref()).unwrap_or("card");
            invoices::paid(change, &invoice, &format!("By card: {payment}")).await
        }
        "failed" => report_failure(change, &invoice, &detail).await,
        _ => Ok(()),
    }
}

async fn report_failure(change: &mut Change<System>, invoice: &invoices::Invoice, why: &str) -> Result<()> {
    let event = NewEvent::on("payment.failed", "invoice", invoice.id, &invoice.number);
    audit::record_in(
        change,
        Chain::Account(invoice.account),
        event.changed(Value::Null, json!({ "detail": why })),
    )
    .await?;
    let sql = "select u.email, a.slug from accounts a join users u on u.id = a.owner_id where a.id = $1";
    let Some((owner, slug)): Option<(String, String)> =
        change.query_unscoped(sql).bind(invoice.account).fetch_optional().await?
    else {
        return Ok(());
    };
    let to =
        Some(invoice.document.bill_to.email.clone()).filter(|address| !address.is_empty()).unwrap_or(owner);
    let context = change.context().clone();
    let failure = emails::PaymentFailure {
        number: &invoice.number,
        account: &invoice.document.account,
        total: &invoice.document.currency.format(invoice.total),
        why,
        link: &context.url(&format!("/a/{slug}/invoices/{}", invoice.number)),
    };
    let letter = emails::payment_failed(&site(&context), &to, &failure);
    change.send(&letter).await
}
