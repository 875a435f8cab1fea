//! Passkeys: several a user, each with a name. A way in by itself, and a second factor behind a password.
use super::{
    Change, Me, Scope, Who,
    factors::{self, tell},
};
use crate::{
    crypto::passkey::Credential,
    emails::FactorChange,
    error::{Error, Result},
    model::{
        access::Fresh,
        id::{PasskeyId, UserId},
        text::Name,
        time::Time,
    },
};

/// How many one user may have.
const MOST: i64 = 20;

/// A passkey as its user sees it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Listed {
    /// Which.
    pub id: PasskeyId,
    /// What its user calls it.
    pub name: String,
    /// When it was added.
    pub created_at: Time,
    /// When it was last used.
    pub used_at: Option<Time>,
}

/// One of the signed-in user's passkeys.
pub async fn find(scope: &mut Scope<Me>, id: PasskeyId) -> Result<Listed> {
    let sql = "select id, name, created_at, used_at from passkeys where user_id = $1 and id = $2";
    scope.ask(sql).bind(id).fetch_optional().await?.ok_or(Error::NotFound)
}

/// By what their authenticators know a user's passkeys.
pub async fn credential_ids<W: Who>(scope: &mut Scope<W>, user: UserId) -> Result<Vec<Vec<u8>>> {
    let sql = "select credential_id from passkeys where user_id = $1 order by id limit 100";
    let found: Vec<(Vec<u8>,)> = scope.sql(sql).bind(user).fetch_all().await?;
    Ok(found.into_iter().map(|it| it.0).collect())
}

/// A passkey that is to prove who somebody is.
pub struct Claimed {
    /// Which.
    pub id: PasskeyId,
    /// Whose.
    pub user: UserId,
    /// Its public key and counter.
    pub credential: Credential,
}

/// By what its authenticator knows it. Held until the change ends: a counter is checked once at a time.
pub async fn claim<W: Who>(change: &mut Change<W>, credential_id: &[u8]) -> Result<Option<Claimed>> {
    let sql = "select id, user_id, credential from passkeys where credential_id = $1 for no key update";
    let found: Option<(PasskeyId, UserId, String)> =
        change.sql(sql).bind(credential_id.to_vec()).fetch_optional().await?;
    let Some((id, user, json)) = found else { return Ok(None) };
    let credential = serde_json::from_str(&json).map_err(|it| Error::Internal(it.to_string()))?;
    Ok(Some(Claimed { id, user, credential }))
}

/// The passkey proved who somebody is: its counter moved.
pub async fn used<W: Who>(change: &mut Change<W>, id: PasskeyId, after: &Credential) -> Result<()> {
    let (json, now) = (written(after)?, change.now());
    let sql = "update passkeys set credential = $2, used_at = $3 where id = $1";
    change.sql(sql).bind(id).bind(json).bind(now).execute().await?;
    Ok(())
}

/// Adds a passkey of the signed-in user. Answers the recovery codes, where they had no second factor before.
pub async fn add(
    change: &mut Change<Me>,
    _: &Fresh,
    name: &Name,
    credential: &Credential,
) -> Result<Option<Vec<String>>> {
    let (person, now) = (change.who().person.clone(), change.now());
    change.lock_user(person.id).await?;
    if factors::ways(change, person.id).await?.passkeys >= MOST {
        let detail = format!("You have {MOST} passkeys, which is the most. Remove one first.");
        return Err(Error::conflict("passkey_limit", detail));
    }
    let codes = factors::first_codes(change, &person).await?;
    let id = PasskeyId(change.kit().id());
    let sql = "insert into passkeys (user_id, id, credential_id, name, credential, created_at)
        values ($1, $2, $3, $4, $5, $6) on conflict (credential_id) do nothing";
    let json = written(credential)?;
    let adding =
        change.ask(sql).bind(id).bind(credential.id().to_vec()).bind(name.as_str()).bind(json).bind(now);
    if adding.execute().await? == 0 {
        return Err(Error::conflict("passkey_known", "This passkey is in use already."));
    }
    tell(change, &person, FactorChange::PasskeyAdded(name.as_str()), "passkey.added").await?;
    Ok(codes)
}

fn written(credential: &Credential) -> Result<String> {
    serde_json::to_string(credential).map_err(|it| Error::Internal(it.to_string()))
}

/// Calls a passkey otherwise.
pub async fn rename(change: &mut Change<Me>, id: PasskeyId, name: &Name) -> Result<()> {
    let sql = "update passkeys set name = $3 where user_id = $1 and id = $2";
    match change.ask(sql).bind(id).bind(name.as_str()).execute().await? {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}

/// Removes a passkey, unless it is the last way in.
pub async fn remove(change: &mut Change<Me>, _: &Fresh, id: PasskeyId) -> Result<()> {
    let person = change.who().person.clone();
    change.lock_user(person.id).await?;
    let passkey = find(change, id).await?;
    let ways = factors::ways(change, person.id).await?;
    if !ways.password && !ways.is_linked() && ways.passkeys == 1 {
        let detail =
            "This passkey is your only way in. Add another one, or set a password, before you remove it.";
        return Err(Error::conflict("last_way_in", detail));
    }
    change.ask("delete from passkeys where user_id = $1 and id = $2").bind(id).execute().await?;
    factors::forget_codes_of_none(change, person.id).await?;
    tell(change, &person, FactorChange::PasskeyRemoved(&passkey.name), "passkey.removed").await
}

/// Removes all of a user's passkeys.
pub(super) async fn forget_all<W: Who>(change: &mut Change<W>, user: UserId) -> Result<()> {
    change.sql("delete from passkeys where user_id = $1").bind(user).execute().await?;
    Ok(())
}
