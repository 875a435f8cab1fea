//! Invoices: listed and found, paid by hand, taken back. What one says is written once, by `issue`; the database lets nobody
//! change it.
mod close;
mod issue;

pub use close::{Closed, close, close_due, first_to_close};
pub use issue::{Issued, seller, settle};

use super::{
    Change, Host, Me, Scope, Who,
    audit::{self, Chain, Did},
};
use crate::{
    error::{Error, Result},
    model::{
        calendar::Month,
        id::{AccountId, AdjustmentId, InvoiceId},
        invoice::{Document, Status},
        money::Currency,
        time::Time,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// Somebody, or something, by name.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Named {
    pub id: Uuid,
    pub name: String,
}

/// An invoice as a list shows it.
#[derive(Clone, Debug, Deserialize)]
pub struct Listed {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: InvoiceId,
    /// Its number.
    pub number: String,
    #[serde(deserialize_with = "month")]
    /// Its month.
    pub month: Month,
    /// Its currency.
    pub currency: Currency,
    /// In minor units.
    pub total: i64,
    /// What it is for.
    pub says: String,
    /// Where it stands.
    pub status: Status,
    #[serde(deserialize_with = "time")]
    /// When it was made.
    pub issued_at: Time,
    #[serde(deserialize_with = "time")]
    /// Until when it is to be paid.
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
impl Listed {
    /// Whether it takes another one back.
    pub fn is_note(&self) -> bool {
        self.is_note == 1
    }
}

/// An invoice.
#[derive(Clone, Debug)]
pub struct Invoice {
    /// Its id.
    pub id: InvoiceId,
    /// Whose account it is for.
    pub account: AccountId,
    /// Its number.
    pub number: String,
    /// All that stands on it.
    pub document: Document,
    /// In minor units.
    pub total: i64,
    /// Where it stands.
    pub status: Status,
    /// When it was made.
    pub issued_at: Time,
    /// Until when it is to be paid.
    pub due_at: Time,
    /// When it was paid.
    pub paid_at: Option<Time>,
    /// How it was paid, or why it was taken back.
    pub note: String,
    /// A payment that is on its way, or the last one that failed: its state, and why.
    pub charge: Option<(String, String)>,
    /// The credit note that takes it back.
    pub credited_by: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: InvoiceId,
    account_id: AccountId,
    number: String,
    document: String,
    total: i64,
    status: Status,
    issued_at: Time,
    due_at: Time,
    paid_at: Option<Time>,
    note: String,
    charge_state: Option<String>,
    charge_detail: Option<String>,
    credited_by: Option<String>,
}
impl TryFrom<Row> for Invoice {
    type Error = Error;
    fn try_from(it: Row) -> Result<Invoice> {
        Ok(Invoice {
            id: it.id,
            account: it.account_id,
            number: it.number,
            document: serde_json::from_str(&it.document).map_err(|it| Error::Internal(it.to_string()))?,
            total: it.total,
            status: it.status,
            issued_at: it.issued_at,
            due_at: it.due_at,
            paid_at: it.paid_at,
            note: it.note,
            charge: it.charge_state.zip(it.charge_detail),
            credited_by: it.credited_by,
        })
    }
}

macro_rules! invoice {
    ($rest:literal) => {
        concat!(
            "select i.id, i.account_id, i.number, i.document, i.total, i.status, i.issued_at, i.due_at, i.paid_at, i.note,
                c.state as charge_state, c.detail as charge_detail, n.number as credited_by
             from invoices i left join invoices n on n.credits_id = i.id
             left join charges c on c.id = (select x.id from charges x where x.invoice_id = i.id order by x.id desc limit 1) ",
            $rest
        )
    };
}

/// The account's invoices, newest first.
pub async fn list(scope: &mut Scope, after: Option<InvoiceId>, limit: i64) -> Result<Vec<Invoice>> {
    let after = after.unwrap_or(InvoiceId(Uuid::max()));
    let sql = invoice!("where i.account_id = $1 and i.id < $2 order by i.id desc limit $3");
    let rows: Vec<Row> = scope.ask(sql).bind(after).bind(limit).fetch_all().await?;
    rows.into_iter().map(Invoice::try_from).collect()
}

/// One invoice of the account, by its number.
pub async fn find(scope: &mut Scope, number: &str) -> Result<Invoice> {
    let sql = invoice!("where i.account_id = $1 and i.number = $2");
    let found: Option<Row> = scope.ask(sql).bind(number.to_owned()).fetch_optional().await?;
    found.ok_or(Error::NotFound)?.try_into()
}

/// Any invoice, by its id: for operators.
pub async fn by_id(scope: &mut Scope<Me>, id: InvoiceId) -> Result<Invoice> {
    let found: Option<Row> = scope.sql(invoice!("where i.id = $1")).bind(id).fetch_optional().await?;
    found.ok_or(Error::NotFound)?.try_into()
}

/// What is open, oldest first, at most a hundred: for operators.
pub async fn open(change: &mut Change<Me>) -> Result<Vec<InvoiceId>> {
    operator(change)?;
    let sql = "select id from invoices where status = 'open' order by id limit 100";
    let found: Vec<(InvoiceId,)> = change.sql(sql).fetch_all().await?;
    Ok(found.into_iter().map(|it| it.0).collect())
}

/// Whose an invoice is: for operators.
pub async fn account_of(scope: &mut Scope<Me>, id: InvoiceId) -> Result<AccountId> {
    let sql = "select account_id from invoices where id = $1";
    let found: Option<(AccountId,)> = scope.sql(sql).bind(id).fetch_optional().await?;
    found.map(|it| it.0).ok_or(Error::NotFound)
}

/// Takes an invoice's row, so that what becomes of it is decided once.
pub(super) async fn take<W: Who>(change: &mut Change<W>, id: InvoiceId) -> Result<Invoice> {
    change.sql("select 1 from invoices where id = $1 for no key update").bind(id).execute().await?;
    let found: Option<Row> = change.sql(invoice!("where i.id = $1")).bind(id).fetch_optional().await?;
    found.ok_or(Error::NotFound)?.try_into()
}

fn operator(change: &Change<Me>) -> Result<()> {
    if change.who().operator { Ok(()) } else { Err(Error::NotFound) }
}

/// What is said of an invoice that is not open.
pub(super) fn not_open(it: &Invoice) -> Error {
    let (code, detail) = match it.status {
        Status::Paid => ("already_paid", format!("{} is paid already. Nothing was charged.", it.number)),
        Status::Void => ("void", format!("{} is void: nobody owes it.", it.number)),
        _ => ("credited", format!("{} was taken back by a credit note: nobody owes it.", it.number)),
    };
    Error::conflict(code, detail)
}

/// Writes down that an invoice is paid: once.
pub(super) async fn paid<W: Who>(change: &mut Change<W>, it: &Invoice, note: &str) -> Result<()> {
    let now = change.now();
    let sql = "update invoices set status = 'paid', paid_at = $2, note = $3, updated_at = $2 where id = $1 and status = 'open'";
    change.sql(sql).bind(it.id).bind(now).bind(note.to_owned()).execute().await?;
    let did = Did::to("invoice.paid", "invoice", it.id, &it.number);
    let did = did.changed(json!({ "status": "open" }), json!({ "status": "paid", "note": note }));
    audit::write(change, Chain::Account(it.account), did).await
}

/// The operator got the money: by a transfer, say, with a reference.
pub async fn mark_paid(change: &mut Change<Me>, id: InvoiceId, reference: &str) -> Result<Invoice> {
    operator(change)?;
    let it = take(change, id).await?;
    if it.status != Status::Open {
        return Err(not_open(&it));
    }
    let reference = sentence(
        "reference",
        reference,
        "Enter what says where the money came from, such as the transfer’s reference.",
    )?;
    let now = change.now();
    // A payment by card that nobody has sent yet is not sent any more; one that is on its way is waited for.
    let sql = "update charges set state = 'failed', detail = 'Paid by hand', next_at = null, updated_at = $2
        where invoice_id = $1 and state = 'asked' and attempts = 0";
    change.sql(sql).bind(id).bind(now).execute().await?;
    let sql = "select state from charges where invoice_id = $1 and state <> 'failed'";
    if change.sql(sql).bind(id).fetch_optional::<(String,)>().await?.is_some() {
        let detail = "A payment by card is on its way. Wait until it has arrived or failed, then try again.";
        return Err(Error::conflict("payment_under_way", detail));
    }
    paid(change, &it, &reference).await?;
    Ok(it)
}

/// An open invoice was a mistake. Its number stays, and credits that it took wait again.
pub async fn void(change: &mut Change<Me>, id: InvoiceId, reason: &str) -> Result<Invoice> {
    operator(change)?;
    let it = take(change, id).await?;
    if it.status != Status::Open {
        return Err(not_open(&it));
    }
    let reason = sentence("reason", reason, "Say why.")?;
    not_under_way(change, &it).await?;
    ends(change, &it, Status::Void, &reason).await?;
    let sql = "update adjustments set invoice_id = null where invoice_id = $1 and amount < 0";
    change.sql(sql).bind(id).execute().await?;
    Ok(it)
}

async fn not_under_way(change: &mut Change<Me>, it: &Invoice) -> Result<()> {
    let sql = "select state from charges where invoice_id = $1 and state in ('asked', 'processing')";
    if change.sql(sql).bind(it.id).fetch_optional::<(String,)>().await?.is_some() {
        let detail = "A payment by card is on its way. Wait until it has arrived or failed, then try again.";
        return Err(Error::conflict("payment_under_way", detail));
    }
    Ok(())
}

async fn ends(change: &mut Change<Me>, it: &Invoice, status: Status, reason: &str) -> Result<()> {
    let now = change.now();
    let sql = "update invoices set status = $2, paid_at = null, note = $3, updated_at = $4 where id = $1";
    change.sql(sql).bind(it.id).bind(status).bind(reason.to_owned()).bind(now).execute().await?;
    let action = if status == Status::Void { "invoice.voided" } else { "invoice.credited" };
    let did = Did::to(action, "invoice", it.id, &it.number);
    let did = did.changed(json!({ "status": it.status }), json!({ "status": status, "reason": reason }));
    audit::write(change, Chain::Account(it.account), did).await
}

/// Takes an invoice back by a credit note, which has a number of its own. What was paid for it is taken off the next one.
pub async fn credit(change: &mut Change<Me>, id: InvoiceId, reason: &str) -> Result<String> {
    operator(change)?;
    let it = take(change, id).await?;
    if !matches!(it.status, Status::Open | Status::Paid) || it.document.credits.is_some() || it.total == 0 {
        return Err(Error::conflict(
            "not_creditable",
            "Only an invoice that is open or paid, and not for nothing, can be taken back.",
        ));
    }
    let reason = sentence("reason", reason, "Say why.")?;
    not_under_way(change, &it).await?;
    let was_paid = it.status == Status::Paid;
    ends(change, &it, Status::Credited, &reason).await?;
    let note = it.document.credit_note(&it.number);
    let number = issue::write(change, it.account, &note, Some(it.id), &reason).await?.number;
    if was_paid {
        let reason = format!("Paid for {}, which {number} takes back", it.number);
        add(change, it.account, -it.document.net(), &reason).await?;
    }
    Ok(number)
}

/// The operator adds something to the account's next invoice, or takes something off it.
pub async fn adjust(change: &mut Change<Me>, account: AccountId, amount: &str, reason: &str) -> Result<i64> {
    operator(change)?;
    change.sql("select 1 from accounts where id = $1 for no key update").bind(account).execute().await?;
    let sql = "select kind from accounts where id = $1";
    match change.sql(sql).bind(account).fetch_optional::<(String,)>().await?.as_ref().map(|it| it.0.as_str()) {
        None => return Err(Error::NotFound),
        Some("team") => return Err(Error::conflict("parent_pays", "A team has no bills of its own.")),
        Some(_) => {}
    }
    let amount = change.kit().catalog.currency.read(amount).map_err(Error::at("amount"))?;
    if amount == 0 || amount.abs() > 100_000_000_000 {
        return Err(Error::invalid(
            "amount",
            "out_of_range",
            "Enter an amount that is not nothing, and not more than anybody owes.",
        ));
    }
    let reason = sentence("reason", reason, "Say what it is for: it stands on the invoice.")?;
    add(change, account, amount, &reason).await?;
    Ok(amount)
}

async fn add<W: Who>(change: &mut Change<W>, account: AccountId, amount: i64, reason: &str) -> Result<()> {
    let id = put_down(change, account, amount, reason).await?;
    let did = Did::to("invoice.adjusted", "adjustment", id, reason);
    let says = change.kit().catalog.currency.says(amount);
    audit::write(change, Chain::Account(account), did.changed(Value::Null, json!({ "amount": says }))).await
}

/// A line of the next invoice.
async fn put_down<W: Who>(
    change: &mut Change<W>,
    account: AccountId,
    amount: i64,
    reason: &str,
) -> Result<AdjustmentId> {
    let (id, now, by) = (AdjustmentId(change.kit().id()), change.now(), change.who().actor().name);
    let sql = "insert into adjustments (id, account_id, amount, reason, by_name, created_at) values ($1, $2, $3, $4, $5, $6)";
    change
        .sql(sql)
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

fn sentence(field: &'static str, text: &str, missing: &str) -> Result<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return Err(Error::invalid(field, "required", missing));
    }
    if text.chars().count() > 200 || text.chars().any(char::is_control) {
        return Err(Error::invalid(field, "too_long", "Use at most 200 characters, on one line."));
    }
    Ok(text)
}

/// What a command or the worker tells of a month.
pub async fn is_closed(scope: &mut Scope<Host>, month: Month) -> Result<bool> {
    let sql = "select month from closings where month = $1 and finished_at is not null";
    Ok(scope.sql(sql).bind(month).fetch_optional::<(Month,)>().await?.is_some())
}
