//! Members of an account: looked at, changed, suspended, removed.
mod detail;
mod list;
mod removal_preview;
mod removal_snapshot;
mod remove;
mod restore;

pub use detail::{Detail, Given, detail};
pub use list::{Around, Cursor, Filter, Named, Order, Page, Removed, Sort, list, page, some};
pub(super) use list::{LAST, end};
pub use removal_preview::{Departure, Heir, HeldKey, Losses, Made, Seat, departure, losses};
pub(super) use removal_snapshot::key_stays_revoked;
pub use removal_snapshot::{Missing, Restored, UNDO, outcome};
use remove::pass_teams;
pub use remove::{leave, may_leave, remove, sweep};
pub use restore::restore;

use super::{
    Change, Host, Scope, Who,
    audit::{self, Did},
    grants::{self, Of},
};
use crate::{
    db::List,
    error::{Error, Result},
    model::{
        access::Person,
        account::{Kind, LoginType},
        grant::{Grant, Rights},
        id::{AccountId, MembershipId, UserId},
        role::BuiltIn,
        text::Email,
        time::Time,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

/// A member of the account.
#[derive(Clone, Debug)]
pub struct Member {
    /// The membership's id.
    pub id: MembershipId,
    /// Who.
    pub person: Person,
    /// Whether they own the account.
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
    let one = |it: &Grant| json!({ "label": it.label(), "expires_at": it.expires_at });
    grants.iter().map(one).collect()
}

/// One member of the account.
pub async fn find(scope: &mut Scope, id: MembershipId) -> Result<Member> {
    list::one(scope, id).await?.ok_or(Error::NotFound)
}

/// The member that somebody is, if they are one.
pub async fn of_user(scope: &mut Scope, user: UserId) -> Result<Option<MembershipId>> {
    let sql = "select id from memberships where account_id = $1 and user_id = $2";
    let found: Option<(MembershipId,)> = scope.ask(sql).bind(user).fetch_optional().await?;
    Ok(found.map(|it| it.0))
}

/// The membership that an address has in an account: for the operator.
pub async fn of_address(
    scope: &mut Scope<Host>,
    account: AccountId,
    email: &Email,
) -> Result<Option<(MembershipId, UserId)>> {
    let sql = "select m.id, m.user_id from memberships m join users u on u.id = m.user_id
        where m.account_id = $1 and u.email_key = $2";
    Ok(scope.sql(sql).bind(account).bind(email.key()).fetch_optional().await?)
}

/// Whether the visitor may change this member at all. One sentence, for the handler and for the page's buttons: nobody
/// changes the owner, themselves, or a member who holds a permission that they lack.
pub fn may_change(scope: &Scope, member: &Member) -> Result<()> {
    may_change_as(&scope.who().rights, scope.who().membership, member)
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
    rights.cover_all(&member.grants).map_err(Error::Forbidden)
}

/// Gives a member these roles in place of theirs. What they hold already stays as it is, with who gave it and when.
pub async fn set_grants(change: &mut Change, id: MembershipId, wanted: &[Grant]) -> Result<()> {
    let member = find(change, id).await?;
    may_change(change, &member)?;
    grants::check(change.who(), wanted)?;
    let same = |a: &Grant, b: &Grant| a.role == b.role && a.over == b.over && a.expires_at == b.expires_at;
    let given: Vec<Grant> =
        wanted.iter().filter(|it| !member.grants.iter().any(|had| same(had, it))).cloned().collect();
    let taken: Vec<Uuid> = member
        .grants
        .iter()
        .filter(|had| !wanted.iter().any(|it| same(had, it)))
        .filter_map(|had| had.id.map(|it| it.0))
        .collect();
    if given.is_empty() && taken.is_empty() {
        return Ok(());
    }
    let sql = "delete from grants where account_id = $1 and membership_id = $2 and id = any($3::uuid[])";
    change.ask(sql).bind(id).bind(List(&taken)).execute().await?;
    let account = change.who().here.id;
    grants::insert(change, account, Of::Membership(id), &given).await?;
    let did = Did::to("member.role_changed", "member", id, &member.person.email);
    audit::here(change, did.changed(member.grants_json(), labels(wanted))).await
}

/// Gives a member one more role, beside theirs.
pub(super) async fn add_grant(change: &mut Change, member: &Member, grant: &Grant) -> Result<()> {
    let is_it = |had: &&Grant| had.role == grant.role && had.over == grant.over;
    let now = change.now();
    let had = member.grants.iter().find(is_it);
    let lasts = |had: &Grant| {
        had.expires_at.is_none_or(|end| end > now && grant.expires_at.is_some_and(|it| it <= end))
    };
    if had.is_some_and(lasts) {
        return Ok(());
    }
    let mut after: Vec<Grant> = member.grants.iter().filter(|it| !is_it(it)).cloned().collect();
    after.push(grant.clone());
    if after.len() > grants::MOST {
        let detail = format!("A member has at most {} roles. Take one away first.", grants::MOST);
        return Err(Error::conflict("too_many_grants", detail));
    }
    if let Some(id) = had.and_then(|it| it.id) {
        change.ask("delete from grants where account_id = $1 and id = $2").bind(id).execute().await?;
    }
    let account = change.who().here.id;
    grants::insert(change, account, Of::Membership(member.id), std::slice::from_ref(grant)).await?;
    let did = Did::to("member.role_changed", "member", member.id, &member.person.email);
    audit::here(change, did.changed(member.grants_json(), labels(&after))).await
}

/// Suspends a member: sessions and keys stop here, and in the account's teams.
pub async fn suspend(change: &mut Change, id: MembershipId) -> Result<()> {
    let member = find(change, id).await?;
    may_change(change, &member)?;
    if member.suspended_at.is_some() {
        return Ok(());
    }
    let now = change.now();
    let sql = "update memberships set suspended_at = $3 where account_id = $1 and id = $2";
    change.ask(sql).bind(id).bind(now).execute().await?;
    withdraw_offers(change, member.person.id).await?;
    if change.who().here.kind == Kind::Organization {
        // An owner is never inactive: the teams that they own pass on.
        let here = change.who().here.id;
        pass_teams(change, here, member.person.id, None).await?;
    }
    let did = Did::to("member.suspended", "member", id, &member.person.email);
    audit::here(change, did.changed(json!({ "status": "active" }), json!({ "status": "inactive" }))).await
}

/// Lets a suspended or expired member in again.
pub async fn reactivate(change: &mut Change, id: MembershipId) -> Result<()> {
    let member = find(change, id).await?;
    may_change(change, &member)?;
    let now = change.now();
    let sql = "update memberships set suspended_at = null,
            expires_at = case when expires_at <= $3 then null else expires_at end
        where account_id = $1 and id = $2 and (suspended_at is not null or expires_at <= $3)";
    if change.ask(sql).bind(id).bind(now).execute().await? == 0 {
        return Ok(());
    }
    let did = Did::to("member.reactivated", "member", id, &member.person.email);
    audit::here(change, did.changed(json!({ "status": "inactive" }), json!({ "status": "active" }))).await
}

/// Sets until when somebody is a member; for good if none.
pub async fn set_expiry(change: &mut Change, id: MembershipId, expires_at: Option<Time>) -> Result<()> {
    let member = find(change, id).await?;
    may_change(change, &member)?;
    if expires_at.is_some_and(|it| it <= change.now()) {
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
    change.ask(sql).bind(id).bind(expires_at).execute().await?;
    let did = Did::to("member.expiry_changed", "member", id, &member.person.email);
    let did = did.changed(json!({ "expires_at": member.expires_at }), json!({ "expires_at": expires_at }));
    audit::here(change, did).await
}

/// Sets how a member must sign in.
pub async fn set_login_type(change: &mut Change, id: MembershipId, login_type: LoginType) -> Result<()> {
    let member = find(change, id).await?;
    may_change(change, &member)?;
    if member.login_type == login_type {
        return Ok(());
    }
    let sql = "update memberships set login_type = $3 where account_id = $1 and id = $2";
    change.ask(sql).bind(id).bind(login_type).execute().await?;
    let did = Did::to("member.login_type_changed", "member", id, &member.person.email);
    let did = did.changed(json!({ "login_type": member.login_type }), json!({ "login_type": login_type }));
    audit::here(change, did).await
}

/// Ownership passes in one step: between the statements there is no owner, which the database would not keep. The new
/// owner's grants are of no use any more; the old owner has none left.
pub(super) async fn set_owner<W: Who>(
    change: &mut Change<W>,
    account: AccountId,
    from: UserId,
    to: UserId,
) -> Result<()> {
    let sql = "delete from grants where membership_id in (select id from memberships where account_id = $1 and user_id = $2)";
    change.sql(sql).bind(account).bind(to).execute().await?;
    let sql = "update memberships set is_owner = false where account_id = $1 and user_id = $2";
    change.sql(sql).bind(account).bind(from).execute().await?;
    let sql = "update memberships set is_owner = true, suspended_at = null, expires_at = null
        where account_id = $1 and user_id = $2";
    change.sql(sql).bind(account).bind(to).execute().await?;
    let now = change.now();
    let sql = "update accounts set owner_id = $2, updated_at = $3 where id = $1";
    change.sql(sql).bind(account).bind(to).bind(now).execute().await?;
    Ok(())
}

/// The old owner stays as an admin.
pub(super) async fn make_admin<W: Who>(
    change: &mut Change<W>,
    account: AccountId,
    user: UserId,
) -> Result<()> {
    let sql = "select id from memberships where account_id = $1 and user_id = $2";
    let (id,): (MembershipId,) = change.sql(sql).bind(account).bind(user).fetch_one().await?;
    grants::insert(change, account, Of::Membership(id), &[Grant::whole(BuiltIn::Admin, true)]).await
}

/// An offer of ownership to somebody who may not enter any more ends.
async fn withdraw_offers(change: &mut Change, user: UserId) -> Result<()> {
    let sql = "delete from transfers where membership_id in (select x.id from memberships x join accounts a on a.id = x.account_id
        where (a.id = $1 or a.parent_id = $1) and x.user_id = $2)";
    change.ask(sql).bind(user).execute().await?;
    Ok(())
}

/// Who leads the account: the owner first, then admins, by name. They are the ones to ask.
pub async fn leaders(scope: &mut Scope) -> Result<Vec<String>> {
    let names: Vec<(String,)> = scope
        .ask(
            "select u.name from memberships m join users u on u.id = m.user_id
             where m.account_id = $1 and m.suspended_at is null and (m.is_owner or exists (
                select 1 from grants g where g.membership_id = m.id and g.role = 'admin'))
             order by case when m.is_owner then 0 else 1 end, m.joined_at limit 5",
        )
        .fetch_all()
        .await?;
    Ok(names.into_iter().map(|it| it.0).collect())
}

/// The addresses of the owner and the administrators of an account: the first twenty.
pub(super) async fn leader_addresses<W: super::Who>(
    scope: &mut Scope<W>,
    account: crate::model::id::AccountId,
) -> Result<Vec<String>> {
    let now = scope.now();
    let sql = "select u.email from memberships m join users u on u.id = m.user_id
        where m.account_id = $1 and m.suspended_at is null and coalesce(m.expires_at, $2 + 1) > $2 and (m.is_owner or exists (
            select 1 from grants g where g.membership_id = m.id and g.role = 'admin' and g.scope = 'account'
                and coalesce(g.expires_at, $2) >= $2))
        order by case when m.is_owner then 0 else 1 end, m.joined_at limit 20";
    let found: Vec<(String,)> = scope.sql(sql).bind(account).bind(now).fetch_all().await?;
    Ok(found.into_iter().map(|it| it.0).collect())
}
