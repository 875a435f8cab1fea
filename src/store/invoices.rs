//! Invoices: list, find, mark as paid, void, credit. Their content is written once, by `issue`; the database forbids changes.
mod close;
mod issue;

pub use close::{ClosedMonths, close, close_due, first_to_close};
pub use issue::{IssuedInvoice, seller, settle};

use super::{
    Change, Scope, SignedInUser, System,
    audit::{self, Chain, NewEvent},
};
use crate::{
    error::{Error, Result},
    model::{
        access::Access,
        calendar::Month,
        id::{AccountId, AdjustmentId, InvoiceId},
        invoice::{Document, InvoiceStatus},
        money::Currency,
        time::Time,
    },
};
use const_format::concatcp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

#[derive(Clone, Debug, Deserialize)]
pub(super) struct NamedId {
    pub id: Uuid,
    pub name: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct InvoiceListItem {
    #[serde(deserialize_with = "id")]
    pub id: InvoiceId,
    pub number: String,
    #[serde(deserialize_with = "month")]
    pub month: Month,
    pub currency: Currency,
    /// In minor units.
    pub total: i64,
    pub title: String,
    pub status: InvoiceStatus,
    #[serde(deserialize_with = "time")]
    pub issued_at: Time,
    #[serde(deserialize_with = "time")]
    pub due_at: Time,
    is_note: i64,
}
fn id<'de, D: serde::Deserializer<'de>>(from: D) -> Result<InvoiceId, D::Error> {
    Uuid::deserialize(from).map(InvoiceId)
}
fn month<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Month, D::Error> {
    i64::deserialize(from).map(Month)
}
fn time<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
    i64::deserialize(from).map(Time)
}
impl InvoiceListItem {
    /// Whether it is a credit note.
    pub fn is_note(&self) -> bool {
        self.is_note == 1
    }
}

#[derive(Clone, Debug)]
pub struct Invoice {
    pub id: InvoiceId,
    pub account: AccountId,
    pub number: String,
    /// What is printed on it.
    pub document: Document,
    /// In minor units.
    pub total: i64,
    pub status: InvoiceStatus,
    pub issued_at: Time,
    pub due_at: Time,
    pub paid_at: Option<Time>,
    /// How it was paid, or why it was voided or credited.
    pub note: String,
    /// The current or last payment: its state, and details.
    pub charge: Option<(String, String)>,
    /// The number of its credit note.
    pub credited_by: Option<String>,
}

#[derive(sqlx::FromRow)]
struct InvoiceRow {
    id: InvoiceId,
    account_id: AccountId,
    number: String,
    document: String,
    total: i64,
    status: InvoiceStatus,
    issued_at: Time,
    due_at: Time,
    paid_at: Option<Time>,
    note: String,
    charge_state: Option<String>,
    charge_detail: Option<String>,
    credited_by: Option<String>,
}
impl TryFrom<InvoiceRow> for Invoice {
    type Error = Error;
    fn try_from(row: InvoiceRow) -> Result<Invoice> {
        Ok(Invoice {
            id: row.id,
            account: row.account_id,
            number: row.number,
            document: serde_json::from_str(&row.document)
                .map_err(|error| Error::Internal(error.to_string()))?,
            total: row.total,
            status: row.status,
            issued_at: row.issued_at,
            due_at: row.due_at,
            paid_at: row.paid_at,
            note: row.note,
            charge: row.charge_state.zip(row.charge_detail),
            credited_by: row.credited_by,
        })
    }
}

const INVOICES: &str = "select i.id, i.account_id, i.number, i.document, i.total, i.status, i.issued_at, i.due_at, i.paid_at, i.note,
                c.state as charge_state, c.detail as charge_detail, n.number as credited_by
             from invoices i left join invoices n on n.credits_id = i.id
             left join charges c on c.id = (select x.id from charges x where x.invoice_id = i.id order by x.id desc limit 1) ";

/// The account's invoices, newest first.
pub async fn list(scope: &mut Scope<Access>, after: Option<InvoiceId>, limit: i64) -> Result<Vec<Invoice>> {
    let after = after.unwrap_or(InvoiceId(Uuid::max()));
    let sql = concatcp!(INVOICES, "where i.account_id = $1 and i.id < $2 order by i.id desc limit $3");
    let rows: Vec<InvoiceRow> = scope.query_in_account(sql).bind(after).bind(limit).fetch_all().await?;
    rows.into_iter().map(Invoice::try_from).collect()
}

pub async fn find(scope: &mut Scope<Access>, number: &str) -> Result<Invoice> {
    let sql = concatcp!(INVOICES, "where i.account_id = $1 and i.number = $2");
    let found: Option<InvoiceRow> =
        scope.query_in_account(sql).bind(number.to_owned()).fetch_optional().await?;
    found.ok_or(Error::NotFound)?.try_into()
}

/// For operators.
pub async fn by_id(scope: &mut Scope<SignedInUser>, id: InvoiceId) -> Result<Invoice> {
    let found: Option<InvoiceRow> =
        scope.query_unscoped(concatcp!(INVOICES, "where i.id = $1")).bind(id).fetch_optional().await?;
    found.ok_or(Error::NotFound)?.try_into()
}

/// The oldest hundred open invoices, for operators.
pub async fn open(change: &mut Change<SignedInUser>) -> Result<Vec<InvoiceId>> {
    check_operator(change)?;
    let sql = "select id from invoices where status = 'open' order by id limit 100";
    let found: Vec<(InvoiceId,)> = change.query_unscoped(sql).fetch_all().await?;
    Ok(found.into_iter().map(|row| row.0).collect())
}

/// For operators.
pub async fn account_of(scope: &mut Scope<SignedInUser>, id: InvoiceId) -> Result<AccountId> {
    let sql = "select account_id from invoices where id = $1";
    let found: Option<(AccountId,)> = scope.query_unscoped(sql).bind(id).fetch_optional().await?;
    found.map(|row| row.0).ok_or(Error::NotFound)
}

/// Locks an invoice, so that its status changes once.
pub(super) async fn take<A>(change: &mut Change<A>, id: InvoiceId) -> Result<Invoice> {
    change
        .query_unscoped("select 1 from invoices where id = $1 for no key update")
        .bind(id)
        .execute()
        .await?;
    let found: Option<InvoiceRow> =
        change.query_unscoped(concatcp!(INVOICES, "where i.id = $1")).bind(id).fetch_optional().await?;
    found.ok_or(Error::NotFound)?.try_into()
}

fn check_operator(change: &Change<SignedInUser>) -> Result<()> {
    if change.access().operator { Ok(()) } else { Err(Error::NotFound) }
}

/// The error for an invoice that is not open.
pub(super) fn not_open(invoice: &Invoice) -> Error {
    let (code, detail) = match invoice.status {
        InvoiceStatus::Paid => {
            ("already_paid", format!("{} is paid already. Nothing was charged.", invoice.number))
        }
        InvoiceStatus::Void => ("void", format!("{} is void: nobody owes it.", invoice.number)),
        _ => ("credited", format!("{} was taken back by a credit note: nobody owes it.", invoice.number)),
    };
    Error::conflict(code, detail)
}

/// Marks an open invoice as paid.
pub(super) async fn paid<A>(change: &mut Change<A>, invoice: &Invoice, note: &str) -> Result<()> {
    let now = change.now();
    let sql = "update invoices set status = 'paid', paid_at = $2, note = $3, updated_at = $2 where id = $1 and status = 'open'";
    change.query_unscoped(sql).bind(invoice.id).bind(now).bind(note.to_owned()).execute().await?;
    let event = NewEvent::on("invoice.paid", "invoice", invoice.id, &invoice.number);
    let event = event.changed(json!({ "status": "open" }), json!({ "status": "paid", "note": note }));
    audit::record_in(change, Chain::Account(invoice.account), event).await
}

/// Marks an invoice as paid outside of the program, for example by a transfer with this reference.
pub async fn mark_paid(change: &mut Change<SignedInUser>, id: InvoiceId, reference: &str) -> Result<Invoice> {
    check_operator(change)?;
    let invoice = take(change, id).await?;
    if invoice.status != InvoiceStatus::Open {
        return Err(not_open(&invoice));
    }
    let reference = parse_line(
        "reference",
        reference,
        "Enter what says where the money came from, such as the transfer’s reference.",
    )?;
    let now = change.now();
    // Cancels a card payment that was not sent yet. One that was sent must finish first.
    let sql = "update charges set state = 'failed', detail = 'Paid by hand', updated_at = $2
        where invoice_id = $1 and state = 'asked'
            and id in (select subject_id from outbox where kind = 'charge' and attempts = 0)";
    change.query_unscoped(sql).bind(id).bind(now).execute().await?;
    let sql = "update outbox set next_at = null, failed_at = $2 where kind = 'charge' and next_at is not null
        and subject_id in (select id from charges where invoice_id = $1 and state = 'failed')";
    change.query_unscoped(sql).bind(id).bind(now).execute().await?;
    let sql = "select state from charges where invoice_id = $1 and state <> 'failed'";
    if change.query_unscoped(sql).bind(id).fetch_optional::<(String,)>().await?.is_some() {
        let detail = "A payment by card is on its way. Wait until it has arrived or failed, then try again.";
        return Err(Error::conflict("payment_under_way", detail));
    }
    paid(change, &invoice, &reference).await?;
    Ok(invoice)
}

/// Voids an open invoice. Its number stays, and credits that were on it go on the next one.
pub async fn void(change: &mut Change<SignedInUser>, id: InvoiceId, reason: &str) -> Result<Invoice> {
    check_operator(change)?;
    let invoice = take(change, id).await?;
    if invoice.status != InvoiceStatus::Open {
        return Err(not_open(&invoice));
    }
    let reason = parse_line("reason", reason, "Say why.")?;
    check_no_payment_pending(change, &invoice).await?;
    set_ended(change, &invoice, InvoiceStatus::Void, &reason).await?;
    let sql = "update adjustments set invoice_id = null where invoice_id = $1 and amount < 0";
    change.query_unscoped(sql).bind(id).execute().await?;
    Ok(invoice)
}

async fn check_no_payment_pending(change: &mut Change<SignedInUser>, invoice: &Invoice) -> Result<()> {
    let sql = "select state from charges where invoice_id = $1 and state in ('asked', 'processing')";
    if change.query_unscoped(sql).bind(invoice.id).fetch_optional::<(String,)>().await?.is_some() {
        let detail = "A payment by card is on its way. Wait until it has arrived or failed, then try again.";
        return Err(Error::conflict("payment_under_way", detail));
    }
    Ok(())
}

async fn set_ended(
    change: &mut Change<SignedInUser>,
    invoice: &Invoice,
    status: InvoiceStatus,
    reason: &str,
) -> Result<()> {
    let now = change.now();
    let sql = "update invoices set status = $2, paid_at = null, note = $3, updated_at = $4 where id = $1";
    change
        .query_unscoped(sql)
        .bind(invoice.id)
        .bind(status)
        .bind(reason.to_owned())
        .bind(now)
        .execute()
        .await?;
    let action = if status == InvoiceStatus::Void { "invoice.voided" } else { "invoice.credited" };
    let event = NewEvent::on(action, "invoice", invoice.id, &invoice.number);
    let event =
        event.changed(json!({ "status": invoice.status }), json!({ "status": status, "reason": reason }));
    audit::record_in(change, Chain::Account(invoice.account), event).await
}

/// Issues a credit note for an invoice, with a number of its own. If the invoice was paid, the amount is credited on the next
/// one.
pub async fn credit(change: &mut Change<SignedInUser>, id: InvoiceId, reason: &str) -> Result<String> {
    check_operator(change)?;
    let invoice = take(change, id).await?;
    if !matches!(invoice.status, InvoiceStatus::Open | InvoiceStatus::Paid)
        || invoice.document.credits.is_some()
        || invoice.total == 0
    {
        return Err(Error::conflict(
            "not_creditable",
            "Only an invoice that is open or paid, and not for nothing, can be taken back.",
        ));
    }
    let reason = parse_line("reason", reason, "Say why.")?;
    check_no_payment_pending(change, &invoice).await?;
    let was_paid = invoice.status == InvoiceStatus::Paid;
    set_ended(change, &invoice, InvoiceStatus::Credited, &reason).await?;
    let note = invoice.document.credit_note(&invoice.number);
    let number = issue::write(change, invoice.account, &note, Some(invoice.id), &reason).await?.number;
    if was_paid {
        let reason = format!("Paid for {}, which {number} takes back", invoice.number);
        add_adjustment(change, invoice.account, -invoice.document.net(), &reason).await?;
    }
    Ok(number)
}

/// Adds a charge or a credit to the account's next invoice.
pub async fn adjust(
    change: &mut Change<SignedInUser>,
    account: AccountId,
    amount: &str,
    reason: &str,
) -> Result<i64> {
    check_operator(change)?;
    change.lock_account(account).await?;
    let sql = "select kind from accounts where id = $1";
    match change
        .query_unscoped(sql)
        .bind(account)
        .fetch_optional::<(String,)>()
        .await?
        .as_ref()
        .map(|row| row.0.as_str())
    {
        None => return Err(Error::NotFound),
        Some("team") => return Err(Error::conflict("parent_pays", "A team has no bills of its own.")),
        Some(_) => {}
    }
    let amount = change.context().catalog.currency.parse_amount(amount).map_err(Error::at("amount"))?;
    if amount == 0 || amount.abs() > 100_000_000_000 {
        return Err(Error::invalid(
            "amount",
            "out_of_range",
            "Enter an amount that is not nothing, and not more than anybody owes.",
        ));
    }
    let reason = parse_line("reason", reason, "Say what it is for: it stands on the invoice.")?;
    add_adjustment(change, account, amount, &reason).await?;
    Ok(amount)
}

async fn add_adjustment<A>(
    change: &mut Change<A>,
    account: AccountId,
    amount: i64,
    reason: &str,
) -> Result<()> {
    let id = insert_adjustment(change, account, amount, reason).await?;
    let event = NewEvent::on("invoice.adjusted", "adjustment", id, reason);
    let says = change.context().catalog.currency.format(amount);
    audit::record_in(change, Chain::Account(account), event.changed(Value::Null, json!({ "amount": says })))
        .await
}

async fn insert_adjustment<A>(
    change: &mut Change<A>,
    account: AccountId,
    amount: i64,
    reason: &str,
) -> Result<AdjustmentId> {
    let (id, now, by) = (AdjustmentId(change.context().id()), change.now(), change.actor().name());
    let sql = "insert into adjustments (id, account_id, amount, reason, by_name, created_at) values ($1, $2, $3, $4, $5, $6)";
    change
        .query_unscoped(sql)
        .bind(id)
        .bind(account)
        .bind(amount)
        .bind(reason.to_owned())
        .bind(by)
        .bind(now)
        .execute()
        .await?;
    Ok(id)
}

fn parse_line(field: &'static str, text: &str, missing: &str) -> Result<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return Err(Error::invalid(field, "required", missing));
    }
    if text.chars().count() > 200 || text.chars().any(char::is_control) {
        return Err(Error::invalid(field, "too_long", "Use at most 200 characters, on one line."));
    }
    Ok(text)
}

pub async fn is_closed(scope: &mut Scope<System>, month: Month) -> Result<bool> {
    let sql = "select month from billing_periods where month = $1 and finished_at is not null";
    Ok(scope.query_unscoped(sql).bind(month).fetch_optional::<(Month,)>().await?.is_some())
}
