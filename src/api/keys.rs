//! API keys: one's own, and everyone's for who may manage them.
use super::{
    Nullable, given,
    list::{Ask, List},
};
use crate::{
    app::{
        form,
        gate::{At, Key as Gate},
        routes::Routes,
    },
    error::{Error, Result},
    model::{
        id::{KeyId, MembershipId, ResourceId},
        permission::{OwnKeys, Permission, Permissions, SeeKeys},
        text::Name,
        time::Time,
    },
    store::keys,
};
use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The calls.
pub fn routes() -> Routes {
    let all = "/api/v1/accounts/{slug}/keys";
    let one = "/api/v1/accounts/{slug}/keys/{id}";
    let again = "/api/v1/accounts/{slug}/keys/{id}/rotate";
    Routes::default()
        .get(all, list)
        .post(all, create)
        .patch(one, rename)
        .delete(one, revoke)
        .post(again, rotate)
}

#[derive(Serialize)]
struct Key {
    id: KeyId,
    name: String,
    last4: String,
    member: Option<Member>,
    permissions: Option<Permissions>,
    resources: Option<Vec<ResourceId>>,
    created_at: Time,
    expires_at: Option<Time>,
    last_used_at: Option<Time>,
    status: &'static str,
    /// The key that took its place.
    replaced_by: Option<KeyId>,
}

/// Whose it is; none when they are gone.
#[derive(Serialize)]
struct Member {
    id: MembershipId,
    email: String,
}

impl Key {
    fn of(it: keys::Key, now: Time) -> Key {
        let (permissions, resources, status) = (it.permissions(), it.resources(), it.status(now));
        Key {
            id: it.id,
            name: it.name,
            last4: it.last4,
            member: it.membership_id.zip(it.owner_email).map(|(id, email)| Member { id, email }),
            permissions,
            resources,
            created_at: it.created_at,
            expires_at: it.expires_at,
            last_used_at: it.used_at,
            status,
            replaced_by: it.successor_id,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {}

async fn list(key: Gate<SeeKeys>, ask: Ask<Wish>) -> Result<List<Key>> {
    let Wish {} = ask.filter;
    let rows = keys::list(&mut key.read().await?, ask.after()?, ask.one_more()).await?;
    let now = key.kit().now();
    Ok(ask.page(rows, |it| it.id.to_string(), |it| Key::of(it, now)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    /// Absent: twelve months. `null`: never.
    #[serde(default, deserialize_with = "given")]
    expires_at: Option<Nullable<Time>>,
    #[serde(default)]
    permissions: Option<Vec<Permission>>,
    #[serde(default)]
    resources: Option<Vec<ResourceId>>,
}

/// The one time that the secret is told.
#[derive(Serialize)]
struct Made {
    #[serde(flatten)]
    key: Key,
    secret: String,
}

async fn create(key: Gate<OwnKeys>, form::Json(new): form::Json<New>) -> Result<(StatusCode, Json<Made>)> {
    let now = key.kit().now();
    let name = Name::parse(&new.name).map_err(Error::at("name"))?;
    let fresh = key.prove("").await?;
    let wanted = keys::New {
        name: &name,
        expires_at: new.expires_at.map_or_else(|| Some(now.plus(keys::TERM)), |it| it.0),
        permissions: new.permissions.as_deref().map(Permissions::of),
        resources: new.resources,
    };
    let (made, secret) = key
        .change(async |change| {
            let (id, secret) = keys::create(change, &wanted, Some(&fresh)).await?;
            Ok((keys::find(change, id).await?, secret))
        })
        .await?;
    Ok((StatusCode::CREATED, Json(Made { key: Key::of(made, now), secret })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    name: String,
}

async fn rename(
    key: Gate<OwnKeys>,
    At(id): At<KeyId>,
    form::Json(it): form::Json<Change>,
) -> Result<Json<Key>> {
    let name = Name::parse(&it.name).map_err(Error::at("name"))?;
    let renamed = key
        .change(async |change| {
            keys::rename(change, id, &name).await?;
            keys::find(change, id).await
        })
        .await?;
    Ok(Json(Key::of(renamed, key.kit().now())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    /// How long both work. Absent: a day.
    #[serde(default)]
    grace_seconds: Option<u32>,
}

async fn rotate(
    key: Gate<OwnKeys>,
    At(id): At<KeyId>,
    form::Json(it): form::Json<Rotation>,
) -> Result<(StatusCode, Json<Made>)> {
    let fresh = key.prove("").await?;
    let grace = it.grace_seconds.map_or(keys::DEFAULT_GRACE, |it| Duration::from_secs(it.into()));
    let (made, secret) = key
        .change(async |change| {
            let (id, secret) = keys::rotate(change, id, grace, Some(&fresh)).await?;
            Ok((keys::find(change, id).await?, secret))
        })
        .await?;
    Ok((StatusCode::CREATED, Json(Made { key: Key::of(made, key.kit().now()), secret })))
}

async fn revoke(key: Gate<SeeKeys>, At(id): At<KeyId>) -> Result<StatusCode> {
    key.change(async |change| keys::revoke(change, id).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
