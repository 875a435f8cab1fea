//! API keys: one's own, and everyone's for who may manage them.
use super::{
    Nullable,
    etag::{IfMatch, Tagged, Versioned},
    given,
    pagination::{Ask, List},
};
use crate::{
    error::{Error, Result},
    http::{
        form,
        gate::{At, Key as Gate},
        routes::Routes,
    },
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
use utoipa::ToSchema;

/// The calls.
pub fn routes() -> Routes {
    let all = "/api/v1/accounts/{slug}/keys";
    let one = "/api/v1/accounts/{slug}/keys/{id}";
    let again = "/api/v1/accounts/{slug}/keys/{id}/rotate";
    Routes::default()
        .get(all, list)
        .told(|it| {
            it.says("List API keys", "One’s own, or everyone’s for `keys.manage`; newest first.").asks::<Wish>().lists::<Key>()
        })
        .post(all, create)
        .told(|it| {
            it.says("Make an API key", "A key of this key’s member. Its secret is told here once, and kept nowhere.")
                .takes::<New>()
                .gives::<Made>(201)
                .fails(&["not_a_member", "permission_missing"])
        })
        .get(one, show)
        .told(|it| it.says("Read an API key", "All but its secret.").gives::<Key>(200).tagged())
        .patch(one, rename)
        .told(|it| it.says("Rename an API key", "One’s own.").takes::<Rename>().gives::<Key>(200).tagged().fails(&["not_your_key"]))
        .delete(one, revoke)
        .told(|it| {
            it.says("Revoke an API key", "At once, for good. A key can always revoke itself.").gives_nothing().tagged()
        })
        .post(again, rotate)
        .told(|it| {
            it.says(
                "Rotate an API key",
                "A key with the same name, permissions, resources and term takes this one’s place. For a while both work. The new \
                 secret is told here once, and kept nowhere.",
            )
            .takes::<Rotation>()
            .gives::<Made>(201)
            .fails(&["already_rotated", "exceeds_key", "key_over", "not_your_key"])
        })
        .about("API keys", "Secrets of members for programs. A key opens one account, and never does more than its member may.")
}

/// A secret of a member for a program.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
struct Key {
    /// Its id.
    id: KeyId,
    /// What its maker called it.
    #[schema(example = "Nightly import")]
    name: String,
    /// Its last four characters.
    #[schema(example = "x7Qa")]
    last4: String,
    /// Whose it is; `null` when they are gone.
    member: Option<Member>,
    /// What it is for; `null`: all that its member may, but for what is ticked by hand.
    #[schema(example = json!(["resources.run", "resources.view"]))]
    permissions: Option<Permissions>,
    /// The resources that it is for; `null`: all.
    resources: Option<Vec<ResourceId>>,
    /// When it was made.
    created_at: Time,
    /// Until when it holds; `null`: for good.
    expires_at: Option<Time>,
    /// When it was last used, to the minute.
    last_used_at: Option<Time>,
    /// Whether it works.
    #[schema(value_type = Status)]
    status: &'static str,
    /// The key that took its place.
    #[schema(example = json!(null))]
    replaced_by: Option<KeyId>,
}

impl Versioned for Key {
    const PASSING: &[&str] = &["last_used_at", "status"];
}

/// Whether a key works.
#[derive(ToSchema)]
#[schema(as = ApiKeyStatus, rename_all = "lowercase")]
#[expect(dead_code, reason = "it describes the words in which the store tells it")]
enum Status {
    Active,
    Expired,
    Revoked,
}

/// Whose it is; none when they are gone.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeyMember)]
struct Member {
    /// Their membership's id.
    id: MembershipId,
    /// Their address.
    #[schema(example = "ada@acme.test")]
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

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wish {}

async fn list(key: Gate<SeeKeys>, ask: Ask<Wish>) -> Result<List<Key>> {
    let Wish {} = ask.filter;
    let rows = keys::list(&mut key.read(), ask.after()?, ask.one_more()).await?;
    let now = key.kit().now();
    Ok(ask.page(rows, |it| it.id.to_string(), |it| Key::of(it, now)))
}

/// A key that is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewApiKey)]
struct New {
    /// What to call it.
    #[schema(value_type = Name, example = "Nightly import")]
    name: String,
    /// Until when it holds. Absent: twelve months. `null`: for good.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Time>)]
    expires_at: Option<Nullable<Time>>,
    /// What it is for. Absent or `null`: all that its member may, but for what is ticked by hand.
    #[serde(default)]
    #[schema(min_items = 1, example = json!(["resources.run", "resources.view"]))]
    permissions: Option<Vec<Permission>>,
    /// The resources that it is for. Absent or `null`: all.
    #[serde(default)]
    #[schema(min_items = 1)]
    resources: Option<Vec<ResourceId>>,
}

/// The one time that the secret is told.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeyMade)]
struct Made {
    #[serde(flatten)]
    key: Key,
    /// The key itself.
    #[schema(example = "gh_key_…")]
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

async fn show(key: Gate<SeeKeys>, At(id): At<KeyId>) -> Result<Tagged<Key>> {
    let found = keys::find(&mut key.read(), id).await?;
    Ok(Tagged(Key::of(found, key.kit().now())))
}

/// What it is called from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApiKeyName)]
struct Rename {
    /// Its name.
    #[schema(value_type = Name)]
    name: String,
}

async fn rename(
    key: Gate<OwnKeys>,
    At(id): At<KeyId>,
    version: IfMatch,
    form::Json(it): form::Json<Rename>,
) -> Result<Tagged<Key>> {
    let name = Name::parse(&it.name).map_err(Error::at("name"))?;
    let renamed = key
        .change(async |change| {
            version.holds(&Key::of(keys::find(change, id).await?, change.now()))?;
            keys::rename(change, id, &name).await?;
            keys::find(change, id).await
        })
        .await?;
    Ok(Tagged(Key::of(renamed, key.kit().now())))
}

/// How it passes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApiKeyRotation)]
struct Rotation {
    /// How long both work. Absent: a day.
    #[serde(default)]
    #[schema(example = 86_400)]
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

async fn revoke(key: Gate<SeeKeys>, At(id): At<KeyId>, version: IfMatch) -> Result<StatusCode> {
    let now = key.kit().now();
    key.change(async |change| {
        if version.is_given() {
            version.holds(&Key::of(keys::find(change, id).await?, now))?;
        }
        keys::revoke(change, id).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
