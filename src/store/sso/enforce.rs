//! Enforcement of single sign-on: begins on trial, and ends by itself unless an administrator signs in through the provider in
//! time.
use super::{
    super::{
        Change, System,
        audit::{self, Chain, NewEvent},
        domains, members, site,
    },
    Connection,
};
use crate::{
    emails,
    error::{Error, Result},
    model::{
        access::Access,
        actor::RecentAuth,
        id::{AccountId, MembershipId},
        time::MINUTE,
    },
};
use serde_json::{Value, json};

/// How many of the account's leaders are mailed.
const MAX_NOTIFIED: i64 = 20;

/// How long an administrator has to sign in through the provider.
pub const TRIAL: std::time::Duration = MINUTE.saturating_mul(15);

/// Begins enforcement, on trial.
pub async fn begin(change: &mut Change<Access>, _: &RecentAuth) -> Result<()> {
    let account = change.access().account.clone();
    let connection = super::of(change, account.id).await?;
    let connection =
        connection.ok_or_else(|| Error::conflict("no_connection", "Connect an identity provider first."))?;
    if !domains::has_verified(change, account.id).await? {
        return Err(Error::conflict(
            "no_verified_domain",
            "Verify a domain first: its people are who must use SSO.",
        ));
    }
    let now = change.now();
    if connection.is_enforced(now) {
        return Ok(());
    }
    let sql = "update sso_connections set enforced_at = $2, confirm_by = $3 where account_id = $1";
    change.query_in_account(sql).bind(now).bind(now.plus(TRIAL)).execute().await?;
    let event = NewEvent::on("sso.enforced", "account", account.id, &account.name);
    audit::record(change, event.changed(Value::Null, json!({ "until": now.plus(TRIAL) }))).await
}

pub async fn end(change: &mut Change<Access>, _: &RecentAuth) -> Result<()> {
    let account = change.access().account.clone();
    lift(change, account.id, &account.name, "switched off").await
}

/// Ends the trial if the member, who has signed in through the provider, leads the account.
pub(super) async fn confirm<A>(
    change: &mut Change<A>,
    connection: &Connection,
    member: MembershipId,
) -> Result<()> {
    let now = change.now();
    if connection.confirm_by.is_none_or(|end| end <= now) {
        return Ok(());
    }
    let sql = "select 1 from memberships m where m.id = $1 and leads_account(m, $2)";
    let leads = change.query_unscoped(sql).bind(member).bind(now).fetch_optional::<(i32,)>().await?.is_some();
    if !leads {
        return Ok(());
    }
    let sql = "update sso_connections set confirm_by = null where account_id = $1 and confirm_by > $2";
    change.query_unscoped(sql).bind(connection.account).bind(now).execute().await?;
    let event = NewEvent::on("sso.enforcement_confirmed", "account", connection.account, "SSO");
    audit::record_in(change, Chain::Account(connection.account), event).await
}

/// Ends enforcement, if there is any, and mails the leaders why.
pub async fn lift<A>(change: &mut Change<A>, account: AccountId, name: &str, why: &str) -> Result<()> {
    let sql = "update sso_connections set enforced_at = null, confirm_by = null where account_id = $1 and enforced_at is not null";
    if change.query_unscoped(sql).bind(account).execute().await? == 0 {
        return Ok(());
    }
    let event = NewEvent::on("sso.enforcement_lifted", "account", account, name)
        .changed(Value::Null, json!({ "why": why }));
    audit::record_in(change, Chain::Account(account), event).await?;
    for leader in members::leaders(change, account, MAX_NOTIFIED).await? {
        let letter = emails::sso_lifted(&site(change.context()), &leader.email, name, why);
        change.send(&letter).await?;
    }
    Ok(())
}

/// Ends trials that nobody confirmed in time, and deletes expired logout tokens and proofs.
pub async fn sweep(change: &mut Change<System>) -> Result<()> {
    let now = change.now();
    change.query_unscoped("delete from sso_logouts where expires_at <= $1").bind(now).execute().await?;
    change.query_unscoped("delete from sso_proofs where expires_at <= $1").bind(now).execute().await?;
    let sql = "select a.id, a.name from sso_connections c join accounts a on a.id = c.account_id
        where c.confirm_by <= $1 limit 100";
    let expired: Vec<(AccountId, String)> = change.query_unscoped(sql).bind(now).fetch_all().await?;
    for (account, name) in expired {
        lift(change, account, &name, "no administrator signed in through the provider within 15 minutes")
            .await?;
    }
    Ok(())
}
