//! Removal of members, and leaving. Teams that they own get a new owner first.
use super::{Member, find, make_admin, may_change, removal_snapshot, set_owner};
use crate::{
    emails,
    error::{Error, Result},
    model::{
        access::Access,
        account::{Kind, LoginType},
        actor::UserSummary,
        grant::Rights,
        id::{AccountId, MembershipId, UserId},
        permission::Permission,
    },
    store::{
        Change, Scope, System,
        audit::{self, Chain, NewEvent},
        memberships, site,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

/// Removes a member: their keys for the account are revoked and their access ends in the same transaction, in the account's
/// teams too. Teams that they own and private resources that they made pass to `heir`, else to the owner of the account.
/// It can be undone for `UNDO`.
pub async fn remove(change: &mut Change<Access>, id: MembershipId, heir: Option<MembershipId>) -> Result<()> {
    let member = find(change, id).await?;
    may_change(change, &member)?;
    let heir = find_heir(change, &member, heir).await?;
    let removal = removal_snapshot::take_snapshot(change, &member, heir.as_ref()).await?;
    end_membership(change, &member, heir, Some(removal)).await?;
    let (context, account) = (change.context().clone(), change.access().account.clone());
    let removal = emails::Removal { account: &account.name, kind: account.kind.noun() };
    let letter = emails::membership_removed(&site(&context), &member.person.email, &removal);
    change.send(&letter).await
}

/// The caller's membership, or why they may not leave. Used by the handler and for the page's buttons.
pub fn may_leave(access: &Access) -> Result<MembershipId> {
    if access.account.kind == Kind::Personal {
        let detail = "Nobody leaves their personal account. Delete your user in your profile.";
        return Err(Error::conflict("personal", detail));
    }
    if access.is_owner {
        let detail = "The owner cannot leave. Hand the ownership over in the settings first.";
        return Err(Error::conflict("owner", detail));
    }
    access.membership.ok_or_else(|| {
        let detail = "You are here as an administrator of the organization, not as a member.";
        Error::conflict("not_a_member", detail)
    })
}

pub async fn leave(change: &mut Change<Access>) -> Result<()> {
    let id = may_leave(change.access())?;
    let member = find(change, id).await?;
    end_membership(change, &member, None, None).await
}

/// `removal` is the snapshot by which it can be undone; `None` if the member leaves.
async fn end_membership(
    change: &mut Change<Access>,
    member: &Member,
    heir: Option<UserSummary>,
    removal: Option<Uuid>,
) -> Result<()> {
    let action = if removal.is_some() { "member.removed" } else { "member.left" };
    let (account, now) = (change.access().account.clone(), change.now());
    let user = member.person.id;
    let before = json!({ "grants": member.grants_json(), "joined_at": member.joined_at });
    let heir_id = heir.as_ref().map(|heir| heir.id);
    if account.kind == Kind::Organization {
        pass_teams(change, user, heir).await?;
        let team_memberships: Vec<(AccountId, MembershipId)> = change
            .query_in_account(
                "select x.account_id, x.id from memberships x join accounts a on a.id = x.account_id
                  where a.parent_id = $1 and x.user_id = $2 order by x.account_id",
            )
            .bind(user)
            .fetch_all()
            .await?;
        for (team, membership) in team_memberships {
            if let Some(removal) = removal {
                removal_snapshot::record_access(change, removal, team, membership, None, now).await?;
            }
            // Private resources of a team stay in it: its owner takes them over.
            memberships::remove(change, team, membership, None, now).await?;
            let event = NewEvent::on(action, "member", membership, &member.person.email);
            audit::record_in(change, Chain::Account(team), event).await?;
        }
    }
    if let Some(removal) = removal {
        removal_snapshot::record_access(change, removal, account.id, member.id, heir_id, now).await?;
    }
    memberships::remove(change, account.id, member.id, heir_id, now).await?;
    let event = NewEvent::on(action, "member", member.id, &member.person.email).changed(before, Value::Null);
    audit::record(change, event).await
}

/// The member who was chosen to take over teams and private resources.
async fn find_heir(
    change: &mut Change<Access>,
    from: &Member,
    heir: Option<MembershipId>,
) -> Result<Option<UserSummary>> {
    let Some(id) = heir else { return Ok(None) };
    let member = match find(change, id).await {
        Err(Error::NotFound) => {
            return Err(Error::invalid("heir", "unknown_member", "Choose a member of this account."));
        }
        found => found?,
    };
    if !member.is_active || member.id == from.id {
        return Err(Error::invalid("heir", "inactive", "Choose an active member to take over."));
    }
    let sql = "select distinct product from resources where account_id = $1 and created_by = $2 and visibility = 'private'";
    let products: Vec<(String,)> = change.query_in_account(sql).bind(from.person.id).fetch_all().await?;
    let now = change.now();
    let held = member.grants.into_iter().filter(|grant| grant.expires_at.is_none_or(|end| end > now));
    let rights = Rights::of(held.collect());
    if let Some((product,)) =
        products.iter().find(|product| !rights.may_in(Permission::ViewResources, &product.0))
    {
        let product = change.context().catalog.product_name(product);
        let detail = format!(
            "{} does not see all {product} resources, and could not use those that pass on. Choose somebody else.",
            member.person.name
        );
        return Err(Error::invalid("heir", "sees_nothing", detail));
    }
    Ok(Some(member.person))
}

/// Makes `heir`, else the organization's owner, the owner of the user's teams. Locks all teams that the user is in first, so that
/// no transfer is offered meanwhile.
pub async fn pass_teams(change: &mut Change<Access>, from: UserId, heir: Option<UserSummary>) -> Result<()> {
    let organization = change.access().account.id;
    let sql = "select 1 from accounts where parent_id = $1
        and id in (select account_id from memberships where user_id = $2) order by id for no key update";
    change.query_unscoped(sql).bind(organization).bind(from).execute().await?;
    let sql = "select id, name from accounts where parent_id = $1 and owner_id = $2 order by id";
    let teams: Vec<(AccountId, String)> =
        change.query_unscoped(sql).bind(organization).bind(from).fetch_all().await?;
    if teams.is_empty() {
        return Ok(());
    }
    let to = match heir {
        Some(heir) => heir,
        None => owner(change, organization).await?,
    };
    for (team, name) in teams {
        memberships::add(change, team, &to, false, LoginType::Any).await?;
        change.query_unscoped("delete from transfers where account_id = $1").bind(team).execute().await?;
        set_owner(change, team, from, to.id).await?;
        make_admin(change, team, from).await?;
        let event = NewEvent::on("transfer.inherited", "account", team, &name);
        audit::record_in(
            change,
            Chain::Account(team),
            event.changed(Value::Null, json!({ "owner": to.email })),
        )
        .await?;
    }
    Ok(())
}

pub(super) async fn owner<A>(scope: &mut Scope<A>, account: AccountId) -> Result<UserSummary> {
    let sql =
        "select u.id, u.name, u.email from accounts a join users u on u.id = a.owner_id where a.id = $1";
    let (id, name, email): (UserId, String, String) =
        scope.query_unscoped(sql).bind(account).fetch_one().await?;
    Ok(UserSummary { id, name, email })
}

/// Expired members of an organization who still own teams of it: `(organization, user)`, a hundred at most.
pub async fn expired_team_owners(scope: &mut Scope<System>) -> Result<Vec<(AccountId, UserId)>> {
    let now = scope.now();
    let sql = "select distinct m.account_id, m.user_id from memberships m
        join accounts t on t.parent_id = m.account_id and t.owner_id = m.user_id
        join accounts a on a.id = m.account_id and a.kind = 'organization'
        where m.expires_at <= $1 order by m.account_id, m.user_id limit 100";
    Ok(scope.query_unscoped(sql).bind(now).fetch_all().await?)
}

/// Deletes removals that can no longer be undone.
pub async fn forget_removals(change: &mut Change<System>) -> Result<()> {
    let now = change.now();
    change.query_unscoped("delete from removals where expires_at <= $1").bind(now).execute().await?;
    Ok(())
}
