//! What an account's first page tells. One statement.
use super::Scope;
use crate::{
    error::Result,
    model::{calendar::Day, permission::Permission, quantity::Quantity, time::Time},
};

/// An account in numbers: those that the visitor may not see are counted for nobody.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Facts {
    /// Since when it is there.
    pub created_at: Time,
    /// Who owns it.
    pub owner_name: String,
    /// Their address.
    pub owner_email: String,
    /// How many members it has.
    pub member_count: i64,
    /// Teams: all of them, or those that the visitor is in.
    pub team_count: i64,
    /// Keys that work: everyone's, or the visitor's own.
    pub key_count: i64,
    /// Invitations that wait for an answer.
    pub invitation_count: i64,
    /// Of these, the ones whose mail was given up.
    pub undelivered_count: i64,
    /// Whether anybody is an admin of the whole account.
    pub has_admin: bool,
    /// To whom the ownership is offered, by name.
    pub offered_to: Option<String>,
    /// Whether that is the visitor.
    pub is_offered_to_me: bool,
    /// Until when the offer holds.
    pub offered_until: Option<Time>,
    days: String,
}

impl Facts {
    /// How much of the meter was used on each day that it was; nothing for who may not see it.
    pub fn days(&self) -> Vec<(Day, Quantity)> {
        let days: Vec<[i64; 3]> = serde_json::from_str(&self.days).unwrap_or_default();
        days.into_iter().map(|[day, whole, nanos]| (Day(day), Quantity::of(whole, nanos))).collect()
    }
}

/// The account one is in; and of a meter, what was used since a day.
pub async fn facts(scope: &mut Scope, meter: &str, since: Day) -> Result<Facts> {
    let (who, now) = (scope.who(), scope.now());
    let (me, all_teams) = (who.person.id, who.is_owner || who.may(Permission::ViewMembers));
    let (top, teams, usage) = (who.here.top(), who.leads_teams(), who.may(Permission::ViewUsage));
    let (all_keys, invites) = (who.may(Permission::ManageKeys), who.may(Permission::InviteMembers));
    Ok(scope
        .ask(
            "select a.created_at, u.name as owner_name, u.email as owner_email, a.member_count,
                (select count(*) from accounts t where t.parent_id = $1 and ($4
                    or exists (select 1 from memberships x where x.account_id = t.id and x.user_id = $2))) as team_count,
                (select count(*) from api_keys k where k.account_id = $1 and (k.user_id = $2 or $5)
                    and k.revoked_at is null and coalesce(k.expires_at, $3 + 1) > $3) as key_count,
                (select count(*) from invitations i where i.account_id = $1 and $6 and i.status = 'pending'
                    and i.expires_at > $3) as invitation_count,
                (select count(*) from invitations i where i.account_id = $1 and $6 and i.status = 'pending'
                    and i.expires_at > $3 and i.delivery = 'failed') as undelivered_count,
                exists (select 1 from grants g where g.account_id = $1 and g.role = 'admin' and g.scope = 'account'
                    and g.membership_id is not null and coalesce(g.expires_at, $3) >= $3) as has_admin,
                o.name as offered_to, coalesce(o.id = $2, false) as is_offered_to_me, f.expires_at as offered_until,
                coalesce((select '[' || string_agg('[' || d.day || ',' || d.whole || ',' || d.nanos || ']', ',') || ']' from (
                    select day, cast(sum(whole) as bigint) as whole, cast(sum(nanos) as bigint) as nanos from usage_days
                    where top_id = $7 and ($8 or account_id = $1) and $9 and meter = $10 and day >= $11 group by day
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
