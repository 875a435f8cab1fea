//! Passkeys: a user can have several. They sign in alone, or serve as a second factor after a password.
use super::{
    Change, Scope, SignedInUser,
    factors::{self, notify},
};
use crate::{
    crypto::passkey::Credential,
    emails::FactorChange,
    error::{Error, Result},
    model::{
        actor::RecentAuth,
        id::{PasskeyId, UserId},
        text::Name,
        time::Time,
    },
};

/// The most passkeys of a user.
const MOST: i64 = 20;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Passkey {
    pub id: PasskeyId,
    pub name: String,
    pub created_at: Time,
    pub used_at: Option<Time>,
}

pub async fn find(scope: &mut Scope<SignedInUser>, id: PasskeyId) -> Result<Passkey> {
    let sql = "select id, name, created_at, used_at from passkeys where user_id = $1 and id = $2";
    scope.query_of_user(sql).bind(id).fetch_optional().await?.ok_or(Error::NotFound)
}

/// The credential ids of a user's passkeys.
pub async fn credential_ids<A>(scope: &mut Scope<A>, user: UserId) -> Result<Vec<Vec<u8>>> {
    let sql = "select credential_id from passkeys where user_id = $1 order by id limit 100";
    let found: Vec<(Vec<u8>,)> = scope.query_unscoped(sql).bind(user).fetch_all().await?;
    Ok(found.into_iter().map(|row| row.0).collect())
}

/// A passkey that a user authenticates with.
pub struct ClaimedPasskey {
    pub id: PasskeyId,
    pub user: UserId,
    /// Its public key and counter.
    pub credential: Credential,
}

/// Finds and locks a passkey by its credential id: its counter is checked once at a time.
pub async fn claim<A>(change: &mut Change<A>, credential_id: &[u8]) -> Result<Option<ClaimedPasskey>> {
    let sql = "select id, user_id, credential from passkeys where credential_id = $1 for no key update";
    let found: Option<(PasskeyId, UserId, String)> =
        change.query_unscoped(sql).bind(credential_id.to_vec()).fetch_optional().await?;
    let Some((id, user, json)) = found else { return Ok(None) };
    let credential = serde_json::from_str(&json).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(Some(ClaimedPasskey { id, user, credential }))
}

/// Stores the new counter after an authentication.
pub async fn used<A>(change: &mut Change<A>, id: PasskeyId, after: &Credential) -> Result<()> {
    let (json, now) = (to_json(after)?, change.now());
    let sql = "update passkeys set credential = $2, used_at = $3 where id = $1";
    change.query_unscoped(sql).bind(id).bind(json).bind(now).execute().await?;
    Ok(())
}

/// Adds a passkey. Returns recovery codes if this is the user's first second factor.
pub async fn add(
    change: &mut Change<SignedInUser>,
    _: &RecentAuth,
    name: &Name,
    credential: &Credential,
) -> Result<Option<Vec<String>>> {
    let (person, now) = (change.user().clone(), change.now());
    change.lock_user(person.id).await?;
    if factors::available(change, person.id).await?.passkeys >= MOST {
        let detail = format!("You have {MOST} passkeys, which is the most. Remove one first.");
        return Err(Error::conflict("passkey_limit", detail));
    }
    let codes = factors::first_codes(change, &person).await?;
    let id = PasskeyId(change.context().id());
    let sql = "insert into passkeys (user_id, id, credential_id, name, credential, created_at)
        values ($1, $2, $3, $4, $5, $6) on conflict (credential_id) do nothing";
    let json = to_json(credential)?;
    let adding = change
        .query_of_user(sql)
        .bind(id)
        .bind(credential.id().to_vec())
        .bind(name.as_str())
        .bind(json)
        .bind(now);
    if adding.execute().await? == 0 {
        return Err(Error::conflict("passkey_known", "This passkey is in use already."));
    }
    notify(change, &person, FactorChange::PasskeyAdded(name.as_str()), "passkey.added").await?;
    Ok(codes)
}

fn to_json(credential: &Credential) -> Result<String> {
    serde_json::to_string(credential).map_err(|error| Error::Internal(error.to_string()))
}

pub async fn rename(change: &mut Change<SignedInUser>, id: PasskeyId, name: &Name) -> Result<()> {
    let sql = "update passkeys set name = $3 where user_id = $1 and id = $2";
    match change.query_of_user(sql).bind(id).bind(name.as_str()).execute().await? {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}

/// Removes a passkey, unless it is the last way to sign in.
pub async fn remove(change: &mut Change<SignedInUser>, _: &RecentAuth, id: PasskeyId) -> Result<()> {
    let person = change.user().clone();
    change.lock_user(person.id).await?;
    let passkey = find(change, id).await?;
    let available = factors::available(change, person.id).await?;
    if !available.password && !available.is_linked() && available.passkeys == 1 {
        let detail =
            "This passkey is your only way in. Add another one, or set a password, before you remove it.";
        return Err(Error::conflict("last_way_in", detail));
    }
    change.query_of_user("delete from passkeys where user_id = $1 and id = $2").bind(id).execute().await?;
    factors::delete_orphaned_codes(change, person.id).await?;
    notify(change, &person, FactorChange::PasskeyRemoved(&passkey.name), "passkey.removed").await
}

/// Removes all of a user's passkeys.
pub(super) async fn delete_all<A>(change: &mut Change<A>, user: UserId) -> Result<()> {
    change.query_unscoped("delete from passkeys where user_id = $1").bind(user).execute().await?;
    Ok(())
}
