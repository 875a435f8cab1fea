//! One event: what changed, who did it and from where, and its place in the chain.
use super::EventActor;
use crate::{
    error::{Error, Result},
    http::{
        gate::{Can, PathId},
        routes::Routes,
    },
    model::{permission::ViewAudit, text::grouped, time::Time},
    store::audit,
    view::{audit_sentences::sentence, page::Page, when::When},
};
use askama::Template;
use axum::response::Response;
use serde_json::Value;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::default().get("/a/{slug}/audit/{id}", show)
}

#[derive(Template)]
#[template(path = "audit/event.html")]
struct EventPage {
    slug: String,
    number: String,
    title: String,
    action: String,
    actor: EventActor,
    kind: &'static str,
    ip: String,
    at: When,
    zone: String,
    changes: Vec<FieldChange>,
    hash: String,
    hash_before: String,
    follows: bool,
    earlier: String,
    later: String,
}

/// A field whose value differs before and after.
#[derive(Debug, PartialEq, Eq)]
struct FieldChange {
    field: String,
    before: Option<String>,
    after: Option<String>,
}

/// The fields that differ, in the order of their names.
fn field_changes(changes: &str) -> Vec<FieldChange> {
    let changes: Value = serde_json::from_str(changes).unwrap_or_default();
    let (before, after) = (&changes["before"], &changes["after"]);
    let has_fields = |value: &Value| value.is_object() || value.is_null();
    if !has_fields(before) || !has_fields(after) {
        return vec![FieldChange {
            field: "value".into(),
            before: value_in_words(before),
            after: value_in_words(after),
        }];
    }
    let field_names = |value: &Value| -> Vec<String> {
        value.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
    };
    let mut fields = [field_names(before), field_names(after)].concat();
    fields.sort();
    fields.dedup();
    let change = |field: String| {
        let (before, after) = (value_in_words(&before[&field]), value_in_words(&after[&field]));
        (before != after).then_some(FieldChange { field: field.replace('_', " "), before, after })
    };
    fields.into_iter().filter_map(change).collect()
}

fn value_in_words(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(flag) => Some(if *flag { "yes" } else { "no" }.into()),
        Value::String(text) => Some(Time::parse(text).map_or_else(|| text.clone(), Time::in_words)),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(values) => {
            let words: Vec<String> = values.iter().filter_map(value_in_words).collect();
            Some(if words.is_empty() { "none".into() } else { words.join(", ") })
        }
        Value::Object(fields) => {
            let part = |(key, value): (&String, &Value)| match (key.as_str(), value_in_words(value)?) {
                ("label", text) => Some(text),
                ("expires_at", end) => Some(format!("until {end}")),
                (key, text) => Some(format!("{key} {text}")),
            };
            let mut parts: Vec<String> = fields.iter().filter_map(part).collect();
            parts.sort_by_key(|part| part.starts_with("until "));
            Some(parts.join(" "))
        }
    }
}

async fn show(can: Can<ViewAudit>, page: Page, PathId(id): PathId<Uuid>) -> Result<Response> {
    let zone = page.zone(can.actor().time_zone());
    let mut scope = can.read();
    let event = audit::find(&mut scope, id).await?.ok_or(Error::NotFound)?;
    let neighbours = audit::neighbours(&mut scope, &event).await?;
    let sentence = sentence(&event);
    let link = |event: &Option<audit::Event>| {
        event.as_ref().map(|event| can.path(&format!("audit/{}", event.id))).unwrap_or_default()
    };
    let mut chars = sentence.chars();
    let first: String = chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let event_page = EventPage {
        slug: can.access().account.slug.clone(),
        number: grouped(event.seq),
        title: format!("{first}{}", chars.as_str()),
        actor: EventActor::of(&event),
        kind: match event.actor_type.as_str() {
            "user" => "signed in",
            "key" => "by an API key",
            "service" => "by a service token",
            "host" => "at the command line, or the program itself",
            _ => "not signed in",
        },
        ip: if event.ip.is_empty() { "—".into() } else { event.ip.clone() },
        at: When::second(event.at, &zone),
        zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        changes: field_changes(&event.changes),
        hash: hex::encode(&event.hash),
        hash_before: neighbours.before.as_ref().map(|event| hex::encode(&event.hash)).unwrap_or_default(),
        follows: neighbours.follows,
        earlier: link(&neighbours.before),
        later: link(&neighbours.after),
        action: event.action,
    };
    page.show(&mut scope, &format!("Event {}", event_page.number.clone()), event_page).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_what_differs() {
        let change = |field: &str, before: Option<&str>, after: Option<&str>| FieldChange {
            field: field.into(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        };
        let renamed = r#"{"before":{"name":"A","same":1},"after":{"name":"B","same":1}}"#;
        assert_eq!(field_changes(renamed), [change("name", Some("A"), Some("B"))]);
        let made = r#"{"before":null,"after":{"admins_may_delete":true}}"#;
        assert_eq!(field_changes(made), [change("admins may delete", None, Some("yes"))]);
        let roles = r#"{"before":[{"label":"member","expires_at":null}],"after":[{"label":"admin","expires_at":"2027-01-01T00:00:00Z"}]}"#;
        assert_eq!(
            field_changes(roles),
            [change("value", Some("member"), Some("admin until January 1, 2027, 00:00 (UTC)"))]
        );
        assert_eq!(field_changes(r#"{"before":null,"after":null}"#), []);
    }
}
