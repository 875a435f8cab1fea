//! The daily check of the records of verified domains.
use super::super::{
    Change, System,
    audit::{self, Chain, NewEvent},
    sso,
};
use crate::{
    error::Result,
    model::{
        domain::{RECORD, VALUE},
        id::{AccountId, DomainId},
        time::{DAY, HOUR, Time},
    },
};

/// How long a verified domain's record may be missing.
const GRACE: std::time::Duration = DAY.saturating_mul(7);

/// A verified domain whose record is due for a check.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct DueDomain {
    pub id: DomainId,
    account_id: AccountId,
    account_name: String,
    domain: String,
    token: String,
    missing_since: Option<Time>,
}

impl DueDomain {
    pub fn record(&self) -> String {
        format!("{RECORD}.{}", self.domain)
    }
    /// The expected value of the record.
    pub fn value(&self) -> String {
        format!("{VALUE}{}", self.token)
    }
}

/// Claims the domains that were not checked for a day, a few at a time: no other replica claims them within the hour.
pub async fn take_due(change: &mut Change<System>) -> Result<Vec<DueDomain>> {
    let now = change.now();
    let sql = "select d.id, d.account_id, a.name as account_name, d.domain, d.token, d.missing_since
        from domains d join accounts a on a.id = d.account_id
        where d.verified_at is not null and not d.vouched and d.checked_at <= $1 order by d.checked_at limit 20";
    let due: Vec<DueDomain> = change.query_unscoped(sql).bind(now.minus(DAY)).fetch_all().await?;
    for domain in &due {
        let sql = "update domains set checked_at = $2 where id = $1";
        change.query_unscoped(sql).bind(domain.id).bind(now.minus(DAY).plus(HOUR)).execute().await?;
    }
    Ok(due)
}

/// Stores the result of a check. After seven days without its record, a domain is no longer verified.
pub async fn record_check(change: &mut Change<System>, due: &DueDomain, is_there: bool) -> Result<()> {
    let now = change.now();
    let missing = if is_there { None } else { Some(due.missing_since.unwrap_or(now)) };
    let is_over = missing.is_some_and(|since| now.since(since) >= GRACE);
    let sql = "update domains set checked_at = $2, missing_since = $3, verified_at = case when $4 then null else verified_at end
        where id = $1 and verified_at is not null";
    if change.query_unscoped(sql).bind(due.id).bind(now).bind(missing).bind(is_over).execute().await? == 0 {
        return Ok(());
    }
    if is_over {
        let event = NewEvent::on("domain.unverified", "domain", due.id, &due.domain);
        audit::record_in(change, Chain::Account(due.account_id), event).await?;
        let why = format!("the DNS record of {} was missing for seven days", due.domain);
        sso::enforce::lift(change, due.account_id, &due.account_name, &why).await?;
    }
    Ok(())
}
