//! Members of an account: looked at, changed, suspended, removed.
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
    grants::{self, Of},
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
    /// Since when they are suspended.
    pub suspended_at: Option<Time>,
    /// Until when they are a member.
    pub expires_at: Option<Time>,
    /// How they must sign in.
    pub login_type: LoginType,
    /// Since when they are a member.
    pub joined_at: Time,
    /// When they were last here, within minutes.
    pub active_at: Time,
    /// What they hold. The owner's is one that is not stored.
    pub grants: Vec<Grant>,
    /// The account's teams that they are in, by name.
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

/// The member that somebody is, if they are one.
pub async fn of_user(scope: &mut Scope<Access>, user: UserId) -> Result<Option<MembershipId>> {
    let sql = "select id from memberships where account_id = $1 and user_id = $2";
    let found: Option<(MembershipId,)> = scope.query_in_account(sql).bind(user).fetch_optional().await?;
    Ok(found.map(|row| row.0))
}

/// The membership that an address has in an account: for the operator.
pub async fn of_address(
    scope: &mut Scope<System>,
    account: AccountId,
    email: &EmailAddress,
) -> Result<Option<(MembershipId, UserId)>> {
    let sql = "select m.id, m.user_id from memberships m join users u on u.id = m.user_id
        where m.account_id = $1 and u.email_key = $2";
    Ok(scope.query_unscoped(sql).bind(account).bind(email.key()).fetch_optional().await?)
}

/// Whether the visitor may change this member at all. One sentence, for the handler and for the page's buttons: nobody
/// changes the owner, themselves, or a member who holds a permission that they lack.
pub fn may_change(scope: &Scope<Access>, member: &Member) -> Result<()> {
    may_change_as(&scope.access().rights, scope.access().membership, member)
}

/// The same, for a page that has given its scope back.
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

/// Gives a member these roles in place of theirs. What they hold already stays as it is, with who gave it and when.
pub async fn set_grants(change: &mut Change<Access>, id: MembershipId, wanted: &[Grant]) -> Result<()> {
    let member = find(change, id).await?;
    may_change(change, &member)?;
    grants::check(change.access(), wanted)?;
    let same = |a: &Grant, b: &Grant| a.role == b.role && a.over == b.over && a.expires_at == b.expires_at;
    let new: Vec<Grant> =
        wanted.iter().filter(|grant| !member.grants.iter().any(|held| same(held, grant))).cloned().collect();
    let gone: Vec<Grant> =
        member.grants.iter().filter(|held| !wanted.iter().any(|grant| same(held, grant))).cloned().collect();
    replace_grants(change, &member, Of::Membership(id), &gone, &new).await
}

/// Gives a member what their groups at the organization's provider hold, and takes what groups gave before. Nobody is left
/// without a role: then `starting` is given.
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
        return replace_grants(change, &member, Of::Membership(id), &gone, starting).await;
    }
    replace_grants(change, &member, Of::Group(id), &gone, &new).await
}

/// Takes some of a member's grants and gives others, in one audit event. Every change of a member's grants ends here.
async fn replace_grants(
    change: &mut Change<Access>,
    member: &Member,
    of: Of,
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
    grants::insert(change, account, of, new).await?;
    let kept = member.grants.iter().filter(|held| !gone.iter().any(|grant| grant.id == held.id));
    let after: Vec<Grant> = kept.chain(new).cloned().collect();
    let event = NewEvent::on("member.role_changed", "member", member.id, &member.person.email);
    audit::record(change, event.changed(member.grants_json(), labels(&after))).await
}

/// Gives a member one more role, beside theirs.
pub(super) async fn add_grant(change: &mut Change<Access>, member: &Member, grant: &Grant) -> Result<()> {
    let is_it = |had: &&Grant| had.role == grant.role && had.over == grant.over;
    let now = change.now();
    let had = member.grants.iter().find(is_it);
    let lasts = |had: &Grant| {
        had.expires_at.is_none_or(|end| end > now && grant.expires_at.is_some_and(|end| end <= end))
    };
    if had.is_some_and(lasts) {
        return Ok(());
    }
    if member.grants.iter().filter(|held| !is_it(held)).count() >= grants::MOST {
        let detail = format!("A member has at most {} roles. Take one away first.", grants::MOST);
        return Err(Error::conflict("too_many_grants", detail));
    }
    let gone: Vec<Grant> = had.into_iter().cloned().collect();
    replace_grants(change, member, Of::Membership(member.id), &gone, std::slice::from_ref(grant)).await
}

/// Suspends a member: sessions and keys stop here, and in the account's teams.
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

/// Lets a suspended or expired member in again.
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

/// Sets until when somebody is a member; for good if none.
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

/// Sets how a member must sign in.
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

/// Ownership passes in one step: between the statements there is no owner, which the database would not keep. The new
/// owner's grants are of no use any more; the old owner has none left.
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

/// The old owner stays as an admin.
pub(super) async fn make_admin<A>(change: &mut Change<A>, account: AccountId, user: UserId) -> Result<()> {
    let sql = "select id from memberships where account_id = $1 and user_id = $2";
    let (id,): (MembershipId,) = change.query_unscoped(sql).bind(account).bind(user).fetch_one().await?;
    grants::insert(change, account, Of::Membership(id), &[Grant::whole(BuiltIn::Admin, true)]).await
}

/// An offer of ownership to somebody who may not enter any more ends.
async fn withdraw_offers(change: &mut Change<Access>, user: UserId) -> Result<()> {
    let sql = "delete from transfers where membership_id in (select x.id from memberships x join accounts a on a.id = x.account_id
        where (a.id = $1 or a.parent_id = $1) and x.user_id = $2)";
    change.query_in_account(sql).bind(user).execute().await?;
    Ok(())
}
