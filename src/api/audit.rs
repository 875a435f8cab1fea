//! The account's audit log.
use super::{
    given, hex,
    pagination::{Ask, List},
};
use crate::{
    error::{Error, Result},
    http::{
        gate::{At, Key},
        routes::Routes,
    },
    model::{account::AccountRef, permission::ViewAudit, time::Time},
    store::audit::{self, Filter},
};
use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// The calls.
pub fn routes() -> Routes {
    Routes::default()
        .get("/api/v1/accounts/{slug}/audit", list)
        .told(|it| {
            it.says("List audit events", "Who did what to what, when, from where; newest first.")
                .asks::<Wish>()
                .lists::<Event>()
        })
        .get("/api/v1/accounts/{slug}/audit/{id}", show)
        .told(|it| it.says("Read an audit event", "One event, with what it changed.").gives::<Event>(200))
        .about(
            "Audit log",
            "What was done in the account. It is only ever added to, and each event seals the one before.",
        )
}

/// Something that was done.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEvent)]
struct Event {
    /// Its id.
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    /// When.
    at: Time,
    /// Who did it.
    actor: Actor,
    /// What was done.
    #[schema(example = "member.role_changed")]
    action: String,
    /// To what.
    target: Target,
    /// Where.
    account: AccountRef,
    /// From which address; empty where there is none.
    #[schema(example = "203.0.113.7")]
    ip: String,
    /// What it was before, and what after.
    changes: Changes,
    /// Seals this event and all before it.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    hash: String,
}

/// Who did it.
#[derive(Serialize, ToSchema)]
struct Actor {
    /// `user`, `key`, `visitor` or `host`: a person, a program, somebody not signed in, the machine's operator.
    #[serde(rename = "type")]
    #[schema(example = "user")]
    kind: String,
    /// Their id, if they have one.
    #[schema(value_type = Option<String>, format = "uuid")]
    id: Option<Uuid>,
    /// A name that says something when they are gone.
    #[schema(example = "ada@acme.test")]
    name: String,
}

/// To what it was done.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
struct Target {
    /// What kind of thing.
    #[serde(rename = "type")]
    #[schema(required, example = "member")]
    kind: String,
    /// Its id.
    #[schema(required)]
    id: String,
    /// Its name then.
    #[schema(required)]
    name: String,
}

/// What they hold depends on the action.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
struct Changes {
    /// What it was.
    #[schema(required)]
    before: Value,
    /// What it is.
    #[schema(required)]
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

#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Wish {
    /// Only what was done in this way: `member.removed`.
    action: String,
    /// Only what this one did: an address, a name, or a part of it.
    actor: String,
    /// Not before this time.
    #[serde(deserialize_with = "given")]
    from: Option<Time>,
    /// Before this time.
    #[serde(deserialize_with = "given")]
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
    let rows = audit::list(&mut key.read(), &filter).await?;
    Ok(ask.page(rows, |it| it.seq.to_string(), |it| Event::of(it, here(&key))))
}

fn here(key: &Key<ViewAudit>) -> AccountRef {
    let here = &key.me().here;
    AccountRef { id: here.id, slug: here.slug.clone(), name: here.name.clone() }
}

async fn show(key: Key<ViewAudit>, At(id): At<Uuid>) -> Result<Json<Event>> {
    let found = audit::find(&mut key.read(), id).await?;
    Ok(Json(Event::of(found.ok_or(Error::NotFound)?, here(&key))))
}
