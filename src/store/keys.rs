//! API keys of members.
use super::{
    Change, Host, Scope,
    access::EVERYDAY,
    audit::{self, Chain, Did},
    grants, members,
};
use crate::{
    context::Kit,
    crypto::secrets::{KeyKind, hash, machine_key},
    db::{Db, List},
    error::{Error, Result},
    model::{
        access::{By, Entry, Fresh},
        calendar::Month,
        id::{AccountId, KeyId, MembershipId, ResourceId, UserId},
        permission::{Permission, Permissions},
        text::{Name, fold},
        time::{DAY, MINUTE, Time},
    },
};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// How long a key holds if nothing is said: twelve months.
pub const TERM: Duration = DAY.saturating_mul(365);

/// How often a key's use is written down.
pub const TOUCH: Duration = MINUTE;

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
    /// The key that takes its place.
    pub successor_id: Option<KeyId>,
    /// The last four characters of that one.
    pub successor: Option<String>,
    /// The key whose place it takes.
    pub predecessor_id: Option<KeyId>,
    /// The last four characters of that one.
    pub predecessor: Option<String>,
    permissions: Option<String>,
    resources: Option<String>,
    spent_month: Option<Month>,
}

impl Key {
    /// Whether a hard budget of its is used up: it is refused until the month ends, or somebody raises it.
    pub fn is_spent(&self, now: Time) -> bool {
        self.spent_month.is_some_and(|it| it.next().first().start() > now)
    }
    /// `active`, `expired` or `revoked`.
    pub fn status(&self, now: Time) -> &'static str {
        match (self.revoked_at, self.expires_at) {
            (Some(_), _) => "revoked",
            (_, Some(it)) if it <= now => "expired",
            _ => "active",
        }
    }
    /// What it was made for; none: all that its member may, but for what is ticked by hand.
    pub fn permissions(&self) -> Option<Permissions> {
        self.permissions.as_deref().map(Permissions::from_json)
    }
    /// The resources that it was made for; none: all.
    pub fn resources(&self) -> Option<Vec<ResourceId>> {
        self.resources.as_deref().map(|it| serde_json::from_str(it).unwrap_or_default())
    }
}

macro_rules! key {
    () => {
        "select k.id, k.name, k.last4, k.membership_id, k.user_id, u.name as owner_name, u.email as owner_email, k.created_at, k.expires_at,
            k.used_at, k.revoked_at, k.permissions, k.resources, n.id as successor_id, n.last4 as successor,
            b.id as predecessor_id, b.last4 as predecessor,
            (select max(h.month) from budgets h join accounts a on a.id = k.account_id
                where h.account_id in (a.id, a.parent_id) and h.is_hard
                and (h.used_whole > h.whole or (h.used_whole = h.whole and h.used_nanos >= h.nanos))
                and (h.kind = 'account' or h.subject_id in (a.id, k.user_id, k.id))) as spent_month
         from api_keys k left join users u on u.id = k.user_id left join api_keys n on n.id = k.successor_id
         left join api_keys b on b.successor_id = k.id "
    };
    ($rest:literal) => {
        concat!(key!(), $rest)
    };
}

mod expiry_mails;
mod leaked;
mod list;
mod rotate;

pub use expiry_mails::{AT_ONCE as NOTICES_AT_ONCE, notify};
pub use leaked::{Found, revoke_leaked};
pub use list::{Around, Filter, Page, SOON, Span, around, page, resource_names};
pub use rotate::{DEFAULT_GRACE, LONGEST_GRACE, rename, rotate};

/// The account's keys, newest first: everyone's for who may manage them, else one's own.
pub async fn list(scope: &mut Scope, after: Option<KeyId>, limit: i64) -> Result<Vec<Key>> {
    let all = scope.who().may(Permission::ManageKeys);
    if !all && !scope.who().may(Permission::OwnKeys) {
        return Err(Error::Forbidden(Permission::OwnKeys));
    }
    let me = scope.who().person.id;
    let after = after.unwrap_or(KeyId(Uuid::max()));
    let sql =
        key!("where k.account_id = $1 and (k.user_id = $2 or $3) and k.id < $4 order by k.id desc limit $5");
    Ok(scope.ask(sql).bind(me).bind(all).bind(after).bind(limit).fetch_all().await?)
}

/// One key: one's own, or anybody's for who may manage them.
pub async fn find(scope: &mut Scope, id: KeyId) -> Result<Key> {
    let all = scope.who().may(Permission::ManageKeys);
    let me = scope.who().person.id;
    let sql = key!("where k.account_id = $1 and k.id = $2 and (k.user_id = $3 or $4)");
    let found = scope.ask(sql).bind(id).bind(me).bind(all).fetch_optional().await?;
    found.ok_or(Error::NotFound)
}

/// A key that is to be.
pub struct New<'a> {
    /// What its maker calls it.
    pub name: &'a Name,
    /// When it ends; never if none.
    pub expires_at: Option<Time>,
    /// What it is for; none: all that its member may, but for what is ticked by hand.
    pub permissions: Option<Permissions>,
    /// The resources that it is for; none: all.
    pub resources: Option<Vec<ResourceId>>,
}

/// Makes a key of one's own; the secret is answered once, and kept nowhere. What is ticked by hand needs proof.
pub async fn create(change: &mut Change, new: &New<'_>, proof: Option<&Fresh>) -> Result<(KeyId, String)> {
    let membership = change.who().membership.ok_or_else(|| {
        Error::conflict(
            "not_a_member",
            "You are here as an administrator of the organization. Keys belong to members.",
        )
    })?;
    if new.expires_at.is_some_and(|it| it <= change.now()) {
        return Err(Error::invalid("expires_at", "in_the_past", "The end lies in the past."));
    }
    let permissions = permissions_for(change.who(), new.permissions, proof)?;
    let resources = resources_for(change, new.resources.as_deref()).await?;
    let New { name, expires_at, .. } = *new;
    let (account, user) = (change.who().here.id, change.who().person.id);
    let whole = New { name, expires_at, permissions, resources };
    insert(change, account, membership, user, &whole).await
}

/// A key holds nothing that its maker lacks; made by a key that was made for less, it is for no more than that one.
fn permissions_for(
    who: &Entry,
    asked: Option<Permissions>,
    proof: Option<&Fresh>,
) -> Result<Option<Permissions>> {
    let Some(asked) = asked else {
        let narrowed = who.rights.only.map(|only| only.and(EVERYDAY));
        return Ok(narrowed.filter(|it| *it != EVERYDAY));
    };
    if asked == Permissions::NONE {
        return Err(Error::invalid("permissions", "required", "Choose at least one permission."));
    }
    if let Some(missing) = asked.iter().find(|it| !who.may(*it)) {
        return Err(Error::Forbidden(missing));
    }
    if asked.without(EVERYDAY) != Permissions::NONE && proof.is_none() {
        return Err(Error::Stale);
    }
    Ok(Some(asked))
}

async fn resources_for(change: &mut Change, asked: Option<&[ResourceId]>) -> Result<Option<Vec<ResourceId>>> {
    let Some(asked) = asked else { return Ok(change.who().rights.only_resources.clone()) };
    if asked.is_empty() {
        return Err(Error::invalid("resources", "required", "Choose at least one resource."));
    }
    let ids: Vec<Uuid> = asked.iter().map(|it| it.0).collect();
    let found = grants::find_listed(change, &ids).await?.unwrap_or_default();
    let rights = &change.who().rights;
    let is_seen =
        |it: &crate::model::grant::Listed| rights.may_on(Permission::ViewResources, &it.product, it.id);
    if found.is_empty() || !found.iter().all(is_seen) {
        let detail = "At least one of these resources is not in this account.";
        return Err(Error::invalid("resources", "unknown_resource", detail));
    }
    Ok(Some(found.into_iter().map(|it| it.id).collect()))
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
    let new = New { name, expires_at, permissions: Some(Permissions::ALL), resources: None };
    insert(change, account, membership, user, &new).await
}

async fn insert<W: super::Who>(
    change: &mut Change<W>,
    account: AccountId,
    membership: MembershipId,
    user: UserId,
    new: &New<'_>,
) -> Result<(KeyId, String)> {
    let New { name, expires_at, permissions, resources } = new;
    let resources = resources.as_ref().map(|it| serde_json::to_string(it).expect("ids are plain words"));
    let (kit, now) = (change.kit().clone(), change.now());
    let (id, secret) = (KeyId(kit.id()), machine_key(KeyKind::Key, &kit.chance));
    let hashed = hash(&secret);
    change.made(&hashed);
    change
        .sql(
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
        .bind(expires_at.and_then(|it| expiry_mails::next(it, now)))
        .execute()
        .await?;
    let after = json!({ "expires_at": expires_at, "permissions": permissions, "resources": new.resources });
    let did = Did::to("key.created", "key", id, name).changed(Value::Null, after);
    audit::write(change, Chain::Account(account), did).await?;
    Ok((id, secret))
}

/// How many uses are written down at a time.
const AT_ONCE: usize = 1000;

/// These keys were used.
pub async fn touch(db: &Db, kit: &Kit, keys: &[KeyId]) -> Result<()> {
    for some in keys.chunks(AT_ONCE) {
        let ids: Vec<Uuid> = some.iter().map(|it| it.0).collect();
        let mut conn = db.begin().await?;
        let sql = "update api_keys set used_at = $1 where id = any($2::uuid[])";
        conn.query(sql).bind(kit.now()).bind(List(&ids)).execute().await?;
        conn.commit().await?;
    }
    Ok(())
}

/// Revokes a key: one's own, or anybody's for who may manage them. At once. A key can always revoke itself.
pub async fn revoke(change: &mut Change, id: KeyId) -> Result<()> {
    let sql = "select user_id, name, revoked_at from api_keys where account_id = $1 and id = $2";
    let found: Option<(Option<UserId>, String, Option<Time>)> = change.ask(sql).bind(id).fetch_optional().await?;
    let (user, name, revoked_at) = found.ok_or(Error::NotFound)?;
    let who = change.who();
    let is_mine = user == Some(who.person.id);
    let may_own = match &who.by {
        By::Session(_) => true,
        By::Key { id: by, .. } => *by == id || who.may(Permission::OwnKeys),
    };
    let may = who.may(Permission::ManageKeys) || (is_mine && may_own);
    if !may {
        return Err(if is_mine { Error::Forbidden(Permission::OwnKeys) } else { Error::NotFound });
    }
    if revoked_at.is_none() {
        let now = change.now();
        let sql = "update api_keys set revoked_at = $3, notice_at = null where account_id = $1 and id = $2";
        change.ask(sql).bind(id).bind(now).execute().await?;
    } else if !members::key_stays_revoked(change, id).await? {
        return Ok(());
    }
    audit::here(change, Did::to("key.revoked", "key", id, name)).await
}
