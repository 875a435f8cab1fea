//! Teams: accounts with a parent that pays for them.
use super::{
    Change, Scope, SignedInUser, accounts,
    audit::{self, NewEvent},
};
use crate::{
    error::{Error, Result},
    model::{
        access::Access,
        account::Kind,
        id::AccountId,
        permission::{Permission, Permissions},
        role::BuiltIn,
        text::{Name, Slug},
        time::Time,
    },
};
use serde_json::{Value, json};

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Team {
    pub id: AccountId,
    pub slug: String,
    pub name: String,
    pub owner_name: String,
    pub owner_email: String,
    pub member_count: i64,
    pub created_at: Time,
    /// Whether the caller is a member.
    pub is_mine: bool,
}

/// The account's teams, by slug: all of them, or those that the caller is in.
pub async fn list(scope: &mut Scope<Access>, all: bool, after: &str, limit: i64) -> Result<Vec<Team>> {
    let me = scope.access().user_id();
    Ok(scope
        .query_in_account(
            "select * from (
                select a.id, a.slug, a.name, u.name as owner_name, u.email as owner_email, a.member_count, a.created_at,
                    exists (select 1 from memberships m where m.account_id = a.id and m.user_id = $2) as is_mine
                from accounts a join users u on u.id = a.owner_id where a.parent_id = $1
             ) t where (is_mine or $3) and slug > $4 order by slug limit $5",
        )
        .bind(me)
        .bind(all)
        .bind(after.to_owned())
        .bind(limit)
        .fetch_all()
        .await?)
}

pub async fn find(scope: &mut Scope<Access>, slug: &str) -> Result<Team> {
    let me = scope.access().user_id();
    let found = scope
        .query_in_account(
            "select a.id, a.slug, a.name, u.name as owner_name, u.email as owner_email, a.member_count, a.created_at,
                exists (select 1 from memberships m where m.account_id = a.id and m.user_id = $2) as is_mine
             from accounts a join users u on u.id = a.owner_id where a.parent_id = $1 and a.slug = $3",
        )
        .bind(me)
        .bind(slug.to_owned())
        .fetch_optional()
        .await?;
    found.ok_or(Error::NotFound)
}

#[derive(Clone, Debug)]
pub struct ParentAccount {
    pub slug: String,
    pub name: String,
    /// An organization or a personal account.
    pub kind: Kind,
}

#[derive(sqlx::FromRow)]
struct HeldRoleRow {
    slug: String,
    name: String,
    kind: Kind,
    is_owner: bool,
    role: Option<String>,
    permissions: Option<String>,
}

/// The accounts in which the signed-in user may create teams: organizations by name, then their personal account.
pub async fn parents(scope: &mut Scope<SignedInUser>) -> Result<Vec<ParentAccount>> {
    let (now, method) = (scope.now(), scope.access().session.method.clone());
    let rows: Vec<HeldRoleRow> = scope
        .query_of_user(
            "select a.slug, a.name, a.kind, m.is_owner, g.role, r.permissions
             from memberships m join accounts a on a.id = m.account_id
             left join grants g on g.membership_id = m.id and g.scope = 'account' and in_force(g, $2)
             left join roles r on r.id = g.role_id
             where m.user_id = $1 and a.kind <> 'team' and m.login_type in ('any', $3)
                and active_member(m, $2)
             order by case when a.kind = 'personal' then 1 else 0 end, a.name, a.id limit 1000",
        )
        .bind(now)
        .bind(method)
        .fetch_all()
        .await?;
    let mut parents: Vec<ParentAccount> = vec![];
    for HeldRoleRow { slug, name, kind, is_owner, role, permissions } in rows {
        let built_in = role.as_deref().and_then(BuiltIn::parse).map(|role| role.permissions(false));
        let held = built_in.or_else(|| permissions.as_deref().map(Permissions::from_json));
        let may = is_owner || held.is_some_and(|permissions| permissions.has(Permission::CreateTeams));
        if may && parents.last().is_none_or(|parent| parent.slug != slug) {
            parents.push(ParentAccount { slug, name, kind });
        }
    }
    Ok(parents)
}

/// Creates a team in the current account, an organization or a personal account. Its creator owns it.
pub async fn open(change: &mut Change<Access>, name: &Name, slug: Option<&Slug>) -> Result<String> {
    let (here, person) = (change.access().account.clone(), change.acting_user()?);
    if here.kind == Kind::Team {
        return Err(Error::conflict(
            "team_in_team",
            "A team has no teams of its own. Open it in the organization.",
        ));
    }
    if change.access().membership.is_none() {
        return Err(Error::conflict("not_a_member", "Only members of the organization open teams in it."));
    }
    let new = accounts::NewAccount {
        kind: Kind::Team,
        name: name.as_str(),
        slug,
        parent: Some(here.id),
        plan: &here.plan,
    };
    let id = accounts::open(change, &person, &new).await?;
    accounts::remember(change, person.id, id).await?;
    let event = NewEvent::on("team.created", "account", id, name)
        .changed(Value::Null, json!({ "owner": person.email }));
    audit::record(change, event).await?;
    accounts::slug_of(change, id).await
}
