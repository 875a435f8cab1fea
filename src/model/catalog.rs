//! What the platform sells, from `catalog.toml`: products, kinds of resources, meters and plans.
use super::{
    money::{Currency, Price},
    quantity::Quantity,
    text::grouped,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    pub currency: Currency,
    /// The head of invoices.
    #[serde(default)]
    pub seller: Seller,
    #[serde(default)]
    pub tax: Option<Tax>,
    /// The term of payment of invoices.
    #[serde(default = "default_payment_days")]
    pub payment_days: u16,
    pub products: Vec<Product>,
    pub kinds: Vec<ResourceKind>,
    pub meters: Vec<Meter>,
    /// The cheapest first. New accounts get the first.
    pub plans: Vec<Plan>,
    /// The rate limits of this program's own API, for each account.
    #[serde(default = "default_api_limits")]
    pub api: Vec<RateLimit>,
}

fn default_api_limits() -> Vec<RateLimit> {
    vec![RateLimit { requests: 1200, seconds: 60, name: None }]
}

fn default_payment_days() -> u16 {
    30
}

/// The seller, as invoices name them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seller {
    /// The company, or empty for the installation's URL.
    pub name: String,
    /// One element a line.
    pub address: Vec<String>,
    pub tax_id: String,
    pub email: String,
    /// How to pay an invoice by bank transfer, one sentence each.
    pub pay_to: Vec<String>,
}

/// A tax on everything.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tax {
    /// `VAT`.
    pub name: String,
    /// `19`, `8.1`.
    pub percent: Amount,
}

/// A quantity as written in the catalogue: a whole number, or a decimal in quotes.
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
            Ok(Written::Whole(number)) => number.to_string(),
            Ok(Written::Text(text)) => text,
            Err(_) => {
                return Err(D::Error::custom("write a whole number, or a decimal in quotes, such as “12.5”"));
            }
        };
        Quantity::parse(&text).map(Amount).map_err(|error| D::Error::custom(error.detail))
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    pub id: String,
    pub name: String,
    /// Its icon in the console: an id of `static/icons.svg`; empty for none.
    #[serde(default)]
    pub icon: String,
    #[serde(default)]
    pub tint: Tint,
}

/// The colour that badges and tiles give to a product. Each but `Neutral` is a class `tone-…` of the style sheet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tint {
    #[default]
    Neutral,
    Violet,
    Orange,
}

impl Tint {
    /// A tone of `ui::badge` and `ui::tile`; empty for neutral.
    pub fn tone(self) -> &'static str {
        match self {
            Tint::Neutral => "",
            Tint::Violet => "violet",
            Tint::Orange => "orange",
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceKind {
    pub id: String,
    pub name: String,
    pub products: Vec<String>,
    /// Whether grants of the source-specific role may list it.
    #[serde(default)]
    pub is_source: bool,
    /// Whether a resource of this kind has credentials: the id and the secret of an access key.
    #[serde(default)]
    pub has_credentials: bool,
    /// Its icon in the console: an id of `static/icons.svg`; empty for a general one.
    #[serde(default)]
    pub icon: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meter {
    pub id: String,
    pub name: String,
    /// The singular of its unit, such as `minute`, or empty.
    #[serde(default)]
    pub unit: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub id: String,
    pub name: String,
    /// Per month, in minor units of the currency.
    #[serde(default)]
    pub price: i64,
    /// Shared by all keys of the account and its teams.
    #[serde(default)]
    pub limits: Vec<RateLimit>,
    /// How much of each meter the price includes per month.
    #[serde(default)]
    pub included: BTreeMap<String, Amount>,
    /// The price of one more unit of each meter, as a decimal of the currency: `0.005`.
    #[serde(default)]
    pub overage: BTreeMap<String, String>,
    /// More features, as sentences for the console.
    #[serde(default)]
    pub features: Vec<String>,
    /// The number of members it is meant for; `None` for any number.
    #[serde(default)]
    pub seats: Option<u32>,
}

/// A rate limit: so many requests within a sliding window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PlanLimit)]
pub struct RateLimit {
    /// The most requests within the window.
    #[schema(example = 600)]
    pub requests: u32,
    /// The length of the window.
    #[schema(example = 60)]
    pub seconds: u32,
    /// Its name; derived from `seconds` if not given, such as `minute`.
    #[serde(default)]
    #[schema(example = "minute")]
    pub name: Option<String>,
}

impl RateLimit {
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

/// What is wrong with a list of limits, if anything.
fn limits_fault(limits: &[RateLimit]) -> Option<&'static str> {
    let is_name = |name: &String| {
        (1..=40).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let is_repeated = |at: usize| limits[..at].iter().any(|limit| limit.seconds == limits[at].seconds);
    if limits.iter().any(|limit| !(1..=31 * 86_400).contains(&limit.seconds)) {
        return Some("a limit's window has 1 to 2678400 seconds");
    }
    if (0..limits.len()).any(is_repeated) {
        return Some("two limits have the same window");
    }
    limits
        .iter()
        .any(|limit| !limit.name.as_ref().is_none_or(is_name))
        .then_some("a limit's name has 1 to 40 letters, digits, hyphens and underscores")
}

impl Plan {
    pub fn included(&self, meter: &str) -> Quantity {
        self.included.get(meter).map(|amount| amount.0).unwrap_or_default()
    }
    /// `None` if more than what is included is not charged.
    pub fn overage(&self, meter: &str, currency: Currency) -> Option<Price> {
        self.overage.get(meter).and_then(|price| Price::parse(price, currency).ok())
    }
    pub fn seats_in_words(&self) -> String {
        match self.seats {
            None => "Any number of members".to_owned(),
            Some(1) => "1 member".to_owned(),
            Some(many) => format!("{} members", grouped(many.into())),
        }
    }
    /// `60 requests a minute, 10,000 a day`.
    pub fn limits_in_words(&self) -> String {
        let in_words = |(at, limit): (usize, &RateLimit)| {
            let noun = match (at, limit.requests) {
                (0, 1) => " request",
                (0, _) => " requests",
                _ => "",
            };
            let span = match limit.seconds {
                1 => "a second".to_owned(),
                60 => "a minute".to_owned(),
                3600 => "an hour".to_owned(),
                86_400 => "a day".to_owned(),
                other => format!("in {other} seconds"),
            };
            format!("{}{noun} {span}", grouped(limit.requests.into()))
        };
        if self.limits.is_empty() {
            return "No rate limit".to_owned();
        }
        self.limits.iter().enumerate().map(in_words).collect::<Vec<_>>().join(", ")
    }
}

impl Catalog {
    /// The default, compiled into the program.
    pub const BUILT_IN: &str = include_str!("catalog.toml");

    /// Fails with a sentence about the first fault.
    pub fn parse(text: &str) -> Result<Catalog, String> {
        let catalog: Catalog = toml::from_str(text).map_err(|error| error.to_string())?;
        if catalog.products.is_empty() || catalog.plans.is_empty() {
            return Err("a catalogue needs at least one product and one plan".into());
        }
        for limits in catalog.plans.iter().map(|plan| &plan.limits).chain([&catalog.api]) {
            if let Some(fault) = limits_fault(limits) {
                return Err(fault.into());
            }
        }
        let unknown =
            catalog.kinds.iter().flat_map(|kind| &kind.products).find(|id| catalog.product(id).is_none());
        if let Some(id) = unknown {
            return Err(format!("a kind names the product “{id}”, which is not among the products"));
        }
        catalog.check().map(|()| catalog)
    }
    /// Checks what the types do not.
    fn check(&self) -> Result<(), String> {
        let meter = |id: &str| self.meters.iter().any(|meter| meter.id == id);
        for (at, plan) in self.plans.iter().enumerate() {
            let name = &plan.id;
            if self.plans[..at].iter().any(|other| other.id == *name) {
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
                Price::parse(price, self.currency).map_err(|error| {
                    format!(
                        "the plan “{name}” has no price beyond what it includes of “{id}”: {}",
                        error.detail
                    )
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
    /// Falls back to the id for a meter that the catalogue no longer has.
    pub fn meter_name<'a>(&'a self, id: &'a str) -> &'a str {
        self.meters.iter().find(|meter| meter.id == id).map_or(id, |meter| &meter.name)
    }
    pub fn product(&self, id: &str) -> Option<&Product> {
        self.products.iter().find(|product| product.id == id)
    }
    /// Falls back to the id, as `meter_name`.
    pub fn product_name<'a>(&'a self, id: &'a str) -> &'a str {
        self.product(id).map_or(id, |product| &product.name)
    }
    /// Empty for a product without an icon, and for one that the catalogue no longer has.
    pub fn product_icon(&self, id: &str) -> &str {
        self.product(id).map_or("", |product| &product.icon)
    }
    /// Empty for no colour, as `product_icon`.
    pub fn product_tone(&self, id: &str) -> &'static str {
        self.product(id).map_or("", |product| product.tint.tone())
    }
    pub fn kind(&self, id: &str) -> Option<&ResourceKind> {
        self.kinds.iter().find(|kind| kind.id == id)
    }
    /// Falls back to the id, as `meter_name`.
    pub fn kind_name<'a>(&'a self, id: &'a str) -> &'a str {
        self.kind(id).map_or(id, |kind| &kind.name)
    }
    /// Falls back to a general icon.
    pub fn kind_icon(&self, id: &str) -> &str {
        match self.kind(id) {
            Some(kind) if !kind.icon.is_empty() => &kind.icon,
            Some(kind) if kind.has_credentials => "cloud",
            _ => "boxes",
        }
    }
    pub fn plan(&self, id: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.id == id)
    }
    pub fn first_plan(&self) -> &Plan {
        &self.plans[0]
    }
    /// Falls back to the id, as `meter_name`.
    pub fn plan_name<'a>(&'a self, id: &'a str) -> &'a str {
        self.plan(id).map_or(id, |plan| &plan.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_formatted() {
        let in_words = |limits: &[(u32, u32)]| {
            let limits = limits
                .iter()
                .map(|limit| RateLimit { requests: limit.0, seconds: limit.1, name: None })
                .collect();
            Plan { limits, ..Plan::default() }.limits_in_words()
        };
        assert_eq!(in_words(&[(60, 60), (10_000, 86_400)]), "60 requests a minute, 10,000 a day");
        assert_eq!(in_words(&[(1, 1), (1_234_567, 90)]), "1 request a second, 1,234,567 in 90 seconds");
        assert_eq!(in_words(&[]), "No rate limit");
    }

    #[test]
    fn products_and_kinds_say_how_they_look() {
        let built_in = Catalog::parse(Catalog::BUILT_IN).unwrap();
        assert_eq!((built_in.product_icon("video"), built_in.product_tone("video")), ("film", "violet"));
        assert_eq!((built_in.product_icon("gone"), built_in.product_tone("gone")), ("", ""));
        assert_eq!((built_in.kind_icon("video_collection"), built_in.kind_icon("gone")), ("film", "boxes"));
        let plain = Catalog::BUILT_IN
            .replace(", icon = \"film\", tint = \"violet\"", "")
            .replace(", icon = \"cloud\"", "");
        let plain = Catalog::parse(&plain).unwrap();
        assert_eq!((plain.product_icon("video"), plain.product_tone("video")), ("", ""));
        assert_eq!(plain.kind_icon("s3_integration"), "cloud");
    }

    #[test]
    fn each_fault_has_its_message() {
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
        for (from, to, expected) in cases {
            assert!(Catalog::BUILT_IN.contains(from), "{from}");
            let message = with(from, to).expect_err(to);
            assert!(message.contains(expected), "{to}: {message}");
        }
        let taxed = Catalog::BUILT_IN
            .replace("currency = \"EUR\"", "currency = \"EUR\"\ntax = { name = \"VAT\", percent = 190 }");
        assert!(Catalog::parse(&taxed).is_err_and(|message| message.contains("100 percent")));
    }
}
