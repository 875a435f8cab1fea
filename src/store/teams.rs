//! Teams: accounts under a parent that pays.
use super::{
    Change, Me, Scope, accounts,
    audit::{self, Did},
};
use crate::{
    error::{Error, Result},
    model::{
        account::Kind,
        id::AccountId,
        permission::{Permission, Permissions},
        role::BuiltIn,
        text::{Name, Slug},
        time::Time,
    },
};
use serde_json::{Value, json};

/// A team as its parent lists it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Team {
    /// Its id.
    pub id: AccountId,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Who owns it.
    pub owner_name: String,
    /// Their address.
    pub owner_email: String,
    /// How many members it has.
    pub member_count: i64,
    /// Since when.
    pub created_at: Time,
    /// Whether the visitor is in it.
    pub is_mine: bool,
}

/// The teams of the account, by name; of others than administrators, only their own.
pub async fn list(scope: &mut Scope, all: bool, after: &str, limit: i64) -> Result<Vec<Team>> {
    let me = scope.who().person.id;
    Ok(scope
        .ask(
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

/// One team of the account.
pub async fn find(scope: &mut Scope, slug: &str) -> Result<Team> {
    let me = scope.who().person.id;
    let found = scope
        .ask(
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

/// An account that can be a team's parent.
#[derive(Clone, Debug)]
pub struct Parent {
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// An organization, or one's personal account.
    pub kind: Kind,
}

#[derive(sqlx::FromRow)]
struct Held {
    slug: String,
    name: String,
    kind: Kind,
    is_owner: bool,
    role: Option<String>,
    permissions: Option<String>,
}

/// Where the signed-in user may open teams: organizations by name, their personal account last.
pub async fn parents(scope: &mut Scope<Me>) -> Result<Vec<Parent>> {
    let (now, method) = (scope.now(), scope.who().session.method.clone());
    let rows: Vec<Held> = scope
        .ask(
            "select a.slug, a.name, a.kind, m.is_owner, g.role, r.permissions
             from memberships m join accounts a on a.id = m.account_id
             left join grants g on g.membership_id = m.id and g.scope = 'account' and coalesce(g.expires_at, $2) >= $2
             left join roles r on r.id = g.role_id
             where m.user_id = $1 and a.kind <> 'team' and m.login_type in ('any', $3)
                and m.suspended_at is null and coalesce(m.expires_at, $2 + 1) > $2
             order by case when a.kind = 'personal' then 1 else 0 end, a.name, a.id limit 1000",
        )
        .bind(now)
        .bind(method)
        .fetch_all()
        .await?;
    let mut parents: Vec<Parent> = vec![];
    for Held { slug, name, kind, is_owner, role, permissions } in rows {
        let built_in = role.as_deref().and_then(BuiltIn::parse).map(|it| it.permissions(false));
        let held = built_in.or_else(|| permissions.as_deref().map(Permissions::from_json));
        let may = is_owner || held.is_some_and(|it| it.has(Permission::CreateTeams));
        if may && parents.last().is_none_or(|it| it.slug != slug) {
            parents.push(Parent { slug, name, kind });
        }
    }
    Ok(parents)
}

/// Opens a team in the account one is in: an organization, or one's personal account. Who opens it owns it.
pub async fn open(change: &mut Change, name: &Name, slug: Option<&Slug>) -> Result<String> {
    let (here, person) = (change.who().here.clone(), change.who().person.clone());
    if here.kind == Kind::Team {
        return Err(Error::conflict(
            "team_in_team",
            "A team has no teams of its own. Open it in the organization.",
        ));
    }
    if change.who().membership.is_none() {
        return Err(Error::conflict("not_a_member", "Only members of the organization open teams in it."));
    }
    let new = accounts::New {
        kind: Kind::Team,
        name: name.as_str(),
        slug,
        parent: Some(here.id),
        plan: &here.plan,
    };
    let id = accounts::open(change, &person, &new).await?;
    accounts::remember(change, person.id, id).await?;
    let did =
        Did::to("team.created", "account", id, name).changed(Value::Null, json!({ "owner": person.email }));
    audit::here(change, did).await?;
    accounts::slug_of(change, id).await
}
