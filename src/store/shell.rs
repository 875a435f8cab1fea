//! What the frame of every page shows: the accounts that one can switch to, and the numbers beside the navigation. One
//! statement.
use super::{Scope, Who};
use crate::{
    context::{
        invalidation::by_address,
        recall::{About, Name},
    },
    error::Result,
    model::{
        account::Kind,
        id::{AccountId, UserId},
    },
};
use std::sync::Arc;

/// An account in the switcher.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Seat {
    /// Which.
    pub id: AccountId,
    /// What kind.
    pub kind: Kind,
    /// The parent of a team.
    pub parent_id: Option<AccountId>,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Its plan, or its parent's.
    pub plan: String,
    /// How many members it has.
    pub member_count: i64,
    /// How many teams it has.
    pub team_count: i64,
    /// Whether one owns it.
    pub is_owner: bool,
    /// A role that one holds there, if one is a member.
    pub role: Option<String>,
    /// Invitations that wait for one's address: the same number in every row.
    pub invitations: i64,
    /// Whether one runs the installation: the same in every row.
    pub operator: bool,
    email_key: String,
}

/// The most accounts that the switcher lists.
const MOST: i64 = 200;

/// The accounts that a user can enter: their own, and as an organization's owner or admin, its teams. Remembered for a moment:
/// every page shows them.
pub async fn seats<W: Who>(scope: &mut Scope<W>, user: UserId) -> Result<Arc<Vec<Seat>>> {
    let name = Name::of(&[user.0.as_bytes()]);
    scope
        .recalled(name, async |scope| {
            let seats = read(scope, user).await?;
            let of = |it: &Seat| [Some(it.id.0), it.parent_id.map(|it| it.0)];
            let address = seats.first().map(|it| by_address(&it.email_key));
            let whom = seats.iter().flat_map(of).flatten().chain(address).chain([user.0]).collect();
            let bytes = 300 * (1 + seats.len());
            Ok((seats, About { whom, bytes }))
        })
        .await
}

async fn read<W: Who>(scope: &mut Scope<W>, user: UserId) -> Result<Vec<Seat>> {
    let now = scope.now();
    Ok(scope
        .sql(
            "select a.id, a.kind, a.parent_id, a.slug, a.name, coalesce(p.plan, a.plan) as plan, a.member_count,
                (select count(*) from accounts t where t.parent_id = a.id) as team_count,
                coalesce(m.is_owner, false) as is_owner,
                (select coalesce(r.name, case when g.product is null then g.role else g.product || '-' || g.role end)
                    from grants g left join roles r on r.id = g.role_id where g.membership_id = m.id order by g.id limit 1) as role,
                (select count(*) from invitations i where i.email_key = u.email_key and i.status = 'pending' and i.expires_at > $2)
                    as invitations,
                u.operator, u.email_key
             from users u
             join (
                select x.account_id from memberships x where x.user_id = $1
                union
                select t.id from memberships x join accounts t on t.parent_id = x.account_id join accounts o on o.id = x.account_id
                where x.user_id = $1 and o.kind = 'organization' and (x.is_owner or exists (
                    select 1 from grants g where g.membership_id = x.id and g.role = 'admin' and coalesce(g.expires_at, $2) >= $2))
             ) reach on true
             join accounts a on a.id = reach.account_id left join accounts p on p.id = a.parent_id
             left join memberships m on m.account_id = a.id and m.user_id = u.id
             left join memberships q on q.account_id = p.id and p.kind = 'organization' and q.user_id = u.id
             where u.id = $1 and m.suspended_at is null and coalesce(m.expires_at, $2 + 1) > $2
                and q.suspended_at is null and coalesce(q.expires_at, $2 + 1) > $2
             order by a.name, a.id limit $3",
        )
        .bind(user)
        .bind(now)
        .bind(MOST)
        .fetch_all()
        .await?)
}
