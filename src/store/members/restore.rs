//! Undo of a removal: what was there comes back as far as it still can, and the rest is told.
use super::{
    Member, find, make_admin,
    removal_snapshot::{Handed, Kept, KeptGrant, Missing, Place, Restored},
    set_owner,
};
use crate::{
    db::List,
    emails,
    error::{Error, Result},
    model::{
        access::Person,
        grant::{Grant, Listed, Over, Rights, Role},
        id::{AccountId, InvitationId, MembershipId, ResourceId, RoleId, UserId},
        permission::{Permission, Permissions},
        role::BuiltIn,
        text::Email,
        time::Time,
    },
    store::{
        Change,
        audit::{self, Chain, Did},
        grants::{self, Of},
        invitations, memberships, site,
    },
};
use serde_json::{Value, json};
use std::collections::HashMap;
use uuid::Uuid;

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    user_id: UserId,
    name: String,
    email: String,
    kept: String,
    removed_at: Time,
    expires_at: Time,
    outcome: Option<String>,
}

/// Takes back the removal of a member: membership, grants, the keys that it revoked, teams and private resources that nobody
/// has touched since. The grant rules are asked again. Sessions stay ended.
pub async fn restore(change: &mut Change, id: MembershipId) -> Result<(Member, Restored)> {
    let sql = "select r.id, r.user_id, u.name, u.email, r.kept, r.removed_at, r.expires_at, r.outcome
        from removals r join users u on u.id = r.user_id where r.account_id = $1 and r.membership_id = $2
        order by r.id desc limit 1";
    let row: Row = change.ask(sql).bind(id).fetch_optional().await?.ok_or(Error::NotFound)?;
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
    let kept: Kept = serde_json::from_str(&row.kept).map_err(|it| Error::Internal(it.to_string()))?;
    let person = Person { id: row.user_id, name: row.name.clone(), email: row.email.clone() };
    may_come_back(change, &person).await?;
    let known = Known::of(change, &kept).await?;
    let mut back = Back { removal: row.id, at: row.removed_at, person, known, told: told(row.name) };

    back.here(change, &kept.here).await?;
    back.teams(change, &kept).await?;
    back.keys_that_stay(change).await?;
    back.resources_that_stay(change).await?;
    back.what_waited(&kept);
    let Back { person, told, .. } = back;
    withdraw_invitation(change, &person).await?;

    let json = serde_json::to_string(&told).map_err(|it| Error::Internal(it.to_string()))?;
    let sql = "update removals set outcome = $3 where account_id = $1 and id = $2";
    change.ask(sql).bind(row.id).bind(json).execute().await?;
    let missing: Vec<&str> = told.missing.iter().map(|it| it.name.as_str()).collect();
    let after = json!({ "grants": told.grants, "keys": told.keys, "resources": told.resources, "teams": told.teams,
        "missing": missing });
    let did = Did::to("member.restored", "member", id, &person.email).changed(Value::Null, after);
    audit::here(change, did).await?;
    let (kit, here) = (change.kit().clone(), change.who().here.clone());
    let link = kit.url(&format!("/a/{}/overview", here.slug));
    let return_ = emails::Return { account: &here.name, kind: here.kind.noun(), link: &link };
    let letter = emails::membership_restored(&site(&kit), &person.email, &return_);
    change.post(&letter).await?;
    Ok((find(change, id).await?, told))
}

fn told(name: String) -> Restored {
    let (grants, teams, owned, missing) = (vec![], vec![], vec![], vec![]);
    Restored { name, grants, keys: 0, resources: 0, teams, owned, missing }
}

/// Nobody brings themselves back; who is a member again needs no undo; a team takes the members of its organization.
async fn may_come_back(change: &mut Change, person: &Person) -> Result<()> {
    if change.who().person.id == person.id {
        let detail = "Nobody takes back their own removal. Ask another administrator.";
        return Err(Error::conflict("self", detail));
    }
    let here = change.who().here.clone();
    let above = if here.is_under_organization() { here.top() } else { here.id };
    let sql = "select account_id from memberships where account_id in ($1, $2) and user_id = $3";
    let found: Vec<(AccountId,)> = change.ask(sql).bind(above).bind(person.id).fetch_all().await?;
    if found.iter().any(|it| it.0 == here.id) {
        let detail = format!("{} is a member again. Change their roles on their page.", person.name);
        return Err(Error::conflict("member_again", detail));
    }
    if above != here.id && found.is_empty() {
        let detail = format!("{} is not in the organization any more. Invite them there first.", person.name);
        return Err(Error::conflict("not_in_organization", detail));
    }
    Ok(())
}

/// An invitation that was sent meanwhile is of no use any more.
async fn withdraw_invitation(change: &mut Change, person: &Person) -> Result<()> {
    let Ok(email) = Email::parse(&person.email) else { return Ok(()) };
    let sql = "select id from invitations where account_id = $1 and email_key = $2 and status = 'pending'";
    let waiting: Option<(InvitationId,)> = change.ask(sql).bind(email.key()).fetch_optional().await?;
    match waiting {
        Some((id,)) => invitations::revoke(change, id).await,
        None => Ok(()),
    }
}

/// The roles, resources and teams that are still there.
struct Known {
    roles: HashMap<RoleId, (String, Permissions)>,
    resources: HashMap<ResourceId, (AccountId, String)>,
    teams: HashMap<AccountId, Team>,
}

#[derive(sqlx::FromRow)]
struct Team {
    id: AccountId,
    owner_id: UserId,
    admins_may_delete: bool,
    is_offered: bool,
    /// The visitor's own place there, if they are active in it.
    mine: Option<MembershipId>,
    mine_is_owner: Option<bool>,
}

impl Known {
    async fn of(change: &mut Change, kept: &Kept) -> Result<Known> {
        let handed = kept.teams.iter().filter_map(|it| it.handed.as_ref()?.held.as_ref());
        let held = kept.teams.iter().map(|it| &it.grants).chain([&kept.here.grants]).chain(handed);
        let held: Vec<&KeptGrant> = held.flatten().collect();
        let roles: Vec<Uuid> = held.iter().filter_map(|it| it.role_id.map(|it| it.0)).collect();
        let listed: Vec<Uuid> = held.iter().flat_map(|it| it.resources.iter().map(|it| it.id.0)).collect();
        let teams: Vec<Uuid> = kept.teams.iter().map(|it| it.account.0).collect();
        let (top, me, now) = (change.who().here.top(), change.who().person.id, change.now());

        let sql = "select id, name, permissions from roles where account_id = $1 and id = any($2::uuid[])";
        let roles: Vec<(RoleId, String, String)> = change.sql(sql).bind(top).bind(List(&roles)).fetch_all().await?;
        let sql = "select id, account_id, product from resources where id = any($1::uuid[])";
        let resources: Vec<(ResourceId, AccountId, String)> =
            change.sql(sql).bind(List(&listed)).fetch_all().await?;
        let sql = "select 1 from accounts where parent_id = $1 and id = any($2::uuid[]) order by id for no key update";
        change.ask(sql).bind(List(&teams)).execute().await?;
        let sql = "select a.id, a.owner_id, a.admins_may_delete,
                exists (select 1 from transfers t where t.account_id = a.id) as is_offered,
                m.id as mine, m.is_owner as mine_is_owner
            from accounts a left join memberships m on m.account_id = a.id and m.user_id = $3 and m.suspended_at is null
                and coalesce(m.expires_at, $4 + 1) > $4
            where a.parent_id = $1 and a.id = any($2::uuid[])";
        let teams: Vec<Team> = change.ask(sql).bind(List(&teams)).bind(me).bind(now).fetch_all().await?;
        let role =
            |(id, name, allows): (RoleId, String, String)| (id, (name, Permissions::from_json(&allows)));
        Ok(Known {
            roles: roles.into_iter().map(role).collect(),
            resources: resources.into_iter().map(|it| (it.0, (it.1, it.2))).collect(),
            teams: teams.into_iter().map(|it| (it.id, it)).collect(),
        })
    }
    /// The grant as it can be held now in `account`, and the names of the resources that it lists no more; or why not.
    fn grant(
        &self,
        it: &KeptGrant,
        account: AccountId,
        admins_may_delete: bool,
        now: Time,
    ) -> Result<(Grant, Vec<String>), Missing> {
        let named = |name: &str, code: &str, detail: String| Missing::new("grant", name, code, detail);
        let (role, allows) = match (it.role.as_deref().and_then(BuiltIn::parse), it.role_id) {
            (Some(role), _) => (Role::BuiltIn(role), role.permissions(admins_may_delete)),
            (None, id) => {
                let name = it.role_name.clone().unwrap_or_default();
                let Some((id, (name, allows))) = id.and_then(|id| Some((id, self.roles.get(&id)?))) else {
                    let detail = format!("The role “{name}” was deleted.");
                    return Err(named(&name, "role_deleted", detail));
                };
                (Role::Custom(id, name.clone()), *allows)
            }
        };
        let there = |it: ResourceId| self.resources.get(&it).filter(|found| found.0 == account);
        let over = match it.scope.as_str() {
            "account" => Over::Account,
            "product" => Over::Product(it.product.clone().unwrap_or_default()),
            _ => {
                let listed = it.resources.iter().filter_map(|it| {
                    there(it.id).map(|found| Listed { id: it.id, product: found.1.clone() })
                });
                Over::Resources(listed.collect())
            }
        };
        let grant = Grant { id: Some(it.id), role, over, allows, expires_at: it.expires_at };
        if grant.over == Over::Resources(vec![]) {
            let detail = "The resources that it listed are gone.".to_owned();
            return Err(named(&grant.title(), "resource_deleted", detail));
        }
        if it.expires_at.is_some_and(|end| end <= now) {
            return Err(named(&grant.title(), "grant_ended", "It has ended meanwhile.".to_owned()));
        }
        let gone = it.resources.iter().filter(|it| there(it.id).is_none()).map(|it| it.name.clone());
        Ok((grant, gone.collect()))
    }
}

impl Missing {
    fn new(kind: &str, name: &str, code: &str, detail: impl Into<String>) -> Missing {
        Missing { kind: kind.into(), name: name.into(), code: code.into(), detail: detail.into() }
    }
}

/// A removal on its way back.
struct Back {
    removal: Uuid,
    at: Time,
    person: Person,
    known: Known,
    told: Restored,
}

impl Back {
    /// Into the account itself: what the visitor may not grant any more keeps all of it back.
    async fn here(&mut self, change: &mut Change, place: &Place) -> Result<()> {
        let admins_may_delete = change.who().here.admins_may_delete;
        let grants = self.usable(change, place, admins_may_delete);
        let held: Vec<Grant> = grants.iter().map(|it| it.1.clone()).collect();
        grants::check(change.who(), &held)?;
        self.enter(change, place, &grants).await?;
        self.told.grants = held.iter().map(Grant::title).collect();
        Ok(())
    }

    fn usable<'a>(
        &mut self,
        change: &Change,
        place: &'a Place,
        admins_may_delete: bool,
    ) -> Vec<(&'a KeptGrant, Grant)> {
        let mut usable = vec![];
        for it in &place.grants {
            match self.known.grant(it, place.account, admins_may_delete, change.now()) {
                Ok((grant, gone)) => {
                    let missing = gone.iter().map(|name| {
                        let detail = format!("{} lists it no more: it is not there any more.", grant.title());
                        Missing::new("grant", name, "resource_deleted", detail)
                    });
                    self.told.missing.extend(missing);
                    usable.push((it, grant));
                }
                Err(missing) => self.told.missing.push(missing),
            }
        }
        usable
    }

    /// Membership, grants, keys and private resources of one account. False if they are a member there again.
    async fn enter(
        &mut self,
        change: &mut Change,
        place: &Place,
        grants: &[(&KeptGrant, Grant)],
    ) -> Result<bool> {
        let former = memberships::Former {
            id: place.id,
            account: place.account,
            person: &self.person,
            login_type: place.login_type,
            suspended_at: place.suspended_at,
            expires_at: place.expires_at,
            joined_at: place.joined_at,
            active_at: place.active_at,
        };
        if !memberships::put_back(change, &former).await? {
            return Ok(false);
        }
        put_back(change, place.account, place.id, grants).await?;
        let now = change.now();
        let sql = "update api_keys set revoked_at = null, membership_id = $3 where account_id = $2
            and id in (select key_id from removed_keys where removal_id = $1 and not stays_revoked)
            and coalesce(expires_at, $4 + 1) > $4";
        let query = change.sql(sql).bind(self.removal).bind(place.account).bind(place.id).bind(now);
        self.told.keys += i64::try_from(query.execute().await?).unwrap_or(0);
        let sql = "update resources set created_by = $3, updated_at = case when updated_at < $4 then $4 else updated_at + 1 end
            where account_id = $2 and visibility = 'private' and exists (select 1 from removed_resources x
                where x.removal_id = $1 and x.resource_id = resources.id and x.passed_to = resources.created_by
                    and x.version = resources.updated_at)";
        let query = change.sql(sql).bind(self.removal).bind(place.account).bind(self.person.id).bind(now);
        self.told.resources += i64::try_from(query.execute().await?).unwrap_or(0);
        Ok(true)
    }

    async fn teams(&mut self, change: &mut Change, kept: &Kept) -> Result<()> {
        for place in &kept.teams {
            let Some(team) = self.known.teams.remove(&place.account) else {
                let missing = Missing::new("team", &place.name, "team_deleted", "The team was deleted.");
                self.told.missing.push(missing);
                continue;
            };
            self.team(change, place, &team, &kept.here).await?;
        }
        Ok(())
    }

    async fn team(&mut self, change: &mut Change, place: &Place, team: &Team, here: &Place) -> Result<()> {
        let rights = rights_in(change, team).await?;
        let grants = self.usable(change, place, team.admins_may_delete);
        let held: Vec<Grant> = grants.iter().map(|it| it.1.clone()).collect();
        let admin = Grant::whole(BuiltIn::Admin, team.admins_may_delete);
        let needed = if place.handed.is_some() { std::slice::from_ref(&admin) } else { &held };
        let lacks = rights.cover_all(needed).err();
        let lacks = lacks.or((!rights.may(Permission::InviteMembers)).then_some(Permission::InviteMembers));
        if let Some(lacks) = lacks {
            let detail = format!("To bring them back there, you need the permission {} in it.", lacks.key());
            self.told.missing.push(Missing::new("team", &place.name, "permission_missing", detail));
            return Ok(());
        }
        if !self.enter(change, place, &grants).await? {
            return Ok(());
        }
        self.told.teams.push(place.name.clone());
        let did = Did::to("member.restored", "member", place.id, &self.person.email);
        audit::write(change, Chain::Account(team.id), did).await?;
        let Some(handed) = &place.handed else { return Ok(()) };
        let why = if team.owner_id != handed.to || team.is_offered {
            Some(("owner_changed", "It was handed on meanwhile, or is on offer."))
        } else if here.suspended_at.is_some() || here.expires_at.is_some_and(|it| it <= change.now()) {
            Some(("member_inactive", "Who is inactive in the organization owns none of its teams."))
        } else {
            None
        };
        if let Some((code, detail)) = why {
            self.told.missing.push(Missing::new("ownership", &place.name, code, detail));
            return make_admin(change, team.id, self.person.id).await;
        }
        self.give_back(change, place, handed, team.admins_may_delete).await
    }

    /// The team is theirs again; who got it is what they were there before.
    async fn give_back(
        &mut self,
        change: &mut Change,
        place: &Place,
        handed: &Handed,
        admins_may_delete: bool,
    ) -> Result<()> {
        set_owner(change, place.account, handed.to, self.person.id).await?;
        self.told.owned.push(place.name.clone());
        let did = Did::to("transfer.returned", "account", place.account, &place.name);
        let did = did.changed(Value::Null, json!({ "owner": self.person.email }));
        audit::write(change, Chain::Account(place.account), did).await?;
        let sql = "select m.id, exists (select 1 from api_keys k where k.membership_id = m.id and k.revoked_at is null)
            from memberships m where m.account_id = $1 and m.user_id = $2";
        let (seat, uses_it): (MembershipId, bool) =
            change.sql(sql).bind(place.account).bind(handed.to).fetch_one().await?;
        let Some(held) = &handed.held else {
            // Who was not in it goes again, unless a program of theirs works there by now.
            return if uses_it {
                make_admin(change, place.account, handed.to).await
            } else {
                let now = change.now();
                memberships::remove(change, place.account, seat, Some(self.person.id), now).await
            };
        };
        let now = change.now();
        let usable = |it: &&KeptGrant| self.known.grant(it, place.account, admins_may_delete, now).ok();
        let grants: Vec<(&KeptGrant, Grant)> =
            held.iter().filter_map(|it| Some((it, usable(&it)?.0))).collect();
        put_back(change, place.account, seat, &grants).await
    }

    async fn keys_that_stay(&mut self, change: &mut Change) -> Result<()> {
        let sql = "select k.name, x.stays_revoked from removed_keys x join api_keys k on k.id = x.key_id
            where x.removal_id = $1 and k.revoked_at is not null and coalesce(k.expires_at, $2 + 1) > $2
            order by k.id limit 50";
        let rows: Vec<(String, bool)> = change.sql(sql).bind(self.removal).bind(self.at).fetch_all().await?;
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
        self.told.missing.extend(missing);
        Ok(())
    }

    async fn resources_that_stay(&mut self, change: &mut Change) -> Result<()> {
        let sql = "select x.name from removed_resources x left join resources r on r.id = x.resource_id
            where x.removal_id = $1 and (r.created_by is null or r.created_by <> $2) order by x.name limit 50";
        let rows: Vec<(String,)> = change.sql(sql).bind(self.removal).bind(self.person.id).fetch_all().await?;
        let detail = "It was changed or deleted meanwhile, or its team did not come back.";
        let missing = rows.iter().map(|it| Missing::new("resource", &it.0, "resource_changed", detail));
        self.told.missing.extend(missing);
        Ok(())
    }

    fn what_waited(&mut self, kept: &Kept) {
        if kept.requests > 0 {
            let name = if kept.requests == 1 { "1 request" } else { "Requests for access" };
            let detail = "What they had asked for is asked for again.";
            self.told.missing.push(Missing::new("request", name, "request_ended", detail));
        }
        if kept.was_offered {
            let detail = "The ownership was offered to them. It is offered again in the settings.";
            self.told.missing.push(Missing::new("offer", "Offer of ownership", "offer_ended", detail));
        }
    }
}

/// What the visitor may do in a team: leaders of the organization act as admins, but a key stays what it was made for.
async fn rights_in(change: &mut Change, team: &Team) -> Result<Rights> {
    let who = change.who().clone();
    let mut held = match (team.mine, team.mine_is_owner) {
        (Some(_), Some(true)) => vec![Grant::whole(BuiltIn::Owner, true)],
        (Some(id), _) => {
            let found = grants::of(change, Of::Membership(id), &[id.0], team.admins_may_delete).await?;
            let now = change.now();
            found.into_iter().map(|it| it.1).filter(|it| it.expires_at.is_none_or(|end| end > now)).collect()
        }
        _ => vec![],
    };
    if who.leads_teams() {
        held.push(Grant::whole(BuiltIn::Admin, team.admins_may_delete));
    }
    Ok(Rights { grants: held, only: who.rights.only, only_resources: who.rights.only_resources })
}

/// Writes grants as they were, by whom they were given and when.
async fn put_back(
    change: &mut Change,
    account: AccountId,
    member: MembershipId,
    grants: &[(&KeptGrant, Grant)],
) -> Result<()> {
    for (it, grant) in grants {
        let sql = "insert into grants (id, account_id, membership_id, role, role_id, scope, product, expires_at, granted_by, created_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        let query = change.sql(sql).bind(it.id).bind(account).bind(member).bind(it.role.clone());
        let query =
            query.bind(it.role_id).bind(it.scope.clone()).bind(it.product.clone()).bind(it.expires_at);
        query.bind(it.granted_by).bind(it.created_at).execute().await?;
        let Over::Resources(listed) = &grant.over else { continue };
        for one in listed {
            let sql = "insert into grant_resources (grant_id, resource_id) values ($1, $2)";
            change.sql(sql).bind(it.id).bind(one.id).execute().await?;
        }
    }
    Ok(())
}
