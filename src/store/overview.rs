//! What an account's overview page shows, in one statement.
use super::Scope;
use crate::{
    error::Result,
    model::{access::Access, calendar::Day, permission::Permission, quantity::Quantity, time::Time},
};

/// An account in numbers; what the caller may not see is 0.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct AccountOverview {
    pub created_at: Time,
    pub owner_name: String,
    pub owner_email: String,
    pub member_count: i64,
    /// All teams, or those that the caller is in.
    pub team_count: i64,
    /// Active keys: everybody's, or the caller's own.
    pub key_count: i64,
    /// Pending invitations.
    pub invitation_count: i64,
    /// Those whose mail could not be delivered.
    pub undelivered_count: i64,
    /// Whether anybody is an admin of the whole account.
    pub has_admin: bool,
    /// The name of the member whom the ownership is offered to.
    pub offered_to: Option<String>,
    pub is_offered_to_me: bool,
    pub offered_until: Option<Time>,
    days: String,
}

impl AccountOverview {
    /// The usage of the meter by day, without days that had none; empty for callers who may not see it.
    pub fn days(&self) -> Vec<(Day, Quantity)> {
        let days: Vec<[i64; 3]> = serde_json::from_str(&self.days).unwrap_or_default();
        days.into_iter().map(|[day, whole, nanos]| (Day(day), Quantity::of(whole, nanos))).collect()
    }
}

/// The current account, with the usage of a meter since a day.
pub async fn facts(scope: &mut Scope<Access>, meter: &str, since: Day) -> Result<AccountOverview> {
    let (access, now) = (scope.access(), scope.now());
    let (me, all_teams) = (access.user_id(), access.is_owner || access.may(Permission::ViewMembers));
    let (top, teams, usage) = (access.account.top(), access.leads_teams(), access.may(Permission::ViewUsage));
    let (all_keys, invites) = (access.may(Permission::ManageKeys), access.may(Permission::InviteMembers));
    Ok(scope
        .query_in_account(
            "select a.created_at, u.name as owner_name, u.email as owner_email, a.member_count,
                (select count(*) from accounts t where t.parent_id = $1 and ($4
                    or exists (select 1 from memberships x where x.account_id = t.id and x.user_id = $2))) as team_count,
                (select count(*) from api_keys k where k.account_id = $1 and (k.user_id = $2 or $5)
                    and k.revoked_at is null and in_force(k, $3)) as key_count,
                (select count(*) from invitations i where i.account_id = $1 and $6 and i.status = 'pending'
                    and i.expires_at > $3) as invitation_count,
                (select count(*) from invitations i where i.account_id = $1 and $6 and i.status = 'pending'
                    and i.expires_at > $3 and i.delivery = 'failed') as undelivered_count,
                exists (select 1 from grants g where g.account_id = $1 and g.role = 'admin' and g.scope = 'account'
                    and g.membership_id is not null and in_force(g, $3)) as has_admin,
                o.name as offered_to, coalesce(o.id = $2, false) as is_offered_to_me, f.expires_at as offered_until,
                coalesce((select '[' || string_agg('[' || d.day || ',' || d.whole || ',' || d.nanos || ']', ',') || ']' from (
                    select day, cast(sum(whole) as bigint) as whole, cast(sum(nanos) as bigint) as nanos from usage_days
                    where billing_account_id = $7 and ($8 or account_id = $1) and $9 and meter = $10 and day >= $11 group by day
                ) d), '[]') as days
             from accounts a join users u on u.id = a.owner_id
             left join transfers f on f.account_id = a.id and f.expires_at > $3
             left join memberships m on m.id = f.membership_id left join users o on o.id = m.user_id
             where a.id = $1",
        )
        .bind(me)
        .bind(now)
        .bind(all_teams)
        .bind(all_keys)
        .bind(invites)
        .bind(top)
        .bind(teams)
        .bind(usage)
        .bind(meter.to_owned())
        .bind(since)
        .fetch_one()
        .await?)
}
