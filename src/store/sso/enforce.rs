//! Enforcement: rehearsed first, then on, and off again by itself unless an administrator shows in time that it works.
use super::{
    super::{
        Change, Host, Who,
        audit::{self, Chain, Did},
        domains, members, site,
    },
    Connection,
};
use crate::{
    emails,
    error::{Error, Result},
    model::{
        access::Fresh,
        id::{AccountId, MembershipId},
        time::MINUTE,
    },
};
use serde_json::{Value, json};

/// How long an administrator has to sign in through the provider.
pub const TRIAL: std::time::Duration = MINUTE.saturating_mul(15);

/// Switches it on, on trial.
pub async fn begin(change: &mut Change, _: &Fresh) -> Result<()> {
    let here = change.who().here.clone();
    let connection = super::of(change, here.id).await?;
    let connection =
        connection.ok_or_else(|| Error::conflict("no_connection", "Connect an identity provider first."))?;
    if !domains::has_verified(change, here.id).await? {
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
    change.ask(sql).bind(now).bind(now.plus(TRIAL)).execute().await?;
    let did = Did::to("sso.enforced", "account", here.id, &here.name);
    audit::here(change, did.changed(Value::Null, json!({ "until": now.plus(TRIAL) }))).await
}

/// Switches it off.
pub async fn end(change: &mut Change, _: &Fresh) -> Result<()> {
    let here = change.who().here.clone();
    lift(change, here.id, &here.name, "switched off").await
}

/// Whoever signs in through the provider and may set it up shows that it works.
pub(super) async fn confirm<W: Who>(
    change: &mut Change<W>,
    connection: &Connection,
    member: MembershipId,
    is_owner: bool,
) -> Result<()> {
    let now = change.now();
    if connection.confirm_by.is_none_or(|it| it <= now) {
        return Ok(());
    }
    let sql = "select id from grants where membership_id = $1 and role = 'admin' and scope = 'account'
        and coalesce(expires_at, $2) >= $2 limit 1";
    let leads =
        change.sql(sql).bind(member).bind(now).fetch_optional::<(crate::model::id::GrantId,)>().await?.is_some();
    if !is_owner && !leads {
        return Ok(());
    }
    let sql = "update sso_connections set confirm_by = null where account_id = $1 and confirm_by > $2";
    change.sql(sql).bind(connection.account).bind(now).execute().await?;
    let did = Did::to("sso.enforcement_confirmed", "account", connection.account, "SSO");
    audit::write(change, Chain::Account(connection.account), did).await
}

/// Nobody need use it any more; the administrators are told why.
pub async fn lift<W: Who>(change: &mut Change<W>, account: AccountId, name: &str, why: &str) -> Result<()> {
    let sql = "update sso_connections set enforced_at = null, confirm_by = null where account_id = $1 and enforced_at is not null";
    if change.sql(sql).bind(account).execute().await? == 0 {
        return Ok(());
    }
    let did = Did::to("sso.enforcement_lifted", "account", account, name)
        .changed(Value::Null, json!({ "why": why }));
    audit::write(change, Chain::Account(account), did).await?;
    for to in members::leader_addresses(change, account).await? {
        let letter = emails::sso_lifted(&site(change.kit()), &to, name, why);
        change.post(&letter).await?;
    }
    Ok(())
}

/// Lifts what nobody confirmed in time. Forgets logout tokens that nobody can send any more.
pub async fn sweep(change: &mut Change<Host>) -> Result<()> {
    let now = change.now();
    change.sql("delete from sso_logouts where expires_at <= $1").bind(now).execute().await?;
    change.sql("delete from sso_proofs where expires_at <= $1").bind(now).execute().await?;
    let sql = "select a.id, a.name from sso_connections c join accounts a on a.id = c.account_id
        where c.confirm_by <= $1 limit 100";
    let over: Vec<(AccountId, String)> = change.sql(sql).bind(now).fetch_all().await?;
    for (account, name) in over {
        lift(change, account, &name, "no administrator signed in through the provider within 15 minutes")
            .await?;
    }
    Ok(())
}
