//! Renames and rotates keys.
use super::{Key, NewKey, find, insert};
use crate::{
    error::{Error, Result},
    model::{
        access::Access,
        actor::{Actor, RecentAuth},
        id::KeyId,
        permission::{Permission, Permissions},
        text::{Name, fold},
        time::{DAY, Time},
    },
    store::{
        Change,
        access::EVERYDAY,
        audit::{self, NewEvent},
    },
};
use serde_json::json;
use std::time::Duration;

/// How long both keys work after a rotation, by default.
pub const DEFAULT_GRACE: Duration = DAY;
pub const LONGEST_GRACE: Duration = DAY.saturating_mul(30);

/// The caller's own key. Managing everybody's keys means seeing and revoking them, and no more.
async fn own(change: &mut Change<Access>, id: KeyId) -> Result<Key> {
    let key = find(change, id).await?;
    if !key.user_id.is_some_and(|user| change.access().is_user(user)) {
        let detail = "Only its owner can do this with a key. You can revoke it.";
        return Err(Error::AccessDenied { code: "not_your_key", detail: detail.into() });
    }
    if !change.access().may(Permission::OwnKeys) {
        return Err(Error::MissingPermission(Permission::OwnKeys));
    }
    Ok(key)
}

/// Renames one of the caller's own keys.
pub async fn rename(change: &mut Change<Access>, id: KeyId, name: &Name) -> Result<()> {
    let key = own(change, id).await?;
    if key.name == name.as_str() {
        return Ok(());
    }
    change
        .query_in_account("update api_keys set name = $3, name_key = $4 where account_id = $1 and id = $2")
        .bind(id)
        .bind(name.as_str())
        .bind(fold(name.as_str()))
        .execute()
        .await?;
    let event = NewEvent::on("key.renamed", "key", id, name);
    audit::record(change, event.changed(json!({ "name": key.name }), json!({ "name": name }))).await
}

/// Makes a successor of one of the caller's own keys, with the same permissions and lifetime. The old key works until the grace
/// period is over, and never longer than it would have. The secret is returned once. Sensitive permissions need a recent
/// authentication.
pub async fn rotate(
    change: &mut Change<Access>,
    id: KeyId,
    grace: Duration,
    proof: Option<&RecentAuth>,
) -> Result<(KeyId, String)> {
    let old = own(change, id).await?;
    let now = change.now();
    if old.status(now) != "active" {
        let detail = "This key does not work any more, so nothing can take its place. Create another.";
        return Err(Error::conflict("key_over", detail));
    }
    if let Some(successor) = &old.successor {
        let detail =
            format!("This key was rotated already: gh_key_••••{successor} takes its place. Rotate that one.");
        return Err(Error::conflict("already_rotated", detail));
    }
    if grace > LONGEST_GRACE {
        return Err(Error::invalid("grace_seconds", "too_long", "Both can work for 30 days at most."));
    }
    within(change, &old)?;
    if old.permissions().is_some_and(|permissions| permissions.without(EVERYDAY) != Permissions::NONE)
        && proof.is_none()
    {
        return Err(Error::ReauthRequired);
    }
    let membership = old.membership_id.ok_or(Error::NotFound)?;
    let (account, user) = (change.access().account.id, change.acting_user()?.id);
    let new = NewKey {
        name: &Name::parse(&old.name).map_err(Error::at("name"))?,
        expires_at: old.expires_at.map(|end| now.plus(end.since(old.created_at))),
        permissions: old.permissions(),
        resources: old.resources(),
    };
    let (successor, secret) = insert(change, account, membership, user, &new).await?;
    let ends = old.expires_at.unwrap_or(Time(i64::MAX)).min(now.plus(grace));
    change
        .query_in_account(
            "update api_keys set expires_at = $3, successor_id = $4, notice_at = null where account_id = $1 and id = $2",
        )
        .bind(id)
        .bind(ends)
        .bind(successor)
        .execute()
        .await?;
    let (before, after) =
        (json!({ "expires_at": old.expires_at }), json!({ "expires_at": ends, "successor": successor }));
    audit::record(change, NewEvent::on("key.rotated", "key", id, &old.name).changed(before, after)).await?;
    Ok((successor, secret))
}

/// A restricted key cannot rotate a key that may do more.
fn within(change: &Change<Access>, old: &Key) -> Result<()> {
    let access = change.access();
    let Actor::ApiKey { .. } = change.actor() else { return Ok(()) };
    let only = access.rights.only.unwrap_or(EVERYDAY);
    if let Some(missing) = old.permissions().unwrap_or(EVERYDAY).without(only).iter().next() {
        return Err(Error::MissingPermission(missing));
    }
    let Some(mine) = &access.rights.only_resources else { return Ok(()) };
    if old.resources().is_some_and(|resources| resources.iter().all(|resource| mine.contains(resource))) {
        return Ok(());
    }
    let detail = "This key is for some resources alone, and the one to rotate is for others too.";
    Err(Error::AccessDenied { code: "exceeds_key", detail: detail.into() })
}
