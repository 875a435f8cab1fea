//! Usage events: CloudEvents 1.0, validated one by one.
use crate::model::{
    catalog::Catalog,
    id::KeyId,
    quantity::Quantity,
    text::{ValidationError, refuse, shorten},
    time::{DAY, MINUTE, Time},
    verdict::ResourceRef,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{borrow::Cow, time::Duration};

/// The `type` of the events.
pub const TYPE: &str = "guildhall.usage";
/// Older events are refused as too late.
pub const MAX_AGE: Duration = DAY.saturating_mul(35);
/// How far in the future an event may lie, because clocks differ.
pub const MAX_SKEW: Duration = MINUTE.saturating_mul(5);
/// The longest id, source and model.
const MAX_LENGTH: usize = 300;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageEvent {
    pub source: String,
    /// Unique within the source.
    pub id: String,
    pub at: Time,
    pub meter: String,
    pub quantity: Quantity,
    pub owner: UsageOwner,
    pub product: Option<String>,
    pub model: Option<String>,
    pub resource: Option<ResourceRef>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsageOwner {
    /// A key, and with it its member and account.
    Key(KeyId),
    /// An account, by its id or slug.
    Account(String),
}

/// The attributes of a CloudEvent, from its JSON or from the header of a request.
#[derive(Default, Deserialize)]
pub struct Attributes<'a> {
    /// `1.0`.
    #[serde(default, borrow)]
    pub specversion: Cow<'a, str>,
    /// Must be `TYPE`.
    #[serde(default, rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    #[serde(default, borrow)]
    pub source: Cow<'a, str>,
    #[serde(default, borrow)]
    pub id: Cow<'a, str>,
    /// When it happened; now if missing.
    #[serde(default, borrow)]
    pub time: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub data: Option<&'a RawValue>,
}

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

impl UsageEvent {
    /// Parses an event in structured mode, which is JSON as a whole.
    pub fn parse(json: &str, now: Time, catalog: &Catalog) -> Result<UsageEvent, ValidationError> {
        let attributes: Result<Attributes<'_>, _> = serde_json::from_str(json);
        match attributes {
            Ok(attributes) => UsageEvent::of(&attributes, now, catalog),
            Err(error) => refuse("malformed", format!("This is not a CloudEvent: {}.", message(&error))),
        }
    }
    /// Validates an event whose attributes are read.
    pub fn of(
        attributes: &Attributes<'_>,
        now: Time,
        catalog: &Catalog,
    ) -> Result<UsageEvent, ValidationError> {
        if attributes.specversion != "1.0" {
            return refuse("unsupported_version", "“specversion” must be 1.0.");
        }
        if attributes.kind != TYPE {
            return refuse("unsupported_type", format!("“type” must be {TYPE}."));
        }
        let (source, id) = (line("source", &attributes.source)?, line("id", &attributes.id)?);
        let at = time(attributes.time.as_deref(), now)?;
        let Some(data) = attributes.data else {
            return refuse("required", "“data” is missing: it must be a JSON object.");
        };
        let data: Data<'_> = match serde_json::from_str(data.get()) {
            Ok(data) => data,
            Err(error) => {
                return refuse("invalid_data", format!("“data” cannot be read: {}.", message(&error)));
            }
        };
        if !catalog.meters.iter().any(|meter| meter.id == data.meter) {
            return refuse(
                "unknown_meter",
                format!("The catalogue has no meter “{}”.", shorten(&data.meter, 60)),
            );
        }
        let product = data.product.filter(|text| !text.is_empty());
        if let Some(product) = product.as_deref().filter(|product| catalog.product(product).is_none()) {
            return refuse(
                "unknown_product",
                format!("The catalogue has no product “{}”.", shorten(product, 60)),
            );
        }
        let model = data.model.filter(|text| !text.trim().is_empty());
        Ok(UsageEvent {
            source,
            id,
            at,
            quantity: quantity(data.quantity)?,
            owner: owner(data.key_id, data.account)?,
            meter: data.meter,
            product,
            model: model.map(|text| line("model", text.trim())).transpose()?,
            resource: data.resource.map(resource).transpose()?,
        })
    }
}

/// Requires one line of 1 to 300 characters.
fn line(name: &str, text: &str) -> Result<String, ValidationError> {
    if text.is_empty() {
        return refuse("required", format!("“{name}” is missing or empty."));
    }
    if text.chars().count() > MAX_LENGTH {
        return refuse("too_long", format!("“{name}” has at most {MAX_LENGTH} characters."));
    }
    if text.chars().any(char::is_control) {
        return refuse("invalid", format!("“{name}” holds a control character."));
    }
    Ok(text.to_owned())
}

fn time(text: Option<&str>, now: Time) -> Result<Time, ValidationError> {
    let Some(text) = text else { return Ok(now) };
    let Some(at) = Time::parse(text) else {
        return refuse("invalid_time", "“time” must be an RFC 3339 time, such as 2026-11-21T14:32:08Z.");
    };
    if at < now.minus(MAX_AGE) {
        return refuse("too_old", "This happened more than 35 days ago: it is too late to count it.");
    }
    if at > now.plus(MAX_SKEW) {
        return refuse(
            "in_the_future",
            "This lies more than 5 minutes ahead: check the clock of who reports it.",
        );
    }
    Ok(at)
}

/// Accepts a JSON string or number. Parses the text of a number, because a float would round it.
fn quantity(raw: &RawValue) -> Result<Quantity, ValidationError> {
    let text = raw.get();
    if text.starts_with('"') {
        return Quantity::parse(&serde_json::from_str::<String>(text).unwrap_or_default());
    }
    Quantity::parse(text)
}

fn owner(key: Option<String>, account: Option<String>) -> Result<UsageOwner, ValidationError> {
    match (key, account) {
        (Some(key), None) => match key.parse() {
            Ok(id) => Ok(UsageOwner::Key(id)),
            Err(_) => refuse("unknown_key", "There is no API key with this id."),
        },
        // Postgres accepts no NUL.
        (None, Some(account)) if account.contains('\0') => refuse("unknown_account", UNKNOWN_ACCOUNT),
        (None, Some(account)) => Ok(UsageOwner::Account(account)),
        (Some(_), Some(_)) => refuse("ambiguous", "Say either “key_id” or “account”, not both."),
        (None, None) => refuse("required", "Say whose usage it is: “key_id” or “account”."),
    }
}

fn resource(raw: &RawValue) -> Result<ResourceRef, ValidationError> {
    serde_json::from_str(raw.get()).or_else(|_| {
        refuse("unknown_resource", "“resource” is our id, or an object of product, kind and external_id.")
    })
}

/// The message without line and column, which mean little in a batch.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(before, _)| before).chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn now() -> Time {
        Time::parse("2026-11-21T12:00:00Z").expect("a time")
    }
    fn event(change: impl Fn(&mut Value)) -> Result<UsageEvent, ValidationError> {
        let mut event = json!({
            "specversion": "1.0", "type": TYPE, "source": "/gateway", "id": "1", "time": "2026-11-21T11:59:00Z",
            "data": { "meter": "credits", "quantity": "12.5", "account": "acme" },
        });
        change(&mut event);
        UsageEvent::parse(&event.to_string(), now(), &Catalog::parse(Catalog::BUILT_IN).expect("a catalogue"))
    }

    #[test]
    fn numbers_keep_all_digits() {
        let of = |quantity: &str| {
            let raw = format!(
                r#"{{"specversion":"1.0","type":"{TYPE}","source":"s","id":"1","data":{{"meter":"credits","account":"a","quantity":{quantity}}}}}"#
            );
            let catalog = Catalog::parse(Catalog::BUILT_IN).expect("a catalogue");
            UsageEvent::parse(&raw, now(), &catalog)
                .map(|event| event.quantity.to_string())
                .map_err(|error| error.code)
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
        type Change = fn(&mut Value);
        let cases: &[(Change, &str)] = &[
            (|event| event["specversion"] = json!("0.3"), "unsupported_version"),
            (|event| event["type"] = json!("other"), "unsupported_type"),
            (|event| event["id"] = json!(""), "required"),
            (|event| event["id"] = json!(7), "malformed"),
            (|event| event["source"] = json!("x".repeat(301)), "too_long"),
            (|event| event["source"] = json!("a\u{0}b"), "invalid"),
            (|event| event["time"] = json!("yesterday"), "invalid_time"),
            (|event| event["time"] = json!("2026-10-17T11:59:59Z"), "too_old"),
            (|event| event["time"] = json!("2026-11-21T12:05:01Z"), "in_the_future"),
            (|event| event["data"] = Value::Null, "required"),
            (|event| event["data"] = json!([1]), "invalid_data"),
            (|event| event["data"]["cost"] = json!(1), "invalid_data"),
            (|event| event["data"]["meter"] = json!("miles"), "unknown_meter"),
            (|event| event["data"]["product"] = json!("audio"), "unknown_product"),
            (|event| event["data"]["key_id"] = json!("x"), "ambiguous"),
            (|event| event["data"]["account"] = Value::Null, "required"),
            (|event| event["data"]["resource"] = json!({ "id": 1 }), "unknown_resource"),
        ];
        for (change, code) in cases {
            assert_eq!(event(change).map_err(|error| error.code), Err(*code));
        }
        assert!(
            event(|event| event["time"] = json!("2026-10-17T12:00:00Z")).is_ok(),
            "35 days to the second"
        );
        assert!(
            event(|event| event["time"] = json!("2026-11-21T12:05:00Z")).is_ok(),
            "5 minutes to the second"
        );
        assert!(event(|event| event["traceparent"] = json!("00-ab")).is_ok(), "extensions are ignored");
        assert_eq!(
            event(|event| _ = event.as_object_mut().map(|event| event.remove("time"))).map(|event| event.at),
            Ok(now())
        );
    }
}
