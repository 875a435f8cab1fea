//! Issues invoices.
use super::{
    Change, InvoiceListItem,
    audit::{self, Chain, NewEvent},
    insert_adjustment,
};
use crate::{
    context::Context,
    emails,
    error::Result,
    model::{
        bill::Bill,
        calendar::{Day, Month},
        catalog::Seller,
        id::{AccountId, ChargeId, InvoiceId},
        invoice::{Document, Line, number},
        time::DAY,
    },
    store::{
        billing::{self, BillingFacts},
        outbox::{self, DeliveryKind},
        site,
    },
};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub struct IssuedInvoice {
    pub id: InvoiceId,
    pub number: String,
    /// In minor units.
    pub total: i64,
}

/// Issues a month's invoice, if there is anything to bill. The caller holds the account's row.
pub(super) async fn of_month<A>(
    change: &mut Change<A>,
    account: AccountId,
    month: Month,
) -> Result<Option<IssuedInvoice>> {
    let facts = billing::facts(change, account, None, 0).await?;
    issue(change, account, month, &facts, false).await
}

/// Bills an account up to today, before it is deleted.
pub async fn settle<A>(change: &mut Change<A>, account: AccountId) -> Result<Option<IssuedInvoice>> {
    let facts = billing::facts(change, account, None, 0).await?;
    let end = Day::of(change.now()).plus(1).start();
    let facts = BillingFacts { past: facts.past.with(end, ""), ..facts };
    issue(change, account, facts.period, &facts, true).await
}

async fn issue<A>(
    change: &mut Change<A>,
    account: AccountId,
    month: Month,
    facts: &BillingFacts,
    is_last: bool,
) -> Result<Option<IssuedInvoice>> {
    let used = billing::used(change, account, month).await?;
    let catalog = change.context().catalog.clone();
    let bill = billing::bill_of(facts, &catalog, month, &used);
    if bill.is_empty() {
        return Ok(None);
    }
    let document = document(change, account, month, facts, &bill).await?;
    let issued = write(change, account, &document, None, "").await?;
    let sql = "update adjustments set invoice_id = $2 where account_id = $1 and invoice_id is null";
    change.query_unscoped(sql).bind(account).bind(issued.id).execute().await?;
    if bill.carried < 0 && !is_last {
        let reason = format!("Carried over from {}", issued.number);
        insert_adjustment(change, account, bill.carried, &reason).await?;
    }
    notify(change, account, facts, &document, &issued, is_last).await?;
    Ok(Some(issued))
}

async fn document<A>(
    change: &mut Change<A>,
    account: AccountId,
    month: Month,
    facts: &BillingFacts,
    bill: &Bill,
) -> Result<Document> {
    let context = change.context().clone();
    let (kind,) =
        change.query_unscoped("select kind from accounts where id = $1").bind(account).fetch_one().await?;
    Ok(Document {
        seller: seller(&context),
        account: facts.name.clone(),
        kind,
        bill_to: facts.details.clone(),
        currency: context.catalog.currency,
        month,
        lines: bill.lines.clone(),
        credits: None,
    })
}

/// The seller of the catalogue; without one, the installation's host name.
pub fn seller(context: &Context) -> Seller {
    let seller = context.catalog.seller.clone();
    let name = if seller.name.is_empty() { site(context).host.to_owned() } else { seller.name };
    Seller { name, ..seller }
}

/// Stores an invoice under the next number of the year.
pub(super) async fn write<A>(
    change: &mut Change<A>,
    account: AccountId,
    document: &Document,
    credits: Option<InvoiceId>,
    note: &str,
) -> Result<IssuedInvoice> {
    let (id, now) = (InvoiceId(change.context().id()), change.now());
    let year = now.date(&TimeZone::UTC)[..4].parse().unwrap_or(0);
    let (count,): (i64,) = change
        .query_unscoped(
            "insert into invoice_numbers (year, last) values ($1, 1)
             on conflict (year) do update set last = invoice_numbers.last + 1 returning last",
        )
        .bind(year)
        .fetch_one()
        .await?;
    let (number, total) = (number(year, count), document.total());
    let is_settled = credits.is_some() || total == 0;
    let says = match &document.credits {
        Some(number) => format!("Credit note for {number}"),
        None => document.summary(),
    };
    let due = now.plus(DAY * u32::from(change.context().catalog.payment_days));
    let text = serde_json::to_string(document).expect("an invoice is JSON");
    change
        .query_unscoped(
            "insert into invoices (id, account_id, number, month, credits_id, currency, total, title, document, issued_at, due_at,
                status, paid_at, note, updated_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $10)",
        )
        .bind(id)
        .bind(account)
        .bind(number.clone())
        .bind(document.month)
        .bind(credits)
        .bind(document.currency.code())
        .bind(total)
        .bind(says)
        .bind(text)
        .bind(now)
        .bind(due)
        .bind(if is_settled { "paid" } else { "open" })
        .bind(is_settled.then_some(now))
        .bind(if is_settled && note.is_empty() { "Nothing to pay".to_owned() } else { note.to_owned() })
        .execute()
        .await?;
    let event = NewEvent::on("invoice.issued", "invoice", id, &number);
    let after = json!({ "month": document.month, "total": document.currency.format(total) });
    audit::record_in(change, Chain::Account(account), event.changed(Value::Null, after)).await?;
    if !is_settled {
        charge_card(change, account, id, total, document.currency.code()).await?;
    }
    Ok(IssuedInvoice { id, number, total })
}

/// Schedules a charge of the card on file. Until it is sent, the invoice can still be paid another way.
async fn charge_card<A>(
    change: &mut Change<A>,
    account: AccountId,
    invoice: InvoiceId,
    total: i64,
    currency: &str,
) -> Result<()> {
    let (charge, now, by) = (ChargeId(change.context().id()), change.now(), change.actor().name());
    let made = change
        .query_unscoped(
            "insert into charges (id, invoice_id, account_id, customer, method, amount, currency, state, by_name, created_at,
                updated_at)
             select $1, $2, account_id, customer, method, $4, $5, 'asked', $7, $6, $6 from cards
             where account_id = $3 and method is not null",
        )
        .bind(charge)
        .bind(invoice)
        .bind(account)
        .bind(total)
        .bind(currency.to_owned())
        .bind(now)
        .bind(by)
        .execute()
        .await?;
    if made > 0 {
        outbox::enqueue(change, DeliveryKind::Charge, charge.0, now).await?;
    }
    Ok(())
}

/// Mails the invoice to the billing address, or else to the owner, and to the accountants.
async fn notify<A>(
    change: &mut Change<A>,
    account: AccountId,
    facts: &BillingFacts,
    document: &Document,
    issued: &IssuedInvoice,
    is_last: bool,
) -> Result<()> {
    let now = change.now();
    let sql = "select distinct u.email from grants g join memberships m on m.id = g.membership_id join users u on u.id = m.user_id
        where g.account_id = $1 and g.role = 'accountant' and g.scope = 'account' and in_force(g, $2)
            and active_member(m, $2) order by 1 limit 50";
    let accountants: Vec<(String,)> = change.query_unscoped(sql).bind(account).bind(now).fetch_all().await?;
    let first = if facts.details.email.is_empty() { &facts.owner_email } else { &facts.details.email };
    let mut to = vec![first.clone()];
    to.extend(accountants.into_iter().map(|row| row.0).filter(|email| !email.eq_ignore_ascii_case(first)));
    let (slug,): (String,) =
        change.query_unscoped("select slug from accounts where id = $1").bind(account).fetch_one().await?;
    let context = change.context().clone();
    let due = now.plus(DAY * u32::from(context.catalog.payment_days));
    let link = context.url(&format!("/a/{slug}/invoices/{}", issued.number));
    // A deleted account has no page any more, so the mail itself lists what is billed.
    let line = |line: &Line| format!("{}: {}", line.description, document.currency.format(line.amount));
    let lines: Vec<String> = if is_last { document.lines.iter().map(line).collect() } else { vec![] };
    let letter = emails::Invoice {
        number: &issued.number,
        account: &facts.name,
        what: &document.month.in_words(),
        total: &document.currency.format(issued.total),
        due: &due.day(&TimeZone::UTC),
        is_settled: issued.total == 0,
        is_charged: facts.card.is_some(),
        pay_to: &document.seller.pay_to,
        link: if is_last { "" } else { &link },
        lines: &lines,
    };
    for address in to {
        change.send(&emails::invoice_issued(&site(&context), &address, &letter)).await?;
    }
    Ok(())
}

impl InvoiceListItem {
    pub fn is_overdue(&self, now: crate::model::time::Time) -> bool {
        self.status == crate::model::invoice::InvoiceStatus::Open && self.due_at < now
    }
}
