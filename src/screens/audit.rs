//! The audit log: a page of it, one event, the file, and whether the chain holds.
mod event;

use crate::{
    error::Result,
    http::{form::Query, gate::Can, routes::Routes},
    model::{
        permission::ViewAudit,
        text::{counted, grouped},
        time::Time,
    },
    store::audit::{self, Event, Filter},
    view::{audit_sentences::sentence, csv, page::Page, select::SelectOption, shell::tint, when::When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

pub fn routes() -> Routes {
    Routes::default().get("/a/{slug}/audit", list).get("/a/{slug}/audit.csv", export).merge(event::routes())
}

/// Events on a page.
const PAGE_SIZE: i64 = 50;
/// Events in a file.
const EXPORT_LIMIT: i64 = 10_000;
/// Events whose hashes are checked while somebody waits for the page.
const CHECK_LIMIT: i64 = 100_000;

#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
struct AuditQuery {
    #[serde(skip_serializing_if = "String::is_empty")]
    action: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    actor: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    from: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    to: String,
    #[serde(skip_serializing)]
    before: String,
    #[serde(skip_serializing)]
    verify: String,
}

impl AuditQuery {
    fn filter(&self, zone: &TimeZone, limit: i64) -> Filter {
        Filter {
            action: self.action.trim().to_owned(),
            actor: self.actor.trim().to_owned(),
            before: self.before.parse().unwrap_or(0),
            from: Time::day_span(&self.from, zone).map(|span| span.0),
            to: Time::day_span(&self.to, zone).map(|span| span.1),
            limit,
        }
    }
    fn is_filtered(&self) -> bool {
        [&self.action, &self.actor, &self.from, &self.to].iter().any(|value| !value.is_empty())
    }
    /// An address with these filters, and one more parameter if given.
    fn address(&self, path: &str, extra: Option<(&str, String)>) -> String {
        let mut query = serde_html_form::to_string(self).unwrap_or_default();
        if let Some((name, value)) = extra {
            let join = if query.is_empty() { "" } else { "&" };
            query = format!("{query}{join}{name}={value}");
        }
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}

/// The filter's options: actions by what stands before their dot.
const FAMILIES: &[(&str, &str)] = &[
    ("member", "Members"),
    ("invitation", "Invitations"),
    ("key", "API keys"),
    ("team", "Teams"),
    ("account", "Settings"),
    ("plan", "Plan"),
    ("transfer", "Ownership"),
    ("session", "Sessions"),
    ("user", "Users"),
];

#[derive(Template)]
#[template(path = "audit/index.html")]
struct AuditPage {
    slug: String,
    account: String,
    query: AuditQuery,
    families: Vec<SelectOption>,
    zone: String,
    rows: Vec<EventRow>,
    chain: Option<ChainCheck>,
    check: String,
    file: String,
    clear: String,
    newest: String,
    older: String,
}

struct EventRow {
    id: String,
    at: When,
    actor: EventActor,
    sentence: String,
    action: String,
    ip: String,
}

/// Who did it. `icon` stands for what is no person.
struct EventActor {
    name: String,
    short: String,
    icon: &'static str,
    tint: u8,
}

impl EventActor {
    fn of(event: &Event) -> EventActor {
        let icon = match event.actor_type.as_str() {
            "user" => "",
            "key" | "service" => "key-round",
            "visitor" => "user",
            _ => "server",
        };
        let id = event.actor_id.map(|id| id.to_string()).unwrap_or_default();
        let short = event.actor_name.split('@').next().unwrap_or_default().to_owned();
        EventActor { name: event.actor_name.clone(), short, icon, tint: tint(&id) }
    }
}

impl EventRow {
    fn of(event: &Event, zone: &TimeZone) -> EventRow {
        EventRow {
            id: event.id.to_string(),
            at: When::second(event.at, zone),
            actor: EventActor::of(event),
            sentence: sentence(event),
            action: event.action.clone(),
            ip: if event.ip.is_empty() { "—".into() } else { event.ip.clone() },
        }
    }
}

/// The result of checking the chain of hashes.
struct ChainCheck {
    label: String,
    tone: &'static str,
    note: &'static str,
    icon: &'static str,
    detail: String,
}

async fn check(can: &Can<ViewAudit>) -> Result<ChainCheck> {
    let checked = audit::verify_here(&mut can.read(), CHECK_LIMIT).await?;
    Ok(match checked {
        Ok(progress) => ChainCheck {
            label: "Chain verified".into(),
            tone: "ok",
            note: "",
            icon: "shield-check",
            detail: if progress.followed == progress.all {
                let holds = if progress.all == 1 { "holds" } else { "hold" };
                format!("{} {holds}, from the first to the last.", counted(progress.all, "event"))
            } else {
                let (followed, all) = (grouped(progress.followed), grouped(progress.all));
                format!(
                    "The newest {followed} of {all} events hold. The operator can check all: guildhall audit verify"
                )
            },
        },
        Err(broken) => ChainCheck {
            label: format!("Chain broken at event {}", grouped(broken.seq)),
            tone: "danger",
            note: "danger",
            icon: "circle-alert",
            detail: format!(
                "At event {}: {}. Tell the operator of this installation: somebody changed the log in the database.",
                grouped(broken.seq),
                broken.why
            ),
        },
    })
}

async fn list(can: Can<ViewAudit>, page: Page, Query(query): Query<AuditQuery>) -> Result<Response> {
    let zone = page.zone(can.actor().time_zone());
    let chain = if query.verify.is_empty() { None } else { Some(check(&can).await?) };
    let mut scope = can.read();
    let mut events = audit::list(&mut scope, &query.filter(&zone, PAGE_SIZE + 1)).await?;
    let has_older = i64::try_from(events.len()).unwrap_or(i64::MAX) > PAGE_SIZE;
    events.truncate(usize::try_from(PAGE_SIZE).unwrap_or(0));
    let path = can.path("audit");
    let mut families = SelectOption::list(FAMILIES, &query.action);
    if !query.action.is_empty() && !families.iter().any(|family| family.selected) {
        families.push(SelectOption::new(&query.action, &query.action, &query.action));
    }
    let last = events.last().filter(|_| has_older).map(|event| event.seq);
    let audit_page = AuditPage {
        slug: can.access().account.slug.clone(),
        account: can.access().account.name.clone(),
        families,
        zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        rows: events.iter().map(|event| EventRow::of(event, &zone)).collect(),
        chain,
        check: query.address(&path, Some(("verify", "1".into()))),
        file: query.address(&format!("{path}.csv"), None),
        clear: if query.is_filtered() { path.clone() } else { String::new() },
        newest: if query.before.is_empty() { String::new() } else { query.address(&path, None) },
        older: last.map(|seq| query.address(&path, Some(("before", seq.to_string())))).unwrap_or_default(),
        query,
    };
    page.show(&mut scope, "Audit log", audit_page).await
}

async fn export(can: Can<ViewAudit>, page: Page, Query(query): Query<AuditQuery>) -> Result<Response> {
    let zone = page.zone(can.actor().time_zone());
    let mut scope = can.read();
    let events = audit::list(&mut scope, &query.filter(&zone, EXPORT_LIMIT)).await?;
    drop(scope);
    let head =
        ["number", "time", "actor_type", "actor", "action", "target", "words", "address", "changes", "hash"];
    let mut text = csv::line(head);
    for event in &events {
        let (number, time, hash) = (event.seq.to_string(), event.at.to_string(), hex::encode(&event.hash));
        let (target, sentence) = (event.target_name(), sentence(event));
        text += &csv::line([
            number.as_str(),
            &time,
            &event.actor_type,
            &event.actor_name,
            &event.action,
            &target,
            &sentence,
            &event.ip,
            &event.changes,
            &hash,
        ]);
    }
    Ok(csv::attachment(&format!("{}-audit.csv", can.slug()), text))
}
