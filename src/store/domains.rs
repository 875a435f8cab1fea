//! Domains of organizations: claimed, proven by a record in the DNS, looked at again each day.
pub mod joining;
pub mod overview;
pub mod watch;

use super::{
    Change, Host, Scope, Who,
    audit::{self, Chain, Did},
    sso,
};
use crate::{
    crypto::secrets::token,
    error::{Error, Result},
    model::{
        access::Fresh,
        account::Kind,
        domain::{Domain, RECORD, VALUE},
        id::{AccountId, DomainId},
        text::Email,
        time::Time,
    },
};
use serde_json::{Value, json};

/// The most that one organization claims.
const MOST: i64 = 50;

/// A domain.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Claimed {
    /// By which it is named in addresses.
    pub id: DomainId,
    /// Its name.
    pub domain: String,
    token: String,
    /// Since when it is proven.
    pub verified_at: Option<Time>,
    /// Whether the operator vouches for it.
    pub vouched: bool,
    /// When the DNS was last asked.
    pub checked_at: Option<Time>,
    /// Since when the record of a proven domain is missing.
    pub missing_since: Option<Time>,
    /// When it was claimed.
    pub created_at: Time,
}

impl Claimed {
    /// The name of the record.
    pub fn record(&self) -> String {
        format!("{RECORD}.{}", self.domain)
    }
    /// What the record must say.
    pub fn value(&self) -> String {
        format!("{VALUE}{}", self.token)
    }
}

impl Claimed {
    /// Whether the record is among what the DNS said.
    pub fn is_in(&self, found: &[String]) -> bool {
        found.contains(&self.value())
    }
    /// What a look at the DNS came to, in a sentence: of the claim as it stands after it, by what the DNS said.
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

/// The DNS did not answer.
pub fn unreachable(why: impl std::fmt::Display) -> Error {
    Error::conflict("dns_unreachable", format!("{why} Try again later."))
}

/// Those of the organization that one is in.
pub async fn list(scope: &mut Scope) -> Result<Vec<Claimed>> {
    let account = scope.who().here.id;
    of(scope, account).await
}

/// Those of an organization.
pub async fn of<W: Who>(scope: &mut Scope<W>, account: AccountId) -> Result<Vec<Claimed>> {
    let sql = "select id, domain, token, verified_at, vouched, checked_at, missing_since, created_at
        from domains where account_id = $1 order by domain limit 50";
    Ok(scope.sql(sql).bind(account).fetch_all().await?)
}

/// Whether one of them is proven.
pub async fn has_verified<W: Who>(scope: &mut Scope<W>, account: AccountId) -> Result<bool> {
    let sql = "select id from domains where account_id = $1 and verified_at is not null limit 1";
    Ok(scope.sql(sql).bind(account).fetch_optional::<(DomainId,)>().await?.is_some())
}

/// Whether an address is at one of them that is proven.
pub async fn is_of<W: Who>(scope: &mut Scope<W>, account: AccountId, email: &Email) -> Result<bool> {
    let Ok(domain) = Domain::parse(email.key()) else { return Ok(false) };
    let sql = "select id from domains where account_id = $1 and domain = $2 and verified_at is not null";
    Ok(scope.sql(sql).bind(account).bind(domain.as_str().to_owned()).fetch_optional::<(DomainId,)>().await?.is_some())
}

/// An organization that a domain leads to at sign-in.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Way {
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Whether everybody there must use its provider.
    pub enforced: bool,
}

/// The organization with a provider whose domain an address is at. Says nothing of whether the address has a user.
pub async fn way<W: Who>(scope: &mut Scope<W>, email: &Email) -> Result<Option<Way>> {
    let Ok(domain) = Domain::parse(email.key()) else { return Ok(None) };
    let now = scope.now();
    let sql = "select a.slug, a.name, (c.enforced_at is not null and coalesce(c.confirm_by, $2 + 1) > $2) as enforced
        from domains d join accounts a on a.id = d.account_id join sso_connections c on c.account_id = a.id
        where d.domain = $1 and d.verified_at is not null";
    Ok(scope.sql(sql).bind(domain.as_str().to_owned()).bind(now).fetch_optional().await?)
}

/// Claims a domain for the organization that one is in: its record is told, nothing is proven yet.
pub async fn add(change: &mut Change, _: &Fresh, domain: &Domain) -> Result<DomainId> {
    if change.who().here.kind != Kind::Organization {
        return Err(Error::conflict("not_an_organization", "Domains belong to organizations."));
    }
    let (count,): (i64,) = change.ask("select count(*) from domains where account_id = $1").fetch_one().await?;
    if count >= MOST {
        return Err(Error::invalid(
            "domain",
            "too_many",
            format!("An organization has at most {MOST} domains."),
        ));
    }
    let account = change.who().here.id;
    let Some(id) = claim(change, account, domain).await? else {
        return Err(Error::invalid("domain", "known", format!("{domain} is listed already.")));
    };
    audit::here(change, Did::to("domain.added", "domain", id, domain)).await?;
    Ok(id)
}

async fn claim<W: Who>(
    change: &mut Change<W>,
    account: AccountId,
    domain: &Domain,
) -> Result<Option<DomainId>> {
    let (id, now) = (DomainId(change.kit().id()), change.now());
    let token = token(&change.kit().chance);
    let sql = "insert into domains (id, account_id, domain, token, created_at) values ($1, $2, $3, $4, $5)
        on conflict (account_id, domain) do nothing returning id";
    let asked = change.sql(sql).bind(id).bind(account).bind(domain.as_str().to_owned()).bind(token).bind(now);
    Ok(asked.fetch_optional::<(DomainId,)>().await?.map(|it| it.0))
}

/// One of the organization that one is in.
pub async fn find(scope: &mut Scope, id: DomainId) -> Result<Claimed> {
    let sql = "select id, domain, token, verified_at, vouched, checked_at, missing_since, created_at
        from domains where account_id = $1 and id = $2";
    scope.ask(sql).bind(id).fetch_optional().await?.ok_or(Error::NotFound)
}

/// Notes what the DNS said about a claim: whether its record is there.
pub async fn checked(change: &mut Change, id: DomainId, is_there: bool) -> Result<()> {
    let it = find(change, id).await?;
    let now = change.now();
    let sql = "update domains set checked_at = $3 where account_id = $1 and id = $2";
    change.ask(sql).bind(id).bind(now).execute().await?;
    if !is_there {
        return Ok(());
    }
    let account = change.who().here.id;
    prove(change, account, &it, false).await
}

async fn prove<W: Who>(
    change: &mut Change<W>,
    account: AccountId,
    it: &Claimed,
    vouched: bool,
) -> Result<()> {
    let now = change.now();
    // Two who prove one name at the same moment: the row of the one waits for the other.
    let sql = "update domains set verified_at = coalesce(verified_at, $3), missing_since = null, vouched = (vouched or $4),
            checked_at = $3
        where account_id = $1 and id = $2 and not exists (
            select 1 from domains d where d.domain = domains.domain and d.verified_at is not null and d.id <> domains.id)";
    if change.sql(sql).bind(account).bind(it.id).bind(now).bind(vouched).execute().await? == 0 {
        let detail = format!(
            "{} belongs to another organization here. Ask its administrators, or the operator.",
            it.domain
        );
        return Err(Error::conflict("domain_taken", detail));
    }
    if it.verified_at.is_none() {
        let did = Did::to("domain.verified", "domain", it.id, &it.domain)
            .changed(Value::Null, json!({ "vouched": vouched }));
        audit::write(change, Chain::Account(account), did).await?;
    }
    Ok(())
}

/// The operator vouches for a domain, without the DNS.
pub async fn vouch(change: &mut Change<Host>, account: AccountId, domain: &Domain) -> Result<()> {
    change.sql("select 1 from accounts where id = $1 for no key update").bind(account).execute().await?;
    claim(change, account, domain).await?;
    let all = of(change, account).await?;
    let it = all.iter().find(|it| it.domain == domain.as_str()).ok_or(Error::NotFound)?;
    prove(change, account, it, true).await
}

/// Takes a domain away. Where it was the last proven one, nobody need use SSO any more.
pub async fn remove(change: &mut Change, _: &Fresh, id: DomainId) -> Result<String> {
    let it = find(change, id).await?;
    change.ask("delete from domains where account_id = $1 and id = $2").bind(id).execute().await?;
    audit::here(change, Did::to("domain.removed", "domain", id, &it.domain)).await?;
    let here = change.who().here.clone();
    if !has_verified(change, here.id).await? {
        sso::enforce::lift(change, here.id, &here.name, "its last verified domain was removed").await?;
    }
    Ok(it.domain)
}
