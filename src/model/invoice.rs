//! Invoices and credit notes: documents that never change once they have a number.
use super::{
    account::Kind,
    calendar::Month,
    catalog::Seller,
    money::{self, Currency, Price},
    quantity::Quantity,
    text::{EmailAddress, ValidationError, refuse},
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use utoipa::ToSchema;

/// What a line is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = InvoiceLineKind)]
pub enum LineKind {
    /// The price of a plan, for a month or some days of it.
    #[default]
    Plan,
    Usage,
    /// A charge that an operator added.
    Adjustment,
    /// A credit that an operator added.
    Credit,
    /// The rest of credits that exceeded the invoice: goes to the next one.
    Carried,
    Tax,
}

/// A team, as an invoice names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = InvoiceTeam)]
pub struct Team {
    /// Its slug.
    #[schema(example = "trailers")]
    pub slug: String,
    /// Its name.
    #[schema(example = "Trailers")]
    pub name: String,
}

/// A quantity at a price, rounded once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub kind: LineKind,
    pub description: String,
    #[serde(deserialize_with = "read_quantity")]
    pub quantity: Quantity,
    pub unit_price: Price,
    /// In minor units.
    pub amount: i64,
    /// The team that used it; `None` for the account itself.
    pub team: Option<Team>,
    pub meter: Option<String>,
}
impl Default for Line {
    fn default() -> Line {
        Line {
            kind: LineKind::Plan,
            description: String::new(),
            quantity: Quantity::from_whole(1),
            unit_price: Price::ZERO,
            amount: 0,
            team: None,
            meter: None,
        }
    }
}

fn read_quantity<'de, D: Deserializer<'de>>(from: D) -> Result<Quantity, D::Error> {
    // A sum may exceed what `Quantity::parse` accepts.
    let text = String::deserialize(from)?;
    let (whole, places) = text.split_once('.').unwrap_or((&text, ""));
    let nanos = format!("{places:0<9}").parse::<i64>().ok().filter(|_| places.len() <= 9);
    let parts = whole.parse::<i64>().ok().zip(nanos);
    parts.map(|(whole, nanos)| Quantity::of(whole, nanos)).ok_or_else(|| D::Error::custom("not a quantity"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, Serialize, Deserialize)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum InvoiceStatus {
    Open,
    Paid,
    /// Cancelled before it was paid.
    Void,
    /// Taken back by a credit note.
    Credited,
}

impl InvoiceStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            InvoiceStatus::Open => "open",
            InvoiceStatus::Paid => "paid",
            InvoiceStatus::Void => "void",
            InvoiceStatus::Credited => "credited",
        }
    }
}

/// Who is billed, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = BillingDetails)]
pub struct BillingDetails {
    /// The company; empty for the name of the account.
    pub company: String,
    /// The address, a line each.
    pub address: String,
    /// The tax id.
    pub tax_id: String,
    /// Where invoices go.
    pub email: String,
    /// The customer's own reference, shown on the invoice.
    pub po_number: String,
}

impl BillingDetails {
    /// Collapses white space. Fails with an error for each invalid field.
    pub fn parse(self) -> Result<BillingDetails, Vec<(&'static str, ValidationError)>> {
        let mut faults = vec![];
        let mut parse = |field: &'static str, text: &str, max: usize| {
            let tidy = text.split_whitespace().collect::<Vec<_>>().join(" ");
            match check_line(&tidy, max) {
                Ok(()) => tidy,
                Err(error) => {
                    faults.push((field, error));
                    text.to_owned()
                }
            }
        };
        let company = parse("company", &self.company, 200);
        let tax_id = parse("tax_id", &self.tax_id, 40);
        let po_number = parse("po_number", &self.po_number, 60);
        let lines: Vec<&str> = self.address.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.len() > 6 {
            faults.push((
                "address",
                ValidationError { code: "too_long", detail: "An address has at most 6 lines.".into() },
            ));
        }
        if let Some(error) = lines.iter().find_map(|line| check_line(line, 120).err()) {
            faults.push(("address", error));
        }
        let address = lines.join("\n");
        let mut email = self.email.trim().to_owned();
        if !email.is_empty() {
            match EmailAddress::parse(&email) {
                Ok(address) => address.as_str().clone_into(&mut email),
                Err(error) => faults.push(("email", error)),
            }
        }
        if faults.is_empty() {
            Ok(BillingDetails { company, address, tax_id, email, po_number })
        } else {
            Err(faults)
        }
    }
}

fn check_line(text: &str, max: usize) -> Result<(), ValidationError> {
    if text.chars().count() > max {
        return refuse("too_long", format!("This has at most {max} characters a line."));
    }
    if text.chars().any(char::is_control) {
        return refuse("invalid", "This holds control characters.");
    }
    Ok(())
}

/// The content of an invoice, frozen when it gets its number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    pub seller: Seller,
    /// The name of the account.
    pub account: String,
    pub kind: Kind,
    pub bill_to: BillingDetails,
    pub currency: Currency,
    #[serde(with = "month")]
    pub month: Month,
    /// Tax last.
    pub lines: Vec<Line>,
    /// For a credit note: the number of the invoice that it takes back.
    pub credits: Option<String>,
}

mod month {
    use crate::model::calendar::Month;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde requires")]
    pub fn serialize<S: Serializer>(month: &Month, to: S) -> Result<S::Ok, S::Error> {
        month.serialize(to)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Month, D::Error> {
        Month::parse(&String::deserialize(from)?).ok_or_else(|| D::Error::custom("not a month"))
    }
}

impl Document {
    pub fn total(&self) -> i64 {
        money::total(self.lines.iter().map(|line| line.amount))
    }
    /// The total before tax.
    pub fn net(&self) -> i64 {
        money::total(self.lines.iter().filter(|line| line.kind != LineKind::Tax).map(|line| line.amount))
    }
    pub fn tax(&self) -> Option<&Line> {
        self.lines.iter().find(|line| line.kind == LineKind::Tax)
    }
    /// The lines without tax.
    pub fn charges(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.kind != LineKind::Tax)
    }
    /// The name of who is billed.
    pub fn buyer(&self) -> &str {
        if self.bill_to.company.is_empty() { &self.account } else { &self.bill_to.company }
    }
    /// `Developer · October 2026`.
    pub fn summary(&self) -> String {
        let plan = self.lines.iter().rfind(|line| line.kind == LineKind::Plan);
        let plan = plan
            .and_then(|line| line.description.split_once(" plan,"))
            .map(|parts| format!("{} · ", parts.0));
        format!("{}{}", plan.unwrap_or_default(), self.month.in_words())
    }
    /// The document that takes invoice `number` back: the same lines, negated.
    #[must_use]
    pub fn credit_note(&self, number: &str) -> Document {
        let negate = |line: &Line| Line {
            unit_price: line.unit_price.negated(),
            amount: -line.amount,
            ..line.clone()
        };
        Document {
            lines: self.lines.iter().map(negate).collect(),
            credits: Some(number.to_owned()),
            ..self.clone()
        }
    }
}

/// The number of an invoice: `GH-2026-0011`.
pub fn number(year: i64, count: i64) -> String {
    format!("GH-{year}-{count:04}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn billing_details_are_validated_field_by_field() {
        let typed = BillingDetails {
            company: " Nordlicht  GmbH ".into(),
            address: "Hafenstr. 1\r\n\r\n 20457 Hamburg \n".into(),
            email: "bills@acme.test ".into(),
            ..BillingDetails::default()
        };
        let tidy = typed.parse().expect("details");
        assert_eq!(
            (tidy.company.as_str(), tidy.address.as_str()),
            ("Nordlicht GmbH", "Hafenstr. 1\n20457 Hamburg")
        );
        assert_eq!(tidy.email, "bills@acme.test");
        let bad = BillingDetails {
            company: "x".repeat(201),
            address: "a\n".repeat(7),
            tax_id: "\u{7}".into(),
            email: "nobody".into(),
            po_number: "x".repeat(61),
        };
        let fields: Vec<&str> = bad.parse().expect_err("faults").iter().map(|fault| fault.0).collect();
        assert_eq!(fields, ["company", "tax_id", "po_number", "address", "email"]);
    }

    #[test]
    fn lines_survive_serialization() {
        let line = Line {
            quantity: Quantity::of(2_000_000_000_000, 5),
            unit_price: Price::minor(-49),
            team: Some(Team { slug: "ingest".into(), name: "Ingest".into() }),
            ..Line::default()
        };
        let json = serde_json::to_string(&line).expect("JSON");
        assert!(json.contains(r#""quantity":"2000000000000.000000005","unit_price":"-49""#), "{json}");
        assert_eq!(serde_json::from_str::<Line>(&json).expect("a line"), line);
        assert_eq!(number(2026, 11), "GH-2026-0011");
        assert_eq!(number(2026, 12_345), "GH-2026-12345");
    }
}
