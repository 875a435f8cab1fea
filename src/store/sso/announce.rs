//! Announces single sign-on to the members who have not signed in through the provider yet.
use super::super::{
    Change,
    audit::{self, NewEvent},
    site,
};
use crate::{
    emails,
    error::{Error, Result},
    model::{
        access::Access,
        time::{HOUR, Time},
    },
};
use serde_json::{Value, json};

/// The least time between two announcements.
pub const PAUSE: std::time::Duration = HOUR.saturating_mul(12);
/// The most members who are mailed by one announcement.
const MAX_RECIPIENTS: i64 = 1000;

/// Mails the active members at verified domains who are not linked with the provider. Returns how many.
pub async fn announce(change: &mut Change<Access>) -> Result<usize> {
    let (account, now) = (change.access().account.clone(), change.now());
    let connection = super::of(change, account.id).await?;
    let connection =
        connection.ok_or_else(|| Error::conflict("no_connection", "Connect an identity provider first."))?;
    let sql = "select at from audit_events where chain = $1 and action = 'sso.people_told' order by seq desc limit 1";
    let last: Option<(Time,)> = change.query_in_account(sql).fetch_optional().await?;
    if last.is_some_and(|last| now.since(last.0) < PAUSE) {
        let detail = "They were told less than twelve hours ago. Give them the time to read it.";
        return Err(Error::conflict("told_lately", detail));
    }
    let sql = "select u.email from memberships m join users u on u.id = m.user_id
        where m.account_id = $1 and active_member(m, $3) and exists (select 1 from domains d
            where d.account_id = $1 and d.verified_at is not null and u.email_key like '%@' || d.domain)
        and not exists (select 1 from sso_identities i where i.account_id = $1 and i.user_id = m.user_id)
        order by m.name_key, m.id limit $2";
    let recipients: Vec<(String,)> =
        change.query_in_account(sql).bind(MAX_RECIPIENTS).bind(now).fetch_all().await?;
    if recipients.is_empty() {
        return Err(Error::conflict("nobody_to_tell", "All of them have come through the provider."));
    }
    let (name, email) = change.actor().sender();
    let path = format!("/sso/{}", account.slug);
    for (to,) in &recipients {
        let needed = emails::SsoNeeded {
            account: &account.name,
            by: emails::Sender { name: &name, email: &email },
            is_enforced: connection.is_enforced(now),
            path: &path,
        };
        let letter = emails::sso_needed(&site(change.context()), to, &needed);
        change.send(&letter).await?;
    }
    let event = NewEvent::on("sso.people_told", "account", account.id, &account.name)
        .changed(Value::Null, json!({ "count": recipients.len() }));
    audit::record(change, event).await?;
    Ok(recipients.len())
}
