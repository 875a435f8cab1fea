//! A usage event as it is reported: a CloudEvent 1.0, each refused for its own reason.
use crate::model::{
    catalog::Catalog,
    id::KeyId,
    quantity::Quantity,
    text::{Refusal, refuse},
    time::{DAY, MINUTE, Time},
    verdict::Named,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{borrow::Cow, time::Duration};

/// The type of our events.
pub const TYPE: &str = "guildhall.usage";
/// How far back an event may lie.
pub const LATEST: Duration = DAY.saturating_mul(35);
/// How far ahead: clocks differ.
pub const EARLIEST: Duration = MINUTE.saturating_mul(5);
/// The longest id, source, model.
const LONGEST: usize = 300;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// Who reports.
    pub source: String,
    /// What they call it: once for each source.
    pub id: String,
    /// When it happened.
    pub at: Time,
    /// What was metered.
    pub meter: String,
    /// How much.
    pub quantity: Quantity,
    /// Whose it is.
    pub whose: Whose,
    /// The product.
    pub product: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The resource.
    pub resource: Option<Named>,
}

/// Whose usage it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// That of a key, and its member.
    Key(KeyId),
    /// That of an account as a whole, by its id or slug.
    Account(String),
}

/// The attributes of a CloudEvent, wherever they stand: in its JSON, or in the fields of a request.
#[derive(Default, Deserialize)]
pub struct Attributes<'a> {
    /// `1.0`.
    #[serde(default, borrow)]
    pub specversion: Cow<'a, str>,
    /// Ours is `guildhall.usage`.
    #[serde(default, rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    /// Who reports.
    #[serde(default, borrow)]
    pub source: Cow<'a, str>,
    /// What they call it.
    #[serde(default, borrow)]
    pub id: Cow<'a, str>,
    /// When it happened; now if it does not say.
    #[serde(default, borrow)]
    pub time: Option<Cow<'a, str>>,
    /// What happened.
    #[serde(default, borrow)]
    pub data: Option<&'a RawValue>,
}

/// What is said of an account that there is not.
pub const UNKNOWN_ACCOUNT: &str = "There is no account with this id or slug.";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data<'a> {
    meter: String,
    #[serde(borrow)]
    quantity: &'a RawValue,
    #[serde(default)]
    key_id: Option<String>,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    product: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default, borrow)]
    resource: Option<&'a RawValue>,
}

impl Reported {
    /// Reads an event of the structured mode.
    pub fn parse(json: &str, now: Time, catalog: &Catalog) -> Result<Reported, Refusal> {
        let read: Result<Attributes<'_>, _> = serde_json::from_str(json);
        match read {
            Ok(it) => Reported::of(&it, now, catalog),
            Err(it) => refuse("malformed", format!("This is not a CloudEvent: {}.", plainly(&it))),
        }
    }
    /// Reads an event whose attributes are known.
    pub fn of(it: &Attributes<'_>, now: Time, catalog: &Catalog) -> Result<Reported, Refusal> {
        if it.specversion != "1.0" {
            return refuse("unsupported_version", "“specversion” must be 1.0.");
        }
        if it.kind != TYPE {
            return refuse("unsupported_type", format!("“type” must be {TYPE}."));
        }
        let (source, id) = (word("source", &it.source)?, word("id", &it.id)?);
        let at = moment(it.time.as_deref(), now)?;
        let Some(data) = it.data else {
            return refuse("required", "“data” is missing: it must be a JSON object.");
        };
        let data: Data<'_> = match serde_json::from_str(data.get()) {
            Ok(it) => it,
            Err(it) => return refuse("invalid_data", format!("“data” cannot be read: {}.", plainly(&it))),
        };
        if !catalog.meters.iter().any(|it| it.id == data.meter) {
            return refuse("unknown_meter", format!("The catalogue has no meter “{}”.", shown(&data.meter)));
        }
        let product = data.product.filter(|it| !it.is_empty());
        if let Some(it) = product.as_deref().filter(|it| catalog.product(it).is_none()) {
            return refuse("unknown_product", format!("The catalogue has no product “{}”.", shown(it)));
        }
        let model = data.model.filter(|it| !it.trim().is_empty());
        Ok(Reported {
            source,
            id,
            at,
            quantity: quantity(data.quantity)?,
            whose: whose(data.key_id, data.account)?,
            meter: data.meter,
            product,
            model: model.map(|it| word("model", it.trim())).transpose()?,
            resource: data.resource.map(named).transpose()?,
        })
    }
}

/// One line of 1 to 300 characters.
fn word(name: &str, text: &str) -> Result<String, Refusal> {
    if text.is_empty() {
        return refuse("required", format!("“{name}” is missing or empty."));
    }
    if text.chars().count() > LONGEST {
        return refuse("too_long", format!("“{name}” has at most {LONGEST} characters."));
    }
    if text.chars().any(char::is_control) {
        return refuse("invalid", format!("“{name}” holds a control character."));
    }
    Ok(text.to_owned())
}

fn moment(text: Option<&str>, now: Time) -> Result<Time, Refusal> {
    let Some(text) = text else { return Ok(now) };
    let Some(at) = Time::parse(text) else {
        return refuse("invalid_time", "“time” must be an RFC 3339 time, such as 2026-11-21T14:32:08Z.");
    };
    if at < now.minus(LATEST) {
        return refuse("too_old", "This happened more than 35 days ago: it is too late to count it.");
    }
    if at > now.plus(EARLIEST) {
        return refuse(
            "in_the_future",
            "This lies more than 5 minutes ahead: check the clock of who reports it.",
        );
    }
    Ok(at)
}

/// A decimal in a string, or a number: read from its text, so that no float comes between.
fn quantity(raw: &RawValue) -> Result<Quantity, Refusal> {
    let text = raw.get();
    if text.starts_with('"') {
        return Quantity::parse(&serde_json::from_str::<String>(text).unwrap_or_default());
    }
    Quantity::parse(text)
}

fn whose(key: Option<String>, account: Option<String>) -> Result<Whose, Refusal> {
    match (key, account) {
        (Some(key), None) => match key.parse() {
            Ok(it) => Ok(Whose::Key(it)),
            Err(_) => refuse("unknown_key", "There is no API key with this id."),
        },
        // Postgres takes no NUL.
        (None, Some(it)) if it.contains('\0') => refuse("unknown_account", UNKNOWN_ACCOUNT),
        (None, Some(it)) => Ok(Whose::Account(it)),
        (Some(_), Some(_)) => refuse("ambiguous", "Say either “key_id” or “account”, not both."),
        (None, None) => refuse("required", "Say whose usage it is: “key_id” or “account”."),
    }
}

fn named(raw: &RawValue) -> Result<Named, Refusal> {
    serde_json::from_str(raw.get()).or_else(|_| {
        refuse("unknown_resource", "“resource” is our id, or an object of product, kind and external_id.")
    })
}

/// Where it stands in the text says little in a batch.
fn plainly(it: &serde_json::Error) -> String {
    let said = it.to_string();
    said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said).chars().take(200).collect()
}

fn shown(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn now() -> Time {
        Time::parse("2026-11-21T12:00:00Z").expect("a time")
    }
    fn event(change: impl Fn(&mut Value)) -> Result<Reported, Refusal> {
        let mut event = json!({
            "specversion": "1.0", "type": TYPE, "source": "/gateway", "id": "1", "time": "2026-11-21T11:59:00Z",
            "data": { "meter": "credits", "quantity": "12.5", "account": "acme" },
        });
        change(&mut event);
        Reported::parse(&event.to_string(), now(), &Catalog::parse(Catalog::BUILT_IN).expect("a catalogue"))
    }

    #[test]
    fn numbers_keep_their_digits() {
        let of = |it: &str| {
            let raw = format!(
                r#"{{"specversion":"1.0","type":"{TYPE}","source":"s","id":"1","data":{{"meter":"credits","account":"a","quantity":{it}}}}}"#
            );
            let catalog = Catalog::parse(Catalog::BUILT_IN).expect("a catalogue");
            Reported::parse(&raw, now(), &catalog).map(|it| it.quantity.to_string()).map_err(|it| it.code)
        };
        assert_eq!(of("999999999999.123456789").as_deref(), Ok("999999999999.123456789"));
        assert_eq!(of("\"0.100\"").as_deref(), Ok("0.1"));
        assert_eq!(of("1e2").as_deref(), Ok("100"));
        for (bad, code) in [
            ("-1", "negative"),
            ("true", "not_a_decimal"),
            ("null", "not_a_decimal"),
            ("[1]", "not_a_decimal"),
            ("\"one\"", "not_a_decimal"),
            ("1e400", "too_large"),
        ] {
            assert_eq!(of(bad), Err(code), "{bad}");
        }
    }

    #[test]
    fn each_fault_has_its_code() {
        type Break = fn(&mut Value);
        let cases: &[(Break, &str)] = &[
            (|it| it["specversion"] = json!("0.3"), "unsupported_version"),
            (|it| it["type"] = json!("other"), "unsupported_type"),
            (|it| it["id"] = json!(""), "required"),
            (|it| it["id"] = json!(7), "malformed"),
            (|it| it["source"] = json!("x".repeat(301)), "too_long"),
            (|it| it["source"] = json!("a\u{0}b"), "invalid"),
            (|it| it["time"] = json!("yesterday"), "invalid_time"),
            (|it| it["time"] = json!("2026-10-17T11:59:59Z"), "too_old"),
            (|it| it["time"] = json!("2026-11-21T12:05:01Z"), "in_the_future"),
            (|it| it["data"] = Value::Null, "required"),
            (|it| it["data"] = json!([1]), "invalid_data"),
            (|it| it["data"]["cost"] = json!(1), "invalid_data"),
            (|it| it["data"]["meter"] = json!("miles"), "unknown_meter"),
            (|it| it["data"]["product"] = json!("audio"), "unknown_product"),
            (|it| it["data"]["key_id"] = json!("x"), "ambiguous"),
            (|it| it["data"]["account"] = Value::Null, "required"),
            (|it| it["data"]["resource"] = json!({ "id": 1 }), "unknown_resource"),
        ];
        for (change, code) in cases {
            assert_eq!(event(change).map_err(|it| it.code), Err(*code));
        }
        assert!(event(|it| it["time"] = json!("2026-10-17T12:00:00Z")).is_ok(), "35 days to the second");
        assert!(event(|it| it["time"] = json!("2026-11-21T12:05:00Z")).is_ok(), "5 minutes to the second");
        assert!(event(|it| it["traceparent"] = json!("00-ab")).is_ok(), "extensions are nobody's business");
        assert_eq!(event(|it| _ = it.as_object_mut().map(|it| it.remove("time"))).map(|it| it.at), Ok(now()));
    }
}
