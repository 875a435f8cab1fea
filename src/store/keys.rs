//! API keys of members.
use super::{
    Change, Scope, System,
    access::EVERYDAY,
    audit::{self, Chain, NewEvent},
    grants, members,
};
use crate::{
    context::Context,
    crypto::secrets::{KeyKind, hash, machine_key},
    db::{Db, List},
    error::{Error, Result},
    model::{
        access::Access,
        actor::{Actor, RecentAuth},
        calendar::Month,
        id::{AccountId, KeyId, MembershipId, ResourceId, UserId},
        permission::{Permission, Permissions},
        text::{Name, fold},
        time::{DAY, MINUTE, Time},
    },
};
use const_format::concatcp;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// The default lifetime of a key.
pub const TERM: Duration = DAY.saturating_mul(365);

/// How often a key's last use is stored.
pub const TOUCH: Duration = MINUTE;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Key {
    pub id: KeyId,
    pub name: String,
    pub last4: String,
    /// The owner's membership; `None` if they left.
    pub membership_id: Option<MembershipId>,
    pub user_id: Option<UserId>,
    pub owner_name: Option<String>,
    pub owner_email: Option<String>,
    pub created_at: Time,
    pub expires_at: Option<Time>,
    pub used_at: Option<Time>,
    pub revoked_at: Option<Time>,
    /// The key that replaces it.
    pub successor_id: Option<KeyId>,
    /// Last four characters.
    pub successor: Option<String>,
    /// The key that it replaces.
    pub predecessor_id: Option<KeyId>,
    /// Last four characters.
    pub predecessor: Option<String>,
    permissions: Option<String>,
    resources: Option<String>,
    spent_month: Option<Month>,
}

impl Key {
    /// Whether a hard budget is used up: the key is rejected until the month ends or the budget is raised.
    pub fn is_spent(&self, now: Time) -> bool {
        self.spent_month.is_some_and(|month| month.next().first().start() > now)
    }
    /// `active`, `expired` or `revoked`.
    pub fn status(&self, now: Time) -> &'static str {
        match (self.revoked_at, self.expires_at) {
            (Some(_), _) => "revoked",
            (_, Some(end)) if end <= now => "expired",
            _ => "active",
        }
    }
    /// The permissions that it was made for; `None`: all of its member's except the sensitive ones.
    pub fn permissions(&self) -> Option<Permissions> {
        self.permissions.as_deref().map(Permissions::from_json)
    }
    /// The resources that it is limited to; `None`: all.
    pub fn resources(&self) -> Option<Vec<ResourceId>> {
        self.resources.as_deref().map(|json| serde_json::from_str(json).unwrap_or_default())
    }
}

const KEYS: &str = "select k.id, k.name, k.last4, k.membership_id, k.user_id, u.name as owner_name, u.email as owner_email, k.created_at, k.expires_at,
            k.used_at, k.revoked_at, k.permissions, k.resources, n.id as successor_id, n.last4 as successor,
            b.id as predecessor_id, b.last4 as predecessor,
            (select max(h.month) from budgets h join accounts a on a.id = k.account_id
                where h.account_id in (a.id, a.parent_id) and h.is_hard
                and (h.used_whole > h.whole or (h.used_whole = h.whole and h.used_nanos >= h.nanos))
                and (h.kind = 'account' or h.subject_id in (a.id, k.user_id, k.id))) as spent_month
         from api_keys k left join users u on u.id = k.user_id left join api_keys n on n.id = k.successor_id
         left join api_keys b on b.successor_id = k.id ";

mod expiry_mails;
mod leaked;
mod list;
mod rotate;

pub use expiry_mails::{AT_ONCE as NOTICES_AT_ONCE, notify};
pub use leaked::{RevokedSecret, revoke_leaked};
pub use list::{ExpiryFilter, Filter, KeyListSummary, Page, SOON, page, resource_names, summary};
pub use rotate::{DEFAULT_GRACE, LONGEST_GRACE, rename, rotate};

/// The account's keys, newest first: everybody's for those who may manage keys, otherwise the caller's own.
pub async fn list(scope: &mut Scope<Access>, after: Option<KeyId>, limit: i64) -> Result<Vec<Key>> {
    let all = scope.access().may(Permission::ManageKeys);
    if !all && !scope.access().may(Permission::OwnKeys) {
        return Err(Error::MissingPermission(Permission::OwnKeys));
    }
    let me = scope.access().user_id();
    let after = after.unwrap_or(KeyId(Uuid::max()));
    let sql = concatcp!(
        KEYS,
        "where k.account_id = $1 and (k.user_id = $2 or $3) and k.id < $4 order by k.id desc limit $5"
    );
    Ok(scope.query_in_account(sql).bind(me).bind(all).bind(after).bind(limit).fetch_all().await?)
}

/// One of the caller's own keys, or anybody's for those who may manage keys.
pub async fn find(scope: &mut Scope<Access>, id: KeyId) -> Result<Key> {
    let all = scope.access().may(Permission::ManageKeys);
    let me = scope.access().user_id();
    let sql = concatcp!(KEYS, "where k.account_id = $1 and k.id = $2 and (k.user_id = $3 or $4)");
    let found = scope.query_in_account(sql).bind(id).bind(me).bind(all).fetch_optional().await?;
    found.ok_or(Error::NotFound)
}

pub struct NewKey<'a> {
    pub name: &'a Name,
    /// `None`: never.
    pub expires_at: Option<Time>,
    /// What it is for; none: all that its member may, but for what is ticked by hand.
    pub permissions: Option<Permissions>,
    /// `None`: all.
    pub resources: Option<Vec<ResourceId>>,
}

/// Makes a key for the caller. The secret is returned once and not stored. Sensitive permissions need a recent authentication.
pub async fn create(
    change: &mut Change<Access>,
    new: &NewKey<'_>,
    proof: Option<&RecentAuth>,
) -> Result<(KeyId, String)> {
    let membership = change.access().membership.ok_or_else(|| {
        Error::conflict(
            "not_a_member",
            "You are here as an administrator of the organization. Keys belong to members.",
        )
    })?;
    if new.expires_at.is_some_and(|end| end <= change.now()) {
        return Err(Error::invalid("expires_at", "in_the_past", "The end lies in the past."));
    }
    let permissions = permissions_for(change.access(), new.permissions, proof)?;
    let resources = resources_for(change, new.resources.as_deref()).await?;
    let NewKey { name, expires_at, .. } = *new;
    let (account, user) = (change.access().account.id, change.acting_user()?.id);
    let whole = NewKey { name, expires_at, permissions, resources };
    insert(change, account, membership, user, &whole).await
}

/// A key gets nothing that its maker lacks; made by a restricted key, it gets no more than that one.
fn permissions_for(
    access: &Access,
    asked: Option<Permissions>,
    proof: Option<&RecentAuth>,
) -> Result<Option<Permissions>> {
    let Some(asked) = asked else {
        let narrowed = access.rights.only.map(|only| only.and(EVERYDAY));
        return Ok(narrowed.filter(|permissions| *permissions != EVERYDAY));
    };
    if asked == Permissions::NONE {
        return Err(Error::invalid("permissions", "required", "Choose at least one permission."));
    }
    if let Some(missing) = asked.iter().find(|permission| !access.may(*permission)) {
        return Err(Error::MissingPermission(missing));
    }
    if asked.without(EVERYDAY) != Permissions::NONE && proof.is_none() {
        return Err(Error::ReauthRequired);
    }
    Ok(Some(asked))
}

async fn resources_for(
    change: &mut Change<Access>,
    asked: Option<&[ResourceId]>,
) -> Result<Option<Vec<ResourceId>>> {
    let Some(asked) = asked else { return Ok(change.access().rights.only_resources.clone()) };
    if asked.is_empty() {
        return Err(Error::invalid("resources", "required", "Choose at least one resource."));
    }
    let ids: Vec<Uuid> = asked.iter().map(|id| id.0).collect();
    let found = grants::find_listed(change, &ids).await?.unwrap_or_default();
    let rights = &change.access().rights;
    let is_seen = |resource: &crate::model::grant::ScopedResource| {
        rights.may_on(Permission::ViewResources, &resource.product, resource.id)
    };
    if found.is_empty() || !found.iter().all(is_seen) {
        let detail = "At least one of these resources is not in this account.";
        return Err(Error::invalid("resources", "unknown_resource", detail));
    }
    Ok(Some(found.into_iter().map(|row| row.id).collect()))
}

/// Makes a key for a member, for the operator. It has all permissions, limited to those of its member.
pub async fn create_for(
    change: &mut Change<System>,
    account: AccountId,
    membership: MembershipId,
    user: UserId,
    name: &Name,
    expires_at: Option<Time>,
) -> Result<(KeyId, String)> {
    let new = NewKey { name, expires_at, permissions: Some(Permissions::ALL), resources: None };
    insert(change, account, membership, user, &new).await
}

async fn insert<A>(
    change: &mut Change<A>,
    account: AccountId,
    membership: MembershipId,
    user: UserId,
    new: &NewKey<'_>,
) -> Result<(KeyId, String)> {
    let NewKey { name, expires_at, permissions, resources } = new;
    let resources = resources.as_ref().map(|ids| serde_json::to_string(ids).expect("ids are plain words"));
    let (context, now) = (change.context().clone(), change.now());
    let (id, secret) = (KeyId(context.id()), machine_key(KeyKind::Key, &context.random));
    let hashed = hash(&secret);
    change.key_created(&hashed);
    change
        .query_unscoped(
            "insert into api_keys (id, account_id, membership_id, user_id, name, hash, last4, permissions, resources, created_at, expires_at,
                name_key, notice_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(id)
        .bind(account)
        .bind(membership)
        .bind(user)
        .bind(name.as_str())
        .bind(hashed.clone())
        .bind(&secret[secret.len() - 4..])
        .bind(permissions.map(Permissions::to_json))
        .bind(resources)
        .bind(now)
        .bind(*expires_at)
        .bind(fold(name.as_str()))
        .bind(expires_at.and_then(|end| expiry_mails::next_notice(end, now)))
        .execute()
        .await?;
    let after = json!({ "expires_at": expires_at, "permissions": permissions, "resources": new.resources });
    let event = NewEvent::on("key.created", "key", id, name).changed(Value::Null, after);
    audit::record_in(change, Chain::Account(account), event).await?;
    Ok((id, secret))
}

const AT_ONCE: usize = 1000;

/// Stores that these keys were used.
pub async fn touch(db: &Db, context: &Context, keys: &[KeyId]) -> Result<()> {
    for some in keys.chunks(AT_ONCE) {
        let ids: Vec<Uuid> = some.iter().map(|id| id.0).collect();
        let mut conn = db.begin().await?;
        let sql = "update api_keys set used_at = $1 where id = any($2::uuid[])";
        conn.query(sql).bind(context.now()).bind(List(&ids)).execute().await?;
        conn.commit().await?;
    }
    Ok(())
}

/// Revokes one of the caller's own keys, or anybody's for those who may manage keys. A key can always revoke itself.
pub async fn revoke(change: &mut Change<Access>, id: KeyId) -> Result<()> {
    let sql = "select user_id, name, revoked_at from api_keys where account_id = $1 and id = $2";
    let found: Option<(Option<UserId>, String, Option<Time>)> =
        change.query_in_account(sql).bind(id).fetch_optional().await?;
    let (user, name, revoked_at) = found.ok_or(Error::NotFound)?;
    let access = change.access();
    let is_mine = user.is_some() && user == access.user_id();
    let may_own = match change.actor() {
        Actor::ApiKey { id: acting, .. } => *acting == id || access.may(Permission::OwnKeys),
        _ => true,
    };
    let may = access.may(Permission::ManageKeys) || (is_mine && may_own);
    if !may {
        return Err(if is_mine { Error::MissingPermission(Permission::OwnKeys) } else { Error::NotFound });
    }
    if revoked_at.is_none() {
        let now = change.now();
        let sql = "update api_keys set revoked_at = $3, notice_at = null where account_id = $1 and id = $2";
        change.query_in_account(sql).bind(id).bind(now).execute().await?;
    } else if !members::key_stays_revoked(change, id).await? {
        return Ok(());
    }
    audit::record(change, NewEvent::on("key.revoked", "key", id, name)).await
}
