//! What it takes to answer why: whom it is about, and about what.
use super::{Scope, Who, access, members};
use crate::{
    error::{Error, Result},
    model::{
        access::{Entry, Person},
        id::{AccountId, MembershipId, ResourceId, UserId},
        permission::Permission,
        resource::{Located, Place, Visibility},
        why::{Answer, explain},
    },
};

/// Somebody whom it is asked about.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Who.
    pub person: Person,
    /// What they may do, unless they may not enter.
    pub entry: Option<Entry>,
}

impl Subject {
    /// The visitor: with an API key, no more than it was made for.
    pub fn visitor(scope: &Scope) -> Subject {
        let entry = scope.who().clone();
        Subject { person: entry.person.clone(), entry: Some(entry) }
    }
    /// The answer, about a resource where the permission is about resources.
    pub fn explain(&self, permission: Permission, about: Option<&About>) -> Answer {
        let at = about.filter(|_| permission.is_of_resources()).map(Located::place);
        match &self.entry {
            Some(it) => explain(self.person.id, &it.rights, permission, at.as_ref()),
            None => Answer::none(permission),
        }
    }
}

/// A member of the account, as the gate would see them.
pub async fn subject(scope: &mut Scope, id: MembershipId) -> Result<Subject> {
    let (slug, now) = (scope.who().here.slug.clone(), scope.now());
    let (person, entry) = access::of_member(&mut scope.conn, id, &slug, now).await?;
    match entry {
        Ok(it) => Ok(Subject { person, entry: Some(it) }),
        Err(Error::Barred { .. }) => Ok(Subject { person, entry: None }),
        Err(other) => Err(other),
    }
}

/// A resource, as far as it is needed to say who may do what to it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct About {
    /// Which.
    pub id: ResourceId,
    /// Its product's word.
    pub product: String,
    /// Its kind's word.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Who sees it.
    pub visibility: Visibility,
    /// Who made it.
    pub created_by: Option<UserId>,
}

impl Located for About {
    type See = crate::model::permission::ViewResources;
    fn place(&self) -> Place<'_> {
        Place { product: &self.product, id: self.id, visibility: self.visibility, creator: self.created_by }
    }
}

/// A resource of the account. Whether the visitor may know of it is for the caller to ask.
pub(super) async fn resource(scope: &mut Scope, id: ResourceId) -> Result<About> {
    let sql = "select id, product, kind, name, visibility, created_by from resources where account_id = $1 and id = $2";
    let found: Option<About> = scope.ask(sql).bind(id).fetch_optional().await?;
    found.ok_or_else(|| {
        Error::invalid("resource", "unknown_resource", "There is no such resource in this account.")
    })
}

/// A resource that is asked about. Who does not see it is answered, and not told its name.
pub async fn about(scope: &mut Scope, id: ResourceId) -> Result<About> {
    let it = resource(scope, id).await?;
    let sees = scope.who().rights.sees(scope.who().person.id, &it.place());
    Ok(if sees { it } else { About { name: "This resource".into(), ..it } })
}

/// The first resources by name that the visitor sees, to choose from.
pub async fn resources(scope: &mut Scope, limit: i64) -> Result<Vec<About>> {
    let sql = "select id, product, kind, name, visibility, created_by from resources where account_id = $1
        order by name_key, id limit $2";
    let all: Vec<About> = scope.ask(sql).bind(limit).fetch_all().await?;
    let who = scope.who();
    Ok(all.into_iter().filter(|it| who.rights.sees(who.person.id, &it.place())).collect())
}

/// The first members by name, to choose from; all that start with `search`, if something is searched.
pub async fn people(scope: &mut Scope, search: &str, limit: i64) -> Result<Vec<(MembershipId, String)>> {
    let filter = members::Filter {
        search: search.to_owned(),
        sort: members::Sort::Name,
        limit,
        ..members::Filter::default()
    };
    let page = members::list(scope, &filter).await?;
    Ok(page.members.into_iter().map(|it| (it.id, it.person.name)).collect())
}

/// Somebody who leads the account: the ones to ask.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Leader {
    /// Who.
    pub user_id: UserId,
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
    /// The owner, or an admin.
    pub is_owner: bool,
}

/// Who leads the account: the owner first, then admins, longest there first.
pub async fn leaders(scope: &mut Scope, limit: i64) -> Result<Vec<Leader>> {
    let account = scope.who().here.id;
    leaders_of(scope, account, limit).await
}

/// The same of an account that one is not in.
pub(super) async fn leaders_of<W: Who>(
    scope: &mut Scope<W>,
    account: AccountId,
    limit: i64,
) -> Result<Vec<Leader>> {
    let now = scope.now();
    let sql = "select u.id as user_id, u.name, u.email, m.is_owner from memberships m join users u on u.id = m.user_id
        where m.account_id = $1 and m.suspended_at is null and coalesce(m.expires_at, $2 + 1) > $2
            and (m.is_owner or exists (select 1 from grants g where g.membership_id = m.id and g.role = 'admin'
                and g.scope = 'account' and coalesce(g.expires_at, $2) >= $2))
        order by case when m.is_owner then 0 else 1 end, m.joined_at, m.id limit $3";
    Ok(scope.sql(sql).bind(account).bind(now).bind(limit).fetch_all().await?)
}
