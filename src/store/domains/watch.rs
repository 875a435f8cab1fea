//! Each day, the record of a proven domain is looked at again.
use super::super::{
    Change, Host,
    audit::{self, Chain, Did},
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

/// How long a record may be missing.
const GRACE: std::time::Duration = DAY.saturating_mul(7);

/// A proven domain whose record is to be looked at again.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Due {
    /// Which.
    pub id: DomainId,
    account_id: AccountId,
    account_name: String,
    domain: String,
    token: String,
    missing_since: Option<Time>,
}

impl Due {
    /// The name of the record.
    pub fn record(&self) -> String {
        format!("{RECORD}.{}", self.domain)
    }
    /// What the record must say.
    pub fn value(&self) -> String {
        format!("{VALUE}{}", self.token)
    }
}

/// Takes those that were not looked at for a day, a few at a time: no other replica takes them within the hour.
pub async fn take_due(change: &mut Change<Host>) -> Result<Vec<Due>> {
    let now = change.now();
    let sql = "select d.id, d.account_id, a.name as account_name, d.domain, d.token, d.missing_since
        from domains d join accounts a on a.id = d.account_id
        where d.verified_at is not null and not d.vouched and d.checked_at <= $1 order by d.checked_at limit 20";
    let due: Vec<Due> = change.sql(sql).bind(now.minus(DAY)).fetch_all().await?;
    for it in &due {
        let sql = "update domains set checked_at = $2 where id = $1";
        change.sql(sql).bind(it.id).bind(now.minus(DAY).plus(HOUR)).execute().await?;
    }
    Ok(due)
}

/// Notes what the DNS said of one that was taken. Seven days without its record, a domain is proven no more.
pub async fn looked_at(change: &mut Change<Host>, due: &Due, is_there: bool) -> Result<()> {
    let now = change.now();
    let missing = if is_there { None } else { Some(due.missing_since.unwrap_or(now)) };
    let is_over = missing.is_some_and(|it| now.since(it) >= GRACE);
    let sql = "update domains set checked_at = $2, missing_since = $3, verified_at = case when $4 then null else verified_at end
        where id = $1 and verified_at is not null";
    if change.sql(sql).bind(due.id).bind(now).bind(missing).bind(is_over).execute().await? == 0 {
        return Ok(());
    }
    if is_over {
        let did = Did::to("domain.unverified", "domain", due.id, &due.domain);
        audit::write(change, Chain::Account(due.account_id), did).await?;
        let why = format!("the DNS record of {} was missing for seven days", due.domain);
        sso::enforce::lift(change, due.account_id, &due.account_name, &why).await?;
    }
    Ok(())
}
