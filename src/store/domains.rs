//! Domains of organizations: claimed, verified by a DNS record, checked again each day.
pub mod joining;
pub mod overview;
pub mod recheck;

use super::{
    Change, Scope, System,
    audit::{self, Chain, NewEvent},
    sso,
};
use crate::{
    crypto::secrets::token,
    error::{Error, Result},
    model::{
        access::Access,
        account::Kind,
        actor::RecentAuth,
        domain::{Domain, RECORD, VALUE},
        id::{AccountId, DomainId},
        text::EmailAddress,
        time::Time,
    },
};
use serde_json::{Value, json};

/// The most domains of an organization.
const MOST: i64 = 50;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct DomainClaim {
    pub id: DomainId,
    pub domain: String,
    token: String,
    /// When it was verified.
    pub verified_at: Option<Time>,
    /// Verified by the operator, without the DNS.
    pub vouched: bool,
    /// When the DNS was last queried.
    pub checked_at: Option<Time>,
    /// Since when the record of a verified domain is missing.
    pub missing_since: Option<Time>,
    pub created_at: Time,
}

impl DomainClaim {
    pub fn record(&self) -> String {
        format!("{RECORD}.{}", self.domain)
    }
    /// The expected value of the record.
    pub fn value(&self) -> String {
        format!("{VALUE}{}", self.token)
    }
}

impl DomainClaim {
    /// Whether the DNS answer contains the record.
    pub fn is_in(&self, found: &[String]) -> bool {
        found.contains(&self.value())
    }
    /// The result of a check, for people: `found` is the DNS answer, the claim is as it is after the check.
    pub fn outcome(&self, found: &[String]) -> Result<String> {
        let (domain, record) = (&self.domain, self.record());
        if self.is_in(found) {
            return Ok(format!("{domain} is verified."));
        }
        if self.verified_at.is_some() {
            return Ok(format!("The record of {domain} is missing. It stays verified for seven days."));
        }
        if found.is_empty() {
            let detail = format!(
                "There is no TXT record at {record} yet. New records can take some minutes to be seen."
            );
            return Err(Error::conflict("record_missing", detail));
        }
        let detail = format!("The TXT record at {record} says something else. Copy the value once more.");
        Err(Error::conflict("record_wrong", detail))
    }
}

pub fn unreachable(why: impl std::fmt::Display) -> Error {
    Error::conflict("dns_unreachable", format!("{why} Try again later."))
}

/// The domains of the current organization.
pub async fn list(scope: &mut Scope<Access>) -> Result<Vec<DomainClaim>> {
    let account = scope.access().account.id;
    of(scope, account).await
}

/// Those of an organization.
pub async fn of<A>(scope: &mut Scope<A>, account: AccountId) -> Result<Vec<DomainClaim>> {
    let sql = "select id, domain, token, verified_at, vouched, checked_at, missing_since, created_at
        from domains where account_id = $1 order by domain limit 50";
    Ok(scope.query_unscoped(sql).bind(account).fetch_all().await?)
}

/// Whether the account has a verified domain.
pub async fn has_verified<A>(scope: &mut Scope<A>, account: AccountId) -> Result<bool> {
    let sql = "select id from domains where account_id = $1 and verified_at is not null limit 1";
    Ok(scope.query_unscoped(sql).bind(account).fetch_optional::<(DomainId,)>().await?.is_some())
}

/// Whether an address is at a verified domain of the account.
pub async fn is_of<A>(scope: &mut Scope<A>, account: AccountId, email: &EmailAddress) -> Result<bool> {
    let Ok(domain) = Domain::parse(email.key()) else { return Ok(false) };
    let sql = "select id from domains where account_id = $1 and domain = $2 and verified_at is not null";
    Ok(scope
        .query_unscoped(sql)
        .bind(account)
        .bind(domain.as_str().to_owned())
        .fetch_optional::<(DomainId,)>()
        .await?
        .is_some())
}

/// An organization whose domain leads to its identity provider at sign-in.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SsoOrganization {
    pub slug: String,
    pub name: String,
    /// Whether its members must use the provider.
    pub enforced: bool,
}

/// The organization with an identity provider at whose verified domain an address is. Does not reveal whether the address has a
/// user.
pub async fn sso_organization<A>(
    scope: &mut Scope<A>,
    email: &EmailAddress,
) -> Result<Option<SsoOrganization>> {
    let Ok(domain) = Domain::parse(email.key()) else { return Ok(None) };
    let now = scope.now();
    let sql = "select a.slug, a.name, (c.enforced_at is not null and coalesce(c.confirm_by, $2 + 1) > $2) as enforced
        from domains d join accounts a on a.id = d.account_id join sso_connections c on c.account_id = a.id
        where d.domain = $1 and d.verified_at is not null";
    Ok(scope.query_unscoped(sql).bind(domain.as_str().to_owned()).bind(now).fetch_optional().await?)
}

/// Claims a domain for the current organization. It is not verified yet.
pub async fn add(change: &mut Change<Access>, _: &RecentAuth, domain: &Domain) -> Result<DomainId> {
    if change.access().account.kind != Kind::Organization {
        return Err(Error::conflict("not_an_organization", "Domains belong to organizations."));
    }
    let (count,): (i64,) =
        change.query_in_account("select count(*) from domains where account_id = $1").fetch_one().await?;
    if count >= MOST {
        return Err(Error::invalid(
            "domain",
            "too_many",
            format!("An organization has at most {MOST} domains."),
        ));
    }
    let account = change.access().account.id;
    let Some(id) = claim(change, account, domain).await? else {
        return Err(Error::invalid("domain", "known", format!("{domain} is listed already.")));
    };
    audit::record(change, NewEvent::on("domain.added", "domain", id, domain)).await?;
    Ok(id)
}

async fn claim<A>(change: &mut Change<A>, account: AccountId, domain: &Domain) -> Result<Option<DomainId>> {
    let (id, now) = (DomainId(change.context().id()), change.now());
    let token = token(&change.context().random);
    let sql = "insert into domains (id, account_id, domain, token, created_at) values ($1, $2, $3, $4, $5)
        on conflict (account_id, domain) do nothing returning id";
    let asked = change
        .query_unscoped(sql)
        .bind(id)
        .bind(account)
        .bind(domain.as_str().to_owned())
        .bind(token)
        .bind(now);
    Ok(asked.fetch_optional::<(DomainId,)>().await?.map(|row| row.0))
}

/// A domain of the current organization.
pub async fn find(scope: &mut Scope<Access>, id: DomainId) -> Result<DomainClaim> {
    let sql = "select id, domain, token, verified_at, vouched, checked_at, missing_since, created_at
        from domains where account_id = $1 and id = $2";
    scope.query_in_account(sql).bind(id).fetch_optional().await?.ok_or(Error::NotFound)
}

/// Stores the result of a DNS check.
pub async fn record_check(change: &mut Change<Access>, id: DomainId, is_there: bool) -> Result<()> {
    let claim = find(change, id).await?;
    let now = change.now();
    let sql = "update domains set checked_at = $3 where account_id = $1 and id = $2";
    change.query_in_account(sql).bind(id).bind(now).execute().await?;
    if !is_there {
        return Ok(());
    }
    let account = change.access().account.id;
    prove(change, account, &claim, false).await
}

async fn prove<A>(
    change: &mut Change<A>,
    account: AccountId,
    claim: &DomainClaim,
    vouched: bool,
) -> Result<()> {
    let now = change.now();
    // If two organizations verify one name at the same time, one waits for the other.
    let sql = "update domains set verified_at = coalesce(verified_at, $3), missing_since = null, vouched = (vouched or $4),
            checked_at = $3
        where account_id = $1 and id = $2 and not exists (
            select 1 from domains d where d.domain = domains.domain and d.verified_at is not null and d.id <> domains.id)";
    if change.query_unscoped(sql).bind(account).bind(claim.id).bind(now).bind(vouched).execute().await? == 0 {
        let detail = format!(
            "{} belongs to another organization here. Ask its administrators, or the operator.",
            claim.domain
        );
        return Err(Error::conflict("domain_taken", detail));
    }
    if claim.verified_at.is_none() {
        let event = NewEvent::on("domain.verified", "domain", claim.id, &claim.domain)
            .changed(Value::Null, json!({ "vouched": vouched }));
        audit::record_in(change, Chain::Account(account), event).await?;
    }
    Ok(())
}

/// Verifies a domain on the operator's word, without the DNS.
pub async fn vouch(change: &mut Change<System>, account: AccountId, domain: &Domain) -> Result<()> {
    change.lock_account(account).await?;
    claim(change, account, domain).await?;
    let all = of(change, account).await?;
    let claim = all.iter().find(|claim| claim.domain == domain.as_str()).ok_or(Error::NotFound)?;
    prove(change, account, claim, true).await
}

/// Removes a domain. Without a verified domain, SSO is no longer enforced.
pub async fn remove(change: &mut Change<Access>, _: &RecentAuth, id: DomainId) -> Result<String> {
    let claim = find(change, id).await?;
    change
        .query_in_account("delete from domains where account_id = $1 and id = $2")
        .bind(id)
        .execute()
        .await?;
    audit::record(change, NewEvent::on("domain.removed", "domain", id, &claim.domain)).await?;
    let here = change.access().account.clone();
    if !has_verified(change, here.id).await? {
        sso::enforce::lift(change, here.id, &here.name, "its last verified domain was removed").await?;
    }
    Ok(claim.domain)
}
