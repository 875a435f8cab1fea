//! One event: what changed, who did it and from where, and its place in the chain.
use super::{Actor, hex};
use crate::{
    error::{Error, Result},
    http::{
        gate::{At, Can},
        routes::Routes,
    },
    model::{permission::ViewAudit, text::grouped, time::Time},
    store::audit,
    view::{
        audit_sentences::sentence,
        page::{Page, When},
    },
};
use askama::Template;
use axum::response::Response;
use serde_json::Value;
use uuid::Uuid;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default().get("/a/{slug}/audit/{id}", show)
}

#[derive(Template)]
#[template(path = "audit/event.html")]
struct Index {
    slug: String,
    number: String,
    title: String,
    action: String,
    actor: Actor,
    kind: &'static str,
    ip: String,
    at: When,
    zone: String,
    changes: Vec<Changed>,
    hash: String,
    hash_before: String,
    follows: bool,
    earlier: String,
    later: String,
}

/// A field that is not after what it was before.
#[derive(Debug, PartialEq, Eq)]
struct Changed {
    field: String,
    before: Option<String>,
    after: Option<String>,
}

/// The fields that differ, in the order of their names.
fn changed(changes: &str) -> Vec<Changed> {
    let changes: Value = serde_json::from_str(changes).unwrap_or_default();
    let (before, after) = (&changes["before"], &changes["after"]);
    let whole = |it: &Value| it.is_object() || it.is_null();
    if !whole(before) || !whole(after) {
        return vec![Changed { field: "value".into(), before: told(before), after: told(after) }];
    }
    let keys = |it: &Value| -> Vec<String> {
        it.as_object().map(|it| it.keys().cloned().collect()).unwrap_or_default()
    };
    let mut fields = [keys(before), keys(after)].concat();
    fields.sort();
    fields.dedup();
    let one = |field: String| {
        let (before, after) = (told(&before[&field]), told(&after[&field]));
        (before != after).then_some(Changed { field: field.replace('_', " "), before, after })
    };
    fields.into_iter().filter_map(one).collect()
}

fn told(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(it) => Some(if *it { "yes" } else { "no" }.into()),
        Value::String(it) => Some(Time::parse(it).map_or_else(|| it.clone(), Time::in_words)),
        Value::Number(it) => Some(it.to_string()),
        Value::Array(all) => {
            let all: Vec<String> = all.iter().filter_map(told).collect();
            Some(if all.is_empty() { "none".into() } else { all.join(", ") })
        }
        Value::Object(fields) => {
            let one = |(key, value): (&String, &Value)| match (key.as_str(), told(value)?) {
                ("label", it) => Some(it),
                ("expires_at", it) => Some(format!("until {it}")),
                (key, it) => Some(format!("{key} {it}")),
            };
            let mut all: Vec<String> = fields.iter().filter_map(one).collect();
            all.sort_by_key(|it| it.starts_with("until "));
            Some(all.join(" "))
        }
    }
}

async fn show(can: Can<ViewAudit>, page: Page, At(id): At<Uuid>) -> Result<Response> {
    let zone = page.zone(can.me().time_zone.as_deref());
    let mut scope = can.read();
    let event = audit::find(&mut scope, id).await?.ok_or(Error::NotFound)?;
    let near = audit::neighbours(&mut scope, &event).await?;
    let words = sentence(&event);
    let link = |it: &Option<audit::Event>| {
        it.as_ref().map(|it| can.path(&format!("audit/{}", it.id))).unwrap_or_default()
    };
    let mut letters = words.chars();
    let first: String = letters.next().map(|it| it.to_uppercase().collect()).unwrap_or_default();
    let index = Index {
        slug: can.me().here.slug.clone(),
        number: grouped(event.seq),
        title: format!("{first}{}", letters.as_str()),
        actor: Actor::of(&event),
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
        changes: changed(&event.changes),
        hash: hex(&event.hash),
        hash_before: near.before.as_ref().map(|it| hex(&it.hash)).unwrap_or_default(),
        follows: near.follows,
        earlier: link(&near.before),
        later: link(&near.after),
        action: event.action,
    };
    page.show(&mut scope, &format!("Event {}", index.number.clone()), index).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_what_differs() {
        let one = |field: &str, before: Option<&str>, after: Option<&str>| Changed {
            field: field.into(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        };
        let renamed = r#"{"before":{"name":"A","same":1},"after":{"name":"B","same":1}}"#;
        assert_eq!(changed(renamed), [one("name", Some("A"), Some("B"))]);
        let made = r#"{"before":null,"after":{"admins_may_delete":true}}"#;
        assert_eq!(changed(made), [one("admins may delete", None, Some("yes"))]);
        let roles = r#"{"before":[{"label":"member","expires_at":null}],"after":[{"label":"admin","expires_at":"2027-01-01T00:00:00Z"}]}"#;
        assert_eq!(
            changed(roles),
            [one("value", Some("member"), Some("admin until January 1, 2027, 00:00 (UTC)"))]
        );
        assert_eq!(changed(r#"{"before":null,"after":null}"#), []);
    }
}
