//! What a removed member had, stored for as long as the removal can be undone.
use super::{Member, remove::owner};
use crate::{
    db::List,
    error::{Error, Result},
    model::{
        access::Access,
        actor::UserSummary,
        id::{AccountId, GrantId, KeyId, MembershipId, ResourceId, RoleId, UserId},
        time::{MINUTE, Time},
    },
    store::{
        Change, Scope, json,
        memberships::{self, Membership},
    },
};
use const_format::concatcp;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;
use uuid::Uuid;

/// How long a removal can be undone.
pub const UNDO: Duration = MINUTE.saturating_mul(10);

/// What a removal ends, stored for the undo.
#[derive(Serialize, Deserialize)]
pub(super) struct RemovalSnapshot {
    pub here: MembershipSnapshot,
    pub teams: Vec<MembershipSnapshot>,
    /// Pending access requests.
    pub requests: i64,
    pub was_offered: bool,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct MembershipSnapshot {
    #[serde(flatten)]
    pub row: Membership,
    /// The account's name.
    pub name: String,
    pub grants: Vec<GrantSnapshot>,
    /// For a team that they owned: who got it.
    pub handed: Option<HandedTeam>,
}

/// Who got a team, and their grants there before; `None` if they were not a member.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct HandedTeam {
    pub to: UserId,
    /// Snapshots of before 0022 say `held`.
    #[serde(alias = "held")]
    pub previous_grants: Option<Vec<GrantSnapshot>>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct GrantSnapshot {
    pub id: GrantId,
    pub role: Option<String>,
    pub role_id: Option<RoleId>,
    /// The custom role's name, for the message if it was deleted.
    pub role_name: Option<String>,
    pub scope: String,
    pub product: Option<String>,
    pub expires_at: Option<Time>,
    pub granted_by: Option<Uuid>,
    pub created_at: Time,
    pub resources: Vec<ResourceSnapshot>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct ResourceSnapshot {
    pub id: ResourceId,
    pub name: String,
}

/// What was restored, and what was not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RestoreResult {
    pub name: String,
    pub grants: Vec<String>,
    pub keys: i64,
    pub resources: i64,
    pub teams: Vec<String>,
    /// The teams that they own again.
    pub owned: Vec<String>,
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
struct MembershipRow {
    #[sqlx(flatten)]
    membership: Membership,
    name: String,
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

/// Stores what is about to end. Locks the teams first, in the order in which everything locks them.
pub(super) async fn take_snapshot(
    change: &mut Change<Access>,
    member: &Member,
    heir: Option<&UserSummary>,
) -> Result<Uuid> {
    let (here, user) = (change.access().account.id, member.person.id);
    let sql = "select 1 from accounts where parent_id = $1
        and id in (select account_id from memberships where user_id = $2) order by id for no key update";
    change.query_in_account(sql).bind(user).execute().await?;
    let sql = concatcp!(
        "select a.name, ",
        memberships::COLUMNS,
        "
        from memberships m join accounts a on a.id = m.account_id
        where (a.id = $1 or a.parent_id = $1) and m.user_id = $2 order by a.name, a.id"
    );
    let rows: Vec<MembershipRow> = change.query_in_account(sql).bind(user).fetch_all().await?;
    let to = match heir {
        Some(heir) => heir.id,
        None => owner(change, here).await?.id,
    };
    let sql = "select m.account_id, m.id from memberships m join accounts a on a.id = m.account_id
        where a.parent_id = $1 and a.owner_id = $2 and m.user_id = $3";
    let heir_memberships: Vec<(AccountId, MembershipId)> =
        change.query_in_account(sql).bind(user).bind(to).fetch_all().await?;
    let ids: Vec<Uuid> = rows
        .iter()
        .map(|row| row.membership.id.0)
        .chain(heir_memberships.iter().map(|heir| heir.1.0))
        .collect();
    let grants = grants_of(change, &ids).await?;
    let grants_of_member = |id: MembershipId| -> Vec<GrantSnapshot> {
        grants.iter().filter(|grant| grant.0 == id).map(|grant| grant.1.clone()).collect()
    };
    let snapshot = |MembershipRow { membership, name }: MembershipRow| {
        let handed = (membership.is_owner && membership.account_id != here).then(|| HandedTeam {
            to,
            previous_grants: heir_memberships
                .iter()
                .find(|heir| heir.0 == membership.account_id)
                .map(|heir| grants_of_member(heir.1)),
        });
        MembershipSnapshot { handed, name, grants: grants_of_member(membership.id), row: membership }
    };
    let (mine, teams): (Vec<MembershipSnapshot>, Vec<MembershipSnapshot>) =
        rows.into_iter().map(snapshot).partition(|snapshot| snapshot.row.account_id == here);
    let gone = || Error::Internal("a member who was just found has no membership".into());
    let sql = "select (select count(*) from access_requests where account_id = $1 and membership_id = $2 and status = 'pending'),
            (select count(*) from transfers where account_id = $1 and membership_id = $2)";
    let (requests, offers): (i64, i64) = change.query_in_account(sql).bind(member.id).fetch_one().await?;
    let snapshot = RemovalSnapshot {
        here: mine.into_iter().next().ok_or_else(gone)?,
        teams,
        requests,
        was_offered: offers > 0,
    };
    let json = serde_json::to_string(&snapshot).map_err(|error| Error::Internal(error.to_string()))?;
    let (id, now) = (change.context().id(), change.now());
    let sql =
        "insert into removals (account_id, id, membership_id, user_id, snapshot, removed_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7)";
    let query = change.query_in_account(sql).bind(id).bind(member.id).bind(user).bind(json);
    query.bind(now).bind(now.plus(UNDO)).execute().await?;
    Ok(id)
}

async fn grants_of(
    change: &mut Change<Access>,
    members: &[Uuid],
) -> Result<Vec<(MembershipId, GrantSnapshot)>> {
    let sql = "select g.membership_id, g.id, g.role, g.role_id, r.name as role_name, g.scope, g.product, g.expires_at, g.granted_by,
            g.created_at, (select cast(json_agg(json_build_object('id', encode(uuid_send(t.id), 'hex'), 'name', t.name)) as text)
                from grant_resources x join resources t on t.id = x.resource_id where x.grant_id = g.id) as listed
        from grants g left join roles r on r.id = g.role_id where g.membership_id = any($1::uuid[]) order by g.id";
    let rows: Vec<GrantRow> = change.query_unscoped(sql).bind(List(members)).fetch_all().await?;
    let snapshot = |row: GrantRow| {
        let grant = GrantSnapshot {
            id: row.id,
            role: row.role,
            role_id: row.role_id,
            role_name: row.role_name,
            scope: row.scope,
            product: row.product,
            expires_at: row.expires_at,
            granted_by: row.granted_by,
            created_at: row.created_at,
            resources: json::list(row.listed)?,
        };
        Ok((row.membership_id, grant))
    };
    rows.into_iter().map(snapshot).collect()
}

/// Stores the keys that are about to be revoked and the private resources that are about to pass on. The conditions are those
/// of `memberships::remove`, which follows.
pub(super) async fn record_access(
    change: &mut Change<Access>,
    removal: Uuid,
    account: AccountId,
    heir_membership: MembershipId,
    heir: Option<UserId>,
    now: Time,
) -> Result<()> {
    let sql = "insert into removed_keys (removal_id, key_id)
        select r.id, k.id from removals r join api_keys k on k.membership_id = $2 where r.id = $1 and k.revoked_at is null";
    change.query_unscoped(sql).bind(removal).bind(heir_membership).execute().await?;
    let sql = "insert into removed_resources (removal_id, resource_id, name, passed_to, version)
        select m.id, t.id, t.name, coalesce($3, a.owner_id), case when t.updated_at < $4 then $4 else t.updated_at + 1 end
        from removals m join resources t on t.account_id = $2 and t.created_by = m.user_id
        join accounts a on a.id = t.account_id where m.id = $1 and t.visibility = 'private'";
    change.query_unscoped(sql).bind(removal).bind(account).bind(heir).bind(now).execute().await?;
    Ok(())
}

/// Also revokes a key on its own, so that undoing a removal does not restore it. False if no undo would have.
pub(in crate::store) async fn key_stays_revoked<A>(change: &mut Change<A>, key: KeyId) -> Result<bool> {
    let now = change.now();
    let sql = "update removed_keys set stays_revoked = true where key_id = $1 and not stays_revoked
        and removal_id in (select id from removals where outcome is null and expires_at > $2)";
    Ok(change.query_unscoped(sql).bind(key).bind(now).execute().await? > 0)
}

/// The result of the last undo of a member's removal, while it is recent.
pub async fn outcome(scope: &mut Scope<Access>, id: MembershipId) -> Result<Option<RestoreResult>> {
    let sql =
        "select outcome from removals where account_id = $1 and membership_id = $2 order by id desc limit 1";
    let found: Option<(Option<String>,)> = scope.query_in_account(sql).bind(id).fetch_optional().await?;
    let Some((Some(json),)) = found else { return Ok(None) };
    serde_json::from_str(&json).map(Some).map_err(|error| Error::Internal(error.to_string()))
}
