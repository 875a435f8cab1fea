//! API keys: one's own, and everybody's for those who may manage them.
use super::{
    Nullable,
    etag::{IfMatch, Versioned, WithEtag},
    pagination::{List, ListQuery, NoFilters},
    present,
};
use crate::{
    error::{Error, Result},
    http::{
        form,
        gate::{Key, PathId},
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

pub fn routes() -> Routes {
    let all = "/api/v1/accounts/{slug}/keys";
    let one = "/api/v1/accounts/{slug}/keys/{id}";
    Routes::default()
        .get(all, list)
        .doc(|call| {
            call.summary("List API keys", "One’s own, or with `keys.manage` everybody’s; newest first.").returns_list::<ApiKey>()
        })
        .post(all, create)
        .doc(|call| {
            call.summary("Create an API key", "For the member of this key. Its secret is only in this answer, and stored nowhere.")
                .body::<NewApiKey>()
                .returns::<CreatedApiKey>(201)
                .errors(&["not_a_member", "permission_missing"])
        })
        .get(one, show)
        .doc(|call| call.summary("Get an API key", "Without its secret.").returns::<ApiKey>(200).with_etag())
        .patch(one, update)
        .doc(|call| call.summary("Update an API key", "Renames one of one’s own keys.").body::<ApiKeyUpdate>().returns::<ApiKey>(200).with_etag().errors(&["not_your_key"]))
        .delete(one, revoke)
        .doc(|call| {
            call.summary("Revoke an API key", "At once, for good. A key can always revoke itself.").no_content().with_etag()
        })
        .post("/api/v1/accounts/{slug}/keys/{id}/rotate", rotate)
        .doc(|call| {
            call.summary(
                "Rotate an API key",
                "Replaces it by a key with the same name, permissions, resources and term. For a while both work. The new secret is \
                 only in this answer, and stored nowhere.",
            )
            .body::<ApiKeyRotation>()
            .returns::<CreatedApiKey>(201)
            .errors(&["already_rotated", "exceeds_key", "key_over", "not_your_key"])
        })
        .about("API keys", "Secrets of members for their programs. A key is for one account, and never allows more than its member may do.")
}

/// An API key.
#[derive(Serialize, ToSchema)]
struct ApiKey {
    /// Its id.
    id: KeyId,
    /// Its name.
    #[schema(example = "Nightly import")]
    name: String,
    /// Its last four characters.
    #[schema(example = "x7Qa")]
    last4: String,
    /// Its owner; `null` if they are no longer a member.
    member: Option<ApiKeyMember>,
    /// What it may do; `null`: all that its member may, except permissions that must be chosen one by one.
    #[schema(example = json!(["resources.run", "resources.view"]))]
    permissions: Option<Permissions>,
    /// The resources that it may use; `null`: all.
    resources: Option<Vec<ResourceId>>,
    /// When it was created.
    created_at: Time,
    /// When it expires; `null`: never.
    expires_at: Option<Time>,
    /// When it was last used, to the minute.
    last_used_at: Option<Time>,
    /// Its status.
    #[schema(value_type = ApiKeyStatus)]
    status: &'static str,
    /// The key that replaced it.
    #[schema(example = json!(null))]
    replaced_by: Option<KeyId>,
}

impl Versioned for ApiKey {
    const VOLATILE: &[&str] = &["last_used_at", "status"];
}

/// The status of a key.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the document: the store has it as text")]
enum ApiKeyStatus {
    Active,
    Expired,
    Revoked,
}

/// The owner of a key.
#[derive(Serialize, ToSchema)]
struct ApiKeyMember {
    /// The id of their membership.
    id: MembershipId,
    /// Their email address.
    #[schema(example = "ada@acme.test")]
    email: String,
}

impl ApiKey {
    fn new(key: keys::Key, now: Time) -> ApiKey {
        let (permissions, resources, status) = (key.permissions(), key.resources(), key.status(now));
        ApiKey {
            id: key.id,
            name: key.name,
            last4: key.last4,
            member: key.membership_id.zip(key.owner_email).map(|(id, email)| ApiKeyMember { id, email }),
            permissions,
            resources,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.used_at,
            status,
            replaced_by: key.successor_id,
        }
    }
}

async fn list(key: Key<SeeKeys>, query: ListQuery<NoFilters>) -> Result<List<ApiKey>> {
    let rows = keys::list(&mut key.read(), query.after()?, query.limit_plus_one()).await?;
    let now = key.context().now();
    Ok(query.page(rows, |row| row.id.to_string(), |row| ApiKey::new(row, now)))
}

/// A key to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewApiKey {
    /// Its name.
    #[schema(value_type = Name, example = "Nightly import")]
    name: String,
    /// When it expires. Absent: in twelve months. `null`: never.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Time>)]
    expires_at: Option<Nullable<Time>>,
    /// What it may do. Absent or `null`: all that its member may, except permissions that must be chosen one by one.
    #[serde(default)]
    #[schema(min_items = 1, example = json!(["resources.run", "resources.view"]))]
    permissions: Option<Vec<Permission>>,
    /// The resources that it may use. Absent or `null`: all.
    #[serde(default)]
    #[schema(min_items = 1)]
    resources: Option<Vec<ResourceId>>,
}

/// A new key with its secret, which is shown only once.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeyMade)]
struct CreatedApiKey {
    #[serde(flatten)]
    key: ApiKey,
    /// The key itself, to use as bearer token.
    #[schema(example = "gh_key_…")]
    secret: String,
}

async fn create(
    key: Key<OwnKeys>,
    form::Json(body): form::Json<NewApiKey>,
) -> Result<(StatusCode, Json<CreatedApiKey>)> {
    let now = key.context().now();
    let name = Name::parse(&body.name).map_err(Error::at("name"))?;
    let recent_auth = key.reauthenticate("").await?;
    let new = keys::NewKey {
        name: &name,
        expires_at: body.expires_at.map_or_else(|| Some(now.plus(keys::TERM)), |nullable| nullable.0),
        permissions: body.permissions.as_deref().map(Permissions::of),
        resources: body.resources,
    };
    let (created, secret) = key
        .change(async |change| {
            let (id, secret) = keys::create(change, &new, Some(&recent_auth)).await?;
            Ok((keys::find(change, id).await?, secret))
        })
        .await?;
    Ok((StatusCode::CREATED, Json(CreatedApiKey { key: ApiKey::new(created, now), secret })))
}

async fn show(key: Key<SeeKeys>, PathId(id): PathId<KeyId>) -> Result<WithEtag<ApiKey>> {
    let row = keys::find(&mut key.read(), id).await?;
    Ok(WithEtag(ApiKey::new(row, key.context().now())))
}

/// What to change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApiKeyName)]
struct ApiKeyUpdate {
    /// A new name.
    #[schema(value_type = Name)]
    name: String,
}

async fn update(
    key: Key<OwnKeys>,
    PathId(id): PathId<KeyId>,
    if_match: IfMatch,
    form::Json(patch): form::Json<ApiKeyUpdate>,
) -> Result<WithEtag<ApiKey>> {
    let name = Name::parse(&patch.name).map_err(Error::at("name"))?;
    let updated = key
        .change(async |change| {
            if_match.check(&ApiKey::new(keys::find(change, id).await?, change.now()))?;
            keys::rename(change, id, &name).await?;
            keys::find(change, id).await
        })
        .await?;
    Ok(WithEtag(ApiKey::new(updated, key.context().now())))
}

/// How to rotate a key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApiKeyRotation {
    /// How long both keys work, in seconds. Absent: a day.
    #[serde(default)]
    #[schema(example = 86_400)]
    grace_seconds: Option<u32>,
}

async fn rotate(
    key: Key<OwnKeys>,
    PathId(id): PathId<KeyId>,
    form::Json(rotation): form::Json<ApiKeyRotation>,
) -> Result<(StatusCode, Json<CreatedApiKey>)> {
    let recent_auth = key.reauthenticate("").await?;
    let grace =
        rotation.grace_seconds.map_or(keys::DEFAULT_GRACE, |seconds| Duration::from_secs(seconds.into()));
    let (created, secret) = key
        .change(async |change| {
            let (id, secret) = keys::rotate(change, id, grace, Some(&recent_auth)).await?;
            Ok((keys::find(change, id).await?, secret))
        })
        .await?;
    Ok((StatusCode::CREATED, Json(CreatedApiKey { key: ApiKey::new(created, key.context().now()), secret })))
}

async fn revoke(key: Key<SeeKeys>, PathId(id): PathId<KeyId>, if_match: IfMatch) -> Result<StatusCode> {
    let now = key.context().now();
    key.change(async |change| {
        if if_match.is_present() {
            if_match.check(&ApiKey::new(keys::find(change, id).await?, now))?;
        }
        keys::revoke(change, id).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
