//! Members of an account: find, change, suspend and reactivate.
mod detail;
mod leaders;
mod list;
mod removal_preview;
mod removal_snapshot;
mod remove;
mod restore;

use super::{
    Change, Scope, System,
    audit::{self, NewEvent},
    grants::{self, GrantHolder},
};
use crate::{
    db::List,
    error::{Error, Result},
    model::{
        access::Access,
        account::{Kind, LoginType},
        actor::UserSummary,
        grant::{Grant, Rights},
        id::{AccountId, GrantId, MembershipId, UserId},
        role::BuiltIn,
        text::EmailAddress,
        time::Time,
    },
};
pub use detail::{GrantOrigin, MemberDetail, detail};
pub use leaders::{Leader, leaders};
pub use list::{
    Cursor, Filter, MemberListSummary, Order, Page, RoleOption, Sort, UndoableRemoval, find_all, list, page,
};
pub use removal_preview::{
    MemberKey, PrivateResource, RemovalImpact, RemovalPreview, Successor, TeamMembership, preview_removal,
    removal_impact,
};
pub(super) use removal_snapshot::key_stays_revoked;
pub use removal_snapshot::{Missing, RestoreResult, UNDO, outcome};
pub use remove::{expired_team_owners, forget_removals, leave, may_leave, pass_teams, remove};
pub use restore::restore;
use serde_json::{Value, json};
use uuid::Uuid;

#[derive(Clone, Debug)]
pub struct Member {
    /// The membership's id.
    pub id: MembershipId,
    pub person: UserSummary,
    pub is_owner: bool,
    /// Whether they may enter now: neither suspended nor expired, here or in the organization above.
    pub is_active: bool,
    pub suspended_at: Option<Time>,
    pub expires_at: Option<Time>,
    /// How they must sign in.
    pub login_type: LoginType,
    pub joined_at: Time,
    /// When they were last active, within minutes.
    pub active_at: Time,
    /// The owner's grant is not stored.
    pub grants: Vec<Grant>,
    /// The names of the account's teams that they are in.
    pub teams: Vec<String>,
}

impl Member {
    /// `active` or `inactive`.
    pub fn status(&self) -> &'static str {
        if self.is_active { "active" } else { "inactive" }
    }
    fn grants_json(&self) -> Value {
        labels(&self.grants)
    }
}

fn labels(grants: &[Grant]) -> Value {
    let one = |grant: &Grant| json!({ "label": grant.label(), "expires_at": grant.expires_at });
    grants.iter().map(one).collect()
}

pub async fn find(scope: &mut Scope<Access>, id: MembershipId) -> Result<Member> {
    list::one(scope, id).await?.ok_or(Error::NotFound)
}

pub async fn of_user(scope: &mut Scope<Access>, user: UserId) -> Result<Option<MembershipId>> {
    let sql = "select id from memberships where account_id = $1 and user_id = $2";
    let found: Option<(MembershipId,)> = scope.query_in_account(sql).bind(user).fetch_optional().await?;
    Ok(found.map(|row| row.0))
}

/// The member with an address, for the operator.
pub async fn of_address(
    scope: &mut Scope<System>,
    account: AccountId,
    email: &EmailAddress,
) -> Result<Option<(MembershipId, UserId)>> {
    let sql = "select m.id, m.user_id from memberships m join users u on u.id = m.user_id
        where m.account_id = $1 and u.email_key = $2";
    Ok(scope.query_unscoped(sql).bind(account).bind(email.key()).fetch_optional().await?)
}

/// Fails if the caller may not change this member: nobody changes the owner, themselves, or a member with a permission that they
/// lack. Used by handlers and for the page's buttons.
pub fn may_change(scope: &Scope<Access>, member: &Member) -> Result<()> {
    may_change_as(&scope.access().rights, scope.access().membership, member)
}

/// The same without a scope.
pub fn may_change_as(rights: &Rights, me: Option<MembershipId>, member: &Member) -> Result<()> {
    if member.is_owner {
        let detail =
            "The owner's membership cannot be changed. Ownership is handed over in the settings first.";
        return Err(Error::conflict("owner", detail));
    }
    if me == Some(member.id) {
        let detail = "Nobody changes their own membership. Ask another administrator, or leave the account.";
        return Err(Error::conflict("self", detail));
    }
    rights.cover_all(&member.grants).map_err(Error::MissingPermission)
}

/// Replaces a member's grants. Those that stay keep their rows, with who granted them and when.
pub async fn set_grants(change: &mut Change<Access>, id: MembershipId, wanted: &[Grant]) -> Result<()> {
    let member = find(change, id).await?;
    may_change(change, &member)?;
    grants::check(change.access(), wanted)?;
    let same = |a: &Grant, b: &Grant| a.role == b.role && a.over == b.over && a.expires_at == b.expires_at;
    let new: Vec<Grant> =
        wanted.iter().filter(|grant| !member.grants.iter().any(|held| same(held, grant))).cloned().collect();
    let gone: Vec<Grant> =
        member.grants.iter().filter(|held| !wanted.iter().any(|grant| same(held, grant))).cloned().collect();
    replace_grants(change, &member, GrantHolder::Membership(id), &gone, &new).await
}

/// Replaces the grants that a member has through groups of the organization's provider. A member who would have no grant gets
/// `starting`.
pub(super) async fn set_group_grants(
    change: &mut Change<Access>,
    id: MembershipId,
    wanted: &[Grant],
    starting: &[Grant],
) -> Result<()> {
    let member = find(change, id).await?;
    let sql = "select id from grants where account_id = $1 and membership_id = $2 and from_sso_group";
    let from_group: Vec<(GrantId,)> = change.query_in_account(sql).bind(id).fetch_all().await?;
    let is_from_group = |held: &Grant| held.id.is_some_and(|id| from_group.iter().any(|(of,)| *of == id));
    let same = |a: &Grant, b: &Grant| a.role == b.role && a.over == b.over;
    let new: Vec<Grant> =
        wanted.iter().filter(|grant| !member.grants.iter().any(|held| same(held, grant))).cloned().collect();
    let gone: Vec<Grant> = member
        .grants
        .iter()
        .filter(|held| is_from_group(held) && !wanted.iter().any(|grant| same(grant, held)))
        .cloned()
        .collect();
    if new.is_empty() && gone.len() == member.grants.len() {
        return replace_grants(change, &member, GrantHolder::Membership(id), &gone, starting).await;
    }
    replace_grants(change, &member, GrantHolder::Group(id), &gone, &new).await
}

/// Deletes some of a member's grants and inserts others, with one audit event. Every change of a member's grants ends here.
async fn replace_grants(
    change: &mut Change<Access>,
    member: &Member,
    holder: GrantHolder,
    gone: &[Grant],
    new: &[Grant],
) -> Result<()> {
    if gone.is_empty() && new.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = gone.iter().filter_map(|grant| grant.id.map(|id| id.0)).collect();
    let sql = "delete from grants where account_id = $1 and membership_id = $2 and id = any($3::uuid[])";
    change.query_in_account(sql).bind(member.id).bind(List(&ids)).execute().await?;
    let account = change.access().account.id;
    grants::insert(change, account, holder, new).await?;
    let kept = member.grants.iter().filter(|held| !gone.iter().any(|grant| grant.id == held.id));
    let after: Vec<Grant> = kept.chain(new).cloned().collect();
    let event = NewEvent::on("member.role_changed", "member", member.id, &member.person.email);
    audit::record(change, event.changed(member.grants_json(), labels(&after))).await
}

/// Adds a grant, unless the member has the same one for at least as long.
pub(super) async fn add_grant(change: &mut Change<Access>, member: &Member, grant: &Grant) -> Result<()> {
    let is_same = |held: &&Grant| held.role == grant.role && held.over == grant.over;
    let now = change.now();
    let current = member.grants.iter().find(is_same);
    let lasts = |held: &Grant| {
        held.expires_at.is_none_or(|end| end > now && grant.expires_at.is_some_and(|wanted| wanted <= end))
    };
    if current.is_some_and(lasts) {
        return Ok(());
    }
    if member.grants.iter().filter(|held| !is_same(held)).count() >= grants::MAX_GRANTS {
        let detail = format!("A member has at most {} roles. Take one away first.", grants::MAX_GRANTS);
        return Err(Error::conflict("too_many_grants", detail));
    }
    let gone: Vec<Grant> = current.into_iter().cloned().collect();
    replace_grants(change, member, GrantHolder::Membership(member.id), &gone, std::slice::from_ref(grant))
        .await
}

/// Suspends a member, here and in the account's teams: neither sessions nor keys give access.
pub async fn suspend(change: &mut Change<Access>, id: MembershipId) -> Result<()> {
    let member = find(change, id).await?;
    may_change(change, &member)?;
    if member.suspended_at.is_some() {
        return Ok(());
    }
    let now = change.now();
    let sql = "update memberships set suspended_at = $3 where account_id = $1 and id = $2";
    change.query_in_account(sql).bind(id).bind(now).execute().await?;
    withdraw_offers(change, member.person.id).await?;
    if change.access().account.kind == Kind::Organization {
        // An owner is never inactive, so the teams that they own pass on.
        pass_teams(change, member.person.id, None).await?;
    }
    let event = NewEvent::on("member.suspended", "member", id, &member.person.email);
    audit::record(change, event.changed(json!({ "status": "active" }), json!({ "status": "inactive" }))).await
}

/// Ends a suspension, or an expiry that has passed.
pub async fn reactivate(change: &mut Change<Access>, id: MembershipId) -> Result<()> {
    let member = find(change, id).await?;
    may_change(change, &member)?;
    let now = change.now();
    let sql = "update memberships set suspended_at = null,
            expires_at = case when expires_at <= $3 then null else expires_at end
        where account_id = $1 and id = $2 and (suspended_at is not null or expires_at <= $3)";
    if change.query_in_account(sql).bind(id).bind(now).execute().await? == 0 {
        return Ok(());
    }
    let event = NewEvent::on("member.reactivated", "member", id, &member.person.email);
    audit::record(change, event.changed(json!({ "status": "inactive" }), json!({ "status": "active" }))).await
}

/// `None`: the membership does not expire.
pub async fn set_expiry(
    change: &mut Change<Access>,
    id: MembershipId,
    expires_at: Option<Time>,
) -> Result<()> {
    let member = find(change, id).await?;
    may_change(change, &member)?;
    if expires_at.is_some_and(|end| end <= change.now()) {
        return Err(Error::invalid(
            "expires_at",
            "in_the_past",
            "The end lies in the past. To end it now, suspend them.",
        ));
    }
    if member.expires_at == expires_at {
        return Ok(());
    }
    let sql = "update memberships set expires_at = $3 where account_id = $1 and id = $2";
    change.query_in_account(sql).bind(id).bind(expires_at).execute().await?;
    let event = NewEvent::on("member.expiry_changed", "member", id, &member.person.email);
    let event =
        event.changed(json!({ "expires_at": member.expires_at }), json!({ "expires_at": expires_at }));
    audit::record(change, event).await
}

pub async fn set_login_type(
    change: &mut Change<Access>,
    id: MembershipId,
    login_type: LoginType,
) -> Result<()> {
    let member = find(change, id).await?;
    may_change(change, &member)?;
    if member.login_type == login_type {
        return Ok(());
    }
    let sql = "update memberships set login_type = $3 where account_id = $1 and id = $2";
    change.query_in_account(sql).bind(id).bind(login_type).execute().await?;
    let event = NewEvent::on("member.login_type_changed", "member", id, &member.person.email);
    let event =
        event.changed(json!({ "login_type": member.login_type }), json!({ "login_type": login_type }));
    audit::record(change, event).await
}

/// Also deletes the new owner's grants, which have no effect any longer. The old owner has none: see `make_admin`. Between the
/// statements the account has no owner.
pub(super) async fn set_owner<A>(
    change: &mut Change<A>,
    account: AccountId,
    from: UserId,
    to: UserId,
) -> Result<()> {
    let sql = "delete from grants where membership_id in (select id from memberships where account_id = $1 and user_id = $2)";
    change.query_unscoped(sql).bind(account).bind(to).execute().await?;
    let sql = "update memberships set is_owner = false where account_id = $1 and user_id = $2";
    change.query_unscoped(sql).bind(account).bind(from).execute().await?;
    let sql = "update memberships set is_owner = true, suspended_at = null, expires_at = null
        where account_id = $1 and user_id = $2";
    change.query_unscoped(sql).bind(account).bind(to).execute().await?;
    let now = change.now();
    let sql = "update accounts set owner_id = $2, updated_at = $3 where id = $1";
    change.query_unscoped(sql).bind(account).bind(to).bind(now).execute().await?;
    Ok(())
}

/// For the previous owner, who stays as an admin.
pub(super) async fn make_admin<A>(change: &mut Change<A>, account: AccountId, user: UserId) -> Result<()> {
    let sql = "select id from memberships where account_id = $1 and user_id = $2";
    let (id,): (MembershipId,) = change.query_unscoped(sql).bind(account).bind(user).fetch_one().await?;
    grants::insert(change, account, GrantHolder::Membership(id), &[Grant::whole(BuiltIn::Admin, true)]).await
}

/// Deletes offers of ownership to a user who no longer has access.
async fn withdraw_offers(change: &mut Change<Access>, user: UserId) -> Result<()> {
    let sql = "delete from transfers where membership_id in (select x.id from memberships x join accounts a on a.id = x.account_id
        where (a.id = $1 or a.parent_id = $1) and x.user_id = $2)";
    change.query_in_account(sql).bind(user).execute().await?;
    Ok(())
}
