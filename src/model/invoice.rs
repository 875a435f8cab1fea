//! An invoice: a document that never changes once it has its number.
use super::{
    account::Kind,
    calendar::Month,
    catalog::Seller,
    money::{self, Currency, Price},
    quantity::Quantity,
    text::{Email, Refusal, refuse},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use utoipa::ToSchema;

/// What a line is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = InvoiceLineKind)]
pub enum LineKind {
    /// The price of a plan, for a month or some days of it.
    #[default]
    Plan,
    /// Something metered.
    Usage,
    /// Something added by hand.
    Adjustment,
    /// Something taken off by hand.
    Credit,
    /// What was left of a credit.
    Carried,
    /// A tax.
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

/// One line: a quantity at a price, rounded once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What it is about.
    pub kind: LineKind,
    /// In words.
    pub description: String,
    /// How much.
    #[serde(serialize_with = "write", deserialize_with = "read")]
    pub quantity: Quantity,
    /// What one costs, in minor units.
    pub unit_price: Price,
    /// What all of it costs, in minor units.
    pub amount: i64,
    /// Where it was used, if not by the account itself.
    pub team: Option<Team>,
    /// Which meter.
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

fn write<S: Serializer>(it: &Quantity, to: S) -> Result<S::Ok, S::Error> {
    it.serialize(to)
}
fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Quantity, D::Error> {
    // A sum may be more than one event may report: read in two parts.
    let text = String::deserialize(from)?;
    let (whole, places) = text.split_once('.').unwrap_or((&text, ""));
    let nanos = format!("{places:0<9}").parse::<i64>().ok().filter(|_| places.len() <= 9);
    let parts = whole.parse::<i64>().ok().zip(nanos);
    parts.map(|(whole, nanos)| Quantity::of(whole, nanos)).ok_or_else(|| D::Error::custom("not a quantity"))
}

/// Where an invoice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, Serialize, Deserialize)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It waits to be paid.
    Open,
    /// It is paid.
    Paid,
    /// It was a mistake: nobody owes it.
    Void,
    /// A credit note took it back.
    Credited,
}

impl Status {
    /// Its word in the API.
    pub const fn word(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::Paid => "paid",
            Status::Void => "void",
            Status::Credited => "credited",
        }
    }
}

/// Who is billed, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = BillingDetails)]
pub struct Details {
    /// The company; none: the account's name.
    pub company: String,
    /// The address, a line each.
    pub address: String,
    /// The tax id.
    pub tax_id: String,
    /// Where invoices go.
    pub email: String,
    /// What the buyer wants to read on the invoice.
    pub po_number: String,
}

impl Details {
    /// Tidies what was typed, or says what is wrong with each field.
    pub fn parse(self) -> Result<Details, Vec<(&'static str, Refusal)>> {
        let mut faults = vec![];
        let mut keep = |field: &'static str, text: &str, most: usize| {
            let tidy = text.split_whitespace().collect::<Vec<_>>().join(" ");
            match line(&tidy, most) {
                Ok(()) => tidy,
                Err(it) => {
                    faults.push((field, it));
                    text.to_owned()
                }
            }
        };
        let company = keep("company", &self.company, 200);
        let tax_id = keep("tax_id", &self.tax_id, 40);
        let po_number = keep("po_number", &self.po_number, 60);
        let lines: Vec<&str> = self.address.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
        if lines.len() > 6 {
            faults.push((
                "address",
                Refusal { code: "too_long", detail: "An address has at most 6 lines.".into() },
            ));
        }
        if let Some(it) = lines.iter().find_map(|it| line(it, 120).err()) {
            faults.push(("address", it));
        }
        let address = lines.join("\n");
        let mut email = self.email.trim().to_owned();
        if !email.is_empty() {
            match Email::parse(&email) {
                Ok(it) => it.as_str().clone_into(&mut email),
                Err(it) => faults.push(("email", it)),
            }
        }
        if faults.is_empty() {
            Ok(Details { company, address, tax_id, email, po_number })
        } else {
            Err(faults)
        }
    }
}

fn line(text: &str, most: usize) -> Result<(), Refusal> {
    if text.chars().count() > most {
        return refuse("too_long", format!("This has at most {most} characters a line."));
    }
    if text.chars().any(char::is_control) {
        return refuse("invalid", "This holds control characters.");
    }
    Ok(())
}

/// All that stands on an invoice: written once, when it gets its number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Who sells.
    pub seller: Seller,
    /// Whose account it is for: its name.
    pub account: String,
    /// What kind of account.
    pub kind: Kind,
    /// Who is billed.
    pub bill_to: Details,
    /// In which currency.
    pub currency: Currency,
    /// The month.
    #[serde(with = "month")]
    pub month: Month,
    /// The lines, tax last.
    pub lines: Vec<Line>,
    /// The invoice that this one takes back, if it is a credit note.
    pub credits: Option<String>,
}

mod month {
    use crate::model::calendar::Month;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
    pub fn serialize<S: Serializer>(it: &Month, to: S) -> Result<S::Ok, S::Error> {
        it.serialize(to)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Month, D::Error> {
        Month::parse(&String::deserialize(from)?).ok_or_else(|| D::Error::custom("not a month"))
    }
}

impl Document {
    /// The sum of the lines.
    pub fn total(&self) -> i64 {
        money::total(self.lines.iter().map(|it| it.amount))
    }
    /// The sum before tax.
    pub fn net(&self) -> i64 {
        money::total(self.lines.iter().filter(|it| it.kind != LineKind::Tax).map(|it| it.amount))
    }
    /// The tax, if there is one.
    pub fn tax(&self) -> Option<&Line> {
        self.lines.iter().find(|it| it.kind == LineKind::Tax)
    }
    /// The lines but for tax.
    pub fn charges(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|it| it.kind != LineKind::Tax)
    }
    /// Who is billed, by name.
    pub fn buyer(&self) -> &str {
        if self.bill_to.company.is_empty() { &self.account } else { &self.bill_to.company }
    }
    /// What it is for, in a few words: `Developer · October 2026`.
    pub fn what(&self) -> String {
        let plan = self.lines.iter().rfind(|it| it.kind == LineKind::Plan);
        let plan = plan.and_then(|it| it.description.split_once(" plan,")).map(|it| format!("{} · ", it.0));
        format!("{}{}", plan.unwrap_or_default(), self.month.in_words())
    }
    /// What takes it back: each line the other way round.
    #[must_use]
    pub fn credit_note(&self, number: &str) -> Document {
        let turn = |it: &Line| Line { unit_price: it.unit_price.turned(), amount: -it.amount, ..it.clone() };
        Document {
            lines: self.lines.iter().map(turn).collect(),
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
    fn details_are_tidied_or_refused_field_by_field() {
        let typed = Details {
            company: " Nordlicht  GmbH ".into(),
            address: "Hafenstr. 1\r\n\r\n 20457 Hamburg \n".into(),
            email: "bills@acme.test ".into(),
            ..Details::default()
        };
        let tidy = typed.parse().expect("details");
        assert_eq!(
            (tidy.company.as_str(), tidy.address.as_str()),
            ("Nordlicht GmbH", "Hafenstr. 1\n20457 Hamburg")
        );
        assert_eq!(tidy.email, "bills@acme.test");
        let bad = Details {
            company: "x".repeat(201),
            address: "a\n".repeat(7),
            tax_id: "\u{7}".into(),
            email: "nobody".into(),
            po_number: "x".repeat(61),
        };
        let fields: Vec<&str> = bad.parse().expect_err("faults").iter().map(|it| it.0).collect();
        assert_eq!(fields, ["company", "tax_id", "po_number", "address", "email"]);
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
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
