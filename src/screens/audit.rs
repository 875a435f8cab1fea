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
    view::{
        audit_sentences::sentence,
        csv,
        page::{Page, When},
        shell::tint,
    },
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default().get("/a/{slug}/audit", list).get("/a/{slug}/audit.csv", export).merge(event::routes())
}

/// How many a page lists.
const MOST: i64 = 50;
/// How many a file holds.
const MOST_IN_FILE: i64 = 10_000;
/// How many are followed while somebody waits for the page.
const MOST_CHECKED: i64 = 100_000;

#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
struct Asked {
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

impl Asked {
    fn filter(&self, zone: &TimeZone, limit: i64) -> Filter {
        Filter {
            action: self.action.trim().to_owned(),
            actor: self.actor.trim().to_owned(),
            before: self.before.parse().unwrap_or(0),
            from: Time::day_span(&self.from, zone).map(|it| it.0),
            to: Time::day_span(&self.to, zone).map(|it| it.1),
            limit,
        }
    }
    fn is_narrow(&self) -> bool {
        [&self.action, &self.actor, &self.from, &self.to].iter().any(|it| !it.is_empty())
    }
    /// An address with these filters, and one thing more perhaps.
    fn address(&self, path: &str, more: Option<(&str, String)>) -> String {
        let mut query = serde_html_form::to_string(self).unwrap_or_default();
        if let Some((name, value)) = more {
            let join = if query.is_empty() { "" } else { "&" };
            query = format!("{query}{join}{name}={value}");
        }
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}

/// Actions by the word before their dot, as the filter offers them.
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
struct Index {
    slug: String,
    account: String,
    asked: Asked,
    families: Vec<(String, String)>,
    zone: String,
    rows: Vec<Row>,
    chain: Option<Chain>,
    check: String,
    file: String,
    clear: String,
    newest: String,
    older: String,
}

struct Row {
    id: String,
    at: When,
    actor: Actor,
    words: String,
    action: String,
    ip: String,
}

/// Who did it, and the picture that stands for them.
struct Actor {
    name: String,
    short: String,
    icon: &'static str,
    tint: u8,
}

impl Actor {
    fn of(it: &Event) -> Actor {
        let icon = match it.actor_type.as_str() {
            "user" => "",
            "key" | "service" => "key-round",
            "visitor" => "user",
            _ => "server",
        };
        let id = it.actor_id.map(|it| it.to_string()).unwrap_or_default();
        let short = it.actor_name.split('@').next().unwrap_or_default().to_owned();
        Actor { name: it.actor_name.clone(), short, icon, tint: tint(&id) }
    }
}

impl Row {
    fn of(it: &Event, zone: &TimeZone) -> Row {
        Row {
            id: it.id.to_string(),
            at: When::second(it.at, zone),
            actor: Actor::of(it),
            words: sentence(it),
            action: it.action.clone(),
            ip: if it.ip.is_empty() { "—".into() } else { it.ip.clone() },
        }
    }
}

/// What following the chain found.
struct Chain {
    label: String,
    tone: &'static str,
    note: &'static str,
    icon: &'static str,
    detail: String,
}

async fn check(can: &Can<ViewAudit>) -> Result<Chain> {
    let found = audit::verify_here(&mut can.read(), MOST_CHECKED).await?;
    Ok(match found {
        Ok(it) => Chain {
            label: "Chain verified".into(),
            tone: "ok",
            note: "",
            icon: "shield-check",
            detail: if it.followed == it.all {
                let holds = if it.all == 1 { "holds" } else { "hold" };
                format!("{} {holds}, from the first to the last.", counted(it.all, "event"))
            } else {
                let (followed, all) = (grouped(it.followed), grouped(it.all));
                format!(
                    "The newest {followed} of {all} events hold. The operator can check all: guildhall audit verify"
                )
            },
        },
        Err(broken) => Chain {
            label: format!("Chain broken at event {}", grouped(broken.seq)),
            tone: "danger",
            note: "danger",
            icon: "circle-alert",
            detail: format!(
                "At event {}: {}. Tell who runs this installation: somebody changed the log in the database.",
                grouped(broken.seq),
                broken.why
            ),
        },
    })
}

async fn list(can: Can<ViewAudit>, page: Page, Query(asked): Query<Asked>) -> Result<Response> {
    let zone = page.zone(can.me().time_zone.as_deref());
    let chain = if asked.verify.is_empty() { None } else { Some(check(&can).await?) };
    let mut scope = can.read();
    let mut found = audit::list(&mut scope, &asked.filter(&zone, MOST + 1)).await?;
    let more = i64::try_from(found.len()).unwrap_or(i64::MAX) > MOST;
    found.truncate(usize::try_from(MOST).unwrap_or(0));
    let path = can.path("audit");
    let mut families: Vec<(String, String)> =
        FAMILIES.iter().map(|(word, label)| ((*word).to_owned(), (*label).to_owned())).collect();
    if !asked.action.is_empty() && !families.iter().any(|it| it.0 == asked.action) {
        families.push((asked.action.clone(), asked.action.clone()));
    }
    let last = found.last().filter(|_| more).map(|it| it.seq);
    let index = Index {
        slug: can.me().here.slug.clone(),
        account: can.me().here.name.clone(),
        families,
        zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        rows: found.iter().map(|it| Row::of(it, &zone)).collect(),
        chain,
        check: asked.address(&path, Some(("verify", "1".into()))),
        file: asked.address(&format!("{path}.csv"), None),
        clear: if asked.is_narrow() { path.clone() } else { String::new() },
        newest: if asked.before.is_empty() { String::new() } else { asked.address(&path, None) },
        older: last.map(|seq| asked.address(&path, Some(("before", seq.to_string())))).unwrap_or_default(),
        asked,
    };
    page.show(&mut scope, "Audit log", index).await
}

async fn export(can: Can<ViewAudit>, page: Page, Query(asked): Query<Asked>) -> Result<Response> {
    let zone = page.zone(can.me().time_zone.as_deref());
    let mut scope = can.read();
    let found = audit::list(&mut scope, &asked.filter(&zone, MOST_IN_FILE)).await?;
    drop(scope);
    let head =
        ["number", "time", "actor_type", "actor", "action", "target", "words", "address", "changes", "hash"];
    let mut text = csv::line(head);
    for it in &found {
        let (number, time, hash) = (it.seq.to_string(), it.at.to_string(), hex(&it.hash));
        let (target, words) = (it.target_name(), sentence(it));
        text += &csv::line([
            number.as_str(),
            &time,
            &it.actor_type,
            &it.actor_name,
            &it.action,
            &target,
            &words,
            &it.ip,
            &it.changes,
            &hash,
        ]);
    }
    Ok(csv::attachment(&format!("{}-audit.csv", can.slug()), text))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, it| {
        let _ = write!(text, "{it:02x}");
        text
    })
}
