//! What becomes of a key: another name, another secret.
use super::{Key, New, find, insert};
use crate::{
    error::{Error, Result},
    model::{
        access::{By, Fresh},
        id::KeyId,
        permission::{Permission, Permissions},
        text::{Name, fold},
        time::{DAY, Time},
    },
    store::{
        Change,
        access::EVERYDAY,
        audit::{self, Did},
    },
};
use serde_json::json;
use std::time::Duration;

/// How long both keys work after a rotation, if nothing is said.
pub const DEFAULT_GRACE: Duration = DAY;
/// How long both may work at most.
pub const LONGEST_GRACE: Duration = DAY.saturating_mul(30);

/// A key of one's own: whoever manages everybody's may see and revoke them, and no more.
async fn own(change: &mut Change, id: KeyId) -> Result<Key> {
    let key = find(change, id).await?;
    if key.user_id != Some(change.who().person.id) {
        let detail = "Only its owner can do this with a key. You can revoke it.";
        return Err(Error::Barred { code: "not_your_key", detail: detail.into() });
    }
    if !change.who().may(Permission::OwnKeys) {
        return Err(Error::Forbidden(Permission::OwnKeys));
    }
    Ok(key)
}

/// Gives a key of one's own another name.
pub async fn rename(change: &mut Change, id: KeyId, name: &Name) -> Result<()> {
    let key = own(change, id).await?;
    if key.name == name.as_str() {
        return Ok(());
    }
    change
        .ask("update api_keys set name = $3, name_key = $4 where account_id = $1 and id = $2")
        .bind(id)
        .bind(name.as_str())
        .bind(fold(name.as_str()))
        .execute()
        .await?;
    let did = Did::to("key.renamed", "key", id, name);
    audit::here(change, did.changed(json!({ "name": key.name }), json!({ "name": name }))).await
}

/// Makes a key of one's own that takes the place of another, for the same and as long as that one was; the old one works until
/// the grace is over, and never longer than it would have. The secret is answered once. What is ticked by hand needs proof.
pub async fn rotate(
    change: &mut Change,
    id: KeyId,
    grace: Duration,
    proof: Option<&Fresh>,
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
    if old.permissions().is_some_and(|it| it.without(EVERYDAY) != Permissions::NONE) && proof.is_none() {
        return Err(Error::Stale);
    }
    let membership = old.membership_id.ok_or(Error::NotFound)?;
    let (account, user) = (change.who().here.id, change.who().person.id);
    let new = New {
        name: &Name::parse(&old.name).map_err(Error::at("name"))?,
        expires_at: old.expires_at.map(|end| now.plus(end.since(old.created_at))),
        permissions: old.permissions(),
        resources: old.resources(),
    };
    let (successor, secret) = insert(change, account, membership, user, &new).await?;
    let ends = old.expires_at.unwrap_or(Time(i64::MAX)).min(now.plus(grace));
    change
        .ask(
            "update api_keys set expires_at = $3, successor_id = $4, notice_at = null where account_id = $1 and id = $2",
        )
        .bind(id)
        .bind(ends)
        .bind(successor)
        .execute()
        .await?;
    let (before, after) =
        (json!({ "expires_at": old.expires_at }), json!({ "expires_at": ends, "successor": successor }));
    audit::here(change, Did::to("key.rotated", "key", id, &old.name).changed(before, after)).await?;
    Ok((successor, secret))
}

/// A key that was made for less cannot make, by rotating another, one that is for more.
fn within(change: &Change, old: &Key) -> Result<()> {
    let who = change.who();
    let By::Key { .. } = who.by else { return Ok(()) };
    let only = who.rights.only.unwrap_or(EVERYDAY);
    if let Some(missing) = old.permissions().unwrap_or(EVERYDAY).without(only).iter().next() {
        return Err(Error::Forbidden(missing));
    }
    let Some(mine) = &who.rights.only_resources else { return Ok(()) };
    if old.resources().is_some_and(|it| it.iter().all(|it| mine.contains(it))) {
        return Ok(());
    }
    let detail = "This key is for some resources alone, and the one to rotate is for others too.";
    Err(Error::Barred { code: "exceeds_key", detail: detail.into() })
}
