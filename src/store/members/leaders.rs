//! The leaders of an account: its owner, and members with the role admin over all of it. They are notified of events, named to
//! members who lack a permission, and receive their requests.
use crate::{
    error::Result,
    model::id::{AccountId, UserId},
    store::Scope,
};

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Leader {
    pub user_id: UserId,
    pub name: String,
    pub email: String,
    pub is_owner: bool,
}

/// The owner first, then administrators, the longest-standing members first. Without inactive members and expired grants.
pub async fn leaders<A>(scope: &mut Scope<A>, account: AccountId, limit: i64) -> Result<Vec<Leader>> {
    let now = scope.now();
    let sql = "select u.id as user_id, u.name, u.email, m.is_owner from memberships m join users u on u.id = m.user_id
        where m.account_id = $1 and leads_account(m, $2)
        order by case when m.is_owner then 0 else 1 end, m.joined_at, m.id limit $3";
    Ok(scope.query_unscoped(sql).bind(account).bind(now).bind(limit).fetch_all().await?)
}
