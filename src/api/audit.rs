//! The account's audit log.
use super::{
    hex,
    list::{Ask, List},
};
use crate::{
    app::{gate::Key, routes::Routes},
    error::Result,
    model::{account::AccountRef, permission::ViewAudit, time::Time},
    store::audit::{self, Filter},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// The calls.
pub fn routes() -> Routes {
    Routes::default().get("/api/v1/accounts/{slug}/audit", list)
}

#[derive(Serialize)]
struct Event {
    id: Uuid,
    at: Time,
    actor: Actor,
    action: String,
    target: Target,
    account: AccountRef,
    ip: String,
    changes: Changes,
    hash: String,
}

#[derive(Serialize)]
struct Actor {
    #[serde(rename = "type")]
    kind: String,
    id: Option<Uuid>,
    name: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Target {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    name: String,
}

/// What they hold depends on the action.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Changes {
    before: Value,
    after: Value,
}

impl Event {
    fn of(it: audit::Event, account: AccountRef) -> Event {
        Event {
            id: it.id,
            at: it.at,
            actor: Actor { kind: it.actor_type, id: it.actor_id, name: it.actor_name },
            action: it.action,
            target: serde_json::from_str(&it.target).unwrap_or_default(),
            account,
            ip: it.ip,
            changes: serde_json::from_str(&it.changes).unwrap_or_default(),
            hash: hex(&it.hash),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wish {
    action: String,
    actor: String,
    from: Option<Time>,
    to: Option<Time>,
}

async fn list(key: Key<ViewAudit>, ask: Ask<Wish>) -> Result<List<Event>> {
    let filter = Filter {
        action: ask.filter.action.clone(),
        actor: ask.filter.actor.clone(),
        before: ask.after_by(|it| it.parse().ok().filter(|it| *it > 0))?.unwrap_or_default(),
        from: ask.filter.from,
        to: ask.filter.to,
        limit: ask.one_more(),
    };
    let rows = audit::list(&mut key.read().await?, &filter).await?;
    let here = &key.me().here;
    let account = || AccountRef { id: here.id, slug: here.slug.clone(), name: here.name.clone() };
    Ok(ask.page(rows, |it| it.seq.to_string(), |it| Event::of(it, account())))
}
