//! Who holds a role.
use crate::{
    error::Result,
    model::{
        id::{InvitationId, MembershipId, RoleId, UserId},
        role::BuiltIn,
        time::Time,
    },
    store::Scope,
};

/// How many hold a role.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Held {
    /// A built-in role's word.
    pub role: Option<String>,
    /// Or a custom role.
    pub role_id: Option<RoleId>,
    /// So many people: members, and who is invited.
    pub holders: i64,
}

/// How many people hold which role, over whatever scope: built-in roles in the account, custom ones in its teams too. Roles
/// that nobody holds are not in it.
pub async fn holders(scope: &mut Scope) -> Result<Vec<Held>> {
    let now = scope.now();
    let sql = "select g.role, g.role_id, count(distinct m.user_id) + count(distinct i.email_key) as holders
        from grants g join accounts a on a.id = g.account_id
        left join memberships m on m.id = g.membership_id
        left join invitations i on i.id = g.invitation_id and i.status = 'pending'
        where (a.id = $1 or (a.parent_id = $1 and g.role_id is not null)) and coalesce(g.expires_at, $2) >= $2
        group by g.role, g.role_id";
    let mut held: Vec<Held> = scope.ask(sql).bind(now).fetch_all().await?;
    held.push(Held { role: Some(BuiltIn::Owner.word().to_owned()), role_id: None, holders: 1 });
    Ok(held)
}

/// Which role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// One that every account has.
    BuiltIn(BuiltIn),
    /// One of the organization's own.
    Custom(RoleId),
}

/// Somebody who holds a role, in an account: a member, or who is invited.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Holder {
    /// As a member.
    pub membership: Option<MembershipId>,
    /// As invited.
    pub invitation: Option<InvitationId>,
    /// The member's user.
    pub user_id: Option<UserId>,
    /// The member's name, or the invited address.
    pub name: String,
    /// The team, if it is not in the account itself.
    pub team: Option<String>,
    /// Since when.
    pub since: Time,
    /// Whether they are suspended.
    pub is_suspended: bool,
}

impl Holder {
    /// The same for the same person.
    pub fn key(&self) -> String {
        self.user_id.map_or_else(|| self.name.to_lowercase(), |it| it.to_string())
    }
}

/// Who holds a role, by name, at most so many.
pub async fn holders_of(scope: &mut Scope, which: Which, limit: i64) -> Result<Vec<Holder>> {
    let now = scope.now();
    let (word, id) = match which {
        Which::BuiltIn(BuiltIn::Owner) => return owner(scope).await,
        Which::BuiltIn(it) => (Some(it.word()), None),
        Which::Custom(id) => (None, Some(id)),
    };
    let sql = "select m.id as membership, i.id as invitation, m.user_id, coalesce(u.name, i.email) as name,
            case when a.id <> $1 then a.name end as team, min(g.created_at) as since,
            m.suspended_at is not null as is_suspended
        from grants g join accounts a on a.id = g.account_id
        left join memberships m on m.id = g.membership_id
        left join users u on u.id = m.user_id
        left join invitations i on i.id = g.invitation_id and i.status = 'pending'
        where (g.role = $2 or g.role_id = $3) and (a.id = $1 or (a.parent_id = $1 and g.role_id is not null))
            and coalesce(g.expires_at, $4) >= $4 and (m.id is not null or i.id is not null)
        group by m.id, i.id, m.user_id, u.name, i.email, a.id, a.name, m.suspended_at
        order by coalesce(u.name, i.email), a.id limit $5";
    Ok(scope.ask(sql).bind(word).bind(id).bind(now).bind(limit).fetch_all().await?)
}

async fn owner(scope: &mut Scope) -> Result<Vec<Holder>> {
    let sql = "select m.id as membership, cast(null as uuid) as invitation, m.user_id, u.name, cast(null as text) as team,
            m.joined_at as since, false as is_suspended
        from memberships m join users u on u.id = m.user_id where m.account_id = $1 and m.is_owner";
    Ok(scope.ask(sql).fetch_all().await?)
}
