//! What the platform sells, from `catalog.toml`: products, kinds of resources, meters, plans.
use super::{
    money::{Currency, Price},
    quantity::Quantity,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::collections::BTreeMap;

/// The platform's catalogue.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// ISO 4217.
    pub currency: Currency,
    /// Who sells: what stands at the head of an invoice.
    #[serde(default)]
    pub seller: Seller,
    /// What is added to every invoice, if anything.
    #[serde(default)]
    pub tax: Option<Tax>,
    /// How many days there are to pay an invoice.
    #[serde(default = "thirty")]
    pub payment_days: u16,
    /// The products.
    pub products: Vec<Product>,
    /// The kinds of resources.
    pub kinds: Vec<ResourceKind>,
    /// What is metered.
    pub meters: Vec<Meter>,
    /// The plans, cheapest first. A new account is on the first.
    pub plans: Vec<Plan>,
    /// The rate limits of our own API, for each account.
    #[serde(default = "api")]
    pub api: Vec<RateLimit>,
}

fn api() -> Vec<RateLimit> {
    vec![RateLimit { requests: 1200, seconds: 60, name: None }]
}

fn thirty() -> u16 {
    30
}

/// Who sells, as invoices name them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seller {
    /// The company; none: the installation's address.
    pub name: String,
    /// Its address, a line each.
    pub address: Vec<String>,
    /// Its tax id.
    pub tax_id: String,
    /// Where questions go.
    pub email: String,
    /// How to pay by hand: an account's number, a sentence each.
    pub pay_to: Vec<String>,
}

/// A tax on everything that is sold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tax {
    /// As people say it: `VAT`.
    pub name: String,
    /// In percent, as a decimal: `19`, `8.1`.
    pub percent: Amount,
}

/// A quantity, as a catalogue writes it: a whole number, or a decimal in quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount(pub Quantity);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Amount, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Whole(i64),
            Text(String),
        }
        let text = match Written::deserialize(from) {
            Ok(Written::Whole(it)) => it.to_string(),
            Ok(Written::Text(it)) => it,
            Err(_) => {
                return Err(D::Error::custom("write a whole number, or a decimal in quotes, such as “12.5”"));
            }
        };
        Quantity::parse(&text).map(Amount).map_err(|it| D::Error::custom(it.detail))
    }
}

/// A product of the platform.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// Its word: `video`.
    pub id: String,
    /// As people say it: `Video`.
    pub name: String,
}

/// A kind of resource.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceKind {
    /// Its word: `video_collection`.
    pub id: String,
    /// As people say it: `Video collection`.
    pub name: String,
    /// The products that have it.
    pub products: Vec<String>,
    /// Whether a source-specific grant may list it.
    #[serde(default)]
    pub is_source: bool,
    /// Whether one comes with credentials: an access key's id and its secret.
    #[serde(default)]
    pub has_credentials: bool,
}

/// Something metered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meter {
    /// Its word: `credits`.
    pub id: String,
    /// As people say it.
    pub name: String,
    /// What one of it is called, if it has a name of its own: `minute`.
    #[serde(default)]
    pub unit: String,
}

/// A plan.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Its word: `free`.
    pub id: String,
    /// As people say it.
    pub name: String,
    /// A month's price in minor units of the currency.
    #[serde(default)]
    pub price: i64,
    /// Rate limits, shared by all keys of the account and its teams.
    #[serde(default)]
    pub limits: Vec<RateLimit>,
    /// How much of each meter its price includes, a month.
    #[serde(default)]
    pub included: BTreeMap<String, Amount>,
    /// What one unit beyond that costs, by meter: a decimal of the currency, such as `0.005`.
    #[serde(default)]
    pub overage: BTreeMap<String, String>,
    /// What else it has, in words.
    #[serde(default)]
    pub features: Vec<String>,
    /// How many members it is for; none: any number.
    #[serde(default)]
    pub seats: Option<u32>,
}

/// So many in so long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PlanLimit)]
pub struct RateLimit {
    /// At most.
    #[schema(example = 600)]
    pub requests: u32,
    /// Within this many seconds.
    #[schema(example = 60)]
    pub seconds: u32,
    /// What programs are told that it is called; `minute` and the like if nothing is said.
    #[serde(default)]
    #[schema(example = "minute")]
    pub name: Option<String>,
}

impl RateLimit {
    /// What programs are told that it is called.
    pub fn name(&self) -> String {
        let usual = match self.seconds {
            1 => "second",
            60 => "minute",
            3600 => "hour",
            86_400 => "day",
            other => return self.name.clone().unwrap_or_else(|| format!("{other}s")),
        };
        self.name.clone().unwrap_or_else(|| usual.to_owned())
    }
}

/// What is wrong with the dimensions of one rate limit.
fn faulty(limits: &[RateLimit]) -> Option<&'static str> {
    let is_word = |it: &String| {
        (1..=40).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it))
    };
    let twice = |at: usize| limits[..at].iter().any(|it| it.seconds == limits[at].seconds);
    if limits.iter().any(|it| !(1..=31 * 86_400).contains(&it.seconds)) {
        return Some("a limit's window has 1 to 2678400 seconds");
    }
    if (0..limits.len()).any(twice) {
        return Some("two limits have the same window");
    }
    limits
        .iter()
        .any(|it| !it.name.as_ref().is_none_or(is_word))
        .then_some("a limit's name has 1 to 40 letters, digits, hyphens and underscores")
}

impl Plan {
    /// How much of a meter its price includes.
    pub fn included(&self, meter: &str) -> Quantity {
        self.included.get(meter).map(|it| it.0).unwrap_or_default()
    }
    /// What one unit of a meter beyond that costs; none if it is not sold.
    pub fn overage(&self, meter: &str, currency: Currency) -> Option<Price> {
        self.overage.get(meter).and_then(|it| Price::parse(it, currency).ok())
    }
    /// Its seats in words.
    pub fn seats_in_words(&self) -> String {
        match self.seats {
            None => "Any number of members".to_owned(),
            Some(1) => "1 member".to_owned(),
            Some(many) => format!("{} members", grouped(many)),
        }
    }
    /// Its rate limits in words: `60 requests a minute, 10,000 a day`.
    pub fn limits_in_words(&self) -> String {
        let in_words = |(at, it): (usize, &RateLimit)| {
            let noun = match (at, it.requests) {
                (0, 1) => " request",
                (0, _) => " requests",
                _ => "",
            };
            let span = match it.seconds {
                1 => "a second".to_owned(),
                60 => "a minute".to_owned(),
                3600 => "an hour".to_owned(),
                86_400 => "a day".to_owned(),
                other => format!("in {other} seconds"),
            };
            format!("{}{noun} {span}", grouped(it.requests))
        };
        if self.limits.is_empty() {
            return "No rate limit".to_owned();
        }
        self.limits.iter().enumerate().map(in_words).collect::<Vec<_>>().join(", ")
    }
}

/// `10,000`.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Catalog {
    /// The one that is inside the program.
    pub const BUILT_IN: &str = include_str!("catalog.toml");

    /// Reads and checks a catalogue; says what is wrong with it.
    pub fn parse(text: &str) -> Result<Catalog, String> {
        let it: Catalog = toml::from_str(text).map_err(|it| it.to_string())?;
        if it.products.is_empty() || it.plans.is_empty() {
            return Err("a catalogue needs at least one product and one plan".into());
        }
        for limits in it.plans.iter().map(|it| &it.limits).chain([&it.api]) {
            if let Some(fault) = faulty(limits) {
                return Err(fault.into());
            }
        }
        let unknown = it.kinds.iter().flat_map(|kind| &kind.products).find(|id| it.product(id).is_none());
        if let Some(id) = unknown {
            return Err(format!("a kind names the product “{id}”, which is not among the products"));
        }
        it.check().map(|()| it)
    }
    /// What the types do not say.
    fn check(&self) -> Result<(), String> {
        let meter = |id: &str| self.meters.iter().any(|it| it.id == id);
        for (at, plan) in self.plans.iter().enumerate() {
            let name = &plan.id;
            if self.plans[..at].iter().any(|it| it.id == *name) {
                return Err(format!("the plan “{name}” is there twice"));
            }
            if plan.price < 0 {
                return Err(format!("the plan “{name}” has a price below zero"));
            }
            if let Some(id) = plan.included.keys().chain(plan.overage.keys()).find(|id| !meter(id)) {
                return Err(format!(
                    "the plan “{name}” names the meter “{id}”, which is not among the meters"
                ));
            }
            for (id, price) in &plan.overage {
                Price::parse(price, self.currency).map_err(|it| {
                    format!("the plan “{name}” has no price beyond what it includes of “{id}”: {}", it.detail)
                })?;
            }
        }
        let hundred = Quantity::from_whole(100);
        match &self.tax {
            Some(tax) if tax.percent.0 > hundred => Err("a tax is at most 100 percent".into()),
            Some(tax) if tax.name.trim().is_empty() => Err("the tax has no name".into()),
            _ => Ok(()),
        }
    }
    /// A meter's name; its word if the catalogue no longer has it.
    pub fn meter_name<'a>(&'a self, id: &'a str) -> &'a str {
        self.meters.iter().find(|it| it.id == id).map_or(id, |it| &it.name)
    }
    /// A product by its word.
    pub fn product(&self, id: &str) -> Option<&Product> {
        self.products.iter().find(|it| it.id == id)
    }
    /// A product's name; its word if the catalogue no longer has it.
    pub fn product_name<'a>(&'a self, id: &'a str) -> &'a str {
        self.product(id).map_or(id, |it| &it.name)
    }
    /// A kind of resource by its word.
    pub fn kind(&self, id: &str) -> Option<&ResourceKind> {
        self.kinds.iter().find(|it| it.id == id)
    }
    /// A kind's name; its word if the catalogue no longer has it.
    pub fn kind_name<'a>(&'a self, id: &'a str) -> &'a str {
        self.kind(id).map_or(id, |it| &it.name)
    }
    /// A plan by its word.
    pub fn plan(&self, id: &str) -> Option<&Plan> {
        self.plans.iter().find(|it| it.id == id)
    }
    /// The plan of a new account.
    pub fn first_plan(&self) -> &Plan {
        &self.plans[0]
    }
    /// A plan's name; its word if the catalogue no longer has it.
    pub fn plan_name<'a>(&'a self, id: &'a str) -> &'a str {
        self.plan(id).map_or(id, |it| &it.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_read_as_people_say_them() {
        let says = |limits: &[(u32, u32)]| {
            let limits =
                limits.iter().map(|it| RateLimit { requests: it.0, seconds: it.1, name: None }).collect();
            Plan { limits, ..Plan::default() }.limits_in_words()
        };
        assert_eq!(says(&[(60, 60), (10_000, 86_400)]), "60 requests a minute, 10,000 a day");
        assert_eq!(says(&[(1, 1), (1_234_567, 90)]), "1 request a second, 1,234,567 in 90 seconds");
        assert_eq!(says(&[]), "No rate limit");
    }

    #[test]
    fn a_catalogue_says_what_is_wrong_with_it() {
        let with = |from: &str, to: &str| Catalog::parse(&Catalog::BUILT_IN.replace(from, to)).map(drop);
        assert_eq!(with("", ""), Ok(()));
        let cases = [
            ("currency = \"EUR\"", "currency = \"euro\"", "ISO 4217"),
            ("included = { credits = 1000 }", "included = { tokens = 1000 }", "“tokens”"),
            ("included = { credits = 1000 }", "included = { credits = -1 }", "not negative"),
            ("credits = \"0.005\"", "credits = \"cheap\"", "“developer”"),
            ("credits = \"0.005\"", "credits = \"-1\"", "no price"),
            ("price = 4900", "price = -4900", "below zero"),
            ("id = \"enterprise\"", "id = \"free\"", "twice"),
            ("price = 4900", "prize = 4900", "prize"),
        ];
        for (from, to, says) in cases {
            assert!(Catalog::BUILT_IN.contains(from), "{from}");
            let said = with(from, to).expect_err(to);
            assert!(said.contains(says), "{to}: {said}");
        }
        let taxed = Catalog::BUILT_IN
            .replace("currency = \"EUR\"", "currency = \"EUR\"\ntax = { name = \"VAT\", percent = 190 }");
        assert!(Catalog::parse(&taxed).is_err_and(|it| it.contains("100 percent")));
    }
}
