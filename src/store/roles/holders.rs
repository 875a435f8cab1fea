//! Who has a role.
use crate::{
    error::Result,
    model::{
        access::Access,
        id::{InvitationId, MembershipId, RoleId, UserId},
        role::BuiltIn,
        time::Time,
    },
    store::Scope,
};

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct HolderCount {
    /// A built-in role.
    pub role: Option<String>,
    /// A custom role.
    pub role_id: Option<RoleId>,
    /// Members and invited people.
    pub holders: i64,
}

/// How many people have each role, over any scope: built-in roles in the account, custom ones also in its teams. Unused roles
/// are left out.
pub async fn holders(scope: &mut Scope<Access>) -> Result<Vec<HolderCount>> {
    let now = scope.now();
    let sql = "select g.role, g.role_id, count(distinct m.user_id) + count(distinct i.email_key) as holders
        from grants g join accounts a on a.id = g.account_id
        left join memberships m on m.id = g.membership_id
        left join invitations i on i.id = g.invitation_id and i.status = 'pending'
        where (a.id = $1 or (a.parent_id = $1 and g.role_id is not null)) and in_force(g, $2)
        group by g.role, g.role_id";
    let mut held: Vec<HolderCount> = scope.query_in_account(sql).bind(now).fetch_all().await?;
    held.push(HolderCount { role: Some(BuiltIn::Owner.as_str().to_owned()), role_id: None, holders: 1 });
    Ok(held)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleRef {
    BuiltIn(BuiltIn),
    Custom(RoleId),
}

/// A member or invited person who has a role in an account.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct RoleHolder {
    pub membership: Option<MembershipId>,
    pub invitation: Option<InvitationId>,
    pub user_id: Option<UserId>,
    pub name: String,
    /// The team's name; `None` for the account itself.
    pub team: Option<String>,
    pub since: Time,
    pub is_suspended: bool,
}

impl RoleHolder {
    /// Identifies the person, across accounts.
    pub fn key(&self) -> String {
        self.user_id.map_or_else(|| self.name.to_lowercase(), |id| id.to_string())
    }
}

/// Who has a role, by name.
pub async fn holders_of(scope: &mut Scope<Access>, which: RoleRef, limit: i64) -> Result<Vec<RoleHolder>> {
    let now = scope.now();
    let (word, id) = match which {
        RoleRef::BuiltIn(BuiltIn::Owner) => return owner(scope).await,
        RoleRef::BuiltIn(role) => (Some(role.as_str()), None),
        RoleRef::Custom(id) => (None, Some(id)),
    };
    let sql = "select m.id as membership, i.id as invitation, m.user_id, coalesce(u.name, i.email) as name,
            case when a.id <> $1 then a.name end as team, min(g.created_at) as since,
            m.suspended_at is not null as is_suspended
        from grants g join accounts a on a.id = g.account_id
        left join memberships m on m.id = g.membership_id
        left join users u on u.id = m.user_id
        left join invitations i on i.id = g.invitation_id and i.status = 'pending'
        where (g.role = $2 or g.role_id = $3) and (a.id = $1 or (a.parent_id = $1 and g.role_id is not null))
            and in_force(g, $4) and (m.id is not null or i.id is not null)
        group by m.id, i.id, m.user_id, u.name, i.email, a.id, a.name, m.suspended_at
        order by coalesce(u.name, i.email), a.id limit $5";
    Ok(scope.query_in_account(sql).bind(word).bind(id).bind(now).bind(limit).fetch_all().await?)
}

async fn owner(scope: &mut Scope<Access>) -> Result<Vec<RoleHolder>> {
    let sql = "select m.id as membership, cast(null as uuid) as invitation, m.user_id, u.name, cast(null as text) as team,
            m.joined_at as since, false as is_suspended
        from memberships m join users u on u.id = m.user_id where m.account_id = $1 and m.is_owner";
    Ok(scope.query_in_account(sql).fetch_all().await?)
}
