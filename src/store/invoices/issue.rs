//! The moment at which an invoice gets its number.
use super::{
    Change, Listed, Who,
    audit::{self, Chain, Did},
    put_down,
};
use crate::{
    context::Kit,
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
        billing::{self, Facts},
        site,
    },
};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// An invoice that was just made.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Its id.
    pub id: InvoiceId,
    /// Its number.
    pub number: String,
    /// In minor units.
    pub total: i64,
}

/// Makes the invoice of a month, if there is anything to bill. The account's row is held.
pub(super) async fn of_month<W: Who>(
    change: &mut Change<W>,
    account: AccountId,
    month: Month,
) -> Result<Option<Issued>> {
    let facts = billing::facts(change, account, None, 0).await?;
    issue(change, account, month, &facts, false).await
}

/// Bills what an account owes up to now, before it is deleted: its plan ends with this day.
pub async fn settle<W: Who>(change: &mut Change<W>, account: AccountId) -> Result<Option<Issued>> {
    let facts = billing::facts(change, account, None, 0).await?;
    let end = Day::of(change.now()).plus(1).start();
    let facts = Facts { past: facts.past.with(end, ""), ..facts };
    issue(change, account, facts.period, &facts, true).await
}

async fn issue<W: Who>(
    change: &mut Change<W>,
    account: AccountId,
    month: Month,
    facts: &Facts,
    is_last: bool,
) -> Result<Option<Issued>> {
    let used = billing::used(change, account, month).await?;
    let catalog = change.kit().catalog.clone();
    let bill = billing::bill_of(facts, &catalog, month, &used);
    if bill.is_empty() {
        return Ok(None);
    }
    let document = document(change, account, month, facts, &bill).await?;
    let issued = write(change, account, &document, None, "").await?;
    let sql = "update adjustments set invoice_id = $2 where account_id = $1 and invoice_id is null";
    change.sql(sql).bind(account).bind(issued.id).execute().await?;
    if bill.carried < 0 && !is_last {
        let reason = format!("Carried over from {}", issued.number);
        put_down(change, account, bill.carried, &reason).await?;
    }
    tell(change, account, facts, &document, &issued, is_last).await?;
    Ok(Some(issued))
}

async fn document<W: Who>(
    change: &mut Change<W>,
    account: AccountId,
    month: Month,
    facts: &Facts,
    bill: &Bill,
) -> Result<Document> {
    let kit = change.kit().clone();
    let (kind,) = change.sql("select kind from accounts where id = $1").bind(account).fetch_one().await?;
    Ok(Document {
        seller: seller(&kit),
        account: facts.name.clone(),
        kind,
        bill_to: facts.details.clone(),
        currency: kit.catalog.currency,
        month,
        lines: bill.lines.clone(),
        credits: None,
    })
}

/// Who sells: the catalogue says it, or else the address under which people reach us does.
pub fn seller(kit: &Kit) -> Seller {
    let it = kit.catalog.seller.clone();
    let name = if it.name.is_empty() { site(kit).host.to_owned() } else { it.name };
    Seller { name, ..it }
}

/// Writes an invoice down under the next number of the year.
pub(super) async fn write<W: Who>(
    change: &mut Change<W>,
    account: AccountId,
    document: &Document,
    credits: Option<InvoiceId>,
    note: &str,
) -> Result<Issued> {
    let (id, now) = (InvoiceId(change.kit().id()), change.now());
    let year = now.date(&TimeZone::UTC)[..4].parse().unwrap_or(0);
    let (count,): (i64,) = change
        .sql(
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
        None => document.what(),
    };
    let due = now.plus(DAY * u32::from(change.kit().catalog.payment_days));
    let text = serde_json::to_string(document).expect("an invoice is JSON");
    change
        .sql(
            "insert into invoices (id, account_id, number, month, credits_id, currency, total, says, document, issued_at, due_at,
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
    let did = Did::to("invoice.issued", "invoice", id, &number);
    let after = json!({ "month": document.month, "total": document.currency.says(total) });
    audit::write(change, Chain::Account(account), did.changed(Value::Null, after)).await?;
    if !is_settled {
        charge_card(change, account, id, total, document.currency.code()).await?;
    }
    Ok(Issued { id, number, total })
}

/// A card that is on file is charged, unless somebody says how else it is paid before.
async fn charge_card<W: Who>(
    change: &mut Change<W>,
    account: AccountId,
    invoice: InvoiceId,
    total: i64,
    currency: &str,
) -> Result<()> {
    let (charge, now, by) = (ChargeId(change.kit().id()), change.now(), change.who().actor().name);
    change
        .sql(
            "insert into charges (id, invoice_id, account_id, customer, method, amount, currency, state, next_at, by_name,
                created_at, updated_at)
             select $1, $2, account_id, customer, method, $4, $5, 'asked', $6, $7, $6, $6 from cards
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
    Ok(())
}

/// Mails it to the address for invoices, or the owner's, and to the accountants.
async fn tell<W: Who>(
    change: &mut Change<W>,
    account: AccountId,
    facts: &Facts,
    document: &Document,
    issued: &Issued,
    is_last: bool,
) -> Result<()> {
    let now = change.now();
    let sql = "select distinct u.email from grants g join memberships m on m.id = g.membership_id join users u on u.id = m.user_id
        where g.account_id = $1 and g.role = 'accountant' and g.scope = 'account' and coalesce(g.expires_at, $2) >= $2
            and m.suspended_at is null and coalesce(m.expires_at, $2 + 1) > $2 order by 1 limit 50";
    let accountants: Vec<(String,)> = change.sql(sql).bind(account).bind(now).fetch_all().await?;
    let first = if facts.details.email.is_empty() { &facts.owner_email } else { &facts.details.email };
    let mut to = vec![first.clone()];
    to.extend(accountants.into_iter().map(|it| it.0).filter(|it| !it.eq_ignore_ascii_case(first)));
    let (slug,): (String,) =
        change.sql("select slug from accounts where id = $1").bind(account).fetch_one().await?;
    let kit = change.kit().clone();
    let due = now.plus(DAY * u32::from(kit.catalog.payment_days));
    let link = kit.url(&format!("/a/{slug}/invoices/{}", issued.number));
    // Of an account that is gone there is no page any more: the letter itself says what is billed.
    let line = |it: &Line| format!("{}: {}", it.description, document.currency.says(it.amount));
    let lines: Vec<String> = if is_last { document.lines.iter().map(line).collect() } else { vec![] };
    let letter = emails::Invoice {
        number: &issued.number,
        account: &facts.name,
        what: &document.month.in_words(),
        total: &document.currency.says(issued.total),
        due: &due.day(&TimeZone::UTC),
        is_settled: issued.total == 0,
        is_charged: facts.card.is_some(),
        pay_to: &document.seller.pay_to,
        link: if is_last { "" } else { &link },
        lines: &lines,
    };
    for address in to {
        change.post(&emails::invoice_issued(&site(&kit), &address, &letter)).await?;
    }
    Ok(())
}

/// Whether an invoice is listed as due.
impl Listed {
    /// Whether it is past its day.
    pub fn is_overdue(&self, now: crate::model::time::Time) -> bool {
        self.status == crate::model::invoice::Status::Open && self.due_at < now
    }
}
