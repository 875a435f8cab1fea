//! What the frame of every page shows: the account switcher and the numbers in the navigation, in one statement.
use super::Scope;
use crate::{
    error::Result,
    model::{
        account::Kind,
        id::{AccountId, UserId},
    },
};

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SwitcherRow {
    pub id: AccountId,
    pub kind: Kind,
    pub parent_id: Option<AccountId>,
    pub slug: String,
    pub name: String,
    /// Its own plan, or its parent's.
    pub plan: String,
    pub member_count: i64,
    pub team_count: i64,
    pub is_owner: bool,
    /// A role of the user there, if they are a member.
    pub role: Option<String>,
    /// Pending invitations for the user's address: the same number in every row.
    pub invitations: i64,
    /// Whether the user is an operator: the same in every row.
    pub operator: bool,
}

const MOST: i64 = 200;

// SQL spells the label of a grant as `GrantLabel` in `model/grant.rs` does.
/// The accounts that a user can enter: those that they are a member of, and the teams of organizations that they lead.
pub async fn switcher<A>(scope: &mut Scope<A>, user: UserId) -> Result<Vec<SwitcherRow>> {
    let now = scope.now();
    Ok(scope
        .query_unscoped(
            "select a.id, a.kind, a.parent_id, a.slug, a.name, coalesce(p.plan, a.plan) as plan, a.member_count,
                (select count(*) from accounts t where t.parent_id = a.id) as team_count,
                coalesce(m.is_owner, false) as is_owner,
                (select coalesce(r.name, case when g.product is null then g.role
                        else g.product || '-' || case g.role when 'product-admin' then 'admin' else g.role end end)
                    from grants g left join roles r on r.id = g.role_id where g.membership_id = m.id order by g.id limit 1) as role,
                (select count(*) from invitations i where i.email_key = u.email_key and i.status = 'pending' and i.expires_at > $2)
                    as invitations,
                u.operator
             from users u
             join (
                select x.account_id from memberships x where x.user_id = $1
                union
                select t.id from memberships x join accounts t on t.parent_id = x.account_id join accounts o on o.id = x.account_id
                where x.user_id = $1 and o.kind = 'organization' and leads_account(x, $2)
             ) reach on true
             join accounts a on a.id = reach.account_id left join accounts p on p.id = a.parent_id
             left join memberships m on m.account_id = a.id and m.user_id = u.id
             left join memberships q on q.account_id = p.id and p.kind = 'organization' and q.user_id = u.id
             where u.id = $1 and active_member(m, $2)
                and active_member(q, $2)
             order by a.name, a.id limit $3",
        )
        .bind(user)
        .bind(now)
        .bind(MOST)
        .fetch_all()
        .await?)
}
