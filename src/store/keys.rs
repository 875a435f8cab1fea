//! API keys of members, and the service tokens of the platform's own back end.
use super::{
    Change, Host, Scope,
    audit::{self, Chain, Did},
};
use crate::{
    error::{Error, Result},
    kit::secret::{KeyKind, hash, machine_key},
    model::{
        id::{AccountId, KeyId, MembershipId, UserId},
        permission::{Permission, Permissions},
        text::Name,
        time::Time,
    },
};
use serde_json::{Value, json};

/// A key as its list shows it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Key {
    /// Its id.
    pub id: KeyId,
    /// What its maker called it.
    pub name: String,
    /// Its last four characters.
    pub last4: String,
    /// Whose it is; none when they are gone.
    pub membership_id: Option<MembershipId>,
    /// Who made it.
    pub user_id: Option<UserId>,
    /// Their name.
    pub owner_name: Option<String>,
    /// Their address.
    pub owner_email: Option<String>,
    /// When it was made.
    pub created_at: Time,
    /// When it ends.
    pub expires_at: Option<Time>,
    /// When it was last used.
    pub used_at: Option<Time>,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
}

impl Key {
    /// `active`, `expired` or `revoked`.
    pub fn status(&self, now: Time) -> &'static str {
        match (self.revoked_at, self.expires_at) {
            (Some(_), _) => "revoked",
            (_, Some(it)) if it <= now => "expired",
            _ => "active",
        }
    }
}

/// The account's keys, newest first: everyone's for who may manage them, else one's own.
pub async fn list(scope: &mut Scope, after: Option<KeyId>, limit: i64) -> Result<Vec<Key>> {
    let all = scope.who().may(Permission::ManageKeys);
    let me = scope.who().person.id;
    let after = after.unwrap_or(KeyId(uuid::Uuid::max()));
    Ok(scope
        .ask(
            "select k.id, k.name, k.last4, k.membership_id, k.user_id, u.name as owner_name, u.email as owner_email, k.created_at, k.expires_at,
                k.used_at, k.revoked_at
             from api_keys k left join users u on u.id = k.user_id
             where k.account_id = $1 and (k.user_id = $2 or $3) and k.id < $4 order by k.id desc limit $5",
        )
        .bind(me)
        .bind(all)
        .bind(after)
        .bind(limit)
        .all()
        .await?)
}

/// Makes a key of one's own; the secret is answered once, and kept nowhere.
pub async fn create(change: &mut Change, name: &Name, expires_at: Option<Time>) -> Result<(KeyId, String)> {
    let membership = change.who().membership.ok_or_else(|| {
        Error::conflict(
            "not_a_member",
            "You are here as an administrator of the organization. Keys belong to members.",
        )
    })?;
    if expires_at.is_some_and(|it| it <= change.now()) {
        return Err(Error::invalid("expires_at", "in_the_past", "The end lies in the past."));
    }
    let (account, user) = (change.who().here.id, change.who().person.id);
    insert(change, account, membership, user, name, expires_at, None).await
}

/// Makes a key for a member: the operator's way. It holds all permissions, never more than its member.
pub async fn create_for(
    change: &mut Change<Host>,
    account: AccountId,
    membership: MembershipId,
    user: UserId,
    name: &Name,
    expires_at: Option<Time>,
) -> Result<(KeyId, String)> {
    insert(change, account, membership, user, name, expires_at, Some(Permissions::ALL)).await
}

async fn insert<W: super::Who>(
    change: &mut Change<W>,
    account: AccountId,
    membership: MembershipId,
    user: UserId,
    name: &Name,
    expires_at: Option<Time>,
    permissions: Option<Permissions>,
) -> Result<(KeyId, String)> {
    let (kit, now) = (change.kit().clone(), change.now());
    let (id, secret) = (KeyId(kit.id()), machine_key(KeyKind::Key, &kit.chance));
    change
        .sql(
            "insert into api_keys (id, account_id, membership_id, user_id, name, hash, last4, permissions, created_at, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(id)
        .bind(account)
        .bind(membership)
        .bind(user)
        .bind(name.as_str())
        .bind(hash(&secret))
        .bind(&secret[secret.len() - 4..])
        .bind(permissions.map(Permissions::to_json))
        .bind(now)
        .bind(expires_at)
        .run()
        .await?;
    let did =
        Did::to("key.created", "key", id, name).changed(Value::Null, json!({ "expires_at": expires_at }));
    audit::write(change, Chain::Account(account), did).await?;
    Ok((id, secret))
}

/// Revokes a key: one's own, or anybody's for who may manage them. At once.
pub async fn revoke(change: &mut Change, id: KeyId) -> Result<()> {
    let sql = "select user_id, name, revoked_at from api_keys where account_id = $1 and id = $2";
    let found: Option<(Option<UserId>, String, Option<Time>)> = change.ask(sql).bind(id).maybe().await?;
    let (user, name, revoked_at) = found.ok_or(Error::NotFound)?;
    let is_mine = user == Some(change.who().person.id);
    if !is_mine && !change.who().may(Permission::ManageKeys) {
        return Err(Error::NotFound);
    }
    if revoked_at.is_some() {
        return Ok(());
    }
    let now = change.now();
    change
        .ask("update api_keys set revoked_at = $3 where account_id = $1 and id = $2")
        .bind(id)
        .bind(now)
        .run()
        .await?;
    audit::here(change, Did::to("key.revoked", "key", id, name)).await
}

/// Makes a service token; the secret is answered once, and kept nowhere.
pub async fn create_service(change: &mut Change<Host>, name: &Name) -> Result<String> {
    let (kit, now) = (change.kit().clone(), change.now());
    let (id, secret) = (kit.id(), machine_key(KeyKind::Service, &kit.chance));
    change
        .sql("insert into service_tokens (id, name, hash, last4, created_at) values ($1, $2, $3, $4, $5)")
        .bind(id)
        .bind(name.as_str())
        .bind(hash(&secret))
        .bind(&secret[secret.len() - 4..])
        .bind(now)
        .run()
        .await?;
    audit::write(change, Chain::Installation, Did::to("service_token.created", "service_token", id, name))
        .await?;
    Ok(secret)
}
