//! Enforcement: rehearsed first, then on, and off again by itself unless an administrator shows in time that it works.
use super::{
    super::{
        Change, Host, Scope, Who,
        audit::{self, Chain, Did},
        domains, members, site,
    },
    Connection,
};
use crate::{
    error::{Error, Result},
    letters,
    model::{
        entry::Fresh,
        id::{AccountId, MembershipId},
        time::{MINUTE, Time},
    },
};
use serde_json::{Value, json};

/// How long an administrator has to sign in through the provider.
pub const TRIAL: std::time::Duration = MINUTE.saturating_mul(15);

/// Somebody whom enforcement touches.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Touched {
    /// Which member.
    pub id: MembershipId,
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
    /// When they last came through the provider; none: never, they would be locked out.
    pub used_at: Option<Time>,
    /// How they last signed in otherwise; none: not lately.
    pub method: Option<String>,
}

/// What enforcing would do.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// Members at verified domains.
    pub all: i64,
    /// Those who never came through the provider.
    pub locked_out: i64,
    /// They, and those whose last sign-in was not through it, the first hundred.
    pub touched: Vec<Touched>,
}

/// Looks at the members at verified domains.
pub async fn rehearse(scope: &mut Scope) -> Result<Rehearsal> {
    let (all, locked_out): (i64, i64) = scope
        .ask(
            "select count(*), cast(coalesce(sum(case when exists (select 1 from sso_identities i
                    where i.account_id = $1 and i.user_id = m.user_id) then 0 else 1 end), 0) as bigint)
             from memberships m join users u on u.id = m.user_id
             where m.account_id = $1 and m.suspended_at is null and exists (select 1 from domains d
                where d.account_id = $1 and d.verified_at is not null and u.email_key like '%@' || d.domain)",
        )
        .one()
        .await?;
    let touched = scope
        .ask(
            "select it.id, it.name, it.email, it.used_at, it.method from (
                select m.id, m.name_key, u.name, u.email,
                    (select max(i.used_at) from sso_identities i where i.account_id = $1 and i.user_id = m.user_id) as used_at,
                    (select s.method from sessions s where s.user_id = m.user_id and s.method <> 'sso'
                        order by s.created_at desc limit 1) as method,
                    (select max(s.created_at) from sessions s where s.user_id = m.user_id and s.method <> 'sso') as other_at
                from memberships m join users u on u.id = m.user_id
                where m.account_id = $1 and m.suspended_at is null and exists (select 1 from domains d
                    where d.account_id = $1 and d.verified_at is not null and u.email_key like '%@' || d.domain)
             ) it where it.used_at is null or it.other_at > it.used_at
             order by case when it.used_at is null then 0 else 1 end, it.name_key, it.id limit 100",
        )
        .all()
        .await?;
    Ok(Rehearsal { all, locked_out, touched })
}

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
    change.ask(sql).bind(now).bind(now.plus(TRIAL)).run().await?;
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
        change.sql(sql).bind(member).bind(now).maybe::<(crate::model::id::GrantId,)>().await?.is_some();
    if !is_owner && !leads {
        return Ok(());
    }
    let sql = "update sso_connections set confirm_by = null where account_id = $1 and confirm_by > $2";
    change.sql(sql).bind(connection.account).bind(now).run().await?;
    let did = Did::to("sso.enforcement_confirmed", "account", connection.account, "SSO");
    audit::write(change, Chain::Account(connection.account), did).await
}

/// Nobody need use it any more; the administrators are told why.
pub async fn lift<W: Who>(change: &mut Change<W>, account: AccountId, name: &str, why: &str) -> Result<()> {
    let sql = "update sso_connections set enforced_at = null, confirm_by = null where account_id = $1 and enforced_at is not null";
    if change.sql(sql).bind(account).run().await? == 0 {
        return Ok(());
    }
    let did = Did::to("sso.enforcement_lifted", "account", account, name)
        .changed(Value::Null, json!({ "why": why }));
    audit::write(change, Chain::Account(account), did).await?;
    for to in members::leader_addresses(change, account).await? {
        let letter = letters::sso_lifted(&site(change.kit()), &to, name, why);
        change.post(&letter).await?;
    }
    Ok(())
}

/// Lifts what nobody confirmed in time. Forgets logout tokens that nobody can send any more.
pub async fn sweep(change: &mut Change<Host>) -> Result<()> {
    let now = change.now();
    change.sql("delete from sso_logouts where expires_at <= $1").bind(now).run().await?;
    change.sql("delete from sso_proofs where expires_at <= $1").bind(now).run().await?;
    let sql = "select a.id, a.name from sso_connections c join accounts a on a.id = c.account_id
        where c.confirm_by <= $1 limit 100";
    let over: Vec<(AccountId, String)> = change.sql(sql).bind(now).all().await?;
    for (account, name) in over {
        lift(change, account, &name, "no administrator signed in through the provider within 15 minutes")
            .await?;
    }
    Ok(())
}
