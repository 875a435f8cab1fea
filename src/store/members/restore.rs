//! Undo of a removal: restores what can still be restored and reports the rest.
mod existing;

use existing::{Existing, TeamRow};

use super::{
    Member, find, make_admin,
    removal_snapshot::{
        GrantSnapshot, HandedTeam, MembershipSnapshot, Missing, RemovalSnapshot, RestoreResult,
    },
    set_owner,
};
use crate::{
    emails,
    error::{Error, Result},
    model::{
        access::Access,
        actor::UserSummary,
        grant::{Grant, GrantScope, Rights},
        id::{AccountId, InvitationId, MembershipId, UserId},
        permission::Permission,
        role::BuiltIn,
        text::EmailAddress,
        time::Time,
    },
    store::{
        Change,
        audit::{self, Chain, NewEvent},
        grants::{self, GrantHolder},
        invitations, memberships, site,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

#[derive(sqlx::FromRow)]
struct RemovalRow {
    id: Uuid,
    user_id: UserId,
    name: String,
    email: String,
    snapshot: String,
    removed_at: Time,
    expires_at: Time,
    outcome: Option<String>,
}

/// Undoes the removal of a member: membership, grants, the keys that it revoked, teams and private resources that nobody has
/// touched since. The rules for granting are checked again. Sessions stay ended.
pub async fn restore(change: &mut Change<Access>, id: MembershipId) -> Result<(Member, RestoreResult)> {
    let sql = "select r.id, r.user_id, u.name, u.email, r.snapshot, r.removed_at, r.expires_at, r.outcome
        from removals r join users u on u.id = r.user_id where r.account_id = $1 and r.membership_id = $2
        order by r.id desc limit 1";
    let row: RemovalRow =
        change.query_in_account(sql).bind(id).fetch_optional().await?.ok_or(Error::NotFound)?;
    if row.outcome.is_some() {
        return Err(Error::conflict("restored_already", format!("{} is back already.", row.name)));
    }
    if row.expires_at <= change.now() {
        let detail = format!(
            "A removal can be taken back for 10 minutes, which are over. Invite {} again.",
            row.email
        );
        return Err(Error::conflict("undo_over", detail));
    }
    let removed: RemovalSnapshot =
        serde_json::from_str(&row.snapshot).map_err(|error| Error::Internal(error.to_string()))?;
    let person = UserSummary { id: row.user_id, name: row.name.clone(), email: row.email.clone() };
    may_come_back(change, &person).await?;
    let existing = Existing::find(change, &removed).await?;
    let mut restoration =
        Restoration { removal: row.id, at: row.removed_at, person, existing, result: empty_result(row.name) };

    restoration.restore_in_account(change, &removed.here).await?;
    restoration.restore_teams(change, &removed).await?;
    restoration.report_revoked_keys(change).await?;
    restoration.report_kept_resources(change).await?;
    restoration.report_ended_offers(&removed);
    let Restoration { person, result, .. } = restoration;
    withdraw_invitation(change, &person).await?;

    let json = serde_json::to_string(&result).map_err(|error| Error::Internal(error.to_string()))?;
    let sql = "update removals set outcome = $3 where account_id = $1 and id = $2";
    change.query_in_account(sql).bind(row.id).bind(json).execute().await?;
    let missing: Vec<&str> = result.missing.iter().map(|missing| missing.name.as_str()).collect();
    let after = json!({ "grants": result.grants, "keys": result.keys, "resources": result.resources, "teams": result.teams,
        "missing": missing });
    let event = NewEvent::on("member.restored", "member", id, &person.email).changed(Value::Null, after);
    audit::record(change, event).await?;
    let (context, here) = (change.context().clone(), change.access().account.clone());
    let link = context.url(&format!("/a/{}/overview", here.slug));
    let restoration = emails::Restoration { account: &here.name, kind: here.kind.noun(), link: &link };
    let letter = emails::membership_restored(&site(&context), &person.email, &restoration);
    change.send(&letter).await?;
    Ok((find(change, id).await?, result))
}

fn empty_result(name: String) -> RestoreResult {
    let (grants, teams, owned, missing) = (vec![], vec![], vec![], vec![]);
    RestoreResult { name, grants, keys: 0, resources: 0, teams, owned, missing }
}

/// Nobody restores themselves, a member needs no undo, and a team takes only members of its organization.
async fn may_come_back(change: &mut Change<Access>, person: &UserSummary) -> Result<()> {
    if change.access().is_user(person.id) {
        let detail = "Nobody takes back their own removal. Ask another administrator.";
        return Err(Error::conflict("self", detail));
    }
    let here = change.access().account.clone();
    let above = if here.is_under_organization() { here.top() } else { here.id };
    let sql = "select account_id from memberships where account_id in ($1, $2) and user_id = $3";
    let found: Vec<(AccountId,)> =
        change.query_in_account(sql).bind(above).bind(person.id).fetch_all().await?;
    if found.iter().any(|row| row.0 == here.id) {
        let detail = format!("{} is a member again. Change their roles on their page.", person.name);
        return Err(Error::conflict("member_again", detail));
    }
    if above != here.id && found.is_empty() {
        let detail = format!("{} is not in the organization any more. Invite them there first.", person.name);
        return Err(Error::conflict("not_in_organization", detail));
    }
    Ok(())
}

/// Revokes an invitation that was sent meanwhile.
async fn withdraw_invitation(change: &mut Change<Access>, person: &UserSummary) -> Result<()> {
    let Ok(email) = EmailAddress::parse(&person.email) else { return Ok(()) };
    let sql = "select id from invitations where account_id = $1 and email_key = $2 and status = 'pending'";
    let waiting: Option<(InvitationId,)> =
        change.query_in_account(sql).bind(email.key()).fetch_optional().await?;
    match waiting {
        Some((id,)) => invitations::revoke(change, id).await,
        None => Ok(()),
    }
}

impl Missing {
    pub(super) fn new(kind: &str, name: &str, code: &str, detail: impl Into<String>) -> Missing {
        Missing { kind: kind.into(), name: name.into(), code: code.into(), detail: detail.into() }
    }
}

/// The undo of a removal.
struct Restoration {
    removal: Uuid,
    at: Time,
    person: UserSummary,
    existing: Existing,
    result: RestoreResult,
}

impl Restoration {
    /// In the account itself. If the caller may not grant something any more, nothing is restored.
    async fn restore_in_account(
        &mut self,
        change: &mut Change<Access>,
        membership: &MembershipSnapshot,
    ) -> Result<()> {
        let admins_may_delete = change.access().account.admins_may_delete;
        let grants = self.grantable(change, membership, admins_may_delete);
        let held: Vec<Grant> = grants.iter().map(|grant| grant.1.clone()).collect();
        grants::check(change.access(), &held)?;
        self.restore_membership(change, membership, &grants).await?;
        self.result.grants = held.iter().map(Grant::title).collect();
        Ok(())
    }

    fn grantable<'a>(
        &mut self,
        change: &Change<Access>,
        membership: &'a MembershipSnapshot,
        admins_may_delete: bool,
    ) -> Vec<(&'a GrantSnapshot, Grant)> {
        let mut grantable = vec![];
        for snapshot in &membership.grants {
            match self.existing.grant(snapshot, membership.row.account_id, admins_may_delete, change.now()) {
                Ok((grant, gone)) => {
                    let missing = gone.iter().map(|name| {
                        let detail = format!("{} lists it no more: it is not there any more.", grant.title());
                        Missing::new("grant", name, "resource_deleted", detail)
                    });
                    self.result.missing.extend(missing);
                    grantable.push((snapshot, grant));
                }
                Err(missing) => self.result.missing.push(missing),
            }
        }
        grantable
    }

    /// Restores membership, grants, keys and private resources in one account. False if they are a member there already.
    async fn restore_membership(
        &mut self,
        change: &mut Change<Access>,
        membership: &MembershipSnapshot,
        grants: &[(&GrantSnapshot, Grant)],
    ) -> Result<bool> {
        if !memberships::restore(change, &membership.row, &self.person).await? {
            return Ok(false);
        }
        insert_grants(change, membership.row.account_id, membership.row.id, grants).await?;
        let now = change.now();
        let sql = "update api_keys set revoked_at = null, membership_id = $3 where account_id = $2
            and id in (select key_id from removed_keys where removal_id = $1 and not stays_revoked)
            and in_force(api_keys, $4)";
        let query = change
            .query_unscoped(sql)
            .bind(self.removal)
            .bind(membership.row.account_id)
            .bind(membership.row.id)
            .bind(now);
        self.result.keys += i64::try_from(query.execute().await?).unwrap_or(0);
        let sql = "update resources set created_by = $3, updated_at = case when updated_at < $4 then $4 else updated_at + 1 end
            where account_id = $2 and visibility = 'private' and exists (select 1 from removed_resources x
                where x.removal_id = $1 and x.resource_id = resources.id and x.passed_to = resources.created_by
                    and x.version = resources.updated_at)";
        let query = change
            .query_unscoped(sql)
            .bind(self.removal)
            .bind(membership.row.account_id)
            .bind(self.person.id)
            .bind(now);
        self.result.resources += i64::try_from(query.execute().await?).unwrap_or(0);
        Ok(true)
    }

    async fn restore_teams(&mut self, change: &mut Change<Access>, removed: &RemovalSnapshot) -> Result<()> {
        for membership in &removed.teams {
            let Some(team) = self.existing.teams.remove(&membership.row.account_id) else {
                let missing = Missing::new("team", &membership.name, "team_deleted", "The team was deleted.");
                self.result.missing.push(missing);
                continue;
            };
            self.restore_team(change, membership, &team, &removed.here).await?;
        }
        Ok(())
    }

    async fn restore_team(
        &mut self,
        change: &mut Change<Access>,
        membership: &MembershipSnapshot,
        team: &TeamRow,
        here: &MembershipSnapshot,
    ) -> Result<()> {
        let rights = rights_in(change, team).await?;
        let grants = self.grantable(change, membership, team.admins_may_delete);
        let held: Vec<Grant> = grants.iter().map(|grant| grant.1.clone()).collect();
        let admin = Grant::whole(BuiltIn::Admin, team.admins_may_delete);
        let needed = if membership.handed.is_some() { std::slice::from_ref(&admin) } else { &held };
        let lacks = rights.cover_all(needed).err();
        let lacks = lacks.or((!rights.may(Permission::InviteMembers)).then_some(Permission::InviteMembers));
        if let Some(lacks) = lacks {
            let detail = format!("To bring them back there, you need the permission {} in it.", lacks.key());
            self.result.missing.push(Missing::new("team", &membership.name, "permission_missing", detail));
            return Ok(());
        }
        if !self.restore_membership(change, membership, &grants).await? {
            return Ok(());
        }
        self.result.teams.push(membership.name.clone());
        let event = NewEvent::on("member.restored", "member", membership.row.id, &self.person.email);
        audit::record_in(change, Chain::Account(team.id), event).await?;
        let Some(handed) = &membership.handed else { return Ok(()) };
        let why = if team.owner_id != handed.to || team.is_offered {
            Some(("owner_changed", "It was handed on meanwhile, or is on offer."))
        } else if here.row.suspended_at.is_some()
            || here.row.expires_at.is_some_and(|end| end <= change.now())
        {
            Some(("member_inactive", "Who is inactive in the organization owns none of its teams."))
        } else {
            None
        };
        if let Some((code, detail)) = why {
            self.result.missing.push(Missing::new("ownership", &membership.name, code, detail));
            return make_admin(change, team.id, self.person.id).await;
        }
        self.return_team(change, membership, handed, team.admins_may_delete).await
    }

    /// Returns the team. Whoever got it is what they were before.
    async fn return_team(
        &mut self,
        change: &mut Change<Access>,
        membership: &MembershipSnapshot,
        handed: &HandedTeam,
        admins_may_delete: bool,
    ) -> Result<()> {
        set_owner(change, membership.row.account_id, handed.to, self.person.id).await?;
        self.result.owned.push(membership.name.clone());
        let event = NewEvent::on("transfer.returned", "account", membership.row.account_id, &membership.name);
        let event = event.changed(Value::Null, json!({ "owner": self.person.email }));
        audit::record_in(change, Chain::Account(membership.row.account_id), event).await?;
        let sql = "select m.id, exists (select 1 from api_keys k where k.membership_id = m.id and k.revoked_at is null)
            from memberships m where m.account_id = $1 and m.user_id = $2";
        let (seat, uses_it): (MembershipId, bool) =
            change.query_unscoped(sql).bind(membership.row.account_id).bind(handed.to).fetch_one().await?;
        let Some(held) = &handed.previous_grants else {
            // They leave again if they were not a member before, unless they have an active key there by now.
            return if uses_it {
                make_admin(change, membership.row.account_id, handed.to).await
            } else {
                let now = change.now();
                memberships::remove(change, membership.row.account_id, seat, Some(self.person.id), now).await
            };
        };
        let now = change.now();
        let grantable = |snapshot: &&GrantSnapshot| {
            self.existing.grant(snapshot, membership.row.account_id, admins_may_delete, now).ok()
        };
        let grants: Vec<(&GrantSnapshot, Grant)> =
            held.iter().filter_map(|grant| Some((grant, grantable(&grant)?.0))).collect();
        insert_grants(change, membership.row.account_id, seat, &grants).await
    }

    async fn report_revoked_keys(&mut self, change: &mut Change<Access>) -> Result<()> {
        let sql = "select k.name, x.stays_revoked from removed_keys x join api_keys k on k.id = x.key_id
            where x.removal_id = $1 and k.revoked_at is not null and in_force(k, $2)
            order by k.id limit 50";
        let rows: Vec<(String, bool)> =
            change.query_unscoped(sql).bind(self.removal).bind(self.at).fetch_all().await?;
        let missing = rows.iter().map(|(name, stays)| match stays {
            true => Missing::new(
                "key",
                name,
                "key_revoked",
                "It was revoked by hand or found in public meanwhile.",
            ),
            false => {
                Missing::new("key", name, "key_expired", "It has expired, or its team did not come back.")
            }
        });
        self.result.missing.extend(missing);
        Ok(())
    }

    async fn report_kept_resources(&mut self, change: &mut Change<Access>) -> Result<()> {
        let sql = "select x.name from removed_resources x left join resources r on r.id = x.resource_id
            where x.removal_id = $1 and (r.created_by is null or r.created_by <> $2) order by x.name limit 50";
        let rows: Vec<(String,)> =
            change.query_unscoped(sql).bind(self.removal).bind(self.person.id).fetch_all().await?;
        let detail = "It was changed or deleted meanwhile, or its team did not come back.";
        let missing = rows.iter().map(|row| Missing::new("resource", &row.0, "resource_changed", detail));
        self.result.missing.extend(missing);
        Ok(())
    }

    fn report_ended_offers(&mut self, removed: &RemovalSnapshot) {
        if removed.requests > 0 {
            let name = if removed.requests == 1 { "1 request" } else { "Requests for access" };
            let detail = "What they had asked for is asked for again.";
            self.result.missing.push(Missing::new("request", name, "request_ended", detail));
        }
        if removed.was_offered {
            let detail = "The ownership was offered to them. It is offered again in the settings.";
            self.result.missing.push(Missing::new("offer", "Offer of ownership", "offer_ended", detail));
        }
    }
}

/// The caller's rights in a team: leaders of the organization act as admins, and a restricted key stays restricted.
async fn rights_in(change: &mut Change<Access>, team: &TeamRow) -> Result<Rights> {
    let access = change.access().clone();
    let mut held = match (team.mine, team.mine_is_owner) {
        (Some(_), Some(true)) => vec![Grant::whole(BuiltIn::Owner, true)],
        (Some(id), _) => {
            let found =
                grants::of(change, GrantHolder::Membership(id), &[id.0], team.admins_may_delete).await?;
            let now = change.now();
            found
                .into_iter()
                .map(|row| row.1)
                .filter(|grant| grant.expires_at.is_none_or(|end| end > now))
                .collect()
        }
        _ => vec![],
    };
    if access.leads_teams() {
        held.push(Grant::whole(BuiltIn::Admin, team.admins_may_delete));
    }
    Ok(Rights { grants: held, only: access.rights.only, only_resources: access.rights.only_resources })
}

/// Inserts grants with their original id, grantor and time.
async fn insert_grants(
    change: &mut Change<Access>,
    account: AccountId,
    member: MembershipId,
    grants: &[(&GrantSnapshot, Grant)],
) -> Result<()> {
    for (snapshot, grant) in grants {
        let sql = "insert into grants (id, account_id, membership_id, role, role_id, scope, product, expires_at, granted_by, created_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        let query = change
            .query_unscoped(sql)
            .bind(snapshot.id)
            .bind(account)
            .bind(member)
            .bind(snapshot.role.clone());
        let query = query
            .bind(snapshot.role_id)
            .bind(snapshot.scope.clone())
            .bind(snapshot.product.clone())
            .bind(snapshot.expires_at);
        query.bind(snapshot.granted_by).bind(snapshot.created_at).execute().await?;
        let GrantScope::Resources(listed) = &grant.over else { continue };
        for one in listed {
            let sql = "insert into grant_resources (grant_id, resource_id) values ($1, $2)";
            change.query_unscoped(sql).bind(snapshot.id).bind(one.id).execute().await?;
        }
    }
    Ok(())
}
