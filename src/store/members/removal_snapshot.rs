//! What was there when a member was removed, for as long as it can be taken back.
use super::{Member, Person, remove::owner};
use crate::{
    db::List,
    error::{Error, Result},
    model::{
        account::LoginType,
        id::{AccountId, GrantId, KeyId, MembershipId, ResourceId, RoleId, UserId},
        time::{MINUTE, Time},
    },
    store::{Change, Scope, Who, json},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;
use uuid::Uuid;

/// For so long a removal can be taken back.
pub const UNDO: Duration = MINUTE.saturating_mul(10);

/// What a removal ended.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// In the account itself.
    pub here: Place,
    /// In its teams.
    pub teams: Vec<Place>,
    /// Requests for access that waited.
    pub requests: i64,
    /// Whether the ownership was offered to them.
    pub was_offered: bool,
}

/// A membership as it was.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Place {
    pub account: AccountId,
    pub name: String,
    pub id: MembershipId,
    pub login_type: LoginType,
    pub suspended_at: Option<Time>,
    pub expires_at: Option<Time>,
    pub joined_at: Time,
    pub active_at: Time,
    pub grants: Vec<KeptGrant>,
    /// Of a team that they owned: who got it.
    pub handed: Option<Handed>,
}

/// Who got a team, and what they held there before; none for who was not in it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Handed {
    pub to: UserId,
    pub held: Option<Vec<KeptGrant>>,
}

/// A grant as it was.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct KeptGrant {
    pub id: GrantId,
    pub role: Option<String>,
    pub role_id: Option<RoleId>,
    /// A custom role's name, to be told when it is gone.
    pub role_name: Option<String>,
    pub scope: String,
    pub product: Option<String>,
    pub expires_at: Option<Time>,
    pub granted_by: Option<Uuid>,
    pub created_at: Time,
    pub resources: Vec<KeptResource>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct KeptResource {
    pub id: ResourceId,
    pub name: String,
}

/// What came back, and what did not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Restored {
    /// Who.
    pub name: String,
    /// Titles of the roles.
    pub grants: Vec<String>,
    /// How many API keys work again.
    pub keys: i64,
    /// How many private resources are theirs again.
    pub resources: i64,
    /// Names of the teams that they are in again.
    pub teams: Vec<String>,
    /// Those of them that they own again.
    pub owned: Vec<String>,
    /// What did not come back.
    pub missing: Vec<Missing>,
}

/// Something that did not come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Missing {
    /// `grant`, `key`, `team`, `ownership`, `resource`, `request`, `offer`.
    #[schema(example = "key")]
    pub kind: String,
    /// What it was called.
    #[schema(example = "Nightly import")]
    pub name: String,
    /// Stable, for programs.
    #[schema(example = "key_revoked")]
    pub code: String,
    /// Why, in a sentence.
    #[schema(example = "It was revoked by hand or found in public meanwhile.")]
    pub detail: String,
}

impl Missing {
    /// What it is, to stand before its name.
    pub fn what(&self) -> &'static str {
        match self.kind.as_str() {
            "grant" => "Role",
            "key" => "API key",
            "team" => "Team",
            "ownership" => "Ownership of",
            "resource" => "Private resource",
            _ => "",
        }
    }
}

#[derive(sqlx::FromRow)]
struct PlaceRow {
    account_id: AccountId,
    name: String,
    id: MembershipId,
    is_owner: bool,
    login_type: LoginType,
    suspended_at: Option<Time>,
    expires_at: Option<Time>,
    joined_at: Time,
    active_at: Time,
}

#[derive(sqlx::FromRow)]
struct GrantRow {
    membership_id: MembershipId,
    id: GrantId,
    role: Option<String>,
    role_id: Option<RoleId>,
    role_name: Option<String>,
    scope: String,
    product: Option<String>,
    expires_at: Option<Time>,
    granted_by: Option<Uuid>,
    created_at: Time,
    listed: Option<String>,
}

/// Writes down what is about to end. The teams are held before it is looked at, in the order in which all hold them.
pub(super) async fn note(change: &mut Change, member: &Member, heir: Option<&Person>) -> Result<Uuid> {
    let (here, user) = (change.who().here.id, member.person.id);
    let sql = "select 1 from accounts where parent_id = $1
        and id in (select account_id from memberships where user_id = $2) order by id for no key update";
    change.ask(sql).bind(user).execute().await?;
    let sql = "select a.id as account_id, a.name, m.id, m.is_owner, m.login_type, m.suspended_at, m.expires_at, m.joined_at,
            m.active_at
        from memberships m join accounts a on a.id = m.account_id
        where (a.id = $1 or a.parent_id = $1) and m.user_id = $2 order by a.name, a.id";
    let rows: Vec<PlaceRow> = change.ask(sql).bind(user).fetch_all().await?;
    let to = match heir {
        Some(it) => it.id,
        None => owner(change, here).await?.id,
    };
    let sql = "select m.account_id, m.id from memberships m join accounts a on a.id = m.account_id
        where a.parent_id = $1 and a.owner_id = $2 and m.user_id = $3";
    let seats: Vec<(AccountId, MembershipId)> = change.ask(sql).bind(user).bind(to).fetch_all().await?;
    let ids: Vec<Uuid> = rows.iter().map(|it| it.id.0).chain(seats.iter().map(|it| it.1.0)).collect();
    let grants = grants_of(change, &ids).await?;
    let held = |id: MembershipId| -> Vec<KeptGrant> {
        grants.iter().filter(|it| it.0 == id).map(|it| it.1.clone()).collect()
    };
    let place = |it: PlaceRow| Place {
        handed: (it.is_owner && it.account_id != here).then(|| Handed {
            to,
            held: seats.iter().find(|seat| seat.0 == it.account_id).map(|seat| held(seat.1)),
        }),
        account: it.account_id,
        name: it.name,
        id: it.id,
        login_type: it.login_type,
        suspended_at: it.suspended_at,
        expires_at: it.expires_at,
        joined_at: it.joined_at,
        active_at: it.active_at,
        grants: held(it.id),
    };
    let (mine, teams): (Vec<Place>, Vec<Place>) =
        rows.into_iter().map(place).partition(|it| it.account == here);
    let gone = || Error::Internal("a member who was just found has no membership".into());
    let sql = "select (select count(*) from access_requests where account_id = $1 and membership_id = $2 and status = 'pending'),
            (select count(*) from transfers where account_id = $1 and membership_id = $2)";
    let (requests, offers): (i64, i64) = change.ask(sql).bind(member.id).fetch_one().await?;
    let kept =
        Kept { here: mine.into_iter().next().ok_or_else(gone)?, teams, requests, was_offered: offers > 0 };
    let json = serde_json::to_string(&kept).map_err(|it| Error::Internal(it.to_string()))?;
    let (id, now) = (change.kit().id(), change.now());
    let sql = "insert into removals (account_id, id, membership_id, user_id, kept, removed_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7)";
    let query = change.ask(sql).bind(id).bind(member.id).bind(user).bind(json);
    query.bind(now).bind(now.plus(UNDO)).execute().await?;
    Ok(id)
}

async fn grants_of(change: &mut Change, members: &[Uuid]) -> Result<Vec<(MembershipId, KeptGrant)>> {
    let sql = "select g.membership_id, g.id, g.role, g.role_id, r.name as role_name, g.scope, g.product, g.expires_at, g.granted_by,
            g.created_at, (select cast(json_agg(json_build_object('id', encode(uuid_send(t.id), 'hex'), 'name', t.name)) as text)
                from grant_resources x join resources t on t.id = x.resource_id where x.grant_id = g.id) as listed
        from grants g left join roles r on r.id = g.role_id where g.membership_id = any($1::uuid[]) order by g.id";
    let rows: Vec<GrantRow> = change.sql(sql).bind(List(members)).fetch_all().await?;
    let kept = |it: GrantRow| {
        let grant = KeptGrant {
            id: it.id,
            role: it.role,
            role_id: it.role_id,
            role_name: it.role_name,
            scope: it.scope,
            product: it.product,
            expires_at: it.expires_at,
            granted_by: it.granted_by,
            created_at: it.created_at,
            resources: json::list(it.listed)?,
        };
        Ok((it.membership_id, grant))
    };
    rows.into_iter().map(kept).collect()
}

/// Notes the keys of a place that are about to be revoked, and the private resources that are about to pass on: said in the
/// words of `memberships::remove`, which follows.
pub(super) async fn hold(
    change: &mut Change,
    removal: Uuid,
    account: AccountId,
    seat: MembershipId,
    heir: Option<UserId>,
    now: Time,
) -> Result<()> {
    let sql = "insert into removed_keys (removal_id, key_id)
        select r.id, k.id from removals r join api_keys k on k.membership_id = $2 where r.id = $1 and k.revoked_at is null";
    change.sql(sql).bind(removal).bind(seat).execute().await?;
    let sql = "insert into removed_resources (removal_id, resource_id, name, passed_to, version)
        select m.id, t.id, t.name, coalesce($3, a.owner_id), case when t.updated_at < $4 then $4 else t.updated_at + 1 end
        from removals m join resources t on t.account_id = $2 and t.created_by = m.user_id
        join accounts a on a.id = t.account_id where m.id = $1 and t.visibility = 'private'";
    change.sql(sql).bind(removal).bind(account).bind(heir).bind(now).execute().await?;
    Ok(())
}

/// A key that a removal revoked is revoked for its own sake too: no undo brings it back. False if none would have.
pub(in crate::store) async fn key_stays_revoked<W: Who>(change: &mut Change<W>, key: KeyId) -> Result<bool> {
    let now = change.now();
    let sql = "update removed_keys set stays_revoked = true where key_id = $1 and not stays_revoked
        and removal_id in (select id from removals where outcome is null and expires_at > $2)";
    Ok(change.sql(sql).bind(key).bind(now).execute().await? > 0)
}

/// What became of the last removal of a member, if it was taken back and that is not long ago.
pub async fn outcome(scope: &mut Scope, id: MembershipId) -> Result<Option<Restored>> {
    let sql =
        "select outcome from removals where account_id = $1 and membership_id = $2 order by id desc limit 1";
    let found: Option<(Option<String>,)> = scope.ask(sql).bind(id).fetch_optional().await?;
    let Some((Some(json),)) = found else { return Ok(None) };
    serde_json::from_str(&json).map(Some).map_err(|it| Error::Internal(it.to_string()))
}
