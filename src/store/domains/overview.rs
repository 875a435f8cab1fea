//! What the page of domains and SSO enforcement shows.
use super::{super::Scope, DomainClaim, joining::JoinRequest};
use crate::{
    error::{Error, Result},
    model::{
        access::Access,
        id::{DomainId, JoinId},
        time::Time,
    },
};

#[derive(Clone, Debug)]
pub struct DomainsOverview {
    pub domains: Vec<DomainClaim>,
    pub state: EnforcementState,
}

/// Where an organization stands with enforcing SSO.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct EnforcementState {
    /// What people at verified domains may do.
    pub join_policy: String,
    /// Whether an identity provider is connected.
    pub is_connected: bool,
    /// Since when SSO is required.
    pub enforced_at: Option<Time>,
    /// Until when an administrator must have signed in through SSO; otherwise enforcement ends.
    pub confirm_by: Option<Time>,
    /// Unused break-glass codes.
    pub codes_left: i64,
    /// Members at verified domains.
    pub people: i64,
    /// Those of them who never signed in through the provider.
    pub locked_out: i64,
    /// When they were last mailed about it.
    pub told_at: Option<Time>,
}

impl EnforcementState {
    /// Whether SSO is required now.
    pub fn is_enforced(&self, now: Time) -> bool {
        self.enforced_at.is_some() && self.confirm_by.is_none_or(|end| end > now)
    }
}

#[derive(sqlx::FromRow)]
struct DomainRow {
    #[sqlx(flatten)]
    state: EnforcementState,
    #[sqlx(flatten)]
    domain: OptionalDomain,
}

#[derive(sqlx::FromRow)]
struct OptionalDomain {
    id: Option<DomainId>,
    domain: Option<String>,
    token: Option<String>,
    verified_at: Option<Time>,
    vouched: Option<bool>,
    checked_at: Option<Time>,
    missing_since: Option<Time>,
    created_at: Option<Time>,
}

impl OptionalDomain {
    fn claimed(self) -> Option<DomainClaim> {
        Some(DomainClaim {
            id: self.id?,
            domain: self.domain?,
            token: self.token?,
            verified_at: self.verified_at,
            vouched: self.vouched?,
            checked_at: self.checked_at,
            missing_since: self.missing_since,
            created_at: self.created_at?,
        })
    }
}

/// The current organization. One statement, which returns a row for each domain.
pub async fn read(scope: &mut Scope<Access>) -> Result<DomainsOverview> {
    let now = scope.now();
    let rows: Vec<DomainRow> = scope
        .query_in_account(
            "select a.join_policy, c.account_id is not null as is_connected, c.enforced_at, c.confirm_by,
                (select count(*) from break_glass_codes b where b.account_id = $1 and b.used_at is null) as codes_left,
                (select count(*) from memberships m join users u on u.id = m.user_id
                    where m.account_id = $1 and active_member(m, $2) and exists (select 1 from domains x
                        where x.account_id = $1 and x.verified_at is not null and u.email_key like '%@' || x.domain)) as people,
                (select count(*) from memberships m join users u on u.id = m.user_id
                    where m.account_id = $1 and active_member(m, $2) and exists (select 1 from domains x
                        where x.account_id = $1 and x.verified_at is not null and u.email_key like '%@' || x.domain)
                    and not exists (select 1 from sso_identities i where i.account_id = $1 and i.user_id = m.user_id))
                    as locked_out,
                (select e.at from audit_events e where e.chain = $1 and e.action = 'sso.people_told'
                    order by e.seq desc limit 1) as told_at,
                d.id, d.domain, d.token, d.verified_at, d.vouched, d.checked_at, d.missing_since, d.created_at
             from accounts a left join sso_connections c on c.account_id = a.id left join domains d on d.account_id = a.id
             where a.id = $1 order by d.domain limit 50",
        )
        .bind(now)
        .fetch_all()
        .await?;
    let state = rows.first().map(|row| row.state.clone()).ok_or(Error::NotFound)?;
    Ok(DomainsOverview { domains: rows.into_iter().filter_map(|row| row.domain.claimed()).collect(), state })
}

/// A member who is affected by enforcement.
#[derive(Clone, Debug)]
pub struct AffectedMember {
    pub name: String,
    pub email: String,
    /// When they last signed in through the provider; `None` if never: they would be locked out.
    pub used_at: Option<Time>,
    /// How they last signed in without the provider; `None` if not recently.
    pub method: Option<String>,
}

#[derive(sqlx::FromRow)]
struct PersonRow {
    asks: Option<JoinId>,
    name: String,
    email: String,
    at: Option<Time>,
    method: Option<String>,
}

/// Who asks to join, and which members enforcement affects: those who never signed in through the provider, or last signed in
/// another way. The first hundred of each, in one statement.
pub async fn people(scope: &mut Scope<Access>) -> Result<(Vec<JoinRequest>, Vec<AffectedMember>)> {
    let now = scope.now();
    let rows: Vec<PersonRow> = scope
        .query_in_account(
            "select asks, name, email, at, method from (
                select j.id as asks, u.name, u.email, j.created_at as at, cast(null as text) as method
                from join_requests j join users u on u.id = j.user_id where j.account_id = $1 order by j.id limit 100
             ) asking
             union all
             select asks, name, email, at, method from (
                select cast(null as uuid) as asks, it.name, it.email, it.at, it.method from (
                    select m.id, m.name_key, u.name, u.email,
                        (select max(i.used_at) from sso_identities i where i.account_id = $1 and i.user_id = m.user_id) as at,
                        (select s.method from sessions s where s.user_id = m.user_id and s.method <> 'sso'
                            order by s.created_at desc limit 1) as method,
                        (select max(s.created_at) from sessions s where s.user_id = m.user_id and s.method <> 'sso') as other_at
                    from memberships m join users u on u.id = m.user_id
                    where m.account_id = $1 and active_member(m, $2) and exists (select 1 from domains d
                        where d.account_id = $1 and d.verified_at is not null and u.email_key like '%@' || d.domain)
                ) it where it.at is null or it.other_at > it.at
                order by case when it.at is null then 0 else 1 end, it.name_key, it.id limit 100
             ) touched",
        )
        .bind(now)
        .fetch_all()
        .await?;
    let (mut asking, mut touched) = (vec![], vec![]);
    for PersonRow { asks, name, email, at, method } in rows {
        match asks {
            Some(id) => asking.push(JoinRequest { id, name, email, created_at: at.unwrap_or(Time(0)) }),
            None => touched.push(AffectedMember { name, email, used_at: at, method }),
        }
    }
    Ok((asking, touched))
}
