//! The account's audit log.
use super::{
    pagination::{List, ListQuery},
    present,
};
use crate::{
    error::{Error, Result},
    http::{
        gate::{Key, PathId},
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

pub fn routes() -> Routes {
    Routes::default()
        .get("/api/v1/accounts/{slug}/audit", list)
        .doc(|call| {
            call.summary("List audit events", "Who did what, when and from where; newest first.")
                .query::<AuditQuery>()
                .returns_list::<AuditEvent>()
        })
        .get("/api/v1/accounts/{slug}/audit/{id}", show)
        .doc(|call| call.summary("Get an audit event", "One event, with what it changed.").returns::<AuditEvent>(200))
        .about(
            "Audit log",
            "What was done in the account. Events are only ever added, and the hash of each covers the one before.",
        )
}

/// One action.
#[derive(Serialize, ToSchema)]
struct AuditEvent {
    /// Its id.
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    /// When it was done.
    at: Time,
    /// Who did it.
    actor: Actor,
    /// What was done.
    #[schema(example = "member.role_changed")]
    action: String,
    /// What it was done to.
    target: Target,
    /// The account in which it was done.
    account: AccountRef,
    /// The IP address; empty if there is none.
    #[schema(example = "203.0.113.7")]
    ip: String,
    /// The state before and after.
    changes: Changes,
    /// A hash over this event and all before it.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    hash: String,
}

/// Who did it.
#[derive(Serialize, ToSchema)]
struct Actor {
    /// `user`, `key`, `visitor` or `host`: a person, an API key, somebody who is not signed in, the operator on the command line.
    #[serde(rename = "type")]
    #[schema(example = "user")]
    kind: String,
    /// The id of the user or key.
    #[schema(value_type = Option<String>, format = "uuid")]
    id: Option<Uuid>,
    /// A name that still tells who it was when they are gone.
    #[schema(example = "ada@acme.test")]
    name: String,
}

/// What it was done to.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
struct Target {
    /// Its kind.
    #[serde(rename = "type")]
    #[schema(required, example = "member")]
    kind: String,
    /// Its id.
    #[schema(required)]
    id: String,
    /// Its name at the time.
    #[schema(required)]
    name: String,
}

/// The fields depend on the action.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
struct Changes {
    /// Before the action.
    #[schema(required)]
    before: Value,
    /// After the action.
    #[schema(required)]
    after: Value,
}

impl AuditEvent {
    fn new(event: audit::Event, account: AccountRef) -> AuditEvent {
        AuditEvent {
            id: event.id,
            at: event.at,
            actor: Actor { kind: event.actor_type, id: event.actor_id, name: event.actor_name },
            action: event.action,
            target: serde_json::from_str(&event.target).unwrap_or_default(),
            account,
            ip: event.ip,
            changes: serde_json::from_str(&event.changes).unwrap_or_default(),
            hash: hex::encode(event.hash),
        }
    }
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct AuditQuery {
    /// Only this action, such as `member.removed`.
    action: String,
    /// Only by this actor: an email address, a name, or a part of one.
    actor: String,
    /// Not before this time.
    #[serde(deserialize_with = "present")]
    from: Option<Time>,
    /// Before this time.
    #[serde(deserialize_with = "present")]
    to: Option<Time>,
}

async fn list(key: Key<ViewAudit>, query: ListQuery<AuditQuery>) -> Result<List<AuditEvent>> {
    let filter = Filter {
        action: query.filter.action.clone(),
        actor: query.filter.actor.clone(),
        before: query.after_with(|text| text.parse().ok().filter(|seq| *seq > 0))?.unwrap_or_default(),
        from: query.filter.from,
        to: query.filter.to,
        limit: query.limit_plus_one(),
    };
    let rows = audit::list(&mut key.read(), &filter).await?;
    Ok(query.page(rows, |row| row.seq.to_string(), |row| AuditEvent::new(row, account(&key))))
}

fn account(key: &Key<ViewAudit>) -> AccountRef {
    let account = &key.access().account;
    AccountRef { id: account.id, slug: account.slug.clone(), name: account.name.clone() }
}

async fn show(key: Key<ViewAudit>, PathId(id): PathId<Uuid>) -> Result<Json<AuditEvent>> {
    let event = audit::find(&mut key.read(), id).await?.ok_or(Error::NotFound)?;
    Ok(Json(AuditEvent::new(event, account(&key))))
}
